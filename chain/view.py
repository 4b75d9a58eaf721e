"""Reads of the chain for any thread: blocks, states, environments, the pending block, logs."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.context import BlockSettings, CallFrame, ChainSpec, NextContext
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.blocks.pending import PendingBlock, PendingCache
from zevm.chain.blocks.selection import Refusals, fill_alone, fill_block, fill_in_order
from zevm.chain.canonical.chain import CanonicalChain, Head
from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.canonical.log_search import LogQuery, LogSearch
from zevm.chain.canonical.patches import PatchedState
from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.concurrency.deadline import Deadline, NotAtHandError
from zevm.chain.concurrency.waiting import must_not_wait
from zevm.chain.errors import ExternalConsensusError, FollowedChainError, InvalidRequestError, UnknownBlockError
from zevm.chain.options import ChainOptions
from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.pool import Pool
from zevm.chain.rules import fees
from zevm.chain.rules.genesis import Genesis
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import Block, Header, Receipt
from zevm.chain.types.block_reference import (
    EARLIEST_TAG,
    FINALIZED_TAG,
    LATEST_TAG,
    PENDING_TAG,
    SAFE_TAG,
    BlockReference,
    BlockTag,
)
from zevm.chain.vm.brief import watched
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.account import StateReader
from zevm.storage.database import Database
from zevm.storage.errors import MissingNodeError
from zevm.storage.origin import is_emptied
from zevm.storage.primitives import Address, Hash32
from zevm.storage.state import StateBase
from zevm.storage.state_proofs import AccountProof
from zevm.storage.store import Reader

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

BAD_BLOCKS_KEPT = 10
"""As many as geth keeps."""


class Ground:
    """The database of a chain, and all that follows from that and from a genesis. Raises StorageError.

    The database is begun with the genesis where it is empty. A chain for development may leave its ground for another
    one, as when a plain node becomes a fork. That is made before, apart from the chain: what fails then has changed
    nothing.
    """

    def __init__(self, database: Database, genesis: Genesis, options: ChainOptions) -> None:
        schedule = genesis.schedule
        self.database = database
        self.zvm = (
            None
            if schedule.zvm is None
            else ZvmMachine(schedule.zvm, options.zvm_directory, console=schedule.development)
        )
        self.spec = ChainSpec(
            schedule,
            self.zvm,
            watcher=options.watcher,
            engine=options.engine,
            transaction_gas_cap=_transaction_gas_cap(options),
            code_size_limit=options.code_size_limit,
        )
        self.canonical = CanonicalChain(database, genesis, options.kept_blocks)
        horizon = self.canonical.horizon
        self.logs = LogSearch(self.canonical.records, database.ledger, options.logs, database.origin, horizon)

    def begin_with(self, change: Callable[[ExecutionState], None]) -> None:
        """Change accounts of the first block's state for good, before a chain stands on it. Raises StorageError."""
        state = PatchedState(self.canonical.head.state)
        change(state)
        self.canonical.begin_with(state.diff())


