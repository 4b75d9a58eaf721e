"""A chain of mixed blocks gives the same roots in every process; `verification.wasm.replay --blocks N` goes further."""

from pathlib import Path

import pytest

from verification.wasm import replay
from zevm.chain.vm.engines.engine import Engine, default_engine
from zevm.core import CORE

SEED = 2
BLOCKS = 40
ENDS = ("returned", "exited", "trapped", "out of ink", "out of stack", "out of memory")


@pytest.mark.slow
@pytest.mark.clients
def test_every_replay_gives_the_same_chain(tmp_path: Path) -> None:
    line, problems = replay.campaign(tmp_path, BLOCKS, SEED, default_engine())
    assert problems == []
    assert line.startswith(f"seed {SEED}, engine {default_engine().value}: ")
    other = Engine.NATIVE if default_engine() is Engine.PY_EVM else Engine.PY_EVM
    assert (f" {other.value} " in line.partition("seconds:")[2]) == (CORE.library is not None)
    assert [end for end in ENDS if f" runs {end}" not in line] == []
