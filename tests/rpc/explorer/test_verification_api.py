"""The verifier over HTTP: Etherscan's and Sourcify's interfaces, who may use them, and what they refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from testing.solc_double import VERSION, solc_double
from tests.rpc.methods.memory_node import Node, start_node, stop_node
from zevm.analysis.verification.store import VerifiedStore
from zevm.analysis.verification.verifier import Verifier, VerifierLimits
from zevm.contracts.compilers.installed_solc import InstalledSolc
from zevm.contracts.options import CompilerLimits
from zevm.rpc.explorer.verification import call
from zevm.rpc.explorer.verification.call import Call
from zevm.rpc.limits import Limits
from zevm.rpc.server import ServerOptions

CODE = bytes.fromhex("6001600255600035600155")
METADATA = bytes.fromhex("a264697066735822") + bytes(34) + bytes.fromhex("64736f6c6343000825") + b"\0\x33"
SOURCE = f"contract Named {CODE.hex()}"
ADDRESS = "0x" + "c0" * 20
EMPTY = "0x" + "cd" * 20
Reply = tuple[int, Any]


class Verified:
    """A node with a verifier, and a client of it."""

    def __init__(self, node: Node, client: AsyncClient) -> None:
        self.node, self.client = node, client

    async def get(self, path: str, **headers: str) -> Reply:
        answer = await self.client.get(path, headers=headers)
        return answer.status_code, orjson.loads(answer.content)

    async def form(self, headers: dict[str, str] | None = None, path: str = "/api", **fields: str) -> Reply:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self.client.post(path, content=urlencode(fields), headers=kind | (headers or {}))
        return answer.status_code, orjson.loads(answer.content)

    async def said(self, **fields: str) -> tuple[str, Any]:
        """Status and result of an action at /api."""
        status, answer = await self.form(module="contract", **fields)
        assert status == 200
        assert answer["message"] == {"1": "OK", "0": "NOTOK"}[answer["status"]]
        return answer["status"], answer["result"]

    async def outcome(self, guid: str) -> tuple[str, str]:
        """Message and result of an outcome, when there is one."""
        while True:
            _, answer = await self.form(module="contract", action="checkverifystatus", guid=guid)
            if answer["result"] != "Pending in queue":
                return answer["message"], answer["result"]

    async def job(self, name: str) -> Any:
        """The outcome at Sourcify's path, when there is one."""
        while True:
            status, job = await self.get(f"/v2/verify/{name}")
            assert status == 200
            if job["isJobCompleted"]:
                return job

    async def submit(self, source: str = SOURCE, **fields: str) -> tuple[str, Any]:
        document = {"language": "Solidity", "sources": {"src/a.sol": {"content": source}}, "settings": {}}
        given = {
            "contractaddress": ADDRESS,
            "sourceCode": orjson.dumps(document).decode(),
            "codeformat": "solidity-standard-json-input",
            "contractname": "src/a.sol:Named",
            "compilerversion": f"v{VERSION}",
        }
        return await self.said(action="verifysourcecode", **(given | fields))

    async def json(self, path: str, document: object) -> Reply:
        answer = await self.client.post(path, json=document)
        return answer.status_code, orjson.loads(answer.content)


@asynccontextmanager
async def verifying(tmp_path: Path, **options: Any) -> AsyncIterator[Verified]:
    limits = Limits(**options.pop("limits", {}))
    node = await start_node(limits=limits, server=ServerOptions(port=0, **options))
    bounds = VerifierLimits(CompilerLimits(30), running=1, waiting=4, kept=100)
    store = VerifiedStore(None, most_contracts=10, most_bytes=1 << 20)
    compilers = InstalledSolc([solc_double(tmp_path)])
    await node.place(CODE)
    async with AsyncClient(base_url=f"http://127.0.0.1:{node.server.addresses[0][1]}", timeout=60) as client:
        with closing(Verifier(node.services.catalogue, store, compilers, bounds)) as verifier:
            node.services.verifier = verifier
            yield Verified(node, client)
    await stop_node(node)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Verified]:
    async with verifying(tmp_path) as running:
        yield running


