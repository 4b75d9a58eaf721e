#!/usr/bin/env bash
# Makes .oracle, an environment with Ethereum's executable specification. Does nothing when it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wanted="ethereum-execution==2.20.0"
if [ "$(cat .oracle/.installed 2>/dev/null || true)" = "$wanted" ]; then exit 0; fi
python=${PYTHON:-.venv/bin/python} # the node's own: newer Pythons have no wheels for what the specification pins
command -v "$python" >/dev/null || python=python3
"$python" -m venv --clear --without-pip .oracle
# the pip of .venv is newer than the one that a Python brings, and takes a third of its time; what is imported is
# compiled then, and the rest never
"$python" -m pip --python .oracle/bin/python install --quiet --disable-pip-version-check --no-compile "$wanted" || {
    .oracle/bin/python -m ensurepip >/dev/null
    .oracle/bin/python -m pip install --quiet --disable-pip-version-check "$wanted"
}
echo "$wanted" >.oracle/.installed
