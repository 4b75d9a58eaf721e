"""One block's execution: transactions in, a sealed block with its receipts and its new state out."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from zevm.chain.blocks.brief_sends import BRIEF_CHANGES, bound_changes, bound_outcome
from zevm.chain.blocks.ending import EndedBlock, end_block
from zevm.chain.concurrency.deadline import BriefDeadline, Deadline, NotBriefError
from zevm.chain.errors import BlockError, NodeFaultError, Reason, TransactionError
from zevm.chain.events import BlockAndReceipts, TransactionReport
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import Block, Header, Receipt, Transaction, Withdrawal, logs_bloom
from zevm.chain.types.header import EMPTY_BLOOM, HeaderParts, sealed_header, with_state_root
from zevm.chain.types.receipt import EncodedReceipt
from zevm.chain.types.transaction import recover_senders
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.brief import watched
from zevm.chain.vm.engines.plain import PlainEnd
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor, requests_hash
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.read_ahead import is_over_origin, run_ahead
from zevm.core.records import quick_init
from zevm.storage import rlp, trie
from zevm.storage.account import EMPTY_ROOT, StateDiff
from zevm.storage.errors import OriginError
from zevm.storage.primitives import Hash32
from zevm.storage.state import StateBase, StateUpdate
from zevm.storage.state_update import TrieGround

AT_ONCE = 64
"""Most transactions of a call of the core, which other threads wait for."""

_SILENT = TransactionReport((), b"")


class StatePreparer(Protocol):
    """Maker of a new state from a difference: a StateStore, or a listener around one."""

    def prepare(self, base: Hash32 | StateUpdate, diff: StateDiff) -> StateUpdate:
        """The state after `diff` is applied to the one at a root or after an update. Writes nothing."""
        ...

    def ground(self, base: Hash32 | StateUpdate) -> TrieGround | None:
        """The trie nodes of the state at `base`; None where `prepare` alone can make another one on it."""
        ...


@quick_init
@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A finished block: what the ledger and the state store have to keep.

    requests: what it hands to the beacon chain (EIP-7685), type byte and data each; None before Prague.
    is_stored: the ledger has the block and its receipts already. header: its RLP, where it is at hand.
    """

    record: BlockAndReceipts
    update: StateUpdate
    requests: tuple[bytes, ...] | None = None
    is_stored: bool = False
    header: bytes | None = None

    @property
    def block(self) -> Block:
        """The block."""
        return self.record.block

    @property
    def tips_wei(self) -> int:
        """Fees that its transactions pay to the coinbase."""
        base_fee = self.block.header.base_fee_per_gas or 0
        return sum([item.gas_used * (item.effective_gas_price - base_fee) for item in self.record.receipts])


class BodyRoots(NamedTuple):
    """The roots of a block's lists; that of the withdrawals is None before Shanghai."""

    transactions: Hash32
    withdrawals: Hash32 | None


