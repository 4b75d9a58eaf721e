"""Load for the crash test and the benchmark: pre-signed transactions, and three contracts small enough to read.

They are written in bytecode and in WebAssembly's text, so that none needs a compiler. A creation code is
PREFIX(length) + runtime; a module is its own creation code.
"""

from __future__ import annotations

import rlp
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_utils import keccak
from wasmtime import wat2wasm

MNEMONIC = "test test test test test test test test test test test junk"
CHAIN_ID = 31337
DYNAMIC_FEE_TYPE = b"\x02"
RECEIVER = f"0x{0xBE7C:040x}"
TRANSFER_GAS = 21_000
WRITE_GAS = 100_000
DEPLOYMENT_GAS = 1_000_000
MAX_FEE_WEI = 20 * 10**9
TIP_WEI = 10**9

RECORDER_TOPIC = 0x77
RECORDER_RUNTIME = bytes.fromhex(
    "3660201460195760203580"  # calldatasize = 32 ? jump to read : value, value
    "5f3555"  # sstore(calldata[0], value)
    "5f525f35607760205fa200"  # log2(value, topics 0x77 and calldata[0]); stop
    "5b5f35545f5260205ff3"  # read: return sload(calldata[0])
)
"""Called with (slot, value) it stores and logs; called with (slot) alone it returns what is stored."""

RECORDER_MODULE = bytes(
    wat2wasm("""(module
      (import "vm_hooks" "read_args" (func $read_args (param i32)))
      (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
      (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
      (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
      (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
      (import "vm_hooks" "emit_log" (func $log (param i32 i32 i32)))
      (memory (export "memory") 1 1)
      (data (i32.const 31) "\\77")
      (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 32))
        (if (i32.eq (local.get $length) (i32.const 32))
          (then
            (call $load (i32.const 32) (i32.const 64))
            (call $write_result (i32.const 64) (i32.const 32)))
          (else
            (call $cache (i32.const 32) (i32.const 64))
            (call $flush (i32.const 0))
            (call $log (i32.const 0) (i32.const 96) (i32.const 2))))
        (i32.const 0)))""")
)
"""The recorder in WebAssembly. Memory: topic 0x77, then the slot, then the value."""

SPINNER_RUNTIME = bytes.fromhex(
    "5f5f35"  # 0, rounds
    "5b9060030260070190"  # loop: accumulator = accumulator * 3 + 7
    "6001900380600357"  # rounds -= 1; jump to loop while rounds > 0
    "505f5260205ff3"  # return accumulator
)
"""Called with (rounds) it multiplies and adds, 46 gas a round."""
SPINNER_GAS_PER_ROUND = 46


def creation_code(runtime: bytes) -> bytes:
    """Creation code that deploys `runtime` (at most 255 bytes)."""
    return bytes([0x60, len(runtime), 0x80, 0x60, 0x09, 0x5F, 0x39, 0x5F, 0xF3]) + runtime


def numbered_module(number: int) -> bytes:
    """The recorder's module with a custom section that holds a number below 128: other code that does the same."""
    return RECORDER_MODULE + bytes((0, 3, 1, ord("n"), number))


def contract_address(sender: str, nonce: int = 0) -> str:
    """The address of the contract that `sender` creates with this nonce."""
    return "0x" + keccak(rlp.encode([bytes.fromhex(sender[2:]), nonce]))[12:].hex()


def word(value: int) -> str:
    return f"{value:064x}"


def write_data(slot: int, value: int) -> str:
    return "0x" + word(slot) + word(value)


def development_signer(index: int, nonce: int = 0) -> Signer:
    """Account `index` of the default mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return Signer(bytes(account.key), nonce)


class Signer:
    """Signs EIP-1559 transactions of one key with consecutive nonces; built for quantity (0.3 ms each)."""

    def __init__(self, key: bytes, nonce: int = 0) -> None:
        self._key = PrivateKey(key)
        self.address = self._key.public_key.to_address()
        self.nonce = nonce

    def sign(self, *, to: str | None, value_wei: int = 0, data: str = "0x", gas: int = TRANSFER_GAS) -> tuple[str, str]:
        """(raw transaction, its hash), both 0x-prefixed; moves the nonce on."""
        fields = [
            CHAIN_ID, self.nonce, TIP_WEI, MAX_FEE_WEI, gas,
            bytes.fromhex(to[2:]) if to else b"", value_wei, bytes.fromhex(data[2:]), [],
        ]  # fmt: skip
        signature = self._key.sign_msg_hash(keccak(DYNAMIC_FEE_TYPE + rlp.encode(fields)))
        raw = DYNAMIC_FEE_TYPE + rlp.encode([*fields, signature.v, signature.r, signature.s])
        self.nonce += 1
        return "0x" + raw.hex(), "0x" + keccak(raw).hex()
