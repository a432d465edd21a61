"""Comparisons: noise is nothing, what is worse is found, and machines may differ."""

from collections.abc import Sequence

import msgspec
import pytest

from conformance.bench.compare import Change, changes, table, tell, uncompared
from conformance.bench.goals import CURVES
from conformance.bench.results import OURS, THEIRS, Document, Row, row
from tests.bench.made_up import TABLE_ROWS, document, folder, pair, ratio


def change(old: Row, new: Row) -> Change | None:
    """The one between two documents that have these rows, if there is one."""
    found = changes(document(old, curves=[]), document(new, curves=[]))
    assert len(found) <= 1
    return found[0] if found else None


def rounds(*ratios: float) -> Row:
    return pair("x", ratios, [1.0] * len(ratios))


def test_a_document_is_no_different_from_itself() -> None:
    assert changes(document(), document()) == []
    assert tell(document(), document()) == 0


@pytest.mark.parametrize(
    ("old", "new", "what", "is_worse"),
    [
        ((2.0, 2.0, 2.1), (1.6, 1.6, 1.7), "**worse x1.25**", True),
        ((1.6, 1.6, 1.7), (2.0, 2.0, 2.1), "better x1.25", False),
    ],
)
def test_what_has_changed_by_more_than_noise_is_told(
    old: Sequence[float], new: Sequence[float], what: str, is_worse: bool
) -> None:
    found = change(rounds(*old), rounds(*new))
    assert found is not None
    assert (found.what, found.is_worse) == (what, is_worse)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((2.0, 2.0, 2.1), (1.8, 1.8, 1.9)),  # 10 %
        ((1.5, 2.0, 2.1), (1.2, 1.6, 1.7)),  # 20 %, but the rounds of one run reach those of the other
    ],
)
def test_noise_is_nothing(old: Sequence[float], new: Sequence[float]) -> None:
    assert change(rounds(*old), rounds(*new)) is None
    assert change(rounds(*new), rounds(*old)) is None


def test_less_is_better_where_it_is() -> None:
    slow, quick = (pair("x", (cost,), (1.0,), unit="ms", better="less") for cost in (4.0, 2.0))
    better, worse = change(slow, quick), change(quick, slow)
    assert better is not None
    assert worse is not None
    assert (better.is_worse, worse.is_worse) == (False, True)


def test_a_faster_machine_is_no_change() -> None:
    assert change(pair("x", (100.0,), (50.0,)), pair("x", (1000.0,), (500.0,))) is None
    alone = [row("x", "msg/s", "more", {OURS: [value]}) for value in (1000.0, 100.0)]
    assert change(*alone) is None


def test_a_goal_that_is_missed_now_is_worse_whatever_the_spread() -> None:
    met, missed = (pair("x", (value, 1.0), (1.0, 1.0), goal=ratio(1)) for value in (1.0, 0.98))
    found = change(met, missed)
    assert found is not None
    assert "goal is missed" in found.what
    assert found.is_worse
    back = change(missed, met)
    assert back is not None
    assert not back.is_worse


@pytest.mark.parametrize("trouble", ["FAILED: no answer", "n/a (no IDLE)"])
def test_what_gives_no_value_any_more_is_worse(trouble: str) -> None:
    failed = pair("x", (), (1.0,), trouble={OURS: trouble})
    found = change(pair("x", (1.0,), (1.0,)), failed)
    assert found is not None
    assert found.is_worse
    assert trouble in found.what
    assert change(failed, failed) is None
    assert change(pair("x", (1.0,), (1.0,)), pair("x", (1.0,), (), trouble={THEIRS: trouble})) is None


def test_a_row_that_is_gone_is_worse_and_a_new_one_is_not() -> None:
    short, long = document(*TABLE_ROWS[:1]), document(*TABLE_ROWS[:2])
    (found,) = changes(long, short)
    assert (found.metric, found.is_worse) == (TABLE_ROWS[1].metric, True)
    assert changes(short, long) == []


def test_a_value_that_misses_its_bound_now_is_worse() -> None:
    """SELECT of a million messages, which has no ratio here."""
    bound = CURVES["folder"]["select_cold"].goal
    assert bound is not None
    slow = folder(select=(2.0, 20.0, bound.bound * 1.1))
    (found,) = changes(document(), document(curves=[slow]))
    assert (found.where, found.metric, found.after, found.is_worse) == (
        "folder 1,000,000",
        "select_cold",
        "550 ms",
        True,
    )


def test_a_cost_that_grows_now_is_worse() -> None:
    grows = folder(deliver=(1.0, 2.0, 3.0))
    (found,) = changes(document(), document(curves=[grows]))
    assert (found.metric, found.after, found.is_worse) == ("deliver", "x3.00", True)
    assert changes(document(curves=[grows]), document()) == []


def test_growth_over_other_sizes_is_not_compared() -> None:
    """A cost that doubles from 100 to 1,000,000 is not the same as one that doubles from 100 to 10,000."""
    grows = folder(deliver=(1.0, 3.0, 3.0))
    short = msgspec.structs.replace(grows, rows=tuple(row for row in grows.rows if (row.size or 0) < 1_000_000))
    assert {found.what.split(":")[0] for found in changes(document(), document(curves=[short]))} == {
        "**gives no value any more**"
    }


def test_what_only_one_document_has_is_named() -> None:
    only_table = document(curves=[])
    assert uncompared(document(), only_table) == ["folder"]
    assert changes(document(), only_table) == []
    assert uncompared(Document(), document()) == ["folder", "table"]


def test_changes_are_a_table() -> None:
    found = change(rounds(2.0), rounds(1.0))
    assert found is not None
    assert table([found]).splitlines()[2] == "| table | x | 2 | 1 | **worse x2.00** |"
    assert "Nothing" in table([])


def test_the_exit_code_says_whether_anything_is_worse(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = document(rounds(2.0)), document(rounds(1.0), curves=[])
    assert [tell(good, bad), tell(bad, good), tell(good, good)] == [1, 0, 0]
    said = capsys.readouterr().out
    assert "worse x2.00" in said
    assert "only one of them has it: folder" in said


def test_documents_that_have_nothing_in_common_are_not_called_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(document(curves=[]), Document(curves=(folder(),))) == 2
    assert "Nothing has changed" not in capsys.readouterr().out
