"""Run random contracts with the core's host functions and with those in Python: gas, logs, state, texts have to agree.

    python -m verification.wasm.hosts --programs 10000 --seed 1

A contract is a sequence of host calls, with pointers and lengths at the edges of its memory and beyond, and of steps
that change or grow the memory. It calls itself, contracts of the EVM that call it, one that writes, and one that
reverts; some have too little gas.
Ends with 1 where a run differs, and prints the program's seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import NamedTuple

from wasmtime import wat2wasm

from bench.time_per_gas import environment_of
from testing.memory_state import MemoryAccount, MemoryReader
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS, HostFunction
from zevm.chain.zvm.machine import ZvmMachine
from zevm.core import CORE
from zevm.storage.primitives import Address

SENDER, CONTRACT, WRITER, WALL, RELAY, PROXY = (
    Address(bytes((byte,)) * 20) for byte in (0x11, 0x33, 0x44, 0x55, 0x66, 0x77)
)
WRITER_CODE = bytes.fromhex("5f35600155602035600255363f60205260405ff3")
"""EVM code: writes two words of its call data to slots, and returns a hash."""
WALL_CODE = bytes.fromhex("63deadbeef5f526004601cfd")
_FORWARD = "365f5f37{}73" + CONTRACT.hex() + "5a{}3d5f5f3e3d5ff3"
RELAY_CODE = bytes.fromhex(_FORWARD.format("5f5f365f5f", "f1"))
"""EVM code: calls the contract with its own call data, and returns what comes back."""
PROXY_CODE = bytes.fromhex(_FORWARD.format("5f5f365f", "f4"))
"""The same by DELEGATECALL."""
PAGE = 65_536
STEPS = 24
TABLES = ("zvm", "stylus", "covenant")
OUTPUT_BYTES = 1_024

_TYPES = {"i": "i32", "I": "i64"}
_ADDRESSES, _WORDS = 512, 1_024
"""Places in memory of addresses, and of words."""
_LENGTHS = (0, 1, 4, 20, 31, 32, 33, 64, 65, 127, 128, 129, 200, 1_000, PAGE - 1, PAGE, 2 * PAGE, 0xFFFF_FFFF)
_EDGES = (0, 1, PAGE - 33, PAGE - 32, PAGE - 31, PAGE - 1, PAGE, 2 * PAGE - 32, 2 * PAGE, 0xFFFF_FFE0, 0xFFFF_FFFF)


class Program(NamedTuple):
    """A contract's code and its call. data_bytes, gas_limit, value: of the call."""

    code: bytes
    data: bytes
    gas_limit: int
    value: int
    table: str


def program_of(seed: int) -> Program:
    """The program with a seed."""
    random = Random(seed)
    names = [key for key in ALL_HOST_FUNCTIONS if key[1] not in ("selfdestruct", "exit_early")]
    ending = [key for key in ALL_HOST_FUNCTIONS if key[1] in ("selfdestruct", "exit_early")]
    favourites = [key for key in names if key[1].startswith("storage")]
    used: dict[tuple[str, str], None] = {}
    steps = []
    for number in range(random.randrange(1, STEPS)):
        kind = random.randrange(10)
        if kind < 2:
            steps.append(_memory_step(random))
            continue
        key = random.choice(favourites if kind < 6 else names)
        if number > STEPS // 2 and random.randrange(8) == 0:
            key = random.choice(ending)
        used[key] = None
        steps.append(_host_call(random, key))
    used["vm_hooks", "write_result"] = used["vm_hooks", "pay_for_memory_grow"] = None
    data = random.randbytes(random.choice((0, 4, 31, 32, 36, 100, 5_000)))
    least = 21_000 + 40 * len(data)
    return Program(
        code=_module(random, used, steps),
        data=data,
        gas_limit=least + random.choice((10_000, 40_000, 300_000, 3_000_000)) + random.randrange(20_000),
        value=random.choice((0, 0, 7)),
        table=random.choice(TABLES),
    )


