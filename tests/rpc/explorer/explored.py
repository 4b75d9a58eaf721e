"""A chain with something of everything that the explorer shows, and a reader of its pages that trusts nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from eth_abi.abi import encode
from httpx import AsyncClient, Response

from testing.wasm_modules import box
from tests.rpc.methods.memory_node import ALICE, BOB, Node, start_node, stop_node
from zevm.analysis.known_contract import KnownContract
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.explorer.assets import assets
from zevm.rpc.limits import Limits
from zevm.rpc.server import ServerOptions
from zevm.storage.keccak import keccak256

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "</code><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7 * 7 }}\u202e\x1b[31m\"&amp;"
"""As a token's name, a reason, a log: markup, a template's expression, control characters."""

TOPIC = keccak256(b"Named(string)")
LOGGER = bytes.fromhex("36600490038060046000377f") + TOPIC + bytes.fromhex("906000a1600760015500")
"""Logs what follows the selector, and writes 7 into slot 1."""
REVERTER = bytes.fromhex("366000600037366000fd")
"""Reverts with its call data."""
ECHO = bytes.fromhex("6020600460003760206000f3")
"""Returns the word that follows the selector."""
LOGGER_ADDRESS, REVERTER_ADDRESS, ECHO_ADDRESS = b"\x10" * 20, b"\x20" * 20, b"\x30" * 20
NAME_CALL = keccak256(b"name(string)")[:4] + encode(["string"], [HOSTILE])
REASON = keccak256(b"Error(string)")[:4] + encode(["string"], [HOSTILE])
CONSOLE_CALL = keccak256(b"log(string)")[:4] + encode(["string"], [HOSTILE])

TAGS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "div", "form", "label", "input",
    "button", "nav", "main", "p", "h1", "h2", "h3", "section", "dl", "dt", "dd", "table", "thead", "tbody", "tr",
    "th", "td", "span", "time", "code", "pre", "details", "summary", "progress", "article", "ol", "li", "svg",
    "rect", "text", "figure", "figcaption", "polyline", "textarea", "datalist", "option", "kbd",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "rel", "href", "type", "src", "class", "role", "action", "method", "for",
    "id", "maxlength", "placeholder", "autocomplete", "autocapitalize", "spellcheck", "aria-label", "aria-current",
    "title", "tabindex", "scope", "data-live", "data-copy", "data-chain", "max", "value", "open", "width", "height",
    "x", "y", "rx", "required", "viewbox", "preserveaspectratio", "points", "vector-effect", "list", "rows", "hidden",
    "data-network", "data-send", "data-to", "data-wei", "data-address", "data-path", "inputmode",
}  # fmt: skip


class Reader(HTMLParser):
    """Reads a page; anything that the templates do not have fails. text: what a person reads. links: every href."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.ids: list[str] = []
        self.unlabelled: list[str] = []
        self._labels: set[str | None] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert tag in TAGS, tag
        assert not values.keys() - ATTRIBUTES, values
        if tag == "script":
            assert (values.get("src") or "").removeprefix("/assets/") in assets()
        if "href" in values or "src" in values:
            target = values.get("href") or values.get("src") or ""
            assert target.startswith(("/", "#")), target
            assert not target.startswith("//"), target
            self.links.append(target)
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag == "label":
            self._labels.add(values.get("for"))
        if tag in ("input", "textarea") and values.get("type") != "hidden" and values.get("id") not in self._labels:
            self.unlabelled.append(str(values))
        if tag in ("nav", "svg") and "aria-label" not in values and values.get("x") is None:
            self.unlabelled.append(str(values))

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Explored:
    """A node, a client of its pages, and hashes and addresses by what they are of."""

    node: Node
    client: AsyncClient
    places: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Response:
        """The answer to a browser."""
        return await self.client.get(path, headers=HTML | headers)

    async def page(self, path: str, status: int = 200, query: dict[str, str] | None = None) -> Reader:
        """A page that must be there."""
        answer = await self.client.get(path, params=query, headers=HTML)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert len(answer.content) < 150_000
        return Reader(answer.text)


@asynccontextmanager
async def explored(server: ServerOptions | None = None, **limits: Any) -> AsyncIterator[Explored]:
    """An empty chain and a client."""
    node = await start_node(limits=replace(Limits(), **limits), server=server)
    try:
        async with AsyncClient(base_url=f"http://127.0.0.1:{node.server.addresses[0][1]}", timeout=60) as client:
            yield Explored(node, client)
    finally:
        await stop_node(node)


