"""Sending as in Hardhat's node: a transaction that is mined at once and fails is answered with an error.

The error has the revert data where Hardhat's users expect it, in `data.data`, with the transaction's hash. Its code is
not Hardhat 2's -32603, which makes clients send again.
"""

from collections.abc import Sequence

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.events import Event, HeadChanged, TransactionReport
from zevm.chain.types import Transaction
from zevm.chain.vm.interface import VmErrorKind
from zevm.contracts.revert_reasons import ERROR_SELECTOR, PANIC_SELECTOR
from zevm.rpc.errors import TransactionFailedError
from zevm.rpc.services import ErrorDecoder, Services
from zevm.storage.primitives import Hash32

_PREFIX = "VM Exception while processing transaction: "


def submit(
    services: Services, transaction: Transaction, *, local: bool = False, deadline: Deadline | None = None
) -> Hash32:
    """Send a transaction with the writer's role; return its hash. Raises TransactionFailedError if the mode says so.

    deadline: see Chain.send_transaction.
    """
    chain = services.chain
    if not services.throws_on_failure:
        return chain.send_transaction(transaction, local=local, deadline=deadline)
    failures: list[TransactionReport] = []

    def on_event(event: Event) -> None:
        for record in event.added if isinstance(event, HeadChanged) else ():
            for mined, report in zip(record.block.transactions, record.reports, strict=True):
                if mined.hash == transaction.hash and report.fault is not None:
                    failures.append(report)

    # events are published on this thread, before the send returns
    cancel = chain.events.subscribe_early(on_event)
    try:
        transaction_hash = chain.send_transaction(transaction, local=local, deadline=deadline)
    finally:
        cancel()
    if failures:
        raise _failed(services, transaction_hash, failures[0])
    return transaction_hash


def submit_together(services: Services, transactions: Sequence[Transaction]) -> list[Hash32 | Exception]:
    """Send what came together; the hashes of the first ones, or the errors that each would have got from `submit`."""
    chain = services.chain
    if not services.throws_on_failure:
        return chain.send_transactions(transactions)
    failures: dict[Hash32, TransactionReport] = {}

    def on_event(event: Event) -> None:
        for record in event.added if isinstance(event, HeadChanged) else ():
            for mined, report in zip(record.block.transactions, record.reports, strict=True):
                if report.fault is not None:
                    failures[mined.hash] = report

    cancel = chain.events.subscribe_early(on_event)
    try:
        outcomes = chain.send_transactions(transactions)
    finally:
        cancel()
    return [
        _failed(services, outcome, failures[outcome])
        if not isinstance(outcome, Exception) and outcome in failures
        else outcome
        for outcome in outcomes
    ]


def _failed(services: Services, transaction_hash: Hash32, report: TransactionReport) -> TransactionFailedError:
    return TransactionFailedError(failure_message(services.decoder, report), transaction_hash, report.output)


def failure_message(decoder: ErrorDecoder | None, report: TransactionReport) -> str:
    """Hardhat's text for a failure, which test libraries parse."""
    assert report.fault is not None, "the transaction did not fail"
    if report.fault.kind is not VmErrorKind.REVERT:
        return f"{_PREFIX}{report.fault.message}"
    output = report.output
    reason = None if decoder is None else decoder.revert_reason(output)
    if not output:
        return "Transaction reverted without a reason string"
    if output.startswith(ERROR_SELECTOR) and reason is not None:
        return f"{_PREFIX}reverted with reason string '{reason}'"
    if output.startswith(PANIC_SELECTOR) and reason is not None:
        return f"{_PREFIX}reverted with panic code {int.from_bytes(output[4:36], 'big'):#x} ({reason})"
    if reason is not None:
        return f"{_PREFIX}reverted with custom error '{reason}'"
    return f"{_PREFIX}reverted with an unrecognized custom error (return data: 0x{output.hex()})"
