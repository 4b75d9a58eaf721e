"""Transactions of all types: legacy, EIP-2930, EIP-1559, EIP-4844, EIP-7702.

One record serves every type; fields that a type lacks keep their defaults. A node-signed ("impersonated") transaction
has no valid signature: its `s` is 0 and its `r` the sender's address, or 2**160 for the zero address: both are 0 in an
unsigned transaction. No ECDSA signature is like that, so the hash stays unique and the sender is never guessed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

from zevm.chain.types.signatures import SECP256K1_HALF_ORDER, InvalidSignatureError, recover_address, recover_addresses
from zevm.core import replaced_by
from zevm.storage import rlp
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32

SET_CODE_MAGIC = b"\x05"
BLOB_GAS_PER_BLOB = 131_072
BLOB_BYTES = 131_072
"""4,096 field elements of 32 bytes (EIP-4844)."""
_ZERO_ADDRESS_R = 1 << 160
"""`r` of a transaction that the node sends for the zero address."""


class TransactionType(IntEnum):
    """The EIP-2718 type byte; LEGACY has none on the wire."""

    LEGACY = 0
    ACCESS_LIST = 1
    DYNAMIC_FEE = 2
    BLOB = 3
    SET_CODE = 4


_TYPES = tuple(TransactionType)


@dataclass(frozen=True, slots=True)
class AccessListEntry:
    """An address and the slots (32 bytes each) that a transaction declares (EIP-2930)."""

    address: Address
    storage_keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorization:
    """A signed delegation of an account's code (EIP-7702)."""

    chain_id: int
    address: Address
    nonce: int
    y_parity: int
    r: int
    s: int

    @property
    def authority(self) -> Address | None:
        """The account that signed, or None where the signature is void (EIP-7702 asks for a low s)."""
        if self.s > SECP256K1_HALF_ORDER:
            return None
        fields = [rlp.encode_int(self.chain_id), self.address, rlp.encode_int(self.nonce)]
        try:
            return recover_address(keccak256(SET_CODE_MAGIC + rlp.encode([*fields])), self.y_parity, self.r, self.s)
        except InvalidSignatureError:
            return None


@dataclass(frozen=True, slots=True)
class BlobSidecar:
    """Blobs with their commitments and proofs; version 0 has one proof a blob, version 1 128 (EIP-7594)."""

    version: int
    blobs: tuple[bytes, ...]
    commitments: tuple[bytes, ...]
    proofs: tuple[bytes, ...]


