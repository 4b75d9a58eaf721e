"""Blocks built for someone who says what they begin with: testing_buildBlockV1. Nothing of the chain changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.blocks.execution import BlockExecution, SealedBlock
from zevm.chain.errors import InvalidRequestError
from zevm.chain.rules import fees
from zevm.chain.rules.forks import Fork
from zevm.chain.types import BlobSidecar, Header, Transaction, Withdrawal
from zevm.chain.view import ChainView
from zevm.storage.primitives import Address

GAS_LIMIT_TARGET = 60_000_000
"""Target of a built block's gas limit, unless the operator sets another: geth's default."""


@dataclass(frozen=True, slots=True)
class PayloadAttributes:
    """The consensus layer's fields of a block (Engine API). timestamp in seconds; hashes have 32 bytes.

    withdrawals: not None exactly from Shanghai on. parent_beacon_block_root: from Cancun on.
    """

    timestamp: int
    prev_randao: bytes
    fee_recipient: Address
    withdrawals: tuple[Withdrawal, ...] | None = None
    parent_beacon_block_root: bytes | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """A built block, what its proposer earns in wei, and the blobs of its transactions."""

    sealed: SealedBlock
    value_wei: int
    sidecars: tuple[BlobSidecar, ...]


def build_payload(
    view: ChainView,
    attributes: PayloadAttributes,
    transactions: Sequence[Transaction] | None,
    extra_data: bytes = b"",
) -> Payload:
    """A block on the head, of exactly these transactions, or of the pool's. For the writer's thread.

    Raises TransactionError for a transaction that may not be in it, InvalidRequestError for impossible attributes.
    """
    head = view.head
    header = _header(view, head.header, attributes, extra_data)
    environment = view.spec.environment(header, view.records.canonical_hash, view.settings.recoveries)
    execution = BlockExecution(environment, view.database.state, head.state)
    if transactions is None:
        view.fill(execution)
        waiting = [view.pool.get(transaction.hash) for transaction in execution.transactions]
        transactions = [transaction for transaction in waiting if transaction is not None]
    else:
        for transaction in transactions:
            execution.add(transaction)
    sealed = execution.seal(header, withdrawals=attributes.withdrawals or ())
    base_fee = header.base_fee_per_gas or 0
    earned = sum(receipt.gas_used * (receipt.effective_gas_price - base_fee) for receipt in sealed.record.receipts)
    sidecars = tuple(transaction.sidecar for transaction in transactions if transaction.sidecar is not None)
    return Payload(sealed, earned, sidecars)


def _header(view: ChainView, parent: Header, attributes: PayloadAttributes, extra_data: bytes) -> Header:
    if attributes.timestamp <= parent.timestamp:
        raise InvalidRequestError(f"invalid timestamp, parent {parent.timestamp} given {attributes.timestamp}")
    rules = view.spec.at(parent.number + 1, attributes.timestamp)
    for name, value, since in (
        ("withdrawals", attributes.withdrawals, Fork.SHANGHAI),
        ("parentBeaconBlockRoot", attributes.parent_beacon_block_root, Fork.CANCUN),
    ):
        if (value is not None) != (rules.fork >= since):
            state = "is missing" if value is None else "has no place"
            raise InvalidRequestError(f"{name} {state} in a block under {rules.fork.title}")
    target = view.settings.gas_limit or GAS_LIMIT_TARGET
    header = view.spec.next_header(parent, attributes.timestamp, view.settings)
    return header.with_changes(
        coinbase=attributes.fee_recipient,
        gas_limit=fees.next_gas_limit(parent.gas_limit, target),
        mix_hash=attributes.prev_randao,
        parent_beacon_block_root=attributes.parent_beacon_block_root,
        extra_data=extra_data,
    )
