"""Values of the chain as JSON: bytes and integers are 0x-prefixed hex in it, as Ethereum's JSON-RPC has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from zevm.core import replaced_by

Value = bytes | int | bool | Mapping[str, Any] | Sequence[Any] | None
"""Nested dicts, lists and tuples of bytes, integers, truth values and None."""
Fields = dict[str, Value]
"""An object's members by their names on the wire."""


def shown(value: Value) -> Any:
    """The value as JSON's values. Raises TypeError for anything else."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, Mapping):
        return {name: shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no value of the chain")


@replaced_by("hex_json")
def hex_json(value: Value) -> bytes:
    """The value as JSON text."""
    return orjson.dumps(shown(value))
