"""Whether a transaction may enter the pool or a block: one validator, geth's texts.

`validate_static` needs the rules alone, `validate_against_block` the block; `validate_in_block` is these and what the
sender's account says, in geth's order. All raise TransactionError.
"""

from collections.abc import Callable
from typing import Protocol

from eth_utils.address import to_checksum_address

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.types.signatures import SECP256K1_HALF_ORDER, InvalidSignatureError
from zevm.chain.types.transaction import BLOB_GAS_PER_BLOB
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.gas_needs import GasNeeds, gas_needs
from zevm.chain.vm.interface import CallRequest
from zevm.storage.account import MAX_NONCE
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address

INITCODE_SIZE_LIMIT = 49_152
BLOBS_PER_TRANSACTION = 6
MAX_WORD = (1 << 256) - 1


class Balances(Protocol):
    """A state, as far as it has balances."""

    def get_balance(self, address: Address) -> int:
        """Wei."""
        ...


_SINCE = {
    TransactionType.LEGACY: Fork.FRONTIER,
    TransactionType.ACCESS_LIST: Fork.BERLIN,
    TransactionType.DYNAMIC_FEE: Fork.LONDON,
    TransactionType.BLOB: Fork.CANCUN,
    TransactionType.SET_CODE: Fork.PRAGUE,
}


def transaction_cost(transaction: Transaction | CallRequest) -> int:
    """The wei that a sender must hold at most: gas at the fee cap, blob gas at its cap, value."""
    gas = transaction.gas_limit * transaction.max_fee_per_gas
    blob_gas = BLOB_GAS_PER_BLOB * len(transaction.blob_versioned_hashes or ())
    return gas + blob_gas * transaction.max_fee_per_blob_gas + transaction.value


def validate_static(transaction: Transaction, rules: ForkRules, needs: GasNeeds | None = None) -> None:
    """The checks that need no block and no state. Raises TransactionError. needs: the gas, where it is known."""
    for check in _STATIC_CHECKS:
        check(transaction, rules)
    check_gas(transaction, needs or gas_needs(transaction, rules))


def _check_type(transaction: Transaction, rules: ForkRules) -> None:
    if rules.fork < _SINCE[transaction.type]:
        raise TransactionError(Reason.TYPE_NOT_SUPPORTED, "transaction type not supported")


def _check_signature(transaction: Transaction, rules: ForkRules) -> None:
    chain_id = transaction.chain_id
    if chain_id is not None:
        if chain_id != rules.chain_id:
            raise TransactionError(
                Reason.CHAIN_ID_MISMATCH, f"invalid chain id for signer: have {chain_id} want {rules.chain_id}"
            )
        if rules.fork < Fork.SPURIOUS_DRAGON:
            raise TransactionError(Reason.INVALID_SENDER, "invalid sender")  # EIP-155's v is no signature yet
    if transaction.s > SECP256K1_HALF_ORDER and rules.fork >= Fork.HOMESTEAD:
        raise TransactionError(
            Reason.INVALID_SENDER, "invalid sender"
        )  # EIP-2: the other signature of the same key and digest
    try:
        _ = transaction.sender
    except InvalidSignatureError as error:
        raise TransactionError(Reason.INVALID_SENDER, "invalid sender") from error


def _check_ranges(transaction: Transaction, rules: ForkRules) -> None:
    if transaction.nonce >= MAX_NONCE:
        raise TransactionError(
            Reason.NONCE_AT_MAXIMUM,
            f"nonce has max value: address {to_checksum_address(transaction.sender)}, nonce: {transaction.nonce}",
        )
    if transaction.gas_limit > MAX_NONCE:
        raise TransactionError(Reason.GAS_OVERFLOW, "gas uint64 overflow")
    if max(transaction.value, transaction.max_fee_per_gas, transaction.max_fee_per_blob_gas) > MAX_WORD:
        raise TransactionError(Reason.WEI_OVERFLOW, "value, fee cap and blob fee cap are limited to 256 bits")
    cap = rules.transaction_gas_cap
    if cap is not None and transaction.gas_limit > cap:
        raise TransactionError(
            Reason.GAS_LIMIT_ABOVE_CAP, f"transaction gas limit too high (cap: {cap}, tx: {transaction.gas_limit})"
        )


