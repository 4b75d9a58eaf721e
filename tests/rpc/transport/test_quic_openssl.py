"""OpenSSL's own QUIC client on zvm/1: the post-quantum group, executions, resets with a code, a refusal."""

import asyncio
from pathlib import Path

import pytest

from testing.openssl_quic import OpenSslError, connected, openssl
from testing.wasm_modules import maths
from tests.rpc.methods.memory_node import Node, start_node, stop_node
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.quic.codes import TOO_LARGE
from zevm.rpc.transport.quic.options import AUTHORITY_NAME, QuicPortOptions
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, encode_request, framed

pytestmark = pytest.mark.skipif(
    openssl() is None, reason="no libssl of OpenSSL 3.5 or newer: pip install psycopg-binary"
)


async def serving(folder: Path) -> Node:
    quic = QuicPortOptions(("127.0.0.1",), 0, folder=folder)
    return await start_node(server=ServerOptions(hosts=(), quic=quic))


def ask(address: tuple[str, int], authority: Path) -> None:
    data = framed(encode_request(WasmExecutionRequest(7, maths(), "gcd", [54, 24], 10**7, 2**26, 5_000)))
    with connected(address, authority, ALPN) as client:
        for _ in range(3):
            answer = client.exchange(data)
            assert int.from_bytes(answer[:4], "big") == len(answer) - 4
            result = decode_result(answer[4:])
            assert (result.request_id, result.status) == (7, ExecutionStatus.SUCCESS)
            assert int.from_bytes(result.return_value, "big") == 6
        with pytest.raises(OpenSslError) as caught:
            client.exchange((2**32 - 1).to_bytes(4, "big"), ends=False)
        assert caught.value.code == TOO_LARGE
        large = framed(encode_request(WasmExecutionRequest(8, bytes(1_000_000), "f", b"", 10**7, 2**26, 5_000)))
        assert decode_result(client.exchange(large)[4:]).status is ExecutionStatus.INVALID_MODULE


@pytest.mark.lengthy
async def test_openssl_executes_functions_over_the_post_quantum_group(tmp_path: Path) -> None:
    node = await serving(tmp_path)
    try:
        await asyncio.to_thread(ask, node.server.quic_addresses[0], tmp_path / AUTHORITY_NAME)
        figures = node.server.quic_figures()
        assert figures is not None
        assert figures.handshakes == {(ALPN, "X25519MLKEM768"): 1}
    finally:
        await stop_node(node)


async def test_openssl_without_the_group_is_refused(tmp_path: Path) -> None:
    def classical(address: tuple[str, int]) -> None:
        with connected(address, tmp_path / AUTHORITY_NAME, ALPN, groups="X25519"):
            pass

    node = await serving(tmp_path)
    try:
        with pytest.raises(OpenSslError, match="no connection"):
            await asyncio.to_thread(classical, node.server.quic_addresses[0])
    finally:
        await stop_node(node)
