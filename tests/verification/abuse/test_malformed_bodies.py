"""verification.abuse.malformed_bodies: 20,000 bodies over HTTP and WebSocket find nothing; a faulty answer is found."""

import socket
import threading

import pytest

from verification.abuse import malformed_bodies
from verification.abuse.malformed_bodies import FaultError, HttpClient, WebSocketClient, check_answer, make_bodies


def test_b10_malformed_bodies_over_sockets_and_websockets(capsys: pytest.CaptureFixture[str]) -> None:
    assert malformed_bodies.main(["--count", "20000", "--seed", "7"]) == 0, capsys.readouterr().out


def test_the_bodies_are_those_of_their_seed() -> None:
    bodies = list(make_bodies(3, 300))
    assert bodies == list(make_bodies(3, 300))
    assert bodies != list(make_bodies(4, 300))
    assert len(set(bodies)) > 290


@pytest.mark.parametrize(
    "answer",
    [
        b"{",
        b"5",
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":-32000,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":""}}',
        b'[{"jsonrpc":"2.0","id":1,"result":1},{"id":1}]',
    ],
)
def test_faulty_answers_are_found(answer: bytes) -> None:
    with pytest.raises(FaultError):
        check_answer(answer, b"the body")


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (HttpClient, b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
        (HttpClient, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"),
        (WebSocketClient, b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x88\x02\x03\xf3"),
        (WebSocketClient, b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01{"),
        (WebSocketClient, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ],
)
def test_clients_find_them(kind: type[HttpClient | WebSocketClient], answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        client = kind(server.getsockname()[1])
        with pytest.raises(FaultError):
            client.send([b"[]"])
        client.close()
        thread.join()
