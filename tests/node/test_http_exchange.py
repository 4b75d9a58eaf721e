"""Every client of HTTP in the product: one time, one size, http and https alone, and no redirection."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.syntax import PRODUCT
from testing.node_process import ROOT
from testing.speed import PATIENCE_SECONDS
from zevm.node import client as node_client
from zevm.node.cli import main
from zevm.node.client import Client
from zevm.node.errors import NodeError
from zevm.node.http_exchange import exchange
from zevm.zns import ANSWER_BYTES, NameNotFoundError, ZWalletIntegration

SECONDS = 0.3
Ask = Callable[[str], object]


def resolver(url: str) -> object:
    return ZWalletIntegration(url, url, timeout_seconds=SECONDS).resolve_contract_domain("a.ghost")


def node(url: str) -> object:
    return Client(url, SECONDS).call("eth_chainId")


def node_of_names(url: str) -> object:
    zns = ZWalletIntegration(url, url, timeout_seconds=SECONDS)
    zns.resolve_contract_domain = lambda domain: bytes(len(domain) and 20)  # type: ignore[method-assign]
    return zns.execute_contract_by_domain("a.ghost", b"")


CLIENTS: tuple[Ask, ...] = (resolver, node, node_of_names)


@contextmanager
def serving(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """The URL of a server that reads a request's head, and then does anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    accepted = listener.accept()[0]
                except OSError:
                    return
                with accepted:
                    try:
                        accepted.recv(65_536)
                        answer(accepted)
                        accepted.shutdown(socket.SHUT_WR)
                        while accepted.recv(65_536):
                            pass
                    except OSError:
                        pass  # the client has left, as it should

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def whole(content: bytes, status: str = "200 OK", *more: str) -> Callable[[socket.socket], None]:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *more, "", ""))
    return lambda sock: sock.sendall(head.encode() + content)


def dripping(before: bytes, part: bytes) -> Callable[[socket.socket], None]:
    """Send a part every few milliseconds, without end."""

    def answer(sock: socket.socket) -> None:
        sock.sendall(before)
        while True:
            sock.sendall(part)
            threading.Event().wait(SECONDS / 20)

    return answer


def endless(before: bytes) -> Callable[[socket.socket], None]:
    def answer(sock: socket.socket) -> None:
        sock.sendall(before)
        while True:
            sock.sendall(bytes(65_536))

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
SLOW: dict[str, Callable[[socket.socket], object]] = {
    "nothing": lambda sock: sock.recv(1),
    "status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "headers": dripping(OK, b"X-A: 1\r\n"),
    "informational": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": dripping(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "body to the end": dripping(OK + b"\r\n", b" "),
    "chunks": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.mark.parametrize("case", SLOW)
def test_one_time_for_all_of_an_answer(case: str) -> None:
    for ask in CLIENTS:
        threads = threading.active_count()
        with serving(SLOW[case]) as url:
            began = time.monotonic()
            with pytest.raises(NodeError, match=r"has not answered whole within 0.3 s|no (node|resolver) answers"):
                ask(url)
            assert time.monotonic() - began < PATIENCE_SECONDS
        ended = time.monotonic() + PATIENCE_SECONDS
        while threading.active_count() > threads and time.monotonic() < ended:
            time.sleep(0.01)
        assert threading.active_count() <= threads  # and nothing of the exchange goes on


@pytest.mark.parametrize("delimited", ["\r\n", "Content-Length: 99999999999\r\n\r\n"])
def test_one_size_for_an_answer(delimited: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_client, "ANSWER_BYTES", 100_000)
    sizes = {resolver: ANSWER_BYTES, node: 100_000, node_of_names: 100_000}
    with serving(endless(OK + delimited.encode())) as url:
        for ask in CLIENTS:
            with pytest.raises(NodeError, match=f"answers with more than {sizes[ask]} bytes"):
                ask(url)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_no_redirection_is_followed(status: str, tmp_path: Path) -> None:
    asked: list[bytes] = []
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"address": "0x" + "11" * 20, "result": "0x"}))

    def other(sock: socket.socket) -> None:
        asked.append(b"")
        whole(secret.read_bytes())(sock)

    with serving(other) as elsewhere:
        for place in (elsewhere, secret.as_uri(), "/resolve/other", "ftp://127.0.0.1/", ""):
            with serving(whole(b"{}", status, f"Location: {place}")) as url:
                for ask in CLIENTS:
                    with pytest.raises(NodeError, match=f"answers {status[:3]}, a redirection to .*{place}"):
                        ask(url)
    assert asked == []


