"""`zevm wasm`: inspect, validate, deploy and call; with a real node where one is needed.

Each command also runs as a process of its own once; otherwise the command line is read in this one.
"""

import json
import subprocess
from pathlib import Path

import brotli
import pytest
from eth_abi import encode

from testing.node_process import NodeProcess
from testing.wasm_modules import REVERT_DATA, box, floats, maths, selector, unknown
from tests.chain.zvm.contracts import contract
from tests.node.conftest import Command, Start
from zevm.chain.zvm.module.creation import constructor_payload, creation_data, stripped
from zevm.chain.zvm.price_table import STYLUS, ZVM
from zevm.node.cli import main

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
BOB_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@pytest.fixture(autouse=True)
def modules(tmp_path: Path) -> None:
    """box.wasm and others in the command's folder."""
    files = {"box": box(), "maths": maths(), "floats": floats(), "unknown": unknown()}
    files["pressed"] = b"\xef\xf0\0\0" + brotli.compress(box())
    for name, content in files.items():
        (tmp_path / f"{name}.wasm").write_bytes(content)


@pytest.fixture
def inside(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process, as `zevm` runs it in another."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def node(start: Start) -> NodeProcess:
    return start("--memory")


def _words(text: str) -> list[list[str]]:
    return [line.replace("│", " ").split() for line in text.splitlines()]


def test_inspect(zevm: Command, inside: Command) -> None:
    told = zevm("wasm", "inspect", "box.wasm")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("box.wasm: a contract, raw\n")
    rows = _words(told.stdout)
    assert ["vm_hooks.read_args", "i32", "to", "none", "43,440"] in rows
    assert ["add", "i64", "i64", "to", "i64"] in rows
    assert "memory: 1 to 1 pages of 64 KiB" in told.stdout
    assert ["stored", "bytes", f"{200 * len(box()):,}"] in rows
    assert ["by", "the", "guide's", "rule", "of", "thumb", f"{10_000 + 10 * len(box()):,}"] in rows
    assert inside("wasm", "inspect", "pressed.wasm").stdout.startswith("pressed.wasm: a contract, compressed\n")
    stylus = inside("wasm", "inspect", "box.wasm", "--schedule", "stylus")
    assert ["vm_hooks.read_args", "i32", "to", "none", "13,440"] in _words(stylus.stdout)
    assert STYLUS.entry.gas != ZVM.entry.gas


def test_inspect_tells_why_a_module_is_refused(inside: Command) -> None:
    told = inside("wasm", "inspect", "unknown.wasm")
    assert told.returncode == 1
    assert told.stdout.startswith("unknown.wasm: invalid module (import): there is no function vm_hooks.steal\n")
    assert ["vm_hooks.steal", "none", "to", "none", "none", "such"] in _words(told.stdout)
    library = inside("wasm", "inspect", "maths.wasm")
    assert library.returncode == 1
    assert "(memory): there must be a memory, exported as memory; its functions can still be run" in library.stdout


def test_validate(zevm: Command, inside: Command) -> None:
    sound = zevm("wasm", "validate", "box.wasm", "pressed.wasm")
    assert (sound.returncode, sound.stdout) == (0, "box.wasm: valid\npressed.wasm: valid\n")
    mixed = inside("wasm", "validate", "box.wasm", "unknown.wasm", "floats.wasm")
    assert mixed.returncode == 1
    lines = mixed.stdout.splitlines()
    assert lines[0] == "box.wasm: valid"
    assert lines[1].startswith("unknown.wasm: invalid module (import): ")
    assert lines[2].startswith("floats.wasm: invalid module (")


def test_what_cannot_be_read_or_is_no_schedule(inside: Command) -> None:
    for arguments, message in (
        (("validate", "absent.wasm"), "zevm: absent.wasm: cannot be read: no such file or directory\n"),
        (("inspect", "box.wasm", "--schedule", "gold"), "zevm: --schedule gold: there are stylus, zvm, covenant\n"),
        (
            ("call", "absent.wasm", "add"),
            "zevm: absent.wasm: cannot be read: no such file or directory, and it is no address\n",
        ),
        (("deploy", "unknown.wasm", "--creation"), "zevm: unknown.wasm: invalid module (import): there is no function"),
    ):
        refused = inside("wasm", *arguments)
        assert refused.returncode == 1
        assert refused.stderr.startswith(message), refused.stderr


def test_creation_data_needs_no_node(inside: Command) -> None:
    plain = stripped(box())
    for arguments, expected in (
        ((), creation_data(plain, compress=True)),
        (("--no-compress",), creation_data(plain)),
        (("--compress",), creation_data(plain, compress=True)),
        (("--constructor", "", "--no-compress"), creation_data(plain, constructor_payload(b""))),
        (
            ("--constructor", "uint256,string,(bool,int8)[]", "5", "five, six", "[(true,-1)]"),
            creation_data(
                plain,
                constructor_payload(
                    encode(["uint256", "string", "(bool,int8)[]"], [5, "five, six", [(True, -1)]]),
                ),
                compress=True,
            ),
        ),
    ):
        told = inside("wasm", "deploy", "box.wasm", *arguments, "--creation", "--port", "1")
        assert told.stdout == f"0x{expected.hex()}\n", told.stderr


def test_z15_a_module_is_stripped_and_compressed_unless_it_is_told_otherwise(inside: Command, tmp_path: Path) -> None:
    plain = stripped(box())
    assert len(plain) < len(box())
    named = plain + b"\0\x0a\x04name" + b"names"
    (tmp_path / "named.wasm").write_bytes(named)

    def told(*arguments: str) -> bytes:
        answer = inside("wasm", "deploy", str(tmp_path / "named.wasm"), "--creation", *arguments)
        assert answer.returncode == 0, answer.stderr
        return bytes.fromhex(answer.stdout.strip()[2:])

    assert told() == creation_data(plain, compress=True)
    assert told("--no-strip") == creation_data(named, compress=True)
    assert told("--no-compress") == plain
    assert told("--no-compress", "--no-strip") == named
    assert len(told()) < len(plain)


def test_z5_a_module_with_a_constructor_is_not_deployed_without_it(inside: Command, tmp_path: Path) -> None:
    asking = stripped(contract("(drop (call $is_constructing))"))
    (tmp_path / "asking.wasm").write_bytes(asking)
    common = ("wasm", "deploy", str(tmp_path / "asking.wasm"), "--creation", "--no-compress")
    refused = inside(*common)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "has a constructor" in refused.stderr
    assert "--no-constructor" in refused.stderr
    assert inside(*common, "--no-constructor").stdout == f"0x{asking.hex()}\n"
    assert inside(*common, "--constructor", "").stdout == f"0x{creation_data(asking, constructor_payload(b'')).hex()}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("5",), "1 value without --constructor TYPES"),
        (("--constructor", "uint256"), "0 arguments for 1 parameter (uint256)"),
        (("--constructor", "uint257", "5"), "uint257: not a type of Solidity's ABI"),
        (("--constructor", "uint8", "256"), "256: not a uint8 (0 to 255)"),
        (("--constructor", "address", "0x12"), "0x12: not an address (0x and 40 hex digits)"),
        (("--constructor", "bytes", "12"), "12: not a bytes"),
        (("--constructor", "bool[]", "true"), "true: not a bool[]; write it in []"),
    ],
)
def test_constructors_that_do_not_fit(inside: Command, arguments: tuple[str, ...], message: str) -> None:
    refused = inside("wasm", "deploy", "box.wasm", *arguments, "--creation")
    assert refused.returncode == 1
    assert message in refused.stderr


