"""What the chain asks of execution and what it gets back. No py-evm type crosses this line.

BlockEnvironment  the block that code sees
CallRequest       an eth_call-like message
Outcome           what a transaction or call did
VmError           why it failed, in geth's words
Tracer            who watches every frame and instruction
ForeignMachine    who runs code that is not the EVM's
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from chain.forks import Rules
from chain.types import AccessListEntry, Authorization, Log

if TYPE_CHECKING:
    from chain.vm.frame import Frame
    from chain.vm.message import Precompile


class ExecutionTimeoutError(Exception):
    """The wall-clock cap of an off-chain execution ran out. Never raised while a block is built."""


class VmErrorKind(Enum):
    """Why a frame ended without success; the value is geth's text, completed by VmError.message."""

    REVERT = "execution reverted"
    OUT_OF_GAS = "out of gas"
    INVALID_OPCODE = "invalid opcode"
    INVALID_JUMP = "invalid jump destination"
    STACK_UNDERFLOW = "stack underflow"
    STACK_OVERFLOW = "stack limit reached 1024"
    WRITE_PROTECTION = "write protection"
    DEPTH = "max call depth exceeded"
    INSUFFICIENT_BALANCE = "insufficient balance for transfer"
    ADDRESS_COLLISION = "contract address collision"
    CODE_SIZE = "max code size exceeded"
    INITCODE_SIZE = "max initcode size exceeded"
    CODE_STORE_OUT_OF_GAS = "contract creation code storage out of gas"
    INVALID_CODE = "invalid code: must not begin with 0xef"
    RETURN_DATA_OUT_OF_BOUNDS = "return data out of bounds"
    NONCE_OVERFLOW = "nonce uint64 overflow"
    PRECOMPILE = "precompile failed"
    TRAP = "wasm trap"
    OUT_OF_STACK = "out of wasm stack"
    OUT_OF_MEMORY = "out of wasm memory"
    INVALID_MODULE = "invalid module"
    NO_SUCH_FUNCTION = "no such function"
    CALL_DATA_SIZE = "max wasm call data size exceeded"


@dataclass(frozen=True, slots=True)
class VmError:
    """A failed frame. `message` is geth's whole text, e.g. "invalid opcode: INVALID".

    status: what a WebAssembly contract's entry point returned, where that is why it reverted.
    """

    kind: VmErrorKind
    message: str
    status: int | None = None


class ForeignMachine(Protocol):
    """Another machine under the same accounts, frames and gas. Code that it claims runs there, not in the EVM."""

    @property
    def precompiles(self) -> "Mapping[bytes, Precompile]":
        """Precompiles that come with it, by 20-byte address."""
        ...

    @property
    def initcode_size_limit(self) -> int:
        """Bytes that creation data which it claims may have."""
        ...

    def claims(self, code: bytes) -> bool:
        """Whether code, or creation data, is for this machine: by its first bytes alone."""
        ...

    def execute(self, frame: "Frame") -> None:
        """Run the frame's code: set its gas_left and output. Raises VMError."""
        ...

    def deploy(self, frame: "Frame", code: bytes) -> None:
        """Check, charge for and store what a creation returned, and run its constructor. Raises VMError."""
        ...


@dataclass(frozen=True, slots=True)
class BlockEnvironment:
    """The block as its transactions see it.

    block_hash(n): hash of a past block, b"" outside the 256 last ones.
    blob_base_fee: wei per blob gas, None before Cancun. base_fee_per_gas: None before London.
    prev_randao: the header's mix hash. code_size_limit: None for the fork's own.
    recoveries: (65-byte signature, address that the ecrecover precompile shall find in it), for development.
    foreign: the machine of WebAssembly contracts, None where the chain has none.
    """

    rules: Rules
    coinbase: bytes
    number: int
    timestamp: int
    gas_limit: int
    block_hash: Callable[[int], bytes]
    base_fee_per_gas: int | None = None
    prev_randao: bytes = bytes(32)
    difficulty: int = 0
    blob_base_fee: int | None = None
    parent_beacon_block_root: bytes | None = None
    code_size_limit: int | None = None
    recoveries: tuple[tuple[bytes, bytes], ...] = ()
    foreign: ForeignMachine | None = None


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A message to execute off chain, as eth_call and eth_estimateGas take it. Fees of 0 cost nothing."""

    sender: bytes = bytes(20)
    to: bytes | None = None
    gas_limit: int = 50_000_000
    value: int = 0
    data: bytes = b""
    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0
    access_list: tuple[AccessListEntry, ...] = ()
    authorization_list: tuple[Authorization, ...] = ()
    blob_versioned_hashes: tuple[bytes, ...] = ()
    max_fee_per_blob_gas: int = 0


@dataclass(slots=True)
class Outcome:
    """What an executed transaction or call did.

    gas_used is after refunds; gas_used_before_refund is what estimation has to supply.
    output: returned or revert data. console: decoded console.log lines in order.
    logs: empty when the transaction failed.
    """

    gas_used: int
    gas_used_before_refund: int
    output: bytes
    logs: tuple[Log, ...]
    error: VmError | None = None
    contract_address: bytes | None = None
    console: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether the outermost frame ended without an error."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class FrameStart:
    """A frame about to run. `kind` is CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE or CREATE2."""

    kind: str
    depth: int
    sender: bytes
    address: bytes
    code_address: bytes
    value: int
    gas_limit: int
    data: bytes


class Tracer(Protocol):
    """Watches an execution. Frames nest: each on_enter has its on_exit. Views are only valid during the call."""

    def on_enter(self, frame: FrameStart) -> None:
        """A frame begins; the outermost one has depth 0."""
        ...

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """The innermost open frame ended."""
        ...

    def on_step(
        self, program_counter: int, opcode: int, gas_left: int, depth: int, stack: Sequence[int], memory: bytearray
    ) -> None:
        """An instruction is about to run; `gas_left` is before its cost, `stack` is top last."""
        ...
