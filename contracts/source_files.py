"""The files that a source consists of, found by its own words: what artifacts list with their hashes."""

import re
from collections.abc import Iterable
from pathlib import Path

from zevm.contracts.errors import BuildError
from zevm.storage.keccak import keccak256

_IMPORTS: dict[str, re.Pattern[str]] = {
    ".zig": re.compile(r'@(?:import|embedFile)\(\s*"([^"\n]+)"\s*\)'),
    ".c": re.compile(r'^\s*#\s*(?:include|embed)\s+"([^"\n]+)"', re.MULTILINE),
    ".sol": re.compile(r'^\s*import\b[^;"\']*["\']([^"\'\n]+)["\']', re.MULTILINE),
    ".ts": re.compile(r'\bfrom\s+"(\.{1,2}/[^"\n]+)"'),
}
_IMPORTS[".h"] = _IMPORTS[".c"]
MOST_FILES = 1_000


def files_of(source: Path, folders: Iterable[Path] = ()) -> list[Path]:
    """The source and the files that it leads to, those that exist. folders: where else included files are.

    Raises BuildError where the source cannot be read.
    """
    found: dict[Path, None] = {}
    waiting = [source.resolve()]
    while waiting and len(found) < MOST_FILES:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        pattern = _IMPORTS.get(file.suffix)
        if pattern is not None:
            names = pattern.findall(read_text(file))
            waiting += [path for name in names if (path := _resolve(file, name, folders)) is not None]
    return sorted(found)


def _resolve(file: Path, name: str, folders: Iterable[Path]) -> Path | None:
    """The file that an import names; None for a module such as `std`, or a file that is not there."""
    named = f"{name}.ts" if file.suffix == ".ts" and not name.endswith(".ts") else name
    for folder in (file.parent, *folders):
        path = (folder / named).resolve()
        if path.is_file():
            return path
    return None


def hashes(files: Iterable[Path], name_of: "dict[Path, str]") -> dict[str, dict[str, str]]:
    """The member `sources` of an artifact's metadata."""
    return {name_of[file]: {"keccak256": "0x" + keccak256(file.read_bytes()).hex()} for file in files}


def read_text(file: Path) -> str:
    """A source's text. Raises BuildError."""
    try:
        return file.read_text()
    except UnicodeDecodeError:
        raise BuildError(f"{file}: not UTF-8 text") from None
    except OSError as error:
        raise BuildError(f"{file}: cannot be read: {(error.strerror or 'unknown').lower()}") from None
