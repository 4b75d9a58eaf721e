"""Options that the commands of `zevm contract` share, and how their errors are told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from zevm.contracts.errors import ArtifactError, BuildError
from zevm.contracts.project import Project
from zevm.node.errors import NodeError

RootOption = Annotated[
    Path,
    typer.Option("--root", metavar="FOLDER", help="The project. (default: this folder)", show_default=False),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Of artifacts. (default: the project's out/)"),
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


@contextmanager
def told() -> Iterator[None]:
    """Frame work on contracts: a compiler's text is printed as it is, everything else is a line. Raises NodeError."""
    try:
        yield
    except BuildError as error:
        text = str(error)
        if "\n" not in text:
            raise NodeError(text) from None
        typer.echo(text, err=True)
        raise typer.Exit(1) from None
    except ArtifactError as error:
        raise NodeError(str(error)) from None


def project_of(root: Path, out: Path | None) -> Project:
    """The project that the options name. Raises NodeError."""
    if not root.is_dir():
        raise NodeError(f"--root {root}: there is no such folder")
    return Project.at(root, out)
