"""JSON-RPC 2.0 as geth speaks it: shapes, codes, texts, batches, and what a hostile body gets."""

import asyncio
import json
import logging
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rpc.support import ask, call, running_dispatcher, tiny
from zevm.rpc.codec.answers import success
from zevm.rpc.codec.parsing import RawNumber, parse
from zevm.rpc.errors import ParseError

ALICE_HEX = "0x" + "aa" * 20


def error_of(answer: Any) -> tuple[int, str]:
    assert "result" not in answer
    assert answer["error"].get("data", "") is not None
    return answer["error"]["code"], answer["error"]["message"]


@pytest.mark.parametrize("identifier", [0, 1, -1, "", "abc", None, 2**63, 2**64 - 1, True])
async def test_ids_come_back_as_they_were(identifier: Any) -> None:
    async with running_dispatcher() as (dispatcher, _):
        answer = await ask(dispatcher, call("test_echo", "x", identifier=identifier))
        assert answer == {"jsonrpc": "2.0", "id": identifier, "result": "x"}


@pytest.mark.parametrize("digits", ["1.5", "1.0", "123456789012345678901234567890", "1e999", "-1e400", "9" * 5_000])
async def test_odd_numbers_as_ids_keep_their_digits(digits: str) -> None:
    async with running_dispatcher() as (dispatcher, _):
        body = f'{{"jsonrpc":"2.0","id":{digits},"method":"test_echo","params":[1]}}'.encode()
        assert await dispatcher.answer(body) == f'{{"jsonrpc":"2.0","id":{digits},"result":1}}'.encode()
        echoed = f'{{"jsonrpc":"2.0","id":2.5,"method":"test_echo","params":[{digits}]}}'.encode()
        assert await dispatcher.answer(echoed) == f'{{"jsonrpc":"2.0","id":2.5,"result":{digits}}}'.encode()
        failing = body.replace(b"test_echo", b"test_none")
        reply = await dispatcher.answer(failing)
        assert reply is not None
        assert f'"id":{digits},"error":{{"code":-32601'.encode() in reply


@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": []}])
async def test_absent_params(params: dict[str, Any]) -> None:
    async with running_dispatcher() as (dispatcher, _):
        request = {"jsonrpc": "2.0", "id": 1, "method": "test_echo"} | params
        assert await ask(dispatcher, request) == {"jsonrpc": "2.0", "id": 1, "result": None}


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (call("eth_nothing"), -32601, "the method eth_nothing does not exist/is not available"),
        (call("x" * 2_049), -32600, "method name too long: 2049 > 2048"),
        (call("x" * 2_048), -32601, f"the method {'x' * 2_048} does not exist/is not available"),
        (call("test_types"), -32602, "missing value for required argument 0"),
        (call("test_types", None), -32602, "missing value for required argument 0"),
        (call("test_types", "aa"), -32602, "invalid argument 0: hex string without 0x prefix"),
        (call("test_types", ALICE_HEX, "0x01"), -32602, "invalid argument 1: hex number with leading zero digits"),
        (call("test_types", ALICE_HEX, None, None, 1), -32602, "too many arguments, want at most 3"),
        (call("test_types", ALICE_HEX, "0x1", "0x"), -32602, "invalid argument 2: expected an object, got string"),
        ({**call("test_echo"), "params": {"value": 1}}, -32602, "non-array args"),
        ({**call("test_echo"), "params": "x"}, -32602, "non-array args"),
        ({**call("test_echo"), "jsonrpc": "1.0"}, -32600, "invalid request"),
        ({"id": 1, "method": "test_echo"}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": 1}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": 1, "method": ""}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": 1, "result": 5}, -32600, "invalid request"),
        (call("test_echo", identifier={}), -32600, "invalid request"),
        (call("test_echo", identifier=[1]), -32600, "invalid request"),
        (1, -32600, "invalid request"),
        ("x", -32600, "invalid request"),
        (None, -32600, "invalid request"),
        ([], -32600, "empty batch"),
        (call("test_fault", "transaction"), -32000, "nonce too low: next nonce 1, tx nonce 0"),
        (call("test_fault", "block"), -32000, "header not found"),
        (call("test_fault", "account"), -32000, "unknown account"),
        (call("test_fault", "timeout"), -32000, "execution aborted (timeout = 5s)"),
        (call("eth_subscribe", "newHeads"), -32601, "notifications not supported"),
        (call("eth_unsubscribe", "0x1"), -32601, "notifications not supported"),
    ],
)
async def test_errors_have_geths_codes_and_texts(request_: Any, code: int, message: str) -> None:
    async with running_dispatcher() as (dispatcher, _):
        assert error_of(await ask(dispatcher, request_)) == (code, message)


