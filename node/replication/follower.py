"""The follower's side: it connects, compares, fetches, executes, and begins again after every fault."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.node.replication.frames import Frames, RefusedError
from zevm.node.replication.identity import Identity
from zevm.node.replication.lineage import Lineage
from zevm.node.replication.messages import (
    HASHES_AT_ONCE,
    UNKNOWN_STATE,
    Batch,
    Hello,
    Kind,
    MessageError,
    Position,
    Want,
    Welcome,
    decode_hashes,
    decode_result,
    encode_locate,
)
from zevm.node.replication.replica import LeaderRefusedError, Replica, end_of
from zevm.node.replication.stream import Dial, Link
from zevm.rpc.errors import CodedError, ServerError
from zevm.rpc.limits import Limits
from zevm.rpc.services import FollowReport
from zevm.storage.errors import StorageError

LOGGER = logging.getLogger("zevm.node.replication")
FIRST_PAUSE_SECONDS = 0.1
_SILENT_HEARTBEATS = 5
"""A leader that was killed says nothing more, and its datagrams cannot be refused: silence alone tells of its end."""

_MISSES = 3
"""Positions that a leader may not know in a row: it may change its chain while it is asked about it."""

_REFUSALS = (RefusedError, LeaderRefusedError, MessageError)
_FAULTS = (OSError, TimeoutError, StorageError)


class Follower:
    """Keeps a chain like another node's (rpc.services.LeaderLink). Made and used on the event loop."""

    def __init__(
        self,
        chain: Chain,
        dial: Dial,
        address: str,
        identity: Identity,
        limits: Limits,
        *,
        takes_development: bool,
        lineage: Lineage | None = None,
    ) -> None:
        self.address = address
        self._chain = chain
        self._dial = dial
        self._identity = identity
        self._lineage = lineage or Lineage()
        self._limits = limits
        self._takes_development = takes_development
        self._replica = Replica(chain, takes_development=takes_development)
        self._link: Link | None = None
        self._leader_head: int | None = None
        self._heard_at: float | None = None
        self._started_at = chain.head.number
        self._refusal: str | None = None
        self._told = ""
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._advanced = asyncio.Event()

    def report(self) -> FollowReport:
        """How far this node is."""
        heard = self._heard_at
        return FollowReport(
            connected=self._link is not None,
            head=self._leader_head,
            started_at=self._started_at,
            heard_seconds=None if heard is None else time.monotonic() - heard,
            refusal=self._refusal,
        )

    async def run(self) -> None:
        """Follow until cancelled, or until the node stops."""
        while True:
            try:
                async with self._dial() as link:
                    await self._session(link)
            except WriterStoppedError:
                return
            except _REFUSALS as error:
                self._refusal = str(error)
                self._tell(f"{self.address} cannot be followed: {error}", logging.ERROR)
            except _FAULTS as error:
                self._tell(f"the link to {self.address} is down: {str(error) or 'no answer in time'}", logging.WARNING)
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                    raise
                # a fault of this node, or a part that was cancelled by itself: without this task it would answer from
                # an ever older chain, and look healthy
                self._refusal = f"{type(error).__name__}: {error}"
                self._tell(f"following {self.address} has failed: {self._refusal}", logging.ERROR, error)
            await asyncio.sleep(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, self._limits.replica_retry_seconds)

    async def call(self, method: str, params: list[object]) -> object:
        """The leader's answer to a call, once this chain has what it tells of."""
        await self._wait(lambda: self._link is not None)
        link = self._link
        if link is None:
            raise ServerError(f"the leader {self.address} is not connected; reads are answered, try again later")
        # of any size, as a deployment's sources and the pool's content are
        body = await asyncio.to_thread(_call_of, method, params)
        try:
            content = await self._call_through(link, body)
            decoded, head, head_hash = await asyncio.to_thread(_answer_of, content)
        except (OSError, TimeoutError) as error:
            raise ServerError(
                f"the link to the leader {self.address} was cut before it answered {method} "
                f"({str(error) or 'no answer in time'}); a transaction may have arrived: look for its hash before "
                "sending another one"
            ) from None
        except RefusedError as error:
            raise ServerError(f"the leader {self.address} refuses: {error}") from None
        except ValueError as error:
            raise ServerError(f"the leader {self.address} answered {method} with no JSON: {error}") from None
        if not isinstance(decoded, dict) or ("result" not in decoded and not isinstance(decoded.get("error"), dict)):
            raise ServerError(f"the leader {self.address} answered {method} with no result")
        if "error" in decoded:
            told = decoded["error"]
            code = told.get("code")
            raise CodedError(code if type(code) is int else -32000, str(told.get("message")), told.get("data"))
        await self._wait(lambda: self._has(head, head_hash))
        return decoded["result"]

    def _has(self, number: int, block_hash: bytes) -> bool:
        """Whether this chain has a block of the leader's: its height alone may be that of a branch taken back."""
        return self._chain.head.number >= number and self._chain.records.canonical_hash(number) == block_hash

    async def _call_through(self, link: Link, body: bytes) -> bytes:
        frames = Frames(await link.open(), self._limits)
        try:
            await frames.send(Kind.CALL, body)
            patience_seconds = self._limits.sync_send_seconds + self._limits.replica_message_seconds
            _, content = await frames.receive(Kind.RESULT, patience_seconds=patience_seconds)
        finally:
            frames.close()
        return content

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait until the session has made a condition true, not longer than the limit says."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.replica_catch_up_seconds):
                while not condition():
                    self._advanced.clear()
                    await self._advanced.wait()

    async def _session(self, link: Link) -> None:
        frames = Frames(await link.open(), self._limits)
        try:
            await self._greet(frames)
            self._link, self._started_at = link, self._chain.head.number
            self._advanced.set()
            await self._follow(frames)
        finally:
            self._link = None
            frames.close()

    async def _greet(self, frames: Frames) -> None:
        hello = Hello(self._identity.genesis_hash, self._identity.client)
        welcome = await greeted(frames, hello)
        difference = self._identity.difference(welcome) or self._circle(welcome.path)
        if difference is not None:
            self._lineage.follow(())
            raise RefusedError(difference)
        self._lineage.follow(welcome.path)
        self._hear(welcome.head)

    def _circle(self, path: tuple[bytes, ...]) -> str | None:
        """The reason why a leader with this lineage cannot be followed; None if it can."""
        if self._lineage.node not in path:
            return None
        place = path.index(self._lineage.node)
        told = "it is this node itself" if place == 0 else f"it follows this node, with {place - 1} others in between"
        return f"{told}: no node of a circle makes blocks; --follow the one that makes them"

    async def _follow(self, frames: Frames) -> None:
        position, back_to, asked, misses = self._replica.position, None, False, 0
        while True:
            if not asked:
                await self._ask(frames, position)
            batch, asked = await self._batch(frames), False
            misses = misses + 1 if batch.unknown else 0
            if misses > _MISSES:
                raise LeaderRefusedError("the leader does not know the blocks that it has named")
            if batch.unknown:
                position = back_to = await self._last_in_common(frames, batch)
                if position.number < batch.head:
                    # the old branch stays until the new one's blocks are here
                    continue
            elif batch.entries:
                end = end_of(position, batch.entries)
                if end.number < batch.head:
                    # the next batch comes while this one is executed
                    await self._ask(frames, end)
                    asked = True
            position, back_to = await self._apply(batch, back_to), None

    async def _apply(self, batch: Batch, back_to: Position | None) -> Position:
        """Make a batch's steps; where the chain is then."""
        if batch.entries or back_to is not None:
            writer = self._chain.writer
            await asyncio.wrap_future(writer.submit(self._replica.apply, batch.entries, back_to))
            self._advanced.set()
        self._refusal, self._pause_seconds = None, FIRST_PAUSE_SECONDS
        self._tell(f"following {self.address}", logging.INFO)
        return self._replica.position

    async def _ask(self, frames: Frames, position: Position) -> None:
        want = Want(position, self._chain.head.number, self._limits.replica_batch_blocks)
        await frames.send(Kind.WANT, want.encode())

    async def _batch(self, frames: Frames) -> Batch:
        content = await self._answer(frames, Kind.BATCH)
        batch = await asyncio.to_thread(Batch.decode, content, self._limits.replica_batch_blocks)
        self._hear(batch.head)
        return batch

    async def _answer(self, frames: Frames, kind: Kind) -> bytes:
        """The answer to a question of the session. Raises TimeoutError where the leader is silent for too long."""
        patience_seconds = _SILENT_HEARTBEATS * self._limits.replica_heartbeat_seconds
        _, content = await frames.receive(kind, patience_seconds=patience_seconds)
        return content

    async def _last_in_common(self, frames: Frames, batch: Batch) -> Position:
        """The newest block that both chains have, in its header's own state. Raises LeaderRefusedError."""
        here = self._chain.head
        if batch.unknown == UNKNOWN_STATE:
            if here.state.root == here.header.state_root:
                raise LeaderRefusedError(f"the leader has block {here.number}, but not the state after it")
            return self._position_at(here.number)
        low, high = self._chain.genesis.number, min(here.number, batch.head)
        while low < high:
            low, high = await self._narrowed(frames, low, high)
        highest, limit = self._replica.highest, self._limits.replica_rewind_blocks
        if highest - low > limit and not self._takes_development:
            raise LeaderRefusedError(
                f"the leader has other blocks from {low + 1} on: {highest - low} blocks would be taken back of the "
                f"{highest} that this chain once had, and the limit is {limit}; --rpc-replica-rewind-blocks raises "
                "it, a new --datadir follows from the start"
            )
        return self._position_at(low)

    async def _narrowed(self, frames: Frames, low: int, high: int) -> tuple[int, int]:
        """A smaller range for the newest common block, out of one whose lowest block is common."""
        step = max(1, -(-(high - low) // HASHES_AT_ONCE))
        heights = [*range(low + step, high, step), high]
        await frames.send(Kind.LOCATE, encode_locate(heights))
        content = await self._answer(frames, Kind.HASHES)
        records = self._chain.records
        for height, block_hash in zip(heights, decode_hashes(content, len(heights)), strict=True):
            if records.canonical_hash(height) != block_hash:
                return low, height - 1
            low = height
        return low, high

    def _position_at(self, number: int) -> Position:
        header = self._chain.header_by_number(number)
        assert header is not None
        return Position(number, block_hash=header.hash, root=header.state_root)

    def _hear(self, head: int) -> None:
        self._leader_head, self._heard_at = head, time.monotonic()

    def _tell(self, text: str, level: int, fault: BaseException | None = None) -> None:
        """Log news once; what is none is there for who looks for it."""
        LOGGER.log(level if text != self._told else logging.DEBUG, "%s", text, exc_info=fault)
        self._told = text


def _call_of(method: str, params: list[object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def _answer_of(content: bytes) -> tuple[Any, int, bytes]:
    """The answer to a call, and the leader's head after it. Raises ValueError."""
    answer, head, head_hash = decode_result(content)
    return orjson.loads(answer), head, head_hash


async def greeted(frames: Frames, hello: Hello) -> Welcome:
    """The leader's answer to a greeting. Raises RefusedError, MessageError, OSError, TimeoutError."""
    await frames.send(Kind.HELLO, hello.encode())
    _, content = await frames.receive(Kind.WELCOME)
    return Welcome.decode(content)
