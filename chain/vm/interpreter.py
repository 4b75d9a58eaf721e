"""The instruction loops: by blocks, one by one where a block would fault, and one by one for a tracer."""

from eth.exceptions import FullStack, InsufficientStack, VMError

from zevm.chain.vm.block_decoder import decode_block
from zevm.chain.vm.faults import GasShortageError, describe_fault
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.opcodes import STACK_LIMIT, Operation
from zevm.chain.vm.program import Program
from zevm.chain.vm.tracer import Tracer


def run(frame: Frame) -> None:
    """Run the frame's code to its end. Raises VMError when it faults."""
    code = frame.msg.code
    if not code:
        return
    context = frame.transaction_context
    if context.deadline is not None:
        context.check_deadline()
    wasm_machine = context.wasm_machine
    if wasm_machine is not None and wasm_machine.claims(code):
        if frame.msg.is_create:
            frame.output = code  # as if creation code of the EVM had returned it: message_calls.py has it deployed
        else:
            frame.transaction_context.spare_gas = 0
            wasm_machine.execute(frame)
        return
    program = frame.program = frame.program_of(code)
    if context.step_tracer is None:
        run_blocks(frame, program)
    else:
        run_watched(frame, program, context.step_tracer)


def run_blocks(frame: Frame, program: Program) -> None:
    """The fast loop. A block that would fault is run again one instruction at a time, for the exact fault."""
    blocks, stack = program.blocks, frame.stack
    counter, countdown = 0, frame.blocks_between_looks
    while counter >= 0:
        try:
            block = blocks[counter]
        except KeyError:
            block = decode_block(program, counter)
        gas, need, room, steps, ending, operand, following = block
        left = frame.gas_left - gas
        if left < 0 or not need <= len(stack) <= room:
            run_steps(frame, program, counter)
            return
        frame.gas_left = left
        for body, argument in steps:
            body(frame, stack, argument)
        counter = following if ending is None else ending(frame, stack, operand)
        countdown -= 1
        if not countdown:
            frame.transaction_context.check_deadline()
            countdown = frame.blocks_between_looks


def run_steps(frame: Frame, program: Program, counter: int) -> None:
    """The exact loop: from `counter` on, check and charge every instruction on its own."""
    stack, context = frame.stack, frame.transaction_context
    countdown = frame.blocks_between_looks
    while counter >= 0:
        operation, operand, following = program.instruction(counter)
        if not operation.pops <= len(stack) <= STACK_LIMIT + operation.pops - operation.pushes:
            raise _stack_fault(operation, len(stack))
        frame.consume_gas(operation.gas, operation.name)
        counter = following
        if operation.ends:
            assert operation.body is not None
            counter = operation.body(frame, stack, operand)
        elif operation.body is not None:
            operation.body(frame, stack, operand)
        countdown -= 1
        if not countdown:
            context.check_deadline()
            countdown = frame.blocks_between_looks


def run_watched(frame: Frame, program: Program, tracer: Tracer) -> None:
    """The exact loop from the start, with every instruction shown before it is checked, charged and run."""
    stack, context, decoded = frame.stack, frame.transaction_context, program.decoded
    on_step = tracer.on_step
    countdown = frame.blocks_between_looks
    counter = gas_before = 0
    operation = None
    try:
        while counter >= 0:
            try:
                opcode, operation, operand, following = decoded[counter]
            except KeyError:
                opcode, operation, operand, following = program.decode(counter)
            gas_before = frame.gas_left
            on_step(frame, counter, opcode)
            _, body, gas, pops, pushes, ends, _, _ = operation
            if not pops <= len(stack) <= STACK_LIMIT + pops - pushes:
                raise _stack_fault(operation, len(stack))
            frame.consume_gas(gas)
            counter = following
            if body is not None:
                if ends:
                    counter = body(frame, stack, operand)
                else:
                    body(frame, stack, operand)
            countdown -= 1
            if not countdown:
                context.check_deadline()
                countdown = frame.blocks_between_looks
    except VMError as fault:
        assert operation is not None
        tracer.on_fault(frame, describe_fault(fault), _fault_cost(fault, operation, gas_before - frame.gas_left))
        raise
    tracer.on_halt(frame)


def _stack_fault(operation: Operation, height: int) -> VMError:
    if height < operation.pops:
        return InsufficientStack(f"stack underflow ({height} <=> {operation.pops})")
    limit = STACK_LIMIT + operation.pops - operation.pushes
    return FullStack(f"stack limit reached {height} ({limit})")


def _fault_cost(fault: VMError, operation: Operation, paid: int) -> int:
    """The price of an instruction that failed: what it paid, and where gas ran out what it had to pay next."""
    if isinstance(fault, InsufficientStack | FullStack):
        return operation.gas
    return paid + (fault.amount if isinstance(fault, GasShortageError) else 0)
