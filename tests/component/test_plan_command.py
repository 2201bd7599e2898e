"""`tandem plan` as people run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.component
TANDEM = Path(sys.executable).with_name("tandem")
QUICK = ("--requests", "200", "--shape", "on-prem", "--shape", "cloud")


def tandem(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [str(TANDEM), "plan", *map(str, arguments)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)


def refused(*arguments: str | Path, code: int = 1) -> str:
    done = tandem(*arguments)
    assert done.returncode == code and "Traceback" not in done.stderr and not done.stdout, done.stderr
    return " ".join(done.stderr.split())


def test_a_plan_goes_to_stdout_its_values_and_report_to_files(tmp_path: Path) -> None:
    values, report = tmp_path / "values.yaml", tmp_path / "plan.html"
    done = tandem(
        "--rps", "1", "--prompt-tokens", "800", "--answer-tokens", "150", "--model", "llama-3.1-8b", "--gpu", "a10g",
        *QUICK, "--values", values, "--report", report, "-o", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["shapes"]) == {"on-prem", "cloud"} and found["recommended"] in found["shapes"]
    for shape in found["shapes"].values():
        assert shape["cost_per_month"] > 0 and shape["p99_ms"] >= shape["p50_ms"] > 0
    assert found["retriever"]["retrievers_at_peak"] >= 2 and "retriever of its own" in found["retriever"]["told"]
    assert yaml.safe_load(values.read_text())["fullnameOverride"] == "tandem"
    assert "<svg" in report.read_text()


def test_a_plan_is_a_table_on_a_terminal() -> None:
    done = tandem("--rps", "1", *QUICK)
    assert done.returncode == 0 and "on-prem" in done.stdout
    said = " ".join(done.stdout.split())
    assert "USD a month" in said and "A retriever of its own takes" in said


def test_a_traffic_file_and_own_prices_are_read(tmp_path: Path) -> None:
    traffic, prices = tmp_path / "traffic.yaml", tmp_path / "prices.yaml"
    traffic.write_text(yaml.safe_dump({"requests_per_second": dict.fromkeys(range(24), 0.5), "gpu": "a100-80"}))
    costs = []
    for price in (10_000, 20_000):
        prices.write_text(yaml.safe_dump({"gpus": {"a100-80": {"bought": {"price": price}}}}))
        done = tandem(traffic, "--prices", prices, "--requests", "200", "--shape", "on-prem", "-o", "json")
        assert done.returncode == 0, done.stderr
        costs.append(json.loads(done.stdout)["shapes"]["on-prem"]["cost_per_month"])
    assert costs[0] < costs[1]


def test_a_trace_becomes_an_entry_that_a_plan_takes(tmp_path: Path) -> None:
    trace, prices = tmp_path / "trace.jsonl", tmp_path / "prices.yaml"
    lines = [
        {
            "arrival": number, "prompt_tokens": 100 * (1 + number % 20), "answer_tokens": 50, "concurrency": 1 + number % 4,
            "first_token_s": 0.02 + 0.05 * (1 + number % 20), "total_s": 3 + 0.05 * (number % 20) + 0.1 * (number % 4),
        }
        for number in range(60)
    ]  # fmt: skip
    trace.write_text("\n".join(map(json.dumps, lines)))
    done = tandem("--trace", trace, "--fit", "--quantisation", "awq")
    assert done.returncode == 0, done.stderr
    assert "simulated again with what it tells: 1 at a time" in done.stderr
    entry = yaml.safe_load(done.stdout)
    assert entry["measured"][0]["read_tokens_per_s"] == pytest.approx(2000, rel=0.05)
    prices.write_text(done.stdout)
    for way in (("--prices", prices), ("--trace", trace)):
        planned = tandem("--rps", "0.2", "--quantisation", "awq", *way, *QUICK, "-o", "json")
        assert planned.returncode == 0 and json.loads(planned.stdout)["replica"]["measured"], planned.stderr


def test_what_cannot_be_planned_is_told_in_a_line(tmp_path: Path) -> None:
    gaps = tmp_path / "gaps.yaml"
    gaps.write_text("requests_per_second: {0: 1, 1: 1}\n")
    assert "lacks the hours 02" in refused(gaps)
    assert "there is nothing to plan for" in refused("--rps", "0")
    assert "greater than or equal to 0" in refused("--rps", "-1")
    assert "How much is asked is not said" in refused()
    assert "Known are a100-40" in refused("--rps", "1", "--gpu", "a1000")
    assert "Known are llama-3.1-70b" in refused("--rps", "1", "--model", "gpt-9")
    assert "GB too much" in refused("--rps", "1", "--model", "llama-3.1-70b", "--quantisation", "fp16")
    assert "comes nearest" in refused("--rps", "1", *QUICK, "--slo-first-token", "0.01")
    assert "cannot be read" in refused("--rps", "1", "--prices", tmp_path / "none.yaml")
    assert "nothing to fit" in refused("--fit", code=2)
