"""Service times, and what fits."""

import math
from typing import Any

import pytest

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.engines import Fit, ServiceTimes, fitted
from tandem.platform.plan.prices import Measured, load_book
from tandem.platform.plan.traffic import load_traffic

BOOK = load_book()


def fit(**given: Any) -> Fit:
    return fitted(BOOK, load_traffic(None, {"requests_per_second": 1.0, **given}, day="flat"))


def test_an_8b_model_on_an_a10g_is_near_the_profile_of_the_chart() -> None:
    found = fit(quantisation="awq", prompt_tokens=2048, answer_tokens=512)
    assert found.weights_gb == pytest.approx(5.8, rel=0.05) and found.overhead_gb == pytest.approx(2.2, rel=0.05)
    assert found.times.slots == int((22 - found.overhead_gb - found.weights_gb) * 1e9 / (131072 * found.total_tokens))
    one = 1 / (found.times.step_s + found.times.step_per_answer_s)
    assert 35 < one < 80


def test_the_finest_quantisation_with_room_is_taken() -> None:
    assert fit(gpu="a100-80").quantisation == "fp16"
    assert fit(gpu="a10g").quantisation == "awq"


def test_a_faster_gpu_reads_and_writes_faster() -> None:
    found = [fit(gpu=gpu, quantisation="awq").times for gpu in ("l4", "a10g", "a100-80", "h100-80")]
    steps = [one.step_s for one in found]
    assert steps == sorted(steps, reverse=True)
    assert fit(gpu="h100-80").times.read_tokens_per_s > fit(gpu="a100-80").times.read_tokens_per_s


def test_what_does_not_fit_says_by_how_much_and_what_would() -> None:
    with pytest.raises(ConfigurationError) as raised:
        fit(model="llama-3.1-70b", gpu="a10g", quantisation="fp16")
    assert "does not fit a10g" in raised.value.message and "GB too much" in raised.value.message
    hint = raised.value.hint or ""
    assert "--gpu h200" not in hint.split(";")[0] or "h200" in hint
    assert "--gpus-per-replica" in hint
    with pytest.raises(ConfigurationError) as raised:
        fit(gpu="a10g", quantisation="fp16", prompt_tokens=20_000)
    assert "awq" in (raised.value.hint or "") and "a100-80" in (raised.value.hint or "")


def test_several_gpus_hold_what_one_cannot() -> None:
    assert fit(model="llama-3.1-70b", gpu="a100-80", quantisation="fp16", gpus_per_replica=4).times.slots >= 1


def test_what_is_longer_than_the_model_s_context_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes 32768"):
        fit(model="qwen2.5-32b", gpu="h200", prompt_tokens=20_000)


def test_a_measured_engine_goes_before_the_hardware_s_figures() -> None:
    entry = Measured(
        engine="tgi", model="llama-3.1-8b", gpu="a10g", quantisation="awq", read_tokens_per_s=3000, step_s=0.01,
        step_per_answer_s=0.001, first_s=0.03, answers=100, source="a trace", date=BOOK.date,
    )  # fmt: skip
    traffic = load_traffic(None, {"requests_per_second": 1.0, "quantisation": "awq"}, day="flat")
    found = fitted(BOOK.model_copy(update={"measured": (entry,)}), traffic)
    assert found.measured and found.times.step_s == 0.01 and found.times.slots > 8


def test_how_many_run_follows_from_little_s_law_and_ends_at_what_fits() -> None:
    times = ServiceTimes(1e4, 0.01, 0.001, 0.0, slots=16)
    # At one a second n = T = 0.1 + 100 tokens at one a prompt that is read and 0.9 / (0.01 + 0.001 n) beside.
    found = times.answers_at_once(1.0, 1000, 100)
    assert found == pytest.approx(0.1 + 100 / (1 + 0.9 / (0.01 + 0.001 * found)))
    most = times.most(1000, 100)
    assert times.answers_at_once(most * 0.999, 1000, 100) <= 16
    assert math.isinf(times.answers_at_once(most * 1.001, 1000, 100))
