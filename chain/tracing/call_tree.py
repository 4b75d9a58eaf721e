"""The frames of a transaction as a tree: what callTracer, flatCallTracer and erc7562Tracer begin with."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from zevm.chain.tracing.settings import Budget, TraceContext
from zevm.chain.tracing.tracer import ResultTracer
from zevm.chain.types import Log
from zevm.chain.vm.interface import Outcome, VmError, VmErrorKind
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import LogSource, TransactionStart
from zevm.storage.primitives import Address

_BORROWERS = ("DELEGATECALL", "CALLCODE")
"""Kinds that run another account's code on their own account."""
FRAME_BYTES = 320
"""About what the JSON of a frame without data has."""


def caller_of(start: FrameStart) -> Address:
    """Whose code made the call: not always its msg.sender."""
    return start.address if start.kind in _BORROWERS else start.sender


class CallNode:
    """One frame as geth shows it.

    target: None for a creation that failed. value: None where geth leaves it out. logs: (log, index in the block,
    subcalls that were made before it).
    """

    __slots__ = (
        "calls",
        "data",
        "details",
        "error",
        "gas_limit",
        "gas_used",
        "kind",
        "logs",
        "output",
        "reason",
        "sender",
        "target",
        "value",
    )

    def __init__(self, start: FrameStart) -> None:
        self.kind = start.kind
        self.sender = caller_of(start)
        self.target: Address | None = start.target
        self.value = None if start.kind == "STATICCALL" else start.value
        self.gas_limit = start.gas_limit
        self.gas_used = 0
        self.data = start.data
        self.output = b""
        self.error: VmError | None = None
        self.reason: str | None = None
        self.calls: list[CallNode] = []
        self.logs: list[tuple[Log, int, int]] = []
        self.details: Any = None

    def end(self, gas_used: int, output: bytes, error: VmError | None, context: TraceContext) -> None:
        """Note how the frame ended: output of success, or of a REVERT with its reason."""
        self.gas_used = gas_used
        self.error = error
        if error is None:
            self.output = output
            return
        if self.kind in CREATIONS:
            self.target = None
        if error.kind is VmErrorKind.REVERT and output:
            self.output = output
            self.reason = context.reason_of(output)

    def to_json(self) -> dict[str, Any]:
        """Geth's fields, without `calls`."""
        encoded: dict[str, Any] = {
            "from": "0x" + self.sender.hex(),
            "gas": hex(self.gas_limit),
            "gasUsed": hex(self.gas_used),
        }
        if self.target is not None:
            encoded["to"] = "0x" + self.target.hex()
        encoded["input"] = "0x" + self.data.hex()
        if self.output:
            encoded["output"] = "0x" + self.output.hex()
        if self.error is not None:
            encoded["error"] = self.error.message
        if self.reason is not None:
            encoded["revertReason"] = self.reason
        if self.logs:
            encoded["logs"] = [_log(log, index, position) for log, index, position in self.logs]
        if self.value is not None:
            encoded["value"] = hex(self.value)
        encoded["type"] = self.kind
        return encoded


def _log(log: Log, index: int, position: int) -> dict[str, Any]:
    return {
        "address": "0x" + log.address.hex(),
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.data.hex(),
        "index": hex(index),
        "position": hex(position),
    }


class CallTree(ResultTracer):
    """Builds the tree. root: the outermost frame, None before it began."""

    def __init__(self, context: TraceContext, *, with_log: bool = False, only_top_call: bool = False) -> None:
        self.context = context
        self.root: CallNode | None = None
        self.open: list[CallNode] = []
        self._with_log = with_log
        self._only_top_call = only_top_call
        self._budget = Budget()
        self._gas_limit = 0
        self._depth = 0
        self._logs: LogSource | None = None
        self._logs_seen = 0

    def on_begin(self, start: TransactionStart) -> None:
        """Remember the gas limit, which the outermost frame shows as its own."""
        self._gas_limit = start.gas_limit
        self._logs = start.logs

    def on_enter(self, start: FrameStart) -> None:
        """Open a node."""
        if self._with_log:
            self._take_logs()
        self._depth += 1
        if self._only_top_call and self._depth > 1:
            return
        node = CallNode(start)
        self._budget.take(FRAME_BYTES + 2 * len(node.data))
        if self.root is None:
            node.gas_limit = self._gas_limit
            self.root = node
        else:
            self.open[-1].calls.append(node)
        self.open.append(node)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Close a node."""
        if self._with_log:
            self._take_logs()
        self._depth -= 1
        if self._only_top_call and self._depth:
            return
        node = self.open.pop()
        self._budget.take(2 * len(output))
        node.end(gas_used, output, error, self.context)

    def _take_logs(self) -> None:
        """Give the logs since the last frame began or ended to the frame that is running.

        Logs of a failed frame are gone before it ends, so they are never taken.
        """
        logs, seen = self._logs, self._logs_seen
        if logs is None:
            return
        self._logs_seen = logs.log_count()
        if self._logs_seen > seen and not (self._only_top_call and self._depth > 1):
            node = self.open[-1]
            for index, log in enumerate(logs.logs_from(seen), self.context.first_log_index + seen):
                self._budget.take(FRAME_BYTES + 2 * len(log.data))
                node.logs.append((log, index, len(node.calls)))

    def on_end(self, outcome: Outcome) -> None:
        """Settle the outermost frame's gas, and drop the logs of failed frames and of what they called."""
        if self.root is None:
            return
        self.root.gas_used = outcome.gas_used
        if self._with_log:
            for node, failed in walk_failures(self.root):
                if failed:
                    node.logs.clear()


def walk_failures(root: CallNode) -> Iterator[tuple[CallNode, bool]]:
    """Every node, and whether it or a frame around it failed."""
    waiting = [(root, root.error is not None)]
    while waiting:
        node, failed = waiting.pop()
        yield node, failed
        waiting.extend((child, failed or child.error is not None) for child in node.calls)


_ENCODED_AT_ONCE = 64
"""Frames without calls that one call of orjson encodes: alone, each takes it many times as long."""


def encode_tree(root: CallNode, encode: Callable[[CallNode], dict[str, Any]]) -> orjson.Fragment:
    """The tree as JSON, `calls` last in each node; by hand, as 1,024 levels are more than orjson nests."""
    parts: list[bytes] = []
    waiting: list[list[CallNode] | bytes] = [[root]]
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes):
            parts.append(item)
            continue
        text = orjson.dumps([encode(node) for node in item], option=orjson.OPT_NON_STR_KEYS)
        calls = item[0].calls
        if not calls:
            parts.append(text[1:-1])
            continue
        parts.append(text[1:-2] + b',"calls":[')
        waiting.append(b"]}")
        groups = list(_groups(calls))
        for index in range(len(groups) - 1, -1, -1):
            waiting.append(groups[index])
            if index:
                waiting.append(b",")
    return orjson.Fragment(b"".join(parts))


def _groups(calls: list[CallNode]) -> Iterator[list[CallNode]]:
    """Frames in order: each that has calls by itself, the others in groups."""
    group: list[CallNode] = []
    for node in calls:
        if group and (node.calls or len(group) == _ENCODED_AT_ONCE):
            yield group
            group = []
        if node.calls:
            yield [node]
        else:
            group.append(node)
    if group:
        yield group
