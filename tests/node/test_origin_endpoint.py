"""One exchange with a node of the origin's chain: bounded in time and bytes, whatever the node sends."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zevm.node.origin import transport
from zevm.node.origin.endpoint import Endpoint
from zevm.node.origin.transport import EndpointError, Place


class Server(ThreadingHTTPServer):
    """Answers as `kind` says, until `stopped`."""

    daemon_threads = True
    kind = "good"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.server.kind
        status = {"busy": 429, "moved": 302, "broken": 500}.get(kind, 200)
        content = {"long": b"[" + b"1," * 5_000 + b"1]", "text": b"hello"}.get(kind, b'{"result": 1}')
        self.send_response(status)
        self.send_header("Content-Length", str(10**9 if kind == "drip" else len(content)))
        if kind == "busy":
            self.send_header("Retry-After", "7")
        if kind == "moved":
            self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        while kind == "drip" and not self.server.stopped.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the other side had enough


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.stopped.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("drip", "did not end in time"),
        ("long", "has more than 1000 bytes"),
        ("text", "is not JSON"),
        ("moved", "HTTP status 302"),
        ("broken", "HTTP status 500"),
    ],
)
def test_what_is_no_answer_is_refused(server: Server, kind: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_BYTES", 1000)
    node = Endpoint(Place(server.url, {}), 1.0 if kind == "drip" else 30.0)
    server.kind = kind
    with pytest.raises(EndpointError, match=words):
        node.exchange({})
    server.kind = "good"
    assert node.exchange({}) == {"result": 1}
    node.close()


def test_a_busy_node_says_how_long_to_wait(server: Server) -> None:
    server.kind = "busy"
    with pytest.raises(EndpointError, match="429") as caught:
        Endpoint(Place(server.url, {}), 30.0).exchange({})
    assert caught.value.rest_seconds == 7


def test_what_is_no_node_is_quoted_only_where_the_operator_has_named_it(server: Server) -> None:
    server.kind = "moved"
    for is_quoted, message in ((True, 'HTTP status 302: {"result": 1}'), (False, "HTTP status 302")):
        with pytest.raises(EndpointError) as caught:
            Endpoint(Place(server.url, {}, is_quoted), 30.0).exchange({})
        assert str(caught.value) == message
