"""anvil_, hardhat_, tenderly_: changes of ERC-20 balances and allowances by writing the token's storage.

No Transfer or Approval is logged: a log belongs to a transaction, and there is none.
"""

from collections.abc import Callable, Mapping

from zevm.chain.calls.call import call
from zevm.chain.calls.overrides import CallOverrides, StateOverride
from zevm.chain.errors import ChainError
from zevm.chain.types.block_reference import LATEST
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.interface import CallRequest
from zevm.rpc.codec import scalars
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.dev.accounts import ADDRESS, ADDRESSES, check_count
from zevm.rpc.methods.support.filling import execution_deadline
from zevm.rpc.methods.support.reading import code_of
from zevm.rpc.methods.support.token_slots import BALANCE_OF, Answer, find_allowance_slot, find_balance_slot
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

TOKEN = Param("token", scalars.bare_address)
AMOUNT = Param("amount", scalars.number)


def _asking(services: Services, token: Address) -> Answer:
    """A function that calls the token with overridden slots; all its calls have the time of one execution.

    Raises ServerError where there is no contract.
    """
    if not code_of(services.chain.head.state, token):
        raise ServerError(f"there is no contract at 0x{token.hex()}")

    deadline = execution_deadline(services)

    def answer(data: bytes, slots: Mapping[int, int]) -> bytes | None:
        request = CallRequest(to=token, data=data, gas_limit=services.limits.call_gas)
        try:
            frame = services.chain.frame_at(LATEST)
            overrides = CallOverrides({token: StateOverride(state_diff=slots)})
            outcome = call(frame, request, overrides=overrides, deadline=deadline)
        except ChainError:
            return None
        return outcome.output if outcome.succeeded else None

    return answer


def _slot_of(ask: Answer, token: Address, holder: Address) -> int:
    slot = find_balance_slot(ask, holder)
    if slot is None:
        raise ServerError(f"Unable to set ERC20 balance, no slot found in the token 0x{token.hex()}")
    return slot


def _balance_of(ask: Answer, holder: Address) -> int:
    return int.from_bytes((ask(BALANCE_OF + holder.rjust(32, b"\0"), {}) or b"")[:32], "big")


def _change_balances(services: Services, token: Address, holders: list[Address], change: Callable[[int], int]) -> None:
    """Write change(balance) for each holder, all or none. A holder that is named twice is changed twice."""
    check_count(services, holders)
    ask = _asking(services, token)
    slots = {holder: _slot_of(ask, token, holder) for holder in holders}
    balances = {
        holder: int.from_bytes((ask(BALANCE_OF + holder.rjust(32, b"\0"), {}) or b"")[:32], "big") for holder in slots
    }
    for holder in holders:
        balances[holder] = change(balances[holder])

    def write(state: ExecutionState) -> None:
        for holder, slot in slots.items():
            state.set_storage(token, slot, balances[holder])

    services.chain.patch_state(write)


@method(
    "anvil_dealERC20",
    cost=Cost.WRITE,
    params=(ADDRESS, TOKEN, AMOUNT),
    aliases=("hardhat_dealERC20", "anvil_setERC20Balance"),
)
def deal_erc20(services: Services, address: Address, token: Address, amount: int) -> None:
    """Set an account's balance of a token, by finding and writing the token's storage slot."""
    _change_balances(services, token, [address], lambda _: amount)


@method("tenderly_setErc20Balance", cost=Cost.WRITE, params=(TOKEN, ADDRESSES, AMOUNT))
def set_erc20_balance(services: Services, token: Address, addresses: list[Address], amount: int) -> None:
    """Set the balance that an account, or each of several, has of a token."""
    _change_balances(services, token, addresses, lambda _: amount)


@method("tenderly_addErc20Balance", cost=Cost.WRITE, params=(TOKEN, ADDRESSES, AMOUNT))
def add_erc20_balance(services: Services, token: Address, addresses: list[Address], amount: int) -> None:
    """Add to the balance that an account, or each of several, has of a token, up to 2^256 - 1; nothing is logged."""
    _change_balances(services, token, addresses, lambda balance: min(balance + amount, scalars.MAX_UINT256))


@method(
    "tenderly_setMaxErc20Balance",
    cost=Cost.WRITE,
    params=(TOKEN, ADDRESSES),
    aliases=("tenderly_setErc20MaxBalance",),
)
def set_max_erc20_balance(services: Services, token: Address, addresses: list[Address]) -> None:
    """Set the balance that an account, or each of several, has of a token to 2^256 - 1."""
    _change_balances(services, token, addresses, lambda _: scalars.MAX_UINT256)


@method(
    "anvil_setERC20Allowance",
    cost=Cost.WRITE,
    params=(Param("owner", scalars.bare_address), Param("spender", scalars.bare_address), TOKEN, AMOUNT),
)
def set_erc20_allowance(services: Services, owner: Address, spender: Address, token: Address, amount: int) -> None:
    """Set a spender's allowance of a token, by finding and writing the token's storage slot."""
    slot = find_allowance_slot(_asking(services, token), owner, spender)
    if slot is None:
        raise ServerError(f"Unable to set ERC20 allowance, no slot found in the token 0x{token.hex()}")
    services.chain.patch_state(lambda state: state.set_storage(token, slot, amount))
