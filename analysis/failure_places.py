"""Places where the calls of an execution failed: function, file and line, by the source maps of known contracts."""

from collections.abc import Callable

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.profile.sites import Places, SiteFinder
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.interface import VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import TransactionStart, WatchedFrame
from zevm.contracts.source_maps import Place


class _OpenFrame:
    """A frame under way. place: of the last instruction that has one, as code that a compiler adds has none."""

    __slots__ = ("number", "place", "places")

    def __init__(self, number: int, places: Places | None) -> None:
        self.number, self.places = number, places
        self.place: Place | None = None


class FailurePlaces(QuietTracer):
    """Watches one execution. found: by the number of the frame, in the order in which frames begin."""

    wants_steps = True

    def __init__(self, catalogue: Catalogue, most_frames: int) -> None:
        """`most_frames`: further ones have no place."""
        self._finder = SiteFinder(catalogue)
        self._most_frames = most_frames
        self._open: list[_OpenFrame] = []
        self._count = 0
        self.found: dict[int, Place] = {}

    def on_begin(self, start: TransactionStart) -> None:
        """Keep the state, for codes."""
        self._finder.begin(start.state, start.precompiles)

    def on_enter(self, start: FrameStart) -> None:
        """Look up the frame's source map."""
        is_shown = self._count < self._most_frames
        self._open.append(_OpenFrame(self._count, self._finder.of_frame(start).places if is_shown else None))
        self._count += 1

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:  # noqa: ARG002
        """Remember where the code is."""
        mine = self._open[-1]
        if mine.places is not None:
            frames = mine.places.frames(program_counter)
            if frames:
                mine.place = frames[0]

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:  # noqa: ARG002
        """A WebAssembly contract tells where it is only when it stops."""
        mine = self._open[-1]
        if mine.places is not None:
            mine.place = next((places[0] for offset in offsets() if (places := mine.places.frames(offset))), None)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002
        """Keep the place of a failed frame."""
        mine = self._open.pop()
        if error is not None and mine.place is not None:
            self.found[mine.number] = mine.place
