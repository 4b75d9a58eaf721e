"""Addresses, hashes, keys, wei and gas are types: the type checker refuses a pair that was swapped."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from testing import swapped_pairs

ROOT = Path(__file__).resolve().parents[2]


def test_the_lint_of_types_refuses_swapped_pairs() -> None:
    """mypy checks the file of them, and complains there of an ignore that it does not need."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    module = swapped_pairs.__name__
    assert module.partition(".")[0] in settings["packages"]
    assert settings["strict"] is True
    assert settings.get("warn_unused_ignores", True) is True
    assert settings.keys() & {"disable_error_code", "ignore_errors"} == set()
    for override in settings["overrides"]:
        names = override["module"] if isinstance(override["module"], list) else [override["module"]]
        assert not any(fnmatch(module, name) for name in names), override
