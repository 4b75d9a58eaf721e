"""Confine this process, then become the compiler: run as a file, with a policy in JSON and the command.

    python -I launch.py '{"readable": [...], "writable": [...], ...}' COMMAND ...

It imports nothing of the node. Where any part of the confinement cannot be had, nothing runs: one line that begins with
REFUSED, and the exit code is REFUSED_CODE.
"""

import ctypes
import json
import os
import resource
import sys

# run as a file, this one finds its neighbours in its own folder
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import files  # type: ignore[import-not-found]
import system_calls  # type: ignore[import-not-found]

REFUSED: str = system_calls.REFUSED
REFUSED_CODE: int = system_calls.REFUSED_CODE

_PR_SET_NO_NEW_PRIVS = 38
_NOBODY = 65_534


def main(policy: dict[str, object], command: list[str]) -> None:
    """Does not return. Raises OSError where a part of the confinement cannot be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    writable = [str(path) for path in policy["writable"]]  # type: ignore[attr-defined]
    readable = [str(path) for path in policy["readable"]]  # type: ignore[attr-defined]
    if os.geteuid() == 0:
        _become_nobody(writable)
    _limit(policy)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    files.confine(libc, [*readable, "/dev/urandom"], [*writable, "/dev/null"])
    system_calls.deny(libc)
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise OSError(error.errno, error.strerror, command[0]) from error


def _become_nobody(writable: list[str]) -> None:
    """Give up root, with what this process may write: no rule of the kernel binds root as it does others."""
    for folder in writable:
        os.chown(folder, _NOBODY, _NOBODY)
        for place, folders, names in os.walk(folder):
            for name in (*folders, *names):
                os.chown(os.path.join(place, name), _NOBODY, _NOBODY, follow_symlinks=False)
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _limit(policy: dict[str, object]) -> None:
    """Bound memory, files, time and processes of this process and its children."""
    processes = _own_processes() + int(str(policy["processes"]))
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, policy["memory_bytes"]),
        (resource.RLIMIT_FSIZE, policy["file_bytes"]),
        (resource.RLIMIT_CPU, policy["cpu_seconds"]),
        (resource.RLIMIT_NOFILE, policy["open_files"]),
        (resource.RLIMIT_NPROC, processes),
    ):
        amount = int(str(value))
        hard = resource.getrlimit(kind)[1]
        amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (amount, amount))


def _own_processes() -> int:
    """Threads of this user on the machine, which the kernel counts against its limit."""
    own, count = os.geteuid(), 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == own:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has ended
    return count


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]), sys.argv[2:])
    except (OSError, ValueError, KeyError) as error:
        print(f"{REFUSED}{error}", file=sys.stderr)
        sys.exit(REFUSED_CODE)
