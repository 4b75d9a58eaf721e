"""The tracer of a profile: it gives the gas and the time between two events to the code that ran between them.

Instructions are watched, which slows them, so that the time of a frame is that of a run at full speed, divided as in
the watched run.
"""

import time
from collections.abc import Sequence
from typing import Final

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.profile.sites import Places, Site, SiteFinder
from zevm.analysis.profile.tree import Label, LineKey, LineUse, Node, Profile
from zevm.chain.tracing.settings import Budget
from zevm.chain.tracing.struct_log import NAMES
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import HostCall, TransactionStart, WatchedFrame
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.contracts.source_maps import Place

FUNCTIONS_LIMIT: Final = 1_024
"""Functions within one frame that the profile distinguishes as a stack; deeper ones count for the last of them."""
PROFILE_BYTES: Final = 32 * 1024 * 1024
"""Nodes and lines of one profile, each counted with 256 bytes."""
_NODE_BYTES = 256
_JUMPS = (0x56, 0x57)


class _OpenFrame:
    """A frame that runs.

    stack: its node, then those of the functions that are open in it. words: of a module's functions, the stack words
    that each leaves. top: the innermost node that calls stand below, of an inlined function too. pending: the node that
    uses what is used now. host: the open host calls.
    """

    __slots__ = (
        "child_ink", "functions", "gas_limit", "host", "inlined", "last_ink", "last_jump", "line", "lines", "ns",
        "ordinal", "pending", "site", "stack", "top", "words",
    )  # fmt: skip

    def __init__(self, node: Node, site: Site, gas_limit: int, ordinal: int) -> None:
        self.stack, self.functions = [node], [""]
        self.words: list[int] = [-1]
        self.pending = self.top = node
        self.site, self.gas_limit, self.ordinal = site, gas_limit, ordinal
        self.last_ink = gas_limit * INK_PER_GAS
        self.child_ink = 0
        self.last_jump: int | None = None
        self.line: LineKey | None = None
        self.lines: dict[LineKey, LineUse] = {}
        self.ns: dict[Node, int] = {}
        self.host: list[Node] = []
        self.inlined: tuple[int, tuple[Label, ...]] = (0, ())


