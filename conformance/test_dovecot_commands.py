"""PREVIEW, SAVEDATE, CATENATE, MULTIAPPEND, SEARCHRES, WITHIN, SPECIAL-USE, LIST-STATUS and IDLE beside Dovecot."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conformance.support.corpus import NASTY, corpus, with_crlf
from conformance.support.differential import Comparison, known
from conformance.support.imap import Imap, fetched
from conformance.support.servers import Dovecot, Penfold

# Penfold's mailboxes are born with these.
BORN = "".join(
    f"namespace inbox {{\n  mailbox {name} {{\n    auto = create\n    special_use = \\{name}\n  }}\n}}\n"
    for name in ("Drafts", "Sent", "Trash", "Junk", "Archive")
)
MAIL = b"From: a@example.org\r\nSubject: s\r\nContent-Type: text/plain\r\n\r\nfirst line\r\nsecond line\r\n"
MIXED = (
    b"Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\nthe text\r\n--x\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--\r\n"
)
IDLE_SECONDS = 10.0
Case = str | tuple[str, *tuple[bytes, ...]]  # a command, or one with its literals


@pytest.fixture(scope="module")
def dovecot(directory: Path) -> Iterator[Dovecot]:
    (directory / "dovecot").mkdir(mode=0o755)
    server = Dovecot(directory / "dovecot", more=BORN).start()
    yield server
    server.stop()


@contextmanager
def compared(penfold: Penfold, dovecot: Dovecot, user: str, area: str) -> Iterator[Comparison]:
    """One user's sessions at both; all that differs must be known."""
    with penfold.client(user) as ours, dovecot.client(user) as theirs:
        compare = Comparison(ours, theirs)
        yield compare
    report = compare.report(known(), area)
    assert not report, f"{compare.asked} commands asked; they differ:\n{report}"


def ask(compare: Comparison, area: str, cases: Iterable[Case]) -> None:
    for number, case in enumerate(cases):
        command, *literals = (case,) if isinstance(case, str) else case
        compare.ask(f"{area}:{number:02} {command}", command, *literals)


def fill(compare: Comparison, folder: str, mails: Iterable[bytes]) -> None:
    """The same messages in the selected folder of both."""
    for client in (compare.ours, compare.theirs):
        client.command(f"CREATE {folder}")
        for octets in mails:
            assert client.append(folder, octets).status == b"OK"
        client.ok(f"SELECT {folder}")


