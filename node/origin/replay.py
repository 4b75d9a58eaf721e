"""The beginning of a block up to a transaction, for forks that begin in the midst of it (--fork-transaction-hash)."""

from typing import Any

from zevm.chain.types import Block, Header
from zevm.node.origin.blocks import BlockError, header_of, roots_of
from zevm.node.origin.client import OriginClient
from zevm.node.origin.fork import Replayed
from zevm.node.origin.kept import Kept
from zevm.node.origin.source import whole_block
from zevm.storage.errors import OriginError
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError

_HEADER, _BODY = b"after h", b"after b"
"""Beginnings of the keys of the block among the kept records; it is none of the chain's, and no key of the schema."""


def block_number_of(client: OriginClient, transaction_hash: str) -> str | None:
    """The number of a transaction's block, as a quantity; None where there is none. Raises OriginError."""
    answer = client.call("eth_getTransactionByHash", transaction_hash)
    number: Any = answer.get("blockNumber") if isinstance(answer, dict) else None
    return number if isinstance(number, str) else None


def replayed(client: OriginClient, kept: Kept, parent: Header, transaction_hash: str) -> Replayed:
    """The transactions of the block on `parent` up to one of them; its header is checked, and they against it.

    Raises OriginError.
    """
    wanted = Hash32(bytes.fromhex(transaction_hash[2:]))
    block = _kept(kept, wanted) or _asked(client, kept, parent, wanted)
    hashes = [transaction.hash for transaction in block.transactions]
    if block.header.parent_hash != parent.hash or wanted not in hashes:
        raise OriginError(f"{client.name} answers block {parent.number + 1} wrongly: {transaction_hash} is not in it")
    return Replayed(block.header, block.transactions[: hashes.index(wanted) + 1])


def _kept(kept: Kept, wanted: bytes) -> Block | None:
    header, body = kept.record(_HEADER + wanted), kept.record(_BODY + wanted)
    if header is None or body is None:
        return None
    try:
        block = Block.decode_body(Header.decode(header), body)
    except RlpError:
        return None
    return block if all(have == want for have, want in roots_of(block).values()) else None


def _asked(client: OriginClient, kept: Kept, parent: Header, wanted: bytes) -> Block:
    number = parent.number + 1
    try:
        header = header_of(client.call("eth_getBlockByNumber", hex(number), False), number=number)
        block = whole_block(client, header)
    except BlockError as error:
        raise OriginError(f"{client.name} answers block {number} wrongly: {error}") from None
    kept.put(records={_HEADER + wanted: header.encode(), _BODY + wanted: block.encode_body()})
    return block