class ChainView:
    """Everything about the chain that can be asked without changing it."""

    def __init__(self, database: Database, genesis: Genesis, options: ChainOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        self.settings = BlockSettings(options.coinbase, options.gas_limit, options.minimum_gas_price)
        self.pool = Pool(options.pool, order=options.transaction_order)
        self.bad_blocks: dict[bytes, Block] = {}
        self._grounds = 0
        """Times that the ground has begun or ended to change: an odd number while it changes."""
        self._ground_stands = threading.Event()
        self._ground_stands.set()
        self._stand_on(Ground(database, genesis, options))

    def _stand_on(self, ground: Ground) -> None:
        """Have this ground's database, blocks, rules and caches, and no others'."""
        self.database, self.zvm, self.spec, self.canonical = ground.database, ground.zvm, ground.spec, ground.canonical
        self.records = self.canonical.records
        self.chain_id = self.canonical.genesis.chain_id
        self._next_context: NextContext | None = None
        self._environment: tuple[Header, BlockSettings, ForkSchedule, BlockEnvironment] | None = None
        self._logs = ground.logs
        self._pending = PendingCache(self._pending_key, self._build_pending)

    @contextmanager
    def _changing_ground(self) -> Iterator[None]:
        """Have reads begin again that run meanwhile (`on_one_ground`). On the writer's thread."""
        self._ground_stands.clear()
        self._grounds += 1
        try:
            yield
        finally:
            self._grounds += 1
            self._ground_stands.set()

    def on_one_ground(
        self, read: Callable[Parameters, Result], *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        """The result of a read that sees one ground: it is begun again where that changes meanwhile.

        On any thread. Raises NotAtHandError during a change where this thread must not wait for its end.
        """
        while True:
            grounds = self._grounds
            try:
                result = read(*arguments, **options)
            except Exception:
                # of a ground that is gone the reason is gone too
                if self._is_left(grounds):
                    continue
                raise
            if (grounds == self._grounds and not grounds & 1) or not self._is_left(grounds):
                return result

    def _is_left(self, grounds: int) -> bool:
        """Whether reads since that count may be of two grounds, at the end of a change. Raises NotAtHandError."""
        if grounds == self._grounds and not grounds & 1:
            return False
        if self._grounds & 1:
            if must_not_wait():
                raise NotAtHandError(self._ground_stands.wait)
            self._ground_stands.wait()
        return True

    def keep_bad_block(self, block: Block) -> None:
        """Keep the newest rejected blocks, by hash. On the writer's thread."""
        kept = self.bad_blocks | {block.hash: block}
        self.bad_blocks = dict(list(kept.items())[-BAD_BLOCKS_KEPT:])

    @property
    def head(self) -> Head:
        """The newest block with the latest state."""
        return self.canonical.head

    @property
    def lowest_own(self) -> int | None:
        """The number of the first block on top of another chain's; None for a chain that stands on none."""
        origin = self.database.origin
        return None if origin is None else origin.number + 1

    def has_emptied(self, view: Reader, address: bytes) -> bool:
        """Whether an account's storage beneath this chain's lowest block of its own is gone. view: of the database."""
        return self.lowest_own is not None and is_emptied(view, address)

    @property
    def first_kept(self) -> int:
        """The number of the first block from which on all are kept with their content and states."""
        return self.canonical.first_kept

    @property
    def genesis(self) -> Genesis:
        """The chain's genesis."""
        return self.canonical.genesis

    @property
    def schedule(self) -> ForkSchedule:
        """The forks of this chain."""
        return self.genesis.schedule

    @property
    def is_for_development(self) -> bool:
        """Whether its users' tools decide, not mainnet's rules: so the genesis says, and no consensus client drives."""
        return self.schedule.development and not self.options.external_consensus

    def require_own_chain(self) -> None:
        """Raise ExternalConsensusError or FollowedChainError if a consensus client or a leader alone may change it."""
        if self.options.external_consensus:
            raise ExternalConsensusError
        self.require_no_leader()

    def require_no_leader(self) -> None:
        """Raise FollowedChainError where a leader alone may change the chain."""
        if self.options.leader is not None:
            raise FollowedChainError(self.options.leader)

    def block_by_number(self, number: int) -> Block | None:
        """The canonical block at a height."""
        return self.records.block_by_number(number)

    def block_by_hash(self, block_hash: Hash32) -> Block | None:
        """The block with this hash."""
        return self.records.block_by_hash(block_hash)

    def header_by_number(self, number: int) -> Header | None:
        """The canonical header at a height."""
        return self.records.header_by_number(number)

    def ancestor(self, depth: int) -> Header:
        """The header `depth` blocks below the head, to which the chain may go back. Raises InvalidRequestError."""
        number = self.head.number - depth
        header = self.header_by_number(number) if depth >= 0 and number >= self.genesis.number else None
        if header is None:
            raise InvalidRequestError(f"rollback depth {depth} is greater than the head's height {self.head.number}")
        self.canonical.refuse_before_kept(number)
        return header

    def header_by_hash(self, block_hash: Hash32) -> Header | None:
        """The header with this hash."""
        return self.records.header_by_hash(block_hash)

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        """A block's receipts; None for an unknown block."""
        return self.records.receipts(block_hash)

    def find_transaction(self, transaction_hash: Hash32) -> TransactionPosition | None:
        """The position of a mined transaction."""
        return self.records.find_transaction(transaction_hash)

    def header_of_transaction(self, transaction_hash: Hash32) -> Header | None:
        """The header of the block that a mined transaction is in, without reading the block."""
        return self.records.header_of_transaction(transaction_hash)

    def resolve(self, reference: BlockReference) -> Header:
        """The header that a reference names; PENDING gives the pending block's. Raises UnknownBlockError."""
        header: Header | None
        if reference.hash is not None:
            return self._by_hash(reference.hash, require_canonical=reference.require_canonical)
        if reference.tag is PENDING_TAG:
            return self.pending().header
        number = self.number_of(reference)
        head = self.head
        header = head.header if number == head.number else self.records.header_by_number(number)
        if header is None:
            raise UnknownBlockError
        return header

    def number_of(self, reference: BlockReference) -> int:
        """The height of a reference by number or by a tag other than PENDING.

        Raises UnknownBlockError for `safe` and `finalized` until a consensus client that drives the chain names them.
        """
        if reference.number is not None:
            return reference.number
        tag, head, first = reference.tag, self.head.number, self.canonical.first_kept
        if tag is EARLIEST_TAG:
            return first
        if tag is not SAFE_TAG and tag is not FINALIZED_TAG:
            return head
        marked = self._marked_number(tag) if self.options.external_consensus else None
        return max(first, head - self._distance(tag)) if marked is None else marked

    def _distance(self, tag: BlockTag) -> int:
        """How far `safe` or `finalized` is behind the head. Raises UnknownBlockError where nothing says so."""
        options, is_safe = self.options, tag is SAFE_TAG
        distance = options.safe_distance if is_safe else options.finalized_distance
        if distance is not None:
            return distance
        if options.external_consensus:
            raise UnknownBlockError(f"{tag.value} block not found")
        return options.slots_in_an_epoch * (1 if is_safe else 2)

    def _marked_number(self, tag: BlockTag) -> int | None:
        """The number of the block that the consensus client named; None if there is none, or it left the chain."""
        marked = self.canonical.checkpoints
        block_hash = marked.safe if tag is SAFE_TAG else marked.finalized
        return None if block_hash is None else self.database.ledger.number_of(block_hash)

    def _by_hash(self, block_hash: Hash32, *, require_canonical: bool) -> Header:
        header = self.records.header_by_hash(block_hash)
        if header is None:
            raise UnknownBlockError("header for hash not found")
        if require_canonical and self.records.canonical_hash(header.number) != block_hash:
            raise UnknownBlockError("hash is not currently canonical")
        return header

    def state_at(self, reference: BlockReference) -> StateReader:
        """The state after a block. Raises UnknownBlockError."""
        tag = reference.tag
        if tag is LATEST_TAG:
            grounds, state = self._grounds, self.canonical.head.state
            if grounds == self._grounds and not grounds & 1:
                return state
        if tag is PENDING_TAG:
            return self.pending().state if self.pool.executable_count else self.head.state
        return self.on_one_ground(lambda: self.canonical.state_of(self.resolve(reference)))

    def is_at_hand(self, reference: BlockReference) -> bool:
        """Whether the state at a block is read without work before it: not that of the pending block, or of a side
        block whose trie nodes have to be made again.
        """
        if reference.hash is None:
            return reference.tag is not PENDING_TAG
        header = self.records.header_by_hash(reference.hash)
        if header is None or self.records.canonical_hash(header.number) == reference.hash:
            return True
        return self.database.state.holds(header.state_root)

    def base_of(self, reference: BlockReference) -> tuple[Header, StateBase]:
        """A block, and the state after it, which others can stand on. Raises UnknownBlockError."""
        if reference.tag is PENDING_TAG:
            pending = self.pending()
            return pending.header, pending.state
        header = self.resolve(reference)
        return header, self.canonical.state_of(header)

    def prove_account(
        self, reference: BlockReference, address: Address, slots: list[int], deadline: Deadline
    ) -> AccountProof:
        """Merkle proofs of an account and of its slots at a block. Raises UnknownBlockError, ExecutionTimeoutError."""
        if not self.is_at_hand(reference):
            deadline.bound(1, 0)
        states, state = self.database.state, self.base_of(reference)[1]
        if self.database.origin is not None:
            # what is read from there comes with its proof
            state.account(address)
            for slot in slots:
                state.storage(address, slot)
        if not states.holds(state.root):
            deadline.bound(1, 0)
        try:
            return states.prove_account(state.base, address, slots, deadline.check)
        except MissingNodeError:
            # the chain went on meanwhile, and its nodes with it
            deadline.bound(1, 0)
            return states.prove_account(state.base, address, slots, deadline.check)

    def environment_of(self, header: Header) -> BlockEnvironment:
        """The block of a header as its transactions saw it; that of the head is made once."""
        settings, schedule, kept = self.settings, self.spec.schedule, self._environment
        if kept is not None and kept[0] is header and kept[1] is settings and kept[2] is schedule:
            return kept[3]
        environment = self.spec.environment(header, self.records.canonical_hash, settings.recoveries)
        if header is self.head.header:
            self._environment = header, settings, schedule, environment
        return environment

    def frame_at(self, reference: BlockReference, deadline: Deadline | None = None) -> CallFrame:
        """Environment and state in which a call at a block executes.

        Raises UnknownBlockError; NotBriefError where a BriefDeadline would have to wait for the pending block.
        """
        tag = reference.tag
        if tag is LATEST_TAG:
            head = self.canonical.head
            return CallFrame(self.environment_of(head.header), watched(head.state, deadline))
        if tag is PENDING_TAG:
            return self._pending_frame(deadline)
        if deadline is not None and not self.is_at_hand(reference):
            deadline.bound(1, 0)
        header = self.resolve(reference)
        return CallFrame(self.environment_of(header), watched(self.canonical.state_of(header), deadline))

    def _pending_frame(self, deadline: Deadline | None) -> CallFrame:
        waiting = self.pool.executable_count
        if not waiting:
            # nothing would be executed before the call, so nothing need be built
            return CallFrame(self.next_context().environment.of_pending_state(), watched(self.head.state, deadline))
        if deadline is not None:
            deadline.bound(waiting, 0)
        pending = self.pending()
        return CallFrame(pending.environment, pending.state)

    def logs(self, query: LogQuery, *, deadline: Deadline | None = None) -> Sequence[LogRecord]:
        """Logs that match, in order; bounded by the options' limits."""
        return self._logs.search(query, self.head.number, deadline=deadline)

    def fill_block(self, execution: BlockExecution, lone: Sequence[PooledTransaction] = ()) -> Refusals:
        """Add the pool's ready transactions to a block in the making; see chain.blocks.selection.fill_block.

        lone: these instead, which never waited.
        """
        environment, most = execution.environment, self.options.max_transactions
        if lone:
            fill = fill_alone if len(lone) == 1 else fill_in_order
            return fill(execution, lone, max_transactions=most)
        minimum = self.settings.minimum_gas_price
        offers = self.pool.select(environment.base_fee_per_gas, environment.blob_base_fee, minimum)
        return fill_block(execution, offers, max_transactions=most)

    def pending(self) -> PendingBlock:
        """The block that would be made now."""
        return self._pending.get()

    def next_header(self) -> Header:
        """The context of the block that would be made now, without executing anything."""
        return self.next_context().header

    def next_context(self) -> NextContext:
        """The header and the environment that a block made now would begin with.

        The last one is kept: the pool is reset to the context in which the next block is then built.
        """
        parent, settings, spec = self.head.header, self.settings, self.spec
        timestamp, kept = self.clock.peek(parent.timestamp), self._next_context
        if kept is not None and kept.is_of(parent, timestamp, settings, spec.schedule):
            return kept
        rules = spec.at(parent.number + 1, timestamp)
        header = spec.next_header(parent, timestamp, settings, rules)
        environment = spec.environment(header, self.records.canonical_hash, settings.recoveries, rules)
        self._next_context = kept = NextContext(parent, settings, spec.schedule, header, environment)
        return kept

    def next_block(self) -> tuple[BlockEnvironment, StateReader]:
        """The environment of the block that would be made now, and the state before it."""
        return self.next_context().environment, self.head.state

    def next_base_fee(self) -> int | None:
        """The base fee of the next block in wei per gas; None before London."""
        return self.next_header().base_fee_per_gas

    def next_blob_base_fee(self) -> int | None:
        """The blob base fee of the next block in wei per blob gas; None before Cancun."""
        header = self.next_header()
        rules = self.spec.of(header)
        if header.excess_blob_gas is None or rules.blob is None:
            return None
        return fees.blob_base_fee(header.excess_blob_gas, rules.blob)

    def _pending_key(self) -> tuple[object, ...]:
        head = self.head
        return (head.header.hash, head.version, self.pool.version, self.settings, self.clock.state, int(time.time()))

    def _build_pending(self) -> PendingBlock:
        head, context = self.head, self.next_context()
        execution = BlockExecution(context.environment.of_pending_state(), self.database.state, head.state)
        self.fill_block(execution)
        sealed = execution.seal(context.header)
        return PendingBlock(
            sealed.block,
            sealed.record.receipts,
            self.database.state.reader_over(sealed.update, head.state),
            execution.environment,
        )


def _transaction_gas_cap(options: ChainOptions) -> bool | None:
    """Whether EIP-7825's cap holds, None as the genesis says: a consensus client's network knows no development."""
    return True if options.transaction_gas_cap is None and options.external_consensus else options.transaction_gas_cap
