"""A chain of mixed blocks gives the same roots in every process; `verification.wasm.replay --blocks N` goes further."""

from pathlib import Path

import pytest

from verification.wasm import replay

SEED = 2
BLOCKS = 40
ENDS = ("returned", "exited", "trapped", "out of ink", "out of stack", "out of memory")


@pytest.mark.slow
@pytest.mark.clients
def test_every_replay_gives_the_same_chain(tmp_path: Path) -> None:
    line, problems = replay.campaign(tmp_path, BLOCKS, SEED)
    assert problems == []
    assert [end for end in ENDS if f" runs {end}" not in line] == []
