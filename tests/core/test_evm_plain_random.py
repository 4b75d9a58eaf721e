"""Random plain transactions at the edges of what may be in a block: in one call of the core as on the way around."""

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import COINBASE, ETHER, GWEI, SENDER, assemble, environment_of, transaction_of
from tests.core.support import needs_core
from zevm.chain.errors import TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.vm import executor
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.engines.plain import PlainRuns
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import precompile_address
from zevm.chain.vm.gas_needs import gas_needs
from zevm.chain.vm.validation import validate_static
from zevm.storage.account import MAX_NONCE, StateDiff
from zevm.storage.primitives import Address

pytestmark = needs_core

CASES = 400
PLAIN = tuple(Address(bytes((place,)) * 20) for place in range(0xA0, 0xA4))
DELEGATED = tuple(Address(bytes((place,)) * 20) for place in range(0xD0, 0xD3))
PRECOMPILES = tuple(precompile_address(number) for number in (1, 2, 4, 5, 9, 10, 0x11, 0x100, 0x101))
NOBODY = Address(b"\x98" * 20)
DELEGATION = b"\xef\x01\x00"
CODES = (
    b"",
    b"\xfe",
    *map(
        assemble,
        (
            "STOP",
            "0 SLOAD 1 ADD 0 SSTORE",
            "0 0 SSTORE 0 1 SSTORE",
            "0 0 REVERT",
            "CALLER BALANCE 1 SSTORE COINBASE BALANCE 2 SSTORE GASPRICE 4 SSTORE",
            "0 0 0 0 1 CALLER GAS CALL 5 SSTORE",
            "0 0 0 0 0 COINBASE GAS CALL 0 SSTORE",
            "CALLER SELFDESTRUCT",
            "COINBASE SELFDESTRUCT",
            "ADDRESS SELFDESTRUCT",
            "0 0 0 CREATE 0 SSTORE",
            "CALLER EXTCODEHASH 0 SSTORE CALLER EXTCODESIZE 1 SSTORE",
            "0xaa 0 0 LOG1",
            f"0 0 0 0 0x{DELEGATED[0].hex()} GAS DELEGATECALL",
        ),
    ),
)


@dataclass(frozen=True)
class Case:
    """A transaction, the accounts it meets, the block's fork and author, and the gas that the block has left."""

    fork: Fork
    transaction: Transaction
    world: dict[Address, MemoryAccount]
    coinbase: Address
    gas_available: int


def case_of(seed: int) -> Case:
    random = Random(seed)
    choose = random.choice
    fork = Fork(random.randrange(Fork.LONDON if random.random() < 0.8 else Fork.FRONTIER, len(Fork)))
    nonce = choose((0, 2**63 - 1, 2**63, MAX_NONCE - 1, MAX_NONCE)) if random.random() < 0.1 else 7
    cap = choose((0, GWEI - 1, GWEI, 2 * GWEI, 7 * GWEI))
    kind = choose((TransactionType.LEGACY, TransactionType.ACCESS_LIST, TransactionType.DYNAMIC_FEE))
    transaction = transaction_of(
        type=kind,
        to=choose((*PLAIN, *PLAIN, *DELEGATED, *PRECOMPILES, Address(SENDER), Address(COINBASE), NOBODY)),
        nonce=nonce,
        value=choose((0, 0, 1, GWEI, ETHER)),
        data=bytes(random.choices((0, 0, 1, 255), k=choose((0, 0, 1, 4, 32, 100)))),
        max_fee_per_gas=cap,
        max_priority_fee_per_gas=min(cap, choose((0, 1, GWEI))) if kind is TransactionType.DYNAMIC_FEE else cap,
    )
    needs = gas_needs(transaction, environment_of(fork).rules)
    least = max(needs.intrinsic, needs.floor)
    gas_limit = choose((least - 1, least, least + 1, least + 2_300, least + 9_000, least + 40_000, 200_000, 10**6))
    transaction = transaction_of(**{name: getattr(transaction, name) for name in _VARIED}, gas_limit=gas_limit)
    return Case(
        fork,
        transaction.impersonating(Address(SENDER)) if random.random() < 0.2 else transaction,
        world_of(random, transaction),
        choose((Address(COINBASE), Address(COINBASE), Address(SENDER), transaction.to or NOBODY, PRECOMPILES[0])),
        choose((60_000_000,) * 5 + (gas_limit, gas_limit - 1)),
    )


_VARIED = ("type", "to", "nonce", "value", "data", "max_fee_per_gas", "max_priority_fee_per_gas")


def world_of(random: Random, transaction: Transaction) -> dict[Address, MemoryAccount]:
    """Accounts, of which the sender has just enough, more, or too little."""
    choose = random.choice
    cost = transaction.max_fee_per_gas * transaction.gas_limit + transaction.value
    world = {
        address: MemoryAccount(choose((0, 1)), choose((0, 5, ETHER)), choose(CODES), choose(({}, {0: 1})))
        for address in PLAIN
    }
    for address in DELEGATED:
        world[address] = MemoryAccount(1, 0, DELEGATION + choose((*PLAIN, *DELEGATED, *PRECOMPILES, SENDER)))
    if random.random() < 0.3:
        world[Address(COINBASE)] = MemoryAccount(0, choose((0, 7)), choose(CODES))
    if random.random() < 0.2:
        world[choose(PRECOMPILES)] = MemoryAccount(0, 1)
    if random.random() < 0.95:
        nonce = choose((0, 0, 0, 0, 0, 0, 0, 0, -1, 1)) + transaction.nonce
        balance = choose((cost, cost, cost - 1, cost + 1, 10 * cost, 100 * ETHER, 0))
        code = choose((b"",) * 10 + (b"\x00", DELEGATION + PLAIN[0], DELEGATION + SENDER))
        world[Address(SENDER)] = MemoryAccount(min(MAX_NONCE, max(0, nonce)), max(0, balance), code)
    return world


def apply(case: Case, engine: Engine) -> tuple[object, StateDiff] | None:
    """The outcome, or the refusal, and the state's change; None of a transaction that no pool would take."""
    state = BlockState(MemoryReader(case.world))
    environment = environment_of(case.fork, engine=engine, coinbase=case.coinbase)
    outcome: object
    try:
        validate_static(case.transaction, environment.rules)
    except TransactionError:
        return None
    try:
        outcome = Executor(environment, state).apply(
            case.transaction, case.gas_available, 10**6, checked_rules=environment.rules
        )
    except TransactionError as error:
        outcome = (error.reason, error.message)
    return outcome, state.diff()


def test_random_plain_transactions_end_as_on_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: Counter[bool] = Counter()
    run = PlainRuns.run

    def noted(*arguments: object) -> object:
        found = run(*arguments)  # type: ignore[arg-type]
        counts[found is not None] += 1
        return found

    monkeypatch.setattr(PlainRuns, "run", noted)
    for seed in range(CASES):
        case = case_of(seed)
        found = apply(case, Engine.NATIVE)
        with monkeypatch.context() as patch:
            patch.setattr(executor, "plain_runs", lambda *_: None)
            assert apply(case, Engine.NATIVE) == found, seed
        assert apply(case, Engine.PY_EVM) == found, seed
    assert counts[True] > CASES // 10
