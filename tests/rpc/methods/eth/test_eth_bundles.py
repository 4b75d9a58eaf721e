"""eth_callMany and eth_callBundle: state from call to call, places within a block, earnings, refusals."""

from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, ENVIRONMENT, INVALID, NOPE, RETURN_TOP, assemble
from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, KEYS, STRANGER, Node, hexadecimal
from tests.rpc.methods.wasm_contracts import WASM_BOX, wasm_contract
from zevm.storage.keccak import keccak256

ALICE_, BOB_, STRANGER_ = hexadecimal(ALICE), hexadecimal(BOB), hexadecimal(STRANGER)
GWEI = 10**9


def word(number: int) -> str:
    return f"0x{number:064x}"


def bundle(*calls: dict[str, Any], **overrides: str) -> dict[str, Any]:
    return {"transactions": list(calls), "blockOverride": overrides}


@pytest.mark.parametrize("code", [BOX, wasm_contract(WASM_BOX)], ids=["evm", "wasm"])
async def test_each_call_sees_the_one_before(node: Node, code: bytes) -> None:
    box = await node.place(code)
    answer = await node.call(
        "eth_callMany",
        [bundle({"to": box, "data": word(5)}, {"to": box}), bundle({"to": box}, {"to": box, "data": word(6)})],
    )
    assert answer == [[{"value": "0x"}, {"value": word(5)}], [{"value": word(5)}, {"value": "0x"}]]
    assert await node.call("eth_call", {"to": box}) == word(0)


async def test_failures_and_overrides(node: Node) -> None:
    state = {STRANGER_: {"code": hexadecimal(NOPE)}, BOB_: {"code": hexadecimal(INVALID)}}
    calls = [{"to": STRANGER_}, {"to": BOB_, "gas": hex(50_000)}]
    answer = await node.call("eth_callMany", [bundle(*calls)], {"blockNumber": "latest"}, state)
    assert answer == [[{"error": "execution reverted: nope"}, {"error": "invalid opcode: INVALID"}]]


async def test_blocks_of_bundles(node: Node) -> None:
    await node.call("evm_mine")
    number = await node.place(ENVIRONMENT["NUMBER"], b"\xc7" * 20)
    time = await node.place(ENVIRONMENT["TIMESTAMP"], b"\xc8" * 20)
    calls = [{"to": number}, {"to": time}]
    bundles = [bundle(*calls), bundle(*calls), bundle(*calls, number="0x99")]
    first, second, third = await node.call("eth_callMany", bundles)
    assert [int(item["value"], 16) for item in (first[0], second[0], third[0])] == [1, 2, 0x99]
    assert int(second[1]["value"], 16) - int(first[1]["value"], 16) == 12


