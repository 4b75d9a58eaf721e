"""Join beacon nodes with each other, and keep them joined.

A beacon node has a new identity after each start, so no list of peers can be written down. This asks every node over
its REST interface for its identity and has each pair of them connect. Lodestar asks a peer for its head when it
connects, and then every five minutes: a node that is behind and goes no further is connected again. Standard library
only: the compose files run it in the node's image.
"""

import argparse
import http.client
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from urllib.parse import urlencode, urlsplit

REQUEST_SECONDS = 10.0
DEFAULT_EVERY_SECONDS = 6.0
STANDSTILL_ROUNDS = 3
"""A node that synchronises has imported a block, or asked for the next, within as many rounds."""

_TCP_PORT = re.compile(r"/ip4/[^/]+/tcp/(\d+)")


class PeersError(Exception):
    """A beacon node did not answer as it should. The message names it."""


@dataclass(frozen=True, slots=True)
class BeaconNode:
    """A beacon node by the address of its REST interface, as in http://127.0.0.1:9596."""

    url: str

    def get(self, path: str, timeout_seconds: float = REQUEST_SECONDS) -> Any:
        """The `data` of an answer. Raises PeersError."""
        return self._request("GET", path, timeout_seconds)["data"]

    def identity(self) -> tuple[str, int]:
        """Its peer id, and the TCP port on which it takes peers. Raises PeersError."""
        data = self.get("/eth/v1/node/identity")
        for address in data["p2p_addresses"]:
            if match := _TCP_PORT.match(address):
                return data["peer_id"], int(match[1])
        raise PeersError(f"{self.url} takes no peers over TCP: {data['p2p_addresses']}")

    def peers(self) -> set[str]:
        """The ids of the nodes to which it is connected, or about to be. Raises PeersError."""
        known = self.get("/eth/v1/node/peers")
        return {peer["peer_id"] for peer in known if peer["state"] in ("connected", "connecting")}

    def connect_to(self, other: "BeaconNode") -> None:
        """Connect to another node. Raises PeersError."""
        peer_id, port = other.identity()
        try:
            address = socket.gethostbyname(urlsplit(other.url).hostname or "")
        except OSError as error:
            raise PeersError(f"{other.url} has no address: {error}") from error
        query = urlencode({"peerId": peer_id, "multiaddr": f"/ip4/{address}/tcp/{port}"})
        self._request("POST", f"/eth/v1/lodestar/connect_peer?{query}", REQUEST_SECONDS)

    def disconnect_from(self, peer_id: str) -> None:
        """End the connection to another node. Raises PeersError."""
        query = urlencode({"peerId": peer_id})
        self._request("POST", f"/eth/v1/lodestar/disconnect_peer?{query}", REQUEST_SECONDS)

    def progress(self) -> tuple[int, bool]:
        """The slot of its head, and whether it takes itself for behind. Raises PeersError."""
        data = self.get("/eth/v1/node/syncing")
        return int(data["head_slot"]), bool(data["is_syncing"])

    def _request(self, method: str, path: str, timeout_seconds: float) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout_seconds)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise PeersError(f"{self.url} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise PeersError(f"{self.url}{path}: status {response.status}, {body[:300]!r}")
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise PeersError(f"{self.url}{path} answers no JSON: {body[:300]!r}") from error


def join(nodes: Sequence[BeaconNode]) -> list[str]:
    """Connect each pair that is not connected; what failed, in words. One side dials: two dials close each other."""
    failures: list[str] = []
    for one, other in combinations(nodes, 2):
        try:
            if other.identity()[0] not in one.peers():
                one.connect_to(other)
        except PeersError as error:
            failures.append(str(error))
    return failures


@dataclass(slots=True)
class Standstill:
    """Finds nodes that do not catch up, from what they say in each round.

    heads: the slot of each node's head in the last round. standing: the rounds for which a node is behind there.
    """

    heads: dict[BeaconNode, int] = field(default_factory=dict)
    standing: dict[BeaconNode, int] = field(default_factory=dict)

    def find(self, nodes: Sequence[BeaconNode]) -> list[BeaconNode]:
        """The nodes that take themselves for behind, are behind another, and have stood still for STANDSTILL_ROUNDS.

        A node that does not answer is none of them, and neither is one that has just been found.
        """
        heads: dict[BeaconNode, int] = {}
        behind: set[BeaconNode] = set()
        for node in nodes:
            try:
                heads[node], is_behind = node.progress()
            except PeersError:
                continue
            if is_behind:
                behind.add(node)
        newest = max(heads.values(), default=0)
        counted = {node for node in behind if heads[node] < newest and self.heads.get(node) == heads[node]}
        self.standing = {node: self.standing.get(node, 0) + 1 for node in counted}
        self.heads = heads
        found = [node for node in nodes if self.standing.get(node, 0) >= STANDSTILL_ROUNDS]
        for node in found:
            del self.standing[node]
        return found


def disconnect(node: BeaconNode) -> list[str]:
    """End all connections of a node; what failed, in words."""
    try:
        for peer_id in node.peers():
            node.disconnect_from(peer_id)
    except PeersError as error:
        return [str(error)]
    return []


def _say(text: str) -> None:
    print(text, flush=True)


def keep_joined(
    nodes: Sequence[BeaconNode],
    every_seconds: float,
    stopping: threading.Event,
    tell: Callable[[str], object] = _say,
) -> None:
    """Join the nodes now and at intervals, until told to stop; tell once what fails, and once that it is over.

    A node that does not catch up with the others is disconnected first, and so connected again.
    """
    told: list[str] = []
    standstill = Standstill()
    while True:
        failures = []
        for node in standstill.find(nodes):
            tell(f"{node.url} is behind, and its head stays in slot {standstill.heads[node]}: it is connected again")
            failures += disconnect(node)
        # a node that is down fails once for each other
        failures = list(dict.fromkeys([*failures, *join(nodes)]))
        if failures != told:
            tell("; ".join(failures) or "all beacon nodes are connected")
            told = failures
        if stopping.wait(every_seconds):
            return


def main() -> int:
    """Keep the nodes of the command line joined."""
    parser = argparse.ArgumentParser(description="Join beacon nodes with each other, and keep them joined.")
    parser.add_argument("urls", nargs="+", metavar="URL", help="REST interface of a node, as in http://beacon-1:9596")
    parser.add_argument("--every", type=float, default=DEFAULT_EVERY_SECONDS, metavar="SECONDS")
    arguments = parser.parse_args()
    if len(arguments.urls) < 2:
        parser.error("give at least two nodes, as in http://beacon-1:9596 http://beacon-2:9596")
    if not arguments.every > 0:
        parser.error(f"--every {arguments.every}: want more than 0 seconds")
    keep_joined([BeaconNode(url) for url in arguments.urls], arguments.every, threading.Event())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
