"""personal_: methods that old tools still use. The node's accounts are always unlocked."""

from zevm.chain.types.signatures import InvalidSignatureError, recover_address
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.dev.accounts import impersonate
from zevm.rpc.methods.eth.sending import send
from zevm.rpc.methods.eth.sign import message
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.rpc.wallet import UnknownAccountError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

ADDRESS = Param("address", scalars.address)
PASSWORD = Param("password", scalars.string, default=None)
SIGNATURE_BYTES = 65


def _check_known(services: Services, address: Address) -> None:
    if address not in services.wallet.addresses() and address not in services.chain.impersonated:
        raise UnknownAccountError(address)


@method("personal_listAccounts", cost=Cost.LIGHT, result="[address]")
def list_accounts(services: Services) -> list[str]:
    """The accounts whose keys the node holds."""
    return [hexadecimal(address) for address in services.wallet.addresses()]


@method(
    "personal_unlockAccount",
    cost=Cost.LIGHT,
    params=(ADDRESS, PASSWORD, Param("duration", scalars.number, default=None)),
    result="true",
)
def unlock_account(services: Services, address: Address, password: str | None, duration: int | None) -> bool:  # noqa: ARG001
    """Confirm that an account can sign; the node's accounts are never locked."""
    _check_known(services, address)
    return True


@method("personal_lockAccount", cost=Cost.LIGHT, params=(ADDRESS,), result="false")
def lock_account(services: Services, address: Address) -> bool:
    """Always false: the node's accounts stay unlocked."""
    _check_known(services, address)
    return False


@method("evm_addAccount", cost=Cost.WRITE, params=(ADDRESS, PASSWORD), result="boolean")
def add_account(services: Services, address: Address, password: str | None) -> bool:  # noqa: ARG001
    """Allow transactions of an account without its key (Ganache's name); return whether that is new."""
    return impersonate(services, address)


@method("evm_removeAccount", cost=Cost.WRITE, params=(ADDRESS, PASSWORD), result="boolean")
def remove_account(services: Services, address: Address, password: str | None) -> bool:  # noqa: ARG001
    """Undo evm_addAccount; return whether there was such an account."""
    known = address in services.chain.impersonated
    services.chain.impersonated.discard(address)
    return known


@method(
    "personal_sendTransaction",
    cost=Cost.WRITE,
    shares_sync=True,
    params=(Param("transaction", objects.transaction_arguments), PASSWORD),
    result="transaction hash",
)
def send_transaction(services: Services, arguments: TransactionArguments, password: str | None) -> str:  # noqa: ARG001
    """Complete, sign and send a transaction of one of the node's accounts."""
    return hexadecimal(send(services, arguments))


@method(
    "personal_ecRecover",
    cost=Cost.LIGHT,
    params=(Param("message", message), Param("signature", scalars.data)),
    result="address",
)
def ec_recover(services: Services, data: bytes, signature: bytes) -> str:  # noqa: ARG001
    """The account that signed a message with the prefix of EIP-191."""
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidParamsError("signature must be 65 bytes long")
    parity = signature[64] - 27 if signature[64] >= 27 else signature[64]
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    try:
        return hexadecimal(recover_address(digest, parity, r, s))
    except InvalidSignatureError as error:
        raise InvalidParamsError("invalid signature") from error
