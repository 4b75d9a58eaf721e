"""A side branch: unwritten blocks on an ancestor of the head."""

from collections.abc import Callable, Sequence

from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.context import BlockSettings, CallFrame, ChainSpec
from zevm.chain.blocks.execution import BlockExecution, SealedBlock
from zevm.chain.blocks.history import History
from zevm.chain.concurrency.steps import Steps, Turn
from zevm.chain.errors import InvalidRequestError
from zevm.chain.types import Header, Transaction
from zevm.storage.primitives import Hash32
from zevm.storage.state import StateStore

Filler = Callable[[CallFrame], Transaction]
"""Makes a transaction that fits after those before it: given the block in the making, with the state so far."""


class Branch:
    """Grows from a canonical block. For the writer thread alone, as the clock moves with each block."""

    def __init__(
        self, ancestor: Header, *, spec: ChainSpec, history: History, states: StateStore, clock: Clock
    ) -> None:
        self.blocks: list[SealedBlock] = []
        self._spec = spec
        self._history = history
        self._states = states
        self._clock = clock
        self._parent = ancestor
        self._reader = history.state_of(ancestor)
        self._hashes: dict[int, Hash32] = {}

    def extend(self, transactions: Sequence[Transaction | Filler], settings: BlockSettings) -> None:
        """Add a block of exactly these transactions, or of what is filled in its place.

        Raises TransactionError, adding none, if one does not fit.
        """
        timestamp = self._clock.take(self._parent.timestamp)
        self._append(self._spec.next_header(self._parent, timestamp, settings), transactions)

    def replay(self, like: Header, transactions: Sequence[Transaction]) -> None:
        """Add a block of these transactions, which see in it what they would in another chain's block with this header.

        Raises as `extend`.
        """
        header = self._spec.header_upon(self._parent, like.timestamp).with_changes(
            coinbase=like.coinbase,
            gas_limit=like.gas_limit,
            extra_data=like.extra_data,
            mix_hash=like.mix_hash,
            parent_beacon_block_root=like.parent_beacon_block_root,
        )
        self._append(header, transactions)

    def _append(self, header: Header, transactions: Sequence[Transaction | Filler]) -> None:
        states = self._states
        environment = self._spec.environment(header, self._block_hash)
        execution = BlockExecution(environment, states, self._reader)
        for item in transactions:
            frame = CallFrame(environment, execution.state.fork_reader())
            execution.add(item if isinstance(item, Transaction) else item(frame))
        sealed = execution.seal(header)
        self.blocks.append(sealed)
        self._parent = sealed.block.header
        self._hashes[self._parent.number] = self._parent.hash
        self._reader = states.reader_over(sealed.update, self._reader)

    def grow(
        self,
        depth: int,
        transactions: Sequence[Sequence[Transaction | Filler]],
        settings: Callable[[], BlockSettings],
        is_current: Callable[[], bool],
    ) -> Steps[None]:
        """Add `depth` blocks, transactions[i] in the i-th, as work that other writes may come between.

        Raises InvalidRequestError where one has come and `is_current` no more holds; TransactionError as `extend`.
        """
        turn = Turn()
        for index in range(depth):
            self.extend(transactions[index] if index < len(transactions) else (), settings())
            if turn.is_over:
                yield
                turn = Turn()
                if not is_current():
                    raise InvalidRequestError("another request has changed the chain meanwhile: retry")

    def _block_hash(self, number: int) -> Hash32 | None:
        return self._hashes.get(number) or self._history.records.canonical_hash(number)