@dataclass(frozen=True)
class Transaction:
    """A signed transaction. Fees are wei per gas; `to` is None for a creation.

    For legacy and EIP-2930 transactions both fee fields hold the gas price.
    chain_id: None only for legacy transactions without replay protection.
    y_parity: 0 or 1, for legacy ones too (`v` gives the wire value).
    sidecar: only of a blob transaction in the pool; no part of the hash or of a block.
    """

    type: TransactionType = TransactionType.LEGACY
    chain_id: int | None = None
    nonce: int = 0
    max_priority_fee_per_gas: int = 0
    max_fee_per_gas: int = 0
    gas_limit: int = 0
    to: Address | None = None
    value: int = 0
    data: bytes = b""
    access_list: tuple[AccessListEntry, ...] = ()
    max_fee_per_blob_gas: int = 0
    blob_versioned_hashes: tuple[bytes, ...] = ()
    authorization_list: tuple[Authorization, ...] = ()
    y_parity: int = 0
    r: int = 0
    s: int = 0
    sidecar: BlobSidecar | None = field(default=None, compare=False, repr=False)

    @property
    def v(self) -> int:
        """The wire's v: EIP-155 or 27/28 for legacy transactions, the parity otherwise."""
        if self.type is not TransactionType.LEGACY:
            return self.y_parity
        return self.y_parity + (27 if self.chain_id is None else 35 + 2 * self.chain_id)

    @property
    def is_impersonated(self) -> bool:
        """Whether the node sent it for an account whose key it does not hold."""
        return self.s == 0 and 0 < self.r <= _ZERO_ADDRESS_R

    @cached_property
    def sender(self) -> Address:
        """The sender's 20-byte address. Raises InvalidSignatureError."""
        if self.is_impersonated:
            return Address((self.r % _ZERO_ADDRESS_R).to_bytes(20, "big"))
        return recover_address(self.signing_hash, self.y_parity, self.r, self.s)

    @cached_property
    def signing_hash(self) -> Hash32:
        """The digest that the sender signs."""
        is_legacy = self.type is TransactionType.LEGACY
        names_chain = is_legacy and self.chain_id is not None
        encoded: bytes | None = self.__dict__.get("encoded")
        if encoded is None:
            signed = rlp.encode_fields([*_unsigned_fields(self), *((self.chain_id, 0, 0) if names_chain else ())])
        else:
            # cut out of the whole
            start = 0 if is_legacy else 1
            prefix = encoded[start]
            start += 1 if prefix < 0xF8 else prefix - 0xF6
            payload = encoded[start : len(encoded) - len(_integers(self.v, self.r, self.s))]
            signed = rlp.wrap_list(payload + (_integers(self.chain_id or 0, 0, 0) if names_chain else b""))
        return keccak256(signed if is_legacy else bytes((self.type,)) + signed)

    @cached_property
    def encoded(self) -> bytes:
        """The EIP-2718 bytes: rlp for legacy, type byte and rlp otherwise; no sidecar."""
        wrapped = rlp.encode_fields([*_unsigned_fields(self), self.v, self.r, self.s])
        return wrapped if self.type is TransactionType.LEGACY else bytes((self.type,)) + wrapped

    @cached_property
    def hash(self) -> Hash32:
        """keccak256 of `encoded`."""
        return keccak256(self.encoded)

    @property
    def blob_gas(self) -> int:
        """The blob gas that the transaction buys."""
        return BLOB_GAS_PER_BLOB * len(self.blob_versioned_hashes)

    def to_body_rlp(self) -> bytes:
        """The item in a block's transaction list: legacy as a list, typed ones as a string."""
        return self.encoded if self.type is TransactionType.LEGACY else rlp.encode_bytes(self.encoded)

    def effective_gas_price(self, base_fee_per_gas: int | None) -> int:
        """The sender's price per gas: min(cap, base fee + tip); the cap before London."""
        if base_fee_per_gas is None:
            return self.max_fee_per_gas
        return min(self.max_fee_per_gas, base_fee_per_gas + self.max_priority_fee_per_gas)

    def with_signature(self, y_parity: int, r: int, s: int, *, sender: Address | None = None) -> "Transaction":
        """A copy carrying this signature. sender: whose it is, where that is known and need not be recovered."""
        signed = replace(self, y_parity=y_parity, r=r, s=s)
        if sender is not None:
            signed.__dict__["sender"] = sender
        return signed

    def impersonating(self, sender: Address) -> "Transaction":
        """A copy that the node sends for `sender` without a signature."""
        return replace(self, y_parity=0, r=int.from_bytes(sender, "big") or _ZERO_ADDRESS_R, s=0)

    def without_sidecar(self) -> "Transaction":
        """The transaction as a block holds it."""
        return self if self.sidecar is None else replace(self, sidecar=None)

    @classmethod
    def from_body_rlp(cls, item: bytes) -> "Transaction":
        """Parse an item of a block's transaction list. Raises RlpError."""
        if item and item[0] >= 0xC0:
            return cls.decode(item)
        inner = rlp.decode(item)
        assert isinstance(inner, bytes)
        if not inner or inner[0] >= 0xC0:
            raise rlp.RlpError("rlp: a legacy transaction stands in a block as a list")
        return cls.decode(inner)

    @classmethod
    def decode(cls, data: bytes) -> "Transaction":
        """Parse EIP-2718 bytes; a blob transaction may come in network form, with its sidecar.

        Raises RlpError with geth's texts: "typed transaction too short", "transaction type not
        supported", "rlp: ...".
        """
        return _decode(data)._keep_encoding(data)

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> "Transaction":
        """The transaction with the core's fields, all of them, and with its hashes where the core has them."""
        fields["type"] = _TYPES[fields["type"]]
        if entries := fields["access_list"]:
            fields["access_list"] = tuple(AccessListEntry(*entry) for entry in entries)
        if entries := fields["authorization_list"]:
            fields["authorization_list"] = tuple(Authorization(*entry) for entry in entries)
        transaction = cls.__new__(cls)
        transaction.__dict__.update(fields)
        return transaction

    def _keep_encoding(self, data: bytes) -> "Transaction":
        """Spare `encoded` the work: decoding accepts no other bytes for the same fields."""
        if self.sidecar is None:
            self.__dict__["encoded"] = data
        return self


def decode_in_python(data: bytes) -> Transaction:
    """As `Transaction.decode`, without the core."""
    if not data:
        raise rlp.RlpError("typed transaction too short")
    if data[0] >= 0xC0:
        return _decode_legacy(data)._keep_encoding(data)
    if data[0] not in _TYPED_DECODERS:
        raise rlp.RlpError("transaction type not supported")
    if len(data) <= 1:
        raise rlp.RlpError("typed transaction too short")
    return _TYPED_DECODERS[data[0]](data)._keep_encoding(data)


_decode = replaced_by("transaction_fields", result=Transaction._of)(decode_in_python)


