"""Many calls or transactions in sequence on one state: eth_callMany and eth_callBundle.

eth_callMany   calls as in eth_call, each on the state that the previous one left; may begin within a block
eth_callBundle signed transactions at the top of a coming block, and its producer's earnings
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from zevm.chain.blocks.context import CallFrame
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.calls.call import apply_state_overrides, moved_precompiles, override_environment
from zevm.chain.calls.overrides import BlockOverrides, StateOverrides
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidRequestError, TransactionError, UnknownBlockError
from zevm.chain.rules import fees
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Header, Transaction
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.view import ChainView
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32

SECONDS_BETWEEN_BUNDLES = 12


@dataclass(frozen=True, slots=True)
class CallBundle:
    """Calls in one block, and that block's own fields."""

    calls: tuple[CallRequest, ...]
    block_overrides: BlockOverrides | None = None


def call_many(
    view: ChainView,
    bundles: Sequence[CallBundle],
    reference: BlockReference,
    *,
    transaction_index: int | None = None,
    state_overrides: StateOverrides | None = None,
    deadline: Deadline | None = None,
) -> list[list[Outcome]]:
    """The outcome of every call. Each bundle stands in a block one number and 12 seconds after the one before.

    reference: the block that the first bundle's calls see, and after whose transactions they begin;
    transaction_index: begin before this one of them instead. Raises TransactionError where geth refuses to begin a
    call, UnknownBlockError, InvalidRequestError, ExecutionTimeoutError.
    """
    frame = (
        view.frame_at(reference)
        if transaction_index is None
        else _inside(view, view.resolve(reference), transaction_index, deadline)
    )
    state, environment = BlockState(frame.reader), frame.environment
    apply_state_overrides(state, state_overrides)
    outcomes = []
    for bundle, of_bundle in zip(bundles, environments_from(environment), strict=False):
        own = override_environment(of_bundle, bundle.block_overrides)
        executor = Executor(own, state, moved_precompiles=moved_precompiles(state_overrides, own))
        outcomes.append([executor.call(request, deadline=deadline) for request in bundle.calls])
    return outcomes


def environments_from(environment: BlockEnvironment) -> Iterator[BlockEnvironment]:
    """The blocks of bundles, without end: each one number and 12 seconds after the one before."""
    while True:
        yield environment
        environment = replace(
            environment, number=environment.number + 1, timestamp=environment.timestamp + SECONDS_BETWEEN_BUNDLES
        )


def _inside(view: ChainView, header: Header, count: int, deadline: Deadline | None) -> CallFrame:
    """A block after its first `count` transactions, executed again."""
    block, parent = view.block_by_hash(header.hash), view.header_by_hash(header.parent_hash)
    if block is None or parent is None:
        raise UnknownBlockError
    if count > len(block.transactions):
        raise InvalidRequestError(f"transaction index {count} out of range for block 0x{header.hash.hex()}")
    environment, reader = view.environment_of(header), view.canonical.state_of(parent)
    executor = Executor(environment, BlockState(reader), deadline=deadline)
    execution = BlockExecution(environment, view.database.state, reader, executor)
    for transaction in block.transactions[:count]:
        execution.add(transaction, deadline=deadline)
    return CallFrame(environment, execution.state.fork_reader())


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """Signed transactions for a block to come, and that block's fields; None for what follows from its parent.

    number: the block's. parent: the block whose state they begin on. base_fee_per_gas in wei.
    """

    transactions: tuple[Transaction, ...]
    number: int
    parent: BlockReference = field(default_factory=lambda: BlockReference(tag=BlockTag.LATEST))
    timestamp: int | None = None
    coinbase: Address | None = None
    gas_limit: int | None = None
    difficulty: int | None = None
    base_fee_per_gas: int | None = None


@dataclass(frozen=True, slots=True)
class BundleTransaction:
    """A transaction's outcome, and the wei that reached the coinbase: fees alone, and in total."""

    transaction: Transaction
    outcome: Outcome
    fees_wei: int
    coinbase_wei: int

    @property
    def paid_wei(self) -> int:
        """Wei that the coinbase got in addition to the fees."""
        return self.coinbase_wei - self.fees_wei


@dataclass(frozen=True, slots=True)
class BundleResult:
    """The transactions' results, and the number of the block that they build on."""

    results: tuple[BundleTransaction, ...]
    parent_number: int

    @property
    def hash(self) -> Hash32:
        """The bundle's hash: of the hashes of its transactions."""
        return keccak256(b"".join(result.transaction.hash for result in self.results))

    def total(self, amount: Callable[[BundleTransaction], int]) -> int:
        """The sum of an amount over the transactions."""
        return sum(amount(result) for result in self.results)


def call_bundle(view: ChainView, request: BundleRequest, *, deadline: Deadline | None = None) -> BundleResult:
    """Execute a bundle at the top of its block. Raises TransactionError naming the transaction that does not fit."""
    parent, state = view.base_of(request.parent)
    environment = _bundle_environment(view, request, parent)
    executor = Executor(environment, BlockState(state), deadline=deadline)
    execution = BlockExecution(environment, view.database.state, state, executor)
    results = []
    for transaction in request.transactions:
        before = execution.state.get_balance(environment.coinbase)
        try:
            outcome = execution.add(transaction, deadline=deadline)
        except TransactionError as error:
            raise TransactionError(error.reason, f"err: {error.message}; txhash 0x{transaction.hash.hex()}") from error
        base_fee = environment.base_fee_per_gas
        tip = transaction.effective_gas_price(base_fee) - (base_fee or 0)
        gained = execution.state.get_balance(environment.coinbase) - before
        results.append(BundleTransaction(transaction, outcome, outcome.gas_used * tip, gained))
    return BundleResult(tuple(results), parent.number)


def _bundle_environment(view: ChainView, request: BundleRequest, parent: Header) -> BlockEnvironment:
    timestamp = parent.timestamp + 1 if request.timestamp is None else request.timestamp
    rules = view.spec.at(request.number, timestamp)
    base_fee = request.base_fee_per_gas
    if base_fee is None:
        base_fee = fees.next_base_fee(parent, rules)
    cancun = rules.fork >= Fork.CANCUN
    header = Header(
        parent_hash=parent.hash,
        coinbase=parent.coinbase if request.coinbase is None else request.coinbase,
        difficulty=parent.difficulty if request.difficulty is None else request.difficulty,
        number=request.number,
        gas_limit=parent.gas_limit if request.gas_limit is None else request.gas_limit,
        timestamp=timestamp,
        mix_hash=parent.mix_hash,
        base_fee_per_gas=base_fee,
        excess_blob_gas=fees.next_excess_blob_gas(parent, rules) if cancun else None,
        parent_beacon_block_root=bytes(32) if cancun else None,
    )

    def block_hash(number: int) -> Hash32 | None:
        return parent.hash if number == parent.number else view.records.canonical_hash(number)

    return view.spec.environment(header, block_hash, view.settings.recoveries)
