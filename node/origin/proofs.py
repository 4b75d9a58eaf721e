"""Accounts and slots out of eth_getProof answers (EIP-1186), each proved against a state root."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from zevm.node.origin.client import Call
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, decode_account
from zevm.storage.errors import CorruptionError, MissingNodeError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32, TrieKey
from zevm.storage.rlp import RlpError, decode, decode_int
from zevm.storage.state_update import hashed, slot_hash

MOST_PROOF_NODES = 65
"""A path of 64 digits has no more."""

_NODES = scalars.array_of(scalars.data)
_ACCOUNT_PROOF = "accountProof"
_OTHER_STATE = (
    "accountProof is of another state: of one changed since that block, if it is a development node's; such a node "
    "proves its state again after another block (evm_mine)"
)


class ProofError(Exception):
    """An answer that proves nothing; the message says what is wrong with it."""


class Proved(NamedTuple):
    """record: the account's RLP, None where the state has no such account. slots: value by slot.

    nodes: by hash, those of the tries that lead there.
    """

    record: bytes | None
    slots: dict[int, int]
    nodes: dict[bytes, bytes]


def proof_call(address: Address, slots: Sequence[int], number: int) -> Call:
    """The call for a proof of an account and some of its slots."""
    return Call("eth_getProof", (f"0x{address.hex()}", [f"0x{slot:064x}" for slot in slots], hex(number)))


def proved(answer: Any, root: Hash32, address: Address, slots: Sequence[int]) -> Proved:
    """The account and slots that an answer proves. Raises ProofError.

    Values that the answer states in the clear are not looked at: what the nodes under the root say is what counts.
    """
    if not isinstance(answer, dict):
        raise ProofError("no object")
    nodes: dict[bytes, bytes] = {}
    record = _value(nodes, root, hashed(address), answer.get(_ACCOUNT_PROOF), _ACCOUNT_PROOF)
    try:
        storage_root = EMPTY_ROOT if record is None else decode_account(record).storage_root
        values = {
            slot: _slot(nodes, storage_root, slot, proof)
            for slot, proof in zip(slots, _storage_proofs(answer, len(slots), storage_root), strict=True)
        }
    except (CorruptionError, RlpError) as error:
        raise ProofError(str(error)) from None
    return Proved(record, values, nodes)


def _storage_proofs(answer: dict[str, Any], count: int, storage_root: Hash32) -> list[Any]:
    if storage_root == EMPTY_ROOT:
        return [None] * count
    proofs = answer.get("storageProof")
    if not isinstance(proofs, list) or len(proofs) != count:
        raise ProofError(f"storageProof has not {count} items")
    return [item.get("proof") if isinstance(item, dict) else None for item in proofs]


def _slot(nodes: dict[bytes, bytes], storage_root: Hash32, slot: int, proof: Any) -> int:
    value = _value(nodes, storage_root, slot_hash(slot), proof, f"storageProof of slot 0x{slot:x}")
    return 0 if value is None else decode_int(decode(value))


def _value(nodes: dict[bytes, bytes], root: Hash32, key: TrieKey, proof: Any, name: str) -> bytes | None:
    """The value at a key; the nodes that lead there go into `nodes`."""
    if root == EMPTY_ROOT:
        return None
    try:
        given = _NODES(proof)
    except InvalidParamsError as error:
        raise ProofError(f"{name}: {error.message}") from None
    if len(given) > MOST_PROOF_NODES:
        raise ProofError(f"{name} has {len(given)} nodes")
    by_hash: dict[bytes, bytes] = {keccak256(raw): raw for raw in given}
    try:
        value, path = trie.get_with_proof(trie.by_hash(by_hash), root, key)
    except MissingNodeError as error:
        if given and error.node_hash == root and name == _ACCOUNT_PROOF:
            raise ProofError(_OTHER_STATE) from None
        raise ProofError(f"{name} has no node 0x{error.node_hash.hex()}, to which the state root leads") from None
    except CorruptionError as error:
        raise ProofError(f"{name}: {error}") from None
    nodes.update((keccak256(raw), raw) for raw in path)
    return value
