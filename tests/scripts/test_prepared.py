"""What is kept for the workers of pytest-xdist before they start is what each of them would make."""

from pathlib import Path

import pytest
from hypothesis.internal import charmap

from testing import prepared


def test_hypothesis_reads_which_characters_can_be_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charmap, "charmap_file", lambda name="charmap": tmp_path / "data" / name)
    monkeypatch.setattr(prepared, "ENCODABLE", ((65, 67), (97, 97)))
    prepared.keep_characters()
    encodable, changed = charmap.intervals_from_codec.__wrapped__("utf-8")
    assert (encodable.intervals, changed.intervals) == (((65, 67), (97, 97)), ())


def test_every_character_but_surrogates_can_be_encoded() -> None:
    ends = [end for interval in prepared.ENCODABLE for end in interval]
    assert ends == [0, 0xD7FF, 0xE000, 0x10FFFF]
    assert all(chr(end).encode().decode() == chr(end) for end in ends)
    for surrogate in (0xD800, 0xDFFF):
        with pytest.raises(UnicodeEncodeError):
            chr(surrogate).encode()
