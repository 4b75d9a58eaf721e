"""Why a transaction may not enter the pool. Pure checks over one account, with geth's texts."""

from collections.abc import Sequence
from typing import NamedTuple

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PoolAccount, PooledTransaction, pooled
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import Transaction
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.validation import check_initcode, validate_static
from zevm.core import replaced_by
from zevm.storage.primitives import Address

MIN_BLOB_FEE_WEI = 1


def sender_of(transaction: Transaction, *, takes_unsigned: bool) -> Address:
    """The sender of a transaction. Raises TransactionError for a bad signature, and for none where one is needed."""
    try:
        sender = transaction.sender
    except InvalidSignatureError as error:
        raise TransactionError(Reason.INVALID_SENDER, "invalid sender") from error
    if transaction.is_impersonated and not takes_unsigned:
        raise TransactionError(
            Reason.INVALID_SENDER, "invalid sender: an unsigned transaction is valid only on its own chain"
        )
    return sender


def checked(
    transaction: Transaction,
    sender: Address,
    environment: BlockEnvironment,
    limits: PoolLimits,
    *,
    local: bool,
    arrival: int,
) -> PooledTransaction:
    """A transaction that could wait, as far as that needs no state. Raises TransactionError."""
    rules = environment.rules
    needs = plain_needs(transaction, environment, limits, local)
    if needs is not None:
        cost, slots, intrinsic, floor = needs
        gas = GasNeeds(rules.fork, intrinsic, floor)
        return PooledTransaction(transaction, sender, local, arrival, cost, slots, (), rules, gas)
    entry = pooled(transaction, sender, rules, local=local, arrival=arrival, with_authorities=limits.limit_delegated)
    check_basics(entry, environment, limits)
    return entry


@replaced_by("plain_needs")
def plain_needs(
    transaction: Transaction,
    environment: BlockEnvironment,
    limits: PoolLimits,
    local: bool,
) -> tuple[int, int, int, int] | None:
    """Cost in wei, slots, intrinsic and floor gas of a transaction without lists that passes `check_basics`.

    None where it does not, and of creations and forks before London: there the checks are made one by one.
    """
    lists = transaction.access_list or transaction.authorization_list or transaction.blob_versioned_hashes
    if lists or transaction.to is None or environment.rules.fork < Fork.LONDON:
        return None
    entry = pooled(transaction, transaction.sender, environment.rules, local=local, arrival=0, with_authorities=False)
    try:
        check_basics(entry, environment, limits)
    except TransactionError:
        return None
    return entry.cost_wei, entry.slots, entry.gas.intrinsic, entry.gas.floor


def check_basics(entry: PooledTransaction, environment: BlockEnvironment, limits: PoolLimits) -> None:
    """Checks without state: size, validity under the next block's rules, gas, minimum tip, sidecar."""
    transaction = entry.transaction
    size = len(transaction.encoded)
    if limits.max_transaction_bytes and size > limits.max_transaction_bytes:
        raise TransactionError(
            Reason.OVERSIZED_DATA, f"oversized data: transaction size {size}, limit {limits.max_transaction_bytes}"
        )
    if transaction.gas_limit > environment.gas_limit:
        raise TransactionError(Reason.GAS_LIMIT_ABOVE_BLOCK, "exceeds block gas limit")
    _check_gas(entry, environment.rules)
    validate_static(transaction, environment.rules, entry.gas)
    check_initcode(transaction, environment)
    tip = transaction.max_priority_fee_per_gas
    if not entry.local and tip < limits.minimum_tip_wei:
        needed = limits.minimum_tip_wei
        raise TransactionError(
            Reason.PRICE_BELOW_MINIMUM,
            f"transaction gas price below minimum: gas tip cap {tip}, minimum needed {needed}",
        )
    if entry.is_blob:
        _check_blob(transaction)


def _check_gas(entry: PooledTransaction, rules: ForkRules) -> None:
    """The pool's words for what `validate_static` refuses too: geth's texts differ by place."""
    transaction, cap = entry.transaction, rules.transaction_gas_cap
    if cap is not None and transaction.gas_limit > cap:
        raise TransactionError(
            Reason.GAS_LIMIT_ABOVE_CAP,
            f"transaction gas limit too high (cap: {cap}, tx: {transaction.gas_limit})",
        )
    have, intrinsic, floor = transaction.gas_limit, entry.gas.intrinsic, entry.gas.floor
    if have < intrinsic:
        raise TransactionError(Reason.INTRINSIC_GAS, f"intrinsic gas too low: gas {have}, minimum needed {intrinsic}")
    if have < floor:
        raise TransactionError(
            Reason.FLOOR_DATA_GAS, f"insufficient gas for floor data gas cost: gas {have}, minimum needed {floor}"
        )


