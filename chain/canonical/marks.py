"""Places in the chain that the database names: a consensus client's checkpoints, adopted blocks, the end of a pruned
history.
"""

from dataclasses import dataclass
from typing import NamedTuple

from zevm.chain.errors import PrunedHistoryError, StatesNotKeptError
from zevm.storage.database import Database
from zevm.storage.schema import MetaName, decode_number


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


class Horizon:
    """The end of the history that a pruned chain keeps. Any thread reads it.

    number: of the first block whose body and receipts are kept, and the state before and after it; 0 where nothing was
    pruned. It moves before the batch that removes what lies below is written. So a reader takes its snapshot of the
    database first, and looks here then.
    """

    __slots__ = ("number",)

    def __init__(self, number: int = 0) -> None:
        self.number = number

    @classmethod
    def of(cls, database: Database) -> "Horizon":
        """That of the chain in a database."""
        data = database.ledger.meta(MetaName.PRUNED)
        return cls(0 if data is None else decode_number(data))

    def refuse(self, number: int) -> None:
        """Raise PrunedHistoryError for a block whose content may be gone."""
        if number < self.number:
            raise PrunedHistoryError

    def refuse_state(self, number: int) -> None:
        """Raise PrunedHistoryError for a block the state after which may be gone."""
        self.refuse(number + 1)

    def refuse_going_back(self, number: int) -> None:
        """Raise StatesNotKeptError where block `number` cannot become the head any more."""
        if number < self.number:
            raise StatesNotKeptError(
                f"cannot go back to block {number}: the states of blocks before {self.number} were pruned"
            )