class BlockExecution:
    """A block under construction on `parent_state`. Not for use by two threads.

    states: prepares the new state. executor: over the parent's state, where it is not to be a plain one. deadline: a
    BriefDeadline where the whole block has to be brief; NotBriefError leaves the block unusable then.
    """

    def __init__(
        self,
        environment: BlockEnvironment,
        states: StatePreparer,
        parent_state: StateBase,
        executor: Executor | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.environment = environment
        self._deadline = deadline
        self._executor = executor or Executor(
            environment, BlockState(watched(parent_state, deadline)), deadline=deadline
        )
        self.state = self._executor.state
        self.transactions: list[Transaction] = []
        self.receipts: list[Receipt] = []
        self.reports: list[TransactionReport] = []
        self.gas_used = 0
        self.blob_gas_used = 0
        self._states = states
        self._parent_state = parent_state
        self._executor.begin_block()

    @property
    def gas_left(self) -> int:
        """Gas that further transactions may buy."""
        return self.environment.gas_limit - self.gas_used

    @property
    def _blob_gas_left(self) -> int:
        blob = self.environment.rules.blob
        return 0 if blob is None else blob.maximum_gas - self.blob_gas_used

    def add(
        self,
        transaction: Transaction,
        *,
        gas: GasNeeds | None = None,
        checked_rules: ForkRules | None = None,
        deadline: Deadline | None = None,
    ) -> Outcome:
        """Execute a transaction. Raises TransactionError, with nothing changed, when it may not be here.

        gas, checked_rules: see Executor.apply.
        deadline: for blocks off chain; ExecutionTimeoutError leaves the block unusable.
        NodeFaultError: this node cannot run it, and the block cannot be finished.
        """
        brief = self._deadline
        if is_over_origin(self._parent_state) and not isinstance(deadline or brief, BriefDeadline):
            self._try_ahead(transaction, deadline)
        try:
            outcome = self._executor.apply(
                transaction,
                self.gas_left,
                self._blob_gas_left,
                gas,
                checked_rules=checked_rules,
                deadline=deadline or brief,
            )
        except NodeFaultError as fault:
            fault.add_note(f"in transaction 0x{transaction.hash.hex()} of block {self.environment.number}")
            raise
        if brief is not None:
            bound_outcome(outcome, brief)
        self.include(transaction, outcome)
        return outcome

    @property
    def runs_plain(self) -> bool:
        """Whether `add_plain` may execute any."""
        # a brief block bounds each outcome; over a forked chain each one is tried before
        return self._executor.runs_plain and self._deadline is None and not is_over_origin(self._parent_state)

    def add_plain(self, transactions: Sequence[Transaction], gas: Sequence[GasNeeds | None]) -> int:
        """Execute transactions from the first one on, as far as they are plain, in one call; how many they were.

        Where it is none, the first one is for `add`. Only where `runs_plain`. gas: see Executor.apply_plain.
        """
        ends = self._executor.apply_plain(transactions, gas, self.gas_left)
        for transaction, end in zip(transactions, ends, strict=False):
            self._include_plain(transaction, end)
        return len(ends)

    def _include_plain(self, transaction: Transaction, end: PlainEnd) -> None:
        self.gas_used += end.gas_used
        self.transactions.append(transaction)
        self.receipts.append(
            Receipt(
                type=transaction.type,
                status=int(end.error is None),
                cumulative_gas_used=self.gas_used,
                logs=end.logs,
                bloom=logs_bloom(end.logs) if end.logs else EMPTY_BLOOM,
                sender=transaction.sender,
                gas_used=end.gas_used,
                effective_gas_price=end.price_wei,
            )
        )
        self.reports.append(
            TransactionReport(end.console, end.output, end.error) if end.output or end.console or end.error else _SILENT
        )

    def _try_ahead(self, transaction: Transaction, deadline: Deadline | None) -> None:
        """Have what a transaction reads of a forked chain, by executing it on a copy of the state."""
        with suppress(TransactionError, NodeFaultError, OriginError):
            run_ahead(
                self.state.fork_reader(),
                lambda reader, until: Executor(self.environment, BlockState(reader)).apply(
                    transaction, self.gas_left, self._blob_gas_left, deadline=until
                ),
                deadline,
                transaction,
            )

    def include(self, transaction: Transaction, outcome: Outcome) -> None:
        """Take an executed transaction into the block."""
        self.gas_used += outcome.gas_used
        self.blob_gas_used += transaction.blob_gas
        self.transactions.append(transaction.without_sidecar())
        self.receipts.append(self._receipt(transaction, outcome))
        self.reports.append(TransactionReport(tuple(outcome.console), outcome.output, outcome.error))

    def seal(
        self,
        header: Header,
        *,
        uncles: tuple[Header, ...] = (),
        withdrawals: tuple[Withdrawal, ...] = (),
        roots: BodyRoots | None = None,
        receipts: Sequence[Receipt | EncodedReceipt] | None = None,
    ) -> SealedBlock:
        """Finish the block with a header whose context fields (parent, time, fees, ...) are set.

        roots: of its transactions and withdrawals, where they were computed before. receipts: of its
        transactions, where they are not those that `add` and `include` have made.
        Raises BlockError for one that could not be read again, as its numbers are out of Ethereum's range.
        """
        rules = self.environment.rules
        listed = withdrawals if rules.fork >= Fork.SHANGHAI else None
        listed_root = withdrawals_root(listed) if roots is None else roots.withdrawals
        if listed:
            self._executor.withdraw(listed)
        if rules.fork < Fork.PARIS:
            self._executor.pay_block_reward(uncles)
        listed_receipts = self.receipts if receipts is None else receipts
        requests = self._executor.end_block([receipt.logs for receipt in listed_receipts])
        parts = header.parts(
            transactions_root=None if roots is None else roots.transactions,
            gas_used=self.gas_used,
            withdrawals_root=listed_root,
            blob_gas_used=self.blob_gas_used if rules.fork >= Fork.CANCUN else None,
            requests_hash=None if requests is None else requests_hash(requests),
        )
        encoded_transactions = [transaction.encoded for transaction in self.transactions] if roots is None else []
        try:
            update, sealed, encoded = self._ended(parts, encoded_transactions, listed_receipts)
        except rlp.RlpError as error:
            raise BlockError(Reason.FIELD_OUT_OF_RANGE, f"impossible block: {error}") from error
        block = Block(sealed, tuple(self.transactions), uncles, listed)
        record = BlockAndReceipts(block, tuple(self.receipts), tuple(self.reports))
        return SealedBlock(record, update, None if requests is None else tuple(requests), header=encoded)

    def _ended(
        self, header: HeaderParts, transactions: Sequence[bytes], receipts: Sequence[Receipt | EncodedReceipt]
    ) -> EndedBlock:
        """The new state and the header. Raises NotBriefError, RlpError."""
        ground, deadline = self._states.ground(self._parent_state.base), self._deadline
        if ground is None:
            update = self._new_state()
            header_class, names, sizes, values = header
            values = with_state_root(values, update.root)
            return EndedBlock(update, *sealed_header(header_class, names, sizes, values, transactions, receipts))
        is_brief = isinstance(deadline, BriefDeadline)
        if deadline is not None:
            deadline.check()
        most_changes = BRIEF_CHANGES if is_brief else None
        ended = end_block(ground, self.state.contents(), header, transactions, receipts, most_changes)
        if ended is None:
            raise NotBriefError
        return ended

    def _receipt(self, transaction: Transaction, outcome: Outcome) -> Receipt:
        environment = self.environment
        is_blob = bool(transaction.blob_versioned_hashes)
        old_style = environment.rules.fork < Fork.BYZANTIUM
        return Receipt(
            type=transaction.type,
            status=None if old_style else int(outcome.succeeded),
            cumulative_gas_used=self.gas_used,
            logs=outcome.logs,
            bloom=logs_bloom(outcome.logs) if outcome.logs else EMPTY_BLOOM,
            sender=transaction.sender,
            gas_used=outcome.gas_used,
            effective_gas_price=transaction.effective_gas_price(environment.base_fee_per_gas),
            contract_address=outcome.contract_address,
            blob_gas_used=transaction.blob_gas if is_blob else None,
            blob_gas_price=environment.blob_base_fee if is_blob else None,
            # EIP-658 replaced the state root after each transaction by its status
            post_state=self._new_state().root if old_style else None,
        )

    def _new_state(self) -> StateUpdate:
        diff = self.state.diff()
        if self._deadline is not None:
            bound_changes(diff, self._deadline)
            self._deadline.check()
        return self._states.prepare(self._parent_state.base, diff)


def transactions_root(transactions: Iterable[Transaction]) -> Hash32:
    """The root of the trie of transactions, as a header has it."""
    return trie.ordered_root([transaction.encoded for transaction in transactions])


def withdrawals_root(withdrawals: Sequence[Withdrawal] | None) -> Hash32 | None:
    """The root of the trie of withdrawals, as a header has it (EIP-4895); None where it has none, before Shanghai."""
    if not withdrawals:
        return None if withdrawals is None else EMPTY_ROOT
    return trie.ordered_root([rlp.encode(withdrawal.to_item()) for withdrawal in withdrawals])


def body_roots(transactions: Iterable[Transaction], withdrawals: Sequence[Withdrawal] | None) -> BodyRoots:
    """The roots of both lists."""
    return BodyRoots(transactions_root(transactions), withdrawals_root(withdrawals))


def execute_all(execution: BlockExecution, transactions: Iterable[Transaction]) -> None:
    """Add transactions that must all fit, as an import's. Raises TransactionError naming the index."""
    listed, unchecked = list(transactions), (None,) * AT_ONCE
    recover_senders(listed)
    index = 0
    while index < len(listed):
        chunk = listed[index : index + AT_ONCE] if execution.runs_plain else []
        done = execution.add_plain(chunk, unchecked[: len(chunk)]) if chunk else 0
        if not done:
            _add(execution, index, listed[index])
        index += done or 1


def _add(execution: BlockExecution, index: int, transaction: Transaction) -> None:
    try:
        execution.add(transaction)
    except TransactionError as error:
        raise TransactionError(
            error.reason, f"could not apply tx {index} [0x{transaction.hash.hex()}]: {error.message}"
        ) from error
