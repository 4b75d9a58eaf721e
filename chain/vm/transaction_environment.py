"""A message with its prices settled, whether signed or not."""

from dataclasses import dataclass, field

from zevm.chain.types import AccessListEntry, Authorization, Transaction
from zevm.chain.types.transaction import BLOB_GAS_PER_BLOB
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.interface import CallRequest
from zevm.storage.primitives import Address


@dataclass(slots=True)
class TransactionEnvironment:
    """A message with its prices settled, whether signed or not.

    gas_price: wei per gas that the sender pays; tip: the part of it that the coinbase gets.
    gas: what the gas limit covers whatever the execution uses.
    """

    sender: Address
    to: Address | None
    value: int
    data: bytes
    gas_limit: int
    gas_price: int
    tip: int
    blob_gas_price: int
    gas: GasNeeds
    access_list: tuple[AccessListEntry, ...] = ()
    authorization_list: tuple[Authorization, ...] = ()
    blob_versioned_hashes: tuple[bytes, ...] = field(default=())

    @property
    def price_wei(self) -> int:
        """The advance payment for gas and blob gas."""
        return (
            self.gas_limit * self.gas_price + BLOB_GAS_PER_BLOB * len(self.blob_versioned_hashes) * self.blob_gas_price
        )


def settle(
    message: Transaction | CallRequest,
    gas: GasNeeds,
    environment: BlockEnvironment,
    *,
    price_wei: int | None,
    blob_price_wei: int,
) -> TransactionEnvironment:
    """A message at the prices that it pays per gas and per blob gas. price_wei: None where it pays nothing at all."""
    return TransactionEnvironment(
        sender=message.sender,
        to=message.to,
        value=message.value,
        data=message.data,
        gas_limit=message.gas_limit,
        gas_price=price_wei or 0,
        tip=0 if price_wei is None else price_wei - (environment.base_fee_per_gas or 0),
        blob_gas_price=blob_price_wei,
        gas=gas,
        access_list=message.access_list,
        authorization_list=message.authorization_list or (),
        blob_versioned_hashes=message.blob_versioned_hashes or (),
    )
