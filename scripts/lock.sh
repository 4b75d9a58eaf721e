#!/bin/sh
# Write the lock files anew from pyproject.toml: versions and hashes for every Python that it names, no registry's address.
set -eu
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
compile() {
    "$python" -m uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links "$@"
}
compile --extra cli --extra web3 --extra zns --extra quic --output-file requirements.lock pyproject.toml
compile --extra cli --extra web3 --extra zns --extra quic --extra zig --extra vyper --extra audit --extra telemetry --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
# a Python's own pip may be years old, and takes three times as long for the rest
printf 'pip==26.3\nsetuptools==84.2.1\nwheel==0.48.0\n' > requirements-build.in
compile --output-file requirements-build.lock requirements-build.in
rm requirements-build.in
# the compiler of the core, which is installed for the build alone
sed -n 's/^zig = \["\(ziglang==[^"]*\)".*/\1/p' pyproject.toml > requirements-core.in
compile --output-file requirements-core.lock requirements-core.in
rm requirements-core.in
