"""Frames and logs that the core recorded: a tracer gets them as if it had watched, the check mode compares them."""

from collections.abc import Sequence
from typing import Any

from zevm.chain.types import Log
from zevm.chain.vm.engines.native import error_of, logs_of
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import LogSource, Recording, Tracer, TransactionStart
from zevm.chain.vm.transaction_environment import TransactionEnvironment
from zevm.storage.primitives import ZERO_ADDRESS, Address

EVENTS_BETWEEN_LOOKS = 1_000
_START_FIELDS, _LOG_FIELDS, _LOOK_FIELDS = len(FrameStart._fields), 3, 2


def recording_of(tracer: Tracer | None) -> Recording | None:
    """A tracer's recording; None without a tracer, and for one that watches live."""
    return None if tracer is None else tracer.recording


def describe(
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    state: ExecutionState,
    context: TransactionContext,
    creates: Address | None,
    logs: LogSource,
) -> TransactionStart:
    """A transaction's fields for a tracer. logs: those of the transaction as it goes on."""
    authorities = (authorization.authority for authorization in transaction.authorization_list)
    return TransactionStart(
        sender=transaction.sender,
        to=transaction.to,
        address=creates or transaction.to or ZERO_ADDRESS,
        gas_limit=transaction.gas_limit,
        coinbase=environment.coinbase,
        rules=environment.rules,
        authorities=tuple(authority for authority in authorities if authority is not None),
        precompiles=context.warm_precompiles,
        gas_price=context.gas_price,
        block_number=environment.number,
        timestamp=environment.timestamp,
        state=state,
        logs=logs,
    )


class Telling:
    """The events of a run in their order, and the logs that there were at each: a LogSource.

    events: see run_transaction in core/_core.pyi. size_bytes: what they take.
    """

    def __init__(self, frames: type[Frame], size_bytes: int, events: Sequence[tuple[Any, ...]]) -> None:
        self._frames = frames
        self._size_bytes = size_bytes
        self._events = events
        self._logs: list[Log] = []

    def log_count(self) -> int:
        """Number of logs so far, without those of failed frames."""
        return len(self._logs)

    def logs_from(self, place: int) -> tuple[Log, ...]:
        """The logs in order, from the one at this place on."""
        return tuple(self._logs[place:])

    def tell(self, tracer: "Tracer | FrameRecorder", context: TransactionContext) -> None:
        """Show each frame. Raises what the tracer and the deadline raise."""
        tracer.hold(self._size_bytes)
        open_frames: list[int] = []
        for place, event in enumerate(self._events):
            if not place % EVENTS_BETWEEN_LOOKS:
                context.check_deadline()
            size = len(event)
            if size == _START_FIELDS:
                open_frames.append(len(self._logs))
                tracer.on_enter(FrameStart._make(event))
            elif size == _LOG_FIELDS:
                self._logs += logs_of((event,))
            elif size == _LOOK_FIELDS:
                tracer.on_look(*event)
            else:
                gas_used, output, status, detail = event
                error, first_log = error_of(self._frames, status, detail), open_frames.pop()
                if error is not None:
                    del self._logs[first_log:]
                tracer.on_exit(gas_used, output, error)
        self._events = ()
        tracer.hold(-self._size_bytes)


class FrameRecorder:
    """Notes frames, and the number of logs at each end of one, and passes them on to a tracer.

    It has the methods that are called of a Tracer with a Recording.
    """

    def __init__(self, recording: Recording, tracer: Tracer | None = None) -> None:
        self.noted: list[tuple[Any, ...]] = []
        self._with_logs = recording.with_logs
        self._tracer = tracer
        self._logs: LogSource | None = None

    def hold(self, size_bytes: int) -> None:
        """Take no notice: the tracer has counted what it holds."""

    def listen(self, logs: LogSource) -> "FrameRecorder":
        """Count these logs."""
        self._logs = logs
        return self

    def on_begin(self, start: TransactionStart) -> None:
        """Pass it on, as all here."""
        self.listen(start.logs)
        if self._tracer is not None:
            self._tracer.on_begin(start)

    def on_enter(self, start: FrameStart) -> None:
        """A frame begins."""
        self._note(start)
        if self._tracer is not None:
            self._tracer.on_enter(start)

    def on_look(self, address: Address, slot: int | None) -> None:
        """Take no notice: who watches live sees the instruction."""

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """A frame ended."""
        self._note(gas_used, output, error)
        if self._tracer is not None:
            self._tracer.on_exit(gas_used, output, error)

    def _note(self, *event: Any) -> None:
        logs = self._logs.log_count() if self._with_logs and self._logs is not None else 0
        self.noted.append((*event, logs))

    def on_end(self, outcome: Outcome) -> None:
        """The transaction ended."""
        if self._tracer is not None:
            self._tracer.on_end(outcome)
