"""The same random calls on both twins, each on a node of its own at the same address: every outcome must be equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import zevm
from testing.twins.actions import Step
from testing.twins.compiled import LANGUAGES
from testing.twins.deployed import Outcome, new_node
from testing.twins.worlds import SCENARIOS, World


class DifferenceError(AssertionError):
    """The twins differ; the message has the step and both sides."""


@contextmanager
def two_nodes() -> Iterator[tuple[zevm.Node, zevm.Node]]:
    """One node for each language."""
    with new_node() as first, new_node() as second:
        yield first, second


def run(twin: str, steps: Sequence[Step], nodes: tuple[zevm.Node, zevm.Node]) -> int:
    """Run steps on both twins; the number of calls that succeeded. Raises DifferenceError.

    After half of the steps the twins exchange their code and go on with the storage that the other has written.
    """
    with ExitStack() as stack:
        for node in nodes:
            stack.enter_context(node.anchor())
        worlds = [SCENARIOS[twin].build(node, language) for node, language in zip(nodes, LANGUAGES, strict=True)]
        _compare("the deployment", worlds, [Outcome(True, b""), Outcome(True, b"")])
        succeeded = 0
        for number, step in enumerate(steps):
            if number == len(steps) // 2:
                _exchange_code(worlds)
            outcomes = [_outcome(world, step) for world in worlds]
            _compare(f"step {number} of {twin}: {step}", worlds, outcomes)
            succeeded += outcomes[0].succeeded
    return succeeded


def _outcome(world: World, step: Step) -> Outcome:
    data, sender = world.message(step)
    outcome = world.contract.try_send(data, sender=sender, value=step.value)
    # solc ends some malformed lengths with Panic(0x41), others without data: which, depends on where they are copied
    return outcome if step.damage is None or outcome.succeeded else Outcome(False, b"")


def _compare(what: str, worlds: Sequence[World], outcomes: Sequence[Outcome]) -> None:
    sides = [
        {"outcome": outcome, "slots": world.contract.slots(), "balance": world.contract.balance()}
        for world, outcome in zip(worlds, outcomes, strict=True)
    ]
    if sides[0] != sides[1]:
        told = "\n".join(f"{language}: {side}" for language, side in zip(LANGUAGES, sides, strict=True))
        raise DifferenceError(f"{what}\n{told}")


def _exchange_code(worlds: Sequence[World]) -> None:
    codes = [world.contract.node.request("eth_getCode", world.code_address, "latest") for world in worlds]
    for world, code in zip(worlds, reversed(codes), strict=True):
        world.contract.node.request("anvil_setCode", world.code_address, code)
