"""Nanoseconds a gas of what WebAssembly contracts pay for: instructions, host functions, deployment, entry.

Rows of bench/time_per_gas.py, under the default prices. An instruction stands STEPS times in a loop, a host function
is called by a loop, each with the dearest operands that are known; deployments are the shapes of
verification.wasm.shapes; an entry is the first call of a program whose compiled code lies on the disk.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NoReturn

from wasmtime import wat2wasm

from testing.memory_state import MemoryAccount, MemoryReader
from verification.wasm.compile import Deployments
from verification.wasm.shapes import SHAPES
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.module.mnemonics import MNEMONICS
from zevm.chain.zvm.module.prepare import Prepared, prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import shared_engine
from zevm.chain.zvm.runtime.program_cache import ProgramCache
from zevm.storage.primitives import Address

Figures = tuple[str, int, float]
"""Name, gas and seconds of a row."""

STEPS, ROUNDS = 200, 2_000
CALLS = 300
SEEDS = range(1, 4)
GAS = 1 << 40
ACCOUNT, OTHER = Address(b"\xc0" * 20), Address(b"\xc1" * 20)
DATA = {0: b"\x01", 512: OTHER, 1024: b"\xf3" * 32, 1056: b"\x7f" + b"\xfe" * 31, 1088: b"\xef" * 32}
"""The memory's content: an address at 512, words without zeros from 1,024 on."""

_TYPES = {"i": "i32", "I": "i64", "": ""}
_VALUES = {"i32": "(local.get $n)", "i64": "(local.get $w)"}
_TEXTS = {
    "block": "(block)", "loop": "(loop)", "if": "(if (local.get $n) (then))",
    "else": "(if (local.get $n) (then) (else))",
    "br": "(block (br 0))", "br_if": "(block (br_if 0 (local.get $n)))", "call": "(call $leaf)", "nop": "(nop)",
    "br_table": f"(block (br_table {'0 ' * 100} (local.get $n)))", "return": "(call $leaf)",
    "call_indirect": "(call_indirect (type $none) (i32.const 0))", "drop": "(drop (local.get $n))",
    "select": "(drop (select (local.get $n) (local.get $n) (local.get $n)))",
    "local.get": "(drop (local.get $n))", "local.set": "(local.set $x (local.get $n))",
    "local.tee": "(drop (local.tee $x (local.get $n)))",
    "global.get": "(drop (global.get $g))", "global.set": "(global.set $g (local.get $n))",
    "i32.const": "(drop (i32.const 1))", "i64.const": "(drop (i64.const 1))",
    "memory.size": "(drop (memory.size))", "memory.grow": "(drop (memory.grow (i32.const 0)))",
    "memory.copy": "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))",
    "memory.fill": "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
}  # fmt: skip
"""Instructions with operands of their own; those of numbers are written from their names."""
_LEFT_OUT = {"unreachable", "end"}


def _instruction(name: str) -> str:
    if name in _TEXTS:
        return _TEXTS[name]
    kind, operation = name.split(".")
    if operation.startswith("load"):
        return f"(drop ({name} (i32.const 64)))"
    if operation.startswith("store"):
        return f"({name} (i32.const 64) {_VALUES[kind]})"
    source = "i64" if operation == "wrap_i64" else "i32" if operation.startswith("extend_i32") else kind
    unary = operation in ("eqz", "clz", "ctz", "popcnt", "wrap_i64") or operation.startswith("extend")
    return f"(drop ({name} {' '.join([_VALUES[source]] * (1 if unary else 2))}))"


def _escaped(content: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in content)


def _contract(step: str, steps: int, rounds: int, imports: str = "") -> bytes:
    """A contract that runs `step` the given number of times in each of the given rounds."""
    data = "\n".join(f'(data (i32.const {at}) "{_escaped(content)}")' for at, content in DATA.items())
    text = f"""(module (type $none (func)) {imports} (memory (export "memory") 2 4) (global $g (mut i32) (i32.const 0))
      (table 1 funcref) (elem (i32.const 0) $leaf) {data} (func $leaf)
      (func (export "user_entrypoint") (param $n i32) (result i32) (local $x i32) (local $rounds i32) (local $w i64)
        (local.set $n (i32.const 7)) (local.set $w (i64.const 7)) (local.set $rounds (i32.const {rounds}))
        (loop $again {step * steps}
          (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
        (i32.const 0)))"""
    return bytes(wat2wasm(text))


def _import(place: str, name: str, alias: str) -> str:
    row = HOST_FUNCTIONS[place, name]
    parameters = " ".join(_TYPES[kind] for kind in row.parameters)
    result = f"(result {_TYPES[row.result]})" if row.result else ""
    return f'(import "{place}" "{name}" (func ${alias} (param {parameters}) {result}))'


_GROW = _import("vm_hooks", "pay_for_memory_grow", "grow")


