"""Random blocks and encodings against Ethereum's executable specification: a short campaign.

Without a package registry to install the specification from, these tests are skipped.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.node_process import ROOT
from verification.differential import codecs
from verification.differential.build import address_of, execute_here, transactions_of
from verification.differential.cases import CONTRACTS, FORKS, KEYS, Case, new_case
from verification.differential.coverage import Coverage
from verification.differential.run import Limits, campaign, differences
from verification.differential.shrink import shrink
from verification.differential.specification import Specification
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.vm import calls
from zevm.chain.vm.engines.engine import Engine

pytestmark = pytest.mark.timeout(400)

SEED = 20_000
ENDLESS = 1e9
SENDERS = [address_of(key) for key in KEYS]


@pytest.fixture(scope="module")
def specification() -> Iterator[Specification]:
    """In an environment of its own, whose first installation takes half a minute."""
    environment = os.environ | {"PYTHON": sys.executable, "PIP_RETRIES": "2", "PIP_DEFAULT_TIMEOUT": "10"}
    done = subprocess.run(
        [ROOT / "verification" / "differential" / "install.sh"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "Retrying (Retry" in done.stderr:
        pytest.skip("the package registry cannot be reached, so the executable specification is not installed")
    assert done.returncode == 0, done.stderr
    with Specification() as process:
        yield process


def test_random_blocks_give_what_the_specification_gives(specification: Specification, tmp_path: Path) -> None:
    assert campaign(specification, SEED, Limits(ENDLESS, 15), tmp_path, zvm=False) == 0


def test_random_blocks_give_the_same_where_webassembly_is_on(specification: Specification, tmp_path: Path) -> None:
    assert campaign(specification, SEED + 30, Limits(ENDLESS, 5), tmp_path, zvm=True) == 0


@pytest.mark.parametrize("fork", FORKS)
def test_webassembly_and_a_tracer_change_nothing(fork: str) -> None:
    coverage = Coverage()
    for seed in range(SEED, SEED + 40):
        case = new_case(seed, fork, SENDERS)
        plain = execute_here(case, transactions_of(case))
        assert execute_here(case, transactions_of(case), zvm=True).block == plain.block, seed
        assert coverage.add(case).block == plain.block, seed
    # and the cases are worth it: most transactions get in, and they end in many ways
    assert sum(coverage.refusals.values()) < sum(coverage.transactions.values()) / 3
    assert all(coverage.endings[name] for name in ("success", "execution reverted", "out of gas", "invalid opcode"))
    assert sum(count > 0 for count in coverage.opcodes.values()) > 110


def test_plain_transactions_of_a_series_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    add_plain = BlockExecution.add_plain

    def counted(*arguments: Any) -> int:
        counts.append(add_plain(*arguments))
        return counts[-1]

    monkeypatch.setattr(BlockExecution, "add_plain", counted)
    for seed in range(SEED + 3, SEED + 30, 5):
        case = new_case(seed, "Osaka", SENDERS)
        execute_here(case, transactions_of(case), engine=Engine.CHECK)
    assert sum(counts) > 50
    assert max(counts) > 4


def test_encodings_give_what_the_specification_gives(specification: Specification) -> None:
    assert codecs.campaign(specification, SEED, ENDLESS, 2_000) == 0


def code_bytes(case: Case) -> int:
    """Of the case's contracts, without the JUMPDESTs that shrinking puts in the place of what is not needed."""
    accounts = [case["accounts"].get(address.hex(), {"code": ""}) for address in CONTRACTS]
    return sum(sum(byte != 0x5B for byte in bytes.fromhex(account["code"])) for account in accounts)


def test_a_planted_fault_is_found_and_made_small(specification: Specification, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to an empty account with value costs the new account's price, here one gas too little."""
    sound = calls._new_account_price
    monkeypatch.setattr(calls, "_new_account_price", lambda *of_call: max(0, sound(*of_call) - 1))
    cases = (new_case(seed, "Osaka", SENDERS) for seed in range(SEED, SEED + 200))
    case = next(case for case in cases if differences(case, specification, zvm=False, engine=Engine.PY_EVM))
    small = shrink(
        case, lambda candidate: bool(differences(candidate, specification, zvm=False, engine=Engine.PY_EVM)), 300
    )
    small = json.loads(json.dumps(small))
    assert "gas_used" in differences(small, specification, zvm=False, engine=Engine.PY_EVM)
    assert len(small["transactions"]) == 1
    assert code_bytes(small) < code_bytes(case) / 4
    monkeypatch.undo()
    assert not differences(small, specification, zvm=False)
