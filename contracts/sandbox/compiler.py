"""Zig's compiler on sources of strangers: confined, and with nothing left of a compile but its artifact.

Each compile has a folder of its own with a copy of a cache that the library's own sources have filled: it is fast, and
leaves nothing behind, neither space taken nor a file that the next would read. launch.py confines it.
"""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from zevm.chain.concurrency.deadline import Cancellation
from zevm.contracts.artifact import Artifact
from zevm.contracts.builder import compile_zig
from zevm.contracts.errors import BuildError, CompilerFailedError, SandboxError
from zevm.contracts.guide_source import complete
from zevm.contracts.options import MIB, BuildOptions, CompilerLimits, Guard
from zevm.contracts.sandbox.system_calls import REFUSED, REFUSED_CODE
from zevm.contracts.scratch import scratch_folder
from zevm.contracts.toolchain import ZIG_LIBRARY, zig

_LAUNCHER = Path(__file__).with_name("launch.py")
_PROCESSES = 64
"""Threads of the compiler and its children."""
_OPEN_FILES = 1_024
_CHECK_SECONDS = 20
_WARM_UP_SECONDS = 300
"""For the first compile, which builds the compiler's own parts: seconds on an idle machine."""
_FIRST_SOURCE = """const covenant = @import("covenant");
pub const First = struct {
    pub const storage = covenant.layout(struct { names: covenant.Mapping(u256, covenant.String) });
    pub fn value() u256 {
        return 0;
    }
};
comptime {
    covenant.define(First);
}
"""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Bounds of one compile. file_bytes: of each file it writes."""

    seconds: float = 30
    memory_bytes: int = 1_024 * MIB
    file_bytes: int = 64 * MIB


def guarded_by(cancellation: Cancellation) -> Guard:
    """A guard that ends the compiler at the cancellation."""

    @contextmanager
    def guard(end: Callable[[], None]) -> Iterator[None]:
        cancellation.listen(end)
        try:
            yield
        finally:
            cancellation.forget(end)

    return guard


class SandboxedZig:
    """Compiles Zig sources in a sandbox. Any thread; each call blocks its own. To be closed.

    limits: of the compiles that begin from now on.
    """

    def __init__(self, limits: SandboxLimits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._ending = ExitStack()
        self._folder = self._ending.enter_context(scratch_folder("zig-cache"))
        self._is_warm = False
        self._end = Cancellation()

    def check(self) -> None:
        """Run the compiler in the sandbox once. Raises SandboxError, CompilerMissingError."""
        with scratch_folder("sandbox") as folder:
            command = [*self._launcher(folder, self.limits.seconds), zig(), "version"]
            try:
                finished = subprocess.run(
                    command, capture_output=True, text=True, env={}, timeout=_CHECK_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                raise SandboxError(f"it took more than {_CHECK_SECONDS} seconds to begin") from None
            if finished.returncode != 0:
                raise SandboxError(finished.stderr.strip().removeprefix(REFUSED) or f"exit {finished.returncode}")

    def compile(self, name: str, source: str, guard: Guard = nullcontext) -> Artifact:
        """The artifact of a source, which may be as short as the guide's.

        guard: see BuildOptions. Raises BuildError, ContractNameError, SandboxError.
        """
        whole = complete(name, source)
        cache = self._warm_cache()
        with scratch_folder("sandbox") as folder:
            scratch = folder.resolve()
            shutil.copytree(cache, scratch / "cache")
            return self._build(scratch, name, whole, self.limits.seconds, guard)

    def fill_cache(self) -> None:
        """Do in advance what makes the first compile slow. Raises BuildError, SandboxError; a later compile retries."""
        self._warm_cache()

    def end(self) -> None:
        """End the filling of the cache, if it is under way; no compile begins after that."""
        self._end.cancel()

    def close(self) -> None:
        """Delete the cache."""
        self._ending.close()

    def _warm_cache(self) -> Path:
        """The cache that every compile begins with; filled by the first caller, while others wait."""
        scratch = self._folder.resolve()
        with self._lock:
            if not self._is_warm:
                (scratch / "cache").mkdir(exist_ok=True)
                self._build(scratch, "First", _FIRST_SOURCE, _WARM_UP_SECONDS, guarded_by(self._end))
                self._is_warm = True
        return scratch / "cache"

    def _build(self, scratch: Path, name: str, source: str, seconds: float, guard: Guard) -> Artifact:
        limits = self.limits
        options = BuildOptions(
            source_map=False,  # it would read a client's debug information in this process
            limits=CompilerLimits(seconds, limits.memory_bytes),
            library=ZIG_LIBRARY,
            cache=scratch / "cache",
            scratch=scratch,
            launcher=self._launcher(scratch, seconds),
            environment={"HOME": str(scratch), "TMPDIR": str(scratch)},
            guard=guard,
        )
        try:
            return compile_zig(source, name, options)
        except BuildError as error:
            text = str(error)
            if isinstance(error, CompilerFailedError) and error.exit_code == REFUSED_CODE:
                raise SandboxError(text.removeprefix(REFUSED)) from error
            # whoever sent the source has no business with this machine's folders
            for folder, name in ((ZIG_LIBRARY, "covenant"), (Path(zig()).parent, "zig"), (scratch, "")):
                text = text.replace(str(folder), name)
            raise type(error)(text) from error

    def _launcher(self, scratch: Path, seconds: float) -> tuple[str, ...]:
        policy = {
            "readable": [str(Path(zig()).parent), str(ZIG_LIBRARY)],
            "writable": [str(scratch)],
            "memory_bytes": self.limits.memory_bytes,
            "file_bytes": self.limits.file_bytes,
            "cpu_seconds": int(seconds) * 4 + 1,
            "open_files": _OPEN_FILES,
            "processes": _PROCESSES,
        }
        return (sys.executable, "-I", str(_LAUNCHER), json.dumps(policy))
