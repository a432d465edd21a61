"""Commands as clients write them, and the values they become."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import model
from core.model import ranges
from protocols.imap import commands as c
from protocols.imap import limits
from protocols.imap.commands import STAR, Flags, Item, Section, SequenceSet
from protocols.imap.fragments import Complete, Fragmenter
from protocols.imap.grammar import BadCharset, BadSyntax, UnknownCommand, base64, parse, resume
from protocols.imap.grammar.sequences import parse_set
from protocols.imap.limits import AFTER_LOGIN
from protocols.imap.saying.responses import astring, sequence_set


def said(octets: bytes, *, utf8: bool = False) -> c.Command:
    """What a client's octets mean; literals are sent as {n+}."""
    fragmenter = Fragmenter(AFTER_LOGIN)
    fragmenter.feed(octets + b"\r\n")
    event = fragmenter.next()
    assert isinstance(event, Complete)
    assert fragmenter.next() is None
    return parse(event.text, event.literals, utf8=utf8)


def refused(octets: bytes, *, utf8: bool = False) -> BadSyntax:
    with pytest.raises(BadSyntax) as refusal:
        said(octets, utf8=utf8)
    return refusal.value


def numbers(*ranges: int | tuple[int, int]) -> SequenceSet:
    return SequenceSet(tuple((each, each) if isinstance(each, int) else each for each in ranges))


SAVED = SequenceSet((), saved=True)


# --- what the RFCs show ---


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        # RFC 9051 section 6.1 and 6.2
        (b"abcd CAPABILITY", c.Capability(b"abcd")),
        (b"a002 NOOP", c.Noop(b"a002")),
        (b"A023 LOGOUT", c.Logout(b"A023")),
        (b"a002 STARTTLS", c.Starttls(b"a002")),
        (b"A001 AUTHENTICATE GSSAPI", c.Authenticate(b"A001", "GSSAPI")),
        (b"A01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=", c.Authenticate(b"A01", "PLAIN", b"test\0test\0test")),
        (b"A01 AUTHENTICATE EXTERNAL =", c.Authenticate(b"A01", "EXTERNAL", b"")),
        (b"a001 LOGIN SMITH SESAME", c.Login(b"a001", "SMITH", b"SESAME")),
        (b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man", c.Login(b"A001", "FRED FOOBAR", b"fat man")),
        # section 6.3
        (b"t2 ENABLE CONDSTORE", c.Enable(b"t2", ("CONDSTORE",))),
        (b"t3 ENABLE CONDSTORE X-good-Idea condstore", c.Enable(b"t3", ("CONDSTORE", "X-GOOD-IDEA"))),
        (b"A142 SELECT INBOX", c.Select(b"A142", "INBOX")),
        (b"A932 EXAMINE blurdybloop", c.Select(b"A932", "blurdybloop", examine=True)),
        (b"A003 CREATE owatagusiam/", c.Create(b"A003", "owatagusiam/")),
        (b"t1 CREATE MySpecial (USE (\\Drafts \\Sent))", c.Create(b"t1", "MySpecial", ("\\Drafts", "\\Sent"))),
        (b"A683 DELETE blurdybloop", c.Delete(b"A683", "blurdybloop")),
        (b"A683 RENAME blurdybloop sarasoop", c.Rename(b"A683", "blurdybloop", "sarasoop")),
        (b"A002 SUBSCRIBE #news.comp.mail.mime", c.Subscribe(b"A002", "#news.comp.mail.mime")),
        (b"A002 UNSUBSCRIBE #news.comp.mail.mime", c.Unsubscribe(b"A002", "#news.comp.mail.mime")),
        (b'A101 LIST "" ""', c.List(b"A101", "", ("",))),
        (b'A103 LIST /usr/staff/jones ""', c.List(b"A103", "/usr/staff/jones", ("",))),
        (b"A202 LIST ~/Mail/ %", c.List(b"A202", "~/Mail/", ("%",))),
        (
            b'A01 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
            c.List(b"A01", "", ("%",), frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}), extended=True),
        ),
        (
            b'A02 LIST () "" "%" RETURN (CHILDREN)',
            c.List(b"A02", "", ("%",), returns=frozenset({"CHILDREN"}), extended=True),
        ),
        (b'A03 LIST () "" "%" RETURN ()', c.List(b"A03", "", ("%",), extended=True)),
        (b'BBB LIST "" ("INBOX" "Drafts" "Sent/%")', c.List(b"BBB", "", ("INBOX", "Drafts", "Sent/%"), extended=True)),
        (
            b'A04 LIST (REMOTE SPECIAL-USE) "" % RETURN (SUBSCRIBED SPECIAL-USE)',
            c.List(
                b"A04",
                "",
                ("%",),
                frozenset({"REMOTE", "SPECIAL-USE"}),
                frozenset({"SUBSCRIBED", "SPECIAL-USE"}),
                extended=True,
            ),
        ),
        (
            b'A01 LIST "" % RETURN (STATUS (MESSAGES UNSEEN))',
            c.List(b"A01", "", ("%",), returns=frozenset({"STATUS"}), status=("MESSAGES", "UNSEEN"), extended=True),
        ),
        (b'A002 LSUB "#news." "comp.mail.*"', c.Lsub(b"A002", "#news.", "comp.mail.*")),
        (b"A001 NAMESPACE", c.Namespace(b"A001")),
        (b"A042 STATUS blurdybloop (UIDNEXT MESSAGES)", c.Status(b"A042", "blurdybloop", ("UIDNEXT", "MESSAGES"))),
        (b"t1 STATUS INBOX (APPENDLIMIT SIZE)", c.Status(b"t1", "INBOX", ("APPENDLIMIT", "SIZE"))),
        (b"A002 IDLE", c.Idle(b"A002")),
        (
            b'a023 ID ("name" "sodr" "version" "19.34" "vendor" NIL)',
            c.Id(b"a023", (("name", "sodr"), ("version", "19.34"), ("vendor", None))),
        ),
        (b"a042 ID NIL", c.Id(b"a042", ())),
        (b"a042 ID ()", c.Id(b"a042", ())),
        # section 6.4
        (b"FXXZ CHECK", c.Check(b"FXXZ")),
        (b"A341 CLOSE", c.Close(b"A341")),
        (b"A342 UNSELECT", c.Unselect(b"A342")),
        (b"A202 EXPUNGE", c.Expunge(b"A202")),
        (b"A003 UID EXPUNGE 3000:3002", c.Expunge(b"A003", numbers((3000, 3002)))),
        (b"A003 COPY 2:4 MEETING", c.Copy(b"A003", False, numbers((2, 4)), "MEETING")),
        (b"A003 UID COPY 304,319:320 MEETING", c.Copy(b"A003", True, numbers(304, (319, 320)), "MEETING")),
        (b"a UID MOVE 42:69 foo", c.Move(b"a", True, numbers((42, 69)), "foo")),
        (b"a MOVE 1 INBOX", c.Move(b"a", False, numbers(1), "INBOX")),
        (
            b"A003 STORE 2:4 +FLAGS (\\Deleted)",
            c.Store(b"A003", False, numbers((2, 4)), "add", False, Flags(model.DELETED)),
        ),
    ],
)
def test_the_examples_of_the_rfcs_mean_what_they_say(octets: bytes, command: c.Command) -> None:
    assert said(octets) == command