def check_fee_order(transaction: Transaction | CallRequest, rules: ForkRules) -> None:
    """The tip is not over the fee cap (EIP-1559). Raises TransactionError."""
    cap, tip = transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas
    if rules.fork >= Fork.LONDON and tip > cap:
        raise TransactionError(
            Reason.TIP_ABOVE_FEE_CAP,
            "max priority fee per gas higher than max fee per gas: "
            f"address {to_checksum_address(transaction.sender)}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {cap}",
        )


def _check_blobs(transaction: Transaction, rules: ForkRules) -> None:
    if transaction.type is not TransactionType.BLOB:
        return
    hashes = transaction.blob_versioned_hashes
    if transaction.to is None:
        raise TransactionError(
            Reason.BLOB_CREATION, "input string too short for common.Address, decoding into (types.BlobTx).To"
        )
    if not hashes:
        raise TransactionError(Reason.BLOB_HASHES_MISSING, "blob transaction missing blob hashes")
    limit = rules.blob.maximum if rules.blob is not None else 0
    if rules.fork >= Fork.OSAKA:
        limit = min(limit, BLOBS_PER_TRANSACTION)
    if len(hashes) > limit:
        raise TransactionError(
            Reason.BLOB_COUNT, f"blob transaction has too many blobs: have {len(hashes)}, permitted {limit}"
        )
    _check_hash_versions(hashes)


def _check_hash_versions(hashes: tuple[bytes, ...]) -> None:
    for index, versioned_hash in enumerate(hashes):
        if versioned_hash[:1] != b"\x01":
            raise TransactionError(Reason.BLOB_HASH_VERSION, f"blob {index} has invalid hash version")


def _check_authorizations(transaction: Transaction, rules: ForkRules) -> None:  # noqa: ARG001  all checks have one form
    if transaction.type is not TransactionType.SET_CODE:
        return
    if transaction.to is None:
        raise TransactionError(
            Reason.AUTHORIZATION_CREATION,
            "input string too short for common.Address, decoding into (types.SetCodeTx).To",
        )
    if not transaction.authorization_list:
        raise TransactionError(Reason.AUTHORIZATIONS_MISSING, "EIP-7702 transaction with empty auth list")


def check_gas(transaction: Transaction | CallRequest, needs: GasNeeds) -> None:
    """The gas limit covers what the transaction costs before it runs. Raises TransactionError."""
    have, want = transaction.gas_limit, needs.intrinsic
    if have < want:
        raise TransactionError(Reason.INTRINSIC_GAS, f"intrinsic gas too low: have {have}, want {want}")
    want = needs.floor
    if have < want:
        raise TransactionError(
            Reason.FLOOR_DATA_GAS, f"insufficient gas for floor data gas cost: have {have}, want {want}"
        )


_STATIC_CHECKS: tuple[Callable[[Transaction, ForkRules], None], ...] = (
    _check_type,
    _check_signature,
    _check_ranges,
    check_fee_order,
    _check_blobs,
    _check_authorizations,
)


def validate_in_block(
    transaction: Transaction,
    environment: BlockEnvironment,
    state: ExecutionState,
    gas_available: int,
    blob_gas_available: int | None,
    needs: GasNeeds,
) -> None:
    """All that a block asks of a transaction; of several reasons geth's first is told. Raises TransactionError."""
    rules = environment.rules
    _check_type(transaction, rules)
    _check_signature(transaction, rules)
    sender = transaction.sender
    check_nonce(sender, transaction.nonce, state)
    _check_ranges(transaction, rules)
    if not transaction.is_impersonated:
        check_sender_code(sender, rules, state)
    check_fee_order(transaction, rules)
    check_base_fee(transaction, environment)
    _check_blobs(transaction, rules)
    check_blob_fee(transaction, environment)
    _check_authorizations(transaction, rules)
    check_funds(sender, transaction_cost(transaction), state)
    _check_gas_available(transaction, gas_available, blob_gas_available)
    check_gas(transaction, needs)
    check_initcode(transaction, environment)


