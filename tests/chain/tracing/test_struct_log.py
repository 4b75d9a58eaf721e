"""The default tracer: costs, options, faults, refunds, and what it leaves out."""

from itertools import pairwise
from typing import Any

import pytest

from tests.chain.tracing.tracing import OTHER, THIRD, trace, word
from tests.chain.vm.support import CONTRACT, FakeAccount, assemble, deploying, returning
from zevm.chain.tracing import struct_log
from zevm.chain.tracing.errors import TraceError, TraceSizeError


def steps(code: str, options: dict[str, Any] | None = None, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = trace(None, assemble(code), options, **more)["structLogs"]
    return found


def costs(found: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    return [(step["depth"], step["op"], step["gasCost"]) for step in found]


def test_a_small_run() -> None:
    assert trace(None, returning("7"), gas_limit=50_000) == {
        "gas": 21_018,
        "failed": False,
        "returnValue": word(7),
        "structLogs": [
            {"pc": 0, "op": "PUSH1", "gas": 29_000, "gasCost": 3, "depth": 1, "stack": []},
            {"pc": 2, "op": "PUSH1", "gas": 28_997, "gasCost": 3, "depth": 1, "stack": ["0x7"]},
            {"pc": 4, "op": "MSTORE", "gas": 28_994, "gasCost": 6, "depth": 1, "stack": ["0x7", "0x0"]},
            {"pc": 5, "op": "PUSH1", "gas": 28_988, "gasCost": 3, "depth": 1, "stack": []},
            {"pc": 7, "op": "PUSH1", "gas": 28_985, "gasCost": 3, "depth": 1, "stack": ["0x20"]},
            {"pc": 9, "op": "RETURN", "gas": 28_982, "gasCost": 0, "depth": 1, "stack": ["0x20", "0x0"]},
        ],
    }


def test_a_transfer_has_no_steps() -> None:
    assert trace(None) == {"gas": 21_000, "failed": False, "returnValue": "0x", "structLogs": []}


def test_a_call_costs_what_its_frame_gets() -> None:
    accounts = {OTHER: FakeAccount(code=assemble("1 POP"))}
    found = steps(f"0 0 0 0 0 0x{OTHER.hex()} 5000 CALL POP", accounts=accounts)
    assert costs(found)[-6:] == [
        (1, "CALL", 2600 + 5000),
        (2, "PUSH1", 3),
        (2, "POP", 2),
        (2, "STOP", 0),
        (1, "POP", 2),
        (1, "STOP", 0),
    ]
    # the gas that the callee left has come back
    assert found[-2]["gas"] == found[-6]["gas"] - 2600 - 5


def test_a_call_that_cannot_begin_costs_the_same() -> None:
    found = steps(f"0 0 0 0 11 0x{OTHER.hex()} 5000 CALL POP", accounts={OTHER: FakeAccount(nonce=1)})
    assert costs(found)[-3:] == [(1, "CALL", 2600 + 9000 + 5000), (1, "POP", 2), (1, "STOP", 0)]
    assert found[-2]["gas"] == found[-3]["gas"] - 2600 - 9000 + 2300


def test_a_creation_costs_without_its_frame() -> None:
    init = deploying(assemble("STOP"))
    found = steps(f"0x{init.hex().ljust(64, '0')} 0 MSTORE {len(init)} 0 0 CREATE")
    shown = [item for item in costs(found) if item[1] in ("CREATE", "RETURN")]
    # storing the code is no instruction's price
    assert shown == [(1, "CREATE", 32_002), (2, "RETURN", 0)]


def test_storage_grows_as_it_is_seen() -> None:
    accounts = {CONTRACT: FakeAccount(code=assemble("9 5 SSTORE 1 SLOAD 8 5 SSTORE"), storage={1: 3, 5: 4})}
    found = trace(None, accounts=accounts)["structLogs"]
    assert [step["storage"] for step in found if "storage" in step] == [
        {word(5): word(9)},
        {word(1): word(3), word(5): word(9)},
        {word(1): word(3), word(5): word(8)},
    ]


def test_refunds() -> None:
    accounts = {CONTRACT: FakeAccount(code=assemble("0 1 SSTORE 1"), storage={1: 3})}
    found = trace(None, accounts=accounts)["structLogs"]
    assert [(step["op"], step.get("refund")) for step in found] == [
        ("PUSH1", None),
        ("PUSH1", None),
        ("SSTORE", 4800),
        ("PUSH1", 4800),
        ("STOP", 4800),
    ]


def test_options() -> None:
    accounts = {OTHER: FakeAccount(code=returning("6"))}
    code = f"0 0 0 0 0 0x{OTHER.hex()} GAS CALL 1 SLOAD"
    plain = steps(code, accounts=accounts)
    assert not any({"memory", "returnData"} & set(step) for step in plain)
    everything = steps(code, {"enableMemory": True, "enableReturnData": True}, accounts=accounts)
    assert [step.get("memory") for step in everything if step["op"] == "RETURN"] == [[word(6)]]
    assert everything[-1]["returnData"] == word(6)
    assert "returnData" not in everything[0]
    nothing = steps(code, {"disableStack": True, "disableStorage": True}, accounts=accounts)
    assert not any({"stack", "storage"} & set(step) for step in nothing)
    assert [step["gasCost"] for step in nothing] == [step["gasCost"] for step in plain]


def test_the_limit_counts_bytes() -> None:
    whole = steps("1 2 3 4 5")
    first = len('{"pc":0,"op":"PUSH1","gas":979000,"gasCost":3,"depth":1,"stack":[]}')
    assert steps("1 2 3 4 5", {"limit": first - 1}) == whole[:1]
    # as in geth the entry that passes the limit is still shown
    assert steps("1 2 3 4 5", {"limit": first}) == whole[:2]
    assert steps("1 2 3 4 5", {"limit": 0}) == whole


@pytest.mark.parametrize(
    ("code", "gas_limit", "cost", "error"),
    [
        ("ADD", 50_000, 3, "stack underflow (0 <=> 2)"),
        ("1 2", 21_005, 3, "out of gas"),
        ("1 0 MSTORE", 21_008, 3, "out of gas"),
        ("1 0 MSTORE", 21_010, 6, "out of gas"),
        ("1 SLOAD", 22_000, 2100, "out of gas"),
        ("9 1 SSTORE", 30_000, 22_100, "out of gas"),
        ("9 1 SSTORE", 23_306, 0, "out of gas: not enough gas for reentrancy sentry"),
        ("INVALID", 50_000, 0, None),
        ("9 JUMP", 50_000, 8, None),
        ("0 0 REVERT", 50_000, 0, None),
    ],
)
def test_faults(code: str, gas_limit: int, cost: int, error: str | None) -> None:
    found = trace(None, assemble(code), gas_limit=gas_limit)
    assert found["failed"] is True
    last = found["structLogs"][-1]
    assert (last["gasCost"], last.get("error")) == (cost, error)


def test_a_fault_in_a_call_leaves_the_caller_to_go_on() -> None:
    found = steps(f"0 0 0 0 0 0x{OTHER.hex()} 50 CALL POP", accounts={OTHER: FakeAccount(code=assemble("1 SLOAD"))})
    assert costs(found)[-4:] == [(2, "PUSH1", 3), (2, "SLOAD", 2100), (1, "POP", 2), (1, "STOP", 0)]
    assert found[-3]["error"] == "out of gas"
    assert found[-2]["stack"] == ["0x0"]


def test_revert_data_is_returned_and_other_failures_return_nothing() -> None:
    assert trace(None, assemble("7 0 MSTORE 32 0 REVERT"))["returnValue"] == word(7)
    assert trace(None, assemble("7 0 MSTORE INVALID"))["returnValue"] == "0x"


def test_names() -> None:
    code = b"\x44\x50\x20\x0c"
    found = trace(None, assemble("0 0") + code)["structLogs"]
    assert [step["op"] for step in found[2:]] == ["DIFFICULTY", "POP", "KECCAK256", "opcode 0xc not defined"]


def test_costs_add_up() -> None:
    """Every unit of gas of a frame is some instruction's cost, whatever the instructions are."""
    code = (
        f"1 2 ADD 7 MUL 0 MSTORE 64 0 KECCAK256 POP 1 1 SSTORE 0 1 SSTORE 1 SLOAD 3 2 1 64 0 LOG3 "
        f"0x{OTHER.hex()} BALANCE "
        f"0x{THIRD.hex()} EXTCODESIZE 32 0 0 0x{THIRD.hex()} EXTCODECOPY 9 0 TSTORE 0 TLOAD 32 64 0 MCOPY 3 2 EXP "
        f"32 0 96 CODECOPY 0x{OTHER.hex()} SELFDESTRUCT"
    )
    found = trace(None, assemble(code), gas_limit=500_000)["structLogs"]
    assert len(found) > 50
    for step, following in pairwise(found):
        assert step["gas"] - step["gasCost"] == following["gas"], step


def test_options_of_the_wrong_type() -> None:
    with pytest.raises(
        TraceError, match=r"cannot unmarshal number into Go struct field Config\.enableMemory of type bool"
    ):
        trace(None, options={"enableMemory": 1})


def test_a_trace_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(struct_log, "TRACE_BYTES_LIMIT", 5_000)
    endless = assemble("JUMPDEST 0 JUMP")
    with pytest.raises(TraceSizeError, match="trace larger than 5000 bytes"):
        trace(None, endless)
    assert len(trace(None, endless, {"limit": 1_000}, gas_limit=100_000)["structLogs"]) < 20
