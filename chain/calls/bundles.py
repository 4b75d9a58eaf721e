"""Many calls or transactions in sequence on one state: eth_callMany and eth_callBundle.

eth_callMany   calls as in eth_call, each on the state that the previous one left; may begin within a block
eth_callBundle signed transactions at the top of a coming block, and its producer's earnings
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from zevm.chain.blocks.context import CallFrame
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.calls.call import executor_in, state_over
from zevm.chain.calls.header import assumed_header
from zevm.chain.calls.overrides import NO_OVERRIDES, BlockOverrides, CallOverrides
from zevm.chain.calls.place import StateContext, frame_of
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.types import Header, Transaction
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.view import ChainView
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Hash32

Result = TypeVar("Result")
SECONDS_BETWEEN_BUNDLES = 12


@dataclass(frozen=True, slots=True)
class CallBundle:
    """Calls in one block, and that block's own fields."""

    calls: tuple[CallRequest, ...]
    block_overrides: BlockOverrides | None = None


def call_many(
    view: ChainView,
    bundles: Sequence[CallBundle],
    context: StateContext,
    *,
    overrides: CallOverrides = NO_OVERRIDES,
    deadline: Deadline,
) -> list[list[Outcome]]:
    """The outcome of every call; see `run_bundles`.

    Raises TransactionError where geth refuses to begin a call, UnknownBlockError, ReplayError, InvalidRequestError,
    ExecutionTimeoutError.
    """
    frame = frame_of(view, context, deadline)
    return run_bundles(frame, bundles, overrides, lambda executor, call: executor.call(call, deadline=deadline))


def run_bundles(
    frame: CallFrame,
    bundles: Sequence[CallBundle],
    overrides: CallOverrides,
    run: Callable[[Executor, CallRequest], Result],
) -> list[list[Result]]:
    """Results of `run` for each call, on the state that the previous one left.

    The first bundle's calls see the frame's block; each further bundle stands in a block one number and 12 seconds
    after the one before. overrides: the state's are made once, before the first call; the block's are those of bundles
    that have none of their own.
    """
    state = state_over(frame.reader, overrides)
    results = []
    for bundle, environment in zip(bundles, environments_from(frame.environment), strict=False):
        own = replace(overrides, block=bundle.block_overrides or overrides.block)
        executor = executor_in(environment, state, own)
        results.append([run(executor, call) for call in bundle.calls])
    return results


def environments_from(environment: BlockEnvironment) -> Iterator[BlockEnvironment]:
    """The blocks of bundles, without end: each one number and 12 seconds after the one before."""
    while True:
        yield environment
        environment = replace(
            environment, number=environment.number + 1, timestamp=environment.timestamp + SECONDS_BETWEEN_BUNDLES
        )


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """Signed transactions for a block to come, and that block's fields; None for what follows from its parent.

    number: the block's. parent: the block whose state they begin on.
    """

    transactions: tuple[Transaction, ...]
    number: int
    parent: BlockReference = field(default_factory=lambda: BlockReference(tag=BlockTag.LATEST))
    overrides: BlockOverrides = NO_OVERRIDES.block


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
    overrides = request.overrides
    timestamp = parent.timestamp + 1 if overrides.timestamp is None else overrides.timestamp
    header = assumed_header(view.spec, parent, request.number, timestamp, overrides)

    def block_hash(number: int) -> Hash32 | None:
        return parent.hash if number == parent.number else view.records.canonical_hash(number)

    return view.spec.environment(header, block_hash, view.settings.recoveries)
