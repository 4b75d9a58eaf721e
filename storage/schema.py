"""Every key of the database: one table of prefixes and one function per kind of key.

    key        = prefix ‖ body                      prefix is one byte
    HEADER     'h' ‖ block hash (32)              -> RLP header, short (short_headers.py); the whole one has the hash
    BODY       'b' ‖ block hash (32)              -> RLP body
    RECEIPTS   'r' ‖ block hash (32)              -> RLP list of stored receipts
    CANONICAL  'n' ‖ number (8)                   -> block hash (32)
    NUMBER     'H' ‖ block hash (32)              -> number (8), of canonical blocks
    POSITION   't' ‖ transaction hash (32)        -> number (8) ‖ index (4), of canonical transactions
    LOG        'l' ‖ log key (8) ‖ number (8)     -> empty: the block has a log with that address or topic
    META       'm' ‖ name (any bytes)             -> see MetaName
    POOLED     'p' ‖ transaction hash (32)        -> any
    NODE       'N' ‖ node hash (32)               -> trie node; keccak256(value) == node hash (if every trie is kept)
    CODE       'c' ‖ code hash (32)               -> contract code; keccak256(value) == code hash
    ACCOUNT    'a' ‖ address (20)                 -> account of the latest state
    SLOT       's' ‖ address (20) ‖ slot (32)     -> slot of the latest state
    UNDO       'd' ‖ number (8) ‖ patch (4)       -> reverse state diff; patch 0 is the block's own
    OVERRIDE   'o' ‖ number (8)                   -> working state root (32) of a block whose state was patched
    SIDE       'S' ‖ number (8) ‖ block hash (32) -> state update of a block that is kept but not canonical
    PREIMAGE   'k' ‖ trie key's start ‖ plain key -> empty: the trie key is keccak256 of an address or a slot
    HISTORY    'i' ‖ flat key ‖ number ‖ patch    -> offset (4) of the old value in that reverse state diff
    STATE_NODE 'A' ‖ path                         -> node of the state trie, as of the last time nodes were written
    SLOT_NODE  'B' ‖ trie key ‖ path              -> node of an account's storage trie, likewise

A flat key is one of ACCOUNT or SLOT; a path is hexadecimal digits in ASCII; a trie key of SLOT_NODE is an account's.
Numbers are unsigned and big-endian, so that keys of a family sort by number.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from zevm.storage.primitives import Address, TrieKey

SCHEMA_VERSION = 5
"""Raised by every change of this table that an older program would misread."""

OLDEST_OPENED_VERSION = 2
"""Databases since this version are opened as they are, and are of the present one from then on.

Version 2 kept a PREIMAGE as 'k' ‖ trie key -> plain key, and version 3 the whole HEADER; what they wrote stays so.
Version 4 knew no PRUNED.
"""


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of key: its name in reports, its prefix, and the size in bytes of a whole key (None: any)."""

    name: str
    prefix: bytes
    key_size: int | None


HEADER = Family("headers", b"h", 33)
BODY = Family("bodies", b"b", 33)
RECEIPTS = Family("receipts", b"r", 33)
CANONICAL = Family("canonical hashes", b"n", 9)
NUMBER = Family("block numbers", b"H", 33)
POSITION = Family("transaction positions", b"t", 33)
LOG = Family("log index", b"l", 17)
META = Family("meta", b"m", None)
POOLED = Family("pooled transactions", b"p", 33)
NODE = Family("trie nodes", b"N", 33)
CODE = Family("code", b"c", 33)
ACCOUNT = Family("accounts", b"a", 21)
SLOT = Family("slots", b"s", 53)
UNDO = Family("reverse state diffs", b"d", 13)
HISTORY = Family("history index", b"i", None)
STATE_NODE = Family("state trie", b"A", None)
SLOT_NODE = Family("storage tries", b"B", None)
OVERRIDE = Family("state root overrides", b"o", 9)
SIDE = Family("side blocks", b"S", 41)
PREIMAGE = Family("preimages", b"k", None)

FAMILIES = (
    HEADER, BODY, RECEIPTS, CANONICAL, NUMBER, POSITION, LOG, META, POOLED, NODE, CODE, ACCOUNT, SLOT, UNDO, OVERRIDE,
    SIDE, PREIMAGE, HISTORY, STATE_NODE, SLOT_NODE,
)  # fmt: skip


