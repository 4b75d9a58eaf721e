"""Powers modulo a number (EIP-198): the core's up to its size of operands, and Python's."""

from zevm.core import replaced_by

SMALL_MODULUS = 1 << 16
SHORT_EXPONENT_BITS = 512


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
    divisor = int.from_bytes(modulus, "big")
    result = pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), divisor) if divisor else 0
    return result.to_bytes(len(modulus), "big")


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
