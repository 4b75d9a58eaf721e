"""`zevm contract`: a project from its first line to a call of what it deployed, and what each command refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.contracts import CACHE
from testing.node_process import NodeProcess, RpcConnection
from tests.node.conftest import Here, Start
from zevm.contracts.artifact import load_artifact
from zevm.contracts.project import Project
from zevm.contracts.scaffold import PROJECTS, create_project
from zevm.contracts.sections import abi_of
from zevm.node.commands.contract_options import once

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
BOB_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

BANK = """
const covenant = @import("covenant");
const Address = covenant.Address;

pub const Terms = struct { rate: u64, note: covenant.String };

pub const Bank = struct {
    pub const storage = covenant.layout(struct { owner: Address, rate: u64 });
    pub const payable = .{"deposit"};
    pub const view = .{ "owner", "sum" };

    pub fn constructor(owner_: Address, rates: []const u64, terms: Terms) void {
        _ = rates;
        storage.owner.set(owner_);
        storage.rate.set(terms.rate);
    }
    pub fn owner() Address {
        return storage.owner.get();
    }
    pub fn deposit() void {}
    pub fn sum(a: u256, b: u256) u256 {
        return a + b;
    }
};

comptime {
    covenant.define(Bank);
}
"""


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(CACHE))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of the commands, with a token of the template."""
    folder = tmp_path / "token"
    create_project(folder, "zig")
    for item in folder.iterdir():
        item.rename(tmp_path / item.name)
    folder.rmdir()
    return tmp_path


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "bank.zig").write_text(BANK)
    return tmp_path


