"""eth_createAccessList: what is listed and what not, failures in the result, refusals, both machines."""

from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, assemble, creation
from tests.rpc.methods.memory_node import ALICE, BOB, STRANGER, Node, hexadecimal
from tests.rpc.methods.wasm_contracts import WASM_BOX, wasm_contract

ALICE_, BOB_, STRANGER_ = hexadecimal(ALICE), hexadecimal(BOB), hexadecimal(STRANGER)
CONTRACT, OTHER = "0x" + "c0" * 20, "0x" + "c1" * 20


def word(number: int) -> str:
    return f"0x{number:064x}"


def padded(address: str) -> str:
    return word(int(address, 16))


async def listed(node: Node, call: dict[str, Any], *more: Any) -> dict[str, list[str]]:
    """Address -> slots."""
    answer = await node.call("eth_createAccessList", {"from": ALICE_} | call, *more)
    assert "error" not in answer, answer
    return {entry["address"]: entry["storageKeys"] for entry in answer["accessList"]}


BALANCE = bytes.fromhex("60003531")
"""BALANCE of the address in the first word of the call data."""

CALLING = bytes.fromhex("60006000600060006000600035620186a0f1")
"""CALL of that address with 100,000 gas."""

COUNTING = assemble("0x05 SLOAD SLOAD 0x00 MSTORE 0x20 0x00 RETURN")
"""Reads the slot whose number slot 5 holds."""


async def test_a_transfer_needs_no_list(node: Node) -> None:
    answer = await node.call("eth_createAccessList", {"from": ALICE_, "to": BOB_, "value": "0x1"}, "latest")
    assert answer == {"accessList": [], "gasUsed": hex(21_000)}


async def test_slots_and_accounts(node: Node) -> None:
    state = {
        CONTRACT: {"code": hexadecimal(COUNTING), "stateDiff": {word(5): word(9)}},
        OTHER: {"code": hexadecimal(CALLING)},
    }
    assert await listed(node, {"to": CONTRACT}, "latest", state) == {CONTRACT: [word(5), word(9)]}
    through = {"to": OTHER, "data": padded(CONTRACT)}
    assert await listed(node, through, "latest", state) == {CONTRACT: [word(5), word(9)]}
    looking = {CONTRACT: {"code": hexadecimal(BALANCE)}}
    for address, entries in ((STRANGER_, {STRANGER_: []}), (ALICE_, {}), (CONTRACT, {}), ("0x" + "00" * 19 + "04", {})):
        assert await listed(node, {"to": CONTRACT, "data": padded(address)}, "latest", looking) == entries


@pytest.mark.lengthy
async def test_the_list_is_that_of_the_final_run(node: Node) -> None:
    """The gas is what a transaction with this very list uses."""
    box = await node.place(COUNTING)
    call = {"from": ALICE_, "to": box}
    answer = await node.call("eth_createAccessList", call)
    (entry,) = answer["accessList"]
    used = await node.send(to=box, accessList=[entry], gas=hex(100_000))
    assert used["gasUsed"] == answer["gasUsed"]


async def test_what_the_client_lists_is_kept(node: Node) -> None:
    given = [{"address": STRANGER_, "storageKeys": [word(3)]}, {"address": ALICE_, "storageKeys": []}]
    assert await listed(node, {"to": BOB_, "accessList": given}) == {STRANGER_: [word(3)]}


async def test_creations_and_delegations_are_not_listed_by_themselves(node: Node) -> None:
    data = hexadecimal(creation(BOX))
    assert await listed(node, {"data": data}) == {}
    # creation code that stores: the new contract is listed for its slot
    stores = await node.call("eth_createAccessList", {"from": ALICE_, "data": "0x6001600255"})
    assert [entry["storageKeys"] for entry in stores["accessList"]] == [[word(2)]]
    # a factory's new contract is listed only once an instruction names it
    create, zeros = "600060006000f0", "6000" * 5
    made = {CONTRACT: {"code": "0x" + create}, OTHER: {"code": "0x" + zeros + create + "61fffff1"}}
    assert await listed(node, {"to": CONTRACT}, "latest", made) == {}
    assert [*(await listed(node, {"to": OTHER}, "latest", made)).values()] == [[]]
    delegated = {BOB_: {"code": "0xef0100" + CONTRACT[2:]}, CONTRACT: {"code": hexadecimal(COUNTING)}}
    assert await listed(node, {"to": BOB_}, "latest", delegated) == {BOB_: [word(0), word(5)]}
    calling = delegated | {OTHER: {"code": hexadecimal(CALLING)}}
    assert await listed(node, {"to": OTHER, "data": padded(BOB_)}, "latest", calling) == {BOB_: [word(0), word(5)]}


