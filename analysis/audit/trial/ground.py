"""The world in which a subject is tried: a chain's state, or a state of its own in which it is deployed."""

from dataclasses import dataclass, replace

from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.trial.world import BlankState, World, blank_environment, deployed, peopled
from zevm.chain.concurrency.deadline import Deadline
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


def world_of(subject: Subject, ground: Ground, deadline: Deadline | None) -> World | None:
    """The world with the contract at its address; None if its creation is unknown or fails with made-up arguments."""
    world = peopled(ground.environment, ground.reader, deadline)
    if ground.address is not None:
        return replace(world, target=ground.address).copy()
    return deployed(world, subject.creation, subject.constructor_types) if subject.creation else None
