"""The command line: `zevm` starts a node; the table of settings defines its flags."""

import gc
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from zevm import __version__
from zevm.analysis.printable import printable
from zevm.chain.errors import ChainError, NodeFaultError
from zevm.node.advice import for_this_command
from zevm.node.commands import account, audit, blocks, console, contract, database, profile, quic, wasm, zns
from zevm.node.commands.options import ConfigOption, DatadirOption
from zevm.node.commands.wasm_options import NEGATIVE_NUMBERS
from zevm.node.config import in_own_words, load_settings
from zevm.node.errors import NodeError, reason_of
from zevm.node.foreign_flags import translated
from zevm.node.help import COMMON_PANEL, COMMON_SETTINGS, command_tree, show_limits
from zevm.node.hints import told
from zevm.node.secrets import without_secrets
from zevm.node.setting_kinds import LIMITS, POOL
from zevm.node.settings import Settings, setting_flags
from zevm.storage.errors import StorageError

DEFAULT_COMMAND = "run"
_HELP_HINT = "`zevm --help` lists the commands, `zevm run --help` the flags"
_OWN_OPTIONS = frozenset({"--help", "-h", "--version", "-V", "--install-completion", "--show-completion"})

app = typer.Typer(
    name="zevm",
    help="An Ethereum JSON-RPC node. Without a command: `run`; `zevm run --help` lists all its flags.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(database.app, name="db")
app.add_typer(account.app, name="account")
app.add_typer(contract.app, name="contract")
app.add_typer(wasm.app, name="wasm")
app.add_typer(quic.app, name="quic")
app.add_typer(zns.app, name="zns")
app.command("export")(blocks.export_blocks)
app.command("import")(blocks.import_blocks)
app.command("console")(console.console)
app.command("profile", context_settings=NEGATIVE_NUMBERS)(profile.profile)
app.command("audit")(audit.audit)


def _run(**values: object) -> None:
    """Start the node: on 127.0.0.1:8545, with its chain in .zevm, unless told otherwise.

    Every setting may also come from the environment (ZEVM_PORT=8546) or a TOML file (port = 8546).
    `--help-limits` shows the flags of limits.
    """
    config, _ = values.pop("config"), values.pop("help_limits")
    given = {name: value for name, value in values.items() if value not in (None, False)}
    settings = load_settings(given, config if isinstance(config, Path) else None)
    # the node's rooms take most of a second to import: a wrong setting is told before, and no garbage is made
    gc.disable()
    from zevm.node.app import run_node

    raise typer.Exit(run_node(settings))


def _with_setting_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Give a function that accepts any keyword a signature with one option for each setting."""
    limits = typer.Option(
        "--help-limits", is_eager=True, callback=show_limits, help="Show the flags of limits and exit."
    )
    parameters = [
        *_parameters(COMMON_SETTINGS, COMMON_PANEL),
        inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigOption),
        inspect.Parameter(
            "help_limits", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, limits]
        ),
        *_parameters(name for name in setting_flags() if name not in COMMON_SETTINGS),
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {}
    return function


def _parameters(names: Iterable[str], panel: str | None = None) -> Iterator[inspect.Parameter]:
    """Parameters of a command for settings; `panel`: their group in the help, where it is not each one's own."""
    for name in names:
        flag, field = setting_flags()[name], Settings.model_fields[name]
        is_switch = field.annotation is bool
        default = "" if is_switch or field.default in (None, ()) else f" (default: {_shown(field.default)})"
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


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _show_common_flags(**_: object) -> None:
    """Appear in the help of `zevm` itself; never called with arguments, since arguments of `zevm` go to `run`."""


_show_common_flags.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    list(_parameters(COMMON_SETTINGS, "Common flags of `run`: zevm --port 8546 is zevm run --port 8546"))
)
_show_common_flags.__annotations__ = {}
app.callback()(_show_common_flags)
app.command(DEFAULT_COMMAND)(_with_setting_flags(_run))


@app.command()
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


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"zevm {__version__}")


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """`zevm --port 1` means `zevm run --port 1`; `zevm --version` means `zevm version`.

    Flags of other nodes are translated into ours, with a note on standard error. Raises SettingsError for a flag
    without an equivalent.
    """
    if arguments and arguments[0] in ("--version", "-V"):
        return ["version"]
    if not arguments or (arguments[0].startswith("-") and arguments[0].split("=")[0] not in _OWN_OPTIONS):
        arguments = [DEFAULT_COMMAND, *arguments]
    if arguments[0] == DEFAULT_COMMAND:
        ours, notes = translated(arguments[1:], _own_flags())
        for note in notes:
            print(f"zevm: {note}", file=sys.stderr)
        return [DEFAULT_COMMAND, *_with_bare_values(ours)]
    return list(arguments)


def _own_flags() -> dict[str, bool]:
    """Each flag of `zevm run`, and whether a value follows it."""
    flags = {"--config": True, "--help": False, "-h": False}
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


def _help_hint(error: typer.TyperException) -> str:
    """The place of the mistaken command's help."""
    context = getattr(error, "ctx", None)
    command = "zevm" if context is None else context.command_path
    return _HELP_HINT if command in ("zevm", f"zevm {DEFAULT_COMMAND}") else f"`{command} --help` lists its flags"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 for success, 2 for a wrong flag or setting, 1 for any other failure."""
    chosen = list(sys.argv[1:] if arguments is None else arguments)
    try:
        chosen = with_default_command(chosen)
        result = command_tree(app).main(chosen, prog_name="zevm", standalone_mode=False)
    except typer.TyperException as error:
        _fail(f"{in_own_words(error.format_message())} ({_help_hint(error)})", 2, chosen)
    except NodeError as error:
        _fail(str(error), error.exit_code, chosen)
    except (StorageError, ChainError, NodeFaultError) as error:
        _fail(told(error), 1, chosen)
    except UnicodeEncodeError:
        wrong = next((text for text in chosen if not _is_text(text)), "an argument")
        _fail(f"{wrong.encode(errors='surrogateescape')!r} is no text in UTF-8, which goes to a node", 2, chosen)
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        _fail(f"{where}{reason_of(error)}", 1, chosen)
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped", 130, chosen)
    sys.exit(result if isinstance(result, int) else 0)


def _is_text(argument: str) -> bool:
    """Whether all bytes of an argument were text to Python."""
    return not any("\udc80" <= character <= "\udcff" for character in argument)


def _fail(message: str, code: int, arguments: Sequence[str]) -> None:
    """Print in one line why the command ends, without secrets of the command line and with advice that fits it."""
    line = for_this_command(without_secrets(" ".join(message.split()), arguments), arguments)
    print(f"zevm: {printable(line)}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
