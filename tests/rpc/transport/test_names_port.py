"""The name resolver's port: GET /resolve/NAME, of this chain and of another resolver; the client of both."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from testing.speed import PATIENCE_SECONDS, slowness
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.name_service import REGISTRY_ADDRESS, RESOLVER_ADDRESS, namehash
from zevm.node.errors import NodeError
from zevm.rpc.limits import Limits
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.joining import JoiningTransport
from zevm.rpc.transport.names.options import NamesPortOptions
from zevm.rpc.transport.names.port import Answer, NamesApplication
from zevm.zns import NameNotFoundError, ZWalletIntegration

DEEP = b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"
"""JSON that can be read, and not be written."""
OTHER = {"address": hexadecimal(BOB)}


class Other(BaseHTTPRequestHandler):
    """Another resolver: the answer is by the name's first label."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        label = self.path.removeprefix("/resolve/").partition(".")[0]
        status = {"missing": 404, "moved": 302, "failing": 500}.get(label, 200)
        body = {"long": b"x" * 2_000, "list": b"[]", "text": b"hello", "deep": DEEP}.get(
            label, json.dumps(OTHER).encode()
        )
        if label == "slow":
            threading.Event().wait(0.5)
        self.send_response(status)
        self.send_header("location", f"http://127.0.0.1:{self.server.server_address[1]}/resolve/kept.eth")
        if label == "kept":
            self.send_header("cache-control", "public, max-age=100000")
        with suppress(OSError):  # whom a slow answer does not find
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def other_resolver() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@asynccontextmanager
async def served(upstream: str | None = None, limits: Limits | None = None) -> AsyncIterator[tuple[Node, int]]:
    options = NamesPortOptions(port=0, upstream=upstream, allow_origins=("https://app.example",))
    node = await start_node(limits=limits, server=ServerOptions(port=0, names=options))
    try:
        ((_, port),) = node.server.names_addresses
        yield node, port
    finally:
        await stop_node(node)


