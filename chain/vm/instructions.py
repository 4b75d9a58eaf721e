"""Bodies of the instructions that run most: stack, arithmetic, memory, environment, jumps.

Each replaces a py-evm function (see operations.py) and does the same in less time. All have one
signature: the frame, its stack (ints, top last), and an operand fixed when the code was decoded.
Before a body runs the interpreter has checked the stack and charged the constant gas. Bodies that end
a block return the next program counter, or HALT.
"""

# ruff: noqa: ARG001  one signature for all, used or not

from functools import lru_cache
from typing import Any

from eth.exceptions import InvalidInstruction, InvalidJumpDestination, OutOfBoundsRead, Revert

from zevm.chain.vm.frame import Frame
from zevm.storage.keccak import keccak256

Stack = list[int]

HALT = -1
WORD = 1 << 256
MAX = WORD - 1
SIGN = 1 << 255
ADDRESS_MASK = (1 << 160) - 1
GAS_COPY_WORD = 3
GAS_KECCAK_WORD = 6

from_bytes = int.from_bytes
keccak_of_slot_key = lru_cache(maxsize=32_768)(keccak256)
"""Hashes of 64-byte inputs, which are the slots of mappings and come again and again."""


def signed(value: int) -> int:
    """A word as two's complement."""
    return value - WORD if value & SIGN else value


# Stack


def push(frame: Frame, stack: Stack, operand: int) -> None:
    stack.append(operand)


def pop(frame: Frame, stack: Stack, operand: Any) -> None:
    del stack[-1]


def dup(frame: Frame, stack: Stack, operand: int) -> None:
    stack.append(stack[operand])


def swap(frame: Frame, stack: Stack, operand: int) -> None:
    stack[-1], stack[operand] = stack[operand], stack[-1]


# Arithmetic and comparison


