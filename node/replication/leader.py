"""The leader's side: sessions of followers, and the requests that they forward.

A session holds one batch at a time, which the follower has asked for; batches are read on few threads, one for each
session at most. So a follower costs the leader no more than its limits say, however slow or hostile it is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

import orjson

from zevm.chain.blockchain import Chain
from zevm.chain.events import Event, HeadChanged, StatePatched
from zevm.node.replication.frames import CONTROL_BYTES, EndedError, Frames, RefusedError
from zevm.node.replication.identity import Identity
from zevm.node.replication.lineage import Lineage
from zevm.node.replication.messages import (
    VERSION,
    Batch,
    Hello,
    Kind,
    MessageError,
    Want,
    Welcome,
    decode_locate,
    encode_hashes,
    encode_result,
    encode_text,
)
from zevm.node.replication.shares import Allowance, Shares
from zevm.node.replication.source import Source
from zevm.node.replication.stream import Stream
from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.following import may_be_forwarded
from zevm.storage.errors import StorageError

LOGGER = logging.getLogger("zevm.node.replication")
READING_THREADS = 2
TELL_SECONDS = 60.0
"""Interval of the log's warnings of refused followers."""

_ANY_SIZE = CONTROL_BYTES + 1
Answer = Callable[[bytes], Awaitable[bytes | None]]
"""Answers the body of a JSON-RPC request, as on the public port."""

_Result = TypeVar("_Result")


