#!/bin/sh
# Make .venv and install the locked packages, hashes checked.
#   scripts/venv.sh run    what the node needs
#   scripts/venv.sh dev    and what the tests and the linters need
# Quick when nothing changed: a stamp holds the checksum of what was installed.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
venv=${VENV:-.venv}

find_python() {
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do
        # Run it: a version manager's shim may be on the path with no Python behind it.
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "zevm: needs Python 3.11, 3.12 or 3.13 (coincurve has no wheels for later ones), found: $(python3 --version 2>&1 || echo none)." \
        "Install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
}

# Root on Debian may install what is missing; others are told.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; } >&2
}

# safe-pysha3 has no wheels: it wants a compiler and Python's headers.
check_compiler() {
    if ! command -v cc >/dev/null && ! command -v gcc >/dev/null && ! apt_install gcc libc6-dev; then
        echo "zevm: needs a C compiler (Debian: apt-get install gcc libc6-dev)" >&2
        exit 1
    fi
    headers='import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))'
    if ! "$1" -c "$headers" && ! { apt_install "$(basename "$1")-dev" && "$1" -c "$headers"; }; then
        echo "zevm: $1 has no header files: install its development package (Debian: apt-get install python3-dev)" >&2
        exit 1
    fi
}

# The pip that a Python brings, unpacked: ensurepip would run it out of its archive, which takes ten times as long.
unpack_pip() {
    "$venv/bin/python" -c '
import ensurepip, glob, os, sysconfig, zipfile
folders = sysconfig.get_config_var("WHEEL_PKG_DIR"), os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
wheel = next(file for folder in folders if folder for file in glob.glob(os.path.join(folder, "pip-*.whl")))
zipfile.ZipFile(wheel).extractall(sysconfig.get_path("purelib"))' 2>/dev/null
}

make_venv() {
    "$1" -m venv --clear --without-pip "$venv" && unpack_pip && return
    "$1" -m venv --clear "$venv" && return
    apt_install "$(basename "$1")-venv" && "$1" -m venv --clear "$venv" && return
    echo "zevm: $1 cannot make a virtual environment: install its venv module (Debian: apt-get install python3-venv)" >&2
    exit 1
}

case $kind in
    run) locks="requirements-build.lock requirements.lock" ;;
    dev) locks="requirements-build.lock requirements.lock requirements-dev.lock" ;;
    *) echo "usage: scripts/venv.sh run|dev" >&2; exit 2 ;;
esac
if [ "$kind" = dev ]; then main_lock=requirements-dev.lock; else main_lock=requirements.lock; fi

core=core/_core.abi3.so
compiler=requirements-core.lock
# The folder counts: an editable install points at it.
sum_of() { echo "$(cat pyproject.toml setup.py "$@" $compiler scripts/venv.sh core/build.py core/_core.pyi core/zig/*.zig | cksum) $(pwd)"; }
library_sum() { cksum < $core 2>/dev/null || echo none; }
wanted=$(sum_of $locks)
if [ "${ZEVM_REQUIRE_CORE:-0}" != 0 ] && [ ! -f $core ]; then wanted="$wanted, required"; fi
for stamp in "$venv/.installed-$kind" "$venv/.installed-dev"; do
    if [ -f "$stamp" ] && [ "$(sed -n "/^$kind /s/^$kind //p" "$stamp")" = "$wanted" ] &&
        [ "$(sed -n "/^core /s/^core //p" "$stamp")" = "$(library_sum)" ]; then exit 0; fi
done

python=$(find_python)
check_compiler "$python"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if ! "$venv/bin/python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$version" 2>/dev/null; then
    make_venv "$python"
fi
rm -f "$venv"/.installed-*
# an index with the locked packages alone, where there is one (scripts/locked_index.py)
if [ -n "${ZEVM_LOCKED_INDEX:-}" ]; then export PIP_INDEX_URL="file://$ZEVM_LOCKED_INDEX"; fi
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
echo "zevm: installing locked packages into $venv (once)" >&2
pip install --require-hashes --requirement requirements-build.lock
# of an earlier version, whose module has the name of its successor's: it goes before that comes
if ls "$venv"/lib/python3*/site-packages/plyvel-*.dist-info >/dev/null 2>&1; then pip uninstall --yes plyvel; fi
# The core's compiler has 400 MB, and the node does not need it: it goes when the core is built. Where it is not to be
# had, the node runs without the core.
tools="$(cd "$venv" && pwd)/.core-compiler"
# into the cache, where the installation finds it
build_core() {
    if ! "$venv/bin/python" core/build.py --ready; then
        pip install --require-hashes --no-deps --no-compile --target "$tools" --requirement $compiler || rm -rf "$tools"
    fi
    PYTHONPATH="$tools" "$venv/bin/python" core/build.py $core ||
        echo "zevm: the node runs in Python alone, and so slower; ZEVM_REQUIRE_CORE=1 scripts/venv.sh $kind tries again" >&2
}
rm -rf "$tools" $core
# what still runs would put files into the folder again
trap 'wait; rm -rf "$tools"' EXIT
if [ "${ZEVM_NO_CORE:-0}" = 0 ]; then
    # the tests' compiler is this one
    if [ "$kind" = dev ]; then pip install --require-hashes --no-deps --requirement $compiler || true; fi
    # it needs none of the packages, and a processor for as long as pip needs another
    build_core &
fi
pip install --require-hashes --no-build-isolation --requirement "$main_lock"
wait
# setuptools calls this kind of editable install old, in a page of text
log="$venv/.install.log"
pip install --no-deps --no-build-isolation --config-settings editable_mode=compat --editable . >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
run_sum=$(sum_of requirements-build.lock requirements.lock)
wanted=$(sum_of $locks)
{
    echo "run $run_sum"
    if [ "$kind" = dev ]; then echo "dev $wanted"; fi
    # another library than the one installed here is replaced
    echo "core $(library_sum)"
} > "$venv/.installed-$kind"
