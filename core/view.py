"""What a session knows of its selected folder: UIDs, flags and MODSEQs, in memory, as an immutable value.

A view is cut into chunks that later views share: a change copies the chunks that it touches and nothing else, so that
it costs the same in a folder of ten messages and of a million, and sessions that have been told the same hold one copy.
"""

from __future__ import annotations  # array[int] is a type for checkers only before Python 3.12

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from core.changes import FolderChange
from core.model import KEYWORDS_IN_MASK, UID, Columns, Entry, FolderId, MailboxId, ModSeq, UIDRanges, ranges, without

CHUNK_MESSAGES = 1024
NEWS = 64  # messages of a chunk that are known as those that changed last; beyond, the chunk is looked through
FEW = 16  # times more messages than are asked for, and they are looked up one by one
_MASK = (1 << KEYWORDS_IN_MASK) - 1


class Chunk:
    """Up to CHUNK_MESSAGES messages in UID order, as columns.  Never changed once it is in a view."""

    __slots__ = ("_newest", "flags", "keywords", "modseqs", "news", "settled", "uids", "wide")

    def __init__(self, uids: array[int], flags: array[int], keywords: array[int], modseqs: array[int]) -> None:
        self.uids = uids
        self.flags = flags
        self.keywords = keywords
        self.modseqs = modseqs
        self.wide: dict[int, int] = {}  # by UID: keywords that the column has no room for
        self.news: set[int] = set()  # UIDs: all that came or changed after MODSEQ `settled`, if that is known
        self.settled = 0
        self._newest = 0

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Chunk:
        chunk = cls(
            array("I", [e.uid for e in entries]),
            array("B", [e.flags for e in entries]),
            array("Q", [e.keywords & _MASK for e in entries]),
            array("Q", [e.modseq for e in entries]),
        )
        chunk.wide = {e.uid: e.keywords for e in entries if e.keywords > _MASK}
        return chunk

    @classmethod
    def of_columns(cls, columns: Columns, wide: Mapping[int, int]) -> Chunk:
        """As a transaction gives them; `wide` has more keywords, by UID."""
        uids, flags, keywords, modseqs = columns
        chunk = cls(array("I", uids), array("B", flags), array("Q", keywords), array("Q", modseqs))
        if wide:
            chunk.wide = {uid: mask | wide[uid] for uid, mask in zip(uids, keywords, strict=True) if uid in wide}
        return chunk

    def copy(self) -> Chunk:
        chunk = Chunk(self.uids[:], self.flags[:], self.keywords[:], self.modseqs[:])
        chunk.wide = dict(self.wide)
        chunk.news = set(self.news)
        chunk.settled = self.settled or self.newest
        chunk._newest = self.newest
        return chunk

    @property
    def newest(self) -> int:
        """The highest MODSEQ here; found once, by whoever asks first."""
        if not self._newest:
            self._newest = max(self.modseqs)
        return self._newest

    def entry(self, index: int) -> Entry:
        uid = self.uids[index]
        keywords = self.wide.get(uid, self.keywords[index]) if self.wide else self.keywords[index]
        return Entry(UID(uid), self.flags[index], keywords, ModSeq(self.modseqs[index]))

    def put(self, index: int, entry: Entry) -> None:
        """Replaces a message's flags; only on a copy that no view holds yet."""
        self.flags[index] = entry.flags
        self.keywords[index] = entry.keywords & _MASK
        self.modseqs[index] = entry.modseq
        self.news.add(entry.uid)
        if entry.modseq > self._newest:
            self._newest = entry.modseq
        if entry.keywords > _MASK:
            self.wide[entry.uid] = entry.keywords
        else:
            self.wide.pop(entry.uid, None)

    def extend(self, more: Chunk) -> None:
        """Adds messages behind the last; only on a copy that no view holds yet."""
        self.uids += more.uids
        self.flags += more.flags
        self.keywords += more.keywords
        self.modseqs += more.modseqs
        self.wide |= more.wide
        self.news.update(more.uids)
        self._newest = max(self._newest, more.newest)
        self.settle()

    def settle(self) -> None:
        """Forgets what changed last where that is much; to be called after any `put`."""
        if len(self.news) > NEWS:
            self.news.clear()
            self.settled = self._newest

    def changed_since(self, first: int, stop: int, modseq: int) -> Iterable[int]:
        """The places from `first` to before `stop` of messages that have changed after a MODSEQ."""
        if self.newest <= modseq:
            return ()
        if 0 < self.settled <= modseq:
            places = sorted([bisect_left(self.uids, uid) for uid in self.news])
            return [place for place in places if first <= place < stop and self.modseqs[place] > modseq]
        return [place for place, at in enumerate(self.modseqs[first:stop], first) if at > modseq]

    def without(self, low: int, high: int) -> Chunk:
        """The messages outside a range of UIDs."""
        start, stop = bisect_left(self.uids, low), bisect_right(self.uids, high)
        chunk = Chunk(
            self.uids[:start] + self.uids[stop:],
            self.flags[:start] + self.flags[stop:],
            self.keywords[:start] + self.keywords[stop:],
            self.modseqs[:start] + self.modseqs[stop:],
        )
        chunk.wide = {uid: keywords for uid, keywords in self.wide.items() if not low <= uid <= high}
        chunk.news = {uid for uid in self.news if not low <= uid <= high}
        chunk.settled = self.settled
        return chunk


