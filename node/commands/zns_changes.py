"""Transactions of `zevm zns`, and the registrar's list."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from zevm.chain.calls.name_changes import RecordChanges, call_data, records_call, registration_call
from zevm.chain.calls.name_refusals import REASONS, refusal_of
from zevm.chain.errors import InvalidNameError
from zevm.chain.rules.name_service import (
    REGISTRAR_ADDRESS,
    REGISTRY_ADDRESS,
    RESOLVER_ADDRESS,
    REVERSE_REGISTRAR_ADDRESS,
    TOP_LEVEL_NAMES,
    namehash,
    normalised,
)
from zevm.node.client import CallFailedError, Client
from zevm.node.commands.sending import send, transaction_fields
from zevm.node.commands.zns_records import address_bytes
from zevm.node.errors import NodeError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import ZERO_ADDRESS, Address

DAY_SECONDS = 86_400

Receipt = dict[str, Any]

_FIXES = {
    "NameNotAvailable(string)": "see `zevm zns resolve`",
    "NameNotRegistered(string)": "see `zevm zns register` and `renew`",
    "NotOwner(string,address)": "give its owner with --from or --private-key",
    "NotOwner(bytes32,address)": "give that owner with --from or --private-key",
    "NotAuthorised(bytes32,address)": "give its owner with --from or --private-key",
    "InvalidDuration(uint64)": "give other --days",
}
"""Remedies in the commands, after the reasons of chain/calls/name_refusals.py."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The signer: an account of the node (an address or a name; None for its first one), or a key."""

    account: str | None
    private_key: str | None

    def address(self, client: Client) -> Address:
        """The sender's address. Raises NodeError."""
        from zevm.node.commands.account import parse_key
        from zevm.node.wallet import address_of

        if self.private_key is not None:
            return address_of(parse_key(self.private_key, "--private-key"))
        if self.account is not None:
            return address_bytes(client, self.account, "--from")
        accounts = client.call("eth_accounts")
        if not accounts:
            raise NodeError("the node has no account: give --private-key, or --from for an unlocked one")
        return Address(bytes.fromhex(accounts[0][2:]))


def register_name(
    client: Client, sender: Sender, text: str, owner: str | None, days: int, changes: RecordChanges
) -> Receipt:
    """Register a name; the receipt. Raises NodeError."""
    name = normal(text)
    above = name.partition(".")[2]
    if "." in above and above.rpartition(".")[2] in TOP_LEVEL_NAMES:
        raise NodeError(f"{name}: below {above}, whose owner makes it: `zevm zns set {name}` and its records")
    holder = sender.address(client) if owner is None else address_bytes(client, owner, "--owner")
    return sent(client, sender, name, REGISTRAR_ADDRESS, registration_call(name, holder, days * DAY_SECONDS, changes))


def renew_name(client: Client, sender: Sender, text: str, days: int) -> Receipt:
    """Add days to a name's time; the receipt. Raises NodeError."""
    name = normal(text)
    return sent(client, sender, name, REGISTRAR_ADDRESS, call_data("renew(string,uint64)", name, days * DAY_SECONDS))


def transfer_name(client: Client, sender: Sender, text: str, owner: str) -> Receipt:
    """Give a name away; the receipt. Raises NodeError."""
    name, holder = normal(text), address_bytes(client, owner, "OWNER")
    return sent(client, sender, name, REGISTRAR_ADDRESS, call_data("transfer(string,address)", name, holder))


def set_records(
    client: Client, sender: Sender, text: str, changes: RecordChanges, ttl: int | None, *, reverse: bool
) -> Iterator[Receipt]:
    """Set records of a name, which is made if it is below one of the sender's; the receipts. Raises NodeError."""
    name = normal(text)
    data = None if changes == RecordChanges() else records_call(name, changes)
    if data is None and ttl is None and not reverse:
        raise NodeError("nothing to set: give --address, --contract, --text, --contenthash, --coin, --ttl or --reverse")
    if (data is not None or ttl is not None) and _owner(client, name) == ZERO_ADDRESS:
        if name.count(".") == 1:
            raise NodeError(f"{name} is not registered, or has expired: see `zevm zns register` and `renew`")
        yield _made(client, sender, name)
    if data is not None:
        yield sent(client, sender, name, RESOLVER_ADDRESS, data)
    if ttl is not None:
        yield sent(client, sender, name, REGISTRY_ADDRESS, call_data("setTTL(bytes32,uint64)", namehash(name), ttl))
    if reverse:
        yield sent(client, sender, name, REVERSE_REGISTRAR_ADDRESS, call_data("setName(string)", name))