def test_every_command_has_its_name_and_is_read_in_any_case() -> None:
    assert c.Select.name == "SELECT"
    assert said(b"A1 sElEcT inBox") == c.Select(b"A1", "INBOX")
    assert said(b"A1 uid expunge 1") == c.Expunge(b"A1", numbers(1))


def test_system_flags_have_the_bits_of_the_model() -> None:
    bits = [model.SEEN, model.ANSWERED, model.FLAGGED, model.DELETED, model.DRAFT]
    assert [said(b"a STORE 1 FLAGS " + name.encode()).flags.system for name in c.SYSTEM_FLAGS] == bits  # type: ignore[attr-defined]


# --- tags and names ---


@pytest.mark.parametrize("octets", [b"", b" ", b"+ NOOP", b"(a NOOP", b'"a" NOOP', b"\x80 NOOP", b"a" * 129 + b" NOOP"])
def test_without_a_proper_tag_the_refusal_has_none(octets: bytes) -> None:
    assert refused(octets).tag is None


@pytest.mark.parametrize(
    "octets", [b"a1", b"a1 ", b"a1  NOOP", b"a1 NO-OP", b"a1 NOOP\tx", b"a1 LOGIN x", b"a1 UID NOOP"]
)
def test_with_a_tag_the_refusal_carries_it(octets: bytes) -> None:
    assert refused(octets).tag == b"a1"


@pytest.mark.parametrize(
    "octets", [b"a1 XYZZY", b"a1 UID NOOP", b"a1 UID", b"a1 123", b'a1 XLIST "" *', b"GET / HTTP/1.1"]
)
def test_an_unknown_command_is_told_apart(octets: bytes) -> None:
    assert isinstance(refused(octets), UnknownCommand)


def test_a_literal_in_an_unknown_command_belongs_to_it() -> None:
    assert isinstance(refused(b"a1 XYZZY {3+}\r\nabc"), UnknownCommand)


def test_refusals_never_repeat_what_the_client_wrote() -> None:
    for octets in [b"a XSECRET", b"a LOGIN x", b"a SEARCH XSECRET", b"a FETCH 1 XSECRET", b"a STATUS b (XSECRET)"]:
        assert "SECRET" not in refused(octets).text


@pytest.mark.parametrize(
    "octets",
    [
        *(b"a SELECT &", b"a SELECT INBOX\0"[:-1] + b"\r"),
        *(b"a NOOP x", b"a EXPUNGE 1", b"a SELECT", b"a SELECT a b", b"a SELECT (x)", b"a RENAME a", b"a LOGIN a b c"),
        *(
            b"a CAPABILITY x",
            b"a LOGIN  x y",
            b"a LOGIN x  y",
            b"a DELETE",
            b"a ENABLE",
            b"a UID EXPUNGE",
            b"a LOGIN {1+}\r\n\xff x",
        ),
        *(
            b"a CREATE x (",
            b"a CREATE x ()",
            b"a CREATE x (FOO)",
            b"a CREATE x (USE (Drafts))",
            b"a CREATE x (USE (\\A)",
        ),
        *(b"a LOGIN \xe9 x", b'a LOGIN "a\\x" y', b'a LOGIN "a y', b'a LOGIN a"b" y', b"a LOGIN {1+}\r\nx{1+}\r\ny"),
        *(b"a NAMESPACE ()", b"a SELECT ~{1+}\r\nx", b"a SELECT {1+}\r\n\0"),
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(octets: bytes) -> None:
    assert refused(octets).tag == b"a"


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        (b"a NOOP  ", c.Noop(b"a")),
        (b"a SELECT INBOX ", c.Select(b"a", "INBOX")),
        (b"a STATUS INBOX  (MESSAGES )", c.Status(b"a", "INBOX", ("MESSAGES",))),
    ],
)
def test_the_named_quirks_are_tolerated(octets: bytes, command: c.Command) -> None:
    assert said(octets) == command


# --- strings and mailbox names ---


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b'"with space"', "with space"),
        (b'"\\"quoted\\" \\\\"', '"quoted" \\'),
        (b'""', ""),
        (b"a]b", "a]b"),
        (b"{10+}\r\nwith space", "with space"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b'"&ZeVnLIqe-"', "日本語"),
        (b"iNbOx", "INBOX"),
        (b'"inbox"', "INBOX"),
        (b"inbox/x", "inbox/x"),
    ],
)
def test_mailbox_names_are_text(octets: bytes, name: str) -> None:
    assert said(b"a SELECT " + octets) == c.Select(b"a", name)


def test_after_enable_mailbox_names_are_utf8() -> None:
    assert said('a SELECT "Entwürfe & Co"'.encode(), utf8=True) == c.Select(b"a", "Entwürfe & Co")
    assert refused(b'a SELECT "Entw\xfcrfe"', utf8=True).text == "Mailbox name is not UTF-8"
    assert refused('a SELECT "Entwürfe"'.encode()).text == "Mailbox name is not modified UTF-7"


