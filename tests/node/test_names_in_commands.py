"""Every command that takes an address takes a name: the table is complete, and each row runs with a name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import zevm
from testing.wasm_modules import box
from zevm.node.cli import main, whole_app

OWNER, OTHER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TAKER = """{
  "contractName": "Taker", "abi": [{"type": "constructor", "inputs": [{"name": "who", "type": "address"}],
  "stateMutability": "nonpayable"}], "bytecode": "0x%s", "deployedBytecode": "0x00"}"""
KEEPS_ARGUMENT = "602060203803602039" + "60206020f3"
"""Creation code whose contract's code is its constructor's argument."""

BY_HTTP: dict[tuple[str, str], str] = {
    ("profile", "--from"): "profile --call box.ghost get() --from me.ghost",
    ("audit", "target"): "audit box.ghost --fail-on never",
    ("contract deploy", "--from"): "contract deploy Taker you.ghost --from me.ghost",
    ("contract call", "contract"): "contract call box.ghost get()(uint256)",
    ("contract call", "--from"): "contract call box.ghost get()(uint256) --from me.ghost",
    ("contract send", "contract"): "contract send box.ghost set(uint256) 5",
    ("contract send", "--from"): "contract send box.ghost set(uint256) 5 --from me.ghost",
    ("wasm call", "target"): "wasm call box.ghost get()(uint256)",
    ("wasm call", "--from"): "wasm call box.ghost get()(uint256) --from me.ghost",
    ("wasm deploy", "--from"): "wasm deploy box.wasm you.ghost --constructor address --from me.ghost",
    ("zns register", "--owner"): "zns register new.ghost --owner you.ghost",
    ("zns register", "--address"): "zns register new.ghost --address you.ghost",
    ("zns register", "--contract"): "zns register new.ghost --contract box.ghost",
    ("zns register", "--from"): "zns register new.ghost --from me.ghost",
    ("zns set", "--address"): "zns set me.ghost --address you.ghost",
    ("zns set", "--contract"): "zns set me.ghost --contract box.ghost",
    ("zns set", "--from"): "zns set me.ghost --text url=x --from me.ghost",
    ("zns resolve", "name"): "zns resolve me.ghost",
    ("zns list", "--owner"): "zns list --owner me.ghost",
    ("zns renew", "--from"): "zns renew me.ghost --from me.ghost",
    ("zns transfer", "OWNER"): "zns transfer me.ghost you.ghost",
    ("zns transfer", "--from"): "zns transfer me.ghost you.ghost --from me.ghost",
}
BY_QUIC: dict[tuple[str, str], str] = {
    ("quic execute", "target"): "quic execute box.ghost get()(uint256)",
    ("quic execute", "--from"): "quic execute box.ghost get()(uint256) --from me.ghost",
    ("quic deploy", "--from"): "quic deploy box.wasm you.ghost --constructor address --from me.ghost",
}
OF_A_PROJECT = {"contract deploy", "contract abi", "contract inspect"}
"""Their CONTRACT is a source or artifact, which no name is."""
WITHOUT_A_NODE = {("run", "--unlock")}


def walked(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every command's parameters that are addresses, by what their help says."""
    for name, below in getattr(command, "commands", {}).items():
        yield from walked(below, (*path, name))
    words = " ".join(path)
    for parameter in command.params:
        shown = str(parameter.metavar)
        takes_address = "ADDRESS" in shown or shown == "OWNER" or (shown == "CONTRACT" and words not in OF_A_PROJECT)
        if takes_address and parameter.opts[0] != "--call":
            yield words, shown if shown == "OWNER" else parameter.opts[0]


def test_the_table_is_complete() -> None:
    assert set(walked(typer.main.get_command(whole_app()))) == set(BY_HTTP) | set(BY_QUIC) | WITHOUT_A_NODE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "box.wasm").write_bytes(box())
    (folder / "out" / "Taker.sol").mkdir(parents=True)
    (folder / "out" / "Taker.sol" / "Taker.json").write_text(TAKER % KEEPS_ARGUMENT)
    return folder


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[tuple[zevm.Node, str, int]]:
    """A node with names, its URL, and its QUIC port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with zevm.Node(folder / "chain", quic_port=port) as node:
        deployed = node.request("zvm_deployContract", {"module": "0x" + box().hex(), "constructorArguments": "0x" + "07".rjust(64, "0")})  # fmt: skip  # noqa: E501
        node.request("zns_register", {"name": "box.ghost", "contract": deployed["address"]})
        node.request("zns_register", {"name": "me.ghost", "address": OWNER})
        node.request("zns_register", {"name": "you.ghost", "address": OTHER})
        node.request("zns_register", {"name": "empty.ghost"})
        yield node, node.serve(), port


def told(capsys: pytest.CaptureFixture[str], words: list[str], code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    printed = capsys.readouterr()
    assert (ended.value.code or 0) == code, printed
    assert code == 0 or printed.err.count("\n") == 1, printed
    return printed.err if code else printed.out


@pytest.mark.parametrize("row", [*BY_HTTP, *BY_QUIC], ids=" ".join)
def test_a_name_in_the_place_of_an_address(
    row: tuple[str, str],
    place: tuple[zevm.Node, str, int],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, url, port = place
    monkeypatch.chdir(folder)
    words = (BY_HTTP | BY_QUIC)[row].split()
    where = ["--node", f"127.0.0.1:{port}", "--datadir", "chain"] if row in BY_QUIC else ["--rpc", url]
    with node.anchor():
        told(capsys, [*words, *where])
        unknown = next(word for word in ("box.ghost", "you.ghost", "me.ghost") if word in words)
        changed = [("nobody.ghost" if word == unknown else word) for word in words]
        assert "nobody.ghost" in told(capsys, [*changed, *where], code=1)


def test_arguments_are_the_names_addresses(
    place: tuple[zevm.Node, str, int], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, url, port = place
    monkeypatch.chdir(folder)
    quic = ["--node", f"127.0.0.1:{port}", "--datadir", "chain"]
    with node.anchor():
        receipt = told(capsys, ["contract", "deploy", "Taker", "you.ghost", "--rpc", url])
        address = receipt.split("address: ")[1][:42]
        assert node.request("eth_getCode", address, "latest")[-40:] == OTHER[2:].lower()
        deployed = told(capsys, ["quic", "deploy", "box.wasm", "you.ghost", "--constructor", "address", *quic]).strip()
        shown = told(capsys, ["quic", "execute", deployed, "get()(address)", *quic])
        assert shown.strip().lower() == OTHER.lower()
        assert told(capsys, ["quic", "execute", "box.ghost", "get()(uint256)", *quic]) == "7\n"
        refusal = told(capsys, ["quic", "execute", "empty.ghost", "get()", *quic], code=1)
        assert "empty.ghost has no contract and no address" in refusal
        assert "no name" in told(capsys, ["quic", "execute", "a..ghost", "get()", *quic], code=1)
