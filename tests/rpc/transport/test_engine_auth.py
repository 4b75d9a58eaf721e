"""Who may speak to the Engine API's port, over HTTP and WebSocket, and what it serves."""

import json
import os
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.rpc.engine_client import SECRET, bearer, encoded, token
from tests.rpc.methods.memory_node import Node, start_node, stop_node
from tests.rpc.support import call, http
from zevm.chain.options import ChainOptions
from zevm.rpc.limits import Limits
from zevm.rpc.registry import REGISTRY
from zevm.rpc.transport.engine_port import EnginePortOptions, RefusedTokens, engine_limits
from zevm.rpc.transport.guard import Refusal
from zevm.rpc.transport.jwt import Authenticator, JwtSecretError, load_secret

CAPABILITIES = call("engine_exchangeCapabilities", [])
NOW = 1_900_000_000.0
SPECIFIED = [
    "eth_blockNumber",
    "eth_call",
    "eth_chainId",
    "eth_getCode",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getLogs",
    "eth_sendRawTransaction",
    "eth_syncing",
]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node with the consensus client's port."""
    options = EnginePortOptions(SECRET, port=0, allow_hosts=("execution.example",))
    running = await start_node(options=ChainOptions(external_consensus=True), engine=options)
    yield running
    await stop_node(running)


def engine_port(node: Node) -> int:
    return node.server.engine_addresses[0][1]


