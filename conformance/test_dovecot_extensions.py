"""SORT, THREAD, synchronisation, quotas and annotations beside Dovecot: the same story, the same outcome.

MODSEQs are each server's own.  So what is compared is what a client makes of them.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.support.corpus import NASTY, corpus, with_crlf
from conformance.support.imap import Answer, Imap, parse
from conformance.support.processes import succeed
from conformance.support.servers import Dovecot, Penfold

DATES = ("01-Jan-2020 00:30:00 +0000", "15-Jun-2021 12:00:00 +0200", "31-Dec-2022 23:59:59 -0500")
KEYS = ("ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO")

# What each sorts elsewhere, and why.  (See also expected.toml for what their ENVELOPEs say.)
ODD = {
    "dates before 1970 or after 2106, which Dovecot sorts at the wrong end": (
        "ruby-mail/rfc2822__example10.eml",
        "ruby-mail/rfc2822__example04.eml",
    ),
    "a date whose time cannot be read: RFC 5256 2.2 has midnight, Dovecot the internal date": (
        "ruby-mail/error_emails__bad_date_header2.eml",
        "ruby-mail/plain_emails__raw_email_bad_time.eml",
        "mail-parser/malformed__019.eml",
    ),
    "raw ISO-8859-1, which Penfold reads as such": (
        "mail-parser/legacy__010.eml",
        "mail-parser/legacy__017.eml",
        "mail-parser/legacy__020.eml",
        "mail-parser/legacy__022.eml",
        "mail-parser/legacy__027.eml",
        "mail-parser/legacy__052.eml",
        "ruby-mail/error_emails__invalid_subject_characters.eml",
        "nasty/latin1-header",
    ),
    "a subject folded before an encoded word": ("bounces-sisimai/lhost-domino-03.eml",),
    "addresses that are none": (
        "bounces-sisimai/rhost-apple-01.eml",
        "mimekit-tnef/panic.tnef",
        "nasty/bare-name",
        "nasty/empty-fields",
        "ruby-mail/error_emails__missing_body.eml",
        "ruby-mail/error_emails__weird_to_header.eml",
        "ruby-mail/plain_emails__mix_caps_content_type.eml",
        "ruby-mail/rfc2822__example07.eml",
        "ruby-mail/rfc2822__example13.eml",
    ),
}


@pytest.fixture(scope="module")
def sane() -> dict[str, bytes]:
    """The whole corpus but the odd ones."""
    odd = {name for names in ODD.values() for name in names}
    mails = NASTY | {name: with_crlf(octets) for name, octets in corpus().items()}
    assert odd <= mails.keys()
    return {name: octets for name, octets in mails.items() if name not in odd}


@pytest.fixture(scope="module")
def both(penfold: Penfold, dovecot: Dovecot, sane: dict[str, bytes]) -> Iterator[tuple[Imap, Imap]]:
    with penfold.client("u8") as ours, dovecot.client("u8") as theirs:
        for client in (ours, theirs):
            client.ok("CREATE Sorted")
            for number, (name, octets) in enumerate(sane.items()):
                answer = client.append("Sorted", octets, "", DATES[number % len(DATES)])
                assert answer.status == b"OK", name
            client.ok("SELECT Sorted")
        yield ours, theirs


def one_line(answer: Answer) -> bytes:
    """The only untagged line, without its line end."""
    (line,) = [line for line in answer.untagged if not line.startswith(b"* OK")]
    return line


@pytest.mark.parametrize("key", KEYS)
def test_sorted_alike(both: tuple[Imap, Imap], key: str) -> None:
    for sort in (f"SORT ({key}) UTF-8 ALL", f"UID SORT (REVERSE {key} REVERSE SIZE) UTF-8 ALL"):
        ours, theirs = (one_line(client.ok(sort)) for client in both)
        assert ours == theirs, sort


@pytest.mark.parametrize("algorithm", ["ORDEREDSUBJECT", "REFERENCES"])
def test_threaded_alike(both: tuple[Imap, Imap], algorithm: str) -> None:
    ours, theirs = (one_line(client.ok(f"THREAD {algorithm} UTF-8 ALL")) for client in both)
    assert ours == theirs


def test_refs_makes_the_same_threads(both: tuple[Imap, Imap]) -> None:
    """In another order: the draft wants the thread last that got a message last; Dovecot goes by the Date fields."""
    ours, theirs = (one_line(client.ok("THREAD REFS UTF-8 ALL")) for client in both)
    assert ours != theirs
    assert sorted(threads(ours)) == sorted(threads(theirs))


def threads(line: bytes) -> list[bytes]:
    """The threads of a THREAD response."""
    found, depth, start = [], 0, 0
    for at, octet in enumerate(line):
        if octet == ord("("):
            start = at if depth == 0 else start
            depth += 1
        elif octet == ord(")"):
            depth -= 1
            if depth == 0:
                found.append(line[start : at + 1])
    return found


@pytest.mark.parametrize("returns", ["MIN MAX COUNT", "ALL", "MIN", "COUNT ALL"])
def test_esearch_and_esort_tell_the_same(both: tuple[Imap, Imap], returns: str) -> None:
    for command in ("SEARCH RETURN ({}) SUBJECT re", "UID SEARCH RETURN ({}) SMALLER 2000"):
        ours, theirs = (re.sub(rb'TAG "[^"]*"', b"", one_line(c.ok(command.format(returns)))) for c in both)
        assert parts(ours) == parts(theirs), command
    # RFC 5267 3.2 wants the set in the order of the sort; Dovecot does so too, but writes ranges downwards as well.
    ours, theirs = (one_line(c.ok(f"SORT RETURN ({returns}) (SIZE) UTF-8 SUBJECT re")) for c in both)
    assert parts(ours) == parts(theirs)


def parts(line: bytes) -> dict[bytes, list[int] | int]:
    """MIN, MAX, COUNT and ALL of an ESEARCH line, the set as its members in their order."""
    found: dict[bytes, list[int] | int] = {}
    for name, value in re.findall(rb" (MIN|MAX|COUNT|ALL) ([\d:,]+)", line):
        found[name] = members(value) if name == b"ALL" else int(value)
    return found


def members(text: bytes) -> list[int]:
    """A sequence set's numbers, as they come."""
    numbers: list[int] = []
    for run in text.split(b","):
        low, _, high = run.partition(b":")
        first, last = int(low), int(high or low)
        numbers += range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return numbers


