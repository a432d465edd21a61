"""The order of SORT: keys, ties, what is missing (RFC 5256), display names (RFC 5957)."""

from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.casemap import fold
from protocols.imap.commands import SortKey, SortKeyName
from protocols.imap.finding import sorting
from protocols.imap.finding.columns import Row, columns
from protocols.imap.finding.sorting import arranged, distinct, in_order, inserted, split
from protocols.imap.saying.responses import sequence_set
from tests.support.rows import row, summary_of


def key(text: str) -> SortKey:
    name = text.removeprefix("REVERSE ")
    assert name in get_args(SortKeyName)
    return SortKey(name, text != name)  # type: ignore[arg-type]


def keys(text: str) -> tuple[SortKey, ...]:
    return tuple(key(each) for each in text.split(", "))


def rows(*headers: str) -> list[Row]:
    """Messages 1, 2, 3 ..., each arrived a second after the one before it."""
    return [row(uid, header, arrived=uid) for uid, header in enumerate(headers, 1)]


def arrange(by: Sequence[SortKey], found: Sequence[Row]) -> list[int]:
    return arranged(by, [each[0] for each in found], columns([each.name for each in by], found)).tolist()


def order(by: str, found: Sequence[Row]) -> list[int]:
    return arrange(keys(by), found)


# --- keys ---


@pytest.mark.parametrize(
    ("by", "field", "values"),
    [
        # In the order in which they must come.
        ("SUBJECT", "Subject", ["", "Re: a", "B", "fwd: [list] re: c (fwd)", "[b] d"]),
        ("FROM", "From", ["", "Zoe <a@z>", "b@y", '"A" <C@x>', "d"]),
        ("TO", "To", ["", "Zoe <a@z>, <z@a>", "Undisclosed:;", "x@y, a@b"]),
        ("CC", "Cc", ["", "Zoe <a@z>, <z@a>", "b@y"]),
        ("DISPLAYFROM", "From", ["", "a@z", "Bob <z@a>", "=?utf-8?q?c=C3=A4?= <a@b>", '"" <d@e>', "friends: a@b;"]),
        ("DISPLAYTO", "To", ["", "a@z", "Bob <z@a>, <a@b>"]),
        (
            "DATE",
            "Date",
            [
                "31 Dec 2000 16:01:32 -0800",
                "1 Jan 2001 00:01:33 +0000",
                "1 Jan 2001 01:01:34 +0100",
                "1 Jan 2001 00:01:35 XYZ",  # RFC 5256 2.2: UTC, when the zone is invalid
            ],
        ),
    ],
)
def test_messages_come_in_the_order_of_a_field(by: str, field: str, values: list[str]) -> None:
    found = rows(*[f"{field}: {value}" if value else "X: y" for value in reversed(values)])
    assert order(by, found) == [*range(len(values), 0, -1)]
    assert order(f"REVERSE {by}", found) == [*range(1, len(values) + 1)]


def test_size_and_arrival_are_numbers() -> None:
    found = [row(7, size=1000, arrived=3), row(8, size=999, arrived=20), row(9, size=10_000, arrived=1)]
    assert order("SIZE", found) == [8, 7, 9]
    assert order("ARRIVAL", found) == [9, 7, 8]


def test_case_does_not_count_nor_how_an_accent_is_written() -> None:
    """RFC 5256 7, RFC 5051."""
    found = rows("Subject: ÄPFEL", "Subject: a\u0308pfel", "Subject: äpfel", "Subject: Apfel", "Subject: Zebra")
    assert order("SUBJECT", found) == [4, 1, 2, 3, 5]
    assert order("REVERSE SUBJECT", found) == [5, 1, 2, 3, 4]


def test_reverse_holds_for_one_key_and_never_for_ties() -> None:
    """RFC 5256 3: "does not affect the implicit "sequence number" sort criterion"."""
    found = rows("Subject: b", "Subject: a", "Subject: b", "Subject: a")
    assert order("SUBJECT", found) == [2, 4, 1, 3]
    assert order("REVERSE SUBJECT", found) == [1, 3, 2, 4]
    assert order("SUBJECT, REVERSE ARRIVAL", found) == [4, 2, 3, 1]
    assert order("REVERSE SUBJECT, ARRIVAL", found) == [1, 3, 2, 4]
    assert order("REVERSE SUBJECT, REVERSE ARRIVAL", found) == [3, 1, 4, 2]


def test_a_key_that_comes_again_decides_nothing() -> None:
    found = rows("Subject: b", "Subject: a", "Subject: b")
    assert order("SUBJECT, REVERSE SUBJECT, REVERSE ARRIVAL", found) == [2, 3, 1]


@pytest.mark.parametrize("date", ["", "Date:", "Date: yesterday", "Date: 31 Feb 2001 00:00:00 +0000"])
def test_without_a_valid_date_the_internal_date_counts(date: str) -> None:
    """RFC 5256 2.2."""
    at = 978_307_200  # 1 Jan 2001
    found = [
        row(1, date, arrived=at + 1),
        row(2, "Date: 1 Jan 2001 00:00:02 +0000", arrived=0),
        row(3, "Date: 1 Jan 2001 00:00:00 +0000", arrived=at + 5),
        row(4, "Date: 1 Jan 2001 00:00:01 +0000", arrived=at + 5),
    ]
    assert order("DATE", found) == [3, 1, 4, 2]