async def test_a_place_within_a_block(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("evm_setAutomine", False)
    for nonce, value in enumerate((10, 11, 12)):
        await node.call("eth_sendTransaction", {"from": ALICE_, "to": box, "data": word(value), "nonce": hex(nonce)})
    await node.call("evm_mine")
    expected = {0: 0, 1: 10, 2: 11, 3: 12, -1: 12, "0x1": 10}
    for index, value in expected.items():
        context = {"blockNumber": "0x1", "transactionIndex": index}
        assert await node.call("eth_callMany", [bundle({"to": box})], context) == [[{"value": word(value)}]], index
    block_hash = (await node.call("eth_getBlockByNumber", "latest"))["hash"]
    error = await node.fails("eth_callMany", [bundle({"to": box})], {"blockNumber": "0x1", "transactionIndex": 4})
    assert (error.code, error.message) == (-32000, f"transaction index 4 out of range for block {block_hash}")


async def test_call_many_is_refused(node: Node) -> None:
    error = await node.fails("eth_callMany", [])
    assert (error.code, error.message) == (-32602, "bundles are empty")
    error = await node.fails("eth_callMany", [bundle({"to": BOB_})], {"blockNumber": "0x64"})
    assert (error.code, error.message) == (-32000, "header not found")
    error = await node.fails("eth_callMany", [bundle({"from": STRANGER_, "to": BOB_, "value": "0x1"})])
    assert error.code == -32000
    assert error.message.startswith("err: insufficient funds")


def signed(node: Node, nonce: int = 0, **fields: Any) -> str:
    return hexadecimal(node.signed(KEYS[0], nonce=nonce, max_fee_per_gas=100 * GWEI, **fields).encoded)


async def test_a_bundle_and_what_it_earns(node: Node) -> None:
    """A transfer with a tip, and ether sent to the coinbase itself."""
    coinbase = "0x" + "0e" * 20
    transactions = [
        node.signed(KEYS[0], nonce=0, max_fee_per_gas=100 * GWEI),
        node.signed(KEYS[0], nonce=1, max_fee_per_gas=100 * GWEI, to=bytes.fromhex("0e" * 20), value=ETHER),
    ]
    answer = await node.call(
        "eth_callBundle",
        {
            "txs": [hexadecimal(transaction.encoded) for transaction in transactions],
            "blockNumber": "0x1",
            "stateBlockNumber": "latest",
            "coinbase": coinbase,
        },
    )
    fee = 21_000 * GWEI
    assert answer["bundleHash"] == hexadecimal(keccak256(b"".join(item.hash for item in transactions)))
    assert (answer["totalGasUsed"], answer["stateBlockNumber"]) == (42_000, 0)
    assert (answer["gasFees"], answer["ethSentToCoinbase"]) == (str(2 * fee), str(ETHER))
    assert answer["coinbaseDiff"] == str(2 * fee + ETHER)
    assert answer["bundleGasPrice"] == str((2 * fee + ETHER) // 42_000)
    first, second = answer["results"]
    assert first == {
        "txHash": hexadecimal(transactions[0].hash),
        "fromAddress": ALICE_,
        "toAddress": BOB_,
        "gasUsed": 21_000,
        "gasPrice": str(GWEI),
        "gasFees": str(fee),
        "coinbaseDiff": str(fee),
        "ethSentToCoinbase": "0",
        "value": "0x",
    }
    assert (second["ethSentToCoinbase"], second["coinbaseDiff"]) == (str(ETHER), str(ETHER + fee))
    assert await node.call("eth_getTransactionCount", ALICE_) == "0x0"


async def test_bundles_see_their_block_and_their_failures(node: Node) -> None:
    number, nope = await node.place(ENVIRONMENT["NUMBER"]), await node.place(NOPE, b"\xc1" * 20)
    to = [bytes.fromhex(address[2:]) for address in (number, nope)]
    txs = [signed(node, nonce, to=target, gas_limit=100_000) for nonce, target in enumerate(to)]
    answer = await node.call("eth_callBundle", {"txs": txs, "blockNumber": 77, "timestamp": 1_800_000_000})
    seen, failed = answer["results"]
    assert seen["value"] == word(77)
    assert (failed["error"], failed["revert"][:10]) == ("execution reverted: nope", "0x08c379a0")


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"txs": []}, -32602, "invalid argument 0: bundle missing txs"),
        ({"blockNumber": None}, -32602, "invalid argument 0: bundle missing blockNumber"),
        ({"stateBlockNumber": "0x64"}, -32000, "header not found"),
        ({"txs": ["0x02"]}, -32000, "typed transaction too short"),
        ({"baseFee": hex(200 * GWEI)}, -32000, "err: max fee per gas less than block base fee"),
        ({"gasLimit": 20_000}, -32000, "err: gas limit reached: have 20000, want 21000; txhash 0x"),
    ],
)
async def test_bundles_are_refused(node: Node, fields: dict[str, Any], code: int, message: str) -> None:
    request = {"txs": [signed(node)], "blockNumber": "0x1", "stateBlockNumber": "latest"}
    error = await node.fails("eth_callBundle", request | fields)
    assert error.code == code
    assert error.message.startswith(message)


async def test_the_block_of_a_bundle_is_that_of_a_simulation(node: Node) -> None:
    """The fields that nobody names: no randomness, the parent's coinbase, the base fee that follows."""
    await node.call("anvil_setCoinbase", STRANGER_)
    await node.call("evm_mine")
    assert int((await node.call("eth_getBlockByNumber", "latest", False))["mixHash"], 16)
    names = ("PREVRANDAO", "COINBASE", "BASEFEE", "GASLIMIT")
    placed = [
        await node.place(assemble(f"{name} {RETURN_TOP}"), bytes((0xD0 + index,)) * 20)
        for index, name in enumerate(names)
    ]
    txs = [signed(node, nonce, to=bytes.fromhex(target[2:]), gas_limit=100_000) for nonce, target in enumerate(placed)]
    answer = await node.call("eth_callBundle", {"txs": txs, "blockNumber": "0x2"})
    bundled = [item["value"] for item in answer["results"]]
    (block,) = await node.call(
        "eth_simulateV1",
        {
            "blockStateCalls": [
                {"calls": [{"from": ALICE_, "to": target, "maxFeePerGas": hex(10**10)} for target in placed]}
            ],
            "validation": True,
        },
    )
    assert bundled == [call["returnData"] for call in block["calls"]]
    assert bundled[0] == word(0)
    assert bundled[1] == "0x" + "00" * 12 + STRANGER_[2:]
