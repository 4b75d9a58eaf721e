"""Traces for OpenTelemetry, read by a collector of this test as the protocol defines them (OTLP over HTTP)."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import zevm
from testing.speed import slowness
from zevm.node import telemetry
from zevm.node.client import CallFailedError
from zevm.node.errors import NodeError
from zevm.node.extras import MissingExtraError, of_extra
from zevm.rpc.errors import InvalidParamsError, MethodNotFoundError


class Collector:
    """Keeps the requests that come. status: what it answers."""

    def __init__(self) -> None:
        self.requests: Queue[tuple[str, ExportTraceServiceRequest]] = Queue()
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                requests.put((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> dict[str, Any]:
        """The spans that have come, by their names."""
        found = {}
        while not self.requests.empty():
            path, request = self.requests.get()
            assert path == "/v1/traces"
            for resource in request.resource_spans:
                told = {item.key: item.value.string_value for item in resource.resource.attributes}
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    values = {item.key: item.value.string_value or item.value.int_value for item in span.attributes}
                    found[span.name] = {"span": span, "attributes": values, "resource": told}
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.server.serve_forever)
    thread.start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    thread.join()


def test_calls_become_spans(collector: Collector) -> None:
    begun = time.time_ns()
    with zevm.Node(otlp_endpoint=collector.url) as node:
        node.request("eth_blockNumber")
        for method in ("eth_getBalance", "eth_madeUp"):
            with pytest.raises(CallFailedError):
                node.request(method)
    spans = collector.spans()
    assert spans.keys() >= {"eth_blockNumber", "eth_getBalance", "unknown method"}
    assert not any("madeUp" in name for name in spans)
    number = spans["eth_blockNumber"]
    assert number["resource"]["service.name"] == "zevm"
    assert number["resource"]["service.version"] == zevm.__version__
    assert number["attributes"] == {
        "rpc.system": "jsonrpc", "rpc.jsonrpc.version": "2.0", "rpc.method": "eth_blockNumber",
    }  # fmt: skip
    assert begun < number["span"].start_time_unix_nano <= number["span"].end_time_unix_nano < time.time_ns()
    assert spans["eth_getBalance"]["attributes"]["rpc.jsonrpc.error_code"] == InvalidParamsError.code
    assert spans["unknown method"]["attributes"]["rpc.jsonrpc.error_code"] == MethodNotFoundError.code
    assert number["span"].status.code == 0
    assert spans["eth_getBalance"]["span"].status.code == 2


def test_a_collector_that_is_away_stops_nothing(collector: Collector) -> None:
    collector.server.server_close()
    with zevm.Node(otlp_endpoint=collector.url) as node:
        assert node.request("eth_blockNumber") == "0x0"
        began = time.monotonic()
    assert time.monotonic() - began < 10


def _takes_nothing(connection: socket.socket) -> None:
    connection.recv(1)


def _never_ends(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    with suppress(OSError):
        while True:
            connection.sendall(b"x")
            connection.settimeout(0.05)
            with suppress(TimeoutError):
                connection.recv(65_536)


def _is_busy(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 8\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("behave", [_takes_nothing, _never_ends, _is_busy])
def test_a_collector_that_takes_nothing_delays_no_stop(
    behave: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "CLOSE_SECONDS", 0.5)
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connections.append(listener.accept()[0])
                    Thread(target=behave, args=(connections[-1],), daemon=True).start()

        Thread(target=serve, daemon=True).start()
        spans = telemetry.Telemetry(f"http://127.0.0.1:{listener.getsockname()[1]}", "1")
        for _ in range(2_000):
            spans.called("eth_call", 0.1, InvalidParamsError("x" * 100_000))
        began = time.monotonic()
        spans.close()
        assert time.monotonic() - began < 3 * slowness()
        listener.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.close()


def test_the_text_of_an_error_is_bounded(collector: Collector) -> None:
    spans = telemetry.Telemetry(collector.url, "1")
    spans.called("eth_call", 0.1, InvalidParamsError("x" * 100_000))
    spans.close()
    assert len(collector.spans()["eth_call"]["span"].status.message) < 5_000


@pytest.mark.parametrize("name", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter"])
def test_the_extra_is_named_where_it_is_missing(name: str) -> None:
    told = rf"x needs {name}: pip install 'zevm-node\[telemetry\]'"
    with pytest.raises(MissingExtraError, match=told), of_extra("telemetry", "x"):
        raise ModuleNotFoundError(name=name)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises((NodeError, ValueError), match=r"otlp[-_]endpoint"):
        zevm.Node(otlp_endpoint="collector:4318").__enter__()