def _fields(told: str) -> dict[str, str]:
    return dict(line.split(": ") for line in told.splitlines())


def test_deploy_and_call(zevm: Command, inside: Command, node: NodeProcess) -> None:
    port = str(node.port)
    deployed = zevm("wasm", "deploy", "box.wasm", "--constructor", "uint256", "77", "--port", port)
    assert deployed.returncode == 0, deployed.stderr
    fields = _fields(deployed.stdout)
    address = fields["address"]
    with node.connect() as client:
        receipt = client.call("eth_getTransactionReceipt", fields["transaction"])
        assert receipt["contractAddress"] == address.lower()
        assert (receipt["from"], int(receipt["gasUsed"], 16)) == (ALICE.lower(), int(fields["gas"]))
    got = zevm("wasm", "call", address, "get()(uint256)", "--rpc", node.url, "--gas")
    assert got.stdout == "77\n", got.stderr
    assert 0 < int(got.stderr.removeprefix("gas: ")) < 10_000
    assert inside("wasm", "call", address, "get()", "--port", port).stdout == f"0x{77:064x}\n"
    before = inside("wasm", "call", address, "get()(uint256)", "--port", port, "--block", "0")
    assert before.returncode == 1
    assert before.stderr.startswith("zevm: invalid_function: no WebAssembly contract at 0x")
    setting = inside("wasm", "call", address, "set(uint256)", "9", "--from", BOB, "--value", "3", "--json", "-p", port)
    changes = json.loads(setting.stdout)["modifiedState"]
    assert changes[address.lower()]["storage"][f"0x{0:064x}"]["after"] == f"0x{9:064x}"
    assert changes[BOB.lower()].keys() == {"balance"}
    assert inside("wasm", "call", "maths.wasm", "gcd", "12", "18", "--port", port).stdout == "6\n"


