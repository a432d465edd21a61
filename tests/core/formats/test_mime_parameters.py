"""Parameters of Content-Type and Content-Disposition."""

import pytest

from core.formats.mime.limits import MAX_PARAMS
from core.formats.mime.parameters import Parameter, parse_parameters, without_comments


def params(raw: str) -> list[tuple[str, str, bool]]:
    return [(each.name.decode(), each.value.decode(), each.extended) for each in parse_parameters(raw.encode())[1]]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("text/plain", []),
        ("text/plain;", []),
        ("text/plain; charset=utf-8", [("charset", "utf-8", False)]),
        ('text/plain; Charset="utf-8"', [("Charset", "utf-8", False)]),
        ("a/b;c=d;e=f", [("c", "d", False), ("e", "f", False)]),
        ("a/b; c = d ; e", [("c", "d", False)]),
        (r'a/b; c="d;\"e\"\\"', [("c", 'd;"e"\\', False)]),
        ('a/b; c=""', [("c", "", False)]),
        ("a/b; c=", [("c", "", False)]),
        ('a/b; c="open; d=e', [("c", "open; d=e", False)]),
        ("a/b; c=d; C=e", [("c", "d", False)]),
        ("a/b; name=my file.pdf; x=y", [("name", "my file.pdf", False), ("x", "y", False)]),
        ("a/b; name=report(1).pdf", [("name", "report(1).pdf", False)]),
        ("a/b (comment; x=y) ; (more) c=d (end)", [("c", "d", False)]),
        ('a/b; c="no (comment) here"', [("c", "no (comment) here", False)]),
        ("a/b; c*0=one; c*1=two", [("c", "onetwo", False)]),
        ('a/b; c*1="two"; c*0="one "', [("c", "one two", False)]),
        ("a/b; c*0=one; c*2=three", [("c", "one", False)]),
        ("a/b; c*=utf-8'en'J%C3%BCrgen", [("c", "Jürgen", True)]),
        ("a/b; c*=iso-8859-1''J%FCrgen", [("c", "Jürgen", True)]),
        ("a/b; c*=J%C3%BCrgen", [("c", "Jürgen", True)]),
        ("a/b; c*=nonsense''%C3%BC", [("c", "ü", True)]),
        ("a/b; c*=utf-8''100%", [("c", "100%", True)]),
        ("a/b; c*0*=utf-8''J%C3; c*1*=%BCrgen; c*2=%20", [("c", "Jürgen%20", True)]),
        ("a/b; c*0=plain; c*1*=%41", [("c", "plainA", True)]),
        ("a/b; c=ascii; c*=utf-8''%C3%BC", [("c", "ascii", False), ("c", "ü", True)]),
        ("a/b; c**=d", [("c**", "d", False)]),
    ],
)
def test_parameters_are_decoded_and_their_sections_joined(raw: str, expected: list[tuple[str, str, bool]]) -> None:
    assert params(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a/b; c=d", None),
        ("a/b; c*0=one; c*1=two", None),
        ("a/b; c*=iso-8859-1'en'J%FCrgen", b"iso-8859-1'en'J%FCrgen"),
        ("a/b; c*0*=iso-8859-1''J%FC; c*1*=rgen; c*2=100%", b"iso-8859-1''J%FCrgen100%25"),
        ("a/b; c*0=a b; c*1*=%41", b"''a%20b%41"),
        ("a/b; c*=J%C3%BCrgen", b"''J%C3%BCrgen"),
        ("a/b; c*=utf-8''Jürgen", b"utf-8''J%C3%BCrgen"),
    ],
)
def test_charset_and_language_are_kept(raw: str, expected: bytes | None) -> None:
    """RFC 2231 5: without them, octets that the charset does not have would be lost."""
    ((_, _, encoded),) = parse_parameters(raw.encode())[1]
    assert encoded == expected


def test_the_value_is_what_comes_first() -> None:
    assert parse_parameters(b" text/plain charset=x")[0] == b"text/plain"
    assert parse_parameters(b"")[0] == b""
    assert parse_parameters(b"(c) a/b(x)")[0] == b"a/b(x)"


def test_parameters_beyond_the_limit_are_not_read() -> None:
    raw = b"a/b" + b"".join(b"; p%d=x" % number for number in range(MAX_PARAMS + 50))
    assert len(parse_parameters(raw)[1]) == MAX_PARAMS


def test_raw_octets_are_kept() -> None:
    assert parse_parameters(b'a/b; c="\xfc"')[1] == (Parameter(b"c", b"\xfc"),)


def test_comments_nest() -> None:
    assert without_comments(b"a (b (c) d) e") == b"a   e"
    assert without_comments(b"a (b") == b"a  "