class FolderView:
    """A folder's messages as of one MODSEQ.  Message sequence numbers count from 1."""

    __slots__ = ("_chunks", "_firsts", "_starts", "keywords", "modseq", "uidnext")

    def __init__(self, chunks: Iterable[Chunk], modseq: int, keywords: tuple[str, ...], uidnext: int = 1) -> None:
        self._chunks = tuple(chunks)
        self._firsts = [chunk.uids[0] for chunk in self._chunks]
        self._starts = [0, *accumulate(len(chunk.uids) for chunk in self._chunks)]
        self.modseq = modseq
        self.keywords = keywords  # names by bit
        self.uidnext = max(uidnext, self.last_uid + 1)  # the highest UID may be of a message that is gone

    @classmethod
    def of_columns(
        cls,
        columns: Callable[[int], Iterable[Columns]],
        wide: Mapping[int, int],
        modseq: int,
        keywords: tuple[str, ...],
        uidnext: int = 1,
    ) -> FolderView:
        """A view of entries that come in pieces of as many rows as are asked for.

        `wide` are keywords that the columns have no room for, by UID.
        """
        pieces = columns(CHUNK_MESSAGES)
        return cls((Chunk.of_columns(piece, wide) for piece in pieces), modseq, keywords, uidnext)

    @classmethod
    def of(cls, entries: Sequence[Entry], modseq: int, keywords: tuple[str, ...], uidnext: int = 1) -> FolderView:
        pieces = range(0, len(entries), CHUNK_MESSAGES)
        return cls((Chunk.of(entries[at : at + CHUNK_MESSAGES]) for at in pieces), modseq, keywords, uidnext)

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def last_uid(self) -> int:
        """The highest UID there is, 0 in an empty folder."""
        return self._chunks[-1].uids[-1] if self._chunks else 0

    def uid(self, number: int) -> int:
        """The UID of a message sequence number; raises IndexError."""
        if not 1 <= number <= len(self):
            raise IndexError(number)
        at = bisect_right(self._starts, number - 1) - 1
        return self._chunks[at].uids[number - 1 - self._starts[at]]

    def _find(self, uid: int) -> tuple[int, int] | None:
        at = bisect_right(self._firsts, uid) - 1
        if at < 0:
            return None
        uids = self._chunks[at].uids
        index = bisect_left(uids, uid)
        return (at, index) if index < len(uids) and uids[index] == uid else None

    def number(self, uid: int) -> int:
        """The message sequence number of a UID, 0 when it is not here."""
        place = self._find(uid)
        return 0 if place is None else self._starts[place[0]] + place[1] + 1

    def numbers(self, uids: Sequence[int]) -> list[int]:
        """The message sequence numbers of UIDs, 0 of those that are not here."""
        if FEW * len(uids) < len(self):
            return list(map(self.number, uids))
        known = dict(zip(self.all_uids(), range(1, len(self) + 1), strict=True))
        return [known.get(uid, 0) for uid in uids]

    def all_uids(self) -> array[int]:
        """The UIDs of all messages."""
        uids = array("I")
        for chunk in self._chunks:
            uids += chunk.uids
        return uids

    def flagged(self, uid_ranges: UIDRanges, has: int, lacks: int) -> list[int]:
        """The UIDs in the ranges of messages that have all of some flags, and none of some others."""
        found: list[int] = []
        for chunk, _, first, stop in self._parts(uid_ranges):
            uids = chunk.uids[first:stop]
            if has | lacks:
                flags = zip(uids, chunk.flags[first:stop], strict=True)
                found += [uid for uid, some in flags if some & has == has and not some & lacks]
            else:
                found += uids
        return found

    def _parts(self, uid_ranges: UIDRanges) -> Iterator[tuple[Chunk, int, int, int]]:
        """The chunks that have messages in the ranges, how many precede each, and which of its own are meant."""
        for low, high in uid_ranges:
            at = max(bisect_right(self._firsts, low) - 1, 0)
            for chunk, start in zip(self._chunks[at:], self._starts[at:], strict=False):
                if chunk.uids[0] > high:
                    break
                yield chunk, start, bisect_left(chunk.uids, low), bisect_right(chunk.uids, high)

    def entry(self, uid: int) -> Entry | None:
        """The message of that UID, if it is here."""
        place = self._find(uid)
        return None if place is None else self._chunks[place[0]].entry(place[1])

    def numbered(self, uid_ranges: UIDRanges) -> Iterator[tuple[int, Entry]]:
        """(message sequence number, entry) of every message whose UID lies in the ranges, in order."""
        for chunk, start, first, stop in self._parts(uid_ranges):
            for index in range(first, stop):
                yield start + index + 1, chunk.entry(index)

    def changed_since(self, uid_ranges: UIDRanges, modseq: int) -> UIDRanges:
        """The messages among these UIDs that have changed after a MODSEQ; chunks without any cost nothing."""
        found: list[int] = []
        for chunk, _, first, stop in self._parts(uid_ranges):
            found += map(chunk.uids.__getitem__, chunk.changed_since(first, stop, modseq))
        return ranges(found)

    def changed(self, uid_ranges: UIDRanges, modseq: int) -> Iterator[tuple[int, Entry]]:
        """The same with their message sequence numbers, in order."""
        for chunk, start, first, stop in self._parts(uid_ranges):
            for index in chunk.changed_since(first, stop, modseq):
                yield start + index + 1, chunk.entry(index)

    def missing(self, uid_ranges: UIDRanges) -> UIDRanges:
        """The UIDs of the ranges of which this view has no message."""
        gone: list[tuple[int, int]] = []
        for low, high in uid_ranges:
            gone += without(((low, high),), ranges(self.flagged(((low, high),), 0, 0)))
        return tuple(gone)

    def uids_of_numbers(self, numbers: UIDRanges) -> UIDRanges:
        """UID ranges that hold, of this view, just the messages with these sequence numbers (which all exist)."""
        return tuple((self.uid(low), self.uid(high)) for low, high in numbers)

    def clip(self, uid_ranges: UIDRanges) -> UIDRanges:
        """The parts of the ranges in which this view has messages, ending in UIDs that it has."""
        clipped = []
        for low, high in uid_ranges:
            if low == high:
                if self._find(low) is not None:
                    clipped.append((low, high))
                continue
            first, last = self._at_or_after(low), self._at_or_before(high)
            if first and last and first <= last:
                clipped.append((first, last))
        return tuple(clipped)

    def _at_or_after(self, uid: int) -> int:
        at = max(bisect_right(self._firsts, uid) - 1, 0)
        for chunk in self._chunks[at : at + 2]:
            index = bisect_left(chunk.uids, uid)
            if index < len(chunk.uids):
                return chunk.uids[index]
        return 0

    def _at_or_before(self, uid: int) -> int:
        at = bisect_right(self._firsts, uid) - 1
        if at < 0:
            return 0
        uids = self._chunks[at].uids
        return uids[bisect_right(uids, uid) - 1]

    def count(self, uid_ranges: UIDRanges) -> int:
        """How many messages have UIDs in the ranges."""
        return sum(self.number(high) - self.number(low) + 1 for low, high in self.clip(uid_ranges))

    def part(self, uid_ranges: UIDRanges, start: int, stop: int) -> UIDRanges:
        """Of the messages in the ranges, counted from 0, those from `start` to before `stop`."""
        chosen = []
        for low, high in self.clip(uid_ranges):
            first, last = self.number(low), self.number(high)
            count = last - first + 1
            if start < count and stop > 0:
                chosen.append((self.uid(first + max(start, 0)), self.uid(first + min(stop, count) - 1)))
            start, stop = start - count, stop - count
        return tuple(chosen)

    def slices(self, uid_ranges: UIDRanges, count: int) -> Iterator[UIDRanges]:
        """The ranges cut so that each piece holds at most `count` of this view's messages."""
        piece: list[tuple[int, int]] = []
        room = count
        for low, high in self.clip(uid_ranges):
            first, last = self.number(low), self.number(high)
            while first <= last:
                stop = min(last, first + room - 1)
                piece.append((self.uid(first), self.uid(stop)))
                room -= stop - first + 1
                first = stop + 1
                if room == 0:
                    yield tuple(piece)
                    piece, room = [], count
        if piece:
            yield tuple(piece)

    # ------------------------------------------------------------------------------------------ change

    def difference(self, newer: FolderView, mailbox_id: MailboxId, folder_id: FolderId) -> FolderChange:
        """All that has come between this view and a newer one of the same folder, as one change.

        Chunks that both hold are passed over, so that it costs what has changed.
        """
        before, after = _unshared(self, newer), _unshared(newer, self)
        return FolderChange(
            mailbox_id,
            folder_id,
            ModSeq(self.modseq),
            ModSeq(newer.modseq),
            arrived=tuple(entry for uid, entry in after.items() if uid >= self.uidnext),
            changed=tuple(entry for uid, entry in after.items() if uid in before and entry != before[uid]),
            expunged=ranges(uid for uid in before if uid not in after),
            keywords=newer.keywords if newer.keywords != self.keywords else None,
            uidnext=newer.uidnext,
        )

    def apply(self, change: FolderChange) -> FolderView:
        """The view after a change."""
        chunks = list(self._chunks)
        for low, high in change.expunged:
            self._expunge(chunks, low, high)
        chunks = [chunk for chunk in chunks if chunk.uids]
        _mark(chunks, change.changed)
        _arrive(chunks, change.arrived)
        keywords = self.keywords if change.keywords is None else change.keywords
        return FolderView(chunks, change.modseq, keywords, max(self.uidnext, change.uidnext))

    def _expunge(self, chunks: list[Chunk], low: int, high: int) -> None:
        at = max(bisect_right(self._firsts, low) - 1, 0)
        for index in range(at, len(chunks)):
            if self._firsts[index] > high:
                break
            chunks[index] = chunks[index].without(low, high)


