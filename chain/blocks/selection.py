"""Which waiting transactions go into a block: the pool's order, as far as each still executes."""

from zevm.chain.blocks.context import BlockSettings
from zevm.chain.blocks.execution import BlockExecution, SealedBlock
from zevm.chain.blocks.importer import MAX_BLOCK_BYTES
from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.ordering import Offers
from zevm.chain.pool.pool import Changed
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.gas import TRANSACTION_GAS
from zevm.chain.types import Transaction

_HEAD_AND_WITHDRAWAL_BYTES = 64 * 1024
"""Part of a block's maximum size (EIP-7934) that is reserved for everything but transactions."""
_LENGTH_BYTES = 9
"""The most that RLP puts before a transaction in a block."""

Refusals = dict[bytes, TransactionError]
"""Why transactions that were tried did not fit into a block, by their hash."""


def check_price(transaction: Transaction, settings: BlockSettings) -> None:
    """Check that the price reaches the minimum of this node's blocks. Raises TransactionError with geth's text."""
    have, needed = transaction.max_fee_per_gas, settings.minimum_gas_price
    if have < needed:
        raise TransactionError(
            Reason.PRICE_BELOW_MINIMUM,
            f"transaction gas price below minimum: gas fee cap {have}, minimum needed {needed}",
        )


def fill_block(execution: BlockExecution, offers: Offers, *, max_transactions: int | None) -> Refusals:
    """Add the transactions that are offered until gas, count (where there is a limit) or the offers are exhausted.

    The senders' later transactions are skipped where one did not fit.
    """
    environment = execution.environment
    refused: Refusals = {}
    bytes_left = MAX_BLOCK_BYTES - _HEAD_AND_WITHDRAWAL_BYTES
    is_sized = environment.rules.fork >= Fork.OSAKA
    for entry in offers:
        transaction = entry.transaction
        if is_sized and len(transaction.encoded) + _LENGTH_BYTES > bytes_left:
            break
        if len(execution.transactions) == max_transactions or execution.gas_left < TRANSACTION_GAS:
            break
        try:
            execution.add(transaction, gas=entry.gas, checked_rules=entry.rules)
        except TransactionError as error:
            refused[transaction.hash] = error
            offers.skip_sender(entry.sender)
        else:
            bytes_left -= len(transaction.encoded) + _LENGTH_BYTES
    return refused


def changed_by(first: SealedBlock, *others: SealedBlock) -> Changed:
    """The accounts that consecutive blocks have changed, which the pool is to look at."""
    return Changed(first.update.base_root, [key for sealed in (first, *others) for key in sealed.update.accounts])
