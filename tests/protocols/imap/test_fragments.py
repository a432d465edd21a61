"""Lines and literals: what a client sends, cut in any way, and what comes out as commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.imap import fragments
from protocols.imap.fragments import (
    Broken,
    CommandEnd,
    Complete,
    Event,
    Fragmenter,
    Line,
    LiteralData,
    LiteralStart,
    NeedContinuation,
    Refused,
    TooLong,
)
from protocols.imap.limits import AFTER_LOGIN, BEFORE_LOGIN, FragmentLimits

SMALL = FragmentLimits(line=60, literal=20, append=1000, command=100, literals=3, discard=3000)


class Wire:
    """A client that waits for "+" and a server that always gives it, or with `accept=False` never does."""

    def __init__(self, limits: FragmentLimits = AFTER_LOGIN, *, accept: bool = True) -> None:
        self.fragmenter = Fragmenter(limits)
        self.accept = accept

    def says(self, octets: bytes, cuts: int | None = None) -> list[Event]:
        """The events of these octets, sent at once or in pieces; message chunks that follow each other as one."""
        size = cuts or max(len(octets), 1)
        events: list[Event] = []
        for start in range(0, max(len(octets), 1), size):
            self.fragmenter.feed(octets[start : start + size])
            while (event := self.fragmenter.next()) is not None:
                self._answer(event)
                if isinstance(event, LiteralData) and events and isinstance(events[-1], LiteralData):
                    event = LiteralData(events.pop().chunk + event.chunk)  # type: ignore[union-attr]
                events.append(event)
        return events

    def _answer(self, event: Event) -> None:
        if isinstance(event, NeedContinuation | LiteralStart):
            if self.accept:
                self.fragmenter.accept()
            else:
                self.fragmenter.refuse()


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_a_line_is_a_command(wire: Wire) -> None:
    assert wire.says(b"a NOOP\r\n") == [Complete(b"a NOOP")]


def test_a_bare_lf_ends_a_line_too(wire: Wire) -> None:
    assert wire.says(b"a NOOP\nb NOOP\r\n\n") == [Complete(b"a NOOP"), Complete(b"b NOOP"), Complete(b"")]


def test_a_cr_inside_a_line_stays_there_for_the_grammar_to_refuse(wire: Wire) -> None:
    assert wire.says(b"a NO\rOP\r\r\n") == [Complete(b"a NO\rOP\r")]


def test_pipelined_commands_come_one_by_one(wire: Wire) -> None:
    assert wire.says(b"a NOOP\r\nb CHECK\r\nc NO") == [Complete(b"a NOOP"), Complete(b"b CHECK")]
    assert wire.says(b"OP\r\n") == [Complete(b"c NOOP")]


def test_a_literal_waits_for_leave_and_then_joins_its_command() -> None:
    fragmenter = Fragmenter(BEFORE_LOGIN)
    fragmenter.feed(b"A001 LOGIN {11}\r\n")
    assert fragmenter.next() == NeedContinuation(b"A001", 11)
    assert fragmenter.next() is None
    fragmenter.accept()
    fragmenter.feed(b"FRED FOOBAR {7}\r\n")
    assert fragmenter.next() == NeedContinuation(b"A001", 7)
    fragmenter.accept()
    fragmenter.feed(b"fat man\r\n")
    assert fragmenter.next() == Complete(b"A001 LOGIN \0 \0", (b"FRED FOOBAR", b"fat man"))


def test_a_literal_plus_needs_no_leave(wire: Wire) -> None:
    """RFC 7888 section 3, its example."""
    assert wire.says(b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n") == [
        Complete(b"A001 LOGIN \0 \0", (b"FRED FOOBAR", b"fat man"))
    ]


def test_what_a_literal_holds_is_never_a_command(wire: Wire) -> None:
    evil = b"x\r\nb DELETE INBOX\r\n{3+}\r\n\0"
    octets = b"a LOGIN joe {%d+}\r\n%s\r\nc NOOP\r\n" % (len(evil), evil)
    assert wire.says(octets) == [Complete(b"a LOGIN joe \0", (evil,)), Complete(b"c NOOP")]


def test_an_empty_literal_is_one_too(wire: Wire) -> None:
    assert wire.says(b"a LOGIN {0+}\r\n {00}\r\n\r\n") == [
        NeedContinuation(b"a", 0),
        Complete(b"a LOGIN \0 \0", (b"", b"")),
    ]


def test_a_literal_mark_inside_a_line_is_text(wire: Wire) -> None:
    assert wire.says(b'a LOGIN "{5+}" x\r\nb LOGIN "{5}"\r\n') == [
        Complete(b'a LOGIN "{5+}" x'),
        Complete(b'b LOGIN "{5}"'),
    ]


def test_a_literal_mark_at_the_end_counts_even_inside_a_quoted_string(wire: Wire) -> None:
    """RFC 7888 section 3: every line's end is checked; no quoted string goes beyond it."""
    assert wire.says(b'a LOGIN "{5+}\r\nb X\r\n" x\r\n') == [Complete(b'a LOGIN "\0" x', (b"b X\r\n",))]


