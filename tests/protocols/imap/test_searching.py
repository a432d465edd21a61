"""What SEARCH finds: exact substrings of decoded text, days as written, flags, numbers, and all that joins them."""

import re
from base64 import b64encode
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.casemap import fold
from core.model import Blob
from core.ports import ReadTx
from protocols.imap.finding import candidates
from protocols.imap.finding.searching import Search
from protocols.imap.reading.sections import read_octets
from protocols.imap.work import Read, Scan, unhurried
from tests.support.imap import Client, TestServer

PLAIN = b"""\
Date: Mon, 7 Feb 1994 23:52:25 -0800
From: Fred Foobar <foobar@blurdybloop.example>
Subject: afternoon meeting
To: mooch@owatagu.example
Cc: Terry Gray <gray@cac.washington.example>
Bcc: hidden@example.org
Message-Id: <B27397-0100000@blurdybloop.example>
X-Empty:

Hello Joe, do you think we can meet at 3:30 tomorrow?
"""
GERMAN = b"""\
Date: Tue, 8 Feb 1994 00:10:00 +0900
From: =?iso-8859-1?Q?J=FCrgen_M=FCller?= <jm@example.org>
Subject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne Gr=FC=DFe, und ein sehr langes Wo=
rt
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGI+w5xiZXJyYXNjaHVuZzwvYj4=
--b
Content-Type: application/pdf; name=secret.pdf
Content-Transfer-Encoding: base64

bm90IHRleHQ=
--b
Content-Type: message/rfc822

Subject: enclosed

nested words
--b--
"""
RUSSIAN = "Subject: x\nContent-Type: text/plain; charset=koi8-r\n\nПривет, мир\n".encode("koi8-r")  # noqa: RUF001
MESSAGES = [message.replace(b"\n", b"\r\n") for message in (PLAIN, GERMAN, RUSSIAN)]
DATES = ['"07-Feb-1994 23:52:25 -0800"', '"08-Feb-1994 23:30:00 -0500"', '"09-Feb-1994 00:00:00 +0000"']
FLAGS = ["(\\Seen $Work)", "(\\Answered \\Flagged)", "(\\Deleted \\Draft)"]


@pytest.fixture
def client(server: TestServer) -> Client:
    """In a folder with the three messages."""
    client = server.client()
    for message, date, flags in zip(MESSAGES, DATES, FLAGS, strict=True):
        client.append("INBOX", message, f"{flags} {date}")
    client.ok("SELECT INBOX")
    return client


