"""The choices and the limits of a build."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
Guard = Callable[[Callable[[], None]], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class CompilerLimits:
    """Bounds of one compiler process. A limit that is exceeded ends it and raises BuildError."""

    seconds: float = 120
    """Wall clock time."""
    memory_bytes: int = 4_096 * MIB
    """Writable memory of one process; a compile of a contract takes about 300 MiB."""
    output_bytes: int = 64 * 1_024
    """Text that is kept of what the compiler prints."""
    file_bytes: int | None = None
    """Size of each file that the compiler writes, its standard output among them; None: any."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The choices of a build, with the defaults of a build by hand.

    checked: arithmetic, indices and casts revert where they are wrong. compress: deploy the compressed form.
    source_map: make the artifact's source map from the compiler's debug information.
    library: the folder of Zig's `covenant`, None for the project's own or the installed one. root: the folder against
    which the artifact and messages name files, None for the source's. cache: where Zig keeps what it compiled. tools:
    a folder with node_modules, in addition to those at and above the source. scratch: the folder for temporary files,
    None for the system's. launcher: words before a compiler's command, for a sandbox. environment: of compilers, None
    for the caller's. on_wait: called once a compiler has run for two seconds, with the sentence to show. guard: entered
    while a compiler runs, with the function that ends it at once. mapped_bytes: size of the largest code that gets a
    source map, None for any.
    """

    checked: bool = True
    compress: bool = True
    source_map: bool = True
    limits: CompilerLimits = field(default_factory=CompilerLimits)
    library: Path | None = None
    root: Path | None = None
    cache: Path | None = None
    tools: Path | None = None
    scratch: Path | None = None
    launcher: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    on_wait: Callable[[str], None] | None = None
    guard: Guard = nullcontext
    mapped_bytes: int | None = None
