"""A BlockState seen as a StateReader."""

from __future__ import annotations  # the state makes its readers

from typing import TYPE_CHECKING

from zevm.storage.account import EMPTY_ROOT, Account
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

    __slots__ = ("_state",)

    def __init__(self, state: BlockState) -> None:
        self._state = state

    @property
    def root(self) -> bytes:
        """The root beneath the overlay: the overlay itself has none until it is prepared."""
        return self._state._reader.root

    def account(self, address: Address) -> Account | None:
        """The account as the overlay has it."""
        state = self._state
        fields = state._fields(address)
        if fields is None:
            return None
        base = state._base[address]
        if state._changed_slots(address):
            root = UNSETTLED_ROOT
        else:
            root = EMPTY_ROOT if base is None or address in state._wiped else base.storage_root
        return Account(fields[0], Wei(fields[1]), root, fields[2])

    def storage(self, address: Address, slot: int) -> int:
        """The slot's value as the overlay has it."""
        return self._state.get_storage(address, slot)

    def code(self, code_hash: bytes) -> bytes:
        """Code by hash, of the overlay or beneath."""
        state = self._state
        for codes in (state._codes, state._new_codes):
            if code_hash in codes:
                return codes[code_hash]
        return state._reader.code(code_hash)
