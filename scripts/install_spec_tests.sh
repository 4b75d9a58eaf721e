#!/usr/bin/env bash
# Gets WebAssembly's test scripts (Apache-2.0) and wast2json, which reads them, into tests/chain/zvm/spec_tests: the scripts
# are part of Debian's source package binaryen, wast2json of its package wabt. Nothing is installed into the system.
# Does nothing when they are there already. Without it, and without WASM_SPEC_TESTS, tests/chain/zvm/test_spec_suite.py
# is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/chain/zvm"
if [ -e spec_tests/.complete ]; then
  echo "spec tests: already here"
  exit 0
fi
command -v apt-get >/dev/null || { echo "spec tests: need Debian's apt-get, or a checkout named by WASM_SPEC_TESTS" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/sources"
# The machine's own Debian sources, for programs and for source packages.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  if [ -f "$file" ] && grep -qi debian "$file"; then
    sed -E 's/^Types:.*/Types: deb deb-src/; s/^deb (.*)/deb \1\ndeb-src \1/' "$file" >"$work/sources/$(basename "$file")"
  fi
done
options=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=$(id -un)")
cd "$work"
apt-get "${options[@]}" update
apt-get "${options[@]}" download wabt
apt-get "${options[@]}" source --download-only binaryen
cd - >/dev/null

rm -rf spec_tests
mkdir spec_tests
dpkg-deb --fsys-tarfile "$work"/wabt_*.deb | tar -x -C spec_tests --strip-components=3 ./usr/bin/wast2json
tar -xf "$work"/binaryen_*.orig.tar.* -C spec_tests --strip-components=3 --wildcards '*/test/spec/*.wast'
touch spec_tests/.complete
echo "spec tests: $(ls spec_tests/*.wast | wc -l) scripts are here"
