"""System calls and the requests of a block: EIP-4788, 2935, 6110, 7002, 7251, 7685."""

import hashlib

import pytest

from tests.chain.vm.support import CONTRACT, GWEI, SENDER, FakeAccount, assemble, environment_of, state_of
from zevm.chain.errors import BlockError
from zevm.chain.rules import predeploys
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.predeploys import SYSTEM_CONTRACTS
from zevm.chain.types import Log
from zevm.chain.vm import system
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor, requests_hash
from zevm.chain.vm.interface import CallRequest
from zevm.storage.keccak import keccak256

PREDEPLOYS = {address: FakeAccount(nonce=1, code=code) for _, address, code in SYSTEM_CONTRACTS}
ROOT = b"\x77" * 32
DEPOSIT_CONTRACT = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
DEPOSIT_TOPIC = bytes.fromhex("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")


def executor_over(state: BlockState, fork: Fork = Fork.OSAKA, **changes: object) -> Executor:
    return Executor(environment_of(fork, parent_beacon_block_root=ROOT, **changes), state)


def test_begin_block_stores_the_beacon_root_and_the_parent_hash() -> None:
    state = state_of(PREDEPLOYS)
    executor_over(state, number=10, timestamp=12_345).begin_block()
    assert state.get_storage(predeploys.BEACON_ROOTS_ADDRESS, 12_345 % 8191) == 12_345
    assert state.get_storage(predeploys.BEACON_ROOTS_ADDRESS, 12_345 % 8191 + 8191) == int.from_bytes(ROOT, "big")
    assert state.get_storage(predeploys.HISTORY_STORAGE_ADDRESS, 9) == int.from_bytes(keccak256(b"9"), "big")
    assert state.diff().accounts.keys() == {predeploys.BEACON_ROOTS_ADDRESS, predeploys.HISTORY_STORAGE_ADDRESS}


def test_begin_block_by_fork() -> None:
    state = state_of(PREDEPLOYS)
    executor_over(state, Fork.SHANGHAI).begin_block()
    assert state.diff().accounts == {}
    executor_over(state, Fork.CANCUN).begin_block()
    assert state.diff().accounts.keys() == {predeploys.BEACON_ROOTS_ADDRESS}


def test_begin_block_runs_whatever_code_is_there() -> None:
    state = state_of(
        {predeploys.BEACON_ROOTS_ADDRESS: FakeAccount(code=assemble("CALLER 0 SSTORE 0 CALLDATALOAD 1 SSTORE"))}
    )
    executor_over(state).begin_block()
    assert state.get_storage(predeploys.BEACON_ROOTS_ADDRESS, 0) == int.from_bytes(system.SYSTEM_ADDRESS, "big")
    assert state.get_storage(predeploys.BEACON_ROOTS_ADDRESS, 1) == int.from_bytes(ROOT, "big")


def test_a_failing_begin_call_leaves_no_trace() -> None:
    state = state_of({predeploys.BEACON_ROOTS_ADDRESS: FakeAccount(code=assemble("1 0 SSTORE INVALID"))})
    executor_over(state).begin_block()
    assert state.diff().accounts == {}


def test_an_empty_block_has_no_requests() -> None:
    assert executor_over(state_of(PREDEPLOYS)).end_block([]) == []
    assert executor_over(state_of({}), Fork.CANCUN).end_block([]) is None
    assert requests_hash([]) == hashlib.sha256(b"").digest()


def test_queued_requests_come_out_once_in_order() -> None:
    state = state_of(PREDEPLOYS)
    executor = executor_over(state)
    executor.end_block([])  # the first call ends the contracts' inhibited start
    withdrawal = b"\xaa" * 48 + (32 * GWEI).to_bytes(8, "big")
    consolidation = b"\xbb" * 48 + b"\xcc" * 48
    for target, data in (
        (predeploys.WITHDRAWAL_REQUESTS_ADDRESS, withdrawal),
        (predeploys.CONSOLIDATION_REQUESTS_ADDRESS, consolidation),
    ):
        outcome = executor.call(CallRequest(SENDER, target, 1_000_000, value=1, data=data))
        assert outcome.error is None
    requests = executor.end_block([])
    amount = (32 * GWEI).to_bytes(8, "little")
    assert requests == [b"\x01" + SENDER + b"\xaa" * 48 + amount, b"\x02" + SENDER + consolidation]
    assert executor.end_block([]) == []


@pytest.mark.parametrize("address", [predeploys.WITHDRAWAL_REQUESTS_ADDRESS, predeploys.CONSOLIDATION_REQUESTS_ADDRESS])
def test_a_block_without_its_system_contract_is_invalid(address: bytes) -> None:
    accounts = {key: account for key, account in PREDEPLOYS.items() if key != address}
    with pytest.raises(BlockError, match=f"system contract 0x{address.hex()} has no code"):
        executor_over(state_of(accounts)).end_block([])


@pytest.mark.parametrize(
    "source", ["INVALID", "0 0 REVERT", pytest.param("JUMPDEST 0 JUMP", marks=pytest.mark.lengthy)]
)
def test_a_block_whose_system_contract_fails_is_invalid(source: str) -> None:
    broken = PREDEPLOYS | {predeploys.WITHDRAWAL_REQUESTS_ADDRESS: FakeAccount(code=assemble(source))}
    with pytest.raises(BlockError, match="failed to execute"):
        executor_over(state_of(broken)).end_block([])


FIELDS = (b"\x01" * 48, b"\x02" * 32, b"\x03" * 8, b"\x04" * 96, b"\x05" * 8)


def deposit_data() -> bytes:
    head, tail = b"", b""
    for field in FIELDS:
        head += (160 + len(tail)).to_bytes(32, "big")
        tail += len(field).to_bytes(32, "big") + field.ljust(-(-len(field) // 32) * 32, b"\0")
    return head + tail


def test_deposits_are_read_from_the_logs_of_the_deposit_contract() -> None:
    executor = executor_over(state_of(PREDEPLOYS))
    deposit = Log(DEPOSIT_CONTRACT, (DEPOSIT_TOPIC,), deposit_data())
    others = [Log(CONTRACT, (DEPOSIT_TOPIC,), b"x"), Log(DEPOSIT_CONTRACT, (bytes(32),), b"x")]
    requests = executor.end_block([[deposit, *others], [deposit]])
    assert requests == [b"\x00" + b"".join(FIELDS) * 2]
    inner = hashlib.sha256(requests[0]).digest()
    assert requests_hash([b"\x01", *requests]) == hashlib.sha256(inner).digest()


@pytest.mark.parametrize(
    "data", [deposit_data()[:-1], bytes(576), deposit_data()[:191] + b"\x31" + deposit_data()[192:]]
)
def test_a_malformed_deposit_makes_the_block_invalid(data: bytes) -> None:
    with pytest.raises(BlockError, match="deposit event"):
        executor_over(state_of(PREDEPLOYS)).end_block([[Log(DEPOSIT_CONTRACT, (DEPOSIT_TOPIC,), data)]])
