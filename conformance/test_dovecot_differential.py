"""The same mails and the same commands to Penfold and to Dovecot: every difference in the answers is known by name."""

import re
from collections.abc import Iterator

import pytest

from conformance.support.corpus import NASTY, corpus, with_crlf
from conformance.support.differential import Comparison, known
from conformance.support.imap import Imap
from conformance.support.servers import Dovecot, Penfold

DATES = ("01-Jan-2020 00:30:00 +0000", "15-Jun-2021 12:00:00 +0200", "31-Dec-2022 23:59:59 -0500")
FLAGS = ("", r"\Seen", r"\Flagged \Answered", r"\Draft $Forwarded", r"\Seen \Deleted Custom")
PARTS = 12  # parts of one mail that are fetched one by one


@pytest.fixture(scope="module")
def mails() -> dict[str, bytes]:
    """The whole corpus as a hub would hand it over, and the hand-made ones."""
    return NASTY | {name: with_crlf(octets) for name, octets in corpus().items()}


@pytest.fixture(scope="module")
def both(penfold: Penfold, dovecot: Dovecot) -> Iterator[tuple[Imap, Imap]]:
    with penfold.client("u1") as ours, dovecot.client("u1") as theirs:
        for folder in ("Drafts", "Sent", "Trash", "Junk", "Archive"):
            theirs.ok(f"CREATE {folder}")
        yield ours, theirs


@pytest.fixture(scope="module")
def filled(both: tuple[Imap, Imap], mails: dict[str, bytes]) -> tuple[Imap, Imap]:
    """Both have the mails in a folder, at the same UIDs."""
    for client in both:
        client.ok("CREATE Corpus")
        for number, (name, octets) in enumerate(mails.items()):
            answer = client.append("Corpus", octets, FLAGS[number % len(FLAGS)], DATES[number % len(DATES)])
            assert answer.status == b"OK", f"{name}: {answer.tagged!r}"
        client.ok("SELECT Corpus")
    return both


def _part_paths(client: Imap, uid: int) -> list[str]:
    """The parts of a mail by its BODYSTRUCTURE, with two that are not there."""
    structure = client.fetch(str(uid), "(BODYSTRUCTURE)")[uid][b"BODYSTRUCTURE"]
    paths: list[str] = []

    def walk(body: object, path: str) -> None:
        assert isinstance(body, list), "a body is a list"
        if isinstance(body[0], list):
            children = [part for part in body if isinstance(part, list) and part and isinstance(part[0], bytes | list)]
            for number, child in enumerate(children, 1):
                if not _is_body(child):
                    break
                paths.append(f"{path}{number}")
                walk(child, f"{path}{number}.")
        elif body[0].upper() == b"MESSAGE" and len(body) > 8 and isinstance(body[8], list):
            inner = body[8]
            if not isinstance(inner[0], list):
                paths.append(f"{path}1")
            walk(inner, path)

    walk(structure, "")
    return (paths or ["1"])[:PARTS] + ["1.7", "99"]


def _is_body(value: list[object]) -> bool:
    return isinstance(value[0], list) or len(value) >= 7


def _check(comparison: Comparison, area: str) -> None:
    report = comparison.report(known(), area)
    assert not report, f"{comparison.asked} commands asked; they differ:\n{report}"


def test_every_mail_has_the_same_envelope_structure_and_sizes(filled: tuple[Imap, Imap], mails: dict[str, bytes]) -> None:
    compare = Comparison(*filled)
    for uid, name in enumerate(mails, 1):
        for item in ("ENVELOPE", "BODYSTRUCTURE", "BODY", "RFC822.SIZE"):
            compare.ask(f"item:{name}:{item}", f"UID FETCH {uid} ({item})")
    compare.ask("item:macro:ALL", "FETCH 1:5 ALL")
    compare.ask("item:macro:FAST", "FETCH 1:5 FAST")
    _check(compare, "item")


