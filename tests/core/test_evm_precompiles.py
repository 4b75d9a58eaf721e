"""The precompiles that the machine has itself against the chain's: output, gas, faults."""

import random
from collections.abc import Iterator

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import ETHER, SENDER, environment_of
from tests.core.support import needs_core
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import precompile_address
from zevm.chain.vm.frame import Frame, Precompile
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.storage.primitives import Address

pytestmark = needs_core

SHA256, RIPEMD160, IDENTITY, MODEXP, BLAKE2F = 2, 3, 4, 5, 9
SIZES_OF_POWERS = ((0, 0, 0), (1, 0, 1), (0, 1, 32), (32, 32, 32), (33, 33, 1), (1, 40, 64), (65, 2, 64), (200, 32, 3))
SIZES = (*range(70), 119, 120, 121, 127, 128, 129, 255, 256, 257, 1_000, 70_000)


def call_on(engine: Engine, number: int, data: bytes, gas: int, fork: Fork = Fork.CANCUN) -> Outcome:
    state = BlockState(MemoryReader({Address(SENDER): MemoryAccount(balance=ETHER)}))
    executor = Executor(environment_of(fork, engine=engine), state)
    return executor.call(CallRequest(sender=Address(SENDER), to=precompile_address(number), data=data, gas_limit=gas))


def agree(number: int, data: bytes, gas: int = 10_000_000, fork: Fork = Fork.CANCUN) -> Outcome:
    """What both engines give."""
    ran = choice.messages["native"]
    found, wanted = (call_on(engine, number, data, gas, fork) for engine in (Engine.NATIVE, Engine.PY_EVM))
    assert choice.messages["native"] == ran + 1
    assert found == wanted, (number, data.hex())
    return found


@pytest.mark.parametrize("number", [SHA256, RIPEMD160, IDENTITY])
def test_messages_of_every_length_have_the_same_output_and_gas(number: int) -> None:
    rng = random.Random(number)
    for size in SIZES:
        assert agree(number, rng.randbytes(size)).succeeded
    assert not agree(number, bytes(33), 21_000 + 33 * 4 + 14).succeeded


def compressions(rng: random.Random) -> Iterator[bytes]:
    """Inputs of BLAKE2f: of all numbers of rounds, both flags, any words."""
    for rounds in (*range(26), 1_000, 20_000, 20_001, 40_000):
        for flag in (0, 1):
            yield rounds.to_bytes(4, "big") + rng.randbytes(208) + bytes([flag])


def test_compressions_agree() -> None:
    for data in compressions(random.Random(9)):
        assert agree(BLAKE2F, data).succeeded


def test_what_is_no_compression_fails_alike() -> None:
    whole = bytes(3) + b"\x0c" + bytes(208) + b"\x01"
    for data in (b"", whole[:-1], whole + b"\0", whole[:-1] + b"\x02"):
        outcome = agree(BLAKE2F, data, 100_000)
        assert outcome.error is not None
        assert outcome.gas_used == 100_000
    dear = b"\xff\xff\xff\xff" + whole[4:]
    assert not agree(BLAKE2F, dear, 100_000).succeeded


def powers(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    """MODEXP's input."""
    return b"".join(len(part).to_bytes(32, "big") for part in (base, exponent, modulus)) + base + exponent + modulus


def agree_on_power(base: bytes, exponent: bytes, modulus: bytes, fork: Fork = Fork.CANCUN) -> None:
    """Both engines agree, and Python's own power with them."""
    outcome = agree(MODEXP, powers(base, exponent, modulus), 400_000_000, fork)
    assert outcome.succeeded
    number = int.from_bytes(modulus, "big")
    wanted = pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), number) if number else 0
    assert int.from_bytes(outcome.output, "big") == wanted
    assert len(outcome.output) == len(modulus)


def shaped_number(rng: random.Random, size: int) -> bytes:
    """Of any shape: random, sparse, of long runs of bits, with zeros in front or behind."""
    bits = 8 * size
    match rng.randrange(6) if size else 0:
        case 0:
            number = rng.getrandbits(bits) if size else 0
        case 1:
            number = rng.getrandbits(bits) >> rng.randrange(bits)
        case 2:
            number = rng.getrandbits(bits) << rng.randrange(bits)
        case 3:
            number = (1 << rng.randrange(bits + 1)) - (1 << rng.randrange(bits))
        case 4:
            number = 1 << rng.randrange(bits)
        case _:
            number = rng.randrange(4)
    return (abs(number) % (1 << bits)).to_bytes(size, "big")