def found(client: Client, keys: str, charset: str = "") -> list[int]:
    keys = re.sub(r'(?<!")\b[^ "]*[^\x00-\x7f][^ "]*(?!")', r'"\g<0>"', keys) if '"' not in keys else keys
    command = f"SEARCH {keys}".encode() if not charset else f"SEARCH CHARSET {charset} ".encode() + keys.encode(charset)
    (line,) = [line for line in client.ok(command).split(b"\r\n") if line.startswith(b"* SEARCH")]
    return [int(number) for number in re.findall(rb"\d+", line)]


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ("ALL", [1, 2, 3]),
        ("SEEN", [1]),
        ("UNSEEN", [2, 3]),
        ("ANSWERED", [2]),
        ("UNANSWERED FLAGGED", []),
        ("FLAGGED", [2]),
        ("UNFLAGGED", [1, 3]),
        ("DELETED", [3]),
        ("UNDELETED", [1, 2]),
        ("DRAFT", [3]),
        ("UNDRAFT", [1, 2]),
        ("SEEN UNSEEN", []),
        ("(DELETED DRAFT) UNSEEN", [3]),
        ("NOT DELETED NOT SEEN", [2]),
        ("NOT (SEEN DELETED)", [1, 2, 3]),
        ("KEYWORD $work", [1]),
        ("UNKEYWORD $Work", [2, 3]),
        ("KEYWORD nobody-uses-it", []),
        ("RECENT", [1, 2, 3]),
        ("NEW", [2, 3]),
        ("OLD", []),
        ("1,3", [1, 3]),
        ("*", [3]),
        ("2:*", [2, 3]),
        ("UID 2:9", [2, 3]),
        ("UID *", [3]),
        ("NOT UID 2", [1, 3]),
        ("NOT 2:3", [1]),
        ("OR SEEN DELETED", [1, 3]),
        ("OR OR SEEN DELETED 2", [1, 2, 3]),
        ("(SEEN) NOT (DELETED DRAFT)", [1]),
        ("NOT (OR SEEN DELETED)", [2]),
        ("LARGER 300", [1, 2]),
        ("SMALLER 300", [3]),
    ],
)
def test_flags_numbers_and_sizes(client: Client, keys: str, numbers: list[int]) -> None:
    """RFC 9051 6.4.4."""
    assert found(client, keys) == numbers


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ("ON 7-Feb-1994", [1]),
        ("ON 8-Feb-1994", [2]),
        ("ON 9-Feb-1994", [3]),
        ("BEFORE 8-Feb-1994", [1]),
        ("SINCE 8-Feb-1994", [2, 3]),
        ("SENTON 7-Feb-1994", [1]),
        ("SENTON 8-Feb-1994", [2]),
        ("SENTBEFORE 8-Feb-1994", [1]),
        ("SENTSINCE 8-Feb-1994", [2]),  # the third has no Date, so that it was sent on no day
        ("NOT SENTSINCE 8-Feb-1994", [1, 3]),
    ],
)
def test_days_are_those_that_were_written(client: Client, keys: str, numbers: list[int]) -> None:
    """RFC 9051 6.4.4: "disregarding time and timezone"."""
    assert found(client, keys) == numbers


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ("SUBJECT meeting", [1]),
        ("SUBJECT NOON", [1]),
        ('SUBJECT "n m"', [1]),
        ("SUBJECT GRÜSSE", []),  # i;unicode-casemap does not make two letters of one
        ("SUBJECT grüße", [2]),
        ("SUBJECT köln", [2]),
        ("SUBJECT =?utf", []),
        ("FROM jürgen", [2]),
        ("FROM blurdybloop", [1]),
        ('FROM "Foobar <foo"', [1]),
        ("TO owatagu", [1]),
        ("CC terry", [1]),
        ("BCC hidden", [1]),
        ("HEADER message-id B27397", [1]),
        ("HEADER Subject AUS", [2]),
        ('HEADER X-Empty ""', [1]),
        ('HEADER Cc ""', [1]),
        ("HEADER X-Empty x", []),
        ("HEADER X-None x", []),
        ("BODY joe", [1]),
        ('BODY "3:30 tomorrow"', [1]),
        ("BODY meeting", []),
        ("BODY schöne", [2]),
        ('BODY "langes wort"', [2]),
        ("BODY ÜBERRASCHUNG", [2]),
        ("BODY secret.pdf", []),
        ('BODY "not text"', []),
        ("BODY nested", [2]),
        ("BODY enclosed", [2]),
        ("BODY привет", [3]),
        ('BODY ""', [1, 2, 3]),
        ("TEXT meeting", [1]),
        ("TEXT tomorrow", [1]),
        ("TEXT Message-Id:", [1]),
        ("TEXT secret.pdf", [2]),
        ("TEXT müller", [2]),
        ('TEXT ""', [1, 2, 3]),
        ("TEXT nowhere-at-all", []),
        ("OR SUBJECT meeting BODY nested", [1, 2]),
        ("BODY nested NOT SUBJECT meeting FLAGGED", [2]),
    ],
)
def test_texts_are_compared_decoded(client: Client, keys: str, numbers: list[int]) -> None:
    """RFC 9051 6.4.4: substrings; encodings are undone, and case does not count."""
    assert found(client, keys) == numbers


