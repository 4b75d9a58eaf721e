"""The surroundings of a chain, which no snapshot has: its id, who listens to the node, and the choices on web3.py."""

from dataclasses import dataclass, field
from typing import Any

from zevm.node.embedded import Node

_CHOICES = ("default_account", "default_block")
"""Attributes of `w3.eth` that a test may set."""


@dataclass(frozen=True, slots=True)
class Kept:
    """chain_id: what transactions are asked for. listeners: open filters and connections. choices: by web3 object."""

    chain_id: int
    listeners: frozenset[object]
    choices: dict[int, tuple[Any, ...]] = field(compare=False)

    def with_change(self, before: "Kept", after: "Kept") -> "Kept":
        """The same with what has changed between two other moments."""
        return Kept(
            self.chain_id if after.chain_id == before.chain_id else after.chain_id,
            self.listeners | (after.listeners - before.listeners),
            self.choices | {key: value for key, value in after.choices.items() if before.choices.get(key) != value},
        )


class Surroundings:
    """Of an open node and of the web3 objects of the fixtures."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watched: list[tuple[Any, tuple[Any, ...]]] = []

    def watch(self, w3: Any) -> None:
        """Take back what is chosen on a web3 object; where a test began without it, to what is chosen now."""
        self._watched.append((w3, _choices(w3)))

    def now(self) -> Kept:
        """The present, to return to."""
        listeners = self._node._door().listeners()
        return Kept(self._node.chain.chain_id, listeners, {id(w3): _choices(w3) for w3, _ in self._watched})

    def return_to(self, kept: Kept) -> None:
        """Uninstall the filters and close the connections that are new, and put back what was chosen before."""
        door, chain = self._node._door(), self._node.chain
        if not door.listeners() <= kept.listeners:
            door.end_listeners_but(kept.listeners)
        if chain.chain_id != kept.chain_id:
            chain.writer.run(chain.set_chain_id, kept.chain_id)
        for w3, first in self._watched:
            for name, value in zip(_CHOICES, kept.choices.get(id(w3), first), strict=True):
                setattr(w3.eth, name, value)


def _choices(w3: Any) -> tuple[Any, ...]:
    return tuple(getattr(w3.eth, name) for name in _CHOICES)
