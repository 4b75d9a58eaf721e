"""zvm/1 on a node: executions, deployments, framing, limits, statistics, signatures, clients."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_abi import encode

from testing.speed import PATIENCE_SECONDS
from testing.wasm_modules import box, floats, maths, selector
from tests.rpc.methods.memory_node import ALICE, KEYS, Node, address_of, start_node, stop_node
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.zvm.functions import run_function
from zevm.covenant.wasm import WasmExecutionRequest, WasmExecutionResult
from zevm.quic import AsyncZvmQuicClient, ExecutionOptions, ExecutionStatus, QuicError, ServerStatistics, ZvmQuicClient
from zevm.rpc.limits import Limits
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.quic import client as quic_client
from zevm.rpc.transport.quic.codes import AUTHENTICATION_REQUIRED, BAD_FRAME, BUSY, DEADLINE, TOO_LARGE
from zevm.rpc.transport.quic.key_exchange import X25519MLKEM768
from zevm.rpc.transport.quic.options import QuicPortOptions
from zevm.rpc.transport.quic.streams import StreamResetError
from zevm.rpc.transport.quic.zvm import authentication, execution, service
from zevm.rpc.transport.quic.zvm.messages import ALPN, BUSY_MESSAGE, decode_result, encode_request, framed
from zevm.storage.keccak import keccak256

RICH = ExecutionOptions(gas_limit=30_000_000)


@asynccontextmanager
async def serving(
    *, require_authentication: bool = False, folder: Path | None = None, **limits: Any
) -> AsyncIterator[Node]:
    quic = QuicPortOptions(("127.0.0.1",), 0, folder=folder, require_authentication=require_authentication)
    node = await start_node(limits=replace(Limits(), **limits), server=ServerOptions(hosts=(), quic=quic))
    try:
        yield node
    finally:
        await stop_node(node)


def dialled(node: Node, **options: Any) -> AsyncZvmQuicClient:
    host, port = node.server.quic_addresses[0]
    return AsyncZvmQuicClient(host, port, server_key_hash=node.server.quic.identity.server_key_hash, **options)


@asynccontextmanager
async def connected(node: Node) -> AsyncIterator[quic_client.ClientConnection]:
    """A connection whose bytes the test chooses."""
    host, port = node.server.quic_addresses[0]
    trust = quic_client.Trust(server_key_hash=node.server.quic.identity.server_key_hash)
    async with quic_client.connect(host, port, alpn=ALPN, trust=trust) as client:
        yield client


async def sent(client: quic_client.ClientConnection, data: bytes, *, ends: bool = True) -> WasmExecutionResult:
    """The result for bytes of a stream. Raises StreamResetError."""
    stream = client.open_stream()
    await stream.write(data)
    if ends:
        stream.write_eof()
    size = int.from_bytes(await stream.readexactly(4), "big")
    result = decode_result(await stream.readexactly(size))
    assert await stream.read() == b""
    return result


async def code_of(client: quic_client.ClientConnection, data: bytes, *, ends: bool = True) -> int | None:
    """The code with which a stream of these bytes is reset."""
    with pytest.raises(StreamResetError) as raised:
        await sent(client, data, ends=ends)
    return raised.value.code


def request(**fields: Any) -> WasmExecutionRequest:
    defaults = {
        "request_id": 5,
        "module_bytecode": maths(),
        "function_name": "gcd",
        "arguments": [54, 24],
        "gas_limit": 30_000_000,
        "memory_limit": 2**26,
        "timeout_ms": 30_000,
    }
    return WasmExecutionRequest(**{**defaults, **fields})


async def test_a_function_runs_over_the_post_quantum_group() -> None:
    async with serving() as node, dialled(node) as client:
        assert client.group == X25519MLKEM768
        result = await client.execute_function(maths(), "gcd", [54, 24], RICH)
        assert (result.status, int.from_bytes(result.return_value, "big")) == (ExecutionStatus.SUCCESS, 6)
        assert result.request_id == 1
        assert result.gas_consumed > 0
        assert result.execution_time_us > 0
        assert (await client.execute_function(maths(), "gcd", [54, 24], RICH)).request_id == 2


async def test_a_function_of_integers_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[object] = []

    def counted(*given: Any, **named: Any) -> Any:
        runs.append(given)
        return run_function(*given, **named)

    monkeypatch.setattr(execution, "run_function", counted)
    async with serving() as node, dialled(node) as client:
        assert (await client.execute_function(maths(), "gcd", [54, 24], RICH)).status is ExecutionStatus.SUCCESS
    assert len(runs) == 1


async def test_each_way_ends_in_its_status() -> None:
    cases: list[tuple[bytes, str, Any, ExecutionOptions, ExecutionStatus]] = [
        (maths(), "gcd", [54, 24], RICH, ExecutionStatus.SUCCESS),
        (maths(), "gcd", [1, 2], ExecutionOptions(gas_limit=10), ExecutionStatus.OUT_OF_GAS),
        (box(), "get()", b"", replace(RICH, memory_limit=0), ExecutionStatus.OUT_OF_MEMORY),
        (maths(), "gcd", [1, 2], replace(RICH, timeout_ms=0), ExecutionStatus.TIMEOUT),
        (maths(), "lcm", [1, 2], RICH, ExecutionStatus.INVALID_FUNCTION),
        (maths(), "gcd", b"seven..", RICH, ExecutionStatus.INVALID_FUNCTION),
        (box(), "unknown()", b"", RICH, ExecutionStatus.INVALID_FUNCTION),
        (box(), "set(uint256)", b"", RICH, ExecutionStatus.RUNTIME_ERROR),
        (floats(), "f", b"", RICH, ExecutionStatus.INVALID_MODULE),
        (b"text", "f", b"", RICH, ExecutionStatus.INVALID_MODULE),
        (maths(), "gcd", [1, 2], replace(RICH, caller_address="0xyz"), ExecutionStatus.AUTHENTICATION_FAILED),
    ]
    async with serving() as node, dialled(node) as client:
        for module, name, arguments, options, status in cases:
            result = await client.execute_function(module, name, arguments, options)
            assert result.status is status, (name, status, result)
            assert bool(result.error_message) == (status is not ExecutionStatus.SUCCESS)


async def test_a_deployment_and_calls_of_its_contract_on_the_head() -> None:
    async with serving() as node, dialled(node) as client:
        deployed = await client.deploy_module(box(), encode(["uint256"], [7]))
        assert deployed.status is ExecutionStatus.SUCCESS, deployed
        address = deployed.return_value
        assert await node.call("eth_getCode", "0x" + address.hex(), "latest") != "0x"
        assert deployed.gas_consumed > 200_000
        read = await client.execute_function(address, "get()", b"", RICH)
        assert int.from_bytes(read.return_value, "big") == 7
        changed = await client.execute_function(address, "set(uint256)", encode(["uint256"], [9]), RICH)
        assert changed.modified_state
        again = await client.execute_function(address, "get()", b"", RICH)
        assert int.from_bytes(again.return_value, "big") == 7  # nothing was kept
        for options, status in (
            (ExecutionOptions(gas_limit=0, caller_address=bytes(19) + b"\1"), ExecutionStatus.AUTHENTICATION_FAILED),
            (ExecutionOptions(gas_limit=0, caller_address="me"), ExecutionStatus.AUTHENTICATION_FAILED),
            (ExecutionOptions(gas_limit=1), ExecutionStatus.RUNTIME_ERROR),
        ):
            assert (await client.deploy_module(box(), b"", options)).status is status
        assert (await client.deploy_module(b"\0asm\1\0\0\0")).status is ExecutionStatus.INVALID_MODULE


async def test_frames_that_are_none_reset_their_stream_alone() -> None:
    good = framed(encode_request(request()))
    signed = framed(bytes(authentication.AUTHENTICATION_BYTES))
    async with serving(quic_message_bytes=100_000) as node, connected(node) as client:
        for data, code in (
            ((100_001).to_bytes(4, "big"), TOO_LARGE),
            (b"\xff\xff\xff\xff", TOO_LARGE),
            (b"", BAD_FRAME),
            (b"\0\0", BAD_FRAME),
            (bytes(4), BAD_FRAME),
            ((35).to_bytes(4, "big") + bytes(35), BAD_FRAME),
            (good[:-1], BAD_FRAME),
            (framed(encode_request(request()) + b"\0"), BAD_FRAME),
            (good + b"\0", BAD_FRAME),
            (good + framed(b"x"), BAD_FRAME),
            (good + framed(bytes(200)), TOO_LARGE),
            (good + signed + b"x", BAD_FRAME),
        ):
            assert await code_of(client, data) == code, data[:60]
        # a length that is too large is refused before the rest has come
        assert await code_of(client, b"\x7f\xff\xff\xff", ends=False) == TOO_LARGE
        assert (await sent(client, good)).status is ExecutionStatus.SUCCESS
        too_long = framed(encode_request(request(arguments=b"")))
        assert (await sent(client, too_long)).status is ExecutionStatus.INVALID_FUNCTION


async def test_a_request_that_is_not_whole_in_time_is_given_up() -> None:
    good = framed(encode_request(request()))
    async with serving(quic_body_seconds=0.2) as node, connected(node) as client:
        for part in (good[:2], good[:50], good):  # the last one lacks the end of the stream
            assert await code_of(client, part, ends=False) == DEADLINE


async def test_requests_held_are_bounded_for_a_connection_and_for_all() -> None:
    large = (60_000).to_bytes(4, "big") + bytes(100)
    for limits in ({"quic_input_bytes": 100_000}, {"quic_total_input_bytes": 100_000}):
        async with serving(**limits) as node, connected(node) as client, connected(node) as other:
            first = client.open_stream()
            await first.write(large)
            second = other if "quic_total_input_bytes" in limits else client
            while not any(connection.held_bytes for connection in node.server.quic.connections()):
                await asyncio.sleep(0.001)
            assert await code_of(second, large, ends=False) == BUSY
            first.reset(0)
            while True:  # its bytes are given back
                try:
                    assert (await sent(client, framed(encode_request(request())))).status is ExecutionStatus.SUCCESS
                    break
                except StreamResetError:
                    continue


async def test_replies_held_are_bounded() -> None:
    async with serving(quic_output_bytes=70) as node, connected(node) as client:
        assert await code_of(client, framed(encode_request(request()))) == BUSY
    async with serving(quic_output_bytes=90) as node, connected(node) as client:
        assert (await sent(client, framed(encode_request(request())))).status is ExecutionStatus.SUCCESS


class Gate:
    """An execution that waits until it is let go or cancelled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running = 0
        self.cancelled = 0
        self.open = False
        monkeypatch.setattr(service, "execute", self.execute)

    def execute(self, services: object, wanted: WasmExecutionRequest, *, deadline: Deadline) -> WasmExecutionResult:  # noqa: ARG002
        self.running += 1
        while not self.open and not deadline.expired():
            time.sleep(0.001)
        self.cancelled += not self.open
        return WasmExecutionResult(wanted.request_id, ExecutionStatus.SUCCESS, b"", 11, 0, "", b"")

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.001)


