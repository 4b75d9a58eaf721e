"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from zevm.node.errors import SettingsError
from zevm.node.http_exchange import is_http_url

URL_VARIABLE = "ETH_RPC_URL"
"""Foundry's variable for the node's URL: one name for its tools, our commands and the examples."""

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings. (default: zevm.toml, if it exists)"),
]
DatadirOption = Annotated[
    Path | None, typer.Option("--datadir", metavar="FOLDER", help="Folder of the chain. (default: .zevm)")
]


def node_url(url: str | None, port: str | None, own_port: Callable[[], int]) -> str:
    """The node's URL for a command: the given URL or port, $ETH_RPC_URL, or the settings' port.

    own_port: the settings' port with `port` among their flags. Raises SettingsError for anything but an HTTP URL.
    """
    origin, chosen = (URL_VARIABLE, os.environ.get(URL_VARIABLE)) if url is None and port is None else ("the URL", url)
    if not chosen:
        return f"http://127.0.0.1:{own_port()}"
    if not is_http_url(chosen):
        raise SettingsError(f"{origin}: {chosen!r} is not an HTTP address such as http://127.0.0.1:8545")
    return chosen
