#!/bin/sh
# Build a wheel with the core for each target into dist/, whatever the machine.
#   scripts/wheels.sh                        all that core/build.py names
#   scripts/wheels.sh x86_64-linux-gnu.2.17  these alone
set -eu
cd "$(dirname "$0")/.."
python="$(cd "${VENV:-.venv}" && pwd)/bin/python"
dist="$(pwd)/dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# from a copy: in one build folder, two runs would give a wheel the other's library
"$python" -m build --sdist --no-isolation --outdir "$work" >/dev/null
mkdir "$work/source"
tar -xzf "$work"/*.tar.gz -C "$work/source" --strip-components 1
[ $# -gt 0 ] || set -- $("$python" core/build.py --targets)
export PYTHONPATH="$work/compiler"
for target in "$@"; do
    # the compiler, where neither it nor the library is here
    if ! "$python" core/build.py --ready "$target"; then
        "$python" -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps --no-compile \
            --target "$work/compiler" --requirement requirements-core.lock
    fi
    # what the last target left would go into the next wheel
    rm -rf "$work/source/build"
    echo "wheels: $target" >&2
    ZEVM_CORE_TARGET="$target" ZEVM_NO_CORE='' ZEVM_REQUIRE_CORE=1 \
        "$python" -m build --wheel --no-isolation --outdir "$dist" "$work/source" >/dev/null
done
