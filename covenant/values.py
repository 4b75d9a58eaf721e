"""The guide's basic types and constants, with its names and values, and the checks of what comes from outside."""

from typing import Final, TypeAlias

from zevm.chain.vm.calls import MAX_DEPTH
from zevm.chain.zvm.module.binary import PAGE_BYTES
from zevm.chain.zvm.price_table import COVENANT, ZVM_INSTANCE_PAGES
from zevm.covenant.errors import InvalidParameters
from zevm.storage.primitives import Address

ContractAddress: TypeAlias = bytes
"""20 bytes."""
StateHash: TypeAlias = bytes
"""32 bytes: the root of a state."""
GasLimit: TypeAlias = int
"""An amount of gas of 64 bits."""

ADDRESS_BYTES = 20
WORD_BYTES = 32
MAXIMUM_GAS = (1 << 64) - 1
MAXIMUM_WEI = (1 << 256) - 1

assert COVENANT.state is not None
_STATE = COVENANT.state


class GAS_COSTS:  # noqa: N801  the guide's name
    """Gas of the VM's operations; for state, the price table `covenant` has the same."""

    SLOAD: Final = _STATE.storage_load
    SSTORE: Final = _STATE.storage_store
    CALL: Final = _STATE.call
    CREATE: Final = _STATE.create
    TRANSFER: Final = _STATE.transfer


class MemoryLimits:
    """Limits of every execution.

    MAX_MEMORY: bytes of one frame. MAX_STACK_DEPTH: calls inside each other, and words of the EVM's stack.
    MAX_CALLDATA_SIZE: bytes, selector included.
    """

    MAX_MEMORY: Final = ZVM_INSTANCE_PAGES * PAGE_BYTES
    MAX_STACK_DEPTH: Final = MAX_DEPTH
    MAX_CALLDATA_SIZE: Final = 1024 * 1024


FRAME_WORDS = MemoryLimits.MAX_MEMORY // WORD_BYTES
"""MAX_MEMORY in words of an EVM frame; an instance of WebAssembly has as much by the price table."""


def checked_address(value: bytes, name: str = "address") -> Address:
    """The value as an address. Raises InvalidParameters unless it has 20 bytes."""
    return Address(checked_bytes(value, ADDRESS_BYTES, name))


def checked_bytes(value: bytes, size: int, name: str) -> bytes:
    """The value. Raises InvalidParameters unless it is bytes of this size."""
    data = checked_data(value, name)
    if len(data) != size:
        raise InvalidParameters(f"{name} has {len(data)} bytes, it takes {size} bytes")
    return data


def checked_data(value: object, name: str) -> bytes:
    """The value. Raises InvalidParameters unless it is bytes."""
    if not isinstance(value, bytes | bytearray):
        hint = "; bytes.fromhex decodes hexadecimal text" if isinstance(value, str) else ""
        raise InvalidParameters(f"{name} is {type(value).__name__}, it takes bytes{hint}")
    return bytes(value)


def checked_text(value: object, name: str) -> str:
    """The value. Raises InvalidParameters unless it is text that UTF-8 can write."""
    if not isinstance(value, str):
        raise InvalidParameters(f"{name} is {type(value).__name__}, it takes text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidParameters(f"{name} is no text: {error.reason} at character {error.start}") from error
    return value


def checked_integer(value: int, maximum: int, name: str) -> int:
    """The value. Raises InvalidParameters unless it is an integer from 0 to the maximum."""
    if type(value) is not int or not 0 <= value <= maximum:
        raise InvalidParameters(f"{name} is {value!r}, it takes an integer from 0 to {maximum}")
    return value


def checked_call_data(value: object, name: str = "call data") -> bytes:
    """The value. Raises InvalidParameters unless it is bytes, at most MAX_CALLDATA_SIZE of them."""
    data, limit = checked_data(value, name), MemoryLimits.MAX_CALLDATA_SIZE
    if len(data) > limit:
        raise InvalidParameters(f"{name} has {len(data)} bytes, the limit is {limit}; send it in several calls")
    return data