def _module(random: Random, used: dict[tuple[str, str], None], steps: Sequence[str]) -> bytes:
    imports = " ".join(import_of(key, ALL_HOST_FUNCTIONS[key]) for key in used)
    addresses = b"".join(random.choice((CONTRACT, WRITER, WALL, SENDER, RELAY, PROXY)) + bytes(12) for _ in range(8))
    words = b"".join(_word(random) for _ in range(16))
    text = f"""(module {imports} (memory (export "memory") 1 4)
      (data (i32.const {_ADDRESSES}) "{_escaped(addresses)}") (data (i32.const {_WORDS}) "{_escaped(words)}")
      (func (export "user_entrypoint") (param $n i32) (result i32)
        {" ".join(steps)}
        (call $write_result (i32.const {_WORDS - OUTPUT_BYTES // 2}) (i32.const {OUTPUT_BYTES}))
        (i32.const {random.choice((0, 0, 0, 1, 2))})))"""
    return bytes(wat2wasm(text))


def _word(random: Random) -> bytes:
    size = random.choice((0, 0, 1, 1, 2, 8, 16, 31, 32))
    return random.randbytes(size).rjust(32, b"\0")


def _escaped(content: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in content)


def import_of(key: tuple[str, str], row: HostFunction) -> str:
    """The text of an import of a host function, under its name."""
    place, name = key
    parameters = " ".join(_TYPES[kind] for kind in row.parameters)
    result = f"(result {_TYPES[row.result]})" if row.result else ""
    return f'(import "{place}" "{name}" (func ${name} (param {parameters}) {result}))'


def _memory_step(random: Random) -> str:
    if random.randrange(6) == 0:
        return f"(drop (memory.grow (i32.const {random.choice((0, 1, 1, 9))})))"
    place = _WORDS + 8 * random.randrange(64)
    return f"(i64.store (i32.const {place}) (i64.const {random.choice((0, 1, 255, random.getrandbits(63)))}))"


def _host_call(random: Random, key: tuple[str, str]) -> str:
    row = ALL_HOST_FUNCTIONS[key]
    values = " ".join(f"({_TYPES[kind]}.const {_argument(random, kind)})" for kind in row.parameters)
    call = f"(call ${key[1]} {values})"
    if not row.result:
        return call
    return f"({_TYPES[row.result]}.store (i32.const {_WORDS + 8 * random.randrange(64)}) {call})"


def _argument(random: Random, kind: str) -> int:
    if kind == "I":
        return random.choice((-1, 0, 1, 1_000, 100_000, random.getrandbits(63)))
    chance = random.randrange(20)
    if chance < 11:
        return _WORDS + 32 * random.randrange(16)
    if chance < 14:
        return _ADDRESSES + 32 * random.randrange(8)
    if chance < 18:
        return random.choice(_LENGTHS[:12])
    return random.choice(_LENGTHS if chance == 18 else _EDGES)


@cache
def _environment(table: str, engine: Engine) -> BlockEnvironment:
    return replace(environment_of(Fork.OSAKA), wasm_machine=ZvmMachine(table, console=True), engine=engine)


def run(program: Program, engine: Engine) -> tuple[Outcome, object]:
    """A call of the program: its outcome, and the state's difference."""
    accounts = {
        SENDER: MemoryAccount(balance=10**21),
        CONTRACT: MemoryAccount(nonce=1, balance=5, code=program.code, storage={0: 7, 1: 1}),
        WRITER: MemoryAccount(nonce=1, code=WRITER_CODE),
        WALL: MemoryAccount(nonce=1, code=WALL_CODE),
        RELAY: MemoryAccount(nonce=1, code=RELAY_CODE),
        PROXY: MemoryAccount(nonce=1, code=PROXY_CODE, storage={1: 3}),
    }
    state = BlockState(MemoryReader(accounts))
    request = CallRequest(SENDER, CONTRACT, gas_limit=program.gas_limit, data=program.data, value=program.value)
    outcome = Executor(_environment(program.table, engine), state).call(request)
    return outcome, state.diff()


def difference(seed: int, run_program: Callable[[Program, Engine], object] = run) -> str | None:
    """How the runs of a seed's program differ; None: they do not."""
    program = program_of(seed)
    # the core runs it again in the instances that its first run has left
    first, again, reference = (run_program(program, engine) for engine in (Engine.NATIVE, Engine.NATIVE, Engine.PY_EVM))
    return None if first == again == reference else f"seed {seed}: the core {first} and {again}, Python {reference}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first program")
    options = parser.parse_args(arguments)
    if CORE.library is None:
        print(f"verification.wasm.hosts: {CORE.reason}", file=sys.stderr)
        return 1
    found = [
        text for seed in range(options.seed, options.seed + options.programs) if (text := difference(seed)) is not None
    ]
    print("\n".join([*found, f"{options.programs} programs, {len(found)} differences"]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
