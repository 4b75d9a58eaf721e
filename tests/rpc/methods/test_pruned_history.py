"""What a pruned chain answers: geth's 4444 for what is gone, and everything else as before."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient

from tests.rpc.explorer.explored import HTML
from tests.rpc.methods.memory_node import ALICE, BOB, CallError, Node, hexadecimal, start_node, stop_node
from zevm.chain.canonical import pruning
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.options import ChainOptions
from zevm.rpc.methods.engine import get_payload_bodies_by_hash, get_payload_bodies_by_range
from zevm.storage.primitives import Hash32

KEPT = 256
SENDER, RECIPIENT = hexadecimal(ALICE), hexadecimal(BOB)
LOGGER = bytes.fromhex("602a60005260206000a000")
"""Logs 32 bytes without a topic."""
CALL = {"from": SENDER, "to": RECIPIENT}


class Pruned:
    """A node with a pruned chain. old: receipt of a transaction before the horizon; kept: the first block behind."""

    def __init__(self, node: Node, old: dict[str, Any]) -> None:
        self.node = node
        self.number: str = old["blockNumber"]
        self.hash: str = old["blockHash"]
        self.transaction: str = old["transactionHash"]

    @property
    def kept(self) -> str:
        return hex(self.node.chain.canonical.first_kept)


@pytest.fixture
async def pruned() -> AsyncIterator[Pruned]:
    node = await start_node(options=ChainOptions(kept_blocks=KEPT))
    contract = await node.place(LOGGER)
    old = await node.send(to=contract)
    await node.call("anvil_mine", hex(400))
    await node.send(to=contract)
    yield Pruned(node, old)
    await stop_node(node)


BY_NUMBER: dict[str, tuple[Any, ...]] = {
    "eth_getBlockByNumber": ("number", False),
    "eth_getBlockReceipts": ("number",),
    "eth_getBlockTransactionCountByNumber": ("number",),
    "eth_getTransactionByBlockNumberAndIndex": ("number", "0x0"),
    "eth_getRawTransactionByBlockNumberAndIndex": ("number", "0x0"),
    "eth_getBalance": (SENDER, "number"),
    "eth_getCode": (SENDER, "number"),
    "eth_getStorageAt": (SENDER, "0x0", "number"),
    "eth_getTransactionCount": (SENDER, "number"),
    "eth_call": (CALL, "number"),
    "eth_estimateGas": (CALL, "number"),
    "eth_createAccessList": (CALL, "number"),
    "eth_getProof": (SENDER, [], "number"),
    "eth_simulateV1": ({"blockStateCalls": [{"calls": [CALL]}]}, "number"),
    "eth_feeHistory": ("0x1", "number", [50]),
    "eth_getLogs": ({"fromBlock": "number", "toBlock": "latest"},),
    "debug_traceBlockByNumber": ("number",),
    "debug_traceCall": (CALL, "number"),
    "debug_getRawBlock": ("number",),
    "debug_getRawReceipts": ("number",),
    "trace_block": ("number",),
    "ots_getBlockDetails": ("number",),
}
BY_HASH: dict[str, tuple[Any, ...]] = {
    "eth_getBlockByHash": ("hash", True),
    "eth_getBlockTransactionCountByHash": ("hash",),
    "eth_getBalance": (SENDER, {"blockHash": "hash"}),
    "eth_getLogs": ({"blockHash": "hash"},),
    "debug_traceBlockByHash": ("hash",),
}
CASES = [(name, params) for table in (BY_NUMBER, BY_HASH) for name, params in table.items()]


def filled(params: Any, values: dict[str, str]) -> Any:
    """The parameters with the words of `values` replaced."""
    if isinstance(params, dict):
        return {name: filled(item, values) for name, item in params.items()}
    if isinstance(params, list | tuple):
        return [filled(item, values) for item in params]
    return values.get(params, params) if isinstance(params, str) else params


async def test_what_is_gone_has_geths_error_in_every_method_and_its_neighbour_has_an_answer(pruned: Pruned) -> None:
    node = pruned.node
    following = hex(int(pruned.kept, 16) + 1)
    header = await node.call("eth_getBlockByNumber", following, False)
    problems = []
    for name, params in CASES:
        try:
            answer = await node.call(name, *filled(params, {"number": pruned.number, "hash": pruned.hash}))
        except CallError as error:
            answer = (error.code, error.message)
        if answer != (4444, "pruned history unavailable"):
            problems.append((name, answer))
        # the first kept block has no state before it, the next one has
        await node.call(name, *filled(params, {"number": following, "hash": header["hash"]}))
    assert problems == []


async def test_a_transaction_of_a_pruned_block_is_unknown(pruned: Pruned) -> None:
    node = pruned.node
    for name in ("eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash"):
        assert await node.call(name, pruned.transaction) in (None, "0x")
    assert (await node.fails("debug_traceTransaction", pruned.transaction)).code == -32000


async def test_what_is_left_of_a_pruned_block_is_answered(pruned: Pruned) -> None:
    node, number = pruned.node, int(pruned.number, 16)
    raw = await node.call("debug_getRawHeader", pruned.number)
    assert node.chain.header_by_number(number).encode() == bytes.fromhex(raw[2:])
    first = await node.call("eth_getBlockByNumber", "0x0", True)
    assert (first["number"], first["transactions"]) == ("0x0", [])
    fees = await node.call("eth_feeHistory", "0x2", pruned.number)
    assert len(fees["baseFeePerGas"]) == 3
    assert int(await node.call("eth_gasPrice"), 16) > 0


async def test_earliest_is_the_first_block_that_is_kept(pruned: Pruned) -> None:
    node, kept = pruned.node, pruned.kept
    assert 400 + 2 - KEPT - 64 < int(kept, 16) <= 400 + 3 - KEPT
    assert (await node.call("eth_getBlockByNumber", "earliest", False))["number"] == kept
    assert (await node.call("eth_getBalance", SENDER, "earliest")) == await node.call("eth_getBalance", SENDER, kept)
    logs = await node.call("eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest"})
    assert [log["blockNumber"] for log in logs] == [hex(node.chain.head.number)]
    capabilities = await node.call("eth_capabilities")
    assert {capabilities[name]["oldestBlock"] for name in ("state", "tx", "logs", "receipts", "blocks")} == {kept}
    found = await node.call("ots_searchTransactionsBefore", SENDER, 0, 25)
    assert ([item["hash"] for item in found["txs"]], found["lastPage"]) == ([logs[0]["transactionHash"]], True)


async def test_bodies_for_a_consensus_client_are_null(pruned: Pruned) -> None:
    services, kept = pruned.node.services, int(pruned.kept, 16)
    old = Hash32(bytes.fromhex(pruned.hash[2:]))
    head = services.chain.head.header.hash
    by_hash = get_payload_bodies_by_hash(services, (old, head), deadline=Deadline.after(60))
    by_range = get_payload_bodies_by_range(services, kept - 1, 2, deadline=Deadline.after(60))
    for bodies in (by_hash, by_range):
        assert bodies[0] is None
        assert bodies[1] is not None


async def test_a_snapshot_below_the_horizon_is_refused_and_a_reset_is_not(pruned: Pruned) -> None:
    node = pruned.node
    snapshot = await node.call("evm_snapshot")
    await node.call("anvil_mine", hex(400))
    error = await node.fails("evm_revert", snapshot)
    assert "cannot go back to block 402: the states of blocks before" in error.message
    assert (await node.fails("anvil_rollback", 500)).message.startswith("cannot go back to block")
    await node.call("anvil_reset")
    assert await node.call("eth_blockNumber") == "0x0"
    assert await node.call("eth_getBalance", SENDER, "earliest") == await node.call("eth_getBalance", SENDER, "latest")


async def test_a_state_file_has_what_is_kept_and_begins_a_chain(pruned: Pruned) -> None:
    node = pruned.node
    dump = await node.call("anvil_dumpState", True)
    other = await start_node()
    try:
        await other.call("anvil_loadState", dump)
        assert await other.call("eth_blockNumber") == await node.call("eth_blockNumber")
        assert (await other.call("eth_getBlockByNumber", "earliest", False))["number"] == pruned.kept
        for block in (pruned.kept, "latest"):
            want = await node.call("eth_getBlockByNumber", block, True)
            assert await other.call("eth_getBlockByNumber", block, True) == want
    finally:
        await stop_node(other)


async def test_a_state_file_in_the_place_of_a_pruned_chain_is_whole(
    pruned: Pruned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "NODES_LAG_BLOCKS", 0)
    node = pruned.node
    other = await start_node()
    try:
        await other.send(to=RECIPIENT)
        dump = await other.call("anvil_dumpState", True)
    finally:
        await stop_node(other)
    await node.call("anvil_loadState", dump)
    assert node.chain.canonical.horizon.number == 0
    block = await node.call("eth_getBlockByNumber", "0x1", True)
    assert block["transactions"][0]["to"] == RECIPIENT
    await node.call("anvil_mine", hex(400))
    assert node.chain.canonical.horizon.number > 64
    assert (await node.fails("eth_getBlockByNumber", "0x2", True)).code == 4444


async def test_the_first_kept_block_is_traced_and_searches_begin_there(pruned: Pruned) -> None:
    """The state before it is kept, so that what goes over all blocks ends with an answer."""
    node = pruned.node
    assert await node.call("trace_block", pruned.kept) == []
    found = await node.call("trace_filter", {"fromAddress": [SENDER]})
    assert [frame["blockNumber"] for frame in found] == [node.chain.head.number]
    creator = await node.call("ots_getContractCreator", hexadecimal(b"\xc0" * 20))
    assert creator is None


async def test_the_explorer_begins_at_the_horizon(pruned: Pruned) -> None:
    node, kept = pruned.node, int(pruned.kept, 16)
    async with AsyncClient(base_url=f"http://127.0.0.1:{node.server.addresses[0][1]}", timeout=60) as client:
        page = await client.get(f"/blocks?from={kept}", headers=HTML)
        shown = [f'href="/block/{number}"' in page.text for number in (kept, kept - 1)]
        assert (page.status_code, shown) == (200, [True, False])
        page = await client.get(f"/block/{kept}", headers=HTML)
        assert (page.status_code, f'href="/block/{kept - 1}"' in page.text) == (200, False)
        refused = await client.get(f"/block/{kept - 1}", headers=HTML)
        assert (refused.status_code, "pruned history unavailable" in refused.text) == (404, True)
        found = await client.get(f"/address/{SENDER}/transactions", headers=HTML)
        assert (found.status_code, "used up" in found.text) == (200, False)
