"""The leaders of a node, its leader's among them: a node that follows itself through others would never get a block."""

import secrets
from collections.abc import Callable

NODE_BYTES = 16
MOST_LEADERS = 64
"""Nodes between a follower and the one that makes the blocks, both included."""


class Lineage:
    """`path`: this process's own random number, then its leaders' from the nearest on. On the event loop."""

    def __init__(self) -> None:
        self.node = secrets.token_bytes(NODE_BYTES)
        self.changed: Callable[[], None] = lambda: None
        """Called after every change: this node's own followers have to hear of it."""
        self._leaders: tuple[bytes, ...] = ()

    @property
    def path(self) -> tuple[bytes, ...]:
        """This node and its leaders."""
        return (self.node, *self._leaders)

    def follow(self, leaders: tuple[bytes, ...]) -> None:
        """Note the path of the leader; none for a leader that is not followed."""
        if leaders != self._leaders:
            self._leaders = leaders
            self.changed()
