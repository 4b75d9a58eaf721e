"""eth_ and personal_sign: signatures with the node's own keys."""

from typing import Any

import orjson

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types.transaction import encode_network_form
from zevm.rpc.codec import objects, results, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.codec.scalars import kind_of, schema
from zevm.rpc.codec.typed_data import hash_typed_data
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.eth.sending import with_sender
from zevm.rpc.methods.support.filling import fill_transaction
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.rpc.wallet import UnknownAccountError
from zevm.storage.primitives import Address

ADDRESS = Param("address", scalars.address)
ADDRESS_BYTES = 20


@schema(type="string")
def message(value: object) -> bytes:
    """The bytes to sign: 0x-prefixed hex, or else the text itself as UTF-8, as in wallets."""
    text = scalars.string(value)
    try:
        return scalars.data(text)
    except InvalidParamsError:
        return text.encode("utf-8", errors="surrogatepass")


@schema(anyOf=[{"type": "object"}, {"type": "string"}])
def typed_data(value: object) -> dict[str, Any]:
    """EIP-712 data: the object, or its JSON as a string."""
    if type(value) is str:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise InvalidParamsError(f"typed data is not JSON: {error}") from None
    if type(value) is not dict:
        raise InvalidParamsError(f"expected an object or its JSON, got {kind_of(value)}")
    return value


@method("eth_sign", cost=Cost.LIGHT, params=(ADDRESS, Param("message", message)), result="65-byte signature")
def eth_sign(services: Services, address: Address, data: bytes) -> str:
    """Sign a message with the prefix of EIP-191."""
    return hexadecimal(services.wallet.sign_message(address, data))


@method(
    "personal_sign",
    cost=Cost.LIGHT,
    params=(Param("message", message), Param("address", message), Param("password", scalars.string, default=None)),
    result="65-byte signature",
)
def personal_sign(services: Services, data: bytes, address: Address, password: str | None) -> str:  # noqa: ARG001
    """Sign a message with the prefix of EIP-191; the two arguments may come in either order."""
    if len(address) != ADDRESS_BYTES and len(data) == ADDRESS_BYTES:
        data, address = address, data
    if len(address) != ADDRESS_BYTES:
        raise InvalidParamsError(f"invalid argument 1: hex string has length {2 * len(address)}, want 40")
    return hexadecimal(services.wallet.sign_message(address, data))


@method(
    "eth_signTypedData_v4",
    cost=Cost.EXECUTION,
    params=(ADDRESS, Param("typedData", typed_data)),
    result="65-byte signature",
    aliases=("eth_signTypedData", "eth_signTypedData_v3"),
)
def sign_typed_data(services: Services, address: Address, typed: dict[str, Any], *, deadline: Deadline) -> str:
    """Sign structured data (EIP-712)."""
    if address not in services.wallet.addresses():
        raise UnknownAccountError(address)
    hashes = hash_typed_data(typed, services.limits, deadline)
    return hexadecimal(services.wallet.sign_typed_data(address, hashes.domain_separator, hashes.struct_hash))


@method(
    "eth_signTransaction",
    cost=Cost.EXECUTION,
    params=(Param("transaction", objects.transaction_arguments),),
    result="signed EIP-2718 bytes, of a blob transaction with its sidecar; or {raw, tx}",
)
def sign_transaction(services: Services, arguments: TransactionArguments, *, deadline: Deadline) -> Json | str:
    """Complete and sign a transaction without sending it.

    The specification, Anvil, viem, ethers and alloy use the bytes; web3.py reads geth's object.
    """
    arguments = with_sender(services, arguments)
    assert arguments.sender is not None
    filled = fill_transaction(services, arguments, deadline=deadline)
    signed = services.wallet.sign_transaction(arguments.sender, filled)
    raw = hexadecimal(encode_network_form(signed))
    if not services.signs_as_geth:
        return raw
    return {"raw": raw, "tx": results.transaction(signed, None, sender=arguments.sender)}


@method("eth_accounts", cost=Cost.LIGHT, any_thread=True, result="[address]", aliases=("eth_requestAccounts",))
def accounts(services: Services) -> list[str]:
    """The accounts that the node signs for, including impersonated ones."""
    own = services.wallet.addresses()
    return [hexadecimal(address) for address in (*own, *sorted(services.chain.impersonated.difference(own)))]
