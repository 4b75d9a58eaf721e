"""Sources of settings: flags, then the environment, then zevm.toml, then the defaults."""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from pydantic_settings.sources import InitSettingsSource

from zevm.node.errors import SettingsError, reason_of
from zevm.node.own_words import in_own_words
from zevm.node.secrets import HIDDEN
from zevm.node.setting_sources import Choice, Sources, loaded_from
from zevm.node.settings import NodeSettings, Settings, setting_flags

DEFAULT_FILE = Path("zevm.toml")
SECRET_SETTINGS = frozenset({"mnemonic"})
"""Settings whose values no message shows."""

CONFIG_VARIABLE = "ZEVM_CONFIG"


def load_settings(flags: Mapping[str, object], config: Path | None = None) -> NodeSettings:
    """The settings of a node.

    flags: setting -> value, from the command line. config: the TOML file; None selects $ZEVM_CONFIG, or zevm.toml if it
    exists. Raises SettingsError in one line that names the setting, its value, its source, and the valid values.
    """
    file = config or _default_file()
    values = {} if file is None else _read_file(file)

    def sources(
        kind: type[BaseSettings], given: PydanticBaseSettingsSource, environment: PydanticBaseSettingsSource
    ) -> Sources:
        return given, *_if_set(environment), InitSettingsSource(kind, values)

    return _checked(flags, sources, lambda name: _origin(name, flags, file))


def chain_settings(
    place: str, own: Mapping[str, object], flags: Mapping[str, object], shared: Mapping[str, object], file: Path
) -> NodeSettings:
    """The settings of one chain of several: its own, then flags, then the environment, then those that all share.

    place: the chain's, for messages. Raises SettingsError as above.
    """

    def sources(
        kind: type[BaseSettings], given: PydanticBaseSettingsSource, environment: PydanticBaseSettingsSource
    ) -> Sources:
        return given, *_if_set(environment), InitSettingsSource(kind, dict(shared))

    def origin(name: str) -> str:
        return f"{place}: {name}" if name in own else _origin(name, flags, file)

    return _checked({**flags, **own}, sources, origin)


def program_settings(values: Mapping[str, object], keywords: Mapping[str, str]) -> NodeSettings:
    """The settings that a program gives, setting -> value, and nothing else: neither environment nor file.

    keywords: settings that the program knows under another name, for messages. Raises SettingsError as above.
    """
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(f"no such setting: {name}{_suggestion(name)}")
    return _checked(values, lambda _, given, __: (given,), lambda name: keywords.get(name, name))


def _if_set(environment: PydanticBaseSettingsSource) -> Sources:
    """The source, where it has a setting: to look for each of them takes longer than all else of a load."""
    names = {name.lower() for name in os.environ}
    return (environment,) if any(f"zevm_{name}" in names for name in Settings.model_fields) else ()


def _checked(values: Mapping[str, Any], sources: Choice, origin: Callable[[str], str]) -> NodeSettings:
    try:
        with loaded_from(sources):
            return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error.errors()[0], origin)) from None


def _default_file() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser()
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read_file(file: Path) -> dict[str, object]:
    return settings_in(file, read_toml(file))


def read_toml(file: Path) -> dict[str, object]:
    """The file's content. Raises SettingsError."""
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {reason_of(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error


def settings_in(file: object, content: Mapping[str, object]) -> dict[str, object]:
    """The settings of a table: - and _ are alike, and tables such as [rpc] prefix their keys.

    file: the table's place, for messages. Raises SettingsError for what is no setting.
    """
    values: dict[str, object] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        # an empty table gives a setting of its own name nothing
        if isinstance(value, dict) and (value or name not in Settings.model_fields):
            values |= {f"{name}_{inner.replace('-', '_')}": item for inner, item in value.items()}
        else:
            values[name] = value
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(f"{file}: no such setting: {name}{_suggestion(name)}")
    return values


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f" (is {close[0]} meant?)" if close else ""


def _explain(error: ErrorDetails, origin: Callable[[str], str]) -> str:
    reason = in_own_words(error["msg"].removeprefix("Value error, "))
    if not error["loc"]:
        return reason
    name = str(error["loc"][0])
    shown = HIDDEN if name in SECRET_SETTINGS else repr(error["input"])
    told = reason if reason.startswith(shown) else f"{shown}: {reason}"
    return f"{origin(name)}: {told}"


def _origin(name: str, flags: Mapping[str, object], file: Path | None) -> str:
    """How the user wrote the setting."""
    if name in flags:
        return setting_flags()[name].names[0]
    variable = f"ZEVM_{name.upper()}"
    if os.environ.get(variable):
        return variable
    return f"{file}: {name}"
