"""The command line: `zevm` starts a node. A command imports what it needs, and no other command."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import typer

from zevm.analysis.printable import printable
from zevm.chain.errors import ChainError, NodeFaultError
from zevm.node.advice import for_this_command
from zevm.node.errors import NodeError, reason_of
from zevm.node.help import command_tree
from zevm.node.own_words import in_own_words
from zevm.node.secrets import without_secrets
from zevm.storage.errors import StorageError

DEFAULT_COMMAND = "run"
_HELP_HINT = "`zevm --help` lists the commands, `zevm run --help` the flags"
COMPLETION_VARIABLE = "_ZEVM_COMPLETE"
"""Set by the shell that asks for completions of a line, which is then no argument."""

_VERSION_FLAGS = ("--version", "-V")
_OWN_OPTIONS = frozenset({"--help", "-h", *_VERSION_FLAGS, "--install-completion", "--show-completion"})


class Command(NamedTuple):
    """A command's place: its module in zevm.node.commands, and its function there or the Typer of its commands.

    by_arguments: the member makes the function out of the command's arguments; of None, one that accepts all.
    """

    module: str
    member: str = "app"
    context_settings: dict[str, Any] | None = None
    by_arguments: bool = False


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "db": Command("database"),
        "account": Command("account"),
        "contract": Command("contract"),
        "wasm": Command("wasm"),
        "quic": Command("quic"),
        "zns": Command("zns"),
        "fork": Command("fork"),
        "export": Command("blocks", "export_blocks"),
        "import": Command("blocks", "import_blocks"),
        "console": Command("console", "console"),
        "profile": Command("profile", "profile", {"ignore_unknown_options": True}),
        "audit": Command("audit", "audit"),
        "run": Command("run", "run_for", by_arguments=True),
        "init": Command("run", "init"),
        "doctor": Command("doctor", "doctor"),
        "version": Command("version", "version"),
    }
)
"""In the order of the help."""


def _nothing() -> None:
    """Make a group of one command too."""


def app_of(
    names: Iterable[str], callback: Callable[..., None] = _nothing, arguments: Sequence[str] | None = None
) -> typer.Typer:
    """The command line with these commands of the table.

    callback: its signature has the flags of `zevm` itself. arguments: a lone command's, where it is for them alone.
    """
    app = typer.Typer(
        name="zevm",
        help="An Ethereum JSON-RPC node. Without a command: `run`; `zevm run --help` lists all its flags.",
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        place = COMMANDS[name]
        member = getattr(import_module(f"zevm.node.commands.{place.module}"), place.member)
        if place.by_arguments:
            member = member(arguments)
        if isinstance(member, typer.Typer):
            app.add_typer(member, name=name)
        else:
            app.command(name, context_settings=place.context_settings)(member)
    app.callback()(callback)
    return app


def whole_app() -> typer.Typer:
    """The command line with every command, and the most used flags of `run` in its help."""
    from zevm.node.commands.run import common_flags

    return app_of(COMMANDS, common_flags())


def _app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command line with the command that is asked for; with all of them for help, mistakes and completion."""
    alone = arguments[0] in COMMANDS and COMPLETION_VARIABLE not in os.environ
    return app_of(arguments[:1], arguments=arguments[1:]) if alone else whole_app()


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """`zevm --port 1` means `zevm run --port 1`; `zevm --version` and `zevm run --version` mean `zevm version`.

    Flags of other nodes are translated into ours, with a note on standard error. Raises SettingsError for a flag
    without an equivalent.
    """
    if _asks_for_version(arguments):
        return ["version"]
    if not arguments or (arguments[0].startswith("-") and arguments[0].split("=")[0] not in _OWN_OPTIONS):
        arguments = [DEFAULT_COMMAND, *arguments]
    if arguments[0] == DEFAULT_COMMAND:
        from zevm.node.commands.run import in_own_flags

        return [DEFAULT_COMMAND, *in_own_flags(arguments[1:])]
    return list(arguments)


def _asks_for_version(arguments: Sequence[str]) -> bool:
    """Whether --version stands first or among the flags of `run`, where programs ask that start `anvil`."""
    named = arguments[0] if arguments else ""
    return any(flag in (arguments if named == DEFAULT_COMMAND else arguments[:1]) for flag in _VERSION_FLAGS)


def _help_hint(error: typer.TyperException) -> str:
    """The place of the mistaken command's help."""
    context = getattr(error, "ctx", None)
    command = "zevm" if context is None else context.command_path
    return _HELP_HINT if command in ("zevm", f"zevm {DEFAULT_COMMAND}") else f"`{command} --help` lists its flags"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 for success, 2 for a wrong flag or setting, 1 for any other failure."""
    chosen = list(sys.argv[1:] if arguments is None else arguments)
    # pydantic looks for plugins in every installed package, and no model here has any
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        chosen = with_default_command(chosen)
        result = command_tree(_app_for(chosen)).main(chosen, prog_name="zevm", standalone_mode=False)
    except typer.TyperException as error:
        _fail(f"{in_own_words(error.format_message())} ({_help_hint(error)})", 2, chosen)
    except NodeError as error:
        _fail(str(error), error.exit_code, chosen)
    except (StorageError, ChainError, NodeFaultError) as error:
        from zevm.node.hints import told

        _fail(told(error), 1, chosen)
    except UnicodeEncodeError:
        wrong = next((text for text in chosen if not _is_text(text)), "an argument")
        _fail(f"{wrong.encode(errors='surrogateescape')!r} is no text in UTF-8, which goes to a node", 2, chosen)
    except ValueError as error:
        from zevm.contracts.errors import AbiTextError

        if not isinstance(error, AbiTextError):
            raise
        _fail(str(error), 1, chosen)
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
