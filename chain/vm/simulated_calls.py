"""The calls of a simulated block (eth_simulateV1): unsigned transactions, their ends, what the block has of them."""

from collections.abc import Collection
from typing import NamedTuple

from zevm.chain.types import AccessListEntry, Authorization, Log, Receipt, Transaction, TransactionType, logs_bloom
from zevm.chain.types.receipt import EncodedReceipt
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.interface import CallRequest, Outcome, VmError
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32


class SimulatedCall(NamedTuple):
    """A call as a transaction. Fees are wei per gas. core/zig/simulated_objects.zig has the order of the fields.

    gas_limit, nonce: None for what the block has left and the next one. type: of the transaction, which geth shows; a
    chain without a base fee has legacy ones only. authorization_list, blob_versioned_hashes: None where absent.
    """

    sender: Address = ZERO_ADDRESS
    to: Address | None = None
    value: int = 0
    data: bytes = b""
    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0
    gas_limit: int | None = None
    nonce: int | None = None
    type: TransactionType = TransactionType.DYNAMIC_FEE
    access_list: tuple[AccessListEntry, ...] = ()
    authorization_list: tuple[Authorization, ...] | None = None
    blob_versioned_hashes: tuple[bytes, ...] | None = None
    max_fee_per_blob_gas: int = 0

    def request(self, gas_limit: int) -> CallRequest:
        """Its message, with a gas limit."""
        return CallRequest(
            self.sender,
            self.to,
            gas_limit,
            self.value,
            self.data,
            self.max_fee_per_gas,
            self.max_priority_fee_per_gas,
            self.access_list,
            self.authorization_list,
            self.blob_versioned_hashes,
            self.max_fee_per_blob_gas,
        )


class CallResult(NamedTuple):
    """A call's outcome, as its caller sees it.

    logs: with their numbers in the block, transfers among them. gas_capped: it got less gas than it asked for.
    """

    gas_used: int
    gas_used_before_refund: int
    output: bytes
    error: VmError | None
    logs: tuple[tuple[int, Log], ...]
    gas_capped: bool


class SimulatedEnd(NamedTuple):
    """How a call ended, and what its block has of it.

    result: without its logs, which have no numbers yet. logs: with transfers that are shown; empty where it failed.
    ordinals: the place of each among all logs that it made, those that were undone too; logs_made: how many these are.
    gas_limit, nonce: of the transaction. encoded, hash: of it.
    """

    result: CallResult
    logs: tuple[Log, ...]
    ordinals: tuple[int, ...]
    logs_made: int
    gas_limit: int
    nonce: int
    encoded: bytes
    hash: Hash32
    receipt: EncodedReceipt


class SimulatedTransaction(Transaction):
    """A transaction without a signature: all of v, r and s are 0, in a legacy one too. Its sender is set when made."""

    @property
    def v(self) -> int:
        """0, which no signed transaction has."""
        return 0

    def sent_by(self, sender: Address) -> "SimulatedTransaction":
        """The transaction with its sender, which no signature tells."""
        self.__dict__["sender"] = sender
        return self

    @classmethod
    def plain(cls, call: SimulatedCall, end: SimulatedEnd, chain_id: int) -> "SimulatedTransaction":
        """That of a call without lists that has ended, whose encoding and hash are known."""
        # in half the time that the fields take by their names
        sender, to, value, data, fee_cap, tip, _, _, kind = call[:9]
        _, _, _, _, gas_limit, nonce, encoded, transaction_hash, _ = end
        transaction = cls.__new__(cls)
        fields = {
            "type": kind,
            "chain_id": chain_id if kind else None,
            "nonce": nonce,
            "max_priority_fee_per_gas": tip,
            "max_fee_per_gas": fee_cap,
            "gas_limit": gas_limit,
            "to": to,
            "value": value,
            "data": data,
            "sender": sender,
            "encoded": encoded,
            "hash": transaction_hash,
        }
        # the other fields have the class's defaults; `update` would take as long again
        object.__setattr__(transaction, "__dict__", fields)
        return transaction


def make_transaction(
    call: SimulatedCall, gas_limit: int, nonce: int, environment: BlockEnvironment
) -> SimulatedTransaction:
    """The unsigned transaction that represents a call in its block."""
    kind = TransactionType.LEGACY if environment.base_fee_per_gas is None else call.type
    transaction = SimulatedTransaction(
        type=kind,
        chain_id=None if kind is TransactionType.LEGACY else environment.rules.chain_id,
        nonce=nonce,
        max_priority_fee_per_gas=call.max_priority_fee_per_gas,
        max_fee_per_gas=call.max_fee_per_gas,
        gas_limit=gas_limit,
        to=call.to,
        value=call.value,
        data=call.data,
        access_list=call.access_list,
        max_fee_per_blob_gas=call.max_fee_per_blob_gas,
        blob_versioned_hashes=call.blob_versioned_hashes or (),
        authorization_list=call.authorization_list or (),
    )
    return transaction.sent_by(call.sender)


def plain_end(
    transaction: SimulatedTransaction,
    outcome: Outcome,
    ordinals: tuple[int, ...],
    logs_made: int,
    gas_used: int,
    *,
    transfers: Collection[int],
    gas_capped: bool,
) -> SimulatedEnd:
    """How a call without lists ended. gas_used: by its block so far, with it. transfers: their places in its logs."""
    own_logs = without_transfers(outcome.logs, transfers)
    receipt = Receipt(
        type=transaction.type,
        status=int(outcome.succeeded),
        cumulative_gas_used=gas_used,
        logs=own_logs,
        bloom=logs_bloom(own_logs),
        sender=transaction.sender,
        gas_used=outcome.gas_used,
        effective_gas_price=0,
    )
    return SimulatedEnd(
        result_of(outcome, (), gas_capped=gas_capped),
        outcome.logs,
        ordinals,
        logs_made,
        transaction.gas_limit,
        transaction.nonce,
        transaction.encoded,
        transaction.hash,
        EncodedReceipt(receipt.encode(), receipt.bloom, own_logs),
    )


def without_transfers(logs: tuple[Log, ...], transfers: Collection[int]) -> tuple[Log, ...]:
    """The logs that contracts have made. transfers: the places of the others."""
    return tuple([log for place, log in enumerate(logs) if place not in transfers]) if transfers else logs


def result_of(outcome: Outcome, logs: tuple[tuple[int, Log], ...], *, gas_capped: bool) -> CallResult:
    """The result of a call with these logs."""
    return CallResult(
        outcome.gas_used, outcome.gas_used_before_refund, outcome.output, outcome.error, logs, gas_capped=gas_capped
    )
