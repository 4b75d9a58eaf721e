"""Which waiting transactions go into a block: the pool's order, as far as each still executes."""

from chain.builder import BlockExecution
from chain.errors import TransactionError
from chain.forks import Fork
from chain.importer import MAX_BLOCK_BYTES
from chain.pool import Pool
from storage.state import StateStore

_LEAST_TRANSACTION_GAS = 21_000
_HEAD_AND_WITHDRAWAL_BYTES = 64 * 1024
"""What a block may need of its size (EIP-7934) besides transactions."""
_LENGTH_BYTES = 9
"""The most that RLP puts before a transaction in a block."""


def fill(
    execution: BlockExecution, pool: Pool, states: StateStore, max_transactions: int | None
) -> dict[bytes, TransactionError]:
    """Add ready transactions until gas, count (where there is a limit) or the pool is exhausted.

    Returns why transactions that were tried did not fit, by their hash; their senders' later ones are skipped.
    """
    environment = execution.environment
    selection = pool.select(environment.base_fee_per_gas, environment.blob_base_fee)
    refused: dict[bytes, TransactionError] = {}
    bytes_left = MAX_BLOCK_BYTES - _HEAD_AND_WITHDRAWAL_BYTES
    is_sized = environment.rules.fork >= Fork.OSAKA
    for transaction in selection:
        if is_sized and len(transaction.encoded) + _LENGTH_BYTES > bytes_left:
            break
        if len(execution.transactions) == max_transactions or execution.gas_left < _LEAST_TRANSACTION_GAS:
            break
        try:
            execution.add(transaction, states)
        except TransactionError as error:
            refused[transaction.hash] = error
            selection.skip_sender(transaction.sender)
        else:
            bytes_left -= len(transaction.encoded) + _LENGTH_BYTES
    return refused
