"""What a client is told late, or not at all if it went wrong: news that was too much, messages gone, folders ahead."""

import re
from collections.abc import Callable
from threading import Thread
from time import sleep

import pytest

from core.changes import FolderChange
from core.commands import FlagMode, Flags, StoreFlags
from core.model import FLAGGED, UID, Entry, FolderId, MailboxId, ModSeq
from core.view import FolderView
from core.watching import Views
from protocols.imap import selected
from protocols.imap.selected import Selected
from protocols.imap.work import Read
from tests.support.imap import TestServer, account, room, second

ONE = MailboxId(1)
INBOX = FolderId(1)


def highest(answer: bytes) -> int:
    return int(re.findall(rb"\[HIGHESTMODSEQ (\d+)\]", answer)[-1])


def held(count: int) -> Selected:
    """A session from which the expunge of every other message, `count` of them, is held back."""
    views = Views()
    watch = views.watch(ONE, INBOX, lambda change, newest: None)
    view = FolderView.of([Entry(UID(uid), 0, 0, ModSeq(1)) for uid in range(1, 2 * count + 10)], 1, ())
    watch.load(view)
    here = Selected("INBOX", account(1).home, INBOX, watch, view, read_only=False, enabled={"QRESYNC", "CONDSTORE"})
    gone = tuple((uid, uid) for uid in range(2, 2 * count + 1, 2))
    for step, at in enumerate(range(0, count, 2_000), 1):
        change = FolderChange(ONE, INBOX, ModSeq(step), ModSeq(step + 1), expunged=gone[at : at + 2_000])
        watch.folder.hear(change)
        here.hear(change)
    list(here.tell(expunge=False))
    return here


