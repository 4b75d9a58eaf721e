"""eth_simulateV1: chains of blocks, overrides, transfers as logs, refusals with geth's codes, both machines."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, ENDLESS, ENVIRONMENT, INVALID, NOPE, REVERT_DATA, TOPIC, assemble, creation
from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, STRANGER, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.wasm_contracts import WASM_BOX, WASM_FORWARDER, wasm_contract
from zevm.rpc.limits import Limits
from zevm.storage.keccak import keccak256

ALICE_, BOB_, STRANGER_ = hexadecimal(ALICE), hexadecimal(BOB), hexadecimal(STRANGER)
CONTRACT = "0x" + "c0" * 20
OTHER = "0x" + "c1" * 20
TRANSFER = hexadecimal(keccak256(b"Transfer(address,address,uint256)"))
ETHER_ADDRESS = "0x" + "ee" * 20


def word(number: int) -> str:
    return f"0x{number:064x}"


def padded(address: str) -> str:
    return word(int(address, 16))


def call(data: str = "0x", **fields: Any) -> dict[str, Any]:
    return {"from": ALICE_, "to": CONTRACT, "input": data} | fields


def block(*calls: dict[str, Any], state: Any = None, **overrides: str) -> dict[str, Any]:
    return {"calls": list(calls), "stateOverrides": state or {}, "blockOverrides": overrides}


async def simulate(node: Node, *blocks: dict[str, Any], at: str = "latest", **options: Any) -> list[dict[str, Any]]:
    """The blocks of an answer."""
    answer: list[dict[str, Any]] = await node.call("eth_simulateV1", {"blockStateCalls": list(blocks)} | options, at)
    return answer


async def refused(node: Node, *blocks: dict[str, Any], **options: Any) -> tuple[int, str]:
    """Code and message of an error, -32603 too, which geth gives some refusals of transactions."""
    error = (await node.ask("eth_simulateV1", {"blockStateCalls": list(blocks)} | options, "latest"))["error"]
    return error["code"], error["message"]


def with_code(code: bytes, address: str = CONTRACT) -> dict[str, Any]:
    return {address: {"code": hexadecimal(code)}}


async def test_state_is_carried_from_call_to_call_and_block_to_block(node: Node) -> None:
    first, second = await simulate(
        node,
        block(call(word(7)), call(), state=with_code(BOX)),
        block(call(), call(word(8)), call(), state={BOB_: {"balance": "0x5"}}),
    )
    assert [item["returnData"] for item in first["calls"]] == ["0x", word(7)]
    assert [item["returnData"] for item in second["calls"]] == [word(7), "0x", word(8)]
    assert second["parentHash"] == first["hash"]
    assert (int(first["number"], 16), int(second["number"], 16)) == (1, 2)
    assert int(second["timestamp"], 16) - int(first["timestamp"], 16) == 12
    (log,) = first["calls"][0]["logs"]
    assert (log["topics"], log["data"], log["blockHash"]) == ([hexadecimal(TOPIC)], word(7), first["hash"])
    assert log["transactionHash"] == first["transactions"][0]
    assert await node.call("eth_blockNumber") == "0x0"
    assert await node.call("eth_getCode", CONTRACT) == "0x"


async def test_a_simulated_block_has_the_roots_of_a_mined_one(node: Node) -> None:
    """A transfer that is then mined with the same fields gives the same state."""
    time = hex(1_700_000_500)
    fees = {"maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": hex(10**9)}
    transfer = {"from": ALICE_, "to": STRANGER_, "value": "0x5", "gas": hex(21_000), **fees}
    (simulated,) = await simulate(node, block(transfer, time=time), validation=True)
    await node.call("evm_setNextBlockTimestamp", time)
    receipt = await node.send(to=STRANGER_, value="0x5", gas=hex(21_000), **fees)
    mined = await node.call("eth_getBlockByHash", receipt["blockHash"], False)
    same = ("stateRoot", "receiptsRoot", "gasUsed", "baseFeePerGas", "logsBloom", "requestsHash", "withdrawalsRoot")
    assert {name: simulated[name] for name in same} == {name: mined[name] for name in same}
    assert simulated["transactionsRoot"] != mined["transactionsRoot"]


@pytest.mark.lengthy
async def test_gaps_are_filled_with_empty_blocks(node: Node) -> None:
    blocks = await simulate(node, block(number="0x3"), block(number="0x5", time=hex(1_800_000_000)))
    assert [int(item["number"], 16) for item in blocks] == [1, 2, 3, 4, 5]
    assert [item["calls"] for item in blocks] == [[]] * 5
    assert blocks[4]["timestamp"] == hex(1_800_000_000)
    numbers = await simulate(node, block(number="0xff"), block(call(), state=with_code(ENVIRONMENT["NUMBER"])))
    assert len(numbers) == 256
    assert numbers[-1]["calls"][0]["returnData"] == word(256)


async def test_block_hashes_are_those_of_the_simulated_chain(node: Node) -> None:
    code = assemble("0x00 CALLDATALOAD BLOCKHASH 0x00 MSTORE 0x20 0x00 RETURN")
    await node.call("evm_mine")
    asking = [call(word(number)) for number in range(5)]
    blocks = await simulate(node, block(), block(), block(*asking, state=with_code(code)))
    chain = [(await node.call("eth_getBlockByNumber", hex(number), False))["hash"] for number in (0, 1)]
    wanted = [*chain, blocks[0]["hash"], blocks[1]["hash"], word(0)]
    assert [item["returnData"] for item in blocks[2]["calls"]] == wanted


async def test_past_and_pending_blocks(node: Node) -> None:
    await node.send(to=STRANGER_, value="0x5")
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"to": STRANGER_, "value": "0x7"})
    balance_of = bytes.fromhex("6000353160005260206000f3")
    for at, number, balance in (("0x0", 1, 0), ("0x1", 2, 5), ("latest", 2, 5), ("pending", 3, 12)):
        (answer,) = await simulate(node, block(call(padded(STRANGER_)), state=with_code(balance_of)), at=at)
        assert (int(answer["number"], 16), answer["calls"][0]["returnData"]) == (number, word(balance))
        assert answer["parentHash"] == (await node.call("eth_getBlockByNumber", at, False))["hash"] or at == "pending"
    error = await node.fails("eth_simulateV1", {"blockStateCalls": [{}]}, "0x64")
    assert (error.code, error.message) == (-32000, "header not found")


async def test_failures_of_calls_are_told_in_their_results(node: Node) -> None:
    state = with_code(NOPE) | with_code(INVALID, OTHER)
    (answer,) = await simulate(node, block(call(), call(to=OTHER, gas=hex(50_000)), call(to=BOB_), state=state))
    reverted, halted, fine = answer["calls"]
    assert reverted["error"] == {
        "code": 3,
        "message": "execution reverted: nope",
        "data": hexadecimal(REVERT_DATA),
    }
    assert (reverted["status"], reverted["returnData"], reverted["logs"]) == ("0x0", "0x", [])
    assert halted["error"] == {"code": -32015, "message": "invalid opcode: INVALID"}
    assert (halted["gasUsed"], halted["maxUsedGas"]) == (hex(50_000), hex(50_000))
    assert fine["status"] == "0x1"
    assert "error" not in fine


async def test_gas_is_bounded_by_the_block_and_by_the_request(node: Node) -> None:
    limits = Limits(call_gas=100_000)
    small = await start_node(limits=limits)
    try:
        (answer,) = await simulate(small, block(call(to=BOB_), call(), state=with_code(INVALID)))
        used = [int(item["gasUsed"], 16) for item in answer["calls"]]
        assert used == [21_000, 79_000]
        assert answer["calls"][1]["error"]["message"] == (
            "invalid opcode: INVALID (gas limit was capped by the RPC server's global gas cap)"
        )
        code, message = await refused(small, block(call(), call(), state=with_code(INVALID)))
        assert (code, message) == (-38013, "err: intrinsic gas too low: have 0, want 21000 (supplied gas 0)")
    finally:
        await stop_node(small)
    block_limit = block(call(to=BOB_, gas=hex(30_000)), call(to=BOB_, gas=hex(30_000)), gasLimit=hex(50_000))
    assert await refused(node, block_limit) == (
        -38015,
        "block gas limit reached: remaining: 29000, required: 30000",
    )


async def test_transfers_are_shown_as_logs(node: Node) -> None:
    fails = FORWARD + assemble("INVALID")
    state = with_code(FORWARD) | with_code(fails, OTHER) | with_code(DESTRUCT, STRANGER_)
    (answer,) = await simulate(
        node,
        block(
            call(padded(BOB_), value="0x5"),
            call(padded(BOB_), value="0x6", to=OTHER, gas=hex(100_000)),
            call(padded(BOB_), value="0x7", to=STRANGER_),
            state=state,
        ),
        traceTransfers=True,
    )
    logs = [[(log["topics"], log["data"], log["logIndex"]) for log in item["logs"]] for item in answer["calls"]]
    assert {log["address"] for item in answer["calls"] for log in item["logs"]} == {ETHER_ADDRESS}

    def transfer(sender: str, to: str, value: int, index: int) -> tuple[list[str], str, str]:
        return [TRANSFER, padded(sender), padded(to)], word(value), hex(index)

    assert logs == [
        [transfer(ALICE_, CONTRACT, 5, 0), transfer(CONTRACT, BOB_, 5, 1)],
        [],
        # the two of the failed call had their numbers
        [transfer(ALICE_, STRANGER_, 7, 4), transfer(STRANGER_, BOB_, 7, 5)],
    ]
    assert int(answer["logsBloom"], 16) == 0
    (silent,) = await simulate(node, block(call(padded(BOB_), value="0x5"), state=state))
    assert silent["calls"][0]["logs"] == []


async def test_what_moves_no_ether_shows_no_transfer(node: Node) -> None:
    """A call that pays nothing, a self-destruction with nothing left, and CALLCODE, which pays its own account."""
    state = with_code(FORWARD) | with_code(DESTRUCT, OTHER) | with_code(CALLCODE, STRANGER_)
    state[STRANGER_]["balance"] = "0x9"
    calls = [call(padded(BOB_)), call(padded(BOB_), to=OTHER), call(padded(BOB_), to=STRANGER_)]
    (answer,) = await simulate(node, block(*calls, state=state), traceTransfers=True)
    assert [(item["status"], item["logs"]) for item in answer["calls"]] == [("0x1", [])] * 3
    assert answer["calls"][2]["returnData"] == word(1)


CALLCODE = bytes.fromhex("6000600060006000600560003561ffff" + "f2" + "60005260206000f3")
"""CALLCODE of the address in the first word of the call data with 5 wei; returns whether it went well."""

FORWARD = bytes.fromhex("6000600060006000346000355af1")
"""CALL of the address in the first word of the call data, with all value."""

DESTRUCT = bytes.fromhex("600035ff")
"""SELFDESTRUCT to the address in the first word of the call data."""


async def test_precompiles_can_be_moved_and_overridden(node: Node) -> None:
    identity = "0x" + "00" * 19 + "04"
    moved = {identity: {"movePrecompileToAddress": CONTRACT}}
    first, second = await simulate(
        node,
        block(call("0x1234"), call("0x1234", to=identity), state=moved),
        block(call("0x1234", to=identity), call("0x1234")),
    )
    assert [item["returnData"] for item in first["calls"]] == ["0x1234", "0x"]
    assert [item["returnData"] for item in second["calls"]] == ["0x1234", "0x"]
    overridden = await simulate(node, block(call(to=identity), state=with_code(BOX, identity)))
    assert overridden[0]["calls"][0]["returnData"] == word(0)
    code, message = await refused(node, block(state={identity: {"movePrecompileToAddress": identity}}))
    assert (code, message) == (-32000, f"account {identity} is already overridden")


async def test_of_two_faults_the_one_at_the_lower_address_is_told(node: Node) -> None:
    wrong = {OTHER: {"movePrecompileToAddress": BOB_}, CONTRACT: {"movePrecompileToAddress": BOB_}}
    code, message = await refused(node, block(state=wrong))
    assert (code, message.lower()) == (-32000, f"account {CONTRACT} is not a precompile")


async def test_blobs_are_paid_for_by_those_who_name_no_cap(node: Node) -> None:
    """Nothing is held back for a cap of 0, and still a blob costs the block's fee."""
    blob = {"from": STRANGER_, "to": BOB_, "blobVersionedHashes": ["0x01" + "00" * 31]}
    rich = {STRANGER_: {"balance": hex(131_072)}}
    (answer,) = await simulate(node, block(blob, state=rich))
    assert (answer["calls"][0]["status"], answer["blobGasUsed"]) == ("0x1", hex(131_072))
    assert (await refused(node, block(blob, blob, state=rich)))[0] == -38014
    assert (await refused(node, block(blob | {"blobVersionedHashes": ["0x02" + "00" * 31]}, state=rich)))[1] == (
        f"err: blob 0 has invalid hash version (supplied gas {node.services.limits.call_gas})"
    )
    capped = blob | {"maxFeePerBlobGas": "0x1", "maxFeePerGas": hex(10**10)}
    code, message = await refused(node, block(capped, blobBaseFee="0x5", state=rich), validation=True)
    assert (code, "max fee per blob gas less than block blob gas fee" in message) == (-32603, True)
    authorization = {"chainId": "0x0", "address": BOB_, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1"}
    code, message = await refused(node, block({"authorizationList": [authorization], "input": "0x00"}))
    assert (code, message.startswith("err: EIP-7702 transaction cannot be used to create contract")) == (-32603, True)


async def test_full_transactions_show_their_senders(node: Node) -> None:
    calls = [
        call(value="0x1"),
        call(gasPrice="0x0", to=BOB_),
        call(accessList=[{"address": BOB_, "storageKeys": []}], to=BOB_),
        {"input": hexadecimal(creation(BOX))},
    ]
    (answer,) = await simulate(node, block(*calls), returnFullTransactions=True)
    shown = answer["transactions"]
    assert [item["from"] for item in shown] == [ALICE_, ALICE_, ALICE_, "0x" + "00" * 20]
    assert [item["type"] for item in shown] == ["0x2", "0x0", "0x2", "0x2"]
    assert {(item["v"], item["r"], item["s"]) for item in shown} == {("0x0", "0x0", "0x0")}
    assert shown[3]["to"] is None
    assert answer["calls"][3]["returnData"] == hexadecimal(BOX)


async def test_withdrawals_and_fields_of_the_block(node: Node) -> None:
    withdrawal = {"index": "0x0", "validatorIndex": "0x1", "address": STRANGER_, "amount": "0x2"}
    overrides = {
        "feeRecipient": OTHER,
        "prevRandao": word(9),
        "gasLimit": hex(1_000_000),
        "baseFeePerGas": "0x7",
        "beaconRoot": word(3),
        "withdrawals": [withdrawal],
    }
    first, second = await simulate(
        node,
        {"calls": [], "blockOverrides": overrides},
        block({"from": STRANGER_, "to": BOB_, "value": hex(2 * 10**9)}),
    )
    assert first["withdrawals"] == [withdrawal]
    assert (first["miner"], second["miner"]) == (OTHER, OTHER)
    assert (first["gasLimit"], second["gasLimit"]) == (hex(1_000_000), hex(1_000_000))
    assert (first["baseFeePerGas"], second["baseFeePerGas"]) == ("0x7", "0x0")
    assert (first["mixHash"], second["mixHash"]) == (word(9), word(0))
    assert (first["parentBeaconBlockRoot"], second["parentBeaconBlockRoot"]) == (word(3), word(0))
    assert second["calls"][0]["status"] == "0x1"


async def test_empty_accounts_of_overrides_stay_in_the_state(node: Node) -> None:
    """As in geth, where an override makes an account, and only a transaction's touch removes an empty one."""
    (plain,) = await simulate(node, block())
    for override in ({"balance": "0x0"}, {"stateDiff": {word(1): word(2)}}, {"state": {}}):
        (changed,) = await simulate(node, block(state={STRANGER_: override}))
        assert changed["stateRoot"] != plain["stateRoot"], override
        (touched,) = await simulate(node, block(call(to=STRANGER_), state={STRANGER_: override}))
        (untouched,) = await simulate(node, block(call(to=OTHER)))
        assert touched["stateRoot"] == untouched["stateRoot"], override


FREE = {"maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": "0x0"}


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("blocks", "code", "message"),
    [
        ([], -32602, "empty input"),
        ([{}] * 257, -38026, "too many blocks"),
        ([block(number="0x101")], -38026, "too many blocks"),
        ([block(number="0x5"), block(number="0x5")], -38020, "block numbers must be in order: 5 <= 5"),
        ([block(time="0x1")], -38021, "block timestamps must be in order: 1 <= 1700000000"),
        ([block(*[{}] * 5_001)], -38026, "too many calls in block: 5001 > 5000"),
        ([block(*[{}] * 4_000)] * 3, -38026, "too many calls: 12000 > 10000"),
        ([block(call(nonce="0x5", **FREE))], -38011, "nonce too high"),
        ([block(call(**FREE), call(nonce="0x0", **FREE))], -38010, "nonce too low"),
        ([block(call())], -38012, "max fee per gas less than block base fee"),
        ([block(call(gas="0x1", **FREE))], -38013, "intrinsic gas too low: have 1, want 21000"),
        ([block(call(value=hex(ETHER), **FREE | {"from": STRANGER_}))], -38014, "insufficient funds"),
        ([block(call("0x" + "00" * 50_000, **FREE | {"to": None}))], -38025, "max initcode size exceeded"),
        ([block(call(chainId="0x1"))], -32000, "chainId does not match node's (have=1, want=31337)"),
        ([block(state={BOB_: {"nonce": hex(2**64 - 1)}}), block(call(**FREE | {"from": BOB_}))], -32603, "max value"),
    ],
)
async def test_refusals_under_validation(node: Node, blocks: list[Any], code: int, message: str) -> None:
    found, text = await refused(node, *blocks, validation=True)
    assert found == code
    assert message in text


