"""What the page of planned figures is held to: the same, but for what other processors round otherwise."""

import re

import pytest

from plan_figures import BEGIN, DRAWN, END, PAGE, alike

ROW = "| monolith | 6,685 | 0.60 | 20 | 54% | 2.3 s |"


@pytest.mark.parametrize(
    "other", [ROW, ROW.replace("6,685", "6,701"), ROW.replace("2.3", "2.4"), ROW.replace("20", "21")]
)
def test_what_is_rounded_otherwise_is_fresh(other: str) -> None:
    assert alike(ROW, other)


@pytest.mark.parametrize(
    "other",
    [
        ROW.replace("6,685", "6,985"),
        ROW.replace("2.3", "2.6"),
        ROW.replace("20", "22"),
        ROW.replace("monolith", "cloud"),
    ],
)
def test_another_figure_is_stale(other: str) -> None:
    assert not alike(ROW, other)


def test_the_page_shows_every_drawing_and_keeps_its_marks() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert set(re.findall(r"images/plan-(\w+)\.svg", page)) == set(DRAWN)
