"""eth_: sending of transactions, signed by the client or the node's accounts, or unsigned."""

import asyncio
from collections.abc import Sequence
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.events import Event, HeadChanged
from zevm.chain.rules.units import ETHER
from zevm.chain.types import Transaction
from zevm.chain.types.block_reference import LATEST
from zevm.chain.types.transaction import encode_network_form
from zevm.rpc.codec import objects, results, scalars
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.dispatch.function_kinds import BRIEF_DATA_BYTES
from zevm.rpc.errors import InvalidParamsError, ReceiptTimeoutError, ServerError
from zevm.rpc.methods.eth.transactions import receipt_json, waiting_at
from zevm.rpc.methods.support.filling import execution_deadline, fill_transaction
from zevm.rpc.methods.support.kinds import decode_once, kind_of_raw_sending, kind_of_sending
from zevm.rpc.methods.support.reading import account_of, at_hand, on_writer
from zevm.rpc.methods.support.transaction_failures import submit, submit_together
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.rpc.wallet import UnknownAccountError
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

RAW = Param("raw", scalars.data, summary="EIP-2718 bytes; of a blob transaction with its sidecar")
TRANSACTION = Param("transaction", objects.transaction_arguments)
TIMEOUT = Param("timeout", scalars.number, default=None, summary="milliseconds")
DEFAULT_RECEIPT_TIMEOUT_SECONDS = 20.0


def decode_raw(services: Services, raw: bytes) -> Transaction:
    """A signed transaction from its bytes, within the fee cap. Raises RlpError, ServerError."""
    transaction = decode_once(raw) if len(raw) <= BRIEF_DATA_BYTES else Transaction.decode(raw)
    if transaction.is_impersonated:
        raise ServerError("invalid sender")
    _check_fee_cap(services, transaction)
    return transaction


def _check_fee_cap(services: Services, transaction: Transaction) -> None:
    cap = services.limits.transaction_fee_cap_wei
    fee = transaction.max_fee_per_gas * transaction.gas_limit
    if cap and fee > cap:
        raise ServerError(
            f"tx fee ({fee / ETHER:.2f} ether) exceeds the configured cap ({cap / ETHER:.2f} ether); "
            "raise --rpc-transaction-fee-cap-wei, 0 for no cap"
        )


def with_sender(services: Services, arguments: TransactionArguments) -> TransactionArguments:
    """The arguments, with the first account as the default sender."""
    if arguments.sender is not None:
        return arguments
    addresses = services.wallet.addresses()
    if not addresses:
        raise UnknownAccountError
    return arguments._replace(sender=addresses[0])


def sign(services: Services, transaction: Transaction, sender: Address) -> Transaction:
    """The transaction signed by the node's key for `sender`, or marked as sent for an impersonated account."""
    if sender in services.wallet.addresses():
        return services.wallet.sign_transaction(sender, transaction)
    _check_impersonation(services, sender)
    return transaction.impersonating(sender)


def _check_impersonation(services: Services, sender: Address) -> None:
    chain = services.chain
    if not chain.auto_impersonate and sender not in chain.impersonated:
        raise UnknownAccountError(sender)


def send(
    services: Services,
    arguments: TransactionArguments,
    *,
    unsigned: bool = False,
    deadline: Deadline | None = None,
) -> Hash32:
    """Fill, sign and send a transaction; return its hash. Runs on the writer, so that nonces are consecutive.

    unsigned: send it for any account, without a key. deadline: see Chain.send_transaction.
    """
    arguments = with_sender(services, arguments)
    sender = arguments.sender
    assert sender is not None
    if not unsigned and sender not in services.wallet.addresses():
        _check_impersonation(services, sender)
    filled = fill_transaction(services, arguments, deadline=deadline or execution_deadline(services))
    _check_fee_cap(services, filled)
    signed = filled.impersonating(sender) if unsigned else sign(services, filled, sender)
    return submit(services, signed, local=True, deadline=deadline)


