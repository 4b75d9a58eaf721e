"""What `zevm db check` and `zevm db rewind` do with a chain that may be damaged."""

from collections.abc import Callable, Iterator

from chain.canonical import CanonicalChain, stored_genesis
from chain.integrity import deep_problems, recent_problems
from node.errors import NodeError
from node.network import existing_chain, open_database, salvaged_chain
from node.settings import NodeSettings
from storage.database import Database
from storage.errors import CorruptionError, StorageError


def check_database(
    settings: NodeSettings, *, deep: bool, progress: Callable[[str], None], accept: bool = False
) -> Iterator[str]:
    """What is wrong with the database, in words; nothing when it is sound. Reads only.

    accept: take a database as it is where it cannot be told whether its newest acknowledged writes are there, and mark
    it so; what opening it made good is no problem then.
    progress is told of each part before it begins. Raises StorageError where there is no database to check.
    """
    try:
        with open_database(settings, create=False, accept=accept) as database:
            yield from () if accept else database.warnings
            yield from _chain_problems(database, deep=deep, progress=progress)
    except CorruptionError as error:
        yield str(error)


def _chain_problems(database: Database, *, deep: bool, progress: Callable[[str], None]) -> Iterator[str]:
    genesis = stored_genesis(database)
    if genesis is None:
        yield "the database holds no chain"
        return
    progress("the newest blocks")
    yield from database.recent_check()
    try:
        canonical = CanonicalChain(database, genesis)
        yield from recent_problems(canonical)
        if deep:
            progress("every key, every block's roots and the latest state's trie")
            yield from deep_problems(canonical)
        else:
            yield from database.scrub(progress)
    except StorageError as error:
        yield str(error)


def rewind_database(settings: NodeSettings, number: int) -> tuple[int, int]:
    """Make block `number` the head; the head's number before and after. A damaged database is salvaged first."""
    try:
        with existing_chain(settings, checked=False) as chain:
            before = chain.head.number
            chain.writer.run(chain.rewind_to, number)
            return before, _checked_head(chain.canonical)
    except CorruptionError:
        with salvaged_chain(settings) as chain:
            before = chain.head.number
            chain.writer.run(chain.rewind_to, number)
            return before, _checked_head(chain.canonical)


def _checked_head(canonical: CanonicalChain) -> int:
    problem = next(iter(recent_problems(canonical)), None)
    if problem is not None:
        raise NodeError(f"the chain is damaged further down: {problem}; rewind to an earlier block")
    return canonical.head.number
