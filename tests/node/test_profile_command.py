"""`zevm profile`: bad input is one clear line, and a node in this process gives the tables and the files."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import zevm
from testing.wasm_modules import box, selector
from zevm.contracts.artifact import module_artifact
from zevm.contracts.project import Project
from zevm.node.cli import main
from zevm.node.client import Client
from zevm.node.commands.contract_target import chain_of

PLACE = "0x" + "c3" * 20
TX = "0x" + "11" * 32
TABLES = ("succeeded; gas used ", "contracts", "functions", "opcodes and host calls", "storage_load_bytes32")


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
        ([TX, "5"], "5: only a call (--call CONTRACT) takes arguments"),
        ([TX, "--data", "0x"], "--data: only of a call"),
        ([TX, "--block", "banana"], "--block: only of a call"),
        ([TX, "--from", PLACE], "--from: only of a call"),
        ([TX, "--value", "1"], "--value: only of a call"),
        ([TX, "--gas-limit", "0"], "--gas-limit: only of a call"),
        (["--call", "0x12"], "--call 0x12: not an address"),
        (["--call", PLACE, "get"], 'write the signature, as in "get(address)(uint256)"'),
        (["--call", PLACE, "set(uint256)"], "set: 0 arguments for 1 parameter (uint256)"),
        (["--call", PLACE, "get()", "1"], "get: 1 argument for 0 parameters (none)"),
        (["--call", "Box", "get"], "--call Box: no artifact in "),
        (["--call", PLACE, "get()", "--block", "banana"], "invalid argument 1"),
        (["--call", PLACE, "set(uint256)", "many"], "many: not a uint256"),
        (["--call", PLACE, "--data", "zz"], "--data zz: not whole bytes in hex"),
        (["--call", PLACE, "get()", "--data", "0x"], "get(): --data is the call data already"),
        ([TX], "transaction not found"),
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


def test_a_choice_that_there_is_not_is_told_in_our_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(TX, "--by", "weight") == 2
    assert "zevm: Invalid value for '--by': want 'gas', 'time'. (`zevm profile --help`" in capsys.readouterr().err


def test_tables_and_files(node: zevm.Node, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = "0x" + selector("get()").hex()
    sent = node.request("eth_sendTransaction", {"from": node.accounts[0].address, "to": PLACE, "data": data})
    assert _run(sent, "--rpc", node.url) == 0
    shown = capsys.readouterr().out
    for words in TABLES:
        assert words in shown
    svg, scope = tmp_path / "flame.svg", tmp_path / "scope.json"
    assert _run("--call", PLACE, "get()", "--svg", str(svg), "--speedscope", str(scope), "--rpc", node.url) == 0
    printed = capsys.readouterr()
    assert all(words in printed.out for words in TABLES)
    assert printed.err == f"{svg} is written\n{scope} is written\n"
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert json.loads(scope.read_text())["profiles"][0]["name"] == "gas"
    assert _run("--call", PLACE, "get()", "--json", "--rpc", node.url) == 0
    assert json.loads(capsys.readouterr().out)["status"] == 1


def test_a_contract_and_its_functions_have_names(
    node: zevm.Node, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abi = [{"type": "function", "name": "get", "inputs": [], "outputs": [], "stateMutability": "view"}]
    artifact = module_artifact("Box", "box.wat", "C", box(), abi=abi, takes_arguments=False, metadata={})
    project = Project.at(tmp_path)
    file = project.out / "box.wat" / "Box.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(artifact.as_json()))
    assert _run("--call", "Box", "get", "--root", str(tmp_path), "--rpc", node.url) == 1
    assert "Box is not deployed" in capsys.readouterr().err
    project.record_deployment(chain_of(Client(node.url)), "Box", PLACE)
    monkeypatch.chdir(tmp_path)
    for arguments in (("Box", "get"), (PLACE, "get"), ("Box", "--data", "0x" + selector("get()").hex())):
        assert _run("--call", *arguments, "--json", "--rpc", node.url) == 0
        assert json.loads(capsys.readouterr().out)["nodes"][1]["name"] == "0x" + selector("get()").hex()


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """(URL, document) of a server that answers everything with the document."""
    document: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", document
        running.shutdown()
        thread.join()


EVIL = "[red]Evil\x1b[31m"
USE: dict[str, Any] = {"count": 1, "selfGas": 5.0, "selfNs": 7}
NODES: list[dict[str, Any]] = [
    {"parent": None, "kind": "call", "name": EVIL, "contract": EVIL, "file": EVIL, **USE},
    {"parent": 0, "kind": "host", "name": EVIL, **USE},
]
LINES: list[dict[str, Any]] = [{"file": EVIL, "line": 3, "contract": EVIL, **USE}]
ANSWER: dict[str, Any] = {"gasUsed": 10, "refundGas": 0, "status": 0, "error": EVIL, "nodes": NODES, "lines": LINES}


def test_names_of_a_hostile_server_are_escaped(
    server: tuple[str, dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url, document = server
    document["result"] = ANSWER
    files = [tmp_path / "flame.svg", tmp_path / "scope.json"]
    assert _run(TX, "--svg", str(files[0]), "--speedscope", str(files[1]), "--rpc", url) == 0
    shown = capsys.readouterr().out
    assert shown.count("[red]Evil\\x1b[31m") >= 6
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "[red]Evil\\x1b[31m" in files[0].read_text()
    document.clear()
    document["error"] = {"code": -32000, "message": EVIL}
    assert _run(TX, "--rpc", url) == 1
    assert capsys.readouterr().err == "zevm: [red]Evil\\x1b[31m\n"
    document["error"]["message"] = "\ud800"
    assert _run(TX, "--rpc", url) == 1
    assert "no low surrogate in string" in capsys.readouterr().err, "JSON cannot have it"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"error": EVIL},
        {"result": 5},
        {"result": {}},
        {"result": ANSWER | {"gasUsed": EVIL}},
        {"result": ANSWER | {"nodes": []}},
        {"result": ANSWER | {"nodes": [NODES[0] | {"selfGas": EVIL}]}},
        {"result": ANSWER | {"nodes": [NODES[0] | {"name": 5}]}},
        {"result": ANSWER | {"nodes": [NODES[0] | {"parent": EVIL}]}},
        {"result": ANSWER | {"lines": [5]}},
        {"result": ANSWER | {"lines": [LINES[0] | {"count": None}]}},
    ],
)
def test_answers_of_another_form_are_one_line(
    server: tuple[str, dict[str, Any]], capsys: pytest.CaptureFixture[str], document: dict[str, Any]
) -> None:
    server[1].update(document)
    assert _run(TX, "--rpc", server[0]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("zevm: ")
