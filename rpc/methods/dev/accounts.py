"""anvil_, hardhat_, tenderly_, ganache's evm_: changes of accounts without a transaction, and impersonation."""

from collections.abc import Callable, Mapping

from zevm.chain.calls.call import call
from zevm.chain.calls.overrides import CallOverrides, StateOverride
from zevm.chain.errors import ChainError
from zevm.chain.types.block_reference import LATEST
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.interface import CallRequest
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError, LimitExceededError, ServerError, refusals_as_parameters
from zevm.rpc.methods.support.reading import code_of
from zevm.rpc.methods.support.token_slots import find_allowance_slot, find_balance_slot
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

ADDRESS = Param("address", scalars.address)
TOKEN = Param("token", scalars.address)
AMOUNT = Param("amount", scalars.number)
BALANCE = Param("balance", scalars.number, summary="wei")


def _one_or_many(value: object) -> list[Address]:
    many: list[Address] = scalars.array_of(scalars.address)(value) if type(value) is list else [scalars.address(value)]
    return many


ADDRESSES = Param("address", _one_or_many, summary="an address, or an array of them")


def impersonate(services: Services, address: Address) -> bool:
    """Allow transactions of an account without its key; return whether that is new. Raises LimitExceededError."""
    impersonated, limit = services.chain.impersonated, services.limits.impersonated_accounts
    if address in impersonated:
        return False
    if len(impersonated) >= limit:
        raise LimitExceededError(
            f"limit exceeded: {limit} accounts are impersonated; stop one with anvil_stopImpersonatingAccount, "
            "use anvil_autoImpersonateAccount for all, or raise --rpc-impersonated-accounts"
        )
    impersonated.add(address)
    return True


def _check_count(services: Services, addresses: list[Address]) -> None:
    limit = services.limits.balance_addresses
    if len(addresses) > limit:
        raise InvalidParamsError(
            f"{len(addresses)} addresses, want at most {limit}; send them in several requests, "
            "or raise --rpc-balance-addresses"
        )


@method("anvil_impersonateAccount", cost=Cost.WRITE, params=(ADDRESS,), aliases=("hardhat_impersonateAccount",))
def impersonate_account(services: Services, address: Address) -> None:
    """Allow transactions of an account without its key."""
    impersonate(services, address)


@method(
    "anvil_stopImpersonatingAccount",
    cost=Cost.WRITE,
    params=(ADDRESS,),
    aliases=("hardhat_stopImpersonatingAccount",),
)
def stop_impersonating_account(services: Services, address: Address) -> None:
    """End the impersonation of an account."""
    services.chain.impersonated.discard(address)


@method(
    "anvil_autoImpersonateAccount",
    cost=Cost.WRITE,
    params=(Param("enabled", scalars.boolean),),
    aliases=("hardhat_autoImpersonateAccount",),
)
def auto_impersonate_account(services: Services, enabled: bool) -> None:
    """Switch the impersonation of all accounts on or off."""
    services.chain.auto_impersonate = enabled


SIGNATURE_BYTES = 65


@method(
    "anvil_impersonateSignature",
    cost=Cost.WRITE,
    params=(Param("signature", scalars.data, summary="65 bytes"), ADDRESS),
)
def impersonate_signature(services: Services, signature: bytes, address: Address) -> None:
    """Make the ecrecover precompile return an account for a signature, whatever was signed."""
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidParamsError(f"a signature has {SIGNATURE_BYTES} bytes, got {len(signature)}")
    chain, limit = services.chain, services.limits.impersonated_signatures
    if len(chain.settings.recoveries) >= limit:
        raise LimitExceededError(
            f"limit exceeded: {limit} signatures are impersonated; raise --rpc-impersonated-signatures"
        )
    chain.change_settings(recoveries=(*chain.settings.recoveries, (signature, address)))


@method(
    "anvil_setBalance",
    cost=Cost.WRITE,
    params=(ADDRESSES, BALANCE),
    aliases=("hardhat_setBalance", "tenderly_setBalance", "evm_setAccountBalance"),
)
def set_balance(services: Services, addresses: list[Address], balance: int) -> None:
    """Set the balance of an account, or of several."""
    _check_count(services, addresses)

    def change(state: ExecutionState) -> None:
        for address in addresses:
            state.set_balance(address, balance)

    services.chain.patch_state(change)


