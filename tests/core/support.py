"""What tests of the core compare: the functions in use, their references in Python, and what either gives."""

from typing import Any

import pytest

from zevm.core import CORE, references
from zevm.storage import trie

needs_core = pytest.mark.skipif(CORE.library is None, reason=f"no core: {CORE.reason}")


def outcome(function: Any, *arguments: Any) -> Any:
    """What a call returns, or the kind and the text of its exception."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error), str(error)


def agree(name: str, *arguments: Any) -> Any:
    """The outcome of the core's function, which must be that of its reference in Python."""
    found, wanted = outcome(getattr(CORE.library, name), *arguments), outcome(references[name], *arguments)
    assert found == wanted, (name, arguments)
    assert type(found) is type(wanted)
    return found


class Looked:
    """Nodes by hash that remember what they were asked for."""

    def __init__(self, held: dict[bytes, bytes]) -> None:
        self.held = held
        self.asked: list[tuple[str, bytes]] = []

    def __call__(self, path: str, node_hash: bytes) -> bytes | None:
        self.asked.append((path, node_hash))
        return self.held.get(node_hash)


def agree_on_trie(name: str, held: dict[bytes, bytes], root: bytes, argument: Any) -> Any:
    """As `agree`, for a function of tries; both must look up the same nodes at the same paths, where they succeed."""
    found_by, wanted_by = Looked(held), Looked(held)
    wanted = outcome(references[name], wanted_by, root, argument)
    found = outcome(getattr(CORE.library, name), found_by, root, argument)
    assert found == wanted, (name, root, argument)
    assert type(found) is type(wanted)
    if isinstance(wanted, trie.TrieUpdate) or name != "trie_update":
        assert set(found_by.asked) == set(wanted_by.asked)
    return found
