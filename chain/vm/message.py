"""What one frame is asked to do, and what all frames of one transaction share."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.vm.console import CONSOLE_BYTES, CONSOLE_CALL_BYTES, CONSOLE_CUT
from zevm.chain.vm.interface import FrameStart, Tracer
from zevm.storage.primitives import Address

if TYPE_CHECKING:
    from zevm.chain.vm.frame import Frame

Precompile = Callable[["Frame"], Any]

NOBODY = Address(b"")
"""Whom a creation calls: the `to` of its message."""


class Message:
    """A call or creation, with the attribute names that py-evm's opcodes and precompiles read.

    to: b"" for a creation. storage_address: whose storage and balance the code acts on.
    code_address: whose code it is; b"" for a creation. is_delegation: found through an EIP-7702 designation.
    kind: the opcode that made it; CALL or CREATE for a transaction's.
    target: the address that was called, before a delegation is followed; code_address unless given.
    data: where long, a view of the caller's memory, which stands still while the message runs. Whoever takes a part
    takes it as bytes: a slice of the view that lived on would keep that memory from growing.
    should_transfer_value: False for DELEGATECALL, whose value is only shown.
    """

    __slots__ = (
        "code",
        "code_address",
        "data",
        "depth",
        "gas",
        "is_create",
        "is_delegation",
        "is_static",
        "kind",
        "sender",
        "should_transfer_value",
        "storage_address",
        "target",
        "to",
        "value",
    )

    def __init__(
        self,
        gas: int,
        to: Address,
        sender: Address,
        value: int,
        data: bytes | memoryview,
        code: bytes,
        depth: int = 0,
        create_address: Address | None = None,
        code_address: Address | None = None,
        should_transfer_value: bool = True,
        is_static: bool = False,
        is_delegation: bool = False,
        kind: str = "CALL",
        target: Address | None = None,
    ) -> None:
        self.gas = gas
        self.to = to
        self.sender = sender
        self.value = value
        self.data = data
        self.code = code
        self.depth = depth
        self.is_create = create_address is not None
        self.storage_address = to if create_address is None else create_address
        self.code_address = to if code_address is None else code_address
        self.should_transfer_value = should_transfer_value
        self.is_static = is_static
        self.is_delegation = is_delegation
        self.kind = kind
        self.target = self.code_address if target is None else target

    @property
    def data_as_bytes(self) -> bytes:
        """The input."""
        return bytes(self.data)


def describe_start(message: Message) -> FrameStart:
    """What a tracer is told of a message."""
    return FrameStart(
        kind=message.kind,
        depth=message.depth,
        sender=message.sender,
        address=message.storage_address,
        code_address=message.code_address,
        target=message.storage_address if message.is_create else message.target,
        value=message.value,
        gas_limit=message.gas,
        data=message.code if message.is_create else bytes(message.data),
    )


class TransactionContext:
    """What ORIGIN, GASPRICE and BLOBHASH answer, and the run's deadline, tracer, console and precompiles.

    warm_precompiles: the fork's precompiles at their own addresses, accessed from the start (EIP-2929).
    deadline: None for no limit. step_tracer: the tracer, if it wants instructions.
    console: inputs of calls to the console address. frames: the open ones, innermost last.
    wasm_scope: what the WebAssembly machine keeps for the transaction.
    """

    __slots__ = (
        "_console_bytes_left",
        "blob_versioned_hashes",
        "console",
        "deadline",
        "frames",
        "gas_price",
        "origin",
        "precompiles",
        "step_tracer",
        "tracer",
        "warm_precompiles",
        "wasm_scope",
    )

    def __init__(
        self,
        origin: bytes,
        gas_price: int,
        blob_versioned_hashes: tuple[bytes, ...],
        precompiles: dict[Address, Precompile],
        warm_precompiles: Collection[Address],
        deadline: Deadline | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.origin = origin
        self.gas_price = gas_price
        self.blob_versioned_hashes = blob_versioned_hashes
        self.precompiles = precompiles
        self.warm_precompiles = warm_precompiles
        self.deadline = deadline
        self.tracer = tracer
        self.step_tracer = tracer if tracer is not None and tracer.wants_steps else None
        self.console: list[bytes] = []
        self._console_bytes_left = CONSOLE_BYTES
        self.frames: list[Frame] = []
        self.wasm_scope: Any = None

    def print_console(self, data: bytes) -> None:
        """Note what a contract prints; past CONSOLE_BYTES one line says so, and the rest is not kept."""
        if self._console_bytes_left < 0:
            return
        self._console_bytes_left -= len(data) + CONSOLE_CALL_BYTES
        self.console.append(CONSOLE_CUT if self._console_bytes_left < 0 else data)

    def abandon(self) -> None:
        """Let go of all after execution was given up: open frames hold the context, and a tracer may hold frames."""
        self.frames.clear()
        self.tracer = self.step_tracer = self.wasm_scope = None

    def check_deadline(self) -> None:
        """Raise ExecutionTimeoutError when the deadline has passed."""
        if self.deadline is not None:
            self.deadline.check()
