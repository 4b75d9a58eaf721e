"""Names in place of addresses in the commands: resolved by the node that a command speaks to."""

from typing import Any, Protocol

from zevm.chain.rules.name_service import TOP_LEVEL_NAMES
from zevm.node.errors import NodeError

_KNOWN_ENDS = (*TOP_LEVEL_NAMES, "eth")


class Client(Protocol):
    """A node that the commands ask for names: over HTTP (node.client.Client) or over QUIC."""

    url: str

    def call(self, method: str, *params: object) -> Any:
        """The result of a JSON-RPC method. Raises NodeError."""
        ...


def is_name(text: str) -> bool:
    """Whether a text is a name of the name service, as `mytoken.ghost`, and nothing else that a command takes."""
    rest, dot, top = text.rpartition(".")
    return bool(rest and dot) and top.lower() in _KNOWN_ENDS and "/" not in text


def resolved(client: Client, name: str, *, contract: bool = False) -> str:
    """The address of a name; `contract`: the contract that it means, before its address. Raises NodeError."""
    answer: dict[str, Any] | None = client.call("zns_resolve", name)
    if answer is None:
        raise not_registered(client, name)
    address: str | None = (contract and answer["contract"]) or answer["address"]
    if address is None:
        raise NodeError(f"{name} has no {'contract and no address' if contract else 'address'}: see `zevm zns set`")
    return address


def not_registered(client: Client, name: str) -> NodeError:
    """The error for a name that no resolver answers for."""
    if name.rpartition(".")[2].lower() in TOP_LEVEL_NAMES and "." in name:
        return NodeError(f"{name} is not registered on the chain of {client.url}: see `zevm zns register`")
    ends = ", ".join(f".{end}" for end in TOP_LEVEL_NAMES)
    return NodeError(f"{name} is not registered on the chain of {client.url}, whose names end in {ends}")


def with_addresses(client: Client, types: tuple[str, ...], texts: list[str]) -> list[str]:
    """Arguments in text, with the names among the addresses resolved. Raises NodeError."""
    if len(types) != len(texts):
        return texts
    return [
        resolved(client, text) if kind == "address" and is_name(text) else text
        for kind, text in zip(types, texts, strict=True)
    ]


def address_of(client: Client, text: str | None) -> str | None:
    """An address, or that of a name; None for None. Raises NodeError."""
    return resolved(client, text) if text is not None and is_name(text) else text
