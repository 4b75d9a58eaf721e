"""Precompiles that differ from py-evm's: faster, corrected, or of a fork that it lacks."""

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from zevm.chain.native.answers import InputError
from zevm.chain.native.curves import BLS_ORDER, kzg_proof_holds
from zevm.chain.native.modexp import modexp
from zevm.chain.types.signatures import InvalidSignatureError, recover_address
from zevm.chain.vm.arithmetic import compute
from zevm.chain.vm.faults import InputLengthError, PrecompileError
from zevm.chain.vm.frame import Frame
from zevm.storage.primitives import Address

CONSOLE_ADDRESS = Address(bytes.fromhex("000000000000000000636f6e736f6c652e6c6f67"))
"""The address of Hardhat's console.sol: "console.log" in ASCII."""

ECRECOVER_GAS = 3000
POINT_EVALUATION_GAS = 50_000
P256VERIFY_GAS = 6900
MODEXP_SIZE_LIMIT = 1024
MODEXP_MINIMUM_GAS = 500
MODEXP_MINIMUM_GAS_BERLIN = 200

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_FIELD_ELEMENTS_PER_BLOB = 4096
_SUCCESS = (1).to_bytes(32, "big")


def ecrecover(frame: Frame) -> None:
    """0x01: the signer of a digest; no output when there is none."""
    frame.consume_gas(ECRECOVER_GAS, "ECRECOVER")
    data = bytes(frame.msg.data[:128]).ljust(128, b"\0")
    v, r, s = [int.from_bytes(data[start : start + 32], "big") for start in (32, 64, 96)]
    try:
        frame.output = recover_address(data[:32], v - 27, r, s).rjust(32, b"\0")
    except InvalidSignatureError:
        return


def recovering(recoveries: Iterable[tuple[bytes, bytes]]) -> Callable[[Frame], None]:
    """0x01 that finds other signers in some signatures (65 bytes r || s || v), whatever was signed."""
    known = {(signature[:64], signature[64] % 27): address for signature, address in recoveries}

    def recover(frame: Frame) -> None:
        data = bytes(frame.msg.data[:128]).ljust(128, b"\0")
        address = known.get((data[64:128], int.from_bytes(data[32:64], "big") - 27))
        if address is None:
            ecrecover(frame)
            return
        frame.consume_gas(ECRECOVER_GAS, "ECRECOVER")
        frame.output = address.rjust(32, b"\0")

    return recover


class ModexpInput(NamedTuple):
    """Sizes in bytes, the exponent's first 32 bytes as a number, and the whole input behind them (EIP-198)."""

    base_size: int
    exponent_size: int
    modulus_size: int
    exponent_head: int
    data: bytes | memoryview

    @property
    def longest(self) -> int:
        return max(self.base_size, self.modulus_size)

    def iterations(self, byte_factor: int) -> int:
        """Steps of the exponent: its head's bits except the first, plus this many for each byte behind it."""
        return max(self.exponent_head.bit_length() - 1, 0) + byte_factor * max(self.exponent_size - 32, 0)

    def numbers(self) -> tuple[bytes, bytes, bytes]:
        """Base, exponent, modulus; what the input lacks is zero."""
        exponent = 96 + self.base_size
        modulus = exponent + self.exponent_size
        return (
            _part(self.data, 96, self.base_size),
            _part(self.data, exponent, self.exponent_size),
            _part(self.data, modulus, self.modulus_size),
        )


def _part(data: bytes | memoryview, start: int, size: int) -> bytes:
    return bytes(data[start : start + size]).ljust(size, b"\0")


def _modexp_input(data: bytes | memoryview) -> ModexpInput:
    base, exponent, modulus = [int.from_bytes(_part(data, start, 32), "big") for start in (0, 32, 64)]
    head = int.from_bytes(_part(data, 96 + base, min(exponent, 32)), "big")
    return ModexpInput(base, exponent, modulus, head, data)


def _modexp_price_byzantium(given: ModexpInput) -> int:
    """EIP-198."""
    size = given.longest
    if size <= 64:
        complexity = size * size
    elif size <= 1024:
        complexity = size * size // 4 + 96 * size - 3072
    else:
        complexity = size * size // 16 + 480 * size - 199_680
    return complexity * max(given.iterations(8), 1) // 20


def _modexp_price_berlin(given: ModexpInput) -> int:
    """EIP-2565."""
    words = (given.longest + 7) // 8
    return max(MODEXP_MINIMUM_GAS_BERLIN, words * words * max(given.iterations(8), 1) // 3)


def _modexp_price_osaka(given: ModexpInput) -> int:
    """EIP-7883; operands up to 1,024 bytes (EIP-7823)."""
    if max(given[:3]) > MODEXP_SIZE_LIMIT:
        raise PrecompileError("one or more of base/exponent/modulus length exceeded 1024 bytes")
    complexity = 2 * ((given.longest + 7) // 8) ** 2 if given.longest > 32 else 16
    return max(MODEXP_MINIMUM_GAS, complexity * max(given.iterations(16), 1))


def _modexp(price: Callable[[ModexpInput], int]) -> Callable[[Frame], None]:
    """0x05 at a fork's price: base ** exponent % modulus, each as long as the header says."""

    def run(frame: Frame) -> None:
        given = _modexp_input(frame.msg.data)
        gas = price(given)
        frame.consume_gas(gas, "MODEXP")
        if given.modulus_size:
            frame.output = compute(frame, gas, modexp, *given.numbers())

    return run


modexp_byzantium = _modexp(_modexp_price_byzantium)
modexp_berlin = _modexp(_modexp_price_berlin)
modexp_osaka = _modexp(_modexp_price_osaka)


def point_evaluation_(frame: Frame) -> None:
    """0x0a: whether a blob's polynomial has a value at a point (EIP-4844)."""
    frame.consume_gas(POINT_EVALUATION_GAS, "POINT_EVALUATION")
    data = frame.msg.data
    if len(data) != 192:
        raise InputLengthError
    data = bytes(data)
    versioned_hash, z, y, commitment, proof = data[:32], data[32:64], data[64:96], data[96:144], data[144:]
    if b"\x01" + hashlib.sha256(commitment).digest()[1:] != versioned_hash:
        raise PrecompileError("mismatched versioned hash")
    try:
        proven = kzg_proof_holds(commitment, int.from_bytes(z, "big"), int.from_bytes(y, "big"), proof)
    except InputError as error:
        raise PrecompileError(f"error verifying kzg proof: {error}") from error
    if not proven:
        raise PrecompileError("error verifying kzg proof")
    frame.output = _FIELD_ELEMENTS_PER_BLOB.to_bytes(32, "big") + BLS_ORDER.to_bytes(32, "big")


def p256verify(frame: Frame) -> None:
    """0x100: a secp256r1 signature over a digest; 1 when it holds, else no output (EIP-7951)."""
    frame.consume_gas(P256VERIFY_GAS, "P256VERIFY")
    data = frame.msg.data
    if len(data) != 160:
        return
    data = bytes(data)
    r, s, x, y = [int.from_bytes(data[start : start + 32], "big") for start in (32, 64, 96, 128)]
    if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
        return
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(encode_dss_signature(r, s), data[:32], ec.ECDSA(Prehashed(hashes.SHA256())))
    except (ValueError, InvalidSignature):
        return
    frame.output = _SUCCESS


def record_console(frame: Frame) -> None:
    """The console address: note the input, answer as an account without code does."""
    frame.transaction_context.print_console(frame.msg.data)