class _Bench:
    """Calls of contracts on the thread of a chain's blocks."""

    def __init__(self) -> None:
        self.deployments = Deployments()
        self.chain = self.deployments.chain

    def call(self, code: bytes, data: bytes = b"") -> tuple[int, float]:
        """Gas and seconds of a call's code, the best of three."""
        accounts = {ACCOUNT: MemoryAccount(nonce=1, balance=1 << 100, code=code), OTHER: MemoryAccount(code=b"\0")}
        environment = self.deployments.environment

        def work() -> tuple[int, float]:
            executor = Executor(environment, BlockState(MemoryReader(accounts)))
            started = time.thread_time()
            outcome = executor.call_alone(CallRequest(to=ACCOUNT, data=data, gas_limit=GAS))
            seconds = time.thread_time() - started
            if outcome.error is not None:
                raise RuntimeError(outcome.error.message)
            return outcome.gas_used_before_refund, seconds

        return min((self.chain.writer.run(work) for _ in range(3)), key=lambda run: run[1])


def _instructions(bench: _Bench) -> Iterator[Figures]:
    for opcode in ZVM.operations:
        name = MNEMONICS[opcode]
        if name not in _LEFT_OUT:
            yield name, *bench.call(_contract(_instruction(name), STEPS, ROUNDS, _GROW))


_ARGUMENTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "write_result": ((0, 32), (0, 20_000)),
    "native_keccak256": ((0, 32, 128), (0, 20_000, 128)),
    "emit_log": ((0, 0, 0), (0, 10_000, 4)),
    "storage_flush_cache": ((0,),),
    "call_contract": ((512, 0, 0, 64, -1, 600),),
    "delegate_call_contract": ((512, 0, 0, -1, 600),),
    "static_call_contract": ((512, 0, 0, -1, 600),),
    "create1": ((0, 0, 64, 700, 600),),
    "read_return_data": ((128, 0, 32),),
    "account_balance": ((512, 128),),
    "account_codehash": ((512, 128),),
    "account_code": ((512, 0, 32, 128),),
    "account_code_size": ((512,),),
    "pay_for_memory_grow": ((0,),),
} | dict.fromkeys(("math_div", "math_mod", "math_pow"), ((1_024, 1_056),))
_ENDING = {"exit_early", "selfdestruct", "create2"}
"""Ends the call, or can succeed once."""


def _hosts(bench: _Bench) -> Iterator[Figures]:
    for (place, name), row in HOST_FUNCTIONS.items():
        if name in _ENDING:
            continue
        for arguments in _ARGUMENTS.get(name, (tuple(1_024 + 32 * index for index in range(len(row.parameters))),)):
            values = " ".join(
                f"({_TYPES[kind]}.const {value})" for kind, value in zip(row.parameters, arguments, strict=True)
            )
            step = f"(call $host {values})"
            # a power overwrites its base, and that of 1 costs nothing
            fresh = "(i64.store (i32.const 1024) (i64.const -3))" if name.startswith("math") else ""
            code = _contract(
                fresh + (f"(drop {step})" if row.result else step), 1, CALLS, _import(place, name, "host") + _GROW
            )
            yield f"{name} {arguments}", *bench.call(code)


def _deployments(bench: _Bench) -> Iterator[Figures]:
    for shape in SHAPES:
        for seed in SEEDS:
            case = bench.deployments.case(shape, seed)
            if case is not None:
                yield f"{shape} {seed}", case.gas, case.seconds


def _entries(_bench: _Bench) -> Iterator[Figures]:
    engine = shared_engine(pooled=True)
    for shape in ("segments", "many functions", "calls", "operands"):
        prepared = prepare(SHAPES[shape](Random(1)).build(), ZVM)
        with tempfile.TemporaryDirectory(prefix="zevm-bench-") as folder:
            ProgramCache(Path(folder), engine).get(ACCOUNT, _giving(prepared), of_chain=True)
            restarted = ProgramCache(Path(folder), engine)
            started = time.thread_time()
            restarted.get(ACCOUNT, _nothing)
            seconds = time.thread_time() - started
        yield f"{shape} 1", ZVM.entry.price(prepared.data_bytes, prepared.activation_gas), seconds


def _giving(prepared: Prepared) -> Callable[[], Prepared]:
    return lambda: prepared


def _nothing() -> NoReturn:
    raise RuntimeError("a program that was kept is not on the disk")


_ROWS: dict[str, Callable[[_Bench], Iterator[Figures]]] = {
    "wasm instruction": _instructions,
    "wasm host function": _hosts,
    "wasm deployment": _deployments,
    "wasm entry": _entries,
}
KINDS = tuple(_ROWS)


def figures(kind: str) -> Iterator[Figures]:
    """The rows of a kind."""
    bench = _Bench()
    try:
        yield from _ROWS[kind](bench)
    finally:
        bench.deployments.close()
