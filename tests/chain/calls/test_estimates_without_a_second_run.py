"""Gas estimates that need no second run: the answer is that of two runs, whatever the code does with its gas."""

import random
from collections.abc import Iterator

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, open_chain
from zevm.chain.blockchain import Chain
from zevm.chain.calls.call import GasEstimation
from zevm.chain.calls.overrides import CallOverrides, StateOverride
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types.block_reference import LATEST
from zevm.chain.vm.interface import CallRequest, Outcome

CONTRACT = bytes(19) + b"\xcc"
GAS_CAP = 30_000_000
SNIPPETS = (
    "600160{0:02x}55",  # SSTORE of a new value
    "5f60{0:02x}55",  # SSTORE of 0
    "60{0:02x}5450",  # SLOAD
    "60{0:02x}60{0:02x}52",  # MSTORE
    "60{0:02x}5fa0",  # LOG0
    "60{0:02x}3150",  # BALANCE
    "60{0:02x}5f2050",  # KECCAK256
    "60{0:02x}60{0:02x}0a50",  # EXP
)
WATCHING = (
    "5a50",  # GAS
    "5a60{0:02x}55",  # SSTORE of the gas
    "5f5f5f5f5f60{0:02x}5af150",  # CALL
    "5f5f5f5f60{0:02x}5afa50",  # STATICCALL
    "5f5f5ff050",  # CREATE
    "61ffff5a10600a57",  # a jump that depends on the gas, to nowhere
)
STORE_AT_THE_END = "600160015560016001556001600155"
"""Stores that change nothing, at 100 gas, before which 2,300 have to be left."""


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    opened = open_chain()
    yield opened
    opened.close()


class Estimation(GasEstimation):
    """Counts its runs; `twice`: it does not trust the first one."""

    runs = 0
    twice = False
    first: Outcome | None = None

    def _first_try(self, highest: int) -> Outcome:
        self.first = super()._first_try(highest)
        if self.twice:
            self.first.spare_gas = 0
        return self.first

    def _try(self, gas_limit: int) -> Outcome:
        self.runs += 1
        return super()._try(gas_limit)


def estimate(chain: Chain, code: str, *, twice: bool, to: bytes | None = CONTRACT) -> tuple[int | str, int]:
    """The estimate or the error, and the number of runs."""
    account = StateOverride(code=bytes.fromhex(code), state={slot: slot % 3 for slot in range(256)})
    request = CallRequest(sender=ALICE, to=to, data=b"" if to else bytes.fromhex(code), gas_limit=1_000_000)
    overrides = CallOverrides({CONTRACT: account})
    estimation = Estimation(
        chain.frame_at(LATEST), request, overrides=overrides, gas_cap=GAS_CAP, deadline=Deadline.after(60)
    )
    estimation.twice = twice
    try:
        return estimation.run(), estimation.runs
    except Exception as error:
        return repr(error), estimation.runs


def random_code(source: random.Random) -> str:
    kinds = SNIPPETS if source.random() < 0.5 else SNIPPETS + WATCHING
    return "".join(source.choice(kinds).format(source.randrange(256)) for _ in range(source.randrange(1, 8)))


@pytest.mark.lengthy
def test_the_estimate_of_random_code_is_that_of_two_runs(chain: Chain) -> None:
    source, saved = random.Random(7), 0
    for _ in range(300):
        code = random_code(source)
        for to in (CONTRACT, None):
            quick, plain = estimate(chain, code, twice=False, to=to), estimate(chain, code, twice=True, to=to)
            assert quick[0] == plain[0], (code, to)
            saved += plain[1] - quick[1]
    assert saved > 60


@pytest.mark.parametrize("code", ["5a50", STORE_AT_THE_END, "5f5f5ff050", "5f5f5f5f5f5f5af150"])
def test_code_that_looks_at_its_gas_is_run_again(chain: Chain, code: str) -> None:
    quick = estimate(chain, code, twice=False)
    assert quick == estimate(chain, code, twice=True)
    assert quick[1] >= 2


def test_a_delegate_is_run_as_the_code_itself(chain: Chain) -> None:
    overrides = CallOverrides(
        {
            BOB: StateOverride(code=b"\xef\x01\x00" + CONTRACT),
            CONTRACT: StateOverride(code=bytes.fromhex("6001600055")),
        }
    )
    request = CallRequest(sender=ALICE, to=BOB, gas_limit=1_000_000)
    estimation = Estimation(
        chain.frame_at(LATEST), request, overrides=overrides, gas_cap=GAS_CAP, deadline=Deadline.after(60)
    )
    assert estimation.run() > 40_000
    assert estimation.runs == 1
