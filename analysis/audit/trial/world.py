"""The world of a trial: a state that may be changed at will, with a deployed contract and a few accounts."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from zevm.analysis.audit.trial.assembler import FRIEND, PROBE
from zevm.analysis.audit.trial.values import Filling, encoded
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.rules.forks import LATEST_FORK, ForkRules
from zevm.chain.rules.units import ETHER
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.message import FrameStart
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.account import EMPTY_ROOT, Account, StateReader
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32


def _person(name: str) -> Address:
    return Address(keccak256(f"zevm audit {name}".encode())[12:])


DEPLOYER, STRANGER, VICTIM, DRIVER = map(_person, ("deployer", "stranger", "victim", "driver"))
ATTACKER, PROBE_ADDRESS, FRIEND_ADDRESS, TARGET = map(_person, ("attacker", "probe", "friend", "target"))
CALL_GAS = 10_000_000
_CREATION_GAS = 100_000_000
GUESS_GAS = 1 << 24
"""Gas of bytes that are run as a creation on a guess: the most that a transaction gets (EIP-7825)."""
CREATION_SHARE = 0.25
"""Part of the time left that attempts to deploy get together, so that the code is examined in any case."""
_RICHES = 1_000_000 * ETHER


class BlankState:
    """A state without accounts."""

    root = EMPTY_ROOT

    def account(self, address: Address) -> Account | None:  # noqa: ARG002
        """No account."""
        return None

    def storage(self, address: Address, slot: int) -> int:  # noqa: ARG002
        """Zero."""
        return 0

    def code(self, code_hash: bytes) -> bytes:  # noqa: ARG002
        """No code."""
        return b""


def blank_environment(machine: ZvmMachine | None) -> BlockEnvironment:
    """The block of trials without a chain: the newest fork, and a time at which most dates have passed."""
    rules = ForkRules(
        LATEST_FORK, 31337, zvm=None if machine is None else machine.price_table.name, unlimited_transaction_gas=True
    )
    return BlockEnvironment(
        rules=rules,
        coinbase=ZERO_ADDRESS,
        number=20_000_000,
        timestamp=2_000_000_000,
        gas_limit=200_000_000,
        block_hash=lambda number: Hash32(keccak256(number.to_bytes(8, "big"))),
        base_fee_per_gas=0,
        blob_base_fee=1,
        wasm_machine=machine,
    )


class Watcher(QuietTracer):
    """Notes the accounts that destroy themselves."""

    def __init__(self) -> None:
        self.destroyed: list[Address] = []

    def on_enter(self, start: FrameStart) -> None:
        """See Tracer."""
        if start.kind == "SELFDESTRUCT":
            self.destroyed.append(start.sender)


@dataclass(frozen=True, slots=True)
class World:
    """A state under trial. target: the contract's address. Copies are cheap, and share nothing that changes."""

    environment: BlockEnvironment
    state: BlockState
    target: Address
    deadline: Deadline | None = None
    constructed: Mapping[int, int] = field(default_factory=dict)
    """Slots that the constructor has set."""

    def copy(self) -> "World":
        """The same state, to change apart."""
        return replace(self, state=BlockState(self.state.fork_reader()))

    def call(
        self,
        sender: Address,
        to: Address | None,
        data: bytes,
        value: int = 0,
        *,
        gas: int = CALL_GAS,
        watcher: QuietTracer | None = None,
    ) -> Outcome | None:
        """Execute a transaction and keep its effects; None if it cannot begin. Raises ExecutionTimeoutError."""
        request = CallRequest(sender=sender, to=to, gas_limit=gas, value=value, data=data)
        try:
            return Executor(self.environment, self.state).call(request, deadline=self.deadline, tracer=watcher)
        except TransactionError:
            return None

    def balance(self, address: Address) -> int:
        """Wei of an account."""
        return self.state.get_balance(address)

    def slots(self) -> dict[int, int]:
        """The target's slots that have changed since the state was copied."""
        return dict(self.state.diff().storage.get(self.target, {}))


def peopled(environment: BlockEnvironment, reader: StateReader, deadline: Deadline | None) -> World:
    """A world of a state with the trial's accounts in it, all of them rich."""
    state = BlockState(reader)
    for person in (DEPLOYER, STRANGER, VICTIM, DRIVER, ATTACKER):
        state.set_balance(person, _RICHES)
    state.set_code(PROBE_ADDRESS, PROBE)
    state.set_code(FRIEND_ADDRESS, FRIEND)
    return World(environment, state, TARGET, deadline)


def deployed(world: World, creation: bytes, types: str, *, gas: int = _CREATION_GAS) -> World | None:
    """The world after a creation with arguments of the constructor's types; None if no attempt succeeds.

    gas: of each attempt. Raises ExecutionTimeoutError once the attempts have used up CREATION_SHARE of the time.
    """
    limited = replace(world, deadline=share_of(world.deadline, CREATION_SHARE))
    for arguments, value in _attempts(types):
        attempt = limited.copy()
        outcome = attempt.call(DEPLOYER, None, creation + arguments, value, gas=gas)
        made = None if outcome is None or not outcome.succeeded else outcome.contract_address
        if made is not None and attempt.state.get_code(made):
            found = replace(attempt, target=made, deadline=world.deadline)
            return replace(found, constructed=found.slots()).copy()
    return None


def _attempts(types: str) -> Iterator[tuple[bytes, int]]:
    """Arguments of a constructor and wei, each pair once."""
    seen: set[bytes] = set()
    for address in (DEPLOYER, FRIEND_ADDRESS):
        for amount in (1_000 * ETHER, 1, 0):
            arguments = encoded(types, Filling(address, amount))
            if arguments is not None and arguments not in seen:
                seen.add(arguments)
                yield from ((arguments, value) for value in (0, ETHER))


def share_of(deadline: Deadline | None, part: float) -> Deadline | None:
    """The deadline after a part of the time that is left, 0 to 1."""
    return None if deadline is None else deadline.sooner(time.monotonic() + deadline.remaining() * part)


def placed(world: World, code: bytes, owners: Iterable[tuple[int, int]]) -> World:
    """The world with code at the target's address, not constructed. owners: (slot, mask) that DEPLOYER fills."""
    changed = world.copy()
    changed.state.set_code(TARGET, code)
    for slot, mask in owners:
        shift = (mask & -mask).bit_length() - 1
        changed.state.set_storage(TARGET, slot, int.from_bytes(DEPLOYER, "big") << shift & ((1 << 256) - 1))
    return changed.copy()
