"""Symbolic memory: words and copied regions, by a base (a word, or none) and an offset from it."""

from dataclasses import dataclass, field

from zevm.analysis.audit.evm.terms import Taint, Term, Terms

Spot = tuple[Term | None, int]
"""A base and the bytes from it; the base is None for a constant address."""
_MOST_WORDS = 64


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes that a copy wrote. length: None if unknown. code: the bytes if they are known. taint, name: of the rest."""

    spot: Spot
    length: int | None
    name: str
    taint: int
    source: Term | None = None
    code: bytes | None = None


def spot_of(address: Term) -> Spot:
    """An address as a base and a constant distance."""
    if address.value is not None:
        return None, address.value
    if address.op == "ADD" and (distance := address.parts()[0].value) is not None:
        return address.parts()[1], distance if distance < 1 << 255 else distance - (1 << 256)
    return address, 0


@dataclass(slots=True)
class Memory:
    """The memory of one path. written: words by their spot, and regions under them, later ones first."""

    terms: Terms
    words: dict[Spot, Term] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()

    def copy(self) -> "Memory":
        """The same for a path that goes its own way."""
        return Memory(self.terms, dict(self.words), self.regions)

    def store(self, address: Term, word: Term) -> None:
        """MSTORE."""
        base, offset = spot_of(address)
        for distance in range(-31, 32):
            if distance and (base, offset + distance) in self.words:
                self._cut(base, offset + distance, offset, word)
        self.words[base, offset] = word

    def _cut(self, base: Term | None, old: int, new: int, word: Term) -> None:
        """An older word that a new one overlaps: only its origins stay known."""
        value = self.words.pop((base, old))
        if value.value is None or word.value is None:
            # a selector before its arguments stays to be seen
            self.words[base, old] = self.terms.input("joined", value.taint | word.taint, value, word)
            return
        # both are constants: keep the older one's bytes that are still there
        data = bytearray(value.value.to_bytes(32, "big"))
        fresh = word.value.to_bytes(32, "big")
        for index in range(32):
            if 0 <= old + index - new < 32:
                data[index] = fresh[old + index - new]
        self.words[base, old] = self.terms.const(int.from_bytes(data, "big"))

    def store_byte(self, address: Term, word: Term) -> None:
        """MSTORE8."""
        base, offset = spot_of(address)
        for start in range(offset - 31, offset + 1):
            if (base, start) in self.words:
                self.words[base, start] = self.terms.opaque(self.words[base, start].taint | word.taint)
                return
        self.regions = (Region((base, offset), 1, "byte", word.taint, word), *self.regions)

    def fill(self, region: Region) -> None:
        """A copy into memory."""
        base, offset = region.spot
        end = None if region.length is None else offset + region.length
        for spot in list(self.words):
            if spot[0] is base and spot[1] >= offset and (end is None or spot[1] < end):
                del self.words[spot]
        self.regions = (region, *self.regions[:_MOST_WORDS])

    def load(self, address: Term) -> Term:
        """MLOAD."""
        base, offset = spot_of(address)
        found = self.words.get((base, offset))
        if found is not None:
            return found
        taint = Taint.NONE
        near = [start for start in range(offset - 31, offset + 32) if (base, start) in self.words]
        for start in near:
            taint |= self.words[base, start].taint
        region = self._region_at(base, offset)
        if near:
            return self.terms.opaque(taint | (Taint.NONE if region is None else region.taint))
        if region is None or (region.length is not None and offset + 32 > region.spot[1] + region.length):
            pieces = [item for item in self.regions if item.spot[0] is base and _overlaps(item, offset)]
            if pieces:
                return self._joined(pieces, offset)
        if region is None:
            return self.terms.zero if base is None else self.terms.input("memory", Taint.NONE, base, offset)
        return self._from_region(region, offset)

    def _joined(self, pieces: list[Region], offset: int) -> Term:
        """The word that several copies wrote, later ones first; bytes that none of them wrote are zero."""
        data, taint = bytearray(32), Taint.NONE
        for piece in reversed(pieces):
            taint |= piece.taint
            for place, byte in enumerate(piece.code or b"", piece.spot[1] - offset):
                if 0 <= place < 32:
                    data[place] = byte
        if all(piece.code is not None for piece in pieces):
            return self.terms.const(int.from_bytes(data, "big"))
        if len(pieces) == 1 and pieces[0].spot[1] <= offset:
            return self._from_region(pieces[0], offset)
        return self.terms.opaque(taint)

    def _region_at(self, base: Term | None, offset: int) -> Region | None:
        for region in self.regions:
            start = region.spot[1]
            inside = start <= offset and (region.length is None or offset < start + region.length)
            if region.spot[0] is base and inside:
                return region
        return None

    def _from_region(self, region: Region, offset: int) -> Term:
        distance = offset - region.spot[1]
        if region.code is not None:
            return self.terms.const(int.from_bytes(region.code[distance : distance + 32].ljust(32, b"\0"), "big"))
        if region.source is not None and region.name != "byte":
            place = self.terms.apply("ADD", self.terms.const(distance), region.source)
            return self.terms.input(region.name, region.taint, place)
        return self.terms.opaque(region.taint)

    def window(self, address: Term, length: Term) -> tuple[Term, ...]:
        """The words from an address on; of an unknown or large length those that are known there."""
        size = length.value
        if size is not None and size <= 32 * _MOST_WORDS:
            return tuple(self.load(self.terms.apply("ADD", self.terms.const(at), address)) for at in range(0, size, 32))
        base, offset = spot_of(address)
        found = [self.words[spot] for spot in sorted(self._from(base, offset), key=lambda spot: spot[1])]
        copied = [
            self._from_region(region, max(offset, region.spot[1]))
            for region in self.regions
            if region.spot[0] is base and (region.length is None or offset < region.spot[1] + region.length)
        ]
        return tuple(found[:_MOST_WORDS] + copied[:8])

    def _from(self, base: Term | None, offset: int) -> list[tuple[Term | None, int]]:
        return [spot for spot in self.words if spot[0] is base and spot[1] >= offset]


def _overlaps(region: Region, offset: int) -> bool:
    """Whether a copy wrote some of the 32 bytes from an offset on."""
    start = region.spot[1]
    return start < offset + 32 and (region.length is None or offset < start + region.length)
