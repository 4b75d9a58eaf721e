"""Join beacon nodes with each other, and keep them joined.

A beacon node has a new identity after each start, so no list of peers can be written down. This asks every node over
its REST interface for its identity and has each pair of them connect. Standard library only: the compose files run it
in the node's image.
"""

import argparse
import http.client
import json
import re
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from urllib.parse import urlencode, urlsplit

REQUEST_SECONDS = 10.0
DEFAULT_EVERY_SECONDS = 6.0
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


def keep_joined(nodes: Sequence[BeaconNode], every_seconds: float, stopping: threading.Event) -> None:
    """Join the nodes now and at intervals, until told to stop; tell once what fails, and once that it is over."""
    told: list[str] = []
    while True:
        failures = join(nodes)
        if failures != told:
            print("; ".join(failures) or "all beacon nodes are connected", flush=True)
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
