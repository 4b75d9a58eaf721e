"""B3: what gas buys takes a time that is a small factor of the EVM's usual."""

import random
import time

import pytest
from eth.precompiles.modexp import _compute_modexp_gas_fee_eip_198
from eth.vm.forks.berlin.computation import _compute_modexp_gas_fee_eip_2565

from bench import time_per_gas
from tests.chain.vm.support import SENDER, FakeAccount, assemble, environment_of, state_of
from verification.abuse.dearest import CALLEE, CONTRACT, Program, opcode_programs, opcodes
from zevm.chain.rules.forks import Fork
from zevm.chain.vm import calls
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.chain.vm.precompiles import _modexp_input, _modexp_price_berlin, _modexp_price_byzantium

pytestmark = pytest.mark.slow

ROOM = 3
"""A loaded machine may make a row look dearer than it is, by so much."""


def nanoseconds_per_gas(fork: Fork, names: tuple[str, ...]) -> dict[str, float]:
    programs = [
        program
        for value, operation in opcodes(fork)
        if operation.name in names
        for program in opcode_programs(fork, value, operation)
    ]
    return {program.name: time_of(fork, program) for program in programs}


def time_of(fork: Fork, program: Program) -> float:
    gas, seconds = min(
        (time_per_gas.time_call(fork, CONTRACT, b"", 600_000, program.code) for _ in range(3)), key=lambda run: run[1]
    )
    return seconds * 1e9 / gas


@pytest.mark.parametrize("fork", [Fork.BYZANTIUM, Fork.BERLIN, Fork.OSAKA])
def test_b3_no_precompile_is_dearer_than_ten_times_the_opcodes(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_per_gas, "PRECOMPILE_GAS", 500_000)
    monkeypatch.setattr(time_per_gas, "REPEATED_GAS", 200_000)
    usual = sorted(nanoseconds_per_gas(fork, ("ADD", "MULMOD", "MSTORE", "KECCAK256", "DUP1", "JUMPI")).values())
    median = usual[len(usual) // 2]
    for row in time_per_gas.precompile_rows([fork]):
        assert row.nanoseconds_per_gas < time_per_gas.LIMIT * ROOM * median, row


def test_b3_showing_memory_to_a_callee_costs_no_time() -> None:
    def seconds(size: int) -> float:
        use = assemble(f"0 0 0x{size:06x} 0 0x{CALLEE.hex()} GAS DELEGATECALL POP") * 200
        code = assemble("0 0x3fffff MSTORE8") + use
        state = state_of({CONTRACT: FakeAccount(code=code), CALLEE: FakeAccount(code=b"\x00")})
        executor = Executor(environment_of(gas_limit=1 << 40), state)
        started = time.thread_time()
        assert executor.call_alone(CallRequest(SENDER, CONTRACT, 1 << 40)).error is None
        return time.thread_time() - started

    none, all_of_it = (min(seconds(size) for _ in range(3)) for size in (0, 1 << 22))
    assert all_of_it < 4 * none


CALLERS = {
    "data and its size": "0 CALLDATALOAD 0 MSTORE CALLDATASIZE 32 MSTORE 64 0 RETURN",
    "data past the end": "5000 CALLDATALOAD 0 MSTORE 32 0 RETURN",
    "a copy": "CALLDATASIZE 0 0 CALLDATACOPY CALLDATASIZE 0 RETURN",
    "data handed on": "CALLDATASIZE 0 0 CALLDATACOPY 5000 0 CALLDATASIZE 0 4 GAS STATICCALL POP 5000 0 RETURN",
    "a fault": "0 CALLDATALOAD INVALID",
    "data reverted with": "CALLDATASIZE 0 0 CALLDATACOPY CALLDATASIZE 0 REVERT",
}


@pytest.mark.parametrize("kind", CALLERS)
@pytest.mark.parametrize("opcode", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_b3_a_view_of_memory_is_as_good_as_a_copy(kind: str, opcode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "0" if opcode in ("CALL", "CALLCODE") else ""
    code = assemble(
        "0x1122334455 5001 MSTORE 0xffee 3 MSTORE "
        f"6000 0 5000 3 {value} 0x{CALLEE.hex()} GAS {opcode} 7000 MSTORE 0x55 9000 MSTORE RETURNDATASIZE 9032 MSTORE "
        "9064 0 RETURN"
    )
    outcomes = []
    for copied in (1 << 60, -1):
        monkeypatch.setattr(calls, "COPIED_BYTES", copied)
        state = state_of({CONTRACT: FakeAccount(code=code), CALLEE: FakeAccount(code=assemble(CALLERS[kind]))})
        outcomes.append(Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 5_000_000)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].error is None


def test_modexp_costs_what_py_evm_says() -> None:
    chooser = random.Random(6)
    for _ in range(2_000):
        sizes = [chooser.choice((0, 1, 31, 32, 33, 64, 65, 1024, 1025, 5000)) for _ in range(3)]
        body = chooser.choice((chooser.randbytes(300), bytes(300), b""))
        data = b"".join(size.to_bytes(32, "big") for size in sizes) + body
        given = _modexp_input(data)
        assert _modexp_price_byzantium(given) == _compute_modexp_gas_fee_eip_198(data), sizes
        assert _modexp_price_berlin(given) == _compute_modexp_gas_fee_eip_2565(data), sizes


def test_b3_targets_in_a_row_are_jumped_to_one_by_one() -> None:
    """Each of twenty leads to the same gas and the same result as if it stood alone."""
    for target in range(20):
        code = assemble(f"0x{3 + target:02x} JUMP " + "JUMPDEST " * 20 + "7 0 MSTORE 32 0 RETURN")
        state = state_of({CONTRACT: FakeAccount(code=code)})
        outcome = Executor(environment_of(), state).call_alone(CallRequest(SENDER, CONTRACT, 100_000))
        assert int.from_bytes(outcome.output, "big") == 7
        assert outcome.gas_used == 3 + 8 + (20 - target) + 3 * 5 + 3


def test_b3_a_target_is_no_dearer_than_the_rest() -> None:
    rows = nanoseconds_per_gas(Fork.OSAKA, ("JUMPDEST", "ADD", "MSTORE", "MLOAD", "JUMP", "CALLER"))
    others = sorted(value for name, value in rows.items() if name != "JUMPDEST")
    assert rows["JUMPDEST"] < time_per_gas.LIMIT * others[len(others) // 2]
