"""The debug mode's log of one execution: contract, gas limit, each call and host call, gas used, and where it failed.

The lines are those of the SHROUD guide's debug mode, with names of known contracts and, where one stops, with the
function, file and line of its source map.
"""

from collections.abc import Callable, Sequence
from typing import Final

from eth_utils.address import to_checksum_address

from zevm.analysis.abi_values import show_bytes
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.printable import printable
from zevm.analysis.profile.sites import Site, SiteFinder
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.interface import Outcome, VmError, VmErrorKind
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import HostCall, TransactionStart, WatchedFrame
from zevm.contracts.revert_reasons import Decoder

PREFIX: Final = "[ZVM DEBUG] "
LINES_LIMIT: Final = 1_000
"""Lines about one execution; further ones are counted."""
PLACES_LIMIT: Final = 16
"""Places of one stop that are shown, innermost first."""

Sink = Callable[[Sequence[str]], None]
"""Receives the lines of an execution that has ended; from any thread, and must be quick."""


class DebugLog:
    """Makes the tracer of each execution of a node."""

    def __init__(self, catalogue: Catalogue, decoder: Decoder, sink: Sink) -> None:
        self._catalogue, self._decoder, self._sink = catalogue, decoder, sink

    def __call__(self, purpose: str) -> "ExecutionLog":
        return ExecutionLog(self._catalogue, self._decoder, self._sink, purpose)


class ExecutionLog(QuietTracer):
    """Writes one execution down."""

    wants_host_calls = True

    def __init__(self, catalogue: Catalogue, decoder: Decoder, sink: Sink, purpose: str) -> None:
        self._purpose = purpose
        self._finder = SiteFinder(catalogue)
        self._decoder, self._sink = decoder, sink
        self._lines: list[str] = []
        self._left_out = 0
        self._open: list[tuple[str, Site]] = []
        self._host_ink: list[tuple[HostCall, int]] = []

    def on_begin(self, start: TransactionStart) -> None:
        """Name the contract, what is executed, and the gas limit."""
        self._finder.begin(start.state, start.precompiles)
        name = None if start.to is None else self._finder.name_of(start.to)
        what = "a creation" if start.to is None else str(to_checksum_address(start.to)) + (f" ({name})" if name else "")
        self._add(0, f"Executing contract: {what}")
        self._add(0, f"For: {self._purpose} in block {start.block_number}")
        self._add(0, f"Gas limit: {start.gas_limit}")

    def on_enter(self, start: FrameStart) -> None:
        """Write a call down."""
        site = self._finder.of_frame(start)
        label = site.label
        name = f"{label.contract}::{label.name}" if label.contract is not None else label.name
        value = f", value {start.value}" if start.value and start.kind != "DELEGATECALL" else ""
        self._open.append((start.kind, site))
        self._add(len(self._open), f"{start.kind} {name}, gas {start.gas_limit}{value}")

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Write down how it ended."""
        kind, _ = self._open[-1]
        returned = f"{len(output):,} bytes of code" if kind in CREATIONS else show_bytes(output)
        result = f"returned {returned}" if error is None else self._failure(error, output)
        self._add(len(self._open) + 1, f"{result}, gas used {gas_used}")
        self._open.pop()

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:  # noqa: ARG002
        """Remember what it costs from."""
        self._host_ink.append((call, call.ink_left + call.fixed_ink))

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:  # noqa: ARG002
        """Write a host call down, once its price is known."""
        call, before = self._host_ink.pop()
        arguments = ", ".join(str(argument) for argument in call.arguments)
        ending = "" if error is None else f", stopped: {error}"
        gas = (before - ink_left) / call.ink_per_gas
        self._add(len(self._open) + 1, f"host {call.name}({arguments}), gas {gas:.4f}{ending}")

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:  # noqa: ARG002
        """Write down where a WebAssembly contract stopped, as far as its source map tells."""
        places = self._open[-1][1].places
        if places is None:
            return
        found = [place for offset in offsets() for place in places.frames(offset)]
        for place in found[:PLACES_LIMIT]:
            self._add(len(self._open) + 1, f"at {place.function} ({place.file}:{place.line})")

    def on_end(self, outcome: Outcome) -> None:
        """Hand the lines on."""
        if self._left_out:
            self._lines.append(f"{PREFIX}({self._left_out} more lines)")
        ending = "completed" if outcome.error is None else self._failure(outcome.error, outcome.output)
        self._lines.append(f"{PREFIX}Execution {printable(ending)}, gas used: {outcome.gas_used}")
        self._sink(self._lines)

    def _failure(self, error: VmError, output: bytes) -> str:
        if error.kind is not VmErrorKind.REVERT:
            return f"failed: {error.message}"
        reason = self._decoder.revert_reason(output)
        if reason is None:
            return f"reverted with {show_bytes(output)}" if output else "reverted"
        return f"reverted: {reason}"

    def _add(self, depth: int, text: str) -> None:
        if len(self._lines) < LINES_LIMIT:
            self._lines.append(f"{PREFIX}{'  ' * depth}{printable(text)}")
        else:
            self._left_out += 1