@pytest.mark.parametrize("name", ["a\x01b", "a\nb", "a\x7fb", "a\x85b", "a\u2028b"])
def test_mailbox_names_hold_no_control_characters(name: str) -> None:
    """RFC 9051 section 5.1."""
    octets = name.encode()
    assert refused(b"a SELECT {%d+}\r\n%s" % (len(octets), octets), utf8=True).tag == b"a"
    assert refused(b"a SELECT {%d+}\r\n%s" % (len(octets), octets)).tag == b"a"
    assert refused(b"a SELECT &AAo-").tag == b"a"


def test_a_name_that_unicode_would_make_inbox_is_not_inbox() -> None:
    assert said('a SELECT "\u0131nbox"'.encode(), utf8=True) == c.Select(b"a", "\u0131nbox")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"a SELECT " + b"x" * (limits.MAILBOX_NAME + 1), "Mailbox name is too long"),
        (b'a LIST "" (' + b" ".join([b"x"] * (limits.LIST_PATTERNS + 1)) + b")", "Too many patterns"),
        (b"a ENABLE" + b"".join(b" x%d" % n for n in range(limits.ENABLE_CAPABILITIES + 1)), "Too many capabilities"),
        (b"a LOGIN x " + b"y" * (limits.CREDENTIAL + 1), "User name or password is too long"),
        (b"a ID (" + b" ".join(b'"%d" ""' % n for n in range(limits.ID_FIELDS + 1)) + b")", "Too many ID fields"),
        (b'a ID ("%s" "")' % (b"x" * (limits.ID_FIELD + 1)), "ID field name is too long"),
        (b'a ID ("x" "%s")' % (b"x" * (limits.ID_VALUE + 1)), "ID value is too long"),
        (b"a FETCH 1 (" + b" ".join([b"UID"] * (limits.FETCH_ITEMS + 1)) + b")", "Too many FETCH items"),
        (
            b"a FETCH 1 BODY[HEADER.FIELDS (" + b" ".join([b"X"] * (limits.HEADER_FIELDS + 1)) + b")]",
            "Too many header fields",
        ),
        (b"a FETCH 1 BODY[HEADER.FIELDS (%s)]" % (b"x" * 257), "Header field name is too long"),
        (b"a FETCH 1 BODY[1" + b".1" * limits.PART_DEPTH + b"]", "Part is nested too deeply"),
        (b"a STORE 1 FLAGS (" + b" ".join(b"k%d" % n for n in range(limits.FLAGS + 1)) + b")", "Too many flags"),
        (b"a STORE 1 FLAGS " + b"k" * (limits.KEYWORD + 1), "Keyword is too long"),
        (b"a FETCH " + b"1," * limits.SEQUENCE_RANGES + b"1 UID", "Too many ranges in a sequence set"),
        (b"a SEARCH " + b"NOT " * (limits.SEARCH_DEPTH + 1) + b"ALL", "Search is nested too deeply"),
        (b"a SEARCH " + b"(" * 5000 + b"ALL", "Search is nested too deeply"),
        (b"a SEARCH " + b"FUZZY " * (limits.SEARCH_DEPTH + 1) + b"ALL", "Search is nested too deeply"),
        (b"a SEARCH" + b" ALL" * (limits.SEARCH_KEYS + 1), "Too many search keys"),
        (b"a SEARCH TEXT " + b"x" * (limits.SEARCH_TEXT + 1), "Search text is too long"),
        (b"a SEARCH" + b" TEXT {4000+}\r\n%b" % (b"x" * 4000) * 40, "Too much text to search for"),
    ],
)
def test_every_limit_has_its_refusal(octets: bytes, why: str) -> None:
    refusal = refused(octets)
    assert (refusal.tag, refusal.code, refusal.text) == (b"a", b"LIMIT", why)


# --- LIST, STATUS, ID, CREATE ---


@pytest.mark.parametrize(
    "octets",
    [
        b'a LIST (RECURSIVEMATCH) "" %',
        b'a LIST (REMOTE RECURSIVEMATCH) "" %',
        b'a LIST (FOO) "" %',
        b'a LIST "" % RETURN (FOO)',
        b'a LIST "" % RETURN (STATUS)',
        b'a LIST "" % RETURN (STATUS (FOO))',
        b'a LIST "" % FOO (CHILDREN)',
        b'a LIST "" ()',
        b'a LIST ""',
        b'a LIST "" %(',
        b"a LSUB x",
        b"a STATUS x ()",
        b"a STATUS x MESSAGES",
        b"a STATUS x (FOO)",
        b"a STATUS x (MESSAGES  UNSEEN)",
        b'a ID ("a" "b" "a" "c")',
        b'a ID ("a")',
        b"a ID (a b)",
        b"a ID",
        b"a ID NILS",
    ],
)
def test_unknown_options_and_half_lists_are_refused(octets: bytes) -> None:
    assert refused(octets).tag == b"a"


def test_a_special_use_that_we_do_not_know_is_for_the_session_to_refuse() -> None:
    assert said(b"a CREATE x (USE (\\drafts \\FOO \\Drafts))") == c.Create(b"a", "x", ("\\Drafts", "\\Foo"))
    assert said(b"a CREATE x (USE ())") == c.Create(b"a", "x")


def test_an_id_that_is_no_utf8_is_still_an_id() -> None:
    assert said(b'a ID ("Name" "\xff")') == c.Id(b"a", (("name", "\ufffd"),))


# --- AUTHENTICATE and SASL lines ---


