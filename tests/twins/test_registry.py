"""An upgradeable registry behind an ERC-1967 proxy, in Solidity and in Zig; one proxy goes from one to the other."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode

import zevm
from testing.contracts import DELEGATOR, returning
from testing.twins.compiled import LANGUAGES, Language, code_of, solidity
from testing.twins.deployed import Code, Deployed, RevertedError, deploy, error_data, panic_data
from zevm.storage.keccak import keccak256

ZERO = "0x" + "00" * 20
TITLE = "Names of ships"
LONG_NAME = "a name that is longer than thirty-one bytes"
IMPLEMENTATION_SLOT = int.from_bytes(keccak256(b"eip1967.proxy.implementation"), "big") - 1
NAMESPACE = int.from_bytes(
    keccak256((int.from_bytes(keccak256(b"zevm.storage.Registry"), "big") - 1).to_bytes(32, "big"))[:31] + b"\0", "big"
)
INVALID = error_data("InvalidInitialization()")
WRONG_CONTEXT = error_data("UUPSUnauthorizedCallContext()")


def logic(node: zevm.Node, language: Language) -> Deployed:
    return deploy(node, code_of("registry", language))


def proxy_to(target: Deployed, owner: str, title: str = TITLE) -> Deployed:
    """A proxy, initialised, with the functions of what it delegates to."""
    made = deploy(target.node, solidity("BoxProxy"), target.address, target.call_data("initialize", owner, title))
    return Deployed(target.node, made.address, target.abi)


@pytest.fixture
def registry(node: zevm.Node, accounts: list[str], language: Language) -> Deployed:
    """A proxy whose owner is account 0."""
    return proxy_to(logic(node, language), accounts[0])


def test_initialisation(registry: Deployed, node: zevm.Node, accounts: list[str], language: Language) -> None:
    assert (registry.call("owner"), registry.call("title"), registry.call("version")) == (accounts[0], TITLE, 1)
    assert registry.refusal("initialize", accounts[1], "again") == INVALID
    target = logic(node, language)
    assert target.refusal("initialize", accounts[1], "of the logic itself") == INVALID
    assert target.call("version") == 2**64 - 1
    assert registry.call("NAMESPACE") == NAMESPACE.to_bytes(32, "big")
    assert registry.slot(NAMESPACE) == int(accounts[0], 16)
    registry.send("migrate", "Names of planes")
    assert (registry.call("title"), registry.call("version")) == ("Names of planes", 2)
    assert registry.refusal("migrate", "once more") == INVALID


def test_entries(registry: Deployed, node: zevm.Node, accounts: list[str]) -> None:
    _, holder, other, *_ = accounts
    for name, data in (("short", b"\1\2"), (LONG_NAME, b"d" * 90), ("", b"")):
        (log,) = registry.send("register", name, data, sender=holder).logs
        assert log.topics[1:] == ("0x" + keccak256(name.encode()).hex(), "0x" + "00" * 12 + holder[2:])
        assert decode(["string", "bytes"], bytes.fromhex(log.data[2:])) == (name, data)
    now = int(node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    assert registry.call("names") == ("short", LONG_NAME, "")
    assert registry.call("entry", LONG_NAME) == (holder, now - 1, False, b"d" * 90)
    assert registry.call("changes") == 3
    taken = error_data("NotHolder(string,address)", LONG_NAME, holder)
    assert registry.refusal("register", LONG_NAME, b"", sender=other) == taken
    assert registry.refusal("release", LONG_NAME, sender=other) == taken
    registry.send("register", LONG_NAME, b"brief", sender=holder)
    assert registry.call("entry", LONG_NAME)[3] == b"brief"
    registry.send("release", "short", sender=holder)
    assert registry.call("names") == ("", LONG_NAME)
    assert registry.call("entry", "short") == (ZERO, 0, False, b"")


def test_locks(registry: Deployed, accounts: list[str]) -> None:
    registry.send("register", LONG_NAME, b"", sender=accounts[1])
    registry.send("lock", LONG_NAME)
    locked = error_data("Locked(string)", LONG_NAME)
    assert registry.refusal("register", LONG_NAME, b"", sender=accounts[1]) == locked
    assert registry.refusal("release", LONG_NAME, sender=accounts[1]) == locked
    assert registry.refusal("lock", "other", sender=accounts[1]) == error_data("NotOwner(address)", accounts[1])


def test_packed_lists(registry: Deployed, accounts: list[str]) -> None:
    """32 of a uint8[] share a slot, and a pop clears its byte."""
    for value in range(34):
        registry.send("mark", value)
    assert registry.call("marks", accounts[0]) == tuple(range(34))
    for _ in range(34):
        registry.send("unmark")
    assert registry.refusal("unmark") == panic_data(0x31)
    assert registry.call("marks", accounts[0]) == ()


def test_what_deletion_leaves(registry: Deployed) -> None:
    before = registry.slots()
    registry.send("register", LONG_NAME, b"d" * 90)
    registry.send("release", LONG_NAME)
    grown = {key: value for key, value in registry.slots().items() if key not in before}
    assert grown == {}


def test_upgrades_are_guarded(registry: Deployed, node: zevm.Node, accounts: list[str], language: Language) -> None:
    target = logic(node, language)
    assert registry.refusal("upgradeToAndCall", target.address, b"", sender=accounts[1]) == error_data(
        "NotOwner(address)", accounts[1]
    )
    assert target.refusal("upgradeToAndCall", target.address, b"") == WRONG_CONTEXT
    assert registry.refusal("proxiableUUID") == WRONG_CONTEXT
    assert target.call("proxiableUUID") == IMPLEMENTATION_SLOT.to_bytes(32, "big")
    invalid = "ERC1967InvalidImplementation(address)"
    token = deploy(node, solidity("TwinToken"), 0)
    assert registry.refusal("upgradeToAndCall", token.address, b"") == error_data(invalid, token.address)
    assert registry.refusal("upgradeToAndCall", accounts[5], b"") == b""
    wrong_slot = error_data("UUPSUnsupportedProxiableUUID(bytes32)", (7).to_bytes(32, "big"))
    other = deploy(node, solidity("Receiver"))
    assert registry.refusal("upgradeToAndCall", other.address, b"") == wrong_slot
    assert registry.refusal("upgradeToAndCall", target.address, b"", value=1) == error_data("ERC1967NonPayable()")
    cut = target.call_data("migrate", "")[:-1]
    assert registry.refusal("upgradeToAndCall", target.address, cut) == error_data("FailedCall()")
    assert registry.call("UPGRADE_INTERFACE_VERSION") == "5.0.0"


def test_only_the_active_logic_upgrades(node: zevm.Node, accounts: list[str], language: Language) -> None:
    """A contract that delegates to the logic is its proxy only if its slot names the logic."""
    target, other = logic(node, language), logic(node, language)
    delegator = deploy(node, Code([], returning(DELEGATOR), {}))
    upgrade = bytes(12) + bytes.fromhex(target.address[2:]) + target.call_data("upgradeToAndCall", other.address, b"")
    not_owner = error_data("NotOwner(address)", accounts[0])
    for named, wanted in ((ZERO, WRONG_CONTEXT), (other.address, WRONG_CONTEXT), (target.address, not_owner)):
        slot = "0x" + named[2:].zfill(64)
        node.request("anvil_setStorageAt", delegator.address, hex(IMPLEMENTATION_SLOT), slot)
        assert delegator.try_call(upgrade).data == wanted


@pytest.mark.parametrize("first", LANGUAGES)
def test_one_storage_under_both_languages(node: zevm.Node, accounts: list[str], first: Language) -> None:
    """What either writes, the other reads, and goes on from: upgraded from one to the other and back."""
    second: Language = LANGUAGES[-1 - LANGUAGES.index(first)]
    logics = {language: logic(node, language) for language in LANGUAGES}
    proxy = proxy_to(logics[first], accounts[0], "A title that is longer than one slot of storage")
    wanted: list[str] = []
    for step, language in enumerate((first, second, first, second)):
        (upgraded,) = proxy.send("upgradeToAndCall", logics[language].address, b"").logs
        assert upgraded.topics[1][-40:] == logics[language].address[2:].lower()
        name = f"{language} {step} " + "x" * 12 * step
        proxy.send("register", name, b"z" * 20 * step, sender=accounts[step])
        proxy.send("mark", step)
        wanted.append(name)
        for reader in LANGUAGES:
            with node.anchor():
                proxy.send("upgradeToAndCall", logics[reader].address, b"")
                assert proxy.call("title") == "A title that is longer than one slot of storage"
                assert proxy.call("names") == tuple(wanted)
                assert [proxy.call("entry", each)[0] for each in wanted] == accounts[: step + 1]
                assert proxy.call("entry", name)[3] == b"z" * 20 * step
                assert proxy.call("marks", accounts[0]) == tuple(range(step + 1))
    proxy.send("upgradeToAndCall", logics[first].address, proxy.call_data("migrate", "moved"))
    assert (proxy.call("version"), proxy.call("title")) == (2, "moved")


def test_a_proxy_that_fails_to_initialise(node: zevm.Node, accounts: list[str], language: Language) -> None:
    target = logic(node, language)
    for data, refusal in (
        (b"", error_data("ERC1967ProxyUninitialized()")),
        (target.call_data("migrate", "")[:20], error_data("FailedCall()")),
        (target.call_data("lock", "name"), error_data("NotOwner(address)", accounts[0])),
    ):
        with pytest.raises(RevertedError) as caught:
            deploy(node, solidity("BoxProxy"), target.address, data)
        assert caught.value.data == refusal
