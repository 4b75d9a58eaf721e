"""Logs, receipts and their bloom filter (Yellow Paper 4.4.1; EIP-658, EIP-2718)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from zevm.core import replaced_by
from zevm.core.records import quick_init
from zevm.storage import rlp, trie
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32


@quick_init
@dataclass(frozen=True, slots=True)
class Log:
    """One log entry: the 20-byte emitter, up to four 32-byte topics, data."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes

    def to_rlp(self) -> bytes:
        """[address, [topic ...], data]."""
        topics = rlp.wrap_list(b"".join(map(rlp.encode_bytes, self.topics)))
        return rlp.wrap_list(rlp.encode_bytes(self.address) + topics + rlp.encode_bytes(self.data))


@lru_cache(maxsize=16_384)
def _bloom_bits(item: bytes) -> int:
    digest = keccak256(item)
    bits = 0
    for offset in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[offset : offset + 2], "big") & 2047)
    return bits


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """The 256-byte bloom of the addresses and topics of `logs`."""
    return bloom_of([item for log in logs for item in (log.address, *log.topics)])


@replaced_by("bloom")
def bloom_of(items: Sequence[bytes]) -> bytes:
    """The 256-byte bloom of addresses and topics."""
    bits = 0
    for item in items:
        bits |= _bloom_bits(item)
    return bits.to_bytes(256, "big")


def merge_blooms(blooms: Iterable[bytes]) -> bytes:
    """The union of blooms: a block's from its receipts'."""
    bits = 0
    for bloom in blooms:
        bits |= int.from_bytes(bloom, "big")
    return bits.to_bytes(256, "big")


@quick_init
@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt with what its RLP leaves out but every reader asks for.

    status: 1 or 0; None before Byzantium, where `post_state` holds the 32-byte root.
    sender: recorded at execution, so that no read recovers a signature.
    gas_used: of this transaction alone; `cumulative_gas_used` is in the RLP.
    effective_gas_price, blob_gas_price: wei per gas. contract_address: of a creating transaction.
    """

    type: int
    status: int | None
    cumulative_gas_used: int
    logs: tuple[Log, ...]
    bloom: bytes
    sender: Address
    gas_used: int
    effective_gas_price: int
    contract_address: Address | None = None
    blob_gas_used: int | None = None
    blob_gas_price: int | None = None
    post_state: bytes | None = None

    def encode(self) -> bytes:
        """The consensus encoding that the receipts root commits to: [type ||] rlp([status, gas, bloom, logs])."""
        outcome = self.post_state if self.status is None else rlp.encode_int(self.status)
        assert outcome is not None
        payload = rlp.wrap_list(
            rlp.encode_bytes(outcome)
            + rlp.encode_uint(self.cumulative_gas_used)
            + rlp.encode_bytes(self.bloom)
            + rlp.wrap_list(b"".join([log.to_rlp() for log in self.logs]))
        )
        return payload if self.type == 0 else bytes((self.type,)) + payload

    def encode_stored(self) -> bytes:
        """The stored form: everything but the bloom, which follows from the logs."""
        optional = (self.contract_address, self.blob_gas_used, self.blob_gas_price, self.post_state, self.status)
        return rlp.wrap_list(
            rlp.encode_uint(self.type)
            + rlp.encode_uint(self.cumulative_gas_used)
            + rlp.wrap_list(b"".join([log.to_rlp() for log in self.logs]))
            + rlp.encode_bytes(self.sender)
            + rlp.encode_uint(self.gas_used)
            + rlp.encode_uint(self.effective_gas_price)
            + b"".join(map(_optional_rlp, optional))
        )

    @classmethod
    def decode_stored(cls, item: rlp.Item) -> "Receipt":
        """The inverse of `encode_stored`, of an already RLP-decoded item. Raises RlpError."""
        if not isinstance(item, list) or len(item) != 11:
            raise rlp.RlpError("rlp: a stored receipt is a list of 11 items")
        kind, cumulative, raw_logs, sender, gas_used, price, *optional = item
        contract, blob_used, blob_price, post_state, status = [_optional(value) for value in optional]
        if isinstance(raw_logs, bytes) or not isinstance(sender, bytes):
            raise rlp.RlpError("rlp: a stored receipt's logs are a list, its sender a string")
        logs = tuple(_decode_log(raw) for raw in raw_logs)
        return cls(
            type=rlp.decode_int(kind),
            status=None if status is None else rlp.decode_int(status),
            cumulative_gas_used=rlp.decode_int(cumulative),
            logs=logs,
            bloom=logs_bloom(logs),
            sender=Address(sender),
            gas_used=rlp.decode_int(gas_used),
            effective_gas_price=rlp.decode_int(price),
            contract_address=None if contract is None else Address(contract),
            blob_gas_used=None if blob_used is None else rlp.decode_int(blob_used),
            blob_gas_price=None if blob_price is None else rlp.decode_int(blob_price),
            post_state=post_state,
        )


class EncodedReceipt(NamedTuple):
    """A receipt as far as a block's header has it: its consensus encoding, and its bloom and logs."""

    encoded: bytes
    bloom: bytes
    logs: tuple[Log, ...]

    def encode(self) -> bytes:
        """As Receipt.encode."""
        return self.encoded


@replaced_by("stored_receipts")
def encode_receipts(receipts: Sequence[Receipt]) -> bytes:
    """The RLP list of a block's receipts as the ledger keeps them."""
    return rlp.wrap_list(b"".join([receipt.encode_stored() for receipt in receipts]))


@replaced_by("receipts_summary")
def root_and_bloom(receipts: Sequence[Receipt | EncodedReceipt]) -> tuple[Hash32, bytes]:
    """The root of the trie of a block's receipts, and the union of their blooms: what its header has of them."""
    root = trie.ordered_root([receipt.encode() for receipt in receipts])
    return root, merge_blooms(receipt.bloom for receipt in receipts)


def _optional_rlp(value: bytes | int | None) -> bytes:
    """A list of one, or of none: no value has none of its bytes."""
    if value is None:
        return rlp.EMPTY_LIST
    return rlp.wrap_list(rlp.encode_bytes(value) if isinstance(value, bytes) else rlp.encode_uint(value))


def _optional(item: rlp.Item) -> bytes | None:
    if not isinstance(item, list) or len(item) > 1:
        raise rlp.RlpError("rlp: an optional receipt field is a list of none or one")
    if not item:
        return None
    value = item[0]
    if not isinstance(value, bytes):
        raise rlp.RlpError("rlp: expected input string or byte")
    return value


def _decode_log(item: rlp.Item) -> Log:
    if not isinstance(item, list) or len(item) != 3 or not isinstance(item[1], list):
        raise rlp.RlpError("rlp: a log is [address, topics, data]")
    address, topics, data = item
    if not isinstance(address, bytes) or not isinstance(data, bytes):
        raise rlp.RlpError("rlp: expected input string or byte")
    return Log(Address(address), tuple(topic for topic in topics if isinstance(topic, bytes)), data)
