"""Nodes of the origin's chain over WebSocket and over a Unix socket: bounded in time and bytes, and asked again."""

import http
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from testing.forked import ForkedNode
from testing.node_process import zevm_command
from testing.origin_chain import Chain, forked, store, stored
from zevm.node.origin import channel
from zevm.node.origin.client import NoAnswerError, OriginClient, Persistence
from zevm.node.origin.endpoint import Endpoint
from zevm.node.origin.transport import EndpointError, Place

GOOD = '{"result": 1}'
LONG = "[" + "1," * 5_000 + "1]"


class Answers:
    """What a server does with each message, by `kind`; messages: how many there were; opened: connections."""

    def __init__(self) -> None:
        self.kind = "good"
        self.messages = 0
        self.opened = 0
        self.is_told = threading.Event()

    def text(self) -> str | None:
        """The answer; None to stay silent."""
        self.messages += 1
        return {"long": LONG, "text": "hello", "silent": None}.get(self.kind, GOOD)


@contextmanager
def _websocket(answers: Answers) -> Iterator[str]:
    def handle(connection: ServerConnection) -> None:
        answers.opened += 1
        if answers.kind == "unasked" and answers.is_told.wait(60):
            connection.send(GOOD)
        for _ in connection:
            text = answers.text()
            if text is not None:
                connection.send(text)
            if answers.kind == "closing":
                return

    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        if answers.kind not in ("busy", "moved"):
            return None
        is_busy = answers.kind == "busy"
        response = connection.respond(http.HTTPStatus(429 if is_busy else 302), "no")
        response.headers["Retry-After" if is_busy else "Location"] = "7" if is_busy else "ws://127.0.0.1:9/"
        return response

    with serve(handle, "127.0.0.1", 0, process_request=refuse) as server, _serving(server):
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"


@contextmanager
def _serving(server: Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield
    server.shutdown()
    thread.join()


@contextmanager
def _socket(answers: Answers, folder: Path) -> Iterator[str]:
    path = str(folder / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve_one(connection: socket.socket) -> None:
        answers.opened += 1
        with connection, connection.makefile("rwb") as stream:
            if answers.kind == "unasked" and answers.is_told.wait(60):
                stream.write(GOOD.encode())
                stream.flush()
            for _ in stream:
                text = answers.text()
                if text is None:
                    continue
                # in two parts; "bare" ends without a line feed, as Anvil's answers do
                for part in (text[:5], text[5:] + ("" if answers.kind in ("bare", "ending") else "\n")):
                    stream.write(part.encode())
                    stream.flush()
                if answers.kind in ("closing", "ending"):
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield path
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture(params=["websocket", "socket"])
def url(request: pytest.FixtureRequest, answers: Answers, tmp_path: Path) -> Iterator[str]:
    with _websocket(answers) if request.param == "websocket" else _socket(answers, tmp_path) as url:
        yield url


@pytest.mark.parametrize(
    ("kind", "words"), [("silent", "no answer in time"), ("long", "has more than 1000 bytes"), ("text", "is not JSON")]
)
def test_what_is_no_answer_is_refused(
    url: str, answers: Answers, kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "ANSWER_BYTES", 1000)
    answers.kind = kind
    # a text that is no JSON has no end that a socket's reader could see
    is_endless = kind == "silent" or (kind == "text" and url.startswith("/"))
    node = Endpoint(Place(url, {}), 0.5 if is_endless else 30.0)
    with pytest.raises(EndpointError, match="no answer in time" if is_endless else words):
        node.exchange({})
    answers.kind = "good"
    assert node.exchange({}) == {"result": 1}
    node.close()


def test_a_connection_is_used_again(url: str, answers: Answers) -> None:
    node = Endpoint(Place(url, {}), 30.0)
    assert [node.exchange({}) for _ in range(5)] == [{"result": 1}] * 5
    assert (answers.messages, answers.opened) == (5, 1)
    node.close()


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9", "ws://name.invalid:9", "/nowhere/geth.ipc"])
def test_a_node_that_is_absent(url: str) -> None:
    with pytest.raises(EndpointError, match=r"^no connection$") as caught:
        Endpoint(Place(url, {}), 30.0).exchange({})
    assert caught.value.is_absent


def test_what_the_node_has_closed_meanwhile_is_opened_again(url: str, answers: Answers) -> None:
    answers.kind = "closing"
    node = Endpoint(Place(url, {}), 30.0)
    assert [node.exchange({}) for _ in range(3)] == [{"result": 1}] * 3
    assert answers.opened == 3
    node.close()


def test_what_comes_unasked_is_no_answer(url: str, answers: Answers) -> None:
    answers.kind = "unasked"
    end = time.monotonic() + 60
    place = Place(url, {})
    opened = channel.SocketChannel(url, end) if url.startswith("/") else channel.WebSocketChannel(place, end)
    assert opened.is_silent()
    answers.is_told.set()
    while opened.is_silent():
        assert time.monotonic() < end
    opened.close()


class _Kept:
    """A connection on which something may have come unasked."""

    def __init__(self, number: int) -> None:
        self.number, self.silent, self.closed = number, True, False

    def exchange(self, body: bytes, end: float) -> bytes:  # noqa: ARG002
        return b"%d" % self.number

    def is_silent(self) -> bool:
        return self.silent

    def close(self) -> None:
        self.closed = True


def test_a_connection_with_something_unasked_is_given_up() -> None:
    opened: list[_Kept] = []

    def opening(_: float) -> _Kept:
        opened.append(_Kept(len(opened)))
        return opened[-1]

    transport = channel.ChannelTransport(opening)
    assert [transport.exchange(b"", 1.0) for _ in range(2)] == [b"0", b"0"]
    opened[0].silent = False
    assert [transport.exchange(b"", 1.0) for _ in range(2)] == [b"1", b"1"]
    assert [each.closed for each in opened] == [True, False]


def test_many_ask_at_once(url: str, answers: Answers) -> None:
    node = Endpoint(Place(url, {}), 30.0)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(node.exchange({}))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"result": 1}] * 40
    assert answers.opened <= 16
    node.close()


