"""The accesses that a state's observer hears of while the frames in Python run, for comparison with the core's."""

from zevm.chain.vm.execution_state import ExecutionState, StateObserver
from zevm.storage.primitives import Address


class Overhearing(StateObserver):
    """Passes everything on to an observer, and notes the accesses."""

    def __init__(self, observer: StateObserver) -> None:
        self._observer = observer
        self.hears_accesses = observer.hears_accesses
        self.addresses: set[Address] = set()
        self.slots: set[tuple[Address, int]] = set()

    def on_address_access(self, address: Address) -> None:
        """Note it, and pass it on, as the next one does."""
        self.addresses.add(address)
        self._observer.on_address_access(address)

    def on_slot_access(self, address: Address, slot: int) -> None:
        """A slot of the account."""
        self.slots.add((address, slot))
        self._observer.on_slot_access(address, slot)

    def on_log(self, place: int) -> None:
        """Pass it on, as the next one does."""
        self._observer.on_log(place)

    def on_transfer(self, state: ExecutionState, sender: Address, recipient: Address, amount: int) -> None:
        """Wei has moved."""
        self._observer.on_transfer(state, sender, recipient, amount)
