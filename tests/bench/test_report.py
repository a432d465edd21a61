"""The page: each row with its verdict, each curve with its text and whether it grows."""

import msgspec
import pytest

from conformance.bench.axes import AXES
from conformance.bench.goals import CURVES
from conformance.bench.report import goal, number, page
from conformance.bench.results import OURS, THEIRS, Curve, Document, Goal, row
from tests.bench.made_up import ABOUT, document, folder, pair, ratio


def line(text: str, beginning: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(beginning)]
    return found


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("lmtp_deliver_16", "| msg/s | 1,100 | 500 | 2.2 | ≥ 2 | met |"),
        ("imap_append", "| msg/s | 1,000 | 950 | 1.05 | ≥ 1.5 | **missed** |"),
        ("imap_copy", "| ms | 11 | 40 | 0.275 |  |  |"),
        ("select_memory_readers", "| KiB/conn | 1.2 | n/a |  |  | Dovecot: n/a (no ACL) |"),
    ],
)
def test_a_row_has_its_medians_ratio_and_verdict(metric: str, expected: str) -> None:
    assert line(page(document()), f"| {metric} |") == f"| {metric} {expected}"


def test_a_curve_has_a_row_for_each_size() -> None:
    text = page(document())
    name = AXES["folder"].metrics["select_cold"]
    assert line(text, f"| {name} | ms | 1,000,000 |").endswith("| 400 | n/a |  | ≤ 500 ms | met |")
    assert sum(found.startswith(f"| {name} |") for found in text.splitlines()) == 3
    assert AXES["folder"].text in text


@pytest.mark.parametrize(
    ("costs", "factor", "verdict"),
    [
        ((1.0, 1.1, 1.2), "1.20", "met"),
        ((1.0, 1.5, 2.1), "2.10", "**missed**"),
        ((0.01, 0.05, 0.19), "1.00", "met"),  # what is less than a turn of the kernel's
    ],
)
def test_what_is_to_stay_flat_is_judged(costs: tuple[float, ...], factor: str, verdict: str) -> None:
    text = page(document(curves=[folder(deliver=costs)]))
    (found,) = [line for line in text.splitlines() if "| ≤ 2 |" in line]
    assert found == f"| {AXES['folder'].metrics['deliver']} | {factor} | ≤ 2 | {verdict} |"


def test_growth_that_is_not_known_is_not_told() -> None:
    failed = row("deliver", "ms", "less", {OURS: []}, trouble={OURS: "FAILED: no answer"}, size=1_000_000)
    curve = msgspec.structs.replace(folder(), rows=(*folder().along("deliver")[:2], failed))
    assert curve.growth("deliver") is None
    assert "FAILED: no answer" in page(document(curves=[curve]))


def test_a_page_says_when_and_where_and_links_to_its_own_files() -> None:
    text = page(document(), "other")
    assert text.count(ABOUT.date) == 2
    assert "Dovecot 2.3.19.1" in text
    assert "(other/ratios.svg)" in text
    assert "(other/folder.svg)" in text
    assert "[other.json](other.json)" in text
    assert "NAME" not in text


def test_a_smoke_test_is_called_that() -> None:
    quick = msgspec.structs.replace(ABOUT, quick=True)
    curve = msgspec.structs.replace(folder(), about=quick)
    assert page(Document(curves=(curve,))).count("a smoke test, not a measurement") == 1
    assert "a smoke test, not a measurement" not in page(document())


def test_a_page_of_nothing_says_how_to_measure() -> None:
    assert "make bench-growth" in page(Document())


@pytest.mark.parametrize("axis", AXES)
def test_every_metric_has_a_name_for_people(axis: str) -> None:
    assert AXES[axis].metrics.keys() == CURVES[axis].keys()


def test_curves_come_in_the_order_of_the_axes() -> None:
    rows = (row("noop", "ms", "less", {OURS: [1.0]}, size=1),)
    curves = [Curve(axis=axis, about=ABOUT, rows=rows) for axis in ("tls", "connections")]
    text = page(Document(curves=tuple(curves)))
    assert text.index(f"### {AXES['connections'].title}") < text.index(f"### {AXES['tls'].title}\n")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "n/a"), (0.04315, "0.04315"), (500.04, "500"), (132_500.0, "132,500"), (0.0, "0")]
)
def test_numbers_have_four_digits_that_count(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_goals_have_a_direction_and_a_unit() -> None:
    assert goal(ratio(1.5), pair("x", (1.0,), (1.0,))) == "≥ 1.5"
    of_value = Goal(bound=500, of="value")
    assert goal(of_value, row("x", "ms", "less", {THEIRS: [1.0]}, goal=of_value)) == "≤ 500 ms"
