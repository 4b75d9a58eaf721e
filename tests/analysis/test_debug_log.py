"""--debug: the guide's lines for each execution, in the node's log; and nothing without it."""

import json
import re
from typing import Any

import pytest
from wasmtime import wat2wasm

import zevm
from testing.contracts import FORWARDER, returning
from testing.wasm_modules import REVERT_DATA, box, selector
from zevm.analysis import debug_log
from zevm.analysis.known_contract import KnownContract
from zevm.chain.zvm.module.binary import decode
from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document

FORWARDER_PLACE, BOX_PLACE = b"\xc1" * 20, b"\xc3" * 20
GET: dict[str, Any] = {"type": "function", "name": "get", "inputs": [], "outputs": []}


def _source_map() -> dict[str, Any]:
    bodies = decode(box()).bodies
    names = ("is", "set", "Box.entry", "spin", "add", "divide", "copy")
    rows = [Mapped(start, Scope(name), "src/box.zig", 7) for (start, _), name in zip(bodies, names, strict=True)]
    return source_map_document(rows, bodies[-1][1])


def _ran(**settings: Any) -> None:
    with zevm.Node(**settings) as node:
        node.catalogue.add(KnownContract("Box", "box.zig", "Zig", [GET], runtime=box(), source_map=_source_map()))
        for place, code in ((FORWARDER_PLACE, FORWARDER), (BOX_PLACE, box())):
            node.request("anvil_setCode", "0x" + place.hex(), "0x" + code.hex())
        sender = {"from": node.accounts[0].address, "gas": "0x100000"}
        data = BOX_PLACE.rjust(32, b"\0") + selector("get()")
        node.request("eth_sendTransaction", sender | {"to": "0x" + FORWARDER_PLACE.hex(), "data": "0x" + data.hex()})
        refused = "0x" + (selector("set(uint256)") + bytes(32)).hex()
        with pytest.raises(zevm.CallFailedError):
            node.request("eth_call", sender | {"to": "0x" + BOX_PLACE.hex(), "data": refused}, "latest")


def test_each_execution_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    _ran(debug=True)
    lines = [line for line in capsys.readouterr().out.split("\n") if line.startswith(debug_log.PREFIX)]
    lines = [line.removeprefix(debug_log.PREFIX) for line in lines]
    assert lines[0].lower() == f"executing contract: 0x{FORWARDER_PLACE.hex()}"
    assert re.fullmatch("For: transaction 0x[0-9a-f]{64} in block 1", lines[1])
    assert lines[2] == f"Gas limit: {0x100000}"
    assert lines[3].startswith("  CALL 0x")
    assert lines[4].startswith("    CALL Box::get(), gas ")
    assert lines[5].startswith("      host read_args(0), gas ")
    ends = [index for index, line in enumerate(lines) if line.startswith("Execution ")]
    assert lines[ends[0]].startswith("Execution completed, gas used: 2")
    assert lines[ends[0] - 1].startswith("    returned 0x0000")
    failed = lines[ends[0] + 1 :]
    assert failed[0].endswith("(Box)")
    assert failed[1].startswith("For: call in block ")
    assert any(line.startswith("    reverted: box is shut, gas used ") for line in failed)
    assert failed[-1].startswith("Execution reverted: box is shut, gas used: ")
    assert REVERT_DATA.hex() not in "".join(failed)


def test_an_estimate_and_a_creation_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with zevm.Node(debug=True) as node:
        creation = {"from": node.accounts[0].address, "data": "0x" + returning(b"\x5b" * 1_175).hex()}
        node.request("eth_estimateGas", creation)
        sent = node.request("eth_sendTransaction", creation | {"gas": "0x100000"})
    printed = capsys.readouterr().out
    assert f"{debug_log.PREFIX}For: estimate, on the pending state, in block " in printed
    assert f"{debug_log.PREFIX}For: transaction {sent} in block 1\n" in printed
    assert f"{debug_log.PREFIX}    returned 1,175 bytes of code, gas used " in printed
    assert "5b5b5b" not in printed


def test_executions_on_the_pending_state_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    pay = {"to": "0x" + BOX_PLACE.hex(), "gas": hex(50_000)}
    with zevm.Node(debug=True, mining="manual") as node:
        call = pay | {"from": node.accounts[0].address}
        node.request("eth_call", call, "pending")
        sent = node.request("eth_sendTransaction", call)
        node.request("eth_getBalance", call["from"], "pending")
        node.request("eth_estimateGas", call, "pending")
        node.request("eth_call", call, "latest")
        node.request("evm_mine")
    told = [line.split("For: ")[1] for line in capsys.readouterr().out.splitlines() if "For: " in line]
    pending = ", on the pending state, in block 1"
    assert told[:3] == [f"call{pending}", f"transaction {sent}{pending}", f"estimate{pending}"]
    assert told[-2:] == ["call in block 0", f"transaction {sent} in block 1"]


def test_the_log_may_be_json(capsys: pytest.CaptureFixture[str]) -> None:
    _ran(debug=True, json_logs=True)
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    executions = [entry["lines"] for entry in entries if entry["event"] == "execution"]
    assert len(executions) >= 2
    assert executions[0][0].startswith("[ZVM DEBUG] Executing contract: 0x")


def test_long_executions_are_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug_log, "LINES_LIMIT", 4)
    _ran(debug=True)
    assert " more lines)" in capsys.readouterr().out


def test_nothing_is_watched_without_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug_log, "ExecutionLog", None)
    _ran(quiet=False)
    assert "ZVM DEBUG" not in capsys.readouterr().out


def test_a_quiet_node_has_no_log_to_write() -> None:
    with pytest.raises(zevm.SettingsError, match="debug cannot be used with quiet"):
        zevm.Node(debug=True, quiet=True)


def test_a_trap_is_told_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    entry = '(func (export "user_entrypoint") (param i32) (result i32) unreachable)'
    code = bytes(wat2wasm(f'(module (memory (export "memory") 1 1) {entry})'))
    (start, stop), *_ = decode(code).bodies
    places = source_map_document([Mapped(start, Scope("Trap.entry"), "src/trap.zig", 7)], stop)
    with zevm.Node(debug=True) as node:
        node.catalogue.add(KnownContract("Trap", "trap.zig", "Zig", [], runtime=code, source_map=places))
        node.request("anvil_setCode", "0x" + BOX_PLACE.hex(), "0x" + code.hex())
        with pytest.raises(zevm.CallFailedError):
            node.request("eth_call", {"to": "0x" + BOX_PLACE.hex()}, "latest")
    assert f"{debug_log.PREFIX}    at Trap.entry (src/trap.zig:7)\n" in capsys.readouterr().out
