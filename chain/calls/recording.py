"""A state that numbers the logs of a simulated block, and shows transfers of ether as logs among them (ERC-7528)."""

from zevm.chain.types import Log
from zevm.chain.vm.block_state import BlockState
from zevm.storage.account import StateReader
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

ETHER_ADDRESS = Address(b"\xee" * 20)
"""The emitter of a transfer's log (ERC-7528)."""

TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")


class TransferLog(Log):
    """A log that no contract emitted: it is shown to the caller, and is no part of a receipt."""

    __slots__ = ()


class RecordingState(BlockState):
    """Counts every log of the block, those of frames that fail later too: that is how geth numbers them.

    emitted: logs so far. numbers: place of a log in the running transaction -> its number in the block.
    """

    __slots__ = ("_shows_transfers", "emitted", "numbers")

    def __init__(self, reader: StateReader, *, shows_transfers: bool) -> None:
        self.emitted = 0
        self.numbers: dict[int, int] = {}
        self._shows_transfers = shows_transfers
        super().__init__(reader)

    def add_log(self, log: Log) -> None:
        """Append a log entry of the running transaction; a log that was undone leaves its place to the next one."""
        self.numbers[len(self.logs)] = self.emitted
        self.emitted += 1
        super().add_log(log)

    def transfer(self, sender: Address, recipient: Address, amount: int) -> None:
        """Move wei, and show it as a log where asked for."""
        super().transfer(sender, recipient, amount)
        if self._shows_transfers and amount:
            topics = (TRANSFER_TOPIC, sender.rjust(32, b"\0"), recipient.rjust(32, b"\0"))
            self.add_log(TransferLog(ETHER_ADDRESS, topics, amount.to_bytes(32, "big")))
