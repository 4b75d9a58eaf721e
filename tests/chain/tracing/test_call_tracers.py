"""callTracer, flatCallTracer, 4byteTracer, muxTracer, noopTracer: frames of every kind and every end."""

import json
from itertools import count
from random import Random
from typing import Any

import orjson
import pytest
from eth_abi.abi import encode as abi_encode

from tests.chain.tracing.tracing import CONTEXT, OTHER, THIRD, hexadecimal, trace, word
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, assemble, deploying, returning
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing import settings
from zevm.chain.tracing.call_tree import CallNode, encode_tree
from zevm.chain.tracing.errors import TraceError, TraceSizeError
from zevm.chain.tracing.registry import TRACERS, make_tracer
from zevm.chain.types import TransactionType
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.message import FrameStart
from zevm.storage.primitives import Address

HEX_SENDER, HEX_CONTRACT, HEX_OTHER, HEX_THIRD = map(hexadecimal, (SENDER, CONTRACT, OTHER, THIRD))
STOPS = {OTHER: FakeAccount(code=assemble("STOP"))}


def calling(kind: str, target: bytes, *, value: int = 0, gas: int = 5000) -> str:
    values = f"{value} " if kind in ("CALL", "CALLCODE") else ""
    return f"0 0 0 0 {values}0x{target.hex()} {gas} {kind}"


def test_a_transfer() -> None:
    assert trace("callTracer", value=3, gas_limit=30_000) == {
        "from": HEX_SENDER,
        "gas": hex(30_000),
        "gasUsed": hex(21_000),
        "to": HEX_CONTRACT,
        "input": "0x",
        "value": "0x3",
        "type": "CALL",
    }


def test_output_and_input() -> None:
    found = trace("callTracer", returning("7"), data=b"\x01\x02")
    assert (found["input"], found["output"]) == ("0x0102", word(7))


def test_every_kind_of_call() -> None:
    kinds = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")
    code = assemble(" ".join(calling(kind, OTHER, value=2 if kind == "CALL" else 0) for kind in kinds))
    found = trace("callTracer", code, accounts=STOPS, value=4)
    shown = {call["type"]: (call["from"], call["to"], call.get("value"), call["gas"]) for call in found["calls"]}
    assert list(shown) == list(kinds)
    assert shown == {
        "CALL": (HEX_CONTRACT, HEX_OTHER, "0x2", hex(5000 + 2300)),
        "CALLCODE": (HEX_CONTRACT, HEX_OTHER, "0x0", hex(5000)),
        "DELEGATECALL": (HEX_CONTRACT, HEX_OTHER, "0x4", hex(5000)),
        "STATICCALL": (HEX_CONTRACT, HEX_OTHER, None, hex(5000)),
    }
    assert [call["gasUsed"] for call in found["calls"]] == ["0x0"] * 4


def test_calls_within_calls() -> None:
    accounts = {OTHER: FakeAccount(code=assemble(calling("CALL", THIRD, gas=900))), THIRD: FakeAccount(code=b"\xfe")}
    found = trace("callTracer", assemble(calling("CALL", OTHER) + " " + calling("CALL", THIRD)), accounts=accounts)
    first, second = found["calls"]
    assert (first["to"], second["to"]) == (HEX_OTHER, HEX_THIRD)
    assert first["calls"][0]["to"] == HEX_THIRD
    # INVALID takes all of it
    assert first["calls"][0]["gasUsed"] == first["calls"][0]["gas"] == hex(900)
    assert first["calls"][0]["error"] == second["error"] == "invalid opcode: INVALID"
    assert "error" not in first
    assert "error" not in found


def test_a_revert_with_its_reason() -> None:
    data = bytes.fromhex("08c379a0") + abi_encode(("string",), ("nope",))
    code = b"".join(assemble(f"0x{data[i : i + 32].ljust(32, bytes(1)).hex()} {i} MSTORE") for i in range(0, 100, 32))
    accounts = {OTHER: FakeAccount(code=code + assemble(f"{len(data)} 0 REVERT"))}
    call = trace("callTracer", assemble(calling("CALL", OTHER)), accounts=accounts)["calls"][0]
    assert call["error"] == "execution reverted"
    assert call["output"] == hexadecimal(data)
    assert call["revertReason"] == "nope"


