"""The state of a Covenant VM: by hand, in memory, in a directory; its root is a chain's."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from testing.node_process import ROOT
from testing.wasm_modules import box
from tests.covenant.vms import ALICE, ANY, BOB, BOX, CAROL, ETHER, GAS, GET, SET, evm, word
from zevm.chain.rules.genesis import GenesisAccount, accounts_diff
from zevm.covenant import (
    AccessDenied,
    ContractState,
    CovenantError,
    ExecutionContext,
    InvalidParameters,
    StateCorrupted,
    StateMismatch,
    create_vm,
)
from zevm.node.embedded import Node
from zevm.node.errors import NodeError
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.store import Batch


def context(**changes: object) -> ExecutionContext:
    return ExecutionContext(**({"sender": ALICE, "gas_limit": GAS} | changes))


# An account by hand


def test_slots_are_words_under_words() -> None:
    with create_vm() as vm:
        state = vm.state_of(BOB)
        assert isinstance(state, ContractState)
        assert state.get(word(1)) is None
        state.set(word(1), word(5))
        state.set(b"\xff" * 32, b"\xff" * 32)
        assert (state.get(word(1)), state.get(b"\xff" * 32), state.get(word(2))) == (word(5), b"\xff" * 32, None)
        state.set(word(1), word(0))
        assert state.get(word(1)) is None


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_and_values_have_32_bytes(size: int) -> None:
    with create_vm() as vm:
        state = vm.state_of(BOB)
        for check in (
            lambda: state.get(bytes(size)),
            lambda: state.set(bytes(size), word(0)),
            lambda: state.set(word(0), bytes(size)),
        ):
            with pytest.raises(InvalidParameters, match=f"has {size} bytes, it takes 32 bytes"):
                check()


def test_balance_nonce_and_code_hash_are_the_account_s() -> None:
    with create_vm() as vm:
        state = vm.state_of(BOB)
        assert (state.balance, state.nonce, state.code_hash, state.code) == (0, 0, EMPTY_KECCAK, b"")
        state.balance, state.nonce = 2**256 - 1, 2**64 - 2
        assert (state.balance, state.nonce) == (2**256 - 1, 2**64 - 2)
        with pytest.raises(InvalidParameters, match="balance is"):
            state.balance = 2**256
        with pytest.raises(InvalidParameters, match="nonce is"):
            state.nonce = 2**64 - 1
        with pytest.raises(InvalidParameters, match="balance is -1"):
            state.balance = -1
        state.balance, state.nonce = 0, 0
        assert vm.state_hash == EMPTY_ROOT


def test_code_sees_what_was_set_by_hand() -> None:
    with create_vm() as vm:
        at = vm.deploy_contract(BOX)
        contract = vm.get_contract(at)
        assert contract is not None
        contract.state.set(word(0), word(99))
        assert vm.call(at, context(), GET) == word(99)
        assert contract.state.code_hash == keccak256(contract.code)


def test_a_failed_call_changes_nothing_of_what_it_did_before() -> None:
    with create_vm() as vm:
        at = vm.deploy_contract(evm("1 0 SSTORE 0 0 REVERT"))
        vm.state_of(ALICE).balance = 5
        before = vm.state_hash
        with pytest.raises(CovenantError):
            vm.call(at, context(value=5), ANY)
        assert vm.state_hash == before
        assert (vm.state_of(at).get(word(0)), vm.state_of(ALICE).balance) == (None, 5)


# The root


def test_the_root_is_that_of_a_chain_s_first_block_with_the_same_accounts() -> None:
    with create_vm() as vm, Database.open(None) as database:
        boxes = [vm.deploy_contract(BOX, b"", ALICE), vm.deploy_contract(box(), word(3), ALICE)]
        vm.call(boxes[0], context(), SET, word(42))
        vm.state_of(BOB).balance = ETHER
        accounts = {ALICE: GenesisAccount(nonce=2), BOB: GenesisAccount(balance_wei=ETHER)}
        for at, slot in zip(boxes, ({0: 42}, {0: 3}), strict=True):
            accounts[at] = GenesisAccount(nonce=1, code=vm.state_of(at).code, storage=slot)
        assert database.state.prepare(EMPTY_ROOT, accounts_diff(accounts)).root == vm.state_hash


def test_the_way_to_a_state_does_not_show() -> None:
    roots = set()
    for numbers in ((1, 2, 3), (3,), (0, 3)):
        with create_vm() as vm:
            at = vm.deploy_contract(BOX)
            for number in numbers:
                vm.call(at, context(), SET, word(number))
            roots.add(vm.state_hash)
    assert len(roots) == 1


# A directory


def test_a_directory_keeps_everything(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with create_vm(folder) as vm:
        evm_box, wasm_box = vm.deploy_contract(BOX, b"", BOB), vm.deploy_wasm_contract(box(), word(4), CAROL)
        vm.call(evm_box, context(), SET, word(77))
        vm.state_of(ALICE).balance = ETHER
        root = vm.state_hash
    with create_vm(folder, expected_state=root) as vm:
        assert vm.state_hash == root
        assert [vm.call(at, context(), GET) for at in (evm_box, wasm_box)] == [word(77), word(4)]
        assert vm.state_of(ALICE).balance == ETHER
        assert [vm.get_contract(at).owner for at in (evm_box, wasm_box)] == [BOB, CAROL]
        vm.call(evm_box, context(), SET, word(78))
    with create_vm(str(folder)) as vm:
        assert vm.call(evm_box, context(), GET) == word(78)
        with pytest.raises(CovenantError):
            vm.deploy_contract(BOX, address=evm_box)


def test_another_state_than_expected_is_refused(tmp_path: Path) -> None:
    with create_vm(tmp_path / "state") as vm:
        root = vm.state_hash
        vm.deploy_contract(BOX)
    with pytest.raises(StateMismatch, match=f"the state has root 0x[0-9a-f]{{64}}, expected is 0x{root.hex()}"):
        create_vm(tmp_path / "state", expected_state=root)
    with create_vm(tmp_path / "state") as vm:
        assert vm.state_hash != root


def test_contracts_of_contracts_have_no_owner() -> None:
    with create_vm() as vm:
        # creates a contract of one byte, STOP, and returns its address
        at = vm.deploy_contract(evm("0x600060005360016000f3 0 MSTORE 10 22 0 CREATE 0 MSTORE 32 0 RETURN"))
        child = vm.call(at, context(), ANY)[12:]
        contract = vm.get_contract(child)
        assert contract is not None
        assert (contract.owner, contract.code) == (None, b"\0")


def test_a_directory_belongs_to_one_vm(tmp_path: Path) -> None:
    with (
        create_vm(tmp_path / "state"),
        pytest.raises(AccessDenied, match=f"in use by this process \\({os.getpid()}\\)"),
    ):
        create_vm(tmp_path / "state")
    with create_vm(tmp_path / "state"):
        pass


HOLDER = """
    import sys
    from zevm.covenant import ExecutionContext, create_vm
    vm = create_vm(sys.argv[1])
    at = vm.deploy_contract(bytes.fromhex(sys.argv[2]))
    for number in range(1, 21):
        vm.call(at, ExecutionContext(bytes(20), 10**6), bytes(4), number.to_bytes(32, "big"))
    print(at.hex(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.lengthy
def test_another_process_s_directory_is_refused_and_a_killed_one_s_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(folder), BOX.hex()],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        at = bytes.fromhex(holder.stdout.readline())
        with pytest.raises(AccessDenied, match=f"in use by process {holder.pid}"):
            create_vm(folder)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with create_vm(folder) as vm:
        assert vm.call(at, context(), GET) == word(20)
        assert vm.state_of(bytes(20)).nonce == 1


def test_a_damaged_directory_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with create_vm(folder) as vm:
        vm.deploy_contract(BOX)
    (folder / "FORMAT").write_text("zEVM database\nschema 1\n")
    with pytest.raises(StateCorrupted, match="FORMAT is damaged"):
        create_vm(folder)


def test_damaged_records_are_told_by_the_read_that_meets_them(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with create_vm(folder) as vm:
        at = vm.deploy_contract(BOX)
        vm.call(at, context(), SET, word(5))
    for table in [*(folder / "leveldb").glob("*.ldb"), *(folder / "leveldb").glob("*.log")]:
        data = bytearray(table.read_bytes())
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
        table.write_bytes(data)
    with pytest.raises(StateCorrupted), create_vm(folder) as vm:
        vm.call(at, context(), GET)


@pytest.mark.parametrize("content", ["a file", "another program's"])
def test_what_is_no_vm_s_directory_is_refused(tmp_path: Path, content: str) -> None:
    place = tmp_path / "place"
    if content == "a file":
        place.write_text("hello")
    else:
        place.mkdir()
        (place / "photo.jpg").write_text("hello")
    with pytest.raises(AccessDenied, match=r"is a file|not zEVM's"):
        create_vm(place)


def test_nodes_and_vms_refuse_each_other_s_directories(tmp_path: Path) -> None:
    with create_vm(tmp_path / "vm") as vm:
        root = vm.state_hash
    with pytest.raises(NodeError, match="holds the state of a Covenant VM, not a chain"), Node(datadir=tmp_path / "vm"):
        pass
    with create_vm(tmp_path / "vm", expected_state=root):
        pass
    with Node(datadir=tmp_path / "node"):
        pass
    with pytest.raises(AccessDenied, match="holds the chain of a node, not the state of a Covenant VM"):
        create_vm(tmp_path / "node")
    with Node(datadir=tmp_path / "node"):
        pass


def test_a_change_that_the_medium_refuses_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create_vm(tmp_path / "state") as vm:
        at = vm.deploy_contract(BOX)
        root, store = vm.state_hash, vm._world._database.store

        def refuse(_batch: Batch, *, sync: bool = True) -> None:  # noqa: ARG001
            raise StorageError("no space left on device")

        with monkeypatch.context() as full:
            full.setattr(store, "write", refuse)
            with pytest.raises(AccessDenied, match="no space left on device"):
                vm.call(at, context(), SET, word(5))
        assert vm.state_hash == root
        assert vm.call(at, context(), GET) == word(0)
        vm.call(at, context(), SET, word(6))
        assert vm.call(at, context(), GET) == word(6)
    with create_vm(tmp_path / "state") as vm:
        assert vm.call(at, context(), GET) == word(6)


def test_a_directory_does_not_grow_with_calls_that_change_nothing(tmp_path: Path) -> None:
    with create_vm(tmp_path / "state") as vm:
        at = vm.deploy_contract(BOX)
        sequence = vm._world._database.sequence
        for _ in range(5):
            vm.call(at, context(), GET)
        assert vm._world._database.sequence == sequence
