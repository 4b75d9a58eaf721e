"""Checks of a stored chain: that roots, headers and state agree. Used at a start and on demand."""

from collections.abc import Iterator

from zevm.chain.canonical.chain import CanonicalChain
from zevm.chain.canonical.records import Records
from zevm.chain.types.receipt import root_and_bloom
from zevm.storage import rlp, trie
from zevm.storage.errors import StorageError
from zevm.storage.integrity import TOLD_EVERY_BLOCKS, Progress
from zevm.storage.primitives import ZERO_ADDRESS
from zevm.storage.rlp import RlpError

RECENT_BLOCKS = 16
"""Number of the newest blocks that a start verifies completely; the parent chain is checked further back."""


def recent_problems(canonical: CanonicalChain) -> Iterator[str]:
    """Problems of the newest blocks and the latest state's root node."""
    head = canonical.head
    for number in range(max(_first_checked(canonical), head.number - RECENT_BLOCKS + 1), head.number + 1):
        yield from block_problems(canonical.records, number)
    origin = canonical.database.origin
    if origin is not None and not origin.is_proved:
        return
    try:
        canonical.database.state.by_trie(head.state.root).account(ZERO_ADDRESS)
    except StorageError as error:
        yield f"the latest state cannot be read: {error}"


def deep_problems(canonical: CanonicalChain, progress: Progress = lambda _, __, ___: None) -> Iterator[str]:
    """Everything: each key, each block's roots, and the latest state's trie against its flat copy."""
    database, head, first = canonical.database, canonical.head, _first_checked(canonical)
    yield from database.scrub(progress)
    for number in range(first, head.number + 1):
        if (number - first) % TOLD_EVERY_BLOCKS == 0:
            progress("roots of blocks", number - first, head.number + 1 - first)
        yield from block_problems(canonical.records, number)
    progress("trie of the latest state", 0, 0)
    yield from database.state.verify(head.state.root, database.store.snapshot())


def _first_checked(canonical: CanonicalChain) -> int:
    """The first block whose content is there, and was made or verified here."""
    return max(canonical.first_own, canonical.horizon.number)


def block_problems(records: Records, number: int) -> Iterator[str]:
    """Inconsistencies within one canonical block."""
    try:
        yield from _block_problems(records, number)
    except (StorageError, RlpError) as error:
        yield f"block {number}: {error}"


def _block_problems(records: Records, number: int) -> Iterator[str]:
    block = records.block_by_number(number)
    receipts = None if block is None else records.receipts(block.hash)
    if block is None or receipts is None:
        yield f"block {number}: missing"
        return
    header = block.header
    parent = records.header_by_number(number - 1)
    withdrawals = block.withdrawals
    receipts_root, bloom = root_and_bloom(receipts)
    computed = {
        "number": (header.number, number),
        "parent hash": (header.parent_hash, header.parent_hash if parent is None else parent.hash),
        "transactions root": (header.transactions_root, trie.ordered_root([tx.encoded for tx in block.transactions])),
        "receipts root": (header.receipts_root, receipts_root),
        "logs bloom": (header.logs_bloom, bloom),
        "gas used": (header.gas_used, receipts[-1].cumulative_gas_used if receipts else header.gas_used),
        "withdrawals root": (
            header.withdrawals_root,
            None if withdrawals is None else trie.ordered_root([rlp.encode(item.to_item()) for item in withdrawals]),
        ),
    }
    for name, (have, want) in computed.items():
        if have != want:
            yield f"block {number}: {name} does not fit its content"
