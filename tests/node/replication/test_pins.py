"""The file of leaders' keys: the old one stays whole until the new one is."""

import json
import os
from pathlib import Path

import pytest

from zevm.node.replication.frames import RefusedError
from zevm.node.replication.quic import Pins
from zevm.storage.directory import PINS_NAME


def test_a_key_is_noted_and_another_one_refused(tmp_path: Path) -> None:
    Pins(tmp_path).check("node:8545", b"\x01" * 32)
    Pins(tmp_path).check("node:8545", b"\x01" * 32)
    with pytest.raises(RefusedError, match="before it had 0x0101"):
        Pins(tmp_path).check("node:8545", b"\x02" * 32)


def test_an_interrupted_write_leaves_the_keys_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = Pins(tmp_path)
    pins.check("first:8545", b"\x01" * 32)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="no space left"):
        pins.check("second:8545", b"\x02" * 32)
    assert json.loads((tmp_path / PINS_NAME).read_text()) == {"first:8545": "01" * 32}
    assert [item.name for item in tmp_path.iterdir()] == [PINS_NAME]