def test_deploy_with_a_key_and_from_another_account(inside: Command, node: NodeProcess) -> None:
    common = ("wasm", "deploy", "box.wasm", "--compress", "--json", "--rpc", node.url)
    signed = inside(*common, "--private-key", BOB_KEY, "--gas-limit", "1000000")
    assert signed.returncode == 0, signed.stderr
    receipt = json.loads(signed.stdout)
    assert (receipt["from"], receipt["status"]) == (BOB.lower(), "0x1")
    unlocked = json.loads(inside(*common, "--from", BOB).stdout)
    assert unlocked["from"] == BOB.lower()
    with node.connect() as client:
        assert client.call("eth_getCode", unlocked["contractAddress"]).startswith("0xeff000")
        assert client.call("eth_getTransactionCount", BOB, "latest") == "0x2"


def test_deployments_that_fail(inside: Command, node: NodeProcess) -> None:
    port = str(node.port)
    for arguments, message in (
        (("--constructor", "uint256", "0"), "zevm: execution reverted: box is shut"),
        (("--constructor", "uint256", "0", "--gas-limit", "2000000"), "failed, gas used "),
        (("--from", "0x" + "d0" * 20), "zevm: unknown account"),
        (("--private-key", "0x12"), "--private-key: not a private key: want 64 hex digits"),
    ):
        refused = inside("wasm", "deploy", "box.wasm", *arguments, "--port", port)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert message in refused.stderr
        assert "0x12" not in refused.stderr
    nobody = inside("wasm", "deploy", "box.wasm", "--rpc", "http://127.0.0.1:9")
    assert nobody.returncode == 1
    assert "no node answers at http://127.0.0.1:9" in nobody.stderr


def test_functions_of_a_file_need_no_node(inside: Command) -> None:
    for arguments, result in (
        (("maths.wasm", "gcd", "12", "18"), "6\n"),
        (("box.wasm", "add", "-5", "0x3"), f"{2**64 - 2}\n"),
        (("box.wasm", "get()(uint256)"), "0\n"),
        (("box.wasm", "set(uint256)", "4"), "0x\n"),
        (("box.wasm", "user_entrypoint", "--data", "0x" + selector("get()").hex()), f"0x{0:064x}\n"),
        (("pressed.wasm", "copy", "--data", "0x0102"), "0x0102\n"),
    ):
        told = inside("wasm", "call", *arguments)
        assert (told.returncode, told.stdout) == (0, result), told.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("box.wasm", "set(uint256)", "0"), f"runtime_error: execution reverted: box is shut (0x{REVERT_DATA.hex()})"),
        (("box.wasm", "nothing()"), "invalid_function: execution reverted"),
        (("box.wasm", "divide", "1", "0"), "runtime_error: wasm trap: "),
        (("box.wasm", "spin", "--gas-limit", "100000"), "out_of_gas: out of gas"),
        (("floats.wasm", "half", "1"), "invalid_module: invalid module ("),
        (("maths.wasm", "gcd", "twelve", "18"), "twelve: not an integer"),
        (("box.wasm", "get(uint256"), "get(uint256: not a signature; write it as balanceOf(address)(uint256)"),
        (("box.wasm", "get()(address,bool)"), "is not (address, bool): "),
        (("box.wasm", "user_entrypoint", "5"), "user_entrypoint takes call data, as --data 0x1234"),
        (("box.wasm", "copy", "--data", "0x012"), "field arguments: hex string of odd length"),
    ],
)
def test_calls_that_fail(inside: Command, arguments: tuple[str, ...], message: str) -> None:
    failed = inside("wasm", "call", *arguments)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("zevm: ")
    assert message in failed.stderr


def test_a_deployment_that_no_block_takes(inside: Command, start: Start) -> None:
    node = start("--memory", "--no-mining", "--rpc-sync-send-seconds", "0.2")
    waiting = inside("wasm", "deploy", "box.wasm", "--port", str(node.port))
    assert waiting.returncode == 1
    assert "waits in the pool, and no block has taken it yet" in waiting.stderr


def test_help_names_the_commands(inside: Command) -> None:
    told = inside("wasm", "--help").stdout
    assert [name for name in ("inspect", "validate", "deploy", "call") if name not in told] == []