@pytest.mark.parametrize("kind", ["bare", "ending"])
def test_a_socket_without_line_feeds_is_read(answers: Answers, tmp_path: Path, kind: str) -> None:
    answers.kind = kind
    with _socket(answers, tmp_path) as url:
        node = Endpoint(Place(f"file://{url}", {}), 30.0)
        assert [node.exchange({}) for _ in range(3)] == [{"result": 1}] * 3
        node.close()


def test_a_busy_node_says_how_long_to_wait(answers: Answers) -> None:
    answers.kind = "busy"
    with _websocket(answers) as url, pytest.raises(EndpointError, match="HTTP status 429") as caught:
        Endpoint(Place(url, {}), 30.0).exchange({})
    assert caught.value.rest_seconds == 7


def test_a_redirection_is_not_followed(answers: Answers) -> None:
    answers.kind = "moved"
    with _websocket(answers) as url, pytest.raises(EndpointError, match="a redirection"):
        Endpoint(Place(url, {"X-Key": "secret"}), 30.0).exchange({})


@pytest.mark.slow
@pytest.mark.parametrize("url", ["ws://127.0.0.1:{port}", "{path}"])
def test_a_fork_over_a_websocket_and_over_a_socket(tmp_path: Path, url: str) -> None:
    path = str(tmp_path / "s")
    with ForkedNode(zevm_command("--memory", "--ipc", path)) as node:
        origin = Chain(node)
        with forked(url.format(port=node.port, path=path)) as fork, fork.connect() as rpc:
            assert [stored(rpc, origin.contract, slot) for slot in (0, 7, 39, 40)] == [1000, 1007, 1039, 0]
            assert store(rpc, origin.contract, 7, 5)["blockNumber"] == hex(origin.number + 1)
            assert rpc.call("anvil_reset", {"forking": {"blockNumber": 5}}) is None
            assert rpc.call("eth_blockNumber") == "0x5"
        origin.rpc.close()


def test_an_answer_to_another_call_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def late(_: Endpoint, message: dict[str, Any]) -> dict[str, Any]:
        asked.append(message["id"])
        return {"id": asked[0], "result": "0x1"}

    monkeypatch.setattr(Endpoint, "exchange", late)
    client = OriginClient([Endpoint(Place("http://127.0.0.1:9", {}), 1.0)], Persistence(0, 0.0))
    assert client.call("eth_chainId") == "0x1"
    with pytest.raises(NoAnswerError, match="the answer to another call"):
        client.call("eth_blockNumber")
