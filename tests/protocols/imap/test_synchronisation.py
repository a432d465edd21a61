"""CONDSTORE and QRESYNC (RFC 7162): MODSEQs told, conditions kept, and clients that come back."""

import re

import pytest

from core import items
from core.commands import ForgetTombstones
from core.model import FolderId, MailboxId
from protocols.imap import selected
from tests.support.imap import Client, TestServer, room, second, untagged

ONE = MailboxId(1)
INBOX = FolderId(1)


def highest(answer: bytes) -> int:
    """The last HIGHESTMODSEQ that was told."""
    return int(re.findall(rb"\[HIGHESTMODSEQ (\d+)\]", answer)[-1])


def uidvalidity(answer: bytes) -> int:
    found = re.search(rb"\[UIDVALIDITY (\d+)\]", answer)
    assert found is not None
    return int(found[1])


def returned(server: TestServer) -> Client:
    """A client that has enabled QRESYNC and selected nothing yet."""
    client = server.client()
    assert b"* ENABLED IMAP4rev2 QRESYNC\r\n" in client.ok("ENABLE IMAP4rev2 QRESYNC")
    return client


# ---------------------------------------------------------------------------------------------- CONDSTORE


@pytest.mark.parametrize(
    "command",
    [
        "SELECT INBOX (CONDSTORE)",
        "STATUS Sent (HIGHESTMODSEQ)",
        "FETCH 1 MODSEQ",
        "FETCH 1 FLAGS (CHANGEDSINCE 1)",
        "SEARCH MODSEQ 1",
        "STORE 1 (UNCHANGEDSINCE 99) +FLAGS ()",
        "ENABLE CONDSTORE",
        'LIST "" % RETURN (STATUS (HIGHESTMODSEQ))',
    ],
)
def test_what_makes_a_client_condstore_aware(server: TestServer, command: str) -> None:
    """RFC 7162 3.1: from then on FETCH tells the MODSEQ, and the first such command where the folder is."""
    client, other = room(server, 1), second(server)
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    assert b"MODSEQ" not in client.ok("NOOP")
    answer = client.ok(command)
    assert b"[HIGHESTMODSEQ 3]" in answer
    other.ok("STORE 1 +FLAGS (\\Seen)")
    assert b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged) MODSEQ (4))\r\n" in client.ok("NOOP")
    assert b"HIGHESTMODSEQ" not in client.ok("FETCH 1 MODSEQ"), "it is told once"


def test_select_and_status_tell_the_highest(server: TestServer) -> None:
    """RFC 7162 3.1.2.1, 3.1.7."""
    client = room(server, 3)
    answer = client.ok("SELECT INBOX")
    assert highest(answer) == 4
    assert b'* STATUS "INBOX" (HIGHESTMODSEQ 4)\r\n' in client.ok("STATUS INBOX (HIGHESTMODSEQ)")


def test_fetch_changed_since(server: TestServer) -> None:
    """RFC 7162 3.1.4.1: only what is newer, and always with its MODSEQ."""
    client = room(server, 4)
    client.ok("ENABLE CONDSTORE")
    client.ok("STORE 2,4 +FLAGS.SILENT (\\Seen)")
    assert client.fetched("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)") == [
        b"* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (6))",
        b"* 4 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (6))",
    ]
    assert client.fetched("FETCH 3:4 UID (CHANGEDSINCE 4)") == [b"* 4 FETCH (UID 4 MODSEQ (6))"]
    assert client.fetched("FETCH 1:4 FLAGS (CHANGEDSINCE 6)") == []


def test_store_tells_the_new_modseq_even_in_silence(server: TestServer) -> None:
    """RFC 7162 3.1.3."""
    client = room(server, 2)
    client.ok("ENABLE CONDSTORE")
    assert client.fetched("STORE 1 +FLAGS (\\Seen)") == [b"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (4))"]
    assert client.fetched("STORE 1:2 +FLAGS.SILENT (\\Seen)") == [b"* 2 FETCH (UID 2 MODSEQ (5))"]
    assert client.fetched("UID STORE 2 +FLAGS.SILENT (\\Flagged)") == [b"* 2 FETCH (UID 2 MODSEQ (6))"]


