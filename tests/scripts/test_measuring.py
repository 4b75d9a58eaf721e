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

from testing import probes as probes_module
from testing.measuring import Arc, _branches, loader_of, new_probes, reached_in
from testing.probes import Probes

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
    probes = new_probes(tmp_path)
    run(file, calls, probes)
    reached = reached_in(probes, str(file))
    probed = Coverage(branch=True, data_file=None, config_file=False)
    arcs: set[Arc] = {(line, line) for line in reached.lines}
    probed.get_data().add_arcs({str(file): arcs | set(_branches(PythonFileReporter(str(file), probed), reached))})
    assert missing(probed, file) == missing(traced, file)


of_probes = pytest.mark.skipif(sys.version_info >= (3, 12), reason="sys.monitoring takes the place of probes")


@of_probes
def test_a_probe_is_jumped_over_once_it_was_reached(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text("def twice(number):\n    if number > 1:\n        return 2 * number\n    return 0\n")
    module = run(file, "twice(2)", Probes(tmp_path))
    code = module.twice.__code__
    assert kinds_of_probes(code) == ["JUMP_FORWARD"] * 3 + ["NOP"] * 2, "two lines and the branch to the second"
    assert module.twice(1) == 0
    assert kinds_of_probes(code) == ["JUMP_FORWARD"] * 5


def kinds_of_probes(code: CodeType) -> list[str]:
    """What each probe begins with, as the interpreter sees it; `co_code` is a copy of the first look."""
    instructions = string_at(id(code) + CodeType.__basicsize__, len(code.co_code))
    names = [dis.opname[opcode] for opcode in instructions[::2]]
    return [name for name, following in pairwise(names) if following == "PUSH_NULL"]


@of_probes
def test_code_with_probes_is_kept_until_its_source_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, kept = tmp_path / "sample.py", tmp_path / "kept"
    file.write_text("def one():\n    return 1\n")
    first, second, third, fourth = (Probes(kept) for _ in range(4))
    run(file, "one()", first)
    with monkeypatch.context() as patch:
        patch.setattr(probes_module, "_prepared", None)
        run(file, "one()", second)
    assert dict(second.newly_seen) == dict(first.newly_seen) == {str(file): {1, 2}}
    (entry,) = kept.iterdir()
    entry.write_bytes(entry.read_bytes()[:-1])
    run(file, "one()", third)
    assert dict(third.newly_seen) == {str(file): {1, 2}}, "what is damaged is made anew"
    file.write_text("\ndef one():\n    return 2\n")
    assert run(file, "", fourth).one() == 2
    assert dict(fourth.newly_seen) == {str(file): {2, 3}}
    assert len([*kept.iterdir()]) == 1


def run(file: Path, calls: str, probes: Probes | Slipcover | None = None) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample", file)
    assert spec is not None
    assert spec.loader is not None
    loader = spec.loader if probes is None else loader_of(probes)(probes, spec.loader, str(file))
    module = ModuleType("sample")
    module.__spec__ = spec
    loader.exec_module(module)
    exec(calls, vars(module))
    return module


def missing(coverage: Coverage, file: Path) -> tuple[list[int], dict[int, tuple[int, int]]]:
    analysis = coverage._analyze(str(file))
    return sorted(analysis.missing), analysis.branch_stats()
