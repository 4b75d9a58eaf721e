"""ots_: Otterscan's API: its shapes, its pages, and the calls that its own pages make."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, REVERT_DATA, assemble, creation, reverting
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, STRANGER, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.wasm_contracts import WASM_BOX, WASM_FORWARDER, wasm_contract
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Header
from zevm.rpc.limits import Limits

HEX_ALICE, HEX_BOB, HEX_CAROL, HEX_STRANGER = map(hexadecimal, (ALICE, BOB, CAROL, STRANGER))
NOWHERE = "0x" + "11" * 32
INNER = bytes.fromhex("d1" * 20)
INNER_HEX = hexadecimal(INNER)
CALL, CREATE, SELFDESTRUCT, DELEGATECALL = "f1", "f0", "ff", "f4"


def raw(*parts: str) -> bytes:
    """Machine code from assembly, and from two hex digits where an instruction has no mnemonic in `assembly`."""
    return b"".join(bytes.fromhex(part) if len(part) == 2 else assemble(part) for part in parts)


PAYER = raw(f"0x00 0x00 0x00 0x00 0x05 {HEX_STRANGER} 0xffff", CALL, "STOP")
"""Sends 5 wei to STRANGER."""
MAKER = raw("0x00 0x00 0x07", CREATE, "STOP")
"""Creates an empty contract with 7 wei."""
ENDER = raw(HEX_CAROL, SELFDESTRUCT)
"""Destroys itself in favour of CAROL."""
LOOKER = assemble(f"0x00 0x00 0x00 0x00 {INNER_HEX} 0xffff STATICCALL STOP")
"""Calls INNER and changes nothing."""
BORROWER = raw(f"0x00 0x00 0x00 0x00 {INNER_HEX} 0xffff", DELEGATECALL, "STOP")
"""Runs INNER's code as its own."""
HASHER = assemble("0x00 0x00 0x00 0x00 0x02 0xffff STATICCALL STOP")
"""Calls the precompile of SHA-256."""


async def deploy(node: Node, runtime: bytes, value: int = 0) -> str:
    """Create a contract by a transaction; its address."""
    receipt = await node.send(data=hexadecimal(creation(runtime)), gas=hex(2_000_000))
    if value:
        await node.send(to=receipt["contractAddress"], value=hex(value), gas=hex(200_000))
    address: str = receipt["contractAddress"]
    return address


async def run(node: Node, runtime: bytes, **fields: Any) -> tuple[str, str]:
    """Put code somewhere and call it by a transaction; the contract and the transaction's hash."""
    contract = await node.place(runtime, b"\xc1" * 20)
    receipt = await node.send(**({"to": contract, "gas": hex(500_000)} | fields))
    return contract, receipt["transactionHash"]


async def test_the_api_level_is_a_number(node: Node) -> None:
    assert await node.call("ots_getApiLevel") == 8
    assert (await node.fails("ots_getApiLevel", 1)).code == -32602


async def test_has_code(node: Node) -> None:
    box = await deploy(node, BOX)
    assert await node.call("ots_hasCode", box, "latest") is True
    assert await node.call("ots_hasCode", box) is True
    assert await node.call("ots_hasCode", box, "0x0") is False
    assert await node.call("ots_hasCode", box, 0) is False
    assert await node.call("ots_hasCode", HEX_ALICE, "latest") is False
    assert await node.call("ots_hasCode", HEX_STRANGER, "pending") is False
    assert (await node.fails("ots_hasCode", box, "0x64")).code == -32000