class MetaName(Enum):
    """The names in META, and what stands under each.

    HEAD             number (8) ‖ hash (32) of the newest block
    GENESIS          the genesis as JSON
    STATE_VERSION    number (8) ‖ patch (4): which block and patch the latest state is of
    STATE_ROOT       root (32) that the latest state amounts to; absent while that is empty
    NODES            number (8) ‖ patch (4) ‖ root (32) of the state whose trie nodes lie under their paths
    PREIMAGES_ROOT   root (32) of the latest state of which no preimage is missing; absent while that is empty
    CHECKPOINTS      the blocks that a consensus client called safe and finalized
    ADOPTED          number (8) of the newest block from a state file ‖ number (8) of the first block before it
    PRUNED           number (8) of the first block with its body, receipts and the difference to the state before it,
                     apart from the chain's first block, whose body and receipts stay; absent while all have them
    INSTANCE_ID      32 bytes by which tools tell chains apart
    SEQUENCE         number (8) of the newest batch
    SYNCED           number (8) of the last synced batch when the newest one behind an unsynced one was written
    MIGRATED         key of the newest reverse state diff that a migration under way has indexed, or "dropping" while
                     nodes under their hashes go
    REPLICA_HIGHEST  number (8) of the newest block that a follower had when its leader took blocks back
    COVENANT         empty: the state is a Covenant VM's, which has no chain

    Three more kinds have names of their own: "blobs/" ‖ transaction hash (32) -> a blob transaction as sent, blobs too,
    "owners/" ‖ address (20) -> address (20) that a Covenant VM's contract was deployed by, and
    "detached/" ‖ address (20) ‖ number (8) ‖ patch (4) -> empty: a fork emptied the account's storage then.
    """

    HEAD = b"head"
    GENESIS = b"genesis"
    STATE_VERSION = b"state-version"
    STATE_ROOT = b"state root"
    NODES = b"nodes"
    PREIMAGES_ROOT = b"preimages root"
    CHECKPOINTS = b"checkpoints"
    ADOPTED = b"adopted"
    PRUNED = b"pruned"
    INSTANCE_ID = b"instance-id"
    SEQUENCE = b"sequence"
    SYNCED = b"synced"
    MIGRATED = b"migrated"
    REPLICA_HIGHEST = b"replica-highest"
    COVENANT = b"covenant"


_BLOBS = b"blobs/"
_OWNERS = b"owners/"
_DETACHED = b"detached/"

NUMBER_SIZE = 8
MAX_NUMBER = 2**64 - 1
PATCH_SIZE = 4
INDEX_SIZE = 4
VERSION_SIZE = NUMBER_SIZE + PATCH_SIZE
HASH_SIZE = 32
ADDRESS_SIZE = 20
LOG_KEY_SIZE = 8

LAST_PATCH = 2 ** (8 * PATCH_SIZE) - 1
"""A patch index that no block reaches: "with all its patches"."""

PREIMAGE_START_SIZE = 6
"""Enough of a hash for a look-up to meet hardly any other one; the plain key behind it decides."""


class Version(NamedTuple):
    """A state in the chain's history: after a block and a number of development patches."""

    number: int
    patch: int = 0

    def encode(self) -> bytes:
        """12 bytes: number, patch."""
        return self.number.to_bytes(NUMBER_SIZE, "big") + self.patch.to_bytes(PATCH_SIZE, "big")

    @classmethod
    def decode(cls, data: bytes) -> "Version":
        """The inverse of `encode`."""
        return cls(int.from_bytes(data[:NUMBER_SIZE], "big"), int.from_bytes(data[NUMBER_SIZE:], "big"))


LAST_VERSION = Version(MAX_NUMBER, LAST_PATCH)
"""Later than every version."""


def end_of(prefix: bytes) -> bytes:
    """The first key after all keys that begin with `prefix`: the `stop` of a range over it.

    An empty result would mean "no end"; prefixes of all 0xff bytes are refused with ValueError.
    """
    stem = prefix.rstrip(b"\xff")
    if not stem:
        raise ValueError("a prefix of 0xff bytes alone has no end")
    return stem[:-1] + bytes((stem[-1] + 1,))


def range_of(family: Family) -> tuple[bytes, bytes]:
    """Start and stop of a whole family."""
    return family.prefix, end_of(family.prefix)


def encode_number(number: int) -> bytes:
    """A block number as it stands in keys and values: 8 bytes, big-endian."""
    return number.to_bytes(NUMBER_SIZE, "big")


def decode_number(data: bytes) -> int:
    """The block number of its 8 bytes."""
    return int.from_bytes(data, "big")


def header_key(block_hash: bytes) -> bytes:
    """Key of a header."""
    return HEADER.prefix + block_hash


