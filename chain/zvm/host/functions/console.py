"""Host functions that print on a development chain: lines of the same list as Hardhat's console.log."""

from eth_abi.abi import encode

from zevm.chain.vm.host_interface import TransactionContext
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.runtime.instance import HostCallback, Instance

_LOG_STRING = bytes.fromhex("41304fac")
"""keccak256("log(string)")[:4]"""

_BYTE_GAS = 8


def log_txt(instance: Instance, pointer: int, length: int) -> None:
    """A line of text; bytes that are no UTF-8 as replacement characters."""
    context: HostContext = instance.context
    context.charge_gas(instance, _BYTE_GAS * length)
    _print(instance, instance.read(pointer, length).decode(errors="replace"))


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _number(name: str, bits: int, *, returns: bool) -> HostCallback:
    """A function that prints its signed argument, and gives it back where it `returns`."""

    def log(instance: Instance, value: int) -> int | None:
        _print(instance, str(_signed(value, bits)))
        return value if returns else None

    log.__name__ = name
    return log


def _print(instance: Instance, text: str) -> None:
    context: HostContext = instance.context
    print_line(context.frame.transaction_context, text)


def print_line(context: TransactionContext, text: str) -> None:
    """Add a line to those of the transaction."""
    context.print_console(_LOG_STRING + encode(["string"], [text]))


CONSOLE_FUNCTIONS: dict[str, HostCallback] = {
    function.__name__: function
    for function in (
        log_txt,
        _number("log_i32", 32, returns=False),
        _number("log_i64", 64, returns=False),
        _number("tee_i32", 32, returns=True),
        _number("tee_i64", 64, returns=True),
    )
}
