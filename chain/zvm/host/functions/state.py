"""Host functions on storage, transient storage, logs and accounts, at the prices of the EVM's fork."""

from zevm.chain.rules.gas import LOG_BYTE_GAS, LOG_GAS, STIPEND_GAS
from zevm.chain.types import Log
from zevm.chain.vm.host_interface import Frame, instruct
from zevm.chain.zvm.faults import ExitError, HostTrapError
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.price_table import StateGas
from zevm.chain.zvm.runtime.instance import HostCallback, Instance
from zevm.storage.primitives import Address

BALANCE, EXTCODESIZE, EXTCODEHASH, SLOAD, SSTORE = 0x31, 0x3B, 0x3F, 0x54, 0x55
TLOAD, TSTORE, SELFDESTRUCT = 0x5C, 0x5D, 0xFF

CACHE_WRITE_GAS_LEFT = 2_310
CODE_GAS = 700
"""Gas of reading an account's code or its size, in addition to the access."""
MAXIMUM_TOPICS = 4

_WORD = 32
_ADDRESS = 20


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _tier_gas(tiers: tuple[tuple[int, int], ...], count: int) -> int:
    """Gas for one more use of the cache after `count` uses."""
    found = 0
    for past, gas in tiers:
        if count < past:
            break
        found = gas
    return found


def storage_load_bytes32(instance: Instance, key_pointer: int, target: int) -> None:
    """Read a slot through the frame's cache."""
    context: HostContext = instance.context
    key = instance.read(key_pointer, _WORD)
    gas = _tier_gas(context.prices.storage_read_tiers, context.loads)
    context.loads += 1
    value = context.values.get(key)
    if value is None:
        if context.scope.price_table.state is None:
            gas += context.prices.storage_miss_gas
        value = context.values[key] = context.stored[key] = load_slot(instance, key)
    if gas:
        context.charge_gas(instance, gas)
    instance.write(target, value)


def load_slot(instance: Instance, key: bytes) -> bytes:
    """The value of a slot in the state, at the price of the access."""
    context: HostContext = instance.context
    flat = context.scope.price_table.state
    if flat is None:
        number = context.with_gas(instance, instruct, SLOAD, _number(key))
    else:
        number = context.with_gas(instance, _load_flat, _number(key), flat.storage_load)
    return number.to_bytes(_WORD, "big")


def _load_flat(frame: Frame, slot: int, gas: int) -> int:
    frame.consume_gas(gas, "storage")
    frame.block_state.warm_slot(frame.address, slot)
    return frame.block_state.get_storage(frame.address, slot)


def storage_cache_bytes32(instance: Instance, key_pointer: int, value_pointer: int) -> None:
    """Write a slot into the frame's cache."""
    context: HostContext = instance.context
    context.require_gas(instance, CACHE_WRITE_GAS_LEFT)
    key, value = instance.read(key_pointer, _WORD), instance.read(value_pointer, _WORD)
    gas = _tier_gas(context.prices.storage_write_tiers, context.writes)
    context.writes += 1
    if gas:
        context.charge_gas(instance, gas)
    context.values[key] = value
    context.unflushed[key] = None


def storage_flush_cache(instance: Instance, clear: int) -> None:
    """Write the slots that changed to the state, each at SSTORE's price; with `clear` forget the cache."""
    context: HostContext = instance.context
    context.require_gas(instance, STIPEND_GAS + 1)
    if context.unflushed:
        values, stored = context.values, context.stored
        changed = [key for key in context.unflushed if stored.get(key) != values[key]]
        if changed:
            store_slots(instance, [(key, values[key]) for key in changed])
            stored.update((key, values[key]) for key in changed)
        context.unflushed.clear()
    if clear:
        context.values.clear()
        context.stored.clear()


def store_slots(instance: Instance, writes: list[tuple[bytes, bytes]]) -> None:
    """Write (key, value) to the state in this order, at the price of each."""
    context: HostContext = instance.context
    context.refuse_static("a write to storage")
    numbers = [(_number(value), _number(key)) for key, value in writes]
    context.with_gas(instance, _store, numbers, context.scope.price_table.state)


