"""The instruction loops: by blocks, and one by one where a tracer watches or a block would fault."""

import sys
from typing import TYPE_CHECKING

from eth.exceptions import FullStack, InsufficientStack

from chain.vm.operations import STACK_LIMIT
from chain.vm.program import Program

if TYPE_CHECKING:
    from chain.vm.frame import Frame

DEADLINE_INTERVAL = 2_000
"""Blocks between two looks at the clock; a block has 256 instructions at most."""

RECURSION_LIMIT = 10_000
"""Python frames that a chain of 1,024 calls needs, with room for the caller's own."""

THREAD_STACK_BYTES = 64 << 20
"""Native stack for threads that execute code; give it to threading.stack_size before starting them."""

if sys.getrecursionlimit() < RECURSION_LIMIT:
    sys.setrecursionlimit(RECURSION_LIMIT)


def run(frame: "Frame") -> None:
    """Run the frame's code to its end. Raises VMError when it faults."""
    code = frame.msg.code
    if not code:
        return
    context = frame.transaction_context
    if context.deadline is not None:
        context.check_deadline()
    foreign = frame.state.foreign
    if foreign is not None and foreign.claims(code):
        if frame.msg.is_create:
            frame.output = code  # as if creation code of the EVM had returned it: Frame has it deployed
        else:
            foreign.execute(frame)
        return
    program = frame.program = frame.program_of(code)
    if context.tracer is None:
        run_blocks(frame, program)
    else:
        run_steps(frame, program, 0)


def run_blocks(frame: "Frame", program: Program) -> None:
    """The fast loop. A block that would fault is run again one instruction at a time, for the exact fault."""
    blocks, stack = program.blocks, frame.stack
    counter, countdown = 0, DEADLINE_INTERVAL
    while counter >= 0:
        try:
            block = blocks[counter]
        except KeyError:
            block = program.block(counter)
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
            countdown = DEADLINE_INTERVAL


def run_steps(frame: "Frame", program: Program, counter: int) -> None:
    """The exact loop: from `counter` on, check, charge and show every instruction on its own."""
    stack, context = frame.stack, frame.transaction_context
    tracer, depth = context.tracer, frame.msg.depth
    countdown = DEADLINE_INTERVAL
    while counter >= 0:
        operation, operand, following = program.instruction(counter)
        if tracer is not None:
            opcode = program.code[counter] if counter < len(program.code) else 0
            tracer.on_step(counter, opcode, frame.gas_left, depth, stack, frame.memory)
        height = len(stack)
        if height < operation.pops:
            raise InsufficientStack(f"stack underflow ({height} <=> {operation.pops})")
        limit = STACK_LIMIT + operation.pops - operation.pushes
        if height > limit:
            raise FullStack(f"stack limit reached {height} ({limit})")
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
            countdown = DEADLINE_INTERVAL
