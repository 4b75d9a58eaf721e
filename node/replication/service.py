"""Replication in a running node: the follower's task, and the leader's side for who follows this node."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from zevm.chain.blockchain import Chain
from zevm.node.replication.follower import Follower
from zevm.node.replication.identity import identity_of
from zevm.node.replication.leader import Answer, Leader
from zevm.node.replication.lineage import Lineage
from zevm.node.replication.quic_stream import QuicStream
from zevm.node.replication.stream import Dial
from zevm.node.settings import NodeSettings
from zevm.rpc.memory.sources import source_of
from zevm.rpc.transport.quic.streams import Stream as TransportStream


class Replication:
    """Made on the event loop. follower: None for a node that follows none. leader: None until `lead`."""

    def __init__(self, chain: Chain, settings: NodeSettings, dial: Dial | None, client: str) -> None:
        self._chain = chain
        self._limits = settings.limits
        self._identity = identity_of(chain, client)
        self._needs_signature = settings.quic_require_auth
        self._lineage = Lineage()
        self._task: asyncio.Task[None] | None = None
        self.leader: Leader | None = None
        self.follower: Follower | None = None
        if settings.follow is not None and dial is not None:
            takes_development = settings.follow_development or chain.is_for_development
            self.follower = Follower(
                chain,
                dial,
                settings.follow,
                self._identity,
                self._limits,
                takes_development=takes_development,
                lineage=self._lineage,
            )

    def start(self) -> None:
        """Begin to follow."""
        if self.follower is not None:
            self._task = asyncio.create_task(self.follower.run(), name="follower")

    def lead(self, answer: Answer) -> Callable[[TransportStream], Coroutine[Any, Any, None]]:
        """Serve followers from now on; the result serves one stream of theirs.

        answer: to the requests that they forward.
        """
        leader = self.leader = Leader(
            self._chain,
            self._limits,
            self._identity,
            answer,
            needs_signature=self._needs_signature,
            lineage=self._lineage,
        )

        async def serve(stream: TransportStream) -> None:
            await leader.serve(QuicStream(stream), stream.connection, source_of(stream.connection.address[0]))

        return serve

    async def close(self) -> None:
        """End both sides."""
        if self.leader is not None:
            self.leader.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
