"""The artifact that an account's code comes from: code is compared without the parts that a deployment fills in.

Solidity fills in immutables, the addresses of libraries, and a library's own address; the CBOR metadata at the end of
its code differ with comments and paths. Vyper writes immutables behind the code.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from zevm.chain.vm.opcodes import PUSH32
from zevm.storage.keccak import keccak256

_PUSH1 = 0x60
_PUSH20 = 0x73
_MOST_METADATA_BYTES = 512
_CBOR_MAPS = range(0xA0, 0xB8)
"""First bytes of a CBOR map of fewer than 24 members."""

Range = tuple[int, int]
"""(first byte, length)."""
Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class CodePattern:
    """Code of an artifact. holes: ranges that a deployment fills in. may_grow: immutables may follow (Vyper)."""

    code: bytes = field(repr=False)
    holes: tuple[Range, ...] = ()
    may_grow: bool = False

    @classmethod
    def of_creation(cls, code: bytes, references: Iterable[Range]) -> "CodePattern":
        """The pattern of a creation code, behind which arguments follow. references: its libraries."""
        body = len(without_metadata(code))
        metadata = [(body, len(code) - body)] if body < len(code) else []
        return cls(code, _sorted_inside([*references, *metadata], code), may_grow=True)

    @classmethod
    def of_runtime(cls, code: bytes, references: Iterable[Range], *, is_vyper: bool) -> "CodePattern":
        """The pattern of a runtime code. references: the immutables and libraries that its compiler lists."""
        if is_vyper:
            return cls(code, may_grow=True)
        body = without_metadata(code)
        return cls(body, _sorted_inside([*references, *_zero_words(body)], body))

    def matches(self, code: bytes) -> bool:
        """Whether code is this one, filled in."""
        if len(code) < len(self.code) or (len(code) > len(self.code) and not self.may_grow):
            return False
        position = 0
        for start, length in self.holes:
            if code[position:start] != self.code[position:start]:
                return False
            position = max(position, start + length)
        return code[position : len(self.code)] == self.code[position:]


def _sorted_inside(holes: Iterable[Range], code: bytes) -> tuple[Range, ...]:
    return tuple(sorted({(start, length) for start, length in holes if start >= 0 and start + length <= len(code)}))


def _zero_words(code: bytes) -> Iterator[Range]:
    """Immutables and the call protection of a library, where the artifact does not list them: PUSHes of zeros.

    No compiler pushes a zero of 32 or 20 bytes otherwise.
    """
    if code[:1] == bytes([_PUSH20]) and not any(code[1:21]):
        yield 1, 20
    position = 0
    while position < len(code):
        opcode = code[position]
        if opcode == PUSH32 and len(code) >= position + 33 and not any(code[position + 1 : position + 33]):
            yield position + 1, 32
        position += opcode - _PUSH1 + 2 if _PUSH1 <= opcode <= PUSH32 else 1


def without_metadata(code: bytes) -> bytes:
    """Solidity's code without the CBOR map at its end, whose length the last two bytes have."""
    if len(code) < 3:
        return code
    length = int.from_bytes(code[-2:], "big")
    start = len(code) - 2 - length
    is_map = 0 < length <= _MOST_METADATA_BYTES and start > 0 and code[start] in _CBOR_MAPS
    return code[:start] if is_map else code


class CodeIndex(Generic[Known]):
    """Finds what was added for a code. The first of equal ones is kept."""

    def __init__(self) -> None:
        self._exact: dict[bytes, Known] = {}
        self._runtime: dict[int, list[tuple[CodePattern, Known]]] = {}
        self._growing: list[tuple[CodePattern, Known]] = []

    def add(self, code: bytes, pattern: CodePattern, known: Known) -> None:
        """Let a code, and what matches its pattern, lead to `known`."""
        if not code or keccak256(code) in self._exact:
            return
        self._exact[keccak256(code)] = known
        if pattern.may_grow:
            self._growing.append((pattern, known))
        else:
            self._runtime.setdefault(len(pattern.code), []).append((pattern, known))

    def remove(self, code: bytes, known: Known) -> None:
        """Let a code that was added for `known` lead to nothing."""
        if not code or self._exact.get(keccak256(code)) is not known:
            return
        del self._exact[keccak256(code)]
        for kept in (self._growing, *self._runtime.values()):
            kept[:] = [pair for pair in kept if pair[1] is not known]

    def find(self, code: bytes) -> Known | None:
        """The entry of a code, filled in or not."""
        found = self._exact.get(keccak256(code))
        if found is not None:
            return found
        body = without_metadata(code)
        same_length = self._runtime.get(len(body), ())
        found = next((known for pattern, known in same_length if pattern.matches(body)), None)
        return found or (self.find_longest(code) or (None, 0))[0]

    def find_longest(self, data: bytes) -> tuple[Known, int] | None:
        """The entry with the longest code that data begin with, and the length of that code."""
        matching = [(len(pattern.code), known) for pattern, known in self._growing if pattern.matches(data)]
        if not matching:
            return None
        length, known = max(matching, key=lambda pair: pair[0])
        return known, length


def listed_ranges(references: Any) -> Iterator[Range]:
    """Ranges of solc's `immutableReferences` and `linkReferences`: lists of {start, length} at any depth of objects."""
    if isinstance(references, Mapping):
        for value in references.values():
            yield from listed_ranges(value)
    elif isinstance(references, list):
        for item in references:
            if isinstance(item, Mapping) and type(item.get("start")) is int and type(item.get("length")) is int:
                yield item["start"], item["length"]
