"""Symbolic words of 256 bits: constants, inputs, storage reads, and expressions of them, each made once."""

from collections.abc import Callable, Iterator

from zevm.chain.types.selectors import SELECTOR_BYTES

WORD = (1 << 256) - 1
_MOST_NODES = 200
"""A larger expression becomes one opaque word, so that memory and time stay bounded."""


class Taint:
    """Origins of a word: bits of a number, as an IntFlag takes ten times as long to join."""

    NONE = 0
    CALLDATA = 1
    CALLER = 2
    ORIGIN = 4
    VALUE = 8
    STORAGE = 16
    RESULT = 32
    BALANCE = 64
    BLOCK = 128
    OWN_ENTRY = 256
    """Of a storage slot whose key contains the caller."""
    ENTRY = 512
    """Of a storage slot whose key is a hash: an entry of a mapping or an array."""
    ANSWER = 1024
    """Of a contract that was asked about the caller."""
    SIGNATURE = 2048
    """Of ecrecover."""


class Term:
    """One word. op: "const", an input's name, or a mnemonic. args: terms, and numbers for names. size: nodes."""

    __slots__ = ("args", "op", "size", "taint")

    def __init__(self, op: str, args: tuple["Term | int | str", ...], taint: int, size: int) -> None:
        self.op = op
        self.args = args
        self.taint = taint
        self.size = size

    @property
    def value(self) -> int | None:
        """The number of a constant, None of other words."""
        return self.args[0] if self.op == "const" else None  # type: ignore[return-value]

    def parts(self) -> "tuple[Term, ...]":
        """The arguments that are words."""
        return tuple(arg for arg in self.args if isinstance(arg, Term))

    def walk(self) -> "Iterator[Term]":
        """This word and every word in it, each once."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            term = waiting.pop()
            if id(term) in seen:
                continue
            seen.add(id(term))
            yield term
            waiting.extend(term.parts())

    def contains(self, other: "Term") -> bool:
        """Whether a word is this one or in it."""
        return any(term is other for term in self.walk())

    def __repr__(self) -> str:
        return hex(self.args[0]) if self.op == "const" else f"{self.op}({', '.join(map(repr, self.args))})"  # type: ignore[arg-type]


def signed(value: int) -> int:
    """The word as a number in two's complement."""
    return value - (1 << 256) if value >> 255 else value


def _sdiv(a: int, b: int) -> int:
    a, b = signed(a), signed(b)
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _smod(a: int, b: int) -> int:
    a, b = signed(a), signed(b)
    return 0 if b == 0 else abs(a) % abs(b) * (-1 if a < 0 else 1)


def _signextend(size: int, value: int) -> int:
    if size > 30:
        return value
    bit = 8 * size + 7
    return value | (WORD << bit) if value >> bit & 1 else value & ((1 << bit) - 1)


FOLDS: dict[str, Callable[..., int]] = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV": lambda a, b: a // b if b else 0,
    "SDIV": _sdiv,
    "MOD": lambda a, b: a % b if b else 0,
    "SMOD": _smod,
    "ADDMOD": lambda a, b, n: (a + b) % n if n else 0,
    "MULMOD": lambda a, b, n: a * b % n if n else 0,
    "EXP": lambda a, b: pow(a, b, 1 << 256),
    "SIGNEXTEND": _signextend,
    "LT": lambda a, b: a < b,
    "GT": lambda a, b: a > b,
    "SLT": lambda a, b: signed(a) < signed(b),
    "SGT": lambda a, b: signed(a) > signed(b),
    "EQ": lambda a, b: a == b,
    "ISZERO": lambda a: a == 0,
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
    "NOT": lambda a: ~a,
    "BYTE": lambda i, a: a >> (8 * (31 - i)) & 0xFF if i < 32 else 0,
    "SHL": lambda s, a: a << s if s < 256 else 0,
    "SHR": lambda s, a: a >> s if s < 256 else 0,
    "SAR": lambda s, a: signed(a) >> min(s, 255),
}
"""Mnemonic -> its result on constants, before it is cut to 256 bits."""