async def test_executions_past_the_limit_are_told_that_the_server_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with serving(quic_executions=3) as node, dialled(node) as client:
        waiting = [asyncio.create_task(client.execute_function(maths(), "f")) for _ in range(3)]
        await gate.until(lambda: gate.running == 2)
        statistics = await client.statistics()
        assert (statistics.active_executions, statistics.total_executions_started) == (3, 3)
        busy = await client.execute_function(maths(), "f")
        assert (busy.status, busy.error_message) == (ExecutionStatus.RUNTIME_ERROR, BUSY_MESSAGE)
        assert (await client.statistics()).oldest_execution_age_ms > 0
        figures = node.server.quic_figures()
        assert figures is not None
        assert (figures.active_executions, figures.executions, figures.refused_busy) == (3, 3, 1)
        assert figures.connections == {("zvm/1", "X25519MLKEM768"): 1}
        gate.open = True
        assert {(await task).status for task in waiting} == {ExecutionStatus.SUCCESS}
        assert await client.statistics() == ServerStatistics(0, 3, 33, 0)


@pytest.mark.parametrize("leaves", ["stream", "connection"])
async def test_a_client_that_leaves_cancels_its_execution(monkeypatch: pytest.MonkeyPatch, leaves: str) -> None:
    gate = Gate(monkeypatch)
    async with serving(evm_timeout_seconds=60.0) as node:
        async with dialled(node) as client:
            task = asyncio.create_task(client.execute_function(maths(), "f"))
            await gate.until(lambda: gate.running == 1)
            if leaves == "stream":
                task.cancel()
                await gate.until(lambda: gate.cancelled == 1)
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        await gate.until(lambda: gate.cancelled == 1)
        assert isinstance(outcome, BaseException)
        assert (gate.running, gate.cancelled, gate.open) == (1, 1, False)


