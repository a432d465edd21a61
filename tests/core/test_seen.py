r"""Marks of readers: ranges of UIDs that say for each message what a dictionary would."""

import sys
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes import SeenChange
from core.commands import Expunge, FlagMode, Flags, JoinSeen, StoreFlags
from core.model import DELETED, SEEN, FolderId, MailboxId, ModSeq, SeenRange, UIDRanges, ranges
from core.recipients import RecipientId
from core.rights import Actor, Grant, mask
from core.seen import SeenMarks, marks, runs, unseen
from tests.support.store import ONE, Store
from tests.support.views import entry

ME = RecipientId(7)
BY = Actor(ME, frozenset((ME,)))
UIDS = st.sets(st.integers(1, 30), max_size=12)


def spans(uids: Iterable[int]) -> UIDRanges:
    return ranges(sorted(uids))


@given(st.lists(st.tuples(UIDS, st.booleans()), max_size=10), st.integers(0, 10))
def test_marks_are_what_was_last_said_of_each_message(steps: list[tuple[set[int], bool]], since: int) -> None:
    found, oracle = SeenMarks((), 0), dict[int, tuple[bool, int]]()
    for modseq, (uids, is_seen) in enumerate(steps, 1):
        seen, gone = (spans(uids), ()) if is_seen else ((), spans(uids))
        found = found.after(SeenChange(MailboxId(1), FolderId(1), ME, ModSeq(modseq - 1), ModSeq(modseq), seen, gone))
        oracle |= dict.fromkeys(uids, (is_seen, modseq))
    for uid in range(32):
        mark = found.of(uid)
        assert oracle.get(uid) == (None if mark is None else (mark.is_seen, mark.modseq))
        assert found.is_seen(uid) == oracle.get(uid, (False, 0))[0]
        shown = found.shown(entry(uid, SEEN, 0, 3))
        assert bool(shown.flags & SEEN) == found.is_seen(uid)
        assert shown.modseq == max(3, oracle.get(uid, (False, 0))[1])
    assert all(a.high < b.low for a, b in zip(found.ranges, found.ranges[1:], strict=False))
    changed = {uid for uid, (_, modseq) in oracle.items() if modseq > since}
    assert found.changed_since(since) == spans(changed)


@given(UIDS, UIDS)
def test_runs_bridge_what_is_gone_and_nothing_that_is_there(there: set[int], chosen: set[int]) -> None:
    found = runs([entry(uid) for uid in sorted(there)], chosen)
    assert {uid for low, high in found for uid in range(low, high + 1)} & there == chosen & there
    assert len(found) <= len(spans(chosen & there))


def folder_with(store: Store, count: int) -> None:
    store.share("INBOX", Grant(ME, mask("lrswite")))
    for _ in range(count):
        store.append("INBOX", b"x")


def test_many_ranges_become_few_and_say_the_same(store: Store) -> None:
    """The older half is joined, also over what is gone, under a MODSEQ that tells the reader's clients."""
    folder_with(store, 12)
    inbox = store.folder("INBOX").folder_id
    for uid in range(1, 12):
        store.do(StoreFlags(ONE, inbox, ((uid, uid),), FlagMode.ADD, Flags(SEEN), by=BY))
    store.do(StoreFlags(ONE, inbox, ((5, 5),), FlagMode.REMOVE, Flags(SEEN), by=BY))
    folder = store.folder("INBOX")
    with store.read() as tx:
        before = marks(tx, folder, ME)
    assert len(before.ranges) == 11
    assert store.do(JoinSeen(ONE, inbox, ME)) == 0
    with store.read() as tx:
        after = marks(tx, folder, ME)
        assert unseen(tx, folder, ME) == 2
    assert len(after.ranges) == 3
    assert [after.is_seen(uid) for uid in range(1, 13)] == [before.is_seen(uid) for uid in range(1, 13)]
    assert after.modseq > before.modseq
    told = store.published[-1]
    assert isinstance(told, SeenChange)
    assert told.modseq == after.modseq
    count = len(store.published)
    assert store.do(JoinSeen(ONE, inbox, ME)) == 0
    assert len(store.published) == count  # nothing is told twice


def test_marks_of_messages_that_are_gone_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where seen and unseen alternate; slice by slice."""
    monkeypatch.setattr("core.seen.ROWS_PER_COMMAND", 3)
    folder_with(store, 8)
    inbox = store.folder("INBOX").folder_id
    store.do(StoreFlags(ONE, inbox, ((1, 8),), FlagMode.ADD, Flags(SEEN), by=BY))
    for uid in (2, 4, 6, 8):
        store.do(StoreFlags(ONE, inbox, ((uid, uid),), FlagMode.REMOVE, Flags(SEEN), by=BY))
    store.do(StoreFlags(ONE, inbox, ((2, 6),), FlagMode.ADD, Flags(DELETED)))
    store.do(Expunge(ONE, inbox, ((1, 8),)))
    start = 1
    while start:
        start = store.do(JoinSeen(ONE, inbox, ME, start))
    folder = store.folder("INBOX")
    with store.read() as tx:
        ranges = marks(tx, folder, ME).ranges
        assert unseen(tx, folder, ME) == 1
    assert [(some.low, some.high, some.is_seen) for some in ranges] == [(1, 1, True), (7, 7, True), (8, 8, False)]


def test_who_reads_every_other_message_is_served_as_fast(store: Store) -> None:
    """The work for a change is that of the ranges in its reach, not of ranges times changes."""
    marks_before = SeenMarks([SeenRange(uid, uid, True, ModSeq(1)) for uid in range(1, 200_001, 2)], 1)
    uids = tuple((uid, uid) for uid in range(1, 200_001, 2))
    change = SeenChange(MailboxId(1), FolderId(1), ME, ModSeq(1), ModSeq(2), (), uids)
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        after = marks_before.after(change)
    finally:
        sys.setprofile(None)
    assert len(after.ranges) == 100_000
    assert calls < 1_000_000