@pytest.fixture
def node(start: Start, monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    started = start("--memory")
    monkeypatch.setenv("ETH_RPC_URL", started.url)
    return started


@pytest.fixture
def rpc(node: NodeProcess) -> Iterator[RpcConnection]:
    with node.connect() as connection:
        yield connection


def done(here: Here, *arguments: str) -> list[str]:
    told = here("contract", *arguments)
    assert told.code == 0, told.err
    return told.out.splitlines()


@pytest.mark.slow
def test_from_the_source_to_a_call(project: Path, here: Here, node: NodeProcess) -> None:
    (built,) = done(here, "build")
    assert built.startswith("out/token.zig/Token.json: ")
    address = done(here, "deploy")[0].removeprefix("address: ")
    assert done(here, "call", "Token", "balanceOf", ALICE) == ["1000000"]
    transaction, _, event = done(here, "send", "Token", "transfer", BOB, "5")
    assert transaction.startswith("transaction: 0x")
    assert event == f"event: Transfer(from={ALICE}, to={BOB}, value=5)"
    for target in ("Token", address, address.lower()):
        for function in ("balanceOf", "balanceOf(address)", "balanceOf(address)(uint256)"):
            assert done(here, "call", target, function, BOB) == ["5"]
    assert done(here, "call", address, "balanceOf(address)(uint256)", BOB, "--out", "elsewhere") == ["5"]
    assert json.loads(done(here, "call", "Token", "balanceOf", BOB, "--json")[0]) == "0x" + "5".rjust(64, "0")
    done(here, "send", "Token", "transfer", ALICE, "1", "--from", BOB)
    done(here, "send", "Token", "transfer", ALICE, "1", "--private-key", BOB_KEY)
    assert done(here, "call", "Token", "balanceOf", BOB) == ["3"]
    for command in ("call", "send"):
        refused = here("contract", command, "Token", "transfer", BOB, "2000000")
        assert refused.code == 1
        assert refused.err.startswith("zevm: ")
        assert "execution reverted: InsufficientBalance(" in refused.err
        assert "eth_" not in refused.err
    artifact = load_artifact(project / "out" / "token.zig" / "Token.json")
    with node.connect() as connection:
        assert connection.call("eth_getCode", address, "latest") == "0x" + artifact.deployed_bytecode.hex()


@pytest.mark.slow
def test_the_template_passes_its_own_test_and_each_language_has_one(tmp_path: Path) -> None:
    for language in PROJECTS:
        arguments = create_project(tmp_path / f"my-{language}", language)
        assert Project.at(tmp_path / f"my-{language}").sources()
        readme = (tmp_path / f"my-{language}" / "README.md").read_text()
        assert "zevm contract build" in readme
        assert f"zevm contract deploy {arguments}".rstrip() in readme
        assert "{{" not in readme


def test_a_sentence_that_is_told_twice_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell = once()
    for sentence in ("compiling a.zig ...", "compiling a.zig ...", "compiling b.zig ..."):
        tell(sentence)
    assert capsys.readouterr().err == "compiling a.zig ...\ncompiling b.zig ...\n"


@pytest.mark.slow
def test_what_a_build_leaves(bank: Path, here: Here) -> None:
    done(here, "build")
    first = {file.name: file.read_bytes() for file in (bank / "out" / "bank.zig").iterdir()}
    assert first.keys() == {"Bank.json", "Bank.wasm", "Bank.debug.wasm"}
    document = json.loads(first["Bank.json"])
    assert document["methodIdentifiers"]["sum(uint256,uint256)"] == "cad0899b"
    assert [item["label"] for item in document["storageLayout"]["storage"]] == ["owner", "rate"]
    assert document["metadata"]["settings"]["compilationTarget"] == {"src/bank.zig": "Bank"}
    assert document["metadata"]["sources"].keys() >= {"src/bank.zig", "lib/covenant/covenant.zig"}
    assert {"src/bank.zig", "lib/covenant/contract.zig"} <= set(document["sourceMapV3"]["sources"])
    assert abi_of(first["Bank.wasm"]) == ("Bank", document["abi"])
    assert document["bytecode"]["object"].startswith(document["deployedBytecode"]["object"])
    done(here, "build")
    again = {file.name: file.read_bytes() for file in (bank / "out" / "bank.zig").iterdir()}
    assert again["Bank.json"] == first["Bank.json"]
    assert again["Bank.wasm"] == first["Bank.wasm"]
    assert done(here, "abi")[0] == "constructor(address owner_, uint64[] rates, (uint64,string) terms)"
    assert json.loads("\n".join(done(here, "abi", "Bank", "--json"))) == document["abi"]
    for field, member in (("bytecode", "bytecode"), ("deployedBytecode", "deployedBytecode")):
        assert done(here, "inspect", "Bank", field) == [document[member]["object"]]
    for field in ("methodIdentifiers", "storageLayout", "metadata"):
        assert json.loads("\n".join(done(here, "inspect", "bank.zig:Bank", field))) == document[field]
    shown = "\n".join(done(here, "inspect"))
    assert "src/bank.zig:Bank, Zig" in shown
    assert "vm_hooks.read_args" in shown
    smaller = done(here, "build", "--unchecked", "--out", "small")
    assert smaller[0].startswith("small/bank.zig/Bank.json: ")


GOOD = (ALICE, "[1,2]", '(7,"a note")')
WRONG_CONSTRUCTIONS = {
    "missing": ((), "the constructor of Bank takes (address owner_, uint64[] rates, (uint64,string) terms): 0 given"),
    "one missing": (GOOD[:2], "takes (address owner_, uint64[] rates, (uint64,string) terms): 2 given"),
    "surplus": ((*GOOD, "5"), "takes (address owner_, uint64[] rates, (uint64,string) terms): 4 given"),
    "no address": (("0x12", *GOOD[1:]), "0x12: not an address (0x and 40 hex digits)"),
    "no list": ((GOOD[0], "1", GOOD[2]), "1: not a uint64[]; write it in []"),
    "too large": ((GOOD[0], f"[{2**64}]", GOOD[2]), f"{2**64}: not a uint64 (0 to {2**64 - 1})"),
    "a tuple too short": ((*GOOD[:2], "(7)"), "1 values for (uint64,string)"),
    "wei": ((*GOOD, "--value", "1"), "the constructor of Bank accepts no wei: 1 given"),
    "other types": ((*GOOD, "--constructor", "uint256,bool,bool"), "takes (address,uint64[],(uint64,string))"),
    "no constructor, and arguments": ((*GOOD, "--no-constructor"), "--no-constructor with 3 arguments"),
}


@pytest.mark.slow
def test_wrong_constructor_arguments_are_told_before_anything_is_sent(
    bank: Path, here: Here, rpc: RpcConnection
) -> None:
    done(here, "build")
    for case, (arguments, message) in WRONG_CONSTRUCTIONS.items():
        for target in ("Bank", "out/bank.zig/Bank.json", "out/bank.zig/Bank.wasm"):
            refused = here("contract", "deploy", target, *arguments)
            assert refused.code == 1, case
            assert message in refused.err, case
            assert "Traceback" not in refused.err
    assert rpc.call("eth_blockNumber") == "0x0"
    assert not (bank / "out" / "deployments.json").exists()
    done(here, "deploy", "Bank", *GOOD)
    assert done(here, "call", "Bank", "owner") == [ALICE]
    for target in ("Bank", "out/bank.zig/Bank.wasm"):
        done(here, "deploy", target, "--no-constructor")
    assert done(here, "call", "Bank", "owner") == ["0x0000000000000000000000000000000000000000"]
    assert done(here, "deploy", "Bank", *GOOD, "--creation") == done(
        here, "deploy", "out/bank.zig/Bank.wasm", *GOOD, "--creation"
    )
    for arguments, message in (
        (("call", "Bank", "sum", "1"), "sum: 1 argument for 2 parameters"),
        (("call", "Bank", "sum", "1", "x"), "x: not a uint256"),
        (("call", "Bank", "sums", "1", "2"), "no function sums: there are owner(), deposit(), sum(uint256,uint256)"),
        (("send", "Bank", "sum", "1", "2", "--value", "3"), "sum(uint256,uint256) accepts no wei: 3 given"),
        (("call", "Bank", "sum", str(2**256 - 1), "1"), "arithmetic underflow or overflow"),
        (("call", "Banks", "sum"), "no contract Banks in"),
        (("deploy", *GOOD), "there are bank.zig:Bank; the contract's name comes before its arguments"),
        (("call", ALICE, "sum"), "write the signature"),
        (("inspect", "Bank", "colour"), "colour: there are abi, bytecode"),
    ):
        refused = here("contract", *arguments)
        assert refused.code == 1, arguments
        assert message in refused.err
    (bank / "src" / "bank.zig").write_text(BANK + "\n")
    stale = here("contract", "deploy", "Bank", *GOOD)
    assert "src/bank.zig has changed since Bank was built: run `zevm contract build`" in stale.err


def test_new_refuses_what_it_cannot_make(tmp_path: Path, here: Here) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for arguments, message in (
        (("full",), "full is there already; choose another name"),
        (("1token",), "'1token' is no name for a project"),
        (
            ("token", "--lang", "cobol"),
            "cobol: no language of a project; there are zig, c, assemblyscript, ",
        ),
    ):
        refused = here("contract", "new", *arguments)
        assert refused.code == 1
        assert message in refused.err
    assert not (tmp_path / "token").exists()


@pytest.mark.lengthy
def test_commands_without_a_project_say_what_to_do(here: Here) -> None:
    for arguments, message in (
        (("build",), "or begin a project with `zevm contract new NAME --lang zig`"),
        (("build", "absent.zig"), "absent.zig: there is no such file"),
        (("build", "note.txt"), "no compiler for .txt"),
        (("test",), "has no tests: want tests in src/*.zig, foundry.toml or tests/test_*.py"),
        (("deploy",), "no artifact in"),
        (("abi", "Token"), "no artifact in"),
        (("inspect", "absent.wasm"), "absent.wasm: cannot be read: No such file"),
        (("build", "--root", "nowhere"), "--root nowhere: there is no such folder"),
    ):
        refused = here("contract", *arguments)
        assert refused.code == 1, arguments
        assert message in refused.err, arguments
