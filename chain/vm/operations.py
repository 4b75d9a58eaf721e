"""The 256 operations of a fork, made from py-evm's opcode table.

py-evm decides which opcodes a fork has, which body each one has and what it costs. Where a body is one
that we know, our faster one takes its place (REPLACEMENTS, SYSTEM); any other runs as it is. A fork that
py-evm changes therefore changes here too.
"""

from collections.abc import Iterator, Mapping
from types import FunctionType, MappingProxyType
from typing import Any

from eth.vm.forks.berlin import logic as berlin
from eth.vm.forks.cancun import logic as cancun
from eth.vm.forks.london import storage as london
from eth.vm.forks.prague import logic as prague
from eth.vm.forks.shanghai import logic as shanghai
from eth.vm.logic import (
    arithmetic,
    call,
    comparison,
    context,
    duplication,
    flow,
    logging,
    memory,
    sha3,
    stack,
    storage,
    swap,
    system,
)

from zevm.chain.rules.forks import Fork
from zevm.chain.vm import instructions as fast
from zevm.chain.vm import state_instructions as stateful
from zevm.chain.vm.calls import CallRules, CreateRules
from zevm.chain.vm.calls import call as run_call
from zevm.chain.vm.calls import create as run_create
from zevm.chain.vm.opcodes import Body, Operation
from zevm.chain.vm.py_evm_opcodes import OPCODES
from zevm.chain.vm.state_instructions import DestructRules

_STACK_EFFECTS: dict[tuple[int, int], str] = {
    (0, 0): "STOP JUMPDEST INVALID",
    (1, 0): "POP JUMP SELFDESTRUCT",
    (2, 0): "MSTORE MSTORE8 SSTORE TSTORE JUMPI RETURN REVERT LOG0",
    (3, 0): "CALLDATACOPY CODECOPY RETURNDATACOPY MCOPY LOG1",
    (4, 0): "EXTCODECOPY LOG2",
    (5, 0): "LOG3",
    (6, 0): "LOG4",
    (0, 1): "ADDRESS ORIGIN CALLER CALLVALUE CALLDATASIZE CODESIZE GASPRICE RETURNDATASIZE COINBASE TIMESTAMP NUMBER "
    "DIFFICULTY PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE BLOBBASEFEE PC MSIZE GAS",
    (1, 1): "ISZERO NOT BALANCE CALLDATALOAD EXTCODESIZE EXTCODEHASH BLOCKHASH BLOBHASH MLOAD SLOAD TLOAD CLZ",
    (2, 1): "ADD MUL SUB DIV SDIV MOD SMOD EXP SIGNEXTEND LT GT SLT SGT EQ AND OR XOR BYTE SHL SHR SAR SHA3",
    (3, 1): "ADDMOD MULMOD CREATE",
    (4, 1): "CREATE2",
    (6, 1): "DELEGATECALL STATICCALL",
    (7, 1): "CALL CALLCODE",
}
STACK_EFFECTS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {name: effect for effect, names in _STACK_EFFECTS.items() for name in names.split()}
    | {f"PUSH{size}": (0, 1) for size in range(33)}
    | {f"DUP{depth}": (depth, depth + 1) for depth in range(1, 17)}
    | {f"SWAP{depth}": (depth + 1, depth + 1) for depth in range(1, 17)}
)
"""Words popped and pushed, by mnemonic."""


def _unwrap(function: Any) -> Any:
    """Past functools.wraps: the static check, which our bodies make, and the deprecation warning."""
    while isinstance(function, FunctionType) and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


