"""Blocks and receipts of the origin, out of eth_ answers, checked against their hashes and roots."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zevm.chain.types import Block, Header, Receipt, Transaction
from zevm.chain.types.receipt import logs_bloom, root_and_bloom
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.vm.calls import contract_address
from zevm.rpc.codec import foreign_blocks, objects, scalars
from zevm.rpc.codec.foreign_blocks import BlobPrice
from zevm.rpc.errors import InvalidParamsError
from zevm.storage import rlp, trie
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address


class BlockError(Exception):
    """An answer that is not the block that it should be; the message says what does not fit."""


def header_of(answer: Any, *, number: int | None = None, block_hash: bytes | None = None) -> Header:
    """The header in a block's answer, of this number or hash. Raises BlockError."""
    try:
        header = foreign_blocks.header(answer)
        stated = scalars.hash32(answer.get("hash"))
        header.check_range()
    except (InvalidParamsError, rlp.RlpError, TypeError) as error:
        raise BlockError(f"no header: {getattr(error, 'message', error)}") from None
    if header.hash != stated:
        raise BlockError(f"its header has the hash 0x{header.hash.hex()}, not 0x{stated.hex()} as it says")
    if block_hash is not None and header.hash != block_hash:
        raise BlockError(f"it is block 0x{header.hash.hex()}")
    if number is not None and header.number != number:
        raise BlockError(f"it is block {header.number}")
    return header


def block_of(answer: Any, header: Header, uncles: Sequence[Any], *, checks_roots: bool = True) -> Block:
    """The block with this header, out of an answer with whole transactions and its uncles'. Raises BlockError.

    checks_roots: otherwise they are believed to belong to it.
    """
    try:
        transactions = tuple(map(foreign_blocks.transaction, _objects(answer.get("transactions"))))
        items = answer.get("withdrawals") if header.withdrawals_root is not None else None
        withdrawals = None if header.withdrawals_root is None else tuple(map(objects.withdrawal, _objects(items)))
        block = Block(header, transactions, tuple(map(foreign_blocks.header, uncles)), withdrawals)
        roots = roots_of(block)
    except (InvalidParamsError, rlp.RlpError, ValueError, OverflowError) as error:
        raise BlockError(f"no block: {getattr(error, 'message', error)}") from None
    for name, (have, want) in roots.items():
        if checks_roots and have != want:
            raise BlockError(f"its {name} have not the root that its header has")
    return block


def roots_of(block: Block) -> dict[str, tuple[bytes | None, bytes | None]]:
    """The roots of a block's parts, as they are and as its header has them, by name."""
    header = block.header
    return {
        "transactions": (trie.ordered_root([item.encoded for item in block.transactions]), header.transactions_root),
        "uncles": (keccak256(rlp.wrap_list(b"".join(u.encode() for u in block.uncles))), header.uncles_hash),
        "withdrawals": (_withdrawals_root(block), header.withdrawals_root),
    }


def _withdrawals_root(block: Block) -> bytes | None:
    if block.withdrawals is None:
        return None
    return trie.ordered_root([rlp.encode(item.to_item()) for item in block.withdrawals])


def receipts_of(answer: Any, block: Block, blob_price: BlobPrice, *, checks_root: bool = True) -> tuple[Receipt, ...]:
    """The receipts of a block out of an answer. checks_root: otherwise they are believed. Raises BlockError."""
    try:
        items = _objects(answer)
        if len(items) != len(block.transactions):
            raise BlockError(f"{len(items)} receipts for {len(block.transactions)} transactions")
        stated = [_receipt(item, tx) for item, tx in zip(items, block.transactions, strict=True)]
        receipts = tuple(foreign_blocks.completed(block, stated, blob_price))
        root = root_and_bloom(receipts)[0]
    except (InvalidParamsError, rlp.RlpError, ValueError, OverflowError) as error:
        raise BlockError(f"no receipts: {getattr(error, 'message', error)}") from None
    if checks_root and root != block.header.receipts_root:
        raise BlockError("its receipts have not the root that its header has")
    return receipts


def _receipt(item: dict[str, Any], transaction: Transaction) -> Receipt:
    """The values that the root commits to, and the sender, by the signature."""
    logs = tuple(map(foreign_blocks.log, _objects(item.get("logs"))))
    sender = _sender(item, transaction)
    receipt = Receipt(
        type=transaction.type,
        status=scalars.number(item["status"]) if item.get("status") is not None else None,
        cumulative_gas_used=scalars.number(item.get("cumulativeGasUsed")),
        logs=logs,
        bloom=logs_bloom(logs),
        sender=sender,
        gas_used=0,
        effective_gas_price=0,
        contract_address=None if transaction.to is not None else contract_address(sender, transaction.nonce),
    )
    return receipt if receipt.status is not None else replace(receipt, post_state=scalars.hash32(item.get("root")))


def _sender(item: dict[str, Any], transaction: Transaction) -> Address:
    try:
        return transaction.sender
    except InvalidSignatureError:
        # a development node's transaction for an account without a key
        return Address(scalars.address(item.get("from")))


def _objects(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scalars.array_of(scalars.json_object)([] if value is None else value)
    return found
