"""anvil_, hardhat_, tenderly_, ganache's evm_: changes of accounts without a transaction, and impersonation."""

from zevm.chain.vm.execution_state import ExecutionState
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError, LimitExceededError, refusals_as_parameters
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

ADDRESS = Param("address", scalars.bare_address)
BALANCE = Param("balance", scalars.number, summary="wei")


def _one_or_many(value: object) -> list[Address]:
    decode = scalars.bare_address
    many: list[Address] = scalars.array_of(decode)(value) if type(value) is list else [decode(value)]
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


def check_count(services: Services, addresses: list[Address]) -> None:
    """Refuse more addresses than one request may change. Raises InvalidParamsError."""
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
    params=(Param("signature", scalars.bare_data, summary="65 bytes"), ADDRESS),
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
    check_count(services, addresses)

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
    check_count(services, addresses)

    def change(state: ExecutionState) -> None:
        for address in addresses:
            state.set_balance(address, min(state.get_balance(address) + amount, scalars.MAX_UINT256))

    services.chain.patch_state(change)


@method(
    "anvil_setCode",
    cost=Cost.WRITE,
    params=(ADDRESS, Param("code", scalars.bare_data)),
    aliases=("hardhat_setCode", "tenderly_setCode", "evm_setAccountCode"),
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
    params=(ADDRESS, Param("slot", scalars.number), Param("value", scalars.bare_word, summary="32 bytes")),
    result="true",
    aliases=("hardhat_setStorageAt", "tenderly_setStorageAt", "evm_setAccountStorageAt"),
)
def set_storage_at(services: Services, address: Address, slot: int, value: int) -> bool:
    """Set a storage slot of an account."""
    services.chain.patch_state(lambda state: state.set_storage(address, slot, value))
    return True