REPLACEMENTS: dict[Any, tuple[Body | None, Any]] = {
    arithmetic.add: (fast.add, None),
    arithmetic.addmod: (fast.addmod, None),
    arithmetic.sub: (fast.sub, None),
    arithmetic.mod: (fast.mod, None),
    arithmetic.smod: (fast.smod, None),
    arithmetic.mul: (fast.mul, None),
    arithmetic.mulmod: (fast.mulmod, None),
    arithmetic.div: (fast.div, None),
    arithmetic.sdiv: (fast.sdiv, None),
    arithmetic.signextend: (fast.signextend, None),
    arithmetic.shl: (fast.shl, None),
    arithmetic.shr: (fast.shr, None),
    arithmetic.sar: (fast.sar, None),
    comparison.lt: (fast.lt, None),
    comparison.gt: (fast.gt, None),
    comparison.slt: (fast.slt, None),
    comparison.sgt: (fast.sgt, None),
    comparison.eq: (fast.eq, None),
    comparison.iszero: (fast.iszero, None),
    comparison.and_op: (fast.and_, None),
    comparison.or_op: (fast.or_, None),
    comparison.xor: (fast.xor, None),
    comparison.not_op: (fast.not_, None),
    comparison.byte_op: (fast.byte, None),
    sha3.sha3: (fast.keccak, None),
    stack.pop: (fast.pop, None),
    memory.mload: (fast.mload, None),
    memory.mstore: (fast.mstore, None),
    memory.mstore8: (fast.mstore8, None),
    memory.msize: (fast.msize, None),
    memory.mcopy: (fast.mcopy, None),
    context.address: (fast.address, None),
    context.caller: (fast.caller, None),
    context.callvalue: (fast.callvalue, None),
    context.calldataload: (fast.calldataload, None),
    context.calldatasize: (fast.calldatasize, None),
    context.calldatacopy: (fast.calldatacopy, None),
    context.codesize: (fast.codesize, None),
    context.codecopy: (fast.codecopy, None),
    context.returndatasize: (fast.returndatasize, None),
    context.returndatacopy: (fast.returndatacopy, None),
    context.selfbalance: (stateful.selfbalance, None),
    flow.gas: (fast.gas, None),
    flow.program_counter: (fast.push, None),
    flow.jumpdest: (None, None),
    flow.jump: (fast.jump, None),
    flow.jumpi: (fast.jumpi, None),
    flow.stop: (fast.stop, None),
    system.return_op: (fast.return_, None),
    system.revert: (fast.revert, None),
    storage.sload: (stateful.sload, None),
    berlin.sload_eip2929: (stateful.sload_access, None),
    berlin.sstore_eip2929: (stateful.sstore_access, berlin.GAS_SCHEDULE_EIP2929),
    london.sstore_eip3529: (stateful.sstore_access, london.GAS_SCHEDULE_EIP3529),
    berlin.balance_eip2929: (stateful.balance_access, None),
    berlin.extcodesize_eip2929: (stateful.extcodesize_access, None),
    berlin.extcodehash_eip2929: (stateful.extcodehash_access, None),
    cancun.tload: (stateful.tload, None),
    _unwrap(cancun.tstore): (stateful.tstore, None),
    system.selfdestruct: (stateful.selfdestruct, DestructRules()),
    system.selfdestruct_eip150: (stateful.selfdestruct, DestructRules(charges_absent=True)),
    system.selfdestruct_eip161: (stateful.selfdestruct, DestructRules(charges_dead=True)),
    berlin.selfdestruct_eip2929: (stateful.selfdestruct, DestructRules(charges_dead=True, charges_cold=True)),
    cancun.selfdestruct_eip6780: (
        stateful.selfdestruct,
        DestructRules(charges_dead=True, charges_cold=True, only_created=True),
    ),
    **{getattr(logging, f"log{count}"): (stateful.log, count) for count in range(5)},
    **{getattr(stack, f"push{size}"): (fast.push, None) for size in range(33)},
    **{getattr(duplication, f"dup{depth}"): (fast.dup, -depth) for depth in range(1, 17)},
    **{getattr(swap, f"swap{depth}"): (fast.swap, -depth - 1) for depth in range(1, 17)},
}
"""py-evm's opcode function -> our body and its operand."""


_EIP150 = {"keeps_64th": True}
_EIP161 = _EIP150 | {"pays_dead": True}
_EIP2929 = _EIP161 | {"charges_access": True}
_EIP7702 = _EIP2929 | {"follows_delegation": True}
_EIP3860 = _EIP150 | {"warms": True, "charges_initcode": True}

