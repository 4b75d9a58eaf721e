"""WebAssembly contracts as frames: run their code, deploy them, and turn the end of a run into the EVM's outcomes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from zevm.chain.concurrency.deadline import BriefDeadline, ExecutionTimeoutError, NotBriefError
from zevm.chain.rules.gas import CODE_DEPOSIT_BYTE_GAS
from zevm.chain.vm.host_interface import (
    CallDataSizeError,
    CodeStoreError,
    Frame,
    InvalidModuleError,
    MemoryPagesError,
    NoSuchFunctionError,
    OutOfGas,
    StackWordsError,
    StatusError,
    TrapError,
    memory_gas,
)
from zevm.chain.zvm.brief_runs import WHOLE, brief_share, is_used_up
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.faults import OutOfPagesError
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.host.functions import CONTRACT_CALLBACKS, HostCallbacks
from zevm.chain.zvm.host.native import NativeHost
from zevm.chain.zvm.host.observer import observed
from zevm.chain.zvm.module.activation import BASE_GAS
from zevm.chain.zvm.module.prepare import Prepared, length_gas, prepare
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.chain.zvm.runtime.aside import in_time
from zevm.chain.zvm.runtime.engine import Program
from zevm.chain.zvm.runtime.instance import HostCallback
from zevm.chain.zvm.runtime.runtime import End, RunResult, run
from zevm.chain.zvm.scope import ENTRY, INTEGER_BYTES, Entry, TransactionScope
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Hash32

CALL_DATA_LIMIT_BYTES = 1 << 20
"""The call data of one frame."""

_LIBRARY, _PROBED = b"library", b"probed"


def execute(frame: Frame, scope: TransactionScope) -> None:
    """Run a stored contract. Raises VMError, and ExecutionTimeoutError at an off-chain deadline."""
    message = frame.msg
    entry = scope.entry if message.depth == 0 else ENTRY
    code_hash = frame.block_state.get_code_hash(message.code_address)
    program = program_of(frame, scope, code_hash, message.code, library=entry.library)
    data = bytes(message.data)
    if entry.may_take_integers:
        entry, data = _with_integers(program, entry, data)
    require_function(program, entry)
    run_program(frame, scope, program, data, entry=entry)


def _with_integers(program: Program, entry: Entry, data: bytes) -> tuple[Entry, bytes]:
    """The entry and its call data: the data are a function's integers if the program has the function for no bytes."""
    signature = program.exports.get(entry.name)
    if signature is None or (signature.parameters, signature.result) == ("i", "i") or len(data) % INTEGER_BYTES:
        return entry, data
    starts = range(0, len(data), INTEGER_BYTES)
    integers = [int.from_bytes(data[start : start + INTEGER_BYTES], "big") for start in starts]
    return replace(entry, arguments=integers), b""


def require_function(program: Program, entry: Entry) -> None:
    """Raise NoSuchFunctionError unless the program has the function, for as many integers or for call data."""
    signature = program.exports.get(entry.name)
    wanted = "integers" if entry.arguments is not None else "bytes"
    if signature is None:
        known = ", ".join(sorted(program.exports))
        raise NoSuchFunctionError(f"no such function: {entry.name}; the module exports {known or 'none'}")
    if entry.arguments is None and (signature.parameters, signature.result) == ("i", "i"):
        return
    if entry.arguments is None or len(entry.arguments) != len(signature.parameters):
        given = wanted if entry.arguments is None else f"{len(entry.arguments)} {wanted}"
        has = f"{len(signature.parameters)} parameters"
        raise NoSuchFunctionError(f"no such function: {entry.name} for {given}; it has {has}")


def program_of(
    frame: Frame, scope: TransactionScope, code_hash: Hash32, code: bytes, *, library: bool = False
) -> Program:
    """The compiled code. Raises InvalidModuleError for stored bytes that only look like a module.

    library: it need not be a contract; kept apart, as other rules let it pass. Raises ExecutionTimeoutError.
    """
    tracer = frame.transaction_context.host_tracer
    probed = tracer is not None and tracer.wants_blocks
    kind = _LIBRARY * library + _PROBED * probed
    key = keccak256(kind + code_hash) if kind else code_hash
    deadline = frame.transaction_context.deadline
    try:
        program: Program = scope.programs.get(
            key,
            lambda: prepare(code, scope.price_table, library=library, probed=probed),
            of_chain=deadline is None and not kind,
            deadline=deadline,
        )
    except ModuleRefusedError as error:
        raise InvalidModuleError(str(error)) from error
    return program