# signatures

STRANGER = PrivateKey(b"\x07" * 32)


def signed(node: Node, key: PrivateKey, wanted: WasmExecutionRequest, **changes: Any) -> bytes:
    """The two frames of a signed request, with parts of the signed values changed."""
    message = encode_request(wanted)
    values = {
        "chain_id": node.chain.chain_id,
        "server_key_hash": node.server.quic.identity.server_key_hash,
        "request": message,
        "expiry": int(time.time()) + 30,
    } | changes
    expiry, chain_id = values.pop("expiry"), values.pop("chain_id")
    proof = authentication.sign(key, chain_id, values["server_key_hash"], values["request"], expiry=expiry)
    return framed(message) + framed(proof.encode())


async def test_a_signed_request_passes_once() -> None:
    own = request(caller_address=address_of(STRANGER))
    async with serving() as node, connected(node) as client:
        data = signed(node, STRANGER, own)
        assert (await sent(client, data)).status is ExecutionStatus.SUCCESS
        replayed = await sent(client, data)
        assert (replayed.status, replayed.request_id) == (ExecutionStatus.AUTHENTICATION_FAILED, 5)
        assert "nonce" in replayed.error_message
        # the other form of the same signature does not pass either
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        s, v = order - int.from_bytes(data[-33:-1], "big"), bytes((55 - data[-1],))
        assert "nonce" in (await sent(client, data[:-33] + s.to_bytes(32, "big") + v)).error_message