VALUES = st.sampled_from(["", "a", "A", "ä", "b", "re: a", "[x] B"])
DATES = st.sampled_from(["", "Date: 1 Jan 2001 00:00:00 +0000", "Date: 1 Jan 2001 00:00:00 -0100"])
MAILS = st.builds(
    lambda subject, sender, date: f"Subject: {subject}\nFrom: {sender} <{sender}@x>\n{date}".strip(),
    VALUES,
    st.sampled_from(["a", "b", "C"]),
    DATES,
)
ROWS = st.lists(st.tuples(MAILS, st.integers(0, 3), st.sampled_from([0, 978_307_200])), max_size=20).map(
    lambda found: [row(uid, mail, size=size, arrived=at) for uid, (mail, size, at) in enumerate(found, 1)]
)
STORED = [name for name in get_args(SortKeyName) if name != "RELEVANCY"]  # which is the search's (RFC 6203 6)
KEYS = st.lists(st.builds(SortKey, st.sampled_from(STORED), st.booleans()), min_size=1, max_size=5)


def compared(name: str, found: Row) -> Any:
    """What a key compares, said once more."""
    _, size, arrived, _, _ = found
    s = summary_of(found)
    return {
        "ARRIVAL": arrived // 1_000_000,
        "CC": fold(s.cc_mailbox),
        "DATE": (s.sent_at if s.sent_at is not None else arrived) // 1_000_000,
        "DISPLAYFROM": fold(s.from_display),
        "DISPLAYTO": fold(s.to_display),
        "FROM": fold(s.from_mailbox),
        "SIZE": size,
        "SUBJECT": fold(s.base_subject),
        "TO": fold(s.to_mailbox),
    }[name]


@given(found=ROWS, by=KEYS)
def test_the_order_is_that_of_comparing_two_messages_key_by_key(found: list[Row], by: list[SortKey]) -> None:
    def compare(left: Row, right: Row) -> int:
        for each in by:
            a, b = compared(each.name, left), compared(each.name, right)
            if a != b:
                return (1 if a > b else -1) * (-1 if each.reverse else 1)
        return left[0] - right[0]

    assert arrange(by, found) == [each[0] for each in sorted(found, key=cmp_to_key(compare))]


@given(found=ROWS, by=KEYS)
def test_very_many_are_sorted_in_steps(found: list[Row], by: list[SortKey]) -> None:
    expected = arrange(by, found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "SORTED_AT_ONCE", 4)
        patch.setattr(sorting, "SAMPLES", 2)
        assert arrange(by, found) == expected


# --- an order that is known ---


@given(found=ROWS, by=KEYS, known=st.sets(st.integers(1, 20)), wanted=st.sets(st.integers(1, 20)))
def test_a_known_order_with_the_others_put_in_is_the_order(
    found: list[Row], by: list[SortKey], known: set[int], wanted: set[int]
) -> None:
    by = list(distinct(by))
    of = columns([each.name for each in by], found)
    before = arranged(by, [each[0] for each in found if each[0] in known], columns_of(by, found, known))
    asked = [each[0] for each in found if each[0] in wanted]
    here, late = split(before, asked)
    assert sorted([*here, *late]) == asked
    assert set(here) <= known
    assert not set(late) & known
    assert inserted(by, here, late, of).tolist() == arrange(by, [each for each in found if each[0] in wanted])


def columns_of(by: Sequence[SortKey], found: Sequence[Row], which: set[int]) -> Any:
    return columns([each.name for each in by], [each for each in found if each[0] in which])


# --- the answer ---


@pytest.mark.parametrize(
    ("numbers", "octets"),
    [
        ([], b""),
        ([5], b"5"),
        ([23765, 23764, 23763, 23761], b"23765,23764,23763,23761"),  # RFC 5267 3.3
        ([5, 3, 4, 1, 2], b"5,3:4,1:2"),
        ([1, 2, 3, 2], b"1:3,2"),
    ],
)
def test_a_set_keeps_the_order_of_the_numbers(numbers: list[int], octets: bytes) -> None:
    """RFC 5267 3.2: ranges only ascend."""
    assert sequence_set(in_order(numbers)) == octets


@given(st.lists(st.integers(1, 12), max_size=30))
def test_a_set_holds_each_number_in_its_place(numbers: list[int]) -> None:
    assert [number for low, high in in_order(numbers) for number in range(low, high + 1)] == numbers


@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)))
def test_an_order_that_takes_more_in_stays_as_it_was(whole: list[int], late: set[int], lost: set[int]) -> None:
    """What the whole lacks keeps its place, and all else is where the whole has it."""
    before = [uid for uid in whole if uid not in late]
    known = [uid for uid in whole if uid not in lost - late]
    after = list(sorting.joined(before, late, known))
    assert [uid for uid in after if uid not in late] == before
    assert [uid for uid in after if uid in known] == known
    for most in (1, 2, 12):
        found = sorting.runs(after, late, most)
        assert [uid for _, run in found for uid in run] == [uid for uid in after if uid in late]
        assert all(list(run) == after[first - 1 : first - 1 + len(run)] for first, run in found)
        assert all(len(run) <= most for _, run in found)
