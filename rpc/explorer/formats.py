"""Numbers, amounts, times and hashes as the explorer writes them."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from eth_utils.address import to_checksum_address

from zevm.chain.rules.units import ETHER, GWEI
from zevm.chain.types.transaction import TransactionType

OLDEST_AGE_SECONDS: Final = 30 * 86_400
"""Times that are further away are dates."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_LAST_DATE: Final = 253_402_300_799
_TYPES: Final = {
    TransactionType.LEGACY: "legacy",
    TransactionType.ACCESS_LIST: "access list (EIP-2930)",
    TransactionType.DYNAMIC_FEE: "dynamic fee (EIP-1559)",
    TransactionType.BLOB: "blobs (EIP-4844)",
    TransactionType.SET_CODE: "delegation (EIP-7702)",
}


def number(value: int) -> str:
    """`30,000,000`."""
    return f"{value:,}"


def decimal(value: int, unit: int, places: int) -> str:
    """A quotient by a power of ten with at most `places` decimals, without zeros at the end; never rounded up."""
    digits = len(str(unit)) - 1
    whole, rest = divmod(value, unit)
    fraction = f"{rest:0{digits}d}"[:places].rstrip("0")
    return f"{whole:,}.{fraction}" if fraction else f"{whole:,}"


def ether(wei: int, places: int = 18) -> str:
    """`1.5 ETH`; with few places, what would be 0 there is `<0.000001 ETH`."""
    shown = decimal(wei, ETHER, places)
    return f"<{'0.' + '1'.rjust(places, '0')} ETH" if wei and shown == "0" else f"{shown} ETH"


def gwei(wei: int) -> str:
    """`1.25 gwei`."""
    return f"{decimal(wei, GWEI, 9)} gwei"


def hexadecimal(value: bytes) -> str:
    """With 0x."""
    return f"0x{value.hex()}"


def address(value: bytes) -> str:
    """With the checksum of EIP-55."""
    return str(to_checksum_address(value))


def short(text: str) -> str:
    """`0x1234abcd…89ef` of a hash or an address."""
    return text if len(text) <= 16 else f"{text[:10]}…{text[-4:]}"


def share(part: int, whole: int) -> str:
    """`12.5 %`."""
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def moment(timestamp: int) -> str:
    """`2026-11-30 05:24:51 UTC`; the seconds since 1970 where no date has them."""
    if timestamp > _LAST_DATE:
        return number(timestamp)
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def age(timestamp: int, now: float | None = None) -> str:
    """`12 s ago`; `in 12 s` for a time to come, which blocks of a development chain have; or the moment."""
    passed = int(time.time() if now is None else now) - timestamp
    if abs(passed) > OLDEST_AGE_SECONDS:
        return moment(timestamp)
    size, unit = next((entry for entry in _UNITS if abs(passed) >= entry[0]), _UNITS[-1])
    span = f"{abs(passed) // size} {unit}"
    return f"{span} ago" if passed >= 0 else f"in {span}"


def plural(count: int, word: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def transaction_type(kind: TransactionType) -> str:
    """The kind in words, with its EIP."""
    return f"{int(kind)}, {_TYPES[kind]}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number,
    "ether": ether,
    "gwei": gwei,
    "hex": hexadecimal,
    "address": address,
    "short": short,
    "share": share,
    "moment": moment,
    "age": age,
    "plural": plural,
    "transaction_type": transaction_type,
}
"""The templates' filters."""
