"""The chain that a node serves: the data directory's database, and a genesis that matches it and the settings."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock, Timeline
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.canonical.chain import stored_genesis
from zevm.chain.canonical.group_limits import GroupLimits
from zevm.chain.canonical.integrity import recent_problems
from zevm.chain.canonical.log_search import LogLimits
from zevm.chain.canonical.patches import put_accounts
from zevm.chain.errors import GenesisError
from zevm.chain.options import COMPILED_NAME, ChainOptions
from zevm.chain.rules.fees import MIN_SUGGESTED_TIP_WEI
from zevm.chain.rules.forks import LATEST_FORK, Fork
from zevm.chain.rules.genesis import (
    DEFAULT_CHAIN_ID,
    DEFAULT_GAS_LIMIT,
    INITIAL_BASE_FEE_WEI,
    Genesis,
    load_default_genesis,
)
from zevm.chain.rules.genesis import load_genesis as read_genesis
from zevm.chain.rules.predeploys import SYSTEM_CONTRACTS
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import Header
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.engines.engine import engine_named
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.tracer import Watcher
from zevm.node.errors import NodeError, reason_of
from zevm.node.mnemonic import derive_keys
from zevm.node.preflight import JWT_SECRET_NAME
from zevm.node.settings import NodeSettings
from zevm.node.wallet import address_of
from zevm.rpc.limits import Limits
from zevm.rpc.transport.quic.options import NONCES_NAME, QUIC_NAMES
from zevm.storage import replaced
from zevm.storage.database import Database
from zevm.storage.directory import PINS_NAME, VERIFIED_NAME
from zevm.storage.errors import CorruptionError, ForeignDatabaseError, StorageError, StorageProblem
from zevm.storage.origin import Origin
from zevm.storage.primitives import Address
from zevm.storage.schema import MetaName
from zevm.storage.state_nodes import NodeLimits

UNLIMITED_GAS = 2**63 - 1

WAITING_NODES, WAITING_BLOCKS, WAITING_TURNS = 65_536, 8_192, 64
"""Most trie nodes that wait to be written, and blocks that they wait for; most of both for each state that is kept."""

BESIDE_NAMES = (COMPILED_NAME, VERIFIED_NAME, JWT_SECRET_NAME, PINS_NAME, NONCES_NAME, *QUIC_NAMES)
"""A node's files in the data directory other than its database."""

_DEVELOPMENT_ACCOUNTS = frozenset({"accounts", "balance", "mnemonic", "mnemonic_random", "derivation_path"})
_FIRST_BLOCK = frozenset(
    {"chain_id", "hardfork", "timestamp", "number", "block_base_fee_per_gas", "disable_default_create2_deployer"}
)


def open_database(
    settings: NodeSettings, *, create: bool = True, accept: bool = False, origin: Origin | None = None
) -> Database:
    """The database of the settings; with `fresh`, an empty one, the earlier one set aside.

    accept, origin: see Database.open.

    Raises StorageError, GenesisError.
    """
    if settings.memory:
        return Database.open(None, node_limits=node_limits(settings), origin=origin)
    (replaced.set_aside if settings.fresh else replaced.put_back)(settings.datadir)
    try:
        return _open_files(settings, create=create, accept=accept)
    except BaseException:
        _put_back_replaced(settings)
        raise


def node_limits(settings: NodeSettings) -> NodeLimits:
    """The number of states whose trie nodes are kept, and the time that others may take to be made again."""
    if settings.proofs == "all":
        return NodeLimits(states=None, rebuild_seconds=settings.proofs_seconds)
    states = int(settings.proofs)
    most = WAITING_TURNS * states
    entries, blocks = min(WAITING_NODES, most), min(WAITING_BLOCKS, most)
    return NodeLimits(states=states, entries=entries, blocks=blocks, rebuild_seconds=settings.proofs_seconds)


