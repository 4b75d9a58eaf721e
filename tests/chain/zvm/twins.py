"""Contracts that do the same in several languages, and the worlds in which their transactions are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from eth_abi.abi import encode

from testing.contracts import CONTRACTS, module_of
from tests.chain.vm.support import CONTRACT, ETHER, FakeAccount, assemble, state_of, transaction_of
from tests.clients.tools import artifact
from zevm.chain.types import Log
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.storage.account import AccountChange
from zevm.storage.keccak import keccak256

SENDERS = tuple(bytes([number]) * 20 for number in (0x11, 0x12, 0x13))
VAULT, ECHO, WALL, NOBODY = (bytes([number]) * 20 for number in (0x21, 0x22, 0x23, 0x27))
PROXIES = {"CALL": b"\x24" * 20, "STATICCALL": b"\x25" * 20, "DELEGATECALL": b"\x26" * 20}
GAS_LIMIT = 10_000_000
"""Of every transaction: plenty, as the languages differ in gas."""

_TWIN = b"the twin's code hash"


@dataclass(frozen=True)
class Twin:
    """One implementation: its code when deployed."""

    name: str
    code: bytes = field(repr=False)
    creation: bytes = field(repr=False)
    is_module: bool

    def creation_with(self, arguments: bytes) -> bytes:
        """What a transaction carries to deploy it with ABI-encoded constructor arguments."""
        if self.is_module:
            return creation_data(self.creation, constructor_payload(arguments))
        return self.creation + arguments


@dataclass(frozen=True)
class Step:
    """One transaction. to: None for a creation; data: then the constructor's arguments."""

    sender: bytes
    to: bytes | None
    data: bytes
    value: int = 0


def twin_of(environment: BlockEnvironment, name: str, creation: bytes, *, is_module: bool) -> Twin:
    """Deploy once with the constructor's argument 7 to know the code that is stored."""
    twin = Twin(name, b"", creation, is_module)
    state = state_of({})
    arguments = encode(["uint256"], [7])
    transaction = transaction_of(to=None, data=twin.creation_with(arguments), gas_limit=GAS_LIMIT)
    outcome = Executor(environment, state).apply(transaction, 60_000_000)
    assert outcome.contract_address is not None, (name, outcome)
    return replace(twin, code=state.get_code(outcome.contract_address))


def solidity_twin(environment: BlockEnvironment, name: str) -> Twin:
    """From examples, as forge left it."""
    return twin_of(environment, name, bytes.fromhex(artifact(name).bytecode[2:]), is_module=False)


def module_twin(environment: BlockEnvironment, source: str) -> Twin:
    """From a source under contracts/."""
    module = module_of(CONTRACTS / source)
    twin = twin_of(environment, source, module, is_module=True)
    assert twin.code == module
    return twin


class World:
    """A state with one twin at CONTRACT, and the accounts that use it. Fees are zero: gas is not compared."""

    def __init__(
        self, environment: BlockEnvironment, twin: Twin, accounts: dict[bytes, FakeAccount], storage: dict[int, int]
    ) -> None:
        self._environment, self._twin = environment, twin
        self._state = state_of(accounts | {CONTRACT: FakeAccount(1, 5, twin.code, storage)})
        self._nonces = dict.fromkeys(SENDERS, 0)

    def run(self, step: Step) -> Outcome:
        """Execute a step as a transaction of its sender."""
        transaction = transaction_of(
            to=step.to,
            data=step.data if step.to else self._twin.creation_with(step.data),
            value=step.value,
            nonce=self._nonces[step.sender],
            gas_limit=GAS_LIMIT,
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
        )
        self._nonces[step.sender] += 1
        return Executor(self._environment, self._state).apply(transaction.impersonating(step.sender), 60_000_000)

    def changes(self) -> tuple[object, object]:
        """All accounts and slots that differ from the start; the twins' codes count as one."""
        diff = self._state.diff()
        own = keccak256(self._twin.code)
        accounts = {
            address: change and AccountChange(*change[:2], _TWIN if change.code_hash == own else change.code_hash)
            for address, change in diff.accounts.items()
        }
        return accounts, diff.storage


