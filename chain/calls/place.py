"""The beginning of an off-chain execution: after a block, or before one of its transactions."""

from dataclasses import dataclass

from zevm.chain.blocks.context import CallFrame
from zevm.chain.blocks.replay import Replay
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import ReplayError, UnknownBlockError
from zevm.chain.types import Block, Header
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.view import ChainView


@dataclass(frozen=True, slots=True)
class StateContext:
    """A block, and how many of its transactions come before; None for all of them."""

    block: BlockReference = LATEST
    transaction_index: int | None = None


def replay_of(view: ChainView, block: Block) -> Replay:
    """A replay of a block that stands on a known one. Raises ReplayError for the chain's first, UnknownBlockError."""
    if block.number <= view.canonical.first_number:
        raise ReplayError("genesis is not traceable")
    parent = view.records.header_by_hash(block.header.parent_hash)
    if parent is None:
        raise UnknownBlockError(f"block 0x{block.header.parent_hash.hex()} not found")
    return Replay(view.environment_of(block.header), view.canonical.state_of(parent), block)


def replay_up_to(view: ChainView, header: Header, block: Block | None, index: int, deadline: Deadline) -> Replay:
    """A replay of a block that has come to a transaction, or past the last one. Raises as `replay_of`.

    block: that of `header`; None where there is none, as for the pending one.
    """
    if block is None or index > len(block.transactions):
        raise ReplayError(f"transaction index {index} out of range for block 0x{header.hash.hex()}")
    replay = replay_of(view, block)
    replay.skip_to(index, deadline)
    return replay


def frame_of(view: ChainView, context: StateContext, deadline: Deadline) -> CallFrame:
    """The block that calls see, and the state that they begin with.

    Raises UnknownBlockError, ReplayError, ExecutionTimeoutError.
    """
    index = context.transaction_index
    if index is None:
        return view.frame_at(context.block)
    header = view.resolve(context.block)
    replay = replay_up_to(view, header, view.block_by_hash(header.hash), index, deadline)
    return CallFrame(view.environment_of(header), replay.state.fork_reader())