def _open_files(settings: NodeSettings, *, create: bool, accept: bool) -> Database:
    database = Database.open(
        settings.datadir,
        create=create,
        sync=not settings.no_sync,
        accept=accept,
        node_limits=node_limits(settings),
    )
    if database.ledger.meta(MetaName.COVENANT) is not None:
        database.close()
        raise ForeignDatabaseError(
            f"the folder {settings.datadir} holds the state of a Covenant VM, not a chain", StorageProblem.FOREIGN_FILES
        )
    return database


@contextmanager
def opened_database(settings: NodeSettings, origin: Origin | None = None) -> Iterator[Database]:
    """The database of the settings, created if absent; closed at exit. origin: see Database.open.

    After a failure, a database created here is deleted, unless `keep` was called; and the chain that --fresh replaces
    is put back, unless `give_up_replaced` was called. Raises StorageError.
    """
    absent = [name for name in BESIDE_NAMES if not (settings.datadir / name).exists()]
    database = open_database(settings, origin=origin)
    try:
        yield database
    except BaseException:
        database.discard(absent)
        _put_back_replaced(settings)
        raise
    database.close()
    forget_replaced(settings)


def give_up_replaced(settings: NodeSettings) -> None:
    """Never put back the chain that --fresh has replaced: the new one has begun. Raises StorageError."""
    if settings.fresh and not settings.memory:
        replaced.give_up(settings.datadir)


def forget_replaced(settings: NodeSettings) -> None:
    """Delete the chain that --fresh has replaced, which takes time. Raises StorageError."""
    if settings.fresh and not settings.memory:
        replaced.forget(settings.datadir)


def _put_back_replaced(settings: NodeSettings) -> None:
    if settings.fresh and not settings.memory:
        replaced.put_back(settings.datadir)


def open_chain(
    database: Database,
    settings: NodeSettings,
    accounts: Sequence[Address] = (),
    *,
    checked: bool = True,
    watcher: Watcher | None = None,
    forked: Genesis | None = None,
    timeline: Timeline | None = None,
) -> Chain:
    """The chain in a database, created if absent; with `checked`, its newest blocks are verified.

    accounts: the development accounts, funded by a new chain. watcher: see ChainOptions. forked: the genesis of a fork.
    timeline: shared with other chains of the process. Raises StorageError, GenesisError.
    """
    genesis = forked or choose_genesis(settings, stored_genesis(database), accounts)
    if checked and database.ledger.head() is not None:
        _refuse(database.recent_check())
        database.fill_preimages()
    chain = Chain(database, genesis, replace(chain_options(settings), watcher=watcher), Clock(timeline=timeline))
    try:
        _refuse(recent_problems(chain.canonical) if checked else ())
        if forked is not None:
            newest = chain.spec.of(chain.next_header()).fork
            chain.writer.run(partial(chain.begin_with, partial(furnish, newest, accounts, settings)))
    except StorageError:
        chain.close()
        raise
    return chain


def furnish(newest: Fork, accounts: Sequence[Address], settings: NodeSettings, state: ExecutionState) -> None:
    """Give the development accounts their balance, and take delegations away; put system contracts where they lack.

    Everyone knows the accounts' keys: on public chains others have let them delegate to code that sends all away.
    Development nodes make blocks without the contracts that the fork's rules ask for. The accounts of --init replace
    those of the forked block; slots that the file does not name stay.
    """
    for since, address, code in SYSTEM_CONTRACTS:
        if newest >= since and not state.get_code(address):
            state.set_nonce(address, 1)
            state.set_code(address, code)
    for address in accounts:
        if delegation_of(state.get_code(address)) is not None:
            state.set_code(address, b"")
        state.set_balance(address, settings.balance_wei)
    if settings.init is not None:
        put_accounts(state, given_genesis(settings.init).accounts)


def _refuse(problems: Iterable[str]) -> None:
    for problem in problems:
        raise CorruptionError(problem, StorageProblem.FILES_DAMAGED)


