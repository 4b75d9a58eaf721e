"""The wire: the group in decrypted Initial packets, independent clients, and a path that loses datagrams."""

import asyncio
import ssl
from pathlib import Path

import pytest
import qh3.asyncio.client
from qh3.quic.configuration import QuicConfiguration

from testing.udp_relay import Faults, Relay, relayed
from testing.wasm_modules import maths
from tests.rpc.transport.initial_packets import CLIENT_HELLO, SERVER_HELLO, destination_of, key_shares
from tests.rpc.transport.quic_support import exchange, quic_port
from tests.rpc.transport.test_quic_zvm import request, serving
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.key_exchange import X25519MLKEM768
from zevm.rpc.transport.quic.options import QUIC_NAMES
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, encode_request, framed


def groups_of(relay: Relay) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The key shares of the client's hello and of the server's."""
    destination = destination_of(relay.to_server[0])
    first = [datagram for datagram in relay.to_server if datagram[0] & 0x80 and destination_of(datagram) == destination]
    return key_shares(first, CLIENT_HELLO, destination), key_shares(relay.to_client[:4], SERVER_HELLO, destination)


async def test_the_group_on_the_wire_is_the_post_quantum_one() -> None:
    async with quic_port() as port, relayed(*port.addresses[0]) as relay:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust) as client:
            assert await exchange(client, b"x") == b"x"
        offered, chosen = groups_of(relay)
        assert offered == [(X25519MLKEM768, 1_216)]
        assert chosen == [(0x11EC, 1_120)]


async def test_qh3_executes_a_function_over_that_group(tmp_path: Path) -> None:
    """qh3's TLS and ML-KEM are aws-lc's, in Rust."""
    async with serving(folder=tmp_path) as node, relayed(*node.server.quic_addresses[0]) as relay:
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], server_name="localhost")
        configuration.load_verify_locations(cafile=str(tmp_path / QUIC_NAMES[0]))
        async with qh3.asyncio.client.connect("127.0.0.1", relay.port, configuration=configuration) as client:
            reader, writer = await client.create_stream()
            writer.write(framed(encode_request(request())))
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 10)
        assert int.from_bytes(decode_result(answer[4:]).return_value, "big") == 6
        offered, chosen = groups_of(relay)
        assert (0x11EC, 1_216) in offered
        assert chosen == [(0x11EC, 1_120)]


async def test_qh3_without_the_group_s_authority_is_not_trusted(tmp_path: Path) -> None:
    async with serving(folder=tmp_path) as node:
        host, port = node.server.quic_addresses[0]
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], server_name="localhost")
        configuration.verify_mode = ssl.CERT_REQUIRED
        with pytest.raises((ConnectionError, ssl.SSLError, ValueError)):
            async with qh3.asyncio.client.connect(host, port, configuration=configuration):
                pass


@pytest.mark.lengthy
async def test_a_path_that_loses_repeats_and_reorders() -> None:
    faults = Faults(loss=0.2, repetition=0.1, reordering=0.2, seed=7)
    async with quic_port() as port, relayed(*port.addresses[0], faults) as relay:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust, timeout_seconds=30) as client:
            data = maths() * 200
            answers = await asyncio.gather(*(exchange(client, data + bytes((index,))) for index in range(4)))
            assert answers == [data + bytes((index,)) for index in range(4)]
