"""State variables, declared once and written as a contract in Solidity and in Zig, with a function for each thing that
can be done to each variable: set, get, delete, push, pop, length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

KEYS = {"address": "Address", "bool": "bool", "string": "covenant.String", "bytes": "covenant.Bytes"}


def zig_value(name: str) -> str:
    """The Zig type of a Solidity value type."""
    if name in KEYS:
        return KEYS[name]
    if name.startswith("uint"):
        return f"u{name[4:]}"
    if name.startswith("int"):
        return f"i{name[3:]}"
    return f"[{name[5:]}]u8"


@dataclass(frozen=True)
class Value:
    """A value type, or string or bytes, by Solidity's name."""

    name: str

    @property
    def solidity(self) -> str:
        return self.name

    @property
    def zig(self) -> str:
        return zig_value(self.name)

    @property
    def abi(self) -> str:
        return self.name

    @property
    def is_text(self) -> bool:
        return self.name in ("string", "bytes")


@dataclass(frozen=True)
class Enumeration:
    """An enum of both contracts."""

    name: str
    members: tuple[str, ...]
    is_text = False
    abi = "uint8"

    @property
    def solidity(self) -> str:
        return self.name

    @property
    def zig(self) -> str:
        return self.name


@dataclass(frozen=True)
class Structure:
    """A struct of both contracts."""

    name: str
    members: tuple[tuple[str, Type], ...]

    @property
    def solidity(self) -> str:
        return self.name

    @property
    def zig(self) -> str:
        return self.name


@dataclass(frozen=True)
class Array:
    """T[] or T[count]."""

    item: Type
    count: int | None = None

    @property
    def solidity(self) -> str:
        return f"{self.item.solidity}[{'' if self.count is None else self.count}]"

    @property
    def zig(self) -> str:
        if self.count is None:
            return f"covenant.Array({self.item.zig})"
        if self.item.zig == "u8" or "covenant." in self.item.zig:
            return f"covenant.FixedArray({self.item.zig}, {self.count})"
        return f"[{self.count}]{self.item.zig}"


@dataclass(frozen=True)
class Whole(Array):
    """An array that exists in memory too: a type of the ABI."""

    @property
    def zig(self) -> str:
        if self.item.zig == "u8":
            return f"covenant.List(u8, {'null' if self.count is None else self.count})"
        return f"[]const {self.item.zig}" if self.count is None else f"[{self.count}]{self.item.zig}"

    @property
    def abi(self) -> str:
        return f"{abi_of(self.item)}[{'' if self.count is None else self.count}]"


@dataclass(frozen=True)
class Mapping:
    """mapping(key => item)."""

    key: Value | Enumeration
    item: Type

    @property
    def solidity(self) -> str:
        return f"mapping({self.key.solidity} => {self.item.solidity})"

    @property
    def zig(self) -> str:
        return f"covenant.Mapping({self.key.zig}, {self.item.zig})"


def abi_of(kind: Type) -> str:
    """The ABI type of what exists in memory."""
    if isinstance(kind, Structure):
        return f"({','.join(abi_of(member) for _, member in kind.members)})"
    assert isinstance(kind, Value | Enumeration | Whole)
    return kind.abi


Leaf = Value | Enumeration
Type = Leaf | Structure | Array | Mapping


@dataclass(frozen=True)
class Function:
    """One function of both contracts. parameters: ABI types of keys and indices, and of the value where it has one."""

    name: str
    parameters: tuple[str, ...]
    result: str | None
    """The ABI type of what it returns."""

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.parameters)})"


@dataclass
class _Path:
    """How both languages reach something, and with which parameters."""

    solidity: str
    zig: str
    parameters: list[Leaf] = field(default_factory=list)

    def into(self, solidity: str, zig: str, parameter: Leaf | None = None) -> _Path:
        return _Path(self.solidity + solidity, self.zig + zig, [*self.parameters, *([parameter] if parameter else [])])


INDEX = Value("uint256")


