"""Settings whose sources are chosen for each load: a class of 270 fields for each load takes longer than the load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

Sources = tuple[PydanticBaseSettingsSource, ...]
"""In the order of their precedence."""

Choice = Callable[[type[BaseSettings], PydanticBaseSettingsSource, PydanticBaseSettingsSource], Sources]
"""The class, what its constructor is given and the environment -> sources."""

_chosen: ContextVar[Choice] = ContextVar("sources of settings", default=lambda _, given, __: (given,))


@contextmanager
def loaded_from(choice: Choice) -> Iterator[None]:
    """Within, settings are loaded from these sources."""
    token = _chosen.set(choice)
    try:
        yield
    finally:
        _chosen.reset(token)


class SourcedSettings(BaseSettings):
    """Settings that are loaded from the sources of `loaded_from`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> Sources:
        """Called by pydantic-settings for each load."""
        return _chosen.get()(settings_cls, init_settings, env_settings)
