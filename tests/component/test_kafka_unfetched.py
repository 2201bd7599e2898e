"""A registry that cannot be reached is no failure of ours: the Kafka tests skip, with a reason that CI takes."""

from pathlib import Path

import pytest

from fakes.kafka_broker import kafka_broker

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("says", ["Could not transfer artifact\nfrom a registry", ""])
def test_without_its_jars_a_test_skips_for_an_allowed_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    for name in ("java", "mvn"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nprintf '{says}'\nexit 1\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(pytest.skip.Exception) as skipped, kafka_broker(tmp_path):
        pass
    allowed = (ROOT / ".ci/allowed-skips").read_text("utf-8").splitlines()
    reason = str(skipped.value)
    assert "\n" not in reason
    assert any(each in reason for each in allowed)
