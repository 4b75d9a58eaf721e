"""Arguments for trials: ABI-encoded values of chosen addresses and amounts, for any list of types."""

from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_abi.exceptions import EncodingError, ParseError
from eth_abi.grammar import ABIType, BasicType, TupleType, parse

from zevm.chain.rules.units import ETHER

AMOUNTS = (ETHER, 1, 0, 100)
"""Numbers that are tried in turn."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Values for arguments. address: 20 bytes. data: for bytes."""

    address: bytes
    amount: int = ETHER
    data: bytes = b""


def encoded(types: str, filling: Filling) -> bytes | None:
    """The arguments of comma-separated types; None for types that no ABI has."""
    if not types:
        return b""
    try:
        parsed = parse(f"({types})")
        assert isinstance(parsed, TupleType)
        return encode(
            [part.to_type_str() for part in parsed.components], [_value(part, filling) for part in parsed.components]
        )
    except (ParseError, EncodingError, ValueError, OverflowError):
        return None


def _value(kind: ABIType, filling: Filling) -> Any:
    if kind.arrlist:
        size = kind.arrlist[-1]
        return [_value(kind.item_type, filling) for _ in range(size[0] if size else 1)]
    if isinstance(kind, TupleType):
        return tuple(_value(part, filling) for part in kind.components)
    assert isinstance(kind, BasicType)
    return _basic(kind, filling)


def _basic(kind: BasicType, filling: Filling) -> Any:
    if kind.base == "address":
        return filling.address
    if kind.base == "bool":
        return True
    if kind.base == "string":
        return "zevm"
    if kind.base == "bytes":
        return filling.data if kind.sub is None else filling.data[: int(kind.sub)]
    bits = int(kind.sub) if isinstance(kind.sub, int) else 256
    return min(filling.amount, (1 << (bits - 1)) - 1)
