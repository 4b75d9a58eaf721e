"""System contracts: calls that a block makes by itself, and the requests that it hands to the beacon chain."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from zevm.chain.errors import BlockError, Reason
from zevm.chain.rules.predeploys import CONSOLIDATION_REQUESTS_ADDRESS, WITHDRAWAL_REQUESTS_ADDRESS
from zevm.chain.types import Log
from zevm.chain.vm.engines.choice import run_message
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState, PlainCall
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.system_shortcuts import SHORTCUTS
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

SYSTEM_ADDRESS = Address(bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe"))
SYSTEM_CALL_GAS = 30_000_000

DEPOSIT_REQUEST = b"\x00"
REQUEST_CONTRACTS = ((b"\x01", WITHDRAWAL_REQUESTS_ADDRESS), (b"\x02", CONSOLIDATION_REQUESTS_ADDRESS))
"""Request type and the contract that holds the queue (EIP-7002, EIP-7251)."""
REQUEST_CALLS = tuple((address, b"") for _, address in REQUEST_CONTRACTS)
"""Those contracts, and the input of the call that ends a block."""

_DEPOSIT_TOPIC = keccak256(b"DepositEvent(bytes,bytes,bytes,bytes,bytes)")
_DEPOSIT_FIELDS = ((160, 48), (256, 32), (320, 8), (384, 96), (512, 8))
"""Offset of each field's length word in the event's data, and the field's size: public key, withdrawal
credentials, amount, signature, index (EIP-6110)."""
_DEPOSIT_SIZE = 576
_NO_REQUESTS_HASH = hashlib.sha256().digest()


class SystemCallResult(NamedTuple):
    """has_code: the contract exists. failure: geth's text, or None."""

    has_code: bool
    output: bytes
    failure: str | None


DONE = SystemCallResult(has_code=True, output=b"", failure=None)
"""Of a contract that ended well, and said nothing."""


def call(
    frames: type[Frame], evm_state: PyEvmState, context: TransactionContext, target: Address, data: bytes
) -> SystemCallResult:
    """Call a contract as SYSTEM_ADDRESS: 30 million gas, no fee, no nonce, no trace when it fails."""
    state = evm_state.block_state
    code = state.get_code(target)
    if not code:
        return SystemCallResult(has_code=False, output=b"", failure=None)
    state.warm_address(target)
    message = Message(SYSTEM_CALL_GAS, target, SYSTEM_ADDRESS, 0, data, code)
    ending = run_message(frames, evm_state, message, context)
    state.end_transaction(clear_empty=True)
    return SystemCallResult(True, ending.output, None if ending.error is None else ending.error.message)


def take_shortcuts(environment: BlockEnvironment, state: ExecutionState, calls: Sequence[tuple[Address, bytes]]) -> int:
    """Make the known effects of calls of official contracts, in their order; how many, up to one that must be called.

    Each has the result DONE. No code is read.
    """
    plain: list[PlainCall] = []
    for target, data in calls:
        shortcut = SHORTCUTS.get(target)
        if shortcut is None:
            break
        code_hash, writes = shortcut
        plain.append((target, code_hash, None if writes is None else writes(environment, data)))
    # no account changes that could be empty then
    return state.make_plain_calls(plain)


def require_success(address: Address, result: SystemCallResult) -> bytes:
    """The output of a call that the block depends on. Raises BlockError (EIP-7002, EIP-7251)."""
    if not result.has_code:
        raise BlockError(Reason.SYSTEM_CONTRACT_MISSING, f"system contract 0x{address.hex()} has no code")
    if result.failure is not None:
        raise BlockError(
            Reason.SYSTEM_CALL_FAILED, f"system call to 0x{address.hex()} failed to execute: {result.failure}"
        )
    return result.output


def deposits(receipts_logs: Iterable[Sequence[Log]], contract: bytes) -> bytes:
    """The deposit requests in the block's logs, concatenated. Raises BlockError on a malformed event."""
    return b"".join(
        [
            _deposit(log.data)
            for logs in receipts_logs
            for log in logs
            if log.address == contract and log.topics[:1] == (_DEPOSIT_TOPIC,)
        ]
    )


def _deposit(data: bytes) -> bytes:
    if len(data) != _DEPOSIT_SIZE:
        raise BlockError(Reason.DEPOSIT_MALFORMED, f"deposit event has {len(data)} bytes, want {_DEPOSIT_SIZE}")
    parts = []
    for index, (start, size) in enumerate(_DEPOSIT_FIELDS):
        offset = int.from_bytes(data[32 * index : 32 * index + 32], "big")
        length = int.from_bytes(data[start : start + 32], "big")
        if (offset, length) != (start, size):
            raise BlockError(
                Reason.DEPOSIT_MALFORMED,
                f"deposit event field {index} is {length} bytes at {offset}, want {size} at {start}",
            )
        parts.append(data[start + 32 : start + 32 + size])
    return b"".join(parts)


def requests_hash(requests: Iterable[bytes]) -> bytes:
    """The header's requestsHash (EIP-7685): sha256 over the sha256 of each request that has data."""
    digests = [hashlib.sha256(request).digest() for request in requests if len(request) > 1]
    return hashlib.sha256(b"".join(digests)).digest() if digests else _NO_REQUESTS_HASH