async def test_a_failed_run_is_told_beside_its_list(node: Node) -> None:
    box = await node.place(assemble("0x07 SLOAD 0x00 0x00 REVERT"))
    answer = await node.call("eth_createAccessList", {"from": ALICE_, "to": box, "gas": hex(100_000)})
    assert answer["error"] == "execution reverted"
    assert answer["accessList"] == [{"address": box, "storageKeys": [word(7)]}]
    assert int(answer["gasUsed"], 16) > 21_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"from": STRANGER_, "value": "0x1"}, "insufficient funds for gas * price + value"),
        ({"from": STRANGER_, "gasPrice": hex(10**10)}, "insufficient funds for gas * price + value"),
        ({"maxFeePerGas": "0x5"}, "max fee per gas less than block base fee"),
        ({"maxPriorityFeePerGas": "0x5"}, "max priority fee per gas higher than max fee per gas"),
        ({"gas": "0x5"}, "err: intrinsic gas too low: have 5, want 21000"),
        ({"chainId": "0x1"}, "chainId does not match node's (have=1, want=31337)"),
        ({"gasPrice": "0x1"}, "max fee per gas less than block base fee"),
    ],
)
async def test_refusals(node: Node, fields: dict[str, str], message: str) -> None:
    error = await node.fails("eth_createAccessList", {"from": ALICE_, "to": BOB_} | fields, "latest")
    assert error.code == -32000
    assert message in error.message
    if "err:" in message or "insufficient" in message:
        assert error.message.startswith("failed to apply transaction: 0x")


async def test_unknown_blocks_and_moved_precompiles(node: Node) -> None:
    error = await node.fails("eth_createAccessList", {"to": BOB_}, "0x64")
    assert error.message == "header not found"
    moved = {"0x" + "00" * 19 + "04": {"movePrecompileToAddress": STRANGER_}}
    error = await node.fails("eth_createAccessList", {"to": BOB_}, "latest", moved)
    assert error.message.startswith("precompiles cannot be moved for an access list")


async def test_the_list_of_a_webassembly_contract(node: Node) -> None:
    """Its storage goes through a cache of its own, and still every slot and account is listed."""
    looks = wasm_contract("(call $read_args (i32.const 0)) (call $account_balance (i32.const 12) (i32.const 32))")
    code = {CONTRACT: {"code": hexadecimal(wasm_contract(WASM_BOX))}, OTHER: {"code": hexadecimal(looks)}}
    assert await listed(node, {"to": CONTRACT}, "latest", code) == {CONTRACT: [word(0)]}
    assert await listed(node, {"to": CONTRACT, "data": word(5)}, "latest", code) == {CONTRACT: [word(0)]}
    assert await listed(node, {"to": OTHER, "data": padded(STRANGER_)}, "latest", code) == {STRANGER_: []}
    box = (await node.send(data=hexadecimal(wasm_contract(WASM_BOX)), gas=hex(3_000_000)))["contractAddress"]
    answer = await node.call("eth_createAccessList", {"from": ALICE_, "to": box, "data": word(5)})
    plain = await node.send(to=box, data=word(5), gas=hex(200_000))
    await node.send(to=box, data=word(0), gas=hex(200_000))
    warm = await node.send(to=box, data=word(5), gas=hex(200_000), accessList=answer["accessList"])
    assert warm["gasUsed"] == answer["gasUsed"] != plain["gasUsed"]