@pytest.mark.parametrize("mark", [b"{-5}", b"{5-}", b"{}", b"{+}", b"{ 5}", b"{5 }", b"{5}}", b"{0x5}", b"5}", b"}"])
def test_what_only_looks_like_a_literal_is_text(wire: Wire, mark: bytes) -> None:
    assert wire.says(b"a LOGIN %s\r\nb NOOP\r\n" % mark) == [Complete(b"a LOGIN " + mark), Complete(b"b NOOP")]


def test_a_refused_literal_takes_its_command_with_it() -> None:
    wire = Wire(accept=False)
    assert wire.says(b"a LOGIN {3}\r\n") == [NeedContinuation(b"a", 3)]
    assert wire.says(b"b NOOP\r\n") == [Complete(b"b NOOP")]


def test_a_client_that_does_not_wait_for_a_refused_literal_is_cut_off() -> None:
    """Its octets may be the literal or the next command, and guessing would let data act."""
    wire = Wire(accept=False)
    assert wire.says(b"a LOGIN {3}\r\nabc\r\nb NOOP\r\n") == [
        NeedContinuation(b"a", 3),
        Broken(fragments.SENT_UNASKED),
    ]
    assert wire.says(b"c NOOP\r\n") == []
    wire.fragmenter.clear()
    assert wire.says(b"c NOOP\r\n") == []


def test_forgetting_does_not_bring_a_broken_connection_back() -> None:
    wire = Wire(accept=False)
    wire.fragmenter.feed(b"a LOGIN {3}\r\nabc\r\n")
    wire.fragmenter.next()
    wire.fragmenter.refuse()
    wire.fragmenter.clear()
    assert wire.says(b"b NOOP\r\n") == [Broken(fragments.SENT_UNASKED)]


# --- APPEND ---


def test_the_message_of_an_append_is_handed_on_and_not_kept(wire: Wire) -> None:
    assert wire.says(b"A003 APPEND saved-messages (\\Seen) {310}\r\n") == [
        LiteralStart(b"A003 APPEND saved-messages (\\Seen) \0", (), 310, sync=True, binary=False)
    ]
    assert wire.says(b"x" * 200) == [LiteralData(b"x" * 200)]
    assert wire.says(b"y" * 110 + b"\r\nb NOOP\r\n") == [
        LiteralData(b"y" * 110),
        CommandEnd(b""),
        Complete(b"b NOOP"),
    ]


def test_a_chunk_of_a_message_is_the_very_octets_that_came() -> None:
    """So that 200 MB pass through without a copy."""
    wire = Wire()
    wire.says(b"a append inbox {100000+}\r\n")
    packet = b"x" * 65536
    wire.fragmenter.feed(packet)
    event = wire.fragmenter.next()
    assert isinstance(event, LiteralData)
    assert event.chunk is packet
    assert wire.fragmenter.unread == 0


@pytest.mark.parametrize(
    ("octets", "text", "literals"),
    [
        (b"a APPEND {3+}\r\nbox {5+}\r\n", b"a APPEND \0 \0", (b"box",)),
        (b'a APPEND "a \\" b" {5+}\r\n', b'a APPEND "a \\" b" \0', ()),
        (b'a APPEND b () " 7-Feb-1994 21:52:25 -0800" {5+}\r\n', b'a APPEND b () " 7-Feb-1994 21:52:25 -0800" \0', ()),
        (b"a append b NONSENSE {5+}\r\n", b"a append b NONSENSE \0", ()),
    ],
)
def test_the_literal_after_the_mailbox_is_the_message(
    wire: Wire, octets: bytes, text: bytes, literals: tuple[bytes, ...]
) -> None:
    assert wire.says(octets + b"12345\r\n") == [
        LiteralStart(text, literals, 5, sync=False, binary=False),
        LiteralData(b"12345"),
        CommandEnd(b""),
    ]


