"""A tracer's input: the client's options, and the transaction's context."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing.errors import TraceError, TraceSizeError
from zevm.chain.tracing.memory import take
from zevm.chain.vm.tracer import Recording
from zevm.storage.primitives import Hash32

Options = Mapping[str, object]
"""A tracer's options as a client sent them: JSON of which `flag` and `count` make values."""

TRACE_BYTES_LIMIT = 128 * 1024 * 1024
"""Maximum of one trace, in approximate bytes of its JSON; a longer one is aborted."""

RECORDING = Recording(64 * 1024 * 1024)
RECORDING_WITH_LOGS = RECORDING._replace(with_logs=True)
RECORDING_WITH_LOOKS = RECORDING._replace(with_looks=True)
"""Bounds of the core's record of one transaction for tracers of frames; they watch a longer one live."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A transaction's position; empty for a call.

    first_log_index: logs in the block before the transaction. reason_of: revert data in words, None where it says
    nothing. deadline: when the trace has had its time, None for never.
    """

    reason_of: Callable[[bytes], str | None]
    block_hash: Hash32 | None = None
    block_number: int = 0
    transaction_hash: Hash32 | None = None
    transaction_index: int = 0
    first_log_index: int = 0
    deadline: Deadline | None = None


class Budget:
    """Bytes that a trace may still take."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int = TRACE_BYTES_LIMIT) -> None:
        self.limit = limit
        self.left = limit

    def take(self, size: int) -> None:
        """Count bytes. Raises TraceSizeError, TraceMemoryError."""
        take(size)
        self.left -= size
        if self.left < 0:
            raise TraceSizeError(self.limit)


def json_kind(value: object) -> str:
    """Go's name for the kind of a JSON value."""
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def flag(options: Options, name: str, owner: str) -> bool:
    """A boolean option, False where absent. Raises TraceError in the words of Go's decoder."""
    value = options.get(name)
    if value is None:
        return False
    if type(value) is not bool:
        raise TraceError(f"json: cannot unmarshal {json_kind(value)} into Go struct field {owner}.{name} of type bool")
    return value


def count(options: Options, name: str, owner: str) -> int:
    """A whole number of 0 or more, 0 where absent. Raises TraceError."""
    value = options.get(name)
    if value is None:
        return 0
    if type(value) is not int:
        raise TraceError(f"json: cannot unmarshal {json_kind(value)} into Go struct field {owner}.{name} of type int")
    return max(value, 0)
