"""How large each part of a module may be: one table, and the refusal that names its row."""

from collections.abc import Mapping
from types import MappingProxyType

from zevm.chain.zvm.errors import ModuleRefusedError

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
        "loops in a function": 512,
        "joined locals in a function": 8_192,
        "joined locals": 32_768,
        "joins times locals": 1_048_576,
        "locals carried through blocks": 16_384,
        "operand depth": 4_096,
        "frame words": 10_240,
        "activation gas": 4_000_000,
    }
)
"""Largest value by what is counted. The words are those of the refusals. Targets of br_table count as operations.

Each block of a function carries the locals that it sets: once to its end, and once with each branch to it. The compiler
merges them, which takes it up to 60 microseconds each, and more than in proportion where there are many. Contracts
of 80 KB carry 6,500 in all, and 5,000 in their largest function.

Joined locals and joins bound the compiler's time, which nesting makes quadratic in a module's length: see
`shape.Shape`. Compiled contracts of 128 KiB have some 1,500 joined locals and 4,000 joins times locals;
a switch of 256 cases over 30 locals has 7,680 joined locals by itself.
"""


def within(what: str, value: int) -> int:
    """`value`, or a refusal with the rule "limit" when it exceeds the limit of that name."""
    limit = LIMITS[what]
    if value > limit:
        raise ModuleRefusedError("limit", f"{value} {what}, the limit is {limit}")
    return value
