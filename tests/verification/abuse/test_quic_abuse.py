"""verification.abuse.quic: one turn of its attacks finds nothing; an answer that is none of the protocol's is found."""

import pytest

from verification.abuse import quic
from zevm.rpc.transport.quic.zvm.authentication import Authenticator


def test_one_turn_of_the_attacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert quic.main(["--seconds", "0", "--seed", "7"]) == 0, capsys.readouterr()
    told = capsys.readouterr().out
    for word in ("SUCCESS", "AUTHENTICATION_FAILED", "0x101", "0x102", "0x105", "unfinished handshake 100"):
        assert word in told


def test_a_node_that_takes_a_signature_twice_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quic, "ATTACKS", (quic.replayed_signatures,))
    monkeypatch.setattr(Authenticator, "_take", lambda *_: None)
    assert quic.main(["--seconds", "0", "--seed", "7"]) == 1
    assert "a signed request ended in SUCCESS, not in AUTHENTICATION_FAILED" in capsys.readouterr().err
