"""One node in this process for each file of tests; what a test changes is taken back at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import zevm
from testing.twins.compiled import LANGUAGES, Language
from testing.twins.deployed import new_node


@pytest.fixture(scope="module")
def shared_node() -> Iterator[zevm.Node]:
    with new_node() as node:
        yield node


@pytest.fixture
def node(shared_node: zevm.Node) -> Iterator[zevm.Node]:
    with shared_node.anchor():
        yield shared_node


@pytest.fixture
def accounts(node: zevm.Node) -> list[str]:
    """The development accounts, lower case, as decoded values have them."""
    return [account.address.lower() for account in node.accounts]


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    """The language of the contract under test."""
    chosen: Language = request.param
    return chosen
