"""A chain that a consensus client drives: payloads in, fork choice applied, payloads out.

Every method runs on the writer's thread, so calls take effect in the order in which they came. A payload is VALID only
once it was executed on its parent's state and is on disk. Source: execution-apis, src/engine/paris.md to osaka.md;
geth's eth/catalyst if they leave a choice.
"""

import logging
import time
from dataclasses import dataclass
from enum import Enum

from zevm.chain.blockchain import Chain
from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.canonical.marks import Checkpoints
from zevm.chain.engine.attributes import check_attributes, payload_id
from zevm.chain.engine.building import BuiltPayload, PayloadBuilder
from zevm.chain.engine.errors import (
    InvalidAttributesError,
    InvalidForkchoiceError,
    TooDeepReorgError,
    UnknownPayloadError,
    UnsupportedForkError,
)
from zevm.chain.engine.limits import EngineLimits
from zevm.chain.engine.memory import InvalidBlocks, WaitingBlocks
from zevm.chain.engine.payload import BlockHashError, PayloadCall, PayloadError, check_version, roots_of, to_block
from zevm.chain.engine.side_blocks import Move, Path, SideBlocks
from zevm.chain.engine.transition import TransitionCheck
from zevm.chain.errors import BlockError, Notice, Reason
from zevm.chain.events import BlockAndReceipts, PayloadExecuted
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Block, Header
from zevm.storage.primitives import ZERO_HASH, Hash32
from zevm.storage.store import Batch

LOGGER = logging.getLogger("zevm.chain.engine")
NO_HASH = ZERO_HASH
BATCH_BLOCKS = 64
"""A longer way to a new head is gone in several batches, each to an ancestor of it: memory and time stay bounded."""

_GET_PAYLOAD_VERSIONS = {
    1: ((1,), Fork.PARIS, Fork.SHANGHAI),
    2: ((1, 2), Fork.PARIS, Fork.SHANGHAI),
    3: ((3,), Fork.CANCUN, Fork.CANCUN),
    4: ((3,), Fork.PRAGUE, Fork.PRAGUE),
    5: ((3,), Fork.OSAKA, Fork.BPO2),
}
"""Version of engine_getPayload -> versions of the fork choice that began the build, first and last fork."""


class Status(Enum):
    """The outcome of a payload or a fork choice."""

    VALID = "VALID"
    INVALID = "INVALID"
    SYNCING = "SYNCING"
    INVALID_BLOCK_HASH = "INVALID_BLOCK_HASH"


@dataclass(frozen=True, slots=True)
class PayloadStatus:
    """PayloadStatusV1. `latest_valid_hash`: the newest valid block of the branch; zeros for one before the merge.

    error, reason: what is wrong with an invalid block, where that was found out just now.
    """

    status: Status
    latest_valid_hash: Hash32 | None = None
    error: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Forkchoice:
    """ForkchoiceStateV1: hashes; zeros for a safe or finalized block that is not known yet."""

    head: Hash32
    safe: Hash32
    finalized: Hash32


@dataclass(frozen=True, slots=True)
class ForkchoiceResult:
    """The head's status, and the name of the build process that began."""

    status: PayloadStatus
    payload_id: bytes | None = None


