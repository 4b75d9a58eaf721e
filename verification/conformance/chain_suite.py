"""Import of execution-apis' chain, and of the chain with one byte altered, which must be refused with the field named.

A byte may lie in a field that no rule ties to anything, as the extra data: such a block is valid, but another one. Then
the next block must be refused for its parent hash; and the last block can only be told from the announced head.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress
from rlp.codec import consume_length_prefix

from verification.conformance.data import read_genesis, read_head_hash, read_items
from verification.conformance.outcome import Shortfall, SuiteResult
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.errors import BlockError
from zevm.chain.options import ChainOptions
from zevm.chain.types import Block, Header
from zevm.storage.database import Database
from zevm.storage.rlp import RlpError

IMPORT_SUITE = "chain import"
ALTERED_SUITE = "altered bytes"
SAMPLE_BYTES = 1_000
FIELDS = tuple(item.name for item in fields(Header) if item.init)
FREE_FIELDS = {"coinbase", "gas_limit", "timestamp", "extra_data", "mix_hash", "nonce", "parent_beacon_block_root"}
"""Header fields that the parent and the body do not determine; the nonce only before the merge."""
BODY_PARTS = {
    "transactions": ("transactions root", "transaction"),
    "uncles": ("uncles hash", "uncle"),
    "withdrawals": ("withdrawals root", "withdrawal"),
}
_WORDS = tuple(name.replace("_", " ") for name in FIELDS)
_BLOCK_NUMBER = re.compile(r"block (\d+): ")
HEAD = "the head's hash"
LENGTH = "a length"
"""The bytes in front of a list's or a header field's payload."""


@dataclass(frozen=True, slots=True)
class Place:
    """A byte's position in a block. part: a header field's name, one of BODY_PARTS, or LENGTH.

    is_length: whether the byte, altered, may give a length; then the RLP does not decode, or into something else.
    """

    part: str
    is_length: bool = False

    def is_named_by(self, message: str) -> bool:
        """Whether a refusal tells what was altered, or what follows from it where any value is allowed."""
        text = message.replace("_", " ")
        if self.is_length and text.startswith("rlp: "):
            return "in the block's " in text or "block has " in text
        if self.part in BODY_PARTS:
            return any(word in text for word in BODY_PARTS[self.part])
        if self.part in FREE_FIELDS:
            return text.startswith(HEAD) or any(word in text for word in (*_WORDS, *BODY_PARTS))
        return any(word in text for word in (_WORDS if self.part == LENGTH else (self.part.replace("_", " "),)))


def places(item: bytes) -> list[Place]:
    """The place of each byte of a block's RLP."""
    found = [Place(LENGTH, is_length=True)] * len(item)
    _, _, size, start = consume_length_prefix(item, 0)
    header, *body = _items(item, start, start + size)
    spans = [*zip(FIELDS, _items(item, header.payload, header.end), strict=False), *zip(BODY_PARTS, body, strict=False)]
    for part, span in spans:
        # a single byte has no length in front of it when it is small
        size = span.end - span.payload
        found[span.payload : span.end] = [Place(part, is_length=size == 1)] * size
    return found


class Span(NamedTuple):
    """An item of a list: where its length, its payload and the next item begin."""

    begin: int
    payload: int
    end: int


def _items(data: bytes, start: int, end: int) -> Iterator[Span]:
    while start < end:
        _, _, size, payload = consume_length_prefix(data, start)
        yield Span(start, payload, payload + size)
        start = payload + size


@contextmanager
def memory_chain(folder: Path) -> Iterator[Chain]:
    """A chain in memory on the folder's genesis, without mining. The newest block is safe and final."""
    database = Database.open(None)
    chain = Chain(database, read_genesis(folder), ChainOptions(mining=MiningMode(automine=False), slots_in_an_epoch=0))
    try:
        yield chain
    finally:
        chain.close()
        database.close()


def import_suite(folder: Path) -> SuiteResult:
    """Import every block; each header field is verified by the import, the head by the announced hash."""
    started = time.perf_counter()
    items = list(read_items(folder / "chain.rlp"))
    shortfalls: tuple[Shortfall, ...] = ()
    with memory_chain(folder) as chain:
        try:
            for item in items:
                chain.writer.run(chain.import_block, Block.decode(item))
        except (BlockError, RlpError) as error:
            failed = chain.head.number + 1
            shortfalls = tuple(Shortfall(f"block {number}", str(error)) for number in range(failed, len(items) + 1))
        head = chain.head.header.hash
    if not shortfalls and head != read_head_hash(folder):
        shortfalls = (Shortfall(f"block {len(items)}", f"the head is 0x{head.hex()}"),)
    notes = (f"head 0x{head.hex()}",)
    return SuiteResult(IMPORT_SUITE, len(items), time.perf_counter() - started, shortfalls, notes)


