"""What the tests of the Covenant VM share: people, and EVM contracts in mnemonics."""

from wasmtime import wat2wasm

from testing.wasm_modules import selector
from tests.chain.vm.support import assemble, deploying

ALICE, BOB, CAROL = b"\xa1" * 20, b"\xb0" * 20, b"\xca" * 20
GET, SET = selector("get()"), selector("set(uint256)")
ANY = bytes(4)
ETHER = 10**18
GAS = 10_000_000


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def evm(source: str) -> bytes:
    """Creation code of a contract with this code."""
    return deploying(assemble(source))


def constructing(constructor: str, source: str) -> bytes:
    """Creation code that runs the constructor first."""
    start, code = assemble(constructor), assemble(source)
    copy = assemble(f"0x{len(code):04x} DUP1 0x{len(start) + 13:04x} 0 CODECOPY 0 RETURN")
    assert len(copy) == 13
    return start + copy + code


def entrypoint(body: str, imports: str = "") -> bytes:
    """A module whose entry point has this body; it has one page of memory, and takes more."""
    head = f'{imports} (import "vm_hooks" "pay_for_memory_grow" (func (param i32))) (memory (export "memory") 1)'
    return bytes(wat2wasm(f'(module {head} (func (export "user_entrypoint") (param i32) (result i32) {body}))'))


SPINNING = entrypoint("(loop $again (br $again)) (i32.const 0)")
"""Runs until its gas is used up."""


def reverting(data: bytes) -> bytes:
    """Creation code of a contract that always reverts with the data."""
    start = assemble(f"0x{len(data):04x} 0x000f 0 CODECOPY 0x{len(data):04x} 0 REVERT")
    assert len(start) == 15
    return deploying(start + data)


def returning(*sources: str) -> bytes:
    """Creation code of a contract that returns one word for each source."""
    stores = " ".join(f"{source} {32 * place} MSTORE" for place, source in enumerate(sources))
    return evm(f"{stores} {32 * len(sources)} 0 RETURN")


BOX = evm(
    "0 CALLDATALOAD 224 SHR 0x6d4ce63c EQ 22 JUMPI 4 CALLDATALOAD 0 SSTORE STOP JUMPDEST 0 SLOAD 0 MSTORE 32 0 RETURN"
)
"""get(), and set(uint256) under any other selector, of slot 0."""

CALLER_OF = evm(
    # call data: selector, address; forwards get() and returns the answer
    f"0x{GET.hex()} 224 SHL 0 MSTORE 32 0 4 0 0 4 CALLDATALOAD GAS CALL 32 0 RETURN"
)
"""Calls get() of the contract in its first parameter."""
