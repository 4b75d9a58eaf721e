"""The node's log: what it writes for calls, blocks and failures, and what it never shows."""

import io
import json
import logging
import threading
from dataclasses import replace

import pytest

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.events import BlockAndReceipts, HeadChanged, PayloadExecuted, TransactionAdded, TransactionReport
from zevm.chain.types import Block, Header, Receipt, Transaction
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.contracts.revert_reasons import Decoder
from zevm.node.core import Observers
from zevm.node.logs import (
    LINE,
    QUEUE_LIMIT,
    WHOLE_EVENTS,
    BlockEvent,
    CallEvent,
    Formatter,
    JsonFormatter,
    LogEvent,
    NodeLog,
    PayloadEvent,
    Shown,
    TextRecords,
    failure_text,
    hint_for,
    rfc2822,
    shown_parameters,
)
from zevm.rpc.errors import InvalidParamsError, RefusedError

CREATED = bytes(19) + b"\x0c"
NOPE = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"nope".ljust(32, b"\0")
REVERTED = VmError(VmErrorKind.REVERT, "execution reverted")
FAILED = TransactionReport((), NOPE, REVERTED)


def _call(method: str, error: str | None = None, params: object = ()) -> CallEvent:
    return CallEvent(1.0, method, params, 0.001, None if error is None else -32000, error)


def _block(*reports: TransactionReport, contract: bytes | None = None) -> BlockAndReceipts:
    transactions = tuple(Transaction(nonce=index) for index in range(len(reports)))
    receipts = tuple(
        Receipt(0, 1 if report.fault is None else 0, 21_000, (), bytes(256), bytes(20), 21_000, 1, contract)
        for report in reports
    )
    return BlockAndReceipts(Block(Header(bytes(32), number=7, timestamp=0), transactions), receipts, reports)


def _text(*events: LogEvent, formatter: Formatter | None = None) -> list[str]:
    return list((formatter or Formatter(Decoder().revert_reason)).lines(events))


def test_like_methods_in_a_row_are_one_line() -> None:
    calls = ["eth_chainId", "eth_chainId", "eth_call", "eth_chainId"]
    assert _text(*[_call(name) for name in calls]) == ["eth_chainId (2)", "eth_call", "eth_chainId"]


def test_a_block_of_anvils_form() -> None:
    record = _block(TransactionReport(("hello", "42"), b""), contract=CREATED)
    assert _text(_call("eth_sendRawTransaction"), BlockEvent(1.0, HeadChanged((record,)))) == [
        "eth_sendRawTransaction",
        "",
        "hello",
        "42",
        f"    Transaction: 0x{record.block.transactions[0].hash.hex()}",
        f"    Contract created: 0x{CREATED.hex()}",
        "    Gas used: 21000",
        "",
        "    Block Number: 7",
        f"    Block Hash: 0x{record.block.hash.hex()}",
        '    Block Time: "Thu, 01 Jan 1970 00:00:00 +0000"',
        "",
    ]


def test_a_revert_is_decoded() -> None:
    lines = _text(BlockEvent(1.0, HeadChanged((_block(FAILED),))))
    assert "    Error: reverted with: nope" in lines


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (TransactionReport((), b""), None),
        (FAILED, "reverted with: nope"),
        (TransactionReport((), b"", REVERTED), "reverted"),
        (TransactionReport((), b"\x12\x34\x56\x78", REVERTED), "reverted with: 0x12345678"),
        (TransactionReport((), b"", VmError(VmErrorKind.OUT_OF_GAS, "out of gas")), "out of gas"),
    ],
)
def test_why_a_transaction_failed(report: TransactionReport, text: str | None) -> None:
    assert failure_text(report, Decoder().revert_reason) == text


def test_no_text_of_a_stranger_reaches_a_terminal_as_it_is() -> None:
    evil = "a\x1b[31m\x07\ud800"
    report = TransactionReport((evil + "\n\tb",), b"", VmError(VmErrorKind.OUT_OF_GAS, evil))
    lines = _text(BlockEvent(1.0, HeadChanged((_block(report),))), _call(evil, evil))
    shown = "a\\x1b[31m\\x07\\ud800"
    assert shown + "\n\tb" in lines
    assert lines.count(shown) == 1
    assert lines.count(f"    Error: {shown}") == 2
    assert evil not in "".join(lines)


def test_console_lines_can_be_left_out() -> None:
    record = _block(TransactionReport(("hello",), b""))
    quiet = Formatter(console=False)
    assert "hello" not in _text(BlockEvent(1.0, HeadChanged((record,))), formatter=quiet)


