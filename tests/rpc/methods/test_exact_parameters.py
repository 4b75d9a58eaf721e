"""Lengths, empty strings and nulls in parameters, by walks over all decoders: R16, R20; bundles: R17."""

import re
from hashlib import sha256
from typing import Any

import pytest

import zevm.rpc.methods
from tests.rpc.methods.assembly import BOX
from tests.rpc.methods.memory_node import ALICE, BOB, KEYS, Node, hexadecimal, start_node, stop_node
from zevm.rpc.codec import engine, objects, scalars
from zevm.rpc.codec.scalars import SCHEMAS
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.limits import Limits
from zevm.rpc.registry import REGISTRY

zevm.rpc.methods.load()

ALICE_, BOB_ = hexadecimal(ALICE), hexadecimal(BOB)
WORD = "0x" + "00" * 31 + "07"
SHORT = ("0x" + "00" * 31, "0x7", "0x", "0x" + "00" * 33, "0x" + "0" * 62, "0x" + "0" * 63)
"""Not 32 bytes; the report's own input, 62 digits, among them."""

FIXED = re.compile(r"\^0x\[0-9a-fA-F\]\{(\d+)\}\$\Z")
FIXED_DECODERS = [
    (decoder, int(match[1])) for decoder, row in SCHEMAS.items() if (match := FIXED.match(str(row.get("pattern"))))
]


def test_r20_every_decoder_of_fixed_length_refuses_another() -> None:
    """R20: each decoder whose schema names a length takes that one alone."""
    sizes = {digits for _, digits in FIXED_DECODERS}
    assert sizes >= {16, 40, 64, 96, 2 * 131_072}
    for decoder, digits in FIXED_DECODERS:
        decoder("0x" + "0" * digits)
        for wrong in (0, 1, digits - 2, digits - 1, digits + 1, digits + 2, 2 * digits):
            with pytest.raises(InvalidParamsError):
                decoder("0x" + "0" * wrong)


@pytest.mark.parametrize("value", SHORT)
async def test_r20_words_of_another_length_are_refused(node: Node, value: str) -> None:
    """R20: storage keys and values of overrides, patches, conditions and access lists, wherever they are taken."""
    call = {"to": BOB_}
    for slots in ({value: WORD}, {WORD: value}):
        for name in ("state", "stateDiff"):
            overrides = {BOB_: {name: slots}}
            for method, params in (
                ("eth_call", [call, "latest", overrides]),
                ("eth_estimateGas", [call, "latest", overrides]),
                ("eth_createAccessList", [call, "latest", overrides]),
                ("eth_callMany", [[{"transactions": [call]}], {}, overrides]),
                ("eth_simulateV1", [{"blockStateCalls": [{"stateOverrides": overrides, "calls": [call]}]}]),
                ("debug_traceCall", [call, "latest", {"stateOverrides": overrides}]),
                ("debug_traceCallMany", [[{"transactions": [call]}], {}, {"stateOverrides": overrides}]),
            ):
                assert (await node.fails(method, *params)).code == -32602, (method, slots)
        condition = {"knownAccounts": {BOB_: slots}}
        assert (await node.fails("eth_sendRawTransactionConditional", "0x00", condition)).code == -32602
    for method in ("anvil_setStorageAt", "hardhat_setStorageAt", "evm_setAccountStorageAt"):
        assert (await node.fails(method, BOB_, "0x0", value)).code == -32602
    listed = call | {"accessList": [{"address": BOB_, "storageKeys": [value]}]}
    assert (await node.fails("eth_call", listed)).code == -32602


async def test_r20_what_is_a_number_keeps_its_short_forms(node: Node) -> None:
    """R20's other side: slots that geth takes as numbers, padded on the left, are taken as before."""
    await node.call("anvil_setStorageAt", BOB_, "0x1", WORD)
    for slot in ("0x1", "0x01", "0x" + "00" * 31 + "01"):
        assert await node.call("eth_getStorageAt", BOB_, slot) == WORD
        assert (await node.call("eth_getProof", BOB_, [slot], "latest"))["storageProof"][0]["value"] == "0x7"


EMPTY_IS_NO_BLOCK = [
    (name, next(index for index, param in enumerate(row.params) if param.decode in decoders))
    for decoders in ((scalars.block_number, scalars.block_reference),)
    for name, row in REGISTRY.public().by_name.items()
    if any(param.decode in decoders for param in row.params)
]


