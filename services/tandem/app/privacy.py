"""Settings of what is kept of answers, and the parts made of them."""

import secrets
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, SecretStr, create_model, model_validator
from pydantic_settings import BaseSettings

from tandem.app.group import Group
from tandem.app.traffic import TenantPolicy
from tandem.domain.errors import ConfigurationError, TandemError
from tandem.pipeline.privacy.patterns import Pattern
from tandem.pipeline.privacy.standard import KINDS, Kind
from tandem.pipeline.privacy.users import Users

_OTEL = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURES = frozenset({"true", "1", "span_only", "event_only", "span_and_event"})
_KEY_BYTES = 32


class Privacy(Group):
    """What is taken out of kept texts, and how long they are kept. `docs/privacy.md` tells more."""

    redact: tuple[Kind, ...] = ("email", "phone", "card", "iban", "key")
    """Taken out of every text before it reaches disk or wire; `ip` is known as well."""
    patterns: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], str] = Field(default={}, max_length=64)
    """Taken out as well: a name, which then stands there in brackets, and a pattern as RE2 reads it."""
    phone_regions: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ("US", "GB", "DE", "FR")
    """Countries whose telephone numbers are known without +."""
    user_key: SecretStr | None = Field(default=None, min_length=16)
    """Makes aliases of users' ids where texts are not kept; the same in every process. Unset: made once in `data_dir`, or, where other processes share the receipts, no user is kept."""
    retention_days: float | None = Field(default=90.0, gt=0)
    """Answers, feedback and their copies in Parquet are deleted when they are older; unset: never."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if taken := set(self.patterns) & set(KINDS):
            raise ValueError(f"patterns may not be called {min(taken)}: that name stands for what Tandem finds itself")
        try:
            for name, pattern in self.patterns.items():
                Pattern(name, pattern)
        except TandemError as error:
            raise ValueError(f"{error.message} {error.hint}") from error
        return self


def captures(policies: dict[str, TenantPolicy], default: TenantPolicy) -> "dict[str, bool]":
    """Of the named tenants, and under the empty name of all others, whether their texts are kept."""
    usual = _captured_by_default()
    named = {name: usual if it.capture_content is None else it.capture_content for name, it in policies.items()}
    return {**named, "": usual if default.capture_content is None else default.capture_content}


def users(wanted: Privacy, data_dir: Path, *, shared: bool) -> Users:
    """`shared`: other processes write to the same store. Raises `ConfigurationError` when the key cannot be kept."""
    if wanted.user_key is not None:
        return Users(wanted.user_key.get_secret_value().encode()[:64])
    return Users(None if shared else _kept_key(data_dir / "user.key"))


def _kept_key(file: Path) -> bytes:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("xb") as new:
                file.chmod(0o600)
                new.write(secrets.token_bytes(_KEY_BYTES))
        except FileExistsError:
            pass
        key = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be used: {error.strerror}.", hint="Set privacy.user_key.") from error
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"{file} is not the key that was put there.",
            hint="Without it users' answers cannot be found by their ids. Put it back, or delete it to begin anew.",
        )
    return key


def _captured_by_default() -> bool:
    """OpenTelemetry's own switch says what holds where the configuration says nothing."""
    read: Any = create_model(
        "_Capture", __base__=BaseSettings, value=(str, Field("", validation_alias=AliasChoices(_OTEL)))
    )
    return str(read().value).strip().lower() in _CAPTURES
