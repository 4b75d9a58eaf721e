"""Options that the commands of `zevm contract` share, and how their errors are told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from zevm.contracts.errors import ArtifactError, BuildError, CompilerFailedError, NoArtifactError, NoContractError
from zevm.contracts.project import Project
from zevm.node.errors import NodeError

RootOption = Annotated[
    Path,
    typer.Option("--root", metavar="FOLDER", help="The project. (default: this folder)", show_default=False),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Folder of artifacts. (default: the project's out/)"),
]
HERE = Path()


def once() -> Callable[[str], None]:
    """Print each sentence to standard error the first time: a source may be compiled more than once in one build."""
    seen: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in seen:
            seen.add(sentence)
            typer.echo(sentence, err=True)

    return tell


Hints = Mapping[type[Exception], str]
"""Error of a build -> what to do about it, in words of the command line."""

HINTS: Hints = {
    NoContractError: "or begin a project with `zevm contract new NAME --lang zig`",
    NoArtifactError: "run `zevm contract build` in the project's folder",
}


@contextmanager
def told(more_hints: Hints = MappingProxyType({})) -> Iterator[None]:
    """Frame work on contracts: a compiler's text is printed as it is, everything else is a line. Raises NodeError.

    more_hints: of a command whose flags set the limits.
    """
    try:
        yield
    except (ArtifactError, BuildError) as error:
        hint = {**HINTS, **more_hints}.get(type(error))
        text = f"{error}" if hint is None else f"{error}; {hint}"
        if not isinstance(error, CompilerFailedError):
            raise NodeError(text) from None
        typer.echo(text, err=True)
        raise typer.Exit(1) from None


def project_of(root: Path, out: Path | None) -> Project:
    """The project that the options name. Raises NodeError."""
    if not root.is_dir():
        raise NodeError(f"--root {root}: there is no such folder")
    return Project.at(root, out)
