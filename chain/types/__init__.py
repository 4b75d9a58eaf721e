"""Header, transaction, receipt, log and block: our own frozen records and their RLP."""

from zevm.chain.types.block import Block, Withdrawal
from zevm.chain.types.header import EMPTY_UNCLES_HASH, Header
from zevm.chain.types.receipt import Log, Receipt, logs_bloom
from zevm.chain.types.transaction import (
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
