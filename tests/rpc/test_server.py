"""Binding: several hosts, busy ports, unknown hosts; the stop."""

import asyncio
import re
import time

import pytest

from tests.rpc.support import call, http, make_registry, make_services, read_answer, running_server, tiny
from zevm.rpc.server import AddressInUseError, Server, ServerOptions
from zevm.rpc.transport.listener import HTTP_FLAGS, check_addresses


async def test_several_hosts_share_a_port() -> None:
    services = make_services()
    server = Server(services, ServerOptions(hosts=("127.0.0.1", "127.0.0.2"), port=0), make_registry())
    await server.start()
    (first, port), (second, other) = server.addresses
    assert (first, second, port) == ("127.0.0.1", "127.0.0.2", other)
    for host in (first, second):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        writer.close()
    await server.stop()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    services.chain.writer.stop()


async def test_a_busy_port_is_named_with_the_way_out() -> None:
    async with running_server() as (port, _):
        reason = f"^cannot listen on 127.0.0.1:{port}: Address already in use; "
        expected = f"{reason}stop what uses the port, or give another one with --port$"
        with pytest.raises(AddressInUseError, match=expected):
            async with running_server(ServerOptions(port=port)):
                pass
        with pytest.raises(AddressInUseError, match=expected):
            async with running_server(ServerOptions(hosts=("127.0.0.3", "127.0.0.1"), port=port)):
                pass
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.3", port)
        assert (await http(port, call("test_echo", 1))).status == 200


async def test_an_unknown_host_is_named() -> None:
    with pytest.raises(AddressInUseError, match=re.escape("cannot listen on nowhere.invalid: no such host name")):
        async with running_server(ServerOptions(hosts=("nowhere.invalid",), port=0)):
            pass


async def test_an_address_of_another_machine_is_named_with_the_way_out() -> None:
    reason = "^cannot listen on 203.0.113.5:8545: Cannot assign requested address; "
    expected = f"{reason}give an address of this machine with --host$"
    with pytest.raises(AddressInUseError, match=expected):
        check_addresses(["203.0.113.5"], 8545, HTTP_FLAGS)
    with pytest.raises(AddressInUseError, match=expected):
        async with running_server(ServerOptions(hosts=("203.0.113.5",), port=8545)):
            pass


async def test_the_stop_lets_requests_end_and_waits_for_none_too_long() -> None:
    services = make_services()
    server = Server(services, ServerOptions(port=0), make_registry())
    await server.start()
    port = server.addresses[0][1]
    request = asyncio.get_running_loop().create_task(http(port, call("test_execute")))
    idle = await asyncio.open_connection("127.0.0.1", port)
    while tiny(services).executions == 0:
        await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_later(0.2, tiny(services).gate.set)
    begun = time.monotonic()
    await server.stop()
    assert (await request).json["result"] == 1.0
    assert time.monotonic() - begun < 5
    assert await idle[0].read() == b""
    idle[1].close()
    services.chain.writer.stop()


@pytest.mark.lengthy
async def test_the_stop_gives_up_on_requests_that_do_not_end() -> None:
    services = make_services(evm_timeout_seconds=6.0)
    server = Server(services, ServerOptions(port=0), make_registry())
    await server.start()
    port = server.addresses[0][1]
    request = asyncio.get_running_loop().create_task(http(port, call("test_execute")))
    while tiny(services).executions == 0:
        await asyncio.sleep(0.01)
    begun = time.monotonic()
    await server.stop()
    assert time.monotonic() - begun < 5.5
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await request
    tiny(services).gate.set()
    services.chain.writer.stop()
