"""SORT and THREAD in a session: numbers and UIDs, RETURN, MODSEQ, what may be told meanwhile."""

from typing import Any

import pytest

from core.model import MailboxId
from core.ports import ReadTx
from protocols.imap.finding import columns, comparing
from protocols.imap.finding.comparators import DEFAULT
from tests.support.imap import Client, TestServer, second

MAILS = (
    "From: Zoe <a@x>\r\nDate: 3 Jan 2024 10:00:00 +0000\r\nSubject: Re: beta\r\nMessage-ID: <3@x>\r\nReferences: <1@x>",
    "From: adam <z@x>\r\nDate: 1 Jan 2024 10:00:00 +0000\r\nSubject: beta\r\nMessage-ID: <1@x>",
    "From: Bob <b@x>\r\nDate: 2 Jan 2024 10:00:00 +0000\r\nSubject: Alpha\r\nMessage-ID: <2@x>",
    "From: bob <b@x>\r\nDate: 4 Jan 2024 10:00:00 +0000\r\nSubject: Re: alpha\r\nMessage-ID: <4@x>"
    "\r\nReferences: <2@x>",
)


@pytest.fixture
def client(server: TestServer) -> Client:
    """In a folder whose UIDs are 2 to 5."""
    client = server.client(select="INBOX")
    client.append("INBOX", b"Subject: first\r\n\r\n", "(\\Deleted)")
    for number, head in enumerate(MAILS):
        client.append("INBOX", f"{head}\r\n\r\n{'x' * number}\r\n".encode())
    client.ok("EXPUNGE")
    return client


def test_sort_by_number_and_by_uid(client: Client) -> None:
    """RFC 5256 3, 4."""
    assert b"* SORT 2 3 1 4\r\n" in client.ok("SORT (DATE) UTF-8 ALL")
    assert b"* SORT 3 4 2 5\r\n" in client.ok("UID SORT (DATE) UTF-8 ALL")
    assert b"* SORT 4 1 3 2\r\n" in client.ok("SORT (REVERSE DATE) US-ASCII ALL")
    assert b"* SORT 3 4 2 1\r\n" in client.ok("SORT (SUBJECT DATE) UTF-8 ALL")
    assert b"* SORT 2 3 4 1\r\n" in client.ok("SORT (DISPLAYFROM) UTF-8 ALL")
    assert b"* SORT 3 4\r\n" in client.ok("SORT (SUBJECT) UTF-8 FROM bob")
    assert b"* SORT\r\n" in client.ok("SORT (SUBJECT) UTF-8 FROM nobody")
    client.ok("ENABLE IMAP4rev2")
    assert b"* SORT 2 3 1 4\r\n" in client.ok("SORT (DATE) UTF-8 ALL"), "RFC 9051 changes nothing here"


def test_sort_with_return(client: Client) -> None:
    """RFC 5267 3: the order is kept, and MIN and MAX are its ends."""
    assert b" MIN 2 MAX 4 ALL 2:3,1,4 COUNT 4\r\n" in client.ok("SORT RETURN (MIN MAX ALL COUNT) (DATE) UTF-8 ALL")
    assert b" PARTIAL (2:3 3,1)\r\n" in client.ok("SORT RETURN (PARTIAL 2:3) (DATE) UTF-8 ALL")
    client.ok("SORT RETURN (SAVE) (DATE) UTF-8 SUBJECT alpha")
    assert b"* SEARCH 3 4\r\n" in client.ok("SEARCH $")
    assert b"* SORT 4 3\r\n" in client.ok("SORT (REVERSE DATE) UTF-8 $")
    client.ok("UID SORT RETURN (SAVE PARTIAL 1:1 MAX) (DATE) UTF-8 ALL")
    assert b"* SEARCH 2 4\r\n" in client.ok("SEARCH $")


def test_sort_with_modseq(client: Client) -> None:
    """RFC 7162 3.1.9, 3.1.10."""
    client.ok("STORE 1 +FLAGS (\\Seen)")
    assert b"* SORT 1 (MODSEQ 8)\r\n" in client.ok("SORT (DATE) UTF-8 MODSEQ 8")
    assert b"* SORT\r\n" in client.ok("SORT (DATE) UTF-8 MODSEQ 9")
    assert b" ALL 2:3,1,4 MODSEQ 8\r\n" in client.ok("SORT RETURN (ALL) (DATE) UTF-8 MODSEQ 1")


def test_threads(client: Client) -> None:
    """RFC 5256 3, 4."""
    assert b"* THREAD (2 1)(3 4)\r\n" in client.ok("THREAD REFERENCES UTF-8 ALL")
    assert b"* THREAD (3 2)(4 5)\r\n" in client.ok("UID THREAD REFERENCES UTF-8 ALL")
    assert b"* THREAD (2 1)(3 4)\r\n" in client.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")
    assert b"* THREAD (2 1)(3 4)\r\n" in client.ok("THREAD REFS UTF-8 ALL")
    assert b"* THREAD (3)\r\n" in client.ok("THREAD REFERENCES UTF-8 SUBJECT alpha NOT SUBJECT re")
    assert b"* THREAD\r\n" in client.ok("THREAD REFERENCES UTF-8 SUBJECT nothing")


