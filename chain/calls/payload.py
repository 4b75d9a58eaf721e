"""Blocks built under the attributes that a consensus client gives: engine_, testing_. Nothing of the chain changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zevm.chain.blocks.context import BlockSettings
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
    """A built block, and the blobs of its transactions."""

    sealed: SealedBlock
    sidecars: tuple[BlobSidecar, ...] = ()


class PayloadExecution:
    """A block in the making on `parent` under a consensus client's attributes.

    settings: the operator's, of which the attributes replace coinbase and randomness. gas_limit_target: where the gas
    limit moves to.
    """

    def __init__(
        self,
        view: ChainView,
        parent: Header,
        attributes: PayloadAttributes,
        settings: BlockSettings,
        *,
        gas_limit_target: int,
        extra_data: bytes = b"",
    ) -> None:
        gas_limit = fees.next_gas_limit(parent.gas_limit, gas_limit_target)
        own = replace(
            settings, coinbase=attributes.fee_recipient, gas_limit=gas_limit, prev_randao=attributes.prev_randao
        )
        self._view = view
        self._attributes = attributes
        self._header = view.spec.next_header(parent, attributes.timestamp, own).with_changes(
            parent_beacon_block_root=attributes.parent_beacon_block_root, extra_data=extra_data
        )
        environment = view.spec.environment(self._header, view.records.canonical_hash, settings.recoveries)
        self.execution = BlockExecution(environment, view.database.state, view.canonical.state_of(parent))

    def fill(self) -> Payload:
        """The block of what the pool has."""
        self._view.fill_block(self.execution)
        blobs = [item for item in self.execution.transactions if item.blob_versioned_hashes]
        return self.seal([self._view.pool.get(item.hash) for item in blobs])

    def seal(self, with_sidecars: Iterable[Transaction | None] = ()) -> Payload:
        """The block of what was executed. with_sidecars: its blob transactions in order, as far as they are known."""
        sealed = self.execution.seal(self._header, withdrawals=self._attributes.withdrawals or ())
        sidecars = [item.sidecar for item in with_sidecars if item is not None and item.sidecar is not None]
        return Payload(sealed, tuple(sidecars))


def build_payload(
    view: ChainView,
    attributes: PayloadAttributes,
    transactions: Sequence[Transaction] | None,
    extra_data: bytes = b"",
) -> Payload:
    """A block on the head, of exactly these transactions, or of the pool's. For the writer's thread.

    Raises TransactionError for a transaction that may not be in it, InvalidRequestError for impossible attributes.
    """
    parent = view.head.header
    _check_attributes(view, parent, attributes)
    target = view.settings.gas_limit or GAS_LIMIT_TARGET
    building = PayloadExecution(view, parent, attributes, view.settings, gas_limit_target=target, extra_data=extra_data)
    if transactions is None:
        return building.fill()
    for transaction in transactions:
        building.execution.add(transaction)
    return building.seal(transactions)


def _check_attributes(view: ChainView, parent: Header, attributes: PayloadAttributes) -> None:
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
