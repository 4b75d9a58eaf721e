"""Which waiting transactions go into a block: the pool's order, as far as each still executes."""

from chain.builder import BlockExecution
from chain.errors import TransactionError
from chain.pool import Pool
from storage.state import StateStore

_LEAST_TRANSACTION_GAS = 21_000


def fill(
    execution: BlockExecution, pool: Pool, states: StateStore, max_transactions: int
) -> dict[bytes, TransactionError]:
    """Add ready transactions until gas, count or the pool is exhausted.

    Returns why transactions that were tried did not fit, by their hash; their senders' later ones are skipped.
    """
    environment = execution.environment
    selection = pool.select(environment.base_fee_per_gas, environment.blob_base_fee)
    refused: dict[bytes, TransactionError] = {}
    for transaction in selection:
        if len(execution.transactions) >= max_transactions or execution.gas_left < _LEAST_TRANSACTION_GAS:
            break
        try:
            execution.add(transaction, states)
        except TransactionError as error:
            refused[transaction.hash] = error
            selection.skip_sender(transaction.sender)
    return refused
