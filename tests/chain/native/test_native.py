"""B2, B3: long arithmetic holds nobody up, ends at its deadline, and gives the same wherever it runs."""

import hashlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import ckzg
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.chain.vm.support import SENDER, FakeAccount, environment_of, state_of
from verification.abuse.dearest import CONTRACT, Input, calling, precompile_inputs
from zevm.chain.concurrency.deadline import Cancellation, Deadline, ExecutionTimeoutError
from zevm.chain.errors import NodeFaultError
from zevm.chain.native import curves, host
from zevm.chain.native.answers import InputError
from zevm.chain.native.kzg import trusted_setup
from zevm.chain.native.modexp import modexp
from zevm.chain.native.process import ARITHMETIC, NativePool, NativeProcess
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest

GAS_LIMIT = 1 << 40
LONG_GAS = 20_000_000
TABLES = (Fork.BYZANTIUM, Fork.BERLIN, Fork.OSAKA)
"""Forks whose precompiles' bodies are all there are."""

SLOW_BASE, SLOW_EXPONENT, SLOW_MODULUS = b"\xff" * 16_384, b"\xff" * 64, b"\xff" * 16_383 + b"\xfd"
"""A power that takes many seconds."""


def dearest() -> Iterator[Any]:
    for fork in TABLES:
        for item in precompile_inputs(fork, LONG_GAS):
            yield pytest.param(fork, item, id=f"{fork.name}-{item.name}")


ATTEMPTS = 5
"""One of them must be in time: what else the machine does is not the chain's."""

OVERTIME_SECONDS = 0.6
"""What ending a process may take on a busy machine."""

DEAREST = tuple(dearest())


def call(fork: Fork, item: Input, deadline: Deadline | None = None) -> float:
    """Seconds until the call has ended, one way or the other."""
    request = CallRequest(SENDER, item.address, GAS_LIMIT, data=item.data)
    executor = Executor(environment_of(fork, gas_limit=GAS_LIMIT), state_of({}))
    started = time.monotonic()
    try:
        executor.call_alone(request, deadline=deadline)
    except ExecutionTimeoutError:
        assert deadline is not None
    return time.monotonic() - started


def longest_wait(action: Callable[[], float]) -> tuple[float, float]:
    """Seconds that the action took, and the longest in which another thread of this process could not run."""
    waits, ended = [0.0], threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not ended.wait(0.001):
            now = time.monotonic()
            waits.append(now - last)
            last = now

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        seconds = action()
    finally:
        ended.set()
        ticker.join()
    return seconds, max(waits)


@pytest.mark.slow
@pytest.mark.parametrize(("fork", "item"), DEAREST)
def test_b2_no_precompile_holds_other_threads_up(fork: Fork, item: Input) -> None:
    attempts = (longest_wait(lambda: call(fork, item, Deadline.after(1.0))) for _ in range(ATTEMPTS))
    assert any(wait < max(0.1, seconds / 4) for seconds, wait in attempts), item.name


@pytest.mark.slow
@pytest.mark.parametrize(("fork", "item"), DEAREST)
def test_b2_no_precompile_runs_past_its_deadline(fork: Fork, item: Input) -> None:
    assert any(call(fork, item, Deadline.after(0.2)) < 0.2 + OVERTIME_SECONDS for _ in range(ATTEMPTS)), item.name


def test_b2_many_short_precompiles_look_at_the_deadline() -> None:
    item = next(item for item in precompile_inputs(Fork.OSAKA, LONG_GAS) if item.name.startswith("KZG"))
    state = state_of({CONTRACT: FakeAccount(code=calling(item.address, len(item.data), Fork.OSAKA))})
    executor = Executor(environment_of(Fork.OSAKA, gas_limit=GAS_LIMIT), state)

    def seconds() -> float:
        started = time.monotonic()
        with pytest.raises(ExecutionTimeoutError):
            executor.call_alone(CallRequest(SENDER, CONTRACT, GAS_LIMIT, data=item.data), deadline=Deadline.after(0.2))
        return time.monotonic() - started

    assert any(seconds() < 0.2 + OVERTIME_SECONDS for _ in range(ATTEMPTS))


