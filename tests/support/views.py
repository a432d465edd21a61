"""Views of folders, made by hand, and who hears of their changes."""

from core.changes import Change, FolderChange
from core.model import UID, Entry, FolderId, MailboxId, ModSeq, UIDRanges
from core.view import FolderView
from core.watching import Watch

ONE, TWO = MailboxId(1), MailboxId(2)
INBOX, SENT = FolderId(1), FolderId(2)


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


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[Change, FolderView | None]] = []

    def __call__(self, made: Change, folder: FolderView | None) -> None:
        self.heard.append((made, folder))


def snapshot(*entries: Entry, modseq: int) -> FolderView:
    return FolderView.of(entries, modseq, ())


def held(watch: Watch) -> list[int] | None:
    return None if watch.view is None else [found.uid for found in contents(watch.view)]