def _made(client: Client, sender: Sender, name: str) -> Receipt:
    label, _, above = name.partition(".")
    if _owner(client, above) == ZERO_ADDRESS:
        raise NodeError(f"{above} is not there, below which {name} would be: make it first, with `zevm zns set` too")
    arguments = (namehash(above), keccak256(label.encode()), sender.address(client), RESOLVER_ADDRESS, 0)
    data = call_data("setSubnodeRecord(bytes32,bytes32,address,address,uint64)", *arguments)
    return sent(client, sender, name, REGISTRY_ADDRESS, data)


def _owner(client: Client, name: str) -> Address:
    request = {"to": "0x" + REGISTRY_ADDRESS.hex(), "data": "0x" + call_data("owner(bytes32)", namehash(name)).hex()}
    return Address(bytes.fromhex(client.call("eth_call", request, "latest")[2:])[-20:])


def registrations(client: Client, owner: str | None, page_size: int) -> Iterator[dict[str, Any]]:
    """The registrar's names, those of one owner or all: {name, owner, expires, until, expired}. Raises NodeError."""
    wanted = None if owner is None else "0x" + address_bytes(client, owner, "--owner").hex()
    now = int(client.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    start = 0
    while True:
        request = {"to": "0x" + REGISTRAR_ADDRESS.hex(), "data": "0x" + call_data(_PAGE, start, page_size).hex()}
        output = bytes.fromhex(client.call("eth_call", request, "latest")[2:])
        if not output:
            raise NodeError(f"the chain of {client.url} has no name service: its genesis is older, or lacks it")
        try:
            ((*found,),) = decode(["(bytes,address,uint64)[]"], output)
        except (DecodingError, OverflowError):
            raise NodeError(f"the chain of {client.url} has another contract in the place of the registrar") from None
        for name, holder, expires in found:
            if wanted in (None, holder):
                # the registrar takes bytes that are no text
                shown = {
                    "name": name.decode(errors="replace"),
                    "owner": checksummed(holder),
                    "expires": expires,
                    "until": date_of(expires),
                }
                yield shown | {"expired": expires <= now}
        if len(found) < page_size:
            return
        start += page_size


_PAGE = "page(uint256,uint256)"


def date_of(seconds: int) -> str:
    """A time in UTC, to the minute; after the year 9999, which a development chain may reach, in seconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} seconds after 1970"


def checksummed(address: str) -> str:
    """An address in hex with the case of its checksum."""
    from zevm.node.wallet import checksum_address

    return checksum_address(Address(bytes.fromhex(address[2:])))


def normal(text: str) -> str:
    """The normal form of a name. Raises NodeError."""
    try:
        return normalised(text)
    except InvalidNameError as error:
        raise NodeError(error.message) from None


def sent(client: Client, sender: Sender, name: str, to: Address, data: bytes) -> Receipt:
    """The receipt of a transaction about a name. Raises NodeError, of a refusal in words."""
    account = None if sender.private_key is not None or sender.account is None else sender.address(client).hex()
    fields = transaction_fields(data, to="0x" + to.hex())
    try:
        return send(client, fields, None if account is None else f"0x{account}", sender.private_key)
    except CallFailedError as error:
        signature = refusal_of(_reverted_with(error))
        if signature is None:
            raise
        fix = _FIXES.get(signature)
        raise NodeError(f"{name}: {REASONS[signature]}{'' if fix is None else f': {fix}'}") from None


def _reverted_with(error: CallFailedError) -> bytes:
    try:
        return bytes.fromhex(error.data[2:]) if isinstance(error.data, str) else b""
    except ValueError:
        return b""
