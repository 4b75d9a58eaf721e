"""The name service's registry and resolver, in Solidity and in Zig: the same answers, refusals, events and storage."""

from __future__ import annotations

from typing import Any

import pytest

import zevm
from testing.twins.compiled import LANGUAGES, Language, code_of
from testing.twins.deployed import DAY_SECONDS, Deployed, Log, deploy, error_data, pass_time, register_name
from zevm.chain.rules.name_service import REGISTRY_ADDRESS, dns_form, namehash
from zevm.storage.keccak import keccak256

ROOT, ZERO = bytes(32), "0x" + "00" * 20
NAME = "mytoken.ghost"
NODE = namehash(NAME)
EVM = 0x80000000


def label(text: str) -> bytes:
    return keccak256(text.encode())


def topics(signature: str, *values: bytes) -> tuple[str, ...]:
    return tuple("0x" + topic.hex() for topic in (keccak256(signature.encode()), *values))


@pytest.fixture
def registry(node: zevm.Node, language: Language) -> Deployed:
    return deploy(node, code_of("zns_registry", language))


@pytest.fixture
def resolver(node: zevm.Node, language: Language, accounts: list[str]) -> Deployed:
    """A resolver on the registry of the chain's genesis, where the first account owns NAME."""
    register_name(node, NAME, accounts[0])
    return deploy(node, code_of("zns_resolver", language))


def test_owners_of_nodes(registry: Deployed, accounts: list[str]) -> None:
    first, second = accounts[:2]
    assert registry.call("owner", ROOT) == first
    (made,) = registry.send("setSubnodeOwner", ROOT, label("top"), second).logs
    assert made.topics == topics("NewOwner(bytes32,bytes32,address)", ROOT, label("top"))
    top = namehash("top")
    assert registry.call("owner", top) == second
    assert registry.refusal("setOwner", top, first) == error_data("NotOwner(bytes32,address)", top, first)
    registry.send("setRecord", top, second, accounts[3], 300, sender=second)
    assert (registry.call("resolver", top), registry.call("ttl", top)) == (accounts[3], 300)
    registry.send("setApprovalForAll", first, True, sender=second)
    assert registry.call("isApprovedForAll", second, first) is True
    registry.send("setSubnodeRecord", top, label("a"), accounts[2], accounts[4], 7)
    below = namehash("a.top")
    assert registry.call("owner", below) == accounts[2]
    assert registry.call("resolver", below) == accounts[4]
    assert registry.call("recordExists", below) is True
    assert registry.call("recordExists", namehash("b.top")) is False
    # whoever owns the node above may give it away again; what it has stays
    registry.send("setSubnodeOwner", top, label("a"), accounts[5], sender=second)
    assert (registry.call("owner", below), registry.call("ttl", below)) == (accounts[5], 7)
    assert registry.call("incarnation", below) == 2


