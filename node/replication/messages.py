"""The messages of `zvm-sync/1`: one RLP list each, in a frame of length and kind.

frame = u32 big-endian length of what follows | u8 kind | RLP list. The follower asks, the leader answers, one answer to
each request; nothing comes unasked. A stream begins with HELLO (a session) or CALL (one forwarded request).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from zevm.node.replication.lineage import MOST_LEADERS, NODE_BYTES
from zevm.storage import rlp
from zevm.storage.account import AccountChange, StateDiff
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32, Wei

VERSION = 1
HASHES_AT_ONCE = 64
"""Heights that one LOCATE asks for."""

_EMPTY = b"\x80"
_LATER_FIELDS = 16
_LEAST_ACCOUNT_BYTES = 22
_LEAST_STORAGE_BYTES = 23
_LEAST_SLOT_BYTES = 3
_LEAST_ENTRY_BYTES = 3
_MOST_RULES = 64


class Kind(IntEnum):
    """The first byte of a frame's content."""

    HELLO = 1
    WELCOME = 2
    WANT = 3
    BATCH = 4
    LOCATE = 5
    HASHES = 6
    CALL = 7
    RESULT = 8
    REFUSAL = 9


class MessageError(ValueError):
    """Bytes of the other side are no message of the protocol."""


@dataclass(frozen=True, slots=True)
class Position:
    """A state of a chain: after a block, and the changes outside of blocks that followed it. root: of that state."""

    number: int
    block_hash: Hash32
    root: Hash32


@dataclass(frozen=True, slots=True)
class Hello:
    """The begin of a session. genesis_hash: of the encoded genesis; None asks for the leader's."""

    genesis_hash: bytes | None
    client: str
    version: int = VERSION

    def encode(self) -> bytes:
        """rlp([version, genesis hash or empty, client])."""
        return rlp.encode([rlp.encode_int(self.version), self.genesis_hash or b"", self.client.encode()])

    @classmethod
    def decode(cls, data: bytes) -> "Hello":
        """Raises MessageError."""
        # a later version may have more fields
        version, genesis_hash, client = _fields(data, 3, at_least=True)
        return cls(_hash_or_none(genesis_hash), _text(client), _number(version))


@dataclass(frozen=True, slots=True)
class Welcome:
    """The leader's answer to HELLO. genesis: its JSON, empty unless asked for. rules: name -> value, as text.

    path: the leader's lineage; empty for a leader of a version that does not send it.
    """

    genesis_hash: bytes
    genesis: bytes
    rules: dict[str, str]
    client: str
    head: int
    path: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """rlp([version, genesis hash, genesis, [[name, value]], client, head, [node]])."""
        rules: list[rlp.Item] = [[name.encode(), value.encode()] for name, value in self.rules.items()]
        counts = [rlp.encode_int(count) for count in (VERSION, self.head)]
        path: list[rlp.Item] = list(self.path)
        fields: list[rlp.Item] = [
            counts[0],
            self.genesis_hash,
            self.genesis,
            rules,
            self.client.encode(),
            counts[1],
            path,
        ]
        return rlp.encode(fields)

    @classmethod
    def decode(cls, data: bytes) -> "Welcome":
        """Raises MessageError."""
        _, genesis_hash, genesis, rules, client, head, *path = _fields(data, 6, at_least=True, later=1)
        pairs = [_fields(pair, 2) for pair in _split(rules, most_items=_MOST_RULES)]
        named = {_text(name): _text(value) for name, value in pairs}
        nodes = [_of_size(node, NODE_BYTES) for node in _split(path[0], most_items=MOST_LEADERS)] if path else []
        return cls(_hash(genesis_hash), _bytes(genesis), named, _text(client), _number(head), tuple(nodes))


