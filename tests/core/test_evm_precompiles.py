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

SHA256, RIPEMD160, IDENTITY, BLAKE2F = 2, 3, 4, 9
SIZES = (*range(70), 119, 120, 121, 127, 128, 129, 255, 256, 257, 1_000, 70_000)


def call_on(engine: Engine, number: int, data: bytes, gas: int) -> Outcome:
    state = BlockState(MemoryReader({Address(SENDER): MemoryAccount(balance=ETHER)}))
    executor = Executor(environment_of(Fork.CANCUN, engine=engine), state)
    return executor.call(CallRequest(sender=Address(SENDER), to=precompile_address(number), data=data, gas_limit=gas))


def agree(number: int, data: bytes, gas: int = 10_000_000) -> Outcome:
    """What both engines give."""
    ran = choice.messages["native"]
    found, wanted = (call_on(engine, number, data, gas) for engine in (Engine.NATIVE, Engine.PY_EVM))
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


LONG = 300_000


@pytest.mark.parametrize("number", [1, SHA256, IDENTITY, 5, 6, 8, 10])
def test_long_input_is_shown_to_a_precompile_and_not_copied(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call pays for its memory once, not for each precompile that it shows it to."""
    shown: list[bytes | memoryview] = []
    run_precompile = Frame.run_precompile

    def watch(self: Frame, precompile: Precompile) -> None:
        shown.append(self.msg.data)
        run_precompile(self, precompile)

    data = random.Random(number).randbytes(LONG) if number != 5 else bytes(LONG)
    wanted = agree(number, data)
    monkeypatch.setattr(Frame, "run_precompile", watch)
    assert call_on(Engine.NATIVE, number, data, 10_000_000) == wanted
    assert [type(found) for found in shown] == [memoryview]
    with pytest.raises(ValueError, match="released"):
        shown[0][0]
