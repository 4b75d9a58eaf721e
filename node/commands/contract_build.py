"""`zevm contract build`: compile contracts into artifacts."""

from pathlib import Path
from typing import Annotated

import typer

from zevm.contracts.artifact import Artifact
from zevm.contracts.errors import BuildTimeoutError, CompilerMemoryError
from zevm.contracts.options import CompilerLimits
from zevm.node.commands.contract_options import HERE, OutOption, RootOption, once, project_of, told

_DEFAULTS = CompilerLimits()
_LIMITS = {
    BuildTimeoutError: "--timeout-seconds raises the limit",
    CompilerMemoryError: "--memory-mib raises the limit",
}


def build(
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="[SOURCES]...", help="Sources; those in src/ unless named.")
    ] = None,
    root: RootOption = HERE,
    out: OutOption = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Smaller and faster code that checks neither arithmetic nor indices.")
    ] = False,
    compress: Annotated[
        bool, typer.Option("--compress/--no-compress", help="Store modules compressed if that is smaller.")
    ] = True,
    timeout_seconds: Annotated[
        float, typer.Option("--timeout-seconds", min=0.1, metavar="SECONDS", help="Time of one compiler run at most.")
    ] = _DEFAULTS.seconds,
    memory_mib: Annotated[
        int, typer.Option("--memory-mib", min=64, metavar="MIB", help="Memory of one compiler run at most.")
    ] = _DEFAULTS.memory_bytes >> 20,
) -> None:
    """Compile contracts into artifacts in Foundry's form. Nothing is written if one of them does not compile."""
    from zevm.contracts import BuildOptions, build_all

    project = project_of(root, out)
    options = BuildOptions(
        checked=not unchecked,
        compress=compress,
        limits=CompilerLimits(seconds=timeout_seconds, memory_bytes=memory_mib << 20),
        root=project.root,
        on_wait=once(),
    )
    if unchecked:
        typer.echo("--unchecked: wrong arithmetic and indices go unnoticed in these contracts", err=True)
    with told(_LIMITS):
        built = [artifact for source in sources or project.sources() for artifact in build_all(source, options)]
        for artifact in built:
            _tell(artifact, artifact.write(project.out))


def _tell(artifact: Artifact, path: Path) -> None:
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    module = "" if artifact.module is None else f", {len(artifact.module):,} as a module"
    typer.echo(f"{shown}: {len(artifact.deployed_bytecode):,} bytes stored{module}")