SECTIONS = (
    "BODY.PEEK[]",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[]<0.40>",
    "BODY.PEEK[]<30.100>",
    "BODY.PEEK[TEXT]<5.10>",
    "BODY.PEEK[]<9999999.5>",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT from To cc)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Received Subject DATE)]",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT)]<3.8>",
    "BODY.PEEK[HEADER.FIELDS (X-NOT-THERE)]",
    "RFC822.HEADER",
)


def test_every_mail_has_the_same_sections(filled: tuple[Imap, Imap], mails: dict[str, bytes]) -> None:
    compare = Comparison(*filled)
    for uid, name in enumerate(mails, 1):
        for section in SECTIONS:
            compare.ask(f"section:{name}:{section}", f"UID FETCH {uid} ({section})")
    _check(compare, "section")


def test_every_part_is_the_same(filled: tuple[Imap, Imap], mails: dict[str, bytes]) -> None:
    compare = Comparison(*filled)
    for uid, name in enumerate(mails, 1):
        if not name.startswith("nasty/") and uid % 3:
            continue
        for path in _part_paths(filled[0], uid):
            for section in (f"BODY.PEEK[{path}]", f"BODY.PEEK[{path}.MIME]", f"BODY.PEEK[{path}.HEADER]", f"BODY.PEEK[{path}.TEXT]",
                            f"BODY.PEEK[{path}.HEADER.FIELDS (Subject)]", f"BODY.PEEK[{path}]<2.9>",
                            f"BINARY.PEEK[{path}]", f"BINARY.SIZE[{path}]"):  # fmt: skip
                compare.ask(f"part:{name}:{section}", f"UID FETCH {uid} ({section})")
    _check(compare, "part")


# A state of its own for each area, so that one test's commands do not change another's answers.
def _prepared(both: tuple[Imap, Imap], folder: str, mails: dict[str, bytes], names: list[str]) -> None:
    for client in both:
        client.ok(f"CREATE {folder}")
        for number, name in enumerate(names):
            client.append(folder, mails[name], FLAGS[number % len(FLAGS)], DATES[number % len(DATES)])
        client.ok(f"SELECT {folder}")


