"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from zevm.node.config import load_settings
from zevm.node.errors import SettingsError
from zevm.node.http_exchange import is_http_url
from zevm.node.settings import NodeSettings

URL_VARIABLE = "ETH_RPC_URL"
"""Foundry's variable for the node's URL: one name for its tools, our commands and the examples."""

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings. (default: zevm.toml, if it exists)"),
]
DatadirOption = Annotated[
    Path | None, typer.Option("--datadir", metavar="FOLDER", help="Where the chain is kept. (default: .zevm)")
]


def settings_of(datadir: Path | None, config: Path | None, **flags: object) -> NodeSettings:
    """The settings for a command on a data directory."""
    given = {name: value for name, value in flags.items() if value is not None}
    if datadir is not None:
        given["datadir"] = str(datadir)
    return load_settings(given, config)


def node_url(url: str | None, port: str | None, settings: NodeSettings) -> str:
    """The node's URL for a command: the given URL or port, $ETH_RPC_URL, or the settings' port.

    settings: with `port` among its flags. Raises SettingsError for anything but an HTTP URL.
    """
    origin, chosen = (URL_VARIABLE, os.environ.get(URL_VARIABLE)) if url is None and port is None else ("the URL", url)
    if not chosen:
        return f"http://127.0.0.1:{settings.port}"
    if not is_http_url(chosen):
        raise SettingsError(f"{origin}: {chosen!r} is not an HTTP address such as http://127.0.0.1:8545")
    return chosen
