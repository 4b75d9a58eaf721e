"""Fixtures for pytest: a node for the session, and for each test a state that no other test has touched.

Nothing of the node is imported before a test asks for one of them; `-p no:zevm` leaves the plugin out.
"""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def zevm_session_node() -> Iterator[Any]:
    """An open zevm.Node in memory. A project that needs other settings overrides this fixture in its conftest."""
    import zevm

    with zevm.Node() as node:
        yield node


@pytest.fixture
def zevm_node(zevm_session_node: Any) -> Iterator[Any]:
    """The session's node; what the test changes is taken back."""
    with zevm_session_node.anchor():
        yield zevm_session_node


@pytest.fixture
def w3(zevm_node: Any) -> Any:
    """web3.py connected to `zevm_node`; needs the extra `web3`."""
    provider = zevm_node.provider
    from web3 import Web3

    return Web3(provider)