async def fill(chain: Explored) -> None:
    """Transactions of every kind; the places get their names."""
    node, places = chain.node, chain.places
    places["alice"], places["bob"] = hexadecimal(ALICE), hexadecimal(BOB)
    node.services.catalogue.add(_known(HOSTILE, LOGGER), LOGGER_ADDRESS)
    places["logger"] = await node.place(LOGGER, LOGGER_ADDRESS)
    node.services.catalogue.add(_echo(), ECHO_ADDRESS)
    places["echo"] = await node.place(ECHO, ECHO_ADDRESS)
    places["reverter"] = await node.place(REVERTER, REVERTER_ADDRESS)
    places["transfer"] = (await node.send(to=places["bob"], value=hex(10**18)))["transactionHash"]
    places["log"] = (await node.send(to=places["logger"], data=hexadecimal(NAME_CALL)))["transactionHash"]
    failed = await node.send(to=places["reverter"], data=hexadecimal(REASON), gas=hex(100_000))
    assert failed["status"] == "0x0"
    places["failed"] = failed["transactionHash"]
    created = await node.send(data=hexadecimal(_creation(_caller(b"console.log".rjust(20, b"\0")))))
    places["creation"], places["console"] = created["transactionHash"], created["contractAddress"]
    printed = await node.send(to=places["console"], data=hexadecimal(CONSOLE_CALL))
    places["printed"] = printed["transactionHash"]
    places["caller"] = await node.place(_caller(LOGGER_ADDRESS))
    nested = await node.send(to=places["caller"], data=hexadecimal(NAME_CALL), gas=hex(200_000))
    places["nested"] = nested["transactionHash"]
    deployed = await node.call(
        "zvm_deployContract", {"module": hexadecimal(box()), "constructorArguments": "0x" + "07".zfill(64)}
    )
    places["module"] = deployed["address"]
    looping = await node.place(bytes.fromhex("60205b6001900380600257") + b"\0", b"\x40" * 20)
    places["long"] = (await node.send(to=looping, gas=hex(100_000)))["transactionHash"]


def every_page(chain: Explored) -> tuple[str, ...]:
    """Paths of every kind of page, on a filled chain."""
    places = chain.places
    prepared = f"/address/{places['logger']}/read?s=name(string)&v=a&do=write"
    return (
        "/", "/blocks", "/block/2", f"/tx/{places['log']}", f"/tx/{places['failed']}", f"/tx/{places['nested']}/calls",
        f"/tx/{places['log']}/state", f"/tx/{places['long']}/steps", f"/address/{places['logger']}",
        f"/address/{places['logger']}/read", f"/address/{places['echo']}/read", prepared,
        f"/address/{places['logger']}/source", f"/address/{places['logger']}/storage",
        f"/address/{places['logger']}/holders", f"/address/{places['module']}",
        f"/address/{places['alice']}/transactions", "/pool", "/panel",
    )  # fmt: skip


def _known(name: str, runtime: bytes) -> KnownContract:
    text = {"name": "text", "type": "string"}
    abi: list[dict[str, Any]] = [
        {"type": "function", "name": "name", "inputs": [text], "outputs": [], "stateMutability": "nonpayable"},
        {"type": "event", "name": "Named", "inputs": [text | {"indexed": False}], "anonymous": False},
    ]
    return KnownContract(name, name, "Solidity", abi, runtime=runtime)


def _echo() -> KnownContract:
    value = {"name": HOSTILE, "type": "uint256"}
    abi: list[dict[str, Any]] = [
        {"type": "function", "name": "echo", "inputs": [value], "outputs": [value], "stateMutability": "view"},
        {"type": "function", "name": "fixed", "inputs": [], "outputs": [], "stateMutability": "pure"},
        {"type": "function", "name": "change", "inputs": [], "outputs": [], "stateMutability": "nonpayable"},
    ]
    return KnownContract("Echo", "Echo.sol", "Solidity", abi, runtime=ECHO)


def _caller(address: bytes) -> bytes:
    """Passes its call data on to an account."""
    return bytes.fromhex("36600060003760006000366000600073") + address + bytes.fromhex("5af100")


def _creation(runtime: bytes) -> bytes:
    size = len(runtime)
    return bytes.fromhex(f"60{size:02x}600c60003960{size:02x}6000f3") + runtime
