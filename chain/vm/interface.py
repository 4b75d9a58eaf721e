"""The interface between the chain and execution. No py-evm type crosses it.

BlockContext  the block that code sees
CallRequest   an eth_call-like message
Outcome       what a transaction or call did
VmError       why it failed, with geth's text

Who watches is in tracer.py, the state in execution_state.py, the whole environment of a block in environment.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from zevm.chain.rules.forks import ForkRules
from zevm.chain.types import AccessListEntry, Authorization, Log
from zevm.core.records import quick_init
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32


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


@quick_init
@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block as code sees it.

    block_hash(n): hash of a past block, b"" outside the 256 last ones.
    blob_base_fee: wei per blob gas, None before Cancun. base_fee_per_gas: None before London.
    prev_randao: the header's mix hash. code_size_limit: None for the fork's own.
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


class CallRequest(NamedTuple):
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

    def with_gas_limit(self, gas_limit: int) -> "CallRequest":
        """The same with another gas limit: in a third of `_replace`'s time."""
        return CallRequest(
            self.sender,
            self.to,
            gas_limit,
            self.value,
            self.data,
            self.max_fee_per_gas,
            self.max_priority_fee_per_gas,
            self.access_list,
            self.authorization_list,
            self.blob_versioned_hashes,
            self.max_fee_per_blob_gas,
        )


@dataclass(slots=True)
class Outcome:
    """The outcome of an executed transaction or call.

    gas_used is after refunds; gas_used_before_refund is what estimation has to supply.
    output: returned or revert data. console: decoded console.log lines in order.
    logs: empty when the transaction failed. spare_gas: by how much less gas would surely have done, with the same
    course; 0 where that is unknown.
    """

    gas_used: int
    gas_used_before_refund: int
    output: bytes
    logs: tuple[Log, ...]
    error: VmError | None = None
    contract_address: Address | None = None
    console: list[str] = field(default_factory=list)
    spare_gas: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the outermost frame ended without an error."""
        return self.error is None
