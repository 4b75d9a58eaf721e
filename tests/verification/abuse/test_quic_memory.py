"""verification.abuse.quic_memory: its peers are served, and what is too much or grows is found."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

import zevm
from verification.abuse import quic_memory
from verification.abuse.quic import FaultError
from verification.abuse.quic_memory import GROWTH_BYTES, PEER_BYTES, asking, judge, rest_bytes, with_peers
from zevm.rpc.transport.quic.options import AUTHORITY_NAME


def test_peers_are_served_and_the_memory_is_read(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with zevm.Node(tmp_path, quic_port=port):
        largest = asyncio.run(with_peers(port, tmp_path / AUTHORITY_NAME, os.getpid(), asking, 2))
    assert 20_000_000 < largest < 10**11


def test_the_rest_is_read_once_the_heap_had_time_to_be_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([200, 150, 120, 110, 100, 90])
    monkeypatch.setattr(quic_memory, "resident_bytes", lambda _: next(readings) * 10**6)
    # back to what it was, with what lets nothing be trimmed: no longer waited for
    assert rest_bytes(1, [50 * 10**6, 113 * 10**6]) == 120 * 10**6
    monkeypatch.setattr(quic_memory, "REST_SECONDS", 0.0)
    assert rest_bytes(1, [50 * 10**6, 50 * 10**6]) == 110 * 10**6


def test_too_much_and_growing_memory_are_found() -> None:
    judge("idle", [PEER_BYTES], [10, 20, 20 + GROWTH_BYTES])
    judge("idle", [0], [10, 10 + 2 * GROWTH_BYTES])  # the first rounds fill what is filled once
    with pytest.raises(FaultError, match="idle: 8000001 bytes a peer, the limit is 8000000"):
        judge("idle", [0, PEER_BYTES + 1], [10, 10])
    with pytest.raises(FaultError, match="16000001 bytes more are left than after the second round"):
        judge("idle", [0], [10, 20, 21 + GROWTH_BYTES])
