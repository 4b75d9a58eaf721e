"""A BlockState seen as a StateReader."""

from typing import Protocol

from zevm.chain.vm.execution_state import Fields
from zevm.storage.account import Account, StateReader
from zevm.storage.primitives import ZERO_HASH, Address, Hash32, Wei

UNSETTLED_ROOT = ZERO_HASH
"""The storage root that an overlay shows for an account whose slots it changed: not empty, not yet known."""


class Overlay(Protocol):
    """The part of a BlockState that a reader of it asks."""

    def account_fields(self, address: Address) -> Fields | None:
        """Nonce, balance and code hash; None where the account does not exist."""
        ...

    def storage_root(self, address: Address) -> Hash32:
        """An existing account's storage root, UNSETTLED_ROOT where its slots have changed."""
        ...

    def get_storage(self, address: Address, slot: int) -> int:
        """The slot's present value."""
        ...

    def code_of(self, code_hash: bytes) -> bytes:
        """Code by hash."""
        ...


class OverlayReader:
    """A BlockState seen as a StateReader; later changes below show through where not yet read.

    `root` is the root of the state beneath. An account whose slots the overlay changed shows
    UNSETTLED_ROOT as its storage root.
    """

    __slots__ = ("_state", "beneath")

    def __init__(self, state: Overlay, beneath: StateReader) -> None:
        self._state = state
        self.beneath = beneath

    @property
    def root(self) -> Hash32:
        """The root beneath the overlay: the overlay itself has none until it is prepared."""
        return self.beneath.root

    def account(self, address: Address) -> Account | None:
        """The account as the overlay has it."""
        fields = self._state.account_fields(address)
        if fields is None:
            return None
        return Account(fields[0], Wei(fields[1]), self._state.storage_root(address), fields[2])

    def storage(self, address: Address, slot: int) -> int:
        """The slot's value as the overlay has it."""
        return self._state.get_storage(address, slot)

    def code(self, code_hash: bytes) -> bytes:
        """Code by hash, of the overlay or beneath."""
        return self._state.code_of(code_hash)
