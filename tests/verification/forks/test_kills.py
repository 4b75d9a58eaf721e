"""The campaign of kills while fetching, for a short while; and that it finds what is lost and what is wrong."""

import pytest

from verification.forks import killing
from zevm.node.origin.kept import Kept
from zevm.storage import schema

pytestmark = pytest.mark.slow


def test_what_a_killed_process_had_is_on_disk() -> None:
    outcomes = killing.run(5, seed=3)
    assert outcomes["kills"] == 5
    assert outcomes["there, had"] > 10


def test_what_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The killed process is another one, which is whole."""
    monkeypatch.setattr(Kept, "node", lambda *_: None)
    with pytest.raises(AssertionError, match="was had, and is lost"):
        killing.run(5, seed=3)


def test_what_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Kept.record

    def wrong(self: Kept, key: bytes) -> bytes | None:
        return bytes(32) if self.is_open and key.startswith(schema.CANONICAL.prefix) else record(self, key)

    monkeypatch.setattr(Kept, "record", wrong)
    with pytest.raises(AssertionError, match="is answered wrongly from disk"):
        killing.run(5, seed=3)
