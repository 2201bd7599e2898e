"""The price book, and own prices laid over it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.prices import HOURS_A_MONTH, HOURS_A_YEAR, load_book


def own(folder: Path, data: dict[str, Any]) -> Path:
    file = folder / "prices.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def test_every_figure_of_the_book_names_its_source_and_day() -> None:
    book = load_book()
    assert {"l4", "a10g", "a100-40", "a100-80", "h100-80"} <= set(book.gpus)
    assert {"tgi", "vllm"} == set(book.engines)
    for gpu in book.gpus.values():
        assert gpu.rented.source and gpu.bought.source and gpu.spec.source and gpu.rented.date.year >= 2024


def test_own_prices_replace_only_what_they_name(tmp_path: Path) -> None:
    file = own(tmp_path, {"gpus": {"a10g": {"rented": {"price": 0.5}}}})
    book, usual = load_book(file), load_book()
    assert book.rented_gpu_hour("a10g") == 0.5
    assert book.gpu("a10g").rented.source == str(file)
    assert book.gpu("a10g").bought == usual.gpu("a10g").bought
    assert book.rented_gpu_hour("l4") == usual.rented_gpu_hour("l4")


def test_a_price_by_the_month_is_one_by_the_hour(tmp_path: Path) -> None:
    rented = {"price": 730.0, "unit": "usd/gpu-month", "source": "a contract", "date": "2026-01-01"}
    book = load_book(own(tmp_path, {"gpus": {"a10g": {"rented": rented}}}))
    assert book.rented_gpu_hour("a10g") == pytest.approx(1.0)


def test_an_own_gpu_costs_its_price_its_upkeep_its_power_and_its_place() -> None:
    book = load_book()
    gpu, owning = book.gpu("a10g"), book.owning
    expected = (
        gpu.bought.price / owning.years / HOURS_A_YEAR
        + gpu.bought.price * owning.upkeep_share / HOURS_A_YEAR
        + gpu.kilowatts * (owning.pue * owning.power.price + owning.hosting.price / HOURS_A_MONTH)
    )
    assert book.owned_gpu_hour("a10g") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"gpus": {"a10g": {"rented": {"price": -1}}}}, "gpus.a10g.rented.price"),
        ({"gpus": {"a10g": {"rented": {"unit": "usd/fortnight"}}}}, "unknown unit 'usd/fortnight'; known are"),
        ({"gpus": {"a10g": {"rented": {"unit": "usd/kwh"}}}}, "usd/kwh is no price for this; give usd/gpu-hour"),
        ({"gpus": {"a10g": {"rented": {"unit": "eur/gpu-hour"}}}}, "not in USD"),
        ({"gpus": {"mine": {"memory_gb": 24}}}, "gpus.mine"),
        ({"gpu": {}}, "gpu"),
        ({"owning": {"years": 0}}, "owning.years"),
        ({"cpu": {"rented": {"price": float("nan")}}}, "cpu.rented.price"),
    ],
)
def test_a_price_book_that_cannot_be_says_where(tmp_path: Path, data: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_book(own(tmp_path, data))
    assert said in raised.value.message


@pytest.mark.parametrize("text", ["- a list", "a: [", ""])
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="price book"):
        load_book(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_book(tmp_path / "none.yaml")


@pytest.mark.parametrize("what", ["gpu", "model", "engine", "quantisation"])
def test_an_unknown_name_lists_the_known_ones(what: str) -> None:
    with pytest.raises(ConfigurationError, match="There is no") as raised:
        getattr(load_book(), what)("nonesuch")
    assert raised.value.hint is not None and "Known are" in raised.value.hint
