import pytest

from core.changes import (
    AccessKeyChange,
    Change,
    FolderChange,
    FolderRemoved,
    MailboxRemoved,
    SeenChange,
    TreeChange,
)
from core.model import SEEN, FolderId, ModSeq, SeenRange, UIDRanges
from core.readerview import ReaderView
from core.recipients import RecipientId
from core.seen import SeenMarks
from core.watching import KEPT_CHANGES, KEPT_LEAST, Views, Watch
from tests.support.views import INBOX, ONE, SENT, TWO, Listener, change, contents, entry, held, snapshot


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

    def test_a_new_access_key_is_told_to_all_and_changes_no_view(self) -> None:
        views, owner, reader = Views(), Listener(), Listener()
        watch = views.watch(ONE, INBOX, owner)
        watch.load(snapshot(entry(1), modseq=5))
        other = views.watch(ONE, INBOX, reader, user=RecipientId(7))
        told = AccessKeyChange(ONE, INBOX, RecipientId(7))
        views.publish([told, AccessKeyChange(ONE, SENT, RecipientId(7))])
        assert owner.heard == [(told, watch.view)]
        assert reader.heard == [(told, other.view)]
        watch.close()
        other.close()
        views.publish([told])
        assert len(owner.heard) == 1
        assert held(views.watch(ONE, INBOX, owner, modseq=5)) == [1]

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

    def test_rights_that_change_are_told_to_the_readers_of_that_mailbox(self) -> None:
        views, owner, reader, other = Views(), Listener(), Listener(), Listener()
        user = RecipientId(7)
        views.watch(ONE, INBOX, owner)
        views.watch(ONE, INBOX, reader, user=user)
        views.watch(TWO, INBOX, other, user=user)
        views.publish([TreeChange(ONE), TreeChange(ONE, RecipientId(8))])
        assert [made for made, _ in reader.heard] == [TreeChange(ONE, RecipientId(8))]
        assert owner.heard == other.heard == []

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

    def test_of_many_folders_that_were_left_the_latest_are_kept(self) -> None:
        views = Views(2 * KEPT_LEAST)
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


# ---------------------------------------------------------------------------------------------- readers


U2, U3 = RecipientId(2), RecipientId(3)


def marked(user: RecipientId, since: int, modseq: int, seen: UIDRanges = (), unseen: UIDRanges = ()) -> SeenChange:
    return SeenChange(ONE, INBOX, user, ModSeq(since), ModSeq(modseq), seen, unseen)


