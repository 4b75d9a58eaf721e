"""Caches of pytest and Hypothesis that each worker of pytest-xdist would make for itself, made once before they start.

Workers collect the same files at the same time, so that none finds what another has just kept. In a fresh clone pytest
takes 20 seconds of processor time for the assertions that it rewrites, and Hypothesis 10 for the constants that it
looks for in the sources, and 6 to encode every character for its first text.
"""

import gzip
import json
from collections.abc import Iterable
from hashlib import sha1
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.assertion.rewrite import PYC_TAIL, _read_pyc, _rewrite_test, _write_pyc, assertstate_key, get_cache_dir

from testing.side_by_side import on_all_cores


def keep_rewritten(files: Iterable[Path], config: pytest.Config) -> None:
    """Rewrite the assertions of those test files whose code is not kept yet."""
    state = config.stash[assertstate_key]

    def keep(file: Path) -> None:
        _kept_code(file).parent.mkdir(exist_ok=True)
        source_hash, code = _rewrite_test(file, config)
        _write_pyc(state, code, source_hash, _kept_code(file))

    on_all_cores(keep, _largest_first(file for file in files if _read_pyc(file, _kept_code(file)) is None))


def _kept_code(file: Path) -> Path:
    """The path at which pytest looks for a test file's code."""
    return get_cache_dir(file) / (file.name[:-3] + PYC_TAIL)


def keep_constants(files: Iterable[Path]) -> None:
    """Look for the constants in those files where it was not done yet."""
    # only where there are workers: every process imports this module
    from hypothesis.configuration import storage_directory
    from hypothesis.internal.constants_ast import constants_from_module

    folder = storage_directory("constants").path

    def is_missing(file: Path) -> bool:
        # as Hypothesis names what it keeps
        return not (folder / sha1(file.read_bytes(), usedforsecurity=False).hexdigest()[:16]).exists()

    def keep(file: Path) -> None:
        module = ModuleType(file.stem)
        module.__file__ = str(file)
        constants_from_module(module)

    on_all_cores(keep, _largest_first(filter(is_missing, files)))


ENCODABLE = ((0, 0xD7FF), (0xE000, 0x10FFFF))
"""The code points that UTF-8 can encode: all but surrogates."""


def keep_characters() -> None:
    """Write what Hypothesis needs of UTF-8 for `text()`, and of the categories of characters, where it is not there."""
    from hypothesis.internal.charmap import charmap, charmap_file

    charmap()
    # as Hypothesis names and writes it: what can be encoded, and what of it is decoded to another character
    encodable = charmap_file("codec-v2-utf-8")
    if not encodable.exists():
        encodable.parent.mkdir(parents=True, exist_ok=True)
        encodable.write_bytes(gzip.compress(json.dumps([ENCODABLE, ()]).encode(), mtime=1))


def _largest_first(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=lambda file: file.stat().st_size, reverse=True)
