"""The settings that a command's options name. Their import takes longer than most commands."""

from pathlib import Path

from zevm.node.config import load_settings
from zevm.node.settings import NodeSettings


def settings_of(datadir: Path | None, config: Path | None, **flags: object) -> NodeSettings:
    """The settings for a command on a data directory."""
    given = {name: value for name, value in flags.items() if value is not None}
    if datadir is not None:
        given["datadir"] = str(datadir)
    return load_settings(given, config)
