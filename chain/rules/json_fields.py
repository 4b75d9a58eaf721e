"""Fields of JSON objects that people write by hand: numbers in hex or decimal, byte strings with or without 0x.

Every error names the field with its path and says what it should hold.
"""

from collections.abc import Mapping
from typing import TypeAlias

from zevm.chain.errors import GenesisError
from zevm.storage.primitives import Address

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def hex_string(data: bytes) -> str:
    """0x-prefixed lower-case hex."""
    return "0x" + data.hex()


def number_field(container: Mapping[str, Json], key: str, *, bits: int, where: str = "") -> int | None:
    """An unsigned number below 2**bits; None where absent or null."""
    value = container.get(key)
    return None if value is None else parse_number(value, path(where, key), bits)


def bool_field(container: Mapping[str, Json], key: str, *, where: str = "") -> bool:
    """true or false; False where absent or null."""
    value = container.get(key)
    if value is not None and not isinstance(value, bool):
        raise GenesisError(f"{path(where, key)}: {_shown(value)} is not true or false")
    return bool(value)


def bytes_field(container: Mapping[str, Json], key: str, *, size: int | None = None, where: str = "") -> bytes | None:
    """A byte string, of `size` bytes if given; None where absent or null."""
    value = container.get(key)
    return None if value is None else parse_bytes(value, path(where, key), size)


def address_field(container: Mapping[str, Json], key: str, *, where: str = "") -> Address | None:
    """A 20-byte address; None where absent or null."""
    value = bytes_field(container, key, size=20, where=where)
    return None if value is None else Address(value)


def mapping_field(container: Mapping[str, Json], key: str, *, where: str = "") -> dict[str, Json]:
    """A JSON object; empty where absent or null."""
    value = container.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise GenesisError(f"{path(where, key)}: {_shown(value)} is not a JSON object")
    return value


def path(where: str, key: str) -> str:
    """`where.key`, or `key` at the top."""
    return f"{where}.{key}" if where else key


def parse_number(value: Json, name: str, bits: int) -> int:
    """A number, or a string that holds one in hex (0x) or decimal. Raises GenesisError naming `name`."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str):
        number = _number_of(value.strip())
    if number is None or number < 0:
        raise GenesisError(f"{name}: {_shown(value)} is not a number; want decimal, or hex with 0x")
    if number.bit_length() > bits:
        raise GenesisError(f"{name}: {_shown(value)} does not fit into {bits} bits")
    return number


def _number_of(text: str) -> int | None:
    digits, base = (text[2:], 16) if text[:2] in ("0x", "0X") else (text, 10)
    # int() also takes signs, spaces and underscores; the length keeps quadratic conversion away.
    if not digits.isascii() or not digits.isalnum() or len(digits) > 100:
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def parse_bytes(value: Json, name: str, size: int | None = None) -> bytes:
    """Hex with or without 0x, two digits a byte. Raises GenesisError naming `name`."""
    if not isinstance(value, str):
        raise GenesisError(f"{name}: {_shown(value)} is not a hex string")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = None
    if data is None or len(data) * 2 != len(digits):
        raise GenesisError(f"{name}: {_shown(value)} is not a hex string of whole bytes")
    if size is not None and len(data) != size:
        raise GenesisError(f"{name}: {_shown(value)} has {len(data)} bytes, want {size}")
    return data


def _shown(value: Json) -> str:
    text = repr(value).replace("'", '"')
    return text if len(text) <= 80 else text[:77] + "..."