Headers = dict[str, str]
REFUSED: dict[str, tuple[Callable[[], Headers], str]] = {
    "no token": (dict, "missing token"),
    "another scheme": (lambda: {"Authorization": "Basic " + token()}, "missing token"),
    "an empty token": (lambda: {"Authorization": "Bearer "}, "missing token"),
    "no token at all": (lambda: bearer("abc"), "token contains an invalid number of segments"),
    "a wrong secret": (lambda: bearer(secret=bytes(32)), "signature is invalid"),
    "no signature": (lambda: bearer(signature=b""), "signature is invalid"),
    "another algorithm": (lambda: bearer(header={"alg": "HS512"}), "signing method HS512 is invalid"),
    "the algorithm none": (lambda: bearer(header={"alg": "none"}, signature=b""), "signing method none is invalid"),
    "no algorithm": (lambda: bearer(header={}), "signing method (alg) is unspecified."),
    "a late token": (lambda: bearer(age_seconds=62), "stale token"),
    "a token of the future": (lambda: bearer(age_seconds=-90), "future token"),
    "no time": (lambda: bearer(claims={"id": "lighthouse"}), "missing issued-at"),
    "an expired token": (lambda: bearer(claims={"iat": time.time(), "exp": time.time() - 1}), "token is expired"),
    "a time that is text": (lambda: bearer(claims={"iat": "now"}), "the claim iat is not a number"),
    "a time beyond all": (lambda: bearer(claims={"iat": 10**400}), "future token"),
    "claims that are a list": (lambda: bearer(claims=[]), "the token's header or claims are no object"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_bad_token_is_refused_over_both_transports(node: Node, kind: str) -> None:
    make_headers, text = REFUSED[kind]
    headers = make_headers()
    for method, path in (("POST", "/"), ("GET", "/"), ("POST", "/anything")):
        answer = await http(engine_port(node), CAPABILITIES, headers, method=method, path=path)
        assert (answer.status, answer.body) == (401, text.encode() + b"\n"), (method, path)
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{engine_port(node)}", additional_headers=headers, open_timeout=20):
            pass
    assert caught.value.response.status_code == 401
    assert caught.value.response.body == text.encode() + b"\n"


GOOD: dict[str, Callable[[], Headers]] = {
    "fresh": bearer,
    "most of a minute old": lambda: bearer(age_seconds=40),
    "most of a minute ahead": lambda: bearer(age_seconds=-40),
    "lower-case scheme": lambda: {"Authorization": "bearer " + token()},
    "more claims": lambda: bearer(claims={"iat": int(time.time()), "id": "x", "clv": "v7", "exp": 2**40, "odd": [1]}),
    "fractions of a second": lambda: bearer(claims={"iat": time.time()}),
}


@pytest.mark.parametrize("kind", GOOD)
async def test_a_good_token_is_let_in(node: Node, kind: str) -> None:
    headers = GOOD[kind]()
    answer = await http(engine_port(node), CAPABILITIES, headers)
    assert answer.status == 200
    assert "engine_newPayloadV4" in answer.json["result"]
    async with connect(f"ws://127.0.0.1:{engine_port(node)}", additional_headers=headers) as websocket:
        await websocket.send(json.dumps(CAPABILITIES))
        assert "engine_newPayloadV4" in json.loads(await websocket.recv())["result"]


def check(value: str, now: float) -> Refusal | None:
    return Authenticator(SECRET, lambda: now).check([(b"authorization", f"Bearer {value}".encode())])


def test_a_token_serves_for_a_minute_and_not_when_replayed_later() -> None:
    captured = token({"iat": int(NOW)})
    assert [check(captured, NOW + age) for age in (-60, 0, 1, 60)] == [None] * 4
    assert check(captured, NOW + 60.5) == Refusal(401, "stale token")
    assert check(captured, NOW + 86_400) == Refusal(401, "stale token")
    assert check(captured, NOW - 61) == Refusal(401, "future token")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_altered_token_is_refused(place: int) -> None:
    parts = token({"iat": int(NOW)}).split(".")
    parts[place] = encoded(b'{"alg":"HS256","iat":1900000001}' if place < 2 else bytes(32)).decode()
    assert check(".".join(parts), NOW) == Refusal(401, "signature is invalid")
    parts[place] = "*" * 8
    refused = check(".".join(parts), NOW)
    assert refused == Refusal(401, "illegal base64 data in the token")


def test_an_endless_token_is_refused() -> None:
    assert check("a" * 9_000, NOW) is not None
    assert check(token({"iat": int(NOW), "more": "x" * 9_000}), NOW) is not None


async def test_a_refused_token_is_in_the_log(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    port = engine_port(node)
    for headers in (bearer(secret=bytes(32)), {}, bearer(secret=bytes(32))):
        assert (await http(port, CAPABILITIES, headers)).status == 401
    assert caplog.messages == [
        "a consensus client was refused: signature is invalid; give it the secret's file of this node, and check both "
        "clocks"
    ]


def test_refused_tokens_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    moments = iter((0.0, 59.9, 60.0, 119.0, 121.0))
    refused = RefusedTokens(lambda: next(moments))
    for reason in ("one", "two", "three", "four", "five"):
        refused.tell(reason)
    assert [message.split(": ")[1].split(";")[0] for message in caplog.messages] == ["one", "three", "five"]


async def test_web_pages_and_foreign_names_are_refused_even_with_a_token(node: Node) -> None:
    port = engine_port(node)
    for headers, status in (
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "execution.example:8551"}, 200),
    ):
        assert (await http(port, CAPABILITIES, bearer() | headers)).status == status, headers
    probe = await http(port, headers=bearer(), method="GET")
    assert (probe.status, probe.body) == (200, b"")
    assert (await http(port, headers=bearer(), method="DELETE")).status == 405


async def test_the_port_serves_engine_and_eth_alone(node: Node) -> None:
    port = engine_port(node)
    assert set(SPECIFIED) <= set(REGISTRY.by_name)
    for name in SPECIFIED:
        answer = (await http(port, call(name), bearer())).json
        assert answer.get("error", {}).get("code") != -32601, name
    assert (await http(port, call("eth_blockNumber"), bearer())).json["result"] == "0x0"
    for name in ("anvil_setBalance", "evm_mine", "personal_sign", "rpc_modules", "web3_sha3"):
        assert (await http(port, call(name), bearer())).json["error"]["code"] == -32601, name


async def test_the_public_port_serves_no_engine(node: Node) -> None:
    public = node.server.addresses[0][1]
    for name in REGISTRY.within({"engine"}).by_name:
        answer = (await http(public, call(name, {}), bearer())).json
        assert answer["error"] == {"code": -32601, "message": f"the method {name} does not exist/is not available"}
    assert "engine" not in await node.call("rpc_modules")
    described = await node.call("rpc.discover")
    assert [item["name"] for item in described["methods"] if item["name"].startswith("engine_")] == []


async def test_payloads_may_be_larger_than_other_bodies() -> None:
    limits = Limits(http_body_bytes=1_000, websocket_message_bytes=1_000, engine_body_bytes=5_000)
    assert engine_limits(limits).websocket_message_bytes == 5_000
    options = EnginePortOptions(SECRET, port=0)
    node = await start_node(options=ChainOptions(external_consensus=True), engine=options, limits=limits)
    try:
        large = call("engine_exchangeCapabilities", ["x" * 4_000])
        assert (await http(engine_port(node), large, bearer())).status == 200
        assert (await http(node.server.addresses[0][1], large)).status == 413
        beyond = call("engine_exchangeCapabilities", ["x" * 5_000])
        assert (await http(engine_port(node), beyond, bearer())).status == 413
    finally:
        await stop_node(node)


# The secret.


@pytest.mark.parametrize("text", [SECRET.hex(), "0x" + SECRET.hex(), f"  0x{SECRET.hex().upper()}\n"])
def test_a_secret_is_64_hex_digits(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwt.hex"
    file.write_text(text)
    assert load_secret(file) == SECRET


@pytest.mark.parametrize("text", ["", "0x", SECRET.hex()[2:], SECRET.hex() + "00", "z" * 64])
def test_a_file_that_holds_no_secret_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwt.hex"
    file.write_text(text)
    with pytest.raises(JwtSecretError, match=r"jwt\.hex: invalid JWT secret, want 64 hex digits"):
        load_secret(file)
    assert file.read_text() == text


def test_a_secret_that_cannot_be_read_or_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    with pytest.raises(JwtSecretError, match="file: cannot be read"):
        load_secret(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JwtSecretError, match="folder: cannot be read"):
        load_secret(tmp_path / "folder")
    with pytest.raises(JwtSecretError, match="inside: cannot be"):
        load_secret(tmp_path / "file" / "inside")


def test_an_absent_secret_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "jwtsecret"
    previous = os.umask(0)
    try:
        secret = load_secret(file)
    finally:
        os.umask(previous)
    assert len(secret) == 32
    assert file.read_text() == "0x" + secret.hex()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_secret(file) == secret
    assert load_secret(tmp_path / "other") != secret


def test_the_secret_is_not_printed() -> None:
    options: Any = EnginePortOptions(SECRET)
    assert SECRET.hex() not in repr(options)
    assert repr(SECRET) not in repr(options)
