"""The work of `zevm db check` and `zevm db rewind` on a chain that may be damaged."""

from collections.abc import Iterator

from zevm.chain.canonical.chain import CanonicalChain, stored_genesis
from zevm.chain.canonical.integrity import deep_problems, recent_problems
from zevm.chain.canonical.rewinding import rewind_ledger
from zevm.node.errors import NodeError
from zevm.node.hints import told
from zevm.node.network import node_limits, open_database
from zevm.node.settings import NodeSettings
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageError, StorageProblem
from zevm.storage.integrity import Progress
from zevm.storage.migration import OLD_SCHEMA, migrate


def check_database(settings: NodeSettings, *, deep: bool, progress: Progress, accept: bool = False) -> Iterator[str]:
    """The problems of the database, in words; empty if it is sound. Reads only.

    accept: accept a database even if its newest acknowledged writes may be missing, and mark it as complete; problems
    that opening it repaired do not count then. progress: called with each part and its progress. Raises StorageError if
    there is no database.
    """
    try:
        with open_database(settings, create=False, accept=accept) as database:
            yield from () if accept else database.damages
            yield from _chain_problems(database, deep=deep, progress=progress)
    except CorruptionError as error:
        yield told(error)


def _chain_problems(database: Database, *, deep: bool, progress: Progress) -> Iterator[str]:
    genesis = stored_genesis(database)
    if genesis is None:
        yield "the database holds no chain"
        return
    progress("newest blocks", 0, 0)
    yield from database.recent_check()
    try:
        canonical = CanonicalChain(database, genesis)
        yield from recent_problems(canonical)
        if deep:
            yield from deep_problems(canonical, progress)
        else:
            yield from database.scrub(progress)
    except StorageError as error:
        yield told(error)
        if deep:
            yield from database.scrub(progress)


def migrate_database(settings: NodeSettings, progress: Progress) -> bool:
    """Make the database one of this version's schema; False where it is one. Raises StorageError."""
    try:
        open_database(settings, create=False).close()
    except StorageError as error:
        if error.problem is not StorageProblem.OLDER_SCHEMA:
            raise
    else:
        return False
    with Database.open_older(settings.datadir, OLD_SCHEMA) as database:
        migrate(database, progress, keep_nodes=node_limits(settings).states is None)
    return True


def rewind_database(
    settings: NodeSettings, number: int, progress: Progress = lambda _, __, ___: None
) -> tuple[int, int]:
    """Make block `number` the head; return the head's number before and after. A damaged database is salvaged first.

    progress: called with each part and its progress.
    """
    try:
        with open_database(settings, create=False) as database:
            return _rewound(database, settings, number, progress)
    except CorruptionError:
        with Database.salvage(settings.datadir) as database:
            return _rewound(database, settings, number, progress)


def _rewound(database: Database, settings: NodeSettings, number: int, progress: Progress) -> tuple[int, int]:
    genesis, head = stored_genesis(database), database.ledger.head()
    if genesis is None or head is None:
        raise NodeError(f"the database at {settings.datadir} holds no chain; `zevm run` creates one")
    rewind_ledger(database, number, progress)
    progress("trie of the new head", 0, 0)
    return head[0], _checked_head(CanonicalChain(database, genesis))


def _checked_head(canonical: CanonicalChain) -> int:
    problem = next(iter(recent_problems(canonical)), None)
    if problem is not None:
        raise NodeError(f"the chain is damaged further down: {problem}; rewind to an earlier block")
    return canonical.head.number
