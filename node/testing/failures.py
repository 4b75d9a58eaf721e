"""The call tree of what a failed test has executed last, in its report."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from zevm.analysis.call_tree import decode_call_tree
from zevm.analysis.tree_text import render
from zevm.chain.events import Event, HeadChanged
from zevm.node.client import CallFailedError
from zevm.node.embedded import Node

TREE_LINES: Final = 500
"""Lines of one tree in a report."""

_TRACER = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
_EXECUTIONS = ("eth_call", "eth_estimateGas", "eth_sendTransaction")
"""Methods whose failure is an execution's; the first parameter is the message."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """An execution that failed outside of a block. block: the state it ran on."""

    method: str
    message: Any
    block: Any


class LastExecution:
    """The newest execution of the running test: a transaction in a block, or a call that failed."""

    def __init__(self) -> None:
        self._last: bytes | _Failure | None = None

    def forget(self) -> None:
        """A test begins."""
        self._last = None

    def on_event(self, event: Event) -> None:
        """Note the newest transaction. On the chain's thread."""
        if isinstance(event, HeadChanged):
            for record in event.added:
                if record.block.transactions:
                    self._last = record.block.transactions[-1].hash

    def note_failure(self, method: str, params: Any) -> None:
        """Note a request that was answered with an error."""
        if method in _EXECUTIONS and params:
            block = params[1] if method == "eth_call" and len(params) > 1 else "latest"
            self._last = _Failure(method, params[0], block)

    def tree(self, node: Node) -> tuple[str, str] | None:
        """(title, call tree) of the last execution; None if there was none."""
        last = self._last
        if last is None:
            return None
        if isinstance(last, _Failure):
            title = f"zEVM: the failed {last.method}"
            request: tuple[Any, ...] = ("debug_traceCall", last.message, last.block, _TRACER)
        else:
            title = f"zEVM: last transaction 0x{last.hex()}"
            request = ("debug_traceTransaction", "0x" + last.hex(), _TRACER)
        try:
            tree = decode_call_tree(node.request(*request), node.catalogue, lambda address: _code(node, address))
        except CallFailedError as error:
            return title, f"no trace: {error}"
        return title, render(tree, lines_limit=TREE_LINES)


class FailureTraces:
    """The hooks that put the call tree into the report of a failed test."""

    def __init__(self, node: Node, last: LastExecution) -> None:
        self._node = node
        self._last = last

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Leave out what earlier tests have executed."""
        self._last.forget()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        """Leave out what the fixtures have executed."""
        self._last.forget()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add a section to the report, while the chain is as the failure has left it."""
        report = yield
        if report.failed and call.when != "teardown":
            tree = self._last.tree(self._node)
            if tree is not None:
                report.sections.append(tree)
        return report


def _code(node: Node, address: bytes) -> bytes:
    return bytes.fromhex(node.request("eth_getCode", "0x" + address.hex(), "latest")[2:])