@pytest.mark.lengthy
def test_powers_of_every_shape_agree() -> None:
    rng = random.Random(5)
    sizes = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 127, 128)
    for _ in range(1_500):
        base, exponent, modulus = (shaped_number(rng, rng.choice(sizes)) for _ in range(3))
        agree_on_power(base, exponent, modulus)


def test_powers_at_the_edges_of_sizes_agree() -> None:
    rng = random.Random(1024)
    for size in (1_023, 1_024, 1_025):
        for parity in (0, 1):
            modulus = rng.randbytes(size - 1) + bytes([2 * rng.randrange(128) + parity])
            agree_on_power(rng.randbytes(size), b"\x03", modulus)
            agree_on_power(rng.randbytes(3), rng.randbytes(2), modulus)
        agree_on_power(b"\x07", rng.randbytes(size), b"\x0b")
        agree_on_power(rng.randbytes(size), b"\x01\x00", rng.randbytes(32))
        agree_on_power(rng.randbytes(size), b"\x02", bytes(size))
        agree_on_power(b"\x02", b"\x05", bytes(size - 1) + b"\x01")
    half = bytes(511) + b"\x01" + bytes(512)  # a power of two of many limbs
    agree_on_power(rng.randbytes(1_024), b"\x05", half)


@pytest.mark.parametrize("fork", [Fork.BYZANTIUM, Fork.ISTANBUL, Fork.BERLIN, Fork.CANCUN, Fork.OSAKA])
def test_powers_cost_the_same_at_every_fork(fork: Fork) -> None:
    rng = random.Random(fork.value)
    for base, exponent, modulus in SIZES_OF_POWERS:
        agree_on_power(rng.randbytes(base), rng.randbytes(exponent), rng.randbytes(modulus), fork)
    agree_on_power(bytes(3), bytes(40), bytes(5), fork)
    for data in (b"", b"\x01", powers(b"\x02", b"\x09", b"\x05")[:-1], powers(b"\x02", b"\x09", b"")[:40]):
        agree(MODEXP, data, fork=fork)
    needed = call_on(Engine.PY_EVM, MODEXP, powers(b"\x02" * 40, b"\x09" * 40, b"\x05" * 40), 10**7, fork).gas_used
    for gas in (needed - 1, needed):
        agree(MODEXP, powers(b"\x02" * 40, b"\x09" * 40, b"\x05" * 40), gas, fork)


@pytest.mark.parametrize("fork", [Fork.BERLIN, Fork.OSAKA])
def test_powers_of_absurd_sizes_fail_alike(fork: Fork) -> None:
    for place in range(3):
        for size in (1_025, 1 << 64, (1 << 256) - 1):
            header = [1, 1, 1]
            header[place] = size
            agree(MODEXP, b"".join(number.to_bytes(32, "big") for number in header) + b"\x03" * 9, 100_000, fork)


ADD, MULTIPLY, PAIRING = 6, 7, 8
POINT = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")


@pytest.mark.parametrize("fork", [Fork.BYZANTIUM, Fork.ISTANBUL, Fork.CANCUN])
@pytest.mark.parametrize("number", [ADD, MULTIPLY, PAIRING])
def test_points_cost_and_fail_alike_at_every_fork(number: int, fork: Fork) -> None:
    whole = POINT + bytes(128)
    for data in (b"", whole, whole * 2, whole + b"\0", whole[:-1], POINT[:40], b"\xff" * 192, POINT + b"\1" * 128):
        outcome = agree(number, data, fork=fork)
        needed = outcome.gas_used
        if outcome.succeeded:
            assert not agree(number, data, needed - 1, fork).succeeded
            assert agree(number, data, needed, fork).succeeded
    assert agree(number, POINT, fork=fork).succeeded == (number != PAIRING)
    assert agree(number, POINT[::-1] + whole[:128], fork=fork).error is not None


LONG = 300_000


@pytest.mark.parametrize("number", [1, SHA256, IDENTITY, 10])
def test_long_input_is_shown_to_a_precompile_and_not_copied(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call pays for its memory once, not for each precompile that it shows it to."""
    shown: list[bytes | memoryview] = []
    run_precompile = Frame.run_precompile

    def watch(self: Frame, precompile: Precompile) -> None:
        shown.append(self.msg.data)
        run_precompile(self, precompile)

    data = random.Random(number).randbytes(LONG)
    wanted = agree(number, data)
    monkeypatch.setattr(Frame, "run_precompile", watch)
    assert call_on(Engine.NATIVE, number, data, 10_000_000) == wanted
    assert [type(found) for found in shown] == [memoryview]
    with pytest.raises(ValueError, match="released"):
        shown[0][0]
