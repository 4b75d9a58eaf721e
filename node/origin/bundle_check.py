"""The check of a bundle (node.origin.bundle): what its hashes and roots bear out of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from zevm.chain.canonical.records import decode_receipts
from zevm.chain.types import Block, Header
from zevm.chain.types.receipt import root_and_bloom
from zevm.node.origin.ancestry import LINKED_BLOCKS
from zevm.node.origin.blocks import roots_of
from zevm.node.origin.kept import CODE_PREFIX, NODE_PREFIX, RECORD_PREFIX
from zevm.storage import schema
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError

Item = TypeVar("Item")
_AS_GIVEN = (
    NODE_PREFIX,
    CODE_PREFIX,
    *(RECORD_PREFIX + name for name in (b"logs", b"after", b"account", b"slot")),
)
"""Beginnings of what is hashed when it is read, and of what is believed: searches, values without proofs."""


class BorneOut:
    """The entries of a bundle without those that others of them, or hashes, contradict or do not bear out.

    header: of the forked block. checks_roots: whether blocks and receipts must have the roots of their headers.
    """

    def __init__(self, entries: Mapping[bytes, bytes], header: Header, *, checks_roots: bool) -> None:
        self._given = entries
        self._header = header
        self._checks_roots = checks_roots
        self._headers = {header.hash: header}
        self._headers |= self._decoded(schema.HEADER, lambda _, value: Header.decode(value), lambda item: item.hash)
        self._numbers = dict(self._linked()) | self._stated_numbers()
        self._blocks = self._decoded(schema.BODY, self._block, lambda item: item.hash)

    def entries(self) -> dict[bytes, bytes]:
        """The entries that are borne out, by the keys of node.origin.kept."""
        kept = {key: value for key, value in self._given.items() if key.startswith(_AS_GIVEN)}
        for family, name, value in self._records():
            kept[RECORD_PREFIX + family.prefix + name] = value
        return kept

    def _records(self) -> Iterator[tuple[schema.Family, bytes, bytes]]:
        for block_hash, header in self._headers.items():
            yield schema.HEADER, block_hash, header.encode()
        for number, block_hash in self._numbers.items():
            yield schema.CANONICAL, schema.encode_number(number), block_hash
            if block_hash in self._headers:
                yield schema.NUMBER, block_hash, schema.encode_number(number)
        for block_hash, block in self._blocks.items():
            yield schema.BODY, block_hash, block.encode_body()
            if self._numbers.get(block.number) == block_hash:
                yield from self._places(block)
        for name, value in self._stated(schema.RECEIPTS):
            of = self._headers.get(Hash32(name))
            if of is not None and (not self._checks_roots or _receipts_root(value) == of.receipts_root):
                yield schema.RECEIPTS, name, value

    def _places(self, block: Block) -> Iterator[tuple[schema.Family, bytes, bytes]]:
        for index, transaction in enumerate(block.transactions):
            place = schema.encode_number(block.number) + index.to_bytes(schema.INDEX_SIZE, "big")
            yield schema.POSITION, transaction.hash, place

    def _stated(self, family: schema.Family) -> Iterator[tuple[bytes, bytes]]:
        start = RECORD_PREFIX + family.prefix
        for key, value in self._given.items():
            if key.startswith(start) and len(key) == len(RECORD_PREFIX) + (family.key_size or 0):
                yield key[len(start) :], value

    def _decoded(
        self,
        family: schema.Family,
        decode: Callable[[Hash32, bytes], Item | None],
        hash_of: Callable[[Item], Hash32],
    ) -> dict[Hash32, Item]:
        """The records of a family that can be decoded, under the hashes that they have."""
        found = {}
        for key, value in self._stated(family):
            try:
                item = decode(Hash32(key), value)
            except (RlpError, ValueError):
                continue
            if item is not None and hash_of(item) == key:
                found[Hash32(key)] = item
        return found

    def _block(self, block_hash: Hash32, value: bytes) -> Block | None:
        header = self._headers.get(block_hash)
        block = None if header is None else Block.decode_body(header, value)
        if block is None or not self._checks_roots:
            return block
        return block if all(have == want for have, want in roots_of(block).values()) else None

    def _linked(self) -> Iterator[tuple[int, Hash32]]:
        """Number and hash of the blocks that lead down from the forked one, as far as their headers are known."""
        known: Header | None = self._header
        while known is not None:
            yield known.number, known.hash
            below = self._headers.get(known.parent_hash)
            if below is None and known.number:
                yield known.number - 1, known.parent_hash
            known = below

    def _stated_numbers(self) -> dict[int, Hash32]:
        """The hashes of blocks too far below to be linked, as a node says them, where the header has that number."""
        found = {}
        for key, value in self._stated(schema.CANONICAL):
            header = self._headers.get(Hash32(value))
            number = schema.decode_number(key)
            if header is not None and header.number == number < self._header.number - LINKED_BLOCKS:
                found[number] = header.hash
        return found


def _receipts_root(value: bytes) -> bytes | None:
    try:
        return root_and_bloom(decode_receipts(value))[0]
    except (RlpError, ValueError):
        return None
