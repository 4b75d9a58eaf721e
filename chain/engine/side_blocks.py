"""Valid side blocks: durable, so that a fork choice can adopt them without executing them again.

A side block's header, body and receipts lie where a canonical block's do, its trie nodes too; what makes it a side
block is the record of what it changes in the flat state. Only the writer's thread uses this.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zevm.chain.blocks.execution import SealedBlock
from zevm.chain.canonical.chain import CanonicalChain, put_record
from zevm.chain.events import BlockAndReceipts
from zevm.chain.types import Block, Header
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.primitives import Hash32
from zevm.storage.schema import Version
from zevm.storage.state_record import decode_update, encode_update
from zevm.storage.state_update import StateUpdate
from zevm.storage.store import Batch


@dataclass(frozen=True, slots=True)
class Path:
    """The way to a block: the canonical block where it leaves the chain, and the side blocks from there, ascending."""

    ancestor: Header
    headers: tuple[Header, ...]

    @property
    def tip(self) -> Header:
        """The path's end."""
        return self.headers[-1] if self.headers else self.ancestor

    def parts(self, count: int) -> Iterator["Path"]:
        """The same way in parts of at most `count` side blocks, each from where the one before it leads."""
        ancestor = self.ancestor
        for start in range(0, len(self.headers), count):
            part = Path(ancestor, self.headers[start : start + count])
            yield part
            ancestor = part.tip

    def hash_at(self, number: int) -> Hash32 | None:
        """The hash of a side block of the path by its height."""
        index = number - self.ancestor.number - 1
        return self.headers[index].hash if 0 <= index < len(self.headers) else None


class SideBlocks:
    """The side blocks of one chain.

    limit: how many are kept; past it the lowest ends of branches go, so that no branch loses its middle. A branch
    that is longer than the limit is kept all the same.
    """

    def __init__(self, canonical: CanonicalChain, limit: int) -> None:
        self._canonical = canonical
        self._ledger = canonical.database.ledger
        self._states = canonical.database.state
        self._limit = limit
        self._numbers: dict[Hash32, int] = {block_hash: number for number, block_hash in self._ledger.side_blocks()}

    def __len__(self) -> int:
        return len(self._numbers)

    def path_to(self, header: Header) -> Path | None:
        """How a known block hangs on the canonical chain; None where a block between is not kept."""
        headers: list[Header] = []
        cursor: Header | None = header
        while cursor is not None and cursor.hash in self._numbers:
            headers.append(cursor)
            cursor = self._canonical.records.header_by_hash(cursor.parent_hash)
        if cursor is None or self._ledger.canonical_hash(cursor.number) != cursor.hash:
            return None
        return Path(cursor, tuple(reversed(headers)))

    def keep(self, sealed: SealedBlock, path: Path) -> None:
        """Write a side block durably. `path` leads to its parent, which is never evicted."""
        batch = Batch()
        self._states.keep(batch, sealed.update)
        put_record(self._ledger, batch, sealed.record)
        self._put_update(batch, sealed.block, sealed.update)
        surplus = len(self._numbers) + 1 - self._limit
        evicted = self._ends(surplus, sealed.block.header, path) if surplus > 0 else []
        self._delete(batch, evicted)
        self._canonical.database.write(batch)
        self._numbers[sealed.block.hash] = sealed.block.number
        self._forget(evicted)

    def load(self, header: Header) -> SealedBlock:
        """A side block as it was sealed. Raises CorruptionError."""
        record = self._canonical.records.record(header.hash)
        data = self._ledger.side_update(header.number, header.hash)
        if record is None or data is None:
            raise CorruptionError(
                f"side block {header.number} {header.hash.hex()} is incomplete", StorageProblem.SIDE_BLOCK_DAMAGED
            )
        return SealedBlock(record, decode_update(data), is_stored=True)

    def move(self, batch: Batch, added: Path, removed: tuple[BlockAndReceipts, ...], lowest: int) -> "Move":
        """Put into the batch of a fork choice what it does to the side blocks.

        added: becomes canonical. removed: canonical blocks that become side blocks; the ledger still has them.
        lowest: side blocks below this height can never be canonical again, and go. The caller confirms the result once
        the batch is written.
        """
        entered = self._put_removed(batch, added.ancestor, removed)
        left = {header.hash for header in added.headers}
        stale = [item for item, number in self._numbers.items() if number < lowest and item not in left]
        self._delete(batch, stale)
        return Move(entered, left, stale)

    def confirm(self, move: "Move") -> None:
        """The batch that holds a move has been written."""
        for block_hash in move.left:
            del self._numbers[block_hash]
        self._forget(move.stale)
        self._numbers |= move.entered

    def _put_removed(self, batch: Batch, ancestor: Header, removed: tuple[BlockAndReceipts, ...]) -> dict[Hash32, int]:
        """Keep removed blocks, up to the first whose state was patched: what stands on that cannot come back."""
        if not removed:
            return {}
        steps = dict(self._states.updates_after(ancestor.number))
        patched = min((number for number, patch in steps if patch), default=removed[0].block.number)
        entered = {}
        for record in removed:
            block = record.block
            if block.number <= patched:
                self._put_update(batch, block, steps[Version(block.number)])
                entered[block.hash] = block.number
            else:
                self._ledger.delete_block(batch, block.hash)
        return entered

    def _put_update(self, batch: Batch, block: Block, update: StateUpdate) -> None:
        self._ledger.put_side(batch, number=block.number, block_hash=block.hash, update=encode_update(update))

    def _ends(self, count: int, added: Header, path: Path) -> list[Hash32]:
        """The lowest blocks that no kept block stands on, but none above or under the one to be added."""
        spared = {header.hash for header in path.headers}
        headers = [self._canonical.records.header_by_hash(item) for item in self._numbers]
        parents = {header.parent_hash for header in headers if header is not None}
        ends = sorted((number, item) for item, number in self._numbers.items() if item not in parents)
        return [item for number, item in ends if number <= added.number and item not in spared][:count]

    def _delete(self, batch: Batch, hashes: Iterable[Hash32]) -> None:
        for block_hash in hashes:
            self._ledger.delete_side(batch, self._numbers[block_hash], block_hash)

    def _forget(self, hashes: Iterable[Hash32]) -> None:
        for block_hash in hashes:
            del self._numbers[block_hash]
            self._canonical.records.forget(block_hash)


@dataclass(frozen=True, slots=True)
class Move:
    """Side blocks that a fork choice brings (hash -> height), those that become canonical, and those that go."""

    entered: dict[Hash32, int]
    left: set[Hash32]
    stale: list[Hash32]