def test_a_client_that_keeps_modseqs_is_told_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u9") as ours, dovecot.client("u9") as theirs:
        assert synchronising(ours) == synchronising(theirs)


def synchronising(client: Imap) -> list[object]:
    """CONDSTORE and QRESYNC as a client uses them; what it learns, step by step."""
    learnt: list[object] = []
    client.ok("CREATE Synced")
    for number in range(9):
        client.append("Synced", b"Subject: %d\r\n\r\n" % number)
    client.ok("ENABLE QRESYNC")
    answer = client.ok("SELECT Synced (CONDSTORE)")
    validity, start = code(answer, b"UIDVALIDITY"), code(answer, b"HIGHESTMODSEQ")
    learnt.append(flags(client.ok("STORE 2:3 +FLAGS (\\Seen)")))
    middle = code(client.ok("SELECT Synced"), b"HIGHESTMODSEQ")
    learnt += [start < middle, code(client.ok("STATUS Synced (HIGHESTMODSEQ)"), b"HIGHESTMODSEQ") == middle]
    learnt.append(flags(client.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {start})")))
    learnt.append(flags(client.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {middle})")))
    client.ok("STORE 5 +FLAGS.SILENT (\\Flagged)")
    answer = client.ok(f"STORE 4:6 (UNCHANGEDSINCE {middle}) +FLAGS (\\Answered)")
    told = flags(answer)
    told.pop(b"5", None)  # RFC 7162 3.1.3 recommends to tell what was left alone; Penfold does
    learnt += [answer.code, told]
    answer = client.ok(f"UID STORE 5 (UNCHANGEDSINCE {start}) FLAGS.SILENT ()")
    learnt.append(answer.code)
    learnt.append(one_line(client.ok(f"SEARCH MODSEQ {middle + 1}")).split(b" (MODSEQ")[0])
    client.ok("STORE 1,7:8 +FLAGS.SILENT (\\Deleted)")
    learnt.append(vanished(client.ok("UID EXPUNGE 7:8")))
    learnt.append(vanished(client.ok("EXPUNGE")))
    for known in ("", " 2:7", " 2:7 (1,3 2,4)"):
        answer = client.ok(f"SELECT Synced (QRESYNC ({validity} {middle}{known}))")
        learnt += [vanished(answer), flags(answer)]
    answer = client.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {middle} VANISHED)")
    learnt += [vanished(answer), flags(answer)]
    answer = client.ok(f"SELECT Synced (QRESYNC ({validity + 1} {middle}))")
    learnt += [vanished(answer), flags(answer)]
    for command in (
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "SELECT Synced (NOSUCH)",
    ):
        learnt.append(client.command(command).status)
    return learnt


def code(answer: Answer, name: bytes) -> int:
    """The number that a response code or a STATUS item gives."""
    found = re.findall(rb"%b (\d+)" % name, b"\n".join([*answer.untagged, answer.tagged]))
    return int(found[-1])


def flags(answer: Answer) -> dict[bytes, list[bytes]]:
    """UID -> flags, of every FETCH that tells both; \\Recent is each session's own."""
    found: dict[bytes, list[bytes]] = {}
    for line in answer.untagged:
        uid, told = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
        if b" FETCH " in line and uid and told:
            found[uid[1]] = sorted(set(told[1].split()) - {b"\\Recent"})
    return found


def vanished(answer: Answer) -> list[tuple[bool, list[int]]]:
    """(EARLIER, UIDs) of every VANISHED."""
    lines = [re.match(rb"\* VANISHED (\(EARLIER\) )?([\d:,]+)", line) for line in answer.untagged]
    return [(line[1] is not None, members(line[2])) for line in lines if line]


def test_search_results_are_kept_up_to_date_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5267 4.3: what a client knows after each step, and what it is told when it asks."""
    stories = []
    for server in (penfold, dovecot):
        with server.client("u7") as client, server.client("u7") as other:
            stories.append(kept_up_to_date(client, other))
    assert stories[0] == stories[1]


def kept_up_to_date(client: Imap, other: Imap) -> list[object]:
    """What is learnt by RETURN (UPDATE), in the mailbox of one who is told of the changes that another makes."""
    learnt: list[object] = []
    known: dict[bytes, set[int]] = {}

    def follow() -> None:
        # Twice: an update may come behind the answer to the command that it was found in.
        for line in [*client.ok("NOOP").untagged, *client.ok("NOOP").untagged]:
            if b"ADDTO" not in line and b"REMOVEFROM" not in line:
                continue
            tag = re.findall(rb'TAG "?([^" )]+)', line)[0]
            for item, pairs in re.findall(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
                for uids in pairs.split()[1::2]:
                    change = known[tag].update if item == b"ADDTO" else known[tag].difference_update
                    change(members(uids))
        learnt.append([sorted(uids) for uids in known.values()])

    client.ok("CREATE Kept")
    for number in range(5):
        client.append("Kept", b"Subject: %d\r\n\r\n" % number)
    for one in (client, other):
        one.ok("SELECT Kept")
    for program in ("UNSEEN", "SUBJECT needle UNDELETED", "1:2"):
        (line,) = [x for x in client.ok(f"UID SEARCH RETURN (UPDATE ALL) {program}").untagged if b"ESEARCH" in x]
        known[re.findall(rb'TAG "?([^" )]+)', line)[0]] = set(parts(line).get(b"ALL", []))  # type: ignore[arg-type]
    (line,) = [x for x in client.ok("UID SEARCH RETURN (UPDATE) UNFLAGGED").untagged if b"ESEARCH" in x]
    learnt.append(re.sub(rb"\(TAG [^)]*\)", b"", line))
    known[re.findall(rb'TAG "?([^" )]+)', line)[0]] = set(range(1, 6))
    for step in (
        "UID STORE 2:3 +FLAGS (\\Seen)",
        "UID STORE 3 -FLAGS (\\Seen)",
        b"Subject: a needle\r\n\r\n",
        b"Subject: hay\r\n\r\n",
        "UID STORE 6 +FLAGS (\\Deleted \\Flagged)",
        "UID STORE 1,4 +FLAGS (\\Deleted)",
        "EXPUNGE",
        b"Subject: needle again\r\n\r\n",
    ):
        if isinstance(step, bytes):
            other.append("Kept", step)
        else:
            other.ok(step)
        follow()
    learnt.append(client.command('CANCELUPDATE "nosuch"').status)
    for tag in list(known)[1:]:
        client.ok(f'CANCELUPDATE "{tag.decode()}"')
    other.ok("UID STORE 5:* +FLAGS (\\Seen \\Flagged)")
    follow()
    return learnt


def test_quotas_are_told_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 9208; Dovecot's storage limit is 100 GB, and it has no others."""
    command = Path(sys.executable).parent / "penfold"
    succeed(command, "mailbox", "set", "u6", "--quota", "100GB", "--dir", penfold.directory)
    with penfold.client("u6") as ours, dovecot.client("u6") as theirs:
        assert quotas(ours) == quotas(theirs)


def quotas(client: Imap) -> list[object]:
    """What is told of the only root, whatever its name, as mail comes and goes."""
    learnt: list[object] = []
    client.ok("CREATE Kept")
    for size in (0, 1, 1_000, 1_022, 1_024, 5_000, 200_000):
        client.append("INBOX", b"Subject: x\r\n\r\n" + b"y" * size)
        learnt.append(quota(client.ok("GETQUOTAROOT INBOX"))[2])
    client.ok("SELECT INBOX")
    for command in ("COPY 2:5 Kept", "MOVE 6 Kept", "STORE 1:3 +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "DELETE Kept"):
        client.ok(command)
        name, root, storage = quota(client.ok("GETQUOTAROOT Kept"))
        learnt += [name, storage, quota(client.ok(f'GETQUOTA "{root.decode()}"'))[1:] == (root, storage)]
    for command in ("GETQUOTA nosuch", f'SETQUOTA "{root.decode()}" (STORAGE 5)', "GETQUOTA", "SETQUOTA x STORAGE 5"):
        learnt.append(client.command(command).status)
    return learnt


def quota(answer: Answer) -> tuple[bytes, bytes, list[bytes]]:
    """(the folder, its one root, usage and limit of STORAGE); without the folder for GETQUOTA."""
    folder = b""
    *roots, line = answer.untagged
    for root in roots:
        folder, name = re.fullmatch(rb'\* QUOTAROOT ("[^"]*"|\S+) ("[^"]*"|\S+)', root).groups()  # type: ignore[union-attr]
        assert line.startswith(b"* QUOTA %b (" % name)
    name, *numbers = re.search(rb'QUOTA "?([^"(]*)"? \(STORAGE (\d+) (\d+)', line).groups()  # type: ignore[union-attr]
    return folder, name, numbers


def test_annotations_are_told_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5464."""
    with penfold.client("u6") as ours, dovecot.client("u6") as theirs:
        assert annotating(ours) == annotating(theirs)


LARGE = b"x" * 2_000


def annotating(client: Imap) -> list[object]:
    """What a client learns of annotations, command by command.

    Not of renaming: Dovecot's then stay behind, against section 4.1.
    """
    client.ok("CREATE Notes")
    learnt: list[object] = []
    for command, *literals in (
        ("GETMETADATA Notes (/private/comment /shared/comment)",),
        ('SETMETADATA Notes (/private/comment "mine" /shared/comment "ours \\"and\\" \\\\ theirs")',),
        ("GETMETADATA Notes (/private/comment /shared/comment)",),
        ("SETMETADATA Notes (/private/filters/a {} /private/filters/a/b {})", b"two\r\nlines", LARGE),
        ('SETMETADATA Notes (/private/filters/c "" /private/filters-d "x")',),
        ("GETMETADATA (DEPTH 0) Notes /private/filters",),
        ("GETMETADATA (DEPTH 1) Notes /private/filters",),
        ("GETMETADATA (DEPTH infinity) Notes /private/filters",),
        ("GETMETADATA (DEPTH infinity) Notes (/private /shared)",),
        ("GETMETADATA (DEPTH 1) Notes /private/nothing",),
        ("GETMETADATA (MAXSIZE 10) Notes (/private/comment /private/filters/a /private/filters/a/b /private/x)",),
        ("GETMETADATA (MAXSIZE 5 DEPTH infinity) Notes /private",),
        ("GETMETADATA (MAXSIZE 0) Notes (/private/comment /private/filters/c)",),
        ("SETMETADATA Notes (/private/comment NIL /private/filters/a NIL /private/nothing NIL)",),
        ("GETMETADATA (DEPTH infinity) Notes /private",),
        ("GETMETADATA Notes /private/specialuse",),
        ('GETMETADATA "" (/shared/comment /shared/admin /private/comment)',),
        ('SETMETADATA "" (/private/comment "the server\'s")',),
        ('GETMETADATA "" (/private/comment)',),
        ('SETMETADATA "" (/shared/admin "x")',),
        ('SETMETADATA "" (/shared/comment "x")',),
        ("GETMETADATA Nowhere /private/comment",),
        ('SETMETADATA Nowhere (/private/comment "x")',),
        *(
            (f"SETMETADATA Notes ({name} NIL)",)
            for name in ("/private/", "/private//a", "/other/a", "a", '"/private/*"')
        ),
        *((f"GETMETADATA Notes {name}",) for name in ("/private/", "/private//a", "/other/a", "a", '"/private/%"')),
        ('SETMETADATA Notes /private/comment "x"',),
        ("GETMETADATA (DEPTH 2) Notes /private/comment",),
        ("DELETE Notes",),
        ("CREATE Notes",),
        ("GETMETADATA (DEPTH infinity) Notes (/private /shared)",),
    ):
        answer = client.command(command, *literals)
        code = answer.code if answer.code in (b"METADATA", b"CANNOT") else b""  # others are not in RFC 5464
        longest = re.findall(rb"LONGENTRIES (\d+)", answer.tagged)
        learnt.append((command, annotations(answer), answer.status, code, longest))
    return learnt


def annotations(answer: Answer) -> dict[bytes, object]:
    """The values of METADATA responses by their names."""
    found: dict[bytes, object] = {}
    for line in answer.untagged:
        if line.startswith(b"* METADATA "):
            *_, pairs = parse(line.removeprefix(b"* METADATA "))
            assert isinstance(pairs, list)
            found.update(zip(pairs[::2], pairs[1::2], strict=True))
    return found