def test_a_conditional_store_leaves_alone_what_has_changed(server: TestServer) -> None:
    """RFC 7162 3.1.3, examples 6 and 10: MODIFIED names them, and their state is told."""
    client, other = room(server, 3), second(server)
    other.ok("STORE 2 +FLAGS (\\Answered)")
    answer = client.ok("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Deleted)")
    assert untagged(answer)[-3:] == [
        b"* 1 FETCH (UID 1 MODSEQ (6))",
        b"* 2 FETCH (UID 2 FLAGS (\\Answered) MODSEQ (5))",
        b"* 3 FETCH (UID 3 MODSEQ (6))",
    ]
    assert b" OK [MODIFIED 2] " in answer
    assert b" OK [MODIFIED 2] " in client.ok("UID STORE 2 (UNCHANGEDSINCE 4) FLAGS (\\Seen)")
    assert b"MODIFIED" not in client.ok("UID STORE 2 (UNCHANGEDSINCE 5) FLAGS (\\Seen)")


def test_a_conditional_store_on_messages_that_are_gone(server: TestServer) -> None:
    """RFC 7162 3.1.3, example 11: NO, and MODIFIED all the same."""
    client, other = room(server, 3), second(server)
    other.ok("STORE 1,3 +FLAGS (\\Deleted)")
    other.ok("UID EXPUNGE 3")
    client.no("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS (\\Seen)", "MODIFIED 1")


def test_since_zero_sets_a_keyword_that_is_not_there(server: TestServer) -> None:
    """RFC 7162 3.1.3: the client tests for $MDNSent."""
    client = room(server, 1)
    assert b"MODIFIED" not in client.ok("STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)")
    assert b" OK [MODIFIED 1] " in client.ok("STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)")


def test_search_by_modseq(server: TestServer) -> None:
    """RFC 7162 3.1.5, 3.1.6, 3.1.10; RFC 4731 3.2."""
    client = server.client(select="INBOX")
    for _ in range(4):
        client.append("INBOX", b"Subject: x\r\n\r\n")
    client.ok("STORE 2 +FLAGS (\\Seen)")
    client.ok("STORE 4 +FLAGS (\\Seen)")
    assert b"* SEARCH 2 4 (MODSEQ 7)\r\n" in client.ok("SEARCH MODSEQ 6")
    assert b"* SEARCH 2 4 (MODSEQ 7)\r\n" in client.ok('SEARCH MODSEQ "/flags/\\\\draft" all 6')
    assert b"* SEARCH\r\n" in client.ok("SEARCH MODSEQ 8")
    assert b"* SEARCH 1 3 (MODSEQ 4)\r\n" in client.ok("SEARCH NOT MODSEQ 6")
    assert b" ALL 2,4 MODSEQ 7\r\n" in client.ok("SEARCH RETURN (ALL) MODSEQ 6")
    assert b" MIN 2 MODSEQ 6\r\n" in client.ok("SEARCH RETURN (MIN) MODSEQ 6")
    assert b" MIN 2 MAX 4 MODSEQ 7\r\n" in client.ok("SEARCH RETURN (MIN MAX) MODSEQ 6")
    assert b" COUNT 0\r\n" in client.ok("SEARCH RETURN (COUNT) MODSEQ 8")
    for broken in ('MODSEQ "x" all 1', 'MODSEQ "/flags/x" some 1', "MODSEQ", "MODSEQ x", f"MODSEQ {1 << 63}"):
        client.bad(f"SEARCH {broken}")


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 1 FLAGS (CHANGEDSINCE)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
        "FETCH 1 FLAGS (NOSUCH 1)",
        "FETCH 1 FLAGS ()",
        f"FETCH 1 FLAGS (CHANGEDSINCE {1 << 63})",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",  # not enabled
        "STORE 1 (UNCHANGEDSINCE x) +FLAGS (\\Seen)",
        f"STORE 1 (UNCHANGEDSINCE {1 << 63}) +FLAGS (\\Seen)",
        "STORE 1 () +FLAGS (\\Seen)",
        "SELECT INBOX (NOSUCH)",
        "SELECT INBOX ()",
        "SELECT INBOX (CONDSTORE CONDSTORE)",
        "SELECT INBOX (QRESYNC (1 1))",  # not enabled
    ],
)
def test_what_is_not_to_the_grammar_is_bad(server: TestServer, command: str) -> None:
    room(server, 1).bad(command)


