"""The end of a block in the core against Python: chain/blocks/ending.py, and chain/canonical/appending.py."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, KEYS, MANUAL, creation, open_chain, sign, transfer
from tests.chain.engine.engine_fixtures import engine_chain
from tests.core.support import Looked, agree, needs_core, outcome
from tests.core.test_core_blocks import random_header, random_receipt
from tests.core.test_core_net_changes import random_state
from tests.core.test_core_state import account_of
from tests.core.test_evm_chains import Script
from zevm.chain.blockchain import Chain
from zevm.chain.blocks import ending
from zevm.chain.canonical import appending
from zevm.chain.rules.predeploys import WITHDRAWAL_REQUESTS_ADDRESS
from zevm.chain.types import Receipt, Transaction, TransactionType, Withdrawal
from zevm.chain.types.transaction import AccessListEntry
from zevm.core import CORE, references
from zevm.storage.account import EMPTY_ROOT, Account
from zevm.storage.database import Database
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.memory import MemoryStore
from zevm.storage.primitives import Address, Hash32, Wei
from zevm.storage.schema import Version, undo_key
from zevm.storage.short_headers import SHORT

pytestmark = needs_core


def both(held: dict[bytes, bytes], *arguments: Any) -> Any:
    """What the core and Python make of a block's end, by the same look-ups."""
    found = []
    for function in (ending.ended_block, references["ended_block"]):
        looked: dict[bytes, Looked] = {}

        def nodes_of(owner: bytes, looked: dict[bytes, Looked] = looked) -> Looked:
            return looked.setdefault(owner, Looked(held))

        ended = outcome(function, nodes_of, *arguments)
        found.append((ended, {owner: set(nodes.asked) for owner, nodes in looked.items() if nodes.asked}))
    assert ending.ended_block is not references["ended_block"]
    (ended, asked), (wanted, wanted_asked) = found
    assert ended == wanted
    if ended is not None and not isinstance(ended[0], type):
        assert asked == wanted_asked
        assert [*map(type, ended)] == [*map(type, wanted)]
        assert {type(account) for account in ended[5].values()} <= {Account, type(None)}
        assert ended[6].hash == wanted[6].hash
    return ended


def header_parts(rng: random.Random) -> Any:
    return random_header(rng).parts(
        transactions_root=rng.choice((None, Hash32(rng.randbytes(32)))),
        gas_used=rng.getrandbits(40),
        withdrawals_root=rng.choice((None, EMPTY_ROOT)),
        blob_gas_used=rng.choice((None, rng.getrandbits(20))),
        requests_hash=rng.choice((None, rng.randbytes(32))),
    )


@pytest.mark.parametrize("seed", range(6))
def test_random_states_end_in_the_same_state_and_header(seed: int) -> None:
    """Blocks on each other, whose accounts come, change, stay and go; of the roots some are not known."""
    rng = random.Random(seed)
    codes = {rng.randbytes(32): rng.randbytes(5) for _ in range(3)}
    held: dict[bytes, bytes] = {}
    root, accounts = EMPTY_ROOT, dict[Address, Account | None]()
    kinds = set()
    for _ in range(120):
        base, now, slots, base_slots, wiped, _codes = random_state(rng, codes)
        # most of them stand in the trie, as it has them
        for address, named in zip([*base], rng.sample(sorted(accounts), min(len(accounts), len(base))), strict=False):
            for part in (now, slots, base_slots, wiped):
                if address in part:
                    part[named] = part.pop(address)
            base.pop(address)
            base[named] = accounts[named]
        parts = header_parts(rng)
        receipts = [random_receipt(rng) for _ in range(rng.randrange(3))]
        transactions = [rng.randbytes(rng.choice((1, 90))) for _ in receipts]
        most = rng.choice((None, None, None, 3, 24))
        contents = (base, now, slots, base_slots, wiped, codes)
        ended = both(held, (), root, contents, account_of, most, *parts, transactions, receipts)
        kinds.add(None if ended is None else ended[0] if isinstance(ended[0], type) else bool(ended[2]))
        if ended is None or isinstance(ended[0], type):
            continue
        held.update(ended[3])
        root = ended[6].state_root
        accounts.update(ended[5])
        accounts = {address: account for address, account in accounts.items() if account is not None}
    assert kinds >= {None, True, False}


