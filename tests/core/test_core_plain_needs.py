"""What the pool asks of plain transactions: the core gives what Python's checks give, and takes what they pass."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.chain.vm.support import GWEI, environment_of, rules_of, transaction_of
from tests.core.support import needs_core
from zevm.chain.errors import TransactionError
from zevm.chain.pool import admission
from zevm.chain.pool.admission import checked, plain_needs
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry, Authorization, Transaction, TransactionType
from zevm.chain.types.signatures import SECP256K1_HALF_ORDER
from zevm.core import references
from zevm.storage.primitives import Address
from zevm.storage.rlp import RlpError

pytestmark = needs_core

MAXIMUM = (1 << 256) - 1
CHOICES: dict[str, tuple[object, ...]] = {
    "type": (TransactionType.LEGACY, TransactionType.ACCESS_LIST, TransactionType.DYNAMIC_FEE),
    "chain_id": (1, None, 31337),
    "nonce": (1, (1 << 63), (1 << 64) - 1),
    "max_priority_fee_per_gas": (0, 1, GWEI),
    "max_fee_per_gas": (0, GWEI, 1 << 255, MAXIMUM),
    "gas_limit": (0, 20_999, 21_000, 21_400, 30_000_000, 60_000_001, 1 << 63, 1 << 64),
    "to": (None, Address(bytes(20))),
    "value": (0, 1 << 200, MAXIMUM, 1 << 256),
    "data": (b"", bytes(100), b"\1" * 10, b"\0\1" * 20, bytes(40_000)),
    "access_list": ((), (AccessListEntry(Address(bytes(20)), (bytes(32),)),)),
    "blob_versioned_hashes": ((), (b"\1" * 32,)),
    "authorization_list": ((), (Authorization(1, Address(bytes(20)), 0, 0, 1, 1),)),
    "s": (0, SECP256K1_HALF_ORDER, SECP256K1_HALF_ORDER + 1),
}
LIMITS = (PoolLimits(), PoolLimits(minimum_tip_wei=2, max_transaction_bytes=150), PoolLimits(max_transaction_bytes=0))


def transactions(count: int, seed: int) -> list[Transaction]:
    """Transactions of which a few fields are unusual."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        fields = {name: rng.choice(CHOICES[name]) for name in rng.sample(sorted(CHOICES), rng.randrange(4))}
        transaction = replace(transaction_of(), **fields)  # type: ignore[arg-type]
        transaction.__dict__["sender"] = Address(b"\1" * 20)
        try:
            _ = transaction.encoded
        except RlpError:
            continue
        made.append(transaction)
    return made


def test_the_core_gives_what_the_checks_give() -> None:
    assert plain_needs is not references["plain_needs"]
    found: Counter[str] = Counter()
    rng = random.Random(7)
    for transaction in transactions(3_000, 1):
        fork = rng.choice((Fork.BERLIN, Fork.LONDON, Fork.CANCUN, Fork.PRAGUE, Fork.OSAKA))
        rules = rules_of(fork, unlimited_transaction_gas=rng.random() < 0.5)
        environment = environment_of(fork, rules=rules)
        arguments = (transaction, environment, rng.choice(LIMITS), rng.random() < 0.5)
        needs = plain_needs(*arguments)
        assert needs == references["plain_needs"](*arguments)
        found["taken" if needs is not None else "refused"] += 1
    assert min(found.values()) > 300, found


@pytest.mark.parametrize("limits", LIMITS)
def test_an_entry_is_the_same_with_the_core_and_without(limits: PoolLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(transaction: Transaction, *, local: bool) -> object:
        try:
            return checked(transaction, transaction.sender, environment_of(), limits, local=local, arrival=3)
        except TransactionError as error:
            return error.reason, error.message

    asked: set[bool] = set()

    def by_core(*arguments: object) -> object:
        found = plain_needs(*arguments)  # type: ignore[arg-type]
        asked.add(found is not None)
        return found

    for transaction in transactions(600, 2):
        for local in (False, True):
            monkeypatch.setattr(admission, "plain_needs", by_core)
            found = entry(transaction, local=local)
            monkeypatch.setattr(admission, "plain_needs", lambda *_: None)
            assert found == entry(transaction, local=local)
    assert asked == {True, False}
