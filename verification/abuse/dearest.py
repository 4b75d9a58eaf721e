"""The slowest code per gas: programs for every opcode of a fork, and inputs for every precompile.

bench/time_per_gas.py measures them, and a test sends them to a node while it watches how long others wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from verification.abuse.dearest_inputs import INPUTS
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.fork_table import FRAME_CLASSES, PRECOMPILE_NAMES, PRECOMPILES
from zevm.chain.vm.instructions import invalid
from zevm.chain.vm.opcodes import Operation
from zevm.storage.primitives import Address

CONTRACT = Address(b"\x33" * 20)
"""The address of a program."""
CALLEE = Address(b"\x44" * 20)
"""An account whose code is one STOP."""
COLD = 1 << 150
"""The first of the addresses and slots that have not been read."""

MAX = (1 << 256) - 1
MIXED = int.from_bytes(bytes(range(1, 256, 8)), "big")
MEMORY_BYTES = 1 << 17
REPEATS = 200

Arguments = Callable[[int], tuple[int, ...]]
"""The operands of the n-th use of an opcode, top of the stack first."""


class Program(NamedTuple):
    """Code that runs one opcode again and again until its gas is gone. name: the opcode and its operands."""

    name: str
    code: bytes


class Input(NamedTuple):
    """Call data for a precompile."""

    name: str
    address: Address
    data: bytes


def _always(*values: int) -> Arguments:
    return lambda _: values


def _sizes(make: Callable[[int], tuple[int, ...]]) -> dict[str, Arguments]:
    return {f"of {size:,} bytes": _always(*make(size)) for size in (0, 32, 1_024, MEMORY_BYTES)}


def _address(rest: tuple[int, ...] = ()) -> dict[str, Arguments]:
    callee = int.from_bytes(CALLEE, "big")
    return {"cold": lambda n: (COLD + n, *rest), "again": _always(callee, *rest)}


def _call(value: Sequence[int]) -> dict[str, Arguments]:
    callee, none = int.from_bytes(CALLEE, "big"), tuple(value)
    return {
        "cold": lambda n: (0, COLD + n, *none, 0, 0, 0, 0),
        "again": _always(1_000, callee, *none, 0, 0, 0, 0),
        f"with {MEMORY_BYTES:,} bytes": _always(1_000, callee, *none, 0, MEMORY_BYTES, 0, 0),
    }


_SLOT: dict[str, Arguments] = {"cold": lambda n: (COLD + n,), "again": _always(1)}

VARIANTS: dict[str, dict[str, Arguments]] = {
    "EXP": {"of 32 bytes": _always(MAX, MAX), "of 1 byte": _always(MAX, 255), "of nothing": _always(MAX, 0)},
    "SIGNEXTEND": {"": _always(0, MAX)},
    "BYTE": {"": _always(3, MIXED)},
    "SHL": {"": _always(3, MIXED)},
    "SHR": {"": _always(3, MAX)},
    "SAR": {"": _always(3, MAX)},
    "KECCAK256": {**_sizes(lambda size: (0, size)), "of 136 bytes": _always(0, 136)},
    "BALANCE": _address(),
    "EXTCODESIZE": _address(),
    "EXTCODEHASH": _address(),
    "EXTCODECOPY": {**_address((0, 0, 0)), **_sizes(lambda size: (int.from_bytes(CALLEE, "big"), 0, 0, size))},
    "CALLDATALOAD": {"": _always(0), "past the end": _always(MAX)},
    "CALLDATACOPY": _sizes(lambda size: (0, MAX, size)),
    "CODECOPY": _sizes(lambda size: (0, 0, size)),
    "RETURNDATACOPY": {"": _always(0, 0, 0)},
    "MCOPY": _sizes(lambda size: (1, 0, size)),
    "BLOCKHASH": {"": _always(0), "far": _always(MAX)},
    "BLOBHASH": {"": _always(0)},
    "MLOAD": {"": _always(1)},
    "MSTORE": {"": _always(1, MAX)},
    "MSTORE8": {"": _always(1, MAX)},
    "SLOAD": _SLOT,
    "TLOAD": _SLOT,
    "SSTORE": {"fresh": lambda n: (COLD + n, 1), "again": lambda n: (1, n & 1), "same": _always(1, 0)},
    "TSTORE": {"fresh": lambda n: (COLD + n, 1), "again": _always(1, 1)},
    "JUMP": {},
    "JUMPI": {"not taken": _always(0, 0)},
    **{
        f"LOG{count}": _sizes(lambda size, count=count: (0, size, *[MAX] * count))  # type: ignore[misc]
        for count in range(5)
    },
    "CREATE": {"": _always(0, 0, 0), "of 32 bytes": _always(0, 0, 32)},
    "CREATE2": {"": lambda n: (0, 0, 0, n), "of 32 bytes": lambda n: (0, 0, 32, n)},
    "CALL": {**_call((0,)), "with value": _always(0, int.from_bytes(CALLEE, "big"), 1, 0, 0, 0, 0)},
    "CALLCODE": _call((0,)),
    "DELEGATECALL": _call(()),
    "STATICCALL": _call(()),
}
"""Operands where the largest numbers are not the dearest ones, by mnemonic."""

ENDING = {"STOP", "RETURN", "REVERT", "INVALID", "SELFDESTRUCT"}
"""An instruction that ends a frame runs once in it: the slowest case is a loop of calls."""


def opcodes(fork: Fork) -> Iterator[tuple[int, Operation]]:
    """The opcodes of a fork that a program can repeat."""
    for value, operation in enumerate(FRAME_CLASSES[fork].operations):
        if operation.name not in ENDING and operation.body is not invalid:
            yield value, operation


def opcode_programs(fork: Fork, value: int, operation: Operation) -> Iterator[Program]:
    """Programs for one opcode, one for each kind of operands."""
    default = {"": _always(*[MAX] * operation.pops)}
    for title, arguments in VARIANTS.get(operation.name, default).items():
        body = b"".join(_use(value, operation, arguments(number), fork) for number in range(REPEATS))
        yield Program(f"{operation.name} {title}".strip(), _looping(body))
    if operation.name == "JUMP":
        yield Program("JUMP", _looping(_jumps(REPEATS)))


def _use(value: int, operation: Operation, arguments: tuple[int, ...], fork: Fork) -> bytes:
    pushed = b"".join(_push(argument, fork) for argument in reversed(arguments))
    operand = b"\xff" * (value - 0x5F) if 0x60 <= value <= 0x7F else b""
    popped = (len(arguments) - operation.pops) + operation.pushes
    return pushed + bytes((value,)) + operand + b"\x50" * popped


def _push(number: int, fork: Fork) -> bytes:
    size = max((number.bit_length() + 7) // 8, 0 if fork >= Fork.SHANGHAI else 1)
    return bytes((0x5F + size,)) + number.to_bytes(size, "big")


def _looping(body: bytes) -> bytes:
    """Open the memory, then run the body for ever."""
    opening = b"\x60\x00\x62" + (MEMORY_BYTES - 1).to_bytes(3, "big") + b"\x53"
    start = len(opening)
    return opening + b"\x5b" + body + b"\x61" + start.to_bytes(2, "big") + b"\x56"


def _jumps(count: int) -> bytes:
    """Jumps from one to the next; it stands behind `_looping`'s opening."""
    code, position = b"", 8
    for _ in range(count):
        code += b"\x61" + (position + 4).to_bytes(2, "big") + b"\x56\x5b"
        position += 5
    return code


def calling(address: bytes, size: int, fork: Fork) -> bytes:
    """Code that calls an account with its own call data, of this size in bytes, until its gas is gone."""
    numbers = (MAX, int.from_bytes(address, "big"), 0, 0, size, 0, 0)
    use = b"".join(_push(number, fork) for number in reversed(numbers)) + b"\xf1\x50"
    opening = b"\x36\x60\x00\x60\x00\x37"
    start = len(opening)
    return opening + b"\x5b" + use * 20 + b"\x61" + start.to_bytes(2, "big") + b"\x56"


def precompile_inputs(fork: Fork, gas_limit: int) -> Iterator[Input]:
    """The dearest inputs of a fork's precompiles, as large as the gas allows."""
    for address in PRECOMPILES[fork]:
        name = PRECOMPILE_NAMES[address]
        for title, data in INPUTS[name](fork, gas_limit):
            yield Input(f"{name} {title}".strip(), address, data)
