"""`zevm quic`: execute, deploy and stats against a node in this process, and options that cannot be used."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_abi import encode

import zevm
from testing.wasm_modules import box, maths
from tests.chain.zvm.contracts import contract
from zevm.chain.zvm.module.creation import stripped
from zevm.contracts.artifact import module_artifact
from zevm.contracts.sections import custom_section
from zevm.node.cli import main

Run = Callable[..., tuple[int, str, str]]
KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


CONSTRUCTOR = {
    "type": "constructor",
    "inputs": [{"name": "supply", "type": "uint256"}],
    "stateMutability": "nonpayable",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quic")
    (folder / "maths.wasm").write_bytes(maths())
    (folder / "box.wasm").write_bytes(box())
    (folder / "named.wasm").write_bytes(stripped(box()) + custom_section("name", bytes(range(256)) * 16))
    (folder / "asking.wasm").write_bytes(stripped(contract("(drop (call $is_constructing))")))
    described = module_artifact(
        "Described", "box.zig", "Zig", stripped(box()), abi=[CONSTRUCTOR], takes_arguments=True, metadata={}
    )
    (folder / "Described.wasm").write_bytes(described.module_with_abi or b"")
    (folder / "alone.json").write_text(json.dumps(described.as_json()))
    (folder / "evm.json").write_text(
        json.dumps({"contractName": "Counter", "abi": [], "bytecode": "0x6000", "deployedBytecode": "0x6000"})
    )
    (folder / "half.json").write_text('{"abi": [')
    (folder / "endless.wasm").symlink_to("/dev/zero")
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    with zevm.Node(folder / "chain", quic_port=number):
        yield number


@pytest.fixture
def run(folder: Path, port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def once(*arguments: str, node: str = f"127.0.0.1:{port}") -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["quic", arguments[0], "--node", node, "--datadir", "chain", *arguments[1:]])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return once


def test_from_a_file_to_a_contract(run: Run, folder: Path) -> None:
    assert run("execute", "maths.wasm", "gcd", "54", "24")[:2] == (0, "6\n")
    code, told, _ = run("deploy", "box.wasm", "7", "--constructor", "uint256")
    assert code == 0
    address = told.strip()
    assert run("execute", address, "get()(uint256)")[:2] == (0, "7\n")
    code, told, _ = run("execute", "maths.wasm", "gcd", "54", "24", "--json", "--gas", "--private-key", KEY)
    assert (code, json.loads(told)["status"], int(json.loads(told)["returnValue"], 16)) == (0, "success", 6)
    figures = dict(line.split(": ") for line in run("stats")[1].splitlines())
    assert figures["total_executions_started"] == "4"
    assert json.loads(run("stats", "--json")[1])["active_executions"] == 0
    assert (folder / "chain/quic-ca.pem").exists()


@pytest.mark.parametrize("file", ["Described.wasm", "alone.json"])
def test_a_file_with_an_abi_knows_its_constructor(run: Run, file: str) -> None:
    code, told, error = run("deploy", file, "9", "--json")
    assert code == 0, error
    address = "0x" + json.loads(told)["returnValue"][2:]
    assert run("execute", address, "get()(uint256)")[:2] == (0, "9\n")
    assert run("execute", file, "get()(uint256)")[:2] == (0, "0\n")


def test_names_and_debug_information_cost_nothing(run: Run) -> None:
    gas = [
        json.loads(run("deploy", file, "7", "--constructor", "uint256", "--json")[1])["gasUsed"]
        for file in ("box.wasm", "named.wasm")
    ]
    assert gas[0] == gas[1]


def test_an_unknown_authority_is_told_with_its_remedies(run: Run, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "chain/quic-ca.pem", tmp_path)
    other = tmp_path / "other"
    with zevm.Node(other, quic_port=0):
        pass
    for authority in (("--ca", str(other / "quic-ca.pem")), ("--datadir", str(tmp_path / "nowhere"))):
        code, told, error = run("stats", *authority)
        assert (code, told, error.count("\n")) == (1, "", 1)
        assert "its certificate is not trusted (unable to get local issuer certificate)" in error
        assert "--ca FILE" in error
        assert "--server-key HASH" in error
    assert run("stats", "--ca", str(tmp_path / "quic-ca.pem"), "--datadir", str(tmp_path / "nowhere"))[0] == 0


def test_words_of_call_data(run: Run) -> None:
    value = "0x" + encode(["uint256"], [5]).hex()
    code, told, _ = run("deploy", "box.wasm", "1", "--constructor", "uint256", "--json")
    address = "0x" + json.loads(told)["returnValue"][2:]
    code, told, _ = run("execute", address, "set(uint256)", "--data", value, "--json")
    assert (code, json.loads(told)["modifiedState"] != "0x") == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("execute", "maths.wasm", "gcd", "54", "24", "--gas-limit", "10"), "out_of_gas"),
        (("execute", "maths.wasm", "lcm", "1", "2"), "invalid_function: no such function: lcm"),
        (("execute", "maths.wasm", "gcd", "1", "two"), "two: not an integer"),
        (("execute", "absent.wasm", "gcd", "1", "2"), "absent.wasm: cannot be read"),
        (("execute", "maths.wasm", "--data", "0xzz"), "--data 0xzz: not hexadecimal"),
        (("execute", "maths.wasm", "gcd", "1", "2", "--from", "me"), "authentication_failed"),
        (("execute", "maths.wasm", "gcd", "1", "2", "--private-key", KEY, "--chain-id", "1"), "authentication_failed"),
        (("execute", "maths.wasm", "gcd", "1", "2", "--server-key", "00"), "--server-key 00: want 64 hex digits"),
        (("execute", "maths.wasm", "gcd", "1", "2", "--server-key", "11" * 32), "has the key 0x"),
        (("execute", "maths.wasm", "gcd", "1", "2", "--ca", "absent.pem"), "absent.pem: cannot be read"),
        (("execute", "maths.wasm", "gcd", "1", "2", "--ca", "maths.wasm"), "maths.wasm: no certificate in PEM"),
        (("deploy", "box.wasm", "7"), "1 value without --constructor TYPES"),
        (("deploy", "asking.wasm"), "asking.wasm has a constructor, which runs in the creation or never"),
        (("deploy", "Described.wasm"), "the constructor of Described takes (uint256 supply): 0 given"),
        (("deploy", "evm.json"), "evm.json: Counter is EVM code, not a WebAssembly module"),
        (("deploy", "absent.wasm"), "absent.wasm: cannot be read: no such file or directory"),
        (("execute", "evm.json", "get()"), "evm.json: Counter is EVM code, not a WebAssembly module"),
        (("execute", "half.json", "get()"), "half.json: not an artifact in Foundry's form"),
        (("execute", "", "get()"), "and it is no address"),
        (("execute", "maths.wasm", "f" * 65_536), "a field has 65536 bytes, and its length 16 bits"),
        (("execute", "endless.wasm", "gcd"), "endless.wasm: more than 16777216 bytes, which no module has"),
        (("deploy", "endless.wasm"), "endless.wasm: more than 16777216 bytes, which no module has"),
        (("deploy", "box.wasm", "--from", "0x" + "12" * 20), "authentication_failed: unknown account"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, told, error = run(*arguments)
    assert (code, told) == (1, "")
    assert message in error
    assert error.count("\n") == 1


def test_a_chain_s_number_is_one_that_a_chain_can_have(run: Run) -> None:
    code, _, error = run("execute", "maths.wasm", "gcd", "1", "2", "--private-key", KEY, "--chain-id", str(2**256))
    assert (code, error.count("\n")) == (2, 1)
    assert "'--chain-id': want at most 9223372036854775807" in error


@pytest.mark.parametrize("node", ["127.0.0.1:0", "127.0.0.1:99999", "[::1", "http://127.0.0.1:8545"])
def test_a_node_is_an_address_and_a_port(run: Run, node: str) -> None:
    assert run("stats", node=node) == (1, "", f"zevm: --node {node}: want HOST:PORT, as 127.0.0.1:8545\n")


def test_a_node_that_is_not_there(run: Run) -> None:
    code, _, error = run("stats", node="no-such-host.invalid:1")
    assert code == 1
    assert error.startswith("zevm: no-such-host.invalid: no such host name")