async def test_r16_an_empty_string_is_no_block(node: Node) -> None:
    """R16: in a log filter and in every parameter that names a block, with geth's words."""
    for name in ("fromBlock", "toBlock"):
        for method in ("eth_getLogs", "eth_newFilter"):
            error = await node.fails(method, {name: ""})
            assert (error.code, "empty hex string" in error.message) == (-32602, True), method
    assert len(EMPTY_IS_NO_BLOCK) > 30
    for method, position in EMPTY_IS_NO_BLOCK:
        decode = REGISTRY.by_name[method].params[position].decode
        with pytest.raises(InvalidParamsError, match="empty hex string"):
            decode("")


async def test_r16_null_in_place_of_an_object_changes_nothing(node: Node) -> None:
    """R16: an override that is null overrides nothing, in every method that takes overrides; geth's zero values."""
    box = await node.place(BOX)
    call = {"to": box}
    expected = await node.call("eth_call", call)
    for overrides in ({box: None}, {box: {}}, {box: {"balance": None, "stateDiff": None}}, None):
        assert await node.call("eth_call", call, "latest", overrides) == expected
        assert await node.call("eth_estimateGas", call, "latest", overrides)
        assert await node.call("eth_callMany", [{"transactions": [call]}], {}, overrides) == [[{"value": expected}]]
        block = {"stateOverrides": overrides, "calls": [call]}
        simulated = await node.call("eth_simulateV1", {"blockStateCalls": [block]})
        assert simulated[0]["calls"][0]["returnData"] == expected
    assert await node.call("eth_call", call, "latest", None, None) == expected
    assert await node.call("eth_simulateV1", {"blockStateCalls": [None]})
    for decode in (
        objects.transaction_arguments,
        objects.block_overrides,
        objects.log_filter,
    ):
        assert decode(None) == decode({})
    for required in (objects.access_list_entry, objects.authorization, engine.forkchoice_state):
        with pytest.raises(InvalidParamsError, match="missing required field"):
            required(None)


def _bundle(*calls: Any, **overrides: Any) -> dict[str, Any]:
    return {"transactions": list(calls), "blockOverride": overrides}


def _outputs(answer: list[list[dict[str, Any]]]) -> list[list[Any]]:
    return [[item.get("output", "0x") if "type" in item else item["value"] for item in bundle] for bundle in answer]


MANY = {"eth_callMany": [], "debug_traceCallMany": [{"tracer": "callTracer"}]}
"""The two methods, and what stands after the state context."""


async def test_r17_both_methods_of_bundles_agree(node: Node) -> None:
    """R17: places within a block in every form, block overrides under both names, blocks that follow one another."""
    box = await node.place(BOX)
    number = await node.place(bytes.fromhex("4360005260206000f3"), b"\xc7" * 20)
    time = await node.place(bytes.fromhex("4260005260206000f3"), b"\xc8" * 20)
    await node.call("evm_setAutomine", False)
    for nonce, value in enumerate((10, 11)):
        fields = {"from": ALICE_, "to": box, "data": f"0x{value:064x}", "nonce": hex(nonce), "gas": "0x30000"}
        await node.call("eth_sendTransaction", fields)
    await node.call("evm_mine")
    for index, value in {0: 0, 1: 10, "0x1": 10, "1": 10, 2: 11, -1: 11, "-1": 11, None: 11}.items():
        context = {"blockNumber": "0x1", "transactionIndex": index}
        answers = [
            _outputs(await node.call(name, [_bundle({"to": box})], context, *rest)) for name, rest in MANY.items()
        ]
        assert answers == [[[f"0x{value:064x}"]]] * 2, index
    bundles = [
        _bundle({"to": number}, {"to": time}),
        _bundle({"to": number}, {"to": time}),
        _bundle({"to": number}, {"to": time}, number="0x99", time="0x98"),
        {"transactions": [{"to": number}], "blockOverrides": {"number": "0x97"}},
    ]
    first, second = [_outputs(await node.call(name, bundles, {}, *rest)) for name, rest in MANY.items()]
    assert first == second
    assert [int(bundle[0], 16) for bundle in first] == [1, 2, 0x99, 0x97]
    assert int(first[1][1], 16) - int(first[0][1], 16) == 12


