"""The beginning of a block up to a transaction, for forks that begin in the midst of it (--fork-transaction-hash)."""

from typing import Any

from zevm.chain.types import Block, Header
from zevm.node.origin.blocks import BlockError, header_of
from zevm.node.origin.client import OriginClient
from zevm.node.origin.fork import Replayed
from zevm.node.origin.kept import Kept
from zevm.node.origin.source import whole_block
from zevm.storage import schema
from zevm.storage.errors import OriginError
from zevm.storage.primitives import Hash32

_REPLAYED = b"after"
"""The key of the block's hash among the kept records; no key of the schema has it."""


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
    block_hash = kept.record(_REPLAYED + wanted)
    header = None if block_hash is None else kept.record(schema.header_key(block_hash))
    body = None if block_hash is None else kept.record(schema.body_key(block_hash))
    return None if header is None or body is None else Block.decode_body(Header.decode(header), body)


def _asked(client: OriginClient, kept: Kept, parent: Header, wanted: bytes) -> Block:
    number = parent.number + 1
    try:
        header = header_of(client.call("eth_getBlockByNumber", hex(number), False), number=number)
        block = whole_block(client, header)
    except BlockError as error:
        raise OriginError(f"{client.name} answers block {number} wrongly: {error}") from None
    kept.put(
        records={
            _REPLAYED + wanted: header.hash,
            schema.header_key(header.hash): header.encode(),
            schema.body_key(header.hash): block.encode_body(),
        }
    )
    return block
