"""SORT, on whatever thread: which message comes before which (RFC 5256, RFC 5957).

Python's sort is stable, in descending order too, so that sorting by each key, from the last to the first, is all there
is to it: ties stay in the order of sequence numbers, which REVERSE does not touch.  An order that is known already is
an order of any part of its messages, and few others find their places in it by bisection.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from protocols.imap.commands import Ranges, SortKey
from protocols.imap.finding.columns import Column

Columns = Mapping[str, Column]
SORTED_AT_ONCE = 8_192  # messages: some 3 ms
SAMPLES = 32  # of so many, to know where they belong
FEW_LATE = 100  # messages that are put into a known order one by one


def distinct(keys: Iterable[SortKey]) -> tuple[SortKey, ...]:
    """The keys without those that come again, for they have nothing left to decide."""
    first: dict[str, SortKey] = {}
    for key in keys:
        first.setdefault(key.name, key)
    return tuple(first.values())


def arranged(keys: Sequence[SortKey], uids: Sequence[int], columns: Columns) -> "array[int]":
    """Messages, whose UIDs ascend and which all columns have, in the order of these keys."""
    order = list(range(len(uids)))
    for key in reversed(distinct(keys)):
        order = _sorted(order, columns[key.name].of(uids), reverse=key.reverse)
    return array("I", [uids[place] for place in order])


def _sorted(places: list[int], values: Sequence[Any], *, reverse: bool) -> list[int]:
    """Places in the order of their values; what has the same value stays as it is.

    Python sorts in one go, while no other thread runs: so very many are first dealt out by what a sample of them says.
    """
    if len(places) <= SORTED_AT_ONCE:
        return sorted(places, key=values.__getitem__, reverse=reverse)
    bounds = sorted([values[place] for place in places[:: SORTED_AT_ONCE // SAMPLES]])[SAMPLES::SAMPLES]
    heaps: list[list[int]] = [[] for _ in range(len(bounds) + 1)]
    for place in places:
        heaps[bisect_right(bounds, values[place])].append(place)
    if reverse:
        heaps.reverse()
    return [place for heap in heaps for place in sorted(heap, key=values.__getitem__, reverse=reverse)]


def split(order: "array[int]", uids: Sequence[int]) -> tuple["array[int]", list[int]]:
    """Those of the messages that a known order has, in it; and the others."""
    wanted = set(uids)
    found = array("I", [uid for uid in order if uid in wanted])
    if len(found) == len(wanted):
        return found, []
    here = set(found)
    return found, [uid for uid in uids if uid not in here]


def inserted(keys: Sequence[SortKey], order: "array[int]", late: Iterable[int], columns: Columns) -> "array[int]":
    """The order with some messages more."""
    found = order[:]

    def rank(uid: int) -> _Rank:
        return _Rank(keys, [columns[key.name].value(uid) for key in keys], uid)

    for uid in late:
        found.insert(bisect_left(found, rank(uid), key=rank), uid)
    return found


def joined(order: Iterable[int], late: Iterable[int], whole: Iterable[int]) -> "array[int]":
    """The order with messages more, each where it is in the whole, which may lack some that the order has."""
    order = array("I", order)
    known, wanted = set(order), set(late)
    behind: dict[int, list[int]] = {}
    last = 0  # before all others
    for uid in whole:
        if uid in known:
            last = uid
        elif uid in wanted:
            behind.setdefault(last, []).append(uid)
    found = array("I", behind.pop(0, ()))
    for uid in order:
        found.append(uid)
        if uid in behind:
            found.extend(behind[uid])
    return found


def runs(order: Sequence[int], wanted: Iterable[int], most: int) -> list[tuple[int, Sequence[int]]]:
    """Where some messages are in an order: (position of the first, from 1 on; those that follow one another)."""
    some = set(wanted)
    found: list[tuple[int, list[int]]] = []
    for position, uid in enumerate(order, 1):
        if uid not in some:
            continue
        if found and found[-1][0] + len(found[-1][1]) == position and len(found[-1][1]) < most:
            found[-1][1].append(uid)
        else:
            found.append((position, [uid]))
    return [(first, run) for first, run in found]


class _Rank:
    """A message's place beside another's."""

    __slots__ = ("keys", "uid", "values")

    def __init__(self, keys: Sequence[SortKey], values: Sequence[int | str], uid: int) -> None:
        self.keys = keys
        self.values = values
        self.uid = uid

    def __lt__(self, other: "_Rank") -> bool:
        for key, mine, others in zip(self.keys, self.values, other.values, strict=True):
            if mine != others:
                return (mine < others) != key.reverse  # type: ignore[operator]  # both are of one column
        return self.uid < other.uid


# ---------------------------------------------------------------------------------------------- the answer


def in_order(numbers: Iterable[int]) -> Ranges:
    """Numbers as a sequence set that keeps their order: only what ascends is a range (RFC 5267 3.2)."""
    runs: list[tuple[int, int]] = []
    low = high = -1
    for number in numbers:
        if number == high + 1:
            high = number
            runs[-1] = (low, high)
        else:
            low = high = number
            runs.append((low, high))
    return tuple(runs)
