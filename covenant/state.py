"""One account of a VM's state, as the guide's ContractState."""

from collections.abc import Callable
from typing import Protocol

from zevm.chain.canonical.patches import PatchedState
from zevm.covenant.errors import translated
from zevm.covenant.values import MAXIMUM_GAS, MAXIMUM_WEI, WORD_BYTES, checked_address, checked_bytes, checked_integer
from zevm.storage.account import EMPTY_ACCOUNT, Account, StateReader


class Holder(Protocol):
    """A state that is read and changed: the VM."""

    @property
    def reader(self) -> StateReader:
        """The latest state. Raises CovenantError once closed."""
        ...

    def change(self, change: Callable[[PatchedState], None]) -> None:
        """Change accounts by hand, durably. Raises CovenantError."""
        ...


class ContractState:
    """An account's storage, balance, nonce and code hash: always those of now. Changes are durable when they return.

    Raises InvalidParameters for values of the wrong size or range.
    """

    __slots__ = ("_address", "_holder")

    def __init__(self, holder: Holder, address: bytes) -> None:
        self._holder = holder
        self._address = checked_address(address)

    def get(self, key: bytes) -> bytes | None:
        """The 32-byte value under a 32-byte key; None where nothing, or zero, is stored."""
        slot = int.from_bytes(checked_bytes(key, WORD_BYTES, "key"), "big")
        try:
            reader = self._holder.reader
            value = 0 if reader.account(self._address) is None else reader.storage(self._address, slot)
        except Exception as error:
            raise translated(error) from error
        return value.to_bytes(WORD_BYTES, "big") if value else None

    def set(self, key: bytes, value: bytes) -> None:
        """Store a 32-byte value under a 32-byte key; zeros delete it."""
        slot = int.from_bytes(checked_bytes(key, WORD_BYTES, "key"), "big")
        number = int.from_bytes(checked_bytes(value, WORD_BYTES, "value"), "big")
        self._holder.change(lambda state: state.set_storage(self._address, slot, number))

    @property
    def balance(self) -> int:
        """In wei."""
        return self._account().balance

    @balance.setter
    def balance(self, wei: int) -> None:
        checked = checked_integer(wei, MAXIMUM_WEI, "balance")
        self._holder.change(lambda state: state.set_balance(self._address, checked))

    @property
    def nonce(self) -> int:
        """Number of contracts that it has made, from 1 on for a contract itself."""
        return self._account().nonce

    @nonce.setter
    def nonce(self, nonce: int) -> None:
        checked = checked_integer(nonce, MAXIMUM_GAS - 1, "nonce")
        self._holder.change(lambda state: state.set_nonce(self._address, checked))

    @property
    def code_hash(self) -> bytes:
        """Keccak-256 of the code, 32 bytes."""
        return self._account().code_hash

    @property
    def code(self) -> bytes:
        """The code, b"" for none."""
        try:
            return self._holder.reader.code(self._account().code_hash)
        except Exception as error:
            raise translated(error) from error

    def _account(self) -> Account:
        try:
            return self._holder.reader.account(self._address) or EMPTY_ACCOUNT
        except Exception as error:
            raise translated(error) from error
