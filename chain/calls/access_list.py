"""eth_createAccessList: what a transaction touches, found by executing it until the list stops changing.

As geth: an access counts wherever an instruction names the account or slot, in frames that fail too. WebAssembly
contracts access through the same state, so theirs count alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from zevm.chain.blocks.context import CallFrame
from zevm.chain.calls.call import moved_precompiles, state_over
from zevm.chain.calls.overrides import NO_OVERRIDES, CallOverrides
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import ExecutionFailedError, MovedPrecompileError
from zevm.chain.types import AccessListEntry
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import StateObserver
from zevm.chain.vm.executor import Executor, active_precompiles
from zevm.chain.vm.gas_needs import AUTHORIZATION_GAS
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.read_ahead import run_ahead
from zevm.storage.account import MAX_NONCE, StateReader
from zevm.storage.primitives import Address

Accesses = dict[Address, set[int]]
"""20-byte address -> slots."""


class AccessRecorder(StateObserver):
    """Notes every access, those of failed frames too. known: what is listed already. excluded: never by itself."""

    hears_live = False
    hears_accesses = True

    def __init__(self, known: Accesses, excluded: frozenset[bytes]) -> None:
        self.accesses: Accesses = {address: set(slots) for address, slots in known.items()}
        self._excluded = excluded

    def on_address_access(self, address: Address) -> None:
        """List the account."""
        if address not in self._excluded:
            self.accesses.setdefault(address, set())

    def on_slot_access(self, address: Address, slot: int) -> None:
        """List the slot with its account, an excluded one too."""
        self.accesses.setdefault(address, set()).add(slot)

    def on_accesses(self, addresses: Iterable[Address], slots: Iterable[tuple[Address, int]]) -> None:
        """List all."""
        for address in addresses:
            self.on_address_access(address)
        for address, slot in slots:
            self.on_slot_access(address, slot)


@dataclass(frozen=True, slots=True)
class AccessListResult:
    """The list, by address and slot in ascending order, and the outcome of the run with it."""

    entries: tuple[AccessListEntry, ...]
    outcome: Outcome


def create_access_list(
    frame: CallFrame,
    request: CallRequest,
    *,
    nonce: int | None = None,
    overrides: CallOverrides = NO_OVERRIDES,
    deadline: Deadline | None = None,
) -> AccessListResult:
    """The access list that covers everything a message touches, including the request's own list.

    nonce: of the transaction, which tells where a creation's contract will be; None for the sender's next one.
    Raises TransactionError where geth refuses to begin, ExecutionTimeoutError at the deadline.
    """
    environment, base = frame.environment, state_over(frame.reader, overrides)
    if any(target is not None for target in moved_precompiles(overrides.state, environment).values()):
        raise MovedPrecompileError("precompiles cannot be moved for an access list")
    excluded = frozenset(_excluded(environment, request, base.get_nonce(request.sender) if nonce is None else nonce))
    accesses = _listed(request.access_list, excluded)
    while True:
        entries = _entries(accesses)
        listed = request._replace(access_list=entries)

        def run(reader: StateReader, until: Deadline | None) -> tuple[Accesses, Outcome]:
            recorder = AccessRecorder(accesses, excluded)  # noqa: B023  it runs before the next turn
            state = BlockState(reader, recorder)
            return recorder.accesses, Executor(environment, state).call(listed, deadline=until)  # noqa: B023

        found, outcome = run_ahead(base.fork_reader(), run, deadline, request)
        if found == accesses:
            return AccessListResult(entries, outcome)
        accesses = found


def _excluded(environment: BlockEnvironment, request: CallRequest, nonce: int) -> Iterable[bytes]:
    """Addresses that are warm from the start: sender, target, precompiles, and signers of authorisations."""
    yield request.sender
    yield contract_address(request.sender, nonce) if request.to is None else request.to
    yield from active_precompiles(environment)
    authorizations = request.authorization_list or ()
    if len(authorizations) > request.gas_limit // AUTHORIZATION_GAS:
        raise ExecutionFailedError("insufficient gas to process all authorizations")
    for authorization in authorizations:
        if authorization.chain_id in (0, environment.rules.chain_id) and authorization.nonce < MAX_NONCE:
            authority = authorization.authority
            if authority is not None:
                yield authority


def _listed(entries: Iterable[AccessListEntry], excluded: frozenset[bytes]) -> Accesses:
    accesses: Accesses = {}
    for entry in entries:
        if entry.address not in excluded:
            slots = accesses.setdefault(entry.address, set())
            slots.update(int.from_bytes(key, "big") for key in entry.storage_keys)
    return accesses


def _entries(accesses: Accesses) -> tuple[AccessListEntry, ...]:
    return tuple(
        AccessListEntry(address, tuple(slot.to_bytes(32, "big") for slot in sorted(accesses[address])))
        for address in sorted(accesses)
    )