def test_every_mail_has_the_same_preview(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 8970."""
    mails = NASTY | {name: with_crlf(octets) for name, octets in corpus().items()}
    with compared(penfold, dovecot, "u1", "preview") as compare:
        fill(compare, "Corpus", mails.values())
        ours, theirs = (client.fetch("1:*", "(PREVIEW)") for client in (compare.ours, compare.theirs))
        for uid, name in enumerate(mails, 1):
            # As octets: what rules take away from headers is not to be taken from these.
            compare.compare(f"preview:{name}", *(repr(found[uid][b"PREVIEW"]) for found in (ours, theirs)))
        ask(compare, "preview", ("FETCH 1 (PREVIEW (LAZY))", "FETCH 1 PREVIEW", "FETCH 1 (PREVIEW (NOSUCH))",
                                 "FETCH 1 (PREVIEW ())", "FETCH 1:3 (PREVIEW UID)"))  # fmt: skip


def test_save_dates_are_kept_and_searched_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 8514; of a copy it is the day of copying, whatever the INTERNALDATE."""
    today = datetime.now(UTC)
    days = {
        name: f"{today + timedelta(days=days):%d-%b-%Y}"
        for name, days in (("today", 0), ("yesterday", -1), ("tomorrow", 1))
    }
    with compared(penfold, dovecot, "u2", "savedate") as compare:
        for client in (compare.ours, compare.theirs):
            client.append("INBOX", MAIL, "", "01-Jan-2001 00:00:00 +0000")
            client.ok("SELECT INBOX")
            client.ok("COPY 1 INBOX")
            for values in client.fetch("1:*", "(SAVEDATE INTERNALDATE)").values():
                saved = datetime.strptime(bytes(values[b"SAVEDATE"]).decode().strip(), "%d-%b-%Y %H:%M:%S %z")  # type: ignore[call-overload]
                assert abs(datetime.now(UTC) - saved) < timedelta(minutes=1)
        for key in ("SAVEDBEFORE", "SAVEDON", "SAVEDSINCE"):
            for name, day in days.items():
                compare.ask(f"savedate:{key} {name}", f"SEARCH {key} {day}")
        ask(compare, "savedate", ("SEARCH SAVEDATESUPPORTED", "SEARCH NOT SAVEDATESUPPORTED", "SEARCH SAVEDON",
                                  "SEARCH SAVEDON 1-Jan", "SEARCH SAVEDBEFORE 31-Feb-2020"))  # fmt: skip


def test_searches_within_the_last_seconds_find_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5032."""
    now = datetime.now(UTC)
    with compared(penfold, dovecot, "u3", "within") as compare:
        for client in (compare.ours, compare.theirs):
            for hours in (0, 1, 30, 24 * 400):
                client.append("INBOX", MAIL, "", f"{now - timedelta(hours=hours):%d-%b-%Y %H:%M:%S} +0000")
            client.ok("SELECT INBOX")
        keys = ("YOUNGER 1800", "OLDER 1800", "YOUNGER 86400", "OLDER 86400", "NOT OLDER 7200", "OLDER 4294967295",
                "YOUNGER 4294967295", "OLDER 1800 YOUNGER 200000", "OLDER 0", "YOUNGER -1", "YOUNGER",
                "OLDER 1d")  # fmt: skip
        ask(compare, "within", (f"SEARCH {key}" for key in keys))


CATENATED: tuple[Case, ...] = (
    ("APPEND INBOX CATENATE (TEXT {})", MAIL),
    ("APPEND INBOX CATENATE (TEXT {} TEXT {})", b"Subject: two\r\n\r\n", b"halves\r\n"),
    'APPEND INBOX CATENATE (URL "/Source/;UID=1")',
    'APPEND INBOX (\\Seen Word) "01-Jan-2020 00:00:00 +0000" CATENATE (URL "/Source/;UID=1")',
    ('APPEND INBOX CATENATE (TEXT {} URL "/Source/;UID=2/;SECTION=1" TEXT {})', b"Subject: x\r\n\r\n", b"\r\n"),
    ('APPEND INBOX CATENATE (URL "/Source/;UID=1/;SECTION=HEADER" TEXT {})', b"new body\r\n"),
    ('APPEND INBOX CATENATE (TEXT {} URL "/Source/;UID=1/;SECTION=TEXT")', b"Subject: y\r\n\r\n"),
    'APPEND INBOX CATENATE (URL "/Source/;UID=2/;SECTION=2.MIME" URL "/Source/;UID=2/;SECTION=2")',
    'APPEND INBOX CATENATE (URL "/Source/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)")',
    'APPEND INBOX CATENATE (URL "/Source/;UID=99")',
    'APPEND INBOX CATENATE (URL "/Nowhere/;UID=1")',
    'APPEND INBOX CATENATE (URL "/Source;UIDVALIDITY=1/;UID=1")',
    'APPEND INBOX CATENATE (URL "imap://example.org/Source/;UID=1")',
    'APPEND INBOX CATENATE (URL "nonsense")',
    'APPEND INBOX CATENATE (URL "/Source/")',
    'APPEND INBOX CATENATE (URL "/Source/;UID=1/;PARTIAL=0.10")',
    'APPEND Nowhere CATENATE (URL "/Source/;UID=1")',
    "APPEND INBOX CATENATE ()",
    ("APPEND INBOX CATENATE (TEXT {}", MAIL),
    ("APPEND INBOX CATENATE (NOSUCH {})", MAIL),
    ('APPEND INBOX CATENATE (TEXT {}) CATENATE (URL "/Source/;UID=1")', MAIL),
    ('APPEND INBOX CATENATE (TEXT {}) CATENATE (URL "/Source/;UID=99")', MAIL),
    ("APPEND INBOX {} (\\Flagged) {}", MAIL, MIXED),
    ('APPEND INBOX (\\Seen) "01-Jan-2020 00:00:00 +0000" {} () {} {}', MAIL, MIXED, MAIL),
    ("APPEND INBOX {} (\\NoSuch) {}", MAIL, MAIL),
    ('APPEND INBOX {} "nonsense" {}', MAIL, MAIL),
    ("APPEND Nowhere {} {}", MAIL, MAIL),
    "SELECT INBOX",
    "FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])",
    "FETCH 4 INTERNALDATE",
    'APPEND INBOX CATENATE (URL "/Source/;UID=2/;SECTION=7")',
)


def test_messages_are_put_together_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 4469, RFC 3502."""
    with compared(penfold, dovecot, "u4", "catenate") as compare:
        fill(compare, "Source", (MAIL, MIXED))
        ask(compare, "catenate", CATENATED)


SAVED = (
    "SEARCH $",
    "SEARCH RETURN (SAVE) FROM a@example.org",
    "SEARCH $",
    "FETCH $ (UID FLAGS)",
    "UID FETCH $ (FLAGS)",
    "SEARCH NOT $",
    "SEARCH $ SMALLER 100",
    "SEARCH OR $ 1",
    "SEARCH 1:2,$",
    "STORE $ +FLAGS (\\Flagged)",
    "UID STORE $ +FLAGS.SILENT (\\Answered)",
    "UID SEARCH RETURN (SAVE MIN) ALL",
    "SEARCH $",
    "SEARCH RETURN (SAVE MAX) ALL",
    "SEARCH $",
    "SEARCH RETURN (SAVE MIN MAX) ALL",
    "SEARCH $",
    "SEARCH RETURN (SAVE MIN COUNT) ALL",
    "SEARCH RETURN (COUNT) $",
    "SEARCH RETURN (SAVE ALL) FLAGGED",
    "SEARCH RETURN (SAVE) $ 1:2",
    "SEARCH RETURN (ALL) $",
    "SORT RETURN (SAVE) (REVERSE SIZE) UTF-8 ALL",
    "SEARCH RETURN (ALL COUNT) $",
    "SORT (ARRIVAL) UTF-8 $",
    "THREAD REFERENCES UTF-8 $",
    "SEARCH RETURN (SAVE) SUBJECT nosuchword",
    "SEARCH $",
    "FETCH $ FLAGS",
    "STORE $ +FLAGS (\\Draft)",
    "COPY $ Trash",
    "SEARCH RETURN (SAVE) 1:2",
    "SEARCH RETURN (SAVE) NOSUCH",
    "SEARCH $",
    "SEARCH RETURN (SAVE) CHARSET NOSUCH SUBJECT x",
    "SEARCH $",
    "SEARCH RETURN (SAVE) 1:3",
    "SEARCH ALL",
    "SEARCH $",
    "COPY $ Trash",
    "UID COPY $ Trash",
    "STORE 2 +FLAGS.SILENT (\\Deleted)",
    "UID EXPUNGE $",
    "SEARCH $",
    "MOVE $ Trash",
    "SEARCH $",
    "SEARCH RETURN (SAVE) ALL",
    "NOOP",
    "EXAMINE Saved",
    "SEARCH $",
    "UNSELECT",
    "SEARCH $",
)


def test_saved_results_mean_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5182."""
    with compared(penfold, dovecot, "u5", "saved") as compare:
        fill(compare, "Saved", (MAIL, MIXED, MAIL + b"more\r\n", MIXED, MAIL))
        ask(compare, "saved", SAVED)


LISTED = (
    'LIST "" %',
    'LIST (SPECIAL-USE) "" *',
    'LIST "" * RETURN (SPECIAL-USE)',
    'LIST (SPECIAL-USE) "" D% RETURN (SPECIAL-USE SUBSCRIBED)',
    'LIST (SUBSCRIBED SPECIAL-USE) "" %',
    "UNSUBSCRIBE Trash",
    'LIST (SUBSCRIBED SPECIAL-USE) "" %',
    'LIST (SPECIAL-USE RECURSIVEMATCH) "" %',
    "SUBSCRIBE a/b/c",
    "SUBSCRIBE d",
    'LIST (SUBSCRIBED) "" * RETURN (STATUS (MESSAGES UNSEEN))',
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" a* RETURN (STATUS (MESSAGES))',
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES) CHILDREN)',
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" a/% RETURN (SUBSCRIBED)',
    'LIST (RECURSIVEMATCH SUBSCRIBED) "a/" % RETURN (CHILDREN)',
    'LIST "" (a d "e*") RETURN (STATUS (MESSAGES UIDNEXT SIZE) SUBSCRIBED CHILDREN)',
    'LIST "" (a/% a/%/%) RETURN (STATUS (MESSAGES))',
    'LIST "" (*) RETURN (STATUS (UNSEEN))',
    'LIST "" INBOX RETURN (STATUS (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE))',
    'LIST "" nowhere RETURN (STATUS (MESSAGES))',
    'LIST "" a RETURN (STATUS ())',
    'LIST "" a RETURN (STATUS)',
    'LIST "" a RETURN (STATUS (NOSUCH))',
    'LIST "" a RETURN (STATUS (MESSAGES) STATUS (UNSEEN))',
    'LIST "" "" RETURN (STATUS (MESSAGES))',
    "DELETE d",
    'LIST (SUBSCRIBED) "" * RETURN (CHILDREN)',
    'LIST "" * RETURN (SUBSCRIBED)',
    "STATUS a/b (SIZE MESSAGES)",
    "STATUS INBOX (HIGHESTMODSEQ SIZE)",
    "DELETE Sent",
    'LIST (SPECIAL-USE) "" *',
    "RENAME Junk Spam",
    'LIST (SPECIAL-USE) "" *',
)


def test_folders_are_listed_with_their_uses_and_counts(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5258, RFC 5819, RFC 6154, RFC 8438."""
    with compared(penfold, dovecot, "u6", "listed") as compare:
        for folder, mails in (("a", 2), ("a/b", 1), ("a/b/c", 0), ("a/x", 0), ("d", 1), ("e", 0)):
            fill(compare, folder, [MAIL] * mails)
        for client in (compare.ours, compare.theirs):
            client.ok("UNSELECT")
            for name in ("Drafts", "Sent", "Junk", "Archive"):
                client.ok(f"UNSUBSCRIBE {name}")
            client.ok("SUBSCRIBE Trash")
            client.ok("SUBSCRIBE INBOX")
            client.append("INBOX", MAIL)
        ask(compare, "listed", LISTED)


def test_who_idles_knows_the_folder_as_it_is(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 2177, without NOTIFY: EXISTS, EXPUNGE and FETCH, applied as they come, lead to the same."""
    known_flags = []
    for server in (penfold, dovecot):
        with server.client("u7") as client, server.client("u7") as other:
            known_flags.append(idling(client, other))
    assert known_flags[0] == known_flags[1] == [{"\\Seen"}, {"\\Flagged", "Word"}, set(), {"\\Answered"}]


def idling(client: Imap, other: Imap) -> list[set[str]]:
    """The flags of each message that the client knows of in the end; another changes them."""
    for _ in range(5):
        assert other.append("INBOX", MAIL).status == b"OK"
    other.ok("SELECT INBOX")
    client.ok("SELECT INBOX")
    flags: list[set[str]] = [set() for _ in range(5)]
    client.send(b"i IDLE\r\n")
    assert client.response().startswith(b"+")
    for command in (
        "STORE 1,3 +FLAGS (\\Seen)",
        "STORE 2 +FLAGS (\\Flagged)",
        "STORE 3,4 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
        "STORE 2 +FLAGS (Word)",
    ):
        other.ok(command)
    assert other.append("INBOX", MAIL, "\\Answered").status == b"OK"
    other.ok("NOOP")
    until = time.monotonic() + IDLE_SECONDS
    while not (len(flags) == 4 and flags[1] == {"\\Flagged", "Word"}):
        line = client.hear(until - time.monotonic())
        assert line is not None, f"not all was told: {flags}"
        _apply(line, flags)
    client.send(b"DONE\r\n")
    for line in client.finish(b"i").untagged:
        _apply(line, flags)
    for number, values in client.fetch("4", "(FLAGS)", uid=False).items():
        flags[number - 1] = _names(values[b"FLAGS"])
    return flags


def _apply(line: bytes, flags: list[set[str]]) -> None:
    if found := re.fullmatch(rb"\* (\d+) EXISTS", line):
        flags += [set() for _ in range(int(found[1]) - len(flags))]
    elif found := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
        del flags[int(found[1]) - 1]
    for number, values in fetched([line]):
        flags[number - 1] = _names(values[b"FLAGS"])


def _names(values: object) -> set[str]:
    assert isinstance(values, list)
    return {bytes(flag).decode() for flag in values} - {"\\Recent"}