@pytest.mark.parametrize("octets", [b"=AAA", b"AAA=BBB", b"AA", b"A A=", b"*", b"QUJD\r"])
def test_what_is_not_base64_is_refused(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        base64(octets)
    assert refused(b"a AUTHENTICATE PLAIN " + octets).tag == b"a"


def test_a_sasl_line_is_base64_and_may_be_empty() -> None:
    assert base64(b"QUI=") == b"AB"
    assert base64(b"") == b""


# --- APPEND and REPLACE ---

BEGIN, END, MESSAGE = c.Begin(), c.End(), c.Octets()
PART, PART8 = c.Octets(catenate=True), c.Octets(catenate=True, utf8=True)


@pytest.mark.parametrize(
    ("text", "literals", "mailbox", "steps"),
    [
        (b"A003 APPEND saved \0", (), "saved", (BEGIN, MESSAGE)),
        (b"a append b (\\Seen) \0", (), "b", (c.Begin(Flags(model.SEEN)), MESSAGE)),
        (b"a APPEND b ~\0", (), "b", (BEGIN, MESSAGE)),
        (b"a APPEND b () UTF8 (~\0", (), "b", (BEGIN, c.Octets(utf8=True))),
        (b"a APPEND b utf8 (~\0", (), "b", (BEGIN, c.Octets(utf8=True))),
        (b"a APPEND \0 \0", (b"inbox",), "INBOX", (BEGIN, MESSAGE)),
        (
            b'a APPEND b ($Forwarded) " 7-Feb-1994 21:52:25 -0800" \0',
            (),
            "b",
            (c.Begin(Flags(0, ("$Forwarded",)), c.DateTime(760_686_745_000_000, -480)), MESSAGE),
        ),
        (b"a APPEND b CATENATE (TEXT \0", (), "b", (BEGIN, PART)),
        (b"a APPEND b catenate (text \0", (), "b", (BEGIN, PART)),
        (b"a APPEND b CATENATE (UTF8 (~\0", (), "b", (BEGIN, PART8)),
        (b"a APPEND b CATENATE (URL \0", (), "b", (BEGIN, c.Url(None))),
        (
            b'a APPEND b (\\Seen) CATENATE (URL "/x y/;UID=1" URL /z/;UID=2 TEXT \0',
            (),
            "b",
            (c.Begin(Flags(model.SEEN)), c.Url(b"/x y/;UID=1"), c.Url(b"/z/;UID=2"), PART),
        ),
        (b"a APPEND b CATENATE (URL x)", (), "b", (BEGIN, c.Url(b"x"), END)),
        (
            b"a APPEND b CATENATE (URL x) (\\Seen) CATENATE (URL y) \0",
            (),
            "b",
            (BEGIN, c.Url(b"x"), END, c.Begin(Flags(model.SEEN)), c.Url(b"y"), END, BEGIN, MESSAGE),
        ),
    ],
)
def test_an_append_is_read_up_to_its_first_literal(
    text: bytes, literals: tuple[bytes, ...], mailbox: str, steps: tuple[c.AppendStep, ...]
) -> None:
    command = parse(text, literals)
    assert isinstance(command, c.Append)
    assert (command.mailbox, command.steps) == (mailbox, steps)


@pytest.mark.parametrize(
    ("text", "literals"),
    [
        (b"a APPEND \0 \0", (b"in\xc3\xa9",)),
        (b"a APPEND b \0 \0", (b"x",)),
        (b"a APPEND b", ()),
        (b"a APPEND b ()", ()),
        (b"a APPEND b \0", (b"x",)),
        (b"a APPEND b x \0", ()),
        (b"a APPEND b UTF8 (\0", ()),
        (b"a APPEND b (\\Recent) \0", ()),
        (b'a APPEND b "x" \0', ()),
        (b"a APPEND b (\0", ()),
        (b"a APPEND b CATENATE ()", ()),
        (b"a APPEND b CATENATE (TEXT ~\0", ()),
        (b"a APPEND b CATENATE (TEXT x)", ()),
        (b"a APPEND b CATENATE (URL x", ()),
        (b"a APPEND b CATENATE (URL x )", ()),
        (b"a APPEND b CATENATE (URL x)x", ()),
        (b"a APPEND b CATENATE (URL x) (\\Seen)", ()),
        (b"a APPEND b CATENATE \0", ()),
        (b"a APPEND b CATENATE (\0", ()),
        (b"a APPEND b TEXT \0", ()),
        (b"a APPEND b URL x", ()),
        (b"a APPEND b CATENATE (URL \0)", (b"x",)),
        (b"a APPEND b CATENATE (URL " + b"x" * 5000 + b")", ()),
        (b"a REPLACE 1:2 b \0", ()),
        (b"a REPLACE 0 b \0", ()),
        (b"a REPLACE $ b \0", ()),
        (b"a REPLACE 4294967296 b \0", ()),
        (b"a REPLACE 1 b", ()),
        (b"a REPLACE b \0", ()),
        (b"a REPLACE 1 b CATENATE (URL x) \0", ()),
        (b"a REPLACE 1 b CATENATE (URL x) CATENATE (URL x)", ()),
    ],
)
def test_what_is_no_append_or_replace(text: bytes, literals: tuple[bytes, ...]) -> None:
    with pytest.raises(BadSyntax) as refusal:
        parse(text, literals)
    assert refusal.value.tag == b"a"


@pytest.mark.parametrize(
    ("text", "uid", "number"), [(b"REPLACE 4", False, 4), (b"uid replace *", True, c.STAR), (b"REPLACE *", False, 0)]
)
def test_a_replace_names_one_message(text: bytes, uid: bool, number: int) -> None:
    """RFC 8508 5."""
    command = parse(b"a " + text + b" Drafts (\\Draft) \0")
    steps = (c.Begin(Flags(model.DRAFT)), MESSAGE)
    assert command == c.Replace(b"a", uid, c.SequenceSet(((number, number),)), "Drafts", steps)


@pytest.mark.parametrize(
    ("after", "text", "steps"),
    [
        (MESSAGE, b"", (END,)),
        (MESSAGE, b" \0", (END, BEGIN, MESSAGE)),
        (MESSAGE, b" (\\Seen) ~\0", (END, c.Begin(Flags(model.SEEN)), MESSAGE)),
        (MESSAGE, b" CATENATE (URL x)", (END, BEGIN, c.Url(b"x"), END)),
        (MESSAGE, b" ", None),
        (MESSAGE, b")", None),
        (MESSAGE, b"\0", None),
        (MESSAGE, b" (\\Seen)", None),
        (c.Octets(utf8=True), b")", (END,)),
        (c.Octets(utf8=True), b") UTF8 (~\0", (END, BEGIN, c.Octets(utf8=True))),
        (c.Octets(utf8=True), b"", None),
        (c.Octets(utf8=True), b"))", None),
        (PART, b")", (END,)),
        (PART, b" TEXT \0", (PART,)),
        (PART, b" URL x URL \0", (c.Url(b"x"), c.Url(None))),
        (PART, b") \0", (END, BEGIN, MESSAGE)),
        (PART, b"", None),
        (PART, b" )", None),
        (PART, b"TEXT \0", None),
        (PART8, b"))", (END,)),
        (PART8, b") TEXT \0", (PART,)),
        (PART8, b")", None),
        (c.Url(None), b")", (END,)),
        (c.Url(None), b" UTF8 (~\0", (PART8,)),
        (c.Url(None), b"", None),
    ],
)
def test_what_may_follow_a_literal(
    after: c.Octets | c.Url, text: bytes, steps: tuple[c.AppendStep, ...] | None
) -> None:
    if steps is not None:
        assert resume(text, (), after, several=True, tag=b"a") == steps
        return
    with pytest.raises(BadSyntax) as refusal:
        resume(text, (), after, several=True, tag=b"a")
    assert refusal.value.tag == b"a"


def test_a_replace_has_one_message() -> None:
    """RFC 8508 4.7."""
    assert resume(b"", (), MESSAGE, several=False, tag=b"a") == (END,)
    with pytest.raises(BadSyntax):
        resume(b" \0", (), MESSAGE, several=False, tag=b"a")


@pytest.mark.parametrize(
    ("text", "microseconds", "zone"),
    [
        (b"01-Jan-1970 00:00:00 +0000", 0, 0),
        (b"17-Jul-1996 02:44:25 -0700", 837_596_665_000_000, -420),
        (b" 1-JAN-1970 01:30:00 +0130", 0, 90),
        (b"31-Dec-1998 23:59:60 +0000", 915_148_800_000_000, 0),
        (b"31-Dec-1969 23:59:59 +0000", -1_000_000, 0),
    ],
)
def test_dates_of_append_are_instants_with_a_zone(text: bytes, microseconds: int, zone: int) -> None:
    command = parse(b'a APPEND b "%s" \0' % text)
    assert isinstance(command, c.Append)
    assert command.steps[0] == c.Begin(date=c.DateTime(microseconds, zone))


@pytest.mark.parametrize(
    "text",
    [
        *(b"30-Feb-2000 00:00:00 +0000", b"01-Foo-2000 00:00:00 +0000", b"1-Jan-2000 00:00:00 +0000"),
        *(b"01-Jan-2000 24:00:00 +0000", b"01-Jan-2000 00:60:00 +0000", b"01-Jan-2000 00:00:61 +0000"),
        *(
            b"01-Jan-2000 00:00:00 +2400",
            b"01-Jan-2000 00:00:00 +0060",
            b"01-Jan-0000 00:00:00 +0000",
            b"  -Jan-2000 00:00:00 +0000",
        ),
        *(b"01-Jan-2000 00:00:00", b"01-Jan-2000 00:00:00 GMT"),
    ],
)
def test_no_such_date_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b'a APPEND b "%s" \0' % text)


