"""The end of a block in one call of the core: its state's difference, the new state with its root, and the header."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from zevm.chain.blocks.brief_sends import has_more_changes
from zevm.chain.types import Header, Receipt
from zevm.chain.types.header import HeaderParts, with_state_root
from zevm.chain.types.receipt import EncodedReceipt
from zevm.chain.vm.execution_state import StateContents
from zevm.chain.vm.net_change import change_of
from zevm.core import references, replaced_by
from zevm.storage.account import Account, StateDiff
from zevm.storage.primitives import Address, Hash32
from zevm.storage.state_update import NodesOf, StateUpdate, TrieGround, account_of, wiped_by


class EndedBlock(NamedTuple):
    """A finished block's state and header."""

    update: StateUpdate
    header: Header
    encoded: bytes
    """The header's RLP."""


def end_block(
    ground: TrieGround,
    contents: StateContents,
    header: HeaderParts,
    transactions: Sequence[bytes],
    receipts: Sequence[Receipt | EncodedReceipt],
    most_changes: int | None,
) -> EndedBlock | None:
    """End a block; None past `most_changes`, see `ended_block`. ground: the state that the block stands on.

    contents: of the block's own state. header, transactions, receipts: see `Header.sealed`. Raises RlpError as that.
    """
    base = ground.base
    ended = ended_block(
        ground.nodes,
        ground.known,
        base if isinstance(base, bytes) else base.root,
        contents,
        account_of,
        most_changes,
        *header,
        transactions,
        receipts,
    )
    if ended is None:
        return None
    accounts, storage, wiped, nodes, code, decoded, sealed, encoded = ended
    update = StateUpdate(base, sealed.state_root, accounts, storage, wiped, nodes, code, decoded)
    return EndedBlock(update, sealed, encoded)


@replaced_by("ended_block")
def ended_block(
    stored: NodesOf,
    known: Sequence[dict[bytes, bytes]],
    root: Hash32,
    contents: StateContents,
    account_of: Callable[[tuple[Any, ...]], Account],
    most_changes: int | None,
    header_class: type[Header],
    names: Sequence[str],
    sizes: Sequence[int],
    values: Sequence[Any],
    transactions: Sequence[bytes],
    receipts: Sequence[Receipt | EncodedReceipt],
) -> (
    tuple[
        dict[Address, bytes],
        dict[Address, dict[int, int]],
        frozenset[bytes],
        dict[bytes, bytes],
        dict[bytes, bytes],
        dict[bytes, Account | None],
        Header,
        bytes,
    ]
    | None
):
    """The fields of the StateUpdate behind its root, and a header with that root, and its RLP.

    stored, known, root, account_of: see `state_after`. most_changes: accounts, slots and codes that may change, and no
    storage be emptied, where it is a number; None is returned for more. The other arguments are those of
    `sealed_header`. Raises as both.
    """
    # those in Python too: what the check mode compares with must not be the core's
    diff = StateDiff(*references["net_changes"](*contents, change_of))
    if most_changes is not None and has_more_changes(diff, most_changes):
        return None
    new_root, accounts, decoded, nodes = references["state_after"](
        stored, known, root, diff.accounts, diff.storage, diff.wiped, diff.storage_roots, account_of
    )
    header, encoded = references["sealed_header"](
        header_class, names, sizes, with_state_root(values, new_root), transactions, receipts
    )
    return accounts, diff.storage, wiped_by(diff, accounts), nodes, diff.code, decoded, header, encoded
