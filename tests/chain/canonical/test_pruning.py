"""A pruned chain: what goes, what stays, that a stop at any time leaves a whole chain, and what is refused then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, CAROL, STORE_AND_LOG, creation, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.canonical import pruning
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.canonical.log_search import LogQuery, LogSearch
from zevm.chain.canonical.pruning import Pruning, prune_in_steps
from zevm.chain.canonical.rewinding import rewind_ledger
from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, NotBriefError
from zevm.chain.concurrency.steps import Turn
from zevm.chain.errors import ChainError, PrunedHistoryError, StatesNotKeptError
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.tracing.history import intermediate_roots
from zevm.chain.types.block_reference import EARLIEST, BlockReference
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.ledger import Ledger
from zevm.storage.schema import (
    BODY,
    HEADER,
    HISTORY,
    LOG,
    OVERRIDE,
    POSITION,
    RECEIPTS,
    UNDO,
    Family,
    Version,
    body_key,
    range_of,
)
from zevm.storage.state_nodes import NodeLimits
from zevm.storage.store import Batch

KEPT = 8
"""In the place of 256, so that the tests are short."""

LIMITS = NodeLimits(states=2, entries=1, blocks=1)
PRUNING = ChainOptions(mining=MiningMode(automine=True), kept_blocks=KEPT)
KEEPING = ChainOptions(mining=MiningMode(automine=True))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MINIMUM_KEPT_BLOCKS": 1, "LAG_BLOCKS": 4, "STEP_BLOCKS": 8, "NODES_LAG_BLOCKS": 6}.items():
        monkeypatch.setattr(pruning, name, value)


@contextmanager
def opened(path: Path | None, options: ChainOptions = PRUNING, limits: NodeLimits = LIMITS) -> Iterator[Chain]:
    with Database.open(path, node_limits=limits) as database:
        chain = open_chain(database, options=options)
        try:
            yield chain
        finally:
            chain.close()


def contract_of(chain: Chain) -> bytes:
    """A contract that stores and logs what it is called with, deployed."""
    sent = creation(chain.head.state.account(ALICE).nonce, STORE_AND_LOG)
    chain.writer.run(chain.send_transaction, sent)
    found = chain.find_transaction(sent.hash)
    assert found is not None
    created = chain.receipts(found.block.hash)[found.index].contract_address
    assert created is not None
    return created


def call(chain: Chain, contract: bytes, value: int) -> bytes:
    """Make a block with a call of the contract."""
    nonce = chain.head.state.account(ALICE).nonce
    sent = transfer(nonce, 0, to=contract, data=value.to_bytes(32, "big"), gas_limit=100_000)
    chain.writer.run(chain.send_transaction, sent)
    return sent.hash


def grow(chain: Chain, count: int = 30) -> tuple[bytes, list[bytes]]:
    """A contract and the hashes of the transactions that store 1, 2 ... in it, one a block; some states are patched."""
    contract = contract_of(chain)
    sent = []
    for value in range(1, count + 1):
        sent.append(call(chain, contract, value))
        if value % 5 == 0:
            chain.writer.run(chain.patch_state, lambda state, value=value: state.set_balance(CAROL, value))
    return contract, sent


def check_whole(chain: Chain) -> None:
    """Nothing lacks that should be there, nothing is there that should be gone."""
    assert list(deep_problems(chain.canonical)) == []
    first, head = chain.canonical.first_kept, chain.head.number
    for number in range(first, head + 1):
        block = chain.block_by_number(number)
        assert chain.receipts(block.hash) is not None
        chain.state_at(BlockReference(number=number)).account(ALICE)
    assert [chain.header_by_number(number).number for number in range(head + 1)] == list(range(head + 1))


def stored(chain: Chain, family: Family) -> int:
    return sum(1 for _ in chain.database.store.iterate(*range_of(family)))


def test_old_blocks_lose_their_content_and_keep_their_headers() -> None:
    with opened(None, KEEPING) as whole, opened(None) as chain:
        for each in (whole, chain):
            contract, sent = grow(each)
        head, kept = chain.head.number, chain.canonical.first_kept
        assert head - KEPT - pruning.LAG_BLOCKS < kept <= head - KEPT + 1
        assert chain.number_of(EARLIEST) == kept
        check_whole(chain)
        for family in (BODY, RECEIPTS):
            assert stored(chain, family) == head - kept + 2, "and those of the first block"
        assert stored(chain, POSITION) == head - kept + 1
        assert stored(chain, HEADER) == head + 1
        for family in (UNDO, HISTORY, LOG, OVERRIDE):
            assert stored(chain, family) < stored(whole, family) / 2
        for number in range(kept, head + 1):
            reference = BlockReference(number=number)
            for address in (ALICE, BOB, CAROL, contract):
                want = whole.state_at(reference).account(address)
                assert chain.state_at(reference).account(address) == want
            assert chain.state_at(reference).storage(contract, 0) == whole.state_at(reference).storage(contract, 0)
        query = LogQuery(first=kept, addresses=(contract,))
        assert [log.block_number for log in chain.logs(query)] == [log.block_number for log in whole.logs(query)]
        assert chain.find_transaction(sent[-1]) is not None


READS: dict[str, Callable[[Chain, int], object]] = {
    "block": lambda chain, number: chain.block_by_number(number),
    "block by hash": lambda chain, number: chain.block_by_hash(chain.header_by_number(number).hash),
    "receipts": lambda chain, number: chain.receipts(chain.header_by_number(number).hash),
    "state": lambda chain, number: chain.state_at(BlockReference(number=number)).account(ALICE),
    "proof": lambda chain, number: chain.prove_account(BlockReference(number=number), ALICE, [], Deadline.after(60)),
    "logs": lambda chain, number: chain.logs(LogQuery(first=number)),
    "going back": lambda chain, number: chain.writer.run(chain.rollback, chain.head.number - number),
    "reorganisation": lambda chain, number: chain.writer.run(chain.reorg, chain.head.number - number, ()),
}


@pytest.mark.parametrize("name", READS)
def test_what_is_gone_is_refused_and_what_is_next_to_it_is_not(name: str) -> None:
    with opened(None) as chain:
        grow(chain)
        first = chain.canonical.first_kept
        refused: type[ChainError] = PrunedHistoryError
        if name in ("going back", "reorganisation"):
            refused = StatesNotKeptError
        if name in ("state", "proof"):
            # of the state before it, with which it can be executed again
            first -= 1
        for number in (first - 1, 1):
            with pytest.raises(refused, match="pruned"):
                READS[name](chain, number)
        READS[name](chain, first)


def test_the_first_kept_block_can_be_executed_again() -> None:
    """Also where the state that it stands on was patched."""
    with opened(None) as chain:
        contract = contract_of(chain)
        patched = set()
        for value in range(40):
            call(chain, contract, value)
            number = chain.canonical.first_kept
            block = chain.block_by_number(number)
            if number:
                assert intermediate_roots(chain, block, Deadline.after(60))[-1] == block.header.state_root
                patched.add(chain.database.ledger.working_root(number - 1) is not None)
            if value % 3 == 0:
                chain.writer.run(chain.patch_state, lambda state, value=value: state.set_balance(CAROL, value + 1))
        assert patched == {False, True}


def test_a_transaction_of_a_pruned_block_is_unknown() -> None:
    """Also where a cache had it."""
    with opened(None) as chain:
        _, sent = grow(chain)
        assert [chain.find_transaction(each) for each in sent[:10]] == [None] * 10
        assert [chain.header_of_transaction(each) for each in sent[:10]] == [None] * 10


def test_the_first_block_keeps_its_content_and_not_its_state() -> None:
    with opened(None) as chain:
        first = chain.block_by_number(0)
        grow(chain)
        chain.records.clear()
        assert chain.block_by_number(0) == first
        assert chain.receipts(first.hash) == ()
        with pytest.raises(PrunedHistoryError):
            chain.state_at(BlockReference(number=0))


def test_suggested_fees_end_where_history_does() -> None:
    with opened(None) as chain:
        grow(chain)
        block_hash, count = chain.head.header.hash, 0
        while (tips := chain.records.tips(block_hash)) is not None:
            block_hash, count = tips.parent_hash, count + 1
        assert count == chain.head.number - chain.canonical.first_kept + 1


def test_a_transaction_that_a_later_block_holds_again_is_still_found() -> None:
    """A development call lowers a nonce, and the same transaction comes again."""
    with opened(None) as chain:
        twice = transfer(0)
        chain.writer.run(chain.send_transaction, twice)
        chain.writer.run(chain.mine, 4)
        chain.writer.run(chain.patch_state, lambda state: state.set_nonce(ALICE, 0))
        chain.writer.run(chain.send_transaction, twice)
        second = chain.head.number
        chain.writer.run(chain.mine, KEPT - 2)
        chain.records.clear()
        assert 1 < chain.canonical.first_kept <= second
        assert chain.find_transaction(twice.hash).block.number == second
        check_whole(chain)


class PowerCut(BaseException):
    """The end of the process; nothing may catch it."""


@pytest.mark.lengthy
@pytest.mark.parametrize("limits", [LIMITS, NodeLimits(states=4, entries=10**6, blocks=20)], ids=["often", "seldom"])
def test_a_stop_between_any_two_writes_leaves_a_whole_chain(
    tmp_path: Path, limits: NodeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trie nodes are made again from differences, so that none of those may go before the nodes are written."""
    horizons = set[int]()
    for writes in range(40, 105, 5):
        path = tmp_path / str(writes)
        left = writes
        with Database.open(path, node_limits=limits) as database, monkeypatch.context() as patch:
            chain = open_chain(database, options=PRUNING)
            write = database.write

            def limited(batch: Batch, *, sync: bool = True, write: Callable[..., None] = write) -> None:
                nonlocal left
                if not left:
                    raise PowerCut
                left -= 1
                write(batch, sync=sync)

            patch.setattr(database, "write", limited)
            with pytest.raises(PowerCut):
                grow(chain, 100)
            with suppress(PowerCut):
                chain.close()
        with opened(path, limits=limits) as chain:
            horizons.add(chain.canonical.horizon.number)
            check_whole(chain)
            chain.writer.run(chain.mine, 12)
            check_whole(chain)
    assert len(horizons) > 5


