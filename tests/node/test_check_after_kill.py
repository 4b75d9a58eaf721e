"""A node killed in the midst of a write leaves a sound chain: `zevm db check` tells of the cut, and of no problem."""

import shutil
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import MANUAL, transfer
from tests.storage.storage_toy import write_marks
from zevm.chain.blockchain import Chain
from zevm.chain.rules.genesis import load_default_genesis
from zevm.node.config import load_settings
from zevm.node.repair import check_database
from zevm.storage.database import Database


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The directory of a chain of two blocks, in whose third the process has ended."""
    path, copy = tmp_path / "running", tmp_path / "killed"
    with Database.open(path) as database:
        chain = Chain(database, load_default_genesis(), MANUAL)
        for nonce in range(3):
            mark = (path / "SEQUENCE").read_bytes()
            chain.writer.run(chain.send_transaction, transfer(nonce))
            chain.writer.run(chain.mine)
        shutil.copytree(path, copy)
        chain.close()
    write_marks(copy, mark)
    log = next((copy / "leveldb").glob("*.log"))
    log.write_bytes(log.read_bytes()[:-100])
    return copy


@pytest.mark.parametrize("deep", [False, True])
def test_an_unfinished_write_is_no_problem(killed: Path, deep: bool, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings({"datadir": str(killed)})
    assert list(check_database(settings, deep=deep, progress=lambda *_: None)) == []
    assert "cut an unfinished, never acknowledged write off" in caplog.text


def test_a_damaged_mark_is_one(killed: Path) -> None:
    data = bytearray((killed / "SEQUENCE").read_bytes())
    data[3] ^= 4
    (killed / "SEQUENCE").write_bytes(data)
    settings = load_settings({"datadir": str(killed)})
    (problem,) = check_database(settings, deep=False, progress=lambda *_: None)
    assert problem == f"the file {killed / 'SEQUENCE'} was damaged or missing; it is rewritten"
