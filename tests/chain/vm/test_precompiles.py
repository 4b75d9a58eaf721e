"""Precompiles that are ours: results, prices, and what py-evm has wrong."""

import random
import time

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from eth._utils.blake2.coders import extract_blake2b_parameters
from eth._utils.blake2.compression import blake2b_compress
from eth.precompiles import ecrecover as py_evm_ecrecover
from eth.precompiles.modexp import _modexp as py_evm_modexp

from testing.speed import PATIENCE_SECONDS
from tests.chain.vm.support import SENDER, FakeAccount, assemble, environment_of, returning, run_code, state_of
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import PRECOMPILES, precompile_address
from zevm.chain.vm.frame import TransactionContext
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.message import Message
from zevm.storage.keccak import keccak256


def call(number: int, data: bytes, fork: Fork = Fork.OSAKA) -> Outcome:
    request = CallRequest(SENDER, precompile_address(number), 10_000_000, data=data)
    return Executor(environment_of(fork), state_of({})).call(request)


def price(number: int, data: bytes, fork: Fork = Fork.OSAKA) -> int:
    """The precompile's own gas, measured inside a contract."""
    copy = f"CALLDATASIZE 0 0 CALLDATACOPY GAS 0 0 CALLDATASIZE 0 {number} GAS STATICCALL POP GAS SWAP1 SUB"
    outcome = run_code(returning(copy), fork, data=data, gas_limit=50_000_000)
    empty = run_code(returning(copy.replace(f" {number} GAS", f" {4} GAS")), fork, data=data, gas_limit=50_000_000)
    identity = 15 + 3 * ((len(data) + 31) // 32)
    return int.from_bytes(outcome.output, "big") - int.from_bytes(empty.output, "big") + identity


def number(value: int, size: int = 32) -> bytes:
    return value.to_bytes(size, "big")


class EcrecoverFrame:
    """As much of a computation as py-evm's precompile needs."""

    def __init__(self, data: bytes) -> None:
        self.msg = Message(10_000, b"", SENDER, 0, data, b"")
        self.output = b""

    def consume_gas(self, amount: int, reason: str) -> None:
        assert amount == 3000, reason


def test_ecrecover_agrees_with_py_evm() -> None:
    chooser = random.Random(1)
    digest = keccak256(b"message")
    signature = PrivateKey(number(7)).sign_recoverable(digest, hasher=None)
    good = digest + number(27 + signature[64]) + signature[:64]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = int.from_bytes(signature[32:64], "big")
    high_s = digest + number(28 - signature[64]) + signature[:32] + number(order - s)
    cases = [good, high_s, good[:-1], good + b"tail", b"", digest + number(26) + signature[:64]]
    cases += [good[:64] + number(order) + good[96:], good[:64] + number(0) + good[96:]]
    cases += [chooser.randbytes(32) + number(27) + chooser.randbytes(64) for _ in range(50)]
    outputs = set()
    for data in cases:
        frame = EcrecoverFrame(data)
        py_evm_ecrecover(frame)
        outcome = call(1, data)
        assert outcome.error is None
        assert outcome.output == frame.output
        outputs.add(outcome.output)
    assert len(outputs) > 3
    assert b"" in outputs


def modexp_input(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    return number(len(base)) + number(len(exponent)) + number(len(modulus)) + base + exponent + modulus


@pytest.mark.parametrize("fork", [Fork.BYZANTIUM, Fork.BERLIN, Fork.OSAKA])
def test_modexp(fork: Fork) -> None:
    chooser = random.Random(2)
    for _ in range(60):
        parts = [chooser.randbytes(chooser.randrange(1, 40)) for _ in range(3)]
        data = modexp_input(*parts)[: chooser.choice((200, 110))]
        outcome = call(5, data, fork)
        assert outcome.error is None
        assert int.from_bytes(outcome.output, "big") == py_evm_modexp(data)
        assert len(outcome.output) == len(parts[2])


def test_modexp_with_a_base_of_no_bytes_is_zero_to_the_exponent() -> None:
    assert call(5, modexp_input(b"", b"", b"\x07")).output == b"\x01"
    assert call(5, modexp_input(b"", b"\x02", b"\x07")).output == b"\x00"
    assert call(5, modexp_input(b"", b"", b"\x01")).output == b"\x00"
    assert call(5, modexp_input(b"\x02", b"\x02", b"")).output == b""


def test_modexp_prices() -> None:
    data = modexp_input(b"\x03" * 64, b"\xff" * 32, b"\x05" * 64)
    assert price(5, data, Fork.BERLIN) == 64 * 255 // 3
    assert price(5, data, Fork.OSAKA) == 2 * 64 * 255
    assert price(5, modexp_input(b"\x03", b"\x01", b"\x05"), Fork.OSAKA) == 500
    assert price(5, modexp_input(b"\x03" * 1024, b"\x01", b"\x05"), Fork.OSAKA) == 2 * 128**2
    long_exponent = modexp_input(b"\x03", b"\x01" + bytes(39), b"\x05")
    assert price(5, long_exponent, Fork.OSAKA) == 16 * (248 + 16 * 8)


def test_modexp_operands_are_bounded_in_osaka() -> None:
    data = modexp_input(b"\x03" * 1025, b"\x01", b"\x05")
    assert call(5, data, Fork.PRAGUE).error is None
    outcome = call(5, data)
    assert outcome.error is not None
    assert outcome.gas_used == 10_000_000
    assert call(5, modexp_input(b"\x03" * 1024, b"\x01", b"\x05")).error is None


def blake2_input(chooser: random.Random, rounds: int) -> bytes:
    return rounds.to_bytes(4, "big") + chooser.randbytes(208) + bytes((chooser.randrange(2),))


def test_blake2f_agrees_with_py_evm() -> None:
    chooser = random.Random(152)
    for rounds in (0, 1, 9, 10, 12, 25, 100):
        data = blake2_input(chooser, rounds)
        assert call(9, data).output == blake2b_compress(*extract_blake2b_parameters(data))
        assert price(9, data) == rounds
    for wrong in (data[:-1], data + b"\0", data[:-1] + b"\2"):
        outcome = call(9, wrong)
        assert outcome.error is not None
        assert outcome.gas_used == 10_000_000


def test_blake2f_ends_at_the_deadline() -> None:
    request = CallRequest(SENDER, precompile_address(9), 5 * 10**9, data=blake2_input(random.Random(1), 2**32 - 1))
    started = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        Executor(environment_of(), state_of({})).call(request, deadline=Deadline.after(0.1))
    assert time.monotonic() - started < PATIENCE_SECONDS


def p256_input() -> bytes:
    key = ec.derive_private_key(12345, ec.SECP256R1())
    digest = keccak256(b"message")
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
    public = key.public_key().public_numbers()
    return digest + number(r) + number(s) + number(public.x) + number(public.y)


def test_p256verify() -> None:
    data = p256_input()
    assert call(0x100, data).output == number(1)
    assert price(0x100, data) == 6900
    for wrong in (
        data[:-1],
        data + b"\0",
        bytes(32) + data[32:],
        data[:32] + bytes(32) + data[64:],
        data[:96] + bytes(64),
    ):
        outcome = call(0x100, wrong)
        assert (outcome.output, outcome.error) == (b"", None)
    assert call(0x100, data, Fork.PRAGUE).output == b""


def test_point_evaluation_refuses_what_does_not_fit() -> None:
    for data in (b"", bytes(192)):
        outcome = call(0x0A, data)
        assert outcome.error is not None
        assert outcome.gas_used == 10_000_000


def test_which_precompiles_a_fork_has() -> None:
    counts = {fork: len(PRECOMPILES[fork]) for fork in (Fork.FRONTIER, Fork.BYZANTIUM, Fork.ISTANBUL, Fork.CANCUN)}
    assert counts == {Fork.FRONTIER: 4, Fork.BYZANTIUM: 8, Fork.ISTANBUL: 9, Fork.CANCUN: 10}
    assert {int.from_bytes(address, "big") for address in PRECOMPILES[Fork.OSAKA]} == {*range(1, 0x12), 0x100}


def test_a_delegation_to_a_precompile_runs_nothing() -> None:
    account = FakeAccount(code=b"\xef\x01\x00" + precompile_address(4))
    outcome = Executor(environment_of(), state_of({b"\x55" * 20: account})).call(
        CallRequest(SENDER, b"\x55" * 20, data=b"data")
    )
    assert (outcome.output, outcome.error) == (b"", None)


def test_precompiles_are_warm() -> None:
    outcome = run_code(assemble("4 BALANCE POP"))
    assert outcome.gas_used == 21_000 + 3 + 100 + 2
    assert TransactionContext(SENDER, 0, (), {}, {}).deadline is None
