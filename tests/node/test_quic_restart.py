"""A node's QUIC port over its restarts: what was signed for the process before is not taken again."""

import asyncio
import re
import time
from pathlib import Path

from coincurve import PrivateKey

from testing.node_process import NodeProcess, zevm_command
from testing.wasm_modules import maths
from tests.rpc.methods.memory_node import address_of
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest, WasmExecutionResult
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.options import AUTHORITY_NAME
from zevm.rpc.transport.quic.zvm import authentication
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, encode_request, framed

QUIC_LINE = re.compile(r"QUIC on \S+:(?P<port>\d+)")
KEY = PrivateKey(b"\x07" * 32)
CHAIN_ID = 31_337


def signed(server_key_hash: bytes) -> bytes:
    """The frames of a request that is valid for as long as it may be."""
    caller, limits = address_of(KEY), {"gas_limit": 10**7, "memory_limit": 2**26, "timeout_ms": 10_000}
    message = encode_request(WasmExecutionRequest(5, maths(), "gcd", [54, 24], caller_address=caller, **limits))
    proof = authentication.sign(KEY, CHAIN_ID, server_key_hash, message, expiry=int(time.time()) + 59)
    return framed(message) + framed(proof.encode())


async def sent(port: int, authority: Path, data: bytes | None) -> tuple[bytes, WasmExecutionResult]:
    """The bytes that were sent, newly signed ones for None, and their result."""
    async with connect("127.0.0.1", port, alpn=ALPN, trust=Trust(authority=authority)) as client:
        data = data or signed(client.server_key_hash)
        stream = client.open_stream()
        await stream.write(data)
        stream.write_eof()
        size = int.from_bytes(await stream.readexactly(4), "big")
        return data, decode_result(await stream.readexactly(size))


def test_a_signed_request_does_not_pass_again_after_a_kill(tmp_path: Path) -> None:
    command = zevm_command("--quic-port", "0", "--datadir", str(tmp_path))
    with NodeProcess(command) as node:
        port = int(node.wait_for_line(QUIC_LINE)["port"])
        data, first = asyncio.run(sent(port, tmp_path / AUTHORITY_NAME, None))
        assert first.status is ExecutionStatus.SUCCESS
        node.kill()
    with NodeProcess(command) as node:
        port = int(node.wait_for_line(QUIC_LINE)["port"])
        _, again = asyncio.run(sent(port, tmp_path / AUTHORITY_NAME, data))
        assert again.status is ExecutionStatus.AUTHENTICATION_FAILED
        assert "the nonce was used before" in again.error_message
        _, other = asyncio.run(sent(port, tmp_path / AUTHORITY_NAME, None))
        assert other.status is ExecutionStatus.SUCCESS