async def test_nobody_is_told_a_name_that_is_too_long() -> None:
    """Metrics keep the names of methods that answer otherwise than that they do not exist."""
    told: list[tuple[str, object]] = []

    class Log:
        def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:  # noqa: ARG002
            told.append((method, params))

        def set_logging(self, enabled: bool) -> None:
            raise NotImplementedError

    async with running_dispatcher() as (dispatcher, services):
        services.call_log = Log()
        for name in ("x" * 2_049, "x" * 100_000, "x" * 2_048):
            assert (await ask(dispatcher, call(name, "y")))["id"] == 1
            assert await ask(dispatcher, {"jsonrpc": "2.0", "method": name}) is None
        assert told == [("x" * 2_048, ["y"]), ("x" * 2_048, None)]


async def test_contradictory_call_object() -> None:
    async with running_dispatcher() as (dispatcher, _):
        answer = await ask(dispatcher, call("test_types", ALICE_HEX, "0x1", {"data": "0x01", "input": "0x02"}))
        code, message = error_of(answer)
        assert code == -32000
        assert message.startswith('both "data" and "input" are set and not equal.')


async def test_revert_carries_raw_hex() -> None:
    async with running_dispatcher() as (dispatcher, services):
        answer = await ask(dispatcher, call("test_fault", "revert"))
        assert answer["error"] == {"code": 3, "message": "execution reverted", "data": "0x0102"}

        class Decoder:
            def revert_reason(self, output: bytes) -> str | None:
                return f"reason {output.hex()}"

        services.decoder = Decoder()
        answer = await ask(dispatcher, call("test_fault", "revert"))
        assert answer["error"]["message"] == "execution reverted: reason 0102"


async def test_damage_names_the_command_that_looks_at_it() -> None:
    async with running_dispatcher() as (dispatcher, _):
        code, message = error_of(await ask(dispatcher, call("test_fault", "corruption")))
        assert code == -32000
        assert "bad checksum" in message
        assert "`zevm db check`" in message


