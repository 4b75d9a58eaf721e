"""zns_: names registered, looked up and called through JSON-RPC."""

import asyncio
import itertools
import threading
from typing import Any

import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, STRANGER, Node, hexadecimal
from zevm.chain.calls.name_changes import call_data
from zevm.chain.calls.name_refusals import REASONS
from zevm.chain.rules.name_service import (
    REGISTRAR_ADDRESS,
    REGISTRY_ADDRESS,
    RESOLVER_ADDRESS,
    REVERSE_REGISTRAR_ADDRESS,
    TOP_LEVEL_NAMES,
    UNIVERSAL_RESOLVER_ADDRESS,
    dns_form,
    namehash,
    normalised,
)
from zevm.rpc.methods.support.following import may_be_forwarded
from zevm.rpc.methods.support.names import address_of
from zevm.storage.keccak import keccak256

DAY_SECONDS = 86_400
ANSWERING = bytes.fromhex("602a5f5260205ff3")
"""Code that returns 42."""


async def register(node: Node, name: str, **fields: Any) -> None:
    sent = await node.call("zns_register", {"name": name, **fields})
    assert (await node.call("eth_getTransactionReceipt", sent))["status"] == "0x1"


@pytest.mark.lengthy
async def test_a_name_is_registered_and_resolves(node: Node) -> None:
    contract = await node.place(ANSWERING)
    texts = {"url": "https://example.org", "description": "é"}
    await register(
        node, "MyToken.Ghost", owner=hexadecimal(BOB), address=hexadecimal(STRANGER), contract=contract,
        duration=2 * DAY_SECONDS, texts=texts, contenthash="0xe301", addresses={"0": "0x0014"},
    )  # fmt: skip
    now = int((await node.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    wanted = {
        "name": "mytoken.ghost",
        "node": hexadecimal(namehash("mytoken.ghost")),
        "owner": hexadecimal(BOB),
        "resolver": hexadecimal(RESOLVER_ADDRESS),
        "address": hexadecimal(STRANGER),
        "contract": contract,
        "expires": now + 2 * DAY_SECONDS,
        "ttl": 0,
    }
    assert await node.call("zns_resolve", "mytoken.ghost") == wanted
    assert await node.call("zns_resolve", "MYTOKEN.ghost", "latest") == wanted
    assert await node.call("zns_resolve", "mytoken.ghost", "0x0") is None
    more = {"texts": texts, "addresses": {}, "contenthash": "0xe301", "reverseName": None}
    assert await node.call("zns_records", "mytoken.ghost") == wanted | more
    few = await node.call("zns_records", "mytoken.ghost", {"texts": ["url", "none"], "coinTypes": [0, 60, 5]})
    assert few["texts"] == {"url": "https://example.org"}
    assert few["addresses"] == {"0": "0x0014", "60": hexadecimal(STRANGER)}
    assert await node.call("zns_executeContractByDomain", "mytoken.ghost", "0x1234") == f"0x{42:064x}"
    assert await node.call("zns_executeContractByDomain", "mytoken.ghost") == f"0x{42:064x}"


@pytest.mark.parametrize("top", TOP_LEVEL_NAMES)
async def test_the_sender_owns_a_name_for_a_year(node: Node, top: str) -> None:
    await register(node, f"mine.{top}", address=hexadecimal(ALICE))
    found = await node.call("zns_resolve", f"mine.{top}")
    now = int((await node.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    assert (found["owner"], found["expires"]) == (hexadecimal(ALICE), now + 365 * DAY_SECONDS)


async def test_names_are_addresses_of_zns_methods(node: Node) -> None:
    await register(node, "alice.ghost", address=hexadecimal(ALICE))
    await register(node, "bob.ghost", **{"from": "alice.ghost"}, owner="alice.ghost", address="alice.ghost")
    found = await node.call("zns_resolve", "bob.ghost")
    assert (found["owner"], found["address"]) == (hexadecimal(ALICE), hexadecimal(ALICE))
    assert await node.call("zns_reverse", "bob.ghost") is None
    assert await node.call("zns_reverse", hexadecimal(ALICE)) is None


async def test_an_expired_name_resolves_no_more(node: Node) -> None:
    await register(node, "short.ghost", address=hexadecimal(ALICE), duration=DAY_SECONDS)
    await node.call("evm_increaseTime", DAY_SECONDS - 10)
    await node.call("evm_mine")
    assert await node.call("zns_resolve", "short.ghost") is not None
    await node.call("evm_increaseTime", 20)
    await node.call("evm_mine")
    assert await node.call("zns_resolve", "short.ghost") is None
    # nobody but its owner can have it for the time of grace
    error = await node.fails("zns_register", {"name": "short.ghost", "from": hexadecimal(BOB)})
    assert error.code == 3
    await node.call("evm_increaseTime", 91 * DAY_SECONDS)
    await node.call("evm_mine")
    await register(node, "short.ghost", **{"from": hexadecimal(BOB)})
    found = await node.call("zns_resolve", "short.ghost")
    assert (found["owner"], found["address"]) == (hexadecimal(BOB), None)


async def test_a_name_given_to_nobody_and_taken_again_expires_all_the_same(node: Node) -> None:
    await register(node, "forever.ghost", address=hexadecimal(ALICE), duration=DAY_SECONDS)
    name = namehash("forever.ghost")
    for manager in (bytes(20), ALICE):
        await node.send(
            to=hexadecimal(REGISTRAR_ADDRESS), data=data("reclaim(string,address)", "forever.ghost", manager)
        )
    await node.send(to=hexadecimal(REGISTRY_ADDRESS), data=data("setResolver(bytes32,address)", name, RESOLVER_ADDRESS))
    found = await node.call("zns_resolve", "forever.ghost")
    now = int((await node.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    assert now < found["expires"] <= now + DAY_SECONDS
    await node.call("evm_increaseTime", DAY_SECONDS + 1)
    await node.call("evm_mine")
    assert await node.call("zns_resolve", "forever.ghost") is None


async def test_an_expired_name_below_another_leaves_its_place_to_the_wildcard(node: Node) -> None:
    """And what has ended says nothing of when the answer ends: neither an earlier life nor another name does."""
    await register(node, "my.ghost", address=hexadecimal(ALICE))
    registered = await node.call("zns_resolve", "my.ghost")
    above = namehash("my.ghost")
    now = int((await node.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    for label, seconds, address in (("shop", 100, BOB), ("*", 1_000, STRANGER)):
        hashed, own = keccak256(label.encode()), namehash(f"{label}.my.ghost")
        signature = "setSubnodeRecord(bytes32,bytes32,address,address,uint64)"
        for to, call in (
            (REGISTRY_ADDRESS, data(signature, above, hashed, ALICE, RESOLVER_ADDRESS, 0)),
            (REGISTRY_ADDRESS, data("setSubnodeExpiry(bytes32,bytes32,uint64)", above, hashed, now + seconds)),
            (RESOLVER_ADDRESS, data("setAddr(bytes32,address)", own, address)),
        ):
            await node.send(to=hexadecimal(to), data=call)
    answers: tuple[tuple[int, bytes | None, int], ...] = (
        (0, BOB, now + 100),
        (200, STRANGER, now + 1_000),
        (1_000, None, registered["expires"]),
    )
    for passed, wanted, expires in answers:
        await node.call("evm_increaseTime", passed)
        await node.call("evm_mine")
        found = await node.call("zns_resolve", "shop.my.ghost")
        assert (found["address"], found["expires"]) == (wanted and hexadecimal(wanted), expires)


def data(signature: str, *arguments: Any) -> str:
    return hexadecimal(call_data(signature, *arguments))


@pytest.mark.parametrize("label", ["\uff4d\uff59token", "\xff"], ids=["not normal", "not text"])
async def test_a_chosen_name_that_is_no_normal_one_is_none(node: Node, label: str) -> None:
    """Whoever is shown it would take it for another, or could not be shown it."""
    text = label.encode("latin-1" if label == "\xff" else "utf-8")
    place = "?" * len(text)
    top = namehash("ghost")
    chosen = keccak256(top + keccak256(text))
    records = [call_data("setAddr(bytes32,address)", chosen, ALICE)]
    arguments = (f"{place}.ghost", ALICE, DAY_SECONDS, records)
    registered = call_data("register(string,address,uint64,bytes[])", *arguments).replace(place.encode(), text)
    await node.send(to=hexadecimal(REGISTRAR_ADDRESS), data=hexadecimal(registered))
    named = call_data("setName(string)", f"{place}.ghost").replace(place.encode(), text)
    await node.send(to=hexadecimal(REVERSE_REGISTRAR_ADDRESS), data=hexadecimal(named))
    output = await node.call(
        "eth_call", {"to": hexadecimal(UNIVERSAL_RESOLVER_ADDRESS), "data": data("reverse(bytes,uint256)", ALICE, 60)}
    )
    assert text in bytes.fromhex(output[2:]), "the contracts have it"
    assert await node.call("zns_reverse", hexadecimal(ALICE)) is None


def test_a_follower_s_leader_registers_names() -> None:
    assert {name: may_be_forwarded(name) for name in ("zns_register", "zns_resolve")} == {
        "zns_register": True,
        "zns_resolve": False,
    }


async def test_the_tables_of_names_are_loaded_beside_the_writer(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def noted(text: str) -> str:
        threads.append(threading.current_thread())
        return normalised(text)

    monkeypatch.setattr("zevm.rpc.methods.support.names.normalised", noted)
    await register(node, "quick.ghost")
    writers = [await asyncio.wrap_future(node.chain.writer.submit(threading.current_thread))]
    assert threads
    assert not {*writers, threading.current_thread()} & {*threads}


@pytest.mark.lengthy
async def test_no_write_waits_for_what_resolvers_execute(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose resolver never ends stands in the place of an address of a registration."""
    await register(node, "loop.ghost", address=hexadecimal(ALICE))
    resolver = await node.place(bytes.fromhex("5b5f56"))
    loop = namehash("loop.ghost")
    await node.send(to=hexadecimal(REGISTRY_ADDRESS), data=data("setResolver(bytes32,address)", loop, resolver))
    begun = threading.Event()

    def noted(*arguments: Any, **options: Any) -> Any:
        begun.set()
        return address_of(*arguments, **options)

    monkeypatch.setattr("zevm.rpc.methods.zns.registering.address_of", noted)
    registration = {"name": "x.ghost", "address": "loop.ghost", "contract": "loop.ghost"}
    registering = asyncio.create_task(node.fails("zns_register", registration))
    assert await asyncio.to_thread(begun.wait, 5)
    await node.call("evm_mine")
    assert not registering.done()
    assert (await registering).code == -32000


async def test_a_name_of_many_labels_costs_no_more_than_each_of_them(node: Node) -> None:
    """By gas, which no other load of the machine changes: 60 labels took 5 million when each was asked by itself."""
    await register(node, "deep.ghost", address=hexadecimal(ALICE))
    used = []
    for labels in (30, 60, 120):
        name = "a." * labels + "deep.ghost"
        call = data("resolve(bytes,bytes)", dns_form(name), call_data("addr(bytes32)", namehash(name)))
        asked = {"to": hexadecimal(UNIVERSAL_RESOLVER_ADDRESS), "data": call, "gas": hex(16_000_000)}
        listed = await node.call("eth_createAccessList", asked, "latest")
        assert listed.get("error") is None
        used.append(int(listed["gasUsed"], 16))
    assert used[2] - used[1] < 3 * (used[1] - used[0])
    assert used[2] < 500_000


REFUSED: list[tuple[str, list[Any], int, str]] = [
    ("zns_resolve", [""], -32602, "the name is empty"),
    ("zns_resolve", ["a b.ghost"], -32602, "'a b.ghost' is no name"),
    ("zns_resolve", ["a..ghost"], -32602, "is no name"),
    ("zns_resolve", ["x" * 256], -32602, "256 bytes, at most 255"),
    ("zns_reverse", ["0x12"], -32602, "want 40 for common.Address"),
    ("zns_reverse", ["nobody.ghost"], -32000, "nobody.ghost is not registered"),
    ("zns_executeContractByDomain", ["nobody.ghost", "0x"], -32000, "nobody.ghost is not registered"),
    ("zns_records", ["x.ghost", {"texts": ["k"] * 65}], -32602, "65 records, at most 64: raise --rpc-zns-records"),
    ("zns_register", [{}], -32602, "missing required field 'name'"),
    ("zns_register", [{"name": "x.ghost", "duration": hex(2**64)}], -32602, f"{2**64} seconds: at least 1 day (86400 "),
    ("zns_register", [{"name": "x.ghost", "duration": hex(2**255)}], -32602, "a number of 256 bits: at least 1 day"),
    ("zns_register", [{"name": "x.ghost", "texts": {"k": 5}}], -32602, "expected a string"),
    ("zns_register", [{"name": "x.ghost", "texts": {str(i): "" for i in range(65)}}], -32602, "65 records, at most 64"),
    ("zns_register", [{"name": "x.ghost", "addresses": {"x": "0x"}}], -32602, "addresses: 'x': hex string without 0x"),
    ("zns_register", [{"name": "x.ghost", "addresses": {"-1": "0x"}}], -32602, "want a coin type, as 0 or 0x80000001"),
    ("zns_register", [{"name": "x.ghost", "addresses": {hex(2**256): "0x"}}], -32602, "number > 256 bits; want a coin"),
    ("zns_register", [{"name": "x.ghost", "addresses": {"1": "0x", "0x1": "0x"}}], -32602, "type 1 is given twice"),
    ("zns_records", ["x.ghost", {"coinTypes": [hex(2**256)]}], -32602, "field coinTypes: number > 256 bits"),
]


@pytest.mark.parametrize(("method", "params", "code", "told"), REFUSED, ids=range(len(REFUSED)))
async def test_refusals(node: Node, method: str, params: list[Any], code: int, told: str) -> None:
    error = await node.fails(method, *params)
    assert error.code == code, error.message
    assert told in error.message


@pytest.mark.parametrize(
    ("registration", "error"),
    [
        ({"name": "x.eth"}, "UnknownTopLevelName(string)"),
        ({"name": "a.b.ghost"}, "UnknownTopLevelName(string)"),
        ({"name": "ghost"}, "InvalidName(string)"),
        ({"name": "l" * 64 + ".ghost"}, "InvalidName(string)"),
        ({"name": "*.ghost"}, "InvalidName(string)"),
        ({"name": "taken.ghost"}, "NameNotAvailable(string)"),
        ({"name": "x.ghost", "duration": DAY_SECONDS - 1}, "InvalidDuration(uint64)"),
        ({"name": "x.ghost", "owner": "0x" + "00" * 20}, "InvalidOwner(address)"),
        ({"name": "x.ghost", "addresses": {"60": "0x12"}}, "InvalidAddress(uint256,bytes)"),
    ],
)
async def test_the_registrar_s_refusals(node: Node, registration: dict[str, Any], error: str) -> None:
    await register(node, "taken.ghost")
    caught = await node.fails("zns_register", registration)
    assert caught.code == 3
    assert caught.message == f"execution reverted: {registration['name']}: {REASONS[error]}"
    assert caught.data[:10] == hexadecimal(keccak256(error.encode())[:4])


async def test_a_chain_with_another_contract_in_the_place_of_the_resolver(node: Node) -> None:
    await node.call("anvil_setCode", hexadecimal(UNIVERSAL_RESOLVER_ADDRESS), "0x5f1960205260405ff3")
    for method, asked in {
        "zns_resolve": "x.ghost",
        "zns_records": "x.ghost",
        "zns_reverse": hexadecimal(ALICE),
    }.items():
        error = await node.fails(method, asked)
        assert (error.code, "other contracts" in error.message) == (-32000, True), (method, error)


LENGTHS = (0, 32, 33, 2**63 - 1, 2**63, 2**256 - 32, 2**256 - 1)


async def test_a_resolver_s_answer_that_is_none_is_no_record(node: Node) -> None:
    """A place and a length of each size, as a resolver may return them for every record."""
    await register(node, "odd.ghost")
    resolver = bytes.fromhex("00" * 18 + "0dd0")
    name = namehash("odd.ghost")
    await node.send(to=hexadecimal(REGISTRY_ADDRESS), data=data("setResolver(bytes32,address)", name, resolver))
    for place, size in itertools.product((32, 2**256 - 1), LENGTHS):
        returning = b"\x7f" + place.to_bytes(32) + b"\x5f\x52\x7f" + size.to_bytes(32) + bytes.fromhex("60205260605ff3")
        await node.call("anvil_setCode", hexadecimal(resolver), hexadecimal(returning))
        found = await node.call("zns_records", "odd.ghost", {"texts": ["url"], "coinTypes": [0]})
        assert found["resolver"] == hexadecimal(resolver), (place, size)
        assert found["contenthash"] in (None, "0x" + "00" * min(size, 32)), (place, size)


async def test_a_chain_without_a_name_service(node: Node) -> None:
    await node.call("anvil_setCode", "0xeEeEEEeE14D718C2B47D9923Deab1335E144EeEe", "0x")
    error = await node.fails("zns_resolve", "x.ghost")
    assert (error.code, "no name service" in error.message) == (-32000, True)
