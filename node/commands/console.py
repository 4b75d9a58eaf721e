"""`zevm console`: a Python prompt with web3.py connected to a node."""

import ast
import code
import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from zevm.node.client import no_answer
from zevm.node.commands.chosen_settings import settings_of
from zevm.node.commands.options import ConfigOption, DatadirOption, node_url
from zevm.node.errors import NodeError
from zevm.node.extras import of_extra

HISTORY_NAME = "console_history"
HISTORY_LINES = 1_000


def console(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="The node. (default: by --port, $ETH_RPC_URL, or 127.0.0.1:8545)"),
    ] = None,
    port: Annotated[str | None, typer.Option("--port", "-p", metavar="NUMBER", help="Port of a local node.")] = None,
    execute: Annotated[
        str | None, typer.Option("--exec", "-e", metavar="CODE", help="Run this code and exit: with 1 after an error.")
    ] = None,
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Open a Python prompt with a connected `w3`."""
    settings = settings_of(datadir, config, port=port)
    names = connect(node_url(url, port, lambda: settings.port))
    if execute is not None:
        raise typer.Exit(run_code(execute, names))
    w3 = names["w3"]
    greeting = (
        f"{w3.client_version} at {w3.provider.endpoint_uri}, chain {w3.eth.chain_id}, block {w3.eth.block_number}\n"
        "w3: web3.py, eth: w3.eth, accounts: the node's accounts. End with Ctrl-D."
    )
    with _history(settings.datadir):
        code.interact(greeting, local=names, exitmsg="")


def run_code(source: str, names: dict[str, Any]) -> int:
    """Run statements as at the prompt, the values of expressions shown: 0, or 1 after an error, which is told."""
    prompt = code.InteractiveInterpreter(names)
    try:
        program = compile(ast.Interactive(ast.parse(source, "<exec>").body), "<exec>", "single")
    except SyntaxError:
        prompt.showsyntaxerror("<exec>")
        return 1
    try:
        exec(program, names)
    except Exception:
        prompt.showtraceback()
        return 1
    return 0


def connect(url: str) -> dict[str, Any]:
    """The names at the prompt. Raises NodeError if no node answers."""
    with of_extra("web3", "`zevm console`"):
        from web3 import Web3
    w3 = Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": 60}))
    try:
        accounts = w3.eth.accounts
    except (OSError, ValueError) as error:
        raise NodeError(no_answer(url, error)) from None
    return {"w3": w3, "eth": w3.eth, "accounts": accounts, "Web3": Web3}


@contextlib.contextmanager
def _history(folder: Path) -> Any:
    """Line editing, with a history in the data directory if there is one."""
    try:
        import readline
    except ImportError:
        yield
        return
    file = folder / HISTORY_NAME
    readline.set_history_length(HISTORY_LINES)
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        if folder.is_dir():
            with contextlib.suppress(OSError):
                readline.write_history_file(file)