@method(
    "anvil_addBalance",
    cost=Cost.WRITE,
    params=(ADDRESSES, Param("amount", scalars.number, summary="wei")),
    aliases=("hardhat_addBalance", "tenderly_addBalance"),
)
def add_balance(services: Services, addresses: list[Address], amount: int) -> None:
    """Add to the balance of an account, or of several."""
    _check_count(services, addresses)

    def change(state: ExecutionState) -> None:
        for address in addresses:
            state.set_balance(address, min(state.get_balance(address) + amount, scalars.MAX_UINT256))

    services.chain.patch_state(change)


@method(
    "anvil_setCode",
    cost=Cost.WRITE,
    params=(ADDRESS, Param("code", scalars.data)),
    aliases=("hardhat_setCode", "evm_setAccountCode"),
)
def set_code(services: Services, address: Address, code: bytes) -> None:
    """Put code at an address."""
    services.chain.patch_state(lambda state: state.set_code(address, code))


@method(
    "anvil_setNonce",
    cost=Cost.WRITE,
    params=(ADDRESS, Param("nonce", scalars.number)),
    aliases=("hardhat_setNonce", "evm_setAccountNonce"),
)
def set_nonce(services: Services, address: Address, nonce: int) -> None:
    """Set the nonce of an account; it may go down."""
    with refusals_as_parameters():
        services.chain.patch_state(lambda state: state.set_nonce(address, nonce))


@method(
    "anvil_setStorageAt",
    cost=Cost.WRITE,
    params=(ADDRESS, Param("slot", scalars.number), Param("value", scalars.word, summary="32 bytes")),
    result="true",
    aliases=("hardhat_setStorageAt", "evm_setAccountStorageAt"),
)
def set_storage_at(services: Services, address: Address, slot: int, value: int) -> bool:
    """Set a storage slot of an account."""
    services.chain.patch_state(lambda state: state.set_storage(address, slot, value))
    return True


def _asking(services: Services, token: Address) -> Callable[[bytes, Mapping[int, int]], bytes | None]:
    """A function that calls the token with overridden slots."""

    def answer(data: bytes, slots: Mapping[int, int]) -> bytes | None:
        request = CallRequest(to=token, data=data, gas_limit=services.limits.call_gas)
        try:
            frame = services.chain.frame_at(LATEST)
            outcome = call(frame, request, overrides=CallOverrides({token: StateOverride(state_diff=slots)}))
        except ChainError:
            return None
        return outcome.output if outcome.succeeded else None

    return answer


def _check_token(services: Services, token: Address) -> None:
    if not code_of(services.chain.head.state, token):
        raise ServerError(f"there is no contract at 0x{token.hex()}")


@method(
    "anvil_dealERC20",
    cost=Cost.WRITE,
    params=(ADDRESS, TOKEN, AMOUNT),
    aliases=("hardhat_dealERC20", "anvil_setERC20Balance"),
)
def deal_erc20(services: Services, address: Address, token: Address, amount: int) -> None:
    """Set an account's balance of a token, by finding and writing the token's storage slot."""
    _check_token(services, token)
    slot = find_balance_slot(_asking(services, token), address)
    if slot is None:
        raise ServerError(f"Unable to set ERC20 balance, no slot found in the token 0x{token.hex()}")
    services.chain.patch_state(lambda state: state.set_storage(token, slot, amount))


@method(
    "anvil_setERC20Allowance",
    cost=Cost.WRITE,
    params=(Param("owner", scalars.address), Param("spender", scalars.address), TOKEN, AMOUNT),
)
def set_erc20_allowance(services: Services, owner: Address, spender: Address, token: Address, amount: int) -> None:
    """Set a spender's allowance of a token, by finding and writing the token's storage slot."""
    _check_token(services, token)
    slot = find_allowance_slot(_asking(services, token), owner, spender)
    if slot is None:
        raise ServerError(f"Unable to set ERC20 allowance, no slot found in the token 0x{token.hex()}")
    services.chain.patch_state(lambda state: state.set_storage(token, slot, amount))
