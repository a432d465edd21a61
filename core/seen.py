r"""What readers have seen: \Seen of those who come to a folder not as its owner, each for himself (T-2.2).

A reader's marks are ranges of UIDs, each with the MODSEQ of its last change, never a row for each message.  A message
that is in no range was never marked, and is unseen.  RFC 7162 is kept for each reader by himself: a message's MODSEQ is
the later of its own and of the reader's mark, and nobody is told of what another reader has seen.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence

from core.changes import SeenChange
from core.commands import JoinSeen
from core.folders import Outcome, existing
from core.model import MAX_UID, SEEN, Entry, Folder, ModSeq, SeenRange, UIDRanges, common, merged, without
from core.ports import ReadTx, WriteTx
from core.recipients import RecipientId


class SeenMarks:
    """One reader's marks in one folder, as a value; ranges ascend and are disjoint."""

    __slots__ = ("_lows", "modseq", "ranges")

    def __init__(self, ranges: Iterable[SeenRange], modseq: int) -> None:
        self.ranges = tuple(ranges)
        self.modseq = modseq  # of the reader's last change, 0 when there was none
        self._lows = [some.low for some in self.ranges]

    def of(self, uid: int) -> SeenRange | None:
        """The mark on a message."""
        at = bisect_right(self._lows, uid) - 1
        return self.ranges[at] if at >= 0 and uid <= self.ranges[at].high else None

    def shown(self, entry: Entry) -> Entry:
        r"""The message as this reader knows it: whatever the owner has seen, \Seen is the reader's."""
        mark = self.of(entry.uid)
        flags = entry.flags | SEEN if mark is not None and mark.is_seen else entry.flags & ~SEEN
        modseq = entry.modseq if mark is None else max(entry.modseq, mark.modseq)
        return Entry(entry.uid, flags, entry.keywords, modseq)

    def is_seen(self, uid: int) -> bool:
        """Whether the reader has seen a message."""
        mark = self.of(uid)
        return mark is not None and mark.is_seen

    def flags(self, uid: int, flags: int) -> int:
        r"""System flags, of which \Seen is the reader's."""
        return flags | SEEN if self.is_seen(uid) else flags & ~SEEN

    def touching(self, low: int, high: int) -> tuple[SeenRange, ...]:
        """The marks on any of these UIDs."""
        first = max(bisect_right(self._lows, low) - 1, 0)
        return tuple(some for some in self.ranges[first : bisect_right(self._lows, high)] if some.high >= low)

    def changed_since(self, modseq: int) -> UIDRanges:
        """Where a mark was made or taken away after a MODSEQ."""
        if modseq >= self.modseq:
            return ()
        return merged(tuple((some.low, some.high) for some in self.ranges if some.modseq > modseq))

    def after(self, change: SeenChange) -> "SeenMarks":
        """The marks as they are then."""
        ranges = marked(self.ranges, change) if change.marks is None else change.marks
        return SeenMarks(ranges, change.modseq)


def marked(ranges: Sequence[SeenRange], change: SeenChange) -> list[SeenRange]:
    """Ranges with those of a change in their place."""
    fresh = [
        SeenRange(low, high, is_seen, change.modseq)
        for is_seen, uids in ((True, change.seen), (False, change.unseen))
        for low, high in uids
    ]
    covered = merged(change.seen, change.unseen)
    kept = [
        SeenRange(low, high, some.is_seen, some.modseq)
        for some in ranges
        for low, high in without(((some.low, some.high),), common(covered, ((some.low, some.high),)))
    ]
    return sorted([*kept, *fresh], key=lambda some: some.low)


def marks(tx: ReadTx, folder: Folder, user: RecipientId, low: int = 1, high: int = MAX_UID) -> SeenMarks:
    """What the store has of a reader's marks on these UIDs."""
    place = (folder.mailbox_id, folder.folder_id, user)
    return SeenMarks(tx.seen(*place, low, high), tx.reader_modseq(*place))


def unseen(tx: ReadTx, folder: Folder, user: RecipientId) -> int:
    """How many messages of a folder a reader has not seen."""
    place = (folder.mailbox_id, folder.folder_id)
    return folder.n_exists - sum(tx.count_entries(*place, s.low, s.high) for s in tx.seen(*place, user) if s.is_seen)


def runs(entries: Iterable[Entry], chosen: Collection[int]) -> UIDRanges:
    """The chosen of these messages as few ranges: those that follow one another are one, whatever is gone between them.

    The entries are all that there are from the first to the last, in order.
    """
    found: list[tuple[int, int]] = []
    follows = False
    for entry in entries:
        if entry.uid in chosen:
            found[-1:] = [(found[-1][0], entry.uid)] if follows else [*found[-1:], (entry.uid, entry.uid)]
        follows = entry.uid in chosen
    return tuple(found)


def mark(
    tx: WriteTx, folder: Folder, user: RecipientId, modseq: ModSeq, seen: UIDRanges = (), unseen: UIDRanges = ()
) -> SeenChange:
    """Writes a reader's marks."""
    place = (folder.mailbox_id, folder.folder_id, user)
    change = SeenChange(*place, tx.reader_modseq(*place), modseq, seen, unseen)
    uids = merged(seen, unseen)
    old = list(dict.fromkeys(some for low, high in uids for some in tx.seen(*place, low, high)))
    tx.replace_seen(*place, old, marked(old, change))
    tx.set_reader_modseq(*place, modseq)
    return change


def join(tx: WriteTx, command: JoinSeen) -> Outcome:
    """Makes fewer ranges of the older half of a reader's marks, under one new MODSEQ; the result is how many went.

    The reader's clients are told of those messages once more.  That is how far a row for each message is from what a
    reader leaves behind who reads one message after the other.
    """
    folder = existing(tx, command.mailbox_id, command.folder_id)
    place = (folder.mailbox_id, folder.folder_id)
    ranges = tx.seen(*place, command.user)
    cutoff = sorted(some.modseq for some in ranges)[len(ranges) // 2] if ranges else 0
    joined: list[SeenRange] = []
    for some in ranges:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.is_seen == some.is_seen
            and max(last.modseq, some.modseq) <= cutoff
            and not tx.count_entries(*place, last.high + 1, some.low - 1)
        ):
            joined[-1] = SeenRange(last.low, some.high, some.is_seen, max(last.modseq, some.modseq))
        else:
            joined.append(some)
    known = set(ranges)
    fresh = [some for some in joined if some not in known]
    if not fresh:
        return 0, ()
    seen, unseen = (tuple((s.low, s.high) for s in fresh if s.is_seen is kind) for kind in (True, False))
    change = mark(tx, folder, command.user, tx.take_modseq(*place), seen, unseen)
    return len(ranges) - len(joined), (change,)
