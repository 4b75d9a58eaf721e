"""The Unix socket: values cut out of the stream, subscriptions, stale sockets, limits."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rpc.support import block, call, publish, running_server
from zevm.rpc.errors import ParseError
from zevm.rpc.server import ServerOptions
from zevm.rpc.services import Services
from zevm.rpc.transport.ipc import IpcError, MessageTooLargeError, Splitter

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter, Services]


@asynccontextmanager
async def connected(folder: Path, **limits: Any) -> AsyncIterator[Streams]:
    path = folder / "z.ipc"
    async with running_server(ServerOptions(port=0, ipc_path=path), **limits) as (_, services):
        reader, writer = await asyncio.open_unix_connection(str(path))
        yield reader, writer, services
        writer.close()


async def receive(reader: asyncio.StreamReader) -> Any:
    return orjson.loads(await asyncio.wait_for(reader.readline(), 10))


async def test_calls_with_and_without_newlines(tmp_path: Path) -> None:
    async with connected(tmp_path) as (reader, writer, _):
        first, second = orjson.dumps(call("test_echo", '}"{[')), orjson.dumps([call("test_echo", "\\"), 1])
        writer.write(first + second + b"\n\n " + first[:20])
        assert (await receive(reader))["result"] == '}"{['
        answers = await receive(reader)
        assert (answers[0]["result"], answers[1]["error"]["code"]) == ("\\", -32600)
        writer.write(first[20:])
        assert (await receive(reader))["result"] == '}"{['


async def test_subscriptions(tmp_path: Path) -> None:
    async with connected(tmp_path) as (reader, writer, services):
        writer.write(orjson.dumps(call("eth_subscribe", "newHeads")))
        identifier = (await receive(reader))["result"]
        publish(services, block(9))
        notification = await receive(reader)
        assert notification["params"]["subscription"] == identifier
        assert notification["params"]["result"]["number"] == "0x9"


@pytest.mark.parametrize("garbage", [b"nonsense\n", b"5", b"]", b"\xff"])
async def test_garbage_is_answered_and_ends_the_connection(tmp_path: Path, garbage: bytes) -> None:
    async with connected(tmp_path) as (reader, writer, _):
        writer.write(garbage)
        assert (await receive(reader))["error"]["code"] == -32700
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_invalid_json_between_braces_is_answered(tmp_path: Path) -> None:
    async with connected(tmp_path) as (reader, writer, _):
        writer.write(b"{nonsense}" + orjson.dumps(call("test_echo", 1)))
        assert (await receive(reader))["error"]["code"] == -32700
        assert (await receive(reader))["result"] == 1


async def test_message_limit(tmp_path: Path) -> None:
    async with connected(tmp_path, ipc_message_bytes=1_000) as (reader, writer, _):
        empty = len(orjson.dumps(call("test_echo", "")))
        writer.write(orjson.dumps(call("test_echo", "x" * (1_000 - empty))))
        assert len((await receive(reader))["result"]) == 1_000 - empty
        writer.write(orjson.dumps(call("test_echo", "x" * 1_001))[:1_001])
        assert (await receive(reader))["error"]["message"] == "message too large (limit 1000 bytes)"
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_connection_limit(tmp_path: Path) -> None:
    path = tmp_path / "z.ipc"
    async with running_server(ServerOptions(port=0, ipc_path=path), ipc_connections=1):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(orjson.dumps(call("test_echo", 1)))
        assert (await receive(reader))["result"] == 1
        other, other_writer = await asyncio.open_unix_connection(str(path))
        assert await asyncio.wait_for(other.read(), 5) == b""
        other_writer.close()
        writer.close()


async def test_only_the_owner_may_open_it_and_it_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "z.ipc"
    async with running_server(ServerOptions(port=0, ipc_path=path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_stale_socket_is_replaced_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "z.ipc"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    options = ServerOptions(port=0, ipc_path=path)
    async with running_server(options):
        with pytest.raises(IpcError, match="another node answers there"):
            async with running_server(options):
                pass
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(orjson.dumps(call("test_echo", 1)))
        assert (await receive(reader))["result"] == 1
        writer.close()


async def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "z.ipc"
    path.write_text("precious")
    with pytest.raises(IpcError, match="a file that is no socket is in the way"):
        async with running_server(ServerOptions(port=0, ipc_path=path)):
            pass
    assert path.read_text() == "precious"


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(IpcError, match=r"cannot listen on .*nowhere"):
        async with running_server(ServerOptions(port=0, ipc_path=tmp_path / "nowhere" / "z.ipc")):
            pass


CONTAINERS = st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
).filter(lambda value: isinstance(value, list | dict))


@pytest.mark.lengthy
@settings(max_examples=50, deadline=None)
@given(
    st.lists(CONTAINERS, max_size=5),
    st.lists(st.integers(0, 400), max_size=6),
    st.sampled_from([b"", b"\n", b" \t\r\n"]),
)
def test_any_cut_of_the_stream_gives_the_same_values(values: list[Any], cuts: list[int], gap: bytes) -> None:
    stream = b"".join(orjson.dumps(value) + gap for value in _small(values))
    splitter = Splitter(10_000_000)
    found = []
    positions = sorted({0, *[cut for cut in cuts if cut < len(stream)], len(stream)})
    for begin, end in pairwise(positions):
        found += splitter.feed(stream[begin:end])
    assert [orjson.loads(value) for value in found] == _small(values)


def _small(values: list[Any]) -> list[Any]:
    return [value for value in values if _encodable(value)]


def _encodable(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def test_splitter_limits() -> None:
    assert Splitter(4).feed(b"[12]") == [b"[12]"]
    with pytest.raises(MessageTooLargeError):
        Splitter(4).feed(b"[12,3")
    with pytest.raises(ParseError):
        Splitter(4).feed(b"12")
