"""Host functions that depend on nothing but their arguments: hashing, 256-bit arithmetic, exit, memory."""

from collections.abc import Callable
from string import hexdigits

from zevm.chain.zvm.faults import ExitError
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.runtime.instance import HostCallback, Instance
from zevm.storage.keccak import keccak256

_WORD = 32
_MODULUS = 1 << 256
_MASK = _MODULUS - 1
_DIGITS = hexdigits[:16]


def exit_early(instance: Instance, status: int) -> None:  # noqa: ARG001  one signature for all
    """Stop as if the entry point had returned `status`."""
    raise ExitError(status)


def native_keccak256(instance: Instance, pointer: int, length: int, target: int) -> None:
    """Keccak-256."""
    context: HostContext = instance.context
    if length > 2 * _WORD:
        instance.charge(context.prices.keccak(length))
    instance.write(target, keccak256(instance.read(pointer, length)))


def _word(instance: Instance, pointer: int) -> int:
    return int.from_bytes(instance.read(pointer, _WORD), "big")


def _binary(name: str, operation: Callable[[int, int], int]) -> HostCallback:
    """A function that replaces its first operand by the result."""

    def apply(instance: Instance, first: int, second: int) -> None:
        result = operation(_word(instance, first), _word(instance, second))
        instance.write(first, result.to_bytes(_WORD, "big"))

    apply.__name__ = name
    return apply


def _ternary(name: str, operation: Callable[[int, int, int], int]) -> HostCallback:
    def apply(instance: Instance, first: int, second: int, third: int) -> None:
        result = operation(_word(instance, first), _word(instance, second), _word(instance, third))
        instance.write(first, result.to_bytes(_WORD, "big"))

    apply.__name__ = name
    return apply


def math_pow(instance: Instance, base_pointer: int, exponent_pointer: int) -> None:
    """base ** exponent modulo 2**256, more for each byte of the exponent."""
    context: HostContext = instance.context
    exponent = _word(instance, exponent_pointer)
    instance.charge(context.prices.power_byte * ((exponent.bit_length() + 7) // 8))
    instance.write(base_pointer, power(_word(instance, base_pointer), exponent).to_bytes(_WORD, "big"))


def power(base: int, exponent: int) -> int:
    """base ** exponent modulo 2**256, of words.

    Digit by digit: cutting a product off costs a fraction of the division that Python's `pow` makes of it.
    """
    if exponent < len(_DIGITS):
        return pow(base, exponent, _MODULUS)
    powers = [1]
    for _ in _DIGITS[1:]:
        powers.append(powers[-1] * base & _MASK)
    result = 1
    for digit in f"{exponent:x}":
        for _ in range(4):
            result = result * result & _MASK
        result = result * powers[_DIGITS.index(digit)] & _MASK
    return result


def pay_for_memory_grow(instance: Instance, pages: int) -> None:
    """Pay for pages that the memory is about to grow by; for none, the price of a host call."""
    context: HostContext = instance.context
    if not pages:
        instance.charge(context.prices.growth_of_none)
        return
    gas = context.scope.open(pages, context.pages)
    context.pages += pages
    context.charge_gas(instance, gas)


COMPUTATION_FUNCTIONS: dict[str, HostCallback] = {
    function.__name__: function
    for function in (
        exit_early,
        native_keccak256,
        math_pow,
        pay_for_memory_grow,
        _binary("math_div", lambda a, b: a // b if b else 0),
        _binary("math_mod", lambda a, b: a % b if b else 0),
        _ternary("math_add_mod", lambda a, b, c: (a + b) % c if c else 0),
        _ternary("math_mul_mod", lambda a, b, c: a * b % c if c else 0),
    )
}
