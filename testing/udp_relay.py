"""A UDP path between clients and a server that records, loses, repeats, reorders and delays datagrams."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

HELD_SECONDS = 0.02
"""Delay of a reordered datagram."""

MOST_CLIENTS = 128
"""A further client takes the place of the one that has sent nothing for the longest time."""


@dataclass
class Faults:
    """Shares of the datagrams that are lost, repeated and held back, each from 0 to 1; a loss of 1 cuts the path.

    delay_seconds: of every datagram. bytes_per_second: of each direction; 0 for any number. They may change meanwhile.
    """

    loss: float = 0.0
    repetition: float = 0.0
    reordering: float = 0.0
    _: KW_ONLY
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0
    seed: int = 0


@dataclass
class Counts:
    """clients: sockets that have sent something. Datagrams that went on in each direction, and lost ones of both."""

    clients: int = 0
    to_server: int = 0
    to_client: int = 0
    lost: int = 0


@dataclass
class Relay:
    """port: where clients send to. to_server, to_client: what came, in order, if it is recorded."""

    port: int
    records: bool = True
    counts: Counts = field(default_factory=Counts)
    to_server: list[bytes] = field(default_factory=list)
    to_client: list[bytes] = field(default_factory=list)


class _Forwarding(asyncio.DatagramProtocol):
    """One direction's socket: hands datagrams with their sources to a function."""

    def __init__(self, take: Any) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._take(data, addr)


class _Path:
    """The relay's sockets, and what it does to datagrams."""

    def __init__(self, host: str, port: int, faults: Faults, *, records: bool) -> None:
        self._server = (host, port)
        self._faults = faults
        self._chance = random.Random(faults.seed)
        self._loop = asyncio.get_running_loop()
        self._upstream: OrderedDict[Any, asyncio.DatagramTransport] = OrderedDict()
        self._opening: dict[Any, asyncio.Task[None]] = {}
        self._free_at: dict[Any, float] = {}
        self.relay = Relay(0, records)
        self.down: asyncio.DatagramTransport | None = None

    def from_client(self, data: bytes, source: Any) -> None:
        if self.relay.records:
            self.relay.to_server.append(data)
        transport = self._upstream.get(source)
        if transport is not None:
            self._upstream.move_to_end(source)
            self._pass_on(data, transport)
        elif source not in self._opening:
            self._opening[source] = self._loop.create_task(self._open(source, data))

    async def _open(self, source: Any, first: bytes) -> None:
        def from_server(data: bytes, _source: Any) -> None:
            if self.relay.records:
                self.relay.to_client.append(data)
            assert self.down is not None
            self._pass_on(data, self.down, source)

        try:
            transport, _ = await self._loop.create_datagram_endpoint(
                lambda: _Forwarding(from_server), remote_addr=self._server
            )
        finally:
            # a later client may get the port of one that has lost its place
            del self._opening[source]
        self._upstream[source] = transport
        self.relay.counts.clients += 1
        if len(self._upstream) > MOST_CLIENTS:
            _, oldest = self._upstream.popitem(last=False)
            self._free_at.pop(oldest, None)
            oldest.close()
        self._pass_on(first, transport)

    def _pass_on(self, data: bytes, transport: asyncio.DatagramTransport, target: Any = None) -> None:
        faults = self._faults
        counts = self.relay.counts
        if self._chance.random() < faults.loss:
            counts.lost += 1
            return
        if transport is self.down:
            counts.to_client += 1
        else:
            counts.to_server += 1
        for _ in range(1 + (self._chance.random() < faults.repetition)):
            held_seconds = HELD_SECONDS if self._chance.random() < faults.reordering else 0.0
            seconds = held_seconds + faults.delay_seconds + self._waited(transport, len(data))
            if seconds > 0:
                self._loop.call_later(seconds, _send, transport, data, target)
            else:
                _send(transport, data, target)

    def _waited(self, transport: asyncio.DatagramTransport, size: int) -> float:
        """Seconds until a direction of limited speed has sent what came before, and these bytes."""
        if not self._faults.bytes_per_second:
            return 0.0
        now = self._loop.time()
        self._free_at[transport] = max(now, self._free_at.get(transport, now)) + size / self._faults.bytes_per_second
        return self._free_at[transport] - now

    def close(self) -> None:
        for transport in (self.down, *self._upstream.values()):
            if transport is not None:
                transport.close()


@asynccontextmanager
async def relayed(
    host: str, port: int, faults: Faults | None = None, *, own_port: int = 0, records: bool = True
) -> AsyncIterator[Relay]:
    """A relay before a server. Each client has a socket of its own towards it, as behind a router."""
    path = _Path(host, port, faults or Faults(), records=records)
    loop = asyncio.get_running_loop()
    path.down, _ = await loop.create_datagram_endpoint(
        lambda: _Forwarding(path.from_client), local_addr=("127.0.0.1", own_port)
    )
    path.relay.port = path.down.get_extra_info("sockname")[1]
    try:
        yield path.relay
    finally:
        path.close()


def _send(transport: asyncio.DatagramTransport, data: bytes, target: Any) -> None:
    """Send, unless the relay has ended meanwhile."""
    if not transport.is_closing():
        transport.sendto(data, target)
