"""Chromium over HTTP/3: it loads the node's page, whose script then asks for new blocks by POST."""

import asyncio
import base64
import os
import shutil
from pathlib import Path

import pytest

from tests.rpc.methods.memory_node import start_node, stop_node
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.quic.certificates import identity_of
from zevm.rpc.transport.quic.options import QuicPortOptions

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)


@pytest.mark.lengthy
@pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is installed")
async def test_the_page_and_its_calls_in_chromium(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    options = QuicPortOptions(("127.0.0.1",), 0, folder=tmp_path)
    key_hash = base64.b64encode(identity_of(options).server_key_hash).decode()
    node = await start_node(server=ServerOptions(hosts=(), quic=options))
    try:
        host, port = node.server.quic_addresses[0]
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-quic",
            f"--origin-to-force-quic-on=localhost:{port}",
            f"--host-resolver-rules=MAP localhost {host}, MAP * ~NOTFOUND",
            f"--ignore-certificate-errors-spki-list={key_hash}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            f"https://localhost:{port}/",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        try:
            async with asyncio.timeout(60):
                page, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

        assert b"ETH</td>" in page, page
        assert b">Copy</button>" in page, "the script ran"
        figures = node.server.quic_figures()
        assert figures is not None
        assert set(figures.handshakes) == {("h3", "X25519MLKEM768")}
    finally:
        await stop_node(node)