SYSTEM: dict[type, tuple[Body, CallRules | CreateRules]] = {
    call.Call: (run_call, CallRules("CALL")),
    call.CallCode: (run_call, CallRules("CALLCODE")),
    call.DelegateCall: (run_call, CallRules("DELEGATECALL")),
    call.CallEIP150: (run_call, CallRules("CALL", **_EIP150)),
    call.CallCodeEIP150: (run_call, CallRules("CALLCODE", **_EIP150)),
    call.DelegateCallEIP150: (run_call, CallRules("DELEGATECALL", **_EIP150)),
    call.CallEIP161: (run_call, CallRules("CALL", **_EIP161)),
    call.CallByzantium: (run_call, CallRules("CALL", **_EIP161)),
    call.StaticCall: (run_call, CallRules("STATICCALL", **_EIP161)),
    berlin.CallEIP2929: (run_call, CallRules("CALL", **_EIP2929)),
    berlin.CallCodeEIP2929: (run_call, CallRules("CALLCODE", **_EIP2929)),
    berlin.DelegateCallEIP2929: (run_call, CallRules("DELEGATECALL", **_EIP2929)),
    berlin.StaticCallEIP2929: (run_call, CallRules("STATICCALL", **_EIP2929)),
    prague.CallEIP7702: (run_call, CallRules("CALL", **_EIP7702)),
    prague.CallCodeEIP7702: (run_call, CallRules("CALLCODE", **_EIP7702)),
    prague.DelegateCallEIP7702: (run_call, CallRules("DELEGATECALL", **_EIP7702)),
    prague.StaticCallEIP7702: (run_call, CallRules("STATICCALL", **_EIP7702)),
    system.Create: (run_create, CreateRules("CREATE")),
    system.CreateEIP150: (run_create, CreateRules("CREATE", keeps_64th=True)),
    system.CreateByzantium: (run_create, CreateRules("CREATE", keeps_64th=True)),
    system.Create2: (run_create, CreateRules("CREATE2", keeps_64th=True)),
    berlin.CreateEIP2929: (run_create, CreateRules("CREATE", keeps_64th=True, warms=True)),
    berlin.Create2EIP2929: (run_create, CreateRules("CREATE2", keeps_64th=True, warms=True)),
    shanghai.CreateEIP3860: (run_create, CreateRules("CREATE", **_EIP3860)),
    shanghai.Create2EIP3860: (run_create, CreateRules("CREATE2", **_EIP3860)),
}
"""py-evm's class of a call or create opcode -> our body and its rules."""


def _newest_names() -> Iterator[tuple[int, str]]:
    for value, opcode in OPCODES[Fork.PRAGUE].items():
        yield value, _unwrap(opcode).mnemonic
    yield 0x1E, "CLZ"


_ENDING = {"STOP", "JUMP", "JUMPI", "RETURN", "REVERT", "SELFDESTRUCT", "INVALID"}
_OBSERVING = {"GAS", "SSTORE", "CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2"}
_REFUSING = {"RETURNDATACOPY", "TSTORE", *(f"LOG{count}" for count in range(5))}
"""They may fault by something else than gas: gas of what stands behind them must not have been charged by then."""
_RENAMED = {"SHA3": "KECCAK256"}
_INVALID = 0xFE
CLZ = Operation("CLZ", fast.clz, gas=5, pops=1, pushes=1, ends=False, observes_gas=False, operand=None)
"""Count leading zeros (EIP-7939), which py-evm lacks."""

OPCODE_NAMES: Mapping[int, str] = MappingProxyType(
    {value: _RENAMED.get(name, name) for value, name in sorted(_newest_names())} | {_INVALID: "INVALID"}
)
"""Mnemonics of every opcode of the newest fork: what an older one calls an opcode that it lacks."""


def build_operations(opcodes: Mapping[int, Any], extra: Mapping[int, Operation]) -> tuple[Operation, ...]:
    """The 256 operations for a py-evm opcode table, with `extra` ones over it."""
    operations = [_undefined(value) for value in range(256)]
    for value, opcode in opcodes.items():
        operations[value] = _operation(_unwrap(opcode))
    for value, operation in extra.items():
        operations[value] = operation
    return tuple(operations)


def _undefined(value: int) -> Operation:
    name = OPCODE_NAMES.get(value, f"opcode {value:#x} not defined")
    return Operation(name, fast.invalid, gas=0, pops=0, pushes=0, ends=True, observes_gas=False, operand=name)


def _operation(opcode: Any) -> Operation:
    name = opcode.mnemonic
    pops, pushes = STACK_EFFECTS[name]
    body, operand = _body(opcode)
    return Operation(
        _RENAMED.get(name, name),
        body,
        gas=0 if isinstance(operand, CreateRules) else opcode.gas_cost,
        pops=pops,
        pushes=pushes,
        ends=name in _ENDING,
        observes_gas=name in _OBSERVING | _REFUSING,
        operand=operand,
    )


def _body(opcode: Any) -> tuple[Body | None, Any]:
    """Our body for a py-evm opcode and its operand; py-evm's own function where we have none."""
    parents = [base for base in type(opcode).__mro__ if base in SYSTEM]
    if parents:
        return SYSTEM[parents[0]]
    return REPLACEMENTS.get(_unwrap(opcode.logic_fn), (fast.run_py_evm, opcode.logic_fn))