async def test_traces_are_rows_with_depths(node: Node) -> None:
    await node.call("anvil_setCode", INNER_HEX, hexadecimal(assemble("0x07 0x00 MSTORE 0x20 0x00 RETURN")))
    contract, looked = await run(node, LOOKER, data="0x1234", value="0x3")
    outer, inner = await node.call("ots_traceTransaction", looked)
    assert outer == {
        "type": "CALL",
        "depth": 0,
        "from": HEX_ALICE,
        "to": contract,
        "value": "0x3",
        "input": "0x1234",
        "output": "0x",
    }
    assert (inner["type"], inner["depth"], inner["from"], inner["to"]) == ("STATICCALL", 1, contract, INNER_HEX)
    assert (inner["value"], inner["output"]) == (None, f"0x{7:064x}")
    contract, borrowed = await run(node, BORROWER)
    inner = (await node.call("ots_traceTransaction", borrowed))[1]
    assert (inner["type"], inner["from"], inner["to"], inner["value"]) == ("DELEGATECALL", contract, INNER_HEX, None)
    _, hashed = await run(node, HASHER)
    assert [row["type"] for row in await node.call("ots_traceTransaction", hashed)] == ["CALL"]


async def test_a_failed_creation_keeps_its_address(node: Node) -> None:
    receipt = await node.send(data=hexadecimal(assemble("INVALID")), gas=hex(100_000))
    rows = await node.call("ots_traceTransaction", receipt["transactionHash"])
    assert (rows[0]["type"], len(rows[0]["to"]), rows[0]["output"]) == ("CREATE", 42, "0x")


@pytest.mark.parametrize("name", ["ots_traceTransaction", "ots_getInternalOperations", "ots_getTransactionError"])
async def test_unknown_transactions(node: Node, name: str) -> None:
    error = await node.fails(name, NOWHERE)
    assert (error.code, error.message) == (-32000, f"transaction {NOWHERE} not found")
    assert (await node.fails(name, "0x12")).code == -32602


async def test_internal_operations(node: Node) -> None:
    contract, paid = await run(node, PAYER, value="0x9")
    transfer = {"type": 0, "from": contract, "to": HEX_STRANGER, "value": "0x5"}
    assert await node.call("ots_getInternalOperations", paid) == [transfer]
    contract, made = await run(node, MAKER, value="0x9")
    operations = await node.call("ots_getInternalOperations", made)
    assert [(item["type"], item["from"], item["value"]) for item in operations] == [(2, contract, "0x7")]
    row = (await node.call("ots_traceTransaction", made))[1]
    assert (row["type"], row["to"]) == ("CREATE", operations[0]["to"])
    contract, ended = await run(node, ENDER, value="0x9")
    destroyed = (await node.call("ots_getInternalOperations", ended))[0]
    assert (destroyed["type"], destroyed["from"], destroyed["to"]) == (1, contract, HEX_CAROL)
    assert int(destroyed["value"], 16) >= 9
    row = (await node.call("ots_traceTransaction", ended))[1]
    assert (row["type"], row["depth"], row["input"]) == ("SELFDESTRUCT", 1, "0x")
    _, looked = await run(node, LOOKER)
    assert await node.call("ots_getInternalOperations", looked) == []


async def test_transaction_errors(node: Node) -> None:
    _, reverted = await run(node, reverting(REVERT_DATA))
    assert await node.call("ots_getTransactionError", reverted) == hexadecimal(REVERT_DATA)
    _, exhausted = await run(node, assemble("INVALID"))
    assert await node.call("ots_getTransactionError", exhausted) == "0x"
    _, fine = await run(node, assemble("STOP"))
    assert await node.call("ots_getTransactionError", fine) == "0x"


async def test_block_details(node: Node) -> None:
    receipt = await node.send(to=HEX_BOB, value="0x1")
    details = await node.call("ots_getBlockDetails", int(receipt["blockNumber"], 16))
    block = await node.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    del block["transactions"]
    assert details["block"] == block | {"transactionCount": 1, "logsBloom": None}
    assert details["issuance"] == {"blockReward": "0x0", "uncleReward": "0x0", "issuance": "0x0"}
    fees = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert details["totalFees"] == hex(fees)
    assert await node.call("ots_getBlockDetailsByHash", receipt["blockHash"]) == details
    assert (await node.call("ots_getBlockDetails", "pending"))["block"]["hash"] is None
    assert await node.call("ots_getBlockDetails", 99) is None
    assert await node.call("ots_getBlockDetailsByHash", NOWHERE) is None
    assert (await node.fails("ots_getBlockDetails", "nonsense")).code == -32602
    assert (await node.fails("ots_getBlockDetailsByHash", "0x12")).code == -32602


