"""BLAKE2b's compression function (EIP-152, RFC 7693 section 3.2) as a precompile."""

from zevm.chain.native.blake2b import blake2f as compress
from zevm.chain.vm.arithmetic import compute
from zevm.chain.vm.faults import InputLengthError, PrecompileError
from zevm.chain.vm.frame import Frame

INPUT_BYTES = 213
FINAL_FLAGS = b"\x00\x01"


def blake2f(frame: Frame) -> None:
    """0x09: one gas a round."""
    data = frame.msg.data
    if len(data) != INPUT_BYTES:
        raise InputLengthError
    data = bytes(data)
    if data[-1] not in FINAL_FLAGS:
        raise PrecompileError("invalid final flag")
    rounds = int.from_bytes(data[:4], "big")
    frame.consume_gas(rounds, "BLAKE2F")
    frame.output = compute(frame, rounds, compress, data)
