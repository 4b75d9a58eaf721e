"""A client of the QUIC port finds the address of a name that answers, and tells at once where nobody listens."""

import asyncio
import socket
import time
from typing import Any

import pytest
import uvloop

from testing.speed import PATIENCE_SECONDS
from tests.rpc.transport.quic_support import dial, exchange, quic_port
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.options import QuicError


@pytest.mark.parametrize("first", ["127.0.0.2", "127.0.0.3"])
async def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """At the first one nobody listens, or somebody who says nothing."""
    async with quic_port() as port:
        number = port.addresses[0][1]
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent.bind(("127.0.0.3", number))
        loop = asyncio.get_running_loop()

        async def resolve(*_: object, **__: object) -> list[Any]:
            return [(socket.AF_INET, 0, 0, "", (host, number)) for host in (first, "127.0.0.1")]

        monkeypatch.setattr(loop, "getaddrinfo", resolve, raising=False)
        port.addresses = [("node.example", number)]
        began = loop.time()
        async with dial(port) as client:
            assert await exchange(client, b"x") == b"x"
            assert loop.time() - began < PATIENCE_SECONDS
        silent.close()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_port_where_nobody_listens_is_told_at_once(factory: Any) -> None:
    async def once() -> None:
        async with quic_port() as port:
            address, identity = port.addresses[0], port.identity
        began = time.monotonic()
        with pytest.raises(QuicError, match="no program listens there; is the node run with --quic-port"):
            async with connect(*address, alpn="test/1", trust=Trust(server_key_hash=identity.server_key_hash)):
                pass
        assert time.monotonic() - began < PATIENCE_SECONDS

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(once())
