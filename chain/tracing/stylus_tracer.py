"""stylusTracer: the host calls of a transaction's WebAssembly contracts, nested as its calls are.

The format is Arbitrum's, as `cargo stylus trace --use-native-tracer` and `replay` read it (stylus-tools,
core/tracing/frame.rs). A frame that a host function opens is that function's `steps`. Any other frame is a step of its
own, named `evm_` and what opened it, whose other members are empty; so are the frames of create1 and create2.
"""

# ruff: noqa: ARG002  one signature for all tracers, used or not

import orjson

from zevm.chain.tracing.encoded import Parts, take_text
from zevm.chain.tracing.hostio import Hostio, HostioReader
from zevm.chain.tracing.settings import Budget, Options, TraceContext
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.interface import VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import HostCall, WatchedFrame
from zevm.storage.primitives import Address

FRAME_NAMES = {
    "CALL": "evm_call_contract",
    "CALLCODE": "evm_call_code_contract",
    "DELEGATECALL": "evm_delegate_call_contract",
    "STATICCALL": "evm_static_call_contract",
    "CREATE": "evm_create1",
    "CREATE2": "evm_create2",
    "SELFDESTRUCT": "evm_self_destruct",
}
"""The steps of frames, by their kinds. Stylus' tools name them so, but for CALLCODE, which they do not know."""

_NESTING = ("call_contract", "delegate_call_contract", "static_call_contract")
_STEPS_TOGETHER = 1_000
_NOTHING = Hostio("", b"", b"", 0, 0)


class _OpenFrame:
    """A frame's step under construction. index: of its head among the parts. is_empty: it has no steps yet."""

    __slots__ = ("index", "is_empty", "name", "target")

    def __init__(self, index: int, name: str, target: Address) -> None:
        self.index, self.name, self.target = index, name, target
        self.is_empty = True


class StylusTracer(ResultTracer):
    """[{name, args, outs, startInk, endInk, address, steps}]; the last two only of frames. No options.

    The text grows in one list, as the result may be large and calls nest deeply: a frame's head is filled in at its
    end, and again when the host function that opened it is done.
    """

    wants_host_calls = True

    def __init__(self, options: Options, context: TraceContext) -> None:
        self._reader = HostioReader()
        self._budget = Budget()
        self._parts: Parts = [b"["]
        self._steps: list[bytes] = []
        self._outermost = _OpenFrame(0, "", Address(bytes(20)))
        self._open: list[_OpenFrame] = []
        self._closed: list[_OpenFrame | None] = []

    def on_enter(self, start: FrameStart) -> None:
        """Begin the step of a frame; the outermost one's steps are the result."""
        if start.depth == 0 and not self._open:
            self._open.append(self._outermost)
            return
        self._fold()
        frame = _OpenFrame(len(self._parts), FRAME_NAMES[start.kind], start.target)
        self._parts.append(self._separator())
        self._open.append(frame)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Finish the step of a frame."""
        frame = self._open.pop()
        if frame is self._outermost:
            return
        self._fold()
        self._parts.append(b"]}")
        self._fill(frame, _NOTHING._replace(name=frame.name))
        if self._closed:
            self._closed[-1] = frame

    def on_program_start(self, frame: WatchedFrame, size: int, ink_left: int) -> None:
        """A step for the begin of a program."""
        self._add(self._reader.start(size, ink_left))

    def on_program_end(self, frame: WatchedFrame, status: int | None, ink_left: int) -> None:
        """A step for its end."""
        self._add(self._reader.end(status, ink_left))

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """Keep what goes in."""
        self._reader.called(call)
        self._closed.append(None)

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:
        """A step for the call, or its members into the step of the frame that it opened."""
        hostio = self._reader.returned(result, ink_left, error)
        opened = self._closed.pop()
        if hostio is not None and hostio.name in _NESTING and opened is not None:
            self._fill(opened, hostio)
        else:
            self._add(hostio)

    def _add(self, hostio: Hostio | None) -> None:
        if hostio is None:
            return
        text = self._separator() + b"{%b}" % self._members(hostio)
        self._steps.append(text)
        if len(self._steps) >= _STEPS_TOGETHER:
            self._fold()

    def _fold(self) -> None:
        """Make one text of the steps so far: a million of them would be freed in one long step."""
        if self._steps:
            self._parts.append(b"".join(self._steps))
            self._steps.clear()

    def _fill(self, frame: _OpenFrame, hostio: Hostio) -> None:
        separator = b"," if self._parts[frame.index].startswith(b",") else b""
        address = b'"address":"0x%b","steps":[' % frame.target.hex().encode()
        self._parts[frame.index] = separator + b"{%b,%b" % (self._members(hostio), address)

    def _members(self, hostio: Hostio) -> bytes:
        self._budget.take(2 * (len(hostio.inputs) + len(hostio.outputs)) + 100)
        return orjson.dumps(
            {
                "name": hostio.name,
                "args": "0x" + hostio.inputs.hex(),
                "outs": "0x" + hostio.outputs.hex(),
                "startInk": hostio.start_ink,
                "endInk": hostio.end_ink,
            }
        )[1:-1]

    def _separator(self) -> bytes:
        """The text before the next step of the innermost frame."""
        frame = self._open[-1]
        is_first, frame.is_empty = frame.is_empty, False
        return b"" if is_first else b","

    def result(self) -> Json:
        """The steps of the outermost frame."""
        return orjson.Fragment(take_text(self.encode()))

    def encode(self) -> Parts:
        """The same as JSON text."""
        self._fold()
        return [*self._parts, b"]"]
