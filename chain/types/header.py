"""The block header of every fork (Yellow Paper 4.4; EIP-1559, 4895, 4844, 4788, 7685)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from zevm.chain.types.receipt import EncodedReceipt, Receipt, root_and_bloom
from zevm.core import replaced_by
from zevm.core.records import quick_init
from zevm.storage import rlp, trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

EMPTY_UNCLES_HASH = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
"""keccak256(rlp([])): the uncles hash of a block without uncles."""

EMPTY_BLOOM = bytes(256)

MAX_EXTRA_DATA_BYTES = 32


HeaderParts = tuple["type[Header]", Sequence[str], Sequence[int], Sequence[Any]]
"""The first arguments of `sealed_header`."""


@quick_init
@dataclass(frozen=True, slots=True)
class Header:
    """A header. The optional tail is None before the fork that introduced each field.

    Hashes are 32 bytes, `coinbase` 20, `nonce` 8, `logs_bloom` 256; gas and fees are integers in gas and wei.
    """

    parent_hash: Hash32
    uncles_hash: bytes = EMPTY_UNCLES_HASH
    coinbase: Address = ZERO_ADDRESS
    state_root: Hash32 = EMPTY_ROOT
    transactions_root: Hash32 = EMPTY_ROOT
    receipts_root: Hash32 = EMPTY_ROOT
    logs_bloom: bytes = EMPTY_BLOOM
    difficulty: int = 0
    number: int = 0
    gas_limit: int = 0
    gas_used: int = 0
    timestamp: int = 0
    extra_data: bytes = b""
    mix_hash: bytes = bytes(32)
    nonce: bytes = bytes(8)
    base_fee_per_gas: int | None = None
    withdrawals_root: Hash32 | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    parent_beacon_block_root: bytes | None = None
    requests_hash: bytes | None = None
    _hash: Hash32 | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def hash(self) -> Hash32:
        """keccak256 of the header's RLP, computed once."""
        if self._hash is None:
            self.encode_and_hash()
        assert self._hash is not None
        return self._hash

    def encode_and_hash(self) -> bytes:
        """As `encode`; keeps the hash on the way, for a writer that needs both."""
        encoded = self.encode()
        if self._hash is None:
            object.__setattr__(self, "_hash", keccak256(encoded))
        return encoded

    def encode(self) -> bytes:
        """The header's RLP, as far as its fork has fields.

        A header of elsewhere may lack a field before one that it has: that is the empty string, as in alloy.
        """
        return rlp.encode_fields(_values_of(self))

    def check_range(self) -> None:
        """Raise rlp.RlpError, naming the field, for a header that `decode` would refuse."""
        values = _values_of(self)
        if rlp.fields_fit(values, _LIMITS):
            return
        for name, value in zip(_FIELD_NAMES, values, strict=True):
            if isinstance(value, int):
                _check_bits(name, value)
            elif value is not None:
                _check_size(name, value)

    @classmethod
    def decode(cls, data: bytes, *, gaps: bool = False) -> "Header":
        """Parse a header's RLP. Raises rlp.RlpError naming the field that does not fit.

        gaps: take the empty string for a hash that is absent, see `encode`; no block of the network has it.
        """
        items = rlp.decode_list(data)
        if not 15 <= len(items) <= len(_FIELD_NAMES):
            raise rlp.RlpError(f"rlp: header has {len(items)} fields, want 15 to {len(_FIELD_NAMES)}")
        named = zip(_FIELD_NAMES, items, strict=False)
        header = cls(
            *[None if gaps and item == b"" and name in _LATER_HASHES else _field(name, item) for name, item in named]  # type: ignore[arg-type]
        )
        object.__setattr__(header, "_hash", keccak256(data))
        return header

    def with_changes(self, **changes: object) -> "Header":
        """A copy with some fields replaced; its hash is computed again."""
        values = [*_values_of(self)]
        for name, value in changes.items():
            values[_PLACES[name]] = value
        return Header(*values)

    def parts(
        self,
        *,
        transactions_root: Hash32 | None,
        gas_used: int,
        withdrawals_root: Hash32 | None,
        blob_gas_used: int | None,
        requests_hash: bytes | None,
    ) -> HeaderParts:
        """The parts of a finished block's header, whose state root is still to come: see `sealed_header`.

        transactions_root: None where it is not known yet.
        """
        values = [*_values_of(self)]
        values[_TRANSACTIONS_ROOT] = transactions_root
        values[_GAS_USED] = gas_used
        values[_WITHDRAWALS_ROOT] = withdrawals_root
        values[_BLOB_GAS_USED] = blob_gas_used
        values[_REQUESTS_HASH] = requests_hash
        return Header, _ATTRIBUTES, _LIMITS, values


