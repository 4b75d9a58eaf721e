"""State updates as bytes, for side blocks, and updates from reverse differences.

Nodes and code are left out: they lie in the store under their hashes already.
"""

from collections.abc import Iterator

from zevm.storage.account import decode_account
from zevm.storage.errors import CorruptionError
from zevm.storage.history import read_difference
from zevm.storage.primitives import Address, Hash32
from zevm.storage.rlp import Item, RlpError, decode, decode_int, encode, encode_int
from zevm.storage.schema import ACCOUNT, ADDRESS_SIZE, UNDO, Version, range_of, undo_key
from zevm.storage.state_update import StateUpdate
from zevm.storage.store import Reader

_ADDRESS_END = 1 + ADDRESS_SIZE


def encode_update(update: StateUpdate) -> bytes:
    """rlp([base root, root, [[address, account]], [[address, [[slot, value]]]], [wiped address]]), keys ascending.

    A deleted account is the empty string, a deleted slot the value 0.
    """
    accounts: list[Item] = [[address, record] for address, record in sorted(update.accounts.items())]
    storage: list[Item] = [
        [address, [[encode_int(slot), encode_int(value)] for slot, value in sorted(slots.items())]]
        for address, slots in sorted(update.storage.items())
    ]
    wiped: list[Item] = [*sorted(update.wiped)]
    return encode([update.base_root, update.root, accounts, storage, wiped])


def decode_update(data: bytes) -> StateUpdate:
    """The inverse of `encode_update`. Raises CorruptionError."""
    try:
        base_root, root, accounts, storage, wiped = _list(decode(data))
        return StateUpdate(
            base=Hash32(_string(base_root)),
            root=Hash32(_string(root)),
            accounts=dict(_account(item) for item in _list(accounts)),
            storage=dict(_slots(item) for item in _list(storage)),
            wiped=frozenset(_string(item) for item in _list(wiped)),
            nodes={},
            code={},
        )
    except (RlpError, ValueError) as error:
        raise CorruptionError(f"the state update of a side block is damaged: {error}") from error


def updates_after(reader: Reader, number: int) -> Iterator[tuple[Version, StateUpdate]]:
    """The update of each state after block `number`, newest first.

    The new values come from the flat state, led back step by step. Raises CorruptionError.
    """
    later: dict[bytes, bytes | None] = {}
    for key, record in reader.iterate(undo_key(Version(number + 1)), range_of(UNDO)[1], reverse=True):
        before, after, fields = read_difference(key, record)
        accounts: dict[Address, bytes] = {}
        storage: dict[Address, dict[int, int]] = {}
        for flat_key, old in zip(fields[::2], fields[1::2], strict=True):
            new = later[flat_key] if flat_key in later else reader.get(flat_key)
            address = Address(flat_key[1:_ADDRESS_END])
            if flat_key.startswith(ACCOUNT.prefix):
                accounts[address] = new or b""
            else:
                slot = int.from_bytes(flat_key[_ADDRESS_END:], "big")
                storage.setdefault(address, {})[slot] = int.from_bytes(new or b"", "big")
            later[flat_key] = old or None
        yield Version.decode(key[1:]), StateUpdate(before, after, accounts, storage, frozenset(), {}, {})


def _list(item: Item) -> list[Item]:
    if isinstance(item, bytes):
        raise RlpError("rlp: expected input list")
    return item


def _string(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise RlpError("rlp: expected input string or byte")
    return item


def _account(item: Item) -> tuple[Address, bytes]:
    address, encoded = _list(item)
    record = _string(encoded)
    if record:
        decode_account(record)
    return Address(_string(address)), record


def _slots(item: Item) -> tuple[Address, dict[int, int]]:
    address, pairs = _list(item)
    slots = {}
    for pair in _list(pairs):
        slot, value = _list(pair)
        slots[decode_int(slot)] = decode_int(value)
    return Address(_string(address)), slots
