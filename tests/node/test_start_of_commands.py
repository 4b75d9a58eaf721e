"""A command imports what it needs: most need neither engine nor server, whose imports take longer than their work."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest

from testing.node_process import ROOT, NodeProcess, zevm_command
from testing.wasm_modules import box

PY_EVM = "eth.constants"
"""Every module of py-evm that runs imports it; the packages above stand there before, of which nothing has run."""
ENGINES = (PY_EVM, "wasmtime", "fastapi", "uvicorn")
ALL = (*ENGINES, "eth_abi", "eth_account")
"""And what only encodes values or signs."""
SETTINGS = ("pydantic_settings", "zevm.node.settings")
"""And what only the settings need, which a node has and most commands do not."""
TABLES = "rich.table"
NONE_OF = (*ALL, *SETTINGS)
NOBODY = "--rpc http://127.0.0.1:9"
ADDRESS = "0x" + "11" * 20
ARTIFACT = {
    "abi": [{"type": "function", "name": "get", "inputs": [], "outputs": [], "stateMutability": "view"}],
    "bytecode": {"object": "0x00"},
    "deployedBytecode": {"object": "0x00"},
}

COMMANDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "--version": (0, NONE_OF),
    "--help": (0, ALL),
    "run --help": (0, ALL),
    "run --port many": (2, ALL),
    "db --help": (0, ALL),
    "account list": (0, ALL),
    "contract --help": (0, NONE_OF),
    "contract new box": (0, NONE_OF),
    "contract abi Counter": (0, NONE_OF),
    f"contract call {ADDRESS} get() {NOBODY}": (1, (*ENGINES, *SETTINGS, TABLES)),
    f"wasm call {ADDRESS} get() {NOBODY}": (1, (*ENGINES, *SETTINGS, TABLES)),
    f"zns resolve a.ghost {NOBODY}": (1, (*NONE_OF, "zevm.node.wallet")),
    "wasm inspect module.wasm": (0, (PY_EVM, "fastapi", "uvicorn", *SETTINGS)),
}
"""Command -> its exit code, and modules that it must not import. Each runs in a fork of one process."""

_SCRIPT = """
import contextlib, json, os, sys
from zevm.node.cli import main

for command, packages in json.load(sys.stdin).items():
    if os.fork():
        os.wait()
        continue
    with contextlib.redirect_stdout(sys.stderr):
        try:
            main(command.split())
        except SystemExit as end:
            seen = command, end.code, [name for name in packages if name in sys.modules]
    print(json.dumps(seen))
    break
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, list[str]]]:
    """Command -> its exit code, and the packages of its row that it imported."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "module.wasm").write_bytes(box())
    (folder / "out" / "Counter.sol").mkdir(parents=True)
    (folder / "out" / "Counter.sol" / "Counter.json").write_text(json.dumps(ARTIFACT))
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        input=json.dumps({command: packages for command, (_, packages) in COMMANDS.items()}),
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=100,
        check=True,
    )
    print(run.stderr)
    seen = map(json.loads, run.stdout.splitlines())
    return {command: (code, modules) for command, code, modules in seen}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_no_more_than_it_needs(command: str, imported: dict[str, tuple[int, list[str]]]) -> None:
    assert tuple(imported[command]) == (COMMANDS[command][0], [])


LATER = ("fastapi", "starlette", "websockets", "wasmtime", "graphql", "jinja2", "web3", "eth_account", "hypothesis")
"""What a node that answers POST alone does without."""


def test_a_node_imports_no_library_of_what_nobody_has_asked_for() -> None:
    run = zevm_command("--memory")
    with NodeProcess([run[0], "-X", "importtime", *run[1:]]) as node:
        with node.connect() as rpc:
            assert rpc.call("eth_blockNumber") == "0x0"
        told = {line.rpartition("|")[2].strip() for line in node.tail(10**6).splitlines() if "import time:" in line}
        assert "zevm.rpc.transport.listener" in told
        assert sorted(told.intersection(LATER)) == []
        with urllib.request.urlopen(f"{node.url}/health", timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"


def test_a_shell_completes_every_command() -> None:
    asked = {"_ZEVM_COMPLETE": "complete_bash", "COMP_WORDS": "zevm contract de", "COMP_CWORD": "2"}
    run = subprocess.run(
        [sys.executable, "-m", "zevm"],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | asked, timeout=100, check=True,
    )  # fmt: skip
    assert run.stdout.split() == ["deploy"]
