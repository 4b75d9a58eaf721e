"""Small WebAssembly contracts in text, as the method tests need them."""

from functools import cache

from wasmtime import wat2wasm

_IMPORTS = {
    "read_args": "(param i32)",
    "write_result": "(param i32 i32)",
    "msg_value": "(param i32)",
    "block_basefee": "(param i32)",
    "storage_load_bytes32": "(param i32 i32)",
    "storage_cache_bytes32": "(param i32 i32)",
    "storage_flush_cache": "(param i32)",
    "account_balance": "(param i32 i32)",
    "call_contract": "(param i32 i32 i32 i32 i64 i32) (result i32)",
    "emit_log": "(param i32 i32 i32)",
}


@cache
def wasm_contract(instructions: str, status: int = 0) -> bytes:
    """A contract whose entry point runs these instructions. The call data's length is local 0."""
    imports = "".join(
        f'(import "vm_hooks" "{name}" (func ${name} {signature}))'
        for name, signature in _IMPORTS.items()
        if f"${name} " in instructions or f"${name})" in instructions
    )
    entry = f'(func (export "user_entrypoint") (param i32) (result i32) {instructions} (i32.const {status}))'
    return bytes(wat2wasm(f'(module {imports} (memory (export "memory") 1 1) {entry})'))


WASM_BOX = """
(if (local.get 0) (then
    (call $read_args (i32.const 32))
    (call $storage_cache_bytes32 (i32.const 0) (i32.const 32))
    (call $storage_flush_cache (i32.const 1))
    (call $emit_log (i32.const 32) (i32.const 32) (i32.const 1)))
  (else
    (call $storage_load_bytes32 (i32.const 0) (i32.const 32))
    (call $write_result (i32.const 32) (i32.const 32))))
"""
"""Without call data returns slot 0; otherwise stores the first word there, and logs it as a topic."""

WASM_FORWARDER = """
(call $read_args (i32.const 0))
(call $msg_value (i32.const 64))
(drop (call $call_contract (i32.const 12) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const 100000) (i32.const 96)))
"""
"""Sends the value on to the address in the call data's first word."""
