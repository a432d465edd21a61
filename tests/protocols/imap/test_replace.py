"""REPLACE and UID REPLACE (RFC 8508): a new message comes and an old one goes, in one step."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.commands import Expunge, Replace
from core.errors import MessageExpunged, Unavailable
from core.model import FolderId, MailboxId
from protocols.imap.work import Write
from tests.protocols.imap.test_multiappend import LARGE, begun, bodies, files, literal
from tests.support.imap import Client, TestServer, room, second, untagged

INBOX, SENT = 1700000000, 1700000002


def replaces(client: Client, command: str, body: bytes = b"new", head: str = "") -> bytes:
    return client.says(command.encode() + literal(body, head))


def uids(client: Client) -> bytes:
    """Those of the selected folder, as a set."""
    (line,) = client.fetched("UID SEARCH RETURN () ALL")
    return line.rpartition(b" ")[2]


def test_it_is_announced(server: TestServer) -> None:
    assert b" REPLACE" in server.client().ok("CAPABILITY")


def test_it_needs_a_selected_folder(server: TestServer) -> None:
    """RFC 8508 3.5."""
    client = server.client()
    client.bad(b"REPLACE 1 INBOX {3}")
    client.bad(b"UID REPLACE 1 INBOX" + literal(b"x"))
    client.ok("NOOP")


def test_the_new_uid_is_told_before_the_old_message_goes(server: TestServer) -> None:
    """RFC 8508 3.2, 4.3."""
    client = room(server, 4)
    assert client.says(b"REPLACE 4 INBOX (\\Seen \\Draft) {3}") == b"+ OK\r\n"
    assert client.send(b"new\r\n").split(b"\r\n") == [
        b"* OK [APPENDUID %d 5] Replaced" % INBOX,
        b"* 4 EXPUNGE",
        b"* 4 EXISTS",
        b"a8 OK REPLACE completed",
        b"",
    ]
    assert client.fetched("FETCH 4 (UID FLAGS)") == [b"* 4 FETCH (UID 5 FLAGS (\\Seen \\Draft))"]


def test_by_uid(server: TestServer) -> None:
    """RFC 8508 3.3."""
    client = room(server, 3)
    answer = replaces(client, "UID REPLACE 2 INBOX")
    assert untagged(answer) == [b"* OK [APPENDUID %d 4] Replaced" % INBOX, b"* 2 EXPUNGE", b"* 3 EXISTS"]
    assert b"* 1 EXPUNGE" in replaces(client, "REPLACE 1 Sent")
    assert b"* 2 EXPUNGE" in replaces(client, "UID REPLACE * Sent")
    assert bodies(client, "Sent") == [b"new", b"new"]


def test_nothing_of_the_old_message_is_inherited(server: TestServer) -> None:
    """RFC 8508 1; 4.6: another EMAILID."""
    client = room(server, 1, "(\\Flagged old)")
    before = client.ok("FETCH 1 EMAILID")
    replaces(client, "REPLACE 1 INBOX", head='(new) "17-Jul-1996 02:44:25 -0700"')
    (line,) = client.fetched("FETCH 1 (FLAGS INTERNALDATE)")
    assert line == b'* 1 FETCH (FLAGS (new) INTERNALDATE "17-Jul-1996 02:44:25 -0700")'
    assert client.ok("FETCH 1 EMAILID").split(b"a")[0] != before.split(b"a")[0]


def test_only_that_message_goes(server: TestServer) -> None:
    """RFC 8508 3.4: not all that is marked."""
    client = room(server, 3, "(\\Deleted)")
    client.ok("STORE 2 -FLAGS (\\Deleted)")
    replaces(client, "REPLACE 2 INBOX")
    assert uids(client) == b"1,3:4"


def test_another_folder_may_take_the_new_one(server: TestServer) -> None:
    """RFC 8508 3.4."""
    client, other = room(server, 2), second(server)
    client.ok("CREATE Drafts2")
    answer = replaces(client, "REPLACE 1 Sent")
    assert untagged(answer) == [b"* OK [APPENDUID %d 1] Replaced" % SENT, b"* 1 EXPUNGE"]
    assert untagged(other.ok("NOOP")) == [b"* 1 EXPUNGE"]
    assert bodies(client, "Sent") == [b"new"]


def test_it_is_one_command_of_the_store(server: TestServer) -> None:
    work = begun(room(server, 1), b"REPLACE 1 INBOX" + literal(b"x"))
    assert isinstance(work, Write)
    assert isinstance(work.command, Replace)
    assert len(server.published) == 1
    server.database.write(work.command)
    assert len(server.published) == 3


def test_who_resynchronizes_is_told_vanished_and_a_modseq(server: TestServer) -> None:
    """RFC 8508 4.5; RFC 7162 3.2.9, 3.2.10."""
    client = room(server, 2)
    client.ok("ENABLE QRESYNC")
    answer = replaces(client, "UID REPLACE 1 INBOX").split(b"\r\n")
    assert answer[:3] == [b"* OK [APPENDUID %d 3] Replaced" % INBOX, b"* VANISHED 1", b"* 2 EXISTS"]
    told = re.fullmatch(rb"\* OK \[HIGHESTMODSEQ (\d+)\] .*", answer[3])
    assert told is not None
    assert answer[4].startswith(b"a7 OK [HIGHESTMODSEQ %b]" % told[1])


def test_who_knows_no_numbers_uses_uids(server: TestServer) -> None:
    """RFC 9586 3."""
    client = room(server, 1)
    client.ok("ENABLE UIDONLY")
    assert b" BAD [UIDREQUIRED]" in client.says(b"REPLACE 1 INBOX {3}")
    assert b"* VANISHED 1\r\n" in replaces(client, "UID REPLACE 1 INBOX")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"REPLACE 2 INBOX {3}", b"BAD There is no message of that number"),
        (b"UID REPLACE 9 INBOX {3}", b"NO [NONEXISTENT] There is no such message"),
        (b"REPLACE 1 nowhere {3}", b"NO [TRYCREATE]"),
        (b"REPLACE 1 INBOX {0}", b"NO An empty message"),
        (b"REPLACE 1 INBOX {90000000}", b"NO [TOOBIG]"),
        (b"REPLACE 1 INBOX {25}", b"NO [OVERQUOTA]"),
        (b"REPLACE 1:2 INBOX {3+}\r\nabc", b"BAD"),
        (b"REPLACE 1 INBOX (\\Odd) {3}", b"BAD"),
        (b"REPLACE 1 INBOX" + literal(b"x") * 2, b"BAD"),
        (b"REPLACE 1 INBOX" + literal(b"x") + b" x", b"BAD"),
        (b"REPLACE 1 INBOX ~{3+}\r\na\0c", b"NO [UNKNOWN-CTE]"),
    ],
)
def test_a_refusal_leaves_everything_as_it_was(server: TestServer, command: bytes, answer: bytes) -> None:
    client = room(server, 1)
    server.quotas["u1"] = 22
    said = client.says(command)
    assert said.startswith(b"a5 " + answer), said
    assert said.count(b"\r\n") == 1
    assert client.ok("NOOP").count(b"\r\n") == 1
    assert uids(client) == b"1"


def test_only_what_is_gained_counts(server: TestServer) -> None:
    """RFC 8508 3.4: 20 octets go."""
    client = room(server, 1)
    server.quotas["u1"] = 22
    assert b" OK " in replaces(client, "REPLACE 1 INBOX", b"x" * 22)
    server.quotas["u1"] = 5
    assert b" OK " in replaces(client, "REPLACE 1 INBOX", b"x" * 21)


def test_a_folder_that_is_read_only(server: TestServer) -> None:
    client = room(server, 1)
    client.ok("EXAMINE INBOX")
    client.no("REPLACE 1 Sent {3}", "READ-ONLY")


def test_a_message_that_is_gone_already(server: TestServer) -> None:
    """RFC 5530: EXPUNGEISSUED; it is announced only with the answer."""
    client, other = room(server, 2), second(server)
    other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.says("REPLACE 1 INBOX {3}")
    assert answer.endswith(b"* 1 EXPUNGE\r\na6 NO [EXPUNGEISSUED] The message has been expunged\r\n")
    client.no("UID REPLACE 1 INBOX {3}", "NONEXISTENT")


def test_a_message_that_goes_while_the_new_one_comes(server: TestServer) -> None:
    client, other = room(server, 2), second(server)
    client.says(b"REPLACE 2 INBOX {3}")
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.send(b"new\r\n")
    assert answer.endswith(b"* 2 EXPUNGE\r\na6 NO [EXPUNGEISSUED] The message to be replaced has been expunged\r\n")
    assert uids(client) == b"1"


def test_a_message_that_goes_before_its_replacement_is_asked_for(server: TestServer) -> None:
    client = room(server, 1)
    work = client.begin(b"REPLACE 1 INBOX {3}")
    (folder_id,) = {change.folder_id for change in server.published}  # type: ignore[union-attr]
    _expunge(server, folder_id)
    with pytest.raises(MessageExpunged) as gone:
        client._do(work)
    client.session.fail(gone.value)
    assert client.heard().endswith(b"NO [EXPUNGEISSUED] The message has been expunged\r\n")
    client.ok("NOOP")


def _expunge(server: TestServer, folder_id: FolderId) -> None:
    other = second(server)
    other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    server.database.write(Expunge(MailboxId(1), folder_id, ((1, 1),)))


def test_a_selected_folder_that_goes_while_the_message_comes(server: TestServer) -> None:
    client, other = server.client(), server.client()
    client.ok("CREATE new")
    client.append("new", b"x")
    client.ok("SELECT new")
    client.says(b"REPLACE 1 INBOX {3}")
    other.ok("DELETE new")
    answer = client.send(b"abc\r\n")
    assert b" NO " in answer
    assert b"* BYE [UNAVAILABLE]" in answer
    assert bodies(other) == []


def test_a_store_that_fails_leaves_nothing(server: TestServer) -> None:
    client = room(server, 1)
    begun(client, b"REPLACE 1 INBOX" + literal(b"x" * LARGE))
    client.session.fail(Unavailable("The disk is full"))
    assert client.heard() == b"a5 NO [UNAVAILABLE] The disk is full\r\n"
    assert uids(client) == b"1"


def test_a_connection_that_ends_leaves_nothing(server: TestServer) -> None:
    client = room(server, 1)
    client.send(b"a REPLACE 1 INBOX {%d+}\r\n%b" % (2 * LARGE, b"x" * LARGE))
    assert files(server) != []
    client.leave()
    assert files(server) == []
    assert len(bodies(server.client())) == 1


def test_a_part_of_the_old_message_may_go_into_the_new_one(server: TestServer) -> None:
    """RFC 8508 4.2."""
    client = room(server, 1)
    answer = client.says(b'UID REPLACE 1 INBOX CATENATE (TEXT {6+}\r\nX: y\r\n URL "/INBOX/;UID=1")')
    assert untagged(answer)[:2] == [b"* OK [APPENDUID %d 2] Replaced" % INBOX, b"* 1 EXPUNGE"]
    assert bodies(client) == [b"X: y\r\nSubject: x\r\n\r\nbody\r\n"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 30), max_size=12), uid=st.booleans())
def test_wherever_the_stream_is_cut_the_answer_is_the_same(server: TestServer, cuts: list[int], uid: bool) -> None:
    client = server.client()
    client.append("INBOX", b"x")
    client.ok("SELECT INBOX")
    said = b"a %bREPLACE * INBOX (new) {3+}\r\nnew\r\nb NOOP\r\n" % (b"UID " if uid else b"")
    heard = b""
    for cut in cuts:
        heard += client.send(said[:cut])
        said = said[cut:]
    heard += client.send(said)
    assert re.search(rb"APPENDUID \d+ \d+\] Replaced\r\n(\* .*\r\n)*\* \d+ EXPUNGE\r\n", heard)
    assert heard.endswith(b"a OK REPLACE completed\r\nb OK Completed\r\n")
    client.leave()
