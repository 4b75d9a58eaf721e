"""The node's log: answered calls and new blocks, in Anvil's format or as JSON.

Callers only append to a queue; the log's own thread orders the events and writes them. It never shows parameters of
methods that take keys, passwords or signatures.
"""

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from operator import attrgetter
from typing import Any, NamedTuple, TextIO

from zevm.analysis.printable import printable
from zevm.chain import errors as refusals
from zevm.chain.events import BlockAndReceipts, Event, HeadChanged, PayloadExecuted, TransactionReport
from zevm.chain.types import Block, Receipt, Transaction
from zevm.chain.vm.interface import VmErrorKind
from zevm.core.records import quick_init
from zevm.node.hints import HintFilter
from zevm.rpc.errors import RefusedError

QUEUE_LIMIT = 20_000
"""Maximum of unwritten events; further ones are dropped and counted."""

GATHER_SECONDS = 0.05
"""How long the writer collects events, so that a call precedes the block it made."""

WHOLE_EVENTS = 64
"""Unwritten events whose parameters are kept as they came; of further ones, if the log has no reader, a part."""

PARAMETER_LIMIT = 300
LINE = "%(levelname)s %(name)s: %(message)s"
_SECRET_PREFIXES = ("personal_", "wallet_", "account_", "eth_sign")


class Shown(str):
    """Parameters as the log shows them."""

    __slots__ = ()


class CallEvent(NamedTuple):
    """An answered call. `error` is the message that was sent, None for a result; `hint`: what the log adds to it."""

    started_at: float
    method: str
    params: object
    seconds: float
    code: int | None
    error: str | None
    hint: str | None = None


@quick_init
@dataclass(frozen=True, slots=True)
class BlockEvent:
    """A new head and what it replaced."""

    started_at: float
    change: HeadChanged


@dataclass(frozen=True, slots=True)
class PayloadEvent:
    """An executed block of the consensus client."""

    started_at: float
    executed: PayloadExecuted


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """An execution under --debug, in lines."""

    started_at: float
    lines: Sequence[str]


_STARTED_AT = attrgetter("started_at")

LogEvent = CallEvent | BlockEvent | PayloadEvent | ExecutionEvent
Reason = Callable[[bytes], str | None]


class NodeLog:
    """Collects events from any thread, between `start` and `close`."""

    def __init__(
        self,
        formatter: "Formatter",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
        paint: Callable[[str], str] = str,
    ) -> None:
        self._paint = paint
        self._formatter = formatter
        self._stream = stream or sys.stdout
        self._clock = clock
        self.enabled = True
        self._queue: deque[LogEvent] = deque()
        self._dropped = 0
        self._arrived = threading.Event()
        self._is_told = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node-log", daemon=True)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def close(self) -> None:
        """Write the queued events and stop."""
        self._stopping.set()
        self._arrived.set()
        if self._thread.is_alive():
            self._thread.join()

    def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:
        """An answered call (rpc.services.CallLog)."""
        if error is None:
            self._put(CallEvent(self._clock() - seconds, method, None, seconds, None, None))
            return
        code, message = getattr(error, "code", None), str(error)
        # only a failed call's parameters are shown; others would be kept until the log is written
        if params is not None and len(self._queue) >= WHOLE_EVENTS:
            params = Shown(shown_parameters(method, params))
        self._put(CallEvent(self._clock() - seconds, method, params, seconds, code, message, hint_for(error)))

    def executed(self, lines: Sequence[str]) -> None:
        """An execution under --debug (analysis.debug_log.Sink)."""
        self._put(ExecutionEvent(self._clock(), lines))

    def on_event(self, event: Event) -> None:
        """A chain event (chain.events.Listener)."""
        if isinstance(event, HeadChanged):
            self._put(BlockEvent(self._clock(), event))
        elif isinstance(event, PayloadExecuted):
            self._put(PayloadEvent(self._clock(), event))

    def _put(self, event: LogEvent) -> None:
        if not self.enabled:
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._dropped += 1
            return
        self._queue.append(event)
        if not self._is_told:
            self._is_told = True
            self._arrived.set()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            self._stopping.wait(GATHER_SECONDS)
            self._arrived.clear()
            # after that: a stop that comes later sets the event again
            last = self._stopping.is_set()
            # what comes before this is drained, and what comes after it sets the event again
            self._is_told = False
            self._write(self._drain())
            if last:
                return

    def _drain(self) -> list[LogEvent]:
        events = [self._queue.popleft() for _ in range(len(self._queue))]
        events.sort(key=_STARTED_AT)
        return events

    def _write(self, events: list[LogEvent]) -> None:
        lines = list(self._formatter.lines(events))
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            lines.append(self._formatter.note(f"{dropped} log entries were dropped: too many at once"))
        try:
            self._stream.write(self._paint("".join(f"{line}\n" for line in lines)))
            self._stream.flush()
        except (OSError, ValueError):
            # the reader of the log is gone (a closed pipe); the node goes on
            self._stopping.set()


