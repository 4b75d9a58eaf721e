"""Host functions that tell about the call, the transaction, the block and the chain. Their whole price is fixed."""

from zevm.chain.vm.host_interface import Frame, instruct
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.chain.zvm.runtime.instance import MASK_64, HostCallback, Instance

BLOCKHASH = 0x40
_WORD = 32


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


def chainid(instance: Instance) -> int:
    """The chain's number; its lower 64 bits, as the interface has no more."""
    return int(_frame(instance).state.execution_context.chain_id) & MASK_64


def block_gas_limit(instance: Instance) -> int:
    """The block's gas limit."""
    return _frame(instance).state.gas_limit & MASK_64


def block_number(instance: Instance) -> int:
    """The block's number."""
    return _frame(instance).state.block_number & MASK_64


def block_timestamp(instance: Instance) -> int:
    """The block's time in Unix seconds."""
    return _frame(instance).state.timestamp & MASK_64


def block_basefee(instance: Instance, target: int) -> None:
    """The base fee in wei, 32 bytes."""
    instance.write(target, _frame(instance).state.base_fee.to_bytes(_WORD, "big"))


def block_coinbase(instance: Instance, target: int) -> None:
    """The block's fee recipient."""
    instance.write(target, _frame(instance).state.coinbase)


def contract_address(instance: Instance, target: int) -> None:
    """The account whose storage and balance the code acts on."""
    instance.write(target, _frame(instance).address)


def msg_sender(instance: Instance, target: int) -> None:
    """The caller."""
    instance.write(target, _frame(instance).msg.sender)


def msg_value(instance: Instance, target: int) -> None:
    """The value in wei, 32 bytes."""
    instance.write(target, _frame(instance).msg.value.to_bytes(_WORD, "big"))


def tx_gas_price(instance: Instance, target: int) -> None:
    """The transaction's gas price in wei, 32 bytes."""
    instance.write(target, _frame(instance).transaction_context.gas_price.to_bytes(_WORD, "big"))


def tx_origin(instance: Instance, target: int) -> None:
    """The transaction's sender."""
    instance.write(target, _frame(instance).transaction_context.origin)


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


def blobbasefee(instance: Instance, target: int) -> None:
    """The blob base fee in wei, 32 bytes; 0 before Cancun."""
    instance.write(target, _frame(instance).state.blob_base_fee.to_bytes(_WORD, "big"))


def prevrandao(instance: Instance, target: int) -> None:
    """The block's random value (EIP-4399)."""
    instance.write(target, _frame(instance).state.mix_hash)


def is_constructing(instance: Instance) -> int:
    """1 in the run that a creation makes of the contract, 0 in every other."""
    return int(_frame(instance).msg.is_create)


def code_address(instance: Instance, target: int) -> None:
    """The account whose code runs; the acting account, except in a delegate call, CALLCODE, or a delegated account."""
    frame = _frame(instance)
    instance.write(target, frame.address if frame.msg.is_create else frame.msg.code_address)


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
