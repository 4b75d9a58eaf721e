"""Two precompiles: ArbWasm, which Stylus' tools ask, and ZvmLibrary, by which Solidity runs functions of modules.

examples/src/IZvmLibrary.sol has the second one's interface; docs/zvm.md tells both.
"""

from collections.abc import Callable
from typing import Any, Protocol

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from zevm.chain.types.selectors import signature_selector
from zevm.chain.vm.host_interface import (
    Frame,
    InvalidModuleError,
    NoSuchFunctionError,
    PrecompileError,
    StatusError,
    TransactionContext,
    TrapError,
    instruct,
)
from zevm.chain.zvm.module.activation import BASE_GAS
from zevm.chain.zvm.outcomes import Status
from zevm.chain.zvm.price_table import INK_PER_GAS, PriceTable
from zevm.chain.zvm.scope import FRAME_STACK_WORDS, Entry, TransactionScope
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32

ARBWASM_ADDRESS = Address((0x71).to_bytes(20, "big"))
LIBRARY_ADDRESS = Address((0x5A564D).to_bytes(20, "big"))
"""0x5a564d: "ZVM" in ASCII."""

STYLUS_VERSION = 2
"""Of the rules that modules are checked by, as Arbitrum counts them."""

WORD_GAS = 3
"""For each 32-byte word of call data."""
LOOKUP_GAS = 800
"""For an answer of ArbWasm, as for a read of a slot."""

_EXTCODESIZE = 0x3B
_NEVER = (1 << 64) - 1
"""Seconds until a program expires."""


class Machine(Protocol):
    """The machine's interface for its precompiles (chain.zvm.machine.ZvmMachine)."""

    @property
    def price_table(self) -> PriceTable:
        """The price of its code."""
        ...

    def claims(self, code: bytes) -> bool:
        """Whether code is for the machine."""
        ...

    def scope_of(self, context: TransactionContext) -> TransactionScope:
        """The shared data of the transaction's WebAssembly frames."""
        ...


class CheckedProgram(Protocol):
    """A compiled module's properties (chain.zvm.runtime.engine.Program)."""

    @property
    def initial_pages(self) -> int:
        """Of its memory."""
        ...

    @property
    def data_bytes(self) -> int:
        """Of its data segments."""
        ...

    @property
    def activation_gas(self) -> int:
        """The price of its checks."""
        ...


Body = Callable[[Machine, Frame, tuple[Any, ...]], tuple[Any, ...]]


class _Row:
    """One function of a precompile: its ABI and its body, which raises VMError."""

    __slots__ = ("body", "inputs", "outputs")

    def __init__(self, inputs: tuple[str, ...], outputs: tuple[str, ...], body: Body) -> None:
        self.inputs, self.outputs, self.body = inputs, outputs, body


def _revert(frame: Frame, signature: str, types: tuple[str, ...] = (), values: tuple[Any, ...] = ()) -> StatusError:
    """The fault that reverts with a custom error; to be raised."""
    frame.output = signature_selector(signature) + encode(types, values)
    return StatusError(1)


def _table(rows: dict[str, tuple[tuple[str, ...], Body]]) -> dict[bytes, _Row]:
    table = {}
    for signature, (outputs, body) in rows.items():
        inputs = signature[signature.index("(") + 1 : -1]
        table[signature_selector(signature)] = _Row(tuple(inputs.split(",")) if inputs else (), outputs, body)
    return table