@dataclass
class Contract:
    """A contract with these state variables, in order."""

    name: str
    variables: Sequence[tuple[str, Type]]
    deletes_values: bool = True
    """Whether it has a function that deletes each value."""
    sets_wholes: bool = False
    """Whether its functions set arrays and structs whole, and not what is in them."""
    needs_ir: bool = False
    """Whether solc compiles it by way of its intermediate representation alone."""
    functions: list[Function] = field(default_factory=list)
    _solidity: list[str] = field(default_factory=list)
    _zig: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for label, kind in self.variables:
            self._walk(kind, _Path(label, f"storage.{label}"))

    def _walk(self, kind: Type, path: _Path) -> None:
        match kind:
            case _ if self.sets_wholes:
                self._whole(kind, path)
            case Value() | Enumeration():
                self._leaf(kind, path)
            case Structure():
                self._function("del", path, None, None, f"delete {path.solidity};", f"{path.zig}.delete();")
                for name, member in kind.members:
                    self._walk(member, path.into(f".{name}", f".at(.{name})"))
            case Array():
                self._array(kind, path)
            case Mapping():
                key = f"p{len(path.parameters)}"
                self._walk(kind.item, path.into(f"[{key}]", f".of({key})", kind.key))

    def _whole(self, kind: Type, path: _Path) -> None:
        """Functions that read and write all of it at once."""
        name, abi = f"put{len(self.functions)}", abi_of(kind)
        self.functions.append(Function(name, (abi,), abi))
        in_memory = f"{kind.solidity} memory"
        put = f"{path.solidity} = v; return {path.solidity};"
        self._solidity.append(f"function {name}({in_memory} v) external returns ({in_memory}) {{ {put} }}")
        self._zig.append(f"pub fn {name}(v: {kind.zig}) {kind.zig} {{ {path.zig}.set(v); return {path.zig}.get(); }}")
        self._function("del", path, None, None, f"delete {path.solidity};", f"{path.zig}.delete();")
        if isinstance(kind, Array) and kind.count is None:
            add, item = f"push{len(self.functions)}", kind.item.solidity
            item += " memory" * (
                isinstance(kind.item, Structure | Array) or kind.item in (Value("string"), Value("bytes"))
            )
            self.functions.append(Function(add, (abi_of(kind.item),), None))
            self._solidity.append(f"function {add}({item} v) external {{ {path.solidity}.push(v); }}")
            self._zig.append(f"pub fn {add}(v: {kind.item.zig}) void {{ {path.zig}.push(v); }}")

    def _leaf(self, kind: Leaf, path: _Path) -> None:
        sets, gets = f"{path.solidity} = v; return {path.solidity};", f"{path.zig}.set(v); return {path.zig}.get();"
        self._function("set", path, kind, kind, sets, gets)
        if self.deletes_values:
            self._function("del", path, None, None, f"delete {path.solidity};", f"{path.zig}.delete();")
        if kind == Value("bytes"):
            byte, index = Value("bytes1"), path.into("", "", INDEX)
            at = f"p{len(path.parameters)}"
            self._function("push", path, byte, None, f"{path.solidity}.push(v);", f"{path.zig}.push(v[0]);")
            self._function("pop", path, None, None, f"{path.solidity}.pop();", f"{path.zig}.pop();")
            self._function("len", path, None, INDEX, f"return {path.solidity}.length;", f"return {path.zig}.len();")
            self._function(
                "at", index, None, byte, f"return {path.solidity}[{at}];", f"return .{{{path.zig}.byteAt({at})}};"
            )
            self._function("put", index, byte, None, f"{path.solidity}[{at}] = v;", f"{path.zig}.setByte({at}, v[0]);")

    def _array(self, kind: Array, path: _Path) -> None:
        self._function("del", path, None, None, f"delete {path.solidity};", f"{path.zig}.delete();")
        if kind.count is None:
            self._function("new", path, None, None, f"{path.solidity}.push();", f"_ = {path.zig}.pushNew();")
            self._function("pop", path, None, None, f"{path.solidity}.pop();", f"{path.zig}.pop();")
            self._function("len", path, None, INDEX, f"return {path.solidity}.length;", f"return {path.zig}.len();")
            if isinstance(kind.item, Leaf):
                self._function("push", path, kind.item, None, f"{path.solidity}.push(v);", f"{path.zig}.push(v);")
        index = f"p{len(path.parameters)}"
        self._walk(kind.item, path.into(f"[{index}]", f".at({index})", INDEX))

    def _function(
        self, verb: str, path: _Path, value: Leaf | None, result: Leaf | None, solidity: str, zig: str
    ) -> None:
        """Add a function to both texts. value: type of the parameter `v`, behind those of the path."""
        name = f"{verb}{len(self.functions)}"
        parameters = [(f"p{number}", kind) for number, kind in enumerate(path.parameters)]
        parameters += [("v", value)] if value else []
        self.functions.append(Function(name, tuple(kind.abi for _, kind in parameters), result.abi if result else None))
        in_solidity = ", ".join(f"{kind.solidity}{' calldata' * kind.is_text} {label}" for label, kind in parameters)
        returns = f" returns ({result.solidity}{' memory' * result.is_text})" if result else ""
        self._solidity.append(f"function {name}({in_solidity}) external{returns} {{ {solidity} }}")
        in_zig = ", ".join(f"{label}: {kind.zig}" for label, kind in parameters)
        self._zig.append(f"pub fn {name}({in_zig}) {result.zig if result else 'void'} {{ {zig} }}")

    @cached_property
    def declared(self) -> list[Structure | Enumeration]:
        """Structs and enums, each behind those that it uses."""
        return list(dict.fromkeys(each for _, kind in self.variables for each in _declared(kind)))

    @property
    def solidity(self) -> str:
        """The contract in Solidity."""
        lines = [_declaration_in_solidity(kind) for kind in self.declared]
        lines += [f"{kind.solidity} {label};" for label, kind in self.variables]
        return _in_solidity(self.name, [*lines, *self._solidity])

    @property
    def zig(self) -> str:
        """The contract in Zig."""
        lines = [_declaration_in_zig(kind) for kind in self.declared]
        fields = " ".join(f"{label}: {kind.zig}," for label, kind in self.variables)
        lines += [f"pub const storage = covenant.layout(struct {{ {fields} }});"]
        return _in_zig(self.name, [*lines, *self._zig])


