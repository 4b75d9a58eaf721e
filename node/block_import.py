"""Import of a file's blocks into a chain, one at a time."""

from functools import partial

from zevm.chain.blockchain import Chain
from zevm.chain.types import Block
from zevm.node.errors import NodeError


def import_one(chain: Chain, item: bytes, *, sync: bool, development: bool) -> None:
    """Import a block, unless the chain has it. Raises ChainError, NodeError for another chain's block."""
    block = Block.decode(item)
    if block.number <= chain.head.number:
        known = chain.header_by_number(block.number)
        if known is None or known.hash != block.hash:
            have = "none" if known is None else f"0x{known.hash.hex()}"
            raise NodeError(
                f"block {block.number} of the file is 0x{block.hash.hex()}, this chain's is {have}: "
                "it is another chain's; import into a new --datadir with its --genesis"
            )
        return
    chain.writer.run(partial(chain.import_block, block, sync=sync, development=development))
    chain.database.keep()


def what_is_kept(chain: Chain, before: int) -> str:
    """The state after an interrupted import; empty if no block was imported."""
    head = chain.head.number
    return (
        "" if head == before else f"; blocks up to {head} are kept, and an import of a sound file continues from there"
    )


def range_of(chain: Chain, first: int | None, last: int | None) -> range:
    """The blocks from `first` to `last`, by default the chain's own. Raises NodeError for those that it has not."""
    begin = chain.genesis.number if first is None else first
    end = chain.head.number if last is None else last
    kept = chain.first_kept
    if begin < kept and chain.genesis.number < kept:
        raise NodeError(f"blocks before {kept} were pruned; --first {kept} exports those that are kept")
    if not chain.genesis.number <= begin <= end <= chain.head.number:
        held = f"{chain.genesis.number} to {chain.head.number}"
        raise NodeError(f"no blocks {begin} to {end} in this chain, which has {held}")
    return range(begin, end + 1)
