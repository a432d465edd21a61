"""Whose turn it is."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from adapters.server.turns import Turns


def taken(turns: Turns[str]) -> Iterator[str]:
    while (work := turns.take()) is not None:
        yield work


def waiting(*works: str) -> Turns[str]:
    """Works, each for whom its first letter names."""
    turns: Turns[str] = Turns()
    for work in works:
        turns.put(work[0], work)
    return turns


def test_everybody_has_one_turn_after_the_other() -> None:
    """T-10.2: however much waits for one of them."""
    turns = waiting("a1", "a2", "a3", "a4", "b1", "c1", "b2")
    assert len(turns) == 7
    assert list(taken(turns)) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert len(turns) == 0


def test_who_comes_later_waits_for_one_turn_of_each_other() -> None:
    """T-10.2: and so does who comes back as soon as a turn has ended."""
    turns = waiting("a1", "a2", "a3", "a4")
    order = [turns.take()]
    for again in ("b1", "b2", "b3"):
        turns.put("b", again)
        order += [turns.take(), turns.take()]
    assert order == ["a1", "a2", "b1", "a3", "b2", "a4", "b3"]


def test_what_is_taken_back_is_never_taken() -> None:
    turns = waiting("a1", "a2", "a3", "b1", "c1")
    for work in ("a2", "b1"):
        turns.take_back(work[0], work)
    assert list(taken(turns)) == ["a1", "c1", "a3"]


def test_what_waits_no_longer_is_taken_back_for_nothing() -> None:
    turns = waiting("a1", "b1")
    assert turns.take() == "a1"
    turns.take_back("a", "a1")
    turns.take_back("z", "z1")
    assert list(taken(turns)) == ["b1"]


@given(works=st.lists(st.sampled_from("abc")), gone=st.sets(st.integers(0, 20)))
def test_nobody_has_two_turns_while_another_waits(works: list[str], gone: set[int]) -> None:
    """T-10.2"""
    turns: Turns[tuple[str, int]] = Turns()
    kept = [(who, at) for at, who in enumerate(works) if at not in gone]
    for at, who in enumerate(works):
        turns.put(who, (who, at))
    for at, who in enumerate(works):
        if at in gone:
            turns.take_back(who, (who, at))
    order = []
    while (work := turns.take()) is not None:
        order.append(work)
    assert sorted(order) == sorted(kept)
    for place, (who, at) in enumerate(order):
        ahead = [other for other, _ in order[:place]]
        assert [n for other, n in order[:place] if other == who] == [n for w, n in kept if w == who and n < at]
        assert all(ahead.count(other) <= ahead.count(who) + 1 for other in set(ahead) - {who})
