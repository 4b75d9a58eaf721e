"""`zevm version`."""

import typer

from zevm import __version__


def version() -> None:
    """Print the version."""
    typer.echo(f"zevm {__version__}")
