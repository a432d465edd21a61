r"""What readers have seen: \Seen of those who come to a folder not as its owner, each for himself (T-2.2).

A reader's marks are ranges of UIDs, each with the MODSEQ of its last change, never a row for each message.  A message
that is in no range was never marked, and is unseen.  RFC 7162 is kept for each reader by himself: a message's MODSEQ is
the later of its own and of the reader's mark, and nobody is told of what another reader has seen.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from heapq import merge

from core.changes import SeenChange
from core.commands import JoinSeen
from core.folders import Outcome, existing
from core.limits import ROWS_PER_COMMAND
from core.model import MAX_UID, SEEN, Entry, Folder, ModSeq, SeenRange, UIDRanges, merged
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

    def is_seen(self, uid: int) -> bool:
        """Whether the reader has seen a message."""
        mark = self.of(uid)
        return mark is not None and mark.is_seen

    def flags(self, uid: int, flags: int) -> int:
        r"""System flags, of which \Seen is the reader's."""
        return flags | SEEN if self.is_seen(uid) else flags & ~SEEN

    def shown(self, entry: Entry) -> Entry:
        r"""The message as this reader knows it: whatever the owner has seen, \Seen is the reader's."""
        mark = self.of(entry.uid)
        flags = entry.flags | SEEN if mark is not None and mark.is_seen else entry.flags & ~SEEN
        modseq = entry.modseq if mark is None else max(entry.modseq, mark.modseq)
        return Entry(entry.uid, flags, entry.keywords, modseq)

    def changed_since(self, modseq: int) -> UIDRanges:
        """Where a mark was made or taken away after a MODSEQ."""
        if modseq >= self.modseq:
            return ()
        return merged(tuple((some.low, some.high) for some in self.ranges if some.modseq > modseq))

    def after(self, change: SeenChange) -> "SeenMarks":
        """The marks as they are then.  Only those in reach of the change are looked at."""
        if change.marks is not None:
            return SeenMarks(change.marks, change.modseq)
        uids = merged(change.seen, change.unseen)
        if not uids:
            return SeenMarks(self.ranges, change.modseq)
        first = max(bisect_right(self._lows, uids[0][0]) - 1, 0)
        last = bisect_right(self._lows, uids[-1][1])
        return SeenMarks(
            (*self.ranges[:first], *marked(self.ranges[first:last], change), *self.ranges[last:]), change.modseq
        )


def marked(ranges: Sequence[SeenRange], change: SeenChange) -> list[SeenRange]:
    """Ranges with those of a change in their place; in one pass over both."""
    fresh = [
        SeenRange(low, high, is_seen, change.modseq)
        for is_seen, uids in ((True, change.seen), (False, change.unseen))
        for low, high in uids
    ]
    fresh.sort(key=_low)
    covered = merged(change.seen, change.unseen)
    kept: list[SeenRange] = []
    at = 0
    for some in ranges:
        while at < len(covered) and covered[at][1] < some.low:
            at += 1
        low, following = some.low, at
        while following < len(covered) and covered[following][0] <= some.high:
            if covered[following][0] > low:
                kept.append(SeenRange(low, covered[following][0] - 1, some.is_seen, some.modseq))
            low = covered[following][1] + 1
            following += 1
        if low <= some.high:
            kept.append(SeenRange(low, some.high, some.is_seen, some.modseq))
    return list(merge(kept, fresh, key=_low))


def _low(some: SeenRange) -> int:
    return some.low


def marks(tx: ReadTx, folder: Folder, user: RecipientId, low: int = 1, high: int = MAX_UID) -> SeenMarks:
    """What the store has of a reader's marks on these UIDs."""
    place = (folder.mailbox_id, folder.folder_id, user)
    return SeenMarks(tx.seen(*place, low, high), tx.reader_modseq(*place))


def unseen(tx: ReadTx, folder: Folder, user: RecipientId) -> int:
    """How many messages of a folder a reader has not seen."""
    return folder.n_exists - tx.count_seen(folder.mailbox_id, folder.folder_id, user)


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
    """Writes a reader's marks, of which there are some."""
    place = (folder.mailbox_id, folder.folder_id, user)
    change = SeenChange(*place, tx.reader_modseq(*place), modseq, seen, unseen)
    uids = merged(seen, unseen)
    old = tx.seen(*place, uids[0][0], uids[-1][1])
    new = marked(old, change)
    stay = set(old) & set(new)
    tx.replace_seen(*place, [some for some in old if some not in stay], [some for some in new if some not in stay])
    tx.set_reader_modseq(*place, modseq)
    return change


def join(tx: WriteTx, command: JoinSeen) -> Outcome:
    """Makes fewer of a reader's ranges from a UID on, a slice of them; the result is where to go on, 0 at the end.

    Those that follow one another and say the same become one, under a new MODSEQ, so that the reader's clients are told
    of these messages once more.  Those whose messages are gone go.  Who reads every other message keeps a range for
    each: less cannot say it.
    """
    folder = existing(tx, command.mailbox_id, command.folder_id)
    place = (folder.mailbox_id, folder.folder_id)
    ranges = tx.seen(*place, command.user, command.start)[:ROWS_PER_COMMAND]
    if not ranges:
        return 0, ()
    uids = [entry.uid for entry in tx.entries(*place, ranges[0].low, ranges[-1].high)]
    joined: list[SeenRange] = []
    end = 0  # the first message behind the last of the joined
    for some in ranges:
        first, behind = bisect_left(uids, some.low), bisect_right(uids, some.high)
        if first == behind:
            continue
        last = joined[-1] if joined else None
        if last is not None and last.is_seen == some.is_seen and first == end:
            joined[-1] = SeenRange(last.low, some.high, some.is_seen, max(last.modseq, some.modseq))
        else:
            joined.append(some)
        end = behind
    following = ranges[-1].high + 1 if len(ranges) == ROWS_PER_COMMAND else 0
    known = set(ranges)
    fresh = [some for some in joined if some not in known]
    tx.replace_seen(*place, command.user, [some for some in ranges if not _is_there(uids, some)], ())
    if not fresh:
        return following, ()
    seen, unseen = (tuple((s.low, s.high) for s in fresh if s.is_seen is kind) for kind in (True, False))
    return following, (mark(tx, folder, command.user, tx.take_modseq(*place), seen, unseen),)


def _is_there(uids: Sequence[int], some: SeenRange) -> bool:
    return bisect_left(uids, some.low) != bisect_right(uids, some.high)
