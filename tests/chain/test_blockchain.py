"""The chain's writes: sending, mining, snapshots, patches, rewinds, reorganisations, restarts."""

from pathlib import Path

import pytest

from tests.chain.chain_fixtures import (
    ALICE,
    BOB,
    CAROL,
    ETHER,
    KEYS,
    MANUAL,
    STORE_AND_LOG,
    creation,
    open_chain,
    transfer,
)
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.errors import InvalidRequestError, TransactionError
from zevm.chain.events import HeadChanged, TransactionsDropped
from zevm.chain.types.block_reference import EARLIEST, LATEST, PENDING, BlockReference
from zevm.storage.database import Database
from zevm.storage.errors import ForeignDatabaseError


@pytest.fixture
def chain():
    opened = open_chain()
    yield opened
    opened.close()


@pytest.fixture
def manual():
    opened = open_chain(options=MANUAL)
    yield opened
    opened.close()


def balance(chain: Chain, address: bytes, reference: BlockReference = LATEST) -> int:
    account = chain.state_at(reference).account(address)
    return 0 if account is None else account.balance


def send(chain: Chain, *transactions) -> list[bytes]:
    return [chain.writer.run(chain.send_transaction, transaction) for transaction in transactions]


def check(chain: Chain) -> None:
    assert list(deep_problems(chain.canonical)) == []


def test_a_transfer_is_mined_when_the_send_returns(chain: Chain) -> None:
    (transaction_hash,) = send(chain, transfer(0, 5, to=CAROL))
    position = chain.find_transaction(transaction_hash)
    assert position is not None
    receipt = chain.receipts(position.block.hash)[0]
    assert (receipt.status, receipt.gas_used, receipt.sender) == (1, 21_000, ALICE)
    assert balance(chain, CAROL) == 5
    assert balance(chain, CAROL, EARLIEST) == 0
    assert chain.head.number == 1
    check(chain)


def test_a_contract_writes_a_slot_and_a_log(chain: Chain) -> None:
    (creation_hash,) = send(chain, creation(0, STORE_AND_LOG))
    block = chain.find_transaction(creation_hash).block
    contract = chain.receipts(block.hash)[0].contract_address
    send(chain, transfer(1, 0, to=contract, data=(42).to_bytes(32, "big"), gas_limit=100_000))
    assert chain.head.state.storage(contract, 0) == 42
    assert chain.state_at(BlockReference(number=1)).storage(contract, 0) == 0
    receipt = chain.receipts(chain.head.header.hash)[0]
    assert receipt.logs[0].topics == ((7).to_bytes(32, "big"),)
    check(chain)


def test_a_nonce_gap_waits_and_both_are_mined_when_it_closes(chain: Chain) -> None:
    send(chain, transfer(1))
    assert chain.head.number == 0
    send(chain, transfer(0))
    assert len(chain.block_by_number(1).transactions) == 2


def test_without_automine_transactions_wait_for_mine(manual) -> None:
    send(manual, transfer(0), transfer(1))
    assert manual.head.number == 0
    assert len(manual.pending().block.transactions) == 2
    assert balance(manual, BOB, PENDING) == 10_000 * ETHER + 2
    (record,) = manual.writer.run(manual.mine)
    assert len(record.block.transactions) == 2
    assert len(manual.pending().block.transactions) == 0


def test_instant_mining_refuses_what_cannot_be_in_the_next_block(chain: Chain) -> None:
    with pytest.raises(TransactionError, match="max fee per gas less than block base fee"):
        send(chain, transfer(0, max_fee_per_gas=1, tip=0))
    assert chain.head.number == 0
    assert chain.pool.hashes() == set()


def test_mining_several_blocks_at_an_interval(chain: Chain) -> None:
    blocks = [record.block for record in chain.writer.run(chain.mine, 3, 60)]
    times = [block.header.timestamp for block in blocks]
    assert [block.number for block in blocks] == [1, 2, 3]
    assert times[2] - times[1] == times[1] - times[0] == 60
    check(chain)


