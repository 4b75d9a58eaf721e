"""The QUIC port: key exchange, certificate, streams with back-pressure, limits of connections."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from aioquic import tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_certificate

from testing.speed import PATIENCE_SECONDS
from tests.rpc.transport.quic_support import dial, exchange, quic_port
from zevm.rpc.memory.sources import source_of
from zevm.rpc.transport.listener import HTTP_FLAGS, AddressInUseError, check_addresses
from zevm.rpc.transport.quic.certificates import identity_of
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.codes import INTERNAL
from zevm.rpc.transport.quic.key_exchange import (
    X25519,
    X25519MLKEM768,
    HybridPrivateKey,
    HybridPublicKey,
    install,
    offer_groups,
)
from zevm.rpc.transport.quic.options import QUIC_NAMES, QuicError, QuicPortOptions
from zevm.rpc.transport.quic.server import check_bindable
from zevm.rpc.transport.quic.streams import Stream, StreamResetError


async def test_a_stream_comes_back_over_the_post_quantum_group() -> None:
    async with quic_port() as port, dial(port) as client:
        assert client.group == X25519MLKEM768
        assert await exchange(client, b"hello") == b"hello"
        assert port.served == {("test/1", "X25519MLKEM768"): 1}


async def test_large_messages_pass_windows_that_are_smaller() -> None:
    data = bytes(range(256)) * 1_024
    windows = {"quic_stream_window_bytes": 16_384, "quic_connection_window_bytes": 65_536}
    async with quic_port(**windows) as port, dial(port) as client:
        first, second = await asyncio.gather(exchange(client, data), exchange(client, data[::-1]))
        assert (first, second) == (data, data[::-1])


def test_both_event_loops_serve() -> None:
    async def once() -> None:
        async with quic_port() as port, dial(port) as client:
            assert await exchange(client, b"x") == b"x"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(once())


def test_the_secret_is_that_of_the_standard() -> None:
    """The server's half is checked against ML-KEM and X25519 themselves, and the client's against the server's."""
    decapsulation, point = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    share = decapsulation.public_key().public_bytes_raw() + point.public_key().public_bytes_raw()
    server = HybridPrivateKey.generate()
    secret = server.exchange(HybridPublicKey.from_public_bytes(share))
    answer = server.public_key().public_bytes()
    assert len(answer) == 1_120
    assert secret[:32] == decapsulation.decapsulate(answer[:1_088])
    client = HybridPrivateKey.generate()
    offered = client.public_key().public_bytes()
    assert len(offered) == 1_216
    other = HybridPrivateKey.generate()
    agreed = other.exchange(HybridPublicKey.from_public_bytes(offered))
    assert client.exchange(HybridPublicKey.from_public_bytes(other.public_key().public_bytes())) == agreed


@pytest.mark.parametrize("share", [b"", bytes(32), bytes(1_215), bytes(1_120), b"\xff" * 1_216, None])
def test_a_bad_share_is_refused(share: bytes | None) -> None:
    if share is None:  # the point of order one, beside a good key
        share = MLKEM768PrivateKey.generate().public_key().public_bytes_raw() + bytes(32)
    with pytest.raises(ValueError, match=r"."):
        HybridPrivateKey.generate().exchange(HybridPublicKey.from_public_bytes(share))


def test_aioquic_takes_the_group() -> None:
    install()
    quic = QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=["x"]))
    offer_groups(quic, allow_classical=False)
    quic.connect(("127.0.0.1", 1), now=0.0)
    assert cast(Any, quic).tls._supported_groups == [tls.Group(X25519MLKEM768)]


async def test_a_classical_client_is_refused_unless_it_is_allowed() -> None:
    async def classical(port: Any) -> int | None:
        import zevm.rpc.transport.quic.client as client_module

        patch = pytest.MonkeyPatch()
        patch.setattr(client_module, "offer_groups", _offer_classical)
        try:
            async with dial(port, allow_classical=True) as client:
                return cast("int | None", client.group)
        finally:
            patch.undo()

    async with quic_port() as port:
        with pytest.raises(QuicError, match="No supported key share"):
            await classical(port)
        assert not port.served
    async with quic_port(options={"allow_classical": True}) as port:
        assert await classical(port) == X25519