# ---------------------------------------------------------------------------------------------- QRESYNC: as it happens


def test_vanished_instead_of_expunge(server: TestServer) -> None:
    """RFC 7162 3.2.7, 3.2.9, 3.2.10.2."""
    client = room(server, 6)
    client.ok("ENABLE QRESYNC")
    client.ok("STORE 2:3,6 +FLAGS.SILENT (\\Deleted)")
    answer = client.ok("UID EXPUNGE 6")
    assert b"* VANISHED 6\r\n" in answer
    assert re.search(rb"^a\d+ OK \[HIGHESTMODSEQ 9\] ", answer, re.MULTILINE)
    answer = client.ok("EXPUNGE")
    assert b"* VANISHED 2:3\r\n" in answer
    assert b"EXPUNGE]" not in answer
    assert highest(answer) == 10
    assert b"HIGHESTMODSEQ" not in client.ok("EXPUNGE"), "nothing went"


def test_others_hear_vanished_with_uid_and_modseq(server: TestServer) -> None:
    """RFC 7162 3.2.4."""
    client, other = room(server, 3), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 3 +FLAGS (\\Seen)")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert untagged(client.ok("NOOP")) == [
        b"* 3 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (5))",
        b"* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ (6))",
        b"* VANISHED 1",
        b"* OK [HIGHESTMODSEQ 7] Up to here",
    ]


def test_a_message_that_was_never_announced_does_not_vanish(server: TestServer) -> None:
    """RFC 7162 3.2.10.2."""
    client, other = room(server, 1), second(server)
    client.ok("ENABLE QRESYNC")
    other.append("INBOX", b"Subject: y\r\n\r\n", "(\\Deleted)")
    other.ok("EXPUNGE")
    assert b"VANISHED" not in client.ok("NOOP")


def test_what_is_held_back_behind_what_has_just_come_holds_the_highest_modseq_back(server: TestServer) -> None:
    """RFC 7162 3.2: that of the change before, and not 0, with which a client would begin anew."""
    client = room(server, 1, "(\\Deleted)")
    client.ok("ENABLE QRESYNC")
    other = second(server)
    other.append("INBOX", b"Subject: y\r\n\r\n")
    other.ok("EXPUNGE")
    answer = client.ok("FETCH 1 (FLAGS MODSEQ)")
    assert b"* 2 EXISTS" in answer
    assert b"[HIGHESTMODSEQ 3]" in answer
    assert b"* VANISHED 1\r\n" in client.ok("NOOP")