async def test_what_a_block_before_paris_pays() -> None:
    node = await start_node(Genesis.default(fork=Fork.LONDON, accounts=[ALICE, BOB]))
    try:
        await node.call("evm_mine")
        issuance = (await node.call("ots_getBlockDetails", 1))["issuance"]
        reward = hex(2 * 10**18)
        assert issuance == {"blockReward": reward, "uncleReward": "0x0", "issuance": reward}
    finally:
        await stop_node(node)


async def in_one_block(node: Node, count: int) -> str:
    """Mine `count` calls of a contract in one block; the block's number."""
    box = await deploy(node, BOX)
    await node.call("evm_setAutomine", False)
    for value in range(count):
        await node.call(
            "eth_sendTransaction", {"from": HEX_ALICE, "to": box, "data": f"0x{value:064x}", "gas": hex(100_000)}
        )
    await node.call("evm_mine")
    await node.call("evm_setAutomine", True)
    number: str = await node.call("eth_blockNumber")
    return number


async def test_block_transactions_page_from_the_end(node: Node) -> None:
    number = await in_one_block(node, 5)
    block = await node.call("eth_getBlockByNumber", number, True)
    assert len(block["transactions"]) == 5
    receipts = await node.call("eth_getBlockReceipts", number)
    for page, expected in ((0, slice(3, 5)), (1, slice(1, 3)), (2, slice(0, 1)), (3, slice(0, 0))):
        found = await node.call("ots_getBlockTransactions", int(number, 16), page, 2)
        cut = [item | {"input": item["input"][:10]} for item in block["transactions"][expected]]
        assert found["fullblock"]["transactions"] == cut
        assert found["receipts"] == [item | {"logs": None, "logsBloom": None} for item in receipts[expected]]
        assert (found["fullblock"]["transactionCount"], found["fullblock"]["miner"]) == (5, block["miner"])
    assert await node.call("ots_getBlockTransactions", 99, 0, 25) is None
    most = node.services.limits.search_transactions
    for size in (0, most + 1):
        error = await node.fails("ots_getBlockTransactions", 1, 0, size)
        assert error.code == -32602
        assert f"want 1 to {most}" in error.message
    assert (await node.call("ots_getBlockTransactions", "pending", 0, 25))["fullblock"]["hash"] is None


def heights(page: dict[str, Any]) -> list[int]:
    assert [item["transactionHash"] for item in page["receipts"]] == [item["hash"] for item in page["txs"]]
    return [int(item["blockNumber"], 16) for item in page["txs"]]


async def test_searches_find_senders_receivers_and_frames_within(node: Node) -> None:
    await node.call("anvil_setCode", INNER_HEX, hexadecimal(BOX))
    looker = await deploy(node, LOOKER)
    await node.send(to=looker, gas=hex(200_000))
    await node.send(to=HEX_CAROL, value="0x1")
    await node.send(to=looker, gas=hex(200_000))

    async def found(address: str) -> list[int]:
        page = await node.call("ots_searchTransactionsBefore", address, 0, 25)
        assert page["firstPage"] is page["lastPage"] is True
        again = await node.call("ots_searchTransactionsAfter", address, 0, 25)
        assert again == page
        return heights(page)

    assert await found(INNER_HEX) == [4, 2]
    assert await found(looker) == [4, 2, 1]
    assert await found(HEX_CAROL) == [3]
    assert await found(HEX_ALICE) == [4, 3, 2, 1]
    assert await found(HEX_STRANGER) == []
    page = await node.call("ots_searchTransactionsBefore", HEX_CAROL, 0, 25)
    transaction = await node.call("eth_getTransactionByHash", page["txs"][0]["hash"])
    receipt = await node.call("eth_getTransactionReceipt", page["txs"][0]["hash"])
    assert page["txs"] == [transaction]
    timestamp = int((await node.call("eth_getBlockByNumber", "0x3", False))["timestamp"], 16)
    assert page["receipts"] == [receipt | {"timestamp": timestamp}]


