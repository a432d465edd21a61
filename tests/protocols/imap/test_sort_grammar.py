"""SORT and THREAD as clients write them (RFC 5256 section 5, RFC 5267 section 5)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap import commands as c
from protocols.imap import limits
from protocols.imap.commands import Sort, SortKey, Thread
from protocols.imap.fragments import Complete, Fragmenter
from protocols.imap.grammar import BadCharset, BadSyntax, sorting
from protocols.imap.grammar.scanner import Scanner
from protocols.imap.limits import AFTER_LOGIN

READERS = {b"SORT": sorting.sort, b"THREAD": sorting.thread}
SUBJECT, DATE, ALL = SortKey("SUBJECT"), SortKey("DATE"), c.And(())


def read(name: bytes, uid: bool, text: bytes, literals: tuple[bytes, ...] = ()) -> c.Command:
    return READERS[name](Scanner(text, 0, literals, utf8=False), b"a", uid)


def said(octets: bytes) -> c.Command:
    """What a client's octets mean, tag included."""
    fragmenter = Fragmenter(AFTER_LOGIN)
    fragmenter.feed(octets + b"\r\n")
    event = fragmenter.next()
    assert isinstance(event, Complete)
    head = re.match(rb"a (UID )?(SORT|THREAD)", event.text, re.IGNORECASE)
    assert head is not None
    return read(head[2].upper(), head[1] is not None, event.text[head.end() :], event.literals)


def refused(octets: bytes) -> BadSyntax:
    with pytest.raises(BadSyntax) as refusal:
        said(octets)
    return refusal.value


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        # RFC 5256 section 3
        (
            b"a SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994",
            Sort(b"a", False, (SUBJECT,), c.Dated("internal", "since", (1994, 2, 1))),
        ),
        (b"a SORT (SUBJECT REVERSE DATE) UTF-8 ALL", Sort(b"a", False, (SUBJECT, SortKey("DATE", True)), ALL)),
        (
            # RFC 6203 section 6
            b'a SORT RETURN (RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY TEXT "Helo"',
            Sort(
                b"a",
                False,
                (SortKey("RELEVANCY"),),
                c.Fuzzy(c.InText("Helo")),
                returns=frozenset({"RELEVANCY", "ALL"}),
            ),
        ),
        (
            b'a SORT (SUBJECT) US-ASCII TEXT "not in mailbox"',
            Sort(b"a", False, (SUBJECT,), c.InText("not in mailbox"), charset="US-ASCII"),
        ),
        (
            b"a THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000",
            Thread(b"a", False, "ORDEREDSUBJECT", c.Dated("internal", "since", (2000, 3, 5))),
        ),
        (
            b'a THREAD ORDEREDSUBJECT US-ASCII TEXT "gewp"',
            Thread(b"a", False, "ORDEREDSUBJECT", c.InText("gewp"), "US-ASCII"),
        ),
        (b"a THREAD REFERENCES UTF-8 ALL", Thread(b"a", False, "REFERENCES", ALL)),
        # RFC 5267 section 3.3
        (
            b"a UID SORT RETURN () (REVERSE DATE) UTF-8 UNDELETED UNKEYWORD $Junk",
            Sort(
                b"a",
                True,
                (SortKey("DATE", True),),
                c.And((c.Not(c.HasFlag(8)), c.Not(c.HasKeyword("$Junk")))),
                frozenset({"ALL"}),
            ),
        ),
        (
            b"a SORT RETURN (MIN MAX COUNT SAVE) (DATE) UTF-8 1:3",
            Sort(
                b"a",
                False,
                (DATE,),
                c.Sequence(c.SequenceSet(((1, 3),))),
                frozenset({"MIN", "MAX", "COUNT", "SAVE"}),
            ),
        ),
        (
            b"a SORT RETURN (PARTIAL -1:-100) (DATE) UTF-8 ALL",
            Sort(b"a", False, (DATE,), ALL, frozenset({"PARTIAL"}), page=c.Page(-1, -100)),
        ),
        # what else there is
        (
            b"a sort (arrival cc date from size subject to displayfrom reverse displayto) utf-8 all",
            Sort(
                b"a",
                False,
                (
                    *(SortKey("ARRIVAL"), SortKey("CC"), DATE, SortKey("FROM"), SortKey("SIZE"), SUBJECT),
                    *(SortKey("TO"), SortKey("DISPLAYFROM"), SortKey("DISPLAYTO", True)),
                ),
                ALL,
                charset="utf-8",
            ),
        ),
        (b'a SORT (DATE DATE) "UTF-8" ALL', Sort(b"a", False, (DATE, DATE), ALL)),
        (b"a UID THREAD refs UTF-8 UID 4:*", Thread(b"a", True, "REFS", c.Uids(c.SequenceSet(((4, c.STAR),))))),
        (
            "a SORT (DATE) UTF-8 SUBJECT {7+}\r\nGrüße".encode(),
            Sort(b"a", False, (DATE,), c.InEnvelope("SUBJECT", "Grüße")),
        ),
        (
            "a THREAD REFS ISO-8859-1 SUBJECT {5+}\r\nGrüße".encode("latin-1"),
            Thread(b"a", False, "REFS", c.InEnvelope("SUBJECT", "Grüße"), "ISO-8859-1"),
        ),
    ],
)
def test_commands_become_values(octets: bytes, command: c.Command) -> None:
    assert said(octets) == command


