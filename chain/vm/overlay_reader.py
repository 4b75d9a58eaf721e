"""A BlockState seen as a StateReader."""

from __future__ import annotations  # the state makes its readers

from typing import TYPE_CHECKING

from zevm.storage.account import Account
from zevm.storage.primitives import Address, Wei

if TYPE_CHECKING:
    from zevm.chain.vm.block_state import BlockState

UNSETTLED_ROOT = bytes(32)
"""The storage root that an overlay shows for an account whose slots it changed: not empty, not yet known."""


class OverlayReader:
    """A BlockState seen as a StateReader; later changes below show through where not yet read.

    `root` is the root of the state beneath. An account whose slots the overlay changed shows
    UNSETTLED_ROOT as its storage root.
    """

    __slots__ = ("_root", "_state")

    def __init__(self, state: BlockState, root: bytes) -> None:
        self._state = state
        self._root = root

    @property
    def root(self) -> bytes:
        """The root beneath the overlay: the overlay itself has none until it is prepared."""
        return self._root

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