@pytest.mark.parametrize("kind", ["unforeseen", "recursion"])
async def test_the_catch_all_logs_what_it_hides(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dispatcher() as (dispatcher, _):
        with caplog.at_level(logging.ERROR, "zevm.rpc"):
            code, message = error_of(await ask(dispatcher, call("test_defect", kind)))
        assert code == -32603
        request_id = message.split("request ")[1].split(";")[0]
        assert request_id in caplog.text
        assert "boom" not in message


async def test_results_beyond_64_bits_and_beyond_json() -> None:
    assert orjson.loads(success(1, 2**64))["result"] == 2.0**64
    assert success(RawNumber("1e999"), [2**64]) == b'{"jsonrpc":"2.0","id":1e999,"result":[18446744073709551616]}'
    assert success(1, 2**64) == b'{"jsonrpc":"2.0","id":1,"result":18446744073709551616}'
    async with running_dispatcher() as (dispatcher, _):
        code, message = error_of(await ask(dispatcher, call("test_object")))
        assert code == -32603
        assert "test_object" in message


async def test_notifications_are_run_and_not_answered() -> None:
    async with running_dispatcher() as (dispatcher, services):
        notification = {"jsonrpc": "2.0", "method": "test_write", "params": ["once"]}
        assert await ask(dispatcher, notification) is None
        assert tiny(services).written == ["once"]
        assert await ask(dispatcher, {"jsonrpc": "2.0", "method": "test_none"}) is None
        assert await ask(dispatcher, [notification, notification]) is None
        mixed = await ask(dispatcher, [notification, call("test_echo", 1, identifier=9)])
        assert mixed == [{"jsonrpc": "2.0", "id": 9, "result": 1}]


async def test_costs_run_where_they_belong() -> None:
    async with running_dispatcher() as (dispatcher, services):
        tiny(services).gate.set()
        batch = [call("test_write", 1, identifier=1), call("test_execute", identifier=2)]
        batch += [call("test_async", identifier=3), call("test_echo", "light", identifier=4)]
        answers = await ask(dispatcher, batch)
        assert [answer["result"] for answer in answers] == ["chain-writer", 1.0, "later", "light"]


async def test_batches_answer_in_order_with_errors_in_place() -> None:
    async with running_dispatcher() as (dispatcher, _):
        answers = await ask(dispatcher, [1, call("test_echo", 1), [], "x", call("test_none", identifier="z"), {}])
        assert [answer.get("error", {}).get("code") for answer in answers] == [
            -32600,
            None,
            -32600,
            -32600,
            -32601,
            -32600,
        ]
        assert [answer["id"] for answer in answers] == [None, 1, None, None, "z", None]


async def test_batch_limit() -> None:
    async with running_dispatcher(batch_items=10) as (dispatcher, _):
        items = [call("test_echo", index, identifier=index) for index in range(10)]
        assert len(await ask(dispatcher, items)) == 10
        assert await ask(dispatcher, [{}, *items]) == [
            {"jsonrpc": "2.0", "id": 0, "error": {"code": -32600, "message": "batch too large"}}
        ]


async def test_batch_response_limit() -> None:
    async with running_dispatcher(response_bytes=3_000) as (dispatcher, services):
        small = [call("test_big", 900, identifier=index) for index in range(3)]
        answers = await ask(dispatcher, small)
        assert all("result" in answer for answer in answers)
        more = [*small, call("test_big", 900, identifier=3), call("test_write", 1, identifier=4)]
        answers = await ask(dispatcher, more)
        assert ["result" in answer for answer in answers] == [True, True, True, True, False]
        assert error_of(answers[4]) == (-32003, "response too large")
        assert tiny(services).written == []


async def test_batch_time_limit() -> None:
    async with running_dispatcher(request_seconds=0.05, evm_timeout_seconds=0.1) as (dispatcher, _):
        answers = await ask(dispatcher, [call("test_execute"), call("test_echo", 1)])
        assert [error_of(answer)[0] for answer in answers] == [-32000, -32002]
        assert error_of(answers[1])[1] == "request timed out"


async def test_a_long_batch_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.rpc.dispatch.dispatcher.LOOP_SLICE_SECONDS", 0.0)
    async with running_dispatcher() as (dispatcher, _):
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.get_running_loop().create_task(others())
        await ask(dispatcher, [call("test_echo", 1) for _ in range(100)])
        counting.cancel()
        assert turns >= 90


async def test_calls_are_logged_with_their_error() -> None:
    seen: list[tuple[str, Any, float, Any]] = []

    class SeenCalls:
        def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:
            seen.append((method, params, seconds, error))

        def set_logging(self, enabled: bool) -> None:
            raise AssertionError(f"nobody switched the log to {enabled}")

    async with running_dispatcher() as (dispatcher, services):
        services.call_log = SeenCalls()
        await ask(dispatcher, call("test_echo", 7))
        await ask(dispatcher, call("test_fault", "block"))
        await ask(dispatcher, call("test_none"))
        assert [(name, str(error or "")) for name, _, _, error in seen] == [
            ("test_echo", ""),
            ("test_fault", "header not found"),
            ("test_none", "the method test_none does not exist/is not available"),
        ]
        assert seen[0][1] == [7]
        assert 0 <= seen[0][2] < 1


MALFORMED: list[tuple[bytes, int]] = [
    (b"", -32700),
    (b" ", -32700),
    (b"{", -32700),
    (b"nonsense", -32700),
    (b"[" * 100_000, -32700),
    (b"[" * 100_000 + b"]" * 100_000, -32700),
    (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[NaN]}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[Infinity]}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[-Infinity]}', -32700),
    (b'{"jsonrpc":"2.0","id":NaN,"method":"test_echo","params":[1e999]}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo","params":["\\ud800"]}', -32700),
    (b'{"jsonrpc":"2.0","id":1e999,"method":"test_echo","params":["\\ud800"]}', -32700),
    (b'{"jsonrpc":"2.0","id":"\\udc00","method":"test_echo"}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800","params":[]}', -32700),
    (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"test_echo"}', -32700),
    ('{"jsonrpc":"2.0","id":1,"method":"test_echo"}'.encode("utf-16"), -32700),
    ('{"jsonrpc":"2.0","id":1,"method":"test_echo"}'.encode("utf-32"), -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo","params":["\xff"]}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo"} trailing', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_echo"}{}', -32700),
    (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", -32700),
    (b"\x00" * 1_000, -32700),
    (b"null", -32600),
    (b"true", -32600),
    (b'""', -32600),
    (b"1" * 100_000, -32600),
    (b'{"jsonrpc":2.0,"id":1,"method":"test_echo"}', -32600),
    (b'{"jsonrpc":"2.0","jsonrpc":"1","id":1,"method":"test_echo"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":[' + b"9" * 100_000 + b"]}", -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":[1e999]}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":["0x' + b"f" * 500_001 + b'"]}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":[' + b"[" * 500 + b"]" * 500 + b"]}", -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":["0xabc"]}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":["0x\xd9\xa1\xd9\xa1"]}', -32602),
]


