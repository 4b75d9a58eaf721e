"""The opcode rows of every fork against py-evm's: what each one is called, costs, pops and pushes."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any, NamedTuple

import pytest
from eth.constants import BLANK_ROOT_HASH, ZERO_HASH32
from eth.db.atomic import AtomicDB
from eth.exceptions import Halt, InsufficientStack, VMError
from eth.vm import forks as py_evm
from eth.vm.execution_context import ExecutionContext
from eth.vm.message import Message
from eth.vm.state import BaseState

from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, environment_of, state_of
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import FRAME_CLASSES
from zevm.chain.vm.instructions import invalid
from zevm.chain.vm.interface import CallRequest

GAS = 1_000_000
HIGHEST_DEMAND = 17
"""Words that SWAP16 wants on the stack, more than any other instruction."""
BLOCK_NUMBER, TIMESTAMP = 1, 1
STATES: dict[Fork, Callable[[], type[BaseState]]] = {
    Fork.FRONTIER: py_evm.FrontierVM.get_state_class,
    Fork.HOMESTEAD: py_evm.HomesteadVM.get_state_class,
    Fork.TANGERINE_WHISTLE: py_evm.TangerineWhistleVM.get_state_class,
    Fork.SPURIOUS_DRAGON: py_evm.SpuriousDragonVM.get_state_class,
    Fork.BYZANTIUM: py_evm.ByzantiumVM.get_state_class,
    Fork.CONSTANTINOPLE: py_evm.ConstantinopleVM.get_state_class,
    Fork.PETERSBURG: py_evm.PetersburgVM.get_state_class,
    Fork.ISTANBUL: py_evm.IstanbulVM.get_state_class,
    Fork.MUIR_GLACIER: py_evm.MuirGlacierVM.get_state_class,
    Fork.BERLIN: py_evm.BerlinVM.get_state_class,
    Fork.LONDON: py_evm.LondonVM.get_state_class,
    Fork.ARROW_GLACIER: py_evm.ArrowGlacierVM.get_state_class,
    Fork.GRAY_GLACIER: py_evm.GrayGlacierVM.get_state_class,
    Fork.PARIS: py_evm.ParisVM.get_state_class,
    Fork.SHANGHAI: py_evm.ShanghaiVM.get_state_class,
    Fork.CANCUN: py_evm.CancunVM.get_state_class,
    Fork.PRAGUE: py_evm.PragueVM.get_state_class,
    # py-evm ends with Prague; DIFFERENCES says what came after
    Fork.OSAKA: py_evm.PragueVM.get_state_class,
    Fork.BPO1: py_evm.PragueVM.get_state_class,
    Fork.BPO2: py_evm.PragueVM.get_state_class,
}


class Row(NamedTuple):
    """An opcode under one fork.

    constant_gas: charged before its body runs. gas: what it takes on a stack of zeros, all in all. pops: words that
    must be there. pushes: words that stand in their place afterwards.
    """

    mnemonic: str
    constant_gas: int
    gas: int
    pops: int
    pushes: int


class Difference(NamedTuple):
    """Where our table says something else. since: the first fork of it. reason: why it may."""

    since: Fork
    value: int
    field: str
    theirs: Any
    ours: Any
    reason: str


DIFFERENCES = (
    Difference(Fork.FRONTIER, 0x20, "mnemonic", "SHA3", "KECCAK256", "what geth and the Yellow Paper call it"),
    Difference(Fork.FRONTIER, 0xF0, "constant_gas", 32_000, 0, "charged with the creation code's words, in one sum"),
    Difference(Fork.CONSTANTINOPLE, 0xF5, "constant_gas", 32_000, 0, "as CREATE"),
    Difference(Fork.OSAKA, 0x1E, "row", None, Row("CLZ", 5, 5, 1, 1), "EIP-7939, which py-evm lacks"),
)


class Theirs:
    """py-evm's rows of one fork, found by running each opcode on a stack of zeros."""

    def __init__(self, fork: Fork) -> None:
        context = ExecutionContext(
            coinbase=bytes(20),
            timestamp=TIMESTAMP,
            block_number=BLOCK_NUMBER,
            difficulty=0,
            mix_hash=ZERO_HASH32,
            gas_limit=GAS,
            prev_hashes=(),
            chain_id=31_337,
            base_fee_per_gas=1,
            excess_blob_gas=0,
        )
        self._state = STATES[fork]()(AtomicDB(), context, BLANK_ROOT_HASH)
        self._state.set_balance(CONTRACT, 1)
        kind = self._state.get_transaction_context_class()
        self._context: Any = kind(gas_price=1, origin=SENDER)
        self.opcodes: dict[int, Any] = self._state.computation_class.opcodes

    def row(self, value: int) -> Row:
        opcode = self.opcodes[value]
        pops, pushes = self._stack_effect(opcode)
        gas = self._gas_of(program(value, pops)) - 3 * pops
        row: Any = unwrap(opcode)  # past the warning that SELFDESTRUCT is deprecated
        return Row(row.mnemonic, row.gas_cost, gas, pops, pushes)

    def _message(self, code: bytes) -> Message:
        return Message(gas=GAS, to=CONTRACT, sender=SENDER, value=0, data=b"", code=code)

    def _stack_effect(self, opcode: Any) -> tuple[int, int]:
        for height in range(HIGHEST_DEMAND + 1):
            computation = self._state.computation_class(self._state, self._message(b""), self._context)
            for _ in range(height):
                computation.stack_push_int(0)
            if self._runs(opcode, computation):
                return height, len(computation._stack.values)  # type: ignore[attr-defined]
        raise AssertionError(f"{opcode} wants more than {HIGHEST_DEMAND} words")

    def _runs(self, opcode: Any, computation: Any) -> bool:
        """Whether the stack is high enough; the state is left as it was."""
        snapshot = self._state.snapshot()
        try:
            opcode(computation=computation)
        except InsufficientStack:
            return False
        except (Halt, VMError):
            return True
        finally:
            self._state.revert(snapshot)
        return True

    def _gas_of(self, code: bytes) -> int:
        snapshot = self._state.snapshot()
        computation = self._state.computation_class.apply_message(self._state, self._message(code), self._context)
        self._state.revert(snapshot)
        return computation.get_gas_used()