async def test_etherscan_from_the_submission_to_the_sources(there: Verified) -> None:
    assert await there.said(action="getabi", address=ADDRESS) == ("0", "Contract source code not verified")
    _, [empty] = await there.said(action="getsourcecode", address=ADDRESS)
    assert (empty["SourceCode"], empty["ABI"]) == ("", "Contract source code not verified")
    status, guid = await there.submit(constructorArguements="00" * 31 + "05")
    assert status == "1"
    assert await there.outcome(guid) == ("OK", "Pass - Verified")
    status, abi = await there.said(action="getabi", address=ADDRESS)
    assert (status, orjson.loads(abi)[0]["name"]) == ("1", "named")
    _, [found] = await there.said(action="getsourcecode", address=ADDRESS)
    assert (found["ContractName"], found["CompilerVersion"]) == ("Named", f"v{VERSION}")
    assert found["ConstructorArguments"] == "00" * 31 + "05"
    assert orjson.loads(found["SourceCode"][1:-1])["sources"] == {"src/a.sol": {"content": SOURCE}}
    assert await there.submit() == ("0", "Contract source code already verified")
    known = there.node.services.catalogue.identify(CODE)
    assert known is not None
    assert known.name == "Named"


async def test_parameters_in_the_query_and_the_second_version_s_path(there: Verified) -> None:
    expected = {"status": "0", "message": "NOTOK", "result": "Contract source code not verified"}
    for path in ("/api", "/api/", "/v2/api"):
        query = f"{path}?chainid=31337&module=contract&action=getabi&address={ADDRESS}&apikey=any"
        assert await there.get(query) == (200, expected)
        assert await there.form(path=f"{path}?module=contract&action=getabi", address=ADDRESS) == (200, expected)


async def test_sources_are_submitted_by_post_alone(there: Verified) -> None:
    query = f"/api?module=contract&action=verifysourcecode&contractaddress={ADDRESS}&contractname=Named&sourceCode=x"
    refused = {"status": "0", "message": "NOTOK", "result": "Error! Sources are submitted by POST"}
    assert await there.get(query) == (200, refused)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"action": "getabi", "address": "0x12"}, "Invalid address format"),
        ({"action": "getabi", "address": ADDRESS, "chainid": "1"}, "this node's chain is 31337"),
        ({"action": "verifyproxycontract"}, "Missing Or invalid Action name"),
        ({"action": "checkverifystatus", "guid": "12"}, "Unknown guid"),
        ({"action": "getcontractcreation", "contractaddresses": ",".join([ADDRESS] * 6)}, "Only up to 5"),
        ({"action": "getcontractcreation", "contractaddresses": EMPTY}, "No data found"),
        ({"action": "verifysourcecode", "contractaddress": EMPTY}, f"Unable to locate ContractCode at {EMPTY}"),
        ({f"f{number}": "" for number in range(65)}, "Max number of fields exceeded"),
    ],
)
async def test_refused_parameters(there: Verified, fields: dict[str, str], text: str) -> None:
    status, result = await there.said(**fields)
    assert status == "0"
    assert text in result


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"sourceCode": "{"}, "not JSON"),
        ({"sourceCode": "[]"}, "no standard JSON input"),
        ({"sourceCode": "[" * 600 + "]" * 600}, "not JSON"),
        ({"sourceCode": "[" + "[]," * 400_000 + "[]]"}, "not JSON"),
        ({"sourceCode": '{"language": ' + "[" * 500 + "]" * 500 + "}"}, "the language is a list"),
        ({"codeformat": "vyper-json"}, "solidity-standard-json-input"),
        ({"compilerversion": "newest"}, "the compiler's version"),
        ({"contractname": "src/b.sol:Named"}, "not among the sources"),
        ({"constructorArguements": "xyz"}, "not hex"),
    ],
)
async def test_refused_submissions(there: Verified, fields: dict[str, str], text: str) -> None:
    status, result = await there.submit(**fields)
    assert status == "0"
    assert text in result