@pytest.mark.parametrize(("body", "code"), MALFORMED, ids=lambda value: repr(value)[:60])
async def test_malformed_bodies(body: bytes, code: int) -> None:
    async with running_dispatcher() as (dispatcher, _):
        assert error_of(await ask(dispatcher, body))[0] == code
        assert (await ask(dispatcher, call("test_echo", 1)))["result"] == 1


def test_duplicate_keys_count_once() -> None:
    assert parse(b'{"id":1,"id":2}') == {"id": 2}


@pytest.mark.parametrize(
    "body", [b'{"id":1.5,"x":"\\ud800"}', b'{"id":1.5,' + b'"x":' + b"[" * 990 + b"]" * 990 + b"}"]
)
def test_the_exact_parser_refuses_what_the_fast_one_would(body: bytes) -> None:
    try:
        value = parse(body)
    except ParseError:
        return
    assert value["id"].digits == "1.5"


SEEDS = [
    orjson.dumps(call("test_types", ALICE_HEX, "0x5", {"to": None, "data": "0x01"})),
    *(body for body, _ in MALFORMED),
]
WORDS = [b"", b'"', b"{", b"[", b"\\", b"\xff", b"0", b",", b"e9"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([ALICE_HEX, "0x", "0x1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2]) | JSON,
        "id": JSON,
        "method": st.sampled_from(["test_types", "test_echo", "test_big_", "eth_subscribe"]) | JSON,
        "params": st.lists(JSON, max_size=4) | JSON,
    },
)


def check_answers(reply: bytes | None) -> None:
    """Every answer is JSON-RPC, has exactly one of result and error, and never blames the node."""
    if reply is None:
        return
    answers = json.loads(reply)
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer["jsonrpc"] == "2.0"
        assert ("result" in answer) != ("error" in answer)
        if "error" in answer:
            assert answer["error"]["code"] in (-32700, -32600, -32601, -32602, -32000)
            assert answer["error"]["message"]


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.lists(MESSAGES | JSON, max_size=4) | MESSAGES | JSON, min_size=1, max_size=20))
def test_any_json_gets_a_proper_answer(messages: list[Any]) -> None:
    async def run() -> None:
        async with running_dispatcher(evm_workers=1) as (dispatcher, _):
            for message in messages:
                check_answers(await dispatcher.answer(json.dumps(message).encode()))

    asyncio.run(run())


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_mutated_bytes_get_a_proper_answer(seed: bytes, random: Any) -> None:
    bodies = []
    for _ in range(50):
        body = bytearray(seed[:4_000])
        for _ in range(random.randint(1, 6)):
            position = random.randrange(len(body) + 1)
            body[position : position + random.randint(0, 3)] = random.choice(WORDS)
        bodies.append(bytes(body))

    async def run() -> None:
        async with running_dispatcher(evm_workers=1) as (dispatcher, _):
            for body in bodies:
                check_answers(await dispatcher.answer(body))

    asyncio.run(run())
