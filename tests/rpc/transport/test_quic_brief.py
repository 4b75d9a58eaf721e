"""Short functions over zvm/1 run on the event loop, as those over HTTP do."""

import asyncio
from dataclasses import replace

import pytest

from testing.wasm_modules import maths
from tests.rpc.methods.memory_node import Node
from tests.rpc.transport.test_quic_zvm import RICH, dialled, serving
from zevm.covenant.wasm import ExecutionStatus
from zevm.rpc.execution.brief import NOT_BRIEF, BriefExecutions
from zevm.rpc.execution.workers import Workers


def brief_of(node: Node) -> BriefExecutions:
    brief: BriefExecutions = node.server.dispatcher.brief
    return brief


async def test_a_function_known_as_short_runs_on_the_event_loop() -> None:
    async with serving(brief_execution_us=50_000) as node, dialled(node) as client:
        results = [await client.execute_function(maths(), "gcd", [54, 24], RICH) for _ in range(4)]
        assert brief_of(node).here >= 2
        assert {(item.status, item.return_value, item.gas_consumed) for item in results} == {
            (ExecutionStatus.SUCCESS, results[0].return_value, results[0].gas_consumed)
        }
    async with serving(brief_execution_us=0) as node, dialled(node) as client:
        apart = [await client.execute_function(maths(), "gcd", [54, 24], RICH) for _ in range(3)]
        assert brief_of(node).here == 0
        assert (apart[2].return_value, apart[2].gas_consumed) == (results[3].return_value, results[3].gas_consumed)


async def test_what_is_not_brief_is_run_by_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    run = Workers.run

    async def counted(*given: object) -> object:
        runs.append(given)
        return await run(*given)  # type: ignore[arg-type]

    async with serving(brief_execution_us=50_000) as node, dialled(node) as client:
        await client.execute_function(maths(), "gcd", [54, 24], RICH)
        monkeypatch.setattr(Workers, "run", counted)
        monkeypatch.setattr(BriefExecutions, "expects", lambda *_: True)
        monkeypatch.setattr(BriefExecutions, "run", lambda *_: NOT_BRIEF)
        result = await client.execute_function(maths(), "gcd", [54, 24], RICH)
        assert (result.status, int.from_bytes(result.return_value, "big")) == (ExecutionStatus.SUCCESS, 6)
        assert len(runs) == 1


async def test_many_at_once_share_the_turns_of_the_event_loop() -> None:
    async with serving(brief_execution_us=50_000, quic_executions=200) as node, dialled(node) as client:
        for _ in range(3):
            await client.execute_function(maths(), "gcd", [54, 24], RICH)
        before = brief_of(node).here
        given = [[index * 6, index * 4] for index in range(1, 65)]
        results = await asyncio.gather(*(client.execute_function(maths(), "gcd", pair, RICH) for pair in given))
        found = [int.from_bytes(result.return_value, "big") for result in results]
        assert found == [2 * index for index in range(1, 65)]
        assert brief_of(node).here > before
        late = await client.execute_function(maths(), "gcd", [54, 24], replace(RICH, timeout_ms=0))
        assert late.status is ExecutionStatus.TIMEOUT
