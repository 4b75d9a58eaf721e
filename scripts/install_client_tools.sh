#!/usr/bin/env bash
# Installs the Ethereum tools of the client tests and of the benchmark (forge, cast, anvil, Hardhat, ethers, viem, solc)
# from npm into tests/clients/node_modules, at the versions of the lock file; with --foreign also the project of others
# whose tests run against the node, into tests/foreign/node_modules. Does nothing where they are there already.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests" && pwd)

install() { # folder, what it is called
  cd "$tests/$1"
  local stamp=node_modules/.installed-lock wanted
  wanted=$(sha256sum package-lock.json .npmrc | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    echo "$2: already installed"
    return
  fi
  command -v npm >/dev/null || { echo "$2: npm is missing; install Node.js 20 or newer (Debian: apt install nodejs npm)" >&2; exit 1; }
  npm ci --no-audit --no-fund --loglevel=error >&2
  echo "$wanted" >"$stamp"
  echo "$2: installed"
}

install clients "client tools"
if [ "${1:-}" = --foreign ]; then install foreign "foreign project"; fi