def test_the_words_may_come_in_other_charsets(client: Client) -> None:
    assert found(client, "BODY ПРИВЕТ", "koi8-r") == [3]
    assert found(client, "SUBJECT grüße", "iso-8859-1") == [2]


def test_a_word_may_be_a_literal(client: Client) -> None:
    word = "köln".encode()
    answer = client.send(b"x SEARCH SUBJECT {%d+}\r\n%b SEEN\r\n" % (len(word), word))
    assert answer == b"* SEARCH\r\nx OK SEARCH completed\r\n"


def test_our_trace_headers_are_searched_too(client: Client, server: TestServer) -> None:
    server.deliver(MESSAGES[0], prefix=b"Return-Path: <bounce@example.net>\r\nDelivered-To: u1\r\n")
    client.ok("NOOP")
    assert found(client, "HEADER Return-Path bounce") == [4]
    assert found(client, "TEXT bounce@example") == [4]
    assert found(client, "BODY tomorrow") == [1, 4]


def test_what_is_clipped_in_the_summary_is_searched_in_the_header(client: Client, server: TestServer) -> None:
    many = b", ".join(b"Name%d <n%d@example.org>" % (n, n) for n in range(20_000))
    server.deliver(b"To: " + many + b"\r\nSubject: x\r\n\r\n")
    client.ok("NOOP")
    assert found(client, "TO n19999@example") == [4]
    assert found(client, "TO n20000@example") == []


def test_of_a_monstrous_header_its_beginning_is_searched(
    client: Client, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "HEADER_OCTETS", 1000)
    monkeypatch.setattr(candidates, "FOLDED_CHARACTERS", 7)
    server.deliver(b"X: begin " + b"x" * 1000 + b"end\r\nSubject: monster\r\n\r\nbody")
    client.ok("NOOP")
    assert found(client, "HEADER X BEGIN") == found(client, "TEXT begin") == [4]
    assert found(client, "HEADER X end") == found(client, "TEXT xend") == []
    assert found(client, "SUBJECT monster") == found(client, "BODY body SUBJECT monster") == [4]