def validate_checked_in_block(
    transaction: Transaction,
    environment: BlockEnvironment,
    state: ExecutionState,
    gas_available: int,
    blob_gas_available: int | None,
) -> None:
    """As `validate_in_block`, of a transaction that `validate_static` has passed under the block's rules."""
    sender = transaction.sender
    # each check reads the account by itself, and words what it refuses
    nonce, balance, code_hash = state.account_fields(sender) or (0, 0, EMPTY_KECCAK)
    if nonce != transaction.nonce:
        check_nonce(sender, transaction.nonce, state)
    if code_hash != EMPTY_KECCAK and not transaction.is_impersonated:
        check_sender_code(sender, environment.rules, state)
    check_base_fee(transaction, environment)
    check_blob_fee(transaction, environment)
    cost = transaction_cost(transaction)
    if balance < cost:
        check_funds(sender, cost, state)
    _check_gas_available(transaction, gas_available, blob_gas_available)
    check_initcode(transaction, environment)


def _check_gas_available(transaction: Transaction, gas_available: int, blob_gas_available: int | None) -> None:
    if transaction.gas_limit > gas_available:
        raise TransactionError(
            Reason.GAS_LIMIT_REACHED, f"gas limit reached: have {gas_available}, want {transaction.gas_limit}"
        )
    if blob_gas_available is not None and transaction.blob_gas > blob_gas_available:
        raise TransactionError(
            Reason.BLOB_GAS_LIMIT_REACHED,
            f"blob gas limit reached: have {blob_gas_available}, want {transaction.blob_gas}",
        )


def validate_against_block(
    transaction: Transaction, environment: BlockEnvironment, gas_available: int, blob_gas_available: int | None
) -> None:
    """The checks against the block's fees, limits and remaining gas. Raises TransactionError."""
    check_initcode(transaction, environment)
    _check_gas_available(transaction, gas_available, blob_gas_available)
    check_base_fee(transaction, environment)
    check_blob_fee(transaction, environment)


def check_blob_fee(transaction: Transaction | CallRequest, environment: BlockEnvironment) -> None:
    """The blob fee cap covers the blob base fee (EIP-4844). Raises TransactionError."""
    blob_fee, blob_cap = environment.blob_base_fee, transaction.max_fee_per_blob_gas
    if transaction.blob_versioned_hashes and blob_fee is not None and blob_cap < blob_fee:
        raise TransactionError(
            Reason.BLOB_FEE_CAP_BELOW_BASE_FEE,
            "max fee per blob gas less than block blob gas fee: address "
            f"{to_checksum_address(transaction.sender)} blobGasFeeCap: {blob_cap}, blobBaseFee: {blob_fee}",
        )


def check_base_fee(transaction: Transaction | CallRequest, environment: BlockEnvironment) -> None:
    """The fee cap covers the base fee (EIP-1559). Raises TransactionError."""
    base_fee, cap = environment.base_fee_per_gas, transaction.max_fee_per_gas
    if base_fee is not None and cap < base_fee:
        raise TransactionError(
            Reason.FEE_CAP_BELOW_BASE_FEE,
            "max fee per gas less than block base fee: "
            f"address {to_checksum_address(transaction.sender)}, maxFeePerGas: {cap}, baseFee: {base_fee}",
        )