def _unshared(view: FolderView, other: FolderView) -> dict[int, Entry]:
    """The messages, by UID and in order, of the chunks that another view does not hold."""
    shared = set(map(id, other._chunks))
    own = (chunk for chunk in view._chunks if id(chunk) not in shared)
    return {entry.uid: entry for chunk in own for entry in map(chunk.entry, range(len(chunk.uids)))}


def _mark(chunks: list[Chunk], entries: Iterable[Entry]) -> None:
    """Gives messages new flags; those that are not here are passed over."""
    firsts = [chunk.uids[0] for chunk in chunks]
    copied: set[int] = set()
    for entry in entries:
        at = bisect_right(firsts, entry.uid) - 1
        if at < 0:
            continue
        index = bisect_left(chunks[at].uids, entry.uid)
        if index < len(chunks[at].uids) and chunks[at].uids[index] == entry.uid:
            if at not in copied:
                chunks[at] = chunks[at].copy()
                copied.add(at)
            chunks[at].put(index, entry)
    for at in copied:
        chunks[at].settle()


def _arrive(chunks: list[Chunk], entries: Sequence[Entry]) -> None:
    """Adds messages behind the last."""
    if not entries:
        return
    room = CHUNK_MESSAGES - len(chunks[-1].uids) if chunks else 0
    if room:
        chunks[-1] = chunks[-1].copy()
        chunks[-1].extend(Chunk.of(entries[:room]))
    chunks += FolderView.of(entries[room:], 0, ())._chunks