def test_a_failed_call() -> None:
    lines = _text(_call("eth_call"), _call("eth_call", "execution reverted: nope", [{"to": "0x1"}]))
    assert lines == [
        "eth_call",
        "eth_call",
        "RPC request failed:",
        '    Request: eth_call [{"to": "0x1"}]',
        "    Error: execution reverted: nope",
    ]


@pytest.mark.parametrize("reason", [Reason.NONCE_TOO_HIGH, Reason.NONCE_TOO_LOW])
def test_a_wallet_that_remembers_another_chain_gets_a_hint(reason: Reason) -> None:
    stream = io.StringIO()
    log = NodeLog(Formatter(), stream)
    log.start()
    log.called("eth_sendRawTransaction", ["0x"], 0.001, RefusedError(TransactionError(reason, "any words")))
    log.close()
    assert "Hint: if the chain was started over, clear the wallet's activity data" in stream.getvalue()
    assert hint_for(RefusedError(TransactionError(Reason.ALREADY_KNOWN, "nonce too high"))) is None


def test_a_reorganisation_is_told() -> None:
    assert "Removed 1 blocks, from block 7 on" in _text(BlockEvent(1.0, HeadChanged((), (_block(),))))


@pytest.mark.parametrize("method", ["personal_unlockAccount", "personal_importRawKey", "eth_signTransaction"])
def test_secrets_are_hidden(method: str) -> None:
    for formatter in (Formatter(), JsonFormatter()):
        lines = "\n".join(_text(_call(method, "refused", ["password123"]), formatter=formatter))
        assert "password123" not in lines
        assert "[hidden]" in lines


def test_long_parameters_are_cut() -> None:
    for params in (["x" * 100_000], [["0x"] * 100_000], [{"a": "b"}] * 1_000):
        shown = shown_parameters("eth_call", params)
        assert len(shown) < 400
        assert shown.endswith("... (shortened)")
    assert shown_parameters("eth_call", Shown("[1]")) == "[1]"
    assert shown_parameters("eth_call", ["x" * 296]) == '["' + "x" * 296 + '"]'
    assert shown_parameters("eth_call", ["x" * 297]).endswith("... (shortened)")


@pytest.mark.parametrize("timestamp", [0, 2**31, 10**12, 2**63])
def test_times_beyond_the_calendar(timestamp: int) -> None:
    assert rfc2822(timestamp)


def test_json_lines() -> None:
    record = _block(replace(FAILED, console=("hello",)), contract=CREATED)
    events: list[LogEvent] = [
        _call("eth_call", "out of gas", [1]),
        BlockEvent(2.0, HeadChanged((record,), (_block(),))),
    ]
    entries = [json.loads(line) for line in _text(*events, formatter=JsonFormatter(Decoder().revert_reason))]
    assert [entry["event"] for entry in entries] == ["rpc", "reorganisation", "transaction", "block"]
    assert entries[0]["error"] == {"code": -32000, "message": "out of gas"}
    assert entries[2]["error"] == "reverted with: nope"
    assert entries[2]["console"] == ["hello"]
    assert entries[2]["contract_created"] == f"0x{CREATED.hex()}"
    assert (entries[3]["number"], entries[3]["transactions"]) == (7, 1)
    assert all(entry["time"].startswith("1970-01-01T00:00:0") for entry in entries)


def test_l4_a_payload_is_one_line() -> None:
    """L4: number, transactions, gas, time taken; the head that follows it adds no second one."""
    block = Block(Header(bytes(32), number=7, gas_used=1_234_567), (Transaction(), Transaction(nonce=1)))
    executed = PayloadEvent(1.0, PayloadExecuted(block, 0.0314))
    became_head = BlockEvent(1.1, HeadChanged((BlockAndReceipts(block, ()),)))
    line = f"Block 7 0x{block.hash.hex()}: 2 transactions, 1,234,567 gas, 31 ms"
    assert _text(executed, became_head, formatter=Formatter(external_consensus=True)) == [line]
    [entry] = [json.loads(text) for text in JsonFormatter(external_consensus=True).lines([executed])]
    assert (entry["event"], entry["number"], entry["transactions"]) == ("payload", 7, 2)
    assert (entry["gas_used"], entry["seconds"]) == (1_234_567, 0.0314)


def test_l4_an_executed_payload_reaches_the_log() -> None:
    """L4: the event of the chain becomes that line."""
    stream = _Signalling()
    log = NodeLog(Formatter(external_consensus=True), stream)
    log.start()
    log.on_event(PayloadExecuted(Block(Header(bytes(32), number=9)), 1.5))
    log.close()
    assert stream.getvalue().startswith("Block 9 0x")
    assert stream.getvalue().endswith(": 0 transactions, 0 gas, 1500 ms\n")