async def get(port: int, path: str, *headers: str, verb: str = "GET") -> tuple[int, dict[str, str], Any]:
    """The status, the headers and the content of one answer; the content is None where there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        "\r\n".join([f"{verb} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]).encode()
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *rest = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    is_json = fields.get("content-type") == "application/json" and body
    return int(status.split()[1]), fields, json.loads(body) if is_json else None


@pytest.mark.lengthy
async def test_a_name_of_this_chain() -> None:
    async with served() as (node, port):
        given = {"name": "mytoken.ghost", "address": hexadecimal(ALICE), "contract": hexadecimal(BOB)}
        texts = {"url": "https://example.org", "com.github": "mytoken"}
        await node.call("zns_register", given | {"texts": texts})
        status, headers, content = await get(port, "/resolve/MyToken.ghost")
        assert (status, headers["cache-control"]) == (200, "no-cache")
        assert (content["address"], content["contract"]) == (hexadecimal(ALICE), hexadecimal(BOB))
        assert content["node"] == hexadecimal(namehash("mytoken.ghost"))
        assert content["texts"] == texts
        assert content == await node.call("zns_records", "mytoken.ghost")
        # unchanged, it need not be sent again
        known = {"{}": 304, "W/{}": 304, '"other", {}': 304, "*": 304, '"other"': 200, "x": 200}
        for tags, wanted in known.items():
            again = await get(port, "/resolve/mytoken.ghost", f"If-None-Match: {tags.format(headers['etag'])}")
            assert (again[0], again[1]["etag"]) == (wanted, headers["etag"]), tags
        allowed = await get(port, "/resolve/mytoken.ghost", "Origin: https://app.example")
        assert allowed[1]["access-control-allow-origin"] == "https://app.example"
        status, headers, content = await get(port, "/resolve/mytoken.ghost", verb="HEAD")
        assert (status, content) == (200, None)
        # the owner says how long others may keep it
        for seconds in (300, 2**64 - 1):
            data = "0x14ab9038" + namehash("mytoken.ghost").hex() + f"{seconds:064x}"
            await node.send(to="0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e", data=data)
            _, headers, content = await get(port, "/resolve/mytoken.ghost")
            # and never for longer than the name is theirs
            kept_seconds = min(seconds, content["expires"] - node.chain.head.header.timestamp)
            assert headers["cache-control"] == f"public, max-age={kept_seconds}"


async def test_an_answer_is_kept_until_the_chain_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[str] = []

    def resolved(application: NamesApplication, name: str, deadline: Deadline) -> Answer:
        executed.append(name)
        return plain(application, name, deadline)

    plain = NamesApplication._resolved
    monkeypatch.setattr(NamesApplication, "_resolved", resolved)
    async with served(limits=replace(Limits(), zns_cache=2, zns_cache_bytes=2_000)) as (node, port):
        await node.call("zns_register", {"name": "mytoken.ghost", "address": hexadecimal(ALICE)})
        for _ in range(3):
            assert (await get(port, "/resolve/mytoken.ghost"))[2]["address"] == hexadecimal(ALICE)
            assert (await get(port, "/resolve/nobody.ghost"))[0] == 404
        assert executed == ["mytoken.ghost", "nobody.ghost"]
        # a block, and a change outside of blocks
        await node.call("zns_register", {"name": "nobody.ghost", "address": hexadecimal(BOB)})
        assert (await get(port, "/resolve/nobody.ghost"))[2]["address"] == hexadecimal(BOB)
        await node.call("anvil_setCode", hexadecimal(RESOLVER_ADDRESS), "0x")
        assert (await get(port, "/resolve/nobody.ghost"))[2] != hexadecimal(BOB)
        assert executed[2:] == ["nobody.ghost"] * 2
        # one more name than are kept
        executed.clear()
        for label in "abca":
            await get(port, f"/resolve/{label}.ghost")
        assert executed == ["a.ghost", "b.ghost", "c.ghost", "a.ghost"]
    async with served(limits=replace(Limits(), zns_cache_bytes=30)) as (_, port):
        executed.clear()
        for _ in range(2):
            assert (await get(port, "/resolve/longer.ghost"))[0] == 404
        assert executed == ["longer.ghost"] * 2


async def test_who_leaves_ends_the_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def resolved(_application: NamesApplication, _name: str, deadline: Deadline) -> Answer:
        begun.set()
        while not deadline.expired():
            time.sleep(0.001)
        ended.set()
        raise AssertionError

    monkeypatch.setattr(NamesApplication, "_resolved", resolved)
    async with served(limits=replace(Limits(), evm_timeout_seconds=60)) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /resolve/a.ghost HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await asyncio.to_thread(begun.wait, 30)
        writer.close()
        assert await asyncio.to_thread(ended.wait, 30)


async def test_who_asks_while_an_answer_is_made_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the one who asked first leaves; what was asked for before a block is no answer after it."""
    executed: list[str] = []
    goes_on = threading.Event()

    def resolved(application: NamesApplication, name: str, deadline: Deadline) -> Answer:
        executed.append(name)
        assert goes_on.wait(PATIENCE_SECONDS)
        deadline.check()
        return plain(application, name, deadline)

    async def until(count: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(executed) < count:
                await asyncio.sleep(0.001)

    plain = NamesApplication._resolved
    monkeypatch.setattr(NamesApplication, "_resolved", resolved)
    async with served() as (node, port):
        _, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"GET /resolve/a.ghost HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(1)
        asking = [asyncio.create_task(get(port, "/resolve/a.ghost")) for _ in range(20)]
        application: Any = node.server._names_listener._app  # type: ignore[union-attr]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while application._under_way["a.ghost"].waiting < 21:
                await asyncio.sleep(0.001)
        first.close()
        await node.call("zns_register", {"name": "a.ghost", "address": hexadecimal(ALICE)})
        late = asyncio.create_task(get(port, "/resolve/a.ghost"))
        await until(2)
        goes_on.set()
        assert (await late)[2]["address"] == hexadecimal(ALICE)
        assert {(await answer)[0] for answer in asking} <= {200, 404}
        assert executed == ["a.ghost"] * 2
        assert not application._under_way


REFUSED = [
    ("/resolve/nobody.ghost", 404, "nobody.ghost is not registered"),
    ("/resolve/other.eth", 404, "other.eth is not registered"),
    ("/resolve/", 400, "the name is empty"),
    ("/resolve/a%20b.ghost", 400, "is no name"),
    ("/resolve/%ff.ghost", 400, "is no name"),
    ("/resolve/" + "x" * 300, 400, "at most 255"),
    ("/", 404, None),
    ("/resolve", 404, None),
]


async def test_refusals() -> None:
    async with served() as (_, port):
        for path, status, told in REFUSED:
            found, _, content = await get(port, path)
            assert found == status, path
            assert told is None or told in content["error"], path
        assert (await get(port, "/resolve/x.ghost", verb="POST"))[0] == 405
        assert (await get(port, "/resolve/x.ghost", "Origin: https://evil.example"))[0] == 403
        assert (await get(port, "/health"))[::2] == (200, {"status": "ok"})


async def test_a_web_socket_is_refused_as_any_other_method(caplog: pytest.LogCaptureFixture) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    async with served() as (_, port):
        for path in ("/resolve/x.ghost", "/health"):
            assert (await get(port, path, *upgrade))[0] == 405
        assert (await get(port, "/health", *upgrade, "Origin: https://evil.example"))[0] == 403
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.lengthy
async def test_unread_answers_count_as_those_of_the_main_port() -> None:
    """A resolver of anybody's may return as much as an execution's gas pays for."""
    returning = bytes.fromhex("6020 5f52 62030d40 6020 52 62030d80 5f f3".replace(" ", ""))  # 200,000 bytes
    async with served(limits=replace(Limits(), output_bytes=100_000, evm_timeout_seconds=60)) as (node, port):
        await node.call("zns_register", {"name": "large.ghost"})
        resolver = await node.place(returning)
        data = "0x1896f70a" + namehash("large.ghost").hex() + resolver[2:].rjust(64, "0")
        await node.send(to=hexadecimal(REGISTRY_ADDRESS), data=data)
        with pytest.raises((ConnectionError, json.JSONDecodeError)):
            await get(port, "/resolve/large.ghost")


async def test_names_of_another_resolver() -> None:
    limits = replace(Limits(), zns_upstream_seconds=0.2, zns_upstream_bytes=1_000)
    with other_resolver() as url:
        async with served(url, limits) as (_, port):
            Other.asked.clear()
            for _ in range(2):
                assert (await get(port, "/resolve/other.eth"))[::2] == (200, OTHER)
            assert Other.asked == ["/resolve/other.eth"] * 2
            for _ in range(2):
                status, headers, content = await get(port, "/resolve/Kept.eth")
                assert (status, content) == (200, OTHER)
                assert headers["cache-control"] in ("public, max-age=300", "public, max-age=299")
            assert Other.asked[2:] == ["/resolve/kept.eth"]
            # a name of this chain is never asked for elsewhere
            assert (await get(port, "/resolve/other.ghost"))[0] == 404
            assert len(Other.asked) == 3
            for label, wanted in (("missing", 404), ("moved", 502), ("failing", 502), ("long", 502), ("list", 502),
                                  ("text", 502), ("deep", 502), ("slow", 504)):  # fmt: skip
                assert (await get(port, f"/resolve/{label}.eth"))[0] == wanted, label
        async with served("http://127.0.0.1:1", limits) as (_, port):
            status, _, content = await get(port, "/resolve/other.eth")
            assert (status, "does not answer" in content["error"]) == (502, True)


HOSTILE = {
    # one byte at a time, each within the time of a read
    "drip of a head": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 40, 0.02, 504, "takes more than 0.3 s"),
    "drip of a body": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n" + b" " * 40, 0.02, 504, "takes more than 0.3 s",
    ),
    "long line": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, 0, 502, "a head of more than 8192 bytes"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, 0, 502, "a head of more than 8192 bytes"),
    "endless announcements": (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, 0, 502, "a head of more than 8192 bytes"),
    "long body": (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 200_000, 0, 502, "a body of more than 65536 bytes"),
    "endless chunks": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 40,
        0, 502, "a body of more than 65536 bytes",
    ),
    "half a body": (b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{}", 0, 502, "ends the connection within"),
    "nothing": (b"", 0, 502, "ends the connection within"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", 0, 502, "answers no HTTP"),
    "an upgrade": (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx", 0, 502, "answers no HTTP"),
}  # fmt: skip


@asynccontextmanager
async def answering(raw: bytes, pause_seconds: float) -> AsyncIterator[str]:
    """A server that sends bytes, whatever it is asked: one by one with pauses, or all at once."""

    answering: set[asyncio.Task[Any] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        step = 1 if pause_seconds else max(1, len(raw))
        with suppress(OSError):
            for start in range(0, len(raw), step):
                if writer.transport.is_closing():
                    break
                writer.write(raw[start : start + step])
                await writer.drain()
                await asyncio.sleep(pause_seconds)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*(task for task in answering if task is not None))


@pytest.mark.parametrize("case", HOSTILE)
async def test_another_resolver_has_one_time_and_one_size_for_all_that_it_sends(case: str) -> None:
    raw, pause_seconds, status, told = HOSTILE[case]
    limits = replace(Limits(), zns_upstream_seconds=0.3, zns_upstream_head_bytes=8_192)
    async with answering(raw, pause_seconds) as url, served(url, limits) as (_, port):
        started = time.monotonic()
        found, _, content = await get(port, "/resolve/other.eth")
        assert (found, told in content["error"]) == (status, True), content
        assert time.monotonic() - started < 5 * slowness()


LIES: dict[str, tuple[Any, str | None]] = {
    "another name": ({"name": "bank.eth"}, "answers for 'bank.eth', it was asked for other.eth"),
    "no text for a name": ({"name": 5}, "answers for 5, it was asked for other.eth"),
    "another case": ({"name": "Other.ETH", "address": None, "ttl": 0, "expires": None}, None),
    "a number for an address": ({"address": 5}, "answers the address 5, which is no address"),
    "a short address": ({"contract": "0x11"}, "answers the contract '0x11', which is no address"),
    "a list": ({"owner": []}, "answers the owner [], which is no address"),
    "an object": ({"resolver": {"a": 1}}, "which is no address"),
    "a text for a time": ({"expires": "1"}, "answers the expires '1', which is no number"),
    "a negative time": ({"ttl": -1}, "answers the ttl -1, which is no number"),
    "a truth for a time": ({"ttl": True}, "answers the ttl True, which is no number"),
    "fields of its own": ({"avatar": [1, {"a": None}]}, None),
    "a long lie": ({"address": "x" * 5_000}, "which is no address"),
}


@pytest.mark.parametrize("case", LIES)
async def test_another_resolver_that_answers_something_else(case: str) -> None:
    content, told = LIES[case]
    body = json.dumps(content).encode()
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    async with answering(raw, 0) as url, served(url) as (_, port):
        status, _, found = await get(port, "/resolve/other.eth")
        if told is None:
            assert (status, found) == (200, content)
        else:
            assert (status, told in found["error"], len(found["error"]) < 300) == (502, True, True), found


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with other_resolver() as url:
        async with served(url) as (_, port):
            assert (await get(port, "/resolve/other.eth"))[::2] == (200, OTHER)


async def test_kept_answers_of_another_resolver_have_a_number_and_a_time() -> None:
    limits = replace(Limits(), zns_upstream_cache=1, zns_upstream_cache_seconds=7)
    with other_resolver() as url:
        async with served(url, limits) as (_, port):
            Other.asked.clear()
            for name in ("kept.one.eth", "kept.one.eth", "kept.two.eth", "kept.one.eth"):
                _, headers, _ = await get(port, f"/resolve/{name}")
                assert headers["cache-control"] in ("public, max-age=7", "public, max-age=6")
            assert Other.asked == [f"/resolve/kept.{label}.eth" for label in ("one", "two", "one")]


@pytest.mark.lengthy
async def test_no_more_calls_of_another_resolver_than_may_be() -> None:
    with other_resolver() as url:
        async with served(url, replace(Limits(), zns_upstream_calls=1)) as (_, port):
            answers = await asyncio.gather(*(get(port, f"/resolve/slow.n{number}.eth") for number in range(4)))
            assert sorted(status for status, _, _ in answers) == [200, 200, 503, 503]


@pytest.mark.lengthy
async def test_the_client_calls_a_contract_by_its_name() -> None:
    """Example 3 of the guide: the balance that a token has of itself."""
    async with served() as (node, port):
        ((host, node_port),) = node.server.addresses
        balance_of_any = bytes.fromhex("600435 5f52 60205ff3".replace(" ", ""))  # the argument itself, as a balance
        contract = await node.place(balance_of_any)
        await node.call("zns_register", {"name": "mytoken.ghost", "contract": contract, "address": hexadecimal(BOB)})
        await node.call("zns_register", {"name": "empty.ghost"})
        zns = ZWalletIntegration(f"http://127.0.0.1:{port}/", f"http://{host}:{node_port}")
        found = await asyncio.to_thread(zns.resolve_contract_domain, "MyToken.ghost")
        assert hexadecimal(found) == contract
        function_data = bytes.fromhex("70a08231") + found.rjust(32, b"\0")
        result = await asyncio.to_thread(zns.execute_contract_by_domain, "mytoken.ghost", function_data)
        assert int.from_bytes(result[:32], "big") == int(contract, 16)
        resolver = await asyncio.to_thread(zns.resolve_contract_domain, "resolver.eth")
        assert resolver == RESOLVER_ADDRESS
        for name, told in (("nobody.ghost", "not registered"), ("empty.ghost", "no contract and no address")):
            with pytest.raises(NameNotFoundError, match=told):
                await asyncio.to_thread(zns.resolve_contract_domain, name)
        with pytest.raises(NodeError, match="is no name"):
            await asyncio.to_thread(zns.execute_contract_by_domain, "a b.ghost", b"")


@pytest.mark.lengthy
@pytest.mark.parametrize(("label", "told"), [("list", "is no resolver"), ("text", "no resolver answers")])
def test_the_client_refuses_what_is_no_resolver(label: str, told: str) -> None:
    with other_resolver() as url, pytest.raises(NodeError, match=told):
        ZWalletIntegration(url, url).resolve_contract_domain(f"{label}.eth")


class Dropped(asyncio.Transport):
    """As uvloop's transports after abort(): a write fails, and connection_lost comes in a later turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.closings = 0

    def is_closing(self) -> bool:
        return True

    def write(self, data: object) -> None:
        raise RuntimeError(f"the handler is closed: {data!r}")

    def close(self) -> None:
        self.closings += 1


def test_nothing_is_written_to_a_client_that_was_dropped_meanwhile() -> None:
    for parts in ((b"HTTP/1.1 200 OK\r\n\r\n", b"{}"), (b"HTTP/1.1 200 OK\r\n\r\n",)):
        dropped = Dropped()
        joining = JoiningTransport(dropped)
        for part in parts:
            joining.write(part)
        joining.close()
        assert dropped.closings == 1