def body_key(block_hash: bytes) -> bytes:
    """Key of a body."""
    return BODY.prefix + block_hash


def receipts_key(block_hash: bytes) -> bytes:
    """Key of a block's receipts."""
    return RECEIPTS.prefix + block_hash


def canonical_key(number: int) -> bytes:
    """Key of the canonical hash at a number."""
    return CANONICAL.prefix + number.to_bytes(NUMBER_SIZE, "big")


def number_key(block_hash: bytes) -> bytes:
    """Key of a canonical block's number."""
    return NUMBER.prefix + block_hash


def position_key(transaction_hash: bytes) -> bytes:
    """Key of a transaction's place in the chain."""
    return POSITION.prefix + transaction_hash


def log_posting_key(log_key: bytes, number: int) -> bytes:
    """Key that says: block `number` has a log with this address or topic."""
    return LOG.prefix + log_key + number.to_bytes(NUMBER_SIZE, "big")


def meta_key(name: MetaName) -> bytes:
    """Key of a named value."""
    return META.prefix + name.value


def blobs_key(transaction_hash: bytes) -> bytes:
    """Key of a mined blob transaction with its blobs."""
    return META.prefix + _BLOBS + transaction_hash


def owner_key(address: bytes) -> bytes:
    """Key of the address that deployed a Covenant VM's contract."""
    return META.prefix + _OWNERS + address


def detached_key(address: bytes, version: Version) -> bytes:
    """Key that says: in this version a fork emptied the storage of an account of its origin."""
    return META.prefix + _DETACHED + address + version.encode()


def detached_range(address: bytes, upto: Version | None = None) -> tuple[bytes, bytes]:
    """Start and stop of those keys of an account (b"": of all), up to a version."""
    prefix = META.prefix + _DETACHED + address
    return prefix, end_of(prefix) if upto is None else detached_key(address, upto) + b"\x00"


def pooled_key(transaction_hash: bytes) -> bytes:
    """Key of a transaction that waits in the pool."""
    return POOLED.prefix + transaction_hash


def node_key(node_hash: bytes) -> bytes:
    """Key of a trie node."""
    return NODE.prefix + node_hash


def code_key(code_hash: bytes) -> bytes:
    """Key of contract code."""
    return CODE.prefix + code_hash


def account_key(address: bytes) -> bytes:
    """Key of an account of the latest state."""
    return ACCOUNT.prefix + address


def address_in(flat_key: bytes) -> Address:
    """The address in the key of an account or slot."""
    return Address(flat_key[1 : 1 + ADDRESS_SIZE])


def slot_in(flat_key: bytes) -> int:
    """The slot in the key of one."""
    return int.from_bytes(flat_key[1 + ADDRESS_SIZE :], "big")


def slots_prefix(address: bytes) -> bytes:
    """Prefix of all slots of an account in the latest state."""
    return SLOT.prefix + address


def slot_key(address: bytes, slot: int) -> bytes:
    """Key of a slot of the latest state."""
    return SLOT.prefix + address + slot.to_bytes(32, "big")


def undo_key(version: Version) -> bytes:
    """Key of the reverse state diff that leads back from a version."""
    return UNDO.prefix + version.encode()


def history_key(flat_key: bytes, version: Version) -> bytes:
    """Key that says: this account or slot changed in that version."""
    return HISTORY.prefix + flat_key + version.encode()


def path_key(owner: TrieKey, path: str) -> bytes:
    """Key of the node at a path of the state trie (`owner` empty), or of the storage trie of a key of that."""
    return SLOT_NODE.prefix + owner + path.encode() if owner else STATE_NODE.prefix + path.encode()


def override_key(number: int) -> bytes:
    """Key of the working state root of a block whose state was patched after it was sealed."""
    return OVERRIDE.prefix + number.to_bytes(NUMBER_SIZE, "big")


def side_key(number: int, block_hash: bytes) -> bytes:
    """Key of the state update of a block that is not canonical."""
    return SIDE.prefix + number.to_bytes(NUMBER_SIZE, "big") + block_hash


def preimage_key(trie_key: TrieKey, plain_key: bytes) -> bytes:
    """Key that says: this address or slot is the preimage of a key of a state's tries."""
    return PREIMAGE.prefix + trie_key[:PREIMAGE_START_SIZE] + plain_key


def preimage_range(trie_key: TrieKey) -> tuple[bytes, bytes]:
    """Start and stop of the keys among which a trie key's is, in either form."""
    start = PREIMAGE.prefix + trie_key[:PREIMAGE_START_SIZE]
    return start, end_of(start)
