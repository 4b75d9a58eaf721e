"""verification.abuse.malformed_frames: a slice of it finds nothing; what a node must not do is found."""

from typing import Any

import pytest

from verification.abuse import malformed_frames
from verification.abuse.broken_packets import FaultError
from zevm.rpc.transport.quic.zvm import messages, service

SUBJECTS = ("zvm message", "sync message", "name", "zvm stream", "sync stream", "h3", "datagram", "frame in a packet")


def test_a_slice() -> None:
    count, grown, report = malformed_frames.run(2_000, 7)
    assert count == 2_000
    assert grown < 64
    assert {name.partition(":")[0] for name in report} == set(SUBJECTS)
    for outcome in (
        "zvm stream: SUCCESS",
        "zvm stream: 0x101",
        "zvm stream: 0x102",
        "zvm message: read",
        "name: normal",
    ):
        assert report[outcome], outcome


FAULTS: dict[str, tuple[Any, str, Any, str]] = {
    "another exception": (messages, "decode_request", lambda data: data[10**6], "a message of zvm/1: IndexError"),
    "other bytes": (messages, "encode_result", lambda _: b"", "is read as other bytes"),
    "an error in the log": (service, "decode_request", lambda data: data[10**6], "reset with 0x1ff|errors in the log"),
    "held bytes": (service._Hold, "size", property(lambda _: 0, lambda *_: None), "holds"),
    "no normal form": (malformed_frames, "normalised", lambda text: text + "x", "is not normal"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_found(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, value, told = FAULTS[case]
    monkeypatch.setattr(owner, name, value)
    with pytest.raises(FaultError, match=told):
        malformed_frames.run(1_000, 7)
