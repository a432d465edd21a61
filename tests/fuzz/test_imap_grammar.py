"""Whatever a client sends: commands, refusals, or the end.  Never another exception, and never a traceback."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap.commands import Append, Command, Octets, Replace, Url
from protocols.imap.fragments import (
    CommandEnd,
    Complete,
    Fragmenter,
    LiteralStart,
    NeedContinuation,
)
from protocols.imap.grammar import BadSyntax, parse, resume
from protocols.imap.grammar.search import criteria
from protocols.imap.limits import AFTER_LOGIN, BEFORE_LOGIN

WORDS = st.sampled_from(
    b"a1 NOOP LOGIN SELECT LIST LSUB STATUS CREATE RENAME APPEND FETCH STORE SEARCH COPY MOVE UID EXPUNGE ENABLE ID "
    b"REPLACE CATENATE (TEXT TEXT URL /INBOX/;UID=1 (URL GETQUOTA GETQUOTAROOT SETQUOTA (STORAGE MAILBOX 512) () "
    b"GETMETADATA SETMETADATA (DEPTH MAXSIZE infinity) /private/comment (/shared/vendor/a/b (METADATA /shared "
    b"RESETKEY GENURLAUTH URLFETCH imap://u1@h/INBOX/;UID=1;URLAUTH=user+u2 INTERNAL :internal:0011223344556677 "
    b"COMPARATOR i;octet -i;* default LANGUAGE de-AT i-default FILTER FUZZY RELEVANCY (RELEVANCY) "
    b"AUTHENTICATE PLAIN IDLE ALL FAST FULL FLAGS +FLAGS -FLAGS.SILENT BODY BODY[ BODY.PEEK[1.MIME] BODY[HEADER.FIELDS "
    b'BINARY[1] BINARY.SIZE[] ]<0.1> RFC822 ENVELOPE 1:* *:4 0 4294967296 $ 1,2,3 INBOX &AOk- & % * "" "a\\"b" " '
    b"\\Seen \\Recent $Forwarded RETURN CHARSET UTF-8 rot13 OR NOT FROM BEFORE 1-Feb-1994 LARGER KEYWORD HEADER (SEEN) "
    b"(USE (\\Drafts)) RETURN(STATUS( MESSAGES) SUBSCRIBED RECURSIVEMATCH UTF8 (~{3} {3+} {3} {99999999999} {-1} NIL "
    b'( ) [ ] { } < > = dGVzdA== " 7-Feb-1994 22:43:04 -0800" \xff \xc3\xa9'.split(b" ")
)
GLUE = st.sampled_from([b" ", b" ", b" ", b" ", b"", b"\r\n", b"\r\na2 ", b"\n", b"\0", b"\r"])
SENTENCES = st.lists(st.tuples(WORDS, GLUE), max_size=30).map(lambda pairs: b"".join(map(b"".join, pairs)))


def commands_in(octets: bytes, *, utf8: bool, polite: bool) -> list[Command | bytes | None]:
    """What a session would see: commands, and the tags of refusals."""
    fragmenter = Fragmenter(AFTER_LOGIN if polite else BEFORE_LOGIN)
    fragmenter.feed(octets)
    seen: list[Command | bytes | None] = []
    after: object = None  # the literal that is being received
    while (event := fragmenter.next()) is not None:
        try:
            match event:
                case Complete(text, literals):
                    seen.append(parse(text, literals, utf8=utf8))
                case LiteralStart(text, literals) | CommandEnd(text, literals) if isinstance(after, Octets | Url):
                    steps = resume(text, literals, after, several=polite, tag=b"a")
                    after = steps[-1]
                    if isinstance(event, LiteralStart):
                        assert isinstance(after, Octets | Url)
                        fragmenter.accept()
                case LiteralStart(text, literals):
                    command = parse(text, literals, utf8=utf8)
                    seen.append(command)
                    if polite and isinstance(command, Append | Replace):
                        after = command.steps[-1]
                        assert isinstance(after, Octets | Url)
                        fragmenter.accept()
                    else:
                        fragmenter.refuse()
                case NeedContinuation():
                    fragmenter.accept() if polite else fragmenter.refuse()
                case _:
                    pass
        except BadSyntax as refusal:
            after = None
            fragmenter.abandon()
            seen.append(refusal.tag)
    return seen


@settings(max_examples=400, deadline=None)
@given(SENTENCES, st.booleans(), st.booleans())
def test_words_of_the_protocol_in_any_order_are_commands_or_refusals(octets: bytes, utf8: bool, polite: bool) -> None:
    commands_in(b"a1 " + octets + b"\r\n", utf8=utf8, polite=polite)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_octets_are_commands_or_refusals(octets: bytes, utf8: bool, polite: bool) -> None:
    commands_in(octets + b"\r\n", utf8=utf8, polite=polite)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [
            b'a LIST (SUBSCRIBED) "" ("%" INBOX*) RETURN (CHILDREN STATUS (MESSAGES SIZE))',
            b"a UID FETCH 1:*,7 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (Date {4+}\r\nFrom)]<0.100> BINARY.SIZE[3])",
            b"a SEARCH RETURN (MIN) CHARSET UTF-8 OR FROM x (NOT 1:* KEYWORD y) SINCE 1-Feb-1994",
            b"a SORT RETURN (RELEVANCY ALL) (RELEVANCY REVERSE DATE) UTF-8 FUZZY (TEXT {3+}\r\nabc NOT FUZZY FROM x)",
            b"a SEARCH CHARSET US-ASCII OR (NOT FILTER on-the-road) FILTER a",
            b'a APPEND "x" (\\Seen $a) " 7-Feb-1994 22:43:04 -0800" {3+}\r\nabc',
            b'a APPEND x CATENATE (TEXT {3+}\r\nabc URL "/x/;UID=1" UTF8 (~{3+}\r\nabc)) (\\Seen) {1+}\r\na',
            b"a UID REPLACE 7 x ($a) CATENATE (URL {3+}\r\nabc TEXT {3+}\r\nabc)",
            b'a ID ("name" "x" "version" NIL)',
            b'a LANGUAGE de-AT "*" {7+}\r\ndefault fr',
            b'a COMPARATOR -i;octet "*;*" {9+}\r\ni;uni*cod {7+}\r\ndefault',
            b"a STORE 1 -FLAGS.SILENT (\\Seen $a)",
            b"a SETQUOTA {2+}\r\nu1 (STORAGE 9223372036854775807 X-A.B 0)",
            b'a GETMETADATA (MAXSIZE 10 DEPTH infinity) "x" (/private/a "/shared/b" {9+}\r\n/shared/c)',
            b'a SETMETADATA x (/private/a NIL /shared/b ~{3+}\r\na\0b /shared/c "x" /shared/d {1+}\r\nx)',
            b"a RESETKEY {2+}\r\nab INTERNAL XSAMPLE",
            b'a GENURLAUTH "imap://u1@h/x/;UID=1;URLAUTH=authuser" INTERNAL {1+}\r\nx y',
            b'a URLFETCH imap://u1@h/x/;UID=1;URLAUTH=authuser:internal:00 {3+}\r\na\xffb "x y"',
            b'a LIST "" * RETURN (METADATA (DEPTH 1) (/private/a /shared/b) CHILDREN)',
        ]
    ),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 3), st.binary(max_size=3)), max_size=4),
)
def test_good_commands_with_a_few_octets_changed_are_commands_or_refusals(
    octets: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for position, removed, added in changes:
        octets = octets[:position] + added + octets[position + removed :]
    commands_in(octets + b"\r\n", utf8=False, polite=True)


@settings(max_examples=200, deadline=None)
@given(SENTENCES | st.binary(max_size=100))
def test_any_value_of_a_filter_is_search_criteria_or_none(octets: bytes) -> None:
    with suppress(BadSyntax):
        criteria(octets)


@settings(deadline=None)
@given(SENTENCES.filter(lambda octets: b"APPEND" not in octets))
def test_data_in_a_literal_never_acts(data: bytes) -> None:
    """The octets of a literal come back as that literal, whatever commands they spell."""
    octets = b"a1 LOGIN x {%d+}\r\n%s\r\na9 NOOP\r\n" % (len(data), data)
    *_, last = seen = commands_in(octets, utf8=False, polite=True)
    assert len(seen) == 2
    assert isinstance(last, Command)
    assert last.tag == b"a9"
