"""Transactions as rows of lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.types import Block, Header, Receipt, Transaction
from zevm.rpc.explorer.labels import Labels


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction in a list.

    function: that it calls, None for a creation or a plain transfer. label: the name of the called or created contract.
    status: None for a waiting one, and before Byzantium. block: None for a waiting one.
    """

    hash: bytes
    sender: bytes
    to: bytes | None
    created: bytes | None
    label: str | None
    value_wei: int
    function: str | None
    status: int | None
    gas_used: int | None
    nonce: int
    block: Header | None = None


def row_of(block: Block, receipts: Sequence[Receipt] | None, index: int, labels: Labels) -> TransactionRow:
    """A block's transaction as a row."""
    transaction = block.transactions[index]
    receipt = receipts[index] if receipts else None
    created = None if receipt is None else receipt.contract_address
    target = transaction.to or created
    return TransactionRow(
        hash=transaction.hash,
        sender=transaction.sender if receipt is None else receipt.sender,
        to=transaction.to,
        created=created,
        label=None if target is None else labels.contract(target),
        value_wei=transaction.value,
        function=labels.function(transaction),
        status=None if receipt is None else receipt.status,
        gas_used=None if receipt is None else receipt.gas_used,
        nonce=transaction.nonce,
        block=block.header,
    )


def waiting_row(sender: bytes, transaction: Transaction, labels: Labels) -> TransactionRow:
    """A transaction of the pool as a row."""
    return TransactionRow(
        hash=transaction.hash,
        sender=sender,
        to=transaction.to,
        created=None,
        label=None if transaction.to is None else labels.contract(transaction.to),
        value_wei=transaction.value,
        function=labels.function(transaction),
        status=None,
        gas_used=None,
        nonce=transaction.nonce,
    )