async def test_pages_have_whole_blocks_and_know_their_ends(node: Node) -> None:
    for _ in range(3):
        await node.send(to=HEX_CAROL, value="0x1")
    await node.call("evm_setAutomine", False)
    for _ in range(3):
        await node.call("eth_sendTransaction", {"from": HEX_ALICE, "to": HEX_CAROL, "gas": hex(21_000)})
    await node.call("evm_mine")
    await node.call("evm_setAutomine", True)
    await node.send(to=HEX_CAROL, value="0x1")

    async def page(direction: str, height: int, size: int) -> tuple[list[int], bool, bool]:
        answer = await node.call(f"ots_searchTransactions{direction}", HEX_CAROL, height, size)
        indexes = [int(item["transactionIndex"], 16) for item in answer["txs"] if item["blockNumber"] == "0x4"]
        assert indexes == sorted(indexes, reverse=True)
        return heights(answer), answer["firstPage"], answer["lastPage"]

    assert await page("Before", 0, 2) == ([5, 4, 4, 4], True, False)
    assert await page("Before", 4, 2) == ([3, 2], False, False)
    assert await page("Before", 2, 2) == ([1], False, True)
    assert await page("Before", 1, 2) == ([], False, True)
    assert await page("After", 0, 2) == ([2, 1], False, True)
    assert await page("After", 2, 2) == ([4, 4, 4, 3], False, False)
    assert await page("After", 4, 2) == ([5], True, False)
    assert await page("Before", 99, 25) == ([5, 4, 4, 4, 3, 2, 1], False, True)
    for name in ("ots_searchTransactionsBefore", "ots_searchTransactionsAfter"):
        assert (await node.fails(name, HEX_CAROL, 0, 101)).code == -32602
        assert (await node.fails(name, "0x12", 0, 25)).code == -32602


@pytest.fixture
async def bounded() -> AsyncIterator[Node]:
    """A node whose searches execute three blocks at most."""
    running = await start_node(limits=replace(Limits(), search_blocks=3))
    yield running
    await stop_node(running)


async def test_a_search_stops_after_so_many_blocks_and_goes_on_from_there(bounded: Node) -> None:
    box = await deploy(bounded, BOX)
    await bounded.send(to=HEX_CAROL, value="0x1")
    for value in range(4):
        await bounded.send(to=box, data=f"0x{value:064x}", gas=hex(100_000))
    error = await bounded.fails("ots_searchTransactionsBefore", HEX_CAROL, 0, 25)
    assert (error.code, "go on from block 3" in error.message) == (-32005, True), error.message
    # what it has executed it knows from now on: the same question gets further
    page = await bounded.call("ots_searchTransactionsBefore", HEX_CAROL, 0, 25)
    assert (heights(page), page["lastPage"]) == ([2], True)
    page = await bounded.call("ots_searchTransactionsBefore", box, 0, 25)
    assert (heights(page), page["lastPage"]) == ([6, 5, 4, 3, 1], True)


async def test_a_search_that_is_cut_short_gives_what_it_has(bounded: Node) -> None:
    box = await deploy(bounded, BOX)
    for value in range(4):
        await bounded.send(to=box, data=f"0x{value:064x}", gas=hex(100_000))
    page = await bounded.call("ots_searchTransactionsBefore", box, 0, 25)
    assert (heights(page), page["firstPage"], page["lastPage"]) == ([5, 4, 3], True, False)
    page = await bounded.call("ots_searchTransactionsBefore", box, 3, 25)
    assert (heights(page), page["lastPage"]) == ([2, 1], True)


