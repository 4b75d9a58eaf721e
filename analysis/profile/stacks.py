"""A profile as zvm_profile answers it: totals of its nodes, and sums by contract, function, operation and line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Unit = Literal["gas", "time"]


@dataclass(slots=True)
class Stack:
    """A node of the answer. self_gas, self_ns: its own; gas, ns: with all that stands in it."""

    kind: str
    name: str
    contract: str
    file: str
    count: int
    self_gas: float
    self_ns: int
    parent: int | None
    depth: int
    gas: float = 0.0
    ns: int = 0
    children: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        """`Token.transfer(address,uint256)`, `ERC20._update`, `SSTORE`."""
        return f"{self.contract}.{self.name}" if self.kind == "call" and self.contract else self.name

    def self_of(self, unit: Unit) -> float:
        """Its own gas, or nanoseconds; a refund counts nothing."""
        return max(0.0, self.self_gas if unit == "gas" else self.self_ns)


@dataclass(slots=True)
class Sum:
    """A row of a table. gas, ns: with calls, where the table has such a column."""

    name: str
    place: str
    count: int = 0
    self_gas: float = 0.0
    self_ns: float = 0.0
    gas: float = 0.0
    ns: float = 0.0


_NUMBER = (int, float)
_USE: Mapping[str, Any] = {"count": int, "selfGas": _NUMBER, "selfNs": _NUMBER}
_NODE: Mapping[str, Any] = {"kind": str, "name": str, **_USE}
_LINE: Mapping[str, Any] = {"file": str, "line": int, **_USE}
"""Field -> its type, of what a server may have answered."""
_TEXT_OR_NONE = (str, type(None))


def _checked(row: Mapping[str, Any], types: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises KeyError, TypeError."""
    optional = {name: _TEXT_OR_NONE for name in ("contract", "file") if name in row}
    for name, kind in (optional | dict(types)).items():
        if not isinstance(row[name], kind):
            raise TypeError(f"{name}: {row[name]!r:.80}")
    return row


def stacks_of(answer: Mapping[str, Any]) -> list[Stack]:
    """The nodes with their totals, each before its children. Raises ValueError for what is no profile."""
    try:
        for line in answer.get("lines", ()):
            _checked(line, _LINE)
        stacks: list[Stack] = []
        for index, row in enumerate(_checked(node, _NODE) for node in answer["nodes"]):
            parent = row["parent"]
            if parent is not None and not 0 <= parent < index:
                raise IndexError(parent)
            depth = 0 if parent is None else stacks[parent].depth + 1
            stacks.append(
                Stack(
                    row["kind"],
                    row["name"],
                    row.get("contract") or "",
                    row.get("file") or "",
                    row["count"],
                    row["selfGas"],
                    row["selfNs"],
                    parent,
                    depth,
                    row["selfGas"],
                    row["selfNs"],
                )
            )
            if parent is not None:
                stacks[parent].children.append(index)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a profile: {error!r}") from None
    for stack in reversed(stacks):
        if stack.parent is not None:
            stacks[stack.parent].gas += stack.gas
            stacks[stack.parent].ns += stack.ns
    return stacks


def by_contract(stacks: Sequence[Stack]) -> list[Sum]:
    """Use by the code of each contract itself, its instructions and host calls included."""
    owners: list[str] = []
    sums: dict[str, Sum] = {}
    for stack in stacks:
        inherited = "" if stack.parent is None else owners[stack.parent]
        owner = (stack.contract or stack.name) if stack.kind == "call" else inherited
        owners.append(owner)
        row = sums.setdefault(owner, Sum(owner or "(transaction)", ""))
        row.count += stack.count if stack.kind == "call" else 0
        row.self_gas += stack.self_gas
        row.self_ns += stack.self_ns
    return _sorted(sums)


def by_function(stacks: Sequence[Stack]) -> list[Sum]:
    """External and internal functions: used by their own instructions, and with what they call.

    A function that calls itself counts once in its own total.
    """
    sums: dict[tuple[str, str], Sum] = {}
    open_keys: list[tuple[str, str] | None] = []
    for stack in stacks:
        own = stack.kind in ("call", "function")
        key = (stack.title, stack.file) if own else None if stack.parent is None else open_keys[stack.parent]
        open_keys.append(key)
        if key is None:
            continue
        row = sums.setdefault(key, Sum(*key))
        row.self_gas += stack.self_gas
        row.self_ns += stack.self_ns
        if own:
            row.count += stack.count
            if not _stands_in(stacks, stack, key):
                row.gas += stack.gas
                row.ns += stack.ns
    return _sorted(sums)


def _stands_in(stacks: Sequence[Stack], stack: Stack, key: tuple[str, str]) -> bool:
    while stack.parent is not None:
        stack = stacks[stack.parent]
        if stack.kind in ("call", "function") and (stack.title, stack.file) == key:
            return True
    return False


def by_operation(stacks: Sequence[Stack]) -> list[Sum]:
    """Opcodes and host calls, without what they call."""
    sums: dict[str, Sum] = {}
    for stack in stacks:
        if stack.kind in ("opcode", "host"):
            row = sums.setdefault(stack.name, Sum(stack.name, stack.kind))
            row.count += stack.count
            row.self_gas += stack.self_gas
            row.self_ns += stack.self_ns
    return _sorted(sums)


def by_line(answer: Mapping[str, Any]) -> list[Sum]:
    """Lines of sources, the dearest first."""
    rows = [
        Sum(f"{row['file']}:{row['line']}", row.get("contract") or "", row["count"], row["selfGas"], row["selfNs"])
        for row in answer.get("lines", [])
    ]
    return sorted(rows, key=_dearest)


def _sorted(sums: Mapping[Any, Sum]) -> list[Sum]:
    return sorted(sums.values(), key=_dearest)


def _dearest(row: Sum) -> tuple[float, float, str]:
    return -row.self_gas, -row.self_ns, row.name