def program(value: int, height: int) -> bytes:
    """Code that runs one opcode on so many zeros."""
    return b"\x60\x00" * height + bytes([value])


def our_row(fork: Fork, value: int) -> Row | None:
    operation = FRAME_CLASSES[fork].operations[value]
    if operation.body is invalid:
        return None
    state = state_of({CONTRACT: FakeAccount(balance=1, code=program(value, operation.pops))})
    environment = environment_of(fork, number=BLOCK_NUMBER, timestamp=TIMESTAMP, coinbase=bytes(20))
    outcome = Executor(environment, state).call_alone(CallRequest(sender=SENDER, to=CONTRACT, gas_limit=GAS))
    gas = outcome.gas_used_before_refund - 3 * operation.pops
    return Row(operation.name, operation.gas, gas, operation.pops, operation.pushes)


def differences(fork: Fork) -> set[tuple[int, str, Any, Any]]:
    """(opcode, field, theirs, ours) wherever the two tables are not the same."""
    table = Theirs(fork)
    found: set[tuple[int, str, Any, Any]] = set()
    for value in range(256):
        theirs = table.row(value) if value in table.opcodes else None
        ours = our_row(fork, value)
        if theirs is None or ours is None:
            found |= set() if theirs == ours else {(value, "row", theirs, ours)}
            continue
        pairs = zip(Row._fields, theirs, ours, strict=True)
        found |= {(value, field, their, our) for field, their, our in pairs if their != our}
    return found


def test_every_fork_has_rows_of_py_evm() -> None:
    assert STATES.keys() == set(Fork)


@pytest.mark.lengthy
@pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode present:DeprecationWarning")
@pytest.mark.parametrize("fork", Fork)
def test_the_opcode_rows_differ_from_py_evms_exactly_where_it_is_explained(fork: Fork) -> None:
    assert differences(fork) == {tuple(row[1:5]) for row in DIFFERENCES if fork >= row.since}