class Arena:
    """Twins, the first of which tells how all behave, and who uses them."""

    def __init__(self, environment: BlockEnvironment, twins: Sequence[Twin], users: dict[bytes, FakeAccount]) -> None:
        self._environment, self._twins, self._users = environment, twins, users

    def compare(self, storage: dict[int, int], steps: Sequence[Step]) -> None:
        """Run the steps on a world for each twin, from these slots on. Each twin must do as the first."""
        slots = {slot: value for slot, value in storage.items() if value}
        worlds = [World(self._environment, twin, self._users, slots) for twin in self._twins]
        for step in steps:
            wanted, *others = [visible(step, world.run(step)) for world in worlds]
            for twin, got in zip(self._twins[1:], others, strict=True):
                assert got == wanted or _fails_later(step, wanted, got), (twin.name, step, got, wanted)
        wanted_changes, *other_changes = [world.changes() for world in worlds]
        for twin, changes in zip(self._twins[1:], other_changes, strict=True):
            assert changes == wanted_changes, (twin.name, steps)


Visible = tuple[VmErrorKind | None, bytes, tuple[Log, ...], bytes | None]


def visible(step: Step, outcome: Outcome) -> Visible:
    """What a caller sees of a transaction, but for its gas and for the code that a creation returns."""
    kind = outcome.error.kind if outcome.error else None
    output = b"" if step.to is None and kind is None else outcome.output
    return kind, output, outcome.logs, outcome.contract_address


def _fails_later(step: Step, wanted: Visible, got: Visible) -> bool:
    """Whether a static call failed in both, in the EVM at the first write. A module's writes wait in its cache until
    they are flushed, so there it may meet a reason of its own before, and tell it."""
    by_static_call = step.to == PROXIES["STATICCALL"]
    return by_static_call and wanted[:2] == (VmErrorKind.REVERT, b"") and got[0] is VmErrorKind.REVERT


def _ending_as_called(call: str, then: str) -> bytes:
    """Code that makes a call, reverts with what it reverted with, and goes on where it succeeded."""
    head = assemble(f"{call} RETURNDATASIZE 0 0 RETURNDATACOPY")
    return head + assemble(f"0x{len(head) + 7:02x} JUMPI RETURNDATASIZE 0 REVERT JUMPDEST {then}")


def proxy(opcode: str) -> bytes:
    """Code that hands its call data to CONTRACT by this opcode, and ends as that call ended."""
    value = "CALLVALUE" if opcode == "CALL" else ""
    call = f"CALLDATASIZE 0 0 CALLDATACOPY 0 0 CALLDATASIZE 0 {value} 0x{CONTRACT.hex()} GAS {opcode}"
    return _ending_as_called(call, "RETURNDATASIZE 0 RETURN")


def echo() -> bytes:
    """Code for onTransferReceived: calls its caller with the bytes that came along, and answers with its selector."""
    data = "0x84 CALLDATALOAD 0xa4 0 CALLDATACOPY"
    call = f"{data} 0 0 0x84 CALLDATALOAD 0 0 CALLER GAS CALL"
    return _ending_as_called(call, "0x88a7ca5c 0xe0 SHL 0 MSTORE 32 0 RETURN")


def users(vault: bytes) -> dict[bytes, FakeAccount]:
    """Who uses a contract: three senders, a vault, one that calls back, one that refuses, a proxy for each kind of
    call."""
    codes = {VAULT: vault, ECHO: echo(), WALL: assemble("0x57414c4c 0 MSTORE 3 29 REVERT")}
    codes |= {address: proxy(opcode) for opcode, address in PROXIES.items()}
    accounts = {sender: FakeAccount(balance=1000 * ETHER) for sender in SENDERS}
    return accounts | {address: FakeAccount(nonce=1, code=code) for address, code in codes.items()}


def mapping_slot(position: int, *keys: bytes) -> int:
    """The slot of a mapping's item, as Solidity lays it out. keys: 20-byte addresses."""
    slot = position.to_bytes(32, "big")
    for key in keys:
        slot = keccak256(key.rjust(32, b"\0") + slot)
    return int.from_bytes(slot, "big")