def deploy(frame: Frame, scope: TransactionScope, code: bytes) -> None:
    """Check a module, charge for its activation and its bytes, store it, and run its constructor if it has one."""
    prepared = activate(frame, scope, code)
    deposit = CODE_DEPOSIT_BYTE_GAS * len(prepared.stored)
    if deposit > frame.gas_left:
        raise CodeStoreError("code deposit")
    frame.gas_left -= deposit
    code_hash, deadline = keccak256(prepared.stored), frame.transaction_context.deadline
    program: Program = scope.programs.get(code_hash, lambda: prepared, deadline=deadline)
    frame.block_state.set_code(frame.address, prepared.stored)
    if prepared.init_payload is not None:
        run_program(frame, scope, program, prepared.init_payload)
    if deadline is None and not program.is_of_chain:
        scope.programs.keep(code_hash, program)
    frame.output = prepared.stored


def activate(frame: Frame, scope: TransactionScope, code: bytes, *, library: bool = False) -> Prepared:
    """Check and instrument a module for its price. Raises InvalidModuleError, OutOfGas, ExecutionTimeoutError.

    Each step is paid for before it is taken: a few bytes can decompress to 16 MiB before that shows.
    """
    frame.consume_gas(BASE_GAS, "activation")
    try:
        least = length_gas(code)
        frame.consume_gas(least - BASE_GAS, "activation")
        deadline = frame.transaction_context.deadline
        prepared = in_time(deadline, lambda: prepare(code, scope.price_table, library=library))
    except ModuleRefusedError as error:
        raise InvalidModuleError(str(error)) from error
    frame.consume_gas(max(0, prepared.activation_gas - least), "activation")
    return prepared


def run_program(
    frame: Frame,
    scope: TransactionScope,
    program: Program,
    data: bytes,
    *,
    entry: Entry = ENTRY,
    callbacks: HostCallbacks = CONTRACT_CALLBACKS,
) -> None:
    """Run a function of a program as this frame. Raises VMError, with the gas left and the output set."""
    if len(data) > CALL_DATA_LIMIT_BYTES:
        raise CallDataSizeError(
            f"max wasm call data size exceeded: {len(data)} bytes, the limit is {CALL_DATA_LIMIT_BYTES}"
        )
    frame.consume_gas(scope.price_table.entry.price(program.data_bytes, program.activation_gas), "wasm entry")
    context = HostContext(frame, scope, data, entry)
    words_before = scope.stack_words
    try:
        _open_memory(frame, scope, context, program.initial_pages)
        gas_at_start = frame.gas_left
        result = _run(frame, context, program, _bound(program, _watched(frame, callbacks)))
    finally:
        scope.close(context.pages)
        scope.stack_words = words_before
    if frame.msg.depth and result.end in _WITH_OUTPUT:
        _pay_for_output(frame, gas_at_start, len(context.output or b""))
    _ENDS[result.end](frame, context, result)


def _open_memory(frame: Frame, scope: TransactionScope, context: HostContext, pages: int) -> None:
    try:
        gas = scope.open(pages, 0)
    except OutOfPagesError as error:
        raise MemoryPagesError(f"out of wasm memory: {error}") from error
    context.pages = pages
    frame.consume_gas(gas, "wasm memory")


