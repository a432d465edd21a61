"""Entering and leaving a folder, and waiting in it."""

from collections.abc import Sequence

import pytest

from core.changes import Change
from core.commands import Append
from core.errors import Unavailable
from core.model import MailboxId
from protocols.imap.handlers import do_select
from protocols.imap.work import Read, Write
from tests.support.imap import Client, TestServer

MESSAGE = b"Subject: x\r\n\r\nx\r\n"


def fill(client: Client, *flags: str, folder: str = "INBOX") -> None:
    for each in flags:
        client.append(folder, MESSAGE, each)


def test_select_describes_the_folder(server: TestServer) -> None:
    """RFC 3501 6.3.1, the example."""
    client = server.client()
    fill(client, "(\\Seen)", "(foo)")
    assert client.says("SELECT INBOX") == (
        b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft foo)\r\n"
        b"* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft foo \\*)] Flags that stay\r\n"
        b"* 2 EXISTS\r\n"
        b"* 2 RECENT\r\n"
        b"* OK [UNSEEN 2] First unseen\r\n"
        b"* OK [UIDVALIDITY 1700000000] UIDs stay\r\n"
        b"* OK [UIDNEXT 3] Predicted\r\n"
        b"* OK [HIGHESTMODSEQ 3] Up to here\r\n"
        b"* OK [MAILBOXID (F1-1)] The folder's own\r\n"
        b"a4 OK [READ-WRITE] Selected\r\n"
    )


def test_after_enable_there_is_list_and_neither_recent_nor_unseen(server: TestServer) -> None:
    """RFC 9051 6.3.2, Appendix E."""
    client = server.client()
    fill(client, "")
    client.ok("ENABLE IMAP4rev2")
    answer = client.ok("SELECT inbox")
    assert b'* LIST () "/" "INBOX"\r\n' in answer
    assert b"RECENT" not in answer
    assert b"UNSEEN" not in answer
    assert client.ok("FETCH 1 FLAGS").startswith(b"* 1 FETCH (FLAGS ())\r\n")


def test_a_name_that_is_spelt_otherwise_is_told_as_it_is(server: TestServer) -> None:
    """RFC 9051 6.3.2, OLDNAME."""
    client = server.client()
    client.ok("CREATE INBOX/sub")
    client.ok("ENABLE IMAP4rev2")
    assert b'* LIST () "/" "INBOX/sub" ("OLDNAME" (inbox/sub))\r\n' in client.ok("SELECT inbox/sub")


def test_examine_changes_nothing(server: TestServer) -> None:
    """RFC 9051 6.3.3."""
    client = server.client()
    fill(client, "(\\Deleted)")
    answer = client.ok("EXAMINE INBOX")
    assert b"[PERMANENTFLAGS ()]" in answer
    assert b"OK [READ-ONLY] Examined" in answer
    for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Sent"):
        client.no(command, "READ-ONLY")
    assert b"\\Seen" not in client.ok("FETCH 1 (FLAGS BODY[])")
    client.ok("COPY 1 Sent")
    client.ok("CLOSE")
    assert b"* 1 EXISTS\r\n* 1 RECENT" in client.ok("SELECT INBOX")


def test_a_select_that_fails_leaves_no_folder_selected(server: TestServer) -> None:
    """RFC 9051 6.3.2."""
    client = server.client(select="INBOX")
    answer = client.no("SELECT nowhere", "NONEXISTENT")
    assert answer.startswith(b"* OK [CLOSED]")
    client.bad("FETCH 1 FLAGS")
    assert server.views.watched == 0


def test_the_folder_before_is_closed(server: TestServer) -> None:
    """RFC 9051 7.1, CLOSED: what comes behind it is about the new folder."""
    client = server.client(select="INBOX")
    assert client.ok("SELECT Sent").startswith(b"* OK [CLOSED] The folder before is closed\r\n* FLAGS")


