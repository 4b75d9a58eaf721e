"""`zevm profile`: bad input is one clear line, and a node in this process gives the tables and the files."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import zevm
from testing.wasm_modules import box, selector
from zevm.node.cli import main

PLACE = "0x" + "c3" * 20


@pytest.fixture(scope="module")
def node() -> Iterator[zevm.Node]:
    with zevm.Node() as running:
        running.serve()
        running.request("anvil_setCode", PLACE, "0x" + box().hex())
        yield running


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["profile", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a transaction's hash, or a call"),
        (["0x12"], "0x12: not a transaction's hash"),
        (["0x" + "11" * 32, "5"], "5: only a call (--call ADDRESS) takes arguments"),
        (["0x" + "11" * 32, "--data", "0x"], "--data: only a call"),
        (["--call", "0x12"], "--call 0x12: not an address"),
        (["--call", PLACE, "get"], "get: write the function with its types"),
        (["--call", PLACE, "set(uint256)", "many"], "many: not a uint256"),
        (["--call", PLACE, "--data", "zz"], "--data zz: not hex digits"),
        (["--call", PLACE, "get()", "--data", "0x"], "get(): --data is the call data already"),
        (["0x" + "11" * 32], "transaction not found"),
        (["--call", PLACE, "--svg", "/nonexistent/flame.svg"], "/nonexistent/flame.svg: cannot be written"),
    ],
)
def test_bad_input_is_one_line(
    node: zevm.Node, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert _run(*arguments, "--rpc", node.url) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_tables_and_files(node: zevm.Node, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = "0x" + selector("get()").hex()
    sent = node.request("eth_sendTransaction", {"from": node.accounts[0].address, "to": PLACE, "data": data})
    assert _run(sent, "--rpc", node.url) == 0
    shown = capsys.readouterr().out
    for words in ("succeeded; gas used ", "contracts", "functions", "opcodes and host calls", "storage_load_bytes32"):
        assert words in shown
    svg, scope = tmp_path / "flame.svg", tmp_path / "scope.json"
    assert _run("--call", PLACE, "get()", "--svg", str(svg), "--speedscope", str(scope), "--rpc", node.url) == 0
    assert capsys.readouterr().out == ""
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert json.loads(scope.read_text())["profiles"][0]["name"] == "gas"
    assert _run("--call", PLACE, "get()", "--json", "--rpc", node.url) == 0
    assert json.loads(capsys.readouterr().out)["status"] == 1