def test_a_literal8_is_told_apart(wire: Wire) -> None:
    """RFC 3516 section 4.4; in UTF8 (...) RFC 6855 section 4."""
    assert wire.says(b"a APPEND b UTF8 (~{3+}\r\n\0\0\0)\r\n") == [
        LiteralStart(b"a APPEND b UTF8 (~\0", (), 3, sync=False, binary=True),
        LiteralData(b"\0\0\0"),
        CommandEnd(b")"),
    ]


@pytest.mark.parametrize(
    "octets", [b"a APPEND {5+}\r\nINBOX\r\n", b"a APPENDX b {5+}\r\nINBOX\r\n", b"APPEND b {1+}\r\nx\r\n"]
)
def test_other_literals_are_no_messages(wire: Wire, octets: bytes) -> None:
    (event,) = wire.says(octets)
    assert isinstance(event, Complete)


def test_a_second_message_of_one_append_begins_where_the_first_ended(wire: Wire) -> None:
    """What MULTIAPPEND (RFC 3502) will need; until then the session refuses it."""
    assert wire.says(b"a APPEND b {1+}\r\nx (\\Seen) {2}\r\nyz\r\n") == [
        LiteralStart(b"a APPEND b \0", (), 1, sync=False, binary=False),
        LiteralData(b"x"),
        LiteralStart(b" (\\Seen) \0", (), 2, sync=True, binary=False),
        LiteralData(b"yz"),
        CommandEnd(b""),
    ]


def test_an_empty_message_has_no_data(wire: Wire) -> None:
    assert wire.says(b"a APPEND b {0+}\r\n\r\n") == [
        LiteralStart(b"a APPEND b \0", (), 0, sync=False, binary=False),
        CommandEnd(b""),
    ]


def test_a_refused_message_that_is_on_its_way_is_thrown_away() -> None:
    wire = Wire(accept=False)
    message = b"b DELETE INBOX\r\n" * 1000
    octets = b"a APPEND x {%d+}\r\n%s {3+}\r\nabc\r\nc NOOP\r\n" % (len(message), message)
    start, after = wire.says(octets, 999)
    assert isinstance(start, LiteralStart)
    assert after == Complete(b"c NOOP")


def test_a_message_over_the_limit_is_refused_at_once_and_thrown_away() -> None:
    """T-10.7: literals are limited by APPENDLIMIT, and the client hears of it before it has sent everything."""
    wire = Wire(SMALL)
    assert wire.says(b"a APPEND x {2000+}\r\n") == [
        Refused(b"a", fragments.LARGE_MESSAGE, status=b"NO", code=b"TOOBIG")
    ]
    assert wire.says(b"y" * 2000 + b"\r\nb NOOP\r\n") == [Complete(b"b NOOP")]
    assert wire.says(b"c APPEND x {2000}\r\n") == [Refused(b"c", fragments.LARGE_MESSAGE, b"NO", b"TOOBIG")]
    assert wire.says(b"d NOOP\r\n") == [Complete(b"d NOOP")]


def test_an_append_can_still_break_the_framing_after_its_message(wire: Wire) -> None:
    events = wire.says(b"a APPEND b {1+}\r\nx \0\r\nc NOOP\r\n")
    assert events[2:] == [Refused(None, fragments.NUL_IN_LINE), Complete(b"c NOOP")]
    events = wire.says(b"a APPEND b {1+}\r\nx" + b" " * 70_000 + b"\r\nc NOOP\r\n")
    assert events[2:] == [TooLong(None, fragments.LONG_LINE, code=b"TOOBIG"), Complete(b"c NOOP")]


# --- limits ---


def test_a_line_at_the_limit_passes_and_one_octet_more_does_not() -> None:
    wire = Wire(SMALL)
    line = b"a " + b"x" * 58
    assert wire.says(line + b"\r\n" + line + b"\n") == [Complete(line), Complete(line)]
    assert wire.says(line + b"x\r\nb NOOP\r\n") == [
        TooLong(b"a", fragments.LONG_LINE, code=b"TOOBIG"),
        Complete(b"b NOOP"),
    ]