def test_what_has_expired_is_gone_with_all_below_it(registry: Deployed, accounts: list[str]) -> None:
    node = registry.node
    for above, part in ((ROOT, "top"), (namehash("top"), "a"), (namehash("a.top"), "b")):
        registry.send("setSubnodeRecord", above, label(part), accounts[0], accounts[3], 1)
    now = int(node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    (told,) = registry.send("setSubnodeExpiry", namehash("top"), label("a"), now + 100).logs
    assert told == Log(
        registry.address.lower(), topics("NewExpiry(bytes32,uint64)", namehash("a.top")), f"0x{now + 100:064x}"
    )
    nodes = [namehash("a.top"), namehash("b.a.top")]
    assert [registry.call("owner", each) for each in nodes] == [accounts[0]] * 2
    pass_time(node, 200)
    for each in nodes:
        assert [registry.call(name, each) for name in ("owner", "resolver")] == [ZERO, ZERO]
        assert (registry.call("ttl", each), registry.call("incarnation", each)) == (0, 0)
        assert registry.refusal("setTTL", each, 5) == error_data("NotOwner(bytes32,address)", each, accounts[0])
    # renewed, everything is as before
    with node.anchor():
        registry.send("setSubnodeExpiry", namehash("top"), label("a"), now + 10_000)
        assert [registry.call("resolver", each) for each in nodes] == [accounts[3]] * 2
    # made anew, it is a new node, and what was below the old one is not below it
    registry.send("setSubnodeOwner", namehash("top"), label("a"), accounts[1])
    assert [registry.call("owner", each) for each in nodes] == [accounts[1], ZERO]
    assert registry.call("resolver", nodes[0]) == ZERO
    gone = error_data("NoSuchNode(bytes32)", namehash("never.top"))
    assert registry.refusal("setSubnodeExpiry", namehash("top"), label("never"), 5) == gone
    registry.send("forgetSubnode", namehash("top"), label("a"))
    assert registry.call("owner", nodes[0]) == ZERO
    assert registry.refusal("setSubnodeExpiry", namehash("top"), label("a"), 5) == error_data(
        "NoSuchNode(bytes32)", nodes[0]
    )


RECORDS: list[tuple[str, tuple[Any, ...], str, tuple[Any, ...], Any]] = [
    ("setAddr(bytes32,address)", ("0x" + "11" * 20,), "addr(bytes32)", (), "0x" + "11" * 20),
    ("setAddr(bytes32,uint256,bytes)", (0, b"\0\x14"), "addr(bytes32,uint256)", (0,), b"\0\x14"),
    ("setAddr(bytes32,uint256,bytes)", (EVM, b"\x22" * 20), "addr(bytes32,uint256)", (EVM + 10,), b"\x22" * 20),
    ("setContract", ("0x" + "33" * 20,), "contractOf", (), "0x" + "33" * 20),
    ("setText", ("key", "value " * 20), "text", ("key",), "value " * 20),
    ("setContenthash", (b"\xe3" * 40,), "contenthash", (), b"\xe3" * 40),
    ("setName", ("a.name",), "name", (), "a.name"),
    ("setInterface", (b"\1\2\3\4", "0x" + "44" * 20), "interfaceImplementer", (b"\1\2\3\4",), "0x" + "44" * 20),
]


def test_records(resolver: Deployed, accounts: list[str]) -> None:
    refused = error_data("NotAuthorised(bytes32,address)", NODE, accounts[1])
    for setter, given, getter, asked, wanted in RECORDS:
        assert resolver.refusal(setter, NODE, *given, sender=accounts[1]) == refused
        resolver.send(setter, NODE, *given)
        assert resolver.call(getter, NODE, *asked) == wanted
        # the same by a query in DNS wire format
        data = resolver.call("resolve", dns_form(NAME), resolver.call_data(getter, NODE, *asked))
        assert resolver.result(getter, data) == wanted
    resolver.send("clearRecords", NODE)
    assert resolver.call("recordVersions", NODE) == 1
    assert resolver.call("addr(bytes32)", NODE) == ZERO
    assert resolver.call("text", NODE, "key") == ""


def test_who_may_set_records(resolver: Deployed, accounts: list[str]) -> None:
    _, operator, delegate = accounts[:3]
    assert resolver.call("isAuthorised", NODE, operator) is False
    resolver.send("setApprovalForAll", operator, True)
    resolver.send("approve", NODE, delegate, True)
    for each in (operator, delegate):
        assert resolver.call("isAuthorised", NODE, each) is True
        resolver.send("setText", NODE, "by", each, sender=each)
    assert resolver.call("isApprovedForAll", accounts[0], operator) is True
    assert resolver.call("isApprovedFor", accounts[0], NODE, delegate) is True
    assert resolver.call("isAuthorised", namehash("ghost"), delegate) is False
    # a node that does not exist is nobody's
    assert resolver.call("isAuthorised", namehash("nobody.ghost"), ZERO) is False


def test_batches(resolver: Deployed) -> None:
    calls = [resolver.call_data("setText", NODE, "key", "value"), resolver.call_data("text", NODE, "key")]
    assert len(resolver.send("multicall", calls).logs) == 1
    resolver.send("multicallWithNodeCheck", NODE, calls)
    other = resolver.call_data("text", namehash("ghost"), "key")
    wanted = error_data("OtherNode(bytes32,bytes)", NODE, other)
    assert resolver.refusal("multicallWithNodeCheck", NODE, [*calls, other]) == wanted
    assert resolver.refusal("multicallWithNodeCheck", NODE, [b"\1\2\3"]) == error_data(
        "OtherNode(bytes32,bytes)", NODE, b"\1\2\3"
    )
    # one that fails undoes the others, with its own reason
    bad = resolver.call_data("setAddr(bytes32,uint256,bytes)", NODE, 60, b"\1")
    reason = error_data("InvalidAddress(uint256,bytes)", 60, b"\1")
    assert resolver.refusal("multicall", [*calls, bad]) == reason


def test_names_below_a_name(resolver: Deployed, accounts: list[str]) -> None:
    """The nearest name above that is registered answers by the records of `*` below it."""
    chain = Deployed(resolver.node, "0x" + REGISTRY_ADDRESS.hex(), code_of("zns_registry", "solidity").abi)
    chain.send("setSubnodeOwner", NODE, label("*"), accounts[0])
    resolver.send("setAddr(bytes32,address)", namehash(f"*.{NAME}"), accounts[7])
    resolver.send("setAddr(bytes32,address)", NODE, accounts[6])

    def found(name: str) -> str:
        data = resolver.call("resolve", dns_form(name), resolver.call_data("addr(bytes32)", namehash(name)))
        return str(resolver.result("addr(bytes32)", data))

    assert [found(name) for name in (NAME, f"any.{NAME}", f"a.b.c.{NAME}")] == [accounts[6], accounts[7], accounts[7]]
    chain.send("setSubnodeOwner", NODE, label("own"), accounts[0])
    assert [found(name) for name in (f"own.{NAME}", f"any.own.{NAME}", "x.kz")] == [ZERO, ZERO, ZERO]
    short = error_data("UnsupportedQuery(bytes)", b"\1\2\3\4")
    assert resolver.refusal("resolve", dns_form(NAME), b"\1\2\3\4") == short
    query = resolver.call_data("addr(bytes32)", NODE)
    for bad in (b"", b"\5abc", dns_form(NAME)[:-1], dns_form(NAME) + b"\0"):
        assert resolver.refusal("resolve", bad, query) == error_data("DNSDecodingFailed(bytes)", bad)


def test_a_later_owner_finds_no_records(resolver: Deployed, accounts: list[str]) -> None:
    resolver.send("setText", NODE, "key", "of the first owner")
    pass_time(resolver.node, 31 * DAY_SECONDS)
    assert resolver.call("text", NODE, "key") == ""
    pass_time(resolver.node, 91 * DAY_SECONDS)
    register_name(resolver.node, NAME, accounts[1])
    assert resolver.call("text", NODE, "key") == ""
    assert resolver.call("isAuthorised", NODE, accounts[0]) is False


INTERFACES = [
    "01ffc9a7", "3b3b57de", "f1cb7e06", "59d1d43c", "bc1c58d1", "691f3431", "124a319c", "9061b923", "ac9650d8",
    "d700ff33", "c22779d0",
]  # fmt: skip


def test_interfaces(resolver: Deployed) -> None:
    assert all(resolver.call("supportsInterface", bytes.fromhex(each)) for each in INTERFACES)
    assert not any(resolver.call("supportsInterface", each) for each in (b"\xff" * 4, bytes(4)))


@pytest.mark.parametrize(("writer", "reader"), [LANGUAGES, LANGUAGES[::-1]])
def test_one_storage_under_both_languages(
    node: zevm.Node, accounts: list[str], writer: Language, reader: Language
) -> None:
    """The code of either goes on with what the other has stored."""
    register_name(node, NAME, accounts[0])
    registry, resolver = (deploy(node, code_of(twin, writer)) for twin in ("zns_registry", "zns_resolver"))
    registry.send("setSubnodeRecord", ROOT, label("top"), accounts[1], accounts[3], 9)
    registry.send("setSubnodeExpiry", ROOT, label("top"), 2**63)
    for setter, given, _, _, _ in RECORDS:
        resolver.send(setter, NODE, *given)
    for twin, contract in (("zns_registry", registry), ("zns_resolver", resolver)):
        other = deploy(node, code_of(twin, reader))
        node.request("anvil_setCode", contract.address, node.request("eth_getCode", other.address, "latest"))
    top = namehash("top")
    assert [registry.call(name, top) for name in ("owner", "resolver", "ttl", "expires", "incarnation")] == [
        accounts[1], accounts[3], 9, 2**63, 1,
    ]  # fmt: skip
    for _, _, getter, asked, wanted in RECORDS:
        assert resolver.call(getter, NODE, *asked) == wanted
    registry.send("setSubnodeOwner", top, label("a"), accounts[2], sender=accounts[1])
    assert registry.call("incarnation", namehash("a.top")) == 2
