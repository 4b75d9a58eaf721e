"""Types of the ABI, written once for eth_abi, Solidity and Zig, and values of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

LENGTHS = (0, 1, 2, 31, 32, 33, 64, 70)
"""Of bytes and strings: around the ends of words."""


@dataclass(frozen=True)
class Basic:
    """A value type, `bytes` or `string`, by Solidity's name; "Choice" is an enum of three members."""

    name: str

    @property
    def abi(self) -> str:
        return "uint8" if self.name == "Choice" else self.name

    @property
    def solidity(self) -> str:
        return self.name

    @property
    def zig(self) -> str:
        names = {"bool": "bool", "address": "covenant.Address", "bytes": "[]const u8", "string": "covenant.String"}
        if self.name in names:
            return names[self.name]
        if self.name == "Choice":
            return "Choice"
        if self.name.startswith("bytes"):
            return f"[{self.name[5:]}]u8"
        return f"{self.name[0]}{self.name.lstrip('uint')}"

    def structures(self) -> Iterator[Structure]:
        return iter(())


@dataclass(frozen=True)
class Array:
    """item[], or item[count]."""

    item: Type
    count: int | None = None

    @property
    def _brackets(self) -> str:
        return "[]" if self.count is None else f"[{self.count}]"

    @property
    def abi(self) -> str:
        return self.item.abi + self._brackets

    @property
    def solidity(self) -> str:
        return self.item.solidity + self._brackets

    @property
    def zig(self) -> str:
        if self.item.abi == "uint8" and self.item.zig == "u8":
            return f"covenant.List(u8, {'null' if self.count is None else self.count})"
        return f"[]const {self.item.zig}" if self.count is None else f"[{self.count}]{self.item.zig}"

    def structures(self) -> Iterator[Structure]:
        return self.item.structures()


@dataclass(frozen=True)
class Structure:
    """A struct with members a0, a1, ..."""

    name: str
    members: tuple[Type, ...]

    @property
    def abi(self) -> str:
        return f"({','.join(member.abi for member in self.members)})"

    @property
    def solidity(self) -> str:
        return self.name

    @property
    def zig(self) -> str:
        return self.name

    def structures(self) -> Iterator[Structure]:
        for member in self.members:
            yield from member.structures()
        yield self


Type = Basic | Array | Structure

UINTS = tuple(Basic(f"uint{bits}") for bits in range(8, 257, 8))
INTS = tuple(Basic(f"int{bits}") for bits in range(8, 257, 8))
WORDS = tuple(Basic(f"bytes{size}") for size in range(1, 33))
OTHERS = tuple(Basic(name) for name in ("bool", "address", "Choice", "bytes", "string"))
_WIDTHS = tuple(
    Structure(f"{kind}{start}", basics[start : start + 8])
    for kind, basics in (("Uints", UINTS), ("Ints", INTS), ("Words", WORDS))
    for start in range(0, 32, 8)
)
MIXED = Structure("Mixed", (*OTHERS, Basic("uint256")))
STATIC = Structure("Static", (Basic("uint8"), Basic("address"), Array(Basic("int24"), 2)))

SHAPES: tuple[Type, ...] = (
    *_WIDTHS, MIXED, STATIC,
    Array(Basic("uint256")), Array(Basic("uint8")), Array(Basic("uint8"), 3), Array(Basic("uint8"), 40),
    Array(Basic("address"), 2), Array(Basic("bool")), Array(Basic("Choice")), Array(Basic("bytes4"), 3),
    Array(Basic("bytes")), Array(Basic("string"), 2), Array(Array(Basic("uint256"))), Array(Array(Basic("int64"), 2)),
    Array(Array(Basic("uint256")), 2), Array(Array(Array(Basic("int16"), 3), 2)), Array(MIXED), Array(MIXED, 2),
    Array(STATIC), Array(STATIC, 2),
    Structure("Outer", (MIXED, Array(Basic("uint256")), Array(STATIC, 2), Array(MIXED))),
)  # fmt: skip
"""Every value type, and every way to nest the kinds of types once."""


def random_type(draw: random.Random, depth: int, name: str) -> Type:
    """A type nested at most this deep."""
    kind = draw.randrange(4) if depth else 0
    if kind == 0:
        return draw.choice((*UINTS, *INTS, *WORDS, *OTHERS, *OTHERS, *OTHERS))
    if kind == 3:
        members = tuple(random_type(draw, depth - 1, f"{name}{index}") for index in range(draw.randint(1, 4)))
        return Structure(name, members)
    return Array(random_type(draw, depth - 1, name), None if kind == 1 else draw.randint(1, 3))


