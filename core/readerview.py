r"""A folder as one reader knows it who is not its owner: the view that all share, with the reader's own \Seen on it."""

from collections.abc import Iterator

from msgspec.structs import replace

from core.changes import FolderChange, SeenChange
from core.model import SEEN, Entry, FolderId, MailboxId, ModSeq, UIDRanges, common, merged, ranges
from core.recipients import RecipientId
from core.seen import SeenMarks
from core.view import FolderView


class ReaderView(FolderView):
    """Holds no message itself.  Its MODSEQ is of the last change that the reader can see."""

    __slots__ = ("base", "marks")

    def __init__(self, base: FolderView, marks: SeenMarks, modseq: int = 0) -> None:
        self._chunks, self._firsts, self._starts = base._chunks, base._firsts, base._starts
        self.keywords, self.uidnext = base.keywords, base.uidnext
        self.modseq = max(base.modseq, marks.modseq, modseq)
        self.base = base
        self.marks = marks

    def entry(self, uid: int) -> Entry | None:
        """The message of that UID, if it is here."""
        entry = super().entry(uid)
        return None if entry is None else self.marks.shown(entry)

    def numbered(self, uid_ranges: UIDRanges) -> Iterator[tuple[int, Entry]]:
        """As of any view."""
        shown = self.marks.shown
        return ((number, shown(entry)) for number, entry in super().numbered(uid_ranges))

    def changed_since(self, uid_ranges: UIDRanges, modseq: int) -> UIDRanges:
        """As of any view."""
        changed = super().changed_since(uid_ranges, modseq)
        marked = self.marks.changed_since(modseq)
        return merged(changed, ranges(entry.uid for _, entry in super().numbered(common(uid_ranges, marked))))

    def changed(self, uid_ranges: UIDRanges, modseq: int) -> Iterator[tuple[int, Entry]]:
        """As of any view."""
        return self.numbered(self.changed_since(uid_ranges, modseq))

    def flagged(self, uid_ranges: UIDRanges, has: int, lacks: int) -> list[int]:
        """As of any view."""
        if not (has | lacks) & SEEN:
            return super().flagged(uid_ranges, has, lacks)
        found = ((entry.uid, entry.flags) for _, entry in self.numbered(uid_ranges))
        return [uid for uid, flags in found if flags & has == has and not flags & lacks]

    def difference(self, newer: FolderView, mailbox_id: MailboxId, folder_id: FolderId) -> FolderChange:
        """As of any view; both are the same reader's."""
        assert isinstance(newer, ReaderView), "a reader's view is followed by another of the reader's"
        shared = self.base.difference(newer.base, mailbox_id, folder_id)
        marked = newer.marks.changed_since(self.modseq)
        told = {entry.uid for entry in shared.arrived}
        again = {entry.uid: entry for _, entry in newer.numbered(marked) if entry.uid not in told}
        changed = {entry.uid: newer.marks.shown(entry) for entry in shared.changed} | again
        return replace(
            shared,
            since=ModSeq(self.modseq),
            modseq=ModSeq(newer.modseq),
            arrived=tuple(map(newer.marks.shown, shared.arrived)),
            changed=tuple(changed[uid] for uid in sorted(changed)),
            own=marks_since(self.marks, newer.marks, mailbox_id, folder_id),
        )

    def apply(self, change: FolderChange) -> FolderView:
        """The view after a change that was made for this reader."""
        marks = self.marks if change.own is None else self.marks.after(change.own)
        return ReaderView(self.base.apply(change), marks, change.modseq)


def marks_since(older: SeenMarks, newer: SeenMarks, mailbox_id: MailboxId, folder_id: FolderId) -> SeenChange | None:
    """All that has come between two states of a reader's marks; whose they are is still to be said."""
    if newer.modseq == older.modseq:
        return None
    fresh = [some for some in newer.ranges if some.modseq > older.modseq]
    seen, unseen = (tuple((s.low, s.high) for s in fresh if s.is_seen is kind) for kind in (True, False))
    order = (ModSeq(older.modseq), ModSeq(newer.modseq))
    return SeenChange(mailbox_id, folder_id, RecipientId(0), *order, seen, unseen, newer.ranges)


def told_to_reader(change: FolderChange | SeenChange, before: ReaderView, after: ReaderView) -> FolderChange:
    """What a change means to the reader who had one view before it and has the other after it."""
    place = (change.mailbox_id, change.folder_id)
    own = change if isinstance(change, SeenChange) else change.own
    if before.marks is after.marks:
        own = None
    told = FolderChange(*place, ModSeq(before.modseq), ModSeq(after.modseq), own=own)
    shared = told if isinstance(change, SeenChange) or before.base is after.base else change
    marked = () if own is None else merged(own.seen, own.unseen)
    arrived = {entry.uid for entry in shared.arrived}
    again = {entry.uid: entry for _, entry in after.numbered(marked) if entry.uid not in arrived}
    changed = {entry.uid: after.marks.shown(entry) for entry in shared.changed} | again
    return replace(
        told,
        arrived=tuple(map(after.marks.shown, shared.arrived)),
        changed=tuple(changed[uid] for uid in sorted(changed)),
        expunged=shared.expunged,
        keywords=shared.keywords,
    )
