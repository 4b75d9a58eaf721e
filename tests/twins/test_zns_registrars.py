"""The name service's registrars and universal resolver, in either language, in the places of the genesis' ones."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from web3 import Web3

import zevm
from testing.name_service import OFFCHAIN_CALLBACK, deployed_name_service, installed, offchain_resolver
from testing.twins.compiled import TWINS, Language
from testing.twins.deployed import DAY_SECONDS, Deployed, error_data, pass_time
from zevm.chain.calls.name_changes import call_data
from zevm.chain.rules.name_service import dns_form, namehash
from zevm.storage.keccak import keccak256

NAME = "mytoken.ghost"
NODE = namehash(NAME)
OFFCHAIN_LOOKUP = "OffchainLookup(address,string[],bytes,bytes4,bytes)"
ZERO = "0x" + "00" * 20
NAME_SERVICE = [twin for twin in TWINS if twin.startswith("zns_")]


@pytest.fixture
def registrar(node: zevm.Node, language: Language) -> Deployed:
    return installed(node, "zns_registrar", language)


@pytest.fixture
def reverse(node: zevm.Node, language: Language) -> Deployed:
    return installed(node, "zns_reverse_registrar", language)


@pytest.fixture
def universal(node: zevm.Node, language: Language) -> Deployed:
    return installed(node, "zns_universal_resolver", language)


@pytest.fixture
def registry(node: zevm.Node) -> Deployed:
    return deployed_name_service(node)["ZnsRegistry"]


@pytest.fixture
def resolver(node: zevm.Node) -> Deployed:
    return deployed_name_service(node)["ZnsResolver"]


def now(node: zevm.Node) -> int:
    return int(node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def test_a_name_lives_ends_and_begins_anew(registrar: Deployed, registry: Deployed, accounts: list[str]) -> None:
    node = registrar.node
    first, second = accounts[:2]
    registrar.send("register", NAME, first, 2 * DAY_SECONDS, [])
    made = now(node)
    taken = error_data("NameNotAvailable(string)", NAME)
    expired = error_data("NameNotRegistered(string)", NAME)
    assert registrar.call("registration", NAME) == (NAME, first, made + 2 * DAY_SECONDS)
    pass_time(node, 2 * DAY_SECONDS - 1)
    assert registry.call("owner", NODE) == first
    # at the second at which it expires, the name is gone, and nobody's to give away
    pass_time(node, 1)
    assert registry.call("owner", NODE) == ZERO
    for function in ("transfer", "reclaim"):
        assert registrar.refusal(function, NAME, second) == expired
    assert registrar.refusal("renew", NAME, DAY_SECONDS, sender=second) == error_data(
        "NotOwner(string,address)", NAME, second
    )
    pass_time(node, 90 * DAY_SECONDS - 1)
    assert registrar.call("available", NAME) is False
    assert registrar.refusal("register", NAME, second, DAY_SECONDS, []) == taken
    with node.anchor():
        # renewed in the last second of grace, it goes on from when it expired
        registrar.send("renew", NAME, 91 * DAY_SECONDS)
        assert registry.call("expires", NODE) == made + 93 * DAY_SECONDS
        assert registry.call("owner", NODE) == first
    pass_time(node, 2)
    assert registrar.call("available", NAME) is True
    assert registrar.refusal("renew", NAME, DAY_SECONDS) == expired
    registrar.send("register", NAME, second, DAY_SECONDS, [], sender=second)
    assert registry.call("owner", NODE) == second
    assert (registrar.call("count"), registrar.call("page", 0, 5)[0][1]) == (1, second)


def test_a_reclaimed_node_and_a_transferred_one(registrar: Deployed, registry: Deployed, accounts: list[str]) -> None:
    first, second, third = accounts[:3]
    registrar.send("register", NAME, first, DAY_SECONDS, [])
    expires = registry.call("expires", NODE)
    registrar.send("reclaim", NAME, third)
    assert (registry.call("owner", NODE), registrar.call("registration", NAME)[1]) == (third, first)
    # to nobody and back: the name expires all the same
    registrar.send("reclaim", NAME, ZERO)
    registrar.send("reclaim", NAME, first)
    assert registry.call("expires", NODE) == expires
    registrar.send("transfer", NAME, second)
    assert registry.call("owner", NODE) == second
    assert registrar.refusal("reclaim", NAME, first) == error_data("NotOwner(string,address)", NAME, first)
    assert registrar.refusal("transfer", NAME, ZERO) == error_data("InvalidOwner(address)", ZERO)
    registry.send("setApprovalForAll", first, True, sender=second)
    registrar.send("transfer", NAME, first)
    assert registrar.call("registration", NAME)[1] == first


WRONG_NAMES = {
    "": "InvalidName", ".": "InvalidName", ".ghost": "InvalidName", "a.": "InvalidName", "ghost": "InvalidName",
    "A.ghost": "InvalidName", "a b.ghost": "InvalidName", "*.ghost": "InvalidName", "\x7f.ghost": "InvalidName",
    "n" * 64 + ".ghost": "InvalidName", "a.b.ghost": "UnknownTopLevelName", "a.eth": "UnknownTopLevelName",
    "a..ghost": "UnknownTopLevelName", "a.ghost.": "UnknownTopLevelName", "a.GHOST": "UnknownTopLevelName",
}  # fmt: skip


def test_names_that_the_registrar_does_not_give(registrar: Deployed, accounts: list[str]) -> None:
    refusals = {
        name: registrar.refusal("register", name, accounts[0], DAY_SECONDS, []) for name in WRONG_NAMES
    }  # every one for the same reason from each function
    assert refusals == {name: error_data(f"{error}(string)", name) for name, error in WRONG_NAMES.items()}
    assert refusals == {name: registrar.refusal("available", name) for name in WRONG_NAMES}
    for days in (0, 36_501):
        wrong = error_data("InvalidDuration(uint64)", days * DAY_SECONDS)
        assert registrar.refusal("register", NAME, accounts[0], days * DAY_SECONDS, []) == wrong


def test_names_of_addresses(reverse: Deployed, registry: Deployed, resolver: Deployed, accounts: list[str]) -> None:
    first, second = accounts[:2]
    named = namehash(f"{first[2:]}.addr.reverse")
    assert reverse.call("node", first) == named
    assert reverse.call("ens") == registry.address.lower()
    reverse.send("setName", "a name")
    assert resolver.call("name", named) == "a name"
    assert registry.call("owner", named) == first
    refused = error_data("NotAuthorised(address,address)", first, second)
    assert reverse.refusal("claimForAddr", first, second, ZERO, sender=second) == refused
    registry.send("setApprovalForAll", second, True)
    reverse.send("claimForAddr", first, second, accounts[3], sender=second)
    assert (registry.call("owner", named), registry.call("resolver", named)) == (second, accounts[3])
    # a resolver without code takes no name
    assert reverse.refusal("setNameForAddr", first, first, accounts[3], "a name") == b""


def test_look_ups(universal: Deployed, resolver: Deployed, registry: Deployed, accounts: list[str]) -> None:
    contracts = deployed_name_service(universal.node)
    first, second = accounts[:2]
    contracts["ZnsRegistrar"].send("register", NAME, first, DAY_SECONDS, [])
    resolver.send("setAddr(bytes32,address)", NODE, first)
    registry.send("setSubnodeOwner", NODE, keccak256(b"*"), first)
    resolver.send("setAddr(bytes32,address)", namehash(f"*.{NAME}"), second)

    def found(name: str) -> str:
        query = resolver.call_data("addr(bytes32)", namehash(name))
        data, answered = universal.call("resolve", dns_form(name), query)
        assert answered == resolver.address.lower()
        return str(resolver.result("addr(bytes32)", data))

    longest = "l" * 255
    names = (NAME, f"any.{NAME}", f"{longest}.{NAME}", f"{longest}.{longest}.b.{NAME}")
    assert [found(name) for name in names] == [first, second, second, second]
    nobody = dns_form(f"{longest}.nobody.ghost")
    assert universal.refusal("requireResolver", nobody) == error_data("ResolverNotFound(bytes)", nobody)
    contracts["ZnsReverseRegistrar"].send("setName", NAME)
    address = bytes.fromhex(first[2:])
    assert universal.call("reverse", address, 60) == (NAME, resolver.address.lower(), resolver.address.lower())
    resolver.send("setAddr(bytes32,address)", NODE, second)
    mismatch = error_data("ReverseAddressMismatch(string,bytes)", NAME, bytes.fromhex(second[2:]))
    assert universal.refusal("reverse", address, 60) == mismatch
    assert universal.refusal("reverse", b"", 60) == error_data("EmptyAddress()")


def test_a_resolver_that_sends_its_callers_to_a_gateway(
    universal: Deployed, registry: Deployed, accounts: list[str]
) -> None:
    """The caller is sent there by the contract that it has called, and comes back to it (EIP-3668)."""
    node, offchain, urls = universal.node, "0x" + "0f" * 20, ["https://a.example/{sender}/{data}", "https://b.example"]
    deployed_name_service(node)["ZnsRegistrar"].send("register", NAME, accounts[0], DAY_SECONDS, [])
    registry.send("setResolver", NODE, offchain)
    node.request("anvil_setCode", offchain, "0x" + offchain_resolver(offchain, urls).hex())
    query = call_data("addr(bytes32)", NODE)
    on = encode(["(address,bool,bytes4,bytes4,bytes)"], [(offchain, True, query[:4], OFFCHAIN_CALLBACK, b"extra")])
    back = keccak256(b"resolveCallback(bytes,bytes)")[:4]
    sent = error_data(OFFCHAIN_LOOKUP, universal.address.lower(), urls, b"asked", back, on)
    assert universal.refusal("resolve", dns_form(NAME), query) == sent
    assert universal.refusal("resolveWithGateways", dns_form(NAME), query, ["https://c.example"]) == sent
    answer = encode(["address"], [accounts[7]])
    assert universal.call("resolveCallback", encode(["bytes"], [answer]), on) == (answer, offchain)
    # who is sent in the name of another contract would not be let back
    node.request("anvil_setCode", offchain, "0x" + offchain_resolver(accounts[1], urls).hex())
    direct = error_data(OFFCHAIN_LOOKUP, accounts[1], urls, b"asked", OFFCHAIN_CALLBACK, b"extra")
    assert universal.refusal("resolve", dns_form(NAME), query) == error_data("ResolverError(bytes)", direct)


def test_the_whole_service_in_zig_goes_on_with_the_genesis_storage(node: zevm.Node, accounts: list[str]) -> None:
    """What Solidity has stored is read by Zig, and by a client that knows neither."""
    contracts = deployed_name_service(node)
    owner, other = node.accounts[1].address, node.accounts[6].address
    calls = [contracts["ZnsResolver"].call_data("setAddr(bytes32,address)", NODE, owner)]
    contracts["ZnsRegistrar"].send("register", NAME, owner, DAY_SECONDS, calls, sender=owner)
    contracts["ZnsReverseRegistrar"].send("setName", NAME, sender=owner)
    for twin in NAME_SERVICE:
        installed(node, twin, "zig")
    ens: Any = Web3(node.provider).ens
    assert (ens.address(NAME), ens.name(owner), ens.owner(NAME)) == (owner, NAME, owner)
    ens.setup_address(f"shop.{NAME}", other, transact={"from": owner})
    ens.setup_name(f"shop.{NAME}", other, transact={"from": other})
    assert (ens.address(f"shop.{NAME}"), ens.name(other)) == (other, f"shop.{NAME}")
    contracts["ZnsRegistrar"].send("register", "second.kz", accounts[2], DAY_SECONDS, [])
    assert [each[0] for each in contracts["ZnsRegistrar"].call("page", 0, 9)] == [NAME, "second.kz"]
