"""Bodies are counted before they are parsed: values, members, depth and calls, at each limit and one past it."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.speed import slowness
from tests.rpc.dispatch.test_dispatcher import error_of
from tests.rpc.support import ask, call, running_dispatcher, tiny
from zevm.chain.concurrency.deadline import Deadline
from zevm.node.client import read_answer
from zevm.rpc.codec import parsing
from zevm.rpc.codec.parsing import ANSWER_LEVELS, LOOP_BODY_BYTES, BatchTooLargeError, check_shape, parse_answer
from zevm.rpc.errors import InvalidRequestError, ParseError, RpcError
from zevm.rpc.limits import Limits

MEBIBYTE = 1024 * 1024
BODY_BYTES = 5 * MEBIBYTE


def filled(opening: bytes, item: bytes, closing: bytes, size: int = BODY_BYTES) -> bytes:
    """A body of about `size` bytes from one item again and again."""
    count = (size - len(opening) - len(closing)) // (len(item) + 1)
    return opening + b",".join([item] * count) + closing


def request_of(params: bytes, name: bytes = b"test_echo") -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"' + name + b'","params":[' + params + b"]}"


SHAPES: dict[str, Callable[[], bytes]] = {
    "a batch of arrays": lambda: filled(b"[", b"[]", b"]"),
    "a batch of numbers": lambda: filled(b"[", b"1", b"]"),
    "a batch of strings": lambda: filled(b"[", b'""', b"]"),
    "arrays in a parameter": lambda: request_of(filled(b"[", b"[]", b"]")),
    "objects in a parameter": lambda: request_of(filled(b"[", b"{}", b"]")),
    "members of one object": lambda: request_of(b"{" + b",".join(b'"%x":1' % index for index in range(400_000)) + b"}"),
    "arrays within arrays": lambda: request_of(filled(b"[", b"[" * 400 + b"]" * 400, b"]")),
    "an array without end": lambda: b"[" * BODY_BYTES,
    "closings": lambda: b"]" * BODY_BYTES,
    "one long string": lambda: request_of(b'"' + b"a" * (BODY_BYTES - 100) + b'"'),
    "escapes": lambda: request_of(b'"' + b'\\"' * (BODY_BYTES // 2 - 100) + b'"'),
    "one long number": lambda: b"1" * BODY_BYTES,
    "hex strings": lambda: request_of(filled(b"[", b'"0x' + b"ab" * 32 + b'"', b"]")),
    "infinite numbers": lambda: request_of(filled(b"[", b"1", b",1e999]", 700_000)),
}


class LongestPause:
    """The longest time in which the event loop ran nothing else."""

    async def __aenter__(self) -> "LongestPause":
        self.seconds = 0.0
        self._task = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            self.seconds = max(self.seconds, now - last)
            last = now


async def shortest_pause(attempt: Callable[[], Awaitable[object]]) -> float:
    """The best of three attempts: what else the machine does is not the node's."""
    shortest = float("inf")
    for _ in range(3):
        async with LongestPause() as pause:
            assert await attempt() is not None
        shortest = min(shortest, pause.seconds)
        if shortest < 0.1:
            break
    return shortest


@pytest.mark.lengthy
@pytest.mark.parametrize("body_of", SHAPES.values(), ids=SHAPES.keys())
async def test_b10_no_body_stops_the_loop(body_of: Callable[[], bytes]) -> None:
    """B10: whatever five megabytes hold, others have their turn within 250 ms of the machine's own time."""
    body = body_of()
    async with running_dispatcher() as (dispatcher, _):
        assert await shortest_pause(lambda: dispatcher.answer(body)) < 0.25 * slowness()


async def test_b10_a_large_batch_is_refused_with_its_first_id() -> None:
    async with running_dispatcher() as (dispatcher, _):
        items = [call("test_echo", "x" * 100, identifier=index + 5) for index in range(1_001)]
        body = orjson.dumps(items)
        assert len(body) > LOOP_BODY_BYTES
        refusal = {"jsonrpc": "2.0", "id": 5, "error": {"code": -32600, "message": "batch too large"}}
        assert await ask(dispatcher, body) == [refusal]
        answers = await ask(dispatcher, orjson.dumps(items[:-1]))
        assert [answer["id"] for answer in answers] == [item["id"] for item in items[:-1]]


@pytest.mark.parametrize("padding", [0, LOOP_BODY_BYTES])
async def test_b10_limits_of_values_and_members_at_the_edge(padding: int) -> None:
    """B10: the limits hold for small bodies and, counted apart, for large ones."""
    tail = b" " * padding
    async with running_dispatcher(json_structure=100, json_names=20, json_depth=10) as (dispatcher, _):
        # {:,:,:,:[]} of the request are 11 signs and 4 members
        for count, large in ((89, False), (90, True)):
            answer = await ask(dispatcher, request_of(b"[" + b"1," * (count - 2) + b"1]") + tail)
            assert ("error" in answer) is large
            if "error" in answer:
                assert error_of(answer)[0] == -32600
                assert "100 brackets, commas and colons" in error_of(answer)[1]
                assert "--rpc-json-structure" in error_of(answer)[1]
        for count, large in ((16, False), (17, True)):
            members = b",".join(b'"%d":1' % index for index in range(count))
            answer = await ask(dispatcher, request_of(b"{" + members + b"}") + tail)
            assert ("error" in answer) is large
            if "error" in answer:
                assert error_of(answer)[0] == -32600
                assert "--rpc-json-names" in error_of(answer)[1]
        for depth, deep in ((8, False), (9, True)):
            answer = await ask(dispatcher, request_of(b"[" * depth + b"]" * depth) + tail)
            assert ("error" in answer) is deep
            if deep:
                assert error_of(answer)[0] == -32700
                assert "--rpc-json-depth" in error_of(answer)[1]