def test_a_panic_and_a_bare_revert() -> None:
    panic = assemble(f"0x4e487b71{'00' * 28} 0 MSTORE 17 4 MSTORE 36 0 REVERT")
    found = trace("callTracer", panic)
    assert (found["error"], found["revertReason"]) == ("execution reverted", "arithmetic underflow or overflow")
    bare = trace("callTracer", assemble("0 0 REVERT"))
    assert bare["error"] == "execution reverted"
    assert not {"output", "revertReason"} & set(bare)


def test_creations() -> None:
    runtime = assemble("STOP")
    init = deploying(runtime)
    code = assemble(f"0x{init.hex().ljust(64, '0')} 0 MSTORE {len(init)} 0 1 CREATE 9 {len(init)} 0 0 CREATE2")
    found = trace("callTracer", code)
    first, second = found["calls"]
    assert (first["type"], second["type"]) == ("CREATE", "CREATE2")
    assert first["to"] == hexadecimal(contract_address(CONTRACT, 1))
    assert (first["from"], first["value"], first["input"]) == (HEX_CONTRACT, "0x1", hexadecimal(init))
    assert first["output"] == second["output"] == hexadecimal(runtime)


def test_a_transaction_that_creates() -> None:
    found = trace("callTracer", to=None, data=deploying(assemble("STOP")))
    assert (found["type"], found["output"]) == ("CREATE", "0x00")
    failed = trace("callTracer", to=None, data=assemble("INVALID"), gas_limit=100_000)
    assert (failed["error"], failed["gasUsed"]) == ("invalid opcode: INVALID", hex(100_000))
    assert "to" not in failed


def test_a_taken_address() -> None:
    taken = {contract_address(SENDER, 0): FakeAccount(nonce=1)}
    found = trace("callTracer", to=None, data=deploying(b""), accounts=taken, gas_limit=100_000)
    assert (found["type"], found["error"], found["gasUsed"]) == ("CREATE", "contract address collision", hex(100_000))
    taken = {contract_address(CONTRACT, 1): FakeAccount(nonce=1)}
    call = trace("callTracer", assemble("0 0 0 CREATE"), accounts=taken)["calls"][0]
    assert call["error"] == "contract address collision"
    assert call["gasUsed"] == call["gas"]


@pytest.mark.parametrize("fork", [Fork.SHANGHAI, Fork.OSAKA])
def test_selfdestruct_is_a_frame(fork: Fork) -> None:
    found = trace("callTracer", assemble(f"0x{OTHER.hex()} SELFDESTRUCT"), fork=fork)
    assert found["calls"] == [
        {
            "from": HEX_CONTRACT,
            "gas": "0x0",
            "gasUsed": "0x0",
            "to": HEX_OTHER,
            "input": "0x",
            "value": "0xa",
            "type": "SELFDESTRUCT",
        }
    ]


def test_calls_that_cannot_begin() -> None:
    poor = assemble(f"{calling('CALL', OTHER, value=11)} POP 0 0 11 CREATE")
    call, creation = trace("callTracer", poor)["calls"]
    assert call["error"] == creation["error"] == "insufficient balance for transfer"
    assert call["gasUsed"] == creation["gasUsed"] == "0x0"
    assert call["gas"] == hex(5000 + 2300)


def descend(code: bytes, **transaction: Any) -> list[str | None]:
    """How the frames end of a contract that calls itself, from the outermost one inwards."""
    node = trace("callTracer", code, **transaction)
    errors = [node.get("error")]
    while "calls" in node:
        node = node["calls"][0]
        errors.append(node.get("error"))
    return errors


def test_out_of_gas_at_depth() -> None:
    errors = descend(assemble("0 0 0 0 0 ADDRESS GAS CALL"), gas_limit=2_000_000)
    assert len(errors) > 100
    assert errors[-1] == "out of gas"
    assert not any(errors[:-1])


def test_the_depth_limit() -> None:
    code = assemble("0 0 0 0 0 ADDRESS 1000 GAS SUB CALL")
    legacy = {"type": TransactionType.LEGACY, "chain_id": None}
    errors = descend(code, fork=Fork.HOMESTEAD, gas_limit=3_000_000, **legacy)
    assert len(errors) == 1026
    assert errors[-1] == "max call depth exceeded"
    assert not any(errors[:-1])