async def test_without_validation_nonces_and_fees_are_free(node: Node) -> None:
    (answer,) = await simulate(
        node,
        block(call(nonce="0x9", **{"from": STRANGER_}), call(**{"from": CONTRACT}), state=with_code(BOX)),
    )
    assert [item["status"] for item in answer["calls"]] == ["0x1", "0x1"]
    code, message = await refused(node, block(call(value=hex(ETHER), **{"from": STRANGER_})))
    assert code == -38014
    assert message.startswith("err: insufficient funds for gas * price + value: address 0x")


async def test_the_time_limit_ends_a_simulation(hurried: Node) -> None:
    calls = [call(gas=hex(10_000_000))] * 5
    code, message = await refused(hurried, block(*calls, state=with_code(ENDLESS)))
    assert (code, message) == (-32000, "execution aborted (timeout = 0.002s)")


async def test_the_time_limit_holds_for_system_contracts_too(hurried: Node) -> None:
    history = "0x0000f90827f1c53a10cb7a02335b175320002935"
    assert await refused(hurried, block(state=with_code(ENDLESS, history))) == (
        -32000,
        "execution aborted (timeout = 0.002s)",
    )


@pytest.fixture
async def hurried() -> AsyncIterator[Node]:
    running = await start_node(limits=Limits(evm_timeout_seconds=0.002))
    yield running
    await stop_node(running)


