"""Header, transaction, receipt, log and block: our own frozen records and their RLP."""

from chain.types.block import Block, Withdrawal
from chain.types.header import EMPTY_UNCLES_HASH, Header
from chain.types.receipt import Log, Receipt, logs_bloom
from chain.types.transaction import (
    AccessListEntry,
    Authorization,
    BlobSidecar,
    Transaction,
    TransactionType,
)

__all__ = [
    "EMPTY_UNCLES_HASH",
    "AccessListEntry",
    "Authorization",
    "BlobSidecar",
    "Block",
    "Header",
    "Log",
    "Receipt",
    "Transaction",
    "TransactionType",
    "Withdrawal",
    "logs_bloom",
]