def _store(frame: Frame, writes: list[tuple[int, int]], flat: StateGas | None) -> None:
    for value, slot in writes:
        if flat is None:
            instruct(frame, SSTORE, value, slot)
            continue
        frame.consume_gas(flat.storage_store, "storage")
        frame.block_state.warm_slot(frame.address, slot)
        frame.block_state.set_storage(frame.address, slot, value)


def transient_load_bytes32(instance: Instance, key_pointer: int, target: int) -> None:
    """TLOAD (EIP-1153)."""
    context: HostContext = instance.context
    value = context.with_gas(instance, instruct, TLOAD, _number(instance.read(key_pointer, _WORD)))
    instance.write(target, value.to_bytes(_WORD, "big"))


def transient_store_bytes32(instance: Instance, key_pointer: int, value_pointer: int) -> None:
    """TSTORE (EIP-1153)."""
    context: HostContext = instance.context
    context.refuse_static("a write to transient storage")
    key, value = _number(instance.read(key_pointer, _WORD)), _number(instance.read(value_pointer, _WORD))
    context.with_gas(instance, instruct, TSTORE, value, key)


def emit_log(instance: Instance, pointer: int, length: int, topic_count: int) -> None:
    """Log data that begins with this number of 32-byte topics."""
    context: HostContext = instance.context
    if topic_count > MAXIMUM_TOPICS or length < _WORD * topic_count:
        raise HostTrapError(f"{length} bytes of log with {topic_count} topics; at most 4, of 32 bytes each")
    context.refuse_static("a log")
    instance.charge(context.prices.read(length))
    content = instance.read(pointer, length)
    data = content[_WORD * topic_count :]
    context.charge_gas(instance, LOG_GAS * (1 + topic_count) + LOG_BYTE_GAS * len(data))
    topics = tuple([content[start : start + _WORD] for start in range(0, _WORD * topic_count, _WORD)])
    context.frame.block_state.add_log(Log(context.frame.address, topics, data))


def account_balance(instance: Instance, address_pointer: int, target: int) -> None:
    """BALANCE."""
    context: HostContext = instance.context
    balance = context.with_gas(instance, instruct, BALANCE, _number(instance.read(address_pointer, _ADDRESS)))
    instance.write(target, balance.to_bytes(_WORD, "big"))


def account_codehash(instance: Instance, address_pointer: int, target: int) -> None:
    """EXTCODEHASH."""
    context: HostContext = instance.context
    digest = context.with_gas(instance, instruct, EXTCODEHASH, _number(instance.read(address_pointer, _ADDRESS)))
    instance.write(target, digest.to_bytes(_WORD, "big"))


def account_code_size(instance: Instance, address_pointer: int) -> int:
    """EXTCODESIZE, for 700 gas more."""
    context: HostContext = instance.context
    return context.with_gas(instance, _code_size, _number(instance.read(address_pointer, _ADDRESS)))


def _code_size(frame: Frame, address: int) -> int:
    size = instruct(frame, EXTCODESIZE, address)
    frame.consume_gas(CODE_GAS, "code")
    return size


def account_code(instance: Instance, address_pointer: int, offset: int, size: int, target: int) -> int:
    """Copy a part of an account's code; how many bytes there were to copy."""
    context: HostContext = instance.context
    address = Address(instance.read(address_pointer, _ADDRESS))
    whole = context.with_gas(instance, _code_size, _number(address))
    instance.charge(context.prices.write(whole))
    part = context.frame.block_state.get_code(address)[offset : offset + size]
    instance.write(target, part)
    return len(part)


def selfdestruct(instance: Instance, beneficiary_pointer: int) -> None:
    """SELFDESTRUCT, with EIP-6780 where the fork has it; the contract ends with success and no output."""
    context: HostContext = instance.context
    context.refuse_static("a self-destruct")
    context.with_gas(instance, instruct, SELFDESTRUCT, _number(instance.read(beneficiary_pointer, _ADDRESS)))
    context.output = b""
    raise ExitError(0)


STATE_FUNCTIONS: dict[str, HostCallback] = {
    function.__name__: function
    for function in (
        storage_load_bytes32,
        storage_cache_bytes32,
        storage_flush_cache,
        transient_load_bytes32,
        transient_store_bytes32,
        emit_log,
        account_balance,
        account_codehash,
        account_code_size,
        account_code,
        selfdestruct,
    )
}
