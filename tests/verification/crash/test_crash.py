"""Kills, damages and full disks with the figures of continuous integration; `verification.crash.run` goes further."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import cast

import pytest

from testing.node_process import RpcConnection, RpcError
from verification.crash import run as crash
from verification.crash.load import DISK_REFUSAL, Load
from verification.crash.model import LostError, Model, Operation


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "load",
    [
        ("--kills", "6"),
        ("--kills", "3", "--clients", "32"),
        ("--kills", "3", "--evm", "py-evm"),
        ("--kills", "3", "--prune", "256"),
    ],
    ids=["few", "32 clients", "py-evm", "pruning"],
)
def test_nothing_acknowledged_is_lost(load: tuple[str, ...], tmp_path: Path) -> None:
    assert crash.main([*load, "--datadir", str(tmp_path / "data")]) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_b8_damages_of_one_file_and_of_log_and_marks_are_noticed(tmp_path: Path) -> None:
    arguments = ["--kills", "0", "--damages", "15", "--doubles", "6", "--datadir", str(tmp_path / "data")]
    assert crash.main(arguments) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_b7_full_disks_lose_nothing_and_the_node_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    assert crash.main(["--kills", "0", "--full-disks", "1", "--datadir", str(folder / "data")]) == 0


@pytest.mark.parametrize(("kind", "refused"), [("revert", set()), ("pool", {"a"}), ("burst", {"a"})])
def test_a_refused_revert_leaves_what_waited_where_it_was(kind: str, refused: set[str]) -> None:
    load = Load(Model(()), Random(0), {})
    load.is_full, load.killed_at = True, 0.0
    load.connections = [cast(RpcConnection, RefusingConnection())]
    operation = Operation(kind, ("a", "b"))
    load.perform(operation, [b"{}"])
    assert operation.was_refused
    assert operation.refused == refused


def test_a_chain_that_was_to_be_pruned_and_was_not_is_told() -> None:
    model = Model((), prune=256)
    with pytest.raises(LostError, match="no block was pruned"):
        model.check_pruned()
    model.kept = 1
    model.check_pruned()
    Model(()).check_pruned()


def test_a_refused_switch_of_mining_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(())
    monkeypatch.setattr(model, "reconcile", lambda *_: None)
    load = Load(model, Random(0), {})
    load.is_full, load.killed_at = True, 0.0
    load.rpc = cast(RpcConnection, RefusingConnection())
    load.connections = [load.rpc]
    load.switch_mining()
    assert load.automine


class RefusingConnection:
    """A connection to a node whose disk is full."""

    def request(self, method: str, *_: object) -> bytes:
        return method.encode()

    def send(self, request: bytes) -> None:
        pass

    def receive(self) -> dict[str, str]:
        return {}

    def result(self, _: dict[str, str]) -> object:
        raise RpcError({"code": -32603, "message": f"{DISK_REFUSAL}: no space left on device"})