class Leader:
    """Serves one chain to followers. Made and used on the event loop.

    needs_signature: whether forwarded calls may spend by a signature of their own alone.
    """

    def __init__(
        self,
        chain: Chain,
        limits: Limits,
        identity: Identity,
        answer: Answer,
        *,
        needs_signature: bool = False,
        lineage: Lineage | None = None,
    ) -> None:
        self._chain = chain
        self._limits = limits
        self._identity = identity
        self._answer = answer
        self._needs_signature = needs_signature
        self._lineage = lineage or Lineage()
        self._lineage.changed = self._greet_anew
        self._is_closed = False
        self._told_at: float | None = None
        self._source = Source(chain, limits)
        self._shares = Shares(limits)
        self._readers = ThreadPoolExecutor(READING_THREADS, "replica-source")
        self._loop = asyncio.get_running_loop()
        self._changed: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._synced: dict[object, int] = {}
        self._sessions: set[asyncio.Task[Any]] = set()
        self._cancel = chain.events.subscribe(self._on_event, HeadChanged, StatePatched)

    @property
    def followers(self) -> list[int]:
        """The newest block that each connected follower has on its disk."""
        return list(self._synced.values())

    def close(self) -> None:
        """Serve nothing more, and end what is served."""
        self._is_closed = True
        self._cancel()
        for task in tuple(self._tasks):
            task.cancel()
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def serve(self, stream: Stream, connection: object | None = None, share: str = "") -> None:
        """Serve one stream to its end.

        connection: that of the stream, on which one session is served at a time. share: the follower's address, as it
        is counted.
        """
        frames, task = Frames(stream, self._limits), asyncio.current_task()
        if self._is_closed:
            frames.close()
            return
        assert task is not None
        self._tasks.add(task)
        try:
            with self._calling(share) as count:
                # a large body counts before it is read: so many are held at most
                kind, content = await frames.receive(Kind.HELLO, Kind.CALL, admit=count)
                if kind is Kind.CALL:
                    count(_ANY_SIZE)
                    await self._serve_call(frames, content)
            if kind is Kind.HELLO:
                await self._serve_session(frames, Hello.decode(content), connection or frames, share)
        except (OSError, TimeoutError) as error:
            LOGGER.debug("a follower's stream has ended: %s", error)
        except (MessageError, RefusedError, StorageError) as error:
            self._tell_refusal(error)
            with suppress(OSError, TimeoutError):
                await frames.send(Kind.REFUSAL, encode_text(str(error)))
        finally:
            self._tasks.discard(task)
            frames.close()

    def _tell_refusal(self, error: Exception) -> None:
        """Log a refusal; at most one a minute as a warning, since every stranger can cause them."""
        now = self._loop.time()
        is_news = self._told_at is None or now - self._told_at >= TELL_SECONDS
        if is_news:
            self._told_at = now
        LOGGER.log(logging.WARNING if is_news else logging.DEBUG, "a follower is refused: %s", error)

    async def _serve_session(self, frames: Frames, hello: Hello, session: object, share: str) -> None:
        self._check(hello)
        if session in self._synced:
            raise RefusedError("a connection follows once: it has a session already")
        with self._shares.session(share) as allowance:
            self._synced[session] = 0
            task = asyncio.current_task()
            assert task is not None
            self._sessions.add(task)
            try:
                await frames.send(Kind.WELCOME, self._welcome(hello).encode())
                while True:
                    await self._serve_request(frames, session, allowance)
            except EndedError:
                return
            finally:
                self._sessions.discard(task)
                del self._synced[session]

    def _greet_anew(self) -> None:
        """End every session: this node has other leaders, and so have its followers, who come again and hear of it."""
        for task in tuple(self._sessions):
            task.cancel()

    def _check(self, hello: Hello) -> None:
        """Raise RefusedError for a follower that cannot be served."""
        if hello.version != VERSION:
            raise RefusedError(f"this leader speaks version {VERSION} of zvm-sync, the follower {hello.version}")
        identity = self._identity
        if hello.genesis_hash not in (None, identity.genesis_hash):
            raise RefusedError(
                "the leader's genesis is another one than the follower's (their files have the hashes "
                f"0x{identity.genesis_hash.hex()} and 0x{hello.genesis_hash.hex()}): give the follower a new "
                "--datadir, or follow another node"
            )
        if self._chain.canonical.first_own > self._chain.genesis.number:
            raise RefusedError(
                f"the leader's blocks up to {self._chain.canonical.first_own - 1} came from a state file and "
                "cannot be executed again: start the follower with the same state file, without --follow"
            )

    def _welcome(self, hello: Hello) -> Welcome:
        identity = self._identity
        genesis = identity.genesis if hello.genesis_hash is None else b""
        head, path = self._chain.head.number, self._lineage.path
        return Welcome(identity.genesis_hash, genesis, identity.rules, identity.client, head, path)

    async def _serve_request(self, frames: Frames, session: object, allowance: Allowance) -> None:
        idle_seconds = self._limits.replica_idle_seconds
        kind, content = await frames.receive(Kind.WANT, Kind.LOCATE, patience_seconds=idle_seconds)
        if kind is Kind.LOCATE:
            hashes = await self._read(self._source.hashes, decode_locate(content))
            await frames.send(Kind.HASHES, encode_hashes(hashes))
            return
        want = Want.decode(content)
        self._synced[session] = want.synced
        await frames.send(Kind.BATCH, await self._batch(want, allowance))

    async def _batch(self, want: Want, allowance: Allowance) -> bytes:
        """The encoded batch after a position, as soon as there is one; an empty one after a heartbeat."""
        end = self._loop.time() + self._limits.replica_heartbeat_seconds
        while True:
            changed = self._next_change()
            encoded, is_news = await self._read(self._encoded, want, allowance)
            if is_news:
                return encoded
            try:
                async with asyncio.timeout_at(end):
                    await asyncio.shield(changed)
            except TimeoutError:
                return encoded

    def _encoded(self, want: Want, allowance: Allowance) -> tuple[bytes, bool]:
        batch: Batch = self._source.after(want, allowance)
        return batch.encode(), bool(batch.entries or batch.unknown)

    async def _read(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        return await self._loop.run_in_executor(self._readers, function, *arguments)

    def _next_change(self) -> asyncio.Future[None]:
        """Done with the next change of the chain."""
        if self._changed is None or self._changed.done():
            self._changed = self._loop.create_future()
        return self._changed

    def _on_event(self, _: Event) -> None:
        """On the writer's thread; wakes the event loop only if a session waits."""
        if self._changed is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)

    @contextmanager
    def _calling(self, share: str) -> Iterator[Callable[[int], None]]:
        """Count a call by its size (bytes), once, or raise RefusedError; on exit the call is over."""
        with ExitStack() as stack:
            is_counted = False

            def count(size: int) -> None:
                nonlocal is_counted
                if not is_counted and size > CONTROL_BYTES:
                    stack.enter_context(self._shares.call(share))
                    is_counted = True

            yield count

    async def _serve_call(self, frames: Frames, content: bytes) -> None:
        if len(content) > LOOP_BODY_BYTES:
            await self._read(_check_call, content, self._needs_signature)
        else:
            _check_call(content, self._needs_signature)
        answer = await self._answer(content) or b""
        head = self._chain.head
        await frames.send(Kind.RESULT, encode_result(answer, head.number, head.header.hash))


def _check_call(content: bytes, needs_signature: bool) -> None:
    """Raise RefusedError unless a follower may forward this call."""
    try:
        # its depth is bounded; json's is the stack's, since the recursion limit is raised for contracts
        call: Any = orjson.loads(content)
    except ValueError:
        raise RefusedError("a forwarded call is not JSON") from None
    name = call.get("method") if isinstance(call, dict) else None
    if not isinstance(name, str) or not may_be_forwarded(name):
        raise RefusedError(f"followers forward no calls of {name!r:.80}: send it to the leader itself")
    if not may_be_forwarded(name, needs_signature=needs_signature):
        raise RefusedError(
            f"{name} spends from accounts of the leader, which runs with --quic-require-auth: sign the transaction, "
            "and send it with eth_sendRawTransaction"
        )