async def test_webassembly_as_code_override(node: Node) -> None:
    """A module in place of an account's code; storage, logs and transfers as of a contract of the EVM."""
    box, forwarder = wasm_contract(WASM_BOX), wasm_contract(WASM_FORWARDER)
    state = with_code(box) | with_code(forwarder, OTHER)
    first, second = await simulate(
        node,
        block(call(word(7)), call(), call(padded(BOB_), to=OTHER, value="0x5"), state=state),
        block(call()),
        traceTransfers=True,
    )
    assert [item["status"] for item in first["calls"]] == ["0x1"] * 3
    assert first["calls"][1]["returnData"] == second["calls"][0]["returnData"] == word(7)
    (log,) = first["calls"][0]["logs"]
    assert (log["address"], log["topics"], log["logIndex"]) == (CONTRACT, [word(7)], "0x0")
    moves = [(log["topics"][1:], log["logIndex"]) for log in first["calls"][2]["logs"]]
    assert moves == [([padded(ALICE_), padded(OTHER)], "0x1"), ([padded(OTHER), padded(BOB_)], "0x2")]
    (evm,) = await simulate(node, block(call(word(7)), state=with_code(BOX)))
    assert evm["calls"][0]["gasUsed"] != first["calls"][0]["gasUsed"]


async def test_webassembly_failures(node: Node) -> None:
    reverts, traps = wasm_contract("", 1), wasm_contract("(unreachable)")
    (answer,) = await simulate(node, block(call(), call(to=OTHER), state=with_code(reverts) | with_code(traps, OTHER)))
    reverted, trapped = [item["error"] for item in answer["calls"]]
    assert reverted == {"code": 3, "message": "execution reverted", "data": "0x"}
    assert trapped["code"] == -32015
    assert "wasm trap: unreachable" in trapped["message"]
