"""A block executed again on its parent's state, transaction by transaction, each with an optional tracer."""

from dataclasses import replace

from zevm.chain.blocks.execution import AT_ONCE
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import ReplayError, TransactionError
from zevm.chain.types import Block
from zevm.chain.types.transaction import recover_senders
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.tracer import Tracer
from zevm.storage.account import StateReader


class Replay:
    """Executes a block's transactions in order; system calls at the block's begin are made when it is constructed.

    deadline: looked at between transactions and in them. log_count: logs so far.
    """

    def __init__(self, environment: BlockEnvironment, state: StateReader, block: Block) -> None:
        # the block was accepted: a gas cap that was switched on since does not judge it
        rules = replace(environment.rules, unlimited_transaction_gas=True)
        environment = replace(environment, rules=rules, watcher=None)
        self.environment = environment
        self.block = block
        self.state = BlockState(state)
        self.next_index = 0
        self.log_count = 0
        self._gas_used = 0
        self._blob_gas_used = 0
        self._executor = Executor(environment, self.state)
        self._executor.begin_block()

    def skip_to(self, index: int, deadline: Deadline) -> None:
        """Execute the transactions before `index` unwatched. Raises as `run`."""
        while self.next_index < index:
            deadline.check("execution timeout")
            chunk = self.block.transactions[self.next_index : min(index, self.next_index + AT_ONCE)]
            recover_senders(chunk)
            ends = self._executor.apply_plain(chunk, (None,) * len(chunk), self._gas_left, deadline)
            self.next_index += len(ends)
            self.log_count += sum([len(end.logs) for end in ends])
            self._gas_used += sum([end.gas_used for end in ends])
            if not ends:
                self.run(None, deadline)

    @property
    def _gas_left(self) -> int:
        return self.environment.gas_limit - self._gas_used

    def run(self, tracer: Tracer | None, deadline: Deadline) -> Outcome:
        """Execute the next transaction. Raises ReplayError where it cannot be executed, ExecutionTimeoutError."""
        deadline.check("execution timeout")
        transaction, blob = self.block.transactions[self.next_index], self.environment.rules.blob
        blob_gas = 0 if blob is None else blob.maximum_gas - self._blob_gas_used
        try:
            outcome = self._executor.apply(transaction, self._gas_left, blob_gas, deadline=deadline, tracer=tracer)
        except TransactionError as error:
            raise ReplayError(f"tracing failed: {error.message}") from error
        self.next_index += 1
        self.log_count += len(outcome.logs)
        self._gas_used += outcome.gas_used
        self._blob_gas_used += transaction.blob_gas
        return outcome