LARGE = "Content-Type: text/plain; charset={}\r\nContent-Transfer-Encoding: base64\r\n\r\n"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-2022-jp"])
def test_a_large_text_is_searched_in_pieces(
    client: Client, server: TestServer, charset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "TEXT_OCTETS", 999)
    monkeypatch.setattr(candidates, "KEPT_TEXTS", 999)
    text = "".join(f"zeile {n} 日本{n}\r\n" for n in range(500))
    server.deliver(LARGE.format(charset).encode() + b64encode(text.encode(charset)))
    client.ok("NOOP")
    assert found(client, "BODY 日本499") == [4]
    assert found(client, "BODY 日本500") == []
    for n in range(0, 500, 25):
        assert found(client, f'BODY "ZEILE {n} 日本{n}"') == [4]


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        (" ".join(f"NOT BODY zz{n}" for n in range(20)), [4]),
        ("BODY ende BODY anfang NOT BODY mitten", [4]),
        ("BODY anfang BODY ende BODY anfang BODY ende", [4]),
        ("OR BODY nirgends BODY ende", [4]),
        ("BODY nirgends BODY ende", []),
        ("TEXT ende TEXT drinnen NOT TEXT nirgends", [4]),
    ],
)
def test_a_large_text_is_gone_through_once_for_all_needles(
    client: Client, server: TestServer, keys: str, numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is asked for first, and however it turns out."""
    monkeypatch.setattr(candidates, "TEXT_OCTETS", 100)
    monkeypatch.setattr(candidates, "KEPT_TEXTS", 100)
    body = b"anfang" + b"x" * 999 + b"ende"
    header = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: drinnen\r\n\r\n"
    server.deliver(header + body + b"\r\n--b--\r\n")
    client.ok("NOOP")
    starts: list[int] = []

    def noted(tx: ReadTx, blob: Blob, prefix: bytes, start: int, stop: int) -> bytes:
        starts.append(start)
        return read_octets(tx, blob, prefix, start, stop)

    monkeypatch.setattr(candidates, "read_octets", noted)
    assert found(client, f"UID 4 {keys}") == numbers
    assert len(starts) > len(body) // 100
    assert len(starts) == len(set(starts))


def test_a_large_text_is_read_no_further_than_what_is_asked_for(
    client: Client, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "TEXT_OCTETS", 100)
    monkeypatch.setattr(candidates, "KEPT_TEXTS", 100)
    server.deliver(b"\r\nanfang" + b"x" * 999 + b"ende")
    client.ok("NOOP")

    def first(tx: ReadTx, blob: Blob, prefix: bytes, start: int, stop: int) -> bytes:
        assert start < len(prefix) + 100
        return read_octets(tx, blob, prefix, start, stop)

    monkeypatch.setattr(candidates, "read_octets", first)
    assert found(client, "UID 4 OR BODY anfang BODY ende") == [4]


def test_a_search_through_bodies_makes_room_behind_any_message(client: Client) -> None:
    """T-10.2: each piece gets on by a message at least, however little time it is given."""
    client.breathe = lambda: True
    client.session.receive(b"a SEARCH TEXT e\r\n")
    works = 0
    while (work := client.session.next_work()) is not None:
        assert isinstance(work, Scan)
        works += 1
        client.session.finish(client._do(work))
    assert works == 3
    assert b"* SEARCH 1 2" in client.heard()


class NotWantedError(Exception):
    pass


def test_a_search_makes_room_within_a_large_text(
    client: Client, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-10.2: what is thrown there, as nobody waits for it any more, ends it on the spot."""
    monkeypatch.setattr(candidates, "FOLDED_CHARACTERS", 100)
    server.deliver(LARGE.format("utf-8").encode() + b64encode(b"x" * 1000))
    client.ok("NOOP")
    breaths: list[int] = []

    def breathe() -> bool:
        breaths.append(1)
        if len(breaths) == 5:
            raise NotWantedError
        return False

    client.breathe = breathe
    work = client.begin("SEARCH UID 4 BODY y")
    with pytest.raises(NotWantedError):
        client._do(work)
    client.breathe = lambda: False
    assert client.finish(work).startswith(b"* SEARCH\r\n")


def test_what_needs_flags_alone_is_found_on_the_spot(client: Client) -> None:
    work = client.begin("SEARCH UNSEEN")
    assert isinstance(work, Read)
    assert not work.heavy


def test_thousands_of_ranges_cost_no_more_than_one(client: Client) -> None:
    numbers = ",".join(str(n) for n in range(2, 9_000, 2))
    assert found(client, f"UID {numbers}") == [2]


@given(
    texts=st.lists(st.lists(st.text("aäß ", max_size=8), max_size=8), max_size=3),
    needles=st.sets(st.text("aäß ", min_size=1, max_size=6).map(fold), max_size=4),
)
def test_what_spans_pieces_is_found(texts: list[list[str]], needles: set[str]) -> None:
    """And nothing that spans two texts."""
    found = list(candidates.held(map(partial(map, fold), texts), needles, unhurried))
    whole = [fold("".join(text)) for text in texts]
    assert sorted(found) == sorted(needle for needle in needles if any(needle in text for text in whole))


def test_a_search_remembers_nothing_of_the_session(client: Client) -> None:
    """Its work may run while the session hears of changes: all it has is a frozen view."""
    work = client.begin("SEARCH BODY joe")
    assert isinstance(work, Scan)
    search = work.run.func.__self__  # type: ignore[attr-defined]
    assert isinstance(search, Search)
    client.server.deliver(MESSAGES[0])
    assert client.finish(work).startswith(b"* SEARCH 1\r\n* 4 EXISTS")
