"""The follower's chain: where it is, and the steps that a leader's batch makes of it. Each block is executed."""

from collections.abc import Sequence

from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.steps import Steps, Turn
from zevm.chain.errors import ChainError
from zevm.chain.types import Block, Header
from zevm.node.replication.messages import Entry, MessageError, Patch, Position, patch_root
from zevm.storage.account import StateDiff
from zevm.storage.errors import CorruptionError
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.rlp import RlpError, split_list
from zevm.storage.schema import MetaName, decode_number, encode_number
from zevm.storage.store import Batch


class LeaderRefusedError(Exception):
    """A refusal of what the leader sends: it breaks a rule, or this node's limits. The text says which and why."""


class Replica:
    """One chain that follows another. takes_development: also what only a development node does."""

    def __init__(self, chain: Chain, *, takes_development: bool) -> None:
        self._chain = chain
        self._takes_development = takes_development

    @property
    def position(self) -> Position:
        """The chain's newest state, all of it on the disk."""
        head = self._chain.head
        return Position(head.number, block_hash=head.header.hash, root=head.state.root)

    @property
    def highest(self) -> int:
        """The newest block that this chain ever had: what a leader takes back in several steps counts together."""
        noted = self._chain.database.ledger.meta(MetaName.REPLICA_HIGHEST)
        return max(self._chain.head.number, decode_number(noted) if noted else 0)

    def apply(self, entries: Sequence[Entry], back_to: Position | None) -> Steps[Position]:
        """Take back what the leader has not, and make its steps; on the writer's thread, in parts.

        The last step's batch is synced, and with it all before it. Raises LeaderRefusedError, and leaves what was
        sound until then. back_to: None where the leader's steps follow the head.
        """
        if back_to is not None:
            self.go_back(back_to.number)
        turn = Turn()
        for index, entry in enumerate(entries):
            is_last = index == len(entries) - 1
            self._make(entry, sync=is_last or turn.is_over)
            if turn.is_over and not is_last:
                yield
                turn = Turn()
        return self.position

    def go_back(self, number: int) -> None:
        """Make block `number` the head, without changes that followed it outside of blocks.

        Raises LeaderRefusedError where its state is not kept.
        """
        if number < self._chain.head.number or self._chain.head.version.patch:
            self._note_highest()
            try:
                self._chain.rewind_to(number, patch=0)
            except ChainError as error:
                raise LeaderRefusedError(error.message) from error

    def _note_highest(self) -> None:
        database, batch = self._chain.database, Batch()
        database.ledger.put_meta(batch, MetaName.REPLICA_HIGHEST, encode_number(self.highest))
        database.write(batch)

    def _make(self, entry: Entry, *, sync: bool) -> None:
        number = self._chain.head.number
        try:
            if entry.block:
                block = Block.decode(entry.block)
                number = block.number
                self._chain.import_block(block, sync=sync and not entry.patch, development=self._takes_development)
            if entry.patch:
                self._patch(Patch.decode(entry.patch))
        except (RlpError, MessageError) as error:
            raise LeaderRefusedError(f"block {number}: {error}") from error
        except ChainError as error:
            raise LeaderRefusedError(error.message) from error

    def _patch(self, patch: Patch) -> None:
        number = self._chain.head.number
        if not self._takes_development:
            raise LeaderRefusedError(
                f"the state after block {number} was changed outside of blocks, as anvil_setBalance does it, and this "
                "node takes only what blocks do; start it with --follow-development to take that as well"
            )
        self._check_code(patch.diff)
        try:
            self._chain.follow_patch(patch.diff, patch.root)
        except ValueError as error:
            raise LeaderRefusedError(f"the change of the state after block {number}: {error}") from error

    def _check_code(self, diff: StateDiff) -> None:
        """Each account's code must be at hand: an account whose code is missing could not be read."""
        for address, change in diff.accounts.items():
            if change is None or change.code_hash == EMPTY_KECCAK or change.code_hash in diff.code:
                continue
            try:
                self._chain.database.state.code(change.code_hash)
            except CorruptionError:
                raise LeaderRefusedError(f"the code of 0x{address.hex()} does not come with its change") from None


def end_of(position: Position, entries: Sequence[Entry]) -> Position:
    """The position that steps lead to, as they say themselves. Raises MessageError."""
    for entry in reversed(entries):
        if entry.block:
            header = _header_of(entry.block)
            position = Position(header.number, block_hash=header.hash, root=header.state_root)
            break
    last = entries[-1].patch
    return Position(position.number, block_hash=position.block_hash, root=patch_root(last)) if last else position


def _header_of(block: bytes) -> Header:
    try:
        return Header.decode(split_list(block, most_items=4)[0])
    except (RlpError, IndexError) as error:
        raise MessageError(f"a block without a header: {error}") from None
