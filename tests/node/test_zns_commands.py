"""`zevm zns`, and names in place of addresses in other commands, on a node in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import zevm
from zevm.chain.calls.name_changes import RecordChanges, registration_call
from zevm.chain.rules.name_service import REGISTRAR_ADDRESS
from zevm.node.cli import main
from zevm.node.client import Client
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

OWNER, OTHER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Of OTHER."""
PLACE = "0x" + "c3" * 20
Run = Callable[..., str]


@pytest.fixture(scope="module")
def shared() -> Iterator[zevm.Node]:
    with zevm.Node() as running:
        running.serve()
        # answers its call data without the selector
        running.request("anvil_setCode", PLACE, "0x600436036004600037600436036000f3")
        yield running


@pytest.fixture
def node(shared: zevm.Node) -> Iterator[zevm.Node]:
    with shared.anchor():
        yield shared


@pytest.fixture
def run(node: zevm.Node, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against the node: what it prints, on standard error where it fails."""

    def run(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--rpc", node.url])
        printed = capsys.readouterr()
        assert ended.value.code == code, printed
        assert code == 0 or (printed.out == "" and printed.err.count("\n") == 1), printed
        return printed.err if code else printed.out

    return run


def test_a_name_from_its_registration_to_its_transfer(run: Run) -> None:
    run("zns", "register", "MyToken.ghost", "--contract", PLACE, "--text", "url=https://x.org", "--coin", "0=0x0014")
    shown = run("zns", "resolve", "mytoken.ghost")
    assert f"address: {zevm_checksum(PLACE)}\n" in shown
    assert f"contract: {zevm_checksum(PLACE)}\n" in shown
    assert f"owner: {OWNER}\n" in shown
    assert "text url: https://x.org\n" in shown
    before = json.loads(run("zns", "list", "--json"))
    run("zns", "renew", "mytoken.ghost", "--days", "10")
    run("zns", "transfer", "mytoken.ghost", OTHER)
    after = json.loads(run("zns", "list", "--owner", OTHER, "--json"))
    assert after == before | {"owner": OTHER, "expires": before["expires"] + 864_000, "until": after["until"]}
    assert run("zns", "list", "--owner", OWNER) == ""
    assert "not the sender's" in run("zns", "renew", "mytoken.ghost", code=1)
    run("zns", "renew", "mytoken.ghost", "--private-key", KEY)
    run("zns", "set", "mytoken.ghost", "--text", "url=", "--from", OTHER)
    assert "text url" not in run("zns", "resolve", "mytoken.ghost")


def test_names_below_a_name(run: Run) -> None:
    run("zns", "register", "mine.kz", "--address", OTHER)
    run("zns", "set", "shop.mine.kz", "--address", OWNER, "--reverse")
    run("zns", "set", "*.mine.kz", "--address", "mine.kz")
    assert f"address: {OWNER}\n" in run("zns", "resolve", "shop.mine.kz")
    assert f"address: {OTHER}\n" in run("zns", "resolve", "any.mine.kz")
    assert run("zns", "resolve", OWNER) == "shop.mine.kz\n"
    assert "the name above it, has another owner" in run(
        "zns", "set", "new.mine.kz", "--address", OTHER, "--from", OTHER, code=1
    )


def test_names_are_addresses_of_other_commands(run: Run) -> None:
    run("zns", "register", "echo.zns", "--contract", PLACE)
    run("zns", "register", "other.zns", "--address", OTHER)
    assert run("contract", "call", "echo.zns", "echo(address)(address)", "other.zns", "--from", "other.zns") == (
        f"{OTHER}\n"
    )
    assert "transaction: " in run("contract", "send", "echo.zns", "echo(address)", "other.zns", "--from", "other.zns")
    named = ("echo(address)", "other.zns", "--from", "other.zns")
    assert PLACE in run("wasm", "call", "echo.zns", *named, code=1)
    assert "succeeded" in run("profile", "--call", "echo.zns", *named)


def test_a_module_s_arguments_and_its_sender_have_names(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("zns", "register", "other.zns", "--address", OTHER)
    asked: list[Any] = []
    call = Client.call

    def listening(client: Client, method: str, *params: Any) -> Any:
        asked.append((method, params))
        return call(client, method, *params)

    monkeypatch.setattr(Client, "call", listening)
    run("wasm", "call", PLACE, "echo(address)", "other.zns", "--from", "other.zns", code=1)
    method, (fields, _) = asked[-1]
    assert (method, fields["from"]) == ("zvm_executeFunction", OTHER.lower())
    assert fields["arguments"] == "0x" + OTHER[2:].lower().rjust(64, "0")


def test_a_name_of_bytes_that_are_no_text_is_listed(run: Run, node: zevm.Node) -> None:
    data = registration_call("??.ghost", Address(bytes.fromhex(OWNER[2:])), 86_400, RecordChanges())
    fields = {
        "from": OWNER,
        "to": "0x" + REGISTRAR_ADDRESS.hex(),
        "data": "0x" + data.replace(b"??", b"\xff\xfe").hex(),
    }
    node.request("eth_sendTransaction", fields)
    assert run("zns", "list").startswith("\ufffd\ufffd.ghost\t")


@pytest.mark.parametrize("returned", ["5f5460205260205ff3", "60205f525f1960205260405ff3"])
def test_another_contract_in_the_place_of_the_registrar_is_told(run: Run, node: zevm.Node, returned: str) -> None:
    node.request("anvil_setCode", "0x" + REGISTRAR_ADDRESS.hex(), "0x" + returned)
    assert "has another contract in the place of the registrar" in run("zns", "list", code=1)


def test_a_time_beyond_the_calendar_is_told(run: Run, node: zevm.Node) -> None:
    node.request("evm_setNextBlockTimestamp", 2**50)
    run("zns", "register", "late.kz", "--address", OTHER)
    assert f"expires: {2**50 + 365 * 86_400} seconds after 1970\n" in run("zns", "resolve", "late.kz")
    assert "seconds after 1970" in run("zns", "list")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["zns", "register", "x.eth"], "x.eth: not directly below .ghost, .gcc, .zns, .kz, .zkellz or .bc"),
        (["zns", "register", "a.b.ghost"], "a.b.ghost: below b.ghost, whose owner makes it: `zevm zns set a.b.ghost`"),
        (["zns", "register", "a b.ghost"], "'a b.ghost' is no name"),
        (["zns", "register", "resolver.ghost", "--owner", "0x12"], "--owner 0x12: not an address"),
        (["zns", "register", "x.ghost", "--owner", "nobody.ghost"], "nobody.ghost is not registered"),
        (["zns", "register", "x.ghost", "--owner", f"0x{0:040x}"], "x.ghost: the zero address owns no name"),
        (["zns", "register", "x.ghost", "--contenthash", "zz"], "--contenthash zz: not whole bytes in hex"),
        (["zns", "register", "x.ghost", "--coin", "60=0x12"], "x.ghost: an address of a chain of the EVM"),
        (["zns", "register", "x.ghost", "--coin", "x=0x12"], "the coin's type is a number"),
        (["zns", "register", "x.ghost", "--coin", f"{2**256}=0x12"], "the coin's type is a number"),
        (["zns", "register", "x.ghost", "--text", "url"], "url: want --text KEY=VALUE"),
        (["zns", "set", "nobody.ghost"], "nothing to set"),
        (["zns", "set", "nobody.ghost", "--address", OTHER], "nobody.ghost is not registered, or has expired"),
        (["zns", "set", "nobody.eth", "--ttl", "5"], "nobody.eth is not registered, or has expired"),
        (["zns", "set", "*.nobody.ghost", "--address", OTHER], "nobody.ghost is not there, below which"),
        (["zns", "register", "x.ghost", "--address", "0x0"], "--address 0x0: not an address (0x and 40 hex digits)"),
        (["zns", "register", "x.ghost", "--address", "me"], "--address me: not an address (0x and 40 hex digits)"),
        (["zns", "renew", "nobody.ghost"], "nobody.ghost: not registered, or expired"),
        (["zns", "transfer", "nobody.ghost", OTHER], "nobody.ghost: not registered, or expired"),
        (["zns", "resolve", "nobody.ghost"], "nobody.ghost is not registered on the chain"),
        (["zns", "resolve", "mytoken"], ", whose names end in .ghost, .gcc, .zns, .kz, .zkellz, .bc"),
        (["zns", "resolve", "nobody.eth"], ", whose names end in .ghost, .gcc, .zns, .kz, .zkellz, .bc"),
        (["zns", "resolve", "\udcff.ghost"], r"b'\xff.ghost' is no text in UTF-8"),
        (["zns", "register", "x.ghost", "--text", "k\udcff=v"], r"b'k\xff=v' is no text in UTF-8"),
        (["contract", "call", "resolver.eth", "f(string)", "\udcff"], r"b'\xff' is no text in UTF-8"),
        (["zns", "register", "x.ghost", "--text", "a=1", "--text", "a=2"], "--text a: given twice"),
        (["zns", "register", "x.ghost", "--coin", "0=0x12", "--coin", "00=0x13"], "--coin 0: given twice"),
        (["zns", "set", "a.b.nobody.ghost", "--address", OTHER], "b.nobody.ghost is not there"),
        (["contract", "call", OTHER, "f()(uint256)"], f"{OTHER} has no code on the chain"),
        (["zns", "resolve", OTHER], f"the address {OTHER} has no name"),
        (["zns", "resolve", ""], "the name is empty"),
        (["contract", "call", "nobody.ghost", "f()"], "nobody.ghost is not registered on the chain"),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: list[str], told: str) -> None:
    assert told in run(*arguments, code=2 if "no text" in told else 1)


def test_the_time_that_others_may_keep_a_name_for(run: Run, node: zevm.Node) -> None:
    run("zns", "register", "kept.ghost", "--address", OTHER)
    assert run("zns", "set", "kept.ghost", "--ttl", "300").count("transaction: ") == 1
    run("zns", "set", "below.kept.ghost", "--address", OTHER, "--ttl", str(2**64 - 1))
    found = [node.request("zns_resolve", name)["ttl"] for name in ("kept.ghost", "below.kept.ghost")]
    assert found == [300, 2**64 - 1]
    assert "has another owner" in run("zns", "set", "kept.ghost", "--ttl", "5", "--from", OTHER, code=1)


def zevm_checksum(address: str) -> str:
    """EIP-55's form, by its definition."""
    digits = address[2:].lower()
    hashed = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) > 7 else digit for digit, nibble in zip(digits, hashed, strict=False)
    )
