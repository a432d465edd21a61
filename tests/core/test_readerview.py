"""A reader's view is what its two halves say, after any changes, however it came about."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import view
from core.changes import FolderChange, SeenChange
from core.model import MAX_UID, SEEN, Entry, ModSeq, UIDRanges, ranges, within
from core.readerview import ReaderView, told_to_reader
from core.recipients import RecipientId
from core.seen import SeenMarks
from core.view import FolderView
from tests.support.views import INBOX, ONE, contents, entry

ME = RecipientId(2)
ALL: UIDRanges = ((1, MAX_UID),)
UIDS = st.sets(st.integers(1, 14), max_size=6).map(lambda uids: ranges(sorted(uids)))


@pytest.fixture(scope="module", autouse=True)
def _small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "CHUNK_MESSAGES", 3)
        patch.setattr(view, "NEWS", 2)
        yield


class World:
    """A folder and one reader's marks in it, as plain dictionaries."""

    def __init__(self, count: int) -> None:
        self.entries = {uid: entry(uid) for uid in range(1, count + 1)}
        self.marks: dict[int, tuple[bool, int]] = {}
        self.modseq = self.shared = 1
        self.own = 0

    def shown(self) -> list[Entry]:
        found = []
        for uid, plain in sorted(self.entries.items()):
            is_seen, modseq = self.marks.get(uid, (False, 0))
            flags = plain.flags | SEEN if is_seen else plain.flags & ~SEEN
            found.append(entry(uid, flags, 0, max(plain.modseq, modseq)))
        return found

    def flags(self, uids: UIDRanges, flags: int) -> FolderChange:
        return self._change(changed=[uid for uid in self.entries if within(uid, uids)], flags=flags)

    def arrive(self, uids: UIDRanges, flags: int) -> FolderChange:
        """One message comes; the reader has seen it, if UID 1 is among those."""
        return self._change(arrived=max(self.entries, default=0) + 20, flags=flags, is_seen=within(1, uids))

    def expunge(self, uids: UIDRanges, flags: int) -> FolderChange:
        return self._change(expunged=uids)

    def mark(self, uids: UIDRanges, flags: int) -> SeenChange:
        self.modseq += 1
        return self._mark(uids, bool(flags))

    def _mark(self, uids: UIDRanges, is_seen: bool) -> SeenChange:
        since, self.own = self.own, self.modseq
        for uid in range(1, 400):
            if within(uid, uids):
                self.marks[uid] = (is_seen, self.modseq)
        seen, unseen = (uids, ()) if is_seen else ((), uids)
        return SeenChange(ONE, INBOX, ME, ModSeq(since), ModSeq(self.modseq), seen, unseen)

    def _change(
        self,
        *,
        changed: list[int] | None = None,
        arrived: int = 0,
        expunged: UIDRanges = (),
        flags: int = 0,
        is_seen: bool = False,
    ) -> FolderChange:
        self.modseq += 1
        since, self.shared = self.shared, self.modseq
        new = {uid: entry(uid, flags, 0, self.modseq) for uid in [*(changed or []), *([arrived] if arrived else [])]}
        self.entries |= new
        self.entries = {uid: e for uid, e in self.entries.items() if not within(uid, expunged)}
        own = self._mark(((arrived, arrived),), True) if arrived and is_seen else None
        return FolderChange(
            ONE,
            INBOX,
            ModSeq(since),
            ModSeq(self.modseq),
            tuple(new[uid] for uid in new if uid == arrived),
            tuple(new[uid] for uid in sorted(new) if uid != arrived),
            expunged,
            own=own,
        )


STEP = st.tuples(
    st.sampled_from(["flags", "arrive", "expunge", "mark", "mark", "mark"]), UIDS, st.sampled_from([0, SEEN, 4])
)


def stepped(before: ReaderView, change: FolderChange | SeenChange) -> ReaderView:
    """As core.watching makes it."""
    own = change if isinstance(change, SeenChange) else change.own
    base = before.base if isinstance(change, SeenChange) else before.base.apply(change)
    return ReaderView(base, before.marks if own is None else before.marks.after(own))


@given(count=st.integers(0, 7), steps=st.lists(STEP, max_size=12), asked=UIDS, since=st.integers(0, 14))
def test_a_view_says_what_its_halves_say(
    count: int, steps: list[tuple[str, UIDRanges, int]], asked: UIDRanges, since: int
) -> None:
    world = World(count)
    base = FolderView.of(list(world.entries.values()), 1, ())
    made = [ReaderView(base, SeenMarks((), 0))]
    told: FolderView = made[0]
    for name, uids, flags in steps:
        change = getattr(world, name)(uids, flags)
        made.append(stepped(made[-1], change))
        told = told.apply(told_to_reader(change, made[-2], made[-1]))
        assert contents(made[-1]) == contents(told) == world.shown()
        assert told.modseq == made[-1].modseq == max(world.shared, world.own)
    last = made[-1]
    assert [last.entry(e.uid) for e in world.shown()] == world.shown()
    inside = [e.uid for e in world.shown() if within(e.uid, asked) and e.modseq > since]
    assert [uid for uid in range(400) if within(uid, last.changed_since(asked, since))] == inside
    assert [e.uid for _, e in last.changed(asked, since)] == inside
    assert all(last.numbers([e.uid]) == [number] and e == last.entry(e.uid) for number, e in last.changed(asked, since))
    for has, lacks in ((0, 0), (SEEN, 0), (0, SEEN), (4, 0), (4, SEEN)):
        flagged = [
            e.uid for e in world.shown() if within(e.uid, asked) and e.flags & has == has and not e.flags & lacks
        ]
        assert last.flagged(asked, has, lacks) == flagged
    for earlier in made:
        difference = earlier.difference(last, ONE, INBOX)
        assert contents(earlier.apply(difference)) == world.shown()
        before = {e.uid: e for e in contents(earlier)}
        really = {e.uid for e in world.shown() if e.uid in before and e != before[e.uid]}
        assert really <= {e.uid for e in difference.changed}