def test_a_failed_write_moves_nothing_and_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(None) as chain:
        contract, _ = grow(chain)
        before, write = chain.canonical.horizon.number, chain.database.write

        def refused(batch: Batch, *, sync: bool = True) -> None:
            if any(key[:1] == BODY.prefix and value is None for key, value in batch.operations):
                raise StorageError("the disk is full")
            write(batch, sync=sync)

        with monkeypatch.context() as patch:
            patch.setattr(chain.database, "write", refused)
            for value in range(10):
                call(chain, contract, value)
            assert chain.canonical.horizon.number == before
            check_whole(chain)
        call(chain, contract, 1)
        assert chain.canonical.horizon.number > before
        check_whole(chain)


def test_a_chain_that_kept_everything_is_pruned_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "STEP_BLOCKS", 2)
    monkeypatch.setattr(Turn, "is_over", True)
    with opened(tmp_path, KEEPING) as chain:
        grow(chain)
    with opened(tmp_path) as chain:
        ended = Cancellation()
        ended.cancel()
        prune_in_steps(chain, ended)
        assert chain.canonical.horizon.number <= 2
        prune_in_steps(chain, Cancellation())
        assert chain.canonical.horizon.number == chain.head.number - KEPT + 1
        check_whole(chain)
    with opened(tmp_path, KEEPING) as chain:
        check_whole(chain)
        with pytest.raises(PrunedHistoryError):
            chain.block_by_number(3)