def test_flags_of_others_are_told_though_the_news_was_too_much(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 7162 3.2, RFC 9051 5.2: when views are compared, the one change ends at the MODSEQ of our own STORE."""
    monkeypatch.setattr(selected, "NEWS_ENTRIES", 2)
    client, other = room(server, 4), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 2:4 +FLAGS (\\Flagged)")
    answer = client.ok("STORE 1 +FLAGS (\\Seen)") + client.ok("NOOP")
    for uid in (2, 3, 4):
        assert b"(UID %d FLAGS (\\Flagged)" % uid in answer


def test_flags_of_others_are_told_though_reading_marks_seen(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same by FETCH, which stores \\Seen."""
    monkeypatch.setattr(selected, "NEWS_ENTRIES", 2)
    client, other = room(server, 4), second(server)
    other.ok("STORE 2:4 +FLAGS (\\Flagged)")
    answer = client.ok("FETCH 1 BODY[]") + client.ok("NOOP")
    assert b"* 2 FETCH (FLAGS (\\Flagged))" in answer


def test_select_qresync_tells_the_highest_uids_that_vanished_though_the_folder_changes(server: TestServer) -> None:
    """RFC 7162 3.2.5.1: without known UIDs it is 1:<UIDNEXT-1>, whatever is committed while the command runs."""
    client = room(server, 5)
    answer = client.ok("SELECT INBOX")
    found = re.search(rb"\[UIDVALIDITY (\d+)\]", answer)
    assert found is not None
    validity, modseq = int(found[1]), highest(answer)
    client.leave()
    other = second(server)
    other.ok("STORE 4:5 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    back = server.client()
    back.ok("ENABLE QRESYNC")
    work = back.begin(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    while not (isinstance(work, Read) and work.heavy):  # the tombstones are what is read on another thread
        back.session.finish(back._do(work))
        again = back.session.next_work()
        assert again is not None
        work = again
    other.ok("STORE 1 +FLAGS (\\Flagged)")  # the folder's row is now newer than the view
    answer = back.finish(work)
    assert b" OK [READ-WRITE]" in answer
    assert b"* VANISHED (EARLIER) 4:5\r\n" in answer


def test_uid_fetch_vanished_does_not_depend_on_pending_news(server: TestServer) -> None:
    """RFC 7162 3.2.6: 1:* reaches as far with news pending as without."""
    client, other = room(server, 5), second(server)
    client.ok("ENABLE QRESYNC")
    other.ok("STORE 4:5 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    client.ok("NOOP")
    command = "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)"
    assert b"* VANISHED (EARLIER) 4:5\r\n" in client.ok(command)
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    assert b"* VANISHED (EARLIER) 4:5\r\n" in client.ok(command)


def test_a_sort_that_is_answered_no_leaves_nothing_saved(server: TestServer) -> None:
    """RFC 5182 2.1: as for SEARCH."""
    client = room(server, 2)
    client.ok("SEARCH RETURN (SAVE) 1")
    client.no("SORT RETURN (SAVE) (ARRIVAL) X-NOSUCH ALL", "BADCHARSET")
    assert b" ALL" not in client.ok("SEARCH RETURN (ALL) $")


def test_what_was_held_back_goes_out_in_few_lines() -> None:
    """One VANISHED and one new view for each range: 50,000 lines, and seconds on the event loop."""
    here = held(20_000)
    assert len(list(here.tell(expunge=True))) < 100


def test_uidnext_never_goes_back(server: TestServer) -> None:
    """RFC 9051 2.3.1.1: UIDNEXT does not change but by new messages."""
    client, other = room(server, 3), second(server)
    other.ok("STORE 3 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    client.ok("NOOP")
    third = server.client()

    def uidnext(answer: bytes) -> int:
        return int(re.findall(rb"UIDNEXT (\d+)", answer)[0])

    assert uidnext(third.ok("EXAMINE INBOX")) == 4
    late: list[Callable[[], None]] = []
    server.post = late.append  # a flag is committed, and what became of it is still on its way to the event loop
    store = StoreFlags(ONE, INBOX, ((1, 1),), FlagMode.ADD, Flags(FLAGGED))
    writing = Thread(target=server.database.write, args=(store,))
    writing.start()
    while not late:
        sleep(0.001)
    answer = third.ok("EXAMINE INBOX")
    for run in late:
        run()
    writing.join(5)
    server.post = lambda run: run()
    assert uidnext(answer) == 4


def test_expunge_takes_what_another_session_has_marked(server: TestServer) -> None:
    """RFC 9051 6.4.3: all messages that have \\Deleted, told or not."""
    client, other = room(server, 2), second(server)
    other.ok("STORE 2 +FLAGS (\\Deleted)")
    assert b"* 2 EXPUNGE\r\n" in client.ok("EXPUNGE")


def test_a_part_of_unknown_encoding_is_not_marked_seen_in_silence(server: TestServer) -> None:
    """RFC 7162 3.1, RFC 9051 7.5.2: a flag that changed is told, or is not changed by a FETCH that is refused."""
    client = server.client()
    client.append("INBOX", b"Content-Transfer-Encoding: x-strange\r\nContent-Type: text/plain\r\n\r\nx\r\n")
    client.ok("ENABLE QRESYNC IMAP4rev2")
    client.ok("SELECT INBOX")
    heard = client.no("FETCH 1 BINARY[1]", "UNKNOWN-CTE") + client.ok("NOOP")
    is_set = b"\\Seen" in second(server).ok("FETCH 1 FLAGS")
    assert is_set == (b"\\Seen" in heard)


def test_nothing_goes_behind_the_tagged_ok_of_compress(server: TestServer) -> None:
    """RFC 9051 7.5.1, RFC 7162 3.2.10.2: no EXPUNGE or VANISHED when no command is in progress."""
    client, other = room(server, 3), second(server)
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.ok("COMPRESS DEFLATE")
    tagged = re.search(rb"^a\d+ OK", answer, re.MULTILINE)
    assert tagged is not None
    assert b"EXPUNGE" not in answer[tagged.start() :]
