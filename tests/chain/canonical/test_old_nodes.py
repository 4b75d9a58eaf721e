"""Trie nodes that nothing needs go: those of `--proofs all` once it is off, those of states beyond a rewind."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import ALICE, CAROL, MANUAL, open_chain
from zevm.chain.blockchain import Chain
from zevm.chain.canonical.old_nodes import remove_old_nodes
from zevm.chain.canonical.rewinding import rewind_ledger
from zevm.chain.concurrency.deadline import Cancellation, Deadline
from zevm.chain.events import BlockAndReceipts
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types.block_reference import BlockReference
from zevm.storage import node_removal
from zevm.storage.database import Database
from zevm.storage.schema import NODE, SLOT_NODE, STATE_NODE, Family, Version, range_of
from zevm.storage.state_nodes import NodeLimits

ALL, FEW = NodeLimits(states=None), NodeLimits(states=2, entries=1, blocks=1)
BLOCKS = 12


@contextmanager
def opened(path: Path, limits: NodeLimits) -> Iterator[Chain]:
    with Database.open(path, node_limits=limits) as database:
        chain = open_chain(database, options=MANUAL)
        try:
            yield chain
        finally:
            chain.close()


def grow(chain: Chain, count: int) -> None:
    for _ in range(count):
        account = chain.head.state.account(CAROL)
        chain.writer.run(chain.patch_state, lambda state, held=account: state.set_balance(CAROL, _more(held)))
        chain.writer.run(chain.mine)


def _more(account: object) -> int:
    return 1 if account is None else int(account.balance) + 1  # type: ignore[attr-defined]


def count(database: Database, *families: Family) -> int:
    return sum(1 for family in families for _ in database.store.iterate(*range_of(family)))


def check_proofs(chain: Chain) -> None:
    """Every past state is proved."""
    for number in range(chain.head.number + 1):
        proof = chain.prove_account(BlockReference(number=number), CAROL, [], Deadline.after(60))
        # the patch before block n is one of block n - 1, and is read there
        assert (0 if proof.account is None else proof.account.balance) == min(number + 1, chain.head.number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A chain that has kept all nodes."""
    with opened(tmp_path / "data", ALL) as chain:
        grow(chain, BLOCKS)
        check_proofs(chain)
    return tmp_path / "data"


def test_what_proofs_all_has_kept_goes_once_it_is_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_removal, "STEP_NODES", 3)
    with opened(path, FEW) as chain:
        assert count(chain.database, NODE) > BLOCKS
        remove_old_nodes(chain, Cancellation())
        assert count(chain.database, NODE) == 0
        assert not chain.database.state.has_unneeded_nodes
        grow(chain, 3)
        check_proofs(chain)
    with opened(path, ALL) as chain:
        assert count(chain.database, STATE_NODE, SLOT_NODE) == 0
        grow(chain, 3)
        check_proofs(chain)
        assert chain.database.state.verify(chain.head.state.root, chain.database.store.snapshot()) == []


@pytest.mark.lengthy
def test_the_disk_is_given_the_space_of_what_has_gone(tmp_path: Path) -> None:
    """The head of a node that makes no blocks reads from a snapshot of before the removal."""
    with opened(tmp_path / "data", ALL) as chain:
        chain.writer.run(chain.mine, 150)
    with opened(tmp_path / "data", FEW) as chain:
        database = chain.database
        database.store.compact()  # type: ignore[union-attr]
        before = database.store.approximate_sizes([range_of(NODE)])[0]
        assert before > 200_000
        remove_old_nodes(chain, Cancellation())
        assert database.store.approximate_sizes([range_of(NODE)])[0] < before / 20
        check_head = chain.head.state.account(ALICE)
        assert check_head == database.state.by_trie(chain.head.state.root).account(ALICE)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("limits", [ALL, FEW], ids=["all", "few"])