class Formatter:
    """Turns events into lines for people, as Anvil writes them."""

    def __init__(
        self,
        reason: Reason | None = None,
        *,
        console: bool = True,
        external_consensus: bool = False,
        chain_name: str = "",
    ) -> None:
        """`external_consensus`: tell of payloads as they are executed, and not of new heads, which name them again.

        chain_name: named in each line, where a process has several chains.
        """
        self._mark = f"[{chain_name}] " if chain_name else ""
        self._named = {"chain": chain_name} if chain_name else {}
        self._reason = reason or (lambda _: None)
        self._console = console
        self._external_consensus = external_consensus

    def lines(self, events: Iterable[LogEvent]) -> Iterator[str]:
        """The lines of some events; consecutive equal methods become one line with a count."""
        return (f"{self._mark}{line}" if line else line for line in self._unmarked(events))

    def _unmarked(self, events: Iterable[LogEvent]) -> Iterator[str]:
        repeated, count = "", 0
        for event in events:
            if isinstance(event, CallEvent) and event.error is None:
                if event.method != repeated:
                    if count:
                        yield _counted(repeated, count)
                    repeated, count = event.method, 0
                count += 1
                continue
            if count:
                yield _counted(repeated, count)
                repeated, count = "", 0
            if isinstance(event, BlockEvent):
                yield from self._block_lines(event.change)
            elif isinstance(event, PayloadEvent):
                yield _payload_line(event.executed)
            elif isinstance(event, ExecutionEvent):
                yield from event.lines
            else:
                yield from self._failure_lines(event)
        if count:
            yield _counted(repeated, count)

    def note(self, text: str) -> str:
        """A line about the log itself."""
        return f"{self._mark}{text}"

    def _failure_lines(self, event: CallEvent) -> Iterator[str]:
        method = printable(event.method)
        yield method
        yield "RPC request failed:"
        yield f"    Request: {method} {shown_parameters(event.method, event.params)}"
        yield f"    Error: {printable(str(event.error))}"
        if event.hint is not None:
            yield f"    Hint: {event.hint}"

    def _block_lines(self, change: HeadChanged) -> Iterator[str]:
        if change.removed:
            oldest = change.removed[-1].block.number
            yield f"Removed {len(change.removed)} blocks, from block {oldest} on"
        for record in () if self._external_consensus else change.added:
            yield from self._record_lines(record)

    def _record_lines(self, record: BlockAndReceipts) -> Iterator[str]:
        yield ""
        for transaction, receipt, report in _executed(record):
            yield from self._transaction_lines(transaction, receipt, report)
        header = record.block.header
        yield f"    Block Number: {header.number}"
        yield f"    Block Hash: 0x{header.hash.hex()}"
        yield f'    Block Time: "{rfc2822(header.timestamp)}"'
        yield ""

    def _transaction_lines(
        self, transaction: Transaction, receipt: Receipt, report: TransactionReport | None
    ) -> Iterator[str]:
        if report is not None and self._console:
            yield from (printable(line, keep="\n\t") for line in report.console)
        yield f"    Transaction: 0x{transaction.hash.hex()}"
        if receipt.contract_address is not None:
            yield f"    Contract created: 0x{receipt.contract_address.hex()}"
        yield f"    Gas used: {receipt.gas_used}"
        failure = None if report is None else failure_text(report, self._reason)
        if failure is not None:
            yield f"    Error: {printable(failure)}"
        yield ""


