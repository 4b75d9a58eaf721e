"""B2: a slice of verification.abuse.walk_gas: the dearest that gas buys, in calls and transactions, delays nobody."""

import pytest

from verification.abuse.walk_gas import Step, walk
from zevm.chain.rules.forks import Fork

GAS = 20_000_000
STALL_MS = 250
"""What the goal allows on top of five times the base, which a quiet machine makes very small."""

DEAREST = {
    Fork.BYZANTIUM: ("BN254_PAIRING of 248 pairs", "MODEXP of 1,024, 110, 1,024 bytes"),
    Fork.OSAKA: ("BN254_PAIRING of 586 pairs", "KZG_POINT_EVALUATION again"),
}


@pytest.mark.parametrize("fork", DEAREST)
def test_b2_the_dearest_of_gas_delays_nobody(fork: Fork) -> None:
    def wanted(step: Step) -> bool:
        return step.name in DEAREST[fork]

    found = list(walk(fork, GAS, 4, wanted))
    assert len(found) == 2 * len(DEAREST[fork])
    for step in found:
        assert step.late_ms < 5 * step.base_ms + STALL_MS, step
