"""An engine's times from a trace."""

from pathlib import Path

import numpy as np
import orjson
import pytest

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.prices import load_book
from tandem.platform.plan.trace import fit_trace, read_trace
from tandem.platform.plan.traffic import load_traffic


def written(folder: Path, count: int = 200, noise: float = 0.03) -> Path:
    random = np.random.default_rng(1)
    file = folder / "trace.jsonl"
    lines = []
    for number in range(count):
        prompt, answer = int(random.integers(100, 3000)), int(random.integers(20, 300))
        at_once = int(random.choice([1, 1, 1, 2, 4, 8, 16]))
        first = 0.05 + prompt / 2500
        step = 0.02 + 0.001 * at_once
        factor = 1 + noise * random.standard_normal()
        total = first + (answer - 1) * step * factor
        lines.append(
            orjson.dumps(
                {
                    "arrival": 1.7e9 + number, "prompt_tokens": prompt, "answer_tokens": answer,
                    "first_token_s": first, "total_s": total, "concurrency": at_once,
                }
            )
        )  # fmt: skip
    file.write_bytes(b"\n".join(lines))
    return file


def test_the_times_that_a_trace_was_made_with_are_found_again(tmp_path: Path) -> None:
    found = fit_trace(
        read_trace(written(tmp_path)),
        book=load_book(),
        traffic=load_traffic(None, {"requests_per_second": 1.0}, day="flat"),
        quantisation="awq",
        source="a trace",
    )
    assert found.read_tokens_per_s == pytest.approx(2500, rel=0.02) and found.first_s == pytest.approx(0.05, rel=0.05)
    assert found.step_s == pytest.approx(0.02, rel=0.05) and found.step_per_answer_s == pytest.approx(0.001, rel=0.1)
    assert found.date.year == 2023 and found.answers == 200


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2 is no JSON"),
        (b"[]", "line 2 is no object"),
        (b'{"arrival": 1}', "line 2: prompt_tokens"),
        (
            b'{"arrival":1,"prompt_tokens":1,"answer_tokens":1,"first_token_s":2,"total_s":1,"concurrency":1}',
            "total_s is less",
        ),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    file = written(tmp_path, 30)
    lines = file.read_bytes().splitlines()
    lines.insert(1, line)
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(ConfigurationError) as raised:
        read_trace(file)
    assert said in raised.value.message


def test_a_few_requests_tell_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="5 requests"):
        read_trace(written(tmp_path, 5))