async def test_both_methods_of_bundles_change_the_state_once_before_the_first_call(node: Node) -> None:
    """Overrides of accounts hold for all bundles, and a later call sees what an earlier one made of them."""
    box, number = "0x" + "c9" * 20, "0x" + "ca" * 20
    changes = {
        box: {"code": hexadecimal(BOX), "state": {"0x" + "00" * 32: f"0x{7:064x}"}},
        number: {"code": "0x4360005260206000f3"},
        "0x" + "00" * 19 + "02": {"movePrecompileToAddress": "0x" + "cb" * 20},
    }
    hashing = {"to": "0x" + "cb" * 20, "data": "0x01"}
    bundles = [
        _bundle({"to": box}, {"to": box, "data": f"0x{8:064x}"}, hashing),
        _bundle({"to": box}, {"to": number}, hashing, number="0x55"),
    ]
    first = _outputs(await node.call("eth_callMany", bundles, {}, changes))
    second = _outputs(
        await node.call("debug_traceCallMany", bundles, {}, {"tracer": "callTracer", "stateOverrides": changes})
    )
    assert [int(bundle[0], 16) for bundle in first] == [7, 8]
    assert int(first[1][1], 16) == 0x55
    assert first[0][2] == first[1][2] == "0x" + sha256(b"\1").hexdigest()
    assert second == first


async def test_r17_both_methods_of_bundles_refuse_alike(node: Node) -> None:
    """R17: one text for a place past the block, for none and for malformed bundles."""
    await node.call("evm_mine")
    box = await node.place(BOX)
    for context, bundles in (
        ({"transactionIndex": 4}, [_bundle({"to": box})]),
        ({"transactionIndex": "-2"}, [_bundle({"to": box})]),
        ({"transactionIndex": -2}, [_bundle({"to": box})]),
        ({"blockNumber": "0x64"}, [_bundle({"to": box})]),
        ({"blockNumber": "0x0", "transactionIndex": 0}, [_bundle({"to": box})]),
        ({}, []),
        ({}, [_bundle()]),
        ({}, [5]),
        ({}, [{"transactions": 5}]),
        ({}, [{"transactions": [], "blockOverride": 5}]),
    ):
        errors = [await node.fails(name, bundles, context, *rest) for name, rest in MANY.items()]
        assert errors[0].code == errors[1].code, (context, bundles)
        assert errors[0].message == errors[1].message, (context, bundles)


async def test_r17_one_limit_for_many_calls() -> None:
    """R17: the limit is a row of the table, counts all bundles together, and holds wherever calls come in many."""
    assert Limits().many_calls == 5_000
    node = await start_node(limits=Limits(many_calls=3))
    try:
        call, message = {"to": BOB_}, "too many calls: have 4, want at most 3 (--rpc-many-calls); send several requests"
        for count in (3, 4):
            split = [_bundle(*[call] * 2), _bundle(*[call] * (count - 2))]
            requests = [(name, [split, {}, *rest]) for name, rest in MANY.items()]
            requests.append(("trace_callMany", [[[call, ["trace"]]] * count]))
            for name, params in requests:
                if count == 3:
                    await node.call(name, *params)
                    continue
                error = await node.fails(name, *params)
                assert (error.code, error.message) == (-32602, message), name
        signed = hexadecimal(node.signed(KEYS[0]).encoded)
        error = await node.fails("eth_callBundle", {"txs": [signed] * 4, "blockNumber": "0x1"})
        assert (error.code, error.message) == (-32602, message)
    finally:
        await stop_node(node)


async def test_r22_a_probe_for_tracing_is_no_failure(node: Node) -> None:
    """R22: titanoboa asks for the zero hash's trace; any error but -32602 switches its tracing off."""
    tracer = {"tracer": "callTracer", "onlyTopCall": True}
    assert "error" not in await node.ask("debug_traceTransaction", "0x" + "00" * 32, tracer)
    assert await node.call("debug_traceTransaction", "0x" + "00" * 32) is None
    error = await node.fails("debug_traceTransaction", "0x" + "01" * 32)
    assert (error.code, error.message) == (-32000, "transaction not found")


async def test_r22_the_other_probes_of_tools(node: Node) -> None:
    """R22: brownie leaves the hash out and ape sends no hash; both go on unless told that there is no such method."""
    assert (await node.fails("debug_traceTransaction")).code == -32602
    assert (await node.fails("debug_traceTransaction", "__CHECK_IF_SUPPORTS_TRACING__")).code == -32602
