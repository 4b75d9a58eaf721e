"""eth_getProof: Merkle proofs of an account and of its storage (EIP-1186)."""

from binascii import hexlify, unhexlify
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing.encoded import Encoded, enclosed
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.support.kinds import kind_of_proof
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.account import EMPTY_ACCOUNT
from zevm.storage.primitives import Address
from zevm.storage.state_proofs import AccountProof, SlotProof

_KEY_BYTES = 32
_NO_HASH = bytes(32)


def _key(value: object) -> tuple[int, int]:
    """A storage key and its original length in bytes. Raises InvalidParamsError with geth's text."""
    if type(value) is str and len(value) == 2 + 2 * _KEY_BYTES and value[:2] == "0x":
        try:
            return int.from_bytes(unhexlify(value[2:]), "big"), _KEY_BYTES
        except ValueError:
            pass  # what is wrong is told below
    text = scalars.string(value)
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    digits = digits.rjust(len(digits) + len(digits) % 2, "0")
    if len(digits) > 2 * _KEY_BYTES:
        raise InvalidParamsError(f'storage key too long (want at most 32 bytes): "{text}"')
    if not scalars.HEX_DIGITS.match(digits):
        raise InvalidParamsError(f'invalid hex in storage key: "{text}"')
    return int(digits or "0", 16), len(digits) // 2


@method(
    "eth_getProof",
    cost=Cost.EXECUTION,
    kind=kind_of_proof,
    params=(
        Param("address", scalars.address),
        Param("keys", scalars.array_of(scalars.anything), summary="storage slots; shorter keys are echoed unchanged"),
        Param("block", scalars.block_reference, default=LATEST),
    ),
    result="{address, balance, nonce, codeHash, storageHash, accountProof, storageProof}",
)
def get_proof(
    services: Services, address: Address, keys: list[Any], block: BlockReference, *, deadline: Deadline
) -> Encoded:
    """Proofs of presence or absence of an account and its slots in a block's state."""
    limit = services.limits.proof_keys
    if len(keys) > limit:
        raise InvalidParamsError(f"too many storage keys requested (max {limit}, got {len(keys)})")
    slots = [_key(key) for key in keys]
    proof = services.chain.prove_account(block, address, [slot for slot, _ in slots], deadline)
    deadline.check()
    return _encode(address, proof, [size for _, size in slots])


def _encode(address: Address, proof: AccountProof, sizes: list[int]) -> Encoded:
    """geth shows the hashes of an absent account as zeros."""
    exists, account = proof.account is not None, proof.account or EMPTY_ACCOUNT
    head = (
        b'{"address":"0x%b","accountProof":%b,"balance":"0x%x","codeHash":"0x%b","nonce":"0x%x","storageHash":"0x%b",'
        b'"storageProof":['
    ) % (
        hexlify(address),
        _nodes(proof.proof),
        account.balance,
        hexlify(account.code_hash if exists else _NO_HASH),
        account.nonce,
        hexlify(account.storage_root if exists else _NO_HASH),
    )
    slots = zip(proof.slots, sizes, strict=True)
    return Encoded(enclosed(head, ((_slot(slot, size),) for slot, size in slots), b"]}"))


def _slot(slot: SlotProof, size: int) -> bytes:
    key = b"%064x" % slot.slot if size == _KEY_BYTES else b"%x" % slot.slot
    return b'{"key":"0x%b","value":"0x%x","proof":%b}' % (key, slot.value, _nodes(slot.proof))


def _nodes(proof: list[bytes]) -> bytes:
    return b'["0x%b"]' % b'","0x'.join([hexlify(node) for node in proof]) if proof else b"[]"
