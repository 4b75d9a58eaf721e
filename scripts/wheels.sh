#!/bin/sh
# Build a wheel with the core for each target into dist/, whatever the machine.
#   scripts/wheels.sh                        all that core/build.py names
#   scripts/wheels.sh x86_64-linux-gnu.2.17  these alone
set -eu
cd "$(dirname "$0")/.."
python="$(cd "${VENV:-.venv}" && pwd)/bin/python"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
[ $# -gt 0 ] || set -- $("$python" core/build.py --targets)
for target in "$@"; do
    # the compiler, where neither it nor the library is here
    if ! PYTHONPATH="$tools" "$python" core/build.py --ready "$target"; then
        "$python" -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps --no-compile \
            --target "$tools" --requirement requirements-core.lock
    fi
    # what the last target left would go into the next wheel
    rm -rf build
    echo "wheels: $target" >&2
    PYTHONPATH="$tools" ZEVM_CORE_TARGET="$target" ZEVM_NO_CORE='' ZEVM_REQUIRE_CORE=1 \
        "$python" -m build --wheel --no-isolation --outdir dist >/dev/null
done
rm -rf build
