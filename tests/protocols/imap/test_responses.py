"""What the server says, octet for octet, and what it must never say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import model
from protocols.imap.commands import Append, Begin, DateTime
from protocols.imap.grammar import parse
from protocols.imap.grammar.scanner import Scanner
from protocols.imap.saying import responses as r


@pytest.mark.parametrize(
    ("octets", "written"),
    [
        (b"abc", b"abc"),
        (b"a]b", b"a]b"),
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"NIL", b'"NIL"'),
        (b"nil", b'"nil"'),
        (b"a(b", b'"a(b"'),
        (b"a%b", b'"a%b"'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"caf\xc3\xa9", b"{5}\r\ncaf\xc3\xa9"),
        (b"a\x01b", b"{3}\r\na\x01b"),
        (b"a\0b", b"{3}\r\na?b"),
        (b"x y" * 400, b"{1200}\r\n" + b"x y" * 400),
    ],
)
def test_a_string_goes_in_the_shortest_form_that_is_safe(octets: bytes, written: bytes) -> None:
    assert r.astring(octets) == written


def test_utf8_sessions_get_utf8_in_quotes_and_other_octets_as_literals() -> None:
    assert r.string("é".encode(), utf8=True) == '"é"'.encode()
    assert r.string(b"\xe9", utf8=True) == b"{1}\r\n\xe9"
    assert r.string(b"\n\xc3\xa9", utf8=True) == b"{3}\r\n\n\xc3\xa9"


def test_nil_is_no_string() -> None:
    assert r.nstring(None) == b"NIL"
    assert r.nstring(b"NIL") == b'"NIL"'
    assert r.nstring("é".encode(), utf8=True) == '"é"'.encode()


def test_literals_are_announced_with_their_size() -> None:
    assert r.literal_header(5) == b"{5}\r\n"
    assert r.literal_header(5, binary=True) == b"~{5}\r\n"


@given(st.binary(max_size=30))
def test_a_string_that_is_no_literal_is_read_back(octets: bytes) -> None:
    for written in (r.astring(octets, utf8=True), r.string(octets, utf8=True)):
        if not written.startswith(b"{"):
            assert b"\r" not in written
            assert b"\n" not in written
            assert Scanner(written, 0, (), utf8=True).astring() == octets


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30), st.booleans())
def test_a_mailbox_name_is_read_back(name: str, utf8: bool) -> None:
    for written in (r.mailbox(name, utf8=utf8), r.mailbox_string(name, utf8=utf8)):
        assert not written.startswith(b"{")
        expected = "INBOX" if name.isascii() and name.upper() == "INBOX" else name
        assert Scanner(written, 0, (), utf8=utf8).mailbox() == expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("done", b"done"),
        ("a\r\n* OK evil", b"a??* OK evil"),
        ("[ALERT] evil", b"(ALERT] evil"),
        ("café\0", b"caf??"),
        ("", b"."),
    ],
)
def test_human_text_cannot_be_a_line_or_a_code(text: str, written: bytes) -> None:
    assert r.human(text) == written


@given(st.text())
def test_any_human_text_makes_one_line(text: str) -> None:
    assert re.fullmatch(rb"a OK [\x20-\x7e]+\r\n", r.ok(b"a", text))


def test_status_responses_carry_tags_and_codes() -> None:
    assert r.ok(b"a1", "done") == b"a1 OK done\r\n"
    assert r.no(b"a1", "no such mailbox", r.NONEXISTENT) == b"a1 NO [NONEXISTENT] no such mailbox\r\n"
    assert r.bad(b"a1", "what?") == b"a1 BAD what?\r\n"
    assert r.bad(None, "what?", r.CLIENTBUG) == b"* BAD [CLIENTBUG] what?\r\n"
    assert r.tagged(b"a1", b"NO", "too big", r.TOOBIG) == b"a1 NO [TOOBIG] too big\r\n"
    assert r.untagged(b"OK", "still here") == b"* OK still here\r\n"
    assert r.untagged(b"OK", "valid", r.code(b"UIDVALIDITY", 3857529045)) == b"* OK [UIDVALIDITY 3857529045] valid\r\n"
    assert r.bye("logging out") == b"* BYE logging out\r\n"
    assert r.bye("it is us", r.UNAVAILABLE) == b"* BYE [UNAVAILABLE] it is us\r\n"
    assert r.continuation() == b"+ OK\r\n"
    assert r.continuation("idling") == b"+ idling\r\n"
    assert r.challenge(b"") == b"+ \r\n"
    assert r.challenge(b"QUI=") == b"+ QUI=\r\n"


def test_uidplus_codes_name_what_went_where() -> None:
    """RFC 4315 section 3, its examples."""
    assert r.append_uid(38505, ((3955, 3955),)) == b"APPENDUID 38505 3955"
    assert r.copy_uid(38505, ((304, 304), (319, 320)), ((3956, 3958),)) == b"COPYUID 38505 304,319:320 3956:3958"


def test_flag_lists_come_from_masks_and_keywords() -> None:
    assert r.flag_list(0) == b"()"
    assert r.flag_list(model.SEEN | model.DRAFT) == b"(\\Seen \\Draft)"
    assert r.flag_list(model.SEEN, ["$Forwarded", "Work"]) == b"(\\Seen $Forwarded Work)"
    assert r.flag_list(0, ["NonJunk"], recent=True) == b"(\\Recent NonJunk)"
    assert r.flag_list(model.ALL_SYSTEM_FLAGS) == b"(\\Seen \\Answered \\Flagged \\Deleted \\Draft)"
    assert r.flag_list(model.SEEN, ["x"]) is r.flag_list(model.SEEN, ("x",))


def test_a_folder_tells_its_flags() -> None:
    assert r.flags(["$Junk"]) == b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk)\r\n"
    assert r.permanent_flags(["$Junk"], system=model.SEEN, more=True) == b"PERMANENTFLAGS (\\Seen $Junk \\*)"
    assert r.permanent_flags([], system=0, more=True) == b"PERMANENTFLAGS (\\*)"
    assert r.permanent_flags([], system=0, more=False) == b"PERMANENTFLAGS ()"


def test_sizes_of_a_folder() -> None:
    assert r.exists(23) == b"* 23 EXISTS\r\n"
    assert r.recent(5) == b"* 5 RECENT\r\n"
    assert r.expunge(44) == b"* 44 EXPUNGE\r\n"


def test_list_and_its_extended_items() -> None:
    assert r.list_(["\\Noselect"], "/", "") == b'* LIST (\\Noselect) "/" ""\r\n'
    assert r.list_([], None, "INBOX") == b'* LIST () NIL "INBOX"\r\n'
    assert r.list_([], "\\", "Entwürfe") == b'* LIST () "\\\\" "Entw&APw-rfe"\r\n'
    assert r.list_([], "/", "Entwürfe", utf8=True) == '* LIST () "/" "Entwürfe"\r\n'.encode()
    assert r.list_(["\\HasChildren"], "/", "Foo", child_info=["SUBSCRIBED"], old_name="Bar") == (
        b'* LIST (\\HasChildren) "/" "Foo" ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" (Bar))\r\n'
    )
    assert r.lsub([], "/", "a b") == b'* LSUB () "/" "a b"\r\n'


def test_status_tells_what_was_asked() -> None:
    assert r.status("blurdybloop", {"MESSAGES": 231, "UIDNEXT": 44292}) == (
        b'* STATUS "blurdybloop" (MESSAGES 231 UIDNEXT 44292)\r\n'
    )
    assert r.status("INBOX", {"MAILBOXID": "F1-2"}) == b'* STATUS "INBOX" (MAILBOXID (F1-2))\r\n'


def test_quotas() -> None:
    """RFC 9208 4.1, its examples; a root is a string or a literal, never an atom."""
    assert r.quota_root("INBOX", ["#user/alice", "!partition/sda4"]) == (
        b'* QUOTAROOT INBOX "#user/alice" "!partition/sda4"\r\n'
    )
    assert r.quota_root("Entwürfe", [""]) == b'* QUOTAROOT Entw&APw-rfe ""\r\n'
    assert r.quota_root("comp.mail.mime", []) == b"* QUOTAROOT comp.mail.mime\r\n"
    assert r.quota("#user/alice", [("STORAGE", 54, 111), ("MESSAGE", 42, 1000)]) == (
        b'* QUOTA "#user/alice" (STORAGE 54 111 MESSAGE 42 1000)\r\n'
    )
    assert r.quota("zoë", []) == b"* QUOTA {4}\r\nzo\xc3\xab ()\r\n"
    assert r.quota("zoë", [], utf8=True) == '* QUOTA "zoë" ()\r\n'.encode()


def test_annotations_and_their_codes() -> None:
    """RFC 5464 4.4.1, 5."""
    assert r.metadata("", [("/shared/comment", b"My comment")]) == b'* METADATA "" (/shared/comment "My comment")\r\n'
    assert r.metadata("Entwürfe", [("/shared/a b", None), ("/shared/c", b"\0")], utf8=True) == (
        '* METADATA "Entwürfe" ("/shared/a b" NIL /shared/c ~{1}\r\n\0)\r\n'.encode()
    )
    assert r.metadata_max_size(7) == b"METADATA MAXSIZE 7"
    assert r.metadata_long_entries(2199) == b"METADATA LONGENTRIES 2199"


def test_namespaces() -> None:
    """RFC 2342 section 5, its examples."""
    assert r.namespace([("", "/")], [], []) == b'* NAMESPACE (("" "/")) NIL NIL\r\n'
    assert r.namespace([("", "/")], [("~", "/")], [("#shared/", "/"), ("#public", None)]) == (
        b'* NAMESPACE (("" "/")) (("~" "/")) (("#shared/" "/")("#public" NIL))\r\n'
    )


def test_search_and_esearch() -> None:
    assert r.search([2, 84, 882]) == b"* SEARCH 2 84 882\r\n"
    assert r.search([]) == b"* SEARCH\r\n"
    assert r.sort([2, 84, 5]) == b"* SORT 2 84 5\r\n"
    assert r.sort([], None) == b"* SORT\r\n"
    assert r.sort([3, 1], 7) == b"* SORT 3 1 (MODSEQ 7)\r\n"
    assert r.esearch(b"A282", uid=False, lowest=2, count=3) == b'* ESEARCH (TAG "A282") MIN 2 COUNT 3\r\n'
    assert r.esearch(b"A283", uid=True, highest=900, every=((2, 2), (10, 12))) == (
        b'* ESEARCH (TAG "A283") UID MAX 900 ALL 2,10:12\r\n'
    )
    assert r.esearch(b"A284", uid=False, every=()) == b'* ESEARCH (TAG "A284")\r\n'


def test_search_with_modseq_and_partial() -> None:
    """RFC 7162 3.1.6 and 3.1.10, RFC 9394 3.1."""
    assert r.search([2, 5], 917162500) == b"* SEARCH 2 5 (MODSEQ 917162500)\r\n"
    assert r.esearch(b"a", uid=False, every=((1, 3), (5, 5)), modseq=1236) == (
        b'* ESEARCH (TAG "a") ALL 1:3,5 MODSEQ 1236\r\n'
    )
    assert r.esearch(b"A04", uid=True, page=(b"24000:24500", ())) == (
        b'* ESEARCH (TAG "A04") UID PARTIAL (24000:24500 NIL)\r\n'
    )
    assert r.esearch(b"A01", uid=True, page=(b"-1:-100", ((7, 8),))) == (
        b'* ESEARCH (TAG "A01") UID PARTIAL (-1:-100 7:8)\r\n'
    )


def test_vanished_in_lines_that_a_client_can_hold() -> None:
    """RFC 7162 3.2.10."""
    assert list(r.vanished(((405, 405), (407, 410)))) == [b"* VANISHED 405,407:410\r\n"]
    assert list(r.vanished(((1, 2),), earlier=True)) == [b"* VANISHED (EARLIER) 1:2\r\n"]
    assert list(r.vanished(())) == []
    lines = list(r.vanished(tuple((uid, uid) for uid in range(1, 5000, 2)), earlier=True))
    assert len(lines) == 3
    assert all(line.startswith(b"* VANISHED (EARLIER) ") and len(line) < 25_000 for line in lines)


def test_batches_from_the_newest_on() -> None:
    assert r.uid_batches(b"A143", [(215295, 99696), (99695, 7830), (5, 5)]) == (
        b'* UIDBATCHES (TAG "A143") 215295:99696,99695:7830,5\r\n'
    )
    assert r.uid_batches(b"A143", []) == b'* UIDBATCHES (TAG "A143")\r\n'


@pytest.mark.parametrize(
    ("microseconds", "zone", "written"),
    [
        (0, 0, b'" 1-Jan-1970 00:00:00 +0000"'),
        (837_596_665_000_000, -420, b'"17-Jul-1996 02:44:25 -0700"'),
        (760_686_745_999_999, 330, b'" 8-Feb-1994 11:22:25 +0530"'),
        (-1, 0, b'"31-Dec-1969 23:59:59 +0000"'),
    ],
)
def test_internal_dates_have_the_zone_they_came_with(microseconds: int, zone: int, written: bytes) -> None:
    assert r.internal_date(microseconds, zone) == written


@given(st.integers(-(2**35), 2**35), st.integers(-1439, 1439))
def test_an_internal_date_is_read_back(seconds: int, zone: int) -> None:
    command = parse(b"a APPEND x " + r.internal_date(seconds * 1_000_000, zone) + b" \0")
    assert isinstance(command, Append)
    assert command.steps[0] == Begin(date=DateTime(seconds * 1_000_000, zone))


def test_who_we_are() -> None:
    assert r.capability(["IMAP4rev1", "IDLE"]) == b"* CAPABILITY IMAP4rev1 IDLE\r\n"
    assert r.capability_code(["IMAP4rev1"]) == b"CAPABILITY IMAP4rev1"
    assert r.enabled(["CONDSTORE"]) == b"* ENABLED CONDSTORE\r\n"
    assert r.enabled([]) == b"* ENABLED\r\n"
    assert r.id_({}) == b"* ID NIL\r\n"
    assert r.id_({"name": "Penfold", "version": None}) == b'* ID ("name" "Penfold" "version" NIL)\r\n'
