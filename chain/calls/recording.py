"""Recorder of a simulated block's logs, which numbers them and adds ether transfers as logs (ERC-7528)."""

from collections.abc import Sequence

from zevm.chain.types import Log
from zevm.chain.vm.execution_state import ExecutionState, StateObserver
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

ETHER_ADDRESS = Address(b"\xee" * 20)
"""The emitter of a transfer's log (ERC-7528)."""

TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")


class LogRecorder(StateObserver):
    """Counts every log of the block, those of frames that fail later too: that is how geth numbers them.

    numbers: place of a log in the running transaction -> its number in the block. made: logs so far. transfers: places
    of the logs that no contract emitted: they are shown to the caller, and are no part of a receipt.
    """

    def __init__(self, *, shows_transfers: bool) -> None:
        self.numbers: dict[int, int] = {}
        self.transfers: set[int] = set()
        self.made = 0
        self._shows_transfers = shows_transfers
        self.hears_live = shows_transfers

    def on_log(self, place: int) -> None:
        """Number it; a log that was undone leaves its place to the next one."""
        self.numbers[place] = self.made
        self.transfers.discard(place)
        self.made += 1

    def on_logs(self, ordinals: Sequence[int], made: int) -> None:
        """Number those that remain."""
        for place, ordinal in enumerate(ordinals):
            self.numbers[place] = self.made + ordinal
        self.made += made

    def on_transfer(self, state: ExecutionState, sender: Address, recipient: Address, amount: int) -> None:
        """Show it as a log where asked for."""
        if self._shows_transfers and amount:
            place = state.log_count()
            topics = (TRANSFER_TOPIC, sender.rjust(32, b"\0"), recipient.rjust(32, b"\0"))
            state.add_log(Log(ETHER_ADDRESS, topics, amount.to_bytes(32, "big")))
            self.transfers.add(place)