@dataclass(frozen=True, slots=True)
class Alteration:
    """A byte of a block that becomes another. block: counted from 1. mask: what the byte is XORed with."""

    block: int
    offset: int
    mask: int

    def apply(self, item: bytes) -> bytes:
        """The altered RLP."""
        return item[: self.offset] + bytes((item[self.offset] ^ self.mask,)) + item[self.offset + 1 :]

    def __str__(self) -> str:
        return f"block {self.block} byte {self.offset} ^ {self.mask:#04x}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an altered block ended. message: the refusal's; None where nothing refused it."""

    alteration: Alteration
    place: Place
    message: str | None

    @property
    def shortfall(self) -> Shortfall | None:
        """The problem."""
        if self.message is None:
            return Shortfall(str(self.alteration), f"altered in {self.place.part}, and taken for the announced head")
        if not self.place.is_named_by(self.message):
            return Shortfall(str(self.alteration), f"altered in {self.place.part}, refused with: {self.message}")
        return None

    @property
    def where(self) -> str:
        """The detector: the block itself, the next one, or the announced head."""
        assert self.message is not None
        if self.message.startswith(HEAD):
            return HEAD
        number = _BLOCK_NUMBER.match(self.message)
        return "the next block" if number and int(number[1]) == self.alteration.block + 1 else "the block itself"


def choose(items: Sequence[bytes], count: int | None, seed: int) -> list[Alteration]:
    """`count` bytes of the chain, chosen by seed, or all of them with None; in the order of their blocks."""
    everywhere = [(number, offset) for number, item in enumerate(items, 1) for offset in range(len(item))]
    source = random.Random(seed)
    chosen = everywhere if count is None else sorted(source.sample(everywhere, min(count, len(everywhere))))
    return [Alteration(number, offset, source.randrange(1, 256)) for number, offset in chosen]


@cache
def _chain_items(folder: Path) -> list[bytes]:
    return list(read_items(folder / "chain.rlp"))


def try_alterations(folder: Path, alterations: Sequence[Alteration]) -> list[Refusal]:
    """Import the chain, and before each block the altered ones in its place. In the order of their blocks."""
    items, head = _chain_items(folder), read_head_hash(folder)
    refusals, waiting = [], list(alterations)
    with memory_chain(folder) as chain:
        for number, item in enumerate(items, 1):
            where = places(item)
            while waiting and waiting[0].block == number:
                alteration = waiting.pop(0)
                following = items[number] if number < len(items) else None
                message = _refusal(chain, alteration.apply(item), following, head)
                refusals.append(Refusal(alteration, where[alteration.offset], message))
            if not waiting:
                break
            chain.writer.run(chain.import_block, Block.decode(item))
    return refusals


def _refusal(chain: Chain, item: bytes, following: bytes | None, head: bytes) -> str | None:
    """Why a block, or the one that follows it, is not taken; the chain is as it was then."""
    before = chain.head
    try:
        chain.writer.run(chain.import_block, Block.decode(item))
        if following is not None:
            chain.writer.run(chain.import_block, Block.decode(following))
        elif (have := chain.head.header.hash) != head:
            return f"{HEAD} is 0x{have.hex()}, want 0x{head.hex()}"
    except (BlockError, RlpError) as error:
        return str(error)
    finally:
        if chain.head.number > before.number:
            chain.writer.run(chain.rewind_to, before.number)
    return None


def altered_suite(
    pool: Executor, progress: Progress, folder: Path, *, count: int | None = SAMPLE_BYTES, seed: int = 1, parts: int = 1
) -> SuiteResult:
    """Alter bytes, and import. parts: into how many tasks the work is cut."""
    started = time.perf_counter()
    chosen = choose(_chain_items(folder), count, seed)
    task = progress.add_task(ALTERED_SUITE, total=len(chosen))
    refusals: list[Refusal] = []
    tasks = [pool.submit(try_alterations, folder, chosen[part::parts]) for part in range(parts)]
    for done in as_completed(tasks):
        refusals += done.result()
        progress.advance(task, len(done.result()))
    shortfalls = tuple(item.shortfall for item in refusals if item.shortfall is not None)
    told = Counter(item.where for item in refusals if item.message is not None)
    notes = (
        f"seed {seed}, {len(chosen):,} of {sum(map(len, _chain_items(folder))):,} bytes",
        *(f"told by {where}: {number:,}" for where, number in told.most_common()),
    )
    return SuiteResult(ALTERED_SUITE, len(chosen), time.perf_counter() - started, shortfalls, notes)