def test_a_line_over_the_limit_is_refused_by_its_tag_and_forgotten() -> None:
    """T-10.7: BAD, resync, no memory growth."""
    wire = Wire(replace(AFTER_LOGIN, discard=1 << 30))
    wire.says(b"tag1 SEARCH ")
    seen: list[Event] = []
    for _ in range(200):
        seen += wire.says(b"x" * 65536)
        assert wire.fragmenter.unread <= 65536 * 2
    assert seen == [TooLong(b"tag1", fragments.LONG_LINE, code=b"TOOBIG")]
    assert wire.fragmenter.unread == 0
    assert wire.says(b"x\r\nb NOOP\r\n") == [Complete(b"b NOOP")]


@pytest.mark.parametrize(
    ("line", "tag"),
    [(b" x", None), (b"{{ x", None), (b"a" * 129 + b" x", None), (b"a" * 128 + b" x", b"a" * 128), (b"a+ x", None)],
)
def test_only_a_proper_tag_is_repeated(wire: Wire, line: bytes, tag: bytes | None) -> None:
    assert wire.says(line + b"y" * 70_000 + b"\r\n") == [TooLong(tag, fragments.LONG_LINE, code=b"TOOBIG")]


@pytest.mark.parametrize("cuts", [1, 7, None])
def test_a_literal_after_a_line_over_the_limit_is_not_taken_for_a_command(cuts: int | None) -> None:
    wire = Wire(SMALL)
    evil = b"b DELETE INBOX\r\n"
    octets = b"a SEARCH %s {%d+}\r\n%s {2+}\r\nxx x\r\nc NOOP\r\n" % (b"x" * 100, len(evil), evil)
    assert wire.says(octets, cuts) == [TooLong(b"a", fragments.LONG_LINE, code=b"TOOBIG"), Complete(b"c NOOP")]


@pytest.mark.parametrize("cuts", [1, 7, None])
def test_a_waiting_literal_after_a_line_over_the_limit_ends_the_command(cuts: int | None) -> None:
    wire = Wire(SMALL)
    octets = b"a SEARCH %s {5}\r\nc NOOP\r\n" % (b"x" * 100)
    assert wire.says(octets, cuts) == [TooLong(b"a", fragments.LONG_LINE, code=b"TOOBIG"), Complete(b"c NOOP")]


@pytest.mark.parametrize("cuts", [1, 7, None])
@pytest.mark.parametrize("text", [b"12345+}", b"x{12345+}x", b" 12345+}"])
def test_digits_without_a_brace_are_no_literal_even_while_skipping(text: bytes, cuts: int | None) -> None:
    wire = Wire(SMALL)
    octets = b"a %s {3+}\r\nxyz%s\r\nc NOOP\r\n" % (b"x" * 100, text)
    assert wire.says(octets, cuts)[1:] == [Complete(b"c NOOP")]


@pytest.mark.parametrize("digits", [b"9" * 19, b"9" * 20, b"9" * 40, b"0" * 20 + b"5" + b"0" * 30, b"9" * 5000])
@pytest.mark.parametrize("line", [b"a LOGIN {%s+}", b"a APPEND x {%s+}", b"a \0 {%s+}"])
def test_a_literal_beyond_all_bounds_ends_the_connection(line: bytes, digits: bytes) -> None:
    wire = Wire(replace(SMALL, discard=100_000))
    first, second = wire.says(line % digits + b"\r\nb NOOP\r\n")
    assert isinstance(first, Refused)
    assert second == Broken(fragments.FAR_TOO_LARGE, b"TOOBIG")


@pytest.mark.parametrize("cuts", [1, 7, None])
def test_a_literal_beyond_all_bounds_after_a_line_over_the_limit_ends_the_connection(cuts: int | None) -> None:
    wire = Wire(replace(SMALL, discard=100_000))
    events = wire.says(b"a %s {%s5+}\r\nb NOOP\r\n" % (b"x" * 100, b"90000" * 10), cuts)
    assert events == [TooLong(b"a", fragments.LONG_LINE, code=b"TOOBIG"), Broken(fragments.FAR_TOO_LARGE, b"TOOBIG")]