async def test_b10_parameters_of_large_bodies_are_decoded_off_the_loop() -> None:
    import threading

    from zevm.rpc.registry import Cost, Param, Registry
    from zevm.rpc.services import Services

    registry = Registry()
    seen: list[str] = []

    def decode(value: object) -> object:
        seen.append(threading.current_thread().name)
        return value

    for cost in (Cost.LIGHT, Cost.WRITE):

        @registry.method(f"test_{cost.value}", cost=cost, params=(Param("value", decode),))
        def plain(services: Services, value: Any) -> int:  # noqa: ARG001
            return len(value)

    @registry.method("test_execution", cost=Cost.EXECUTION, params=(Param("value", decode),))
    def execution(services: Services, value: Any, *, deadline: Deadline) -> int:  # noqa: ARG001
        return len(value)

    async with running_dispatcher() as (dispatcher, _):
        dispatcher._methods = registry.by_name
        for name in registry.by_name:
            large = call(name, "x" * LOOP_BODY_BYTES)
            assert (await ask(dispatcher, large))["result"] == LOOP_BODY_BYTES
            assert (await ask(dispatcher, [large]))[0]["result"] == LOOP_BODY_BYTES
    assert len(seen) == 6
    assert all(name.startswith("body-reader") for name in seen)


async def test_large_bodies_are_answered_like_small_ones() -> None:
    async with running_dispatcher() as (dispatcher, services):
        tail = b" " * LOOP_BODY_BYTES
        for body in (
            request_of(b'"x"'),
            orjson.dumps([call("test_echo", 1), call("test_async", identifier=2), 5, {}]),
            request_of(b"7", b"test_write"),
            b"[]",
            b"{",
            b'{"jsonrpc":"2.0","id":1.10,"method":"test_echo"}',
            b'{"jsonrpc":"2.0","method":"test_echo"}',
        ):
            assert await dispatcher.answer(body + tail) == await dispatcher.answer(body)
        assert tiny(services).written == [7, 7]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet='a"\\,:[]{}é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\', max_size=3), inner, max_size=4),
    max_leaves=20,
)


def shape_of(value: Any) -> tuple[int, int, int]:
    """Signs, members and depth of a value, counted from the value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return 0, 0, 0
    shapes = [shape_of(item) for item in inner]
    members = len(shapes) if isinstance(value, dict) else 0
    signs = 2 + max(0, len(shapes) - 1) + members + sum(shape[0] for shape in shapes)
    return signs, members + sum(shape[1] for shape in shapes), 1 + max((shape[2] for shape in shapes), default=0)


def refused(body: bytes, **limits: int) -> type[RpcError] | None:
    wide = {"json_structure": 10**6, "json_names": 10**6, "json_depth": 10**6, "batch_items": 10**6}
    try:
        check_shape(body, replace(Limits(), **(wide | limits)))
    except RpcError as error:
        return type(error)
    return None


@pytest.mark.lengthy
@settings(deadline=None)
@given(JSON, st.integers(1, 9))
def test_the_count_of_the_bytes_is_that_of_the_values(value: Any, slice_bytes: int) -> None:
    body = orjson.dumps(value)
    signs, members, depth = shape_of(value)
    before = parsing.SCAN_SLICE_BYTES
    parsing.SCAN_SLICE_BYTES = slice_bytes
    try:
        assert refused(body, json_structure=signs, json_names=members, json_depth=depth) is None
        if signs:
            assert refused(body, json_structure=signs - 1) is InvalidRequestError
            assert refused(body, json_depth=depth - 1) is ParseError
        if members:
            assert refused(body, json_names=members - 1) is InvalidRequestError
        if isinstance(value, list) and len(value) > 1:
            assert refused(body, batch_items=len(value)) is None
            assert refused(body, batch_items=len(value) - 1) is BatchTooLargeError
    finally:
        parsing.SCAN_SLICE_BYTES = before


@pytest.mark.parametrize("levels", [1, 1_000, 2_100, ANSWER_LEVELS])
def test_answers_nest_as_deep_as_calls(levels: int) -> None:
    text = b'{"calls":[' * (levels // 2) + b"[" * (levels % 2) + b"]" * (levels % 2) + b"]}" * (levels // 2)
    limit = sys.getrecursionlimit()
    for read in (parse_answer, partial(read_answer, 200)):
        found, depth = read(text), 0
        while found:
            found, depth = found["calls"] if type(found) is dict else found[0], depth + 1
        assert depth == levels - 1
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize("text", [b"", b"[", b"[" * 5_000, b"[" * 5_000 + b"]" * 5_000, b"]" * 9, b"nothing"])
def test_what_is_no_answer(text: bytes) -> None:
    for read in (parse_answer, partial(read_answer, 200)):
        with pytest.raises(ValueError):  # noqa: PT011  whatever the parser says
            read(text)
