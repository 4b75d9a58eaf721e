"""How a client names a block: by number, hash or tag (EIP-1898 and the JSON-RPC tags)."""

from dataclasses import dataclass
from enum import Enum

from zevm.storage.primitives import Hash32


class BlockTag(Enum):
    """The tags of the Ethereum JSON-RPC specification."""

    LATEST = "latest"
    PENDING = "pending"
    EARLIEST = "earliest"
    SAFE = "safe"
    FINALIZED = "finalized"


LATEST_TAG, PENDING_TAG, EARLIEST_TAG, SAFE_TAG, FINALIZED_TAG = BlockTag
"""The tags by plain names: the look-up of an Enum's member takes a fifth of a microsecond, at each call."""


@dataclass(frozen=True, slots=True)
class BlockReference:
    """Exactly one of number, hash and tag is set.

    require_canonical: with a hash, whether the block must be on the canonical chain (EIP-1898).
    """

    number: int | None = None
    hash: Hash32 | None = None
    tag: BlockTag | None = None
    require_canonical: bool = False


LATEST = BlockReference(tag=BlockTag.LATEST)
PENDING = BlockReference(tag=BlockTag.PENDING)
EARLIEST = BlockReference(tag=BlockTag.EARLIEST)
