"""The node's process: its address, its command, and what it said before it ended."""

import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "localhost", "::1")
LAST_LINES = 5
"""Lines of a failed start's output that its error shows."""


def free_port() -> int:
    """A port of this computer that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def complete(host: str) -> str:
    """A URL from the setting `host`, which may lack the scheme and, if it is local, the port."""
    if host == "auto":
        return f"http://127.0.0.1:{free_port()}"
    if "://" not in host:
        host = f"http://{host}" if urlsplit(f"//{host}").hostname in LOCAL else f"https://{host}"
    parts = urlsplit(host)
    return f"{host.rstrip('/')}:8545" if parts.hostname in LOCAL and parts.port is None else host


def is_local(url: str) -> bool:
    """Whether a node at that address can be started here."""
    return urlsplit(url).hostname in LOCAL


def logged(command: Sequence[str], log: Path) -> list[str]:
    """A command of the same process that writes its output to a file: Ape discards it otherwise."""
    return ["/bin/sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "zevm", str(log), *command]


def last_words(log: Path) -> str:
    """The end of a process's output; a sentence if there is none."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return "\n".join(lines[-LAST_LINES:]) or "it printed nothing"
