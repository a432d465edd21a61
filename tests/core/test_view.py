from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import view
from core.changes import FolderChange
from core.model import ALL_SYSTEM_FLAGS, UID, Columns, Entry, UIDRanges, ranges, within
from core.view import FolderView
from tests.support.views import INBOX, ONE, change, contents, entry

KEYWORDS = st.one_of(st.integers(0, 3), st.sampled_from([1 << 62, 1 << 63, 1 << 499, (1 << 70) - 1]))


@pytest.fixture(scope="module", autouse=True)
def _small_chunks() -> Iterator[None]:
    """A handful of messages fills several chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "CHUNK_MESSAGES", 4)
        patch.setattr(view, "NEWS", 2)
        patch.setattr(view, "FEW", 2)
        yield


@st.composite
def entry_lists(draw: st.DrawFn, above: int = 0) -> list[Entry]:
    gaps = draw(st.lists(st.integers(1, 4), max_size=20))
    uids = [above + sum(gaps[: at + 1]) for at in range(len(gaps))]
    return [
        entry(uid, draw(st.integers(0, ALL_SYSTEM_FLAGS)), draw(KEYWORDS), draw(st.integers(1, 99))) for uid in uids
    ]


@st.composite
def uid_ranges(draw: st.DrawFn) -> UIDRanges:
    return ranges(sorted(draw(st.sets(st.integers(1, 90), max_size=30))))


class Oracle:
    """What a view must be, as a list of entries."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = list(entries)

    def apply(self, made: FolderChange) -> None:
        kept = [old for old in self.entries if not within(old.uid, made.expunged)]
        new = {found.uid: found for found in made.changed}
        self.entries = [new.get(old.uid, old) for old in kept] + list(made.arrived)

    def check(self, folder: FolderView, asked: UIDRanges) -> None:
        uids = [found.uid for found in self.entries]
        assert contents(folder) == self.entries
        assert len(folder) == len(uids)
        assert folder.last_uid == (uids[-1] if uids else 0)
        assert [folder.uid(number) for number in range(1, len(uids) + 1)] == uids
        for number in (0, -1, len(uids) + 1):
            with pytest.raises(IndexError):
                folder.uid(number)
        for uid in range(100):
            assert folder.number(uid) == (uids.index(UID(uid)) + 1 if uid in uids else 0)
            assert folder.entry(uid) == (self.entries[uids.index(UID(uid))] if uid in uids else None)
        inside = [(number, found) for number, found in enumerate(self.entries, 1) if within(found.uid, asked)]
        assert list(folder.numbered(asked)) == inside
        for modseq in (0, 1, 30, 60, 98, 99):
            changed = [(number, found) for number, found in inside if found.modseq > modseq]
            assert list(folder.changed(asked, modseq)) == changed
            assert folder.changed_since(asked, modseq) == ranges(found.uid for _, found in changed)
        for has, lacks in ((0, 0), (1, 0), (0, 2), (4, 3), (1, 1)):
            flagged = [found.uid for _, found in inside if found.flags & has == has and not found.flags & lacks]
            assert folder.flagged(asked, has, lacks) == flagged
        assert list(folder.all_uids()) == uids
        for some in (uids, uids[:2], [*uids, 100], [found.uid for _, found in inside]):
            assert folder.numbers(some) == [folder.number(uid) for uid in some]
        clipped = folder.clip(asked)
        assert [uid for uid in uids if within(uid, clipped)] == [found.uid for _, found in inside]
        assert all(low in uids and high in uids for low, high in clipped)
        for count in (1, 3, 50):
            slices = list(folder.slices(asked, count))
            held = [[uid for uid in uids if within(uid, piece)] for piece in slices]
            assert [uid for piece in held for uid in piece] == [found.uid for _, found in inside]
            assert all(len(piece) == count for piece in held[:-1])
            assert all(0 < len(piece) <= count for piece in held)
        numbers = ranges(number for number, _ in inside)
        uids_of = folder.uids_of_numbers(numbers)
        assert [uid for uid in uids if within(uid, uids_of)] == [found.uid for _, found in inside]


