"""What the chain asks of execution and what it gets back. No py-evm type crosses this line.

BlockEnvironment  the block that code sees
CallRequest       an eth_call-like message
Outcome           what a transaction or call did
VmError           why it failed, in geth's words
Tracer            who watches a transaction: its frames, and its instructions if it wants them
WasmMachine       who runs code that is not the EVM's
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from zevm.chain.rules.forks import ForkRules
from zevm.chain.types import AccessListEntry, Authorization, Log
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

if TYPE_CHECKING:
    from zevm.chain.vm.execution_state import ExecutionState
    from zevm.chain.vm.frame import Frame
    from zevm.chain.vm.message import Precompile


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
    BALANCE_OVERFLOW = "balance of the recipient would exceed 2^256 - 1 wei"
    ADDRESS_COLLISION = "contract address collision"
    CODE_SIZE = "max code size exceeded"
    INITCODE_SIZE = "max initcode size exceeded"
    CODE_STORE_OUT_OF_GAS = "contract creation code storage out of gas"
    INVALID_CODE = "invalid code: must not begin with 0xef"
    RETURN_DATA_OUT_OF_BOUNDS = "return data out of bounds"
    NONCE_OVERFLOW = "nonce uint64 overflow"
    PRECOMPILE = "precompile failed"
    PRECOMPILE_INPUT_LENGTH = "invalid input length"
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


class WasmMachine(Protocol):
    """Another machine under the same accounts, frames and gas. Code that it claims runs there, not in the EVM."""

    @property
    def precompiles(self) -> "Mapping[Address, Precompile]":
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
    wasm_machine: the machine of WebAssembly contracts, None where the chain has none.
    """

    rules: ForkRules
    coinbase: Address
    number: int
    timestamp: int
    gas_limit: int
    block_hash: Callable[[int], Hash32]
    base_fee_per_gas: int | None = None
    prev_randao: bytes = bytes(32)
    difficulty: int = 0
    blob_base_fee: int | None = None
    parent_beacon_block_root: bytes | None = None
    code_size_limit: int | None = None
    recoveries: tuple[tuple[bytes, bytes], ...] = ()
    wasm_machine: WasmMachine | None = None


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A message to execute off chain, as eth_call and eth_estimateGas take it. Fees of 0 cost nothing.

    authorization_list, blob_versioned_hashes: None where absent; an empty one is refused when it executes.
    """

    sender: Address = ZERO_ADDRESS
    to: Address | None = None
    gas_limit: int = 50_000_000
    value: int = 0
    data: bytes = b""
    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0
    access_list: tuple[AccessListEntry, ...] = ()
    authorization_list: tuple[Authorization, ...] | None = None
    blob_versioned_hashes: tuple[bytes, ...] | None = None
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
    contract_address: Address | None = None
    console: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether the outermost frame ended without an error."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class TransactionStart:
    """A transaction or call about to begin, before gas is bought and delegations are set.

    to: None for a creation. address: `to`, or where the creation's contract will be. authorities: who signed
    authorisations (EIP-7702), where the signature holds. precompiles: 20-byte addresses, the fork's own.
    gas_price: wei per gas that it pays. block_number, timestamp: its block's.
    state: live; valid until the transaction has ended.
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
    state: "ExecutionState"


class FrameStart(NamedTuple):
    """A frame about to run, or one refused before it could run.

    kind: CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2, or SELFDESTRUCT: a frame without code, as geth
    shows it, that sends the balance `value` to `target`.
    address: whose storage the code acts on. code_address: whose code it is. target: the address that was called,
    before a delegation designation is followed; the new address of a creation.
    """

    kind: str
    depth: int
    sender: Address
    address: Address
    code_address: Address
    target: Address
    value: int
    gas_limit: int
    data: bytes


class HostCall(NamedTuple):
    """A WebAssembly contract calls a host function, as `storage_load_bytes32`.

    arguments: unsigned integers, pointers among them. peek(pointer, length): memory as it is now, None outside of it.
    """

    name: str
    arguments: tuple[int, ...]
    ink_left: int
    ink_per_gas: int
    peek: Callable[[int, int], bytes | None]


class Tracer(Protocol):
    """Watches one transaction. Frames nest: each on_enter has its on_exit. Views are only valid during the call.

    wants_steps: whether instructions and host calls are shown too; without them a watched run costs little more
    than an unwatched one.
    """

    wants_steps: bool

    def on_begin(self, start: TransactionStart) -> None:
        """Nothing has been done yet."""
        ...

    def on_enter(self, start: FrameStart) -> None:
        """A frame begins; the outermost one has depth 0. Its caller has paid, no value has moved."""
        ...

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """The innermost open frame ended; what a failed one did is undone."""
        ...

    def on_step(self, frame: "Frame", program_counter: int, opcode: int) -> None:
        """An instruction is about to run: nothing of it is checked or paid."""
        ...

    def on_fault(self, frame: "Frame", error: VmError, gas_cost: int) -> None:
        """The last instruction shown of this frame ends it. gas_cost: what it cost, or would have, as far as known."""
        ...

    def on_halt(self, frame: "Frame") -> None:
        """The last instruction shown of this frame ended it without a fault."""
        ...

    def on_host_instruction(self, frame: "Frame", opcode: int, stack: Sequence[int]) -> None:
        """A WebAssembly contract has an instruction of the EVM done, with these words, the top one last."""
        ...

    def on_host_call(self, frame: "Frame", call: HostCall) -> None:
        """A host function is about to run; frames that it opens come before its on_host_return."""
        ...

    def on_host_return(self, frame: "Frame", result: int | None, ink_left: int, error: str | None) -> None:
        """The innermost open host function ended. error: why it ends the contract, None where it does not."""
        ...

    def on_end(self, outcome: Outcome) -> None:
        """Gas is settled, and the state is as the transaction leaves it."""
        ...
