"""A module's functions as the order of their calls: which host functions may follow which."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntFlag

from zevm.chain.zvm.module.binary import FUNCTION, Module
from zevm.chain.zvm.module.rules import ENTRYPOINT
from zevm.chain.zvm.module.shape import instructions, locals_of, unsigned_at

_UNREACHABLE, _BLOCK, _LOOP, _IF, _ELSE, _END = 0x00, 0x02, 0x03, 0x04, 0x05, 0x0B
_BR, _BR_IF, _BR_TABLE, _RETURN, _CALL, _CALL_INDIRECT, _DROP = 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x1A
CALLS_OUT = frozenset({"call_contract"})
STORES = frozenset({"storage_cache_bytes32", "transient_store_bytes32"})


class Effect(IntFlag):
    """Effects that code may have. LATE_STORE: write storage after a call to another contract."""

    NONE = 0
    CALLS = 1
    STORES = 2
    LATE_STORE = 4


@dataclass(slots=True)
class _Block:
    """An open block. position: of its instruction. called_before: whether a call may come before it.

    at_end: whether a call may have been made where it is left; None if it is never left so far.
    """

    position: int
    loop: bool = False
    called_before: bool = False
    at_end: bool | None = None


@dataclass(slots=True)
class Walk:
    """A module's calls. dropped: offsets in the module of calls whose result is dropped. late: of storage writes after
    a call.
    """

    module: Module
    dropped: list[int] = field(default_factory=list)
    late: dict[int, int] = field(default_factory=dict)
    _effects: dict[int, Effect] = field(default_factory=dict)
    _again: set[int] = field(default_factory=set)
    """Positions of the loops that may begin again after a call."""

    def host_name(self, index: int) -> str | None:
        """The name of an imported function; None for the module's own."""
        return self.module.imports[index].name if index < len(self.module.imports) else None

    def entry(self) -> int | None:
        """The index of the contract's entry point."""
        exports = self.module.exports
        return next((row.target for row in exports if row.name == ENTRYPOINT and row.kind == FUNCTION), None)

    def reachable(self) -> set[int]:
        """The functions, imported ones too, that the entry point may reach."""
        start = self.entry()
        found: set[int] = set()
        waiting = [] if start is None else [start]
        while waiting:
            index = waiting.pop()
            if index in found:
                continue
            found.add(index)
            waiting.extend(target for _, target in self.calls_of(index))
        return found

    def calls_of(self, index: int) -> Iterator[tuple[int, int]]:
        """(offset, function) of each call in a function; an indirect call may reach every function of the table."""
        if index < len(self.module.imports):
            return
        for opcode, position in self._instructions(index):
            if opcode == _CALL:
                yield position - 1, unsigned_at(self.module.raw, position)[0]
            elif opcode == _CALL_INDIRECT:
                for target in self._table():
                    yield position - 1, target

    def _table(self) -> list[int]:
        return [function for element in self.module.elements for function in element.functions]

    def _instructions(self, index: int) -> Iterator[tuple[int, int]]:
        start, stop = self.module.bodies[index - len(self.module.imports)]
        _, start = locals_of(self.module.raw, start)
        return instructions(self.module.raw, start, stop)

    def examine(self) -> None:
        """Fill `dropped` and `late` for the functions that the entry point reaches, callees first."""
        functions = sorted(index for index in self.reachable() if index >= len(self.module.imports))
        for _ in range(_ROUNDS):
            before = dict(self._effects), len(self._again)
            for index in functions:
                self._effects[index] = self._effect_of_body(index)
            if before == (self._effects, len(self._again)):
                break
        for index in functions:
            self.dropped += self._dropped(index)

    def effect(self, index: int) -> Effect:
        """The effect that a call of a function may have."""
        name = self.host_name(index)
        if name is None:
            return self._effects.get(index, Effect.NONE)
        return (Effect.CALLS if name in CALLS_OUT else Effect.NONE) | (Effect.STORES if name in STORES else Effect.NONE)

    def _effect_of_body(self, index: int) -> Effect:
        """The effect of a function, by its control flow. `called`: whether a call may have been made by now."""
        total, called, alive = Effect.NONE, False, True
        blocks = [_Block(0)]
        for opcode, position in self._instructions(index):
            if opcode in (_BLOCK, _LOOP, _IF):
                called = called or position in self._again
                # an `if` without `else` may also be passed by
                blocks.append(_Block(position, opcode == _LOOP, called, called if opcode == _IF else None))
            elif opcode in (_ELSE, _END):
                block = blocks[-1]
                if alive:
                    block.at_end = bool(block.at_end) or called
                if opcode == _END:
                    blocks.pop()
                    alive = alive or block.at_end is not None
                    called = bool(block.at_end)
                else:
                    alive, called = True, block.called_before
            elif opcode in (_BR, _BR_IF, _BR_TABLE) and alive:
                self._branch(blocks, opcode, position, called=called)
                alive = opcode == _BR_IF
            elif opcode in (_RETURN, _UNREACHABLE):
                alive = False
            elif opcode in (_CALL, _CALL_INDIRECT) and alive:
                effect = self._effect_of_call(opcode, position)
                if effect & Effect.STORES and called:
                    effect |= Effect.LATE_STORE
                    self.late.setdefault(position - 1, index)
                called = called or bool(effect & Effect.CALLS)
                total |= effect
        return total

    def _effect_of_call(self, opcode: int, position: int) -> Effect:
        if opcode == _CALL:
            return self.effect(unsigned_at(self.module.raw, position)[0])
        total = Effect.NONE
        for target in self._table():
            total |= self.effect(target)
        return total

    def _branch(self, blocks: list[_Block], opcode: int, position: int, *, called: bool) -> None:
        count = 0
        if opcode == _BR_TABLE:
            count, position = unsigned_at(self.module.raw, position)
        for _ in range(count + 1):
            label, position = unsigned_at(self.module.raw, position)
            block = blocks[-1 - label] if label < len(blocks) else blocks[0]
            if not block.loop:
                block.at_end = bool(block.at_end) or called
            elif called:
                self._again.add(block.position)

    def _dropped(self, index: int) -> Iterator[int]:
        previous: tuple[int, int] | None = None
        for opcode, position in self._instructions(index):
            if opcode == _DROP and previous is not None and previous[0] == _CALL:
                target = unsigned_at(self.module.raw, previous[1])[0]
                if self.host_name(target) in _RESULTS:
                    yield previous[1] - 1
            previous = opcode, position


_ROUNDS = 20
"""Rounds of the effects at most: one for each level of calls, and recursion needs no more."""
_RESULTS = frozenset({"call_contract", "delegate_call_contract"})
