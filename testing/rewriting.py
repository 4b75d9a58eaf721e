"""Assertions of test files as pytest rewrites them, made once: a worker takes seconds for those of the whole suite.

Workers of pytest-xdist collect the same files at the same time, so that none finds what another has just kept.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import PYC_TAIL, _read_pyc, _rewrite_test, _write_pyc, assertstate_key, get_cache_dir

from testing.side_by_side import on_all_cores


def has_workers(config: pytest.Config) -> bool:
    """Whether this process starts workers of pytest-xdist, and runs no test itself."""
    return not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no"


def kept_file(file: Path) -> Path:
    """Where pytest looks for a test file's code."""
    return get_cache_dir(file) / (file.name[:-3] + PYC_TAIL)


def keep_rewritten(files: Iterable[Path], config: pytest.Config) -> None:
    """Rewrite those files whose code is not kept yet."""
    state = config.stash[assertstate_key]

    def keep(file: Path) -> None:
        kept_file(file).parent.mkdir(exist_ok=True)
        source_hash, code = _rewrite_test(file, config)
        _write_pyc(state, code, source_hash, kept_file(file))

    missing = [file for file in files if _read_pyc(file, kept_file(file)) is None]
    on_all_cores(keep, sorted(missing, key=lambda file: file.stat().st_size, reverse=True))