def _check_blob(transaction: Transaction) -> None:
    if transaction.max_fee_per_blob_gas < MIN_BLOB_FEE_WEI:
        fee = transaction.max_fee_per_blob_gas
        raise TransactionError(
            Reason.PRICE_BELOW_MINIMUM,
            f"transaction gas price below minimum: blob fee cap {fee}, minimum needed {MIN_BLOB_FEE_WEI}",
        )
    if transaction.sidecar is None:
        raise TransactionError(Reason.SIDECAR_MISSING, "missing sidecar in blob transaction")


def check_account(entry: PooledTransaction, account: PoolAccount, limits: PoolLimits) -> None:
    """Nonce, exclusivity of blob accounts, and funds for this and the executable transactions together."""
    if entry.nonce < account.state_nonce:
        raise TransactionError(
            Reason.NONCE_TOO_LOW, f"nonce too low: next nonce {account.state_nonce}, tx nonce {entry.nonce}"
        )
    if account.by_nonce and account.holds_blobs is not entry.is_blob:
        raise TransactionError(Reason.ADDRESS_RESERVED, "address already reserved")
    if limits.check_balances:
        _check_funds(entry, account)
    count = len(account.by_nonce)
    most = limits.account_blob_transactions
    if entry.is_blob and most and count >= most and entry.nonce not in account.by_nonce and not entry.local:
        raise TransactionError(Reason.ACCOUNT_LIMIT_EXCEEDED, f"account limit exceeded: pooled {count} txs")


def _check_funds(entry: PooledTransaction, account: PoolAccount) -> None:
    text, balance, cost = "insufficient funds for gas * price + value", account.balance_wei, entry.cost_wei
    if balance < cost:
        raise TransactionError(
            Reason.INSUFFICIENT_FUNDS, f"{text}: balance {balance}, tx cost {cost}, overshot {cost - balance}"
        )
    spent = account.executable_cost_wei
    replaced = account.by_nonce[entry.nonce] if entry.nonce < account.executable_end else None
    change = cost if replaced is None else cost - replaced.cost_wei
    if balance < spent + change:
        label = "tx cost" if replaced is None else "tx bumped"
        overshot = spent + change - balance
        raise TransactionError(
            Reason.INSUFFICIENT_FUNDS,
            f"{text}: balance {balance}, queued cost {spent}, {label} {change}, overshot {overshot}",
        )


def check_delegation(entry: PooledTransaction, account: PoolAccount, has_pending_authorization: bool) -> None:
    """Accounts that have delegated their code, or are about to, get one executable transaction (geth's rule)."""
    if not account.is_delegated and not has_pending_authorization:
        return
    if account.executable_count == 0 and entry.nonce != account.state_nonce:
        raise TransactionError(Reason.DELEGATED_NONCE_GAP, "gapped-nonce tx from delegated accounts")
    if account.executable_count > 0 and entry.nonce >= account.executable_end:
        raise TransactionError(Reason.DELEGATED_IN_FLIGHT, "in-flight transaction limit reached for delegated accounts")


class _Cap(NamedTuple):
    name: str
    old: int
    new: int


def check_replacement(old: PooledTransaction, new: PooledTransaction, limits: PoolLimits) -> None:
    """A replacement offers more on every fee cap: by 10 %, by 100 % where there are blobs."""
    percent = limits.blob_price_bump_percent if new.is_blob else limits.price_bump_percent
    caps = [
        _Cap("gas fee cap", old.transaction.max_fee_per_gas, new.transaction.max_fee_per_gas),
        _Cap("gas tip cap", old.transaction.max_priority_fee_per_gas, new.transaction.max_priority_fee_per_gas),
    ]
    if new.is_blob:
        caps.append(
            _Cap("blob gas fee cap", old.transaction.max_fee_per_blob_gas, new.transaction.max_fee_per_blob_gas)
        )
    reason = _underpriced(caps, percent)
    if reason is not None:
        detail = f": {reason}" if new.is_blob else ""
        raise TransactionError(Reason.REPLACEMENT_UNDERPRICED, f"replacement transaction underpriced{detail}")


def _underpriced(caps: Sequence[_Cap], percent: int) -> str | None:
    for cap in caps:
        if cap.new <= cap.old:
            return f"new tx {cap.name} {cap.new} <= {cap.old} queued"
    for cap in caps:
        if cap.new < cap.old * (100 + percent) // 100:
            return f"new tx {cap.name} {cap.new} < {cap.old} queued + {percent}% replacement penalty"
    return None