def test_the_clock_moves_forward_and_can_be_fixed(chain: Chain) -> None:
    first = chain.writer.run(chain.mine)[0].block.header.timestamp
    chain.clock.increase(1000)
    assert chain.writer.run(chain.mine)[0].block.header.timestamp >= first + 1000
    fixed = chain.head.header.timestamp + 500
    chain.clock.set_next_timestamp(fixed, chain.head.header.timestamp)
    assert chain.writer.run(chain.mine)[0].block.header.timestamp == fixed
    with pytest.raises(InvalidRequestError, match="lower than or equal"):
        chain.clock.set_next_timestamp(fixed, chain.head.header.timestamp)


def test_a_snapshot_brings_everything_back(manual) -> None:
    send(manual, transfer(0))
    manual.impersonated.add(CAROL)
    clock = manual.clock.state
    snapshot = manual.writer.run(manual.snapshot)
    root = manual.head.state.root
    manual.writer.run(manual.mine, 2)
    manual.clock.increase(99)
    manual.mining.set_automine(True)
    manual.impersonated.clear()
    send(manual, transfer(1), transfer(2))
    manual.writer.run(manual.patch_state, lambda state: state.set_balance(CAROL, 3))
    assert manual.writer.run(manual.revert, snapshot)
    assert manual.head.number == 0
    assert manual.head.state.root == root
    assert manual.pool.hashes() == {transfer(0).hash}
    assert manual.clock.state == clock
    assert not manual.mining.automine
    assert manual.impersonated == {CAROL}
    assert not manual.writer.run(manual.revert, snapshot)
    check(manual)


def test_reverting_uses_up_later_snapshots_of_another_state(chain: Chain) -> None:
    first, same = [chain.writer.run(chain.snapshot) for _ in range(2)]
    chain.writer.run(chain.mine, 1)
    later = chain.writer.run(chain.snapshot)
    assert chain.writer.run(chain.revert, first)
    assert not chain.writer.run(chain.revert, first)
    assert not chain.writer.run(chain.revert, later)
    assert chain.writer.run(chain.revert, same)


def test_a_snapshots_number_is_not_used_again_after_a_reset(chain: Chain) -> None:
    first = chain.writer.run(chain.snapshot)
    chain.writer.run(chain.reset)
    assert chain.writer.run(chain.snapshot) != first
    assert not chain.writer.run(chain.revert, first)


def test_patches_move_the_state_and_history_keeps_them(chain: Chain) -> None:
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 7))
    assert balance(chain, CAROL) == balance(chain, CAROL, BlockReference(number=0)) == 7
    chain.writer.run(chain.mine)
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 9))
    assert balance(chain, CAROL, BlockReference(number=0)) == 7
    assert balance(chain, CAROL) == 9
    chain.writer.run(chain.mine)
    check(chain)
    chain.writer.run(chain.rollback, 1)
    assert balance(chain, CAROL) == 9
    chain.writer.run(chain.rollback, 1)
    assert balance(chain, CAROL) == 7
    check(chain)


def test_a_snapshot_between_two_patches(chain: Chain) -> None:
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 1))
    snapshot = chain.writer.run(chain.snapshot)
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 2))
    chain.writer.run(chain.mine)
    assert chain.writer.run(chain.revert, snapshot)
    assert balance(chain, CAROL) == 1
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 3))
    chain.writer.run(chain.mine)
    assert balance(chain, CAROL) == 3
    check(chain)


def test_rollback_and_its_limit(chain: Chain) -> None:
    hashes = send(chain, transfer(0, to=CAROL), transfer(1, to=CAROL))
    chain.writer.run(chain.rollback, 1)
    assert chain.head.number == 1
    assert balance(chain, CAROL) == 1
    assert chain.find_transaction(hashes[1]) is None
    with pytest.raises(InvalidRequestError, match="rollback depth 2"):
        chain.writer.run(chain.rollback, 2)
    check(chain)