def test_the_same_numbers_may_be_of_other_messages(client: Client) -> None:
    """An answer is told again only of the messages that it was about, under the numbers that they had."""
    assert b"* THREAD (2 1)(3 4)\r\n" in client.ok("THREAD REFERENCES UTF-8 ALL")
    assert b"* THREAD (3 2)(4 5)\r\n" in client.ok("UID THREAD REFERENCES UTF-8 ALL")
    assert b"* THREAD (2 1)(3 4)\r\n" in client.ok("THREAD REFERENCES UTF-8 ALL")
    client.ok("UID STORE 3 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.append("INBOX", b"Subject: last\r\nDate: 5 Jan 2024 10:00:00 +0000\r\n\r\n")
    client.ok("NOOP")
    assert b"* THREAD (2 3)(1)(4)\r\n" in client.ok("THREAD REFERENCES UTF-8 ALL")
    assert b"* SORT 2 1 3 4\r\n" in client.ok("SORT (DATE) UTF-8 ALL")


def test_what_is_known_of_one_folder_says_nothing_of_another(server: TestServer, client: Client) -> None:
    for subject in ("b", "c", "a", "c", "b"):
        client.append("Sent", f"Subject: {subject}\r\n\r\n".encode())
    commands = ("UID SORT (SUBJECT) UTF-8 ALL", "UID THREAD ORDEREDSUBJECT UTF-8 ALL")
    assert b"* SORT 4 5 2 3\r\n" in client.ok(commands[0])
    assert b"* THREAD (3 2)(4 5)\r\n" in client.ok(commands[1])
    other = server.client(select="Sent")
    assert b"* SORT 3 1 5 2 4\r\n" in other.ok(commands[0])
    assert b"* THREAD (1 5)(2 4)(3)\r\n" in other.ok(commands[1])
    assert b"* SORT 4 5 2 3\r\n" in client.ok(commands[0])


def test_what_has_gone_and_is_not_remembered_is_left_out(server: TestServer, client: Client) -> None:
    """Its place in an order that is remembered helps nobody who cannot compare it."""
    assert b"* SORT 3 4 1 2\r\n" in client.ok("SORT (SUBJECT) UTF-8 ALL")
    selected = client.session.selected
    assert selected is not None
    server.kept.put((MailboxId(1), selected.folder_id, (DEFAULT.name, "SUBJECT")), columns.NOTHING, 0)
    other = second(server)
    other.ok("STORE 4 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    for subject in ("zz", "aa"):
        server.deliver(f"Subject: {subject}\r\n\r\n".encode())
    client.ok("SEARCH 1")  # tells of what came, and not yet of what has gone
    assert b"* SORT 6 3 1 2 5\r\n" in client.ok("SORT (SUBJECT) UTF-8 ALL")


def test_what_is_asked_again_is_not_read_again(
    server: TestServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what came meanwhile only that is read, whoever asks; other keys read what they compare."""
    asked: list[list[int]] = []
    read = columns.read

    def watched(tx: ReadTx, place: Any, names: Any, uids: Any, comparator: Any) -> Any:
        asked.append(list(uids))
        return read(tx, place, names, uids, comparator)

    monkeypatch.setattr(columns, "read", watched)
    for command in ("UID SORT (SUBJECT DATE) UTF-8 ALL", "UID THREAD REFS UTF-8 ALL"):
        first, other = client.ok(command), server.client(select="INBOX")
        assert asked.pop() == [2, 3, 4, 5]
        assert first.partition(b"a")[0] == client.ok(command).partition(b"a")[0] == other.ok(command).partition(b"a")[0]
        assert asked == []
    client.append("INBOX", b"Subject: more\r\n\r\n")
    client.ok("NOOP")
    assert b"* SORT 4 5 3 2 6\r\n" in client.ok("UID SORT (SUBJECT DATE) UTF-8 ALL")
    assert asked.pop() == [6]
    assert b"* SORT 5 6\r\n" in client.ok("UID SORT (SUBJECT) UTF-8 UID 5:6"), "a column serves many orders"
    assert asked == []


@pytest.mark.parametrize("command", ["SORT (DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "UID SEARCH 1:2"])
def test_nobody_goes_while_numbers_are_told(server: TestServer, client: Client, command: str) -> None:
    """RFC 5256 3: EXPUNGE is not told; RFC 7162 3.2.10.2 says the same of UID SEARCH by numbers."""
    other = second(server)
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert b"EXPUNGE" not in client.ok(command)
    assert b"* 1 EXPUNGE\r\n" in client.ok("UID SEARCH ALL" if "UID" not in command else "NOOP")


def test_without_a_charset_or_with_a_strange_one(client: Client) -> None:
    """RFC 5256 3: it cannot be left out."""
    client.bad("SORT (DATE)")
    client.bad("THREAD REFERENCES UTF-8")
    client.no("SORT (DATE) NOSUCH ALL", "BADCHARSET (US-ASCII UTF-8)")
    client.bad("SORT () UTF-8 ALL")
    client.bad("SORT (NOSUCH) UTF-8 ALL")
    client.bad("THREAD NOSUCH UTF-8 ALL")
    client.bad("SORT (DATE) UTF-8 99")


def test_many_messages_come_in_pieces(server: TestServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "PIECE_MESSAGES", 1)
    monkeypatch.setattr(comparing, "FEW_FOUND", 1)
    assert b"* SORT 2 3 1 4\r\n" in client.ok("SORT (DATE) UTF-8 ALL")
    assert b"* THREAD (2 1)(3 4)\r\n" in client.ok("THREAD REFERENCES UTF-8 ALL")


def test_after_uidonly_only_uids(client: Client) -> None:
    client.ok("ENABLE UIDONLY")
    assert b"[UIDREQUIRED]" in client.bad("SORT (DATE) UTF-8 ALL")
    assert b"[UIDREQUIRED]" in client.bad("UID THREAD REFERENCES UTF-8 1:2")
    assert b"* SORT 3 4 2 5\r\n" in client.ok("UID SORT (DATE) UTF-8 ALL")
