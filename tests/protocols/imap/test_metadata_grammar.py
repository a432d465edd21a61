"""GETMETADATA and SETMETADATA as clients write them (RFC 5464 section 5), and METADATA in LIST (RFC 9590 section 5)."""

import pytest

from core.limits import ANNOTATION_NAME_OCTETS, ANNOTATION_OCTETS, ANNOTATIONS_PER_FOLDER
from protocols.imap import commands as c
from protocols.imap import fragments, limits
from protocols.imap.commands import Entries, GetMetadata, SetMetadata
from protocols.imap.fragments import Complete, Fragmenter, Refused
from protocols.imap.grammar import BadSyntax, parse
from protocols.imap.limits import AFTER_LOGIN

PRIVATE, SHARED = "/private/comment", "/shared/comment"


def said(octets: bytes) -> c.Command:
    """What a client's octets mean; literals are sent as {n+}."""
    fragmenter = Fragmenter(AFTER_LOGIN)
    fragmenter.feed(octets + b"\r\n")
    event = fragmenter.next()
    assert isinstance(event, Complete)
    assert fragmenter.next() is None
    return parse(event.text, event.literals)


def refused(octets: bytes) -> BadSyntax:
    with pytest.raises(BadSyntax) as refusal:
        said(octets)
    return refusal.value


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        # RFC 5464 section 4.2
        (b'a GETMETADATA "" /shared/comment', GetMetadata(b"a", "", Entries((SHARED,)))),
        (b'a GETMETADATA "INBOX" /private/comment', GetMetadata(b"a", "INBOX", Entries((PRIVATE,)))),
        (
            b'a GETMETADATA "INBOX" (/shared/comment /private/comment)',
            GetMetadata(b"a", "INBOX", Entries((SHARED, PRIVATE))),
        ),
        # The examples have the options behind the mailbox, the formal syntax before it.
        (
            b'a GETMETADATA "INBOX" (MAXSIZE 1024) (/shared/comment /private/comment)',
            GetMetadata(b"a", "INBOX", Entries((SHARED, PRIVATE), max_size=1024)),
        ),
        (
            b'a GETMETADATA (MAXSIZE 1024) "INBOX" (/shared/comment /private/comment)',
            GetMetadata(b"a", "INBOX", Entries((SHARED, PRIVATE), max_size=1024)),
        ),
        (
            b'a GETMETADATA "INBOX" (DEPTH 1) (/private/filters/values)',
            GetMetadata(b"a", "INBOX", Entries(("/private/filters/values",), 1)),
        ),
        (
            b"a getmetadata (depth Infinity maxsize 0) x /PRIVATE/Comment",
            GetMetadata(b"a", "x", Entries(("/PRIVATE/Comment",), None, 0)),
        ),
        (b"a GETMETADATA x (DEPTH 0) (/shared /private)", GetMetadata(b"a", "x", Entries(("/shared", "/private"), 0))),
        (
            b'a GETMETADATA {1+}\r\nx ("/shared/a b" {9+}\r\n/shared/c)',
            GetMetadata(b"a", "x", Entries(("/shared/a b", "/shared/c"))),
        ),
        (b'a GETMETADATA x "/shared/a\\\\b"', GetMetadata(b"a", "x", Entries(("/shared/a\\b",)))),
        (b"a GETMETADATA x /shared/vendor/token", GetMetadata(b"a", "x", Entries(("/shared/vendor/token",)))),
        # RFC 5464 section 4.3
        (
            b"a SETMETADATA INBOX (/private/comment {32+}\r\nMy new comment across\r\ntwo lines)",
            SetMetadata(b"a", "INBOX", ((PRIVATE, b"My new comment across\r\ntwo lines"),)),
        ),
        (b"a SETMETADATA INBOX (/private/comment NIL)", SetMetadata(b"a", "INBOX", ((PRIVATE, None),))),
        (
            b'a SETMETADATA INBOX (/private/comment "My new comment" /shared/comment "This one is for you!")',
            SetMetadata(b"a", "INBOX", ((PRIVATE, b"My new comment"), (SHARED, b"This one is for you!"))),
        ),
        (
            b'a setmetadata "" (/Private/COMMENT "" /shared/vendor/x/y nil)',
            SetMetadata(b"a", "", ((PRIVATE, b""), ("/shared/vendor/x/y", None))),
        ),
        (
            b'a SETMETADATA x (/shared/a ~{3+}\r\n\0\xff\n /shared/b ~{0+}\r\n /shared/c "NIL")',
            SetMetadata(b"a", "x", (("/shared/a", b"\0\xff\n"), ("/shared/b", b""), ("/shared/c", b"NIL"))),
        ),
        # RFC 9590 sections 4 and 5
        (
            b'a LIST "" % RETURN (METADATA ("/shared/vendor/cmu/cyrus-imapd/color"))',
            c.List(
                b"a",
                "",
                ("%",),
                returns=frozenset({"METADATA"}),
                metadata=Entries(("/shared/vendor/cmu/cyrus-imapd/color",)),
                extended=True,
            ),
        ),
        (
            b'a LIST "" % RETURN (STATUS (MESSAGES) METADATA (DEPTH 1 MAXSIZE 9) /shared/comment CHILDREN)',
            c.List(
                b"a",
                "",
                ("%",),
                returns=frozenset({"STATUS", "METADATA", "CHILDREN"}),
                status=("MESSAGES",),
                metadata=Entries((SHARED,), 1, 9),
                extended=True,
            ),
        ),
    ],
)
def test_what_is_written_is_understood(octets: bytes, command: c.Command) -> None:
    assert said(octets) == command


