"""Powers modulo a number (EIP-198): the core's up to its size of operands, and Python's."""

from zevm.core import replaced_by

SMALL_MODULUS = 1 << 16
SHORT_EXPONENT_BITS = 512
LONG_MODULUS_BITS = 8 * 1024
"""From here on Python's division takes longer than two of its products, whose time is less than quadratic."""
WINDOW_BITS = 4


def modexp(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    """base ** exponent % modulus, as long as the modulus; 0 where that is 0."""
    small = int.from_bytes(modulus, "big")
    if 0 < small < SMALL_MODULUS and len(exponent) * 8 > SHORT_EXPONENT_BITS:
        shortened = _shortened(int.from_bytes(exponent, "big"), small)
        exponent = shortened.to_bytes((shortened.bit_length() + 7) // 8, "big")
    return power(base, exponent, modulus)


@replaced_by("modexp")
def power(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    """As `modexp`, in time that grows with the exponent's length."""
    numbers = [int.from_bytes(number, "big") for number in (base, exponent, modulus)]
    if numbers[2] == 0:
        return bytes(len(modulus))
    is_long = numbers[2].bit_length() > LONG_MODULUS_BITS and numbers[1].bit_length() > 2 * WINDOW_BITS
    result = _long_power(*numbers) if is_long else pow(*numbers)
    return result.to_bytes(len(modulus), "big")


def _long_power(base: int, exponent: int, modulus: int) -> int:
    """The power by digits of four bits of the exponent, and Barrett's reduction of the products."""
    bits = modulus.bit_length()
    reciprocal = (1 << 2 * bits) // modulus

    def product(left: int, right: int) -> int:
        whole = left * right
        quotient = (whole >> (bits - 1)) * reciprocal >> (bits + 1)
        rest = whole - quotient * modulus
        while rest >= modulus:  # the quotient is at most two too small
            rest -= modulus
        return rest

    powers = [1, base % modulus]
    while len(powers) < 1 << WINDOW_BITS:
        powers.append(product(powers[-1], powers[1]))
    digits = (exponent.bit_length() + WINDOW_BITS - 1) // WINDOW_BITS
    result = powers[exponent >> WINDOW_BITS * (digits - 1)]
    for place in range(digits - 2, -1, -1):
        for _ in range(WINDOW_BITS):
            result = product(result, result)
        digit = exponent >> WINDOW_BITS * place & (1 << WINDOW_BITS) - 1
        if digit:
            result = product(result, powers[digit])
    return result


def _shortened(exponent: int, modulus: int) -> int:
    """A small exponent with the same power of any base: from log2(modulus) on, powers recur (Euler's theorem)."""
    totient = rest = modulus
    divisor = 2
    while divisor * divisor <= rest:
        if rest % divisor == 0:
            totient -= totient // divisor
            while rest % divisor == 0:
                rest //= divisor
        divisor += 1
    if rest > 1:
        totient -= totient // rest
    least = modulus.bit_length()
    return exponent if exponent < least else least + (exponent - least) % totient