# --- sequence sets ---


@pytest.mark.parametrize(
    ("text", "ranges", "resolved"),
    [
        (b"1", ((1, 1),), ((1, 1),)),
        (b"*", ((STAR, STAR),), ((10, 10),)),
        (b"*:4", ((STAR, 4),), ((4, 10),)),
        (b"5:3", ((5, 3),), ((3, 5),)),
        (b"*:*", ((STAR, STAR),), ((10, 10),)),
        (b"12:*", ((12, STAR),), ((10, 12),)),
        (b"2,4:7,9,12:*", ((2, 2), (4, 7), (9, 9), (12, STAR)), ((2, 2), (4, 7), (9, 12))),
        (b"*:4,5:7", ((STAR, 4), (5, 7)), ((4, 10),)),
        (b"3,1,2,2,8", ((3, 3), (1, 1), (2, 2), (2, 2), (8, 8)), ((1, 3), (8, 8))),
        (b"1:9,2:3,11", ((1, 9), (2, 3), (11, 11)), ((1, 9), (11, 11))),
        (b"4294967295", ((4294967295, 4294967295),), ((4294967295, 4294967295),)),
        (b"1:4294967295", ((1, 4294967295),), ((1, 4294967295),)),
    ],
)
def test_a_sequence_set_is_read_and_resolved(text: bytes, ranges: c.Ranges, resolved: c.Ranges) -> None:
    read = parse_set(text)
    assert read == SequenceSet(ranges)
    assert read.resolve(10) == resolved


def test_the_last_search_result_is_a_set_of_its_own() -> None:
    """RFC 5182."""
    assert said(b"A283 FETCH $ UID") == c.Fetch(b"A283", False, SAVED, (Item.UID,))
    assert SAVED.resolve(10) == ()
    assert refused(b"a FETCH $,1 UID").tag == b"a"
    assert refused(b"a FETCH 1,$ UID").tag == b"a"


def test_in_an_empty_mailbox_a_star_is_a_message_that_does_not_exist() -> None:
    assert numbers((STAR, STAR)).resolve(0) == ((1, 1),)
    assert numbers((STAR, 5)).resolve(0) == ((1, 5),)


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"0",
            b"00",
            b"01",
            b"1:0",
            b"0:*",
            b"4294967296",
            b"1:4294967296",
            b"99999999999",
            b"1,",
            b",1",
            b"1,,2",
            b":",
        ),
        *(b"1:", b":1", b"1:2:3", b"**", b"*1", b"1*", b"-1", b"1-2", b"1:*,", b"a", b"", b"1" * 5000, b"\xb2"),
    ],
)
def test_what_is_no_sequence_set_is_refused(text: bytes) -> None:
    assert refused(b"a FETCH %s UID" % text).tag == b"a"
    assert refused(b"a SEARCH UID " + text).tag == b"a"
    assert refused(b"a COPY %s x" % text).tag == b"a"


@given(st.sets(st.integers(1, 60)))
def test_numbers_come_back_from_their_shortest_set(ids: set[int]) -> None:
    ordered = sorted(ids)
    text = sequence_set(ranges(ordered))
    if not ordered:
        assert text == b""
        return
    resolved = parse_set(text).resolve(1)
    assert [number for low, high in resolved for number in range(low, high + 1)] == ordered
    assert sequence_set(resolved) == text


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1), st.integers(1, 25))
def test_a_resolved_set_is_ascending_disjoint_and_holds_what_was_meant(pairs: list[tuple[int, int]], top: int) -> None:
    resolved = SequenceSet(tuple(pairs)).resolve(top)
    meant = set[int]()
    for low, high in ((a or top, b or top) for a, b in pairs):
        meant |= set(range(min(low, high), max(low, high) + 1))
    assert [number for low, high in resolved for number in range(low, high + 1)] == sorted(meant)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(resolved))


