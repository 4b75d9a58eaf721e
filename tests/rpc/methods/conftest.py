"""Fixtures of the method tests."""

from collections.abc import AsyncIterator

import pytest

from tests.rpc.methods.memory_node import Node, start_node, stop_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node in memory, fresh for each test."""
    running = await start_node()
    yield running
    await stop_node(running)
