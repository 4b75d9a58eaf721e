#!/usr/bin/env bash
# Installs the Ethereum tools of the client tests and of the benchmark (forge, cast, anvil, Hardhat, ethers, viem, solc)
# from npm into tests/clients/node_modules, at the versions of the lock file. Does nothing when they are there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/clients"
stamp=node_modules/.installed-lock
wanted=$(sha256sum package-lock.json .npmrc | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
  echo "client tools: already installed"
  exit 0
fi
command -v npm >/dev/null || { echo "client tools: npm is missing; install Node.js 20 or newer (Debian: apt install nodejs npm)" >&2; exit 1; }
npm ci --no-audit --no-fund --loglevel=error
echo "$wanted" >"$stamp"
echo "client tools: installed"
