"""B5: a short slice of the campaign that runs for an hour by hand."""

from verification.abuse.memory import measure

MOST_MEBIBYTES = 600
"""Far from what one bomb, or twenty refused traces that are not forgotten, would make of it."""


def test_b5_every_abuse_leaves_memory_bounded() -> None:
    assert max(measure(seconds=0, least_rounds=2)) < MOST_MEBIBYTES