def test_only_the_first_session_sees_a_message_as_recent(server: TestServer) -> None:
    """RFC 3501 2.3.2."""
    client = server.client()
    fill(client, "", "")
    assert b"* 2 RECENT" in client.ok("EXAMINE INBOX")
    assert b"* 2 RECENT" in client.ok("SELECT INBOX")
    assert b"* 0 RECENT" in server.client().ok("SELECT INBOX")
    server.deliver(MESSAGE)
    assert client.ok("NOOP") == b"* 3 EXISTS\r\n* 3 RECENT\r\na6 OK Completed\r\n"
    assert client.ok("SEARCH RECENT") == b"* SEARCH 1 2 3\r\na7 OK SEARCH completed\r\n"
    client.ok("UNSELECT")
    assert b"* 0 RECENT" in client.ok("SELECT INBOX")


@pytest.mark.parametrize("leave", ["LOGOUT", "CLOSE", "UNSELECT", "SELECT Sent"])
def test_what_came_while_selected_is_no_longer_recent_afterwards(server: TestServer, leave: str) -> None:
    client = server.client(select="INBOX")
    server.deliver(MESSAGE)
    client.ok("NOOP")
    client.ok(leave)
    assert b"* 0 RECENT" in server.client().ok("SELECT INBOX")


def test_leaving_a_folder_whose_store_fails_is_still_leaving(server: TestServer) -> None:
    client = server.client(select="INBOX")
    server.deliver(MESSAGE)
    client.ok("NOOP")
    assert isinstance(client.begin("UNSELECT"), Write)
    client.session.fail(Unavailable("full"))
    assert client.heard() == b"a4 OK Unselected\r\n"


def test_close_expunges_and_tells_nothing(server: TestServer) -> None:
    """RFC 9051 6.4.1."""
    client = server.client()
    fill(client, "(\\Deleted)", "", "(\\Deleted)")
    client.ok("SELECT INBOX")
    assert client.says("CLOSE") == b"a6 OK Closed\r\n"
    client.bad("FETCH 1 FLAGS")
    assert b"* 1 EXISTS" in client.ok("SELECT INBOX")


def test_close_tells_nothing_though_the_answer_is_sent_in_pieces(server: TestServer) -> None:
    client = server.client(select="INBOX")
    server.deliver(MESSAGE)
    client.ok("NOOP")
    assert client.says("CLOSE") == b"a4 OK Closed\r\n"


def test_unselect_expunges_nothing(server: TestServer) -> None:
    """RFC 9051 6.4.2."""
    client = server.client()
    fill(client, "(\\Deleted)")
    client.ok("SELECT INBOX")
    assert client.says("UNSELECT") == b"a4 OK Unselected\r\n"
    assert b"* 1 EXISTS" in client.ok("SELECT INBOX")


# ---------------------------------------------------------------------------------------------- what happens meanwhile


def until_load(client: Client) -> Read:
    """Begins a SELECT and goes on until the view is about to be read."""
    work = client.begin("SELECT INBOX")
    while not (isinstance(work, Read) and client.server.views.watched):
        client.session.finish(client._do(work))
        following = client.session.next_work()
        assert following is not None
        work = following
    return work


def test_no_message_is_lost_that_comes_while_the_view_is_read(server: TestServer) -> None:
    client = server.client()
    fill(client, "")
    work = until_load(client)
    loaded = client._do(work)
    server.deliver(MESSAGE)
    client.session.finish(loaded)
    client._work()
    answer = client.heard()
    assert b"* 2 EXISTS" in answer
    assert b"[UIDNEXT 3]" in answer
    server.deliver(MESSAGE)
    assert b"* 3 EXISTS" in client.ok("NOOP")


def test_a_folder_that_is_deleted_while_its_view_is_read_is_not_selected(server: TestServer) -> None:
    client, other = server.client(), server.client()
    client.ok("RENAME INBOX away")
    work = until_load(client)
    loaded = client._do(work)
    other.ok("RENAME INBOX gone")
    client.session.finish(loaded)
    client._work()
    assert b"NO [NONEXISTENT]" in client.heard()
    assert server.views.watched == 0


def test_a_view_that_cannot_be_read_leaves_nothing_behind(server: TestServer) -> None:
    client = server.client()
    until_load(client)
    client.session.fail(Unavailable("Not mounted"))
    assert b"NO [UNAVAILABLE]" in client.heard()
    assert server.views.watched == 0


