"""The help of the command line: the dozen most important flags first, the limits on request, no redundant types."""

from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

COMMON_PANEL = "Common flags"
COMMON_SETTINGS = (
    "port", "host", "accounts", "mnemonic", "chain_id", "hardfork", "block_time", "no_mining", "gas_limit",
    "datadir", "memory", "fresh", "quiet",
)  # fmt: skip
"""The most used flags, in the order of the help."""


def command_tree(app: typer.Typer) -> TyperGroup:
    """The commands; their switches and arguments show no Python types in the help."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for command in _commands(group):
        context = typer.Context(command, help_option_names=["-h", "--help"])
        for parameter in command.get_params(context):
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
            elif isinstance(parameter, TyperArgument):
                parameter.display_type_rich = _no_type  # type: ignore[method-assign]
    return group


def _no_type(ctx: object) -> None:
    """Replace the type of an argument whose name explains it."""


def _commands(group: TyperGroup) -> Iterator[TyperCommand | TyperGroup]:
    yield group
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _commands(command)
        elif isinstance(command, TyperCommand):
            yield command


def show_limits(context: typer.Context, wanted: bool) -> None:
    """`--help-limits`: the help of the hidden flags only."""
    if not wanted:
        return
    for parameter in context.command.params:
        parameter.hidden = not getattr(parameter, "hidden", False)  # type: ignore[attr-defined]
    typer.echo(context.get_help(), nl=False)
    raise typer.Exit
