"""eth_call and eth_estimateGas: results, overrides, past blocks, and every way to fail."""

from collections.abc import AsyncIterator

import pytest
from eth_utils import to_checksum_address as checksum

from tests.rpc.methods.assembly import (
    BOX,
    ENDLESS,
    ENVIRONMENT,
    INVALID,
    NOPE,
    REVERT_DATA,
    assemble,
    creation,
    reverting,
)
from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, STRANGER, Node, hexadecimal, start_node, stop_node
from zevm.rpc.limits import Limits


def word(number: int) -> str:
    return f"0x{number:064x}"


async def test_call_returns_data_and_keeps_nothing(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("anvil_setStorageAt", box, "0x0", word(5))
    assert await node.call("eth_call", {"to": box}, "latest") == word(5)
    assert await node.call("eth_call", {"to": box}) == word(5)
    assert await node.call("eth_call", {"to": box, "data": word(6)}, "latest") == "0x"
    assert await node.call("eth_call", {"to": box}, "latest") == word(5)


async def test_call_at_past_blocks(node: Node) -> None:
    receipt = await node.send(data=hexadecimal(creation(BOX)))
    box = receipt["contractAddress"]
    for value in (10, 11):
        await node.send(to=box, data=word(value))
    assert await node.call("eth_call", {"to": box}, "0x2") == word(10)
    assert await node.call("eth_call", {"to": box}, {"blockHash": receipt["blockHash"]}) == word(0)
    assert await node.call("eth_call", {"to": box}, "0x0") == "0x"
    error = await node.fails("eth_call", {"to": box}, "0x64")
    assert (error.code, error.message) == (-32000, "header not found")


async def test_call_sees_the_pending_block(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"to": box, "data": word(8)})
    assert await node.call("eth_call", {"to": box}, "latest") == word(0)
    assert await node.call("eth_call", {"to": box}, "pending") == word(8)


async def test_call_creates(node: Node) -> None:
    assert await node.call("eth_call", {"to": None, "data": hexadecimal(creation(BOX))}) == hexadecimal(BOX)


async def test_state_overrides(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("anvil_setStorageAt", box, "0x0", word(5))
    for overrides, value in (
        ({box: {"stateDiff": {word(0): word(9)}}}, 9),
        ({box: {"state": {word(1): word(9)}}}, 0),
        ({box: {"stateDiff": {word(1): word(9)}}}, 5),
    ):
        assert await node.call("eth_call", {"to": box}, "latest", overrides) == word(value)
    stranger = hexadecimal(STRANGER)
    assert await node.call("eth_call", {"to": stranger}, "latest", {stranger: {"code": hexadecimal(BOX)}}) == word(0)
    rich = {hexadecimal(STRANGER): {"balance": hex(ETHER)}}
    call = {"from": stranger, "to": hexadecimal(BOB), "value": hex(ETHER)}
    assert await node.call("eth_call", call, "latest", rich) == "0x"
    both = {box: {"state": {}, "stateDiff": {}}}
    assert "has both 'state' and 'stateDiff'" in (await node.fails("eth_call", {"to": box}, "latest", both)).message


async def test_precompiles_can_be_moved(node: Node) -> None:
    identity, stranger = "0x" + "00" * 19 + "04", hexadecimal(STRANGER)
    moved = {identity: {"movePrecompileToAddress": stranger}}
    assert await node.call("eth_call", {"to": stranger, "data": "0x1234"}, "latest", moved) == "0x1234"
    wrong = {stranger: {"movePrecompileToAddress": identity}}
    for method in ("eth_call", "eth_estimateGas"):
        error = await node.fails(method, {"to": identity}, "latest", wrong)
        assert (error.code, error.message) == (-32000, f"account {checksum(stranger)} is not a precompile")
    clash = {identity: {"movePrecompileToAddress": stranger}, stranger: {"balance": "0x1"}}
    error = await node.fails("eth_call", {"to": identity}, "latest", clash)
    assert (error.code, error.message) == (-32000, f"account {checksum(stranger)} is already overridden")


async def test_an_overridden_precompile_is_a_plain_account(node: Node) -> None:
    identity = "0x" + "00" * 19 + "04"
    call = {"to": identity, "data": "0x1234"}
    assert await node.call("eth_call", call) == "0x1234"
    assert await node.call("eth_call", call, "latest", {identity: {"code": hexadecimal(BOX)}}) == "0x"
    assert await node.call("eth_call", call, "latest", {identity: {"balance": "0x1"}}) == "0x"


@pytest.mark.parametrize(
    ("code", "overrides", "expected"),
    [
        ("NUMBER", {"number": "0x1234"}, word(0x1234)),
        ("TIMESTAMP", {"time": "0x99999999"}, word(0x99999999)),
        ("COINBASE", {"feeRecipient": "0x" + "0e" * 20}, "0x" + "00" * 12 + "0e" * 20),
        ("PREVRANDAO", {"prevRandao": word(7)}, word(7)),
    ],
)
async def test_block_overrides(node: Node, code: str, overrides: dict[str, str], expected: str) -> None:
    contract = await node.place(ENVIRONMENT[code])
    assert await node.call("eth_call", {"to": contract}, "latest", {}, overrides) == expected


@pytest.mark.parametrize(("name", "value"), [("beaconRoot", word(1)), ("withdrawals", [])])
async def test_block_overrides_that_no_code_sees(node: Node, name: str, value: object) -> None:
    error = await node.fails("eth_call", {"to": hexadecimal(BOB)}, "latest", {}, {name: value})
    assert (error.code, error.message) == (-32000, f'block override "{name}" is not supported for this RPC method')


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
async def test_reverts(node: Node, method: str) -> None:
    contract = await node.place(NOPE)
    error = await node.fails(method, {"to": contract})
    assert (error.code, error.message, error.data) == (3, "execution reverted: nope", hexadecimal(REVERT_DATA))
    await node.place(reverting(b""))
    error = await node.fails(method, {"to": contract})
    assert (error.code, error.message, error.data) == (3, "execution reverted", "0x")
    panic = bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")
    await node.place(reverting(panic))
    error = await node.fails(method, {"to": contract})
    assert (error.code, error.data) == (3, hexadecimal(panic))
    assert error.message == "execution reverted: arithmetic underflow or overflow"


async def test_halts(node: Node) -> None:
    contract = await node.place(INVALID)
    error = await node.fails("eth_call", {"to": contract})
    assert (error.code, error.message, error.data) == (-32000, "invalid opcode: INVALID", None)
    await node.place(ENDLESS)
    error = await node.fails("eth_call", {"to": contract, "gas": hex(100_000)})
    assert (error.code, error.message, error.data) == (-32000, "out of gas", None)


async def test_refused_before_execution(node: Node) -> None:
    call = {"from": hexadecimal(STRANGER), "to": hexadecimal(BOB), "gas": "0x5208", "value": "0x1"}
    error = await node.fails("eth_call", call)
    assert error.code == -32000
    assert "insufficient funds" in error.message
    assert error.message.endswith("(supplied gas 21000)")
    error = await node.fails("eth_call", {"to": hexadecimal(BOB), "chainId": "0x1"})
    assert error.message == "chainId does not match node's (have=1, want=31337)"
    low = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "gasPrice": "0x1"}
    assert "max fee per gas less than block base fee" in (await node.fails("eth_call", low)).message