@dataclass(frozen=True, slots=True)
class Want:
    """The request for what follows a position.

    synced: the newest block that the follower's disk has, synced. most_entries: as many as it takes at once.
    """

    position: Position
    synced: int
    most_entries: int

    def encode(self) -> bytes:
        """rlp([number, hash, root, synced, most entries])."""
        place = self.position
        counts = [rlp.encode_int(count) for count in (self.synced, self.most_entries)]
        return rlp.encode([rlp.encode_int(place.number), place.block_hash, place.root, *counts])

    @classmethod
    def decode(cls, data: bytes) -> "Want":
        """Raises MessageError."""
        number, block_hash, root, synced, most = _fields(data, 5)
        place = Position(_number(number), block_hash=_hash(block_hash), root=_hash(root))
        return cls(place, _number(synced), _number(most))


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of the latest state outside of blocks. root: of the state that it leads to."""

    root: Hash32
    diff: StateDiff

    def encode(self) -> bytes:
        """rlp([root, [[address] or [address, nonce, balance, code hash]], [[address, [[slot, value]]]], [code]])."""
        accounts: list[rlp.Item] = [_account_item(*item) for item in sorted(self.diff.accounts.items())]
        storage: list[rlp.Item] = [
            [address, [[rlp.encode_int(slot), rlp.encode_int(value)] for slot, value in sorted(slots.items())]]
            for address, slots in sorted(self.diff.storage.items())
        ]
        code: list[rlp.Item] = [self.diff.code[key] for key in sorted(self.diff.code)]
        return rlp.encode([self.root, accounts, storage, code])

    @classmethod
    def decode(cls, data: bytes) -> "Patch":
        """Raises MessageError."""
        root, accounts, storage, code = _fields(data, 4)
        changes = dict(map(_account_change, _split(accounts, least_bytes=_LEAST_ACCOUNT_BYTES)))
        codes = [_bytes(item) for item in _split(code, most_items=len(changes))]
        diff = StateDiff(
            accounts=changes,
            storage=dict(map(_slots, _split(storage, least_bytes=_LEAST_STORAGE_BYTES))),
            code={keccak256(item): item for item in codes},
        )
        if diff.storage.keys() - diff.accounts.keys():
            raise MessageError("a change of storage names no change of its account")
        return cls(_hash(root), diff)


def patch_root(data: bytes) -> Hash32:
    """The root that an encoded patch leads to. Raises MessageError."""
    return _hash(_fields(data, 4)[0])


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of a chain. block: its RLP, empty for the block before. patch: encoded, empty if there is none."""

    block: bytes
    patch: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.block) + len(self.patch)


@dataclass(frozen=True, slots=True)
class Batch:
    """The leader's answer to WANT.

    entries: what follows the position, none where nothing has come within a heartbeat. unknown: what the leader does
    not have of the position: nothing, its state, or its block.
    """

    head: int
    entries: tuple[Entry, ...] = ()
    unknown: str = ""

    def encode(self) -> bytes:
        """rlp([head, unknown, [[block, patch]]])."""
        entries: list[rlp.Item] = [[entry.block, entry.patch] for entry in self.entries]
        return rlp.encode([rlp.encode_int(self.head), self.unknown.encode(), entries])

    @classmethod
    def decode(cls, data: bytes, most_entries: int) -> "Batch":
        """Raises MessageError, also for more entries."""
        head, unknown, entries = _fields(data, 3)
        items = _split(entries, least_bytes=_LEAST_ENTRY_BYTES, most_items=most_entries)
        parts = [_fields(item, 2) for item in items]
        return cls(_number(head), tuple(Entry(_bytes(block), _bytes(patch)) for block, patch in parts), _text(unknown))


UNKNOWN_BLOCK, UNKNOWN_STATE = "block", "state"


def encode_locate(heights: Sequence[int]) -> bytes:
    """rlp([height]): the heights whose hashes are asked for."""
    return rlp.encode([rlp.encode_int(height) for height in heights])


def decode_locate(data: bytes) -> list[int]:
    """Raises MessageError."""
    return [_number(item) for item in _split(data, most_items=HASHES_AT_ONCE)]


