"""The beacon nodes of a network are joined with each other, and kept joined."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy.consensus.peers import BeaconNode, PeersError, Standstill, join, keep_joined


@dataclass
class Beacon:
    """A beacon node's REST interface, as far as peers.py asks it."""

    peer_id: str
    url: str = ""
    connected: list[str] = field(default_factory=list)
    dialled: list[dict[str, list[str]]] = field(default_factory=list)
    status: int = 200
    head_slot: int = 0
    is_syncing: bool = False
    ends: list["Beacon"] = field(default_factory=list)

    def answer(self, path: str) -> Any:
        parts = urlsplit(path)
        if parts.path == "/eth/v1/node/identity":
            address = f"/ip4/127.0.0.1/tcp/9000/p2p/{self.peer_id}"
            return {"peer_id": self.peer_id, "p2p_addresses": [address]}
        if parts.path == "/eth/v1/node/peers":
            return [{"peer_id": peer, "state": "connected"} for peer in self.connected]
        if parts.path == "/eth/v1/node/syncing":
            return {"head_slot": str(self.head_slot), "sync_distance": "1", "is_syncing": self.is_syncing}
        query = parse_qs(parts.query)
        if parts.path == "/eth/v1/lodestar/disconnect_peer":
            self.connected.remove(query["peerId"][0])
            for other in self.ends:
                other.connected.remove(self.peer_id)
            return None
        assert parts.path == "/eth/v1/lodestar/connect_peer"
        self.dialled.append(query)
        self.connected += query["peerId"]
        return None


@contextmanager
def served(beacon: Beacon) -> Iterator[Beacon]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": beacon.answer(self.path)}).encode()
            self.send_response(beacon.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        beacon.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield beacon
        finally:
            server.shutdown()
            thread.join()


def test_each_pair_is_dialled_once_and_from_one_side(capsys: pytest.CaptureFixture[str]) -> None:
    with served(Beacon("one")) as one, served(Beacon("two")) as two, served(Beacon("three")) as three:
        nodes = [BeaconNode(beacon.url) for beacon in (one, two, three)]
        assert join(nodes) == []
        assert [query["peerId"] for query in one.dialled] == [["two"], ["three"]]
        assert one.dialled[0]["multiaddr"] == ["/ip4/127.0.0.1/tcp/9000"]
        assert [query["peerId"] for query in two.dialled] == [["three"]]
        assert three.dialled == []
        two.peer_id = "two, started again"
        stopping = threading.Event()
        stopping.set()
        keep_joined(nodes, 60, stopping)
        assert [query["peerId"] for query in one.dialled[2:]] == [["two, started again"]]
        assert capsys.readouterr().out == ""


ROUNDS: dict[str, tuple[list[tuple[int, bool]], list[int]]] = {
    "catches up": ([(4, True), (9, True), (14, True), (19, True), (20, False), (20, False)], []),
    "stands still": ([(4, True)] * 8, [3, 6]),
    "moves in between": ([(4, True)] * 3 + [(5, True)] * 4, [6]),
    "is not behind by its own word": ([(4, False)] * 8, []),
    "is at the newest head": ([(20, True)] * 8, []),
}
"""What a node says in each round beside one whose head is in slot 20, and the rounds in which it is found."""


@pytest.mark.parametrize("name", ROUNDS)
def test_a_node_that_does_not_catch_up_is_found(name: str) -> None:
    said, expected = ROUNDS[name]
    standstill, found = Standstill(), []
    with served(Beacon("one", head_slot=20)) as one, served(Beacon("two")) as two:
        nodes = [BeaconNode(one.url), BeaconNode(two.url)]
        for number, (two.head_slot, two.is_syncing) in enumerate(said):
            if standstill.find(nodes):
                found.append(number)
    assert found == expected


def test_a_node_that_does_not_answer_is_counted_anew() -> None:
    standstill = Standstill()
    with served(Beacon("one", head_slot=20)) as one, served(Beacon("two", is_syncing=True)) as two:
        nodes = [BeaconNode(one.url), BeaconNode(two.url)]
        for status in (200, 200, 200, 503, 200, 200, 200):
            two.status = status
            assert standstill.find(nodes) == []
        assert standstill.find(nodes) == [nodes[1]]


class Rounds(threading.Event):
    """An event that a keeper's wait sets after a number of rounds."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return len(self.waits) == self.number


def test_a_node_that_does_not_catch_up_is_connected_anew() -> None:
    """Lodestar asks a connected peer for its head every five minutes alone."""
    told: list[str] = []
    with served(Beacon("one", head_slot=20)) as one, served(Beacon("two", head_slot=4, is_syncing=True)) as two:
        two.connected.append("one")
        one.connected.append("two")
        # the other side learns of the end of a connection
        two.ends.append(one)
        keep_joined([BeaconNode(one.url), BeaconNode(two.url)], 60, Rounds(4), told.append)
        assert [query["peerId"] for query in one.dialled] == [["two"]]
        assert two.connected == []
        assert told == [f"{two.url} is behind, and its head stays in slot 4: it is connected again"]


def test_a_node_that_is_down_is_told_once() -> None:
    told: list[str] = []
    with served(Beacon("one")) as one, served(Beacon("two")) as two, served(Beacon("three")) as three:
        two.status = 503
        keep_joined([BeaconNode(beacon.url) for beacon in (one, two, three)], 60, Rounds(3), told.append)
        (message,) = told
        assert message.count(two.url) == 2, "its identity and its peers"
        assert one.connected == ["three"]


def test_a_beacon_node_that_is_down_is_named() -> None:
    with served(Beacon("one")) as one, served(Beacon("two")) as two:
        gone = BeaconNode(two.url)
        two.status = 503
        (failure,) = join([BeaconNode(one.url), gone])
        assert failure.startswith(f"{two.url}/eth/v1/node/identity: status 503")
    (failure,) = join([BeaconNode(one.url), gone])
    assert failure.startswith(f"{two.url} does not answer: ")
    with pytest.raises(PeersError, match="does not answer"):
        gone.get("/eth/v1/node/identity")


def test_a_beacon_node_without_an_address_and_one_that_speaks_no_json_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(_: str) -> str:
        raise socket.gaierror(-2, "Name or service not known")

    with served(Beacon("one")) as one, served(Beacon("two")) as two:
        nodes = [BeaconNode(one.url), BeaconNode(two.url)]
        with monkeypatch.context() as patch:
            patch.setattr("deploy.consensus.peers.socket.gethostbyname", unknown)
            (failure,) = join(nodes)
        assert failure == f"{two.url} has no address: [Errno -2] Name or service not known"
        monkeypatch.setattr("json.loads", lambda _: int("no JSON"))
        (failure,) = join(nodes)
        assert failure.startswith(f"{two.url}/eth/v1/node/identity answers no JSON: ")
