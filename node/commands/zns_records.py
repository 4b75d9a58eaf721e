"""Records of names from the options of `zevm zns`."""

import re
from collections.abc import Iterable
from typing import TypeVar

from zevm.chain.calls.name_changes import RecordChanges
from zevm.node.client import Client
from zevm.node.commands.names import is_name, resolved
from zevm.node.errors import NodeError
from zevm.storage.primitives import Address

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}\Z")

Key = TypeVar("Key")
Value = TypeVar("Value")


def given(
    client: Client,
    address: str | None,
    contract: str | None,
    texts: list[str] | None,
    contenthash: str | None,
    coins: list[str] | None,
) -> RecordChanges:
    """The records that the options say. Raises NodeError."""
    meant = None if contract is None else address_bytes(client, contract, "--contract", contract=True)
    return RecordChanges(
        address=meant if address is None else address_bytes(client, address, "--address"),
        contract=meant,
        content_hash=None if contenthash is None else _bytes(contenthash, "--contenthash"),
        texts=_table((_pair(text, "--text KEY=VALUE") for text in texts or []), "--text"),
        addresses=_table((_coin(text) for text in coins or []), "--coin"),
    )


def _table(pairs: Iterable[tuple[Key, Value]], option: str) -> dict[Key, Value]:
    """Pairs by their first halves. Raises NodeError for one that is given twice."""
    found: dict[Key, Value] = {}
    for key, value in pairs:
        if key in found:
            raise NodeError(f"{option} {key!s:.80}: given twice, with two values")
        found[key] = value
    return found


def address_bytes(client: Client, text: str, option: str, *, contract: bool = False) -> Address:
    """An address from a text, or that of a name. Raises NodeError naming the option."""
    found = resolved(client, text, contract=contract) if is_name(text) else text
    if not _ADDRESS.match(found):
        raise NodeError(f"{option} {text:.80}: not an address (0x and 40 hex digits) and no name")
    return Address(bytes.fromhex(found[2:]))


def _bytes(text: str, option: str) -> bytes:
    try:
        if text[:2] not in ("0x", "0X") or not text[2:].isalnum():
            raise ValueError
        return bytes.fromhex(text[2:])
    except ValueError:
        raise NodeError(f"{option} {text:.80}: not whole bytes in hex, as 0x1234") from None


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise NodeError(f"{text:.80}: want {option}")
    return key, value


def _coin(text: str) -> tuple[int, bytes]:
    number, value = _pair(text, "--coin TYPE=HEX")
    if not number.isdecimal() or len(number) > 77 or int(number) >= 2**256:
        raise NodeError(f"--coin {text:.80}: the coin's type is a number, as 0 for Bitcoin (SLIP-44)")
    return int(number), _bytes(value, "--coin")
