"""Trie nodes under their hashes, from a time when every trie was kept: removed while the chain goes on."""

import logging
from typing import Protocol

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.steps import Steps, Turn
from zevm.chain.concurrency.writer import AbandonedError, Writer, WriterStoppedError
from zevm.storage import node_removal
from zevm.storage.database import Database
from zevm.storage.errors import StorageError

LOGGER = logging.getLogger("zevm.chain")


class ServingChain(Protocol):
    """The parts of a chain (chain.blockchain.Chain) that it goes on with meanwhile."""

    database: Database
    writer: Writer

    def renew_view(self) -> None:
        """Read the latest state from a new snapshot, on the writer's thread."""
        ...


def remove_old_nodes(chain: ServingChain, cancellation: Cancellation) -> None:
    """Remove them, where there are any, and give the disk their space; on a thread of its own.

    A cancelled or failed removal goes on at the next start.
    """
    database, writer = chain.database, chain.writer
    if not database.state.has_unneeded_nodes:
        return
    LOGGER.info("the trie nodes of past states, which are not kept any more, are removed")
    try:
        removed = writer.submit(_removed, database, cancellation=cancellation).result()
        writer.submit(chain.renew_view).result()
        for first, stop in node_removal.reclaimable():
            if cancellation.is_cancelled:
                return
            database.reclaim(first, stop)
        writer.submit(database.write, node_removal.unmarked()).result()
    except (AbandonedError, WriterStoppedError):
        return
    except StorageError as error:
        LOGGER.warning("old trie nodes stay until the next start: %s", error)
        return
    LOGGER.info("%d bytes of old trie nodes were removed", removed)


def _removed(database: Database) -> Steps[int]:
    """Work of the writer that other work may come between: how many bytes have gone."""
    size_bytes, turn = 0, Turn()
    for step in database.state.unneeded_nodes():
        database.write(step.batch, sync=False)
        size_bytes += step.size_bytes
        if turn.is_over:
            yield
            turn = Turn()
    return size_bytes
