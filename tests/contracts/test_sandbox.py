"""The sandbox of compilers: what a process in it cannot do, and that nothing runs where it cannot be had."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testing.sandbox import what_the_sandbox_lacks
from zevm.contracts.sandbox import compiler, system_calls
from zevm.contracts.sandbox.launch import REFUSED, REFUSED_CODE

MIB = 1 << 20
POLICY: dict[str, Any] = {
    "readable": [path for path in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache") if os.path.exists(path)],
    "memory_bytes": 512 * MIB,
    "file_bytes": MIB,
    "cpu_seconds": 10,
    "open_files": 64,
    "processes": 16,
}
LAUNCHER = Path(compiler.__file__).with_name("launch.py")
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    if lacking := what_the_sandbox_lacks():
        pytest.skip(lacking)


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder that the sandbox's user reaches: pytest's own are for one user."""
    folder = Path("/tmp") / tmp_path_factory.mktemp("sandbox").name
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def confined(scratch: Path, *command: str, **changes: Any) -> "subprocess.CompletedProcess[str]":
    policy = POLICY | {"writable": [str(scratch)]} | changes
    return subprocess.run(
        (sys.executable, "-I", str(LAUNCHER), json.dumps(policy), *command),
        capture_output=True, text=True, env={}, timeout=60, check=False, start_new_session=True,
    )  # fmt: skip


def python(scratch: Path, program: str, **changes: Any) -> str:
    """What a Python program in the sandbox prints, its exceptions included."""
    finished = confined(scratch, PYTHON, "-I", "-S", "-c", program, **changes)
    return finished.stdout + finished.stderr + ("" if finished.returncode >= 0 else f"signal {-finished.returncode}")


@pytest.mark.lengthy
def test_its_own_folder_is_all_that_it_writes(scratch: Path) -> None:
    (scratch / "given").write_text("x")
    program = f"open('{scratch}/made', 'w').write(open('{scratch}/given').read() * 3); print('done')"
    assert python(scratch, program) == "done\n"
    assert (scratch / "made").read_text() == "xxx"
    outside = Path("/tmp") / f"{scratch.name}-outside"
    for path in (outside, "/etc/zevm", "/dev/shm/zevm", Path(__file__).with_name("made")):
        assert "Error" in python(scratch, f"open('{path}', 'w')")
        assert not os.path.exists(path)
    for call in (
        "os.mkdir('/tmp/zevm-made')",
        "os.rename('/usr', '/usr2')",
        f"os.link('/usr/bin/env', '{scratch}/env')",
    ):
        assert "Error" in python(scratch, f"import os; {call}")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc/hostname", "/proc/1/environ", "/root", "/", __file__, "/dev/zero"]
)
def test_files_outside_cannot_be_read(scratch: Path, path: str) -> None:
    read = f"import os; print(os.listdir('{path}') if os.path.isdir('{path}') else open('{path}', 'rb').read(10))"
    assert "PermissionError" in python(scratch, read)


@pytest.mark.lengthy
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET"])
def test_there_is_no_network(scratch: Path, family: str) -> None:
    assert "PermissionError" in python(scratch, f"import socket; socket.socket(socket.{family}, socket.SOCK_RAW)")


CALLS = {
    "signals to others": f"import os; os.kill({os.getpid()}, 0)",
    "a session of its own": "import os; os.setsid()",
    "a group of its own": "import os; os.setpgid(0, 0)",
    "a namespace": "import ctypes, os; c = ctypes.CDLL(None, use_errno=True);"
    "print('made') if not c.unshare(0x10000000) else print('PermissionError')",
    "a clone in a namespace": "import ctypes; c = ctypes.CDLL(None, use_errno=True);"
    "import platform; n = {'x86_64': 56, 'aarch64': 220}[platform.machine()];"
    "r = c.syscall(n, 0x10000000 | 17, 0, 0, 0, 0);"
    "print('PermissionError' if r < 0 and ctypes.get_errno() == 1 else 'made')",
    "io_uring": "import ctypes; c = ctypes.CDLL(None, use_errno=True); r = c.syscall(425, 8, 0);"
    "print('PermissionError' if r < 0 and ctypes.get_errno() == 1 else 'made')",
    "another user": "import os; os.setuid(0)",
    "a longer limit": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, 1 << 40))",
}


@pytest.mark.lengthy
@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_refuses(scratch: Path, name: str) -> None:
    output = python(scratch, CALLS[name])
    assert "PermissionError" in output or "not allowed" in output, output


def test_memory_and_files_are_bounded(scratch: Path) -> None:
    assert "MemoryError" in python(scratch, "x = bytearray(1 << 30)")
    write = "os.write(f, bytes(4 << 20)); os.write(f, b'x')"
    output = python(scratch, f"import os; f = os.open('{scratch}/x', os.O_CREAT | os.O_WRONLY); {write}")
    assert "File too large" in output or f"signal {signal.SIGXFSZ}" in output
    assert (scratch / "x").stat().st_size <= MIB


@pytest.mark.lengthy
def test_time_is_bounded(scratch: Path) -> None:
    output = python(scratch, "while True: pass", cpu_seconds=1)
    assert output in (f"signal {signal.SIGXCPU}", f"signal {signal.SIGKILL}")


def test_a_fork_bomb_ends(scratch: Path) -> None:
    """Children die with the group, as the parent that waits for them does."""
    bomb = (
        "import os, time\nmade = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(600)\n"
        "        made += 1\nexcept OSError as error:\n    print(made, error)"
    )
    policy = POLICY | {"writable": [str(scratch)]}
    command = (sys.executable, "-I", str(LAUNCHER), json.dumps(policy), PYTHON, "-I", "-S", "-c", bomb)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={}, start_new_session=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        # the pipe ends when the last of the children is gone
        assert process.stdout.read() == ""
    assert "temporarily unavailable" in line
    assert 1 <= int(line.split()[0]) <= POLICY["processes"]


@pytest.mark.parametrize(
    "changes",
    [
        {"readable": ["/there-is-no-such-folder"]},
        {"writable": ["/there-is-no-such-folder"]},
        {"memory_bytes": "many"},
    ],
)
def test_nothing_runs_where_the_sandbox_cannot_be_had(scratch: Path, changes: dict[str, Any]) -> None:
    finished = confined(scratch, PYTHON, "-c", "print('ran')", **changes)
    assert (finished.returncode, finished.stdout) == (REFUSED_CODE, "")
    assert finished.stderr.startswith(REFUSED)
    assert len(finished.stderr.splitlines()) == 1


def test_a_command_that_cannot_be_run_is_named(scratch: Path) -> None:
    finished = confined(scratch, "/no/such/compiler")
    assert finished.returncode == REFUSED_CODE
    assert "/no/such/compiler" in finished.stderr


def test_a_machine_without_known_system_calls_is_refused() -> None:
    for machine in system_calls.ARCHITECTURES:
        assert len(system_calls.program(machine)) % 8 == 0
    assert platform.machine() in system_calls.ARCHITECTURES
    with pytest.raises(OSError, match="riscv64"):
        system_calls.program("riscv64")
