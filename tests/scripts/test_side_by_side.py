"""Work that copies of the process share; what is made so before workers of pytest-xdist start."""

import os
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.assertion import rewrite
from _pytest.assertion.rewrite import assertstate_key
from hypothesis import configuration
from hypothesis.internal import constants_ast

from testing import prepared
from testing.prepared import keep_constants, keep_rewritten
from testing.side_by_side import Aside, on_all_cores

# Python 3.12 warns of forks where there are threads, as workers of pytest-xdist have
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    def place(item: int) -> tuple[int, int]:
        return item * item, os.getpid()

    found = on_all_cores(place, range(count))
    assert [square for square, _ in found] == [item * item for item in range(count)]
    processes = {process for _, process in found}
    assert len(processes) == min(count, len(os.sched_getaffinity(0)))
    assert os.getpid() not in processes


def test_a_failure_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EOFError):
        on_all_cores(lambda item: 1 / item, [1, 0])
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_more_than_a_pipe_holds_waits_for_whoever_asks() -> None:
    aside = Aside(lambda item: (bytes(item), os.nice(0)), [10_000_000], niceness=3)
    assert aside.results() == [(bytes(10_000_000), min(os.nice(0) + 3, 19))]


def test_pytest_takes_what_is_kept(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "test_sample.py"
    file.write_text("def wrong(number):\n    assert number == 2, 'at all'\n")
    keep_rewritten([file], request.config)
    spec = spec_from_file_location("test_sample", file)
    assert spec is not None
    module = ModuleType("test_sample")
    module.__spec__ = spec
    monkeypatch.setattr(rewrite, "_rewrite_test", None)
    hook = request.config.stash[assertstate_key].hook
    assert hook is not None
    hook.exec_module(module)
    with pytest.raises(AssertionError, match=r"at all\nassert 3 == 2"):
        module.wrong(3)
    keep_rewritten([file], request.config)  # nothing to do
    monkeypatch.undo()
    file.write_text("wrong = None\n")
    keep_rewritten([file], request.config)
    hook.exec_module(module)
    assert module.wrong is None


def test_hypothesis_takes_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "__hypothesis_home_directory", tmp_path / "home")
    file, asked, read = tmp_path / "sample.py", [], []
    file.write_text("LIMIT = 918_273_645\n")
    keep_constants([file])
    monkeypatch.setattr(prepared, "on_all_cores", lambda _, files: asked.extend(files))
    keep_constants([file])
    assert asked == []
    monkeypatch.setattr(constants_ast, "_constants_from_source", lambda source, **_: read.append(source))
    module = ModuleType("sample")
    module.__file__ = str(file)
    constants_ast.constants_from_module(module)
    assert len(read) == 1
    assert read[0].startswith(b"# file: ")
    assert read[0].endswith(b"[918273645]")
    file.write_text("LIMIT = 5_000_000\n")
    keep_constants([file])
    assert asked == [file]
