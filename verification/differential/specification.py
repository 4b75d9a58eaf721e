"""Ethereum's executable specification in a process of its own."""

import json
import subprocess
from types import TracebackType
from typing import Any

from testing.node_process import ROOT

_PYTHON = ROOT / ".oracle" / "bin" / "python"


class KnownFaultError(RuntimeError):
    """The specification fails by a fault of its own.

    Before Osaka its MODEXP adds the lengths of its operands as 256-bit numbers; where the sum is greater, it ends
    with an OverflowError. Geth takes such a length for more gas than there is, as this node does.
    """


class Specification:
    """Answers questions (oracle.py says which) one after another. Use as a context manager."""

    def __init__(self) -> None:
        if not _PYTHON.exists():
            raise SystemExit("the specification is missing; run: verification/differential/install.sh")
        command = [str(_PYTHON), str(ROOT / "verification" / "differential" / "oracle.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> "Specification":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises RuntimeError where it has none, KnownFaultError among them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the specification's process ended")
        answer: dict[str, Any] = json.loads(line)
        failure = answer.get("failure", "")
        if failure.startswith("OverflowError") and "modexp" in failure:
            raise KnownFaultError(failure)
        if failure:
            raise RuntimeError(f"the specification failed: {failure}")
        return answer
