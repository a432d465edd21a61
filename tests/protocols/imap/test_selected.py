"""The numbering of one session, apart from any store."""

import pytest
from msgspec.structs import replace

from core.changes import FolderChange, FolderRemoved
from core.model import DELETED, SEEN, UID, Entry, FolderId, MailboxId, ModSeq, UIDRanges
from core.view import FolderView
from core.watching import Views
from protocols.imap import selected as module
from protocols.imap.selected import Selected, flag_octets
from tests.support.imap import account

PLACE = (MailboxId(1), FolderId(2))


class Room:
    """A folder with two sessions; changes are published with the right MODSEQs."""

    def __init__(self, count: int) -> None:
        self.views = Views()
        self.modseq = 1
        self.sessions = [self._enter(count), self._enter(count)]

    def _enter(self, count: int) -> Selected:
        def hear(change: object, newest: FolderView | None) -> None:
            selected.hear(change)  # type: ignore[arg-type]

        watch = self.views.watch(*PLACE, hear)
        if watch.view is None:
            watch.load(FolderView.of([entry(uid) for uid in range(1, count + 1)], 1, ()))
        assert watch.view is not None
        selected = Selected("x", account(1).home, FolderId(2), watch, watch.view, read_only=False)
        selected.shows_recent = False
        return selected

    def publish(
        self,
        *,
        arrived: tuple[int, ...] = (),
        changed: tuple[Entry, ...] = (),
        expunged: UIDRanges = (),
        keywords: tuple[str, ...] | None = None,
        skip: int = 0,
    ) -> int:
        since = self.modseq + skip
        self.modseq = since + 1
        entries = tuple(entry(uid) for uid in arrived)
        changed = tuple(replace(found, modseq=ModSeq(self.modseq)) for found in changed)
        change = FolderChange(*PLACE, ModSeq(since), ModSeq(self.modseq), entries, changed, expunged, keywords)
        self.views.publish([change])
        return self.modseq


def entry(uid: int, flags: int = 0, keywords: int = 0) -> Entry:
    return Entry(UID(uid), flags, keywords, ModSeq(1))


@pytest.fixture
def folder() -> Room:
    return Room(4)


def told(selected: Selected, *, expunge: bool = True, uid: bool = False, quiet: int = 0) -> list[str]:
    return [line.decode().strip() for line in selected.tell(expunge=expunge, uid=uid, quiet=quiet)]


def test_nothing_is_told_twice(folder: Room) -> None:
    first, second = folder.sessions
    folder.publish(arrived=(5,))
    assert first.has_news
    assert told(first) == ["* 5 EXISTS"]
    assert not first.has_news
    assert told(first) == []
    assert told(second) == ["* 5 EXISTS"]
    assert first.view is second.view


def test_who_has_not_been_told_keeps_its_numbers(folder: Room) -> None:
    first, _ = folder.sessions
    folder.publish(expunged=((2, 3),))
    folder.publish(arrived=(5, 6))
    assert len(first.view) == 4
    assert first.lost(((1, 2),))
    assert not first.lost(((4, 4),))
    assert told(first) == ["* 2 EXPUNGE", "* 2 EXPUNGE", "* 4 EXISTS"]
    assert [first.view.uid(number) for number in (1, 2, 3, 4)] == [1, 4, 5, 6]


def test_what_came_and_went_unnoticed_is_not_told(folder: Room) -> None:
    first, _ = folder.sessions
    folder.publish(arrived=(5,))
    folder.publish(expunged=((5, 5),))
    assert told(first) == []


def test_what_came_and_went_beside_others(folder: Room) -> None:
    first, _ = folder.sessions
    folder.publish(arrived=(5, 6))
    folder.publish(expunged=((3, 3), (5, 5)))
    assert told(first) == ["* 3 EXPUNGE", "* 4 EXISTS"]


def test_ghosts_keep_their_numbers_until_they_are_told(folder: Room) -> None:
    first, second = folder.sessions
    folder.publish(expunged=((2, 2),))
    assert told(first, expunge=False) == []
    assert first.has_news
    assert first.is_ghost(2)
    assert first.lost(((2, 2),))
    folder.publish(arrived=(5,), changed=(entry(4, SEEN),))
    assert told(first, expunge=False) == ["* 5 EXISTS", "* 4 FETCH (FLAGS (\\Seen))"]
    folder.publish(expunged=((4, 4),))
    assert told(first) == ["* 2 EXPUNGE", "* 3 EXPUNGE"]
    assert told(second) == ["* 2 EXPUNGE", "* 4 EXISTS", "* 3 FETCH (FLAGS (\\Seen))", "* 3 EXPUNGE"]
    assert first.view is second.view


