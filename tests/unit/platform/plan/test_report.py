"""The HTML report needs nothing but itself."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.drawing import Bar, Line, lines, stacked
from tandem.platform.plan.planning import plan
from tandem.platform.plan.prices import load_book
from tandem.platform.plan.report import write_report
from tandem.platform.plan.shapes import CLOUD, ONPREM
from tandem.platform.plan.traffic import load_traffic


def test_a_report_tells_all_and_loads_nothing(tmp_path: Path) -> None:
    traffic = load_traffic(None, {"requests_per_second": 1.0, "tenants": {"a": {"share": 0.5}}}, day="flat")
    found = plan(traffic, load_book(), wanted=(CLOUD, ONPREM), requests=200)
    file = tmp_path / "plan.html"
    write_report(file, found)
    page = file.read_text()
    assert not re.findall(r"""(?:src|href)=|@import|url\(|<script""", page)
    assert page.count("<svg") == 5 and not re.search(r"[>\" ,]-?(nan|inf)\b", page)
    for told in ("on-prem", "cloud", "a10g, rented", "tenant a", "AWS EC2 on demand", "scripts/bench split"):
        assert told in page
    assert found.apart.told("USD").partition("'")[0] in page
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_report(tmp_path / "none" / "plan.html", found)


def test_what_is_drawn_is_escaped_and_stays_inside() -> None:
    drawn = lines("<b>", [Line("<i>", "k1", [0, 1, 2], [0, 5, 10])] * 9, across="&", up="<u>")
    assert "<i>" not in drawn and "<u>" not in drawn and "&lt;i&gt;" in drawn
    bars = stacked("costs", [Bar("<a>", (("gpu", 3.0), ("cpu", 0.0)), "3"), Bar("b", (("gpu", 0.0),), "0")])
    assert "<a>" not in bars
    widths = [float(width) for width in re.findall(r'<rect class="bar"[^>]* width="([\d.]+)"', bars)]
    assert max(widths) == pytest.approx(710.0)


def test_nothing_but_zeros_is_drawn_too() -> None:
    assert "<polyline" in lines("flat", [Line("zero", "k1", [0, 1], [0, 0])], across="x", up="y")
    assert "<polyline" in lines("tens", [Line("a", "k1", [1, 10], [5, 5])], across="x", up="y", logarithmic=True)


def test_names_stand_beside_their_lines_in_their_order_and_inside() -> None:
    ends = [5.0, 5.1, 5.2, 0.0, 0.1, 10.0]
    drawn = lines("ends", [Line(f"at {end}", "k1", [0, 1], [0, end]) for end in ends], across="x", up="y")
    heights = {float(name): float(y) for y, name in re.findall(r'y="([-\d.]+)"[^>]*>at ([\d.]+)<', drawn)}
    assert sorted(heights, key=lambda end: -heights[end]) == sorted(ends)
    tops = sorted(heights.values())
    assert all(below - above >= 12 for above, below in pairwise(tops)) and tops[0] >= 10 and tops[-1] <= 260


def test_what_is_written_behind_a_bar_has_room() -> None:
    told = "1,234,567 idle (54%)"
    drawn = stacked("idle", [Bar("one", (("used", 1.0), ("idle", 9.0)), told)])
    (at,) = [float(x) for x in re.findall(rf'x="([\d.]+)"[^>]*>{re.escape(told)}', drawn)]
    assert at + 6 * len(told) < 920