@method(
    "eth_sendTransaction",
    cost=Cost.WRITE,
    shares_sync=True,
    kind=kind_of_sending,
    params=(TRANSACTION,),
    result="transaction hash",
)
def send_transaction(services: Services, arguments: TransactionArguments, *, deadline: Deadline | None = None) -> str:
    """Complete, sign and send a transaction of one of the node's accounts or an impersonated one."""
    return hexadecimal(send(services, arguments, deadline=deadline))


@method(
    "eth_sendUnsignedTransaction",
    cost=Cost.WRITE,
    shares_sync=True,
    kind=kind_of_sending,
    params=(TRANSACTION,),
    result="transaction hash",
)
def send_unsigned_transaction(
    services: Services, arguments: TransactionArguments, *, deadline: Deadline | None = None
) -> str:
    """Complete a transaction and send it for any account, without a signature."""
    return hexadecimal(send(services, arguments, unsigned=True, deadline=deadline))


def send_raw_together(services: Services, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """Results or errors of the first of some calls of eth_sendRawTransaction that came together."""
    decoded = [_decoded(services, *arguments) for arguments in calls]
    sent = [item for item in decoded if isinstance(item, Transaction)]
    outcomes: list[Any] = []
    told = iter(submit_together(services, sent) if sent else ())
    for item in decoded:
        outcome = next(told, None) if isinstance(item, Transaction) else item
        if outcome is None:
            break
        outcomes.append(outcome if isinstance(outcome, Exception) else hexadecimal(outcome))
    return outcomes


def _decoded(services: Services, raw: bytes) -> Transaction | Exception:
    try:
        return decode_raw(services, raw)
    except Exception as error:
        return error


@method(
    "eth_sendRawTransaction",
    cost=Cost.WRITE,
    shares_sync=True,
    kind=kind_of_raw_sending,
    together=send_raw_together,
    params=(RAW,),
    result="transaction hash",
)
def send_raw_transaction(services: Services, raw: bytes, *, deadline: Deadline | None = None) -> str:
    """Send a signed transaction."""
    return hexadecimal(submit(services, decode_raw(services, raw), deadline=deadline))


_CONDITION_FIELDS = {
    "blockNumberMin": ("block_number_min", scalars.number),
    "blockNumberMax": ("block_number_max", scalars.number),
    "timestampMin": ("timestamp_min", scalars.number),
    "timestampMax": ("timestamp_max", scalars.number),
    "knownAccounts": ("known_accounts", scalars.json_object),
}


def _conditions(value: object) -> dict[str, Any]:
    conditions = decode_fields(value, _CONDITION_FIELDS)
    known = conditions.get("known_accounts", {})
    conditions["known_accounts"] = {
        scalars.address(address): _expected_storage(expected) for address, expected in known.items()
    }
    return conditions


def _expected_storage(value: object) -> bytes | dict[int, int]:
    if type(value) is str:
        return scalars.hash32(value)
    return {scalars.word(slot): scalars.word(item) for slot, item in scalars.json_object(value).items()}


@method(
    "eth_sendRawTransactionConditional",
    cost=Cost.WRITE,
    shares_sync=True,
    params=(RAW, Param("conditions", _conditions, summary="{blockNumberMin, timestampMax, knownAccounts, ...}")),
    result="transaction hash",
)
def send_raw_transaction_conditional(services: Services, raw: bytes, conditions: dict[str, Any]) -> str:
    """Send a signed transaction if the chain meets the sender's conditions (ERC-7796)."""
    transaction = decode_raw(services, raw)
    header = services.chain.head.header
    for name, have in (("block_number", header.number), ("timestamp", header.timestamp)):
        lowest, highest = conditions.get(f"{name}_min", have), conditions.get(f"{name}_max", have)
        if not lowest <= have <= highest:
            raise ServerError(f"transaction conditional: {name} {have} is not in [{lowest}, {highest}]")
    for address, expected in conditions["known_accounts"].items():
        if not _storage_is(services, address, expected):
            raise ServerError(f"transaction conditional: the storage of 0x{address.hex()} is not as expected")
    return hexadecimal(submit(services, transaction))


def _storage_is(services: Services, address: Address, expected: bytes | dict[int, int]) -> bool:
    state = services.chain.state_at(LATEST)
    if isinstance(expected, bytes):
        return account_of(state, address).storage_root == expected
    return all(state.storage(address, slot) == value for slot, value in expected.items())


async def _send_and_wait(services: Services, timeout_ms: int | None, send_it: Any, *arguments: Any) -> Json:
    """Run a send on the writer and wait for the receipt; events end the wait, not polling."""
    limit = services.limits.sync_send_seconds
    timeout = min(DEFAULT_RECEIPT_TIMEOUT_SECONDS if timeout_ms is None else timeout_ms / 1000, limit)
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def on_event(event: Event) -> None:
        if isinstance(event, HeadChanged):
            loop.call_soon_threadsafe(changed.set)

    cancel = services.chain.events.subscribe(on_event)
    try:
        transaction_hash: Hash32 = await on_writer(services, send_it, *arguments, shares=True)
        async with asyncio.timeout(timeout):
            while (receipt := await at_hand(services, receipt_json, services, transaction_hash)) is None:
                await changed.wait()
                changed.clear()
            return receipt
    except TimeoutError as error:
        raise ReceiptTimeoutError(
            transaction_hash,
            f"The transaction was added to the transaction pool but wasn't processed in {timeout:g}s",
        ) from error
    finally:
        cancel()


@method("eth_sendRawTransactionSync", cost=Cost.ASYNC, params=(RAW, TIMEOUT), result="receipt")
async def send_raw_transaction_sync(services: Services, raw: bytes, timeout_ms: int | None) -> Json:
    """Send a signed transaction and wait for its receipt (EIP-7966)."""
    transaction = decode_raw(services, raw)
    return await _send_and_wait(services, timeout_ms, submit, services, transaction)


@method("eth_sendTransactionSync", cost=Cost.ASYNC, params=(TRANSACTION, TIMEOUT), result="receipt")
async def send_transaction_sync(services: Services, arguments: TransactionArguments, timeout_ms: int | None) -> Json:
    """Complete, sign and send a transaction, and wait for its receipt."""
    return await _send_and_wait(services, timeout_ms, send, services, arguments)


@method("eth_fillTransaction", cost=Cost.EXECUTION, params=(TRANSACTION,), result="{raw, tx}")
def fill(services: Services, arguments: TransactionArguments, *, deadline: Deadline) -> Json:
    """Complete a transaction without signing or sending it."""
    transaction = fill_transaction(services, arguments, deadline=deadline)
    sender = arguments.sender or ZERO_ADDRESS
    return {
        "raw": hexadecimal(encode_network_form(transaction)),
        "tx": results.transaction(transaction, None, sender=sender),
    }


@method(
    "eth_resend",
    cost=Cost.WRITE,
    shares_sync=True,
    params=(
        TRANSACTION,
        Param("gasPrice", scalars.quantity, default=None),
        Param("gasLimit", scalars.uint64, default=None),
    ),
    result="transaction hash",
)
def resend(services: Services, arguments: TransactionArguments, gas_price: int | None, gas_limit: int | None) -> str:
    """Replace a pending transaction of the node's account by one with another price or gas limit."""
    arguments = with_sender(services, arguments)
    if arguments.nonce is None:
        raise InvalidParamsError("missing transaction nonce in transaction spec")
    assert arguments.sender is not None
    waiting = waiting_at(services, arguments.sender, arguments.nonce)
    if waiting is None:
        raise ServerError(f"no waiting transaction of 0x{arguments.sender.hex()} has nonce {arguments.nonce}")
    if gas_price is not None:
        arguments = arguments._replace(
            gas_price=gas_price, max_fee_per_gas=None, max_priority_fee_per_gas=None, type=None
        )
    gas = gas_limit or arguments.gas or waiting.gas_limit
    return hexadecimal(send(services, arguments._replace(gas=gas)))