async def test_nonces_are_counted_for_the_address_that_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[str] = []
    check = authentication.Authenticator.check

    def noted(self: authentication.Authenticator, message: bytes, caller: Any, given: Any, host: str) -> None:
        hosts.append(host)
        check(self, message, caller, given, host)

    monkeypatch.setattr(authentication.Authenticator, "check", noted)
    async with serving() as node, connected(node) as client:
        data = signed(node, STRANGER, request(caller_address=address_of(STRANGER)))
        assert (await sent(client, data)).status is ExecutionStatus.SUCCESS
    assert hosts == ["127.0.0.1"]


async def test_what_is_not_signed_right_gets_status_7() -> None:
    own = request(caller_address=address_of(STRANGER))
    async with serving() as node, connected(node) as client:
        good = signed(node, STRANGER, own)
        now = int(time.time())
        for data, told in (
            (signed(node, KEYS[0], own), "signature is of"),
            (signed(node, STRANGER, own, server_key_hash=bytes(32)), "signature is of"),
            (signed(node, STRANGER, own, chain_id=1), "signature is of"),
            (signed(node, STRANGER, own, request=encode_request(request())), "signature is of"),
            (signed(node, STRANGER, request()), "signature is of"),
            (signed(node, STRANGER, own, expiry=now - 1), "expired"),
            (signed(node, STRANGER, own, expiry=now + 3_600), "expires in"),
            (good[:-1] + b"\0", "last byte"),
            (good[:-65] + bytes(64) + b"\x1b", "none of secp256k1"),
        ):
            result = await sent(client, data)
            assert result.status is ExecutionStatus.AUTHENTICATION_FAILED
            assert told in result.error_message
        assert (await sent(client, good)).status is ExecutionStatus.SUCCESS


