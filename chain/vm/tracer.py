"""Observer of a transaction: of its frames, and of its instructions on request."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from zevm.chain.rules.forks import ForkRules
from zevm.chain.types import Log
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import FrameStart, Message
from zevm.storage.primitives import Address


class Recording(NamedTuple):
    """Bounds of the record of a run, for a tracer that gets its frames once it is over.

    limit_bytes: of all frames, their data and outputs; a longer run is shown live. with_logs: whether it reads logs.
    with_looks: whether it wants on_look.
    """

    limit_bytes: int
    with_logs: bool = False
    with_looks: bool = False


class LogSource(Protocol):
    """The logs of a running transaction, without those of failed frames."""

    def log_count(self) -> int:
        """Their number."""
        ...

    def logs_from(self, place: int) -> tuple[Log, ...]:
        """Those in order from the one at this place on."""
        ...


@dataclass(frozen=True, slots=True)
class TransactionStart:
    """A transaction or call about to begin, before gas is bought and delegations are set.

    to: None for a creation. address: `to`, or where the creation's contract will be. authorities: who signed
    authorisations (EIP-7702), where the signature holds. precompiles: 20-byte addresses, the fork's own.
    gas_price: wei per gas that it pays. block_number, timestamp: its block's.
    state: live; valid until the transaction has ended. For a tracer with a Recording it stands still meanwhile.
    logs: the transaction's as it goes on.
    """

    sender: Address
    to: Address | None
    address: Address
    gas_limit: int
    coinbase: Address
    rules: ForkRules
    authorities: tuple[Address, ...]
    precompiles: Collection[bytes]
    gas_price: int
    block_number: int
    timestamp: int
    state: ExecutionState
    logs: LogSource


class HostCall(NamedTuple):
    """A WebAssembly contract calls a host function, as `storage_load_bytes32`.

    arguments: unsigned integers, pointers among them. ink_left: after the function's fixed price, which is fixed_ink.
    peek(pointer, length): memory as it is now, None outside of it; also until the function's on_host_return.
    """

    name: str
    arguments: tuple[int, ...]
    ink_left: int
    fixed_ink: int
    ink_per_gas: int
    peek: Callable[[int, int], bytes | None]


class WatchedFrame(Protocol):
    """A running frame as a tracer sees it. Nothing of it may be changed.

    msg: what it was asked to do. address: the account that its code acts on. stack: words, the top one last.
    memory: whole words. return_data: the last child's output.
    """

    msg: Message
    address: Address
    gas_left: int
    stack: list[int]
    memory: bytearray
    return_data: bytes
    block_state: ExecutionState


class Tracer(Protocol):
    """Watches one transaction. Frames nest: each on_enter has its on_exit. Views are only valid during the call.

    wants_steps: whether instructions and host calls are shown too; without them a watched run costs little more
    than an unwatched one. wants_host_calls: whether host calls and the programs that make them are shown; a tracer
    with wants_steps gets them in any case. wants_blocks: with one of them, whether the blocks of WebAssembly programs
    are shown too, which then run compiled another way, for the same ink. recording: bounds of a record, if frames
    and logs may be shown once they are over; None for one that looks at the state, or at instructions.
    """

    wants_steps: bool
    wants_host_calls: bool
    wants_blocks: bool

    @property
    def recording(self) -> Recording | None:
        """See the class."""
        ...

    def hold(self, size_bytes: int) -> None:
        """Count bytes that are recorded for it, or, negative, no more are. Raises if they are too many."""
        ...

    def on_begin(self, start: TransactionStart) -> None:
        """Nothing has been done yet."""
        ...

    def on_enter(self, start: FrameStart) -> None:
        """A frame begins; the outermost one has depth 0. Its caller has paid, no value has moved."""
        ...

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """The innermost open frame ended; what a failed one did is undone."""
        ...

    def on_look(self, address: Address, slot: int | None) -> None:
        """An instruction that went well read the account, or read or wrote its slot; of a recorded run alone."""
        ...

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """An instruction is about to run: nothing of it is checked or paid."""
        ...

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """The last instruction shown of this frame ends it. gas_cost: what it cost, or would have, as far as known."""
        ...

    def on_halt(self, frame: WatchedFrame) -> None:
        """The last instruction shown of this frame ended it without a fault."""
        ...

    def on_host_instruction(self, frame: WatchedFrame, opcode: int, stack: Sequence[int]) -> None:
        """A WebAssembly contract has an instruction of the EVM done, with these words, the top one last."""
        ...

    def on_program_start(self, frame: WatchedFrame, size: int, ink_left: int) -> None:
        """A WebAssembly contract's function begins, with call data of `size` bytes."""
        ...

    def on_program_block(self, frame: WatchedFrame, offset: int, ink_left: int, stack_words: int) -> None:
        """A metered block of the innermost program begins and is about to be paid; not of a constructor.

        offset: in the bytes of the deployed module, decompressed. stack_words: left to the functions that the running
        one calls, so that each open function has a number of its own.
        """
        ...

    def on_program_end(self, frame: WatchedFrame, status: int | None, ink_left: int) -> None:
        """The innermost program ended. status: what its function returned, 0 for success; None if it trapped."""
        ...

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:
        """The innermost program stopped before its end, and its on_program_end follows.

        offsets(): where, as offsets in the bytes of the deployed module, decompressed: the innermost call first, then
        those around it. It takes milliseconds, and is valid during the call.
        """
        ...

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """A host function is about to run; frames that it opens come before its on_host_return."""
        ...

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:
        """The innermost open host function ended. error: why it ends the contract, None where it does not."""
        ...

    def on_end(self, outcome: Outcome) -> None:
        """Gas is settled, and the state is as the transaction leaves it."""
        ...


Watcher = Callable[[str], Tracer]
"""Makes the tracer of an execution that has no other. It is told what runs: "call", "estimate", "transaction 0x..."."""
