"""GraphQL over HTTP: methods, bodies, the guard, errors, limits, and what runs where."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from graphql import get_introspection_query

from testing.speed import slowness
from tests.rpc.codec.test_parsing import shortest_pause
from tests.rpc.graphql.graphql_client import JSON, GraphqlClient, running_client
from tests.rpc.methods.assembly import ENDLESS
from tests.rpc.methods.memory_node import ALICE, BOB, KEYS, hexadecimal
from tests.rpc.support import http, running_server
from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.limits import Limits
from zevm.rpc.methods.eth import fees
from zevm.storage.errors import CorruptionError

HEX_BOB = hexadecimal(BOB)


@pytest.fixture
async def client() -> AsyncIterator[GraphqlClient]:
    async with running_client() as running:
        yield running


# Requests


@pytest.mark.lengthy
async def test_b10_a_large_body_is_counted_before_it_is_read() -> None:
    async with running_server() as (port, _):
        variables = b"[" + b",".join([b"[]"] * 1_700_000) + b"]"
        body = b'{"query":"{chainID}","variables":{"a":' + variables + b"}}"

        async def attempt() -> bytes:
            return (await http(port, body, path="/graphql")).body

        assert b"400000 brackets, commas and colons" in await attempt()
        assert await shortest_pause(attempt) < 0.25 * slowness()


@pytest.mark.parametrize(
    ("method", "content_type", "status"),
    [
        ("POST", "application/json", 200),
        ("POST", "application/json; charset=utf-8", 200),
        ("POST", "text/plain", 415),
        ("POST", "", 415),
        ("POST", "application/graphql", 415),
        ("POST", "application/x-www-form-urlencoded", 415),
        ("PUT", "application/json", 405),
        ("DELETE", "application/json", 405),
        ("HEAD", "application/json", 405),
        ("OPTIONS", "", 204),
    ],
)
async def test_methods_and_content_types(client: GraphqlClient, method: str, content_type: str, status: int) -> None:
    for path in ("/graphql", "/graphql/"):
        headers = {"content-type": content_type} if content_type else {}
        answer = await client.http.request(method, path, content=b'{"query":"{chainID}"}', headers=headers)
        assert answer.status_code == status
        if status == 405:
            assert answer.headers["allow"] == "POST, GET, OPTIONS"
        if status == 200:
            assert answer.json() == {"data": {"chainID": hex(31337)}}


async def get(client: GraphqlClient, **parameters: str) -> Any:
    return await client.http.get("/graphql?" + urlencode(parameters))


async def test_get(client: GraphqlClient) -> None:
    query = "query A($n: Long) { block(number: $n) { number } } query B { chainID }"
    answer = await get(client, query=query, variables='{"n": 0}', operationName="A")
    assert (answer.status_code, answer.json()) == (200, {"data": {"block": {"number": "0x0"}}})
    assert (await get(client, query=query, operationName="B")).json() == {"data": {"chainID": hex(31337)}}
    assert (await get(client, query="{ chainID }", variables="", operationName="")).json()["data"]
    for parameters, message in (
        ({}, "missing query"),
        ({"query": ""}, "missing query"),
        ({"query": "{ chainID }", "variables": "{"}, "variables is not JSON"),
        ({"query": "{ chainID }", "variables": "[1]"}, "variables: expected an object, got array"),
        ({"query": query}, "Must provide operation name"),
        ({"query": query, "operationName": "C"}, "Unknown operation named 'C'"),
    ):
        answer = await get(client, **parameters)
        assert answer.status_code == 400
        assert answer.json().keys() == {"errors"}
        assert answer.json()["errors"][0]["message"].startswith(message)


async def test_a_mutation_is_not_sent_by_get(client: GraphqlClient) -> None:
    raw = hexadecimal(client.node.signed(KEYS[0]).encoded)
    mutation = f'mutation M {{ sendRawTransaction(data: "{raw}") }} query Q {{ chainID }}'
    for _ in range(2):
        answer = await get(client, query=mutation, operationName="M")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, GET, OPTIONS")
        assert answer.json()["errors"][0]["message"] == "a mutation is sent with POST"
    assert await client.node.call("eth_blockNumber") == "0x0"
    assert (await get(client, query=mutation, operationName="Q")).status_code == 200
    assert (await client.post(mutation, operationName="M")).status_code == 200
    assert await client.node.call("eth_blockNumber") == "0x1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[]", "expected an object with a query, got array"),
        (b"null", "expected an object with a query, got null"),
        (b"{}", "missing query"),
        (b'{"query": 5}', "missing query"),
        (b'{"query": "{chainID}", "variables": 5}', "variables: expected an object, got number"),
        (b'{"query": "{chainID}", "operationName": 5}', "operationName: expected a string, got number"),
    ],
)
async def test_ill_formed_bodies(client: GraphqlClient, body: bytes, message: str) -> None:
    answer = await client.http.post("/graphql", content=body, headers=JSON)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["message"].startswith(message)
    assert error["extensions"]["code"] in (-32700, -32600)


async def test_the_guard_and_the_body_limit() -> None:
    async with running_server(http_body_bytes=1_000) as (port, _):
        query = b'{"query": "{__typename}"}'
        assert (await http(port, query, path="/graphql")).json == {"data": {"__typename": "Query"}}
        assert (await http(port, query.ljust(1_000), path="/graphql")).status == 200
        answer = await http(port, query.ljust(1_001), path="/graphql")
        assert (answer.status, answer.body) == (413, b"content length too large (1001>1000)\n")
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await http(port, query, headers, path="/graphql")).status == 403
            assert (await http(port, b"", headers, method="GET", path="/graphql?query={chainID}")).status == 403
        origin = {"Origin": "http://localhost:3000"}
        for body in (query, b"{", b'{"query": "{bleh}"}'):
            answer = await http(port, body, origin, path="/graphql")
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


# Errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{", "Syntax Error: "),
        ("{}", "Syntax Error: Expected Name, found '}'."),
        ("{ bleh { number } }", "Cannot query field 'bleh' on type 'Query'."),
        ("{ block }", "Field 'block' of type 'Block' must have a selection of subfields."),
        ("{ block { number { x } } }", "Field 'number' must not have a selection"),
        ("{ block(count: 1) { number } }", "Unknown argument 'count' on field 'Query.block'."),
        ("{ transaction { hash } }", "Argument 'Query.transaction(hash:)' of type 'Bytes32!' is required"),
        ('{ block(number: "a") { number } }', "Expected value of type 'Long', but encountered error 'hex string with"),
        ("{ block(number: true) { number } }", "Expected value of type 'Long', but encountered error 'expected a hex"),
        ("{ block(number: 0.5) { number } }", "Expected value of type 'Long'"),
        ("{ block(number: 9223372036854775808) { number } }", "Expected value of type 'Long', but encountered error '"),
        ('{ block(number: "0xffffffffffffffff") { number } }', "Expected value of type 'Long', but encountered error"),
        ('{ block(hash: "0x12") { number } }', "Expected value of type 'Bytes32', but encountered error 'hex string h"),
        ('{ block { account(address: "0x1") { balance } } }', "Expected value of type 'Address', but encountered erro"),
        ("{ block { account(address: 5) { balance } } }", "Expected value of type 'Address', but encountered error"),
        ('{ block { call(data: {data: "0x1"}) { data } } }', "Expected value of type 'Bytes', but encountered error "),
        ("{ block { call(data: {value: -1}) { data } } }", "Expected value of type 'BigInt', but encountered error "),
        ("{ block { call(data: {nonce: 1}) { data } } }", "Expected value of type 'CallData' not to include unknown"),
        ("query($n: Long!) { block(number: $n) { number } }", "Variable '$n' has invalid value"),
        ("query($n: Long) { block(number: $m) { number } }", "Variable '$m' is not defined."),
        ("{ block { ...f } } fragment f on Block { ...f }", "Cannot spread fragment 'f' within itself."),
        ("subscription { block }", "The subscription operation is not supported by the schema."),
    ],
)
async def test_requests_that_do_not_fit_the_schema(client: GraphqlClient, query: str, message: str) -> None:
    answer = await client.post(query)
    assert answer.status_code == 400
    assert answer.json().keys() == {"errors"}
    error = answer.json()["errors"][0]
    assert error["message"].startswith(message), error["message"]
    assert "extensions" not in error


async def test_variables_that_do_not_fit(client: GraphqlClient) -> None:
    query = "query($n: Long) { block(number: $n) { number } }"
    for value in ("a", [], {}, True, 0.5, 2**63, "0x8000000000000000", "-"):
        answer = await client.post(query, variables={"n": value})
        assert answer.status_code == 400, value
        assert answer.json().keys() == {"errors"}
    for value in (0, 0.0, "0", "0x0", "0x00", -0):
        assert await client.data(query, n=value) == {"block": {"number": "0x0"}}


async def test_a_fault_of_the_node(
    client: GraphqlClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fault: Exception = RuntimeError("boom")

    def broken(_services: object) -> str:
        raise fault

    monkeypatch.setattr(fees, "gas_price", broken)
    answer = await client.post("{ chainID gasPrice }")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["data"]) == (400, None)
    assert error["extensions"] == {"code": -32603}
    assert error["message"].startswith("internal error in gasPrice (request ")
    identifier = error["message"].split("(request ")[1][:8]
    (record,) = [record for record in caplog.records if identifier in record.getMessage()]
    assert record.levelno == logging.ERROR
    fault = CorruptionError("block 7: bad checksum")
    error = await client.fails("{ gasPrice }")
    assert error["extensions"] == {"code": -32000}
    assert error["message"].startswith("database damaged: block 7")


async def test_calls_are_told_to_the_log(client: GraphqlClient) -> None:
    told: list[tuple[str, object, int | None]] = []

    class CallLog:
        def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:
            assert seconds >= 0
            told.append((method, params, getattr(error, "code", None)))

        def set_logging(self, enabled: bool) -> None:
            raise AssertionError(enabled)

    client.node.services.call_log = CallLog()
    await client.data("query($n: Long) { block(number: $n) { number } }", n=0)
    await client.post("{ bleh }")
    assert told == [
        ("graphql", ["query($n: Long) { block(number: $n) { number } }", {"n": 0}], None),
        ("graphql", ["{ bleh }", {}], -32602),
    ]


# Limits


async def test_depth() -> None:
    async with running_client(limits=Limits(graphql_depth=5)) as client:
        await client.node.call("anvil_mine", "0x5")
        for inner, fits in ((4, True), (5, False)):
            query = "{" + "block{" + "parent{" * (inner - 1) + "number" + "}" * inner + "}"
            assert ((await client.post(query)).status_code == 200) is fits, query
        error = await client.fails(query)
        assert error["message"].startswith(
            'Field "number" has depth 6 that exceeds max depth 5; nest less, or raise --'
        )
        fragments = "fragment a on Block { parent { ...b } } fragment b on Block { parent { ...c } }"
        for last, fits in (("number", True), ("parent { number }", False)):
            inline = f"{{ ... on Block {{ parent {{ {last} }} }} }}"
            query = f"{{ block {{ ...a ...b }} }} {fragments} fragment c on Block {inline}"
            assert ((await client.post(query)).status_code == 200) is fits, query
            # a fragment that fits in one place may be too deep in another
            spread = "{ ...f }" if fits else "{ parent { ...f } }"
            query = f"{{ block {{ ...f parent {spread} }} }} fragment f on Block {{ parent {{ parent {{ number }} }} }}"
            assert ((await client.post(query)).status_code == 200) is fits, query
            again = f"query Y($n: Long) {{ a: block(number: $n) {{ parent {{ ...b }} ...b }} }} {fragments}"
            query = again + f" fragment c on Block {{ parent {{ {last} }} }} query Z {{ block {{ ...a }} }}"
            assert ((await client.post(query, operationName="Z")).status_code == 200) is fits, query


async def test_the_default_depth_lets_the_schema_be_asked_for(client: GraphqlClient) -> None:
    found = await client.data(get_introspection_query())
    names = {each["name"] for each in found["__schema"]["types"]}
    assert {"Account", "Block", "CallResult", "Log", "Mutation", "Pending", "SyncState", "Transaction", "Long"} <= names
    deep = "{block{" + "parent{" * 5_000 + "number" + "}" * 5_000 + "}}"
    assert (await client.post(deep)).status_code == 400


async def test_tokens() -> None:
    async with running_client(limits=Limits(graphql_tokens=100)) as client:
        for count, fits in ((98, True), (99, False)):
            answer = await client.post("{" + "chainID " * count + "}")
            assert (answer.status_code == 200) is fits
        assert "100 tokens" in answer.json()["errors"][0]["message"]


async def test_fields() -> None:
    async with running_client(limits=Limits(graphql_fields=100)) as client:
        await client.node.call("anvil_mine", "0x80")
        error: dict[str, Any] = {}
        # one for the list itself, and two for each block: an item and its field
        for last, fits in ((48, True), (49, False)):
            answer = await client.post(f"{{ blocks(from: 0, to: {last}) {{ number }} }}")
            assert (answer.status_code == 200) is fits, last
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": -32003}
        assert error["message"].startswith(
            "response too large: over 100 fields and list items; ask for less, or raise --"
        )
        assert answer.json().keys() == {"errors"}
        # a range is refused before its blocks are read
        reads = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client.node.chain, "header_by_number", reads.append)
            error = await client.fails("{ blocks(from: 0) { number } }")
        assert (error["extensions"], reads) == ({"code": -32003}, [])
        aliases = " ".join(f"a{index}: block {{ number hash }}" for index in range(40))
        assert (await client.fails(f"{{ {aliases} }}"))["extensions"] == {"code": -32003}
        # the schema's own fields count too
        assert (await client.fails(get_introspection_query()))["extensions"] == {"code": -32003}


async def test_bytes() -> None:
    async with running_client(limits=Limits(response_bytes=5_000)) as client:
        bloom = "logsBloom "
        for count, fits in ((8, True), (10, False)):
            blooms = " ".join(f"a{index}: {bloom}" for index in range(count))
            answer = await client.post(f"{{ block {{ {blooms} }} }}")
            assert (answer.status_code == 200) is fits, count
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": -32003}
        assert error["message"].startswith(
            "response too large: over 5000 bytes; ask for less, or raise --rpc-response-"
        )
        # the query ends as soon as the answer is too large
        calls: list[object] = []

        def gas_price(services: object) -> str:
            calls.append(services)
            return "0x" + "1" * 998

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fees, "gas_price", gas_price)
            aliases = " ".join(f"a{index}: gasPrice" for index in range(100))
            assert (await client.fails(f"{{ {aliases} }}"))["extensions"] == {"code": -32003}
        assert len(calls) == 6
        # names make an answer large too
        name = "n" * 4_980
        assert (await client.fails(f"{{ {name}: chainID }}"))["extensions"] == {"code": -32003}


async def test_time() -> None:
    limits = Limits(evm_timeout_seconds=0.3, call_gas=10**12)
    async with running_client(limits=limits) as client:
        place = await client.node.place(ENDLESS)
        await client.data("{ chainID }")
        begun = time.monotonic()
        error = await client.fails(f'{{ block {{ call(data: {{to: "{place}"}}) {{ data }} }} }}')
        assert error["message"] == "execution aborted (timeout = 0.3s)"
        assert error["extensions"] == {"code": -32000}
        # the time is that of the whole query: what comes after it is not begun
        calls = " ".join(f'a{index}: call(data: {{to: "{place}"}}) {{ data }}' for index in range(20))
        answer = await client.post(f"{{ block {{ {calls} }} }}")
        (error,) = answer.json()["errors"]
        assert (error["message"], error["extensions"]) == ("request timed out", {"code": -32002})
        assert time.monotonic() - begun < 3


async def test_busy_workers() -> None:
    limits = Limits(evm_workers=1, evm_queue_ms=50, evm_timeout_seconds=1.0, call_gas=10**12)
    async with running_client(limits=limits) as client:
        place = await client.node.place(ENDLESS)
        light = "{ block { number hash } }"
        await client.data(light)
        release, held = threading.Event(), threading.Event()

        def hold(*, deadline: Deadline) -> None:
            held.set()
            release.wait(deadline.remaining())

        holding = asyncio.create_task(client.node.server.dispatcher.workers.run(hold))
        await asyncio.to_thread(held.wait, 5)
        # a light query whose text is known needs no worker; all others wait for one
        assert await client.data(light) == {
            "block": {"number": "0x0", "hash": hexadecimal(client.node.chain.head.header.hash)}
        }
        error = await client.fails(f'{{ block {{ call(data: {{to: "{place}"}}) {{ data }} }} }}')
        assert error["extensions"] == {"code": -32005}
        assert error["message"].startswith("limit exceeded: all 1 execution workers were busy")
        release.set()
        await holding
        assert (await client.post("{ block { transactions { hash } } }")).status_code == 200


@pytest.mark.parametrize(
    ("query", "thread"),
    [
        ("{ gasPrice }", "MainThread"),
        ("{ gasPrice block { miner { balance } } }", "MainThread"),
        ("{ gasPrice a: gasPrice ...f } fragment f on Query { block { number } }", "MainThread"),
        ("{ gasPrice block { transactions { hash } } }", "evm"),
        ("{ gasPrice pending { transactionCount } }", "evm"),
        ("{ gasPrice block { estimateGas(data: {}) } }", "evm"),
        ("{ gasPrice ...f } fragment f on Query { logs(filter: {}) { index } }", "evm"),
        ("{ gasPrice " + " ".join(f"a{index}: chainID" for index in range(50)) + "}", "evm"),
    ],
)
async def test_what_runs_where(client: GraphqlClient, monkeypatch: pytest.MonkeyPatch, query: str, thread: str) -> None:
    threads = []

    def gas_price(_services: object) -> str:
        threads.append(threading.current_thread().name)
        return "0x1"

    monkeypatch.setattr(fees, "gas_price", gas_price)
    for _ in range(2):
        await client.data(query)
    # the first time every text is prepared on a worker
    assert threads[0].startswith("evm")
    assert threads[-1].startswith(thread)


@pytest.mark.slow
def test_the_library_is_loaded_with_the_first_request() -> None:
    code = "import sys, zevm.rpc.server, zevm.rpc.methods; zevm.rpc.methods.load(); print('graphql' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_what_clients_of_ethereum_nodes_ask(client: GraphqlClient) -> None:
    """Queries as the Ethereum clients' own GraphQL tests put them, in words of our own."""
    await client.node.send(to=HEX_BOB, value="0x64")
    block = await client.node.call("eth_getBlockByNumber", "0x1", True)
    sent = block["transactions"][0]
    unknown = "0x" + "19" * 20
    for query, data in (
        ("{block{number}}", {"block": {"number": "0x1"}}),
        ('{block(number:"0x1"){number}}', {"block": {"number": "0x1"}}),
        (f'{{block{{account(address:"{unknown}"){{balance}}}}}}', {"block": {"account": {"balance": "0x0"}}}),
        (f'{{block{{account(address:"{unknown}"){{code}}}}}}', {"block": {"account": {"code": "0x"}}}),
        ("{block{estimateGas(data:{})}}", {"block": {"estimateGas": hex(53_000)}}),
        (f'{{block{{estimateGas(data:{{to:"{HEX_BOB}"}})}}}}', {"block": {"estimateGas": hex(21_000)}}),
        (
            f'{{block(hash:"{block["hash"]}"){{transactionAt(index:0){{block{{hash}} from{{address}} value}}}}}}',
            {
                "block": {
                    "transactionAt": {
                        "block": {"hash": block["hash"]},
                        "from": {"address": hexadecimal(ALICE)},
                        "value": "0x64",
                    }
                }
            },
        ),
        ("{block(number:1){transactionAt(index:1){hash}}}", {"block": {"transactionAt": None}}),
        (
            f'{{transaction(hash:"{sent["hash"]}"){{status gasUsed index createdContract{{address}}}}}}',
            {"transaction": {"status": "0x1", "gasUsed": hex(21_000), "index": "0x0", "createdContract": None}},
        ),
        ("{syncing{startingBlock currentBlock highestBlock}}", {"syncing": None}),
        (
            "query($from: Long!, $to: Long) {blocks(from:$from to:$to){gasUsed}}",
            {"blocks": [{"gasUsed": "0x0"}, {"gasUsed": hex(21_000)}]},
        ),
    ):
        assert await client.data(query, **{"from": 0, "to": 1}) == data, query
