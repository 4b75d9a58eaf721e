"""A node that cannot run a contract: no block comes of it, nothing is lost, the operator is told."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from eth_abi import encode

from testing.wasm_modules import box, selector
from tests.rpc.methods.memory_node import (
    ALICE,
    BOB,
    ETHER,
    KEYS,
    Node,
    hexadecimal,
    start_node,
    stop_node,
)
from zevm.chain.errors import NodeFaultError
from zevm.chain.zvm.runtime.engine import Engine

BOX_WASM = hexadecimal(box())


def word(number: int) -> str:
    return f"0x{number:064x}"


# A node that fails


class Fault:
    """The compiler fails for as long as `on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = True
        compile_module = Engine.compile

        def compile_or_fail(engine: Engine, *arguments: Any, **keywords: Any) -> Any:
            if self.on:
                raise NodeFaultError("the compiler has no memory")
            return compile_module(engine, *arguments, **keywords)

        monkeypatch.setattr(Engine, "compile", compile_or_fail)


@pytest.fixture
async def faulty(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Node, Fault]]:
    """A node with a contract whose program it cannot compile."""
    running = await start_node()
    await running.place(box())
    yield running, Fault(monkeypatch)
    await stop_node(running)


CONTRACT = "0x" + "c0" * 20
SET = hexadecimal(selector("set(uint256)") + encode(["uint256"], [4]))


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]


async def test_a_fault_under_automine(faulty: tuple[Node, Fault], caplog: pytest.LogCaptureFixture) -> None:
    node, fault = faulty
    transaction = node.signed(KEYS[0], to=bytes.fromhex(CONTRACT[2:]), data=bytes.fromhex(SET[2:]), gas_limit=200_000)
    head = await node.call("eth_getBlockByNumber", "latest", False)
    answer = await node.ask("eth_sendRawTransaction", hexadecimal(transaction.encoded))
    assert answer["error"]["code"] == -32603
    assert len(alarms(caplog)) == 1
    assert f"in transaction 0x{transaction.hash.hex()} of block 1" in caplog.text
    # nothing is committed, the transaction waits, and it would outlive a restart
    assert await node.call("eth_getBlockByNumber", "latest", False) == head
    assert await node.call("txpool_status") == {"pending": "0x1", "queued": "0x0"}
    assert [item for item, _ in node.chain.database.ledger.pooled()] == [transaction.hash]
    assert await node.call("eth_getTransactionReceipt", hexadecimal(transaction.hash)) is None
    assert int(await node.call("eth_getBalance", hexadecimal(ALICE)), 16) == 10_000 * ETHER
    fault.on = False
    await node.call("evm_mine")
    receipt = await node.call("eth_getTransactionReceipt", hexadecimal(transaction.hash))
    assert (receipt["status"], receipt["blockNumber"]) == ("0x1", "0x1")
    assert list(node.chain.database.ledger.pooled()) == []


async def test_a_fault_ends_with_its_transaction(faulty: tuple[Node, Fault]) -> None:
    node, _ = faulty
    transaction = node.signed(KEYS[0], to=bytes.fromhex(CONTRACT[2:]), data=bytes.fromhex(SET[2:]), gas_limit=200_000)
    await node.ask("eth_sendRawTransaction", hexadecimal(transaction.encoded))
    assert (await node.ask("evm_mine"))["error"]["code"] == -32603
    assert await node.call("anvil_dropTransaction", hexadecimal(transaction.hash)) == hexadecimal(transaction.hash)
    assert (await node.send(to=hexadecimal(BOB)))["status"] == "0x1"


async def test_a_fault_under_interval_mining(
    faulty: tuple[Node, Fault], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, fault = faulty
    await node.call("evm_setAutomine", False)
    loop, failed_twice = asyncio.get_running_loop(), asyncio.Event()
    raised: list[BaseException] = []
    mine = node.chain.mining._mine

    def watched() -> object:
        try:
            return mine()
        except BaseException as error:
            raised.append(error)
            if len(raised) == 2:
                loop.call_soon_threadsafe(failed_twice.set)
            raise

    monkeypatch.setattr(node.chain.mining, "_mine", watched)
    sent = node.signed(KEYS[0], to=bytes.fromhex(CONTRACT[2:]), data=bytes.fromhex(SET[2:]), gas_limit=200_000)
    task = asyncio.create_task(node.ask("eth_sendRawTransactionSync", hexadecimal(sent.encoded), 20_000))
    while (await node.call("txpool_status"))["pending"] != "0x1":
        await asyncio.sleep(0)
    node.chain.writer.run(node.chain.mining.set_interval_ms, 20)
    await asyncio.wait_for(failed_twice.wait(), 20)
    assert all(isinstance(error, NodeFaultError) for error in raised)
    assert not task.done()
    fault.on = False
    receipt = (await task)["result"]
    assert receipt["status"] == "0x1"
    await node.call("evm_setIntervalMining", 0)
    assert len(alarms(caplog)) >= 2
    assert all(text.startswith("a timed block cannot be made: ") for text in alarms(caplog))


async def test_a_fault_off_chain(faulty: tuple[Node, Fault], caplog: pytest.LogCaptureFixture) -> None:
    node, fault = faulty
    get = hexadecimal(selector("get()"))
    for name, parameter in (
        ("eth_call", {"to": CONTRACT, "data": get}),
        ("zvm_executeFunction", {"address": CONTRACT, "function": "get()"}),
        ("zvm_deployContract", {"module": BOX_WASM}),
    ):
        caplog.clear()
        answer = await node.ask(name, parameter)
        assert (answer["error"]["code"], len(alarms(caplog))) == (-32603, 1), answer
    assert await node.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    fault.on = False
    assert await node.call("eth_call", {"to": CONTRACT, "data": get}) == word(0)