def test_one_message_after_the_other_is_numbered_as_it_is_read(folder: Room) -> None:
    first, _ = folder.sessions
    folder.publish(expunged=((1, 1), (3, 4)))
    assert told(first) == ["* 1 EXPUNGE", "* 2 EXPUNGE", "* 2 EXPUNGE"]


def test_ones_own_change_is_not_told(folder: Room) -> None:
    first, _ = folder.sessions
    folder.publish(changed=(entry(1, DELETED),))
    own = folder.publish(changed=(entry(2, SEEN),))
    assert told(first, quiet=own, uid=True) == ["* 1 FETCH (UID 1 FLAGS (\\Deleted))"]
    found = first.view.entry(2)
    assert found is not None
    assert found.flags == SEEN


def test_new_keywords_come_before_the_flags_that_use_them(folder: Room) -> None:
    first, _ = folder.sessions
    folder.publish(changed=(entry(1, 0, 1),), keywords=("a",))
    lines = told(first)
    assert lines[0].startswith("* FLAGS (")
    assert lines[0].endswith(" a)")
    assert lines[1].startswith("* OK [PERMANENTFLAGS (")
    assert lines[2] == "* 1 FETCH (FLAGS (a))"


def test_a_folder_that_is_removed_is_gone(folder: Room) -> None:
    first, _ = folder.sessions
    folder.views.publish([FolderRemoved(*PLACE)])
    assert first.is_gone
    assert first.has_news


def test_a_change_that_was_missed_ends_the_numbering(folder: Room) -> None:
    """It would be wrong from here on."""
    first, _ = folder.sessions
    folder.publish(changed=(entry(1, SEEN),), skip=1)
    assert told(first) == []
    assert first.is_gone


def test_a_silent_session_keeps_no_views_alive(folder: Room) -> None:
    first, _ = folder.sessions
    for flags in range(8):
        folder.publish(changed=(entry(1, flags),))
    assert not any(isinstance(held, FolderView) for change in first._news for held in (change,))
    assert told(first)[-1] == "* 1 FETCH (FLAGS (\\Seen \\Answered \\Flagged))"


def test_too_much_news_for_a_silent_session_is_not_kept(folder: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEWS_ENTRIES", 10)
    first, _ = folder.sessions
    folder.publish(expunged=((1, 1),))
    assert told(first, expunge=False) == []
    for flags in range(1, 32):
        folder.publish(changed=(entry(2, flags), entry(3, flags)))
    folder.publish(expunged=((3, 3),))
    folder.publish(arrived=(5,))
    assert first._news == []
    assert first.has_news
    assert first.lost(((3, 3),))
    every = "(\\Seen \\Answered \\Flagged \\Deleted \\Draft)"
    assert told(first, expunge=False) == ["* 5 EXISTS", f"* 2 FETCH (FLAGS {every})"]
    assert told(first) == ["* 1 EXPUNGE", "* 2 EXPUNGE"]
    assert not first.has_news
    folder.publish(arrived=(6,))
    assert told(first) == ["* 4 EXISTS"]


def test_too_much_news_and_no_view_to_compare_with_ends_the_numbering(
    folder: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEWS_ENTRIES", 1)
    first, _ = folder.sessions
    folder.publish(changed=(entry(1, SEEN),), skip=1)
    assert told(first) == []
    assert first.is_gone


def test_recent_messages_are_those_from_a_uid_on(folder: Room) -> None:
    first, _ = folder.sessions
    first.shows_recent, first.recent_from = True, 4
    assert first.recent_count() == 1
    folder.publish(arrived=(5,))
    assert told(first) == ["* 5 EXISTS", "* 2 RECENT"]
    assert first.flags(entry(5)) == b"(\\Recent)"
    assert first.flags(entry(3)) == b"()"


def test_flags_are_written_as_the_folder_names_them() -> None:
    assert flag_octets(entry(1, SEEN, 0b101), ("a", "b", "c"), recent=True) == b"(\\Seen \\Recent a c)"
