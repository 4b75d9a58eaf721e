"""The world in which a subject is tried: a chain's state, or a state of its own in which it is deployed."""

from dataclasses import dataclass, replace

from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.trial.world import (
    CREATION_SHARE,
    BlankState,
    World,
    blank_environment,
    deployed,
    peopled,
)
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.account import StateReader
from zevm.storage.primitives import Address


@dataclass(frozen=True, slots=True)
class Ground:
    """The state of trials. address: the contract's on a chain, None for a state of its own."""

    environment: BlockEnvironment
    reader: StateReader
    address: Address | None = None


def blank_ground(machine: ZvmMachine | None) -> Ground:
    """A state without accounts."""
    return Ground(blank_environment(machine), BlankState())


def world_of(subject: Subject, ground: Ground, deadline: Deadline | None) -> tuple[World | None, tuple[str, ...]]:
    """The world with the contract at its address, and a note if there was no time to make it.

    The world is None if the creation is unknown, fails with made-up arguments, or takes longer than its share of the
    time. Raises ExecutionTimeoutError at the deadline.
    """
    world = peopled(ground.environment, ground.reader, deadline)
    if ground.address is not None:
        return replace(world, target=ground.address).copy(), ()
    if not subject.creation:
        return None, ()
    try:
        return deployed(world, subject.creation, subject.constructor_types), ()
    except ExecutionTimeoutError:
        if deadline is None or deadline.expired():
            raise
        return None, (_SLOW_CONSTRUCTOR,)


_SLOW_CONSTRUCTOR = (
    f"the constructor did not end in {CREATION_SHARE:.0%} of the time: no trial ran on a state that it has made"
)