def test_precompiles_are_frames() -> None:
    identity = (4).to_bytes(20, "big")
    code = assemble("42 0 MSTORE 0 0 32 0 0 4 5000 CALL")
    call = trace("callTracer", code)["calls"][0]
    assert (call["to"], call["input"], call["output"], call["gasUsed"]) == (
        hexadecimal(identity),
        word(42),
        word(42),
        hex(18),
    )


def test_only_the_outermost_frame() -> None:
    code = assemble(f"{calling('CALL', OTHER)} 0 0 LOG0")
    logs = {OTHER: FakeAccount(code=assemble("0 0 LOG0"))}
    found = trace("callTracer", code, {"onlyTopCall": True, "withLog": True}, accounts=logs)
    assert "calls" not in found
    assert [log["address"] for log in found["logs"]] == [HEX_CONTRACT]


def test_logs_with_their_places() -> None:
    accounts = {
        OTHER: FakeAccount(code=assemble("7 0 0 LOG1")),
        THIRD: FakeAccount(code=assemble(f"0 0 LOG0 {calling('CALL', OTHER)} 0 0 REVERT")),
    }
    calls = [calling("CALL", target, gas=50_000) for target in (OTHER, THIRD, OTHER)]
    code = assemble(f"0 0 LOG0 {calls[0]} {calls[1]} 0xff 31 MSTORE8 32 0 LOG0 {calls[2]} 0 0 LOG0")
    found = trace("callTracer", code, {"withLog": True}, accounts=accounts)
    places = [(log["index"], log["position"]) for log in found["logs"]]
    assert places == [("0x5", "0x0"), ("0x7", "0x2"), ("0x9", "0x3")]
    assert found["logs"][1]["data"] == word(255)
    first, reverted, last = found["calls"]
    assert first["logs"] == [
        {"address": HEX_OTHER, "topics": [word(7)], "data": "0x", "index": "0x6", "position": "0x0"}
    ]
    assert last["logs"][0]["index"] == "0x8"
    assert "logs" not in reverted
    assert "logs" not in reverted["calls"][0]


def test_delegated_accounts_are_shown_by_their_own_address() -> None:
    accounts = {OTHER: FakeAccount(code=b"\xef\x01\x00" + THIRD), THIRD: FakeAccount(code=returning("5"))}
    call = trace("callTracer", assemble(calling("DELEGATECALL", OTHER)), accounts=accounts)["calls"][0]
    assert (call["to"], call["output"]) == (HEX_OTHER, word(5))


def test_flat_frames() -> None:
    init = deploying(assemble("STOP"))
    code = assemble(
        f"0x{init.hex().ljust(64, '0')} 0 MSTORE {len(init)} 0 0 CREATE {calling('STATICCALL', OTHER)} "
        f"0 0 0 0 0 4 900 CALL 0x{OTHER.hex()} SELFDESTRUCT"
    )
    accounts = {OTHER: FakeAccount(code=assemble(calling("CALL", THIRD, gas=400))), THIRD: FakeAccount(code=b"\xfe")}
    found = trace("flatCallTracer", code, accounts=accounts, gas_limit=500_000)
    assert [(item["type"], item["traceAddress"], item["subtraces"]) for item in found] == [
        ("call", [], 3),
        ("create", [0], 0),
        ("call", [1], 1),
        ("call", [1, 0], 0),
        ("suicide", [2], 0),
    ]
    assert found[0]["action"] == {
        "from": HEX_SENDER,
        "to": HEX_CONTRACT,
        "gas": hex(500_000),
        "value": "0x0",
        "callType": "call",
        "input": "0x",
    }
    assert (found[0]["blockHash"], found[0]["blockNumber"], found[0]["transactionPosition"]) == ("0x" + "bb" * 32, 7, 3)
    assert found[1]["action"]["creationMethod"] == "create"
    assert found[1]["result"]["code"] == "0x00"
    assert found[2]["action"]["callType"] == "staticcall"
    assert found[2]["action"]["value"] == "0x0"
    assert found[3]["error"] == "invalid opcode: INVALID"
    assert "result" not in found[3]
    assert found[4]["action"] == {"address": HEX_CONTRACT, "balance": "0xa", "refundAddress": HEX_OTHER}
    assert "result" not in found[4]