def encode_network_form(transaction: Transaction) -> bytes:
    """The pooled form: as `encoded`, but a blob transaction carries its sidecar (EIP-4844, EIP-7594)."""
    sidecar = transaction.sidecar
    if sidecar is None:
        return transaction.encoded
    lists = [rlp.encode(list(part)) for part in (sidecar.blobs, sidecar.commitments, sidecar.proofs)]
    version = [] if sidecar.version == 0 else [rlp.encode_bytes(bytes((sidecar.version,)))]
    return b"\x03" + rlp.wrap_list(b"".join([transaction.encoded[1:], *version, *lists]))


def _integers(*numbers: int) -> bytes:
    return b"".join([rlp.encode_uint(number) for number in numbers])


def _unsigned_fields(tx: Transaction) -> tuple[rlp.Field, ...]:
    """The fields in the order of the transaction's type, without the signature."""
    target: tuple[rlp.Field, ...] = (tx.to or b"", tx.value, tx.data)
    if tx.type is TransactionType.LEGACY:
        return (tx.nonce, tx.max_fee_per_gas, tx.gas_limit, *target)
    chain_id = tx.chain_id or 0
    access_list = tuple([(entry.address, entry.storage_keys) for entry in tx.access_list])
    if tx.type is TransactionType.ACCESS_LIST:
        return (chain_id, tx.nonce, tx.max_fee_per_gas, tx.gas_limit, *target, access_list)
    fees = (chain_id, tx.nonce, tx.max_priority_fee_per_gas, tx.max_fee_per_gas, tx.gas_limit)
    if tx.type is TransactionType.BLOB:
        return (*fees, *target, access_list, tx.max_fee_per_blob_gas, tx.blob_versioned_hashes)
    if tx.type is TransactionType.SET_CODE:
        authorizations = tuple(
            [
                (entry.chain_id, entry.address, entry.nonce, entry.y_parity, entry.r, entry.s)
                for entry in tx.authorization_list
            ]
        )
        return (*fees, *target, access_list, authorizations)
    return (*fees, *target, access_list)


def _string(item: rlp.Item, size: int | None = None) -> bytes:
    if not isinstance(item, bytes):
        raise rlp.RlpError("rlp: expected input string or byte")
    if size is not None and len(item) != size:
        raise rlp.RlpError(f"rlp: input string has {len(item)} bytes, want {size}")
    return item


def _list(item: rlp.Item) -> list[rlp.Item]:
    if isinstance(item, bytes):
        raise rlp.RlpError("rlp: expected input list")
    return item


def _number(item: rlp.Item, bits: int = 256) -> int:
    value = rlp.decode_int(item)
    if value.bit_length() > bits:
        raise rlp.RlpError(f"rlp: input string too long for uint{bits}")
    return value


def _target(item: rlp.Item) -> Address | None:
    return None if item == b"" else Address(_string(item, 20))


def _access_list(item: rlp.Item) -> tuple[AccessListEntry, ...]:
    entries = []
    for raw in _list(item):
        pair = _list(raw)
        if len(pair) != 2:
            raise rlp.RlpError("rlp: an access list entry is [address, storage keys]")
        entries.append(
            AccessListEntry(Address(_string(pair[0], 20)), tuple(_string(key, 32) for key in _list(pair[1])))
        )
    return tuple(entries)


def _authorizations(item: rlp.Item) -> tuple[Authorization, ...]:
    entries = []
    for raw in _list(item):
        parts = _list(raw)
        if len(parts) != 6:
            raise rlp.RlpError("rlp: an authorization is a list of 6 items")
        chain_id, address, nonce, y_parity, r, s = parts
        entries.append(
            Authorization(
                _number(chain_id),
                Address(_string(address, 20)),
                _number(nonce, 64),
                _number(y_parity, 8),
                _number(r),
                _number(s),
            )
        )
    return tuple(entries)


def _expect(items: list[rlp.Item], count: int) -> None:
    if len(items) < count:
        raise rlp.RlpError("rlp: too few elements")
    if len(items) > count:
        raise rlp.RlpError("rlp: input list has too many elements")


def _decode_legacy(data: bytes) -> Transaction:
    items = rlp.decode_list(data)
    _expect(items, 9)
    nonce, gas_price, gas_limit, to, value, payload, v_item, r, s = items
    v = _number(v_item)
    if v in (27, 28):
        chain_id, y_parity = None, v - 27
    elif v >= 35:
        chain_id, y_parity = (v - 35) // 2, (v - 35) % 2
    else:
        raise rlp.RlpError("invalid transaction v, r, s values")
    price = _number(gas_price)
    return Transaction(
        type=TransactionType.LEGACY,
        chain_id=chain_id,
        nonce=_number(nonce, 64),
        max_priority_fee_per_gas=price,
        max_fee_per_gas=price,
        gas_limit=_number(gas_limit, 64),
        to=_target(to),
        value=_number(value),
        data=_string(payload),
        y_parity=y_parity,
        r=_number(r),
        s=_number(s),
    )


