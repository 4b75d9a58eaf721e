"""Each limit of the replication, at the part that keeps it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import zevm
from testing.speed import PATIENCE_SECONDS
from tests.node.replication.conftest import Open, Pair, caught_up, refusal_of
from tests.node.replication.links import MemoryStream, stream_pair
from tests.node.replication.test_following import STRANGER, pay
from tests.node.replication.test_replica_faults import private_genesis
from zevm.chain.concurrency.recursion import deep_recursion
from zevm.node.replication.follower import Follower
from zevm.node.replication.frames import EndedError, Frames, RefusedError
from zevm.node.replication.identity import identity_of
from zevm.node.replication.leader import Leader
from zevm.node.replication.messages import (
    Batch,
    Hello,
    Kind,
    MessageError,
    Position,
    Want,
    Welcome,
    encode_result,
)
from zevm.node.replication.shares import Allowance
from zevm.node.replication.source import Source
from zevm.node.replication.stream import Link, Stream
from zevm.rpc.errors import CodedError, ServerError
from zevm.rpc.limits import Limits
from zevm.rpc.services import FollowReport
from zevm.rpc.transport.routes import health_report

WAIT_SECONDS = 20
FREE = Allowance("", 1_000_000)


@pytest.fixture(scope="module")
def chain_of_nine() -> Iterator[zevm.Node]:
    """A chain of nine blocks, the last of which has a change after it."""
    with zevm.Node() as node:
        node.request("anvil_mine", "0x9")
        node.request("anvil_setCode", STRANGER, "0x" + "5b" * 100_000)
        yield node


def at_genesis(node: zevm.Node, most_entries: int = 1_000) -> Want:
    header = node.chain.header_by_number(0)
    assert header is not None
    return Want(Position(0, header.hash, header.state_root), 0, most_entries)


@pytest.mark.parametrize(
    ("limits", "entries"),
    [
        (Limits(), 9),
        (Limits(replica_batch_blocks=4), 4),
        (Limits(replica_batch_bytes=1), 1),
        (Limits(replica_batch_bytes=50_000), 8),
    ],
)
def test_a_batch_ends_at_its_limits(limits: Limits, entries: int, chain_of_nine: zevm.Node) -> None:
    assert len(Source(chain_of_nine.chain, limits).after(at_genesis(chain_of_nine), FREE).entries) == entries
    assert len(Source(chain_of_nine.chain, limits).after(at_genesis(chain_of_nine, 2), FREE).entries) <= 2


def test_a_step_that_no_message_holds_is_refused(chain_of_nine: zevm.Node) -> None:
    source = Source(chain_of_nine.chain, Limits(replica_message_bytes=160_000))
    with pytest.raises(RefusedError, match=r"block 9 .* raise --rpc-replica-message-bytes"):
        source.after(at_genesis(chain_of_nine), FREE)


def test_a_message_has_a_size_and_a_time() -> None:
    async def check() -> None:
        near, far = stream_pair()
        frames = Frames(near, Limits(replica_message_bytes=100, replica_message_seconds=0.05))
        await far.write((102).to_bytes(4, "big") + bytes((Kind.BATCH,)))
        with pytest.raises(MessageError, match="has 101 bytes, at most 100"):
            await frames.receive(Kind.BATCH)
        await far.write((100).to_bytes(4, "big") + bytes((Kind.BATCH,)) + b"\xc0")
        with pytest.raises(TimeoutError):
            await frames.receive(Kind.BATCH)

    asyncio.run(check())


async def _answer(body: bytes) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": len(body)}).encode()


@asynccontextmanager
async def session(node: zevm.Node, limits: Limits) -> AsyncIterator[Frames]:
    """A greeted session with a leader on this loop."""
    leader = Leader(node.chain, limits, identity_of(node.chain, "leader"), _answer)
    near, far = stream_pair()
    serving = asyncio.create_task(leader.serve(far))
    frames = Frames(near, Limits())
    await frames.send(Kind.HELLO, Hello(None, "follower").encode())
    await frames.receive(Kind.WELCOME)
    yield frames
    frames.close()
    leader.close()
    await asyncio.wait([serving])


def test_a_leader_speaks_within_a_heartbeat_and_waits_for_no_one_for_ever(chain_of_nine: zevm.Node) -> None:
    head = chain_of_nine.chain.head
    want = Want(Position(head.number, head.header.hash, head.state.root), head.number, 10)

    async def check() -> None:
        async with session(chain_of_nine, Limits(replica_heartbeat_seconds=0.05)) as frames:
            await frames.send(Kind.WANT, want.encode())
            _, content = await frames.receive(Kind.BATCH, patience_seconds=5)
            assert Batch.decode(content, 10) == Batch(head.number)
        async with session(chain_of_nine, Limits(replica_idle_seconds=0.05)) as frames:
            with pytest.raises(EndedError):
                await frames.receive(Kind.BATCH, patience_seconds=5)

    asyncio.run(check())


def test_a_leader_answers_so_many_calls_at_once(chain_of_nine: zevm.Node) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"txpool_status","params":[]}'

    async def check() -> None:
        may_answer = asyncio.Event()

        async def slow(_: bytes) -> bytes:
            await may_answer.wait()
            return b"{}"

        leader = Leader(chain_of_nine.chain, Limits(replica_calls=1), identity_of(chain_of_nine.chain, ""), slow)
        first, second = stream_pair(), stream_pair()
        serving = [asyncio.create_task(leader.serve(far)) for _, far in (first, second)]
        await Frames(first[0], Limits()).send(Kind.CALL, body)
        await asyncio.sleep(0)
        await Frames(second[0], Limits()).send(Kind.CALL, body)
        with pytest.raises(RefusedError, match="1 calls of followers are running"):
            await Frames(second[0], Limits()).receive(Kind.RESULT)
        may_answer.set()
        await Frames(first[0], Limits()).receive(Kind.RESULT)
        await asyncio.wait(serving)
        leader.close()

    asyncio.run(check())


def test_a_large_call_is_counted_before_its_body_is_read(chain_of_nine: zevm.Node) -> None:
    begin = (100_001).to_bytes(4, "big") + bytes((Kind.CALL,))

    async def check() -> None:
        limits = Limits(replica_calls=1)
        leader = Leader(chain_of_nine.chain, limits, identity_of(chain_of_nine.chain, ""), _answer)
        first, second, third = stream_pair(), stream_pair(), stream_pair()
        serving = [asyncio.create_task(leader.serve(far)) for _, far in (first, second)]
        for near, _ in (first, second):
            await near.write(begin)
            await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="1 calls of followers are running"):
            await Frames(second[0], Limits()).receive(Kind.RESULT)
        first[0].close()
        await asyncio.wait(serving)
        serving = [asyncio.create_task(leader.serve(third[1]))]
        text = b'{"method":"txpool_status"}'
        await third[0].write(begin + text + b" " * (100_000 - len(text)))
        await Frames(third[0], Limits()).receive(Kind.RESULT)
        await asyncio.wait(serving)
        leader.close()

    asyncio.run(check())


def test_a_connection_follows_once(chain_of_nine: zevm.Node) -> None:
    """One connection cannot take the places of all followers."""

    async def check() -> None:
        leader = Leader(chain_of_nine.chain, Limits(), identity_of(chain_of_nine.chain, ""), _answer)
        one, other = object(), object()

        async def greeted(connection: object) -> tuple[Frames, asyncio.Task[None]]:
            near, far = stream_pair()
            serving = asyncio.create_task(leader.serve(far, connection))
            frames = Frames(near, Limits())
            await frames.send(Kind.HELLO, Hello(None, "").encode())
            await frames.receive(Kind.WELCOME)
            return frames, serving

        first, serving = await greeted(one)
        with pytest.raises(RefusedError, match="follows once"):
            await greeted(one)
        await greeted(other)
        assert len(leader.followers) == 2
        first.close()
        await asyncio.wait([serving])
        await greeted(one)
        leader.close()

    asyncio.run(check())


def test_strangers_cannot_fill_the_log(chain_of_nine: zevm.Node, caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        leader = Leader(chain_of_nine.chain, Limits(), identity_of(chain_of_nine.chain, ""), _answer)
        for _ in range(3):
            near, far = stream_pair()
            await near.write(b"no frame of it")
            await leader.serve(far)
        leader.close()

    asyncio.run(check())
    assert caplog.text.count("a follower is refused") == 1


def test_a_closed_leader_serves_nothing_more(chain_of_nine: zevm.Node) -> None:
    async def check() -> None:
        leader = Leader(chain_of_nine.chain, Limits(), identity_of(chain_of_nine.chain, ""), _answer)
        leader.close()
        near, far = stream_pair()
        await Frames(near, Limits()).send(Kind.HELLO, Hello(None, "").encode())
        head = chain_of_nine.chain.head
        want = Want(Position(head.number, head.header.hash, head.state.root), head.number, 10)
        await Frames(near, Limits()).send(Kind.WANT, want.encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await leader.serve(far)
        with pytest.raises(EndedError):
            await Frames(near, Limits()).receive(Kind.WELCOME)

    asyncio.run(check())


class _Link:
    """Greets as the leader of a chain, says nothing more, and answers calls with these bytes."""

    def __init__(self, welcome: Welcome, answer: bytes) -> None:
        self._welcome = welcome
        self._answer = answer
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> Stream:
        near, far = stream_pair()
        self._tasks.append(asyncio.create_task(self._serve(far)))
        return near

    async def _serve(self, stream: MemoryStream) -> None:
        frames = Frames(stream, Limits())
        kind, _ = await frames.receive(Kind.HELLO, Kind.CALL)
        if kind is Kind.CALL:
            await frames.send(Kind.RESULT, self._answer)
        else:
            await frames.send(Kind.WELCOME, self._welcome.encode())


async def _forwarded(node: zevm.Node, answer: bytes, limits: Limits) -> object:
    """The result of a call through a follower whose leader answers it so."""
    chain, identity = node.chain, identity_of(node.chain, "")
    link = _Link(Welcome(identity.genesis_hash, b"", identity.rules, "", 9), answer)

    @asynccontextmanager
    async def dial() -> AsyncIterator[Link]:
        yield link

    follower = Follower(chain, dial, "leader:1", identity, limits, takes_development=True)
    task = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await follower.call("txpool_status", [])
    finally:
        task.cancel()


def test_an_answer_waits_for_the_own_chain_only_so_long(chain_of_nine: zevm.Node) -> None:
    answer = encode_result(b'{"result":"0x1"}', 1_000, bytes(32))
    assert asyncio.run(_forwarded(chain_of_nine, answer, Limits(replica_catch_up_seconds=0.2))) == "0x1"


def test_an_answer_waits_for_the_leaders_block_and_not_for_its_height_alone(chain_of_nine: zevm.Node) -> None:
    """After a revert, the own chain may be as high as the leader's with blocks that the leader took back."""
    head = chain_of_nine.chain.head
    own = encode_result(b'{"result":"0x1"}', head.number, head.header.hash)
    assert asyncio.run(_forwarded(chain_of_nine, own, Limits(replica_catch_up_seconds=60.0))) == "0x1"
    began = time.monotonic()
    other = encode_result(b'{"result":"0x1"}', head.number, bytes(32))
    assert asyncio.run(_forwarded(chain_of_nine, other, Limits(replica_catch_up_seconds=0.3))) == "0x1"
    assert time.monotonic() - began >= 0.3