def test_a_literal_with_many_zeros_is_as_long_as_it_says(wire: Wire) -> None:
    assert wire.says(b"a LOGIN {%s3+}\r\nabc x\r\n" % (b"0" * 50)) == [Complete(b"a LOGIN \0 x", (b"abc",))]


def test_a_line_without_end_is_cut_off_in_the_end() -> None:
    wire = Wire(SMALL)
    events = [event for _ in range(100) for event in wire.says(b"x" * 50)]
    assert events == [TooLong(None, fragments.LONG_LINE, code=b"TOOBIG"), Broken(fragments.FAR_TOO_LARGE, b"TOOBIG")]


def test_a_literal_over_the_limit_is_refused_and_thrown_away() -> None:
    wire = Wire(SMALL)
    evil = b"b DELETE INBOX\r\n" * 3
    assert wire.says(b"a LOGIN {%d+}\r\n%s x\r\nc NOOP\r\n" % (len(evil), evil), 5) == [
        Refused(b"a", fragments.LARGE_LITERAL, code=b"TOOBIG"),
        Complete(b"c NOOP"),
    ]
    assert wire.says(b"a LOGIN {21}\r\nc NOOP\r\n") == [
        Refused(b"a", fragments.LARGE_LITERAL, code=b"TOOBIG"),
        Complete(b"c NOOP"),
    ]


def test_too_many_literals_are_refused() -> None:
    wire = Wire(SMALL)
    assert wire.says(b"a X" + b" {1+}\r\nx" * 4 + b" y\r\nc NOOP\r\n") == [
        Refused(b"a", fragments.MANY_LITERALS, code=b"TOOBIG"),
        Complete(b"c NOOP"),
    ]


def test_a_command_over_the_limit_is_refused_at_a_literal_or_at_its_end() -> None:
    wire = Wire(SMALL)
    refused = Refused(b"a", fragments.LONG_COMMAND, code=b"TOOBIG")
    line = b"x" * 40 + b" {20+}\r\n" + b"y" * 20
    assert wire.says(b"a X " + line + line + b"\r\nc NOOP\r\n") == [refused, Complete(b"c NOOP")]
    assert wire.says(b"a X " + line + b"x" * 50 + b"\r\nc NOOP\r\n") == [refused, Complete(b"c NOOP")]
    assert wire.says(b"a X " + line + b"x" * 50 + b" {3+}\r\nxyz\r\nc NOOP\r\n") == [refused, Complete(b"c NOOP")]


def test_nul_in_a_line_is_refused(wire: Wire) -> None:
    assert wire.says(b"a LOGIN \0 x\r\nb NOOP\r\n") == [Refused(b"a", fragments.NUL_IN_LINE), Complete(b"b NOOP")]
    assert wire.says(b"a LOGIN {3+}\r\nabc \0\r\nb NOOP\r\n") == [
        Refused(b"a", fragments.NUL_IN_LINE),
        Complete(b"b NOOP"),
    ]
    assert wire.says(b"a \0 {3+}\r\nabc {2}\r\nb NOOP\r\n") == [
        Refused(b"a", fragments.NUL_IN_LINE),
        Complete(b"b NOOP"),
    ]


def test_limits_may_grow_in_between() -> None:
    wire = Wire(SMALL)
    wire.fragmenter.limits = AFTER_LOGIN
    assert wire.says(b"a LOGIN {30+}\r\n%s\r\n" % (b"x" * 30)) == [Complete(b"a LOGIN \0", (b"x" * 30,))]


# --- STARTTLS, IDLE, AUTHENTICATE ---


def test_what_came_with_starttls_can_be_forgotten(wire: Wire) -> None:
    wire.fragmenter.feed(b"a STARTTLS\r\nb LOGIN {3+}\r\nab")
    assert wire.fragmenter.next() == Complete(b"a STARTTLS")
    wire.fragmenter.clear()
    assert wire.fragmenter.unread == 0
    assert wire.says(b"c NOOP\r\n") == [Complete(b"c NOOP")]


def test_forgetting_forgets_a_half_read_command_too(wire: Wire) -> None:
    wire.says(b"b LOGIN {30+}\r\nab")
    wire.fragmenter.clear()
    assert wire.says(b"c NOOP\r\n") == [Complete(b"c NOOP")]


