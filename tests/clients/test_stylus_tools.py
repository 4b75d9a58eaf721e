"""What `cargo stylus check`, `deploy` and `activate` ask of a node, request by request, with the modules of this
repository: the requests are those of cargo-stylus 0.6 and 0.10."""

from __future__ import annotations

from typing import Any

import brotli
import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils import to_checksum_address
from wasmtime import wat2wasm

from testing.node_process import RpcConnection, RpcError
from tests.clients.tools import ACCOUNTS, CHAIN_ID, ETHER, KEYS, artifact
from tests.clients.wasm_contracts import compile_module, returning
from zevm.storage.keccak import keccak256

ARBWASM = "0x0000000000000000000000000000000000000071"
PREFIX = bytes.fromhex("eff00000")
SENDER = ACCOUNTS[7]
STYLUS_VERSION = 2

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


@pytest.mark.parametrize("salt", [bytes(32), bytes(31) + b"\x07"], ids=["CREATE", "CREATE2"])
def test_a_deployer_runs_the_constructor(rpc: RpcConnection, built: None, salt: bytes) -> None:  # noqa: ARG001
    """Creation, activation and `stylus_constructor` in one transaction of a contract in Solidity."""
    deployer = send(rpc, None, artifact("ModuleDeployer").bytecode)["contractAddress"]
    creation = returning(stylus_code(bytes(wat2wasm(KEEPER))))
    set_up = keccak256(b"stylus_constructor()")[:4] + encode(["uint256"], [99])
    data = call_data("deploy(bytes,bytes,uint256,bytes32)", creation, set_up, 3, salt)
    before = int(rpc.call("eth_getBalance", SENDER, "latest"), 16)
    receipt = send(rpc, deployer, data, value=3 + ETHER)
    (log,) = receipt["logs"]
    assert log["topics"] == [hexadecimal(keccak256(b"ContractDeployed(address)"))]
    address = "0x" + log["data"][-40:]
    if any(salt):
        parts = b"\xff" + bytes.fromhex(deployer[2:]) + keccak256(salt + set_up) + keccak256(creation)
        assert address == hexadecimal(keccak256(parts)[12:])
    assert int(rpc.call("eth_call", {"to": address}, "latest"), 16) == 99
    assert int(rpc.call("eth_getBalance", address, "latest"), 16) == 3
    assert int(rpc.call("eth_getBalance", deployer, "latest"), 16) == 0
    paid = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert int(rpc.call("eth_getBalance", SENDER, "latest"), 16) == before - paid - 3
