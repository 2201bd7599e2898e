"""A secret from an environment variable that the user names, for commands that must not show it among their arguments."""

from typing import Any

from pydantic import Field, create_model
from pydantic_settings import BaseSettings

from tandem.domain.errors import ConfigurationError


def secret_of(variable: str) -> str:
    """Its value without the space around it. Raises `ConfigurationError` when it is not set, or empty."""
    read: Any = create_model("_Secret", __base__=BaseSettings, value=(str, Field("", validation_alias=variable)))
    value = str(read().value).strip()
    if not value:
        raise ConfigurationError(f"The environment variable {variable} is not set.")
    return value
