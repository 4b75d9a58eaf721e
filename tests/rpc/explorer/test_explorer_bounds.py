"""What bounds the explorer's pages: rows, texts, traces and time."""

import asyncio
import time

import orjson
import pytest
from eth_abi.abi import encode

from testing.speed import slowness
from tests.rpc.explorer.explored import LOGGER, LOGGER_ADDRESS, REVERTER, Explored, explored, fill
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.explorer.page import CUT, PageText
from zevm.rpc.limits import Limits
from zevm.storage.keccak import keccak256

PAGE_MS = 100


async def _hostile_log(chain: Explored, size_bytes: int) -> str:
    await chain.node.place(LOGGER, LOGGER_ADDRESS)
    data = bytes(4) + b'"' * size_bytes
    sent = await chain.node.send(to=hexadecimal(LOGGER_ADDRESS), data=hexadecimal(data), gas=hex(20_000_000))
    assert sent["status"] == "0x1"
    return str(sent["transactionHash"])


async def test_long_texts_are_cut() -> None:
    async with explored() as chain:
        sent = await _hostile_log(chain, 50_000)
        for path in (f"/tx/{sent}", f"/tx/{sent}/calls"):
            page = await chain.page(path)
            assert CUT in page.text or "bytes)" in page.text


async def test_rpc_explorer_value_bytes_cuts_one_text() -> None:
    text = PageText(Limits(explorer_value_bytes=10))
    assert text.of("0123456789") == "0123456789"
    assert text.of("0123456789x") == "0123456789" + CUT
    assert text.of("\u20ac" * 3) == "\u20ac" * 3
    assert text.of("\u20ac" * 4) == "\u20ac" * 3 + CUT, "three bytes each"
    assert text.of("\ud800") == "\\ud800"
    assert text.data(b"\x11" * 5) == "0x" + "11" * 5
    assert text.data(b"\x11" * 6) == "0x1111111111" + CUT


async def test_rpc_explorer_page_bytes_cuts_all_texts_together() -> None:
    text = PageText(Limits(explorer_page_bytes=10))
    assert text.of("12345") == "12345"
    assert text.of('""') == CUT, "a quote has six bytes as HTML"
    assert text.of("12345") == "12345"
    assert text.of("1") == CUT


async def test_many_logs_have_pages_by_rpc_explorer_rows() -> None:
    async with explored(explorer_rows=3) as chain:
        code = bytes.fromhex("60006000a0") * 5 + b"\x00"
        address = await chain.node.place(code)
        sent = (await chain.node.send(to=address))["transactionHash"]
        first = await chain.page(f"/tx/{sent}")
        assert "1 to 3 of 5" in first.text
        assert f"/tx/{sent}?logs=1#logs" in first.links
        assert "4 to 5 of 5" in (await chain.page(f"/tx/{sent}?logs=1")).text


async def test_rpc_explorer_calls_cuts_the_tree() -> None:
    async with explored(explorer_calls=3) as chain:
        call = bytes.fromhex("60006000600060006000600461fffff150")
        address = await chain.node.place(call * 6 + b"\x00")
        sent = (await chain.node.send(to=address))["transactionHash"]
        page = await chain.page(f"/tx/{sent}/calls")
        assert "There are more" in page.text
        assert "call-2" in page.ids
        assert "call-3" not in page.ids
        changes = await chain.page(f"/tx/{sent}/state")
        assert "There are more" in changes.text


async def test_calls_nest_as_deep_as_gas_lets_them() -> None:
    """Twice as many levels of JSON, which are more than most parsers read."""
    async with explored() as chain:
        address = await chain.node.place(bytes.fromhex("5f5f5f5f5f305af100"))
        sent = (await chain.node.send(to=address, gas=hex(16_000_000)))["transactionHash"]
        trace = await chain.node.server.dispatcher.answer(
            orjson.dumps(
                {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "debug_traceTransaction",
                    "params": [sent, {"tracer": "callTracer"}],
                }
            )
        )
        assert trace is not None
        assert trace.count(b'"type"') > 400
        assert "There are more" in (await chain.page(f"/tx/{sent}/calls")).text


async def test_rpc_explorer_trace_bytes_and_seconds() -> None:
    async with explored(explorer_trace_bytes=1_000) as chain:
        sent = await _hostile_log(chain, 2_000)
        assert "--rpc-explorer-trace-bytes" in (await chain.page(f"/tx/{sent}/calls", 503)).text
    async with explored(explorer_trace_seconds=0.0) as chain:
        address = await chain.node.place(REVERTER)
        sent = (await chain.node.send(to=address, data="0x1234", gas=hex(100_000)))["transactionHash"]
        assert "execution timeout" in (await chain.page(f"/tx/{sent}/calls", 503)).text
        assert "execution reverted" in (await chain.page(f"/tx/{sent}")).text, "the page itself does not need the trace"


async def test_busy_workers_are_told() -> None:
    async with explored(evm_workers=1, evm_queue_ms=1) as chain:
        await chain.page("/")
        endless = await chain.node.place(bytes.fromhex("5b600056"))
        call = asyncio.create_task(chain.node.ask("eth_call", {"to": endless, "gas": hex(2**40)}))
        await asyncio.sleep(0)
        answer = None
        while not call.done() and (answer is None or answer.status_code == 200):
            answer = await chain.get("/")
        assert answer is not None
        assert answer.status_code == 503
        assert "limit exceeded" in answer.text
        await call


@pytest.mark.lengthy
async def test_pages_are_small_and_quick() -> None:
    """Under 150 KB (Explored.page) and 100 ms, with full lists."""
    async with explored() as chain:
        await fill(chain)
        await chain.node.call("evm_setAutomine", False)
        fields = {"from": chain.places["alice"], "to": chain.places["logger"], "gas": hex(100_000)}
        data = keccak256(b"name(string)")[:4] + encode(["string"], ["<" * 500])
        for _ in range(60):
            await chain.node.call("eth_sendTransaction", fields | {"data": hexadecimal(data)})
        await chain.page("/pool")
        await chain.node.call("evm_mine")
        await chain.node.call("anvil_mine", "0x64")
        number = chain.node.chain.head.number - 100
        last = await chain.node.call("eth_getTransactionByBlockNumberAndIndex", hex(number), "0x0")
        for path in (
            "/", "/blocks", f"/block/{number}", f"/tx/{last['hash']}", f"/tx/{last['hash']}/calls",
            f"/tx/{last['hash']}/state",
            f"/address/{chain.places['logger']}", f"/address/{chain.places['logger']}/storage",
            f"/address/{chain.places['module']}", f"/address/{chain.places['alice']}/transactions",
        ):  # fmt: skip
            await chain.page(path)
            assert await _quickest_ms(chain, path) < PAGE_MS * slowness(), path


async def _quickest_ms(chain: Explored, path: str) -> float:
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        await chain.page(path)
        times.append(1_000 * (time.perf_counter() - begun))
    return min(times)
