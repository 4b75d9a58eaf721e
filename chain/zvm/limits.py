"""How large each part of a module may be: one table, and the refusal that names its row."""

from collections.abc import Mapping
from types import MappingProxyType

from chain.zvm.errors import ModuleRefusedError

KIB = 1_024

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "stored code bytes": 128 * KIB,
        "module bytes": 256 * KIB,
        "types": 4_096,
        "imports": 513,
        "functions": 4_096,
        "globals": 32_768,
        "exports": 1_024,
        "element segments": 128,
        "data segments": 128,
        "table entries": 4_096,
        "name bytes": 512,
        "parameters": 255,
        "locals with parameters": 1_024,
        "operations in a function": 65_536,
        "metered blocks in a function": 8_192,
        "nested blocks": 512,
        "operand depth": 4_096,
        "frame words": 10_240,
    }
)
"""Largest value by what is counted. The words are those of the refusals. Targets of br_table count as operations."""


def within(what: str, value: int) -> int:
    """`value`, or a refusal with the rule "limit" when it exceeds the limit of that name."""
    limit = LIMITS[what]
    if value > limit:
        raise ModuleRefusedError("limit", f"{value} {what}, the limit is {limit}")
    return value
