"""A command imports what it needs: most need neither engine nor server, whose imports take longer than their work."""

import json
import os
import subprocess
import sys

import pytest

from testing.node_process import ROOT
from testing.wasm_modules import box

ENGINES = ("eth", "wasmtime", "fastapi", "uvicorn")
ALL = (*ENGINES, "eth_abi", "eth_account")
"""And what only encodes values or signs."""
NOBODY = "--rpc-url http://127.0.0.1:9"
ADDRESS = "0x" + "11" * 20
ARTIFACT = {
    "abi": [{"type": "function", "name": "get", "inputs": [], "outputs": [], "stateMutability": "view"}],
    "bytecode": {"object": "0x00"},
    "deployedBytecode": {"object": "0x00"},
}

COMMANDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "--version": (0, ALL),
    "--help": (0, ALL),
    "run --help": (0, ALL),
    "run --port many": (2, ALL),
    "db --help": (0, ALL),
    "account list": (0, ALL),
    "contract --help": (0, ALL),
    "contract new box": (0, ALL),
    "contract abi Counter": (0, ALL),
    f"contract call {ADDRESS} get() {NOBODY}": (1, ENGINES),
    f"wasm call {ADDRESS} get() {NOBODY}": (1, ENGINES),
    "wasm inspect module.wasm": (0, ("eth", "fastapi", "uvicorn")),
}
"""Command -> its exit code, and packages that it must not import. They run in this order in one process."""

_SCRIPT = """
import contextlib, json, sys
from zevm.node.cli import main

seen = {}
for command, packages in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(sys.stderr):
        try:
            main(command.split())
        except SystemExit as end:
            seen[command] = end.code, [name for name in packages if name in sys.modules]
print(json.dumps(seen))
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
    seen: dict[str, tuple[int, list[str]]] = json.loads(run.stdout)
    return seen


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_no_more_than_it_needs(command: str, imported: dict[str, tuple[int, list[str]]]) -> None:
    assert tuple(imported[command]) == (COMMANDS[command][0], [])
