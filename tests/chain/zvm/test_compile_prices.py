"""What a deployment takes for its gas, against the EVM in the same run: nothing is dear, nothing takes seconds."""

from collections.abc import Iterator
from itertools import islice

import brotli
import pytest

from verification.wasm.compile import TIMES, Case, Deployments
from verification.wasm.shapes import SHAPES, Parts, function
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX

pytestmark = pytest.mark.slow

SEEDS, CASES = range(1, 9), 4
"""Of each shape: the first modules that are not refused; `make wasm-compile` takes any number."""
SECONDS = 3.0
"""Of processor time, for any module; the worst takes 0.7 on an idle machine."""


@pytest.fixture(scope="module")
def deployments() -> Iterator[Deployments]:
    made = Deployments()
    yield made
    made.close()


@pytest.fixture(scope="module")
def base(deployments: Deployments) -> float:
    """The EVM's nanoseconds a gas."""
    return deployments.evm()


def test_z1_the_module_that_took_seconds_for_its_130_bytes(deployments: Deployments, base: float) -> None:
    """12,000 times memory.grow in one expression, in four functions."""
    module = Parts([function(b"\x20\0" + b"\x40\0" * 12_000 + b"\x1a")] * 4).build()
    data = COMPRESSED_PREFIX + b"\0" + brotli.compress(module)
    assert len(data) < 140
    outcome, seconds = deployments.create(data)
    assert outcome.error is None
    assert seconds / outcome.gas_used * 1e9 <= TIMES * base
    assert seconds < SECONDS


@pytest.mark.parametrize("shape", SHAPES)
def test_z1_no_shape_of_code_is_dear_to_compile_for_its_gas(deployments: Deployments, base: float, shape: str) -> None:
    cases = (case for seed in SEEDS if (case := deployments.case(shape, seed)) is not None)
    found = [*islice(cases, CASES)]
    assert found, "every module of this shape is refused"
    worst = max(found, key=lambda case: case.nanoseconds_per_gas)
    if worst.nanoseconds_per_gas > TIMES * base:
        # another process may have had the machine: what is dear is dear again
        again = deployments.case(shape, worst.seed)
        assert again is not None
        assert again.nanoseconds_per_gas <= TIMES * deployments.evm(), again.line(base)
    assert max(case.seconds for case in found) < SECONDS
    assert [case for case in found if not within_its_price(case)] == []


def within_its_price(case: Case) -> bool:
    return case.code_bytes <= case.code_limit_bytes
