"""What moves the chain backwards writes the pool in the same batch: a stop right after it loses no transaction.

acknowledged   pool {tx0}, snapshot, 1(tx0)
revert         one batch: head 0, pool {tx0}      <- the process ends here, before anything else is written
restart        head 0, pool {tx0}
"""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import CAROL, MANUAL, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.errors import InvalidRequestError, TransactionError
from zevm.storage.database import Database
from zevm.storage.store import Batch


class PowerCut(BaseException):
    """The end of the process; nothing may catch it."""


def cut_after_next_write(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one more batch through; the next one ends the process."""
    write, written = database.write, []

    def limited(batch: Batch, *, sync: bool = True) -> None:
        if written:
            raise PowerCut
        written.append(batch)
        write(batch, sync=sync)

    monkeypatch.setattr(database, "write", limited)


def reopened(chain: Chain, path: Path) -> tuple[int, set[bytes]]:
    """The head's number and the pool after a restart; a stop writes nothing more."""
    with suppress(PowerCut):
        chain.close()
    chain.database.close()
    chain = open_chain(Database.open(path), options=MANUAL)
    try:
        return chain.head.number, set(chain.pool.hashes())
    finally:
        chain.close()
        chain.database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def chain(path: Path) -> Chain:
    return open_chain(Database.open(path), options=MANUAL)


def test_a_revert_cut_short_keeps_the_snapshots_pool(chain: Chain, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = transfer(0, to=CAROL)
    chain.writer.run(chain.send_transaction, waiting)
    snapshot = chain.writer.run(chain.snapshot)
    chain.writer.run(chain.mine)
    chain.writer.run(chain.send_transaction, transfer(1, to=CAROL))
    cut_after_next_write(chain.database, monkeypatch)
    chain.writer.run(chain.revert, snapshot)
    assert reopened(chain, path) == (0, {waiting.hash})


def test_a_reorganisation_cut_short_keeps_the_removed_transactions(
    chain: Chain, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [transfer(nonce, to=CAROL) for nonce in range(2)]
    for transaction in sent:
        chain.writer.run(chain.send_transaction, transaction)
        chain.writer.run(chain.mine)
    cut_after_next_write(chain.database, monkeypatch)
    chain.writer.run(chain.reorg, 2, ())
    assert reopened(chain, path) == (2, {transaction.hash for transaction in sent})


def test_a_reorganisation_that_does_not_fit_changes_nothing(chain: Chain) -> None:
    chain.writer.run(chain.mine, 2)
    before = (chain.head.header.hash, chain.head.state.root)
    with pytest.raises(TransactionError, match="nonce too high"):
        chain.writer.run(chain.reorg, 2, [[transfer(0, to=CAROL)], [transfer(5, to=CAROL)]])
    assert (chain.head.header.hash, chain.head.state.root) == before


def test_a_reorganisation_deeper_than_the_chain_is_refused(chain: Chain) -> None:
    with pytest.raises(InvalidRequestError, match="rollback depth 3"):
        chain.writer.run(chain.reorg, 3, ())


def test_a_reset_cut_short_brings_no_transaction_back(
    chain: Chain, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.writer.run(chain.mine)
    chain.writer.run(chain.send_transaction, transfer(0, to=CAROL))
    cut_after_next_write(chain.database, monkeypatch)
    chain.writer.run(chain.reset)
    assert reopened(chain, path) == (0, set())
