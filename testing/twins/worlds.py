"""Scenarios of random sequences: how a contract under test is deployed, with which others, and what is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import zevm
from testing.name_service import deployed_name_service, installed, offchain_resolver
from testing.twins import actions, zns_actions
from testing.twins.actions import CONTRACT, NOBODY, RECEIVER, ZERO, Actions, Inner, Packed, Person, Step
from testing.twins.compiled import Language, code_of, solidity
from testing.twins.deployed import DAY_SECONDS, Deployed, deploy, pass_time, register_name
from zevm.chain.rules.name_service import RESOLVER_ADDRESS, namehash
from zevm.storage.keccak import keccak256

Places = dict[int, str]


@dataclass(frozen=True, slots=True)
class World:
    """The contract under test, and addresses by place. `code_address` is where its code is, behind a proxy."""

    contract: Deployed
    places: Places
    code_address: str

    def message(self, step: Step) -> tuple[bytes, str]:
        """Call data and sender of a step."""
        data = self._call_data(step.name, step.arguments)
        if step.damage is not None and data:
            place, bit = step.damage
            data = data[:place] if bit == 0 else _flipped(data, place % len(data), bit)
        return data, self.places[step.sender]

    def _call_data(self, name: str, arguments: tuple[object, ...]) -> bytes:
        if name == "":
            return b""
        return self.contract.call_data(name, *(self._resolved(argument) for argument in arguments))

    def _resolved(self, argument: object) -> object:
        if isinstance(argument, Person):
            return self.places[argument.place]
        if isinstance(argument, Packed):
            return bytes.fromhex(self.places[argument.place][2:])
        if isinstance(argument, Inner):
            return argument.prefix + self._call_data(argument.name, argument.arguments)
        if isinstance(argument, list):
            return [self._resolved(item) for item in argument]
        return argument


def _flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def _places(node: zevm.Node, receiver: Deployed) -> Places:
    accounts = {number: account.address for number, account in enumerate(node.accounts[: actions.ACTORS])}
    return {**accounts, NOBODY: ZERO, RECEIVER: receiver.address}


def _world(
    contract: Deployed, receiver: Deployed, code_address: str | None = None, more: Mapping[int, str] | None = None
) -> World:
    places = {**_places(contract.node, receiver), CONTRACT: contract.address, **(more or {})}
    return World(contract, places, code_address or contract.address)


def _simple_token(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    return _world(deploy(node, code_of("simple_token", language)), receiver)


def _token(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    token = deploy(node, code_of("token", language), 10_000)
    for account in _addresses(node, 3):
        token.send("transfer", account, 1_000)
    return _world(token, receiver)


def _managed_token(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    owner, other = _addresses(node, 2)
    token = deploy(node, code_of("managed_token", language), "Managed " * 5, "MGD", owner)
    token.send("mint", owner, 1_000)
    token.send("mint", other, 500)
    token.send("approve", other, 400)
    return _world(token, receiver)


def _owned_collectible(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    owner, other = _addresses(node, 2)
    code = code_of("owned_collectible", language)
    collectible = deploy(node, code, "Collectible", "COL", "https://example.org/", owner)
    for holder in (owner, owner, other):
        collectible.send("mint", holder)
    return _world(collectible, receiver)


def _items(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    owner, other = _addresses(node, 2)
    items = deploy(node, code_of("items", language), "https://example.org/", owner)
    for holder in (owner, other):
        items.send("mintBatch", holder, [0, 1, 2, 3], [400, 400, 400, 400], b"")
    return _world(items, receiver)


def _multisig(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    owners = _addresses(node, 3)
    wallet = deploy(node, code_of("multisig", language), owners, 2, value=5_000)
    for data in (b"", wallet.call_data("setOwners", owners[:2], 1)):
        wallet.send("submit", wallet.address, 0, data)
        wallet.send("confirm", wallet.call("transactionCount") - 1, sender=owners[1])
    return _world(wallet, receiver)


def _escrow(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    _, seller, arbiter = _addresses(node, 3)
    return _world(deploy(node, code_of("escrow", language), seller, arbiter, 250, 5, "An escrow"), receiver)


def _exchange(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    owner, other = _addresses(node, 2)
    first, second = (deploy(node, solidity("TwinToken"), actions.LARGEST) for _ in range(2))
    exchange = deploy(node, code_of("exchange", language), first.address, second.address)
    for token in (first, second):
        token.send("transfer", other, 10**30)
        for account in (owner, other):
            token.send("approve", exchange.address, actions.LARGEST, sender=account)
    exchange.send("add", 1_000, 3_000, 0, owner)
    more = {actions.FIRST_TOKEN: first.address, actions.SECOND_TOKEN: second.address}
    return _world(exchange, receiver, more=more)


def _registry(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    (owner,) = _addresses(node, 1)
    logic = deploy(node, code_of("registry", language))
    proxy = deploy(node, solidity("BoxProxy"), logic.address, logic.call_data("initialize", owner, "Names"))
    return _world(Deployed(node, proxy.address, logic.abi), receiver, logic.address)


def _zns_registry(node: zevm.Node, language: Language) -> World:
    receiver = deploy(node, solidity("Receiver"))
    _, second, third = _addresses(node, 3)
    registry = deploy(node, code_of("zns_registry", language))
    registry.send("setSubnodeOwner", bytes(32), keccak256(b"top"), second)
    registry.send("setSubnodeOwner", namehash("top"), keccak256(b"a"), third, sender=second)
    return _world(registry, receiver)


def _zns_resolver(node: zevm.Node, language: Language) -> World:
    """On the registry of the chain's genesis, where the first account owns the name."""
    receiver = deploy(node, solidity("Receiver"))
    register_name(node, zns_actions.NAME, _addresses(node, 1)[0])
    return _world(deploy(node, code_of("zns_resolver", language)), receiver)


