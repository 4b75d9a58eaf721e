"""Isolation of tests on one node: each begins with the state that the fixtures of wider scopes have left."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

import pytest

from zevm.node.embedded import Node

_WIDTH = {"session": 0, "package": 1, "module": 2, "class": 3, "function": 4}
"""Scopes of fixtures, from the widest to the narrowest."""

_FIRST_TAKEN_BACK = _WIDTH["module"]
"""The widest scope whose changes end with it; sessions and packages keep theirs."""

_TEST = _WIDTH["function"]


@dataclass(slots=True)
class _Anchor:
    """A state to return to when a module, a class or a test ends.

    snapshot: its number on the chain. later: fixtures of wider scopes that were set up, and changed the chain, after
    this scope's own changes; they end with it, and are made again for the next test that asks.
    """

    width: int
    snapshot: int
    later: list[Callable[[], None]] = field(default_factory=list)


class Isolation:
    """The hooks that take snapshots and return to them; registered as a plugin while the node is open."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._anchors: list[_Anchor] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Anchor the fixture's scope before its first fixture."""
        width = _WIDTH[fixturedef.scope]
        if not self._anchors or self._anchors[-1].width <= width:
            self._hold(width, request.node)
            return (yield)
        return (yield from self._set_up_wider(width, fixturedef, request))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Anchor the test, and each example of a test of Hypothesis."""
        self.hold_test(item)
        examples = getattr(getattr(item, "obj", None), "hypothesis", None)
        if examples is None:
            return (yield)
        inner = examples.inner_test
        examples.inner_test = _anchored(inner, self._node.anchor)
        try:
            return (yield)
        finally:
            examples.inner_test = inner

    def hold_test(self, item: pytest.Item) -> None:
        """Return to the present state when this test ends, unless it has an anchor already."""
        self._hold(_TEST, item)

    def _hold(self, width: int, node: pytest.Item | pytest.Collector) -> None:
        if width < _FIRST_TAKEN_BACK or (self._anchors and self._anchors[-1].width == width):
            return
        anchor = _Anchor(width, self._snapshot())
        self._anchors.append(anchor)
        node.addfinalizer(partial(self._release, anchor))

    def _set_up_wider(
        self, width: int, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Set up a fixture while narrower scopes are anchored: it was asked for late, or by getfixturevalue.

        Anchors on which nothing has happened yet are moved behind it. If one is left and the fixture changes the chain,
        the fixture ends with that one.
        """
        moved: list[_Anchor] = []
        while self._anchors and self._anchors[-1].width > width and self._is_at(self._anchors[-1].snapshot):
            moved.insert(0, self._anchors.pop())
        changed = self._anchors[-1] if self._anchors and self._anchors[-1].width > width else None
        before = self._snapshot()
        if changed is None:
            self._hold(width, request.node)
        try:
            return (yield)
        finally:
            if changed is not None and not self._is_at(before):
                changed.later.append(partial(fixturedef.finish, request))  # type: ignore[arg-type]
            for anchor in moved:
                anchor.snapshot = self._snapshot()
            self._anchors += moved

    def _release(self, anchor: _Anchor) -> None:
        """Return to an anchor's state, after the fixtures that cannot outlast it are finished."""
        try:
            for finish in reversed(anchor.later):
                finish()
        finally:
            if anchor in self._anchors:
                del self._anchors[self._anchors.index(anchor) :]
            if not self._node.chain.writer.run(self._node.chain.revert, anchor.snapshot):
                pytest.fail(
                    "zEVM: the state before this test is gone: something reverted the chain to an earlier snapshot, or "
                    "reset it; later tests begin with what is there now",
                    pytrace=False,
                )

    def _snapshot(self) -> int:
        chain = self._node.chain
        return chain.writer.run(chain.snapshot)

    def _is_at(self, snapshot: int) -> bool:
        chain = self._node.chain
        return chain.writer.run(chain.is_at, snapshot)


def _anchored(test: Callable[..., Any], anchor: Callable[[], AbstractContextManager[None]]) -> Callable[..., Any]:
    """A test's function that leaves the chain as it was, called once for each example."""
    if iscoroutinefunction(test):

        @wraps(test)
        async def example(*arguments: Any, **options: Any) -> Any:
            with anchor():
                return await test(*arguments, **options)

    else:

        @wraps(test)
        def example(*arguments: Any, **options: Any) -> Any:
            with anchor():
                return test(*arguments, **options)

    return example
