"""Decoders of the parameters of tracing methods: geth's TraceConfig, and its form for calls."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from zevm.chain.calls.overrides import NO_OVERRIDES, CallOverrides
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.tracing.errors import TraceMemoryError
from zevm.chain.tracing.trace import TraceRequest
from zevm.contracts.revert_reasons import Decoder as ErrorDecoder
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import decode_fields
from zevm.rpc.codec.scalars import Decoder, schema
from zevm.rpc.errors import LimitExceededError, ServerError, told
from zevm.rpc.limits import Limits
from zevm.rpc.services import Services

Result = TypeVar("Result")
_UNITS_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_SOLIDITY_ERRORS = ErrorDecoder()
"""Without artifacts: geth names no custom errors in traces."""


@dataclass(frozen=True, slots=True)
class TraceConfig:
    """Geth's TraceConfig. options: the tracer's own, or the struct logs'. `reexec` is accepted without effect."""

    tracer: str | None = None
    timeout: str | None = None
    options: Mapping[str, Any] | None = None
    overrides: CallOverrides = NO_OVERRIDES
    transaction_index: int | None = None

    def request(self, limits: Limits, deadline: Deadline) -> TraceRequest:
        """The request to chain.tracing; its time starts now. Raises ServerError for a bad `timeout`.

        deadline: the worker's; tracing's own limits replace its time, and it cancels them.
        """
        seconds = limits.trace_seconds if self.timeout is None else parse_duration(self.timeout)
        return TraceRequest(
            reason_of=_SOLIDITY_ERRORS.revert_reason,
            timeout_seconds=min(seconds, limits.trace_seconds_limit),
            request_deadline=Deadline(time.monotonic() + limits.trace_seconds_limit, deadline.cancellation),
            tracer=self.tracer,
            options=self.options,
        )


DEFAULT = TraceConfig()


def run_trace(
    services: Services, deadline: Deadline, trace: Callable[[TraceRequest], Result], config: TraceConfig = DEFAULT
) -> Result:
    """Trace within the time that the request allows, instead of other executions' deadline.

    Raises ServerError, LimitExceededError if all traces together take too much memory.
    """
    try:
        with services.trace_memory.share():
            return trace(config.request(services.limits, deadline))
    except ExecutionTimeoutError as error:
        raise ServerError("execution timeout") from error
    except TraceMemoryError as error:
        raise LimitExceededError(told(error)) from error


def parse_duration(text: str) -> float:
    """Seconds of a Go duration, such as "5s", "300ms" or "1m30s". Raises ServerError with Go's text."""
    digits, sign = (text[1:], -1.0) if text[:1] == "-" else (text.removeprefix("+"), 1.0)
    if digits == "0":
        return 0.0
    seconds, position = 0.0, 0
    while match := _DURATION_PART.match(digits, position):
        seconds += float(match[1]) * _UNITS_SECONDS[match[2]]
        position = match.end()
    if not digits or position != len(digits):
        raise ServerError(f'time: invalid duration "{text}"')
    return sign * seconds


_STRUCT_LOG_FIELDS: dict[str, tuple[str, Decoder]] = {
    "enableMemory": ("enableMemory", scalars.boolean),
    "disableStack": ("disableStack", scalars.boolean),
    "disableStorage": ("disableStorage", scalars.boolean),
    "enableReturnData": ("enableReturnData", scalars.boolean),
    "debug": ("debug", scalars.boolean),
    "limit": ("limit", scalars.number),
}
_CONFIG_FIELDS: dict[str, tuple[str, Decoder]] = {
    "tracer": ("tracer", scalars.string),
    "timeout": ("timeout", scalars.string),
    "tracerConfig": ("options", scalars.anything),
}
_OVERRIDE_FIELDS: dict[str, tuple[str, Decoder]] = {
    "stateOverrides": ("state", objects.state_overrides),
    "blockOverrides": ("block", objects.block_overrides),
}
_PLACE_FIELDS: dict[str, tuple[str, Decoder]] = {"txIndex": ("transaction_index", scalars.uint64)}
_ALL_FIELDS = (*_CONFIG_FIELDS, *_STRUCT_LOG_FIELDS, "reexec")


@schema(type="object", title="Trace configuration", properties={name: {} for name in _ALL_FIELDS})
def trace_config(value: object) -> TraceConfig:
    """{tracer, tracerConfig, timeout, reexec}, with the struct logs' options at the same level."""
    decoded = decode_fields(value, _CONFIG_FIELDS)
    options = decode_fields(value, _STRUCT_LOG_FIELDS)
    if "tracer" not in decoded:
        decoded["options"] = options
    return TraceConfig(**decoded)


@schema(
    type="object",
    title="Trace configuration of a call",
    properties={name: {} for name in (*_ALL_FIELDS, *_OVERRIDE_FIELDS, *_PLACE_FIELDS)},
)
def trace_call_config(value: object) -> TraceConfig:
    """The same with {stateOverrides, blockOverrides, txIndex}."""
    overrides = CallOverrides(**decode_fields(value, _OVERRIDE_FIELDS))
    return replace(trace_config(value), overrides=overrides, **decode_fields(value, _PLACE_FIELDS))