def test_what_is_held_back_holds_the_highest_modseq_back(server: TestServer) -> None:
    """RFC 7162 3.2 and the example of section 6: or a client that is cut off would never hear of it."""
    client, other = room(server, 3), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 2 +FLAGS (\\Deleted)")
    client.ok("NOOP")
    other.ok("EXPUNGE")
    other.ok("STORE 2 +FLAGS (\\Seen)")
    answer = client.ok("FETCH 1 FLAGS")
    assert b"VANISHED" not in answer
    assert b"UID 3 FLAGS (\\Seen) MODSEQ (7)" in answer
    assert highest(answer) == 5
    assert highest(client.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")) == 5
    answer = client.ok("NOOP")
    assert b"* VANISHED 2\r\n" in answer
    assert highest(answer) == 8


def test_seen_by_reading_is_told_with_uid_and_modseq(server: TestServer) -> None:
    """RFC 7162 3.2.4."""
    client = room(server, 1)
    client.ok("ENABLE QRESYNC")
    (line,) = [line for line in client.fetched("FETCH 1 BODY[TEXT]") if b"FETCH" in line]
    assert b"FLAGS (\\Seen)" in line
    assert b"UID 1" in line
    assert b"MODSEQ (3)" in line


# ---------------------------------------------------------------------------------------------- QRESYNC: coming back


def test_a_client_that_comes_back_hears_what_it_missed(server: TestServer) -> None:
    """RFC 7162 3.2.5.1."""
    answer = room(server, 6).ok("SELECT INBOX")
    validity, modseq = uidvalidity(answer), highest(answer)
    other = second(server)
    other.ok("STORE 2,4:5 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.ok("STORE 1 +FLAGS (\\Answered)")
    client = returned(server)
    lines = untagged(client.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))"))
    assert lines[-2:] == [b"* VANISHED (EARLIER) 2,4:5", b"* 1 FETCH (UID 1 FLAGS (\\Answered) MODSEQ (10))"]
    lines = untagged(client.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 3:4))"))
    assert lines[-1] == b"* VANISHED (EARLIER) 4", "only what it asked for"
    assert b"* OK [CLOSED] The folder before is closed" in lines
    answer = client.ok(f"SELECT INBOX (CONDSTORE QRESYNC ({validity} 10))")
    assert b"VANISHED" not in answer
    assert b"FETCH" not in answer
    answer = client.ok(f"SELECT INBOX (QRESYNC ({validity + 1} {modseq}))")
    assert b"VANISHED" not in answer, "another folder of that name"


