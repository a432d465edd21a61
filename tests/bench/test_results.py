"""The document: what follows from values, and that a file gives back what was written."""

from pathlib import Path

import msgspec
import pytest

from conformance.bench.goals import CURVES, FLAT, TABLE
from conformance.bench.results import (
    OURS,
    SCHEMA,
    THEIRS,
    Document,
    Goal,
    UnknownDocument,
    load,
    row,
    save,
)
from tests.bench.made_up import document, folder, pair, ratio


def test_a_document_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "made" / "b.json"
    save(path, document())
    assert load(path) == document()
    assert [found.name for found in path.parent.iterdir()] == ["b.json"]


def test_a_document_says_what_follows_from_its_values(tmp_path: Path) -> None:
    """For those who read it without us."""
    save(tmp_path / "b.json", document())
    first = msgspec.json.decode((tmp_path / "b.json").read_bytes())["table"]["rows"][0]
    assert first["median"] == {"Penfold": 1100.0, "Dovecot": 500.0}
    assert (first["ratio"], first["ratios"]) == (2.2, [2.0, 2.2, 2.4])
    assert first["goal"] == {"bound": 2.0, "of": "ratio"}


@pytest.mark.parametrize(
    "text", ["", "{}]", '{"schema": 1, "surprise": 1}', '{"schema": 2}', '{"schema": 1, "table": {"rows": []}}']
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(UnknownDocument, match=r"b\.json"):
        load(path)
    path.write_text(f'{{"schema": {SCHEMA}}}')
    assert load(path) == Document()
    with pytest.raises(UnknownDocument, match="none"):
        load(tmp_path / "none")


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """And not the ratio of the medians: what slows a round down slows both servers down."""
    found = pair("x", (10.0, 30.0, 20.0), (10.0, 15.0, 5.0))
    assert found.ratios == (1.0, 2.0, 4.0)
    assert (found.ratio, found.median) == (2.0, {OURS: 20.0, THEIRS: 10.0})


def test_one_bad_round_spoils_the_row() -> None:
    found = pair("x", (10.0, 30.0), (10.0,), trouble={THEIRS: "FAILED: no answer"}, goal=ratio(1))
    assert (found.ratio, found.median, found.met) == (None, {OURS: 20.0}, False)
    assert found.values[THEIRS] == (10.0,)


@pytest.mark.parametrize(
    ("better", "ours", "met"), [("more", 2.0, True), ("more", 1.9, False), ("less", 2.0, True), ("less", 2.1, False)]
)
def test_a_goal_is_met_at_its_bound(better: str, ours: float, met: bool) -> None:
    of_ratio = msgspec.structs.replace(pair("x", (ours,), (1.0,), goal=ratio(2)), better=better)
    of_value = msgspec.structs.replace(pair("x", (ours,), (), goal=Goal(bound=2, of="value")), better=better)
    assert (of_ratio.met, of_value.met) == (met, met)
    assert pair("x", (ours,), (1.0,)).met is None


def test_a_curve_takes_the_place_of_the_one_along_the_same_axis() -> None:
    old, new = folder(), folder(select=(1.0, 2.0, 3.0))
    other = msgspec.structs.replace(old, axis="mailboxes")
    assert document(curves=[old, other]).with_curve(new).curves == (new, other)
    assert Document().with_curve(new).curves == (new,)


def test_rows_are_found_along_their_size() -> None:
    backwards = msgspec.structs.replace(folder(), rows=folder().rows[::-1])
    assert backwards.sizes() == [100, 10_000, 1_000_000]
    assert [found.size for found in backwards.along("deliver")] == [100, 10_000, 1_000_000]
    assert backwards.metrics() == ["select_cold", "deliver"]


def test_what_is_to_stay_flat_is_measured() -> None:
    assert FLAT.keys() <= CURVES.keys()
    assert all(FLAT[axis].keys() <= CURVES[axis].keys() for axis in FLAT)
    assert all(metric.goal is None or metric.goal.of == "ratio" for metric in TABLE.values())


def test_values_of_the_document_cannot_be_changed() -> None:
    found = row("x", "ms", "less", {OURS: [1.0]})
    assert isinstance(found, msgspec.Struct)
    with pytest.raises(AttributeError):
        found.metric = "y"  # type: ignore[misc]
