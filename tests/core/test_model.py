from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from core.apply import APPLY
from core.commands import Command
from core.model import each, merged, ranges, within, without


@given(st.sets(st.integers(1, 40)))
def test_ranges_hold_exactly_the_uids_and_are_as_few_as_can_be(uids: set[int]) -> None:
    runs = ranges(sorted(uids))
    assert list(each(runs)) == sorted(uids)
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(runs))
    assert {uid for uid in range(42) if within(uid, runs)} == uids


@given(st.lists(st.sets(st.integers(1, 40)), max_size=3))
def test_merged_ranges_hold_what_any_of_them_holds(several: list[set[int]]) -> None:
    together = merged(*[ranges(sorted(uids)) for uids in several])
    assert together == ranges(sorted(set().union(*several)))


@given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)))
def test_ranges_without_others_hold_what_the_others_do_not(uids: set[int], gone: set[int]) -> None:
    assert list(each(without(ranges(sorted(uids)), ranges(sorted(gone))))) == sorted(uids - gone)


def test_every_command_can_be_carried_out() -> None:
    assert set(get_args(Command)) == APPLY.keys()