class TestFolderView:
    def test_an_empty_folder(self) -> None:
        empty = FolderView.of([], 1, ("a",))
        Oracle([]).check(empty, ((1, 99),))
        assert (empty.modseq, empty.keywords) == (1, ("a",))
        assert contents(empty.apply(change(1, changed=(entry(5),), expunged=((1, 9),)))) == []

    @given(entry_lists(), uid_ranges(), st.data())
    def test_it_answers_like_a_list_of_entries_after_any_changes(
        self, entries: list[Entry], asked: UIDRanges, data: st.DataObject
    ) -> None:
        folder, oracle = FolderView.of(entries, 1, ()), Oracle(entries)
        oracle.check(folder, asked)
        for since in range(1, 1 + data.draw(st.integers(0, 5))):
            made = self._change(data, folder, since)
            before = contents(folder)
            after = folder.apply(made)
            assert contents(folder) == before, "a view never changes"
            folder = after
            oracle.apply(made)
            assert folder.modseq == since + 1
            oracle.check(folder, data.draw(uid_ranges()))

    @given(entry_lists())
    def test_a_view_of_columns_is_that_of_their_entries(self, entries: list[Entry]) -> None:
        entries = [entry(e.uid, e.flags, e.keywords << (e.uid % 3 * 62)) for e in entries]
        mask = (1 << 63) - 1

        def columns(rows: int) -> Iterator[Columns]:
            for at in range(0, len(entries), rows):
                some = entries[at : at + rows]
                flags, modseqs = [e.flags for e in some], [e.modseq for e in some]
                yield [e.uid for e in some], flags, [e.keywords & mask for e in some], modseqs

        wide: dict[int, int] = {e.uid: e.keywords & ~mask for e in entries if e.keywords > mask}
        made = FolderView.of_columns(columns, wide, 7, ("a",), 50)
        assert contents(made) == contents(FolderView.of(entries, 7, ("a",), 50)) == entries
        assert (made.modseq, made.keywords, made.uidnext) == (7, ("a",), max(50, made.last_uid + 1))

    @given(entry_lists(), st.data())
    def test_a_view_and_its_difference_to_another_make_the_other(
        self, entries: list[Entry], data: st.DataObject
    ) -> None:
        first = folder = FolderView.of(entries, 1, ("a",))
        for since in range(1, 1 + data.draw(st.integers(0, 5))):
            folder = folder.apply(self._change(data, folder, since))
        for newer in (
            folder,
            FolderView.of(contents(folder), folder.modseq, ("a", "b")),
        ):  # with and without shared chunks
            made = first.difference(newer, ONE, INBOX)
            after = first.apply(made)
            assert contents(after) == contents(newer)
            assert (after.modseq, after.keywords) == (newer.modseq, newer.keywords)
            old = set(contents(first))
            assert not old & {*made.changed, *made.arrived}, "nothing is told that is known"

    def _change(self, data: st.DataObject, folder: FolderView, since: int) -> FolderChange:
        uids = [found.uid for found in contents(folder)]
        kind = data.draw(st.sampled_from(["arrived", "changed", "expunged"]))
        if kind == "arrived":
            return change(since, arrived=tuple(data.draw(entry_lists(folder.uidnext - 1))))
        if kind == "expunged":
            return change(since, expunged=data.draw(uid_ranges()))
        some = data.draw(st.sets(st.sampled_from([*uids, UID(95)])))
        return change(
            since, changed=tuple(entry(uid, data.draw(st.integers(0, 31)), data.draw(KEYWORDS)) for uid in some)
        )

    def test_keywords_stay_unless_the_change_brings_new_ones(self) -> None:
        folder = FolderView.of([entry(1)], 1, ("a",))
        assert folder.apply(change(1)).keywords == ("a",)
        assert folder.apply(change(1, keywords=("a", "b"))).keywords == ("a", "b")

    def test_what_a_change_does_not_touch_is_shared(self) -> None:
        folder = FolderView.of([entry(uid) for uid in range(1, 17)], 1, ())
        after = folder.apply(change(1, changed=(entry(6, 1),)))
        shared = [a is b for a, b in zip(folder._chunks, after._chunks, strict=True)]
        assert shared == [True, False, True, True]

    def test_wide_keywords_do_not_outlive_their_message(self) -> None:
        folder = FolderView.of([entry(1, 0, 1 << 70), entry(2, 0, 1 << 64)], 1, ())
        folder = folder.apply(change(1, expunged=((1, 1),)))
        assert [chunk.wide for chunk in folder._chunks] == [{2: 1 << 64}]
        folder = folder.apply(change(2, changed=(entry(2, 0, 1),)))
        assert [chunk.wide for chunk in folder._chunks] == [{}]

    def test_the_highest_uid_and_a_large_modseq_fit(self) -> None:
        highest = entry(4_294_967_295, 31, (1 << 63) - 1, (1 << 63) - 1)
        assert contents(FolderView.of([highest], 1, ())) == [highest]