async def test_s6_a_search_keeps_its_time_and_goes_on_from_where_it_came_to() -> None:
    late = await start_node(limits=replace(Limits(), evm_timeout_seconds=0.0))
    try:
        await late.send(to=HEX_CAROL, value="0x1", gas=hex(21_000))
        await late.call("anvil_mine", 3)
        for _ in range(2):
            await late.send(to=HEX_BOB, value="0x1", gas=hex(21_000))
        # one block is looked at whatever the time, and empty ones take none: going on comes to the end
        for begin, reached in ((0, 5), (6, 1)):
            error = await late.fails("ots_searchTransactionsBefore", HEX_CAROL, begin, 25)
            assert (error.code, f"go on from block {reached}" in error.message) == (-32005, True), error.message
            assert "--rpc-evm-timeout-seconds" in error.message
        page = await late.call("ots_searchTransactionsBefore", HEX_CAROL, 2, 25)
        assert (heights(page), page["firstPage"], page["lastPage"]) == ([1], False, True)
        error = await late.fails("ots_searchTransactionsAfter", HEX_CAROL, 1, 25)
        assert "go on from block 5" in error.message
    finally:
        await stop_node(late)


@pytest.mark.lengthy
async def test_s6_empty_blocks_are_passed_without_their_headers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.send(to=HEX_CAROL, value="0x1")
    await node.call("anvil_mine", 300)
    node.chain.records.clear()
    decoded: list[bytes] = []
    decode = Header.decode.__func__  # type: ignore[attr-defined]

    def counted(kind: type[Header], data: bytes, **named: Any) -> Header:
        decoded.append(data)
        header: Header = decode(kind, data, **named)
        return header

    monkeypatch.setattr(Header, "decode", classmethod(counted))
    page = await node.call("ots_searchTransactionsBefore", HEX_CAROL, 0, 25)
    assert (heights(page), page["lastPage"]) == ([1], True)
    assert len(decoded) < 20


async def test_senders_and_nonces(node: Node) -> None:
    receipts = [await node.send(to=HEX_BOB, value="0x1") for _ in range(3)]
    for nonce, receipt in enumerate(receipts):
        found = await node.call("ots_getTransactionBySenderAndNonce", HEX_ALICE, nonce)
        assert found == receipt["transactionHash"]
    assert await node.call("ots_getTransactionBySenderAndNonce", HEX_ALICE, "0x3") is None
    assert await node.call("ots_getTransactionBySenderAndNonce", HEX_STRANGER, 0) is None
    assert (await node.fails("ots_getTransactionBySenderAndNonce", HEX_ALICE, -1)).code == -32602


async def test_contract_creators(node: Node) -> None:
    await node.send(to=HEX_BOB, value="0x1")
    receipt = await node.send(data=hexadecimal(creation(BOX)))
    await node.send(to=HEX_BOB, value="0x1")
    created = {"hash": receipt["transactionHash"], "creator": HEX_ALICE}
    assert await node.call("ots_getContractCreator", receipt["contractAddress"]) == created
    # a contract that creates another one: what it returns as code is one STOP
    factory = await node.place(raw("0x600160005360016000f3 0x00 MSTORE 0x0a 0x16 0x07", CREATE, "STOP"), b"\xc2" * 20)
    made = await node.send(to=factory, value="0x9", gas=hex(500_000))
    child = (await node.call("ots_getInternalOperations", made["transactionHash"]))[0]["to"]
    assert await node.call("ots_getContractCreator", child) == {"hash": made["transactionHash"], "creator": factory}
    for address in (HEX_ALICE, HEX_STRANGER, factory):
        assert await node.call("ots_getContractCreator", address) is None
    assert (await node.fails("ots_getContractCreator", "0x12")).code == -32602