def choose_genesis(settings: NodeSettings, stored: Genesis | None, accounts: Sequence[Address] = ()) -> Genesis:
    """The genesis of a new chain, or the stored one if the settings do not contradict it.

    Raises GenesisError for an unusable genesis, ForeignDatabaseError for a contradiction.
    """
    if stored is None:
        return _new_genesis(settings, accounts)
    given = settings.model_fields_set
    base = stored if settings.init is None else given_genesis(settings.init)
    wanted = _with_first_block_settings(base, settings)
    if wanted != stored:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given & (_FIRST_BLOCK | {"init"})))
        raise ForeignDatabaseError(
            f"the data directory {settings.datadir} holds chain {stored.chain_id}, "
            f"whose genesis is not that of {names}; omit the setting to continue with this chain, "
            "or give another --datadir for a second one"
        )
    return stored


def _new_genesis(settings: NodeSettings, accounts: Sequence[Address]) -> Genesis:
    if settings.init is not None:
        genesis = given_genesis(settings.init)
        genesis.schedule.check_merge()
        genesis = _with_first_block_settings(genesis, settings)
        genesis.check_system_contracts()
        return genesis
    given = settings.model_fields_set
    gas_limit = _gas_limit(settings)
    if not given & (_DEVELOPMENT_ACCOUNTS | _FIRST_BLOCK) and gas_limit is None and not settings.external_consensus:
        return load_default_genesis().with_changes(timestamp=int(time.time()))
    fee = settings.block_base_fee_per_gas
    genesis = Genesis.default(
        chain_id=settings.chain_id or DEFAULT_CHAIN_ID,
        fork=LATEST_FORK if settings.hardfork is None else settings.hardfork,
        accounts=accounts,
        balance_wei=settings.balance_wei,
        gas_limit=gas_limit or DEFAULT_GAS_LIMIT,
        base_fee=INITIAL_BASE_FEE_WEI if fee is None else fee,
        timestamp=int(time.time()) if settings.timestamp is None else settings.timestamp,
        create2_deployer=not settings.disable_default_create2_deployer,
        development=not settings.external_consensus,
    )
    return genesis.with_changes(number=settings.number or 0)


def _with_first_block_settings(genesis: Genesis, settings: NodeSettings) -> Genesis:
    """The genesis with the explicit settings applied."""
    changes: dict[str, object] = {}
    if settings.chain_id is not None or settings.hardfork is not None:
        changes["schedule"] = _schedule(genesis, settings)
    simple = {
        "timestamp": settings.timestamp,
        "number": settings.number,
        "base_fee_per_gas": settings.block_base_fee_per_gas,
    }
    changes |= {name: value for name, value in simple.items() if value is not None}
    if not changes:
        return genesis
    changed = genesis.with_changes(**changes)
    before_london = changed.schedule.fork_at(changed.number, changed.timestamp) < Fork.LONDON
    return changed.with_changes(base_fee_per_gas=None) if before_london else changed


def _schedule(genesis: Genesis, settings: NodeSettings) -> ForkSchedule:
    """The genesis's schedule with the settings applied: another chain id, every fork up to one active from the start.

    Everything else stays as in the genesis, so the same settings select the same chain again.
    """
    schedule, chain_id, newest = genesis.schedule, settings.chain_id, settings.hardfork
    return schedule.with_changes(
        chain_id=schedule.chain_id if chain_id is None else chain_id,
        **({} if newest is None else schedule.activations_up_to(newest)),
    )


def _gas_limit(settings: NodeSettings) -> int | None:
    return UNLIMITED_GAS if settings.disable_block_gas_limit else settings.gas_limit


