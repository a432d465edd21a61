"""IMAP URLs with URLAUTH, and RESETKEY, GENURLAUTH and URLFETCH, as clients write them (RFC 4467 9, RFC 5092 11)."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap import limits
from protocols.imap.commands import Command, GenUrlAuth, ResetKey, Section, UrlFetch
from protocols.imap.grammar import BadSyntax, parse
from protocols.imap.grammar.urls import Access, FullUrl, MessageUrl, RumpUrl, full_url, rump_url

WHOLE = Section(b"BODY[]", peek=True)
TOKEN = b"91354a473744909de610943775f92038"


def moment(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("octets", "user", "message", "access"),
    [
        (
            b"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred",
            "joe",
            MessageUrl("INBOX", None, 20, Section(b"BODY[1.2]", peek=True, path=(1, 2))),
            Access("submit", "fred"),
        ),
        (
            b"IMAP://j%C3%B6e;AUTH=*@[2001:db8::1]:993/a%20b/c;UIDVALIDITY=7/;UID=1;URLAUTH=AuthUser",
            "jöe",
            MessageUrl("a b/c", 7, 1, WHOLE),
            Access("authuser"),
        ),
        (
            b"imap://joe%40example.com@h:143/x/;UID=1/;PARTIAL=5.9;URLAUTH=user+f%40x",
            "joe@example.com",
            MessageUrl("x", None, 1, Section(b"BODY[]", peek=True, partial=(5, 9))),
            Access("user", "f@x"),
        ),
        (
            b"imap://joe;AUTH=PLAIN@h/x/;UID=1/;SECTION=TEXT/;PARTIAL=0.1;urlauth=stream",
            "joe",
            MessageUrl("x", None, 1, Section(b"BODY[TEXT]", peek=True, text="TEXT", partial=(0, 1))),
            Access("stream"),
        ),
    ],
)
def test_what_is_to_be_authorized_is_read(octets: bytes, user: str, message: MessageUrl, access: Access) -> None:
    assert rump_url(octets) == RumpUrl(octets, user, message, access)
    token = bytes.fromhex(TOKEN.decode())
    for mechanism in (b"internal", b"INTERNAL"):
        assert full_url(octets + b":" + mechanism + b":" + TOKEN) == FullUrl(rump_url(octets), "INTERNAL", token)


def test_nothing_is_done_to_what_is_authorized_but_to_cut_it() -> None:
    """RFC 4467 6: no decoding and no folding."""
    rump = b"iMaP://J%6Fe@EXAMPLE.com/inBOX/;uId=20;UrlAuth=User+%66red"
    url = full_url(rump + b":x-y.Z:" + TOKEN.upper())
    assert url.rump.octets == rump
    assert (url.rump.user, url.rump.access, url.mechanism) == ("Joe", Access("user", "fred"), "X-Y.Z")


@pytest.mark.parametrize(
    ("written", "expires_at"),
    [
        (b"2023-11-14T22:13:20Z", moment(2023, 11, 14, 22, 13, 20)),
        (b"2023-11-14t23:13:20.5+01:00", moment(2023, 11, 14, 22, 13, 20) + 500_000),
        (b"2023-11-14T22:13:20.1234567-00:00", moment(2023, 11, 14, 22, 13, 20) + 123_456),
        (b"1990-12-31T15:59:60-08:00", moment(1990, 12, 31, 23, 59, 59)),
        (b"0001-01-01T00:00:00+23:59", moment(1, 1, 1) - (24 * 60 - 1) * 60_000_000),
        (b"9999-12-31T23:59:59-23:59", moment(9999, 12, 31, 23, 59, 59) + (24 * 60 - 1) * 60_000_000),
    ],
)
def test_until_when_a_url_is_valid_is_read(written: bytes, expires_at: int) -> None:
    """RFC 3339 5.6, 5.8."""
    url = rump_url(b"imap://joe@h/x/;UID=1;EXPIRE=" + written + b";URLAUTH=anonymous")
    assert url.expires_at == expires_at


NO_RUMP = [
    b"imap://joe@example.com/INBOX/;uid=20/;section=1.2",  # RFC 4467 GENURLAUTH: no access identifier
    b"imap://example.com/Shared/;uid=20/;section=1.2;urlauth=submit+fred",  # and no user
    b"imap://;AUTH=*@example.com/Shared/;uid=20;urlauth=submit+fred",
    b"imap://@example.com/Shared/;uid=20;urlauth=submit+fred",
    b"imap://joe@example.com/INBOX;urlauth=anonymous",  # RFC 4467 3: a folder, a search, a server
    b"imap://joe@example.com/INBOX?ALL;urlauth=anonymous",
    b"imap://joe@example.com/;urlauth=anonymous",
    b"imap://joe@example.com;urlauth=anonymous",
    b"/INBOX/;uid=20;urlauth=anonymous",
    b"//joe@example.com/INBOX/;uid=20;urlauth=anonymous",
    b"http://joe@example.com/INBOX/;uid=20;urlauth=anonymous",
    b"imap://joe@/INBOX/;uid=20;urlauth=anonymous",
    b"imap://joe@example.com/INBOX/;uid=0;urlauth=anonymous",
    b"imap://joe@example.com/INBOX/;uid=1/;section=nonsense;urlauth=anonymous",
    b"imap://joe@example.com/../INBOX/;uid=1;urlauth=anonymous",
    b"imap://joe@example.com/%ff/;uid=1;urlauth=anonymous",
    b"imap://%ff@example.com/x/;uid=1;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;urlauth=user+%ff",
    b"imap://joe@example.com/x/;uid=1;urlauth=user+",
    b"imap://joe@example.com/x/;uid=1;urlauth=",
    b"imap://joe@example.com/x/;uid=1;urlauth=x-y",
    b"imap://joe@example.com/x/;uid=1;urlauth=anonymous;expire=2023-11-14T22:13:20Z",
    b"imap://joe@example.com/x/;uid=1;expire=2023-11-14;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;expire=2023-02-30T00:00:00Z;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;expire=0000-01-01T00:00:00Z;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;expire=2023-11-14T22:13:61Z;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;expire=2023-11-14T22:13:20+24:00;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;urlauth=anonymous\n",
    b" imap://joe@example.com/x/;uid=1;urlauth=anonymous",
    b"imap://joe@example.com/x/;uid=1;urlauth=anonymous:internal",
    b"",
]


@pytest.mark.parametrize("octets", NO_RUMP)
def test_what_cannot_be_authorized(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        rump_url(octets)
    with pytest.raises(BadSyntax):
        full_url(octets + b":internal:" + TOKEN)


@pytest.mark.parametrize(
    "verifier",
    [
        b"",
        b":internal",
        b":internal:",
        b":internal:" + TOKEN[1:],
        b":internal:" + TOKEN + b"0",
        b":internal:" + b"g" * 32,
        b"::" + TOKEN,
        b":in_ternal:" + TOKEN,
        b":internal:" + TOKEN + b"\n",
    ],
)
def test_what_is_not_authorized(verifier: bytes) -> None:
    """A token has 32 hexadecimal digits at least, and ours an even number of them."""
    rump = b"imap://joe@example.com/x/;uid=1;urlauth=anonymous"
    rump_url(rump)
    with pytest.raises(BadSyntax):
        full_url(rump + verifier)


@given(st.one_of(st.binary(max_size=90), st.text("imap:/@;UID=1XPRLAUTH+%2Aa.?[]Z() ", max_size=120).map(str.encode)))
def test_any_octets_are_a_url_or_bad(octets: bytes) -> None:
    for read in (rump_url, full_url):
        with suppress(BadSyntax):
            read(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b":" * limits.FULL_URL,
        b"imap://" + b"a" * limits.URL,
        b"imap://a@" + b"a" * limits.URL,
        b"imap://a@b" + b"/" * limits.URL,
        b"imap://a@b/c/;UID=1/;SECTION=" + b"/" * limits.URL,
        b"imap://a@b/" + b"%41" * 1300 + b":a" * 20 + b":" + TOKEN,
        b":a" * 1000 + b":" + TOKEN * 60,
    ],
)
def test_a_long_url_is_read_in_no_time(octets: bytes) -> None:
    for read in (rump_url, full_url):
        with pytest.raises(BadSyntax):
            read(octets)


# ---------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    ("text", "command"),
    [
        # RFC 4467 BASE.6.3.RESETKEY
        (b"a31 RESETKEY", ResetKey(b"a31")),
        (b"a32 RESETKEY INBOX", ResetKey(b"a32", "INBOX")),
        (b"a33 RESETKEY INBOX XSAMPLE", ResetKey(b"a33", "INBOX", ("XSAMPLE",))),
        (b'a resetkey "a b" internal x-y.z', ResetKey(b"a", "a b", ("INTERNAL", "X-Y.Z"))),
        (b"a GENURLAUTH x INTERNAL", GenUrlAuth(b"a", ((b"x", "INTERNAL"),))),
        (
            b'a777 GENURLAUTH "imap://joe@example.com/INBOX/;uid=20" INTERNAL "y" xsample',
            GenUrlAuth(b"a777", ((b"imap://joe@example.com/INBOX/;uid=20", "INTERNAL"), (b"y", "XSAMPLE"))),
        ),
        (b'a URLFETCH x "y (" z', UrlFetch(b"a", (b"x", b"y (", b"z"))),
        (b'a UrlFetch ""', UrlFetch(b"a", (b"",))),
    ],
)
def test_commands_are_read(text: bytes, command: Command) -> None:
    assert parse(text) == command


def test_urls_may_be_literals() -> None:
    assert parse(b"a URLFETCH \0 x \0", (b"\xff\r\n", b"y")) == UrlFetch(b"a", (b"\xff\r\n", b"x", b"y"))
    assert parse(b"a GENURLAUTH \0 INTERNAL", (b"x",)) == GenUrlAuth(b"a", ((b"x", "INTERNAL"),))


@pytest.mark.parametrize(
    "text",
    [
        b"a RESETKEY INBOX in_ternal",
        b"a RESETKEY INBOX (INTERNAL)",
        b"a UID RESETKEY",
        b"a GENURLAUTH",
        b"a GENURLAUTH x",
        b"a GENURLAUTH x ",
        b"a GENURLAUTH x INTERNAL y",
        b"a GENURLAUTH x in_ternal",
        b"a URLFETCH",
        b"a URLFETCH ",
        b"a URLFETCH (x)",
        b"a URLFETCH x  y",
    ],
)
def test_what_is_no_such_command(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(text)


@pytest.mark.parametrize(
    ("good", "one_more"),
    [
        (b"a URLFETCH" + b" x" * limits.URLS, b" x"),
        (b"a GENURLAUTH" + b" x Y" * limits.URLS, b" x Y"),
        (b"a RESETKEY x" + b" Y" * limits.URL_MECHANISMS, b" Y"),
        (b"a URLFETCH " + b"x" * limits.FULL_URL, b"x"),
        (b'a GENURLAUTH "' + b"x" * limits.URL, b"x"),
    ],
)
def test_there_may_not_be_too_much_of_it(good: bytes, one_more: bytes) -> None:
    end = b'" INTERNAL' if b'"' in good else b""
    parse(good + end)
    with pytest.raises(BadSyntax) as refusal:
        parse(good + one_more + end)
    assert refusal.value.code == b"LIMIT"


def test_what_is_authorized_may_be_as_long_as_it_gets() -> None:
    """A URL that may be authorized may be used then."""
    longest = b"x" * limits.URL + b":INTERNAL:" + b"0" * 66
    parse(b"a URLFETCH " + longest)
