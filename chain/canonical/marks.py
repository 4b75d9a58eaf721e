"""Places in the chain that the database names: a consensus client's checkpoints, and adopted blocks."""

from dataclasses import dataclass
from typing import NamedTuple

from zevm.chain.errors import StatesNotKeptError
from zevm.storage.database import Database
from zevm.storage.schema import MetaName


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Hashes of the blocks that a consensus client called safe and finalized; None where it has named none."""

    safe: bytes | None = None
    finalized: bytes | None = None

    def encode(self) -> bytes:
        """64 bytes; zeros for None."""
        return (self.safe or bytes(32)) + (self.finalized or bytes(32))

    @classmethod
    def decode(cls, data: bytes) -> "Checkpoints":
        """The inverse of `encode`."""
        safe, finalized = [part if any(part) else None for part in (data[:32], data[32:])]
        return cls(safe, finalized)


class Adopted(NamedTuple):
    """Blocks that came from a state file, whose own states are not kept.

    last: the newest of them, -1 where there are none. first: what the chain's own first block was before.
    """

    last: int = -1
    first: int = 0

    def encode(self) -> bytes:
        """16 bytes."""
        return self.last.to_bytes(8, "big") + self.first.to_bytes(8, "big")

    @classmethod
    def of(cls, database: Database) -> "Adopted":
        """Those of the chain that a database holds."""
        return cls.decode(database.ledger.meta(MetaName.ADOPTED))

    def refuse_before(self, number: int) -> None:
        """Raise InvalidRequestError where going back to block `number` would need a state that is not kept."""
        if number < self.last:
            raise StatesNotKeptError(
                f"cannot go back to block {number}: blocks up to {self.last} came from a state file, "
                "and their states are not kept"
            )

    @classmethod
    def decode(cls, data: bytes | None) -> "Adopted":
        """The inverse of `encode`."""
        return cls() if data is None else cls(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big"))
