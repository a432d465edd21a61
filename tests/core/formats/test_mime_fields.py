"""Header blocks into fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.mime import fields, header_fields, unfolded
from core.formats.mime.fields import known_fields

HEADER = (
    b"From user@host Mon Jan  1 00:00:00 2024\r\n"
    b"Received: one\r\n\tfolded\r\n"
    b"SUBJECT : two\r\n"
    b"junk without a colon\r\n"
    b"To: three\n"
    b" more\n"
    b"Empty:\r\n"
    b"To: four\r\n"
    b"\r\n"
)


def test_fields_come_raw_and_in_order_without_the_junk() -> None:
    assert list(fields(HEADER)) == [
        (b"Received", b" one\r\n\tfolded"),
        (b"SUBJECT", b" two"),
        (b"To", b" three\n more"),
        (b"Empty", b""),
        (b"To", b" four"),
    ]


def test_a_line_of_blanks_continues_a_field() -> None:
    assert list(fields(b"A: b\n \n c\nD: e\n\n")) == [(b"A", b" b\n \n c"), (b"D", b" e")]


def test_chosen_fields_keep_their_octets_and_get_a_blank_line() -> None:
    assert header_fields(HEADER, [b"to", b"Subject"]) == b"SUBJECT : two\r\nTo: three\n more\nTo: four\r\n\r\n"


def test_the_other_fields_are_those_of_no_name_given() -> None:
    assert header_fields(HEADER, [b"TO", b"received"], exclude=True) == b"SUBJECT : two\r\nEmpty:\r\n\r\n"


@pytest.mark.parametrize("header", [b"\r\n", b"\n", b"A: b\r\n\r\n", b"A: b\n\n"])
def test_with_no_field_chosen_the_blank_line_is_left(header: bytes) -> None:
    assert header_fields(header, [b"X"]) == b"\r\n"


@pytest.mark.parametrize("header", [b"", b"A: b\r\n", b"A: b\r\nC: d"])
def test_a_header_without_a_blank_line_gets_none(header: bytes) -> None:
    assert header_fields(header, [b"X"]) == b""
    assert header_fields(header, [b"X"], exclude=True) == header


def test_a_name_must_match_to_its_end() -> None:
    assert header_fields(b"Too: x\r\nTo-Do: y\r\nTo: z\r\n\r\n", [b"to"]) == b"To: z\r\n\r\n"


@given(st.binary(max_size=200), st.sampled_from([b"a", b"to"]))
def test_chosen_and_other_fields_are_all_fields(header: bytes, name: bytes) -> None:
    every = list(fields(header))
    chosen = list(fields(header_fields(header, [name])))
    others = list(fields(header_fields(header, [name], exclude=True)))
    assert len(chosen) + len(others) == len(every)
    assert all(each.lower() == name for each, _ in chosen)


def test_unfolding_takes_the_line_ends_and_outer_blanks_only() -> None:
    assert unfolded(b" a\r\n\tb\n c \r") == b"a\tb c"


def test_known_fields_are_unfolded_under_their_lower_case_names() -> None:
    found = known_fields(b"\nDATE: x\r\nX-Other: y\r\nTo: a,\r\n b\r\nto: c\r\nContent-Type-Not: z\r\n")
    assert found == {b"date": [b"x"], b"to": [b"a, b", b"c"]}