_FIELD_NAMES = tuple(item.name for item in fields(Header) if item.init)
_values_of = attrgetter(*_FIELD_NAMES)
_PLACES = {name: place for place, name in enumerate(_FIELD_NAMES)}
_ATTRIBUTES = (*_FIELD_NAMES, "_hash")
_STATE_ROOT = _PLACES["state_root"]
_TRANSACTIONS_ROOT = _PLACES["transactions_root"]
_RECEIPTS_ROOT = _PLACES["receipts_root"]
_LOGS_BLOOM = _PLACES["logs_bloom"]
_GAS_USED = _PLACES["gas_used"]
_WITHDRAWALS_ROOT = _PLACES["withdrawals_root"]
_BLOB_GAS_USED = _PLACES["blob_gas_used"]
_REQUESTS_HASH = _PLACES["requests_hash"]
_SIZES = {
    "parent_hash": 32,
    "uncles_hash": 32,
    "coinbase": 20,
    "state_root": 32,
    "transactions_root": 32,
    "receipts_root": 32,
    "logs_bloom": 256,
    "mix_hash": 32,
    "nonce": 8,
    "withdrawals_root": 32,
    "parent_beacon_block_root": 32,
    "requests_hash": 32,
}


_LATER_HASHES = {"withdrawals_root", "parent_beacon_block_root", "requests_hash"}
_UINT64_FIELDS = {"number", "gas_limit", "gas_used", "timestamp", "blob_gas_used", "excess_blob_gas"}
"""Integers that geth keeps, or checks, in 64 bits; difficulty and base fee have 256."""
_LIMITS = tuple(
    _SIZES.get(name, 0 if name == "extra_data" else -64 if name in _UINT64_FIELDS else -256) for name in _FIELD_NAMES
)
"""By field, as rlp.fields_fit takes them."""


def with_state_root(values: Sequence[Any], root: Hash32) -> list[Any]:
    """The values of a header's parts, with another state root."""
    named = [*values]
    named[_STATE_ROOT] = root
    return named


@replaced_by("sealed_header")
def sealed_header(
    header_class: type[Header],
    names: Sequence[str],  # noqa: ARG001
    sizes: Sequence[int],  # noqa: ARG001
    values: Sequence[Any],
    transactions: Sequence[bytes],
    receipts: Sequence[Receipt | EncodedReceipt],
) -> tuple[Header, bytes]:
    """A header of these values, but for the receipts' root and bloom, and its RLP.

    names, sizes: of the values, for the core. transactions: for their root, where its value is None. Raises RlpError.
    """
    named = [*values]
    if named[_TRANSACTIONS_ROOT] is None:
        named[_TRANSACTIONS_ROOT] = trie.ordered_root(transactions)
    named[_RECEIPTS_ROOT], named[_LOGS_BLOOM] = root_and_bloom(receipts)
    header = header_class(*named)
    header.check_range()
    return header, header.encode_and_hash()


def _number(name: str, item: rlp.Item) -> int:
    try:
        number = rlp.decode_int(item)
    except rlp.RlpError as error:
        raise rlp.RlpError(f"{error} for header field {name}") from error
    _check_bits(name, number)
    return number


def _check_bits(name: str, number: int) -> None:
    bits = 64 if name in _UINT64_FIELDS else 256
    if number.bit_length() > bits:
        raise rlp.RlpError(f"rlp: input string too long for uint{bits}, header field {name}")


def _check_size(name: str, value: bytes) -> None:
    size = _SIZES.get(name)
    if size is not None and len(value) != size:
        raise rlp.RlpError(f"rlp: header field {name} has {len(value)} bytes, want {size}")


def _field(name: str, item: rlp.Item) -> bytes | int:
    size = _SIZES.get(name)
    if size is None and name != "extra_data":
        return _number(name, item)
    if not isinstance(item, bytes):
        raise rlp.RlpError(f"rlp: expected input string or byte for header field {name}")
    _check_size(name, item)
    return item