def test_uidnext_is_not_above_a_message_that_is_still_to_be_told(server: TestServer) -> None:
    """A client that knows UIDNEXT looks for new messages from there on; the row may be ahead of the shared view."""
    first = server.client(select="INBOX")
    publish, held = server.views.publish, list[Sequence[Change]]()
    server.views.publish = held.append  # type: ignore[method-assign,assignment]
    server.deliver(MESSAGE)
    second = server.client()
    answer = second.ok("SELECT INBOX")
    server.views.publish = publish  # type: ignore[method-assign]
    for changes in held:
        publish(changes)
    assert b"* 0 EXISTS" in answer
    assert b"[UIDNEXT 1]" in answer
    assert b"* 1 EXISTS" in second.ok("NOOP")
    assert b"* 1 EXISTS" in first.ok("NOOP")


def test_a_large_folder_is_read_elsewhere(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_select, "HEAVY_FOLDER", 0)
    client = server.client()
    fill(client, "")
    assert until_load(client).heavy


# ---------------------------------------------------------------------------------------------- IDLE


def test_idle_tells_everything_at_once(server: TestServer) -> None:
    """RFC 2177."""
    client, other = server.client(select="INBOX"), server.client(select="INBOX")
    assert client.says("IDLE") == b"+ Idling\r\n"
    server.deliver(MESSAGE)
    assert client.heard() == b"* 1 EXISTS\r\n* 1 RECENT\r\n"
    other.ok("NOOP")
    other.ok("STORE 1 FLAGS (\\Deleted)")
    assert client.heard() == b"* 1 FETCH (FLAGS (\\Deleted \\Recent))\r\n"
    other.ok("EXPUNGE")
    assert client.heard() == b"* 1 EXPUNGE\r\n"
    assert client.send(b"done\r\n") == b"a3 OK Idle no more\r\n"
    server.deliver(MESSAGE)
    assert client.heard() == b""


def test_idle_begins_with_what_has_happened_already(server: TestServer) -> None:
    client = server.client(select="INBOX")
    server.deliver(MESSAGE)
    assert client.says("IDLE").startswith(b"+ Idling\r\n* 1 EXISTS\r\n")


def test_what_has_happened_already_comes_in_a_packet_behind_the_continuation(server: TestServer) -> None:
    """Else Thunderbird looks at it when more comes, which may be in half an hour."""
    client = server.client(select="INBOX")
    woken: list[bytes] = []
    client.session.wake = lambda: woken.append(b"".join(client.session.outgoing))
    server.deliver(MESSAGE)
    woken.clear()
    assert client.says("IDLE") == b"+ Idling\r\n"
    assert woken == [b"+ Idling\r\n"]
    client.session.tell_idle()
    assert client.heard().startswith(b"* 1 EXISTS\r\n")


def test_idle_without_a_folder_waits(server: TestServer) -> None:
    client = server.client()
    assert client.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n") == b"+ Idling\r\na OK Idle no more\r\nb OK Completed\r\n"


@pytest.mark.parametrize("line", [b"b NOOP", b"", b"x" * 20_000])
def test_whatever_is_not_done_ends_idle_badly(server: TestServer, line: bytes) -> None:
    client = server.client(select="INBOX")
    client.says("IDLE")
    assert client.send(line + b"\r\n") == b"a3 BAD Expected DONE\r\n"
    client.ok("NOOP")


def test_the_appends_of_others_are_told_in_idle(server: TestServer) -> None:
    client, other = server.client(select="INBOX"), server.client()
    client.says("IDLE")
    work = other.begin(b"APPEND INBOX (new) {1+}\r\nx")
    while not isinstance(work, Write):
        other.session.finish(other._do(work))
        following = other.session.next_work()
        assert following is not None
        work = following
    assert isinstance(work.command, Append)
    assert work.command.mailbox_id == MailboxId(1)
    other.finish(work)
    assert client.heard().startswith(
        b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft new)\r\n* OK [PERMANENTFLAGS"
    )
