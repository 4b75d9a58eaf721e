"""Every method that shows the pending block or its header: geth's three nulls and no other."""

from collections.abc import Iterator
from typing import Any

import zevm.rpc.methods
from tests.rpc.methods.memory_node import BOB, Node, hexadecimal
from zevm.rpc.codec import scalars
from zevm.rpc.registry import REGISTRY, Method

zevm.rpc.methods.load()

NULLS = {"hash", "nonce", "miner"}
"""What a pending block has not yet, as geth has it: a typed client parses everything else."""

OTHERS = {
    "full": True,
    "pageNumber": 0,
    "pageSize": 5,
    "index": "0x0",
    "address": hexadecimal(BOB),
    "txIndex": "0x0",
    "start": "0x",
    "maxResult": 5,
    "traceTypes": ["trace"],
}


def _headers(answer: Any) -> Iterator[dict[str, Any]]:
    """Every block or header within an answer."""
    if isinstance(answer, dict):
        if "parentHash" in answer:
            yield answer
        for member in answer.values():
            yield from _headers(member)
    elif isinstance(answer, list):
        for member in answer:
            yield from _headers(member)


def _position(method: Method) -> int | None:
    decoders = [param.decode for param in method.params]
    for decoder in (scalars.block_number, scalars.block_reference):
        if decoder in decoders:
            return decoders.index(decoder)
    return None


async def test_r3_pending_blocks_have_three_nulls(node: Node) -> None:
    """R3: `cast block pending` parses; a walk over all methods that take a block finds whatever else shows one."""
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"to": hexadecimal(BOB), "value": "0x1"})
    shown = set()
    for name, method in REGISTRY.public().by_name.items():
        position = _position(method)
        if position is None:
            continue
        params = [OTHERS.get(param.name) for param in method.params]
        params[position] = "pending"
        answer = await node.ask(name, *params)
        for header in _headers(answer.get("result")):
            shown.add(name)
            # Otterscan's outlines leave the bloom out of every block
            left_out = {"logsBloom"} if name.startswith("ots_") else set()
            assert {key for key, value in header.items() if value is None} == NULLS | left_out, name
            assert header["number"] == "0x1", name
            assert left_out or header["logsBloom"] == "0x" + "00" * 256
    assert shown >= {
        "eth_getBlockByNumber",
        "eth_getHeaderByNumber",
        "erigon_getHeaderByNumber",
        "ots_getBlockDetails",
        "ots_getBlockTransactions",
    }


async def test_r3_the_bloom_is_the_one_of_its_receipts(node: Node) -> None:
    """R3: a pending log is found in the bloom that the pending block shows."""
    logger = await node.place(bytes.fromhex("60006000a000"))
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"to": logger, "gas": "0x30000"})
    pending = await node.call("eth_getBlockByNumber", "pending", False)
    [receipt] = await node.call("eth_getBlockReceipts", "pending")
    assert pending["logsBloom"] == receipt["logsBloom"] != "0x" + "00" * 256
