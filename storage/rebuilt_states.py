"""Past states whose trie nodes were made again, in memory: a few, for the next question about the same block."""

from threading import Lock

from zevm.storage.primitives import Hash32

MOST_STATES = 8
MOST_BYTES = 32 * 1024 * 1024
_NODE_OVERHEAD_BYTES = 200


class RebuiltStates:
    """The nodes of each that it does not share with newer states, by its root. Any thread may call.

    At most MOST_STATES, and of MOST_BYTES in all unless one alone is larger; the ones made first go first.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[bytes, tuple[int, dict[bytes, bytes]]] = {}

    def __contains__(self, root: object) -> bool:
        return root in self._states

    def age(self, root: Hash32) -> int | None:
        """As it was given; None where the state is not here."""
        state = self._states.get(root)
        return None if state is None else state[0]

    def nodes(self, root: Hash32) -> dict[bytes, bytes]:
        """By their hash; none where the state is not here."""
        return self._states.get(root, (0, {}))[1]

    def find(self, node_hash: bytes) -> bytes | None:
        """The node of any of them."""
        for _, nodes in tuple(self._states.values()):
            raw = nodes.get(node_hash)
            if raw is not None:
                return raw
        return None

    def add(self, root: Hash32, nodes: dict[bytes, bytes], age: int) -> None:
        """Keep a state until `forget_before` is called with an age above its own."""
        with self._lock:
            states = dict(self._states)
            states.pop(root, None)
            states[root] = age, nodes
            while len(states) > 1 and (len(states) > MOST_STATES or _size_bytes(states) > MOST_BYTES):
                del states[next(iter(states))]
            self._states = states

    def forget_before(self, age: int) -> None:
        """Forget the states of a lesser age."""
        with self._lock:
            self._states = {root: state for root, state in self._states.items() if state[0] >= age}


def _size_bytes(states: dict[bytes, tuple[int, dict[bytes, bytes]]]) -> int:
    return sum(len(nodes) * _NODE_OVERHEAD_BYTES + sum(map(len, nodes.values())) for _, nodes in states.values())
