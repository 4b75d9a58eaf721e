"""Names in requests: their normal forms, and what they resolve to."""

from zevm.chain.calls.names import NameReader
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.name_service import normalised
from zevm.chain.types.block_reference import BlockReference
from zevm.rpc.errors import ServerError, refusals_as_parameters
from zevm.rpc.services import Services
from zevm.storage.primitives import Address


def name_reader(services: Services, block: BlockReference, deadline: Deadline) -> NameReader:
    """Look-ups at a block, within the limits of eth_call."""
    return NameReader(services.chain.frame_at(block), gas_limit=services.limits.call_gas, deadline=deadline)


def normal_name(text: str) -> str:
    """The normal form of a name. Raises InvalidParamsError."""
    with refusals_as_parameters():
        return normalised(text)


def address_of(reader: NameReader, value: Address | str, *, contract: bool = False) -> Address:
    """An address, or what a name resolves to; `contract`: its contract before its address.

    Raises InvalidParamsError for what is no name, ServerError for a name without an address.
    """
    if isinstance(value, bytes):
        return value
    name = normal_name(value)
    found = reader.resolve(name)
    if found is None:
        raise ServerError(f"the name {name} is not registered, or has no resolver")
    address = found.target if contract else found.address
    if address is None:
        raise ServerError(f"the name {name} has no {'contract and no address' if contract else 'address'}")
    return address