async def test_signatures_can_be_required() -> None:
    async with serving(require_authentication=True) as node:
        async with connected(node) as client:
            assert await code_of(client, framed(encode_request(request()))) == AUTHENTICATION_REQUIRED
        async with dialled(node) as unsigned:
            with pytest.raises(QuicError, match="0x104, the request must be signed"):
                await unsigned.execute_function(maths(), "gcd", [4, 6], RICH)
        async with dialled(node, private_key=KEYS[0].secret) as client:
            assert (await client.execute_function(maths(), "gcd", [4, 6], RICH)).status is ExecutionStatus.SUCCESS
            deployed = await client.deploy_module(box(), encode(["uint256"], [7]))
            assert deployed.status is ExecutionStatus.SUCCESS
            creator = await node.call("eth_getBlockByNumber", "latest", True)
            assert creator["transactions"][0]["from"] == "0x" + ALICE.hex()
        async with dialled(node, private_key=KEYS[0].secret, chain_id=1) as other:
            result = await other.execute_function(maths(), "gcd", [4, 6], RICH)
            assert result.status is ExecutionStatus.AUTHENTICATION_FAILED


def test_nonces_and_expiries_are_bounded() -> None:
    now = [1_000.0]
    limits = {"quic_nonces": 3, "quic_nonces_per_address": 2, "quic_authentication_seconds": 60.0}
    checker = authentication.Authenticator(
        1,
        bytes(32),
        nonces=limits["quic_nonces"],
        nonces_per_source=limits["quic_nonces_per_address"],
        longest_seconds=limits["quic_authentication_seconds"],
        now=lambda: now[0],
    )
    caller = address_of(STRANGER)

    def check(expiry: int, host: str = "2001:db8::1") -> None:
        checker.check(b"m", caller, authentication.sign(STRANGER, 1, bytes(32), b"m", expiry=expiry), host)

    check(1_010)
    check(1_060)
    for host in ("2001:db8::1", "2001:db8::ffff:1"):  # one network's share is full
        with pytest.raises(authentication.NoncesFullError):
            check(1_020, host)
    check(1_060, "2001:db8:0:1::1")
    with pytest.raises(authentication.NoncesFullError):
        check(1_020, "192.0.2.1")
    with pytest.raises(authentication.AuthenticationError, match="the limit is 60 s"):
        check(1_061)
    now[0] = 1_010.0  # one has expired
    check(1_020)
    with pytest.raises(authentication.NoncesFullError):
        check(1_020)


def test_a_clock_that_is_set_back_lets_no_request_pass_again() -> None:
    now = [1_000.0]
    checker = authentication.Authenticator(
        1, bytes(32), nonces=9, nonces_per_source=9, longest_seconds=60.0, now=lambda: now[0]
    )
    caller = address_of(STRANGER)
    given, later = (authentication.sign(STRANGER, 1, bytes(32), b"m", expiry=expiry) for expiry in (1_010, 1_050))
    checker.check(b"m", caller, given, "192.0.2.1")
    now[0] = 1_011.0
    checker.check(b"m", caller, later, "192.0.2.1")  # drops the first one's nonce
    now[0] = 1_000.0
    with pytest.raises(authentication.AuthenticationError, match="expired"):
        checker.check(b"m", caller, given, "192.0.2.1")