@pytest.mark.parametrize(
    ("source", "version", "text"),
    [
        (SOURCE[:-2] + "ff", VERSION, "Named compiles to other code than the account has"),
        ("wrong", VERSION, "src/a.sol: this is wrong"),
        (SOURCE, "0.8.1", "solc 0.8.1 is not on the node's computer"),
    ],
)
async def test_failures_carry_their_reason(there: Verified, source: str, version: str, text: str) -> None:
    _, guid = await there.submit(source, compilerversion=f"v{version}")
    message, result = await there.outcome(guid)
    assert message == "NOTOK"
    assert result.startswith("Fail - Unable to verify: ")
    assert text in result
    assert await there.said(action="getabi", address=ADDRESS) == ("0", "Contract source code not verified")


async def test_a_match_without_metadata_may_be_followed_by_an_exact_one(there: Verified) -> None:
    await there.node.place(CODE + METADATA)
    other = METADATA[:10] + b"\x99" + METADATA[11:]
    for compiled in (CODE + other, CODE + METADATA):
        _, guid = await there.submit(f"contract Named {compiled.hex()}")
        assert await there.outcome(guid) == ("OK", "Pass - Verified")
    assert await there.submit() == ("0", "Contract source code already verified")
    _, [found] = await there.said(action="getsourcecode", address=ADDRESS)
    assert (CODE + METADATA).hex() in found["SourceCode"]


async def test_a_single_file_has_its_settings_beside_it(there: Verified) -> None:
    fields = {"sourceCode": SOURCE, "codeformat": "solidity-single-file", "contractname": "Named", "runs": "7"}
    _, guid = await there.submit(optimizationUsed="1", evmversion="osaka", **fields)
    assert await there.outcome(guid) == ("OK", "Pass - Verified")
    _, [found] = await there.said(action="getsourcecode", address=ADDRESS)
    assert (found["OptimizationUsed"], found["Runs"], found["EVMVersion"]) == ("1", "7", "osaka")


async def test_the_creation_of_a_contract(there: Verified) -> None:
    receipt = await there.node.send(data="0x60016000f3")
    created = receipt["contractAddress"]
    status, [row] = await there.said(action="getcontractcreation", contractaddresses=f"{created},{ADDRESS}")
    assert status == "1"
    assert (row["contractAddress"], row["txHash"]) == (created, receipt["transactionHash"])
    assert row["contractCreator"] == receipt["from"]


async def test_sourcify_from_the_submission_to_the_sources(there: Verified) -> None:
    contract, verify = f"/v2/contract/31337/{ADDRESS}", f"/v2/verify/31337/{ADDRESS}"
    status, nothing = await there.get(contract)
    assert (status, nothing["match"]) == (404, None)
    document = {
        "stdJsonInput": {"language": "Solidity", "sources": {"src/a.sol": {"content": SOURCE}}, "settings": {}},
        "compilerVersion": VERSION,
        "contractIdentifier": "src/a.sol:Named",
    }
    status, submitted = await there.json(verify, document)
    assert status == 202
    assert (await there.job(submitted["verificationId"]))["contract"]["match"] == "exact_match"
    assert (await there.get(contract))[1]["compilation"]["fullyQualifiedName"] == "src/a.sol:Named"
    status, again = await there.json(verify, document)
    assert (status, again["customCode"]) == (409, "already_verified")
    await there.node.place(CODE + b"\0", b"\xc1" * 20)
    status, submitted = await there.json(f"/v2/verify/31337/0x{'c1' * 20}", document)
    assert status == 202
    job = await there.job(submitted["verificationId"])
    assert job["contract"]["match"] is None
    assert job["error"]["customCode"] == "no_match"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/v2/verify/1/{ADDRESS}", 400, "unsupported_chain"),
        (f"/v2/verify/31337/{EMPTY}", 404, "contract_not_deployed"),
        (f"/v2/verify/31337/{ADDRESS}", 400, "invalid_parameter"),
        ("/v2/verify/31337/0x12", 404, "route_not_found"),
    ],
)
async def test_refusals_of_sourcify(there: Verified, path: str, status: int, code: str) -> None:
    answer = await there.json(path, {})
    assert (answer[0], answer[1]["customCode"]) == (status, code)
    assert (await there.get(f"/v2/verify/{'00' * 16}"))[1]["customCode"] == "job_not_found"
    refused = await there.client.post(path, content=b"{", headers={"content-type": "application/json"})
    assert refused.status_code in (400, 404)


