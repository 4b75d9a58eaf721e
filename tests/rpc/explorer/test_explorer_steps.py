"""Stepping through a transaction: the instructions of the struct logs, and the host calls, a page at a time."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from testing.wasm_modules import selector
from tests.rpc.explorer.explored import LOGGER, LOGGER_ADDRESS, REVERTER, REVERTER_ADDRESS, Explored, explored, fill
from tests.rpc.methods.memory_node import ALICE
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.step_window import Change, Step, changed_range
from zevm.chain.concurrency.deadline import Cancellation, Deadline
from zevm.contracts.source_maps.solc import SourceText, solc_source_map
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.explorer import traces
from zevm.rpc.explorer.page import PageRequest
from zevm.storage.primitives import Hash32

LOGGED = 16
"""Instructions of a call of LOGGER."""


@pytest.fixture
async def chain() -> AsyncIterator[Explored]:
    async with explored() as running:
        await fill(running)
        yield running


def _steps(chain: Explored, transaction: str, wanted: range) -> tuple[list[Step], int | None]:
    request = PageRequest(chain.node.services, Deadline(time.monotonic() + 60, Cancellation()))
    mined = traces.find(chain.node.services, Hash32(bytes.fromhex(transaction[2:])))
    assert mined is not None
    return traces.stepped(request, mined, wanted)


@pytest.mark.parametrize("place", ["log", "failed", "creation", "printed", "nested"])
async def test_steps_are_those_of_the_struct_logs(chain: Explored, place: str) -> None:
    logs: list[dict[str, Any]] = (await chain.node.call("debug_traceTransaction", chain.places[place]))["structLogs"]
    steps, count = _steps(chain, chain.places[place], range(1_000))
    assert count == len(steps) == len(logs) > 5
    for number, (step, log) in enumerate(zip(steps, logs, strict=True)):
        assert (step.number, step.depth + 1) == (number, log["depth"])
        assert (step.counter, step.name) == (log["pc"], log["op"])
        assert (step.gas, step.cost) == (log["gas"], log["gasCost"]), step
        assert [hex(word) for word in step.stack] == log["stack"][::-1][:4]
        assert step.stack_size == len(log["stack"])
    part, count = _steps(chain, chain.places[place], range(3, 5))
    assert (part, count) == (steps[3:5], len(logs)), "a part is the same as in the whole"


async def test_what_instructions_change(chain: Explored) -> None:
    steps, _ = _steps(chain, chain.places["log"], range(LOGGED))
    by_name = {step.name: step for step in steps}
    assert by_name["SSTORE"].changes == [Change("slot 0x1", "0x0", "0x7")]
    (change,) = by_name["CALLDATACOPY"].changes
    assert change.what == "memory 0x0"
    assert change.before is not None
    assert set(change.before) == {"0", "x"}
    assert bytes.fromhex(change.after[2:]).startswith((32).to_bytes(32, "big"))
    assert [step.name for step in steps if step.changes] == ["CALLDATACOPY", "SSTORE"]
    failed, _ = _steps(chain, chain.places["failed"], range(100))
    assert (failed[-1].name, failed[-1].error) == ("REVERT", "execution reverted")


async def test_host_calls_of_a_webassembly_contract(chain: Explored) -> None:
    """The box keeps a word, which its setter stores."""
    sent = await _set_box(chain)
    trace = await chain.node.call("debug_traceTransaction", sent)
    called = [log for log in trace["structLogs"] if "hostCall" in log]
    steps, count = _steps(chain, sent, range(100))
    assert count == len(called) > 1
    assert [step.name for step in steps] == [log["op"] for log in called]
    assert [step.cost for step in steps][-1] is not None
    assert all(step.counter is None for step in steps)
    (change,) = [change for step in steps for change in step.changes if step.name == "storage_cache_bytes32"]
    assert change.what.startswith("slot 0x")
    assert change.after == "0x2a"
    page = await chain.page(f"/tx/{sent}/steps")
    assert "storage_cache_bytes32" in page.text
    assert "ink" in page.text


async def _set_box(chain: Explored) -> str:
    sent = await chain.node.send(
        to=chain.places["module"], data=f"0x{selector('set(uint256)').hex()}{42:064x}", gas=hex(2_000_000)
    )
    assert sent["status"] == "0x1"
    return str(sent["transactionHash"])


async def test_the_page_and_its_neighbours(chain: Explored) -> None:
    path = f"/tx/{chain.places['log']}/steps"
    page = await chain.page(path)
    assert f"0 to {LOGGED - 1} of {LOGGED}" in page.text
    for text in ("SSTORE", "slot 0x1: 0x0 → 0x7", "CALLDATACOPY", "memory 0x0"):
        assert text in page.text, text
    assert not [link for link in page.links if "from=" in link]
    assert not page.unlabelled
    assert {f"step-{number}" for number in range(LOGGED)} <= set(page.ids)
    assert f"No steps from {LOGGED}" in (await chain.page(f"{path}?from={LOGGED}")).text
    transfer = await chain.page(f"/tx/{chain.places['transfer']}/steps")
    assert "No steps" in transfer.text


async def test_rpc_explorer_rows_makes_pages_of_the_steps() -> None:
    async with explored(explorer_rows=5) as chain:
        await fill(chain)
        path = f"/tx/{chain.places['log']}/steps"
        first = await chain.page(path)
        assert {f"{path}?from=5#step-5", f"{path}?from=15#step-15"} <= set(first.links)
        middle = await chain.page(f"{path}?from=5")
        assert {f"{path}#step-0", f"{path}?from=0#step-4", f"{path}?from=10#step-10"} <= set(middle.links)
        last = await chain.page(f"{path}?from=15")
        assert "15 to 15 of 16" in last.text
        assert f"{path}?from=10#step-14" in last.links


async def test_steps_have_the_line_of_their_source(chain: Explored) -> None:
    text = "contract R {\n    function f() public {\n        revert();\n    }\n}\n"
    entries = f"0:{len(text)}:0:-" + ";" * 6 + f"{text.index('revert')}:8"
    places = solc_source_map(REVERTER, entries, {0: SourceText("src/R.sol", text.encode())})
    contract = KnownContract("R", "src/R.sol", "Solidity", [], runtime=REVERTER, source_map=places)
    chain.node.services.catalogue.add(contract, REVERTER_ADDRESS)
    assert "R.f (src/R.sol:3)" in (await chain.page(f"/tx/{chain.places['failed']}/steps")).text


async def test_a_waiting_transaction_has_no_steps() -> None:
    async with explored() as chain:
        await chain.node.place(LOGGER, LOGGER_ADDRESS)
        await chain.node.call("evm_setAutomine", False)
        fields = {"from": hexadecimal(ALICE), "to": hexadecimal(LOGGER_ADDRESS), "gas": "0x7530"}
        sent = await chain.node.call("eth_sendTransaction", fields)
        await chain.page(f"/tx/{sent}/steps", 404)


async def test_the_time_of_a_page_ends_in_the_middle() -> None:
    async with explored(explorer_trace_seconds=0.2) as chain:
        await chain.node.call("anvil_setBlockGasLimit", hex(2**40))
        endless = await chain.node.place(bytes.fromhex("5b600056"))
        sent = await chain.node.send(to=endless, gas=hex(30_000_000))
        assert sent["status"] == "0x0"
        page = await chain.page(f"/tx/{sent['transactionHash']}/steps")
        assert "0 to 49" in page.text
        assert "The time for this page has passed" in page.text
        assert "from=50#step-50" in page.links[-1]
        await chain.page(f"/tx/{sent['transactionHash']}/steps?from=999999999", 503)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (b"", b"", None),
        (b"", bytes(64), None),
        (b"", bytes(63) + b"\x01", (32, 64)),
        (b"\x01" + bytes(63), bytes(64), (0, 32)),
        (b"\x01" + bytes(95), bytes(95) + b"\x01", (0, 96)),
        (bytes(96), bytes(40) + b"\x01" + bytes(55), (32, 64)),
    ],
)
def test_the_words_of_memory_that_differ(before: bytes, after: bytes, expected: tuple[int, int] | None) -> None:
    assert changed_range(before, after) == expected
