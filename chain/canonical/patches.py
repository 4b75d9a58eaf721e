"""Changes of accounts that no transaction makes: what a development request writes into the latest state."""

from collections.abc import Mapping

from zevm.chain.rules.bounds import BALANCE, NONCE
from zevm.chain.rules.genesis import GenesisAccount
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.execution_state import ExecutionState
from zevm.storage.account import EMPTY_RECORD, StateDiff
from zevm.storage.primitives import Address, Hash32
from zevm.storage.state import StateStore, StateUpdate


class PatchedState(BlockState):
    """A state that is changed by hand: a slot may be set at an address that has no account yet.

    Nonces and balances beyond Ethereum's range raise InvalidRequestError.
    """

    __slots__ = ()

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set the nonce; it may go down."""
        super().set_nonce(address, NONCE.check(nonce))

    def set_balance(self, address: Address, balance: int) -> None:
        """Set the balance, in wei."""
        super().set_balance(address, BALANCE.check(balance))

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Set the slot, creating the account if need be; 0 clears it."""
        self.create_empty(address)
        super().set_storage(address, slot, value)


def put_accounts(state: ExecutionState, accounts: Mapping[Address, GenesisAccount]) -> None:
    """Let accounts be as given, in place of what is there; slots that are not named stay."""
    for address, account in accounts.items():
        state.set_balance(address, account.balance_wei)
        state.set_nonce(address, account.nonce)
        state.set_code(address, account.code)
        for slot, value in account.storage.items():
            state.set_storage(address, slot, value)


def prepare_patch(states: StateStore, base_root: Hash32, diff: StateDiff) -> StateUpdate:
    """The state that a patch makes of the one at `base_root`.

    An account stays as long as it has storage; one that is left with nothing at all is removed.
    """
    update = states.prepare(base_root, diff)
    vacated = {address for address, record in update.accounts.items() if record == EMPTY_RECORD}
    if not vacated:
        return update
    diff.accounts.update(dict.fromkeys(vacated))
    diff.wiped |= vacated
    return states.prepare(base_root, diff)