@pytest.mark.parametrize(
    "octets",
    [
        b"a GETMETADATA",
        b"a GETMETADATA x",
        b"a GETMETADATA x ()",
        b"a GETMETADATA (DEPTH 1) x",
        b"a GETMETADATA () x /shared/comment",
        b"a GETMETADATA (DEPTH 2) x /shared/comment",
        b"a GETMETADATA (DEPTH) x /shared/comment",
        b"a GETMETADATA (DEPTH 1 DEPTH 1) x /shared/comment",
        b"a GETMETADATA (MAXSIZE -1) x /shared/comment",
        b"a GETMETADATA (MAXSIZE 1 MAXSIZE 2) x /shared/comment",
        b"a GETMETADATA (OTHER 1) x /shared/comment",
        b"a GETMETADATA (DEPTH 1) x (MAXSIZE 1) /shared/comment",
        b"a GETMETADATA x /shared/comment /private/comment",
        b"a SETMETADATA x",
        b"a SETMETADATA x ()",
        b'a SETMETADATA x /shared/comment "x"',
        b"a SETMETADATA x (/shared/comment)",
        b"a SETMETADATA x (/shared/comment atom)",
        b"a SETMETADATA x (/shared/comment NILE)",
        b"a SETMETADATA x (/shared/comment ~)",
        b'a SETMETADATA x (/shared/comment ~"x")',
        b"a SETMETADATA x (/shared/comment {1+}\r\n\0)",
        b'a SETMETADATA x (/shared/comment "x" /SHARED/comment "y")',
        b'a LIST "" % RETURN (METADATA)',
        b'a LIST "" % RETURN (METADATA ())',
        b'a LIST "" % RETURN (METADATA (DEPTH 1))',
        b'a LIST (METADATA /shared/comment) "" %',
        b"a UID GETMETADATA x /shared/comment",
    ],
)
def test_what_is_not_in_the_grammar_is_bad(octets: bytes) -> None:
    assert refused(octets).code is None


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/shared/", "/shared//comment", "/shared/comment/", "shared/comment", "/comment", "/sharedcomment"),
        *("/shared/a*", "/shared/a%", "/shared/a\x01", "/shared/a\x19", "/shared/a\x7f", "/shared/é"),
    ],
)  # fmt: skip
def test_names_that_no_entry_may_have_are_bad(name: str) -> None:
    """RFC 5464 3.2."""
    octets = name.encode()
    for command in (b"GETMETADATA x {%d+}\r\n%b", b"SETMETADATA x ({%d+}\r\n%b NIL)", b"GETMETADATA x ({%d+}\r\n%b)"):
        assert refused(b"a " + command % (len(octets), octets)).text == "Not an entry name"


@pytest.mark.parametrize("name", [b"/shared", b"/private/vendor", b"/shared/vendor/token", b"/Shared/VENDOR/token"])
def test_names_that_begin_others_can_be_asked_for_and_not_set(name: bytes) -> None:
    """RFC 5464 3.2: two parts at least, and four of a vendor's; 3.2.1.1 knows the top levels of these."""
    assert said(b"a GETMETADATA x " + name) == GetMetadata(b"a", "x", Entries((name.decode(),)))
    assert refused(b"a SETMETADATA x (%b NIL)" % name).text == "The entry name has too few parts"
    said(b"a SETMETADATA x (%b/a/b NIL)" % name)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"a GETMETADATA x (" + b" ".join([b"/shared/a"] * (limits.METADATA_ENTRIES + 1)) + b")", "Too many entries"),
        (
            b"a SETMETADATA x ("
            + b" ".join(b"/shared/%d NIL" % n for n in range(limits.METADATA_ENTRIES + 1))
            + b")",
            "Too many entries",
        ),
        (b"a GETMETADATA (" + b" ".join([b"DEPTH 1"] * (limits.METADATA_OPTIONS + 1)) + b") x /a", "Too many options"),
        (b"a GETMETADATA x /shared/" + b"x" * (limits.METADATA_NAME - 7), "Entry name is too long"),
    ],
)  # fmt: skip
def test_too_much_is_over_a_limit(octets: bytes, text: str) -> None:
    refusal = refused(octets)
    assert (refusal.text, refusal.code) == (text, b"LIMIT")


def test_limits_are_those_of_the_store() -> None:
    assert limits.METADATA_NAME == ANNOTATION_NAME_OCTETS
    assert limits.METADATA_VALUE == ANNOTATION_OCTETS <= AFTER_LOGIN.literal
    assert limits.METADATA_ENTRIES >= ANNOTATIONS_PER_FOLDER


@pytest.mark.parametrize("mailbox", [b"INBOX", b'""', b"{5+}\r\nINBOX"])
def test_a_value_too_large_to_be_held_is_refused_as_one_too_large_to_be_stored(mailbox: bytes) -> None:
    """RFC 5464 4.3: NO, and how large it may be."""
    size = AFTER_LOGIN.literal + 1
    fragmenter = Fragmenter(AFTER_LOGIN)
    fragmenter.feed(b"a setmetadata %b (/shared/a {%d+}\r\n%b)\r\nb NOOP\r\n" % (mailbox, size, bytes(size)))
    assert fragmenter.next() == Refused(b"a", fragments.LARGE_LITERAL, b"NO", b"METADATA MAXSIZE 32768")
    assert fragmenter.next() == Complete(b"b NOOP")