def _offer_classical(quic: QuicConnection, *, allow_classical: bool) -> None:
    offer_groups(quic, allow_classical=allow_classical)
    begin = cast(Any, quic)._initialize

    def initialize(peer_cid: bytes) -> None:
        begin(peer_cid)
        cast(Any, quic).tls._supported_groups = [tls.Group.X25519]

    cast(Any, quic)._initialize = initialize


async def test_the_certificate_is_made_once_and_trusted_by_its_authority(tmp_path: Path) -> None:
    options = {"folder": tmp_path}
    async with quic_port(options=options) as port:
        first = port.identity.server_key_hash
        async with dial(port, trust=Trust(authority=tmp_path / QUIC_NAMES[0])) as client:
            assert client.server_key_hash == first
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(QUIC_NAMES)
    assert (tmp_path / QUIC_NAMES[2]).stat().st_mode & 0o777 == 0o600
    async with quic_port(options=options) as port:
        assert port.identity.server_key_hash == first
    given = {"certificate": tmp_path / QUIC_NAMES[1], "key": tmp_path / QUIC_NAMES[2]}
    async with quic_port(options=given) as port:
        assert port.identity.server_key_hash == first


def test_another_name_of_the_machine_makes_no_new_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container has a new name at each start, and followers know the node by its key."""
    first = identity_of(QuicPortOptions(("127.0.0.1",), 0, folder=tmp_path))
    monkeypatch.setattr("socket.gethostname", lambda: "f00dfacecafe")
    assert identity_of(QuicPortOptions(("127.0.0.1",), 0, folder=tmp_path)).chain == first.chain
    other = identity_of(QuicPortOptions(("127.0.0.2",), 0, folder=tmp_path))
    assert other.chain != first.chain
    assert other.server_key_hash == first.server_key_hash


@pytest.mark.parametrize("name", QUIC_NAMES)
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERT", "other"])
def test_what_a_killed_start_has_left_is_made_again(name: str, content: bytes | str | None, tmp_path: Path) -> None:
    options = QuicPortOptions(("127.0.0.1",), 0, folder=tmp_path)
    first = identity_of(options)
    (tmp_path / "other").mkdir()
    identity_of(QuicPortOptions(("127.0.0.1",), 0, folder=tmp_path / "other"))
    if content is None:
        (tmp_path / name).unlink()
    else:
        given = (tmp_path / "other" / name).read_bytes() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(given)
    second = identity_of(options)
    again = identity_of(options)
    assert again.chain == second.chain
    second.chain[0].verify_directly_issued_by(load_pem_x509_certificate((tmp_path / QUIC_NAMES[0]).read_bytes()))
    assert (tmp_path / QUIC_NAMES[2]).stat().st_mode & 0o777 == 0o600
    is_key = name == QUIC_NAMES[2]
    assert (second.server_key_hash == first.server_key_hash) == (not is_key)


@pytest.mark.parametrize("host", ["a" * 64, "a..b"])
async def test_what_is_no_name_of_a_host_is_told(host: str) -> None:
    with pytest.raises(QuicError, match="no such host name"):
        check_bindable(QuicPortOptions((host,), 0))
    with pytest.raises(AddressInUseError, match="no such host name"):
        check_addresses((host,), 0, HTTP_FLAGS)
    with pytest.raises(QuicError, match="no such host name"):
        async with connect(host, 1, alpn="test/1", trust=Trust()):
            pass


def test_a_name_in_other_letters_is_in_the_certificate() -> None:
    leaf = identity_of(QuicPortOptions(("b\u00fccher.example",), 0)).chain[0]
    names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert "xn--bcher-kva.example" in names.get_values_for_type(DNSName)


async def test_a_server_that_is_another_gets_nothing(tmp_path: Path) -> None:
    async with quic_port(options={"folder": tmp_path}), quic_port() as other:
        with pytest.raises(QuicError, match="certificate"):
            async with dial(other, trust=Trust(authority=tmp_path / QUIC_NAMES[0])):
                pass
        with pytest.raises(QuicError, match="has the key 0x"):
            async with dial(other, trust=Trust(server_key_hash=bytes(32))):
                pass


async def test_certificates_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        async with quic_port(options={"folder": folder}):
            pass
    for certificate, key, told in (
        (one / "absent", one / QUIC_NAMES[2], "cannot be read"),
        (one / QUIC_NAMES[2], one / QUIC_NAMES[2], "not a certificate"),
        (one / QUIC_NAMES[1], two / QUIC_NAMES[2], "is not that of the certificate"),
    ):
        with pytest.raises(QuicError, match=told):
            async with quic_port(options={"certificate": certificate, "key": key}):
                pass


async def test_a_port_in_use_is_told() -> None:
    async with quic_port() as port:
        with pytest.raises(QuicError, match=r"cannot listen on .* \(UDP\): Address already in use; stop what uses"):
            async with quic_port(options={"port": port.addresses[0][1]}):
                pass


async def test_what_waits_at_a_connection_closed_here_is_told_so() -> None:
    """It is no stop of the node that the other side serves."""
    async with quic_port() as port:
        async with dial(port) as client:
            stream = client.open_stream()
            waiting = asyncio.create_task(stream.read(1))
            await asyncio.sleep(0)
        with pytest.raises(StreamResetError, match=r"^this side has closed the connection$"):
            await waiting


@pytest.mark.lengthy
async def test_a_handler_is_cancelled_when_its_client_vanishes_or_gives_up() -> None:
    begun: asyncio.Queue[None] = asyncio.Queue()
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def wait(stream: Stream) -> None:
        await stream.read()
        begun.put_nowait(None)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.put_nowait("cancelled")
            raise

    async with quic_port(wait, quic_idle_seconds=1.0) as port:
        async with dial(port) as client:
            stream = client.open_stream()
            await stream.write(b"x")
            await begun.get()
            stream.reset(7)
            assert await ended.get() == "cancelled"
            await client.open_stream().write(b"x")
            await begun.get()
        assert await ended.get() == "cancelled"
        # without a word: its packets are lost from now on
        async with dial(port) as client:
            await client.open_stream().write(b"x")
            await begun.get()
            client._connection.transmit = lambda: None
            assert await ended.get() == "cancelled"


async def test_a_failing_handler_resets_its_stream_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(stream: Stream) -> None:
        if await stream.read() == b"fail":
            raise RuntimeError("boom")
        await stream.write(b"fine")

    async with quic_port(fail) as port, dial(port) as client:
        with pytest.raises(StreamResetError) as raised:
            await exchange(client, b"fail")
        assert raised.value.code == INTERNAL
        assert "boom" in caplog.text
        assert await exchange(client, b"go on") == b"fine"


@pytest.mark.lengthy
async def test_a_writer_waits_for_a_reader_who_does_not_read() -> None:
    written: list[int] = []

    async def flood(stream: Stream) -> None:
        while True:
            await stream.write(bytes(65_536))
            written.append(65_536)

    async with quic_port(flood, quic_write_seconds=0.5) as port, dial(port) as client:
        stream = client.open_stream()
        await stream.write(b"x")
        with pytest.raises(StreamResetError, match="0x105"):
            await reset_of(stream)
        assert 256 * 1_024 <= sum(written) < 2 * 1_024 * 1_024


async def reset_of(stream: Stream) -> None:
    """Wait for the error of a stream, and read nothing."""
    while True:
        await stream._wait_for_more()


async def test_unread_input_is_bounded_by_the_windows() -> None:
    blocked = asyncio.Event()

    async def ignore(stream: Stream) -> None:
        await blocked.wait()
        await echo_all(stream)

    async def echo_all(stream: Stream) -> None:
        whole = b""
        while part := await stream.read():
            whole += part
        stream.write_eof(str(len(whole)).encode())

    windows = {"quic_stream_window_bytes": 65_536, "quic_connection_window_bytes": 131_072}
    async with quic_port(ignore, **windows) as port, dial(port) as client:
        streams = [client.open_stream() for _ in range(4)]
        for stream in streams:
            stream.write_eof(bytes(200_000))
        (connection,) = port.connections()
        while sum(connection._windows.unread.values()) < 131_072:
            await asyncio.sleep(0)
        assert await asyncio.wait_for(client_is_idle(connection), 5) <= 131_072
        blocked.set()
        assert [await stream.read() for stream in streams] == [b"200000"] * 4


async def client_is_idle(connection: Any) -> int:
    """Wait until a round trip brings no more bytes; return how many are unread."""
    before = -1
    while (now := sum(connection._windows.unread.values())) != before:
        before = now
        await connection.ping()
    return now


@pytest.mark.lengthy
async def test_connections_are_limited_in_number_and_for_an_address() -> None:
    for limits in ({"quic_connections": 2}, {"quic_connections_per_address": 2}):
        async with quic_port(**limits) as port, dial(port), dial(port):
            with pytest.raises(QuicError, match="too many connections"):
                async with dial(port):
                    pass
            assert port.refused
        async with quic_port(**limits) as port:
            for _ in range(4):  # each gives its place back
                async with dial(port) as client:
                    assert await exchange(client, b"x") == b"x"
                await nobody_is_left(port)


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
async def test_the_addresses_of_one_network_have_one_limit(first: str, second: str, is_one: bool) -> None:
    assert (source_of(first) == source_of(second)) is is_one
    async with quic_port(quic_connections_per_address=1) as port:
        configuration = QuicConfiguration(is_client=True)
        opened = port.opened(QuicConnection(configuration=configuration), (first, 1))
        assert port.admits(second) is not is_one
        port.ended(opened)
        assert port.admits(second)


async def nobody_is_left(port: Any) -> None:
    while list(port.connections()):
        await asyncio.sleep(0)


@pytest.mark.lengthy
async def test_unfinished_handshakes_prove_their_address_past_a_limit_and_are_given_up() -> None:
    async with quic_port(quic_half_open=2, quic_handshake_seconds=1.0) as port:
        host, number = port.addresses[0]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(host, number))
        for _ in range(20):
            quic = QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=["test/1"]))
            offer_groups(quic, allow_classical=False)
            quic.connect((host, number), now=loop.time())
            for datagram, _ in quic.datagrams_to_send(now=loop.time()):
                transport.sendto(datagram)
        async with dial(port) as client:  # with a Retry
            assert await exchange(client, b"x") == b"x"
            assert len(list(port.connections())) <= 3
        await asyncio.wait_for(nobody_is_left(port), 10)
        transport.close()


async def test_a_port_that_is_closed_leaves_no_timer_of_a_handshake() -> None:
    loop = asyncio.get_running_loop()
    async with quic_port() as port:
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=port.addresses[0])
        quic = QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=["test/1"]))
        offer_groups(quic, allow_classical=False)
        quic.connect(port.addresses[0], now=loop.time())
        for datagram, _ in quic.datagrams_to_send(now=loop.time()):
            transport.sendto(datagram)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (timers := [timer for timer in port._connections.values() if timer is not None]):
                await asyncio.sleep(0.001)
    assert [timer.cancelled() for timer in timers] == [True]
    transport.close()


async def test_streams_past_the_limit_wait_for_their_turn() -> None:
    running = most = 0

    async def count(stream: Stream) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await stream.read()
        await cast(Any, stream.connection).ping()
        running -= 1

    async with quic_port(count, quic_streams=4, quic_unidirectional_streams=0) as port, dial(port) as client:
        await asyncio.gather(*(exchange(client, b"x") for _ in range(20)))
        assert most <= 4


async def test_an_unknown_protocol_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with quic_port() as port:
        with pytest.raises(QuicError, match="ALPN"):
            async with dial(port, alpn="other/1"):
                pass
    assert not caplog.text  # strangers cannot fill the log


async def test_nobody_there() -> None:
    async with quic_port() as port:
        address = port.addresses[0]
        identity = port.identity
    port.addresses, port.identity = [address], identity
    with pytest.raises(QuicError, match="no QUIC connection to"):
        async with dial(port, timeout_seconds=0.5):
            pass


async def test_datagrams_are_as_large_as_the_limit_says() -> None:
    for size in (1_200, 1_400):
        async with quic_port(quic_datagram_bytes=size, quic_largest_datagram_bytes=size) as port, dial(port) as client:
            assert await exchange(client, bytes(20_000)) == bytes(20_000)
            (connection,) = port.connections()
            assert cast(Any, connection.quic)._max_datagram_size == size


@pytest.mark.lengthy
async def test_a_client_may_take_any_server_and_keeps_an_idle_connection_by_pings() -> None:
    async with quic_port(quic_idle_seconds=0.6) as port, dial(port, trust=Trust(is_first_use=True)) as client:
        assert client.server_key_hash == port.identity.server_key_hash
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 1.2:
            await client.ping()
            await asyncio.sleep(0.05)
        assert await exchange(client, b"x") == b"x"