class JsonFormatter(Formatter):
    """One JSON object a line: `time`, its fields, and `event`.

    The event is rpc, block, payload, execution, transaction, reorganisation or note.
    """

    def lines(self, events: Iterable[LogEvent]) -> Iterator[str]:
        """An object for each call, block and transaction."""
        for event in events:
            for kind, fields in self._entries(event):
                yield _json(event.started_at, kind, self._named | fields)

    def note(self, text: str) -> str:
        """A line about the log itself."""
        return _json(time.time(), "note", self._named | {"message": text})

    def _entries(self, event: LogEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(event, CallEvent):
            return self._call(event)
        if isinstance(event, ExecutionEvent):
            return iter([("execution", {"lines": list(event.lines)})])
        return self._payload(event) if isinstance(event, PayloadEvent) else self._blocks(event)

    def _payload(self, event: PayloadEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "payload", _block_fields(event.executed.block) | {"seconds": round(event.executed.seconds, 6)}

    def _call(self, event: CallEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        fields: dict[str, Any] = {"method": event.method, "seconds": round(event.seconds, 6)}
        if event.error is not None:
            fields["error"] = {"code": event.code, "message": event.error}
            fields["params"] = shown_parameters(event.method, event.params)
        yield "rpc", fields

    def _blocks(self, event: BlockEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        if event.change.removed:
            hashes = ["0x" + record.block.hash.hex() for record in event.change.removed]
            yield "reorganisation", {"removed": hashes}
        for record in event.change.added:
            for transaction, receipt, report in _executed(record):
                yield "transaction", self._transaction(record.block.number, transaction, receipt, report)
            yield "block", _block_fields(record.block)

    def _transaction(
        self, number: int, transaction: Transaction, receipt: Receipt, report: TransactionReport | None
    ) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "hash": "0x" + transaction.hash.hex(),
            "block": number,
            "from": "0x" + receipt.sender.hex(),
            "to": None if transaction.to is None else "0x" + transaction.to.hex(),
            "gas_used": receipt.gas_used,
            "status": receipt.status,
        }
        if receipt.contract_address is not None:
            fields["contract_created"] = "0x" + receipt.contract_address.hex()
        if report is not None:
            failure = failure_text(report, self._reason)
            fields |= {"error": failure} if failure is not None else {}
            fields |= {"console": list(report.console)} if report.console and self._console else {}
        return fields


def configure_logging(*, as_json: bool) -> None:
    """Send warnings of all packages to standard error, one line each, or as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonRecords() if as_json else TextRecords(LINE))
    handler.addFilter(HintFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class TextRecords(logging.Formatter):
    """Records of all packages as text."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        """The line; further ones of a stranger's text are set off, and look like no record of their own."""
        line = printable(super().formatMessage(record), keep="\n\t").replace("\n", "\n    ")
        # prool, by which viem's tests start nodes, takes a line without this word for the failure of a start
        return f"Warning{line.removeprefix('WARNING')}" if record.levelno == logging.WARNING else line


class _JsonRecords(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return _json(record.created, "message", fields)


def failure_text(report: TransactionReport, reason: Reason) -> str | None:
    """Why a transaction failed: "reverted with: reason", or the execution's error."""
    fault = report.fault
    if fault is None:
        return None
    if fault.kind is not VmErrorKind.REVERT:
        return fault.message
    words = reason(report.output)
    if words is None:
        words = f"0x{report.output.hex()}" if report.output else ""
    return f"reverted with: {words}" if words else "reverted"


_WALLET_HINT = "if the chain was started over, clear the wallet's activity data (MetaMask: Settings, Advanced)"
_HINTS = {refusals.Reason.NONCE_TOO_LOW: _WALLET_HINT, refusals.Reason.NONCE_TOO_HIGH: _WALLET_HINT}
"""Advice about a refusal; a wallet with a wrong nonce remembers another chain."""


def hint_for(error: Exception | None) -> str | None:
    """The log's advice with a call's error."""
    return _HINTS.get(error.reason) if isinstance(error, RefusedError) else None


def shown_parameters(method: str, params: object) -> str:
    """Parameters for the log: shortened, and omitted if they can hold a secret."""
    if isinstance(params, Shown):
        return params
    if method.startswith(_SECRET_PREFIXES):
        return "[hidden]"
    text = ""
    try:
        # piece by piece: what is not shown is not encoded either
        for part in json.JSONEncoder().iterencode(params):
            text += part
            if len(text) > PARAMETER_LIMIT:
                return f"{text[:PARAMETER_LIMIT]}... (shortened)"
    except (TypeError, ValueError, RecursionError):
        return "[not JSON]"
    return text


def rfc2822(timestamp: int) -> str:
    """The time in RFC 2822's form; the bare number if it is beyond the calendar."""
    try:
        return format_datetime(datetime.fromtimestamp(timestamp, UTC))
    except (OverflowError, ValueError, OSError):
        return str(timestamp)


def _executed(record: BlockAndReceipts) -> Iterator[tuple[Transaction, Receipt, TransactionReport | None]]:
    for index, (transaction, receipt) in enumerate(zip(record.block.transactions, record.receipts, strict=True)):
        yield transaction, receipt, record.reports[index] if index < len(record.reports) else None


def _payload_line(executed: PayloadExecuted) -> str:
    header, count = executed.block.header, len(executed.block.transactions)
    return (
        f"Block {header.number} 0x{header.hash.hex()}: {count} transactions, {header.gas_used:,} gas, "
        f"{executed.seconds * 1000:.0f} ms"
    )


def _block_fields(block: Block) -> dict[str, Any]:
    return {
        "number": block.number,
        "hash": "0x" + block.hash.hex(),
        "timestamp": block.header.timestamp,
        "transactions": len(block.transactions),
        "gas_used": block.header.gas_used,
    }


def _counted(method: str, count: int) -> str:
    return method if count == 1 else f"{method} ({count})"


def _json(moment: float, kind: str, fields: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": when, "event": kind, **fields})
