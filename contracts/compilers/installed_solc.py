"""The Solidity compilers of this computer, by version: those that Foundry, Hardhat and others have installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from zevm.contracts.errors import CompilerMissingError

VERSION_SECONDS: Final = 120
"""Time for a compiler to tell its version; solc of npm takes about a second."""
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


class InstalledSolc:
    """Finds compilers; each program is asked for its version once, until its file changes. Any thread."""

    def __init__(self, named: Sequence[Path] = ()) -> None:
        """`named`: programs of the operator's, which are looked at first."""
        self._named = tuple(named)
        self._versions: dict[tuple[str, int], SolcVersion] = {}
        self._lock = Lock()

    def find(self, wanted: SolcVersion) -> tuple[str, SolcVersion]:
        """A compiler's program and its whole version. Raises CompilerMissingError, which names a remedy."""
        seen: set[SolcVersion] = set()
        for path in _candidates(self._named, wanted.number):
            version = self._version_of(path)
            if version is not None and wanted.fits(version):
                return str(path), version
            seen |= {version} - {None}  # type: ignore[arg-type]
        others = f" (found: {', '.join(map(str, sorted(seen)))})" if seen else ""
        raise CompilerMissingError(
            f"solc {wanted} is not on the node's computer{others}: `forge build`, `hardhat compile` or "
            f"`svm install {wanted.number}` installs it"
        )

    def _version_of(self, path: Path) -> SolcVersion | None:
        try:
            key = str(path), path.stat().st_mtime_ns
        except OSError:
            return None
        with self._lock:
            found = self._versions.get(key)
            if found is None:
                # one that did not answer may have been too slow, and is asked again next time
                found = _ask(path)
                if found is not None:
                    self._versions[key] = found
            return found


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


def _ask(path: Path) -> SolcVersion | None:
    try:
        finished = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = _VERSION.search(finished.stdout)
    return None if found is None else SolcVersion(found[1], found[2])