def encode_hashes(hashes: Sequence[bytes | None]) -> bytes:
    """rlp([hash or empty])."""
    return rlp.encode([block_hash or b"" for block_hash in hashes])


def decode_hashes(data: bytes, count: int) -> list[bytes]:
    """The hashes, b"" where there is no block. Raises MessageError."""
    return [_hash_or_none(item) or b"" for item in _fields(data, count)]


def encode_result(answer: bytes, head: int, head_hash: bytes) -> bytes:
    """rlp([JSON, head, its hash]): the answer to a call, and the leader's head after it."""
    return rlp.encode([answer, rlp.encode_int(head), head_hash])


def decode_result(data: bytes) -> tuple[bytes, int, bytes]:
    """Raises MessageError."""
    answer, head, head_hash = _fields(data, 3)
    return _bytes(answer), _number(head), _hash(head_hash)


def encode_text(text: str) -> bytes:
    """rlp([text])."""
    return rlp.encode([text.encode()])


def decode_text(data: bytes) -> str:
    """Raises MessageError."""
    (text,) = _fields(data, 1)
    return _text(text)


def _account_item(address: Address, change: AccountChange | None) -> rlp.Item:
    if change is None:
        return [address]
    return [address, rlp.encode_int(change.nonce), rlp.encode_int(change.balance), change.code_hash]


def _account_change(item: bytes) -> tuple[Address, AccountChange | None]:
    if len(item) == _LEAST_ACCOUNT_BYTES:
        return _address(_fields(item, 1)[0]), None
    address, nonce, balance, code_hash = _fields(item, 4)
    change = AccountChange(_number(nonce), Wei(_number(balance, 256)), _hash(code_hash))
    return _address(address), change


def _slots(item: bytes) -> tuple[Address, dict[int, int]]:
    address, pairs = _fields(item, 2)
    decoded = [_fields(pair, 2) for pair in _split(pairs, least_bytes=_LEAST_SLOT_BYTES)]
    return _address(address), {_number(slot, 256): _number(value, 256) for slot, value in decoded}


def _fields(data: bytes, count: int, *, at_least: bool = False, later: int = 0) -> list[bytes]:
    """The still encoded items of a message. at_least: a later version may have more, of which `later` are known."""
    items = _split(data, most_items=count + _LATER_FIELDS if at_least else count)
    if len(items) < count:
        raise MessageError(f"a list has {len(items)} items, want {count}")
    return items[: count + later]


def _split(data: bytes, *, least_bytes: int = 1, most_items: int | None = None) -> list[bytes]:
    try:
        return rlp.split_list(data, least_bytes=least_bytes, most_items=most_items)
    except rlp.RlpError as error:
        raise MessageError(str(error)) from None


def _bytes(item: bytes) -> bytes:
    try:
        decoded = rlp.decode(item, max_depth=0)
    except rlp.RlpError as error:
        raise MessageError(str(error)) from None
    assert isinstance(decoded, bytes)
    return decoded


def _of_size(item: bytes, size: int) -> bytes:
    data = _bytes(item)
    if len(data) != size:
        raise MessageError(f"a string has {len(data)} bytes, want {size}")
    return data


def _hash(item: bytes) -> Hash32:
    return Hash32(_of_size(item, 32))


def _hash_or_none(item: bytes) -> Hash32 | None:
    return None if item == _EMPTY else _hash(item)


def _address(item: bytes) -> Address:
    return Address(_of_size(item, 20))


def _number(item: bytes, bits: int = 64) -> int:
    data = _bytes(item)
    if len(data) > bits // 8 or data[:1] == b"\x00":
        raise MessageError(f"a number has {len(data)} bytes, want the fewest that hold it, at most {bits // 8}")
    return int.from_bytes(data, "big")


def _text(item: bytes) -> str:
    try:
        return _bytes(item).decode()
    except UnicodeDecodeError:
        raise MessageError("a text is not UTF-8") from None