def test_an_error_of_any_form_is_passed_on(chain_of_nine: zevm.Node) -> None:
    head = chain_of_nine.chain.head
    for error, code in (({"code": -32003, "message": "no"}, -32003), ({"code": "x"}, -32000), ({}, -32000)):
        answer = encode_result(json.dumps({"error": error}).encode(), head.number, head.header.hash)
        with pytest.raises(CodedError) as raised:
            asyncio.run(_forwarded(chain_of_nine, answer, Limits()))
        assert raised.value.to_json()["code"] == code


def test_an_answer_too_deep_is_refused(chain_of_nine: zevm.Node) -> None:
    """Python's own parser would end the process, as its recursion limit is raised for contracts."""
    head = chain_of_nine.chain.head
    answer = encode_result(b'{"result":' + b"[" * 200_000, head.number, head.header.hash)
    with deep_recursion, pytest.raises(ServerError, match="with no JSON"):
        asyncio.run(_forwarded(chain_of_nine, answer, Limits()))


def test_a_fault_of_this_node_does_not_end_the_following(
    chain_of_nine: zevm.Node, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        attempts, again = 0, asyncio.Event()

        @asynccontextmanager
        async def dial() -> AsyncIterator[Link]:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                again.set()
            raise RuntimeError("unforeseen")
            yield

        chain, limits = chain_of_nine.chain, Limits(replica_retry_seconds=0.1)
        follower = Follower(chain, dial, "leader:1", identity_of(chain, ""), limits, takes_development=True)
        task = asyncio.create_task(follower.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await again.wait()
        assert follower.report().refusal == "RuntimeError: unforeseen"
        task.cancel()

    asyncio.run(check())
    assert caplog.text.count("following leader:1 has failed: RuntimeError: unforeseen") == 1


def test_a_part_that_is_cancelled_by_itself_does_not_end_the_following(chain_of_nine: zevm.Node) -> None:
    async def check() -> None:
        attempts, again = 0, asyncio.Event()

        @asynccontextmanager
        async def dial() -> AsyncIterator[Link]:
            nonlocal attempts
            attempts += 1
            if attempts == 2:
                again.set()
            raise asyncio.CancelledError
            yield

        chain = chain_of_nine.chain
        follower = Follower(chain, dial, "leader:1", identity_of(chain, ""), Limits(), takes_development=True)
        task = asyncio.create_task(follower.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await again.wait()
        assert follower.report().refusal == "CancelledError: "
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(check())


def test_a_leader_out_of_reach_is_tried_again_and_again(chain_of_nine: zevm.Node) -> None:
    async def check() -> None:
        attempts, often = 0, asyncio.Event()

        @asynccontextmanager
        async def dial() -> AsyncIterator[Link]:
            nonlocal attempts
            attempts += 1
            if attempts == 8:
                often.set()
            raise OSError("nobody is there")
            yield

        chain = chain_of_nine.chain
        limits = Limits(replica_retry_seconds=0.1, replica_catch_up_seconds=0.01)
        follower = Follower(chain, dial, "leader:1", identity_of(chain, ""), limits, takes_development=True)
        task = asyncio.create_task(follower.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await often.wait()
        with pytest.raises(ServerError, match="leader:1 is not connected"):
            await follower.call("eth_sendRawTransaction", ["0x"])
        task.cancel()

    asyncio.run(check())


def test_only_so_many_blocks_are_taken_back(opened: Open) -> None:
    """The limit replica_rewind_blocks."""
    leading = Pair(opened(genesis=private_genesis()))
    address = leading.lead()
    for _ in range(3):
        pay(leading.node)
    limited = opened(follow=address, rpc_replica_rewind_blocks=2)
    free = opened(follow=address, rpc_replica_rewind_blocks=3)
    for follower in (limited, free):
        caught_up(follower, leading.node)
    leading.node.request("debug_setHead", "0x0")
    for _ in range(4):
        pay(leading.node, 3)
    caught_up(free, leading.node)
    refusal_of(
        limited, "3 blocks would be taken back of the 3 that .*, and the limit is 2; --rpc-replica-rewind-blocks"
    )
    assert limited.chain.head.number == 3
    leading.shut()


def test_a_leader_cannot_take_back_in_steps_what_it_cannot_at_once(tmp_path: Path, opened: Open) -> None:
    """Each step is within the limit, also after a start of the follower; all together are not."""
    leading = Pair(opened(genesis=private_genesis()))
    address = leading.lead()
    for _ in range(4):
        pay(leading.node)
    settings = {"datadir": tmp_path, "follow": address, "rpc_replica_rewind_blocks": 2}
    with zevm.Node(**settings) as follower:
        caught_up(follower, leading.node)
        leading.node.request("debug_setHead", "0x2")
        pay(leading.node, 3)
        caught_up(follower, leading.node)
    leading.node.request("debug_setHead", "0x1")
    pay(leading.node, 4)
    follower = opened(**settings)
    refusal_of(follower, "3 blocks would be taken back of the 4 that this chain once had, and the limit is 2")
    assert follower.chain.head.number == 3
    assert follower.request("eth_syncing") == {"startingBlock": "0x3", "currentBlock": "0x3", "highestBlock": "0x3"}
    leading.shut()


class _FarBehind:
    address = "leader:1"

    def report(self) -> FollowReport:
        return FollowReport(connected=True, head=19, started_at=0, heard_seconds=0.0, refusal=None)

    async def call(self, method: str, params: list[object]) -> object:  # noqa: ARG002
        raise AssertionError


@pytest.mark.parametrize(("replica_behind_blocks", "is_healthy"), [(10, True), (9, False)])
def test_a_follower_that_is_far_behind_is_unhealthy(
    replica_behind_blocks: int, is_healthy: bool, chain_of_nine: zevm.Node
) -> None:
    services = chain_of_nine._opened().server._services
    own = services.with_limits(Limits(replica_behind_blocks=replica_behind_blocks))
    own.leader = _FarBehind()
    report, healthy = health_report(own)
    assert (report["behind"], healthy) == (10, is_healthy)