SEARCHES = (
    "ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN",
    "NEW", "OLD", "RECENT", "KEYWORD $Forwarded", "UNKEYWORD $forwarded", "KEYWORD Custom", "KEYWORD nosuch", "UNKEYWORD nosuch",
    "BEFORE 15-Jun-2021", "ON 15-Jun-2021", "SINCE 15-Jun-2021", "ON 1-Jan-2020", "ON 01-jan-2020", "SINCE 31-Dec-2022",
    'BEFORE "15-Jun-2021"', "SENTBEFORE 1-Jan-2005", "SENTON 23-Nov-2026", "SENTSINCE 1-Jan-2010", "SENTSINCE 1-Jan-2026",
    "LARGER 2000", "SMALLER 100", "LARGER 0", "SMALLER 4294967295", "NOT LARGER 2000",
    "FROM a@b", "FROM example", 'FROM "Zoë"', "TO joe", "CC nobody", "BCC x", "SUBJECT one", 'SUBJECT "one two three"', "SUBJECT RE",
    'SUBJECT ""', 'FROM ""', "SUBJECT ONE", "HEADER Subject one", 'HEADER Subject ""', 'HEADER X-Not-There ""', "HEADER MIME-Version 1.0",
    "HEADER Content-Type boundary", "HEADER Message-ID 2", 'HEADER "Content-Type" multipart', "HEADER received from",
    "BODY first", "BODY nosuchword", "TEXT first", "TEXT boundary", "BODY boundary", "BODY html", 'BODY "inner body"', "TEXT inner",
    'BODY "soft break"', 'TEXT "MIME-Version: 1.0"', "BODY iVBORw0KGgo", "BODY hidden", "TEXT preamble", "BODY epilogue", "BODY returned",
    "1:5", "*", "1,3,5", "5:1", "*:3", "UID 1:5", "UID *", "UID 4000:*", "UID 4000", "NOT 1:5", "NOT UID 1:5", "2:4 SEEN",
    "OR SEEN FLAGGED", "OR (SEEN DELETED) (FLAGGED ANSWERED)", "NOT (SEEN FLAGGED)", "NOT NOT SEEN", "(SEEN) (DELETED)", "SEEN NOT DELETED LARGER 10",
    "OR OR 1 2 OR 3 4", "OR NOT SEEN 1:3", "CHARSET UTF-8 SUBJECT one", "CHARSET US-ASCII SUBJECT one", "CHARSET utf-8 ALL", "CHARSET KLINGON ALL",
    "CHARSET X-NONE SUBJECT one", "CHARSET ISO-8859-1 SUBJECT one", "RETURN () ALL", "RETURN (MIN) ALL", "RETURN (MAX) SEEN", "RETURN (COUNT) ALL",
    "RETURN (MIN MAX COUNT) DELETED", "RETURN (ALL) SEEN", "RETURN (ALL COUNT) UNSEEN", "RETURN (MIN MAX) SUBJECT nosuchword", "RETURN (COUNT) SUBJECT nosuchword",
    "RETURN (SAVE) SEEN", "$", "NOT $", "RETURN (SAVE COUNT) FLAGGED", "RETURN (MIN) $", "UID 1:3 RETURN", "", "NOSUCHKEY", "BEFORE yesterday",
    "BEFORE 31-Feb-2020", "LARGER x", "LARGER -1", "SUBJECT", "OR SEEN", "NOT", "(SEEN", "SEEN)", "()", "0", "0:5", "1:0", "1:", ":5", "1,,2", "99999", "UID 0",
    "KEYWORD \\Seen", "KEYWORD a(b", "SINCE 1-Jan-99999", "OLDER 0", "YOUNGER 3600", "MODSEQ 1", "FUZZY SUBJECT one", "RETURN (NOSUCH) ALL", "RETURN MIN ALL",
)  # fmt: skip


def test_searches_find_the_same(both: tuple[Imap, Imap], mails: dict[str, bytes]) -> None:
    _prepared(both, "Searched", mails, [name for name in mails if name.startswith(("nasty/", "mime4j/", "mail-parser/rfc"))])
    compare = Comparison(*both)
    for key in SEARCHES:
        compare.ask(f"search:SEARCH {key}", f"SEARCH {key}")
        compare.ask(f"search:UID SEARCH {key}", f"UID SEARCH {key}")
    for text in ("Grüße", "grüsse", "KÖLN", "Zoë", "ünï", "Gr\u00fc\u00dfe"):
        for key in ("SUBJECT", "FROM", "TEXT", "BODY", "HEADER Subject"):
            compare.ask(f"search:{key} {text}", f"SEARCH CHARSET UTF-8 {key} {{}}", text.encode())
            compare.ask(f"search:latin1 {key} {text}", f"SEARCH CHARSET ISO-8859-1 {key} {{}}", text.encode("latin-1"))
    _check(compare, "search")


