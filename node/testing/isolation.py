"""Isolation of tests on one node: each begins with the state that the fixtures of wider scopes have left."""

import warnings
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

import pytest

from zevm.chain.blockchain import Chain
from zevm.node.embedded import Node
from zevm.node.testing.surroundings import Kept, Surroundings

_WIDTH = {"session": 0, "package": 1, "module": 2, "class": 3, "function": 4}
"""Scopes of fixtures, from the widest to the narrowest."""

_FIRST_TAKEN_BACK = _WIDTH["module"]
"""The widest scope whose changes end with it; sessions and packages keep theirs."""

_TEST = _WIDTH["function"]


@dataclass(slots=True, eq=False)
class _Anchor:
    """A state to return to when a module, a class or a test ends.

    snapshot: its number on the chain. kept: what a snapshot does not have. later: fixtures of wider scopes that were
    set up, and changed the chain, after this scope's own changes; they end with it, and are made again for the next
    test that asks.
    """

    width: int
    snapshot: int
    kept: Kept
    later: list[Callable[[], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Made:
    """A fixture wider than a test that has changed the chain. before: the number of a snapshot from before it."""

    before: int
    finish: Callable[[], None]


class Isolation:
    """The hooks that take snapshots and return to them; registered as a plugin while the node is open."""

    def __init__(self, node: Node, surroundings: Surroundings) -> None:
        self._node = node
        self._surroundings = surroundings
        self._anchors: list[_Anchor] = []
        self._made: dict[pytest.FixtureDef[Any], _Made] = {}
        self._opening = surroundings.now()
        self._opening_state = _state(node.chain)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Anchor the fixture's scope before its first fixture."""
        width = _WIDTH[fixturedef.scope]
        if width == _TEST:
            self._hold(width, request.node)
            return (yield)
        return (yield from self._set_up_wider(width, fixturedef, request))

    @pytest.hookimpl
    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """A fixture has ended."""
        self._made.pop(fixturedef, None)

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
        anchor = _Anchor(width, self._snapshot(), self._surroundings.now())
        self._anchors.append(anchor)
        node.addfinalizer(partial(self._release, anchor, node.nodeid))

    def _set_up_wider(
        self, width: int, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Set up a fixture of a wider scope than a test's, also while narrower ones are anchored.

        It was asked for late then, or by getfixturevalue. Anchors on which nothing has happened yet are moved behind
        it. If one is left and the fixture changes the chain, the fixture ends with that one.
        """
        moved: list[_Anchor] = []
        while self._anchors and self._anchors[-1].width > width and self._is_at(self._anchors[-1].snapshot):
            moved.insert(0, self._anchors.pop())
        changed = self._anchors[-1] if self._anchors and self._anchors[-1].width > width else None
        if changed is None:
            self._hold(width, request.node)
        before, kept = self._snapshot(), self._surroundings.now()
        try:
            return (yield)
        finally:
            now = self._surroundings.now()
            if now != kept or not self._is_at(before):
                made = _Made(before, partial(fixturedef.finish, request))  # type: ignore[arg-type]
                self._made[fixturedef] = made
                if changed is not None:
                    changed.later.append(made.finish)
            for anchor in moved:
                anchor.snapshot, anchor.kept = self._snapshot(), anchor.kept.with_change(kept, now)
            self._anchors += moved

    def _release(self, anchor: _Anchor, name: str) -> None:
        """Return to an anchor's state, after the fixtures that cannot outlast it are finished. name: of what has ended.

        An anchor that is not held any more went with a chain that was reset.
        """
        if anchor in self._anchors:
            with ExitStack() as stack:
                stack.callback(self._take_back, anchor, name)
                for finish in anchor.later:
                    stack.callback(finish)

    def _take_back(self, anchor: _Anchor, name: str) -> None:
        del self._anchors[self._anchors.index(anchor) :]
        self._surroundings.return_to(anchor.kept)
        if not self._revert(anchor.snapshot):
            self._begin_again(name)

    def _begin_again(self, name: str) -> None:
        """Return to the narrowest anchor that is still known, or else to the chain's beginning.

        The fixtures that have changed the chain since then are finished, so that they are made again for the next test.
        """
        taken = self._node.chain.snapshots.taken
        while self._anchors and self._anchors[-1].snapshot not in taken:
            self._anchors.pop()
        left = self._anchors[-1] if self._anchors else None
        with ExitStack() as stack:
            stack.callback(self._return_to, left, name)
            for made in self._made.values():
                if left is None or made.before > left.snapshot:
                    stack.callback(made.finish)

    def _return_to(self, left: _Anchor | None, name: str) -> None:
        chain = self._node.chain
        if left is None:
            chain.writer.run(chain.reset)
            self._surroundings.return_to(replace(self._opening, listeners=self._surroundings.now().listeners))
        else:
            self._revert(left.snapshot)
            left.snapshot = self._snapshot()
        told = f"zEVM: {name} reset the chain, or reverted it to a state before its own"
        if left is None and self._opening_state != _state(chain):
            pytest.fail(f"{told}: the state that the node was opened with is gone", pytrace=False)
        warnings.warn(
            pytest.PytestWarning(f"{told}: the wider fixtures are made again for the next test"), stacklevel=1
        )

    def _revert(self, snapshot: int) -> bool:
        chain = self._node.chain
        return chain.writer.run_short(chain.revert, snapshot)

    def _snapshot(self) -> int:
        chain = self._node.chain
        return chain.writer.run_short(chain.snapshot)

    def _is_at(self, snapshot: int) -> bool:
        chain = self._node.chain
        return chain.writer.run_short(chain.is_at, snapshot)


def _state(chain: Chain) -> tuple[bytes, bytes]:
    """The hash of the newest block and the root of the state, which development methods change without a block."""
    return chain.head.header.hash, chain.head.state.root


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
