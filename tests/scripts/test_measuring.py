"""Coverage by probes is that of coverage.py's own trace function."""

import dis
import importlib.util
import sys
from ctypes import string_at
from itertools import pairwise
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from coverage import Coverage
from coverage.python import PythonFileReporter
from slipcover import Slipcover
from slipcover.importer import SlipcoverLoader

from testing.measuring import Arc, Probes, Reached, _branches

SOURCE = """
def choose(kind, items=()):
    if kind == "first":
        return 1
    elif kind == "second":
        total = 2
    else:
        total = 3
    for item in items:
        if item:
            total += item
            continue
        break
    else:
        total += 100
    while total > 50:
        total -= 7
    try:
        if kind == "raise":
            raise ValueError
    except ValueError:
        total = -1
    finally:
        if kind == "last":
            total = 0
    match kind:
        case "a" | "b":
            total += 1
        case "third":
            total += 2
        case _:
            pass
    if kind == "silent":
        total = 5

def nested(wanted):
    def inner():
        if wanted:
            return [item for item in range(3) if item]
    return inner()

class Holder:
    @property
    def value(self):
        with open("/dev/null") as file:
            if file.closed:
                return (
                    1,
                    2,
                )
"""
CALLS = {
    "nothing": "",
    "some": "choose('second', [1, 0])",
    "more": "choose('raise', [1]), choose('third'), nested(True)",
    "all ways": "[choose(kind, items) for kind in 'first second raise last a third silent x'.split() "
    "for items in ((), (0,), (90,))], nested(0), nested(1), Holder().value",
}


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS.keys())
def test_the_same_lines_and_branches_are_missing(calls: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(SOURCE)
    traced = Coverage(branch=True, data_file=None, config_file=False, include=[str(file)])
    with traced.collect():
        run(file, calls)
    probes = Probes()
    run(file, calls, probes)
    seen = next(iter(probes.get_coverage()["files"].values()))
    reached = Reached(set(seen["executed_lines"]), {tuple(branch) for branch in seen["executed_branches"]})
    probed = Coverage(branch=True, data_file=None, config_file=False)
    arcs: set[Arc] = {(line, line) for line in reached.lines}
    probed.get_data().add_arcs({str(file): arcs | set(_branches(PythonFileReporter(str(file), probed), reached))})
    assert missing(probed, file) == missing(traced, file)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="sys.monitoring takes the place of probes")
def test_a_probe_is_jumped_over_once_it_was_reached(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text("def twice(number):\n    if number > 1:\n        return 2 * number\n    return 0\n")
    module = run(file, "twice(2)", Probes())
    code = module.twice.__code__
    assert kinds_of_probes(code) == ["JUMP_FORWARD"] * 3 + ["NOP"] * 2, "two lines and the branch to the second"
    assert module.twice(1) == 0
    assert kinds_of_probes(code) == ["JUMP_FORWARD"] * 5


def kinds_of_probes(code: CodeType) -> list[str]:
    """What each probe begins with, as the interpreter sees it; `co_code` is a copy of the first look."""
    instructions = string_at(id(code) + CodeType.__basicsize__, len(code.co_code))
    names = [dis.opname[opcode] for opcode in instructions[::2]]
    return [name for name, following in pairwise(names) if following == "PUSH_NULL"]


def run(file: Path, calls: str, probes: Slipcover | None = None) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample", file)
    assert spec is not None
    assert spec.loader is not None
    loader = spec.loader if probes is None else SlipcoverLoader(probes, spec.loader, str(file))
    module = ModuleType("sample")
    module.__spec__ = spec
    loader.exec_module(module)
    exec(calls, vars(module))
    return module


def missing(coverage: Coverage, file: Path) -> tuple[list[int], dict[int, tuple[int, int]]]:
    analysis = coverage._analyze(str(file))
    return sorted(analysis.missing), analysis.branch_stats()
