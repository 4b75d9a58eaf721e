"""Settings whose sources are chosen for each load: a class of 270 fields for each load takes longer than the load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, get_args

from pydantic import ValidationInfo, field_validator
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

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false of a file or a program where pydantic takes 1 and 0 of them."""
        if isinstance(value, bool) and (number := _number_in(cls.model_fields[info.field_name or ""].annotation)):
            raise ValueError(f"want {number}")
        return value

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


def _number_in(annotation: Any) -> str | None:
    """The kind of number that a setting wants; None of a setting that is no number."""
    kinds = {annotation, *get_args(annotation)}
    if int in kinds:
        return "a whole number"
    return "a number" if kinds & {float, Decimal} else None