async def test_webassembly_contracts_are_like_others(node: Node) -> None:
    receipt = await node.send(data=hexadecimal(wasm_contract(WASM_FORWARDER)), gas=hex(5_000_000))
    forwarder = receipt["contractAddress"]
    assert receipt["status"] == "0x1"
    created = {"hash": receipt["transactionHash"], "creator": HEX_ALICE}
    assert await node.call("ots_getContractCreator", forwarder) == created
    assert await node.call("ots_hasCode", forwarder, "latest") is True
    sent = await node.send(to=forwarder, data="0x" + "00" * 12 + HEX_STRANGER[2:], value="0x5", gas=hex(500_000))
    transfer = {"type": 0, "from": forwarder, "to": HEX_STRANGER, "value": "0x5"}
    assert await node.call("ots_getInternalOperations", sent["transactionHash"]) == [transfer]
    rows = await node.call("ots_traceTransaction", sent["transactionHash"])
    assert [(row["type"], row["depth"], row["to"]) for row in rows] == [
        ("CALL", 0, forwarder),
        ("CALL", 1, HEX_STRANGER),
    ]
    page = await node.call("ots_searchTransactionsBefore", HEX_STRANGER, 0, 25)
    assert [item["hash"] for item in page["txs"]] == [sent["transactionHash"]]
    page = await node.call("ots_searchTransactionsBefore", forwarder, 0, 25)
    assert [item["hash"] for item in page["txs"]] == [sent["transactionHash"], receipt["transactionHash"]]
    failing = await node.place(wasm_contract(WASM_BOX, status=1), b"\xc3" * 20)
    failed = await node.send(to=failing, gas=hex(500_000))
    assert await node.call("ots_getTransactionError", failed["transactionHash"]) == "0x" + "00" * 32


async def test_what_otterscans_pages_ask(node: Node) -> None:
    """The calls of its pages, with the JSON types in which it sends them (its useProvider.ts, useErigonHooks.ts)."""
    box = await deploy(node, BOX)
    receipt = await node.send(to=box, data=f"0x{7:064x}", gas=hex(100_000))
    transaction, number = receipt["transactionHash"], int(receipt["blockNumber"], 16)
    pages: dict[str, list[tuple[str, list[Any]]]] = {
        "start": [
            ("eth_chainId", []),
            ("eth_blockNumber", []),
            ("erigon_getHeaderByNumber", [number]),
            ("ots_getApiLevel", []),
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_getBlockByNumber", ["finalized", False]),
        ],
        "block": [
            ("ots_getBlockDetails", [number]),
            ("ots_getBlockDetailsByHash", [receipt["blockHash"]]),
            ("ots_getBlockTransactions", [number, 0, 25]),
        ],
        "transaction": [
            ("eth_getTransactionByHash", [transaction]),
            ("eth_getTransactionReceipt", [transaction]),
            ("ots_getBlockDetails", [number]),
            ("ots_getInternalOperations", [transaction]),
            ("ots_getTransactionError", [transaction]),
            ("ots_traceTransaction", [transaction]),
            ("trace_replayTransaction", [transaction, ["stateDiff"]]),
            ("eth_getTransactionCount", [HEX_ALICE, "latest"]),
            ("ots_getTransactionBySenderAndNonce", [HEX_ALICE, 1]),
        ],
        "address": [
            ("ots_hasCode", [box, "latest"]),
            ("eth_getBalance", [box, "latest"]),
            ("eth_getTransactionCount", [box, "latest"]),
            ("ots_getContractCreator", [box]),
            ("ots_searchTransactionsBefore", [box, 0, 25]),
            ("ots_searchTransactionsBefore", [box, number + 1, 25]),
            ("ots_searchTransactionsAfter", [box, 0, 25]),
            ("eth_getCode", [box, "latest"]),
            ("eth_getStorageAt", [box, "0x0", "latest"]),
        ],
    }
    for page, calls in pages.items():
        for name, params in calls:
            assert await node.call(name, *params) is not None, (page, name)
    found = await node.call("ots_searchTransactionsBefore", box, 0, 25)
    assert all(type(item["timestamp"]) is int for item in found["receipts"])
    assert found["txs"][0]["hash"] == transaction