async def test_the_signature_limits_are_those_of_the_table() -> None:
    own = request(caller_address=address_of(STRANGER))
    async with serving(quic_nonces=1, quic_authentication_seconds=31.0) as node, connected(node) as client:
        late = signed(node, STRANGER, own, expiry=int(time.time()) + 50)
        assert "the limit is 31 s" in (await sent(client, late)).error_message
        assert (await sent(client, signed(node, STRANGER, own))).status is ExecutionStatus.SUCCESS
        assert (await sent(client, signed(node, STRANGER, own))).error_message == BUSY_MESSAGE


def test_the_type_is_that_of_eip_712() -> None:
    from eth_account.messages import _hash_eip191_message, encode_typed_data

    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
            ],
            "Request": [
                {"name": "server", "type": "bytes32"},
                {"name": "request", "type": "bytes32"},
                {"name": "nonce", "type": "bytes32"},
                {"name": "expiry", "type": "uint64"},
            ],
        },
        "primaryType": "Request",
        "domain": {"name": "zvm", "version": "1", "chainId": 31_337},
        "message": {"server": b"\1" * 32, "request": keccak256(b"m"), "nonce": b"\2" * 32, "expiry": 9},
    }
    expected = _hash_eip191_message(encode_typed_data(full_message=typed))
    signed = authentication.signing_hash(31_337, server_key_hash=b"\1" * 32, request=b"m", nonce=b"\2" * 32, expiry=9)
    assert signed == expected


async def test_the_client_without_a_loop_and_the_one_that_was_idle() -> None:
    async with serving(quic_idle_seconds=0.5) as node:
        host, port = node.server.quic_addresses[0]
        identity = node.server.quic.identity

        def use() -> list[int]:
            with ZvmQuicClient(host, port, server_key_hash=identity.server_key_hash) as client:
                found = [client.execute_function(maths(), "gcd", [54, 24], RICH).return_value[-1]]
                while client._client._connection.is_open:
                    time.sleep(0.01)
                found.append(client.execute_function(maths(), "gcd", [10, 4], RICH).return_value[-1])
                assert client.group == X25519MLKEM768
                assert client.statistics().total_executions_started == 2
            with pytest.raises(QuicError, match="closed"):
                client.statistics()
            return found

        assert await asyncio.to_thread(use) == [6, 2]


def test_a_client_that_cannot_begin_leaves_no_thread() -> None:
    def threads() -> int:
        return sum(thread.name == "zvm-quic-client" for thread in threading.enumerate())

    before = threads()
    with pytest.raises(ValueError, match=r"."):
        ZvmQuicClient("127.0.0.1", 1, private_key=b"short" * 20)
    with pytest.raises(QuicError, match="no such host name"), ZvmQuicClient("a..b", 1):
        pass
    assert threads() == before


async def test_the_selector_form_of_call_data() -> None:
    async with serving() as node, dialled(node) as client:
        address = (await client.deploy_module(box(), encode(["uint256"], [7]))).return_value
        read = await client.execute_function(address, "", selector("get()"), RICH)
        assert int.from_bytes(read.return_value, "big") == 7


async def test_a_deployment_of_no_module_is_told_without_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    modules = (
        b"",
        b"text",
        b"\0asm",
        b"\0asm\1\0\0\0",
        b"\0asm\1\0\0\0\2\xff\xff\xff\xff\x0f",
        b"\xef\xf0\0\0",
        bytes(20),
    )
    async with serving() as node, dialled(node) as client:
        for module in modules:
            result = await client.deploy_module(module)
            assert result.status is not ExecutionStatus.SUCCESS, module
            assert result.error_message
    assert not caplog.text
