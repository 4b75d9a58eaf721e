"""The explorer's pages on a chain with EVM and WebAssembly contracts, failures, and texts of strangers."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from httpx import AsyncClient

from tests.rpc.explorer.explored import (
    HOSTILE,
    LOGGER,
    LOGGER_ADDRESS,
    REVERTER,
    REVERTER_ADDRESS,
    Explored,
    explored,
    fill,
)
from tests.rpc.methods.memory_node import ALICE
from tests.rpc.methods.test_engine import RECIPIENT, VERSIONS, engine_node
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.printable import printable
from zevm.contracts.source_maps.solc import SourceText, solc_source_map
from zevm.rpc.codec.results import hexadecimal

SHOWN = printable(HOSTILE)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain() -> AsyncIterator[Explored]:
    """Of all tests that only read it."""
    async with explored() as running:
        await fill(running)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def own_chain() -> AsyncIterator[Explored]:
    """Of a test that changes it, or what the node knows of its contracts."""
    async with explored() as running:
        await fill(running)
        yield running


async def test_home_shows_the_newest_blocks_and_transactions(chain: Explored) -> None:
    page = await chain.page("/")
    head = chain.node.chain.head.number
    for number in range(head + 1):
        assert f"/block/{number}" in page.links
    assert f"/tx/{chain.places['transfer']}" in page.links
    assert "Chain 31337" in page.text
    assert "9,998." in page.text, "the first account's balance"
    assert SHOWN in page.text, "the name of a called contract"
    assert "name" in page.text, "the function that it was called by"
    assert "0x08c379a0" in page.text, "a selector that no contract has"


async def test_the_list_of_blocks_has_pages(chain: Explored) -> None:
    head = chain.node.chain.head.number
    assert head >= 6
    async with explored(explorer_rows=2) as small:
        await small.node.call("anvil_mine", "0x4")
        newest = await small.page("/blocks")
        assert {"/block/4", "/block/3", "/blocks?from=2"} <= set(newest.links)
        assert "/block/2" not in newest.links
        assert "3 to 4 of 4" in newest.text
        older = await small.page("/blocks?from=2")
        assert {"/block/2", "/block/1", "/blocks?from=0", "/blocks?from=4"} <= set(older.links)
        last = await small.page("/blocks?from=0")
        assert "/block/0" in last.links
        assert "Next" not in last.text
        beyond = await small.page("/blocks?from=99")
        assert "/block/4" in beyond.links


async def test_a_block_by_its_number_its_hash_and_as_the_latest(chain: Explored) -> None:
    block = await chain.node.call("eth_getBlockByNumber", "0x1", False)
    for name in ("1", block["hash"]):
        page = await chain.page(f"/block/{name}")
        assert "Block 1" in page.text
        for part in ("hash", "parentHash", "stateRoot", "receiptsRoot"):
            assert block[part] in page.text
        assert {f"/tx/{chain.places['transfer']}", "/block/0", "/block/2"} <= set(page.links)
        assert "21,000 of" in page.text
    latest = await chain.page("/block/latest")
    assert f"Block {chain.node.chain.head.number}" in latest.text
    first = await chain.page("/block/0")
    assert "Previous" not in first.text


@pytest.mark.parametrize("name", ["99", "0x" + "11" * 32, "nothing", "0x12", "9" * 18, "9" * 60])
async def test_a_block_that_is_not_there(chain: Explored, name: str) -> None:
    assert "Not found" in (await chain.page(f"/block/{name}", 404)).text


async def test_a_side_block_says_so_and_withdrawals_are_listed() -> None:
    async with (
        engine_node() as node,
        AsyncClient(base_url=f"http://127.0.0.1:{node.server.addresses[0][1]}", timeout=60) as client,
    ):
        new, _, get = VERSIONS[node.fork]
        hashes = []
        for recipient in (RECIPIENT, "0x" + "fd" * 20):
            build = await node.begin(suggestedFeeRecipient=recipient)
            payload = (await node.call(f"engine_getPayloadV{get}", build))["executionPayload"]
            await node.call(f"engine_newPayloadV{new}", *node.parameters(payload))
            hashes.append(payload["blockHash"])
        for block_hash in hashes:
            await node.choose(block_hash)
        side, canonical = [await Explored(node, client).page(f"/block/{block_hash}") for block_hash in hashes]
        assert "Side block" in side.text
        assert "Side block" not in canonical.text
        assert "0.000000003 ETH" in canonical.text, "a withdrawal"


async def test_many_transactions_of_a_block_have_pages() -> None:
    async with explored(explorer_rows=2) as small:
        node = small.node
        await node.call("evm_setAutomine", False)
        hashes = [
            await node.call(
                "eth_sendTransaction", {"from": hexadecimal(ALICE), "to": hexadecimal(ALICE), "gas": "0x5208"}
            )
            for _ in range(3)
        ]
        await node.call("evm_mine")
        first = await small.page("/block/1")
        assert "1 to 2 of 3" in first.text
        (link,) = [link for link in first.links if "page=1" in link]
        assert "3 to 3 of 3" in (await small.page("/block/1?page=99")).text
        assert "1 to 2 of 3" in (await small.page("/block/1?page=x")).text
        second = await small.page(link)
        shown = [{link for link in page.links if link.startswith("/tx/")} for page in (first, second)]
        assert [len(links) for links in shown] == [2, 1]
        assert shown[0] | shown[1] == {f"/tx/{each}" for each in hashes}


async def test_a_transfer(chain: Explored) -> None:
    page = await chain.page(f"/tx/{chain.places['transfer']}")
    receipt = await chain.node.call("eth_getTransactionReceipt", chain.places["transfer"])
    fee_wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    for text in (
        "Success",
        "1 ETH",
        "21,000 of 21,000",
        f"0.{fee_wei:018d}".rstrip("0"),
        "No logs",
        chain.places["transfer"],
    ):
        assert text in page.text, text


async def test_a_call_and_its_log_by_an_abi_and_as_bytes(chain: Explored) -> None:
    page = await chain.page(f"/tx/{chain.places['log']}")
    assert "Named" in page.text
    assert "Call name" in page.text
    # in the call's argument and in the event's, each as analysis.abi_values quotes it
    assert page.text.count("alert(1)") >= 2
    async with explored() as other:
        await other.node.place(bytes.fromhex("60006000a000"), b"\x31" * 20)
        sent = await other.node.send(to="0x" + "31" * 20, data="0x12345678" + "00" * 32)
        unknown = await other.page(f"/tx/{sent['transactionHash']}")
        assert "unknown event" in unknown.text
        assert "Call 0x12345678" in unknown.text


async def test_why_a_transaction_failed(chain: Explored) -> None:
    page = await chain.page(f"/tx/{chain.places['failed']}")
    assert "Failed" in page.text
    assert f"execution reverted: {SHOWN}" in page.text
    assert "Failed" in (await chain.page("/block/3")).text


async def test_the_calls_with_their_gas_and_what_they_print(chain: Explored) -> None:
    page = await chain.page(f"/tx/{chain.places['printed']}/calls")
    receipt = await chain.node.call("eth_getTransactionReceipt", chain.places["printed"])
    assert f"{int(receipt['gasUsed'], 16):,}" in page.text
    assert {"call-0", "call-1"} <= set(page.ids)
    assert "Console" in page.text
    assert "alert(1)" in page.text
    nested = await chain.page(f"/tx/{chain.places['nested']}/calls")
    assert "emit Named" in nested.text
    assert {"#call-0", "#call-1"} <= set(nested.links)
    created = await chain.page(f"/tx/{chain.places['creation']}/calls")
    assert "bytes of code" in created.text


async def test_storage_by_variable(own_chain: Explored) -> None:
    word = {"encoding": "inplace", "label": "uint256", "numberOfBytes": "32"}
    entry = {"label": HOSTILE, "type": "word", "slot": "1", "offset": 0}
    for layout, text in (
        ({"storage": [entry], "types": {"word": word}}, SHOWN),
        ({"storage": [entry], "types": {}}, "storage layout cannot be read"),
    ):
        contract = KnownContract("R", "src/R.sol", "Solidity", [], runtime=LOGGER, storage_layout=layout)
        own_chain.node.services.catalogue.add(contract, LOGGER_ADDRESS)
        assert text in (await own_chain.page(f"/address/{own_chain.places['logger']}/storage")).text
    unknown = await own_chain.page(f"/address/{own_chain.places['echo']}/storage")
    assert "Variables" not in unknown.text


async def test_failed_calls_have_the_line_of_their_source(own_chain: Explored) -> None:
    text = "contract R {\n    function f() public {\n        revert();\n    }\n}\n"
    entries = f"0:{len(text)}:0:-" + ";" * 6 + f"{text.index('revert')}:8"
    places = solc_source_map(REVERTER, entries, {0: SourceText("src/R.sol", text.encode())})
    path = f"/tx/{own_chain.places['failed']}/calls"
    assert "src/R.sol" not in (await own_chain.page(path)).text
    contract = KnownContract("R", "src/R.sol", "Solidity", [], runtime=REVERTER, source_map=places)
    own_chain.node.services.catalogue.add(contract, REVERTER_ADDRESS)
    assert "at R.f (src/R.sol:3)" in (await own_chain.page(path)).text


async def test_what_a_transaction_changed(chain: Explored) -> None:
    page = await chain.page(f"/tx/{chain.places['log']}/state")
    assert "slot 0x1" in page.text
    assert "0x7" in page.text
    assert "balance" in page.text
    created = await chain.page(f"/tx/{chain.places['creation']}/state")
    assert "0 bytes" in created.text


async def test_a_waiting_transaction(own_chain: Explored) -> None:
    await own_chain.node.call("evm_setAutomine", False)
    fields = {"from": own_chain.places["alice"], "to": own_chain.places["bob"], "gas": "0x5208"}
    waiting = await own_chain.node.call("eth_sendTransaction", fields)
    queued = await own_chain.node.call("eth_sendTransaction", fields | {"nonce": "0x77"})
    page = await own_chain.page(f"/tx/{waiting}")
    assert "Waiting" in page.text
    assert "at most 21,000" in page.text
    await own_chain.page(f"/tx/{waiting}/calls", 404)
    pool = await own_chain.page("/pool")
    assert {f"/tx/{waiting}", f"/tx/{queued}"} <= set(pool.links)
    assert "Ready" in pool.text
    assert "Queued" in pool.text
    account = await own_chain.page(f"/address/{own_chain.places['alice']}")
    assert f"/tx/{waiting}" in account.links


async def test_an_account_and_a_contract(chain: Explored) -> None:
    account = await chain.page(f"/address/{chain.places['bob']}")
    assert "10,001 ETH" in account.text
    assert "Code hash" not in account.text
    contract = await chain.page(f"/address/{chain.places['logger']}")
    assert SHOWN in contract.text, "the contract's name"
    assert "name(string)" in contract.text
    assert "Named(string)" in contract.text
    storage = await chain.page(f"/address/{chain.places['logger']}/storage")
    assert "0x1" in storage.text
    assert f"0x{7:064x}" in storage.text
    assert "No slots" in (await chain.page(f"/address/{chain.places['bob']}/storage")).text


async def test_charts_of_the_blocks(chain: Explored) -> None:
    answer = await chain.get("/blocks")
    head = chain.node.chain.head.number
    page = await chain.page("/blocks")
    assert answer.text.count("<rect") == head + 1
    assert f"blocks 0 to {head}" in page.text
    assert "Block 1: 21,000 gas" in page.text
    assert "1 gwei" in page.text, "the highest base fee, the first block's"
    async with explored() as empty:
        assert "<svg" not in (await empty.get("/blocks")).text


async def test_storage_has_pages() -> None:
    async with explored(explorer_rows=2) as small:
        address = await small.node.place(b"\x00")
        for slot in range(3):
            await small.node.call("anvil_setStorageAt", address, hex(slot), f"0x{slot + 40:064x}")
        page = await small.page(f"/address/{address}/storage")
        (following,) = [link for link in page.links if "from=" in link]
        rest = await small.page(following)
        values = [{number for number in range(40, 43) if f"{number:064x}" in each.text} for each in (page, rest)]
        assert [len(found) for found in values] == [2, 1]
        assert values[0] | values[1] == {40, 41, 42}


async def test_a_webassembly_contract(chain: Explored) -> None:
    page = await chain.page(f"/address/{chain.places['module']}")
    assert "WebAssembly" in page.text
    for name in ("vm_hooks.storage_load_bytes32", "user_entrypoint", "memory"):
        assert name in page.text, name


async def test_the_transactions_that_touch_an_address(chain: Explored) -> None:
    page = await chain.page(f"/address/{chain.places['bob']}/transactions")
    assert f"/tx/{chain.places['transfer']}" in page.links
    assert f"/tx/{chain.places['failed']}" not in page.links
    newest = await chain.page(f"/address/{chain.places['alice']}/transactions")
    assert f"/tx/{chain.places['failed']}" in newest.links


@pytest.mark.parametrize("name", ["0x12", "alice", "0x" + "zz" * 20, "0x" + "11" * 32])
async def test_what_is_no_address(chain: Explored, name: str) -> None:
    assert f"{name} is no address" in (await chain.page(f"/address/{name}", 404)).text
    told = f"Neither the chain nor the pool has a transaction {name}" if len(name) == 66 else f"{name} is no hash"
    assert told in (await chain.page(f"/tx/{name}", 404)).text


async def test_the_search_leads_to_pages(chain: Explored) -> None:
    block = await chain.node.call("eth_getBlockByNumber", "0x2", False)
    for asked, place in {
        "2": "/block/2",
        " 0x2 ": "/block/2",
        "1,000": "/block/1000",
        "latest": "/block/latest",
        block["hash"]: f"/block/{block['hash']}",
        chain.places["log"]: f"/tx/{chain.places['log']}",
        chain.places["bob"]: f"/address/{chain.places['bob']}",
    }.items():
        answer = await chain.client.get("/search", params={"q": asked}, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers.get("location")) == (303, place)


async def test_the_search_finds_names(own_chain: Explored) -> None:
    fields = {"from": own_chain.places["alice"], "address": own_chain.places["bob"], "name": "explored.ghost"}
    await own_chain.node.call("zns_register", fields)
    answer = await own_chain.get("/search?q=explored.ghost")
    assert (answer.status_code, answer.headers.get("location")) == (303, f"/address/{own_chain.places['bob']}")


@pytest.mark.parametrize("asked", ["", "0x" + "22" * 32, "nobody.zevm", "no name", HOSTILE, "x" * 2_000])
async def test_the_search_finds_nothing(chain: Explored, asked: str) -> None:
    answer = await chain.client.get("/search", params={"q": asked}, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


async def test_hostile_text_is_only_text(chain: Explored) -> None:
    """Every page is read with a parser that knows no tag and no attribute but the templates'."""
    places = chain.places
    for path in (
        f"/tx/{places['log']}", f"/tx/{places['log']}/calls", f"/tx/{places['log']}/state", f"/tx/{places['failed']}",
        f"/tx/{places['failed']}/calls", f"/tx/{places['printed']}/calls", f"/address/{places['logger']}",
        f"/address/{places['logger']}/storage", f"/address/{places['logger']}/transactions",
        f"/address/{places['module']}",
    ):  # fmt: skip
        page = await chain.page(path)
        assert "alert(2)'>49" not in page.text
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
        assert not page.unlabelled
        assert len(page.ids) == len(set(page.ids)), "an id names one element"


async def test_a_path_is_only_text(chain: Explored) -> None:
    answer = await chain.get("/tx/%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    home = await chain.get("/", Host='x"><b>.localhost')
    assert "<b>" not in home.text