def _answer(machine: Machine, frame: Frame, table: dict[bytes, _Row]) -> None:
    data = bytes(frame.msg.data)
    frame.consume_gas(WORD_GAS * ((len(data) + 31) // 32), "call data")
    row = table.get(data[:4])
    if row is None:
        raise PrecompileError(f"no function with the selector 0x{data[:4].hex()}")
    try:
        arguments = decode(row.inputs, data[4:])
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        raise PrecompileError(f"call data does not decode: {error}") from error
    with machine.scope_of(frame.transaction_context):
        frame.output = encode(row.outputs, row.body(machine, frame, arguments))


# ArbWasm


def _constant(value: Callable[[Machine], int]) -> Body:
    def body(machine: Machine, frame: Frame, _arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        frame.consume_gas(LOOKUP_GAS, "ArbWasm")
        return (value(machine),)

    return body


def _code_at(frame: Frame, address: str) -> tuple[Hash32, bytes]:
    """The hash of an account's code and the code, for the access."""
    account, state = Address(bytes.fromhex(address[2:])), frame.block_state
    instruct(frame, _EXTCODESIZE, int.from_bytes(account, "big"))
    return state.get_code_hash(account), state.get_code(account)


def _program_at(machine: Machine, frame: Frame, address: str) -> CheckedProgram:
    """The checked program of a contract, its checks paid for. Reverts where there is none."""
    from zevm.chain.zvm.execution import activate, program_of

    code_hash, code = _code_at(frame, address)
    if not machine.claims(code):
        raise _revert(frame, "ProgramNotWasm()")
    scope = machine.scope_of(frame.transaction_context)
    try:
        activate(frame, scope, code)
        return program_of(frame, scope, code_hash, code)
    except InvalidModuleError as error:
        raise _revert(frame, "Error(string)", ("string",), (str(error),)) from error


def _activate(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """activateProgram: modules are active from their deployment on, so nothing changes; the value goes back."""
    _program_at(machine, frame, arguments[0])
    message, state = frame.msg, frame.block_state
    if message.value and message.should_transfer_value:
        state.add_balance(frame.address, -message.value)
        state.add_balance(message.sender, message.value)
    return STYLUS_VERSION, 0


def _program_version(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    frame.consume_gas(LOOKUP_GAS, "ArbWasm")
    if not machine.claims(_code_at(frame, arguments[0])[1]):
        raise _revert(frame, "ProgramNotActivated()")
    return (STYLUS_VERSION,)


def _of_codehash(_machine: Machine, frame: Frame, _arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The answer for a code hash: programs are active by account, and a node's knowledge of code must not matter."""
    frame.consume_gas(LOOKUP_GAS, "ArbWasm")
    raise _revert(frame, "ProgramNotActivated()")


def _init_gas(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    program = _program_at(machine, frame, arguments[0])
    price = machine.price_table.entry.price(program.data_bytes, program.activation_gas)
    return price, price


def _footprint(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return (_program_at(machine, frame, arguments[0]).initial_pages,)


def _time_left(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    _program_version(machine, frame, arguments)
    return (_NEVER,)


def _keep_alive(_machine: Machine, frame: Frame, _arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    frame.consume_gas(LOOKUP_GAS, "ArbWasm")
    return ()


def _minimum_init_gas(machine: Machine, frame: Frame, _arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    frame.consume_gas(LOOKUP_GAS, "ArbWasm")
    return machine.price_table.entry.gas, machine.price_table.entry.gas


_ARBWASM = _table(
    {
        "activateProgram(address)": (("uint16", "uint256"), _activate),
        "stylusVersion()": (("uint16",), _constant(lambda _machine: STYLUS_VERSION)),
        "codehashVersion(bytes32)": (("uint16",), _of_codehash),
        "codehashAsmSize(bytes32)": (("uint32",), _of_codehash),
        "codehashKeepalive(bytes32)": ((), _keep_alive),
        "programVersion(address)": (("uint16",), _program_version),
        "programInitGas(address)": (("uint64", "uint64"), _init_gas),
        "programMemoryFootprint(address)": (("uint16",), _footprint),
        "programTimeLeft(address)": (("uint64",), _time_left),
        "inkPrice()": (("uint32",), _constant(lambda _machine: INK_PER_GAS)),
        "maxStackDepth()": (("uint32",), _constant(lambda _machine: FRAME_STACK_WORDS)),
        "freePages()": (("uint16",), _constant(lambda machine: machine.price_table.pages.free_pages)),
        "pageGas()": (("uint16",), _constant(lambda machine: machine.price_table.pages.page_gas)),
        "pageRamp()": (("uint64",), _constant(lambda machine: machine.price_table.pages.ramp)),
        "pageLimit()": (("uint16",), _constant(lambda machine: machine.price_table.pages.instance_pages_limit)),
        "minInitGas()": (("uint64", "uint64"), _minimum_init_gas),
        "initCostScalar()": (("uint64",), _constant(lambda _machine: 100)),
        "expiryDays()": (("uint16",), _constant(lambda _machine: (1 << 16) - 1)),
        "keepaliveDays()": (("uint16",), _constant(lambda _machine: 0)),
        "blockCacheSize()": (("uint16",), _constant(lambda _machine: 0)),
        "activationGas()": (("uint64",), _constant(lambda _machine: BASE_GAS)),
    }
)


def arbwasm(machine: Machine, frame: Frame) -> None:
    """0x71: what Stylus' tools ask of a chain. Every module that is stored is active, and never expires."""
    _answer(machine, frame, _ARBWASM)


# ZvmLibrary


def _fail(frame: Frame, status: Status) -> StatusError:
    return _revert(frame, "ZvmFailed(uint8)", ("uint8",), (status.number,))


def _run(machine: Machine, frame: Frame, module: bytes | str, data: bytes, entry: Entry) -> bytes:
    """Run a module given as bytes, its checks paid for each time, or a stored one."""
    from zevm.chain.zvm.execution import activate, program_of, require_function, run_program
    from zevm.chain.zvm.host.functions import STATELESS_CALLBACKS

    scope = machine.scope_of(frame.transaction_context)
    is_given = isinstance(module, bytes)
    code_hash, code = (keccak256(module), module) if isinstance(module, bytes) else _code_at(frame, module)
    try:
        if is_given:
            activate(frame, scope, code, library=True)
        elif not machine.claims(code):
            raise _fail(frame, Status.INVALID_FUNCTION)
        program = program_of(frame, scope, code_hash, code, library=is_given)
    except InvalidModuleError as error:
        raise _fail(frame, Status.INVALID_MODULE) from error
    try:
        require_function(program, entry)
        run_program(frame, scope, program, data, entry=entry, callbacks=STATELESS_CALLBACKS)
    except NoSuchFunctionError as error:
        raise _fail(frame, Status.INVALID_FUNCTION) from error
    except TrapError as error:
        raise _fail(frame, Status.RUNTIME_ERROR) from error
    return frame.output


def _execute(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A function that takes and returns bytes; its revert data, where its status is not 0, passes through."""
    module, name, data = arguments
    return (_run(machine, frame, module, data, Entry(name)),)


def _compute(machine: Machine, frame: Frame, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A function of integers."""
    module, name, numbers = arguments
    return (int.from_bytes(_run(machine, frame, module, b"", Entry(name, numbers)), "big"),)


_LIBRARY = _table(
    {
        "execute(bytes,string,bytes)": (("bytes",), _execute),
        "executeAt(address,string,bytes)": (("bytes",), _execute),
        "compute(bytes,string,uint64[])": (("uint64",), _compute),
        "computeAt(address,string,uint64[])": (("uint64",), _compute),
    }
)


def library(machine: Machine, frame: Frame) -> None:
    """0x5a564d: run a function of a module on its arguments alone, at its gas."""
    _answer(machine, frame, _LIBRARY)


PRECOMPILES: dict[Address, Callable[[Machine, Frame], None]] = {
    ARBWASM_ADDRESS: arbwasm,
    LIBRARY_ADDRESS: library,
}
"""By 20-byte address."""