class CountedBytes(bytes):
    """Counts the octets that splitting it copies."""

    copied = 0

    def split(self, *args: Any) -> list[bytes]:
        parts = super().split(*args)
        CountedBytes.copied += sum(map(len, parts))
        return parts


def test_a_long_sequence_set_is_read_in_one_pass() -> None:
    """2,000 odd numbers (9.5 KB) blocked another server for 0.6 s; here each octet is copied once."""
    odd = b",".join(b"%d" % number for number in range(1, 4000, 2))
    read = parse_set(CountedBytes(odd))
    assert len(read.ranges) == 2000
    assert CountedBytes.copied <= len(odd)
    assert len(read.resolve(1)) == 2000


# --- FETCH ---


def items(octets: bytes) -> tuple[c.FetchItem, ...]:
    command = said(b"a FETCH 1 " + octets)
    assert isinstance(command, c.Fetch)
    return command.items


FAST = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"ALL", (*FAST, Item.ENVELOPE)),
        (b"fast", FAST),
        (b"FULL", (*FAST, Item.ENVELOPE, Item.BODY)),
        (b"FLAGS", (Item.FLAGS,)),
        (b"(FLAGS)", (Item.FLAGS,)),
        (b"(flags UID FLAGS)", (Item.FLAGS, Item.UID)),
        (
            b"(BODYSTRUCTURE BODY ENVELOPE INTERNALDATE RFC822.SIZE)",
            (Item.BODYSTRUCTURE, Item.BODY, Item.ENVELOPE, Item.INTERNALDATE, Item.SIZE),
        ),
        (b"RFC822", (Section(b"RFC822", peek=False),)),
        (b"RFC822.HEADER", (Section(b"RFC822.HEADER", peek=True, text="HEADER"),)),
        (b"RFC822.TEXT", (Section(b"RFC822.TEXT", peek=False, text="TEXT"),)),
        (b"BODY[]", (Section(b"BODY[]", peek=False),)),
        (b"body.peek[]", (Section(b"BODY[]", peek=True),)),
        (b"BODY[]<0.2048>", (Section(b"BODY[]<0>", peek=False, partial=(0, 2048)),)),
        (b"BODY[1]", (Section(b"BODY[1]", peek=False, path=(1,)),)),
        (b"BODY[4.2.2.1]", (Section(b"BODY[4.2.2.1]", peek=False, path=(4, 2, 2, 1)),)),
        (b"BODY[header]", (Section(b"BODY[HEADER]", peek=False, text="HEADER"),)),
        (b"BODY[TEXT]<10.20>", (Section(b"BODY[TEXT]<10>", peek=False, text="TEXT", partial=(10, 20)),)),
        (b"BODY[3.header]", (Section(b"BODY[3.HEADER]", peek=False, path=(3,), text="HEADER"),)),
        (b"BODY[4.1.MIME]", (Section(b"BODY[4.1.MIME]", peek=False, path=(4, 1), text="MIME"),)),
        (
            b"BODY[HEADER.FIELDS (DATE from)]",
            (Section(b"BODY[HEADER.FIELDS (DATE FROM)]", False, (), "HEADER.FIELDS", (b"DATE", b"FROM")),),
        ),
        (
            b"BODY.PEEK[2.HEADER.FIELDS.NOT (X-Foo)]<5.6>",
            (Section(b"BODY[2.HEADER.FIELDS.NOT (X-FOO)]<5>", True, (2,), "HEADER.FIELDS.NOT", (b"X-FOO",), (5, 6)),),
        ),
        (
            b'BODY[HEADER.FIELDS ("Date" "x(\\"y")]',
            (Section(b'BODY[HEADER.FIELDS (DATE "X(\\"Y")]', False, (), "HEADER.FIELDS", (b"DATE", b'X("Y')),),
        ),
        (
            b"BODY[HEADER.FIELDS ({4+}\r\ndate)]",
            (Section(b"BODY[HEADER.FIELDS (DATE)]", False, (), "HEADER.FIELDS", (b"DATE",)),),
        ),
        (b"BINARY[1.2]", (c.Binary(b"BINARY[1.2]", False, (1, 2)),)),
        (b"BINARY.PEEK[]<1.2>", (c.Binary(b"BINARY[]<1>", True, (), (1, 2)),)),
        (b"BINARY.SIZE[3]", (c.BinarySize(b"BINARY.SIZE[3]", (3,)),)),
    ],
)
def test_fetch_items_and_the_labels_of_their_answers(octets: bytes, expected: tuple[c.FetchItem, ...]) -> None:
    assert items(octets) == expected


def test_uid_fetch_always_asks_for_the_uid_first() -> None:
    assert said(b"a UID FETCH 1:* (FLAGS UID)") == c.Fetch(b"a", True, numbers((1, STAR)), (Item.UID, Item.FLAGS))
    assert said(b"a UID FETCH 1:* FAST") == c.Fetch(b"a", True, numbers((1, STAR)), (Item.UID, *FAST))


def test_the_same_items_are_the_same_object_unless_the_list_is_long() -> None:
    assert items(b"(FLAGS BODY.PEEK[])") is items(b"(FLAGS BODY.PEEK[])")
    long = b"(BODY[HEADER.FIELDS (" + b" ".join([b"X-A-RATHER-LONG-NAME"] * 50) + b")])"
    assert items(long) == items(long)
    assert items(long) is not items(long)


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", b"()", b"FOO", b"(ALL)", b"(FLAGS ALL)", b"FLAGS UID", b"(FLAGS  UID)", b"(FLAGS UID) x", b"ENVELOPE[]"),
        *(b"BODY[", b"BODY[0]", b"BODY[1.]", b"BODY[.1]", b"BODY[01]", b"BODY[1HEADER]", b"BODY[MIME]", b"BODY[FOO]"),
        *(
            b"BODY[1.0]",
            b"BODY[HEADER.FIELDS]",
            b"BODY[HEADER.FIELDS ()]",
            b'BODY[HEADER.FIELDS ("")]',
            b"BODY[HEADERX]",
        ),
        *(
            b'BODY[HEADER.FIELDS ("a:b")]',
            b'BODY[HEADER.FIELDS ("a b")]',
            b"BODY[TEXT.MIME]",
            b"BODY[]<0.0>",
            b"BODY[]<0>",
        ),
        *(b"BODY[]<-1.5>", b"BODY[]<1.>", b"BODY.PEEK", b"BINARY", b"BINARY[TEXT]", b"BINARY.SIZE[1]<0.5>", b"BODY[]x"),
        *(b"RFC822.PEEK", b"BODY[HEADER.FIELDS({1+}\r\nx)]", b"{5+}\r\nFLAGS", b"BODY[99999999999]"),
    ],
)
def test_what_is_no_fetch_item_is_refused(octets: bytes) -> None:
    assert refused(b"a FETCH 1 " + octets).tag == b"a"