def test_a_reorganisation_replaces_blocks_and_returns_transactions(chain: Chain) -> None:
    """
    before   0 - 1(tx0) - 2(tx1)
    after    0 - 1(other) - 2()        tx0 is replaced by the other of the same nonce, tx1 waits
    """
    send(chain, transfer(0, to=CAROL), transfer(1, to=CAROL))
    events = []
    chain.events.subscribe(events.append)
    chain.writer.run(chain.reorg, 2, [[transfer(0, 50, to=CAROL)]])
    assert chain.head.number == 2
    assert balance(chain, CAROL) == 50
    assert chain.pool.hashes() == {transfer(1, to=CAROL).hash}
    changes = [event for event in events if isinstance(event, HeadChanged)]
    assert [record.block.number for record in changes[-1].removed] == [2, 1]
    assert [record.block.number for record in changes[-1].added] == [1, 2]
    check(chain)


def test_reset_goes_back_to_genesis(chain: Chain) -> None:
    send(chain, transfer(0, to=CAROL))
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 9))
    chain.writer.run(chain.reset)
    assert chain.head.number == 0
    assert balance(chain, CAROL) == 0
    send(chain, transfer(0, to=CAROL))
    check(chain)


def test_an_impersonated_sender_needs_no_signature(chain: Chain) -> None:
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, ETHER))
    transaction_hash = chain.writer.run(chain.send_transaction, transfer(0, 5).impersonating(CAROL))
    assert chain.receipts(chain.find_transaction(transaction_hash).block.hash)[0].sender == CAROL


def test_blocks_export_and_import_to_the_same_chain(chain: Chain) -> None:
    send(chain, creation(0, STORE_AND_LOG), transfer(1), transfer(0, key=KEYS[1], to=CAROL))
    other = open_chain()
    try:
        for number in range(1, chain.head.number + 1):
            block = chain.block_by_number(number)
            other.writer.run(other.import_block, type(block).decode(block.encode()))
        assert other.head.header.hash == chain.head.header.hash
        assert other.head.state.root == chain.head.state.root
        check(other)
    finally:
        other.close()


def test_a_restart_keeps_blocks_pool_patches(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "data")
    chain = open_chain(database, options=MANUAL)
    send(chain, transfer(0, to=CAROL))
    chain.writer.run(chain.mine)
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(CAROL, 11))
    send(chain, transfer(1), transfer(3))
    head, root = chain.head.header.hash, chain.head.state.root
    chain.close()
    database.close()
    database = Database.open(tmp_path / "data")
    chain = open_chain(database, options=MANUAL)
    try:
        assert (chain.head.header.hash, chain.head.state.root) == (head, root)
        assert balance(chain, CAROL) == 11
        assert chain.pool.hashes() == {transfer(1).hash, transfer(3).hash}
        chain.writer.run(chain.mine)
        assert len(chain.block_by_number(2).transactions) == 1
        check(chain)
    finally:
        chain.close()
        database.close()


def test_another_genesis_is_refused(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "data")
    chain = open_chain(database)
    genesis = chain.genesis
    chain.close()
    with pytest.raises(ForeignDatabaseError, match="another genesis"):
        open_chain(database, genesis=genesis.with_changes(gas_limit=1_000_000))
    database.close()


def test_readers_keep_the_state_they_began_with(chain: Chain) -> None:
    before = chain.head.state
    send(chain, transfer(0, 5, to=CAROL))
    assert before.account(CAROL) is None
    assert chain.head.state.account(CAROL).balance == 5


def test_a_refused_replacement_takes_what_it_replaced_along(tmp_path: Path) -> None:
    gwei = 10**9
    first, second = (transfer(0, max_fee_per_gas=fee * gwei, tip=fee // 10 * gwei) for fee in (10, 20))
    dropped: list[bytes] = []
    with Database.open(tmp_path) as database:
        chain = open_chain(database, options=MANUAL)
        chain.writer.run(chain.send_transaction, first)
        chain.writer.run(lambda: chain.change_settings(base_fee_per_gas=1_000 * gwei))
        chain.writer.run(chain.mining.set_mode, MiningMode(automine=True))
        chain.events.subscribe(
            lambda event: dropped.extend(event.hashes) if isinstance(event, TransactionsDropped) else None
        )
        with pytest.raises(TransactionError, match="max fee per gas less than block base fee"):
            chain.writer.run(chain.send_transaction, second)
        assert dropped == [first.hash]
        chain.close()
    with Database.open(tmp_path) as database:
        restarted = open_chain(database, options=MANUAL)
        assert restarted.pool.hashes() == set()
        restarted.close()
