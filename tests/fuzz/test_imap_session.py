"""Whatever octets come, and however they are cut: answers or BYE, never an exception, an endless turn, or growth."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap import limits
from protocols.imap.reading.sections import PIECE_OCTETS
from protocols.imap.reading.urlauth import UrlAccess
from tests.support.imap import Client, TestServer

MESSAGE = (
    b"From: a@example.org\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with tempfile.TemporaryDirectory() as directory:
        server = TestServer(Path(directory))
        server.most_connections = 10_000
        server.url_access = UrlAccess(applications={"submit": frozenset({"u1"})})
        client = server.client()
        for _ in range(3):
            client.append("INBOX", MESSAGE, "(\\Seen foo)")
        client.leave()
        yield server
        assert server.faults == []
        server.close()


WORDS = st.sampled_from(
    b"FETCH STORE SEARCH COPY MOVE UID EXPUNGE LIST LSUB STATUS SELECT EXAMINE INBOX Sent nowhere CREATE DELETE RENAME "
    b"SUBSCRIBE APPEND IDLE DONE NOOP CHECK CLOSE UNSELECT ENABLE IMAP4rev2 ID NAMESPACE CAPABILITY LOGIN u1 pass "
    b"STARTTLS AUTHENTICATE PLAIN SCRAM-SHA-256 = * AHUxAHBhc3M= 1:* 1 2,3 $ ALL FLAGS (FLAGS) (UID (MESSAGES RECENT) "
    b"BODY[] BODY[1] BODY.PEEK[2.HEADER] BINARY[1] BINARY.SIZE[2] BODY[]<0.5> ENVELOPE BODYSTRUCTURE +FLAGS "
    b"-FLAGS.SILENT (\\Deleted) (foo) RETURN (SAVE) (MIN SUBJECT BODY TEXT x OR NOT SINCE 1-Jan-2020 CHARSET UTF-8 "
    b"LANGUAGE de COMPARATOR default i;octet * FILTER x SETMETADATA (/private/filters/values/x "
    b"FUZZY SORT (RELEVANCY) (RELEVANCY GETQUOTA GETQUOTAROOT SETQUOTA u2 (STORAGE 9007199254740991) (DELETED-STORAGE) "
    b"RESETKEY GENURLAUTH URLFETCH imap://u1@h/INBOX/;UID=1;URLAUTH=submit+x INTERNAL XSAMPLE "
    b"REPLACE CATENATE (TEXT TEXT URL (URL /INBOX/;UID=1 UTF8 (~{3+} (USE (\\Junk)) "
    b'"" "*" % (SUBSCRIBED) {3} {3+} ~{1+} {0+} "INBOX" \\Seen () ( ) \xff \x00 LOGOUT'.split(b" ")
)
LINES = st.lists(WORDS, max_size=6).map(lambda words: b"t " + b" ".join(words) + b"\r\n")
STREAMS = st.one_of(st.binary(max_size=300), st.lists(LINES, max_size=8).map(b"".join))
CUTS = st.lists(st.integers(1, 40), max_size=20)


def in_pieces(client: Client, data: bytes, cuts: list[int]) -> bytes:
    heard = b""
    for cut in cuts:
        heard += client.send(data[:cut])
        data = data[cut:]
    return heard + client.send(data)


@settings(max_examples=500)
@given(data=STREAMS, cuts=CUTS, state=st.sampled_from(["stranger", "signed in", "selected"]))
def test_any_octets_are_answered(server: TestServer, data: bytes, cuts: list[int], state: str) -> None:
    client = server.client(None if state == "stranger" else "u1", select="INBOX" if state == "selected" else None)
    heard = in_pieces(client, data, cuts)
    session = client.session
    assert session.is_closing or session.is_waiting_for_client
    assert heard == b"" or heard.endswith(b"\r\n")
    assert client.largest < 3 * PIECE_OCTETS
    assert session._fragments.unread <= limits.UNREAD
    client.leave()


READ_ONLY = st.lists(
    st.sampled_from(
        [
            b"a NOOP\r\n",
            b"b EXAMINE INBOX\r\n",
            b"c FETCH 1:* (UID FLAGS BODY[1] BODY.PEEK[HEADER])\r\n",
            b"d SEARCH TEXT {3+}\r\nx y\r\n",
            b"e LIST {0+}\r\n *\r\n",
            b"f IDLE\r\nDONE\r\n",
            b"g NONSENSE {3+}\r\nabc\r\n",
            b"h STATUS INBOX (MESSAGES UIDNEXT)\r\n",
            b"i COPY 1 {7+}\r\nnowhere\r\n",
            b"j APPEND nowhere {20+}\r\n01234567890123456789\r\n",
            b"k UNSELECT\r\n",
            b"k1 APPEND INBOX {3+}\r\nabc (\\Seen) {3+}\r\ndef {0+}\r\n\r\n",
            b"k2 APPEND INBOX CATENATE (TEXT {3+}\r\nabc URL {14+}\r\n/nowhere/;UID=1 URL x TEXT {1+}\r\nx)\r\n",
            b"k3 UID REPLACE 9 INBOX CATENATE (TEXT {3+}\r\nabc) {3+}\r\nabc\r\n",
            b"k4 APPEND INBOX {3+}\r\nabc x {3+}\r\nabc {3+}\r\nabc\r\n",
            b"k5 RESETKEY nowhere INTERNAL\r\n",
            b'k6 GENURLAUTH "imap://u1@h/INBOX/;UID=1;URLAUTH=submit+x" INTERNAL {1+}\r\nx INTERNAL\r\n',
            b"k7 URLFETCH {1+}\r\nx imap://u1@h/INBOX/;UID=1;URLAUTH=submit+x:internal:" + b"0" * 66 + b"\r\n",
            b"l LOGIN {2+}\r\nu1 pass\r\n",
            b"m FETCH 1 FAST\n",
            b"n AUTHENTICATE PLAIN\r\nAHUxAHBhc3M=\r\n",
            b"o SEARCH " + b"x" * 70_000 + b"\r\n",
        ]
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=100)
@given(data=READ_ONLY, cuts=CUTS, signed_in=st.booleans())
def test_wherever_the_stream_is_cut_the_answers_are_the_same(
    server: TestServer, data: bytes, cuts: list[int], signed_in: bool
) -> None:
    whole, pieces = (server.client("u1" if signed_in else None) for _ in range(2))
    assert in_pieces(pieces, data, cuts) == whole.send(data)
    assert pieces.session.is_closing == whole.session.is_closing
    whole.leave()
    pieces.leave()


def test_byte_by_byte_it_is_the_same_too(server: TestServer) -> None:
    data = (
        b"a SELECT INBOX\r\nb FETCH 1:* (FLAGS BODY.PEEK[])\r\nc SEARCH SUBJECT {2+}\r\ngr\r\n"
        b"d IDLE\r\nDONE\r\ne LOGOUT\r\n"
    )
    whole, pieces = (server.client() for _ in range(2))
    assert pieces.send(data, cut=1) == whole.send(data)
