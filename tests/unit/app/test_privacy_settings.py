from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tandem.app.privacy import Privacy, captures, users
from tandem.app.traffic import TenantPolicy
from tandem.domain.errors import ConfigurationError

_OTEL = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def test_nothing_is_captured_unless_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_OTEL, raising=False)
    policies = {"open": TenantPolicy(capture_content=True), "quiet": TenantPolicy()}
    assert captures(policies, TenantPolicy()) == {"open": True, "quiet": False, "": False}


@pytest.mark.parametrize(
    ("said", "on"), [("true", True), ("SPAN_AND_EVENT", True), ("false", False), ("NO_CONTENT", False)]
)
def test_opentelemetrys_switch_is_the_default(monkeypatch: pytest.MonkeyPatch, said: str, on: bool) -> None:
    monkeypatch.setenv(_OTEL, said)
    policies = {"shut": TenantPolicy(capture_content=False), "usual": TenantPolicy()}
    assert captures(policies, TenantPolicy()) == {"shut": False, "usual": on, "": on}


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = users(Privacy(), tmp_path / "data", shared=False)
    again = users(Privacy(), tmp_path / "data", shared=False)
    assert first.alias("a", "ann") == again.alias("a", "ann")
    assert (tmp_path / "data" / "user.key").stat().st_mode & 0o077 == 0


def test_without_a_common_key_replicas_keep_no_user(tmp_path: Path) -> None:
    assert users(Privacy(), tmp_path, shared=True).alias("a", "ann") is None
    assert list(tmp_path.iterdir()) == []
    common = Privacy(user_key=SecretStr("sixteen signs or more"))
    assert users(common, tmp_path, shared=True).alias("a", "ann") is not None


def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "user.key").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="not the key"):
        users(Privacy(), tmp_path, shared=False)


@pytest.mark.parametrize("patterns", [{"bad": "(x"}, {"email": "x"}, {"Loud": "x"}, {"evil": "(a*)*"}])
def test_patterns_that_cannot_work_stop_the_start(patterns: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Privacy(patterns=patterns)