def test_a_client_that_was_away_for_too_long_hears_all_that_is_missing(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 7162 3.2.6: and less where it can show that it knows (3.2.5.2)."""
    monkeypatch.setattr(items, "TOMBSTONES_PER_FOLDER", 1)
    answer = room(server, 9).ok("SELECT INBOX")
    validity, modseq = uidvalidity(answer), highest(answer)
    other = second(server)
    for uid in (2, 4, 9):
        other.ok(f"UID STORE {uid} +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
    since = highest(other.ok("SELECT INBOX"))
    server.database.write(ForgetTombstones(ONE, INBOX))
    client = returned(server)
    select = f"SELECT INBOX (QRESYNC ({validity} "

    def vanished(rest: str) -> list[bytes]:
        return [line for line in untagged(client.ok(f"{select}{rest}))")) if b"VANISHED" in line]

    assert vanished(f"{modseq}") == [b"* VANISHED (EARLIER) 2,4,9"]
    assert vanished(f"{since}") == []
    assert vanished(f"{modseq} 1:5") == [b"* VANISHED (EARLIER) 2,4"]
    # Numbers 1:6 are UIDs 1,3,5,6,7,8 now.  The first pair fits and the second does not: 1 is known.
    assert vanished(f"{modseq} 1:9 (1,2 1,2)") == [b"* VANISHED (EARLIER) 2,4,9"]
    assert vanished(f"{modseq} 1:9 (1:4 1,3,5,6)") == [b"* VANISHED (EARLIER) 9"]
    assert vanished(f"{modseq} (1:4 1,3,5,6)") == [b"* VANISHED (EARLIER) 9"]
    assert vanished(f"{modseq} 1:9 (1,99 1,99)") == [b"* VANISHED (EARLIER) 2,4,9"]


def test_uid_fetch_vanished(server: TestServer) -> None:
    """RFC 7162 3.2.6: VANISHED (EARLIER) before any FETCH, of the set that was asked for."""
    client, other = room(server, 6), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 2,5:6 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    client.ok("NOOP")
    assert client.fetched("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7 VANISHED)") == [b"* VANISHED (EARLIER) 2,5:6"]
    assert client.fetched("UID FETCH 3:5 (FLAGS) (CHANGEDSINCE 1 VANISHED)")[0] == b"* VANISHED (EARLIER) 5"
    assert client.fetched("UID FETCH 1:9 FLAGS (CHANGEDSINCE 99 VANISHED)") == []


def test_what_the_client_still_has_is_not_told_as_earlier(server: TestServer) -> None:
    """It is told as VANISHED, which counts it off."""
    client, other = room(server, 3), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 4 VANISHED)")
    assert b"EARLIER" not in answer
    assert b"* VANISHED 2\r\n" in answer


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "1",
        "0 1",
        "1 0",
        "1 x",
        "1 1 *",
        "1 1 1:*",
        "1 1 1 1",
        "1 1 ()",
        "1 1 (1)",
        "1 1 (1 *)",
        "1 1 $",
        "1 1 1 (1 1) 1",
    ],
)
def test_qresync_arguments_must_be_to_the_grammar(server: TestServer, arguments: str) -> None:
    returned(server).bad(f"SELECT INBOX (QRESYNC ({arguments}))")


def test_close_says_nothing_of_modseqs(server: TestServer) -> None:
    """RFC 7162 3.2.8: it might cause loss of synchronization."""
    client = room(server, 1)
    client.ok("ENABLE QRESYNC")
    client.ok("STORE 1 +FLAGS (\\Deleted)")
    assert client.says("CLOSE").endswith(b"OK Closed\r\n")


def test_much_that_was_missed_keeps_the_held_modseq(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the news was too much to be kept, and is found by comparing views."""
    monkeypatch.setattr(selected, "NEWS_ENTRIES", 1)
    client, other = room(server, 3), second(server)
    client.ok("ENABLE QRESYNC")
    before = highest(client.ok("SELECT INBOX"))
    other.ok("STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.ok("STORE 1 +FLAGS (\\Seen)")
    assert highest(client.ok("FETCH 1 FLAGS")) == before
    assert b"* VANISHED 2\r\n" in client.ok("NOOP")


# ---------------------------------------------------------------------------------------------- what is owed, and when


@pytest.mark.parametrize("capability", ["CONDSTORE", "QRESYNC"])
def test_seen_by_reading_is_told_with_its_modseq_though_flags_were_asked_for(
    server: TestServer, capability: str
) -> None:
    """RFC 7162 3.2.4: "a FETCH/UID FETCH that implicitly set the \\Seen flag" tells MODSEQ (and UID)."""
    client = room(server, 1)
    client.ok(f"ENABLE {capability}")
    (line,) = [line for line in client.fetched("FETCH 1 (FLAGS BODY[TEXT])") if b"FETCH" in line]
    assert b"\\Seen" in line
    assert b"MODSEQ (3)" in line
    assert capability == "CONDSTORE" or b"UID 1" in line


def test_condstore_alone_has_uids_in_unsolicited_fetch(server: TestServer) -> None:
    """RFC 7162 3.2.4 (and 3.1.4.2): on a QRESYNC server after any CONDSTORE enabling command, both UID and MODSEQ."""
    client, other = room(server, 1), second(server)
    client.ok("ENABLE CONDSTORE")
    other.ok("STORE 1 +FLAGS (\\Seen)")
    assert b"UID 1" in client.ok("NOOP")


def test_highestmodseq_does_not_run_ahead_of_the_answers_of_store(server: TestServer) -> None:
    """RFC 7162 3.2, 6: cut off behind it, a client that "MUST update its copy ... whenever" has lost the FETCH."""
    client, other = room(server, 3), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    promised = 0
    for line in client.ok("UID STORE 2:3 +FLAGS (\\Flagged)").split(b"\r\n"):
        if found := re.search(rb"HIGHESTMODSEQ (\d+)", line):
            promised = int(found[1])
        if found := re.search(rb"FETCH .*MODSEQ \((\d+)\)", line):
            assert int(found[1]) > promised, line


def test_move_tells_the_highest_modseq_to_condstore_too(server: TestServer) -> None:
    """RFC 6851 4.4: "If at least one message was moved, the server MUST send ... HIGHESTMODSEQ"."""
    client = room(server, 2)
    client.ok("ENABLE CONDSTORE")
    assert b"HIGHESTMODSEQ" in client.ok("MOVE 1 Sent")
