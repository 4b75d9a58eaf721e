"""Places of the compilers, and the sentence for one that is not installed."""

import importlib.util
import os
import shutil
from functools import cache
from pathlib import Path

from zevm.contracts.errors import CompilerMissingError

PACKAGE = Path(__file__).resolve().parent
"""This package: the Zig library, headers and templates lie next to its modules."""

ZIG_LIBRARY = PACKAGE / "zig" / "covenant"
C_HEADERS = PACKAGE / "c"

CACHE_VARIABLE = "ZIG_GLOBAL_CACHE_DIR"
"""Zig's own variable for its cache, which holds here too."""


@cache
def zig() -> str:
    """Zig's executable, as the package `ziglang` brings it. Raises CompilerMissingError."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise CompilerMissingError("Zig and C need the Zig compiler: pip install 'zevm-node[zig]'")
    return str(Path(spec.origin).with_name("zig"))


def zig_environment(cache_folder: Path | None) -> dict[str, str]:
    """Variables that tell Zig to keep what it compiled in a folder of the user: only the first compile is slow."""
    chosen = cache_folder or default_cache()
    return {CACHE_VARIABLE: str(chosen), "ZIG_LOCAL_CACHE_DIR": str(chosen)}


def default_cache() -> Path:
    """The folder that Zig's variable names, or the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(given) if given else Path(base) / "zevm" / "zig"


def library_of(root: Path) -> Path:
    """The folder of Zig's `covenant` for a project: its own in `lib/covenant`, or the installed one."""
    own = root / "lib" / "covenant"
    return own if (own / "covenant.zig").exists() else ZIG_LIBRARY


def node_tool(name: str, package: str, purpose: str, near: Path, tools: Path | None = None) -> str:
    """A program of npm: of `tools`, of a `node_modules` at or above a folder, or on the path.

    Raises CompilerMissingError.
    """
    folders = [*([] if tools is None else [tools]), near.resolve(), *near.resolve().parents]
    for folder in folders:
        found = folder / "node_modules" / ".bin" / name
        if found.exists():
            return str(found)
    on_path = shutil.which(name)
    if on_path is None:
        raise CompilerMissingError(f"{purpose} needs {name}: npm install --save-dev {package}")
    return on_path