def _zns_registrar(node: zevm.Node, language: Language) -> World:
    """In the place of the genesis' registrar: a name that has expired, one in its time of grace, and one that lives."""
    receiver = deploy(node, solidity("Receiver"))
    registrar = installed(node, "zns_registrar", language)
    owner, other = _addresses(node, 2)
    for name, holder, days in (("old.kz", owner, 92), ("grace.ghost", other, 2), (zns_actions.NAME, owner, 0)):
        registrar.send("register", name, holder, DAY_SECONDS, [])
        pass_time(node, days * DAY_SECONDS)
    return _world(registrar, receiver)


def _zns_reverse_registrar(node: zevm.Node, language: Language) -> World:
    """In the place of the genesis' one. The second account may act for the first, which owns a contract."""
    receiver = deploy(node, solidity("Receiver"))
    registrar = installed(node, "zns_reverse_registrar", language)
    owner, other = _addresses(node, 2)
    deployed_name_service(node)["ZnsRegistry"].send("setApprovalForAll", other, True)
    owned = deploy(node, solidity("OwnedCollectible"), "Collectible", "COL", "", owner)
    public = "0x" + RESOLVER_ADDRESS.hex()
    return _world(
        registrar, receiver, more={zns_actions.PUBLIC_RESOLVER: public, zns_actions.OWNED_CONTRACT: owned.address}
    )


_ECHO = bytes.fromhex("60043603806004 5f375ff3")
"""EVM code that answers with its call data behind the selector."""
_ONE = bytes.fromhex("60015f5260205ff3")
"""EVM code that answers with 1, as if it knew each interface."""


def _zns_universal_resolver(node: zevm.Node, language: Language) -> World:
    """Names with the public resolver, with odd resolvers and none; addresses with names that lead back, and not."""
    receiver = deploy(node, solidity("Receiver"))
    people = _addresses(node, 4)
    more = {zns_actions.ECHO: "0x" + "ec" * 20, zns_actions.ONE: "0x" + "01" * 20, zns_actions.HOSTILE: people[3]}
    for place, code in ((zns_actions.ECHO, _ECHO), (zns_actions.ONE, _ONE)):
        node.request("anvil_setCode", more[place], "0x" + code.hex())
    register_name(node, zns_actions.NAME, people[0])
    contracts = deployed_name_service(node)
    registry, resolver = contracts["ZnsRegistry"], contracts["ZnsResolver"]
    parent = namehash(zns_actions.NAME)
    kinds = {
        "*": resolver.address,
        "echo": more[zns_actions.ECHO],
        "one": more[zns_actions.ONE],
        "account": people[2],
        "receiver": receiver.address,
        "offchain": zns_actions.OFFCHAIN,
        "missent": zns_actions.MISSENT,
    }
    offchain = offchain_resolver(zns_actions.OFFCHAIN, ["https://a.example/{sender}/{data}", "https://b.example"])
    for address in (zns_actions.OFFCHAIN, zns_actions.MISSENT):
        node.request("anvil_setCode", address, "0x" + offchain.hex())
    for label, answering in kinds.items():
        registry.send("setSubnodeRecord", parent, keccak256(label.encode()), people[0], answering, 0)
    for name, address in ((zns_actions.NAME, people[0]), (f"*.{zns_actions.NAME}", people[1])):
        resolver.send("setAddr(bytes32,address)", namehash(name), address)
    resolver.send("setAddr(bytes32,uint256,bytes)", parent, 0x80000000, bytes.fromhex(people[0][2:]))
    for person, name in zip(
        people, (zns_actions.NAME, f"a.{zns_actions.NAME}", f"b.{zns_actions.NAME}", "a..b"), strict=True
    ):
        contracts["ZnsReverseRegistrar"].send("setName", name, sender=person)
    return _world(deploy(node, code_of("zns_universal_resolver", language)), receiver, more=more)


def _addresses(node: zevm.Node, count: int) -> list[str]:
    return [account.address for account in node.accounts[:count]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a twin is deployed on a node, and what is called on it."""

    build: Callable[[zevm.Node, Language], World]
    actions: Actions


SCENARIOS: Mapping[str, Scenario] = {
    "simple_token": Scenario(_simple_token, actions.SIMPLE_TOKEN),
    "token": Scenario(_token, actions.TOKEN),
    "managed_token": Scenario(
        _managed_token, actions.managed_token((keccak256(b"MINTER_ROLE"), keccak256(b"PAUSER_ROLE")))
    ),
    "owned_collectible": Scenario(_owned_collectible, actions.OWNED_COLLECTIBLE),
    "items": Scenario(_items, actions.ITEMS),
    "multisig": Scenario(_multisig, actions.MULTISIG),
    "escrow": Scenario(_escrow, actions.ESCROW),
    "exchange": Scenario(_exchange, actions.EXCHANGE),
    "registry": Scenario(_registry, actions.REGISTRY),
    "zns_registry": Scenario(_zns_registry, zns_actions.ZNS_REGISTRY),
    "zns_resolver": Scenario(_zns_resolver, zns_actions.ZNS_RESOLVER),
    "zns_registrar": Scenario(_zns_registrar, zns_actions.ZNS_REGISTRAR),
    "zns_reverse_registrar": Scenario(_zns_reverse_registrar, zns_actions.ZNS_REVERSE_REGISTRAR),
    "zns_universal_resolver": Scenario(_zns_universal_resolver, zns_actions.ZNS_UNIVERSAL_RESOLVER),
}
"""Every twin of `compiled.TWINS`."""
