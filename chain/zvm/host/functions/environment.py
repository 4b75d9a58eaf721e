"""Host functions that tell about the call, the transaction, the block and the chain. Their whole price is fixed."""

from collections.abc import Callable

from zevm.chain.vm.host_interface import Frame, instruct
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.chain.zvm.runtime.instance import MASK_64, HostCallback, Instance

BLOCKHASH = 0x40
_WORD = 32

VALUES: dict[str, Callable[[Frame], int | bytes]] = {}
"""The answers of the functions below about a frame, by their names: each stays the same while the frame is open.

In the order of `Name` in core/zig/wasm_frame.zig.
"""


def read_args(instance: Instance, target: int) -> None:
    """Write the call data."""
    context: HostContext = instance.context
    data = context.data
    if len(data) > _WORD:
        instance.charge(context.prices.write(len(data)))
    instance.write(target, data)


def write_result(instance: Instance, pointer: int, length: int) -> None:
    """Set the output; the contract goes on."""
    context: HostContext = instance.context
    if length > _WORD:
        instance.charge(2 * context.prices.read(length))
    context.output = instance.read(pointer, length)


def evm_gas_left(instance: Instance) -> int:
    """Gas left."""
    return instance.ink_left // INK_PER_GAS


def evm_ink_left(instance: Instance) -> int:
    """Ink left."""
    return instance.ink_left


def _number(value: Callable[[Frame], int]) -> HostCallback:
    """A function that returns a value of the environment, and the value among VALUES."""
    VALUES[value.__name__] = value

    def tell(instance: Instance) -> int:
        return value(_frame(instance))

    return _named(tell, value)


def _content(value: Callable[[Frame], bytes]) -> HostCallback:
    """A function that writes a value of the environment, and the value among VALUES."""
    VALUES[value.__name__] = value

    def write(instance: Instance, target: int) -> None:
        instance.write(target, value(_frame(instance)))

    return _named(write, value)


def _named(function: HostCallback, value: Callable[[Frame], int | bytes]) -> HostCallback:
    function.__name__, function.__doc__ = value.__name__, value.__doc__
    return function


@_number
def chainid(frame: Frame) -> int:
    """The chain's number; its lower 64 bits, as the interface has no more."""
    return int(frame.state.execution_context.chain_id) & MASK_64


@_number
def block_gas_limit(frame: Frame) -> int:
    """The block's gas limit."""
    return frame.state.gas_limit & MASK_64


@_number
def block_number(frame: Frame) -> int:
    """The block's number."""
    return frame.state.block_number & MASK_64


@_number
def block_timestamp(frame: Frame) -> int:
    """The block's time in Unix seconds."""
    return frame.state.timestamp & MASK_64


@_content
def block_basefee(frame: Frame) -> bytes:
    """The base fee in wei, 32 bytes."""
    return frame.state.base_fee.to_bytes(_WORD, "big")


@_content
def block_coinbase(frame: Frame) -> bytes:
    """The block's fee recipient."""
    return frame.state.coinbase


@_content
def contract_address(frame: Frame) -> bytes:
    """The account whose storage and balance the code acts on."""
    return frame.address


@_content
def msg_sender(frame: Frame) -> bytes:
    """The caller."""
    return frame.msg.sender


@_content
def msg_value(frame: Frame) -> bytes:
    """The value in wei, 32 bytes."""
    return frame.msg.value.to_bytes(_WORD, "big")


@_content
def tx_gas_price(frame: Frame) -> bytes:
    """The transaction's gas price in wei, 32 bytes."""
    return frame.transaction_context.gas_price.to_bytes(_WORD, "big")


@_content
def tx_origin(frame: Frame) -> bytes:
    """The transaction's sender."""
    return frame.transaction_context.origin


@_content
def blobbasefee(frame: Frame) -> bytes:
    """The blob base fee in wei, 32 bytes; 0 before Cancun."""
    return frame.state.blob_base_fee.to_bytes(_WORD, "big")


@_content
def prevrandao(frame: Frame) -> bytes:
    """The block's random value (EIP-4399)."""
    return frame.state.mix_hash


@_number
def is_constructing(frame: Frame) -> int:
    """1 in the run that a creation makes of the contract, 0 in every other."""
    return int(frame.msg.is_create)


@_content
def code_address(frame: Frame) -> bytes:
    """The account whose code runs; the acting account, except in a delegate call, CALLCODE, or a delegated account."""
    return frame.address if frame.msg.is_create else frame.msg.code_address


def tx_ink_price(instance: Instance) -> int:  # noqa: ARG001  one signature for all
    """Ink for one gas."""
    return INK_PER_GAS


def msg_reentrant(instance: Instance) -> int:
    """1 while the acting account has more than one frame of its own open; delegate calls are none of its own."""
    frame = _frame(instance)
    own = [other for other in frame.transaction_context.frames if other.address == frame.address and _is_own(other)]
    return int(len(own) > 1)


def _is_own(frame: Frame) -> bool:
    return frame.msg.kind not in ("DELEGATECALL", "CALLCODE")


def blockhash(instance: Instance, number: int, target: int) -> None:
    """BLOCKHASH: the hash of one of the 256 last blocks, zeros for any other number."""
    context: HostContext = instance.context
    digest = context.with_gas(instance, instruct, BLOCKHASH, number)
    instance.write(target, digest.to_bytes(_WORD, "big"))


def _frame(instance: Instance) -> Frame:
    context: HostContext = instance.context
    return context.frame


ENVIRONMENT_FUNCTIONS: dict[str, HostCallback] = {
    function.__name__: function
    for function in (
        read_args,
        write_result,
        evm_gas_left,
        evm_ink_left,
        chainid,
        block_gas_limit,
        block_number,
        block_timestamp,
        block_basefee,
        block_coinbase,
        contract_address,
        msg_sender,
        msg_value,
        tx_gas_price,
        tx_origin,
        tx_ink_price,
        msg_reentrant,
        blockhash,
        blobbasefee,
        prevrandao,
        is_constructing,
        code_address,
    )
}
