"""What a client is told late, and all at once: news that was too much, messages long gone, folders that moved on."""

import re

import pytest

from core.changes import FolderChange
from core.model import UID, Entry, FolderId, MailboxId, ModSeq
from core.view import FolderView, Views
from protocols.imap import selected
from protocols.imap.selected import Selected
from protocols.imap.work import Read
from tests.support.imap import TestServer, room, second

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
    here = Selected("INBOX", INBOX, watch, view, read_only=False, enabled={"QRESYNC", "CONDSTORE"})
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