class Engine:
    """The state of the Engine API of one chain; it is made on the writer's thread too."""

    def __init__(self, chain: Chain, limits: EngineLimits | None = None) -> None:
        self._chain = chain
        self._limits = limits or EngineLimits()
        self._sides = SideBlocks(chain.canonical, self._limits.side_blocks)
        self._waiting = WaitingBlocks()
        self._invalid = InvalidBlocks()
        self._builder = PayloadBuilder(chain)
        self._told_missing: Hash32 | None = None
        self.transition = TransitionCheck(chain.schedule.terminal_total_difficulty)

    def new_payload(self, call: PayloadCall) -> PayloadStatus:
        """Check and execute a payload on its parent, and keep it as a side block.

        Raises EngineError where the parameters do not fit the version.
        """
        payload = call.payload
        check_version(call, self._chain.schedule.fork_at(payload.number, payload.timestamp))
        try:
            block = to_block(call)
        except PayloadError as error:
            is_hash = call.version == 1 and isinstance(error, BlockHashError)
            return PayloadStatus(Status.INVALID_BLOCK_HASH if is_hash else Status.INVALID, None, error.message)
        if self._chain.header_by_hash(block.hash) is not None:
            return PayloadStatus(Status.VALID, block.hash)
        refused = self._descends_from_invalid(block.hash, block.hash)
        if refused is not None:
            return refused
        parent = self._chain.header_by_hash(block.header.parent_hash)
        if parent is None:
            refused = self._descends_from_invalid(block.header.parent_hash, block.hash)
            if refused is None:
                self._waiting.add(block)
                self._tell_missing(self._waiting.missing_for(block))
            return refused or PayloadStatus(Status.SYNCING)
        return self._execute(block, parent)

    def forkchoice_updated(
        self, version: int, choice: Forkchoice, attributes: PayloadAttributes | None
    ) -> ForkchoiceResult:
        """Set the head, safe and finalized block, and start building on the head if requested.

        Raises EngineError; attributes that cannot be used leave the fork choice as it was applied.
        """
        if choice.head == NO_HASH:
            return ForkchoiceResult(PayloadStatus(Status.INVALID))
        found = self._head_of(choice.head)
        if isinstance(found, PayloadStatus):
            return ForkchoiceResult(found)
        valid = PayloadStatus(Status.VALID, choice.head)
        if self._is_below_finalized(found):
            return ForkchoiceResult(valid)
        path = self._sides.path_to(found)
        if path is None:
            return ForkchoiceResult(PayloadStatus(Status.SYNCING))
        self._apply(found, path, choice)
        if attributes is None:
            return ForkchoiceResult(valid)
        return ForkchoiceResult(valid, self._begin(version, found, attributes))

    def get_payload(self, version: int, identifier: bytes) -> BuiltPayload:
        """The payload that a build process has made. Raises UnknownPayloadError, UnsupportedForkError."""
        begun, first, last = _GET_PAYLOAD_VERSIONS[version]
        if identifier[0] not in begun:
            raise UnsupportedForkError(f"the payload was not begun for version {version} of the method")
        build = self._builder.get(identifier)
        if build is None:
            raise UnknownPayloadError(f"no payload 0x{identifier.hex()} is being built")
        if not first <= build.fork <= last:
            raise UnsupportedForkError(f"version {version} of the method does not serve the payload's fork")
        return self._builder.serve(build)

    def _execute(self, block: Block, parent: Header) -> PayloadStatus:
        path = self._sides.path_to(parent)
        if path is None or path.ancestor.number + 1 < self._chain.first_kept:
            # the parent is kept, but what it stands on was rewound or pruned: hashes or state are not at hand
            self._waiting.add(block)
            return PayloadStatus(Status.SYNCING)
        canonical_hash = self._chain.records.canonical_hash

        def block_hash(number: int) -> Hash32 | None:
            return canonical_hash(number) if number <= path.ancestor.number else path.hash_at(number)

        started = time.perf_counter()
        try:
            sealed = self._chain.verify(block, parent, roots=roots_of(block), block_hash=block_hash)
        except BlockError as error:
            self._invalid.add(block.header)
            return PayloadStatus(Status.INVALID, _valid_hash(parent), error.message, error.reason)
        self._sides.keep(sealed, path)
        self._chain.events.publish(PayloadExecuted(block, time.perf_counter() - started))
        self._waiting.remove([block.hash])
        return PayloadStatus(Status.VALID, block.hash)

    def _descends_from_invalid(self, block_hash: Hash32, tip: Hash32) -> PayloadStatus | None:
        """The refusal of a block whose ancestor (or itself) is known to be invalid."""
        culprit = self._invalid.culprit(block_hash)
        if culprit is None:
            return None
        if tip != block_hash:
            self._invalid.extend(tip, culprit)
        parent = self._chain.header_by_hash(culprit.parent_hash)
        latest = culprit.parent_hash if parent is None else _valid_hash(parent)
        return PayloadStatus(Status.INVALID, latest, "links to previously rejected block")

    def _head_of(self, head_hash: Hash32) -> Header | PayloadStatus:
        """The header of a fork choice's head, executed now if it waited for a parent that has come meanwhile."""
        header = self._chain.header_by_hash(head_hash)
        if header is not None:
            return header
        branch: list[Block] = []
        cursor, parent = self._waiting.get(head_hash), None
        while cursor is not None and parent is None:
            branch.append(cursor)
            parent = self._chain.header_by_hash(cursor.header.parent_hash)
            cursor = self._waiting.get(cursor.header.parent_hash)
        if parent is None:
            origin = branch[-1].header.parent_hash if branch else head_hash
            refused = self._descends_from_invalid(origin, head_hash)
            if refused is None:
                self._tell_missing(origin)
            return refused or PayloadStatus(Status.SYNCING)
        for block in reversed(branch):
            status = self._execute(block, parent)
            if status.status is not Status.VALID:
                self._waiting.remove([item.hash for item in branch] if status.status is Status.INVALID else ())
                return self._descends_from_invalid(block.hash, head_hash) or status
            parent = block.header
        return branch[0].header

    def _tell_missing(self, block_hash: Hash32) -> None:
        """Log once which block the chain waits for."""
        if block_hash != self._told_missing:
            self._told_missing = block_hash
            LOGGER.warning(
                "the chain stands at block %d until the consensus client sends block 0x%s",
                self._chain.head.number,
                block_hash.hex(),
            )

    def _is_below_finalized(self, header: Header) -> bool:
        """Whether a head is a canonical block before the finalized one: such a fork choice is passed over."""
        finalized = self._chain.canonical.checkpoints.finalized
        number = None if finalized is None else self._chain.database.ledger.number_of(finalized)
        is_canonical = self._chain.records.canonical_hash(header.number) == header.hash
        return number is not None and is_canonical and header.number < number

    def _apply(self, header: Header, path: Path, choice: Forkchoice) -> None:
        chain = self._chain
        checkpoints = self._checkpoints(choice, path)
        depth = chain.head.number - path.ancestor.number
        if depth > self._limits.reorg_blocks:
            limit = self._limits.reorg_blocks
            LOGGER.warning(
                "a fork choice to block %d is refused: it would remove %d blocks, and %d is the limit",
                header.number,
                depth,
                limit,
                extra={"notice": Notice.REORG_LIMIT},
            )
            raise TooDeepReorgError(f"reorg depth {depth} exceeds limit {limit}")
        if header.hash == chain.head.header.hash:
            if checkpoints != chain.canonical.checkpoints:
                chain.canonical.mark(checkpoints)
            return
        if not path.headers:
            self._switch(path, checkpoints)
        for part in path.parts(BATCH_BLOCKS):
            is_last = part.headers[-1].hash == header.hash
            self._switch(part, checkpoints if is_last else None)

    def _switch(self, path: Path, checkpoints: Checkpoints | None) -> None:
        """Make a path the chain, in one batch."""
        moves: list[Move] = []
        lowest = path.tip.number - self._limits.reorg_blocks

        def move(batch: Batch, removed: tuple[BlockAndReceipts, ...]) -> None:
            moves.append(self._sides.move(batch, path, removed, lowest))

        branch = [self._sides.load(item) for item in path.headers]
        self._chain.switch_to(path.ancestor, branch, also=move, checkpoints=checkpoints, keep_removed=True)
        self._sides.confirm(moves[0])

    def _checkpoints(self, choice: Forkchoice, path: Path) -> Checkpoints:
        """The safe and the finalized block after a fork choice.

        A consensus client that was started again names older blocks for a while. What is final stays final as long as
        it lies on the chain to the new head, and `safe` is never below it. What lies on another chain is neither.
        """
        before = self._chain.canonical.checkpoints
        kept_safe, kept_final = (at if self._is_on(at, path) else None for at in (before.safe, before.finalized))
        safe = self._checkpoint("safe", choice.safe, path) or kept_safe
        finalized = self._checkpoint("finalized", choice.finalized, path) or kept_final
        if self._is_older(finalized, kept_final):
            finalized = kept_final
        return Checkpoints(finalized if self._is_older(safe, finalized) else safe, finalized)

    def _is_older(self, block_hash: bytes | None, than: bytes | None) -> bool:
        """Whether a block has a lower number than another; no block is older than none."""
        one, other = self._header_of(block_hash), self._header_of(than)
        return one is not None and other is not None and one.number < other.number

    def _is_on(self, block_hash: bytes | None, path: Path) -> bool:
        """Whether a known block lies on the chain to a new head."""
        header = self._header_of(block_hash)
        return header is not None and self._hash_on(path, header.number) == block_hash

    def _hash_on(self, path: Path, number: int) -> Hash32 | None:
        """The hash of a height on the chain to a new head."""
        is_canonical = number <= path.ancestor.number
        return self._chain.records.canonical_hash(number) if is_canonical else path.hash_at(number)

    def _header_of(self, block_hash: bytes | None) -> Header | None:
        return None if block_hash is None else self._chain.header_by_hash(Hash32(block_hash))

    def _checkpoint(self, name: str, block_hash: Hash32, path: Path) -> bytes | None:
        """A checkpoint's hash, which must lie on the chain to the new head; None for zeros."""
        if block_hash == NO_HASH:
            return None
        header = self._chain.header_by_hash(block_hash)
        if header is None:
            raise InvalidForkchoiceError(f"{name} block not available in database")
        if self._hash_on(path, header.number) != block_hash:
            raise InvalidForkchoiceError(f"{name} block not in canonical chain")
        return block_hash

    def _begin(self, version: int, head: Header, attributes: PayloadAttributes) -> bytes:
        fork = self._chain.schedule.fork_at(head.number + 1, attributes.timestamp)
        check_attributes(version, attributes, head, fork)
        identifier = payload_id(version, head.hash, attributes)
        try:
            self._builder.begin(identifier, head, attributes)
        except BlockError as error:
            raise InvalidAttributesError(error.message) from error
        return identifier


def _valid_hash(header: Header) -> Hash32:
    """How a valid block is named to the consensus client: zeros for one with proof of work."""
    return NO_HASH if header.difficulty else header.hash
