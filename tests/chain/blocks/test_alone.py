"""A transaction that no other waits for is mined past the pool, and nobody can tell the difference."""

import random
from collections.abc import Callable, Iterator

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, CAROL, GWEI, KEYS, STORE_AND_LOG, creation, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.instant import InstantMining
from zevm.chain.concurrency.steps import run_through
from zevm.chain.errors import NodeFaultError, TransactionError
from zevm.chain.events import Event, HeadChanged, TransactionAdded
from zevm.chain.pool.pool import Pool
from zevm.chain.types import Transaction


@pytest.fixture
def chain() -> Iterator[Chain]:
    opened = open_chain()
    yield opened
    opened.close()


def send(chain: Chain, transaction: Transaction) -> str:
    """What a client is told."""
    try:
        return chain.writer.run(chain.send_transaction, transaction).hex()
    except TransactionError as error:
        return str(error)


def random_transactions(chain: Chain, seed: int, count: int) -> Iterator[Transaction]:
    """Most fit at once; others come too early, too late, cannot pay, or ask for more gas than there is."""
    chance = random.Random(seed)
    for _ in range(count):
        who = chance.randrange(2)
        address = (ALICE, BOB)[who]
        account = chain.head.state.account(address)
        nonce = chain.pool.next_nonce(address, account.nonce) + chance.choice((0, 0, 0, 0, 0, 0, 1, -1))
        changes = {
            "max_fee_per_gas": chance.choice((10 * GWEI, 10 * GWEI, 10 * GWEI, 1)),
            "tip": chance.choice((0, 1, 0, 1, GWEI)),
            "gas_limit": chance.choice((21_000, 21_000, 50_000, 20_999, 10**9)),
            "value_wei": chance.choice((0, 1, 1, 1, 10**30)),
        }
        if nonce < 0:
            continue
        if chance.random() < 0.1:
            yield creation(nonce, STORE_AND_LOG, key=KEYS[who])
        else:
            yield transfer(nonce, key=KEYS[who], to=chance.choice((ALICE, BOB, CAROL)), **changes)


def random_command(chance: random.Random, chain: Chain) -> Callable[[Chain], object]:
    """A development command between two sends."""
    number, depth = chance.randrange(4), min(chance.randrange(3), chain.head.number)
    address, value = chance.choice((ALICE, BOB)), chance.choice((1, 21_000 * 10 * GWEI, 10**22))
    fields: dict[str, int] = chance.choice(({"minimum_gas_price": GWEI}, {"minimum_gas_price": 0}))
    commands: list[Callable[[Chain], object]] = [
        lambda on: on.snapshot(),
        lambda on: on.revert(number),
        lambda on: on.rollback(depth),
        lambda on: run_through(on.reorg(depth, [])),
        lambda on: run_through(on.set_automine(number != 0)),
        lambda on: on.patch_state(lambda state: state.set_balance(address, value)),
        lambda on: on.patch_state(lambda state: state.set_code(address, bytes(number))),
        lambda on: on.change_settings(**fields),
        lambda on: on.drop_all_transactions(),
        lambda on: on.mine(number),
    ]
    return chance.choice(commands)


@pytest.mark.parametrize("with_commands", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_with_and_without_the_pool_all_is_the_same(
    chain: Chain, seed: int, with_commands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    through_pool, chance = open_chain(), random.Random(seed)
    told: list[list[Event]] = [[], []]
    alone = 0
    for events, listened in zip(told, (chain, through_pool), strict=True):
        listened.events.subscribe(events.append)
    for transaction in random_transactions(chain, seed, 80):
        if with_commands and chance.random() < 0.4:
            command = random_command(chance, chain)
            for changed in (chain, through_pool):
                changed.writer.run(command, changed)
        before = chain.head.number, chain.pool.version
        answer = send(chain, transaction)
        alone += (chain.head.number, chain.pool.version) == (before[0] + 1, before[1] + 1)
        with monkeypatch.context() as patch:
            patch.setattr(InstantMining, "mine_alone", lambda *_, **__: False)
            assert send(through_pool, transaction) == answer
        assert chain.head.header.hash == through_pool.head.header.hash
        assert chain.pool.hashes() == through_pool.pool.hashes()
        assert chain.pool.pending() == through_pool.pool.pending()
        assert chain.pool.queued() == through_pool.pool.queued()
        for address in (ALICE, BOB):
            state_nonce = chain.head.state.account(address).nonce
            assert chain.pool.next_nonce(address, state_nonce) == through_pool.pool.next_nonce(address, state_nonce)
    assert [shown(event) for event in told[0]] == [shown(event) for event in told[1]]
    assert alone > 5, "the pool was never passed by"
    through_pool.close()


def shown(event: Event) -> object:
    if isinstance(event, HeadChanged):
        return [record.block.hash for record in event.added]
    return event.transaction.hash if isinstance(event, TransactionAdded) else event


def test_it_waits_where_the_node_cannot_make_its_block(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise NodeFaultError("no memory for an instance")

    transaction = transfer(0)
    with monkeypatch.context() as patch:
        for way in ("add", "add_plain"):
            patch.setattr(f"zevm.chain.blocks.execution.BlockExecution.{way}", fails)
        with pytest.raises(NodeFaultError, match="no memory"):
            chain.writer.run(chain.send_transaction, transaction)
    assert chain.pool.hashes() == {transaction.hash} == {stored for stored, _ in chain.database.ledger.pooled()}
    chain.writer.run(chain.mine)
    assert chain.pool.is_empty
    assert not list(chain.database.ledger.pooled())
    assert chain.find_transaction(transaction.hash).block.number == 1


def test_others_see_it_wait_until_its_group_is_synced(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = Pool.passed

    def hold_and_pass(pool: Pool, *arguments: object) -> None:
        pool.hold()
        passed(pool, *arguments)

    monkeypatch.setattr(Pool, "passed", hold_and_pass)
    transaction = transfer(0)
    send(chain, transaction)
    assert chain.pool.stats().pending == 1
    assert chain.pool.get(transaction.hash) is transaction
    assert chain.pool.next_nonce(ALICE, 0) == 1
    assert chain.writer.run(chain.pool.get, transaction.hash) is None
    chain.pool.show()
    assert chain.pool.get(transaction.hash) is None
