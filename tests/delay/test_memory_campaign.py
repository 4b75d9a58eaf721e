"""B5: a short slice of the campaign that runs for an hour by hand."""

from scripts.memory_campaign import run


def test_b5_memory_comes_back_after_mixed_abuse() -> None:
    assert run(seconds=1)
