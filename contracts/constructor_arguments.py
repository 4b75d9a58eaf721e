"""Arguments of a constructor, as bytes or as JSON values, against the types that it takes."""

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.grammar import ABIType, BasicType, TupleType, parse
from eth_utils.abi import collapse_if_tuple

from zevm.contracts.artifact import Artifact
from zevm.contracts.errors import ConstructorArgumentsError


def constructor_arguments(artifact: Artifact, given: bytes | Sequence[Any] | None) -> bytes:
    """The ABI-encoded arguments. Raises ConstructorArgumentsError for missing, surplus or wrong ones.

    given: encoded already, JSON values in order, or None for none.
    """
    entry = artifact.constructor
    inputs = [] if entry is None else entry["inputs"]
    types = [collapse_if_tuple(item) for item in inputs]
    shown = ", ".join(f"{kind} {item['name']}".strip() for kind, item in zip(types, inputs, strict=True))
    wanted = f"the constructor of {artifact.name} takes ({shown})" if types else f"{artifact.name} takes no arguments"
    try:
        if isinstance(given, bytes):
            return _checked(types, given)
        values = [] if given is None else list(given)
        if len(values) != len(types):
            raise ValueError(f"{len(values)} given")
        return encode(types, [_value(parse(kind), value) for kind, value in zip(types, values, strict=True)])
    except (ValueError, TypeError, OverflowError, EncodingError, DecodingError) as error:
        raise ConstructorArgumentsError(f"{wanted}: {error}") from error


def _checked(types: list[str], data: bytes) -> bytes:
    """Encoded arguments, which must be neither shorter nor longer than their values ask."""
    if encode(types, decode(types, data)) != data:
        raise ValueError(f"the {len(data)} bytes given are not the ABI encoding of such values")
    return data


def _value(kind: ABIType, value: Any) -> Any:
    """A JSON value as eth_abi takes it: numbers also as text, bytes as hex."""
    if kind.is_array:
        return [_value(kind.item_type, item) for item in _list(value)]
    if isinstance(kind, TupleType):
        return [_value(part, item) for part, item in zip(kind.components, _list(value), strict=True)]
    assert isinstance(kind, BasicType)
    if kind.base in ("int", "uint") and isinstance(value, str):
        return int(value, 0)
    if kind.base == "bytes" and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    return value
