"""Address fields of every shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.mime import Address, parse_addresses
from core.formats.mime.addresses import GROUP_END, MISSING_DOMAIN, MISSING_MAILBOX, _Reader, comment_end
from core.formats.mime.limits import MAX_ADDRESSES


def address(name: str | None, mailbox: str | None, host: str | None, route: str | None = None) -> Address:
    encoded = [None if part is None else part.encode() for part in (name, route, mailbox, host)]
    return Address(*encoded)


def group(name: str) -> Address:
    return address(None, name, None)


CASES = [
    ("", []),
    (" \t", []),
    ("a@b.example", [address(None, "a", "b.example")]),
    ("<a@b.example>", [address(None, "a", "b.example")]),
    ("Joe Q. Public <a@b>", [address("Joe Q. Public", "a", "b")]),
    ("Joe   Public<a@b>", [address("Joe Public", "a", "b")]),
    ('"Public, Joe" <a@b>', [address("Public, Joe", "a", "b")]),
    ('"" <a@b>', [address("", "a", "b")]),
    (r'"Joe \"Q\" \\" <a@b>', [address(r'Joe "Q" \ '.rstrip(), "a", "b")]),
    ('Joe "Q" Public <a@b>', [address("Joe Q Public", "a", "b")]),
    ('"joe q"@b', [address(None, "joe q", "b")]),
    ('Joe <"joe q"@b>', [address("Joe", "joe q", "b")]),
    ("a@b, c@d", [address(None, "a", "b"), address(None, "c", "d")]),
    ("a@b,, ,c@d,", [address(None, "a", "b"), address(None, "c", "d")]),
    ("a@b (Joe)", [address("Joe", "a", "b")]),
    ("(Joe) a@b", [address("Joe", "a", "b")]),
    (r"a@b (Joe \(Q\) (and (so) on))", [address("Joe (Q) (and (so) on)", "a", "b")]),
    ("Joe <a@b> (Q)", [address("Joe", "a", "b")]),
    ("a(x)@(y)b", [address("y", "a", "b")]),
    ("<@x,@y:a@b>", [address(None, "a", "b", "@x,@y")]),
    ("Joe <@x:a@b>", [address("Joe", "a", "b", "@x")]),
    ("a . b @ c . d", [address(None, "a.b", "c.d")]),
    ("Joe Blow a@b", [address("Joe Blow", "a", "b")]),
    ("a@b Joe", [address(None, "a", "b")]),
    ("a@[192.0.2.1]", [address(None, "a", "[192.0.2.1]")]),
    ("<a@[IPv6:::1]>", [address(None, "a", "[IPv6:::1]")]),
    ("undisclosed-recipients:;", [group("undisclosed-recipients"), GROUP_END]),
    (
        'My "own" Group: a@b, Joe <c@d>; e@f',
        [group("My own Group"), address(None, "a", "b"), address("Joe", "c", "d"), GROUP_END, address(None, "e", "f")],
    ),
    ("G: a@b", [group("G"), address(None, "a", "b"), GROUP_END]),
    (":;", [group(""), GROUP_END]),
    ("G: H: a@b;", [group("G"), address("H", "a", "b"), GROUP_END]),
    ("a@b; c@d", [address(None, "a", "b"), address(None, "c", "d")]),
    ("joe", [address(None, "joe", "MISSING_DOMAIN")]),
    ("Joe Blow", [address(None, "Joe Blow", "MISSING_DOMAIN")]),
    ("Joe <joe>", [address("Joe", "joe", "MISSING_DOMAIN")]),
    ("Joe <>", [address("Joe", "MISSING_MAILBOX", "MISSING_DOMAIN")]),
    ("<@b>", [address(None, "MISSING_MAILBOX", "b")]),
    ("a@", [address(None, "a", "MISSING_DOMAIN")]),
    ("a@b@c", [address(None, "a", "bc")]),
    ("Joe <a@b", [address("Joe", "a", "b")]),
    ("Joe <a@b, c@d", [address("Joe", "a", "b"), address(None, "c", "d")]),
    ("a@b>", [address(None, "a", "b")]),
    ('"Joe <a@b', [address(None, "Joe <a@b", "MISSING_DOMAIN")]),
    ("(Joe", []),
    (r"a\@b", [address(None, "a", "b")]),
    ("Jürgen <jü@b>", [address("Jürgen", "jü", "b")]),
    ("=?utf-8?q?J=2C?= <a@b>", [address("=?utf-8?q?J=2C?=", "a", "b")]),
]


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_a_field_becomes_the_four_strings_of_imap(value: str, expected: list[Address]) -> None:
    assert parse_addresses(value.encode()) == expected


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_the_slow_reader_says_the_same(value: str, expected: list[Address]) -> None:
    assert _Reader(value.encode()).read() == expected


@given(st.lists(st.sampled_from(["a", " ", "b.c", "@", ",", "<", ">", '"', "(", ")", ":", ";", "\\", "é", "[", "]"])))
def test_the_fast_and_the_slow_reader_agree_on_anything(parts: list[str]) -> None:
    value = "".join(parts).encode()
    assert parse_addresses(value) == _Reader(value).read()


def test_what_is_missing_has_a_name_because_nil_means_a_group() -> None:
    assert (MISSING_MAILBOX, MISSING_DOMAIN) == (b"MISSING_MAILBOX", b"MISSING_DOMAIN")


def test_addresses_beyond_the_limit_are_not_read() -> None:
    many = b"a@b," * (MAX_ADDRESSES + 100)
    assert len(parse_addresses(many)) == MAX_ADDRESSES
    assert len(parse_addresses(b"()" + many)) == MAX_ADDRESSES


def test_a_comment_that_nothing_closes_takes_the_rest() -> None:
    assert comment_end(b"(a(b)", 0) == 5