def test_a_sasl_response_is_a_line_as_it_is(wire: Wire) -> None:
    wire.fragmenter.feed(b"AGpvZQBzZWNyZXQ=\r\n*\r\n\r\nDO")
    assert wire.fragmenter.next_line() == Line(b"AGpvZQBzZWNyZXQ=")
    assert wire.fragmenter.next_line() == Line(b"*")
    assert wire.fragmenter.next_line() == Line(b"")
    assert wire.fragmenter.next_line() is None
    wire.fragmenter.feed(b"NE {5+}\r\na NOOP\r\n")
    assert wire.fragmenter.next_line() == Line(b"DONE {5+}")
    assert wire.fragmenter.next() == Complete(b"a NOOP")


def test_a_sasl_response_has_a_limit_of_its_own(wire: Wire) -> None:
    wire.fragmenter.feed(b"DONE " + b"x" * 100)
    assert wire.fragmenter.next_line(50) == TooLong(None, fragments.LONG_LINE, code=b"TOOBIG")
    assert wire.fragmenter.next_line(50) is None
    wire.fragmenter.feed(b"x\r\n*\r\n")
    assert wire.fragmenter.next_line(50) == Line(b"*")


def test_a_line_without_end_is_cut_off_there_too() -> None:
    fragmenter = Fragmenter(SMALL)
    fragmenter.feed(b"x" * 5000)
    assert isinstance(fragmenter.next_line(), TooLong)
    assert fragmenter.next_line() == Broken(fragments.FAR_TOO_LARGE, b"TOOBIG")
    assert fragmenter.next_line() is None


# --- properties ---

PIECES = st.sampled_from(
    [
        *(b"a NOOP\r\n", b"b1 LOGIN {3+}\r\nabc x\r\n", b"c LOGIN {2}\r\nab\r\n", b"d APPEND x {5+}\r\n12345\r\n"),
        *(b"e APPEND {1+}\r\nx (\\Seen) ~{4}\r\n1\0\n3\r\n", b"f " + b"x" * 70 + b"\r\n", b"g {25+}\r\n" + b"\n" * 25),
        *(b"\0", b"\r", b"\n", b"\r\n", b"{5+}\r\n", b"{5}\r\n", b"{99999+}\r\n", b"~{1+}\r\n", b"}", b"{", b" ", b'"'),
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join)


@given(STREAMS, st.integers(1, 20))
def test_the_same_octets_give_the_same_events_however_they_are_cut(octets: bytes, cuts: int) -> None:
    assert Wire(SMALL).says(octets, cuts) == Wire(SMALL).says(octets)


@given(STREAMS)
def test_nothing_is_kept_beyond_the_limits(octets: bytes) -> None:
    wire = Wire(SMALL)
    for position in range(len(octets)):
        for event in wire.says(octets[position : position + 1]):
            if isinstance(event, Complete):
                assert len(event.text) + sum(map(len, event.literals)) <= SMALL.command
        assert wire.fragmenter.unread <= SMALL.line + 1


@given(st.lists(st.binary(max_size=20), max_size=3), st.integers(1, 9))
def test_whatever_the_literals_hold_they_come_out_as_they_went_in(literals: list[bytes], cuts: int) -> None:
    octets = b"a X" + b"".join(b" {%d+}\r\n%s" % (len(literal), literal) for literal in literals) + b"\r\nb NOOP\r\n"
    assert Wire(SMALL).says(octets, cuts) == [
        Complete(b"a X" + b" \0" * len(literals), tuple(literals)),
        Complete(b"b NOOP"),
    ]


class CountingFeeder(Fragmenter):
    """Counts the octets that are looked at for a line's end."""

    looked_at = 0

    def next(self) -> Event | None:
        self.looked_at += len(self._unread) - self._scanned
        return super().next()


def test_octets_that_come_one_by_one_are_each_looked_at_once() -> None:
    fragmenter = CountingFeeder(AFTER_LOGIN)
    line = b"a SEARCH " + b"x" * 60_000 + b"\r\n"
    for position in range(len(line)):
        fragmenter.feed(line[position : position + 1])
        fragmenter.next()
    assert fragmenter.looked_at <= len(line) * 2