# --- STORE ---


@pytest.mark.parametrize(
    ("octets", "mode", "silent", "flags"),
    [
        (b"FLAGS (\\Deleted)", "replace", False, Flags(model.DELETED)),
        (b"+flags.silent \\SEEN \\draft", "add", True, Flags(model.SEEN | model.DRAFT)),
        (b"-FLAGS ($Junk $junk NonJunk \\Answered)", "remove", False, Flags(model.ANSWERED, ("$Junk", "NonJunk"))),
        (b"FLAGS.SILENT ()", "replace", True, Flags()),
        (b"+FLAGS (\\Flagged)", "add", False, Flags(model.FLAGGED)),
        (
            b"+FLAGS (" + b" ".join(b"keyword-%d" % n for n in range(60)) + b")",
            "add",
            False,
            Flags(0, tuple(f"keyword-{n}" for n in range(60))),
        ),
    ],
)
def test_store_reads_flags_in_all_its_forms(octets: bytes, mode: c.StoreMode, silent: bool, flags: Flags) -> None:
    assert said(b"a UID STORE 1 " + octets) == c.Store(b"a", True, numbers(1), mode, silent, flags)


@pytest.mark.parametrize(
    "octets",
    [
        *(
            b"FLAGS",
            b"FLAGS ",
            b"FLAG (x)",
            b"*FLAGS (x)",
            b"FLAGS (\\Recent)",
            b"FLAGS \\Foo",
            b"FLAGS (x  y)",
            b"FLAGS (x )",
        ),
        *(b"FLAGS (x", b"FLAGS x y)", b'FLAGS "x"', b"FLAGS (x\\y)", b"FLAGS \\", b"FLAGS.LOUD x", b"FLAGS (\\*)"),
        *(b"FLAGS (x) y", b"FLAGS {1+}\r\nx", b"FLAGS x]"),
    ],
)
def test_what_store_cannot_store_is_refused(octets: bytes) -> None:
    assert refused(b"a STORE 1 " + octets).tag == b"a"


# --- SEARCH ---


def criteria(octets: bytes) -> c.SearchKey:
    command = said(b"a SEARCH " + octets)
    assert isinstance(command, c.Search)
    return command.criteria


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"ALL", c.And(())),
        (b"ANSWERED", c.HasFlag(model.ANSWERED)),
        (b"deleted", c.HasFlag(model.DELETED)),
        (b"DRAFT", c.HasFlag(model.DRAFT)),
        (b"FLAGGED", c.HasFlag(model.FLAGGED)),
        (b"SEEN", c.HasFlag(model.SEEN)),
        (b"UNANSWERED", c.Not(c.HasFlag(model.ANSWERED))),
        (b"UNDELETED", c.Not(c.HasFlag(model.DELETED))),
        (b"UNDRAFT", c.Not(c.HasFlag(model.DRAFT))),
        (b"UNFLAGGED", c.Not(c.HasFlag(model.FLAGGED))),
        (b"UNSEEN", c.Not(c.HasFlag(model.SEEN))),
        (b"NEW", c.And((c.IsRecent(), c.Not(c.HasFlag(model.SEEN))))),
        (b"OLD", c.Not(c.IsRecent())),
        (b"RECENT", c.IsRecent()),
        (b"KEYWORD $Junk", c.HasKeyword("$Junk")),
        (b"UNKEYWORD $Junk", c.Not(c.HasKeyword("$Junk"))),
        (b"FROM smith", c.InEnvelope("FROM", "smith")),
        (b'TO "a b"', c.InEnvelope("TO", "a b")),
        (b'CC ""', c.InEnvelope("CC", "")),
        (b"BCC {3+}\r\na\nb", c.InEnvelope("BCC", "a\nb")),
        (b"SUBJECT x", c.InEnvelope("SUBJECT", "x")),
        (b"BODY x", c.InBody("x")),
        (b"TEXT x", c.InText("x")),
        (b'HEADER "X-Spam" ""', c.InHeader("X-Spam", "")),
        (b"LARGER 1000000000000", c.Larger(1_000_000_000_000)),
        (b"SMALLER 0", c.Smaller(0)),
        (b"BEFORE 1-Feb-1994", c.Dated("internal", "before", (1994, 2, 1))),
        (b'ON "01-feb-1994"', c.Dated("internal", "on", (1994, 2, 1))),
        (b"SINCE 29-Feb-2000", c.Dated("internal", "since", (2000, 2, 29))),
        (b"SENTBEFORE 1-Feb-1994", c.Dated("sent", "before", (1994, 2, 1))),
        (b"SENTON 1-Feb-1994", c.Dated("sent", "on", (1994, 2, 1))),
        (b"SENTSINCE 1-Feb-1994", c.Dated("sent", "since", (1994, 2, 1))),
        (b"2,4:*", c.Sequence(numbers(2, (4, STAR)))),
        (b"*", c.Sequence(numbers((STAR, STAR)))),
        (b"$", c.Sequence(SAVED)),
        (b"UID 5:7", c.Uids(numbers((5, 7)))),
        (b"UID $", c.Uids(SAVED)),
        (b"NOT FROM x", c.Not(c.InEnvelope("FROM", "x"))),
        # RFC 6203 section 7
        (b"FUZZY SUBJECT work FROM x", c.And((c.Fuzzy(c.InEnvelope("SUBJECT", "work")), c.InEnvelope("FROM", "x")))),
        (b"fuzzy (1 NOT FUZZY 2)", c.Fuzzy(c.And((c.Sequence(numbers(1)), c.Not(c.Fuzzy(c.Sequence(numbers(2)))))))),
        (b"OR FUZZY SEEN FUZZY DRAFT", c.Or((c.Fuzzy(c.HasFlag(model.SEEN)), c.Fuzzy(c.HasFlag(model.DRAFT))))),
        (b"(SEEN)", c.HasFlag(model.SEEN)),
        (b"OR SEEN DRAFT", c.Or((c.HasFlag(model.SEEN), c.HasFlag(model.DRAFT)))),
        (
            b"OR (SEEN 1) NOT DRAFT",
            c.Or((c.And((c.HasFlag(model.SEEN), c.Sequence(numbers(1)))), c.Not(c.HasFlag(model.DRAFT)))),
        ),
        (b"OR 1 OR 2 3 4", c.And((c.Or(tuple(c.Sequence(numbers(n)) for n in (1, 2, 3))), c.Sequence(numbers(4))))),
        (b"OR OR 1 2 3", c.Or((c.Or((c.Sequence(numbers(1)), c.Sequence(numbers(2)))), c.Sequence(numbers(3))))),
    ],
)
def test_every_search_key_is_known(octets: bytes, key: c.SearchKey) -> None:
    assert criteria(octets) == key


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        (
            b"A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM Smith",
            c.Search(
                b"A282",
                False,
                c.And(
                    (
                        c.HasFlag(model.FLAGGED),
                        c.Dated("internal", "since", (1994, 2, 1)),
                        c.Not(c.InEnvelope("FROM", "Smith")),
                    )
                ),
                frozenset({"MIN", "COUNT"}),
            ),
        ),
        (b"A283 UID SEARCH RETURN () 1", c.Search(b"A283", True, c.Sequence(numbers(1)), frozenset({"ALL"}))),
        # RFC 6203 section 4
        (
            b'B1 SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT "Helo"',
            c.Search(b"B1", False, c.Fuzzy(c.InText("Helo")), frozenset({"RELEVANCY", "ALL"})),
        ),
        (b"A284 search return (save) seen", c.Search(b"A284", False, c.HasFlag(model.SEEN), frozenset({"SAVE"}))),
        (
            "A285 SEARCH CHARSET UTF-8 TEXT {8+}\r\ndéjàvu".encode(),
            c.Search(b"A285", False, c.InText("déjàvu"), charset="UTF-8"),
        ),
        (
            b'A286 SEARCH RETURN (ALL MAX) CHARSET "iso-8859-1" TEXT "caf\xe9"',
            c.Search(b"A286", False, c.InText("café"), frozenset({"ALL", "MAX"}), "iso-8859-1"),
        ),
        ('A287 SEARCH TEXT "café"'.encode(), c.Search(b"A287", False, c.InText("café"))),
    ],
)
def test_search_has_return_options_and_charsets(octets: bytes, command: c.Search) -> None:
    assert said(octets) == command


