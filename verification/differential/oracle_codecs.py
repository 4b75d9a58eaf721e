"""The specification's codecs for oracle.py: RLP, tries, transactions and headers.

{"codec": "rlp", "data": hex}                        -> {"items": nested lists of hex, "encoded": hex}
{"codec": "trie", "entries": {hex: hex}, "secured"}  -> {"root": hex}
{"codec": "transaction", "data": hex, "chainId": n}  -> {"hash": hex, "sender": hex, or null for a void signature}
{"codec": "header", "fork": "osaka", "data": hex}    -> {"hash": hex}
What the specification refuses is answered {"refused": text}.
"""

from importlib import import_module
from typing import Any

from ethereum.crypto.hash import keccak256
from ethereum.exceptions import EthereumException
from ethereum.forks.osaka import transactions
from ethereum.forks.osaka.trie import Trie, root, trie_set
from ethereum_rlp import rlp
from ethereum_rlp.exceptions import RLPException
from ethereum_types.bytes import Bytes
from ethereum_types.numeric import U64


def answer_codec(question: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question about a codec."""
    try:
        return _CODECS[question["codec"]](question)
    except (RLPException, EthereumException, IndexError) as error:  # IndexError: of bytes that end too early
        return {"refused": f"{type(error).__name__}: {error}"}


def _nested(item: Any) -> Any:
    return item.hex() if isinstance(item, bytes) else [_nested(part) for part in item]


def _rlp(question: dict[str, Any]) -> dict[str, Any]:
    items = rlp.decode(Bytes.fromhex(question["data"]))
    return {"items": _nested(items), "encoded": rlp.encode(items).hex()}


def _trie(question: dict[str, Any]) -> dict[str, Any]:
    trie = Trie(secured=question["secured"], default=b"")
    for key, value in question["entries"].items():
        trie_set(trie, Bytes.fromhex(key), Bytes.fromhex(value))
    return {"root": root(trie).hex()}


def _transaction(question: dict[str, Any]) -> dict[str, Any]:
    data = Bytes.fromhex(question["data"])
    if data[:1] >= b"\xc0":
        transaction = rlp.decode_to(transactions.LegacyTransaction, data)
    else:
        transaction = transactions.decode_transaction(data)
    digest = transactions.get_transaction_hash(transactions.encode_transaction(transaction))
    try:
        sender = transactions.recover_sender(U64(question["chainId"]), transaction).hex()
    except EthereumException:
        sender = None
    return {"hash": digest.hex(), "sender": sender}


def _header(question: dict[str, Any]) -> dict[str, Any]:
    blocks = import_module(f"ethereum.forks.{question['fork']}.blocks")
    header = rlp.decode_to(blocks.Header, Bytes.fromhex(question["data"]))
    return {"hash": keccak256(rlp.encode(header)).hex()}


_CODECS = {"rlp": _rlp, "trie": _trie, "transaction": _transaction, "header": _header}
