"""The guide's Profiler: the lines that it prints, and what it makes of names that it does not know."""

import io
import re
import threading

import pytest

from zevm.covenant import Profiler
from zevm.covenant import profiler as profiler_module

LINE = re.compile(r"Profile \[contract_execution\]: \d+\.\d\d ms\n")


def test_start_and_end_print_the_guide_s_line(capsys: pytest.CaptureFixture[str]) -> None:
    Profiler.start("contract_execution")
    first = Profiler.end("contract_execution")
    second = Profiler.end("contract_execution")
    assert first is not None
    assert second is not None
    assert 0 < first < second
    assert re.fullmatch(LINE.pattern * 2, capsys.readouterr().err)


def test_a_block_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    with Profiler("contract_execution") as timer:
        assert timer.seconds == 0
    assert timer.seconds > 0
    stream = io.StringIO()
    with pytest.raises(KeyError), Profiler("contract_execution", stream):
        raise KeyError
    assert LINE.fullmatch(stream.getvalue())
    with Profiler("silent", None):
        pass
    assert "silent" not in capsys.readouterr().err


def test_a_timer_that_was_not_started(capsys: pytest.CaptureFixture[str]) -> None:
    Profiler.start("elsewhere")
    found: list[float | None] = []
    thread = threading.Thread(target=lambda: found.append(Profiler.end("elsewhere")))
    thread.start()
    thread.join()
    assert found == [None]
    assert Profiler.end("never") is None
    assert capsys.readouterr().err == ""


def test_open_timers_are_bounded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(profiler_module, "TIMERS_LIMIT", 2)
    profiler_module._timers.started.clear()
    for name in ("a", "b", "c", "c"):
        Profiler.start(name)
    assert Profiler.end("a") is None
    assert Profiler.end("b") is not None
    assert "Profile [b]" in capsys.readouterr().err
