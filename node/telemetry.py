"""Traces for OpenTelemetry: a span for each answered call and each executed payload, sent to a collector (OTLP, HTTP).

The extra `telemetry` installs what this needs. OpenTelemetry's own variables hold too: OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_MAX_QUEUE_SIZE and the others of its specification.
"""

import logging
import time
from threading import Thread

from zevm.chain.events import Event, PayloadExecuted
from zevm.node.extras import of_extra
from zevm.rpc.errors import MethodNotFoundError, bounded

with of_extra("telemetry", "--otlp-endpoint"):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode

LOGGER = logging.getLogger("zevm.node")
TRACES_PATH = "v1/traces"
CLOSE_SECONDS = 3.0
"""Time for the last spans: service managers kill a node that takes ten seconds to stop."""
UNKNOWN_METHOD = "unknown method"
"""The span's name where the client has made the method's name up: names of spans are few."""

_SYSTEM = {"rpc.system": "jsonrpc", "rpc.jsonrpc.version": "2.0"}


class Telemetry:
    """Makes spans and sends them on a thread of its own. What a slow collector does not take in time is dropped."""

    def __init__(self, endpoint: str, version: str) -> None:
        """endpoint: the collector's address, without the path /v1/traces."""
        resource = Resource.create({"service.name": "zevm", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/{TRACES_PATH}")
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("zevm", version)

    def called(self, method: str, seconds: float, error: Exception | None) -> None:
        """An answered call. Parameters are not told: they may be secret. On any thread."""
        name = UNKNOWN_METHOD if isinstance(error, MethodNotFoundError) else method
        end = time.time_ns()
        span = self._tracer.start_span(
            name, kind=SpanKind.SERVER, start_time=_begin_of(end, seconds), attributes=_SYSTEM | {"rpc.method": name}
        )
        if error is not None:
            span.set_attribute("rpc.jsonrpc.error_code", getattr(error, "code", 0))
            span.set_status(Status(StatusCode.ERROR, bounded(str(error))))
        span.end(end)

    def on_event(self, event: Event) -> None:
        """A chain event (chain.events.Listener)."""
        if not isinstance(event, PayloadExecuted):
            return
        end = time.time_ns()
        header = event.block.header
        attributes: dict[str, int | str] = {
            "zevm.block.number": header.number,
            "zevm.block.hash": "0x" + header.hash.hex(),
            "zevm.block.gas_used": header.gas_used,
            "zevm.block.transactions": len(event.block.transactions),
        }
        span = self._tracer.start_span("payload", start_time=_begin_of(end, event.seconds), attributes=attributes)
        span.end(end)

    def close(self) -> None:
        """Send what waits, and end the thread. What a collector does not take in CLOSE_SECONDS is dropped."""
        sending = Thread(target=self._provider.shutdown, name="spans-end", daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)
        if sending.is_alive():
            # no further tries; the one under way ends by its own time limit
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the package has no types for it
            LOGGER.warning("the collector of --otlp-endpoint has not taken the last spans within %g s", CLOSE_SECONDS)


def _begin_of(end_ns: int, seconds: float) -> int:
    return end_ns - round(seconds * 1e9)