def check_initcode(transaction: Transaction | CallRequest, environment: BlockEnvironment) -> None:
    """The creation code is within EIP-3860's limit, or twice the configured code size. Raises TransactionError."""
    if transaction.to is not None or environment.rules.fork < Fork.SHANGHAI:
        return
    size, configured, wasm_machine = len(transaction.data), environment.code_size_limit, environment.wasm_machine
    limit = INITCODE_SIZE_LIMIT if configured is None else 2 * configured
    if wasm_machine is not None and wasm_machine.claims(transaction.data):
        limit = wasm_machine.initcode_size_limit
    if size > limit:
        raise TransactionError(Reason.INIT_CODE_SIZE, f"max initcode size exceeded: code size {size} limit {limit}")


def check_message(
    message: CallRequest,
    environment: BlockEnvironment,
    state: ExecutionState,
    needs: GasNeeds,
    *,
    free: bool,
    free_blobs: bool,
) -> None:
    """geth's checks of a message without a signature. Raises TransactionError.

    free, free_blobs: no fee is paid, so that none is held against the block's.
    """
    rules = environment.rules
    if not free:
        check_fee_order(message, rules)
        check_base_fee(message, environment)
    _check_message_blobs(message, rules)
    if not free_blobs:
        check_blob_fee(message, environment)
    _check_message_authorizations(message)
    check_funds(message.sender, transaction_cost(message), state)
    check_gas(message, needs)
    check_initcode(message, environment)


def _check_message_blobs(message: CallRequest, rules: ForkRules) -> None:
    hashes = message.blob_versioned_hashes
    if hashes is None:
        return
    if message.to is None:
        raise TransactionError(Reason.BLOB_CREATION, "blob transaction of type create")
    if not hashes:
        raise TransactionError(Reason.BLOB_HASHES_MISSING, "blob transaction missing blob hashes")
    if rules.fork >= Fork.OSAKA and len(hashes) > BLOBS_PER_TRANSACTION:
        raise TransactionError(Reason.BLOB_COUNT, "blob transaction has too many blobs")
    _check_hash_versions(hashes)


def _check_message_authorizations(message: CallRequest) -> None:
    if message.authorization_list is None:
        return
    sender = to_checksum_address(message.sender)
    if message.to is None:
        raise TransactionError(
            Reason.AUTHORIZATION_CREATION, f"EIP-7702 transaction cannot be used to create contract (sender {sender})"
        )
    if not message.authorization_list:
        raise TransactionError(
            Reason.AUTHORIZATIONS_MISSING, f"EIP-7702 transaction with empty auth list (sender {sender})"
        )


def check_nonce(sender: Address, nonce: int, state: ExecutionState) -> None:
    """The nonce is the sender's next one, and not the last of all (EIP-2681). Raises TransactionError."""
    want = state.get_nonce(sender)
    if nonce != want:
        reason = Reason.NONCE_TOO_LOW if nonce < want else Reason.NONCE_TOO_HIGH
        address = to_checksum_address(sender)
        raise TransactionError(reason, f"{reason.value}: address {address}, tx: {nonce} state: {want}")
    if nonce >= MAX_NONCE:
        raise TransactionError(
            Reason.NONCE_AT_MAXIMUM, f"nonce has max value: address {to_checksum_address(sender)}, nonce: {nonce}"
        )


def check_sender_code(sender: Address, rules: ForkRules, state: ExecutionState) -> None:
    """The sender has no code, or only a delegation (EIP-3607, EIP-7702). Raises TransactionError."""
    code = state.get_code(sender)
    if code and (rules.fork < Fork.PRAGUE or delegation_of(code) is None):
        code_hash = state.get_code_hash(sender).hex()
        raise TransactionError(
            Reason.SENDER_NOT_EOA, f"sender not an eoa: address {to_checksum_address(sender)}, codehash: 0x{code_hash}"
        )


def check_funds(sender: Address, want: int, state: Balances) -> None:
    """The sender holds `want` wei. Raises TransactionError."""
    have = state.get_balance(sender)
    if have < want:
        address = to_checksum_address(sender)
        raise TransactionError(
            Reason.INSUFFICIENT_FUNDS,
            f"insufficient funds for gas * price + value: address {address} have {have} want {want}",
        )