def add(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = (left + stack[-1]) & MAX


def sub(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = (left - stack[-1]) & MAX


def mul(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = (left * stack[-1]) & MAX


def div(frame: Frame, stack: Stack, operand: Any) -> None:
    left, right = stack.pop(), stack[-1]
    stack[-1] = left // right if right else 0


def sdiv(frame: Frame, stack: Stack, operand: Any) -> None:
    left, right = signed(stack.pop()), signed(stack[-1])
    quotient = abs(left) // abs(right) if right else 0
    stack[-1] = (quotient if (left < 0) == (right < 0) else -quotient) & MAX


def mod(frame: Frame, stack: Stack, operand: Any) -> None:
    left, right = stack.pop(), stack[-1]
    stack[-1] = left % right if right else 0


def smod(frame: Frame, stack: Stack, operand: Any) -> None:
    left, right = signed(stack.pop()), abs(signed(stack[-1]))
    remainder = abs(left) % right if right else 0
    stack[-1] = (-remainder if left < 0 else remainder) & MAX


def addmod(frame: Frame, stack: Stack, operand: Any) -> None:
    left, right, modulus = stack.pop(), stack.pop(), stack[-1]
    stack[-1] = (left + right) % modulus if modulus else 0


def mulmod(frame: Frame, stack: Stack, operand: Any) -> None:
    left, right, modulus = stack.pop(), stack.pop(), stack[-1]
    stack[-1] = (left * right) % modulus if modulus else 0


def signextend(frame: Frame, stack: Stack, operand: Any) -> None:
    size, value = stack.pop(), stack[-1]
    if size < 31:
        sign = 1 << (8 * size + 7)
        stack[-1] = (value | (WORD - sign)) if value & sign else value & (sign - 1)


def lt(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = 1 if left < stack[-1] else 0


def gt(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = 1 if left > stack[-1] else 0


def slt(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = 1 if left ^ SIGN < stack[-1] ^ SIGN else 0


def sgt(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = 1 if left ^ SIGN > stack[-1] ^ SIGN else 0


def eq(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] = 1 if left == stack[-1] else 0


def iszero(frame: Frame, stack: Stack, operand: Any) -> None:
    stack[-1] = 0 if stack[-1] else 1


def and_(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] &= left


def or_(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] |= left


def xor(frame: Frame, stack: Stack, operand: Any) -> None:
    left = stack.pop()
    stack[-1] ^= left


def not_(frame: Frame, stack: Stack, operand: Any) -> None:
    stack[-1] ^= MAX


def byte(frame: Frame, stack: Stack, operand: Any) -> None:
    position, value = stack.pop(), stack[-1]
    stack[-1] = (value >> (248 - 8 * position)) & 0xFF if position < 32 else 0


def shl(frame: Frame, stack: Stack, operand: Any) -> None:
    shift, value = stack.pop(), stack[-1]
    stack[-1] = (value << shift) & MAX if shift < 256 else 0


def shr(frame: Frame, stack: Stack, operand: Any) -> None:
    shift, value = stack.pop(), stack[-1]
    stack[-1] = value >> shift if shift < 256 else 0


def sar(frame: Frame, stack: Stack, operand: Any) -> None:
    shift, value = stack.pop(), signed(stack[-1])
    stack[-1] = (value >> min(shift, 256)) & MAX


def clz(frame: Frame, stack: Stack, operand: Any) -> None:
    """Leading zero bits (EIP-7939)."""
    stack[-1] = 256 - stack[-1].bit_length()


# Memory


def mload(frame: Frame, stack: Stack, operand: Any) -> None:
    start = stack[-1]
    end = start + 32
    if end > len(frame.memory):
        frame.extend_memory(start, 32)
    stack[-1] = from_bytes(frame.memory[start:end], "big")


def mstore(frame: Frame, stack: Stack, operand: Any) -> None:
    start = stack.pop()
    end = start + 32
    if end > len(frame.memory):
        frame.extend_memory(start, 32)
    frame.memory[start:end] = stack.pop().to_bytes(32, "big")


def mstore8(frame: Frame, stack: Stack, operand: Any) -> None:
    start, value = stack.pop(), stack.pop()
    frame.extend_memory(start, 1)
    frame.memory[start] = value & 0xFF


def msize(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(len(frame.memory))


def mcopy(frame: Frame, stack: Stack, operand: Any) -> None:
    target, source, size = stack.pop(), stack.pop(), stack.pop()
    frame.extend_memory(max(target, source), size)
    frame.consume_gas(GAS_COPY_WORD * ((size + 31) >> 5))
    if size:
        frame.memory[target : target + size] = frame.memory[source : source + size]


def keccak(frame: Frame, stack: Stack, operand: Any) -> None:
    start, size = stack.pop(), stack[-1]
    frame.extend_memory(start, size)
    frame.consume_gas(GAS_KECCAK_WORD * ((size + 31) >> 5))
    data = bytes(frame.memory[start : start + size])
    digest = keccak_of_slot_key(data) if size == 64 else keccak256(data)
    stack[-1] = from_bytes(digest, "big")


def _paid_copy(frame: Frame, stack: Stack) -> tuple[int, int, int]:
    """Pay for a copy: where to, where from and how much."""
    target, start, size = stack.pop(), stack.pop(), stack.pop()
    frame.extend_memory(target, size)
    frame.consume_gas(GAS_COPY_WORD * ((size + 31) >> 5))
    return target, start, size


def copy_to_memory(frame: Frame, stack: Stack, source: bytes | memoryview) -> None:
    """CALLDATACOPY and CODECOPY: bytes past the end of the source are zero."""
    target, start, size = _paid_copy(frame, stack)
    if size:
        frame.memory[target : target + size] = bytes(source[start : start + size]).ljust(size, b"\0")


def calldatacopy(frame: Frame, stack: Stack, operand: Any) -> None:
    copy_to_memory(frame, stack, frame.msg.data)


def codecopy(frame: Frame, stack: Stack, operand: Any) -> None:
    copy_to_memory(frame, stack, frame.msg.code)


def returndatacopy(frame: Frame, stack: Stack, operand: Any) -> None:
    """Reading past the end of the return data is a fault (EIP-211), once it is paid for."""
    target, start, size = _paid_copy(frame, stack)
    if start + size > len(frame.return_data):
        raise OutOfBoundsRead("return data")
    if size:
        frame.memory[target : target + size] = frame.return_data[start : start + size]


# Environment


def calldataload(frame: Frame, stack: Stack, operand: Any) -> None:
    start = stack[-1]
    word = bytes(frame.msg.data[start : start + 32])
    stack[-1] = from_bytes(word if len(word) == 32 else word.ljust(32, b"\0"), "big")


def calldatasize(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(len(frame.msg.data))


def codesize(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(len(frame.msg.code))


def returndatasize(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(len(frame.return_data))


def address(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(from_bytes(frame.address, "big"))


def caller(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(from_bytes(frame.msg.sender, "big"))


def callvalue(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(frame.msg.value)


def gas(frame: Frame, stack: Stack, operand: Any) -> None:
    frame.transaction_context.spare_gas = 0
    stack.append(frame.gas_left)


# Ends of blocks


def jump(frame: Frame, stack: Stack, operand: Any) -> int:
    target = stack.pop()
    if target not in frame.program.jump_targets:
        raise InvalidJumpDestination("jump")
    return target


def jumpi(frame: Frame, stack: Stack, following: int) -> int:
    target = stack.pop()
    if not stack.pop():
        return following
    if target not in frame.program.jump_targets:
        raise InvalidJumpDestination("jump")
    return target


def jumpi_known(frame: Frame, stack: Stack, targets: tuple[int, int]) -> int:
    """JUMPI to a constant that is a jump destination: (following, target)."""
    return targets[1] if stack.pop() else targets[0]


def stop(frame: Frame, stack: Stack, operand: Any) -> int:
    return HALT


def return_(frame: Frame, stack: Stack, operand: Any) -> int:
    start, size = stack.pop(), stack.pop()
    frame.extend_memory(start, size)
    frame.output = bytes(frame.memory[start : start + size]) if size else b""
    return HALT


def revert(frame: Frame, stack: Stack, operand: Any) -> int:
    return_(frame, stack, operand)
    raise Revert("revert")


def invalid(frame: Frame, stack: Stack, name: str) -> int:
    raise InvalidInstruction(f"invalid opcode: {name}")


def run_py_evm(frame: Frame, stack: Stack, logic: Any) -> None:
    """Run a py-evm opcode body on the frame."""
    logic(frame)