def test_unusual_ends_are_the_references() -> None:
    rng = random.Random(3)
    address, fields = Address(bytes(20)), (1, 3, EMPTY_KECCAK)
    contents: tuple[Any, ...] = ({address: Account(1, Wei(2))}, {address: fields}, {}, {}, {}, {})
    parts, receipts = header_parts(rng), [random_receipt(rng)]
    usual = [(), EMPTY_ROOT, contents, account_of, None, *parts, [b"\2a"], receipts]
    both({}, *usual)
    for place, value in (
        (0, 3),
        (0, [3]),
        (1, b"short"),
        (2, contents[:5]),
        (2, ({}, *contents[1:])),
        (2, (contents[0], {address: (1 << 64, 3, EMPTY_KECCAK)}, *contents[2:])),
        (2, (contents[0], {address: (1, -1, EMPTY_KECCAK)}, *contents[2:])),
        (2, (contents[0], {address: (1, 1, b"a")}, *contents[2:])),
        (2, (*contents[:2], {address: {1: 1 << 256}}, {address: {1: 0}}, *contents[4:])),
        (2, (*contents[:2], {address: {-1: 1}}, {address: {-1: 0}}, *contents[4:])),
        (4, "many"),
        (8, parts[3][:14]),
        (9, [3]),
        (10, [None]),
    ):
        changed = [*usual]
        changed[place] = value
        both({}, *changed)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_random_heads_have_the_same_operations(count: int) -> None:
    rng = random.Random(count)
    transactions = tuple(transfer(nonce) for nonce in range(count))
    receipts: list[Receipt] = [random_receipt(rng) for _ in range(count)]
    header = random_header(rng).encode()
    accounts = {Address(rng.randbytes(20)): rng.choice((b"", rng.randbytes(70))) for _ in range(5)}
    storage = {address: {rng.getrandbits(200): rng.choice((0, 7))} for address in accounts}
    store = {b"a" + address: b"old" for address in [*accounts][:3]}
    after = Hash32(rng.randbytes(32))
    flat = (store.get, undo_key(Version(9)), EMPTY_ROOT, after, accounts, storage, [b"s" + bytes(52)])
    usual = [flat, SHORT, 9, rng.randbytes(32), header, transactions, b"\xc0", receipts]
    found = agree("head_operations", *usual)
    assert (b"mstate-version", Version(9).encode()) in found
    assert len({key for key, _ in found}) == len(found)
    for place, value in (
        (0, flat[:6]),
        (0, (*flat[:2], after, *flat[3:])),
        (1, 3),
        (2, -1),
        (3, 5),
        (4, b"\x01\x02"),
        (5, [3]),
        (6, 4),
        (7, [4]),
    ):
        changed = [*usual]
        changed[place] = value
        agree("head_operations", *changed)


@contextmanager
def in_python(*, is_wanted: bool) -> Iterator[None]:
    """Let Python's functions end blocks, or the core's, which then may refuse none."""
    assert CORE.library is not None
    with pytest.MonkeyPatch.context() as patch:
        refused: list[str] = []
        for module, name in ((ending, "ended_block"), (appending, "head_operations")):
            if is_wanted:
                patch.setattr(module, name, references[name])
                continue

            def noted(*arguments: Any, name: str = name) -> Any:
                refused.append(name)
                return references[name](*arguments)

            CORE.library.bind(name, noted, None)
        try:
            yield
        finally:
            for name in ("ended_block", "head_operations"):
                CORE.library.bind(name, references[name], None)
        assert not refused


def script_blocks(chain: Chain) -> None:
    """Blocks of deployments, calls, creations, deletions, delegations and precompiles."""
    for transactions in Script(5).blocks()[:8]:
        for transaction in transactions:
            chain.writer.run(chain.send_transaction, transaction)
        chain.writer.run(chain.mine)


def plain_blocks(chain: Chain) -> None:
    """Blocks of every other type, of failures, of a request to the beacon chain, and of nothing."""
    legacy = Transaction(
        chain_id=31337, max_fee_per_gas=10**10, max_priority_fee_per_gas=10**10, gas_limit=21_000, to=BOB
    )
    listed = Transaction(
        type=TransactionType.ACCESS_LIST,
        chain_id=31337,
        nonce=1,
        max_fee_per_gas=10**10,
        max_priority_fee_per_gas=10**10,
        gas_limit=100_000,
        to=ALICE,
        access_list=(AccessListEntry(BOB, (bytes(32),)),),
    )
    request = transfer(2, 10, to=WITHDRAWAL_REQUESTS_ADDRESS, data=b"\1" * 48 + bytes(8), gas_limit=500_000)
    failing = creation(3, bytes.fromhex("60003560005560076000600a1fe"[:26]))
    groups = [
        [],
        [sign(legacy, KEYS[0]), sign(listed, KEYS[0])],
        [request],
        [],
        [failing, transfer(0, key=KEYS[1]), transfer(4, to=None, data=b"\xfe", gas_limit=90_000)],
        [transfer(nonce, nonce, to=Address(nonce.to_bytes(20, "big"))) for nonce in range(5, 80)],
    ]
    for group in groups:
        for transaction in group:
            chain.writer.run(chain.send_transaction, transaction)
        chain.writer.run(chain.mine)
    assert chain.pool.executable_count == 0


@pytest.mark.parametrize("blocks", [script_blocks, plain_blocks])
def test_chains_are_byte_for_byte_the_same(blocks: Callable[[Chain], None]) -> None:
    content = []
    for is_wanted in (False, True):
        database = Database.open(None)
        chain = open_chain(database, options=MANUAL)
        try:
            with in_python(is_wanted=is_wanted):
                blocks(chain)
        finally:
            chain.close()
        store = database.store
        assert isinstance(store, MemoryStore)
        content.append({key: value for key, value in store._data.items() if key != b"minstance-id"})
    assert content[0] == content[1]
    assert len(content[0]) > 300


def test_withdrawals_end_alike_and_are_taken_over(tmp_path: Path) -> None:
    hashes = []
    withdrawals = (Withdrawal(1, 2, ALICE, 3), Withdrawal(2, 2, CAROL_OF_NO_ACCOUNT, 4))
    for is_wanted in (False, True):
        with engine_chain(Database.open(tmp_path / str(is_wanted))) as consensus, in_python(is_wanted=is_wanted):
            consensus.send(transfer(0), transfer(0, key=KEYS[1]))
            block = consensus.build(withdrawals=withdrawals)
            hashes.append(block.hash)
            assert len(block.transactions) == 2
    assert hashes[0] == hashes[1]


CAROL_OF_NO_ACCOUNT = Address(bytes(19) + b"\x99")