MESSAGES = (
    "FETCH 1 FLAGS", "FETCH 1:3 (FLAGS UID)", "FETCH *:1 UID", "FETCH 3,1,2 UID", "FETCH 2,2,2 UID", "FETCH 0 FLAGS", "FETCH 99 FLAGS", "FETCH 1:99 UID",
    "UID FETCH 99 FLAGS", "UID FETCH 1:* FLAGS", "UID FETCH *:90 UID", "UID FETCH 1 UID", "FETCH 1", "FETCH 1 ()", "FETCH 1 NOSUCH", "FETCH 1 (FLAGS", "FETCH 1 FLAGS)",
    "FETCH 1 (FLAGS  UID)", "FETCH  1 FLAGS", "FETCH x FLAGS", "FETCH 1 BODY[", "FETCH 1 BODY[]<1", "FETCH 1 BODY[]<0.0>", "FETCH 1 BODY[]<-1.5>", "FETCH 1 BODY[]<5>",
    "FETCH 1 BODY[0]", "FETCH 1 BODY[1.MIME.TEXT]", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[HEADER.FIELDS]", "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BODY[NOSUCH]",
    "FETCH 1 BODY.PEEK", "FETCH 1 RFC822.PEEK", "FETCH 1 (ALL)", "FETCH 1 (FAST UID)", "FETCH 1 (FLAGS FLAGS)", "FETCH 1 (BODY.PEEK[] BODY.PEEK[])",
    "FETCH 1 BINARY[]", "FETCH 1 BINARY[1.MIME]", "FETCH 1 BINARY.SIZE[]<0.1>", "FETCH 1 ENVELOPE,FLAGS", "FETCH 4294967295 UID", "FETCH 4294967296 UID",
    "STORE 1 FLAGS (\\Seen)", "STORE 1 +FLAGS (\\Flagged)", "STORE 1 -FLAGS (\\Flagged)", "STORE 1 +FLAGS.SILENT (\\Answered)", "FETCH 1 FLAGS", "STORE 1 FLAGS ()",
    "STORE 1 FLAGS \\Seen \\Draft", "STORE 1 +FLAGS NewWord", "STORE 1 +FLAGS (newword NEWWORD)", "FETCH 1 FLAGS", "STORE 1 -FLAGS (NEWWORD)", "FETCH 1 FLAGS",
    "STORE 1 +FLAGS (\\Recent)", "STORE 1 +FLAGS (\\NoSuch)", "STORE 1 +FLAGS ($Label1 $Junk)", "STORE 1 +FLAGS (a\"b)", "STORE 1 +FLAGS ()", "STORE 1 -FLAGS ()", "STORE 1 FLAGS",
    "STORE 1 NOSUCH (\\Seen)", "STORE 0 FLAGS ()", "STORE 99 FLAGS ()", "UID STORE 99 FLAGS ()", "UID STORE 1:2 +FLAGS (\\Seen)", "UID STORE 1:2 +FLAGS.SILENT (\\Seen)",
    "STORE 1:3 +FLAGS (\\Deleted)", "UID STORE 1:3 -FLAGS.SILENT (\\Deleted)", "STORE 2 FLAGS.SILENT (\\Seen)", "FETCH 2 FLAGS",
    "FETCH 4 BODY[TEXT]<0.1>", "FETCH 4 FLAGS", "FETCH 5 RFC822.HEADER", "FETCH 5 FLAGS", "FETCH 6 RFC822.TEXT", "FETCH 6 FLAGS", "FETCH 7 RFC822", "FETCH 7 FLAGS",
    "FETCH 8 BODY[HEADER]", "FETCH 8 FLAGS", "FETCH 9 BINARY[1]", "FETCH 9 FLAGS", "FETCH 10 BODY[99]", "FETCH 10 FLAGS", "FETCH 10 (FLAGS BODY[])",
    "COPY 1 Copies", "COPY 1:3 Copies", "UID COPY 1,3 Copies", "COPY 99 Copies", "UID COPY 99 Copies", "COPY 1 NoSuch", "UID COPY 99 NoSuch", "COPY 1 INBOX/x", "COPY 0 Copies",
    "COPY 1", "COPY 1 \"\"", "MOVE 12 Copies", "UID MOVE 13 Copies", "UID MOVE 99 Copies", "MOVE 1 NoSuch", "STATUS Copies (MESSAGES UNSEEN RECENT UIDNEXT)",
    "COPY 1 inbox", "STATUS INBOX (MESSAGES UIDNEXT)", "COPY 1 Moved", "MOVE 2 Moved",
    "STORE 1,2 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 2", "UID EXPUNGE 4000", "EXPUNGE", "EXPUNGE", "UID EXPUNGE", "UID EXPUNGE x", "FETCH 1:* UID", "CHECK", "NOOP",
    "STORE 1 +FLAGS.SILENT (\\Deleted)", "UNSELECT", "FETCH 1 FLAGS", "EXAMINE Moved", "STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Copies", "COPY 1 Copies", "FETCH 1 (FLAGS BODY[])",
    "UID EXPUNGE 1", "CLOSE", "CLOSE", "SELECT Moved", "STORE 1 +FLAGS.SILENT (\\Deleted)", "CLOSE", "STATUS Moved (MESSAGES)", "SELECT NoSuch", "FETCH 1 FLAGS", "UNSELECT", "EXAMINE NoSuch",
)  # fmt: skip