def test_a_removal_that_was_cut_short_goes_on(
    path: Path, steps: int, limits: NodeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the nodes are gone: none of the others may be trusted."""
    monkeypatch.setattr(node_removal, "STEP_NODES", 3)
    with opened(path, FEW) as chain:
        for step in islice(chain.database.state.unneeded_nodes(), steps):
            chain.database.write(step.batch)
        left = count(chain.database, NODE)
        assert left > 0
    with opened(path, limits) as chain:
        remove_old_nodes(chain, Cancellation())
        assert not node_removal.is_marked(chain.database.store)
        assert count(chain.database, NODE) < left or limits is ALL
        grow(chain, 2)
        check_proofs(chain)
        assert chain.database.state.verify(chain.head.state.root, chain.database.store.snapshot()) == []


def test_a_removal_ends_with_the_node(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_removal, "STEP_NODES", 1)
    monkeypatch.setattr("zevm.chain.canonical.old_nodes.Turn.is_over", True)
    with opened(path, FEW) as chain:
        ended = Cancellation()
        ended.cancel()
        remove_old_nodes(chain, ended)
        assert count(chain.database, NODE) > 0
        assert chain.database.state.has_unneeded_nodes
        grow(chain, 1)
        check_proofs(chain)


def test_blocks_are_made_between_the_steps_of_a_removal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_removal, "STEP_NODES", 1)
    monkeypatch.setattr("zevm.chain.canonical.old_nodes.Turn.is_over", True)
    with opened(path, FEW) as chain:
        left: list[tuple[int, Future[list[BlockAndReceipts]]]] = []
        write = chain.database.write

        def noted(batch: object, *, sync: bool = True) -> None:
            if len(left) < 3:
                left.append((count(chain.database, NODE), chain.writer.submit(chain.mine)))
            write(batch, sync=sync)  # type: ignore[arg-type]

        monkeypatch.setattr(chain.database, "write", noted)
        remove_old_nodes(chain, Cancellation())
        assert [len(mined.result()) for _, mined in left] == [1, 1, 1]
        assert left[-1][0] > 0
        assert chain.head.number == BLOCKS + 3


def test_a_rewind_to_a_state_with_the_root_of_the_written_nodes_makes_them_again(tmp_path: Path) -> None:
    """Empty blocks of an old fork change nothing: each has the same root."""
    genesis = Genesis.default(fork=Fork.SHANGHAI, accounts=[ALICE])
    with Database.open(tmp_path / "data", node_limits=FEW) as database:
        chain = open_chain(database, genesis=genesis, options=MANUAL)
        chain.writer.run(chain.mine, 6)
        assert chain.header_by_number(2).state_root == chain.head.state.root  # type: ignore[union-attr]
        chain.close()
    with Database.open(tmp_path / "data", node_limits=FEW) as database:
        rewind_ledger(database, 2)
        chain = open_chain(database, genesis=genesis, options=MANUAL)
        assert chain.head.number == 2
        assert chain.head.state.account(ALICE) == database.state.by_trie(chain.head.state.root).account(ALICE)
        chain.close()


def test_nodes_beyond_a_rewind_go_in_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_removal, "STEP_NODES", 3)
    with opened(path, FEW) as chain:
        grow(chain, 4)
    told = []
    with Database.open(path, node_limits=FEW) as database:
        before = count(database, STATE_NODE, SLOT_NODE)
        rewind_ledger(database, 5, lambda *step: told.append(step))
        assert count(database, STATE_NODE, SLOT_NODE) == 0
        assert len([part for part, _, _ in told if part == "trie nodes, bytes"]) > before // 3
    assert {part for part, _, _ in told} == {"trie nodes, bytes", "blocks"}
    assert all(0 <= done <= total for _, done, total in told)
    with opened(path, FEW) as chain:
        assert chain.head.number == 5
        grow(chain, 3)
        assert chain.database.state.verify(chain.head.state.root, chain.database.store.snapshot()) == []


def test_a_stop_between_the_removal_of_nodes_and_of_blocks_leaves_no_stray_ones(path: Path) -> None:
    with opened(path, FEW) as chain:
        grow(chain, 4)
    with Database.open(path, node_limits=FEW) as database:
        for step in islice(database.state.nodes_beyond(Version(5)), 1):
            database.write(step.batch)
        assert count(database, STATE_NODE, SLOT_NODE) > 0
        assert database.store.get(node_removal.NODES_KEY) is None
    with opened(path, FEW) as chain:
        assert count(chain.database, STATE_NODE, SLOT_NODE) == 0
        grow(chain, 3)
        check_proofs(chain)