class ProfileRecorder(QuietTracer):
    """Watches one execution. frame_ns: what a FrameTimer measured of the same one."""

    wants_steps = True
    wants_blocks = True

    def __init__(self, catalogue: Catalogue, frame_ns: Sequence[int]) -> None:
        self._finder = SiteFinder(catalogue)
        self._frame_ns = frame_ns
        self._budget = Budget(PROFILE_BYTES)
        self._root = Node(Label("transaction", "transaction"))
        self._lines: dict[LineKey, LineUse] = {}
        self._open: list[_OpenFrame] = []
        self._frames = 0
        self._code_gas = 0
        self._outcome: Outcome | None = None
        self._last_ns = time.perf_counter_ns()

    def profile(self) -> Profile:
        """The profile, once the execution has ended."""
        outcome = self._outcome
        assert outcome is not None
        refund = max(0, outcome.gas_used_before_refund - outcome.gas_used)
        # all that is not the code's: the intrinsic gas, and what call data cost at least (EIP-7623)
        self._root.ink = (outcome.gas_used + refund - self._code_gas) * INK_PER_GAS
        error = None if outcome.error is None else outcome.error.message
        return Profile(self._root, self._lines, outcome.gas_used, refund, outcome.error is None, error)

    def on_begin(self, start: TransactionStart) -> None:
        """Keep the state, for codes."""
        self._finder.begin(start.state, start.precompiles)

    def on_enter(self, start: FrameStart) -> None:
        """Open a frame below the function that calls."""
        self._give_time()
        site = self._finder.of_frame(start)
        if self._open:
            parent = self._open[-1].host[-1] if self._open[-1].host else self._open[-1].top
        else:
            parent = self._root
            parent.count = 1
        node = self._child(parent, site.label)
        node.count += 1
        self._open.append(_OpenFrame(node, site, start.gas_limit, self._frames))
        self._frames += 1
        self._last_ns = time.perf_counter_ns()

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002
        """Close it: the rest of its gas is its last instruction's."""
        frame = self._open[-1]
        self._settle(frame, (frame.gas_limit - gas_used) * INK_PER_GAS)
        self._open.pop()
        self._scale(frame)
        if self._open:
            self._open[-1].child_ink += gas_used * INK_PER_GAS
        else:
            self._code_gas = gas_used
        self._last_ns = time.perf_counter_ns()

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Give the last instruction what it used, and follow the jump that it was."""
        mine = self._open[-1]
        self._settle(mine, frame.gas_left * INK_PER_GAS)
        places = mine.site.places
        if places is not None:
            self._follow(mine, places, program_counter)
            mine.last_jump = program_counter if opcode in _JUMPS else None
            self._at_line(mine, places.line(program_counter))
        mine.pending = leaf = self._child(mine.top, _OPCODES[opcode])
        leaf.count += 1
        self._last_ns = time.perf_counter_ns()

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:  # noqa: ARG002
        """Begin a host call, whose fixed price counts for it too."""
        mine = self._open[-1]
        self._settle(mine, call.ink_left + call.fixed_ink)
        node = self._child(mine.top, Label("host", call.name))
        node.count += 1
        mine.host.append(node)
        mine.pending = node
        self._last_ns = time.perf_counter_ns()

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:  # noqa: ARG002
        """Back in the contract's own code."""
        mine = self._open[-1]
        self._settle(mine, ink_left)
        mine.host.pop()
        mine.pending = mine.top
        self._last_ns = time.perf_counter_ns()

    def on_program_block(self, frame: WatchedFrame, offset: int, ink_left: int, stack_words: int) -> None:  # noqa: ARG002
        """Find out which function a block of a module is of, and whether that was called just now."""
        mine = self._open[-1]
        self._settle(mine, ink_left)
        places = mine.site.places
        if places is not None:
            frames = places.frames(offset)
            self._enter_or_leave(mine, places, frames, stack_words)
            self._enter_inlined(mine, tuple(places.label(place) for place in reversed(frames[:-1])))
            self._at_line(mine, places.line(offset))
        mine.pending = mine.top
        self._last_ns = time.perf_counter_ns()

    def on_end(self, outcome: Outcome) -> None:
        """Keep the outcome."""
        self._outcome = outcome

    def _follow(self, mine: _OpenFrame, places: Places, program_counter: int) -> None:
        """Open the function that a jump has entered, close the one that it has left."""
        jump = mine.last_jump
        if jump is None and places.has_jumps:
            return
        kind = places.jump(jump) if jump is not None else "-"
        if kind == "o" and len(mine.stack) > 1:
            self._close_functions(mine, len(mine.stack) - 1)
            return
        frames = places.frames(program_counter)
        label = places.label(frames[0]) if frames else None
        if kind == "i":
            self._enter(mine, label)
        elif not places.has_jumps and label is not None:
            self._move_to(mine, label)

    def _enter(self, mine: _OpenFrame, label: Label | None) -> None:
        """Open a function. Code that the compiler adds has none of its own, and counts for the one that it serves."""
        if label is not None and label.name not in (label.file, mine.functions[-1]):
            self._push(mine, label)
        elif len(mine.stack) < FUNCTIONS_LIMIT:
            mine.stack.append(mine.stack[-1])
            mine.functions.append(mine.functions[-1])

    def _move_to(self, mine: _OpenFrame, label: Label) -> None:
        """Go to a function where jumps do not tell calls from returns: back to it if it is open."""
        if label.name in mine.functions:
            self._close_functions(mine, len(mine.functions) - mine.functions[::-1].index(label.name))
        elif label.name != label.file:
            self._push(mine, label)

    def _enter_or_leave(self, mine: _OpenFrame, places: Places, frames: tuple[Place, ...], stack_words: int) -> None:
        """The stack of a module's functions: each takes words of a common stack, by which its frames are told apart."""
        while len(mine.words) > 1 and mine.words[-1] < stack_words:
            mine.words.pop()
            self._close_functions(mine, len(mine.stack) - 1)
        mine.top = mine.stack[-1]
        if mine.words[-1] != stack_words and frames and len(mine.stack) < FUNCTIONS_LIMIT:
            mine.words.append(stack_words)
            self._push(mine, places.label(frames[-1]))

    def _enter_inlined(self, mine: _OpenFrame, inlined: tuple[Label, ...]) -> None:
        """Stand below the calls that the compiler has inlined, outermost first."""
        depth = len(mine.stack)
        before, mine.inlined = mine.inlined, (depth, inlined)
        for index, label in enumerate(inlined, 1):
            mine.top = self._child(mine.top, label)
            mine.top.count += before[0] != depth or before[1][:index] != inlined[:index]

    def _close_functions(self, mine: _OpenFrame, keep: int) -> None:
        del mine.stack[keep:], mine.functions[keep:]
        mine.top = mine.stack[-1]

    def _push(self, mine: _OpenFrame, label: Label) -> None:
        if len(mine.stack) >= FUNCTIONS_LIMIT:
            return
        node = self._child(mine.stack[-1], label)
        node.count += 1
        mine.stack.append(node)
        mine.functions.append(label.name)
        mine.top = node

    def _at_line(self, mine: _OpenFrame, line: LineKey | None) -> None:
        """Go to a line. Code of no line, which the compiler has added, counts for the one before it."""
        if line is not None and line != mine.line:
            use = mine.lines.get(line)
            if use is None:
                self._budget.take(_NODE_BYTES)
                use = mine.lines[line] = LineUse()
            use.count += 1
            mine.line = line

    def _settle(self, mine: _OpenFrame, ink_left: int) -> None:
        """Give the ink and the time since the last event to what was pending."""
        ink = mine.last_ink - ink_left - mine.child_ink
        mine.last_ink, mine.child_ink = ink_left, 0
        mine.pending.ink += ink
        passed = self._give_time()
        if mine.line is not None:
            use = mine.lines[mine.line]
            use.ink += ink
            use.ns += passed

    def _give_time(self) -> int:
        """Give the time since the last event's end to what was pending, and tell it."""
        passed = time.perf_counter_ns() - self._last_ns
        if self._open:
            mine = self._open[-1]
            mine.ns[mine.pending] = mine.ns.get(mine.pending, 0) + passed
        return passed

    def _scale(self, frame: _OpenFrame) -> None:
        """Let the frame's times sum up to its time at full speed."""
        watched = sum(frame.ns.values())
        measured = self._frame_ns[frame.ordinal] if frame.ordinal < len(self._frame_ns) else watched
        factor = measured / watched if watched else 0.0
        for node, nanoseconds in frame.ns.items():
            node.ns += nanoseconds * factor
        for key, use in frame.lines.items():
            total = self._lines.setdefault(key, LineUse())
            total.ink += use.ink
            total.ns += use.ns * factor
            total.count += use.count

    def _child(self, parent: Node, label: Label) -> Node:
        node = parent.children.get(label)
        if node is None:
            self._budget.take(_NODE_BYTES)
            node = parent.children[label] = Node(label)
        return node


_OPCODES = tuple(Label("opcode", name) for name in NAMES)
