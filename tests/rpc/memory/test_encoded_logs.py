"""Encoded logs of recent blocks: the same bytes as without them, never of a block that has gone, and bounded."""

from typing import Any

import orjson

from tests.rpc.methods.memory_node import Node, hexadecimal, start_node, stop_node
from zevm.chain.canonical.log_records import RECENT_BLOCKS, LogRecord
from zevm.chain.types import Log
from zevm.rpc.codec.results import encoded_log_record
from zevm.rpc.limits import Limits
from zevm.rpc.memory.encoded_logs import LARGE_SHARE, EncodedLogs

LOGGING = bytes.fromhex("c0" * 20)
# logs the call data, with the word behind the selector as the topic
CODE = bytes.fromhex("365f5f37600435365fa100")
LIMIT_BYTES = 64 * 1024


def record(block: int, index: int = 0, size: int = 32) -> LogRecord:
    log = Log(LOGGING, (bytes(32),), bytes(size))
    return LogRecord(log, block.to_bytes(32, "big"), block, 1_700_000_000 + block, bytes(32), 0, index)


async def emit(node: Node, number: int) -> None:
    await node.send(to=hexadecimal(LOGGING), data=f"0x00000000{number:064x}", gas="0x30d40")


async def logs(node: Node, **fields: Any) -> bytes:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"fromBlock": "0x0"} | fields]}
    reply = await node.server.dispatcher.answer(orjson.dumps(body))
    assert reply is not None
    return reply


async def test_answers_have_the_same_bytes_whatever_is_kept_through_reverts_and_reorganisations() -> None:
    nodes = [await start_node(limits=Limits(log_cache_bytes=size)) for size in (4 * 2**20, 0)]
    kept = nodes[0].services.encoded_logs

    async def compare() -> bytes:
        answers = [[await logs(node), await logs(node, topics=[f"0x{1:064x}"])] for node in nodes]
        assert answers[0] == answers[1]
        assert [await logs(nodes[0]), await logs(nodes[0], topics=[f"0x{1:064x}"])] == answers[0]
        return answers[0][0]

    try:
        for node in nodes:
            await node.place(CODE, LOGGING)
            await node.call("evm_setNextBlockTimestamp", 1_900_000_000)
            await node.call("anvil_setBlockTimestampInterval", 1)
        for node in nodes:
            await emit(node, 1)
        snapshots = [await node.call("evm_snapshot") for node in nodes]
        for number in (2, 3):
            for node in nodes:
                await emit(node, number)
        before = await compare()
        assert kept.held_bytes > 500
        for node, snapshot in zip(nodes, snapshots, strict=True):
            await node.call("evm_revert", snapshot)
            await node.call("evm_setNextBlockTimestamp", 1_900_000_500)
            await emit(node, 4)
        after = await compare()
        assert len(orjson.loads(after)["result"]) == 2
        assert after != before
        for node in nodes:
            await node.call("evm_setNextBlockTimestamp", 1_900_000_900)
            await node.call("anvil_reorg", 1, [])
        assert len(orjson.loads(await compare())["result"]) == 1
        assert nodes[1].services.encoded_logs.held_bytes == 0
    finally:
        for node in nodes:
            await stop_node(node)


def test_what_is_kept_is_bounded_and_the_newest() -> None:
    made: list[LogRecord] = []

    def encode(found: LogRecord) -> bytes:
        made.append(found)
        return encoded_log_record(found)

    kept = EncodedLogs(LIMIT_BYTES, encode)
    for block in range(1_000):
        assert kept.encoded(record(block), block) == encoded_log_record(record(block))
        assert kept.held_bytes <= LIMIT_BYTES
    made.clear()
    for block in range(980, 1_000):
        kept.encoded(record(block), 999)
    assert made == []
    kept.encoded(record(800), 999)
    assert made == [record(800)]


def test_large_logs_and_those_of_old_blocks_are_not_kept() -> None:
    kept = EncodedLogs(LIMIT_BYTES, encoded_log_record)
    large = record(5, size=LIMIT_BYTES // LARGE_SHARE)
    assert kept.encoded(large, 5) == encoded_log_record(large)
    assert kept.encoded(record(5), 5 + RECENT_BLOCKS) == encoded_log_record(record(5))
    assert kept.held_bytes == 0
    kept.encoded(record(5), 4 + RECENT_BLOCKS)
    assert kept.held_bytes > 0


def test_logs_of_one_block_and_of_two_with_one_number_are_told_apart() -> None:
    kept = EncodedLogs(LIMIT_BYTES, encoded_log_record)
    other = record(7)._replace(block_hash=bytes(31) + b"\xff", log=Log(LOGGING, (), b"other"))
    for found in (record(7), record(7, 1), other):
        assert [kept.encoded(found, 7) for _ in range(2)] == 2 * [encoded_log_record(found)]
