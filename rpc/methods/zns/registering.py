"""zns_register: a name registered by one of the node's accounts."""

from dataclasses import fields
from typing import Any

from zevm.chain.calls.name_changes import DEFAULT_DURATION_SECONDS, RecordChanges, registration_call
from zevm.chain.calls.name_refusals import REASONS, refusal_of
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import ExecutionRevertedError
from zevm.chain.rules.name_service import REGISTRAR_ADDRESS
from zevm.chain.types.block_reference import LATEST
from zevm.rpc.codec import scalars
from zevm.rpc.codec.names import address_or_name
from zevm.rpc.codec.objects import TransactionArguments, decode_fields, require_fields
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.errors import InvalidParamsError, RevertedError
from zevm.rpc.methods.eth.sending import send, with_sender
from zevm.rpc.methods.support.names import address_of, name_reader, normal_name
from zevm.rpc.methods.support.reading import on_writer
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address


def _seconds(value: object) -> int:
    number = scalars.number(value)
    if number > scalars.MAX_UINT64:
        duration = f"{number} seconds" if number < 10**30 else f"a number of {number.bit_length()} bits"
        raise InvalidParamsError(f"{duration}: {REASONS['InvalidDuration(uint64)']}")
    return number


_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "name": ("name", scalars.string),
    "from": ("sender", address_or_name),
    "owner": ("owner", address_or_name),
    "duration": ("duration_seconds", _seconds),
    "gas": ("gas", scalars.uint64),
    "address": ("address", address_or_name),
    "contract": ("contract", address_or_name),
    "contenthash": ("content_hash", scalars.data),
    "texts": ("texts", scalars.json_object),
    "addresses": ("addresses", scalars.json_object),
}
_RECORDS = frozenset(field.name for field in fields(RecordChanges))


@scalars.schema(type="object", title="Registration", properties={name: {} for name in _FIELDS})
def registration(value: object) -> dict[str, Any]:
    """{name, owner, duration (seconds), address, contract, contenthash, texts, addresses (by coin type), from, gas}."""
    decoded = decode_fields(value, _FIELDS)
    require_fields(decoded, {"name": _FIELDS["name"]}, "Registration")
    decoded["texts"] = {key: scalars.string(text) for key, text in decoded.get("texts", {}).items()}
    decoded["addresses"] = _coin_addresses(decoded.get("addresses", {}))
    return decoded


def _coin_addresses(given: dict[str, Any]) -> dict[int, bytes]:
    """Addresses by coin type. Raises InvalidParamsError for what is no number, and for one that is given twice."""
    found: dict[int, bytes] = {}
    for coin, address in given.items():
        try:
            coin_type = scalars.number(coin)
        except InvalidParamsError as error:
            raise InvalidParamsError(
                f"field addresses: {coin!r:.80}: {error.message}; want a coin type, as 0 or 0x80000001 (SLIP-44)"
            ) from None
        if coin_type in found:
            raise InvalidParamsError(f"field addresses: coin type {coin_type} is given twice")
        found[coin_type] = scalars.data(address)
    return found


@method(
    "zns_register",
    cost=Cost.ASYNC,
    params=(Param("registration", registration, summary="{name, owner, duration, address, contract, texts, ...}"),),
    result="transaction hash",
)
async def register(services: Services, given: dict[str, Any]) -> str:
    """Send the transaction that registers a name, for a year and for its sender unless told otherwise, with records."""
    count, most = len(given["texts"]) + len(given["addresses"]), services.limits.zns_records
    if count > most:
        raise InvalidParamsError(
            f"{count} records, at most {most}: set the others in a further transaction, or raise --rpc-zns-records"
        )
    # no other write is to wait for the tables of names, or for what resolvers execute
    assert services.executions is not None
    name, addresses = await services.executions.run(_resolved, services, given)
    return await on_writer(services, _register, services, name, given | addresses)


def _resolved(services: Services, given: dict[str, Any], *, deadline: Deadline) -> tuple[str, dict[str, Address]]:
    """The normal form of the name to register, and the addresses that other names mean."""
    reader = name_reader(services, LATEST, deadline)
    return normal_name(given["name"]), {
        key: address_of(reader, value, contract=key == "contract") for key, value in given.items() if key in _ADDRESSES
    }


def _register(services: Services, name: str, given: dict[str, Any]) -> str:
    arguments = with_sender(
        services, TransactionArguments(sender=given.get("sender"), to=REGISTRAR_ADDRESS, gas=given.get("gas"))
    )
    sender = arguments.sender
    assert sender is not None
    data = registration_call(
        name,
        given.get("owner") or sender,
        given.get("duration_seconds", DEFAULT_DURATION_SECONDS),
        RecordChanges(**{key: value for key, value in given.items() if key in _RECORDS}),
    )
    try:
        return hexadecimal(send(services, arguments._replace(data=data)))
    except ExecutionRevertedError as error:
        signature = refusal_of(error.output)
        if signature is None:
            raise
        raise RevertedError(error.output, f"{name}: {REASONS[signature]}") from error


_ADDRESSES = frozenset({"sender", "owner", "address", "contract"})