def test_l4_a_slow_engine_call_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """L4: over a second, of the consensus client's methods alone."""
    observers = Observers(lambda *_: None, None)
    for method, seconds in (("engine_newPayloadV4", 1.0), ("eth_call", 5.0)):
        observers.called(method, (), seconds, None)
    assert caplog.messages == []
    observers.called("engine_newPayloadV4", (), 1.26, None)
    assert caplog.messages == ["engine_newPayloadV4 took 1.3 s: the consensus client may miss a slot over it"]


def test_a_call_stands_before_the_block_that_it_made() -> None:
    stream = io.StringIO()
    moments = iter([5.0, 5.1])
    log = NodeLog(Formatter(), stream, clock=lambda: next(moments))
    log.on_event(HeadChanged((_block(),)))
    log.called("evm_mine", [], 0.2, None)
    log.start()
    log.close()
    lines = stream.getvalue().splitlines()
    assert lines.index("evm_mine") < lines.index("    Block Number: 7")


def test_a_log_that_nobody_reads_keeps_little_of_parameters() -> None:
    """As where the reader of a pipe has stopped: the log's thread waits, and calls go on failing."""
    stream = io.StringIO()
    log = NodeLog(Formatter(), stream)
    for index in range(WHOLE_EVENTS + 100):
        log.called("eth_call", [str(index), "x" * 10_000], 0.1, InvalidParamsError("no"))
    kept = [str(event.params) for event in log._queue if isinstance(event, CallEvent)]
    assert sum(map(len, kept)) < WHOLE_EVENTS * 11_000 + 100 * 400
    log.start()
    log.close()
    lines = [line for line in stream.getvalue().splitlines() if "Request:" in line]
    assert [line.split('"')[1] for line in lines] == [str(index) for index in range(WHOLE_EVENTS + 100)]
    assert {len(line) for line in lines[-80:]} == {len(lines[-1])}


def test_a_line_of_a_strangers_text_is_no_record_of_its_own() -> None:
    text = "no\nERROR zevm.node: \x1b[31mall is lost\u202e"
    record = logging.LogRecord("zevm.node", logging.WARNING, "a.py", 1, "it said %s", (text,), None)
    told = TextRecords(LINE).format(record)
    assert told == "Warning zevm.node: it said no\n    ERROR zevm.node: \\x1b[31mall is lost\\u202e"


def test_the_log_writes_while_it_runs_and_what_is_left_at_the_end() -> None:
    stream = _Signalling()
    log = NodeLog(Formatter(), stream)
    log.start()
    log.called("eth_chainId", [], 0.0, None)
    assert stream.written.wait(10)
    log.called("eth_call", [], 0.0, InvalidParamsError("missing value for required argument 0"))
    log.on_event(TransactionAdded(Transaction()))
    log.close()
    assert stream.getvalue().startswith("eth_chainId\neth_call\nRPC request failed:\n")


def test_a_flood_is_bounded_and_counted() -> None:
    stream = io.StringIO()
    log = NodeLog(Formatter(), stream)
    for _ in range(QUEUE_LIMIT + 5):
        log.called("eth_chainId", [], 0.0, None)
    log.start()
    log.close()
    assert stream.getvalue() == f"eth_chainId ({QUEUE_LIMIT})\n5 log entries were dropped: too many at once\n"


def test_a_closed_pipe_does_not_end_the_node() -> None:
    stream = io.StringIO()
    log = NodeLog(Formatter(), stream)
    stream.close()
    log.start()
    for method in ("eth_chainId", "eth_blockNumber"):
        log.called(method, [], 0.0, None)
    log.close()
    assert stream.closed
    assert not [thread for thread in threading.enumerate() if thread is log._thread]


class _Signalling(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        super().flush()
        if self.getvalue():
            self.written.set()


def test_a_stop_between_a_look_for_it_and_the_next_wait_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    log = NodeLog(Formatter(), stream := io.StringIO())
    stopping = log._stopping
    is_set = stopping.is_set

    def just_before() -> bool:
        found = is_set()
        if not found:
            stopping.set()
            log._arrived.set()
        return found

    log.start()
    monkeypatch.setattr(stopping, "is_set", just_before)
    log.executed(["a line"])
    log._thread.join(timeout=20)
    assert not log._thread.is_alive()
    assert "a line" in stream.getvalue()
