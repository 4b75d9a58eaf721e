"""Accounts of a state that are read when they are first asked for."""

from zevm.chain.vm.execution_state import Fields
from zevm.storage.account import Account, StateReader
from zevm.storage.primitives import Address
from zevm.storage.state_readers import LatestReader


class LoadedAccounts(dict[Address, Fields | None]):
    """The fields of accounts by address. Any address is a key: its account is the reader's until it is set.

    base: keeps the accounts as the reader gave them.
    """

    __slots__ = ("_base", "_reader")

    def __init__(self, reader: StateReader, base: dict[Address, Account | None]) -> None:
        super().__init__()
        self._reader, self._base = reader, base

    def __missing__(self, address: Address) -> Fields | None:
        account = self._base[address] = self._reader.account(address)
        fields = None
        if account is not None:
            nonce, balance, _, code_hash = account
            fields = nonce, balance, code_hash
        self[address] = fields
        return fields


def known_accounts(reader: StateReader) -> dict[bytes, Account | None]:
    """Accounts that a reader has at hand, some or none: what it would answer, without asking it."""
    return reader.known if type(reader) is LatestReader else {}