class TestReaders:
    def begin(self, *, modseq: int = 1) -> tuple[Views, Watch, Listener]:
        """A reader of a folder with two messages."""
        views, listener = Views(), Listener()
        watch = views.watch(ONE, INBOX, listener, user=U2)
        assert watch.shared is None
        watch.load(ReaderView(snapshot(entry(1, SEEN), entry(2), modseq=modseq), SeenMarks((), 0)))
        return views, watch, listener

    def test_a_reader_sees_his_own_marks_on_the_view_that_all_share(self) -> None:
        views, watch, listener = self.begin()
        owner = views.watch(ONE, INBOX, Listener())
        views.publish([marked(U2, 0, 2, ((2, 2),))])
        assert watch.view is not None
        assert contents(watch.view) == [entry(1), entry(2, SEEN, modseq=2)]
        assert owner.view is not None
        assert contents(owner.view) == [entry(1, SEEN), entry(2)]
        (told, newest), *_ = listener.heard
        assert isinstance(told, FolderChange)
        assert (told.since, told.modseq, told.changed) == (1, 2, (entry(2, SEEN, modseq=2),))
        assert newest is watch.view

    def test_nobody_hears_of_what_another_reads(self) -> None:
        views, watch, listener = self.begin()
        other, owner = Listener(), Listener()
        views.watch(ONE, INBOX, other, user=U3)
        views.watch(ONE, INBOX, owner)
        views.publish([marked(U2, 0, 2, ((1, 1),))])
        assert len(listener.heard) == 1
        assert other.heard == owner.heard == []
        assert watch.view is not None

    def test_sessions_of_one_reader_share_a_view(self) -> None:
        views, watch, _ = self.begin()
        assert views.watch(ONE, INBOX, Listener(), user=U2).view is watch.view
        assert views.watched == 1

    def test_a_change_of_both_kinds_is_one(self) -> None:
        views, watch, listener = self.begin()
        own = marked(U2, 0, 2, ((2, 3),))
        both = FolderChange(ONE, INBOX, ModSeq(1), ModSeq(2), (entry(3, modseq=2),), (entry(2, 4, modseq=2),), own=own)
        views.publish([both])
        assert watch.view is not None
        assert contents(watch.view) == [entry(1), entry(2, SEEN | 4, modseq=2), entry(3, SEEN, modseq=2)]
        ((told, _),) = listener.heard
        assert isinstance(told, FolderChange)
        assert told.arrived == (entry(3, SEEN, modseq=2),)
        assert told.changed == (entry(2, SEEN | 4, modseq=2),)

    def test_what_is_told_while_a_reader_loads_is_caught_up(self) -> None:
        """Of both kinds, whether or not the snapshot knows it already."""
        made: list[FolderChange | SeenChange] = [marked(U2, 0, 2, ((1, 1),)), change(1, arrived=(entry(2, modseq=3),))]
        made[1] = FolderChange(ONE, INBOX, ModSeq(1), ModSeq(3), (entry(2, modseq=3),))
        made.append(marked(U2, 2, 4, ((2, 2),)))
        for known in range(4):
            views = Views()
            watch = views.watch(ONE, INBOX, Listener(), user=U2)
            views.publish(made)
            base = snapshot(entry(1), *([entry(2, modseq=3)] if known > 1 else []), modseq=3 if known > 1 else 1)
            ranges = [SeenRange(1, 1, True, ModSeq(2)), SeenRange(2, 2, True, ModSeq(4))]
            marks = SeenMarks(ranges[: (known > 0) + (known > 2)], (0, 2, 2, 4)[known])
            assert watch.load(ReaderView(base, marks)) is watch.view
            assert watch.view is not None
            assert [e.flags for e in contents(watch.view)] == [SEEN, SEEN]
            assert watch.view.modseq == 4

    def test_another_who_loads_takes_nothing_from_those_who_are_there(self) -> None:
        """His snapshot may be newer than what has been told; each is told every change once, in order."""
        views, watch, listener = self.begin()
        other = views.watch(ONE, INBOX, Listener(), user=U3)
        assert other.shared is not None
        newer = ReaderView(snapshot(entry(2), entry(3), modseq=3), SeenMarks([SeenRange(2, 2, True, ModSeq(4))], 4))
        other.load(newer)
        assert other.view is newer
        first = change(1, arrived=(entry(3),))
        views.publish([first, change(2, expunged=((1, 1),)), marked(U3, 0, 4, ((2, 2),))])
        assert held(watch) == held(other) == [2, 3]
        assert [type(told).__name__ for told, _ in listener.heard] == ["FolderChange", "FolderChange"]
        assert [(told.since, told.modseq) for told, _ in listener.heard if isinstance(told, FolderChange)] == [
            (1, 2),
            (2, 3),
        ]

    def test_after_a_gap_no_session_goes_on_and_the_folder_is_read_again(self) -> None:
        """In either order of changes, and however much is told behind it."""
        for lost in (marked(U2, 5, 6, ((1, 1),)), change(5, arrived=(entry(3),))):
            views, watch, listener = self.begin()
            views.publish([lost, change(1, arrived=(entry(4, modseq=2),)), marked(U2, 0, 9, ((2, 2),))])
            assert watch.view is None
            for told, newest in listener.heard:
                assert isinstance(told, FolderChange)
                assert told.since > 1
                assert newest is None
            loaded = ReaderView(snapshot(entry(4), modseq=20), SeenMarks((), 20))
            assert watch.load(loaded) is watch.view

    def test_very_much_that_is_told_while_a_reader_loads_is_read_again(self) -> None:
        views = Views()
        watch = views.watch(ONE, INBOX, Listener(), user=U2)
        views.publish([marked(U2, at, at + 1, ((1, 1),)) for at in range(2 * KEPT_CHANGES)])
        views.publish([change(1, arrived=(entry(2),))])  # of the other order: no gap tells of what is lost
        assert watch.load(ReaderView(snapshot(entry(1), modseq=1), SeenMarks((), 0))) is None
        assert watch.load(ReaderView(snapshot(entry(1), modseq=1), SeenMarks((), 2 * KEPT_CHANGES))) is not None

    def test_the_shared_view_is_kept_when_the_last_reader_leaves(self) -> None:
        views, watch, _ = self.begin()
        watch.close()
        assert views.watched == 0
        again = views.watch(ONE, INBOX, Listener(), user=U2)
        assert again.shared is not None
        again.load(ReaderView(again.shared, SeenMarks((), 0)))
        assert held(again) == [1, 2]

    def test_a_removed_folder_is_told_to_readers_too(self) -> None:
        views, _, listener = self.begin()
        views.publish([FolderRemoved(ONE, INBOX)])
        assert [made for made, _ in listener.heard] == [FolderRemoved(ONE, INBOX)]
