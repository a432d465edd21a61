r"""Marks of readers: ranges of UIDs that say for each message what a dictionary would."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from core.changes import SeenChange
from core.commands import FlagMode, Flags, JoinSeen, StoreFlags
from core.model import SEEN, FolderId, MailboxId, ModSeq, UIDRanges, ranges
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
    assert set(found.touching(5, 9)) == {some for some in found.ranges if some.low <= 9 and some.high >= 5}


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
    gone = store.do(JoinSeen(ONE, inbox, ME))
    with store.read() as tx:
        after = marks(tx, folder, ME)
        assert unseen(tx, folder, ME) == 2
    assert len(after.ranges) == 11 - gone < 9
    assert [after.is_seen(uid) for uid in range(1, 13)] == [before.is_seen(uid) for uid in range(1, 13)]
    assert after.modseq > before.modseq
    told = store.published[-1]
    assert isinstance(told, SeenChange)
    assert told.modseq == after.modseq
    while store.do(JoinSeen(ONE, inbox, ME)):
        pass
    with store.read() as tx:
        assert len(marks(tx, folder, ME).ranges) <= 4