def chain_options(settings: NodeSettings) -> ChainOptions:
    """The settings of blocks, pool and search."""
    limits = settings.limits
    code_size = 0 if settings.disable_code_size_limit else settings.code_size_limit
    return ChainOptions(
        mining=MiningMode(settings.automine, settings.interval_ms),
        gas_limit=_gas_limit(settings),
        transaction_gas_cap=_transaction_gas_cap(settings),
        code_size_limit=code_size,
        minimum_gas_price=settings.gas_price or 0,
        max_transactions=settings.max_transactions,
        transaction_order=settings.order,
        slots_in_an_epoch=settings.slots_in_an_epoch,
        safe_distance=settings.safe_distance,
        finalized_distance=settings.finalized_distance,
        equal_timestamps=settings.allow_blocks_with_same_timestamp,
        external_consensus=settings.external_consensus,
        leader=settings.follow,
        auto_impersonate=settings.auto_impersonate,
        kept_blocks=settings.prune,
        engine=engine_named(settings.evm),
        zvm_directory=None if settings.memory else settings.datadir / COMPILED_NAME,
        minimum_suggested_tip_wei=0 if settings.disable_min_priority_fee else MIN_SUGGESTED_TIP_WEI,
        pool=settings.pool_limits,
        logs=LogLimits(
            max_results=limits.log_results,
            max_block_range=limits.log_block_range,
            max_blocks=limits.log_blocks,
            max_addresses=limits.log_addresses,
            max_topics=limits.log_topics,
        ),
        write_groups=GroupLimits(
            commands=limits.write_group_commands,
            size_bytes=limits.write_group_bytes,
            seconds=limits.write_group_seconds,
        ),
    )


def _transaction_gas_cap(settings: NodeSettings) -> bool | None:
    """Whether EIP-7825's cap holds; None leaves it to the chain."""
    if settings.disable_tx_gas_limit:
        return False
    return True if settings.enable_tx_gas_limit else None


def limits_for(settings: NodeSettings, chain: Chain) -> Limits:
    """The limits of the chain's server; without a fee cap on a development chain, which has no real money."""
    if "rpc_transaction_fee_cap_wei" in settings.model_fields_set or not chain.is_for_development:
        return settings.limits
    return replace(settings.limits, transaction_fee_cap_wei=0)


def given_genesis(given: Path | Genesis) -> Genesis:
    """A genesis, given by a program or read from a file. Raises GenesisError naming the file."""
    return load_genesis(given) if isinstance(given, Path) else given


def load_genesis(file: Path) -> Genesis:
    """A genesis file. Raises GenesisError naming the file."""
    try:
        return read_genesis(file)
    except OSError as error:
        raise GenesisError(f"{file}: cannot be read: {reason_of(error)}") from error


def write_genesis(genesis: Genesis, file: Path) -> None:
    """Write a chain's genesis in geth's format. Raises NodeError."""
    try:
        file.write_text(json.dumps(genesis.to_json(), indent=2) + "\n")
    except OSError as error:
        raise NodeError(f"{file}: cannot be written: {reason_of(error)}") from error


def initialise(settings: NodeSettings) -> Header:
    """Create a chain from the genesis file of the settings; return its first header. Harmless if it exists already."""
    with chain_to_import_to(settings) as chain:
        header = chain.header_by_number(chain.genesis.number)
        assert header is not None
        return header


@contextmanager
def existing_chain(settings: NodeSettings, *, checked: bool = True) -> Iterator[Chain]:
    """The chain in the data directory, for a command. Raises StorageError if there is none."""
    with open_database(settings, create=False) as database:
        if stored_genesis(database) is None:
            raise NodeError(f"the database at {settings.datadir} holds no chain; `zevm run` creates one")
        with _opened(database, settings, checked=checked) as chain:
            yield chain


@contextmanager
def chain_to_import_to(settings: NodeSettings) -> Iterator[Chain]:
    """The chain in the data directory, or a new one of the settings' genesis."""
    with opened_database(settings) as database, _opened(database, settings) as chain:
        yield chain


@contextmanager
def _opened(database: Database, settings: NodeSettings, *, checked: bool = True) -> Iterator[Chain]:
    keys = derive_keys(settings.mnemonic, settings.derivation_path, settings.accounts)
    chain = open_chain(database, settings, [address_of(key) for key in keys], checked=checked)
    try:
        yield chain
    finally:
        chain.close()
