"""The same mails and the same commands to Penfold and to Dovecot: every difference in the answers is known by name."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.support.corpus import NASTY, corpus, with_crlf
from conformance.support.differential import Comparison, known
from conformance.support.imap import Imap
from conformance.support.servers import Dovecot, Penfold

DATES = ("01-Jan-2020 00:30:00 +0000", "15-Jun-2021 12:00:00 +0200", "31-Dec-2022 23:59:59 -0500")
FLAGS = ("", r"\Seen", r"\Flagged \Answered", r"\Draft $Forwarded", r"\Seen \Deleted Custom")
COMMANDS: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "commands.toml").read_text())
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
    return [*(paths or ["1"])[:PARTS], "1.7", "99"]


def _is_body(value: list[object]) -> bool:
    return isinstance(value[0], list) or len(value) >= 7


def _check(comparison: Comparison, area: str) -> None:
    report = comparison.report(known(), area)
    assert not report, f"{comparison.asked} commands asked; they differ:\n{report}"


def test_every_mail_has_the_same_envelope_structure_and_sizes(
    filled: tuple[Imap, Imap], mails: dict[str, bytes]
) -> None:
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
            for section in (f"BODY.PEEK[{path}]", f"BODY.PEEK[{path}.MIME]", f"BODY.PEEK[{path}.HEADER]",
                            f"BODY.PEEK[{path}.TEXT]",
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


def test_searches_find_the_same(both: tuple[Imap, Imap], mails: dict[str, bytes]) -> None:
    _prepared(
        both, "Searched", mails, [name for name in mails if name.startswith(("nasty/", "mime4j/", "mail-parser/rfc"))]
    )
    compare = Comparison(*both)
    for key in COMMANDS["search"]:
        compare.ask(f"search:SEARCH {key}", f"SEARCH {key}")
        compare.ask(f"search:UID SEARCH {key}", f"UID SEARCH {key}")
    for text in ("Grüße", "grüsse", "KÖLN", "Zoë", "ünï"):
        for key in ("SUBJECT", "FROM", "TEXT", "BODY", "HEADER Subject"):
            compare.ask(f"search:{key} {text}", f"SEARCH CHARSET UTF-8 {key} {{}}", text.encode())
            compare.ask(f"search:latin1 {key} {text}", f"SEARCH CHARSET ISO-8859-1 {key} {{}}", text.encode("latin-1"))
    _check(compare, "search")


def test_commands_on_messages_do_the_same(penfold: Penfold, dovecot: Dovecot, mails: dict[str, bytes]) -> None:
    with penfold.client("u6") as ours, dovecot.client("u6") as theirs:
        for client in (ours, theirs):
            client.ok("CREATE Copies")
            client.ok("CREATE Moved")
        _prepared((ours, theirs), "Messages", mails, [name for name in mails if name.startswith("nasty/")][-20:])
        compare = Comparison(ours, theirs)
        for number, command in enumerate(COMMANDS["message"]):
            compare.ask(f"message:{number:03} {command}", command)
        _check(compare, "message")


def test_commands_on_folders_do_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u2") as ours, dovecot.client("u2") as theirs:
        for client in (ours, theirs):
            for folder in ("Drafts", "Sent", "Trash", "Junk", "Archive"):
                client.command(f"CREATE {folder}")
                client.ok(f"SUBSCRIBE {folder}")
            client.ok("SUBSCRIBE INBOX")
        compare = Comparison(ours, theirs)
        for number, command in enumerate(COMMANDS["folder"]):
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
)


def test_appends_do_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u3") as ours, dovecot.client("u3") as theirs:
        compare = Comparison(ours, theirs)
        for number, (command, text) in enumerate(APPENDS):
            literals = [] if text is None else [text] * command.count("{}")
            compare.ask(f"append:{number:02} {command}", command, *literals)
        compare.ask("append:99 what came of it", "STATUS INBOX (MESSAGES UIDNEXT UNSEEN)")
        compare.ask("append:99 select", "SELECT INBOX")
        compare.ask("append:99 flags", "FETCH 1:* (FLAGS RFC822.SIZE)")
        _check(compare, "append")


def test_commands_out_of_place_are_refused_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u4") as ours, dovecot.client("u4") as theirs:
        compare = Comparison(ours, theirs)
        for number, command in enumerate(COMMANDS["syntax"]):
            compare.ask(f"syntax:{number:02} {command}", command)
        _check(compare, "syntax")


def test_commands_before_login_are_answered_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    compare: Comparison | None = None
    differences: dict[str, tuple[object, object]] = {}
    for number, command in enumerate(COMMANDS["login"]):  # a connection each: failures slow down and end one
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
        for name, octets in list(raw.items()):
            answer = client.append("Raw", octets)
            if 0 in octets:  # RFC 3516 4.4: a server that keeps no binary messages says so
                assert answer.code == b"UNKNOWN-CTE", f"{name}: {answer.tagged!r}"
                del raw[name]
                continue
            assert answer.status == b"OK", f"{name}: {answer.tagged!r}"
        client.ok("SELECT Raw")
        for uid, (name, octets) in enumerate(raw.items(), 1):
            found = client.fetch(str(uid), "(BODY.PEEK[] RFC822.SIZE BINARY.PEEK[])")[uid]
            assert found[b"BODY[]"] == octets, f"{name} is not what was appended"
            assert found[b"BINARY[]"] == octets, f"{name} is not what was appended"
            assert found[b"RFC822.SIZE"] == b"%d" % len(octets), f"{name} has another size"
            halves = client.fetch(str(uid), "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")[uid]
            assert b"%s%s" % (halves[b"BODY[HEADER]"], halves[b"BODY[TEXT]"]) == octets, (
                f"{name}: header and text are not the whole"
            )
