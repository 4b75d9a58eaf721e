"""Every instruction and host function takes about the EVM's time for its gas; bench/time_per_gas.py prints them all."""

from collections.abc import Iterator

import pytest

from bench import zvm_per_gas
from verification.wasm.compile import Deployments

pytestmark = pytest.mark.slow

TIMES = 30
"""How many times as long as the EVM's plainest opcodes a row may take; they take a third of what the one in the middle
takes, and the dearest row takes nine times."""


@pytest.fixture(scope="module")
def base() -> Iterator[float]:
    """The EVM's nanoseconds a gas."""
    deployments = Deployments()
    yield deployments.evm()
    deployments.close()


@pytest.mark.parametrize("kind", ["wasm host function", "wasm instruction"])
def test_z3_nothing_is_dear_in_time_for_its_gas(base: float, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zvm_per_gas, "ROUNDS", 50)
    rows = {name: seconds / gas * 1e9 for name, gas, seconds in zvm_per_gas.figures(kind)}
    assert len(rows) > 40
    assert {name: round(row) for name, row in rows.items() if row > TIMES * base} == {}