def test_only_http_and_https(tmp_path: Path) -> None:
    (tmp_path / "resolve").mkdir()
    (tmp_path / "resolve" / "a.ghost").write_text(json.dumps({"address": "0x" + "11" * 20, "result": "0x"}))
    for url in (
        tmp_path.as_uri(),
        "ftp://127.0.0.1/",
        "data:application/json,{}",
        "FILE:///etc/passwd",
        "//host",
        "a",
        "",
    ):
        for ask in CLIENTS:
            with pytest.raises(NodeError, match="is no URL of http or https: give one, such as"):
                ask(url)
    for url in ("http://", "http://[::1", "http://127.0.0.1:port", "http://127.0.0.1:99999", "http://a b", "http://\n"):
        for ask in CLIENTS:
            with pytest.raises(NodeError, match=r"no (node|resolver) answers|is no URL"):
                ask(url)


DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]", b"null", b"1e999", b"\xff", DEEP, b'{"address": ' + DEEP, b'{"address": 5, "result": 5}',
     b'{"address": [1], "result": "0xzz"}', b'{"address": "0x11", "result": {"a": 1}}',
     b'{"contract": {}, "result": []}'],
    ids=repr,
)  # fmt: skip
def test_lying_answers_are_errors_in_words(content: bytes) -> None:
    with serving(whole(content)) as url:
        for ask in (resolver, node_of_names):
            with pytest.raises(NodeError) as raised:
                ask(url)
            assert len(str(raised.value)) < 500


@pytest.mark.parametrize("content", [b"", b"[]", DEEP, b'{"error": {"a": 1}}', b'{"error": "' + b"x" * 10**6 + b'"}'])
def test_refusals_of_any_form(content: bytes) -> None:
    for status, kind in (("404 Not Found", NameNotFoundError), ("500 Error", NodeError), ("999 What", NodeError)):
        with serving(whole(content, status)) as url:
            with pytest.raises(kind) as raised:
                resolver(url)
            assert len(str(raised.value)) < 500
            with pytest.raises(NodeError, match=f"HTTP Error {status[:3]}"):
                node(url)


@pytest.mark.parametrize("url", ["http://[::1", "http://h:port", "http://", "ws://h", "file:///a", "h"])
def test_commands_refuse_other_urls(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ETH_RPC_URL", url)
    for command in ("contract call 0x1111111111111111111111111111111111111111 get()", "zns resolve a.ghost"):
        with pytest.raises(SystemExit):
            main(command.split())
        assert f"ETH_RPC_URL: {url!r} is not an HTTP address" in capsys.readouterr().err


def test_names_that_no_url_can_have() -> None:
    with pytest.raises(NodeError, match="half a surrogate pair"):
        ZWalletIntegration("http://127.0.0.1:9", "http://127.0.0.1:9").resolve_contract_domain("\ud800.ghost")


def test_an_answer_in_time() -> None:
    with serving(whole(b'{"ok": 1}', "200 OK")) as url:
        assert exchange(url, seconds=5, answer_bytes=9) == (200, b'{"ok": 1}')
        assert exchange(url, b"{}", seconds=5, answer_bytes=9) == (200, b'{"ok": 1}')


def test_no_other_client_is_in_the_product() -> None:
    """Whatever opens a URL goes through these modules; web3.py's providers are a user's own."""
    allowed = {"node/http_exchange.py", "node/origin/channel.py", "rpc/transport/names/fetching.py"}
    opening = re.compile(
        r"urllib\.request|urlopen|HTTPS?Connection\b|open_connection\(|create_connection\(|^import (httpx|requests)\b",
        re.M,
    )
    found = {
        str(path.relative_to(ROOT))
        for folder in (*PRODUCT, "zevm/zns.py", "zevm/quic.py")
        for path in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
        if "node_modules" not in path.parts and opening.search(path.read_text())
    }
    assert found == allowed
