"""A proxy before a JSON-RPC node that counts calls, and is slow, fails, refuses or lies as a test asks it to."""

import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Twist = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""A call and its true answer -> the answer to give."""


class OriginProxy:
    """Forwards to `target`. twist: alters answers. refuse: HTTP statuses of the next requests, with Retry-After: 0.

    held: while cleared, requests wait. calls: by method. requests: of HTTP. headers: of the last one.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.twist: Twist | None = None
        self.refuse: list[int] = []
        self.held = threading.Event()
        self.held.set()
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The address that it listens on."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "OriginProxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: bytes) -> bytes:
        """The answer to a body, twisted."""
        request = urllib.request.Request(self.target, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answers = json.loads(response.read())
        calls = json.loads(body)
        pairs = list(zip(calls, answers, strict=True)) if isinstance(calls, list) else [(calls, answers)]
        self.calls.update(call["method"] for call, _ in pairs)
        twisted = [answer if self.twist is None else self.twist(call, answer) for call, answer in pairs]
        return json.dumps(twisted if isinstance(calls, list) else twisted[0]).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                proxy.requests += 1
                proxy.headers = dict(self.headers)
                proxy.held.wait(60)
                status = proxy.refuse.pop(0) if proxy.refuse else 200
                content = proxy.answer(body) if status == 200 else b"{}"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if status != 200:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                with suppress(OSError):  # a client that had no patience
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        return Handler
