"""A node that has started on a new chain deletes the replaced one beside its work, not before."""

import asyncio
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testing.speed import PATIENCE_SECONDS
from zevm.node.core import Serving
from zevm.node.network import BESIDE_NAMES, open_database
from zevm.node.settings import NodeSettings
from zevm.storage import directory


async def _kept(stopping: asyncio.Event) -> None:
    await stopping.wait()


async def test_the_node_works_while_the_replaced_chain_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "replaced" / "leveldb").mkdir(parents=True)
    may_delete, started, stopping = threading.Event(), asyncio.Event(), asyncio.Event()
    delete = shutil.rmtree

    def wait_and_delete(path: Path) -> None:
        assert may_delete.wait(10)
        delete(path)

    monkeypatch.setattr("zevm.storage.replaced.shutil.rmtree", wait_and_delete)
    state = SimpleNamespace(has_unneeded_nodes=False)
    chain = SimpleNamespace(database=SimpleNamespace(keep=lambda: None, state=state), start=started.set, writer=None)
    state_file = SimpleNamespace(keep_until=_kept)
    serving = Serving(NodeSettings(datadir=tmp_path, fresh=True), *cast(Any, (chain, None, state_file)))
    task = asyncio.create_task(serving.until(stopping))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await started.wait()
    assert [item.name for item in tmp_path.iterdir()] == ["replaced.old"]
    may_delete.set()
    stopping.set()
    await task
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*BESIDE_NAMES, "notes.txt"])
def test_a_fresh_start_takes_a_directory_with_all_that_a_node_and_its_owner_keep_there(
    name: str, tmp_path: Path
) -> None:
    open_database(NodeSettings(datadir=tmp_path)).close()
    (tmp_path / name).mkdir()
    open_database(NodeSettings(datadir=tmp_path, fresh=True)).close()
    assert (tmp_path / name).is_dir()
    assert (tmp_path / "replaced").is_dir()


def test_a_first_start_takes_what_a_node_would_have_written() -> None:
    assert set(BESIDE_NAMES) == directory.NODE_NAMES
