from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import view
from core.changes import Change, FolderChange, FolderRemoved, MailboxRemoved
from core.model import ALL_SYSTEM_FLAGS, UID, Entry, FolderId, MailboxId, ModSeq, UIDRanges, ranges, within
from core.view import KEPT_CHANGES, KEPT_LEAST, FolderView, Views, Watch

ONE, TWO = MailboxId(1), MailboxId(2)
INBOX, SENT = FolderId(1), FolderId(2)
KEYWORDS = st.one_of(st.integers(0, 3), st.sampled_from([1 << 62, 1 << 63, 1 << 499, (1 << 70) - 1]))


@pytest.fixture(scope="module", autouse=True)
def _small_chunks() -> Iterator[None]:
    """A handful of messages fills several chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "CHUNK_MESSAGES", 4)
        patch.setattr(view, "NEWS", 2)
        patch.setattr(view, "FEW", 2)
        yield


def entry(uid: int, flags: int = 0, keywords: int = 0, modseq: int = 1) -> Entry:
    return Entry(UID(uid), flags, keywords, ModSeq(modseq))


def change(
    since: int,
    *,
    arrived: tuple[Entry, ...] = (),
    changed: tuple[Entry, ...] = (),
    expunged: UIDRanges = (),
    keywords: tuple[str, ...] | None = None,
    folder: FolderId = INBOX,
) -> FolderChange:
    return FolderChange(ONE, folder, ModSeq(since), ModSeq(since + 1), arrived, changed, expunged, keywords)


def contents(folder: FolderView) -> list[Entry]:
    return [found for _, found in folder.numbered(((1, 1 << 32),))]


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


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[Change, FolderView | None]] = []

    def __call__(self, made: Change, folder: FolderView | None) -> None:
        self.heard.append((made, folder))


def snapshot(*entries: Entry, modseq: int) -> FolderView:
    return FolderView.of(entries, modseq, ())


def held(watch: Watch) -> list[int] | None:
    return None if watch.view is None else [found.uid for found in contents(watch.view)]


class TestViews:
    def test_a_loaded_view_follows_the_changes(self) -> None:
        views, listener = Views(), Listener()
        watch = views.watch(ONE, INBOX, listener)
        assert watch.view is None
        assert watch.load(snapshot(entry(1), modseq=5)) is watch.view
        arrival = change(5, arrived=(entry(2),))
        views.publish([arrival])
        assert held(watch) == [1, 2]
        assert listener.heard == [(arrival, watch.view)]

    def test_changes_between_watch_and_load_are_caught_up(self) -> None:
        """The snapshot may be older or newer than what was published while it was read."""
        made = [change(since, arrived=(entry(since),)) for since in range(5, 9)]
        for modseq in range(5, 10):
            views = Views()
            watch = views.watch(ONE, INBOX, Listener())
            views.publish(made)
            loaded = watch.load(snapshot(*(entry(uid) for uid in range(5, modseq)), modseq=modseq))
            assert loaded is watch.view
            assert held(watch) == [5, 6, 7, 8]

    def test_a_snapshot_newer_than_what_was_published_is_not_changed_twice(self) -> None:
        views = Views()
        watch = views.watch(ONE, INBOX, Listener())
        watch.load(snapshot(entry(5), entry(6), modseq=7))
        views.publish([change(5, arrived=(entry(5),)), change(6, arrived=(entry(6),)), change(7, arrived=(entry(7),))])
        assert held(watch) == [5, 6, 7]

    def test_a_snapshot_too_old_for_what_was_published_must_be_read_again(self) -> None:
        views = Views()
        watch = views.watch(ONE, INBOX, Listener())
        views.publish([change(7, arrived=(entry(7),))])
        assert watch.load(snapshot(modseq=5)) is None
        assert watch.view is None
        assert watch.load(snapshot(entry(5), entry(6), modseq=7)) is not None
        assert held(watch) == [5, 6, 7]

    def test_after_a_gap_the_view_is_loaded_again(self) -> None:
        views, listener = Views(), Listener()
        watch = views.watch(ONE, INBOX, listener)
        watch.load(snapshot(modseq=5))
        views.publish([change(7, arrived=(entry(7),)), change(8, arrived=(entry(8),))])
        assert [folder for _, folder in listener.heard] == [None, None]
        assert watch.view is None
        assert watch.load(snapshot(modseq=6)) is None
        assert watch.load(snapshot(entry(6), entry(7), modseq=8)) is not None
        assert held(watch) == [6, 7, 8]

    def test_whoever_loads_second_gets_what_the_first_has(self) -> None:
        views = Views()
        first, second = views.watch(ONE, INBOX, Listener()), views.watch(ONE, INBOX, Listener())
        first.load(snapshot(entry(1), modseq=5))
        views.publish([change(5, arrived=(entry(2),))])
        assert second.view is first.view
        assert second.load(snapshot(entry(1), modseq=5)) is first.view

    def test_each_folder_has_a_view_and_listeners_of_its_own(self) -> None:
        views, inbox, sent = Views(), Listener(), Listener()
        views.watch(ONE, INBOX, inbox).load(snapshot(modseq=1))
        other = views.watch(ONE, SENT, sent)
        other.load(snapshot(modseq=1))
        views.publish([change(1, arrived=(entry(1),)), change(1, folder=FolderId(9))])
        assert len(inbox.heard) == 1
        assert sent.heard == []
        assert held(other) == []

    def test_a_removed_folder_or_mailbox_is_told_to_those_concerned(self) -> None:
        views, inbox, sent, other = Views(), Listener(), Listener(), Listener()
        views.watch(ONE, INBOX, inbox)
        views.watch(ONE, SENT, sent)
        views.watch(TWO, INBOX, other)
        views.publish([FolderRemoved(ONE, INBOX), MailboxRemoved(ONE)])
        assert [made for made, _ in inbox.heard] == [FolderRemoved(ONE, INBOX), MailboxRemoved(ONE)]
        assert [made for made, _ in sent.heard] == [MailboxRemoved(ONE)]
        assert other.heard == []

    def test_who_comes_back_finds_the_view_as_it_is_by_then(self) -> None:
        views, listener = Views(), Listener()
        first, second = views.watch(ONE, INBOX, listener), views.watch(ONE, INBOX, Listener())
        first.load(snapshot(entry(1), modseq=1))
        second.close()
        assert views.watch(ONE, INBOX, second.listener).view is first.view
        first.close()
        second.close()
        views = Views()
        only = views.watch(ONE, INBOX, listener)
        only.load(snapshot(entry(1), modseq=1))
        only.close()
        only.close()
        views.publish([change(1, arrived=(entry(2),)), change(2, expunged=((1, 1),))])
        assert listener.heard == []
        again = views.watch(ONE, INBOX, listener)
        assert held(again) == [2]
        views.publish([change(3, arrived=(entry(3),))])
        assert held(again) == [2, 3]

    def test_what_has_a_gap_since_it_was_left_is_read_again(self) -> None:
        views = Views()
        watch = views.watch(ONE, INBOX, Listener())
        watch.load(snapshot(entry(1), modseq=1))
        watch.close()
        views.publish([change(5, arrived=(entry(2),))])
        again = views.watch(ONE, INBOX, Listener())
        assert again.view is None
        assert again.load(snapshot(entry(1), modseq=1)) is None
        assert again.load(snapshot(entry(1), entry(2), modseq=6)) is not None

    def test_a_kept_view_that_is_older_than_the_folder_is_read_again(self) -> None:
        """As after a commit of which nobody knows whether it failed."""
        for seen, is_taken in ((1, True), (2, False)):
            views = Views()
            watch = views.watch(ONE, INBOX, Listener())
            watch.load(snapshot(entry(1), modseq=1))
            watch.close()
            again = views.watch(ONE, INBOX, Listener(), modseq=seen)
            assert (again.view is not None) == is_taken
            again.load(snapshot(entry(1), entry(2), modseq=2))
            views.publish([change(1, arrived=(entry(2),)), change(2, arrived=(entry(3),))])
            assert held(again) == [1, 2, 3]

    @pytest.mark.parametrize(
        "news",
        [
            [FolderRemoved(ONE, INBOX)],
            [MailboxRemoved(ONE)],
            [change(since, arrived=(entry(since),)) for since in range(1, KEPT_CHANGES)],
        ],
    )
    def test_what_is_gone_or_far_behind_is_not_kept(self, news: list[Change]) -> None:
        views = Views()
        watch = views.watch(ONE, INBOX, Listener())
        watch.load(snapshot(modseq=1))
        watch.close()
        views.publish(news)
        assert views.watch(ONE, INBOX, Listener()).view is None

    def test_of_many_folders_that_were_left_the_latest_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("core.view.KEPT_MESSAGES", 2 * KEPT_LEAST)
        views = Views()
        for folder in (1, 2, 1, 3):
            watch = views.watch(ONE, FolderId(folder), Listener())
            if watch.view is None:
                watch.load(snapshot(modseq=1))
            watch.close()
        assert [views.watch(ONE, FolderId(folder), Listener()).view is not None for folder in (1, 2, 3)] == [
            True,
            False,
            True,
        ]

    def test_closing_twice_does_not_cut_off_who_came_after(self) -> None:
        views, listener = Views(), Listener()
        first = views.watch(ONE, INBOX, Listener())
        first.close()
        second = views.watch(ONE, INBOX, listener)
        second.load(snapshot(modseq=1))
        first.close()
        views.publish([change(1, arrived=(entry(1),))])
        assert len(listener.heard) == 1
        assert views.watch(ONE, INBOX, Listener()).view is second.view

    def test_a_listener_may_close_its_watch_while_it_hears(self) -> None:
        views, after = Views(), Listener()
        watches: list[Watch] = []
        watches.append(views.watch(ONE, INBOX, lambda _, __: watches[0].close()))
        views.watch(ONE, INBOX, after)
        views.publish([change(1), FolderRemoved(ONE, INBOX)])
        assert len(after.heard) == 2
