"""Host functions that call and create contracts in either machine, and read what came back."""

from zevm.chain.vm.host_interface import CALL, CREATE, CREATE2, DELEGATECALL, STATICCALL, call, create
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.runtime.instance import HostCallback, Instance
from zevm.storage.primitives import Address, Gas, Wei

SUCCEEDED, FAILED = 0, 1

_WORD = 32
_ADDRESS = 20
_NO_WEI = Wei(0)


def call_contract(
    instance: Instance, address: int, data: int, length: int, value: int, gas: int, length_target: int
) -> int:
    """CALL: 0 for success."""
    context: HostContext = instance.context
    value_wei = Wei(int.from_bytes(instance.read(value, _WORD), "big"))
    if value_wei:
        context.refuse_static("a call with value")
    return _call(instance, CALL, address, data, length, value_wei, Gas(gas), length_target)


def delegate_call_contract(
    instance: Instance, address: int, data: int, length: int, gas: int, length_target: int
) -> int:
    """DELEGATECALL: 0 for success."""
    return _call(instance, DELEGATECALL, address, data, length, _NO_WEI, Gas(gas), length_target)


def static_call_contract(instance: Instance, address: int, data: int, length: int, gas: int, length_target: int) -> int:
    """STATICCALL: 0 for success."""
    return _call(instance, STATICCALL, address, data, length, _NO_WEI, Gas(gas), length_target)


def _call(
    instance: Instance, opcode: int, address: int, pointer: int, length: int, value: Wei, gas: Gas, length_target: int
) -> int:
    context: HostContext = instance.context
    target = Address(instance.read(address, _ADDRESS))
    instance.check(length_target, 4)
    instance.charge(2 * context.prices.read(length))
    data = instance.read(pointer, length)
    flat = context.scope.price_table.state
    used = _set_aside_words(instance)
    succeeded = context.with_gas(instance, call, opcode, gas, target, value, data, None if flat is None else flat.call)
    context.scope.stack_words += used
    instance.write(length_target, len(context.frame.return_data).to_bytes(4, "little"))
    return SUCCEEDED if succeeded else FAILED


def _set_aside_words(instance: Instance) -> int:
    """Take the words that the calling frame has in use from what the callee's frames may have; how many."""
    context: HostContext = instance.context
    used = context.stack_words - instance.stack_words_left
    context.scope.stack_words -= used
    return used


def create1(
    instance: Instance, code: int, length: int, endowment: int, address_target: int, length_target: int
) -> None:
    """CREATE: the new address, or zeros, and the length of the revert data."""
    _create(instance, CREATE, code, length, endowment, None, address_target, length_target)


def create2(
    instance: Instance, code: int, length: int, endowment: int, salt: int, address_target: int, length_target: int
) -> None:
    """CREATE2 (EIP-1014)."""
    number = int.from_bytes(instance.read(salt, _WORD), "big")
    _create(instance, CREATE2, code, length, endowment, number, address_target, length_target)


def _create(
    instance: Instance,
    opcode: int,
    pointer: int,
    length: int,
    endowment: int,
    salt: int | None,
    address_target: int,
    length_target: int,
) -> None:
    context: HostContext = instance.context
    context.refuse_static("a creation")
    value = Wei(int.from_bytes(instance.read(endowment, _WORD), "big"))
    instance.check(address_target, _ADDRESS)
    instance.check(length_target, 4)
    instance.charge(2 * context.prices.read(length))
    code = instance.read(pointer, length)
    used = _set_aside_words(instance)
    address = context.with_gas(instance, create, opcode, value, code, salt)
    context.scope.stack_words += used
    instance.write(address_target, address or bytes(_ADDRESS))
    instance.write(length_target, len(context.frame.return_data).to_bytes(4, "little"))


def read_return_data(instance: Instance, target: int, offset: int, size: int) -> int:
    """Copy a part of the last call's output; how many bytes there were to copy."""
    context: HostContext = instance.context
    part = context.frame.return_data[offset : offset + size]
    instance.charge(context.prices.write(len(part)))
    instance.write(target, part)
    return len(part)


def return_data_size(instance: Instance) -> int:
    """Bytes of the last call's output."""
    context: HostContext = instance.context
    return len(context.frame.return_data)


CALL_FUNCTIONS: dict[str, HostCallback] = {
    function.__name__: function
    for function in (
        call_contract,
        delegate_call_contract,
        static_call_contract,
        create1,
        create2,
        read_return_data,
        return_data_size,
    )
}
