"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from node.config import load_settings
from node.settings import NodeSettings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings. (default: zevm.toml, where it exists)"),
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