def test_b2_a_client_that_leaves_ends_its_arithmetic() -> None:
    cancellation = Cancellation()
    deadline = Deadline(time.monotonic() + 60, cancellation)
    timer = threading.Timer(0.2, cancellation.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        ARITHMETIC.call("modexp", SLOW_BASE, SLOW_EXPONENT, SLOW_MODULUS, deadline=deadline)
    assert time.monotonic() - started < PATIENCE_SECONDS


@pytest.mark.lengthy
def test_b2_a_killed_process_is_no_outcome() -> None:
    pool = NativePool(most=1)
    expected = modexp(b"\xff" * 1024, b"\xff" * 110, b"\xff" * 1023 + b"\xfd")
    pool.call("modexp", b"\3", b"\5", b"\7")
    (process,) = pool.processes()
    timer = threading.Timer(0.02, os.kill, (process, signal.SIGKILL))
    timer.start()
    assert pool.call("modexp", b"\xff" * 1024, b"\xff" * 110, b"\xff" * 1023 + b"\xfd") == expected
    timer.join()
    os.kill(pool.processes()[0], signal.SIGKILL)
    assert pool.call("modexp", b"\3", b"\5", b"\7") == b"\5"
    pool.close()


def test_b2_processes_that_die_again_and_again_are_a_fault_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(process: NativeProcess, *_: object) -> None:
        process.kill()
        raise EOFError

    pool = NativePool(most=1)
    monkeypatch.setattr(NativeProcess, "call", die)
    with pytest.raises(NodeFaultError, match="died 3 times"):
        pool.call("modexp", b"\3", b"\5", b"\7")
    assert pool.processes() == []


def test_b2_a_fault_in_the_process_is_a_fault_of_the_node() -> None:
    with pytest.raises(NodeFaultError, match="modexp: TypeError"):
        ARITHMETIC.call("modexp", "no bytes", b"\5", b"\7")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process of its parent's death")
def test_b2_processes_end_with_a_killed_node() -> None:
    script = (
        "import threading, time\n"
        "from zevm.chain.native.process import ARITHMETIC\n"
        "ARITHMETIC.call('modexp', b'3', b'5', b'7')\n"
        "print(ARITHMETIC.processes()[0], flush=True)\n"
        "ARITHMETIC.call('modexp', b'\\xff' * 16384, b'\\xff' * 640, b'\\xff' * 16384)\n"
    )
    node = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert node.stdout is not None
    process = int(node.stdout.readline())
    descriptor = os.pidfd_open(process)
    node.kill()
    node.wait()
    node.stdout.close()
    assert select.select([descriptor], [], [], 10)[0], "it goes on without its parent"
    os.close(descriptor)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process of a thread's end")
def test_b2_a_process_outlives_the_thread_that_began_it() -> None:
    """Else the nodes of a program lose KZG's setup with the node that was opened first."""
    pool = NativePool(most=1)
    try:
        thread = threading.Thread(target=pool.call, args=("modexp", b"\3", b"\5", b"\7"))
        thread.start()
        place = Path(f"/proc/self/task/{thread.native_id}")
        thread.join()
        latest = time.monotonic() + PATIENCE_SECONDS
        while place.exists():
            assert time.monotonic() < latest
            time.sleep(0.01)
        begun = pool.processes()
        assert pool.call("modexp", b"\3", b"\5", b"\7") == b"\5"
        assert len(begun) == 1
        assert pool.processes() == begun
    finally:
        pool.close()


def test_a_pool_prepares_one_process() -> None:
    pool = NativePool(most=1, prepared="trusted_setup")
    try:
        pool.prepare()
        (process,) = pool.processes()
        pool.prepare()
        assert pool.processes() == [process]
    finally:
        pool.close()


@pytest.mark.slow
@pytest.mark.parametrize("asked", [False, True], ids=["node is dead", "call waits"])
def test_nothing_is_prepared_for_a_dead_node_or_before_a_call_that_waits(
    monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(host, "_end_with_parent", lambda: None)
    monkeypatch.setattr(host, "_prepare", prepared.append)
    node, far_end = Pipe()
    if asked:
        node.send(("nothing", ()))
    node.close()
    host.main(os.dup(far_end.fileno()), "trusted_setup")
    far_end.close()
    assert prepared == []


@pytest.mark.lengthy
def test_b2_here_and_there_give_the_same() -> None:
    for fork in TABLES:
        for item in (item for item in precompile_inputs(fork, 200_000) if len(item.data) < 4_000):
            request = CallRequest(SENDER, item.address, GAS_LIMIT, data=item.data)
            environment = environment_of(fork, gas_limit=GAS_LIMIT)
            outcomes = []
            for short_gas in (0, 1 << 60):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("zevm.chain.vm.arithmetic.SHORT_GAS", short_gas)
                    outcomes.append(Executor(environment, state_of({})).call_alone(request))
            assert outcomes[0] == outcomes[1], item.name


def test_modexp_is_the_power() -> None:
    chooser = random.Random(3)
    for _ in range(3_000):
        sizes = [chooser.choice((0, 1, 2, 3, 8, 9, 31, 32, 33, 100)) for _ in range(3)]
        numbers = [chooser.getrandbits(8 * size) >> chooser.randrange(8 * size + 1) for size in sizes]
        base, exponent, modulus = numbers
        expected = pow(base, exponent, modulus) if modulus else 0
        given = [number.to_bytes(size, "big") for number, size in zip(numbers, sizes, strict=True)]
        if sizes[2]:
            assert int.from_bytes(modexp(*given), "big") == expected, (numbers, sizes)


def test_modexp_shortens_long_exponents_of_small_moduli() -> None:
    chooser = random.Random(4)
    for modulus in (*range(1, 300), *(chooser.randrange(1, 1 << 16) for _ in range(300))):
        base, exponent = chooser.randrange(1 << 16), chooser.getrandbits(1_000)
        result = modexp(base.to_bytes(2, "big"), exponent.to_bytes(125, "big"), modulus.to_bytes(2, "big"))
        assert int.from_bytes(result, "big") == pow(base, exponent, modulus), (base, modulus)


def test_modexp_of_long_moduli_is_the_power() -> None:
    chooser = random.Random(5)
    for size in (1_025, 1_026, 1_100, 2_048):
        for modulus in (chooser.getrandbits(8 * size) | 1 << 8 * size - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1):
            base, exponent = chooser.getrandbits(8 * size), chooser.getrandbits(chooser.choice((9, 12, 13, 16, 40)))
            given = [base.to_bytes(size, "big"), exponent.to_bytes(5, "big"), modulus.to_bytes(size, "big")]
            assert int.from_bytes(modexp(*given), "big") == pow(base, exponent, modulus), (size, exponent)


def proven(commitment: bytes, point: int, value: int, proof: bytes) -> object:
    """ckzg's answer; None where it refuses the input."""
    numbers = point.to_bytes(32, "big"), value.to_bytes(32, "big")
    try:
        return ckzg.verify_kzg_proof(commitment, *numbers, proof, trusted_setup())
    except RuntimeError:
        return None


def ours(commitment: bytes, point: int, value: int, proof: bytes) -> object:
    try:
        return curves.kzg_proof_holds(commitment, point, value, proof)
    except InputError:
        return None


@pytest.mark.slow
def test_point_evaluation_agrees_with_the_reference() -> None:
    blob = b"".join((index * index + 1).to_bytes(32, "big") for index in range(4_096))
    commitment = ckzg.blob_to_kzg_commitment(blob, trusted_setup())
    proof, value_bytes = ckzg.compute_kzg_proof(blob, (77).to_bytes(32, "big"), trusted_setup())
    value, order = int.from_bytes(value_bytes, "big"), curves.BLS_ORDER
    infinity = curves.COMPRESSED_INFINITY
    points = (
        commitment,
        proof,
        infinity,
        b"\xe0" + infinity[1:],
        infinity[:-1] + b"\x01",
        b"\x40" + infinity[1:],
        bytes(48),
        b"\x80" + bytes(47),
        b"\x9a" + b"\xff" * 47,
        bytes((commitment[0] ^ 0x20,)) + commitment[1:],
        bytes((commitment[0] & 0x7F,)) + commitment[1:],
        *(bytes((0x80 | first,)) + hashlib.sha384(bytes((first,))).digest()[1:] for first in range(16)),
    )
    assert ours(commitment, 77, value, proof) is True
    for first in points:
        assert ours(first, 77, value, proof) == proven(first, 77, value, proof), first.hex()
        assert ours(commitment, 77, value, first) == proven(commitment, 77, value, first), first.hex()
        assert ours(first, 5, 0, infinity) == proven(first, 5, 0, infinity), first.hex()
    for number in (0, 1, 78, order - 1, order, order + 77, (1 << 256) - 1):
        assert ours(commitment, number, value, proof) == proven(commitment, number, value, proof), number
        assert ours(commitment, 77, number, proof) == proven(commitment, 77, number, proof), number


def test_the_one_element_is_the_setups() -> None:
    from importlib.util import find_spec

    origin = find_spec("eth_account").origin
    words = (
        (Path(str(origin)).parent / "typed_transactions/blob_transactions/kzg_trusted_setup.txt").read_text().split()
    )
    assert curves.TAU_G2.hex() == words[2 + int(words[0]) + 1]
