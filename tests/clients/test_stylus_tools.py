"""What `cargo stylus check`, `deploy`, `activate`, `trace` and `replay` ask of a node, request by request, with the
modules of this repository: the requests are those of cargo-stylus 0.6 and 0.10."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import brotli
import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils import to_checksum_address
from wasmtime import wat2wasm

from testing.contracts import FORWARDER
from testing.node_process import RpcConnection, RpcError
from tests.chain.tracing.tracing import HOSTIO_SCRIPT
from tests.clients.tools import ACCOUNTS, CHAIN_ID, ETHER, KEYS, forge
from tests.clients.wasm_contracts import compile_module, returning
from zevm.storage.keccak import keccak256

ARBWASM = "0x0000000000000000000000000000000000000071"
PREFIX = bytes.fromhex("eff00000")
SENDER = ACCOUNTS[7]
STYLUS_VERSION = 2
DEPLOYERS = ("0xcecba2f1dc234f70dd89f2041029807f8d03a990", "0x6ac4839bfe169cadbbfbde3f29bd8459037bf64e")
"""Where Stylus' deployer is: on Arbitrum's public chains, and where tools before cargo-stylus 0.6 were told to look."""

# Stores the word after its selector, and keeps the wei that come; without call data it returns what is stored.
KEEPER = """(module
  (import "vm_hooks" "read_args" (func $read_args (param i32)))
  (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
  (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
  (import "vm_hooks" "storage_cache_bytes32" (func $store (param i32 i32)))
  (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
  (memory (export "memory") 1 1)
  (func (export "user_entrypoint") (param $length i32) (result i32)
    (if (i32.eqz (local.get $length)) (then
      (call $load (i32.const 64) (i32.const 96))
      (call $write_result (i32.const 96) (i32.const 32))
      (return (i32.const 0))))
    (call $read_args (i32.const 0))
    (if (i32.ne (local.get $length) (i32.const 36)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load (i32.const 0)) (i32.const 0x8d258555)) (then (return (i32.const 1))))
    (call $store (i32.const 64) (i32.const 4))
    (call $flush (i32.const 0))
    (i32.const 0)))"""


def hexadecimal(data: bytes) -> str:
    return "0x" + data.hex()


def call_data(signature: str, *values: object) -> str:
    types = signature[signature.index("(") + 1 : -1]
    return hexadecimal(keccak256(signature.encode())[:4] + encode(types.split(",") if types else [], values))


def stylus_code(module: bytes) -> bytes:
    """A module as the tool prepares it: a section with the project's hash, compressed, behind the prefix."""
    section = b"\x0cproject_hash" + bytes(range(32))
    return PREFIX + brotli.compress(module + bytes([0, len(section)]) + section, quality=11, lgwin=22)


@pytest.fixture(scope="module")
def code() -> bytes:
    return stylus_code(compile_module("c/counter.c"))


def require_inactive(rpc: RpcConnection, code: bytes) -> None:
    """The first question of `check`: whether this code is active already. The answer "no" is a custom error."""
    request = {"to": ARBWASM, "input": call_data("codehashVersion(bytes32)", keccak256(code))}
    with pytest.raises(RpcError) as caught:
        rpc.call("eth_call", request, "latest")
    assert caught.value.code == 3
    assert caught.value.data == call_data("ProgramNotActivated()")


def data_fee(rpc: RpcConnection, code: bytes, address: str) -> int:
    """Activation tried out: code and a rich sender are put in place for the length of the call."""
    sender = Account.create().address
    overrides = {address: {"code": hexadecimal(code)}, sender: {"balance": "0x" + "ff" * 32}}
    request = {
        "from": sender,
        "to": ARBWASM,
        "value": hex(ETHER),
        "input": call_data("activateProgram(address)", address),
    }
    output = rpc.call("eth_call", request, "latest", overrides)
    version, fee = decode(["uint16", "uint256"], bytes.fromhex(output[2:]))
    assert version == STYLUS_VERSION
    return int(fee)


def send(rpc: RpcConnection, to: str | None, data: str, value: int = 0) -> Any:
    """Estimate, sign with no tip and the gas price as the fee, send; the receipt."""
    estimate = int(rpc.call("eth_estimateGas", {"from": SENDER, "to": to, "value": hex(value), "input": data}), 16)
    transaction = {
        "type": 2,
        "chainId": int(rpc.call("eth_chainId"), 16),
        "nonce": int(rpc.call("eth_getTransactionCount", SENDER, "pending"), 16),
        "gas": estimate,
        "maxFeePerGas": int(rpc.call("eth_gasPrice"), 16),
        "maxPriorityFeePerGas": 0,
        "value": value,
        "data": data,
        **({"to": to_checksum_address(to)} if to else {}),
    }
    assert transaction["chainId"] == CHAIN_ID
    raw = Account.from_key(KEYS[7]).sign_transaction(transaction).raw_transaction
    receipt = rpc.call("eth_getTransactionReceipt", rpc.call("eth_sendRawTransaction", hexadecimal(raw)))
    assert receipt["status"] == "0x1"
    return receipt


def test_check(rpc: RpcConnection, code: bytes) -> None:
    require_inactive(rpc, code)
    assert data_fee(rpc, code, Account.create().address) == 0


def test_check_tells_what_is_wrong(rpc: RpcConnection) -> None:
    """The tool prints the error's message, and knows one rule by the name of the import that is missing."""
    address = Account.create().address
    entrypoint = '(func (export "user_entrypoint") (param i32) (result i32) (i32.const 0))'
    growing = '(memory (export "memory") 1)'
    for body, told in ((growing, "user_entrypoint"), (growing + entrypoint, "pay_for_memory_grow")):
        with pytest.raises(RpcError, match=told) as caught:
            data_fee(rpc, stylus_code(bytes(wat2wasm(f"(module {body})"))), address)
        assert caught.value.code == 3
    with pytest.raises(RpcError) as caught:
        data_fee(rpc, bytes.fromhex("6000"), address)
    assert caught.value.data == call_data("ProgramNotWasm()")


def test_deploy_and_activate(rpc: RpcConnection, code: bytes) -> None:
    receipt = send(rpc, None, hexadecimal(returning(code)))
    address = receipt["contractAddress"]
    assert rpc.call("eth_getCode", address, "latest") == hexadecimal(code)
    before = int(rpc.call("eth_getBalance", SENDER, "latest"), 16)
    fee = data_fee(rpc, code, address)
    receipt = send(rpc, ARBWASM, call_data("activateProgram(address)", address), value=fee + ETHER)
    paid = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert int(rpc.call("eth_getBalance", SENDER, "latest"), 16) == before - paid
    assert int(rpc.call("eth_getBalance", ARBWASM, "latest"), 16) == 0
    send(rpc, address, call_data("setNumber(uint256)", 5))
    assert int(rpc.call("eth_call", {"to": address, "input": call_data("number()")}, "latest"), 16) == 5


def test_the_deployers_code_is_compiled_from_its_source(rpc: RpcConnection, npm_tools: None, tmp_path: Path) -> None:  # noqa: ARG001
    out = ("--out", str(tmp_path), "--cache-path", str(tmp_path / "cache"))
    forge("build", "--quiet", "--evm-version", "london", "--no-metadata", *out, "src/StylusDeployer.sol")
    built = json.loads((tmp_path / "StylusDeployer.sol" / "StylusDeployer.json").read_text())
    assert built["methodIdentifiers"] == {
        "deploy(bytes,bytes,uint256,bytes32)": "a9a8e4e9",
        "initSalt(bytes32,bytes)": "9f40b385",
        "requiresActivation(address)": "835d1d4c",
    }
    for address in DEPLOYERS:
        assert rpc.call("eth_getCode", address, "latest") == built["deployedBytecode"]["object"]


SET_UP = keccak256(b"stylus_constructor()")[:4] + encode(["uint256"], [99])


def keeper_creation() -> bytes:
    return returning(stylus_code(bytes(wat2wasm(KEEPER))))


def deployment(creation: bytes, set_up: bytes = SET_UP, value: int = 0, salt: bytes = bytes(32)) -> str:
    return call_data("deploy(bytes,bytes,uint256,bytes32)", creation, set_up, value, salt)


@pytest.mark.parametrize("deployer", DEPLOYERS)
@pytest.mark.parametrize("salt", [bytes(32), bytes(31) + b"\x07"], ids=["CREATE", "CREATE2"])
def test_a_deployer_runs_the_constructor(rpc: RpcConnection, deployer: str, salt: bytes) -> None:
    """Creation, activation and `stylus_constructor` in one transaction of the contract that is there from the start."""
    creation = keeper_creation()
    before = int(rpc.call("eth_getBalance", SENDER, "latest"), 16)
    receipt = send(rpc, deployer, deployment(creation, value=3, salt=salt), value=3 + ETHER)
    (log,) = receipt["logs"]
    assert log["topics"] == [hexadecimal(keccak256(b"ContractDeployed(address)"))]
    address = "0x" + log["data"][-40:]
    if any(salt):
        request = {"to": deployer, "input": call_data("initSalt(bytes32,bytes)", salt, SET_UP)}
        assert rpc.call("eth_call", request, "latest") == hexadecimal(keccak256(salt + SET_UP))
        parts = b"\xff" + bytes.fromhex(deployer[2:]) + keccak256(salt + SET_UP) + keccak256(creation)
        assert address == hexadecimal(keccak256(parts)[12:])
    assert int(rpc.call("eth_call", {"to": address}, "latest"), 16) == 99
    assert int(rpc.call("eth_getBalance", address, "latest"), 16) == 3
    assert int(rpc.call("eth_getBalance", deployer, "latest"), 16) == 0
    paid = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert int(rpc.call("eth_getBalance", SENDER, "latest"), 16) == before - paid - 3


def test_a_deployment_without_a_constructor(rpc: RpcConnection) -> None:
    receipt = send(rpc, DEPLOYERS[0], deployment(keeper_creation(), set_up=b""))
    address = "0x" + receipt["logs"][0]["data"][-40:]
    assert int(rpc.call("eth_call", {"to": address}, "latest"), 16) == 0


FAILING_CREATION = bytes.fromhex("63deadbeef5f526004601cfd")
"""EVM creation code that reverts with 0xdeadbeef."""


@pytest.mark.parametrize(
    ("arguments", "value", "error"),
    [
        ({"creation": b""}, 0, "EmptyBytecode()"),
        ({"creation": b"\xfe"}, 0, "ContractDeploymentError(bytes)"),
        ({"creation": FAILING_CREATION}, 0, "0xdeadbeef"),
        ({"creation": returning(b"\0")}, 0, "ProgramNotWasm()"),
        ({"set_up": b"", "value": 1}, 1, "InitValueButNotInitData()"),
        ({"set_up": SET_UP[:9]}, 0, "ContractInitializationError(address,bytes)"),
        ({"value": 2}, 1, "Panic(uint256)"),
    ],
)
def test_a_failed_deployment_tells_why(rpc: RpcConnection, arguments: dict[str, Any], value: int, error: str) -> None:
    data = deployment(**({"creation": keeper_creation()} | arguments))
    with pytest.raises(RpcError) as caught:
        rpc.call("eth_call", {"from": SENDER, "to": DEPLOYERS[0], "value": hex(value), "input": data}, "latest")
    assert caught.value.code == 3
    expected = error if error.startswith("0x") else hexadecimal(keccak256(error.encode())[:4])
    assert str(caught.value.data)[:10] == expected


def test_wei_that_nobody_takes_back_fail_the_deployment(rpc: RpcConnection) -> None:
    caller = Account.create().address
    data = bytes(12) + bytes.fromhex(DEPLOYERS[0][2:] + deployment(keeper_creation(), value=3)[2:])
    request = {"from": SENDER, "to": caller, "value": "0x5", "input": hexadecimal(data)}
    with pytest.raises(RpcError) as caught:
        rpc.call("eth_call", request, "latest", {caller: {"code": hexadecimal(FORWARDER)}})
    assert caught.value.data == call_data("RefundExcessValueError(uint256)", 2)


# trace and replay


@pytest.fixture
def stored_number(rpc: RpcConnection, code: bytes) -> Any:
    """A counter, and the receipt of a transaction that sets it to 5."""
    address = send(rpc, None, hexadecimal(returning(code)))["contractAddress"]
    return send(rpc, address, call_data("setNumber(uint256)", 5))


@pytest.mark.parametrize("tracer", [HOSTIO_SCRIPT, "stylusTracer"], ids=["script", "native"])
def test_trace_and_replay(rpc: RpcConnection, stored_number: Any, tracer: str) -> None:
    """Receipt, transaction, trace: then `replay` runs the contract here, and gives it what each host call gave."""
    transaction = stored_number["transactionHash"]
    receipt = rpc.call("eth_getTransactionReceipt", transaction)
    sent = rpc.call("eth_getTransactionByHash", transaction)
    steps = rpc.call("debug_traceTransaction", transaction, {"tracer": tracer})
    assert receipt["to"] == sent["to"] == stored_number["to"]
    assert [steps[0]["name"], steps[-1]["name"]] == ["user_entrypoint", "user_returned"]
    assert all({"name", "args", "outs", "startInk", "endInk"} == set(step) for step in steps)
    assert all(step["startInk"] >= step["endInk"] > 0 for step in steps)
    found = {step["name"]: step for step in steps}
    assert found["user_entrypoint"]["args"] == "0x00000024"
    assert found["read_args"]["outs"] == sent["input"]
    assert any(step["name"] == "storage_cache_bytes32" and step["args"].endswith("05") for step in steps)
    assert found["storage_flush_cache"]["outs"] == "0x"
    assert found["user_returned"]["outs"] == "0x00000000"


def test_simulate(rpc: RpcConnection, stored_number: Any) -> None:
    """`trace` of a call that is not sent, as its `simulate` asks."""
    request = {"to": stored_number["to"], "input": call_data("number()")}
    for tracer in (HOSTIO_SCRIPT, "stylusTracer"):
        steps = rpc.call("debug_traceCall", request, "latest", {"tracer": tracer})
        found = {step["name"]: step for step in steps}
        assert int(found["storage_load_bytes32"]["outs"], 16) == 5
        assert int(found["write_result"]["args"], 16) == 5


def test_a_trace_through_the_deployer(rpc: RpcConnection) -> None:
    """An EVM contract at the top: its frames are steps of their own, whose programs are within."""
    receipt = send(rpc, DEPLOYERS[0], deployment(keeper_creation()))
    steps = rpc.call("debug_traceTransaction", receipt["transactionHash"], {"tracer": "stylusTracer"})
    names = [step["name"] for step in steps]
    assert (names[0], names[-1]) == ("evm_create1", "evm_call_contract")
    assert "evm_static_call_contract" in names
    assert steps[-1]["address"] == "0x" + receipt["logs"][0]["data"][-40:]
    inner = [step["name"] for step in steps[-1]["steps"]]
    assert inner == ["user_entrypoint", "read_args", "storage_cache_bytes32", "storage_flush_cache", "user_returned"]
    assert all(step["args"] == "0x" and step["endInk"] == 0 for step in steps)


def test_a_transfer_has_no_steps(rpc: RpcConnection) -> None:
    receipt = send(rpc, ACCOUNTS[8], "0x", value=1)
    assert rpc.call("debug_traceTransaction", receipt["transactionHash"], {"tracer": "stylusTracer"}) == []