_COMMUTATIVE = frozenset({"ADD", "MUL", "AND", "OR", "XOR", "EQ"})


class Terms:
    """The words of one analysis: equal words are the same object."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Term] = {}
        self._opaque = 0
        self.zero, self.one = self.const(0), self.const(1)

    def const(self, value: int) -> Term:
        """A constant, cut to 256 bits."""
        return self._intern("const", (int(value) & WORD,), Taint.NONE)

    def input(self, name: str, taint: int, *args: Term | int | str) -> Term:
        """A word from outside, as "caller" or "sload" of a key."""
        for arg in args:
            if isinstance(arg, Term):
                taint |= arg.taint & Taint.CALLDATA if name == "calldata" else Taint.NONE
        return self._intern(name, args, taint)

    def opaque(self, taint: int) -> Term:
        """A word about which only its origins are known."""
        self._opaque += 1
        return self._intern("opaque", (self._opaque,), taint)

    def apply(self, op: str, *args: Term) -> Term:
        """The result of an instruction of FOLDS."""
        values = [arg.value for arg in args]
        if None not in values:
            return self.const(FOLDS[op](*values))
        if op in _COMMUTATIVE and args[1].value is not None:
            args = (args[1], args[0])
        simple = _SIMPLER[op](self, *args) if op in _SIMPLER else None
        if simple is not None:
            return simple
        taint = Taint.NONE
        for arg in args:
            taint |= arg.taint
        if sum(arg.size for arg in args) > _MOST_NODES:
            return self.opaque(taint)
        return self._intern(op, args, taint)

    def hashed(self, words: tuple[Term, ...]) -> Term:
        """Keccak-256 of whole words, not all of them constants."""
        taint = Taint.NONE
        for word in words:
            taint |= word.taint
        return self._intern("keccak", words, taint)

    def replaced(self, term: Term, old: Term, new: Term) -> Term:
        """The word with each occurrence of one word exchanged, simplified again."""
        known: dict[int, Term] = {id(old): new}

        def visit(word: Term) -> Term:
            found = known.get(id(word))
            if found is None:
                parts = tuple(visit(arg) if isinstance(arg, Term) else arg for arg in word.args)
                changed = any(part is not arg for part, arg in zip(parts, word.args, strict=True))
                found = word if not changed or word.op not in FOLDS else self.apply(word.op, *parts)  # type: ignore[arg-type]
                known[id(word)] = found
            return found

        return visit(term)

    def _intern(self, op: str, args: tuple[Term | int | str, ...], taint: int) -> Term:
        key = (op, *(id(arg) if isinstance(arg, Term) else arg for arg in args))
        found = self._made.get(key)
        if found is None:
            size = 1 + sum(arg.size for arg in args if isinstance(arg, Term))
            found = self._made[key] = Term(op, args, taint, size)
        return found


def _simple_add(terms: Terms, a: Term, b: Term) -> Term | None:
    if a.value == 0:
        return b
    if a.value is not None and b.op == "ADD" and (inner := b.parts()[0].value) is not None:
        return terms.apply("ADD", terms.const(a.value + inner), b.parts()[1])
    return None


def _simple_sub(terms: Terms, a: Term, b: Term) -> Term | None:
    if a is b:
        return terms.zero
    if b.value is not None:
        return terms.apply("ADD", terms.const(-b.value), a)
    if a.op == "ADD" and b in a.parts():
        return a.parts()[0] if a.parts()[1] is b else a.parts()[1]
    return None


def _simple_and(terms: Terms, a: Term, b: Term) -> Term | None:
    mask = a.value
    if a is b or mask == WORD:
        return b
    if mask is None:
        return None
    if mask == 0:
        return terms.zero
    if b.op == "AND" and (inner := b.parts()[0].value) is not None:
        return terms.apply("AND", terms.const(mask & inner), b.parts()[1])
    if b.op == "OR":
        return terms.apply("OR", *(terms.apply("AND", a, part) for part in b.parts()))
    if b.op in _ADDRESSES and mask == (1 << 160) - 1:
        return b
    if b.op in _TRUTHS:
        return b if mask & 1 else terms.zero
    return _masked_shift(terms, mask, b)


def _masked_shift(terms: Terms, mask: int, b: Term) -> Term | None:
    """AND of a left shift by a constant, which SHL and a MUL of a power of two are."""
    shift = None
    if b.op == "SHL":
        shift = b.parts()[0].value
    elif b.op == "MUL" and (factor := b.parts()[0].value) is not None and factor & (factor - 1) == 0 and factor:
        shift = factor.bit_length() - 1
    if shift and shift < 256 and mask & (WORD << shift) & WORD == 0:
        return terms.zero
    return None


def _simple_or(_terms: Terms, a: Term, b: Term) -> Term | None:
    return b if a.value == 0 or a is b else None


def _simple_iszero(terms: Terms, a: Term) -> Term | None:
    if a.op == "ISZERO" and a.parts()[0].op in _TRUTHS:
        return a.parts()[0]
    if a.op == "OR" and any(part.value for part in a.parts()):
        return terms.zero
    return terms.zero if a.op in _NEVER_ZERO else None


def _simple_eq(terms: Terms, a: Term, b: Term) -> Term | None:
    if a is b:
        return terms.one
    if a.value == 0:
        return terms.apply("ISZERO", b)
    return None


def _simple_mul(terms: Terms, a: Term, b: Term) -> Term | None:
    if a.value == 0:
        return terms.zero
    return b if a.value == 1 else None


def _simple_div(terms: Terms, a: Term, b: Term) -> Term | None:
    if b.value == 1:
        return a
    power = b.value
    if power and power & (power - 1) == 0:
        return terms.apply("SHR", terms.const(power.bit_length() - 1), a)
    return None


def _simple_shr(terms: Terms, a: Term, b: Term) -> Term | None:
    shift = a.value
    if shift == 0:
        return b
    if shift is None:
        return None
    if shift == 224 and b.op == "selector":
        return b.parts()[0]
    if b.op == "OR":
        return terms.apply("OR", *(terms.apply("SHR", a, part) for part in b.parts()))
    if b.op == "AND" and (mask := b.parts()[0].value) is not None:
        return terms.apply("AND", terms.const(mask >> shift), terms.apply("SHR", a, b.parts()[1]))
    if b.op == "SHL" and b.parts()[0].value == shift:
        return terms.apply("AND", terms.const(WORD >> shift), b.parts()[1])
    if b.op in _ADDRESSES and shift >= _ADDRESS_SIZE:
        return terms.zero
    return terms.zero if shift >= 256 else None


_ADDRESS_SIZE = 160
_ADDRESSES = frozenset({"caller", "origin", "address"})


def _simple_lt(terms: Terms, a: Term, b: Term) -> Term | None:
    """Call data with a selector has at least its four bytes."""
    if a.op == "calldatasize" and b.value is not None and b.value <= SELECTOR_BYTES:
        return terms.zero
    return None


def _simple_gt(terms: Terms, a: Term, b: Term) -> Term | None:
    if a.op == "calldatasize" and b.value is not None and b.value < SELECTOR_BYTES:
        return terms.one
    return _simple_lt(terms, b, a)


def _simple_shl(_terms: Terms, a: Term, b: Term) -> Term | None:
    return b if a.value == 0 else None


_TRUTHS = frozenset({"LT", "GT", "SLT", "SGT", "EQ", "ISZERO"})
_NEVER_ZERO = frozenset({"caller", "origin", "address", "calldatasize"})
_SIMPLER: dict[str, Callable[..., Term | None]] = {
    "ADD": _simple_add,
    "SUB": _simple_sub,
    "AND": _simple_and,
    "OR": _simple_or,
    "ISZERO": _simple_iszero,
    "EQ": _simple_eq,
    "MUL": _simple_mul,
    "DIV": _simple_div,
    "SHR": _simple_shr,
    "SHL": _simple_shl,
    "LT": _simple_lt,
    "GT": _simple_gt,
}
"""Mnemonic -> a simpler equal word, or None. A constant of a commutative instruction comes first."""
