"""B7: a full disk is told by /health and /metrics, and writing goes on by itself once there is space.

A tmpfs where one can be mounted; everywhere, a limit of file sizes that is set on the running node, with which every
write to a file fails.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from testing.forked import ForkedNode
from testing.load import TRANSFER_GAS, development_signer
from testing.node_process import NodeProcess, RpcConnection, RpcError
from zevm.__main__ import main
from zevm.node import app, cli
from zevm.node.chains import NamedChain
from zevm.node.core import NodeCore
from zevm.node.errors import NodeError
from zevm.node.settings import NodeSettings

TMPFS_BYTES = 6 * 1024 * 1024
LIMIT_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY));"


class Medium(Protocol):
    """A place for a data directory that can be filled and given space again."""

    folder: Path

    def fill(self, node: NodeProcess) -> None: ...

    def free(self, node: NodeProcess) -> None: ...


class LimitedFiles:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, node: NodeProcess) -> None:
        self._limit(node, 0)

    def free(self, node: NodeProcess) -> None:
        self._limit(node, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(node: NodeProcess, size: int) -> None:
        _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size, hard))


class SmallTmpfs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, node: NodeProcess) -> None:  # noqa: ARG002  the node is not asked
        fill_folder(self.folder)

    def free(self, node: NodeProcess) -> None:  # noqa: ARG002
        for filling in self.folder.glob("filling*"):
            filling.unlink()


def fill_folder(folder: Path) -> None:
    """Take all space, to the last byte."""
    for size in (1 << 20, 4096, 1):
        try:
            with (folder / f"filling-{size}").open("wb", buffering=0) as file:
                while file.write(bytes(size)):
                    pass
        except OSError:
            continue


@pytest.fixture(params=[LimitedFiles, SmallTmpfs])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Medium]:
    folder = tmp_path / "medium"
    folder.mkdir()
    if request.param is LimitedFiles:
        yield LimitedFiles(folder)
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield SmallTmpfs(folder)
    subprocess.run(["umount", str(folder)], check=True)


def health(node: NodeProcess) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{node.url}/health") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def fault_metric(node: NodeProcess) -> float:
    with urllib.request.urlopen(f"{node.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("zevm_database_fault ")))


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(RpcError) as caught:
        call()
    return caught.value.message


def probe_until_resumed(node: NodeProcess, rpc: RpcConnection) -> int:
    """A probe begins the attempt; the answer to a write that comes after it says that it is over."""
    health(node)
    rpc.call("anvil_autoImpersonateAccount", False)
    return health(node)[0]


def test_b7_a_full_disk_is_told_and_writing_goes_on_when_there_is_space(
    medium: Medium, start: Callable[..., NodeProcess]
) -> None:
    node = start("--datadir", str(medium.folder / "data"))
    signer = development_signer(3)
    transfer = {"to": "0x" + "11" * 20, "value_wei": 1, "gas": TRANSFER_GAS}
    raw = [signer.sign(**transfer) for _ in range(3)]
    with node.connect() as rpc:
        rpc.call("eth_sendRawTransaction", raw[0][0])
        assert health(node)[0] == 200
        assert fault_metric(node) == 0
        medium.fill(node)
        # the log has a piece of its last page left
        messages = {refused(lambda: rpc.call("anvil_setCode", "0x" + "22" * 20, "0x" + "5b" * 20_000))}
        for _ in range(2):
            messages.add(refused(lambda: rpc.call("eth_sendRawTransaction", raw[1][0])))
        assert all("database error" in message and "goes on by itself" in message for message in messages)
        assert rpc.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
        assert rpc.call("eth_getTransactionCount", signer.address, "pending") == "0x1"
        assert rpc.call("eth_getCode", "0x" + "22" * 20, "latest") == "0x"
        status, report = health(node)
        assert (status, report["status"]) == (503, "failing")
        assert "cannot be written" in report["database"] or "cannot be read or written" in report["database"]
        assert fault_metric(node) == 1
        medium.free(node)
        assert probe_until_resumed(node, rpc) == 200
        assert fault_metric(node) == 0
        for signed, _ in raw[1:]:
            rpc.call("eth_sendRawTransaction", signed)
        medium.fill(node)
        refused(lambda: rpc.call("anvil_setCode", "0x" + "22" * 20, "0x" + "5b" * 20_000))
        medium.free(node)
        rpc.call("evm_mine")
        head = rpc.call("eth_getBlockByNumber", "latest", False)
    node.kill()
    again = start("--datadir", str(medium.folder / "data"))
    with again.connect() as rpc:
        assert rpc.call("eth_getBlockByNumber", "latest", False) == head
        assert rpc.call("eth_getTransactionCount", signer.address, "latest") == "0x3"
        assert all(rpc.call("eth_getTransactionReceipt", name) for _, name in raw)
    again.stop()


def test_b7_timed_blocks_go_on_when_there_is_space(tmp_path: Path, start: Callable[..., NodeProcess]) -> None:
    medium = LimitedFiles(tmp_path)
    node = start("--datadir", str(tmp_path / "data"), "--block-time", "0.05")
    medium.fill(node)
    node.wait_for_line(pattern("timed blocks cannot be made"))
    medium.free(node)
    node.wait_for_line(pattern("the database takes writes again"))
    with node.connect() as rpc:
        rpc.call("evm_mine")


def pattern(text: str) -> Any:
    import re

    return re.compile(re.escape(text))


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_b7_a_start_on_a_full_disk_is_one_sentence(medium: Medium, zevm: Any, existing: bool) -> None:
    datadir = medium.folder / "data"
    if existing:
        assert zevm("db", "check", "--datadir", str(datadir)).returncode
        with ForkedNode([sys.executable, "-m", "zevm", "run", "--port", "0", "--datadir", str(datadir)]) as node:
            node.stop()
    limited = isinstance(medium, LimitedFiles)
    if not limited:
        fill_folder(medium.folder)
    limit = LIMIT_FILES if limited else ""
    code = f"{limit}from zevm.node.cli import main; main(['run', '--port', '0', '--datadir', {str(datadir)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert pattern("zevm: ").match(lines[0])
    assert "No space left on device" in lines[0] or "File too large" in lines[0]


def test_a_node_writes_no_bytecode_from_when_it_may_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python before 3.14 keeps a file of bytecode that the full disk has cut off, and no later start can read it."""
    seen = []
    importing = [sys.executable, "-c", "import sys; sys.exit(sys.dont_write_bytecode)"]

    @contextmanager
    def opened(_: NodeCore) -> Iterator[None]:
        seen.append((sys.dont_write_bytecode, subprocess.run(importing, check=False).returncode))
        raise NodeError("enough")
        yield

    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")
    monkeypatch.setattr(app, "configure_logging", lambda **_: None)
    monkeypatch.setattr(NodeCore, "opened", opened)
    with pytest.raises(NodeError, match="enough"):
        app.run_nodes([NamedChain("", NodeSettings(memory=True, port=0))])
    assert seen == [(True, 1)]


@pytest.mark.parametrize(("free_blocks", "writes"), [(2**13, False), (2**14, True)])
def test_a_command_writes_no_bytecode_where_it_may_not_fit(
    free_blocks: int, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Found:
        f_bavail, f_frsize = free_blocks, 4096

    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")
    monkeypatch.setattr(os, "statvfs", lambda _: Found)
    monkeypatch.setattr(cli, "main", lambda: None)
    main()
    assert sys.dont_write_bytecode is not writes
