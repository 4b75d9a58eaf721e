"""A forked node is the node that its command starts: same output, codes and signals, and nothing of its parent's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testing.forked import FORKED, ForkedNode, run_forked
from testing.node_process import ROOT, NodeError, NodeProcess, node_environment, zevm_command
from testing.speed import PATIENCE_SECONDS

Ways = Callable[..., "subprocess.CompletedProcess[str]"]
ENDINGS = {
    "version": (("version",), "", 0),
    "flag": (("run", "--no-such-flag"), "", 2),
    "genesis": (("init", "--genesis", "absent.json"), "", 1),
    "input": (("account", "import", "--keystore", "keys", "--password-file", "-", "--key", "-"), "one\ntwo\n", None),
}


@pytest.mark.parametrize(("arguments", "stdin", "code"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_command_ends_as_one_that_starts_from_nothing(
    arguments: tuple[str, ...], stdin: str, code: int | None, tmp_path: Path
) -> None:
    ended = []
    for name in ("nothing", "fork"):
        folder = tmp_path / name / "here"
        folder.mkdir(parents=True)
        started = run_from_nothing if name == "nothing" else run_forked
        done = started(arguments, stdin=stdin, cwd=folder, environment=node_environment(), timeout_seconds=60)
        ended.append((done.returncode, done.stdout, done.stderr))
    assert ended[0] == ended[1]
    assert code in (None, ended[0][0])


def run_from_nothing(
    arguments: tuple[str, ...], *, stdin: str, cwd: Path, environment: dict[str, str], timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "zevm", *arguments),
        input=stdin,
        cwd=cwd,
        env=environment,
        timeout=timeout_seconds,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_signals_end_it(number: signal.Signals, code: int) -> None:
    with ForkedNode(zevm_command("--memory")) as node:
        assert node.process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            node.process.wait(0.01)
        node.process.send_signal(number)
        assert node.process.wait(20) == code
        node.process.send_signal(signal.SIGKILL)  # nothing is left to get it
        with pytest.raises(ProcessLookupError):
            os.kill(node.process.pid, 0)


def test_its_processor_time_is_told_at_its_end() -> None:
    before = FORKED.seconds
    with ForkedNode(zevm_command("--memory")) as node:
        assert FORKED.seconds == before
        alive = float(
            sum(map(int, Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        )
    assert FORKED.seconds - before >= alive / os.sysconf("SC_CLK_TCK") - 0.02


def test_it_has_its_own_folder_variables_and_descriptors(tmp_path: Path) -> None:
    environment = node_environment() | {"ZEVM_CHAIN_ID": "4242"}
    with (
        ForkedNode(zevm_command("--datadir", "data"), cwd=tmp_path, environment=environment) as node,
        NodeProcess(zevm_command("--datadir", "other"), cwd=tmp_path) as real,
        node.connect() as rpc,
        real.connect() as other,
    ):
        assert (rpc.call("eth_chainId"), other.call("eth_chainId")) == (hex(4242), hex(31337))
        assert (tmp_path / "data").is_dir()
        assert kinds_of_descriptors(node.process.pid) == kinds_of_descriptors(real.process.pid)
        end = time.monotonic() + PATIENCE_SECONDS
        while thread_count(node.process.pid) != thread_count(real.process.pid):
            # threads that a start needs may still be there, and a question gives them time
            assert time.monotonic() < end
            other.call("eth_chainId")


def kinds_of_descriptors(process: int) -> list[str]:
    folder = Path(f"/proc/{process}/fd")
    names = [os.readlink(folder / name) for name in sorted(os.listdir(folder), key=int)]
    return sorted(re.sub(r"\d+", "N", name.replace("/other/", "/data/")) for name in names)


def thread_count(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/task"))


def test_random_numbers_are_its_own() -> None:
    """Two accounts with random phrases of two forks of one parent."""
    phrases = []
    for _ in range(2):
        with ForkedNode(zevm_command("--memory", "--mnemonic-random", "12")) as node:
            phrases.append(node.wait_for_line(re.compile(r"Mnemonic: +(.*)"))[1])
    assert phrases[0] != phrases[1]


def test_several_start_at_once() -> None:
    def begin(_: int) -> str:
        with ForkedNode(zevm_command("--memory")) as node, node.connect() as rpc:
            return str(rpc.call("eth_blockNumber"))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(begin, range(4))) == ["0x0"] * 4


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(NodeError, match="--port"):
        ForkedNode(zevm_command("--port", "70000"))


def test_it_keeps_no_bytecode_that_a_limit_of_its_files_may_cut_off(tmp_path: Path) -> None:
    (tmp_path / "zevm.py").write_text("import imported_late")
    (tmp_path / "imported_late.py").write_text(f"VALUES = {list(range(10_000))}\nprint(len(VALUES))")
    request = {"folder": str(tmp_path), "arguments": [], "environment": {}}
    program = f"from testing.forking import become; become({request})"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "10000\n"
    assert not (tmp_path / "__pycache__").exists()
