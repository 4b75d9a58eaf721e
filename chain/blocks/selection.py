"""Which waiting transactions go into a block: the pool's order, as far as each still executes."""

from typing import TYPE_CHECKING

from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.blocks.importer import MAX_BLOCK_BYTES
from zevm.chain.canonical.snapshots import BlockSettings
from zevm.chain.errors import Reason, TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Transaction

if TYPE_CHECKING:
    from zevm.chain.view import ChainView

_LEAST_TRANSACTION_GAS = 21_000
_HEAD_AND_WITHDRAWAL_BYTES = 64 * 1024
"""Part of a block's maximum size (EIP-7934) that is reserved for everything but transactions."""
_LENGTH_BYTES = 9
"""The most that RLP puts before a transaction in a block."""


def check_price(transaction: Transaction, settings: BlockSettings) -> None:
    """Check that the price reaches the minimum of this node's blocks. Raises TransactionError with geth's text."""
    have, needed = transaction.max_fee_per_gas, settings.minimum_gas_price
    if have < needed:
        raise TransactionError(
            Reason.PRICE_BELOW_MINIMUM,
            f"transaction gas price below minimum: gas fee cap {have}, minimum needed {needed}",
        )


def fill(execution: BlockExecution, view: "ChainView") -> dict[bytes, TransactionError]:
    """Add the pool's ready transactions until gas, count (where there is a limit) or the pool is exhausted.

    Returns why transactions that were tried did not fit, by their hash; their senders' later ones are skipped.
    """
    environment, max_transactions = execution.environment, view.options.max_transactions
    selection = view.pool.select(
        environment.base_fee_per_gas, environment.blob_base_fee, view.settings.minimum_gas_price
    )
    refused: dict[bytes, TransactionError] = {}
    bytes_left = MAX_BLOCK_BYTES - _HEAD_AND_WITHDRAWAL_BYTES
    is_sized = environment.rules.fork >= Fork.OSAKA
    for transaction in selection:
        if is_sized and len(transaction.encoded) + _LENGTH_BYTES > bytes_left:
            break
        if len(execution.transactions) == max_transactions or execution.gas_left < _LEAST_TRANSACTION_GAS:
            break
        try:
            execution.add(transaction)
        except TransactionError as error:
            refused[transaction.hash] = error
            selection.skip_sender(transaction.sender)
        else:
            bytes_left -= len(transaction.encoded) + _LENGTH_BYTES
    return refused
