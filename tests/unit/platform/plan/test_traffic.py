"""What is asked: files, flags, and what cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.traffic import DAYS, Tokens, Traffic, load_traffic


def written(folder: Path, data: dict[str, Any]) -> Path:
    file = folder / "traffic.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def test_one_figure_is_the_busiest_hour_of_a_day_of_that_shape() -> None:
    for day in DAYS:
        found = load_traffic(None, {"requests_per_second": 10.0}, day=day)
        assert found.peak == 10.0 and len(found.requests_per_second) == 24
    assert load_traffic(None, {"requests_per_second": 10.0}, day="flat").mean == pytest.approx(10.0)


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, {"requests_per_second": 1, "prompt_tokens": {"mean": 500, "spread": 0.1}, "gpu": "l4"})
    found = load_traffic(file, {"requests_per_second": 2.0, "prompt_tokens": {"mean": 700}}, day="flat")
    assert (found.peak, found.prompt_tokens.mean, found.prompt_tokens.spread, found.gpu) == (2.0, 700, 0.1, "l4")


def test_hours_may_be_named_in_any_order(tmp_path: Path) -> None:
    hours = {f"{hour:02}:00": hour for hour in reversed(range(24))}
    found = load_traffic(written(tmp_path, {"requests_per_second": hours}), {}, day="flat")
    assert found.requests_per_second == tuple(range(24))


def test_minutes_have_the_day_s_mean_and_change_evenly() -> None:
    minutes = load_traffic(None, {"requests_per_second": 12.0}, day="business").minutes()
    assert len(minutes) == 1440
    assert minutes.mean() == pytest.approx(12.0 * np.mean(DAYS["business"]), rel=0.01)
    assert np.abs(np.diff(minutes)).max() < 0.1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "How much is asked"),
        ({"requests_per_second": {0: 1, 1: 2}}, "lacks the hours 02, 03"),
        ({"requests_per_second": {**dict.fromkeys(range(24), 1), 24: 1}}, "has the hour 24"),
        ({"requests_per_second": {"noon": 1}}, "names an hour that is none"),
        ({"requests_per_second": [1.0] * 23}, "has 23 hours of 24"),
        ({"requests_per_second": [1.0] * 23 + [-1.0]}, "requests_per_second.23"),
        ({"requests_per_second": -5}, "greater than or equal to 0"),
        ({"requests_per_second": 0}, "there is nothing to plan for"),
        ({"requests_per_second": True}, "is no rate"),
        ({"requests_per_second": float("inf")}, "finite"),
        ({"requests_per_second": 1, "prompt_tokens": 0}, "prompt_tokens.mean"),
        ({"requests_per_second": 1, "promt_tokens": 10}, "promt_tokens"),
        ({"requests_per_second": 1, "tenants": {"a": {"share": 0.7}, "b": {"share": 0.7}}}, "more than 1 together"),
    ],
)
def test_traffic_that_cannot_be_says_what_is_wrong(tmp_path: Path, data: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_traffic(written(tmp_path, {"documents": 1, **data}), {}, day="business")
    assert said in raised.value.message


def test_lengths_have_their_mean_and_their_bound() -> None:
    drawn = Tokens(mean=200, spread=0.4).drawn(np.random.default_rng(1), 20_000)
    assert drawn.mean() == pytest.approx(200, rel=0.02)
    assert drawn.max() <= Tokens(mean=200, spread=0.4).longest and drawn.min() >= 1
    assert set(Tokens(mean=7, spread=0).drawn(np.random.default_rng(1), 5)) == {7.0}


def test_what_no_tenant_is_named_for_is_the_default_s_and_may_go_anywhere() -> None:
    found = Traffic.model_validate(
        {"requests_per_second": [1.0] * 24, "tenants": {"acme": {"share": 0.3, "regions": ["eu"]}}}
    )
    assert [(tenant.name, round(share, 6)) for tenant, share in found.shares()] == [("acme", 0.3), ("default", 0.7)]
    assert found.allowed("eu") == pytest.approx(1.0) and found.allowed("us") == pytest.approx(0.7)