@pytest.mark.parametrize("member", ["contractIdentifier", "compilerVersion", "stdJsonInput"])
@pytest.mark.parametrize("value", [None, 7, {}, [[[]]], ["x"] * 3])
async def test_members_of_another_kind(there: Verified, member: str, value: object) -> None:
    document = {"stdJsonInput": {}, "compilerVersion": VERSION, "contractIdentifier": "src/a.sol:Named"}
    status, answer = await there.json(f"/v2/verify/31337/{ADDRESS}", document | {member: value})
    assert (status, answer["customCode"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("text", ["[" * 600 + "]" * 600, "[" + "[]," * 400_000 + "[]]", "{", "[]", "7", "\ud800"])
async def test_documents_that_no_call_may_send_either(there: Verified, text: str) -> None:
    kind = {"content-type": "application/json"}
    body = text.encode(errors="surrogatepass")
    answer = await there.client.post(f"/v2/verify/31337/{ADDRESS}", content=body, headers=kind)
    assert (answer.status_code, answer.json()["customCode"]) == (400, "invalid_json")


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=300), max_size=20), st.integers(3, 40))
def test_a_form_is_read_as_the_library_reads_it(fields: dict[str, str], slice_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call, "_SLICE_BYTES", slice_bytes)
        encoded = urlencode(fields).encode()
        nothing: Any = None
        for query, body in ((encoded, b""), (b"", encoded), (encoded, encoded)):
            found = Call(nothing, nothing, nothing, "POST", "/api", query, body).parameters()
            assert found == dict(parse_qsl(encoded.decode(), keep_blank_values=True))


@pytest.mark.parametrize(
    "data", [b"a=%", b"a=%4", b"%zz=%f", b"a", b"=b", b"&&a=1&", b"a=b=c", b"a=%ff+%2B", b"\xff=1"]
)
def test_a_form_that_is_none_is_read_as_the_library_reads_it(data: bytes) -> None:
    nothing: Any = None
    found = Call(nothing, nothing, nothing, "POST", "/api", b"", data).parameters()
    assert found == dict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True, errors="replace"))


async def test_bodies_are_bounded_and_of_their_kind(tmp_path: Path) -> None:
    async with verifying(tmp_path, limits={"http_body_bytes": 1_000}) as there:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        assert (await there.client.post("/api", content=b"a" * 1_001, headers=kind)).status_code == 413
        assert (await there.client.post("/api", json={})).status_code == 415
        assert (await there.client.post(f"/v2/verify/31337/{ADDRESS}", content=b"", headers=kind)).status_code == 415


@pytest.mark.parametrize("headers", [{"x-forwarded-for": "192.0.2.1"}, {"host": "192.0.2.1:8545"}])
async def test_only_programs_of_this_computer_may_verify(tmp_path: Path, headers: dict[str, str]) -> None:
    async with verifying(tmp_path) as there:
        _, answer = await there.form(headers, module="contract", action="getabi", address=ADDRESS)
        assert "--verifier" in answer["result"]
        status, answer = await there.get(f"/v2/contract/31337/{ADDRESS}", **headers)
        assert (status, answer["customCode"]) == (403, "not_available")
    async with verifying(tmp_path, verifier=True) as there:
        _, answer = await there.form(headers, module="contract", action="getabi", address=ADDRESS)
        assert answer["result"] == "Contract source code not verified"


async def test_web_pages_of_others_are_refused(there: Verified) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded", "origin": "https://example.org"}
    assert (await there.client.post("/api", content=b"module=contract", headers=kind)).status_code == 403


async def test_a_node_without_a_verifier_says_so(there: Verified) -> None:
    there.node.services.verifier = None
    assert "--no-verifier" in (await there.said(action="getabi", address=ADDRESS))[1]
    assert (await there.get(f"/v2/contract/31337/{ADDRESS}"))[0] == 404


async def test_the_event_loop_goes_on_while_a_contract_is_compiled(there: Verified) -> None:
    _, guid = await there.submit("endless")
    asked = asyncio.create_task(there.said(action="checkverifystatus", guid=guid))
    await asyncio.sleep(0)
    assert await there.node.call("eth_chainId") == hex(31337)
    assert not asked.done()
    asked.cancel()
    with suppress(asyncio.CancelledError):
        await asked