async def test_contradictory_fields(node: Node) -> None:
    bob = hexadecimal(BOB)
    error = await node.fails("eth_call", {"to": bob, "data": "0x01", "input": "0x02"})
    assert error.message.startswith('both "data" and "input" are set and not equal')
    error = await node.fails("eth_call", {"to": bob, "gasPrice": "0x1", "maxFeePerGas": "0x1"})
    assert error.message == "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"
    error = await node.fails("eth_estimateGas", {"to": bob, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"})
    assert error.message == "maxFeePerGas (1) < maxPriorityFeePerGas (2)"


@pytest.fixture
async def hurried() -> AsyncIterator[Node]:
    running = await start_node(limits=Limits(evm_timeout_seconds=0.002, call_gas=2**62))
    yield running
    await stop_node(running)


async def test_time_cap(hurried: Node) -> None:
    contract = await hurried.place(ENDLESS)
    for method in ("eth_call", "eth_estimateGas"):
        error = await hurried.fails(method, {"to": contract})
        assert (error.code, error.message) == (-32000, "execution aborted (timeout = 0.002s)")


async def test_estimate_of_a_plain_transfer(node: Node) -> None:
    call = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "value": "0x1"}
    assert await node.call("eth_estimateGas", call) == hex(21_000)
    assert await node.call("eth_estimateGas", call, "latest") == hex(21_000)


async def test_an_estimate_is_enough_and_not_much_more(node: Node) -> None:
    box = await node.place(BOX)
    gas = int(await node.call("eth_estimateGas", {"from": hexadecimal(ALICE), "to": box, "data": word(1)}), 16)
    receipt = await node.send(to=box, data=word(1), gas=hex(gas))
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) <= gas <= int(receipt["gasUsed"], 16) * 1.02


async def test_estimate_sees_time_that_was_moved(node: Node) -> None:
    late = 1_900_000_000
    locked = await node.place(assemble(f"0x{late:08x} TIMESTAMP LT @early JUMPI STOP early: 0x00 0x00 REVERT"))
    assert (await node.fails("eth_estimateGas", {"to": locked})).code == 3
    await node.call("evm_setNextBlockTimestamp", late)
    assert int(await node.call("eth_estimateGas", {"to": locked}), 16) > 21_000
    assert await node.call("eth_call", {"to": locked}, "pending") == "0x"
    assert (await node.fails("eth_estimateGas", {"to": locked}, "latest")).code == 3
    assert (await node.send(to=locked))["status"] == "0x1"


async def test_estimate_beyond_what_is_allowed(node: Node) -> None:
    box = await node.place(BOX)
    error = await node.fails("eth_estimateGas", {"to": box, "data": word(1), "gas": hex(22_000)})
    assert (error.code, error.message) == (-32000, "gas required exceeds allowance (22000)")


async def test_estimate_with_overrides(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    assert await node.call("eth_estimateGas", {"to": stranger}) == hex(21_000)
    gas = await node.call("eth_estimateGas", {"to": stranger}, "latest", {stranger: {"code": hexadecimal(BOX)}})
    assert int(gas, 16) > 21_000
