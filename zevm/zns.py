"""Contracts by their names, in a program: a client of a name resolver and of a node.

    zns = ZWalletIntegration("http://127.0.0.1:9090", "http://127.0.0.1:8545")
    returned = zns.execute_contract_by_domain("mytoken.ghost", call_data)

docs/zns.md describes the resolver, which a node is with `--zns-port`.
"""

import http.client
import urllib.parse
from typing import Any

import orjson

from zevm.node.client import Client, read_answer
from zevm.node.errors import NodeError
from zevm.node.http_exchange import exchange

__all__ = ["NameNotFoundError", "ZWalletIntegration"]

ANSWER_BYTES = 1024 * 1024
"""Of a resolver's answer; a longer one is refused."""
REASON_CHARACTERS = 300
"""Of a resolver's own reason, that an error tells."""
_REFUSED = 400


class NameNotFoundError(NodeError):
    """The name is not registered, or no contract and no address is kept for it."""


class ZWalletIntegration:
    """The guide's class of this name. Any thread may use it; it holds no connection.

    resolver_url: of a resolver (`GET /resolve/NAME`). node_url: of a node's JSON-RPC. Both are of http or https, and
    redirections are not followed. timeout_seconds: of each request, with all of its answer.
    """

    def __init__(self, resolver_url: str, node_url: str, *, timeout_seconds: float = 10.0) -> None:
        self._resolver_url = resolver_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._node = Client(node_url, timeout_seconds)

    def resolve_contract_domain(self, domain: str) -> bytes:
        """The 20 bytes of the contract that a name means, or of its address if it names no contract.

        Raises NameNotFoundError, and NodeError where the resolver does not answer, or answers something else.
        """
        try:
            path = urllib.parse.quote(domain, safe="")
        except UnicodeEncodeError:
            raise NodeError(f"{domain!r} is no name: it has half a surrogate pair") from None
        answer = self._asked(f"{self._resolver_url}/resolve/{path}", domain)
        address = answer.get("contract") or answer.get("address")
        if address is None:
            raise NameNotFoundError(f"the name {domain} has no contract and no address")
        try:
            found = bytes.fromhex(address.removeprefix("0x"))
        except (AttributeError, ValueError):
            found = b""
        if len(found) != 20:
            raise NodeError(f"{self._resolver_url} answers {address!r:.80} for {domain}, which is no address")
        return found

    def execute_contract_by_domain(self, domain: str, function_data: bytes, *, sender: str | None = None) -> bytes:
        """The data that the contract of a name returns for call data; nothing is kept of what it changes.

        sender: the caller's address. Raises as `resolve_contract_domain`, and CallFailedError where the call fails.
        """
        request = {"to": "0x" + self.resolve_contract_domain(domain).hex(), "data": "0x" + bytes(function_data).hex()}
        returned = self._node.call("eth_call", request | ({} if sender is None else {"from": sender}), "latest")
        try:
            return bytes.fromhex(returned.removeprefix("0x"))
        except (AttributeError, ValueError):
            raise NodeError(f"{self._node.url} answers {returned!r:.80} to eth_call, which are no bytes") from None

    def _asked(self, url: str, domain: str) -> dict[str, Any]:
        try:
            status, text = exchange(url, seconds=self._timeout_seconds, answer_bytes=ANSWER_BYTES)
            if status >= _REFUSED:
                raise _refusal(status, text, domain)
            answer = read_answer(status, text)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NodeError(f"no resolver answers at {self._resolver_url}: {getattr(error, 'reason', error)}") from None
        if not isinstance(answer, dict):
            raise NodeError(f"{self._resolver_url} is no resolver: it answers no JSON object")
        return answer


def _refusal(status: int, text: bytes, domain: str) -> NodeError:
    """The error of a resolver that answers with a status: 404 for a name that is not there."""
    try:
        reason = orjson.loads(text)["error"]
    except (ValueError, LookupError, TypeError):
        reason = None
    told = reason[:REASON_CHARACTERS] if isinstance(reason, str) else f"{domain}: the resolver answers {status}"
    return NameNotFoundError(told) if status == http.client.NOT_FOUND else NodeError(told)
