"""Blocks and withdrawals (Yellow Paper 4.4; EIP-4895)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from zevm.chain.types.header import Header
from zevm.chain.types.transaction import Transaction, size_in_body
from zevm.core import replaced_by
from zevm.core.records import quick_init
from zevm.storage import rlp
from zevm.storage.primitives import Address, Hash32

_FIRST_LIST = b"\xc0"
"""The lowest first byte of a list's encoding; types of transactions are below 0x80."""
_Encoded = TypeVar("_Encoded")
_Decoded = TypeVar("_Decoded")


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal from the beacon chain. The amount is in gwei, as the EIP has it."""

    index: int
    validator_index: int
    address: Address
    amount_gwei: int

    def to_item(self) -> "list[rlp.Item]":
        """[index, validator index, address, amount]. Raises RlpError for what `from_item` would refuse."""
        numbers = (self.index, self.validator_index, self.amount_gwei)
        _check_numbers(numbers)
        index, validator, amount = [rlp.encode_int(number) for number in numbers]
        return [index, validator, self.address, amount]

    @classmethod
    def from_item(cls, item: rlp.Item) -> "Withdrawal":
        """Parse an RLP-decoded withdrawal. Raises RlpError."""
        if not isinstance(item, list) or len(item) != 4:
            raise rlp.RlpError("rlp: a withdrawal is a list of 4 items")
        index, validator, address, amount = item
        if not isinstance(address, bytes) or len(address) != 20:
            raise rlp.RlpError("rlp: a withdrawal's address has 20 bytes")
        numbers = [rlp.decode_int(number) for number in (index, validator, amount)]
        _check_numbers(numbers)
        return cls(numbers[0], numbers[1], Address(address), numbers[2])


def _check_numbers(numbers: Sequence[int]) -> None:
    if max(numbers) >= 1 << 64:
        raise rlp.RlpError("rlp: input string too long for uint64 in a withdrawal")


@replaced_by("body_transactions")
def body_transactions(encoded: Sequence[bytes]) -> bytes:
    """The list of a block's transactions: legacy ones as they are, which are lists, and typed ones as strings."""
    return rlp.wrap_list(b"".join([item if item[:1] >= _FIRST_LIST else rlp.encode_bytes(item) for item in encoded]))


@quick_init
@dataclass(frozen=True, slots=True)
class Block:
    """A header and its body. `withdrawals` is None before Shanghai."""

    header: Header
    transactions: tuple[Transaction, ...] = ()
    uncles: tuple[Header, ...] = ()
    withdrawals: tuple[Withdrawal, ...] | None = None

    @property
    def hash(self) -> Hash32:
        """The header's hash."""
        return self.header.hash

    @property
    def number(self) -> int:
        """The header's number."""
        return self.header.number

    def encode_rest(self) -> bytes:
        """The rest of the body, after the transactions' list: the list of uncles, and that of withdrawals, if any."""
        uncles, withdrawals = self.uncles, self.withdrawals
        rest = rlp.wrap_list(b"".join([uncle.encode() for uncle in uncles])) if uncles else rlp.EMPTY_LIST
        if withdrawals is None:
            return rest
        if not withdrawals:
            return rest + rlp.EMPTY_LIST
        return rest + rlp.encode([withdrawal.to_item() for withdrawal in withdrawals])

    def _body_lists(self) -> bytes:
        return body_transactions([transaction.encoded for transaction in self.transactions]) + self.encode_rest()

    def encode_body(self) -> bytes:
        """rlp([transactions, uncles, withdrawals?]): what the ledger keeps under the block's hash."""
        return rlp.wrap_list(self._body_lists())

    def encode(self) -> bytes:
        """The block's RLP, as clients export and gossip it."""
        return rlp.wrap_list(self.header.encode() + self._body_lists())

    @property
    def size(self) -> int:
        """The number of bytes that `encode` makes, without making them."""
        parts = [
            len(self.header.encode()),
            rlp.wrapped_size(size_in_body(self.transactions)),
            rlp.wrapped_size(sum([len(uncle.encode()) for uncle in self.uncles])),
        ]
        if self.withdrawals is not None:
            parts.append(len(rlp.encode([withdrawal.to_item() for withdrawal in self.withdrawals])))
        return rlp.wrapped_size(sum(parts))

    @classmethod
    def decode(cls, data: bytes) -> "Block":
        """Parse a block's RLP. Raises RlpError, whose text ends with the part that does not fit."""
        (parts,) = _each("list", rlp.split_list, (data,))
        if not 3 <= len(parts) <= 4:
            raise rlp.RlpError(f"rlp: block has {len(parts)} parts, want 3 or 4")
        (header,) = _each("header", Header.decode, parts[:1])
        return cls._from_parts(header, parts[1:])

    @classmethod
    def decode_body(cls, header: Header, data: bytes) -> "Block":
        """Join a header with its stored body. Raises RlpError."""
        parts = rlp.split_list(data)
        if not 2 <= len(parts) <= 3:
            raise rlp.RlpError(f"rlp: body has {len(parts)} parts, want 2 or 3")
        return cls._from_parts(header, parts)

    @classmethod
    def _from_parts(cls, header: Header, parts: list[bytes]) -> "Block":
        (transactions,) = _each("transactions", rlp.split_list, parts[:1])
        (uncles,) = _each("uncles", rlp.split_list, parts[1:2])
        withdrawals = None
        if len(parts) == 3:
            (items,) = _each("withdrawals", rlp.decode_list, parts[2:])
            withdrawals = _each("withdrawal", Withdrawal.from_item, items)
        return cls(
            header,
            _each("transaction", Transaction.from_body_rlp, transactions),
            _each("uncle", Header.decode, uncles),
            withdrawals,
        )


def _each(part: str, decode: Callable[[_Encoded], _Decoded], items: Sequence[_Encoded]) -> tuple[_Decoded, ...]:
    """Decode the items. An RlpError says of which part of a block, and of the how manieth, where there are more."""
    decoded = []
    for index, item in enumerate(items):
        try:
            decoded.append(decode(item))
        except rlp.RlpError as error:
            where = part if len(items) == 1 else f"{part} {index}"
            raise rlp.RlpError(f"{error} in the block's {where}") from error
    return tuple(decoded)
