"""What web pages may not do, and what they may. Each case is one request as a browser would send it."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.rpc.support import call, http, running_server, tiny
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.guard import Guard

Headers = dict[str, str]

ATTACKS: dict[str, Headers] = {
    "rebound name": {"Host": "evil.example:8545"},
    "rebound name that looks local": {"Host": "localhost.evil.example"},
    "rebound name with an address in it": {"Host": "127.0.0.1.evil.example"},
    "rebound name that ends like localhost": {"Host": "evillocalhost"},
    "rebound name with a dot at the end": {"Host": "evil.example."},
    "decimal address": {"Host": "2130706433"},
    "octal address": {"Host": "0177.0.0.1"},
    "short address": {"Host": "127.1"},
    "host with credentials": {"Host": "localhost@evil.example"},
    "host with a path": {"Host": "localhost/evil.example"},
    "host with a bad port": {"Host": "localhost:port"},
    "host in brackets": {"Host": "[evil.example]"},
    "rebound name with a local origin": {"Host": "evil.example", "Origin": "http://localhost:3000"},
    "rebound same origin": {"Host": "evil.example:8545", "Origin": "http://evil.example:8545"},
    "foreign page": {"Origin": "https://evil.example"},
    "foreign page without preflight": {"Origin": "https://evil.example", "Content-Type": "text/plain"},
    "form post": {"Origin": "https://evil.example", "Content-Type": "application/x-www-form-urlencoded"},
    "sandboxed frame": {"Origin": "null"},
    "sandboxed frame without preflight": {"Origin": "null", "Content-Type": "text/plain"},
    "origin that begins like localhost": {"Origin": "http://localhost.evil.example"},
    "origin that ends like localhost": {"Origin": "http://evillocalhost"},
    "origin with credentials": {"Origin": "http://localhost@evil.example"},
    "origin with a local name as its user": {"Origin": "http://localhost:80@evil.example"},
    "origin with a local path": {"Origin": "http://evil.example/localhost"},
    "origin with a local fragment": {"Origin": "http://evil.example#localhost"},
    "origin with a backslash": {"Origin": "http://evil.example\\@localhost"},
    "origin of a file": {"Origin": "file://"},
    "origin of another scheme": {"Origin": "ftp://localhost"},
    "origin of a made-up extension scheme": {"Origin": "evil-extension://abcdef"},
    "extension scheme with a host": {"Origin": "chrome-extension://evil@example"},
    "empty origin": {"Origin": " "},
    "hidden origin of another site": {"Sec-Fetch-Site": "cross-site"},
    "hidden origin of a sister site": {"Sec-Fetch-Site": "same-site"},
    "private network address of a page": {"Origin": "http://192.168.1.1"},
    "public site of tools": {"Origin": "https://remix.ethereum.org"},
    "page of a name that ends like localhost": {"Origin": "http://app.localhost.evil.example"},
    "null in other letters": {"Origin": "NULL"},
    "name of another site's request": {"Origin": "Titanoboa", "Sec-Fetch-Site": "cross-site"},
    "name with a colon": {"Origin": "evil.example:80"},
    "name of a service": {"Host": "zevm:8545"},
    "name like the host's of a container": {"Host": "docker.internal"},
    "other port of a rebound address": {"Origin": "http://10.0.0.1:8545"},
}

FRIENDS: dict[str, Headers] = {
    "curl": {},
    "node fetch": {"Sec-Fetch-Mode": "cors"},
    "localhost": {"Host": "localhost:8545"},
    "loopback name": {"Host": "app.localhost"},
    "upper case": {"Host": "LOCALHOST"},
    "address": {"Host": "192.168.1.7:8545"},
    "address of IPv6": {"Host": "[::1]:8545"},
    "local page": {"Origin": "http://localhost:3000"},
    "local page over TLS": {"Origin": "https://127.0.0.1"},
    "local page of IPv6": {"Origin": "http://[::1]:5173"},
    "MetaMask": {"Origin": "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"},
    "MetaMask in Firefox": {"Origin": "moz-extension://8d2a0d2c-2f0a-4e0a-9a0a-3f2d5b3c1e11"},
    "titanoboa": {"Origin": "Titanoboa"},
    "another client's name": {"Origin": "my-tool/1.0 (test)"},
    "local page by a name": {"Origin": "http://app.localhost:3000"},
    "host of a container": {"Host": "host.docker.internal:8545"},
    "host of a container of Podman": {"Host": "host.containers.internal"},
    "view of an editor": {"Origin": "vscode-webview://1ab2cd3e-0000-4000-8000-123456789abc"},
    "Safari's extension": {"Origin": "safari-web-extension://8d2a0d2c-2f0a-4e0a-9a0a-3f2d5b3c1e11"},
    "page of the node": {"Host": "192.168.1.7:8545", "Origin": "http://192.168.1.7:8545"},
}


async def test_attacks_are_refused_and_change_nothing() -> None:
    async with running_server() as (port, services):
        for name, headers in ATTACKS.items():
            answer = await http(port, call("test_write", name), headers)
            assert answer.status == 403, name
            assert "access-control-allow-origin" not in answer.headers, name
            preflight = headers | {"Access-Control-Request-Method": "POST", "Content-Type": ""}
            answer = await http(port, b"", preflight, method="OPTIONS")
            assert answer.status == 403, name
            assert "access-control-allow-origin" not in answer.headers, name
            assert (await http(port, b"", headers, method="GET", path="/health")).status == 403, name
        assert tiny(services).written == []


async def test_attacks_over_websocket_are_refused() -> None:
    async with running_server() as (port, _):
        for name, headers in ATTACKS.items():
            url = f"ws://127.0.0.1:{port}/"
            extra = {key: value for key, value in headers.items() if key in ("Origin", "Sec-Fetch-Site")}
            if not extra or "Host" in headers or extra.get("Origin") == " ":
                continue  # the client library writes Host itself; see the next test
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=extra)
            assert refused.value.response.status_code == 403, name


async def test_websocket_host_check() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 403 " in await reader.readline()
        writer.close()


async def test_friends_are_let_in() -> None:
    async with running_server() as (port, _):
        for name, headers in FRIENDS.items():
            answer = await http(port, call("test_echo", name), headers)
            assert answer.status == 200, name
            assert answer.json["result"] == name
            assert answer.headers.get("access-control-allow-origin") == headers.get("Origin"), name


@pytest.mark.parametrize(
    ("headers", "value", "flag"),
    [
        ({"Origin": "https://remix.ethereum.org"}, "https://remix.ethereum.org", "--allow-origin"),
        ({"Origin": "null"}, "null", "--allow-origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "(hidden)", "--allow-origin"),
        ({"Host": "evil.example"}, "evil.example", "--allow-host"),
        ({"Host": "e" * 60_000}, "e" * 128, "--allow-host"),
    ],
)
async def test_r1_a_refusal_leaves_one_line_that_names_the_flag(
    headers: Headers, value: str, flag: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_server() as (port, _):
        for _ in range(3):
            answer = await http(port, call("test_echo"), headers)
            assert answer.status == 403
            assert flag in answer.body.decode()
        (line,) = [record.getMessage() for record in caplog.records]
        assert repr(value) in line
        assert flag in line
        assert len(line) < 300


async def test_r1_refusals_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard()
    for index in range(1_000):
        assert guard.check([(b"host", b"localhost"), (b"origin", b"https://%d.example" % index)]) is not None
    assert len(caplog.records) == 256


def test_r1_refusals_name_the_flag_of_their_port(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard(host_flag="--authrpc-vhosts", origin_flag=None)
    refusal = guard.check([(b"host", b"evil.example")])
    assert refusal is not None
    assert "--authrpc-vhosts" in refusal.reason
    refusal = guard.check([(b"host", b"localhost"), (b"origin", b"https://a.example")])
    assert refusal is not None
    assert "no web pages" in refusal.reason
    assert len(caplog.records) == 2


async def test_two_host_headers_are_refused() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()


async def test_preflight_of_a_local_page() -> None:
    async with running_server() as (port, _):
        wanted = {
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, x-custom",
            "Content-Type": "",
        }
        answer = await http(port, b"", wanted, method="OPTIONS")
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert answer.headers["access-control-allow-methods"] == "POST, GET, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == "content-type, x-custom"
        assert int(answer.headers["access-control-max-age"]) > 0
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-private-network" not in answer.headers
        wanted["Access-Control-Request-Private-Network"] = "true"
        answer = await http(port, b"", wanted, method="OPTIONS")
        assert answer.headers["access-control-allow-private-network"] == "true"


async def test_allowed_origins_are_added_to_the_local_ones() -> None:
    options = ServerOptions(port=0, allow_origins=("https://app.example",), allow_hosts=("zevm",))
    async with running_server(options) as (port, _):
        for origin, status in (
            ("https://app.example", 200),
            ("http://localhost:1", 200),
            ("http://app.example", 403),
            ("https://app.example.evil", 403),
        ):
            assert (await http(port, call("test_echo"), {"Origin": origin})).status == status, origin
        assert (await http(port, call("test_echo"), {"Host": "zevm:8545"})).status == 200
        assert (await http(port, call("test_echo"), {"Host": "other:8545"})).status == 403


async def test_any_origin() -> None:
    async with running_server(ServerOptions(port=0, allow_origins=("*",))) as (port, _):
        answer = await http(port, call("test_echo"), {"Origin": "https://anything.example"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert (await http(port, call("test_echo"), {"Host": "evil.example"})).status == 403


def test_strange_header_lists_are_not_echoed() -> None:
    headers = [(b"origin", b"http://localhost"), (b"access-control-request-headers", b"a: b;\x00")]
    assert b"access-control-allow-headers" not in dict(Guard().preflight_headers(headers))