def value_of(draw: random.Random, kind: Type) -> object:
    """A value as eth_abi takes it: ends of ranges as often as what lies between."""
    if isinstance(kind, Array):
        count = draw.randrange(4) if kind.count is None else kind.count
        return [value_of(draw, kind.item) for _ in range(count)]
    if isinstance(kind, Structure):
        return tuple(value_of(draw, member) for member in kind.members)
    if kind.name == "Choice":
        return draw.randrange(3)
    if kind.name.startswith(("uint", "int")):
        bits = int(kind.name.lstrip("uint"))
        low, high = (0, 2**bits - 1) if kind.name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return draw.choice((0, 1, low, high, draw.randint(low, high)))
    if kind.name == "bool":
        return draw.random() < 0.5
    if kind.name == "address":
        return "0x" + draw.randbytes(20).hex()
    if kind.name == "string":
        return "".join(draw.choice("abcä") for _ in range(draw.choice(LENGTHS)))
    return draw.randbytes(int(kind.name[5:]) if kind.name[5:] else draw.choice(LENGTHS))


@dataclass(frozen=True)
class Echoes:
    """A contract in both languages that answers with its arguments, logs them and reverts with them, for each list of
    types: echo0(...), log0(first), fail0(...)."""

    lists: Sequence[tuple[Type, ...]]

    @cached_property
    def structures(self) -> list[Structure]:
        return list(dict.fromkeys(found for kinds in self.lists for kind in kinds for found in kind.structures()))

    @cached_property
    def zig(self) -> str:
        head = 'const covenant = @import("covenant");\nconst Choice = enum { red, green, blue };\n'
        for structure in self.structures:
            members = ", ".join(f"a{index}: {member.zig}" for index, member in enumerate(structure.members))
            head += f"const {structure.name} = struct {{ {members} }};\n"
        body, names = "", [f"{verb}{index}" for verb in ("echo", "fail") for index in range(len(self.lists))]
        events = ", ".join(f"Logged{index}" for index in range(len(self.lists)))
        errors = ", ".join(f"Failed{index}" for index in range(len(self.lists)))
        for index, kinds in enumerate(self.lists):
            fields = ", ".join(f"a{place}: {kind.zig}" for place, kind in enumerate(kinds))
            given = ", ".join(f".a{place} = a{place}" for place in range(len(kinds)))
            first = kinds[0].zig
            head += f'const Logged{index} = struct {{ a: {first}, b: {first}, pub const indexed = .{{"a"}}; }};\n'
            head += f"const Failed{index} = struct {{ {fields} }};\n"
            result = first if len(kinds) == 1 else f"struct {{ {', '.join(kind.zig for kind in kinds)} }}"
            answer = "a0" if len(kinds) == 1 else f".{{ {', '.join(f'a{place}' for place in range(len(kinds)))} }}"
            body += f"    pub fn echo{index}({fields}) {result} {{ return {answer}; }}\n"
            body += f"    pub fn log{index}(a: {first}) void {{ covenant.emit(Logged{index}{{ .a = a, .b = a }}); }}\n"
            body += f"    pub fn fail{index}({fields}) void {{ covenant.revertWith(Failed{index}{{ {given} }}); }}\n"
        pure = ", ".join(f'"{name}"' for name in names)
        lists = f"pub const pure = .{{ {pure} }}; pub const events = .{{ {events} }}; "
        lists += f"pub const errors = .{{ {errors} }};"
        return f"{head}const Echoes = struct {{\n    {lists}\n{body}}};\ncomptime {{ covenant.define(Echoes); }}\n"

    @cached_property
    def solidity(self) -> str:
        body = "    enum Choice { red, green, blue }\n"
        for structure in self.structures:
            members = " ".join(f"{member.solidity} a{index};" for index, member in enumerate(structure.members))
            body += f"    struct {structure.name} {{ {members} }}\n"
        for index, kinds in enumerate(self.lists):
            fields = ", ".join(f"{located(kind)} a{place}" for place, kind in enumerate(kinds))
            results = ", ".join(located(kind) for kind in kinds)
            names = ", ".join(f"a{place}" for place in range(len(kinds)))
            first = kinds[0].solidity
            errors = ", ".join(f"{kind.solidity} a{place}" for place, kind in enumerate(kinds))
            body += f"    event Logged{index}({first} indexed a, {first} b);\n    error Failed{index}({errors});\n"
            body += f"    function echo{index}({fields}) external pure returns ({results}) {{ return ({names}); }}\n"
            body += f"    function log{index}({located(kinds[0])} a) external {{ emit Logged{index}(a, a); }}\n"
            body += f"    function fail{index}({fields}) external pure {{ revert Failed{index}({names}); }}\n"
        return f"pragma solidity ^0.8.28;\ncontract Echoes {{\n{body}}}\n"


def located(kind: Type) -> str:
    """Solidity's type with the place of its data."""
    by_reference = not isinstance(kind, Basic) or kind.name in ("bytes", "string")
    return f"{kind.solidity} memory" if by_reference else kind.solidity
