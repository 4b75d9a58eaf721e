"""Storage slots as variables: which variable a key means, and which of its bits a word reads or writes."""

from typing import NamedTuple

from zevm.analysis.audit.evm.terms import WORD, Term

ADDRESS_BITS = (1 << 160) - 1
IMPLEMENTATION_SLOTS = frozenset(
    {
        0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC,
        0xA3F0AD74E5423AEBFD80D3EF4346578335A9A72AEAEE59FF6CB3582B35133D50,
        0xC5F16F0FCC639FA48A6947836D9850F504798523BF8C9A3A87D5876CF622BCF7,
    }
)
"""Slots of ERC-1967 (implementation, beacon) and ERC-1822: their content decides which code runs."""


class Variable(NamedTuple):
    """A state variable. root: its slot, None if unknown. entry: whether it is an entry of a mapping or an array.

    field: distance in slots inside an entry.
    """

    root: int | None
    entry: bool = False
    field: int = 0


def variable_of(key: Term) -> Variable:
    """The variable that a key means, whatever the entry."""
    if key.value is not None:
        return Variable(key.value)
    if key.op == "ADD":
        left, right = key.parts()
        if left.value is not None:
            inner = variable_of(right)
            if inner.root is None:
                return Variable(left.value, entry=True)  # an array: its slot's hash and an index
            return inner._replace(field=(inner.field + left.value) & WORD)
        found = [variable_of(part) for part in (left, right) if part.op == "keccak" or part.op == "ADD"]
        return found[0]._replace(entry=True) if found else Variable(None, entry=True)
    if key.op == "keccak":
        return Variable(_root_of_hash(key), entry=True)
    return Variable(None, entry=True)


def _root_of_hash(key: Term) -> int | None:
    """The slot of a mapping: solc puts it last, Vyper first."""
    words = key.parts()
    for word in (*words[-2:][::-1], *words[:1]) if len(words) != 2 else (words[1], words[0]):
        if word.op in ("keccak", "ADD"):
            inner = variable_of(word)
            if inner.root is not None:
                return inner.root
        elif word.value is not None:
            return word.value
    return None


def reads_of(term: Term) -> list[Term]:
    """The storage reads inside a word."""
    return [part for part in term.walk() if part.op in ("sload", "tload")]


def changed_bits(key: Term, value: Term) -> int:
    """The bits that a write of a packed slot may change: all, without those that it takes from the slot's old value."""
    kept = 0
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if part.op == "OR":
            waiting.extend(part.parts())
        elif part.op == "AND" and (mask := part.parts()[0].value) is not None and _reads(part.parts()[1], key):
            kept |= mask
        elif _reads(part, key):
            kept = WORD
    return WORD & ~kept


def _reads(term: Term, key: Term) -> bool:
    return term.op == "sload" and term.args[0] is key


def read_bits(term: Term, read: Term) -> int:
    """The bits of a slot that a word looks at."""
    bits, masked = 0, set()
    for part in term.walk():
        if part.op == "AND" and (mask := part.parts()[0].value) is not None:
            inner = part.parts()[1]
            shift = 0
            if inner.op == "SHR" and (distance := inner.parts()[0].value) is not None:
                shift, inner = distance, inner.parts()[1]
            if inner is read:
                bits |= mask << shift & WORD
                masked.add(id(part.parts()[1]))
                masked.add(id(inner))
    return bits if id(read) in masked else WORD