def test_a_large_block_ends_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "STEP_OPERATIONS", 1)
    with opened(None) as chain:
        grow(chain)
        before = chain.canonical.horizon.number
        assert before <= 30 - KEPT
        assert chain.writer.run(chain.canonical.prune)
        assert chain.canonical.horizon.number == before + 1
        check_whole(chain)


def test_a_reset_begins_with_the_genesis_again() -> None:
    with opened(None) as chain:
        first = chain.header_by_number(0)
        grow(chain)
        chain.writer.run(chain.reset)
        assert (chain.head.header, chain.canonical.first_kept) == (first, 0)
        assert chain.head.state.account(ALICE).nonce == 0
        check_whole(chain)
        grow(chain)
        assert chain.canonical.first_kept > 0
        check_whole(chain)


def test_a_rewind_on_the_disk_stops_at_the_horizon(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        grow(chain)
        kept = chain.canonical.first_kept
    with Database.open(tmp_path, node_limits=LIMITS) as database:
        with pytest.raises(StatesNotKeptError):
            rewind_ledger(database, kept - 1)
        rewind_ledger(database, kept)
    with opened(tmp_path) as chain:
        assert chain.head.number == kept
        check_whole(chain)
        chain.writer.run(chain.mine, 3)
        chain.writer.run(chain.rewind_to, kept)
        check_whole(chain)


def test_going_back_to_the_horizon_and_on_from_there() -> None:
    with opened(None) as chain:
        contract, _ = grow(chain)
        kept = chain.canonical.first_kept
        chain.writer.run(chain.rewind_to, kept)
        check_whole(chain)
        assert chain.logs(LogQuery(first=kept)) == chain.logs(LogQuery(first=kept, last=kept))
        for value in range(20):
            call(chain, contract, value)
        assert chain.canonical.first_kept > kept
        check_whole(chain)


def test_a_damaged_block_ends_the_pruning_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with opened(None) as chain:
        contract, _ = grow(chain)
        kept = chain.canonical.first_kept
        batch = Batch()
        batch.put(body_key(chain.header_by_number(kept + 1).hash), b"\xc5\x01")
        chain.database.write(batch)
        for value in range(20):
            call(chain, contract, value)
        assert chain.canonical.first_kept == kept
        [warning] = [record.message for record in caplog.records]
        assert warning.startswith(f"no more blocks are pruned until the next start: block {kept + 1} is damaged: ")


def test_a_kept_number_below_the_least_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MINIMUM_KEPT_BLOCKS", 20)
    with opened(None) as chain:
        grow(chain)
        assert chain.head.number - 20 - pruning.LAG_BLOCKS < chain.canonical.first_kept <= chain.head.number - 19


def test_blocks_before_the_genesis_number_are_none() -> None:
    """A genesis may set the first block's number."""
    with Database.open(None, node_limits=LIMITS) as database:
        genesis = load_default_genesis().with_changes(number=1_000)
        chain = Chain(database, genesis, PRUNING)
        chain.writer.run(chain.mine, 6)
        assert chain.canonical.horizon.number == 0
        chain.writer.run(chain.mine, 30)
        assert 1_000 < chain.canonical.first_kept <= 1_037 - KEPT
        assert chain.canonical.head.version == Version(1_036)
        assert chain.block_by_number(1_000).number == 1_000
        assert list(deep_problems(chain.canonical)) == []
        chain.close()


def test_the_first_block_may_have_transactions_and_logs() -> None:
    """That of a state file: it keeps what tools ask it for, and no log of it is searched for."""
    with opened(None, KEEPING) as other:
        contract, sent = grow(other, 6)
        first = other.find_transaction(sent[2]).block
        history = [other.records.record(other.header_by_number(number).hash) for number in range(first.number, 8)]
    with opened(None) as chain:
        chain.writer.run(chain.adopt, history, lambda _: None)
        chain.writer.run(chain.mine, 20)
        assert chain.canonical.first_kept > first.number
        assert list(deep_problems(chain.canonical)) == []
        chain.records.clear()
        assert chain.block_by_number(first.number) == first
        assert chain.find_transaction(sent[2]).block == first
        assert chain.find_transaction(sent[3]) is None
        with pytest.raises(PrunedHistoryError):
            chain.logs(LogQuery(first=first.number, addresses=(contract,)))


def test_logs_that_are_pruned_during_their_search_are_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(None, KEEPING) as chain:
        contract, _ = grow(chain)
        monkeypatch.setattr(LogSearch, "_recent_blocks", lambda *_: [])
        query, log_blocks = LogQuery(first=5, addresses=(contract,)), Ledger.log_blocks
        assert [log.block_number for log in chain.logs(query)] == list(range(5, chain.head.number + 1))
        chain.canonical._pruning = Pruning(chain.database, chain.records, chain.canonical.horizon, KEPT)

        def late(*arguments: Any) -> Iterator[int]:
            chain.writer.run(chain.canonical.prune)
            return log_blocks(*arguments)

        monkeypatch.setattr(Ledger, "log_blocks", late)
        with pytest.raises(PrunedHistoryError):
            chain.logs(query)
        assert chain.canonical.first_kept > 5


IN_VAIN: dict[str, Callable[[Chain, int], object]] = {
    "revert": lambda chain, old: chain.writer.run(chain.revert, old),
    "setting the head": lambda chain, _: chain.writer.run(chain.rewind_to, 1),
    "another branch": lambda chain, _: chain.writer.run(chain.switch_to, chain.header_by_number(1), ()),
}


@pytest.mark.parametrize("name", IN_VAIN)
def test_going_back_behind_the_horizon_in_vain_uses_up_no_snapshot(name: str) -> None:
    with opened(None) as chain:
        old = chain.writer.run(chain.snapshot)
        contract, _ = grow(chain)
        new, head = chain.writer.run(chain.snapshot), chain.head.header
        call(chain, contract, 1)
        with pytest.raises(StatesNotKeptError):
            IN_VAIN[name](chain, old)
        assert chain.writer.run(chain.revert, new)
        assert chain.head.header == head


def test_pruning_is_left_to_the_writers_thread() -> None:
    """A step takes longer than a transaction that others wait for may."""
    with opened(None, limits=NodeLimits()) as chain:
        patient = BriefDeadline(time.monotonic() + 60, Cancellation())
        pruned = []
        for nonce in range(30):
            before = chain.canonical.first_kept
            try:
                chain.writer.run(partial(chain.send_transaction, transfer(nonce), deadline=patient))
                assert chain.canonical.first_kept == before
            except NotBriefError:
                chain.writer.run(chain.send_transaction, transfer(nonce))
                pruned.append(chain.canonical.first_kept - before)
        assert sum(pruned) == chain.canonical.first_kept
        assert len(pruned) < 10
        assert min(pruned) >= 1


def test_no_step_is_tried_where_none_is_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trie nodes that are not written hold it up for up to NODES_LAG_BLOCKS, of which each makes a block."""
    monkeypatch.setattr(pruning, "NODES_LAG_BLOCKS", 40)
    limits, tried = NodeLimits(states=4, entries=10**6, blocks=50), list[bool]()
    step = Pruning.step

    def noted(*arguments: Any) -> bool:
        before = chain.canonical.first_kept
        more = step(*arguments)
        tried.append(chain.canonical.first_kept > before)
        return more

    monkeypatch.setattr(Pruning, "step", noted)
    with opened(tmp_path, limits=limits) as chain:
        for _ in range(120):
            chain.writer.run(chain.mine)
        assert all(tried)
        assert len(tried) > 10
        check_whole(chain)