def _typed(kind: TransactionType, items: list[rlp.Item], fees: int) -> dict[str, object]:
    """The fields that types 1 to 4 share: chain id, nonce, `fees` fee fields, gas, to, value, data, access list."""
    caps = [_number(item) for item in items[2 : 2 + fees]]
    gas_limit, to, value, data, access_list = items[2 + fees : 7 + fees]
    y_parity, r, s = items[-3:]
    return {
        "type": kind,
        "chain_id": _number(items[0]),
        "nonce": _number(items[1], 64),
        "max_priority_fee_per_gas": caps[0],
        "max_fee_per_gas": caps[-1],
        "gas_limit": _number(gas_limit, 64),
        "to": _target(to),
        "value": _number(value),
        "data": _string(data),
        "access_list": _access_list(access_list),
        "y_parity": _number(y_parity, 8),
        "r": _number(r),
        "s": _number(s),
    }


def _decode_access_list_transaction(data: bytes) -> Transaction:
    items = rlp.decode_list(data[1:])
    _expect(items, 11)
    return Transaction(**_typed(TransactionType.ACCESS_LIST, items, 1))  # type: ignore[arg-type]


def _decode_dynamic_fee(data: bytes) -> Transaction:
    items = rlp.decode_list(data[1:])
    _expect(items, 12)
    return Transaction(**_typed(TransactionType.DYNAMIC_FEE, items, 2))  # type: ignore[arg-type]


def _blob_fields(items: list[rlp.Item], sidecar: BlobSidecar | None) -> Transaction:
    _expect(items, 14)
    hashes = tuple(_string(item, 32) for item in _list(items[10]))
    shared = _typed(TransactionType.BLOB, items, 2)
    if shared["to"] is None:
        raise rlp.RlpError("rlp: input string too short for common.Address, decoding into (types.BlobTx).To")
    return Transaction(
        **shared,  # type: ignore[arg-type]
        max_fee_per_blob_gas=_number(items[9]),
        blob_versioned_hashes=hashes,
        sidecar=sidecar,
    )


def _decode_blob(data: bytes) -> Transaction:
    items = rlp.decode_list(data[1:])
    if not items or isinstance(items[0], bytes):
        return _blob_fields(items, None)
    version, lists = 0, items[1:]
    if lists and isinstance(lists[0], bytes):
        version, lists = _number(lists[0], 8), lists[1:]
        if version != 1:
            raise rlp.RlpError(f"unsupported blob sidecar version {version}, want 1")
    if len(lists) != 3:
        raise rlp.RlpError("rlp: too few elements for blob transaction sidecar")
    blobs, commitments, proofs = [_list(part) for part in lists]
    sidecar = BlobSidecar(
        version,
        tuple(_string(item, BLOB_BYTES) for item in blobs),
        tuple(_string(item, 48) for item in commitments),
        tuple(_string(item, 48) for item in proofs),
    )
    return _blob_fields(items[0], sidecar)


def _decode_set_code(data: bytes) -> Transaction:
    items = rlp.decode_list(data[1:])
    _expect(items, 13)
    shared = _typed(TransactionType.SET_CODE, items, 2)
    if shared["to"] is None:
        raise rlp.RlpError("rlp: input string too short for common.Address, decoding into (types.SetCodeTx).To")
    return Transaction(**shared, authorization_list=_authorizations(items[9]))  # type: ignore[arg-type]


_TYPED_DECODERS: dict[int, Callable[[bytes], Transaction]] = {
    TransactionType.ACCESS_LIST: _decode_access_list_transaction,
    TransactionType.DYNAMIC_FEE: _decode_dynamic_fee,
    TransactionType.BLOB: _decode_blob,
    TransactionType.SET_CODE: _decode_set_code,
}


def recover_senders(transactions: Iterable[Transaction]) -> None:
    """Recover the senders that are not known yet, together. `sender` raises of a signature that no key fits."""
    unknown = [item for item in transactions if "sender" not in item.__dict__ and not item.is_impersonated]
    addresses = recover_addresses([(item.signing_hash, item.y_parity, item.r, item.s) for item in unknown])
    for transaction, address in zip(unknown, addresses, strict=True):
        if address is not None:
            transaction.__dict__["sender"] = address


def size_in_body(transactions: Iterable[Transaction]) -> int:
    """The number of bytes that transactions take in a block's body, without the list's header."""
    legacy, wrapped_size = TransactionType.LEGACY, rlp.wrapped_size
    total = 0
    for transaction in transactions:
        size = len(transaction.encoded)
        total += size if transaction.type is legacy else wrapped_size(size)
    return total
