"""From a source to its artifacts, in whatever language it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.assemblyscript import compile_assemblyscript_file
from zevm.contracts.compilers.c import compile_c_file
from zevm.contracts.compilers.common import Source, source_of
from zevm.contracts.compilers.solidity import compile_solidity_file
from zevm.contracts.compilers.vyper import compile_vyper_file
from zevm.contracts.compilers.zig import compile_zig_file
from zevm.contracts.errors import BuildError
from zevm.contracts.options import BuildOptions
from zevm.contracts.scratch import scratch_folder
from zevm.contracts.source_files import read_text


@dataclass(frozen=True, slots=True)
class Language:
    """One language. suffix: of its sources. compile: from a source to its artifacts."""

    name: str
    suffix: str
    compile: Callable[[Source, BuildOptions], Sequence[Artifact]]


def _single(compiler: Callable[[Source, BuildOptions], Artifact]) -> Callable[[Source, BuildOptions], list[Artifact]]:
    return lambda source, options: [compiler(source, options)]


LANGUAGES = {
    language.name: language
    for language in (
        Language("zig", ".zig", _single(compile_zig_file)),
        Language("c", ".c", _single(compile_c_file)),
        Language("assemblyscript", ".ts", _single(compile_assemblyscript_file)),
        Language("solidity", ".sol", compile_solidity_file),
        Language("vyper", ".vy", _single(compile_vyper_file)),
    )
}
"""Languages by their names on the command line."""

BY_SUFFIX = {language.suffix: language for language in LANGUAGES.values()}


def build_all(source: Path, options: BuildOptions | None = None) -> Sequence[Artifact]:
    """The artifacts of all contracts in a source. Raises BuildError."""
    chosen = options or BuildOptions()
    language = BY_SUFFIX.get(source.suffix)
    if language is None:
        raise BuildError(f"{source}: no compiler for {source.suffix or 'this'}; want {', '.join(BY_SUFFIX)}")
    found = source_of(source, chosen.root)
    # compilers repeat the bytes of a faulty source, which may be commands of a terminal
    read_text(source)
    return language.compile(found, chosen)


def build(source: Path, options: BuildOptions | None = None) -> Artifact:
    """The artifact of a source with one contract. Raises BuildError."""
    artifacts = build_all(source, options)
    if len(artifacts) != 1:
        raise BuildError(f"{source}: {len(artifacts)} contracts, want one: {', '.join(a.name for a in artifacts)}")
    return artifacts[0]


def compile_zig(text: str, name: str, options: BuildOptions | None = None) -> Artifact:
    """The artifact of a Zig source in memory, alone in a folder of its own. Raises BuildError.

    name: of the file in messages, without its suffix.
    """
    if not name.isidentifier() or not name.isascii():
        raise BuildError(f"{name!r} is not a name for a contract; want letters, digits and _, as in Token")
    chosen = options or BuildOptions()
    with scratch_folder("source", chosen.scratch) as folder:
        root = folder.resolve()
        source = root / f"{name}.zig"
        source.write_text(text)
        return build(source, replace(chosen, root=root))
