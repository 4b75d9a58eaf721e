"""Ethereum's executable specification in a process of its own."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
_PYTHON = ROOT / ".oracle" / "bin" / "python"


class Specification:
    """Answers questions (oracle.py says which) one after another. Use as a context manager."""

    def __init__(self) -> None:
        if not _PYTHON.exists():
            raise SystemExit("the specification is missing; run: scripts/differential/install.sh")
        command = [str(_PYTHON), str(ROOT / "scripts" / "differential" / "oracle.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> "Specification":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises RuntimeError where it has none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the specification's process ended")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise RuntimeError(f"the specification failed: {answer['failure']}")
        return answer