@pytest.mark.parametrize(
    "charset", [b"US-ASCII", b"utf-8", b"Windows-1252", b"ISO-2022-JP", b"koi8-r", b"KOI8-U", b"Big5", b"cp437"]
)
def test_charsets_that_python_knows_will_do(charset: bytes) -> None:
    assert isinstance(said(b"a SEARCH CHARSET %s TEXT x" % charset), c.Search)


@pytest.mark.parametrize(
    "charset", [b"X-UNKNOWN", b"base64", b"rot13", b"hex", b"idna", b"punycode", b"unicode-escape", b'"\xff"', b'""']
)
def test_an_unknown_charset_is_told_apart(charset: bytes) -> None:
    refusal = refused(b"a SEARCH CHARSET %s TEXT x" % charset)
    assert isinstance(refusal, BadCharset)
    assert (refusal.tag, refusal.code) == (b"a", b"BADCHARSET (US-ASCII UTF-8)")


def test_text_that_is_not_in_its_charset_is_refused() -> None:
    assert refused(b'a SEARCH CHARSET US-ASCII TEXT "\xe9"').text == "Search text is not in its charset"
    assert refused(b'a SEARCH TEXT "\xe9"').text == "Search text is not in its charset"


def test_a_long_chain_of_ors_is_one_level() -> None:
    """Clients look for a hundred Message-IDs at once."""
    key = criteria(b"OR HEADER Message-ID <x> " * 200 + b"ALL")
    assert isinstance(key, c.Or)
    assert len(key.keys) == 201


def test_searches_may_be_nested_as_deep_as_the_limit() -> None:
    depth = limits.SEARCH_DEPTH
    assert criteria(b"(" * depth + b"SEEN" + b")" * depth) == c.HasFlag(model.SEEN)


@pytest.mark.parametrize(
    "octets",
    [
        *(
            b"",
            b"FOO",
            b"FUZZY",
            b"FUZZY ",
            b"(SEEN",
            b"SEEN)",
            b"()",
            b"SEEN  DRAFT",
            b"OR SEEN",
            b"OR",
            b"NOT",
            b"NOT SEEN)",
            b"KEYWORD \\Seen",
        ),
        *(b"KEYWORD", b"FROM", b"FROM (x)", b"HEADER x", b"LARGER x", b"LARGER -1", b"LARGER 9223372036854775808"),
        *(b"BEFORE 30-Feb-2000", b"BEFORE 1-Foo-2000", b'BEFORE "1-Jan-2000', b"BEFORE 1-Jan-00", b"BEFORE 0-Jan-2000"),
        *(
            b"UID",
            b"UID x",
            b"RETURN ALL",
            b"RETURN (FOO) ALL",
            b"RETURN (ALL)",
            b"RETURN (MIN MIN) ",
            b"CHARSET",
            b"CHARSET UTF-8",
        ),
        *(b"(OR SEEN) DRAFT", b"1 :2", b"TEXT {1+}\r\n\0", b"{3+}\r\nALL"),
    ],
)
def test_what_is_no_search_is_refused(octets: bytes) -> None:
    assert refused(b"a SEARCH " + octets).tag == b"a"


# --- strings there and back ---


@given(st.binary(max_size=30).filter(lambda octets: b"\0" not in octets))
def test_a_string_that_we_write_is_read_back(password: bytes) -> None:
    written = astring(password).replace(b"}\r\n", b"+}\r\n", 1) if b"\r\n" in astring(password) else astring(password)
    assert said(b"a LOGIN x " + written) == c.Login(b"a", "x", password)