def transient_pair(kinds: Sequence[Leaf]) -> tuple[str, str, list[Function]]:
    """A contract Transient in Solidity and in Zig with one transient variable of each kind, and its functions: each
    sets a variable and the one before, and returns the words of both slots."""
    solidity: list[str] = []
    zig: list[str] = []
    functions: list[Function] = []
    solidity += [_declaration_in_solidity(kind) for kind in kinds if isinstance(kind, Enumeration)]
    zig += [_declaration_in_zig(kind) for kind in kinds if isinstance(kind, Enumeration)]
    solidity += [f"{kind.solidity} transient x{number};" for number, kind in enumerate(kinds)]
    fields = " ".join(f"x{number}: {kind.zig}," for number, kind in enumerate(kinds))
    zig.append(f"pub const state = covenant.transient(struct {{ {fields} }});")
    for number, (before, kind) in enumerate(pairwise(kinds)):
        low, high, name = f"x{number}", f"x{number + 1}", f"set{number}"
        functions.append(Function(name, (before.abi, kind.abi), "bytes32,bytes32"))
        solidity.append(
            f"function {name}({before.solidity} v, {kind.solidity} w) external returns (bytes32 a, bytes32 b) {{"
            f" {low} = v; {high} = w; {low} = v; assembly {{ a := tload({low}.slot) b := tload({high}.slot) }} }}"
        )
        zig.append(
            f"pub fn {name}(v: {before.zig}, w: {kind.zig}) struct {{ [32]u8, [32]u8 }} {{"
            f" state.{low}.set(v); state.{high}.set(w); state.{low}.set(v);"
            f" return .{{ load(.transient, &state.{low}.slot), load(.transient, &state.{high}.slot) }}; }}"
        )
    head = f"{_ZIG_HEAD}const load = covenant.storage.load;\n"
    return _in_solidity("Transient", solidity), _in_zig("Transient", zig, head), functions


_ZIG_HEAD = 'const covenant = @import("covenant");\nconst Address = covenant.Address;\n'


def _in_solidity(name: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"// SPDX-License-Identifier: MIT\npragma solidity ^0.8.28;\ncontract {name} {{\n{body}\n}}\n"


def _in_zig(name: str, lines: Sequence[str], head: str = _ZIG_HEAD) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"{head}\npub const {name} = struct {{\n{body}\n}};\n\ncomptime {{\n    covenant.define({name});\n}}\n"


def _declared(kind: Type) -> Iterator[Structure | Enumeration]:
    match kind:
        case Enumeration():
            yield kind
        case Structure():
            for _, member in kind.members:
                yield from _declared(member)
            yield kind
        case Array():
            yield from _declared(kind.item)
        case Mapping():
            yield from _declared(kind.key)
            yield from _declared(kind.item)


def _declaration_in_solidity(kind: Structure | Enumeration) -> str:
    if isinstance(kind, Enumeration):
        return f"enum {kind.name} {{ {', '.join(kind.members)} }}"
    return f"struct {kind.name} {{ {' '.join(f'{member.solidity} {name};' for name, member in kind.members)} }}"


def _declaration_in_zig(kind: Structure | Enumeration) -> str:
    if isinstance(kind, Enumeration):
        return f"pub const {kind.name} = enum(u8) {{ {', '.join(kind.members)} }};"
    return (
        f"pub const {kind.name} = struct {{ {' '.join(f'{name}: {member.zig},' for name, member in kind.members)} }};"
    )
