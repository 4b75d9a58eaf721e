"""Small modules in WebAssembly text, for tests of what is around the machine: methods and commands."""

from functools import cache

from eth_abi import encode
from wasmtime import wat2wasm

from zevm.chain.types.selectors import signature_selector

selector = signature_selector


def _number(signature: str) -> str:
    """The selector as the code finds it: four bytes, lowest first."""
    return str(int.from_bytes(selector(signature), "little"))


REVERT_DATA = selector("Error(string)") + encode(["string"], ["box is shut"])
_ESCAPED = "".join(f"\\{byte:02x}" for byte in REVERT_DATA)

_BOX = f"""
(module
  (import "vm_hooks" "read_args" (func $read_args (param i32)))
  (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
  (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
  (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
  (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
  (import "vm_hooks" "emit_log" (func $emit (param i32 i32 i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 4096) "{_ESCAPED}")
  (func $is (param i32) (result i32) (i32.eq (i32.load (i32.const 0)) (local.get 0)))
  (func $set
    (call $cache (i32.const 1024) (i32.const 4))
    (call $flush (i32.const 0))
    (call $emit (i32.const 4) (i32.const 32) (i32.const 1)))
  (func (export "user_entrypoint") (param $length i32) (result i32)
    (call $read_args (i32.const 0))
    (if (call $is (i32.const {_number("get()")}))
      (then
        (call $load (i32.const 1024) (i32.const 2048))
        (call $write_result (i32.const 2048) (i32.const 32))
        (return (i32.const 0))))
    (if (i32.or (call $is (i32.const {_number("set(uint256)")}))
                (call $is (i32.const {_number("stylus_constructor()")})))
      (then
        ;; a box of nothing is refused
        (if (i64.eqz (i64.load (i32.const 28))) (then
          (call $write_result (i32.const 4096) (i32.const {len(REVERT_DATA)}))
          (return (i32.const 1))))
        (call $set)
        (return (i32.const 0))))
    (i32.const 2))
  (func (export "spin") (loop $again (br $again)))
  (func (export "add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "copy") (param $length i32) (result i32)
    (call $read_args (i32.const 0))
    (call $write_result (i32.const 0) (local.get $length))
    (i32.const 0)))
"""
_MATHS = """
(module
  (func (export "gcd") (param i64 i64) (result i64) (local i64)
    (loop $again
      (local.set 2 (i64.rem_u (local.get 0) (local.get 1)))
      (local.set 0 (local.get 1))
      (local.set 1 (local.get 2))
      (br_if $again (i64.ne (local.get 1) (i64.const 0))))
    (local.get 0)))
"""
_FLOATS = '(module (memory (export "memory") 1 1) (func (export "half") (param f32) (result f32) local.get 0))'
_UNKNOWN = '(module (import "vm_hooks" "steal" (func)) (memory (export "memory") 1 1))'


@cache
def box() -> bytes:
    """get() and set(uint256) of slot 0, with a constructor; a log for each set; nothing else: status 2."""
    return bytes(wat2wasm(_BOX))


@cache
def maths() -> bytes:
    """gcd(i64, i64), and no entry point."""
    return bytes(wat2wasm(_MATHS))


@cache
def floats() -> bytes:
    """Refused: floating point."""
    return bytes(wat2wasm(_FLOATS))


@cache
def unknown() -> bytes:
    """Refused: an import that the host does not have."""
    return bytes(wat2wasm(_UNKNOWN))
