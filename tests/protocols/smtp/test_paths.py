"""Addresses between angle brackets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp.paths import HELLO_NAME, BadPath, Path, forward_path, reverse_path


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        ("FROM:<a@b.example>", "a@b.example", ""),
        ("from:<a@b.example>  SIZE=1 BODY=7BIT", "a@b.example", "SIZE=1 BODY=7BIT"),
        ("FROM: <a@b.example>", "a@b.example", ""),
        ("FROM:<>", "", ""),
        ("FROM:<> SIZE=1", "", "SIZE=1"),
        ("FROM:<@one.example,@two.example:a@b.example>", "a@b.example", ""),
        ("FROM:<a.b+c/d='e'@b-c.d--e.example>", "a.b+c/d='e'@b-c.d--e.example", ""),
        ("FROM:<a@my_host.example>", "a@my_host.example", ""),
        ("FROM:<a@b>", "a@b", ""),
        ('FROM:<"a b"@b.example>', '"a b"@b.example', ""),
        ('FROM:<"joe"@b.example>', "joe@b.example", ""),
        ('FROM:<"j\\o\\e"@b.example>', "joe@b.example", ""),
        ('FROM:<"a>b\\"c\\\\d"@b.example>', '"a>b\\"c\\\\d"@b.example', ""),
        ('FROM:<""@b.example>', '""@b.example', ""),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]", ""),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""),
        ("FROM:<jürgen@exämple.net>", "jürgen@exämple.net", ""),
        ("FROM:<" + "a" * 255 + "@b.example>", "a" * 255 + "@b.example", ""),
    ],
)
def test_a_reverse_path_is_read(argument: str, address: str, parameters: str) -> None:
    assert reverse_path(argument) == Path(address, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "a@b.example",
        "<a@b.example",
        "a@b.example>",
        "<<a@b.example>>",
        "<a@b.example>>",
        "<a>",
        "<a@>",
        "<@b.example>",
        "<.a@b.example>",
        "<a.@b.example>",
        "<a..b@b.example>",
        "<a b@b.example>",
        "<a@b..example>",
        "<a@b.example.>",
        "<a@-b.example>",
        "<a@b-.example>",
        "<a@b c.example>",
        "<a@b@c.example>",
        '<"a@b.example>',
        '<"a"b@b.example>',
        '<"a\\"@b.example>',
        "<a@[192.0.2]>",
        "<a@[192.0.2.1>",
        "<a@[2001:db8::1]>",
        "<a@[IPv6:192.0.2.1]>",
        "<a@[tag:x]>",
        "<@one.example a@b.example>",
        "<a@b.example>SIZE=1",
        "<a@b\x85.example>",
        "<" + "a" * 256 + "@b.example>",
        "<" + "ä" * 128 + "@b.example>",
        "<a@" + "b" * 256 + ">",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        reverse_path(f"FROM:{path}")
    with pytest.raises(BadPath):
        forward_path(f"TO:{path}")


@pytest.mark.parametrize("argument", ["", "<a@b.example>", "FROM <a@b.example>", "TO:<a@b.example>", "FROM:\t<>"])
def test_the_word_before_the_path_is_needed(argument: str) -> None:
    with pytest.raises(BadPath):
        reverse_path(argument)


def test_a_forward_path_is_read() -> None:
    assert forward_path("TO:<@one.example:a@b.example> X=1") == Path("a@b.example", "X=1")
    assert forward_path("to:<Postmaster>") == Path("Postmaster", "")
    with pytest.raises(BadPath):
        forward_path("TO:<>")


@pytest.mark.parametrize("piece", ["a.", '"\\', "a@b-", "@a.b,", "a-", ".", "\\a", '"', "ä"])
def test_long_nonsense_takes_no_time(piece: str) -> None:
    for begin in ("<", "<@a:", '<"', "<a@", "<a@["):
        with pytest.raises(BadPath):
            reverse_path(f"FROM:{begin}{piece * 20_000}")


@given(st.text())
def test_any_text_is_a_path_or_is_not(text: str) -> None:
    for read, word in ((reverse_path, "FROM:"), (forward_path, "TO:")):
        try:
            path = read(f"{word}<{text}>")
        except BadPath:
            continue
        assert not set(path.address) & set("\r\n\x00")
        # What was accepted once is what it says.
        assert read(f"{word}<{path.address}>") == Path(path.address, "")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("mail.example.org", True),
        ("[192.0.2.1]", True),
        ("[IPv6:2001:db8::1]", True),
        ("my_pc", True),
        ("", False),
        ("a b", False),
        ("a(b)", False),
        ("a;b", False),
        ("a\nb", False),
        ("ä", False),
    ],
)
def test_a_client_may_not_name_itself_what_would_confuse_a_header(name: str, is_one: bool) -> None:
    assert bool(HELLO_NAME.fullmatch(name)) == is_one