def test_flat_frames_with_precompiles_and_paritys_errors() -> None:
    options = {"includePrecompiles": True, "convertParityErrors": True}
    accounts = {
        OTHER: FakeAccount(code=b"\xfe"),
        THIRD: FakeAccount(code=assemble("0 0 REVERT")),
    }
    code = assemble(f"0 0 0 0 0 4 900 CALL {calling('CALL', OTHER)} {calling('CALL', THIRD)} ADD ADD ADD JUMP")
    found = trace("flatCallTracer", code, options, accounts=accounts)
    assert [item.get("error") for item in found] == ["Stack underflow", None, "Bad instruction", "Reverted"]
    assert found[3]["result"] == {"gasUsed": hex(6), "output": "0x"}
    assert "result" not in found[2]


def test_function_selectors() -> None:
    code = assemble(
        f"0x{'a1b2c3d4'.ljust(64, '0')} 0 MSTORE 0 0 4 0 0 0x{OTHER.hex()} 9000 CALL "
        f"0 0 36 0 0x{OTHER.hex()} 9000 STATICCALL "
        f"0 0 4 0 0x{OTHER.hex()} 9000 DELEGATECALL 0 0 3 0 0 0x{OTHER.hex()} 9000 CALL 0 0 32 0 0 4 9000 CALL"
    )
    found = trace("4byteTracer", code, accounts=STOPS, data=bytes.fromhex("0011223344"))
    assert found == {"0x00112233-1": 1, "0xa1b2c3d4-0": 2, "0xa1b2c3d4-32": 1}


def test_several_tracers_at_once() -> None:
    code = assemble(f"{calling('CALL', OTHER)} 1 2 3")
    parts = {"callTracer": {"onlyTopCall": True}, "4byteTracer": None, "noopTracer": {}, "prestateTracer": {}}
    found = trace("muxTracer", code, parts, accounts=STOPS)
    assert sorted(found) == sorted(parts)
    assert found["callTracer"] == trace("callTracer", code, {"onlyTopCall": True}, accounts=STOPS)
    assert found["prestateTracer"] == trace("prestateTracer", code, accounts=STOPS)
    assert found["noopTracer"] == {}


def test_tracers_of_frames_want_no_steps() -> None:
    quick = {"callTracer", "flatCallTracer", "4byteTracer", "noopTracer", "stylusTracer"}
    assert {name for name in TRACERS if not make_tracer(name, {}, CONTEXT).wants_steps} == quick | {"muxTracer"}
    assert make_tracer("muxTracer", {"prestateTracer": {}}, CONTEXT).wants_steps


def test_refusals() -> None:
    with pytest.raises(TraceError, match=r"ReferenceError: bogusTracer is not defined at <eval>:1:2\(0\)"):
        trace("bogusTracer")
    with pytest.raises(TraceError, match=r"cannot unmarshal string into Go struct field callTracerConfig\.withLog"):
        trace("callTracer", options={"withLog": "yes"})
    with pytest.raises(TraceError, match="cannot unmarshal array"):
        trace("callTracer", options=[1])
    with pytest.raises(TraceError, match="ReferenceError: other is not defined"):
        trace("muxTracer", options={"other": {}})


def test_a_trace_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.Budget.__init__, "__defaults__", (3000,))
    code = "20 JUMPDEST 1 SWAP1 SUB " + calling("CALL", OTHER) + " POP DUP1 2 JUMPI"
    with pytest.raises(TraceSizeError, match="trace larger than 3000 bytes"):
        trace("callTracer", assemble(code), accounts=STOPS)


def test_frames_of_any_shape_are_encoded_in_order() -> None:
    def node(number: int, calls: list[CallNode]) -> CallNode:
        address = Address(bytes(20))
        made = CallNode(FrameStart("CALL", 0, address, address, address, address, number, 0, b""))
        made.calls = calls
        return made

    def plain(node: CallNode) -> str:
        text = json.dumps(node.to_json(), separators=(",", ":"))
        return text if not node.calls else f'{text[:-1]},"calls":[{",".join(map(plain, node.calls))}]}}'

    numbers = count()
    random = Random(1)
    for size in (0, 1, 63, 64, 65, 128, 129, 200):
        leaves = [node(next(numbers), []) for _ in range(size)]
        for _ in range(random.randrange(4)):
            leaves.insert(random.randrange(size + 1), node(next(numbers), [node(next(numbers), [])] * 3))
        root = node(next(numbers), leaves)
        encoded = orjson.dumps(encode_tree(root, CallNode.to_json)).decode()
        assert encoded == plain(root)
