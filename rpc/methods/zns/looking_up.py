"""zns_: names looked up, and contracts called by their names."""

from typing import Any

from zevm.chain.calls.overrides import NO_OVERRIDES
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.names import TEXT_KEYS, address_or_name, record_json, resolved_json
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.results import Json
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.eth.call import call as eth_call
from zevm.rpc.methods.support.names import address_of, name_reader, normal_name
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

NAME = Param("name", scalars.string, summary="as in ENS, of any case; it is normalised (ENSIP-15)")
BLOCK = Param("block", scalars.block_reference, default=LATEST)

_RECORD_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "texts": ("text_keys", scalars.array_of(scalars.string, 10_000)),
    "coinTypes": ("coin_types", scalars.array_of(scalars.number, 10_000)),
}


@scalars.schema(type="object", title="Record keys", properties={name: {} for name in _RECORD_FIELDS})
def record_keys(value: object) -> dict[str, Any]:
    """{texts: keys of texts, coinTypes: numbers of SLIP-44 or ENSIP-11}."""
    return decode_fields(value, _RECORD_FIELDS)


@method(
    "zns_resolve",
    cost=Cost.EXECUTION,
    params=(NAME, BLOCK),
    result="{name, node, owner, resolver, address, contract, expires, ttl}, or null",
)
def resolve(services: Services, text: str, block: BlockReference, *, deadline: Deadline) -> Json | None:
    """The address and the contract of a name; null for a name that no resolver answers for."""
    found = name_reader(services, block, deadline).resolve(normal_name(text))
    return None if found is None else resolved_json(found)


@method("zns_reverse", cost=Cost.EXECUTION, params=(Param("address", address_or_name), BLOCK), result="name, or null")
def reverse(services: Services, value: Address | str, block: BlockReference, *, deadline: Deadline) -> str | None:
    """The name that an address has chosen, if the name resolves to the address; null otherwise."""
    reader = name_reader(services, block, deadline)
    return reader.reverse(address_of(reader, value))


@method(
    "zns_records",
    cost=Cost.EXECUTION,
    params=(
        NAME,
        Param("keys", record_keys, default=None, summary="{texts, coinTypes}; well-known ones by default"),
        BLOCK,
    ),
    result="{name, node, owner, resolver, address, contract, expires, ttl, texts, addresses, ...}, or null",
)
def records(
    services: Services, text: str, keys: dict[str, Any] | None, block: BlockReference, *, deadline: Deadline
) -> Json | None:
    """All records of a name, of the texts and coins that are asked for; null for a name without a resolver."""
    asked = keys or {}
    text_keys, coin_types = asked.get("text_keys", TEXT_KEYS), asked.get("coin_types", [])
    most = services.limits.zns_records
    if len(text_keys) + len(coin_types) > most:
        raise InvalidParamsError(f"{len(text_keys) + len(coin_types)} records, at most {most}: raise --rpc-zns-records")
    reader, name = name_reader(services, block, deadline), normal_name(text)
    found = reader.resolve(name)
    if found is None:
        return None
    return resolved_json(found) | record_json(reader.records(name, text_keys, coin_types))


@method(
    "zns_executeContractByDomain",
    cost=Cost.EXECUTION,
    params=(
        NAME,
        Param("data", scalars.data, default=b"", summary="call data"),
        Param("transaction", objects.transaction_arguments, default=None, summary="further fields, as of eth_call"),
        BLOCK,
    ),
    result="returned data",
)
def execute_contract_by_domain(
    services: Services,
    text: str,
    data: bytes,
    arguments: TransactionArguments | None,
    block: BlockReference,
    *,
    deadline: Deadline,
) -> str:
    """Execute a message to the contract that a name means, without lasting effects, and return its data."""
    target = address_of(name_reader(services, block, deadline), text, contract=True)
    request = (arguments or TransactionArguments())._replace(to=target, data=data)
    return eth_call(services, request, block, NO_OVERRIDES.state, NO_OVERRIDES.block, deadline=deadline)
