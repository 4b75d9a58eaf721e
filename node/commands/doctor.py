"""`zevm doctor`."""

import sys
from typing import Annotated

import typer

from zevm.node.advice import for_this_command
from zevm.node.commands.chosen_settings import settings_of
from zevm.node.commands.options import ConfigOption, DatadirOption


def doctor(
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="NUMBER", help="The port of the node to be. (default: 8545)"),
    ] = None,
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Look at what a node needs here, and say how to mend what is missing. The exit code is 1 if a start would fail."""
    from zevm.node.doctor import Verdict, findings

    width = max(map(len, Verdict))
    failed = False
    for finding in findings(settings_of(datadir, config, port=port)):
        typer.echo(f"{finding.verdict:<{width}}  {finding.part}: {finding.text}")
        if finding.remedy:
            typer.echo(for_this_command(f"{'':<{width}}  -> {finding.remedy}", sys.argv[1:]))
        failed |= finding.verdict is Verdict.FAULT
    raise typer.Exit(int(failed))