@pytest.mark.parametrize(
    "octets",
    [
        *(b"a SORT", b"a SORT ", b"a SORT (DATE)", b"a SORT (DATE) ", b"a SORT (DATE) UTF-8", b"a SORT (DATE) UTF-8 "),
        *(b"a SORT () UTF-8 ALL", b"a SORT DATE UTF-8 ALL", b"a SORT (DATE)UTF-8 ALL", b"a SORT (DATE ) UTF-8 ALL"),
        *(
            b"a SORT (REVERSE) UTF-8 ALL",
            b"a SORT (REVERSE REVERSE DATE) UTF-8 ALL",
            b"a SORT (DATE REVERSE) UTF-8 ALL",
        ),
        *(b"a SORT (SPAM) UTF-8 ALL", b"a SORT (DATE,SIZE) UTF-8 ALL", b"a SORT (DATE  SIZE) UTF-8 ALL"),
        *(b"a SORT (DATE) UTF-8 ALL ", b"a SORT (DATE) UTF-8  ALL", b"a SORT (DATE) UTF-8 FOO", b"a SORT (DATE"),
        *(b"a SORT RETURN (DATE) UTF-8 ALL", b"a SORT RETURN (FOO) (DATE) UTF-8 ALL", b"a SORT RETURN () UTF-8 ALL"),
        *(b"a SORT RETURN(ALL) (DATE) UTF-8 ALL", b"a SORT (DATE) RETURN () UTF-8 ALL"),
        *(b"a THREAD", b"a THREAD REFS", b"a THREAD REFS UTF-8", b"a THREAD REFS ALL", b"a THREAD (REFS) UTF-8 ALL"),
        *(b"a THREAD JWZ UTF-8 ALL", b"a THREAD  REFS UTF-8 ALL", b"a THREAD RETURN () REFS UTF-8 ALL"),
        b"a SORT (DATE) US-ASCII SUBJECT {2+}\r\n\xc3\xbc",
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(octets: bytes) -> None:
    refused(octets)


@pytest.mark.parametrize("octets", [b"a SORT (DATE) x-klingon ALL", b"a UID THREAD REFS CHARSET UTF-8 ALL"])
def test_an_unknown_charset_is_told_apart(octets: bytes) -> None:
    """RFC 5256: NO, "can't sort that charset"; unlike in SEARCH no word comes before it."""
    refusal = refused(octets)
    assert isinstance(refusal, BadCharset)
    assert refusal.code == b"BADCHARSET (US-ASCII UTF-8)"


def test_sort_keys_are_limited() -> None:
    said(b"a SORT (" + b" ".join([b"REVERSE TO"] * limits.SORT_KEYS) + b") UTF-8 ALL")
    refusal = refused(b"a SORT (" + b" ".join([b"TO"] * (limits.SORT_KEYS + 1)) + b") UTF-8 ALL")
    assert (refusal.code, refusal.text) == (b"LIMIT", "Too many sort keys")


def test_refusals_never_repeat_what_the_client_wrote() -> None:
    for octets in (b"a SORT (XSECRET) UTF-8 ALL", b"a THREAD XSECRET UTF-8 ALL", b"a SORT (DATE) XSECRET ALL"):
        assert "SECRET" not in refused(octets).text


WORDS = st.sampled_from(
    [
        *(b" ", b"(", b")", b"DATE", b"REVERSE", b"SUBJECT", b"UTF-8", b"RETURN", b"ALL", b"REFS", b"REFERENCES"),
        *(b"MIN", b"PARTIAL", b"1:2", b"\x00", b'"', b"NOT", b"OR", b"*", b"$", b"\xff", b"\r", b"TEXT"),
    ]
)
OCTETS = st.binary(max_size=40) | st.lists(WORDS, max_size=25).map(b"".join) | st.lists(WORDS).map(b" ".join)


@given(name=st.sampled_from([b"SORT", b"THREAD"]), uid=st.booleans(), text=OCTETS, literal=st.binary(max_size=5))
def test_whatever_comes_is_a_command_or_refused(name: bytes, uid: bool, text: bytes, literal: bytes) -> None:
    for octets in (text, b" " + text, b" (DATE) UTF-8 " + text, b" REFS UTF-8 " + text):
        try:
            command = read(name, uid, octets, (literal,))
        except BadSyntax:
            continue
        assert isinstance(command, Sort | Thread)
        assert command.uid == uid
