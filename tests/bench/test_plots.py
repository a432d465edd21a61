"""The plots: files that say what they show, and are the same each time."""

import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from conformance.bench.axes import AXES
from conformance.bench.plots import TIMES, bounds, draw, missed, short, times
from conformance.bench.publishing import publish
from conformance.bench.results import OURS, Document, load, row
from tests.bench.made_up import TABLE_ROWS, document, folder


def texts(path: Path) -> list[str]:
    """What stands in a plot; matplotlib draws glyphs, and has the text in a comment."""
    return [found.strip() for found in re.findall(r"<!-- (.*?) -->", path.read_text())]


def test_the_same_document_gives_the_same_octets(tmp_path: Path) -> None:
    first, second = draw(document(), tmp_path / "a"), draw(document(), tmp_path / "b")
    assert [path.name for path in first] == ["ratios.svg", "folder.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert all(ElementTree.parse(path).getroot().tag.endswith("svg") for path in first)


def test_a_plot_has_neither_a_date_nor_a_transparent_ground(tmp_path: Path) -> None:
    """It would differ each time, or be black on black."""
    for path in draw(document(), tmp_path):
        found = path.read_text()
        assert "dc:date" not in found
        ground = re.search(r'<g id="patch_1">.*?style="([^"]*)"', found, re.DOTALL)
        assert ground is not None
        assert "fill: #ffffff" in ground[1]


def test_another_document_gives_another_plot(tmp_path: Path) -> None:
    (first,) = draw(document(*TABLE_ROWS, curves=[]), tmp_path / "a")
    (second,) = draw(document(*TABLE_ROWS[:2], curves=[]), tmp_path / "b")
    assert first.read_bytes() != second.read_bytes()


def test_bars_have_names_ratios_and_a_direction(tmp_path: Path) -> None:
    ratios, _ = draw(document(), tmp_path)
    found = texts(ratios)
    compared = [row.metric for row in TABLE_ROWS if row.ratio is not None]
    assert [text for text in found if text in {row.metric for row in TABLE_ROWS}] == compared
    assert {f"2.2{TIMES}", f"3.6{TIMES}", f"1/17{TIMES}"} <= set(found)
    assert any("worse than Dovecot" in text and "better than Dovecot" in text for text in found)
    assert {"goal", "goal, missed"} <= set(found)


def test_a_bar_that_is_too_long_says_so(tmp_path: Path) -> None:
    ratios, _ = draw(document(), tmp_path)
    assert f"» 12,500{TIMES}" in texts(ratios)


def test_panels_have_names_units_and_a_direction(tmp_path: Path) -> None:
    _, path = draw(document(), tmp_path)
    found = texts(path)
    names = AXES["folder"].metrics
    assert {names["deliver"], names["select_cold"]} <= set(found)
    assert names["notice"] not in found, "it has no rows"
    assert found.count(AXES["folder"].label) == 2
    assert found.count("ms   (lower is better)") == 2
    assert {"100", "10k", "1M", OURS, "goal"} <= set(found)
    assert f"largest / smallest: 1.20{TIMES} (goal ≤ 2)" in found


def test_a_curve_without_goals_has_no_goal_in_its_legend(tmp_path: Path) -> None:
    rows = tuple(row("lmtp_deliver_16", "msg/s", "more", {OURS: [1000.0 * size]}, size=size) for size in (1, 2))
    curve = msgspec.structs.replace(folder(), axis="workers", rows=rows, flat={})
    (path,) = draw(Document(curves=(curve,)), tmp_path)
    assert "goal" not in texts(path)
    assert "msg/s   (higher is better)" in texts(path)


def test_a_metric_without_values_has_no_panel(tmp_path: Path) -> None:
    failed = tuple(
        row("select_warm", "ms", "less", {OURS: []}, trouble={OURS: "FAILED"}, size=size) for size in (100, 10_000)
    )
    curve = msgspec.structs.replace(folder(), rows=(*folder().rows, *failed))
    (path,) = draw(Document(curves=(curve,)), tmp_path)
    assert AXES["folder"].metrics["select_warm"] not in texts(path)


def test_bounds_are_those_of_values_and_of_growth() -> None:
    assert bounds(folder(), "select_cold") == [(100, 500.0)]
    assert bounds(folder(), "deliver") == [(100, 2.0)]
    assert bounds(folder(deliver=(0.01, 0.01, 0.01)), "deliver") == [(100, 0.4)]
    later = [msgspec.structs.replace(row, goal=row.goal if row.size != 100 else None) for row in folder().rows]
    assert bounds(msgspec.structs.replace(folder(), rows=tuple(later)), "select_cold") == [(10_000, 500.0)]


def test_points_that_miss_a_goal_are_marked(tmp_path: Path) -> None:
    slow = folder(deliver=(1.0, 3.0, 2.5), select=(2.0, 600.0, 700.0))
    assert missed(slow, "select_cold") == [(10_000, 600.0), (1_000_000, 700.0)]
    assert missed(slow, "deliver") == [(1_000_000, 2.5)]
    assert missed(folder(), "deliver") == missed(folder(), "select_cold") == []
    (marked,) = draw(Document(curves=(slow,)), tmp_path / "a")
    (unmarked,) = draw(Document(curves=(folder(),)), tmp_path / "b")
    assert "goal, missed" in texts(marked)
    assert "goal, missed" not in texts(unmarked)


@pytest.mark.parametrize(
    ("factor", "shown"), [(12_500.0, "12,500"), (2.54, "2.5"), (1.01, "1"), (0.99, "1"), (0.25, "1/4"), (0.06, "1/17")]
)
def test_factors_are_read_as_times(factor: float, shown: str) -> None:
    assert times(factor) == shown + TIMES


@pytest.mark.parametrize(("value", "shown"), [(0.01, "0.01"), (250, "250"), (5000, "5k"), (1e6, "1M")])
def test_numbers_at_axes_are_short(value: float, shown: str) -> None:
    assert short(value) == shown


def test_page_and_plots_stand_beside_the_document(tmp_path: Path) -> None:
    publish(tmp_path / "made.json", document())
    assert load(tmp_path / "made.json") == document()
    page = (tmp_path / "made.md").read_text()
    shown = re.findall(r"!\[[^]]*\]\((.*?)\)", page)
    assert shown == ["made/ratios.svg", "made/folder.svg"]
    assert all((tmp_path / path).is_file() for path in shown)
