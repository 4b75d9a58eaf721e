"""Which headers a block may name as its uncles (Yellow Paper 11.1): at most two, whose parents are ancestors.

Only blocks before the merge have any, and they all stand on the canonical chain. The seal is not verified.
"""

from collections.abc import Callable

from zevm.chain.blocks.history import History
from zevm.chain.errors import BlockError, Reason
from zevm.chain.types import Block, Header

MAX_UNCLES = 2
ANCESTORS = 7
"""Maximum of generations between a block and an uncle's parent, counting the block's own parent."""


def check_uncles(
    block: Block, parent: Header, history: History, check_header: Callable[[Header, Header], None]
) -> None:
    """Raises BlockError that names the uncle.

    check_header: checks a header against its parent; raises BlockError.
    """
    if len(block.uncles) > MAX_UNCLES:
        raise BlockError(Reason.UNCLE_COUNT, f"block {block.number}: {len(block.uncles)} uncles, at most {MAX_UNCLES}")
    if not block.uncles:
        return
    ancestors, taken = _family(parent, history)
    for index, uncle in enumerate(block.uncles):
        where = f"block {block.number}: uncle {index}"
        if uncle.hash in ancestors:
            raise BlockError(Reason.UNCLE_IS_ANCESTOR, f"{where} 0x{uncle.hash.hex()} is an ancestor")
        if uncle.hash in taken:
            raise BlockError(
                Reason.UNCLE_NAMED_TWICE, f"{where} 0x{uncle.hash.hex()} is named already, by this block or an ancestor"
            )
        taken.add(uncle.hash)
        if uncle.parent_hash not in ancestors or uncle.parent_hash == parent.hash:
            raise BlockError(
                Reason.UNCLE_PARENT,
                f"{where}: parent hash 0x{uncle.parent_hash.hex()} "
                f"is not among the block's ancestors of 2 to {ANCESTORS} generations",
            )
        try:
            check_header(uncle, ancestors[uncle.parent_hash])
        except BlockError as error:
            raise BlockError(error.reason, f"{where} of {error.message}") from error


def _family(parent: Header, history: History) -> tuple[dict[bytes, Header], set[bytes]]:
    """The nearest ancestors by hash, and the hashes of the uncles that they name."""
    ancestors: dict[bytes, Header] = {}
    named: set[bytes] = set()
    oldest = max(parent.number - ANCESTORS + 1, history.genesis.number)
    for number in range(parent.number, oldest - 1, -1):
        ancestor = history.records.block_by_number(number)
        assert ancestor is not None
        ancestors[ancestor.hash] = ancestor.header
        named.update(uncle.hash for uncle in ancestor.uncles)
    return ancestors, named
