"""testing.udp_relay: each client is served, however many have come before it."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import pytest

from testing import udp_relay
from testing.speed import PATIENCE_SECONDS
from testing.udp_relay import relayed


async def _ask(client: socket.socket, port: int, words: bytes) -> bytes:
    """The echo of some bytes through a relay."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await loop.sock_sendto(client, words, ("127.0.0.1", port))
        data, _ = await loop.sock_recvfrom(client, 64)
    return data


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


def _client() -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setblocking(False)
    client.bind(("127.0.0.1", 0))
    return client


async def test_a_client_at_the_port_of_one_that_lost_its_place_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_relay, "MOST_CLIENTS", 2)
    server, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Echo, local_addr=("127.0.0.1", 0))
    host, port = server.get_extra_info("sockname")
    clients = [_client() for _ in range(4)]
    async with relayed(host, port, records=False) as relay:
        for number, client in enumerate((*clients, clients[0])):
            assert await _ask(client, relay.port, b"%d" % number) == b"%d" % number
        assert (relay.counts.clients, relay.counts.to_server, relay.counts.to_client) == (5, 5, 5)
    server.close()
    for client in clients:
        client.close()


async def test_who_still_sends_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_relay, "MOST_CLIENTS", 2)
    server, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Echo, local_addr=("127.0.0.1", 0))
    clients = [_client() for _ in range(4)]
    async with relayed(*server.get_extra_info("sockname"), records=False) as relay:
        for client in clients:
            for asking in (clients[0], client):
                await _ask(asking, relay.port, b"word")
        assert relay.counts.clients == len(clients)
    server.close()
    for client in clients:
        client.close()
