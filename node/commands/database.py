"""`zevm db`: check, measure and rewind the chain on disk."""

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zevm.node.advice import for_this_command
from zevm.node.commands.chosen_settings import settings_of
from zevm.node.commands.options import ConfigOption, DatadirOption

TOLD_EVERY_SECONDS = 2.0

app = typer.Typer(help="Check and repair the chain on disk; the node must not be running.", no_args_is_help=True)


@app.command("check")
def check(
    deep: Annotated[bool, typer.Option("--deep", help="Also recompute all roots and hashes.")] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Accept the database even if its newest writes may be missing.",
        ),
    ] = False,
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Read every key and verify the newest blocks. The exit code is 1 if anything is wrong."""
    from zevm.node.repair import check_database

    count = 0
    for problem in check_database(
        settings_of(datadir, config), deep=deep, progress=WorkProgress("checking"), accept=accept
    ):
        count += 1
        typer.echo(f"problem: {problem}")
    if count:
        way = "copy the data directory, then `zevm db rewind N` makes the sound block N the head"
        typer.echo(for_this_command(f"{count} problems; {way}", sys.argv[1:]))
        raise typer.Exit(1)
    typer.echo("sound")


@app.command("stats")
def stats(
    count: Annotated[bool, typer.Option("--count", help="Also count the keys (reads the whole database).")] = False,
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the sizes of the stored data."""
    from zevm.node.network import open_database

    with open_database(settings_of(datadir, config), create=False) as database:
        figures = database.stats(count_keys=count, progress=WorkProgress("counting"))
    blocks = f"{figures.blocks:,} blocks"
    if figures.pruned_before:
        blocks += f" (pruned before {figures.pruned_before:,})"
    table = Table("kind", title=f"{blocks}, {figures.size_bytes:,} bytes in {len(figures.files)} files")
    table.add_column("bytes, about", justify="right")
    if count:
        table.add_column("keys", justify="right")
    for family in figures.families:
        keys = [f"{family.keys:,}"] if count else []
        table.add_row(family.name, f"{family.size_bytes:,}", *keys)
    Console().print(table)


@app.command("compact")
def compact(datadir: DatadirOption = None, config: ConfigOption = None) -> None:
    """Give the disk back what removed blocks and replaced values still take."""
    from zevm.node.network import open_database

    with open_database(settings_of(datadir, config), create=False) as database:
        before = database.stats().size_bytes
        database.compact(WorkProgress("compacting"))
        after = database.stats().size_bytes
    typer.echo(f"{before:,} bytes before, {after:,} bytes now")


@app.command("rewind")
def rewind(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=0, help="The block to become the head.")],
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Make an earlier block the head, step by step, and delete the later blocks."""
    from zevm.node.repair import rewind_database

    before, after = rewind_database(settings_of(datadir, config), number, WorkProgress("rewinding"))
    typer.echo(f"the head was block {before}, and is block {after} now")


@app.command("migrate")
def migrate(datadir: DatadirOption = None, config: ConfigOption = None) -> None:
    """Take over a database that an older version wrote; an interrupted run goes on where it was."""
    from zevm.node.repair import migrate_database

    progress = WorkProgress("migrating")
    if not migrate_database(settings_of(datadir, config), progress):
        typer.echo("nothing to do: the database is this version's")
        return
    typer.echo("migrated")


class WorkProgress:
    """Prints the progress of work on standard error, with an estimate of the remaining time. doing: the work."""

    def __init__(self, doing: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._doing = doing
        self._console = Console(stderr=True)
        self._clock = clock
        self._part = ""
        self._began_at = self._told_at = 0.0

    def __call__(self, part: str, done: int, total: int) -> None:
        """Report the progress of one part (storage.integrity.Progress)."""
        now = self._clock()
        if part != self._part:
            self._part, self._began_at, self._told_at = part, now, now
            self._console.print(f"{self._doing} {part}", highlight=False)
        elif done and now - self._told_at >= TOLD_EVERY_SECONDS:
            self._told_at = now
            left_seconds = (now - self._began_at) * (total - done) / done
            text = f"{self._doing} {part}: {done / total:.0%}, about {left_seconds:.0f} s left"
            self._console.print(text, highlight=False)