def test_commands_on_messages_do_the_same(both: tuple[Imap, Imap], mails: dict[str, bytes]) -> None:
    for client in both:
        client.ok("CREATE Copies")
        client.ok("CREATE Moved")
    _prepared(both, "Messages", mails, [name for name in mails if name.startswith("nasty/")][-20:])
    compare = Comparison(*both)
    for number, command in enumerate(MESSAGES):
        compare.ask(f"message:{number:03} {command}", command)
    _check(compare, "message")


FOLDERS = (
    "NAMESPACE", 'LIST "" ""', 'LIST "" *', 'LIST "" %', 'LIST "/" ""', 'LIST "" INBOX', 'LIST "" inbox', 'LIST "" "InBo%"', 'LIST "" nosuch', 'LSUB "" *',
    "CREATE a", "CREATE a", "CREATE a/b/c", 'LIST "" a*', 'LIST "" a/%', 'LIST "a/" %', 'LIST "a" /%', 'LIST "a/b" *', 'LIST "" %/%', 'LIST "" %/%/%', 'LIST "" *c', 'LIST "" a/*/c',
    "CREATE d/", 'LIST "" d*', "CREATE INBOX", "CREATE inbox", "CREATE INBOX/sub", 'LIST "" INBOX*', 'LIST "" "inbox/%"', "DELETE INBOX/sub", "CREATE /lead", "CREATE a//b", 'CREATE ""',
    'CREATE "with space"', 'LIST "" "with space"', 'CREATE "quo\\"te"', 'LIST "" "quo*"', 'CREATE "back\\\\slash"', "CREATE per%cent", "CREATE st*r", 'CREATE "per%cent"', 'CREATE "st*r"',
    "CREATE &AOQ-", 'LIST "" &AOQ-', "CREATE &broken", "CREATE &AGE-", "CREATE a&-b", 'LIST "" a&-b', "CREATE ~tilde", "CREATE #hash", "CREATE ..", "CREATE a/../b", "CREATE dot.ted",
    "SUBSCRIBE a", "SUBSCRIBE a/b/c", "SUBSCRIBE nosuch", "SUBSCRIBE a", 'LSUB "" *', 'LSUB "" %', 'LSUB "" a/%', "UNSUBSCRIBE a", "UNSUBSCRIBE a", "UNSUBSCRIBE nosuch2", 'LSUB "" *', 'LSUB "" a*',
    'LIST (SUBSCRIBED) "" *', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %', 'LIST "" (a* d*)', 'LIST "" a RETURN (CHILDREN)', 'LIST "" a RETURN (SUBSCRIBED)', 'LIST "" a/* RETURN (SUBSCRIBED CHILDREN)',
    'LIST "" a RETURN (STATUS (MESSAGES UNSEEN))', 'LIST (NOSUCH) "" *', 'LIST "" a RETURN (NOSUCH)', 'LIST (RECURSIVEMATCH) "" *', 'LIST "" () ', 'LIST "" a RETURN ()', 'LIST () "" a',
    'LIST (SPECIAL-USE) "" *', 'LIST "" Drafts RETURN (SPECIAL-USE)', "LIST", 'LIST ""', 'LIST "" a b', "LSUB", 'LSUB ""',
    "RENAME a e", 'LIST "" e*', 'LIST "" a', "RENAME nosuch x", "RENAME e d", "RENAME e e/f", "RENAME e e", "RENAME e/b/c INBOX", "RENAME e", "RENAME d deep/er/still", 'LIST "" deep*', 'LSUB "" *',
    "RENAME INBOX old", 'LIST "" old', "STATUS old (MESSAGES)", "STATUS INBOX (MESSAGES)", "DELETE old", "DELETE nosuch", "DELETE INBOX", "DELETE e/b/c", "DELETE e/b", "DELETE deep", 'LIST "" deep*',
    "DELETE deep/er/still", 'LIST "" deep*', "DELETE", "CREATE", "STATUS INBOX", "STATUS INBOX ()", "STATUS INBOX (NOSUCH)", "STATUS INBOX MESSAGES", "STATUS nosuch (MESSAGES)",
    "STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)", "STATUS INBOX (SIZE)", "STATUS INBOX (DELETED)", "STATUS INBOX (MESSAGES MESSAGES)", "STATUS e (UIDNEXT)", "SELECT", "SELECT nosuch",
    "SELECT e", "DELETE e/x", "CREATE e/x", "DELETE e/x", "SELECT INBOX", "EXAMINE e", "UNSELECT", "UNSELECT", "SUBSCRIBE", "SUBSCRIBE INBOX", 'LSUB "" INBOX', "UNSUBSCRIBE INBOX",
    'SELECT ""', "SELECT a b", 'SELECT "INBOX"', "CREATE &Jjo-", "RENAME &Jjo- &AOQ-x", 'LIST "" &*', "DELETE &AOQ-x",
)  # fmt: skip


def test_commands_on_folders_do_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u2") as ours, dovecot.client("u2") as theirs:
        for folder in ("Drafts", "Sent", "Trash", "Junk", "Archive"):
            theirs.ok(f"CREATE {folder}")
        compare = Comparison(ours, theirs)
        for number, command in enumerate(FOLDERS):
            compare.ask(f"folder:{number:03} {command}", command)
        _check(compare, "folder")


APPENDS = (
    ("APPEND INBOX {}", b"Subject: x\r\n\r\nx"),
    ("APPEND INBOX (\\Seen) {}", b"Subject: x\r\n\r\nx"),
    ('APPEND INBOX (\\Seen Word) "01-Jan-2020 00:00:00 +0000" {}', b"x"),
    ('APPEND INBOX " 1-Jan-2020 00:00:00 +0000" {}', b"x"),
    ('APPEND INBOX "1-Jan-2020 00:00:00 +0000" {}', b"x"),
    ('APPEND INBOX "32-Jan-2020 00:00:00 +0000" {}', b"x"),
    ('APPEND INBOX "01-Jan-2020 25:00:00 +0000" {}', b"x"),
    ('APPEND INBOX "nonsense" {}', b"x"),
    ("APPEND INBOX () {}", b"x"),
    ("APPEND INBOX (\\Recent) {}", b"x"),
    ("APPEND INBOX (\\NoSuch) {}", b"x"),
    ("APPEND INBOX {}", b""),
    ("APPEND nosuch {}", b"x"),
    ("APPEND nosuch/sub {}", b"x"),
    ("APPEND inbox {}", b"x"),
    ("APPEND INBOX ~{}", b"x"),
    ("APPEND INBOX ~{}", b"a\0b"),
    ("APPEND {} (\\Seen) {}", b"INBOX"),
    ("APPEND INBOX", None),
    ("APPEND INBOX text", None),
    ('APPEND INBOX "text"', None),
    ("APPEND INBOX {}trailing", b"x"),
    ("APPEND INBOX \\Seen {}", b"x"),
)


def test_appends_do_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u3") as ours, dovecot.client("u3") as theirs:
        compare = Comparison(ours, theirs)
        for number, (command, text) in enumerate(APPENDS):
            literals = [] if text is None else [text] * command.count("{}")
            compare.ask(f"append:{number:02} {command}", command, *literals)
        compare.ask("append:99 what came of it", "STATUS INBOX (MESSAGES UIDNEXT UNSEEN)")
        compare.ask("append:99 select", "SELECT INBOX")
        compare.ask("append:99 flags", "FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE)")
        _check(compare, "append")


SYNTAX = (
    "NOSUCH", "NOOP x", "NOOP ", "noop", "NoOp", " NOOP", "CAPABILITY x", "ID NIL", 'ID ("name" "test")', 'ID ("name" NIL)', "ID", 'ID ("name")', "ID ()", "ENABLE", "ENABLE NOSUCH",
    "LOGIN u1 pass", "AUTHENTICATE PLAIN", "STARTTLS", "CHECK", "CLOSE", "EXPUNGE", "SEARCH ALL", "FETCH 1 FLAGS", "STORE 1 FLAGS ()", "COPY 1 INBOX", "MOVE 1 INBOX", "UID", "UID NOSUCH", "UID NOOP",
    "UID FETCH", "SELECT INBOX", "UID EXPUNGE 1", "LOGIN u1 pass", "AUTHENTICATE PLAIN", "CHECK x", "CLOSE x", "SELECT INBOX (NOSUCH)", "SELECT INBOX (CONDSTORE)", "IDLE x", "UNSELECT x", "LOGOUT x",
)  # fmt: skip


def test_commands_out_of_place_are_refused_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u4") as ours, dovecot.client("u4") as theirs:
        compare = Comparison(ours, theirs)
        for number, command in enumerate(SYNTAX):
            compare.ask(f"syntax:{number:02} {command}", command)
        _check(compare, "syntax")


BEFORE_LOGIN = (
    "NOOP", "SELECT INBOX", "LIST \"\" *", "NAMESPACE", "ENABLE X", "IDLE", "LOGIN", "LOGIN u1", "LOGIN u1 pass extra", "LOGIN u1 wrong", "LOGIN nosuch pass", "AUTHENTICATE", "AUTHENTICATE NOSUCH",
    "AUTHENTICATE PLAIN dTEAdTEAd3Jvbmc=", "AUTHENTICATE PLAIN !!!", "AUTHENTICATE PLAIN AHU1AHBhc3M=", "LOGIN u1 pass",
)  # fmt: skip


def test_commands_before_login_are_answered_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    compare: Comparison | None = None
    differences: dict[str, tuple[object, object]] = {}
    for number, command in enumerate(BEFORE_LOGIN):  # a connection each: failures slow down and end one
        with Imap("127.0.0.1", penfold.imap) as ours, Imap("127.0.0.1", dovecot.imap) as theirs:
            compare = Comparison(ours, theirs)
            if command != "IDLE":
                compare.ask(f"login:{number:02} {command}", command)
            differences |= compare.differences
    assert compare is not None, "there are commands"
    compare.differences = differences
    _check(compare, "login")


def test_every_mail_comes_back_byte_for_byte(penfold: Penfold) -> None:
    """T-12.11, with the line ends and the NULs that the mails have in their files."""
    raw = NASTY | corpus()
    with penfold.client("u5") as client:
        client.ok("CREATE Raw")
        for name, octets in raw.items():
            answer = client.append("Raw", octets)
            assert answer.status == b"OK", f"{name}: {answer.tagged!r}"
        client.ok("SELECT Raw")
        for uid, (name, octets) in enumerate(raw.items(), 1):
            found = client.fetch(str(uid), "(BODY.PEEK[] RFC822.SIZE BINARY.PEEK[])")[uid]
            assert found[b"BODY[]"] == octets, f"{name} is not what was appended"
            assert found[b"BINARY[]"] == octets, f"{name} is not what was appended"
            assert int(found[b"RFC822.SIZE"]) == len(octets), f"{name} has another size"
            halves = client.fetch(str(uid), "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")[uid]
            assert halves[b"BODY[HEADER]"] + halves[b"BODY[TEXT]"] == octets, f"{name}: header and text are not the whole"