def _run(frame: Frame, context: HostContext, program: Program, callbacks: Sequence[HostCallback]) -> RunResult:
    entry = context.entry
    transaction = frame.transaction_context
    brief = transaction.deadline if isinstance(transaction.deadline, BriefDeadline) else None
    share = WHOLE if brief is None else brief_share(program, brief)
    spare = max(0, frame.gas_left - share.gas)
    context.stack_words = min(share.stack_words, context.scope.stack_words)
    arguments = (len(context.data),) if entry.arguments is None else entry.arguments
    ink = (frame.gas_left - spare) * INK_PER_GAS
    tracer = transaction.host_tracer
    if tracer is not None:
        tracer.on_program_start(frame, len(context.data), ink)
    result = run(
        program,
        callbacks,
        context=context,
        ink=ink,
        stack_words=context.stack_words,
        entry=entry.name,
        arguments=arguments,
        memory_pages=context.scope.instance_pages_limit,
        # no tick comes within a brief run: its share ends it
        deadline=transaction.deadline if brief is None else None,
        with_backtrace=tracer is not None,
        native=NativeHost(context) if transaction.has_native_hosts and tracer is None else None,
    )
    if brief is not None and is_used_up(result.end, spare):
        raise NotBriefError
    frame.gas_left = spare + result.ink_left // INK_PER_GAS
    if tracer is not None:
        if result.backtrace:
            tracer.on_program_stop(frame, lambda: _stop_offsets(frame, context, result))
        has_status = entry.arguments is None and result.end in _WITH_OUTPUT
        tracer.on_program_end(frame, result.values[0] if has_status else None, result.ink_left)
    return result


def _stop_offsets(frame: Frame, context: HostContext, result: RunResult) -> tuple[int, ...]:
    """Offsets in the contract's module at which a run stopped."""
    from zevm.chain.zvm.module.offsets import module_offsets

    message = frame.msg
    code = frame.block_state.get_code(frame.address) if message.is_create else message.code
    return module_offsets(code, context.scope.price_table, result.backtrace)


def _watched(frame: Frame, callbacks: HostCallbacks) -> HostCallbacks:
    """The functions themselves, or ones that tell the frame's tracer of every call."""
    return callbacks if frame.transaction_context.host_tracer is None else observed(callbacks)


def _bound(program: Program, callbacks: HostCallbacks) -> Sequence[HostCallback]:
    """The functions of the program's imports: one tuple for all its runs, by which the runtime knows its binding."""
    bound = program.callbacks.get(id(callbacks))
    if bound is None:
        bound = program.callbacks[id(callbacks)] = tuple(callbacks[item.module, item.name] for item in program.imports)
    return cast(Sequence[HostCallback], bound)


def _pay_for_output(frame: Frame, gas_at_start: int, size: int) -> None:
    """A call's output costs its caller's callee at least what memory of its size costs in the EVM."""
    missing = memory_gas(size) - (gas_at_start - frame.gas_left)
    if missing > 0:
        frame.consume_gas(missing, "wasm output")


def _returned(frame: Frame, context: HostContext, result: RunResult) -> None:
    """The entry point's status decides; any other function's result is the output."""
    if context.entry.arguments is not None:
        frame.output = result.values[0].to_bytes(32, "big") if result.values else b""
        return
    _exited(frame, context, result)


def _exited(frame: Frame, context: HostContext, result: RunResult) -> None:
    frame.output = context.output or b""
    status = result.values[0]
    if status:
        raise StatusError(status)


def _trapped(_frame: Frame, _context: HostContext, result: RunResult) -> None:
    raise TrapError(f"wasm trap: {result.trap}")


def _out_of_ink(_frame: Frame, _context: HostContext, _result: RunResult) -> None:
    raise OutOfGas("ink")


def _out_of_stack(_frame: Frame, context: HostContext, _result: RunResult) -> None:
    raise StackWordsError(f"out of wasm stack: {context.stack_words} words are used up")


def _out_of_memory(_frame: Frame, _context: HostContext, result: RunResult) -> None:
    raise MemoryPagesError(f"out of wasm memory: {result.trap}")


def _interrupted(_frame: Frame, _context: HostContext, _result: RunResult) -> None:
    raise ExecutionTimeoutError("execution aborted")


_WITH_OUTPUT = (End.RETURNED, End.EXITED)
"""The other ends drop what was set as the output."""

_ENDS: dict[End, Callable[[Frame, HostContext, RunResult], None]] = {
    End.RETURNED: _returned,
    End.EXITED: _exited,
    End.TRAPPED: _trapped,
    End.OUT_OF_INK: _out_of_ink,
    End.OUT_OF_STACK: _out_of_stack,
    End.OUT_OF_MEMORY: _out_of_memory,
    End.INTERRUPTED: _interrupted,
}
