"""`--load-state`, `--dump-state`, `--state`, `--state-interval`: a chain out of a file and into one (R10)."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from testing.node_process import NodeProcess
from tests.node.conftest import Command, Start
from zevm.node.config import load_settings
from zevm.node.errors import SettingsError

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
WAIT_SECONDS = 30


def _call(node: NodeProcess, method: str, *params: object) -> Any:
    with node.connect() as client:
        return client.call(method, *params)


def _send(node: NodeProcess) -> str:
    sent: str = _call(node, "eth_sendTransaction", {"from": ALICE, "to": BOB, "value": "0x5"})
    return sent


def test_r10_a_state_file_is_the_same_command_again_and_again(start: Start, tmp_path: Path) -> None:
    """R10: made at the first stop, gone on from at each start; a folder stands for its state.json; no .zevm appears."""
    (tmp_path / "states").mkdir()
    sent: list[str] = []
    for count in range(3):
        node = start("--state", "states")
        assert _call(node, "eth_blockNumber") == hex(count)
        for transaction_hash in sent:
            assert _call(node, "eth_getTransactionReceipt", transaction_hash)["status"] == "0x1"
        sent.append(_send(node))
        node.process.terminate()
        assert node.process.wait(WAIT_SECONDS) == 0
        document = json.loads((tmp_path / "states" / "state.json").read_text())
        assert (document["best_block_number"], len(document["transactions"])) == (count + 1, count + 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["states"]
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["state.json"]


def test_r10_a_chain_on_disk_goes_on_and_is_not_replaced(start: Start) -> None:
    """R10: with --datadir the file is loaded into a new chain alone; the same start works again and loses nothing."""
    node = start("--memory", "--dump-state", "state.json")
    _send(node)
    node.process.terminate()
    node.process.wait(WAIT_SECONDS)
    arguments = ("--load-state", "state.json", "--datadir", "chain")
    node = start(*arguments)
    assert _call(node, "eth_blockNumber") == "0x1"
    _send(node)
    node.process.kill()
    node.process.wait(WAIT_SECONDS)
    node = start(*arguments)
    assert _call(node, "eth_blockNumber") == "0x2"
    assert "state.json is not loaded: the data directory holds a chain already" in node.tail(100)


def test_r10_the_file_is_written_at_intervals_too(start: Start, tmp_path: Path) -> None:
    """R10: what a killed node leaves is the last interval's, and never half a file."""
    file = tmp_path / "state.json"
    node = start("--state", str(file), "--state-interval", "0.1")
    _send(node)
    deadline = time.monotonic() + WAIT_SECONDS
    while not file.exists() or json.loads(file.read_text())["best_block_number"] < 1:
        assert time.monotonic() < deadline
    node.process.kill()
    node.process.wait(WAIT_SECONDS)
    again = start("--load-state", str(file))
    assert _call(again, "eth_blockNumber") == "0x1"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no such file"), ("junk", "not a state file"), ('{"accounts": {"0x12": {}}}', "want 40")],
)
def test_r10_files_that_cannot_be_loaded(zevm: Command, tmp_path: Path, content: str | None, words: str) -> None:
    """R10: one line that names the file, and nothing is left behind."""
    file = tmp_path / "state.json"
    if content is not None:
        file.write_text(content)
    finished = zevm("run", "--port", "0", "--load-state", "state.json", "--datadir", "chain")
    assert finished.returncode == 1
    [line] = finished.stderr.splitlines()
    assert line.startswith("zevm: ")
    assert "state.json" in line
    assert words in line
    assert not (tmp_path / "chain").exists()


def test_r10_a_file_that_cannot_be_written_is_told_before_the_start(zevm: Command) -> None:
    """R10: not after a day of work."""
    finished = zevm("run", "--port", "0", "--dump-state", "nowhere/state.json")
    assert finished.returncode == 1
    assert "there is no folder nowhere" in finished.stderr


def test_r10_settings_that_fit_together() -> None:
    """R10: a chain that begins with a file is in memory, as Anvil's, unless it is given a place of its own."""
    assert load_settings({"state": "s.json"}).memory
    assert load_settings({"load_state": "s.json"}).memory
    assert not load_settings({"load_state": "s.json", "datadir": "chain"}).memory
    assert not load_settings({"load_state": "s.json", "fresh": True}).memory
    assert not load_settings({"dump_state": "s.json"}).memory
    for wrong, words in (
        ({"state": "a", "load_state": "b"}, "--state cannot be used with --load-state"),
        ({"state": "a", "dump_state": "b"}, "--state cannot be used with --dump-state"),
        ({"state_interval": 1}, "--state-interval needs --state or --dump-state"),
        ({"state": "a", "state_interval": 0}, "want more than 0"),
        ({"load_state": "a", "authrpc": True}, "cannot be used with --authrpc"),
    ):
        with pytest.raises(SettingsError, match=words):
            load_settings(wrong)
