"""`zevm run` and `zevm init`: their flags are the table of settings."""

import gc
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated

import typer

from zevm.node.chains import NamedChain, chains_in
from zevm.node.commands.options import ConfigOption, DatadirOption
from zevm.node.config import load_settings
from zevm.node.errors import SettingsError
from zevm.node.foreign_flags import translated
from zevm.node.help import COMMON_PANEL, COMMON_SETTINGS, show_limits
from zevm.node.setting_kinds import LIMITS, POOL, as_text
from zevm.node.settings import Settings, setting_flags

_HELP_FLAGS = ("--help", "-h")


def _run(**values: object) -> None:
    """Start the node: on 127.0.0.1:8545, with its chain in .zevm, unless told otherwise.

    Every setting may also come from the environment (ZEVM_PORT=8546) or a TOML file (port = 8546).
    `--help-limits` shows the flags of limits.
    """
    config, file, _ = (values.pop(name, None) for name in _OTHER_PARAMETERS)
    given = {name: value for name, value in values.items() if value not in (None, False)}
    if isinstance(file, Path):
        if config is not None:
            raise SettingsError("--config cannot be used with --chains: settings of all chains stand in that file")
        chains = chains_in(file, given)
    else:
        chains = [NamedChain("", load_settings(given, config if isinstance(config, Path) else None))]
    # the node's rooms take most of a second to import: a wrong setting is told before, and no garbage is made
    gc.disable()
    from zevm.node.app import run_nodes

    raise typer.Exit(run_nodes(chains))


ChainsOption = Annotated[
    Path | None,
    typer.Option(
        "--chains",
        metavar="FILE",
        help="Run the chains of a TOML file in one process and on one clock (docs/chains.md).",
    ),
]
LimitsOption = Annotated[
    bool,
    typer.Option("--help-limits", is_eager=True, callback=show_limits, help="Show the flags of limits and exit."),
]
_OTHER_PARAMETERS = {
    name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    for name, default, annotation in (
        ("config", None, ConfigOption),
        ("chains", None, ChainsOption),
        ("help_limits", False, LimitsOption),
    )
}
"""Those of `zevm run` that are no settings."""


def run_for(arguments: Sequence[str] | None) -> Callable[..., None]:
    """`zevm run` with the flags that are among its arguments; with all for None, for help and for mistakes.

    Typer makes a parser of each flag that it knows: those of 270 take longer than the rest of a start.
    """
    known = setting_flags()
    if arguments is None or not (given := _flags_among(arguments)) <= _own_flags().keys() - _HELP_FLAGS:
        return _with_flags(_run, known, _OTHER_PARAMETERS)
    settings = [name for name, flag in known.items() if not given.isdisjoint(flag.names)]
    return _with_flags(_run, settings, [name for name in ("config", "chains") if f"--{name}" in given])


def _flags_among(arguments: Iterable[str]) -> set[str]:
    return {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}


def _with_flags(function: Callable[..., None], settings: Collection[str], others: Iterable[str]) -> Callable[..., None]:
    """A function that accepts any keyword, as one with a signature: an option for each name."""

    @wraps(function)
    def flagged(**values: object) -> None:
        function(**values)

    parameters = [
        *_parameters((name for name in COMMON_SETTINGS if name in settings), COMMON_PANEL),
        *(_OTHER_PARAMETERS[name] for name in others),
        *_parameters(name for name in settings if name not in COMMON_SETTINGS),
    ]
    flagged.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flagged.__annotations__ = {}
    return flagged


def _parameters(names: Iterable[str], panel: str | None = None) -> Iterator[inspect.Parameter]:
    """Parameters of a command for settings; `panel`: their group in the help, where it is not each one's own."""
    for name in names:
        flag, field = setting_flags()[name], Settings.model_fields[name]
        is_switch = field.annotation is bool
        default = "" if is_switch or field.default in (None, ()) else f" (default: {as_text(field.default)})"
        option = typer.Option(
            None,
            *flag.names,
            help=(field.description or "") + default,
            rich_help_panel=panel or flag.panel,
            metavar="" if is_switch else flag.metavar,
            show_default=False,
            hidden=flag.panel in (LIMITS, POOL),
        )
        kind = bool | None if is_switch else str | None
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def common_flags() -> Callable[..., None]:
    """For the help of `zevm` itself; never called with arguments, since arguments of `zevm` go to `run`."""

    def show(**_: object) -> None:
        pass

    panel = "Common flags of `run`: zevm --port 8546 is zevm run --port 8546"
    show.__signature__ = inspect.Signature(list(_parameters(COMMON_SETTINGS, panel)))  # type: ignore[attr-defined]
    show.__annotations__ = {}
    return show


def init(
    genesis: Annotated[Path, typer.Option("--genesis", metavar="FILE", help="Genesis file in geth's format.")],
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Create a chain in the data directory from a genesis file."""
    from zevm.node.network import initialise

    settings = load_settings({"init": str(genesis), **({} if datadir is None else {"datadir": str(datadir)})}, config)
    header = initialise(settings)
    typer.echo(f"{settings.datadir}: block {header.number} is 0x{header.hash.hex()}")


def in_own_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments of `zevm run` with our flags in the place of other nodes', and a note of each on standard error.

    Flags with an optional value have one. Raises SettingsError for a flag without an equivalent.
    """
    ours, notes = translated(arguments, _own_flags())
    for note in notes:
        print(f"zevm: {note}", file=sys.stderr)
    return _with_bare_values(ours)


def _own_flags() -> dict[str, bool]:
    """Each flag of `zevm run`, and whether a value follows it."""
    flags = {"--config": True, "--chains": True} | dict.fromkeys(_HELP_FLAGS, False)
    for name, flag in setting_flags().items():
        flags |= dict.fromkeys(flag.names, Settings.model_fields[name].annotation is not bool)
    return flags


def _with_bare_values(arguments: Sequence[str]) -> list[str]:
    """Complete flags with an optional value, as in `--ipc --port 1`."""
    bare = {name: flag.bare_value for flag in setting_flags().values() for name in flag.names if flag.bare_value}
    completed = []
    for index, argument in enumerate(arguments):
        completed.append(argument)
        value = bare.get(argument)
        follows = arguments[index + 1] if index + 1 < len(arguments) else "-"
        if value is not None and follows.startswith("-"):
            completed.append(value)
    return completed
