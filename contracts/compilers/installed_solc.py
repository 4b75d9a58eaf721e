"""The Solidity compilers of this computer, by version: those that Foundry, Hardhat and others have installed."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from zevm.contracts.errors import BuildError, BuildTimeoutError, CompilerMissingError
from zevm.contracts.options import MIB, BuildOptions, CompilerLimits, Guard
from zevm.contracts.process import run_compiler

VERSION_SECONDS: Final = 60
"""Time for a compiler to tell its version; solc of npm takes about a second on an idle machine."""
FIND_SECONDS: Final = 2 * VERSION_SECONDS
"""Time after which no further program is asked for its version."""
SILENT_SECONDS: Final = 3_600
"""Time for which a program that told no version within that time is left aside."""
_VERSION_LIMITS: Final = CompilerLimits(VERSION_SECONDS, 4 * 1_024 * MIB, file_bytes=1 * MIB)
CANDIDATES_LIMIT: Final = 256
"""Programs that are looked at; further ones are ignored."""
_VERSION = re.compile(r"(\d+\.\d+\.\d+)(?:-[\w.]+)?\+commit\.([0-9a-f]{8})")
_ASKED = re.compile(r"v?(\d{1,3}\.\d{1,3}\.\d{1,3})(?:\+commit\.([0-9a-f]{8})[\w.+]*)?")
_PLACES: Final = (
    ("~/.svm", "{0}/solc-{0}"),
    ("{data}/svm", "{0}/solc-{0}"),
    ("~/Library/Application Support/svm", "{0}/solc-{0}"),
    ("{cache}/hardhat-nodejs/compilers-v2/linux-amd64", "solc-linux-amd64-v{0}+commit.*"),
    ("{cache}/hardhat-nodejs/compilers-v3/linux-amd64", "solc-linux-amd64-v{0}+commit.*"),
    ("~/Library/Caches/hardhat-nodejs/compilers-v2/macosx-amd64", "solc-macosx-amd64-v{0}+commit.*"),
    ("~/.solc-select/artifacts/solc-{0}", "solc-{0}"),
    ("~/.solcx", "solc-v{0}"),
)
"""Folders and names of Foundry's svm, Hardhat, solc-select and py-solc-x; {0} is the version."""


@dataclass(frozen=True, slots=True, order=True)
class SolcVersion:
    """A version as `0.8.28`, and the first eight digits of its commit; commit: "" where any will do."""

    number: str
    commit: str = ""

    @classmethod
    def parse(cls, text: str) -> "SolcVersion | None":
        """Of `v0.8.28+commit.7893614a` or `0.8.28`; None for anything else, nightly builds too."""
        found = _ASKED.fullmatch(text.strip())
        return None if found is None else cls(found[1], found[2] or "")

    def __str__(self) -> str:
        return f"{self.number}+commit.{self.commit}" if self.commit else self.number

    def fits(self, found: "SolcVersion") -> bool:
        """Whether a compiler of the version `found` is the one meant."""
        return self.number == found.number and self.commit in ("", found.commit)


@dataclass(slots=True)
class _Program:
    """A program's answer. version: None where it has told none. asked_again_at: a time.monotonic() value.

    turn: of who asks it; others wait for the answer.
    """

    turn: Lock
    version: SolcVersion | None = None
    asked_again_at: float = 0.0


class InstalledSolc:
    """Finds compilers; each program is asked for its version once, until its file changes. Any thread."""

    def __init__(self, named: Sequence[Path] = ()) -> None:
        """`named`: programs of the operator's, which are looked at first."""
        self._named = tuple(named)
        self._programs: dict[tuple[str, int], _Program] = {}
        self._lock = Lock()

    def find(self, wanted: SolcVersion, guard: Guard = nullcontext) -> tuple[str, SolcVersion]:
        """A compiler's program and its whole version. Raises CompilerMissingError, which names a remedy.

        guard: see BuildOptions.
        """
        seen: set[SolcVersion] = set()
        silent: list[str] = []
        end = time.monotonic() + FIND_SECONDS
        for path in _candidates(self._named, wanted.number):
            if time.monotonic() > end:
                break
            try:
                version = self._version_of(path, guard)
            except BuildTimeoutError:
                silent.append(str(path))
                continue
            if version is not None and wanted.fits(version):
                return str(path), version
            seen |= {version} - {None}  # type: ignore[arg-type]
        others = f" (found: {', '.join(map(str, sorted(seen)))})" if seen else ""
        others += f" ({', '.join(silent)} told no version within {VERSION_SECONDS} seconds)" if silent else ""
        raise CompilerMissingError(
            f"solc {wanted} is not on the node's computer{others}: `forge build`, `hardhat compile` or "
            f"`svm install {wanted.number}` installs it"
        )

    def _version_of(self, path: Path, guard: Guard) -> SolcVersion | None:
        """Raises BuildTimeoutError for a program that hangs, or has hung lately."""
        try:
            key = str(path), path.stat().st_mtime_ns
        except OSError:
            return None
        with self._lock:
            program = self._programs.setdefault(key, _Program(Lock()))
        with program.turn:
            if program.version is None:
                if time.monotonic() < program.asked_again_at:
                    raise BuildTimeoutError(str(path))
                # one that fails may do better next time
                program.version = self._ask(path, program, guard)
            return program.version

    def _ask(self, path: Path, program: _Program, guard: Guard) -> SolcVersion | None:
        options = BuildOptions(limits=_VERSION_LIMITS, guard=guard)
        try:
            told = run_compiler([str(path), "--version"], f"{path} --version", options)
        except BuildTimeoutError:
            program.asked_again_at = time.monotonic() + SILENT_SECONDS
            raise
        except (BuildError, OSError):
            return None
        found = _VERSION.search(told.decode(errors="replace"))
        return None if found is None else SolcVersion(found[1], found[2])


def _candidates(named: Sequence[Path], number: str) -> Iterator[Path]:
    """Programs that may be of the version, the operator's first, at most CANDIDATES_LIMIT."""
    home = os.environ.get("HOME") or os.path.expanduser("~")
    folders = {
        "data": os.environ.get("XDG_DATA_HOME") or f"{home}/.local/share",
        "cache": os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache",
    }
    found = [*named]
    for folder, name in _PLACES:
        place = Path(folder.format(number, **folders)).expanduser()
        found += sorted(place.glob(name.format(number)))
    found += [Path(path) for path in (shutil.which("solc"), shutil.which("solcjs")) if path is not None]
    yield from (path for path in found[:CANDIDATES_LIMIT] if path.is_file() and os.access(path, os.X_OK))
