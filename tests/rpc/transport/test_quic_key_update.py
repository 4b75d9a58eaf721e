"""Keys that are renewed and clients that move, on a path that loses datagrams: packets apart from aioquic follow."""

import asyncio
from typing import Any, cast

import pytest
from aioquic import tls

from testing.speed import PATIENCE_SECONDS
from testing.udp_relay import Faults, relayed
from tests.rpc.transport.quic_support import dial, exchange, quic_port
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.stream_arrivals import StreamArrivals
from zevm.rpc.transport.quic.stream_packets import StreamPackets

LOSSY = Faults(loss=0.1, repetition=0.05, reordering=0.05, seed=5)


def phase_of(connection: Any) -> tuple[int, int]:
    """The phases of a connection's keys: to open packets, and to seal them."""
    pair = cast(Any, connection.quic)._cryptos[tls.Epoch.ONE_RTT]
    return pair.recv.key_phase, pair.send.key_phase


async def exchanges(client: Any, label: bytes) -> None:
    """Ask at once and one after another, and compare each answer."""
    asked = [label + b" %d" % index for index in range(12)] + [label + bytes(30_000)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*(exchange(client, data) for data in asked)) == asked
        for data in asked[:4]:
            assert await exchange(client, data) == data


@pytest.mark.parametrize("side", ["client", "server"])
async def test_packets_after_a_key_update_are_plain_again(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    sealed: list[int] = []
    take, seal = StreamArrivals.take, StreamPackets._sealed

    def taken(self: Any, *arguments: Any) -> bool:
        found = take(self, *arguments)
        if found and not self._quic._is_client:
            opened.append(self._quic._cryptos[tls.Epoch.ONE_RTT].recv.key_phase)
        return found

    def sealing(self: Any, *arguments: Any) -> bytes:
        datagram = seal(self, *arguments)
        if not self._quic._is_client:
            pair = self._quic._cryptos[tls.Epoch.ONE_RTT]
            header, _ = pair.send.hp.remove(datagram, 1 + len(self._quic._peer_cid.cid))
            sealed.append((header[0] & 0x04) >> 2)
        return datagram

    monkeypatch.setattr(StreamArrivals, "take", taken)
    monkeypatch.setattr(StreamPackets, "_sealed", sealing)
    async with quic_port() as port, relayed(*port.addresses[0], LOSSY) as relay:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust, timeout_seconds=30) as client:
            await exchanges(client, b"before")
            (server,) = port.connections()
            for phase in (1, 0, 1):
                (server if side == "server" else client._connection).quic.request_key_update()
                await exchanges(client, b"after %d" % phase)
                assert phase_of(server) == phase_of(client._connection) == (phase, phase)
                opened.clear()
                sealed.clear()
                await exchanges(client, b"later")
                assert set(opened) == set(sealed) == {phase}


async def test_a_client_that_moves_is_served_on_its_new_path() -> None:
    async with quic_port() as port, relayed(*port.addresses[0], LOSSY) as relay, dial(port) as still:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust, timeout_seconds=30) as client:
            await exchanges(client, b"before")
            protocol = client._connection
            server = next(item for item in port.connections() if _is_of(item, client))
            before = cast(Any, server.quic)._network_paths[0].addr
            loop = asyncio.get_running_loop()
            old = cast(Any, protocol)._transport
            bound = old.get_extra_info("sockname")[0]
            moved, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=(bound, 0))
            await exchanges(client, b"after")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not cast(Any, server.quic)._network_paths[0].is_validated:
                    await asyncio.sleep(0.01)
            assert cast(Any, server.quic)._network_paths[0].addr != before
            await exchanges(still, b"other")
            old.close()
            await exchanges(client, b"later")
            moved.close()


def _is_of(connection: Any, client: Any) -> bool:
    """Whether a connection of the server's side is this client's."""
    own = client._connection.quic
    return any(item.cid == own._peer_cid.cid for item in connection.quic._host_cids)
