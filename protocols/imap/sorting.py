"""SORT, on whatever thread: which message comes before which (RFC 5256, RFC 5957).

Messages are read some hundred at a time and what the keys compare is kept of them, a column for each key.  Python's
sort is stable, in descending order too, so that sorting by each key, from the last to the first, is all there is to
it: ties stay in the order of sequence numbers, which REVERSE does not touch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Flag, auto
from itertools import chain
from typing import Any

from msgspec import Struct, msgpack

from core.formats import mime
from core.formats.casemap import fold
from core.model import FolderId, MailboxId, UIDRanges
from core.ports import ReadTx
from protocols.imap.commands import Ranges, SortKey

SECOND = 1_000_000  # microseconds
PIECE_MESSAGES = 2_000  # that are read at once
NEAR = 8  # UIDs between two messages that are read along with them: a query of its own costs as much

_SUMMARY = msgpack.Decoder(mime.Summary)


class Needs(Flag):
    """What of the store a key needs for each message."""

    SIZES = auto()  # (UID, size, internal date, zone)
    SUMMARIES = auto()


class Row(Struct, frozen=True, gc=False):
    """A message as the store gives it; what was not asked for is empty."""

    uid: int
    size: int
    arrived: int  # INTERNALDATE, in seconds: what a client cannot see must not part two messages
    summary: mime.Summary

    @property
    def sent(self) -> int:
        """RFC 5256 2.2: where the Date field is missing or cannot be read, INTERNALDATE stands for it."""
        moment = self.summary.sent_at
        return self.arrived if moment is None else moment // SECOND


class Columns(Struct, frozen=True, gc=False):
    """Messages in the order of their sequence numbers, and by the name of a key what it compares of each."""

    uids: list[int]
    values: dict[str, list[Any]]


# ---------------------------------------------------------------------------------------------- keys

_KEYS: dict[str, tuple[Needs, Callable[[Row], Any]]] = {
    "ARRIVAL": (Needs.SIZES, lambda row: row.arrived),
    "CC": (Needs.SUMMARIES, lambda row: fold(row.summary.cc_mailbox)),
    "DATE": (Needs.SUMMARIES | Needs.SIZES, lambda row: row.sent),
    "DISPLAYFROM": (Needs.SUMMARIES, lambda row: fold(row.summary.from_display)),
    "DISPLAYTO": (Needs.SUMMARIES, lambda row: fold(row.summary.to_display)),
    "FROM": (Needs.SUMMARIES, lambda row: fold(row.summary.from_mailbox)),
    "SIZE": (Needs.SIZES, lambda row: row.size),
    "SUBJECT": (Needs.SUMMARIES, lambda row: fold(row.summary.base_subject)),
    "TO": (Needs.SUMMARIES, lambda row: fold(row.summary.to_mailbox)),
}


def needs(keys: Iterable[SortKey]) -> Needs:
    """What of the store these keys need."""
    wanted = Needs(0)
    for key in keys:
        wanted |= _KEYS[key.name][0]
    return wanted


def columns(keys: Iterable[SortKey], rows: Iterable[Row]) -> Columns:
    """What the keys compare of some messages, which come in the order of their sequence numbers."""
    found = list(rows)
    values: dict[str, list[Any]] = {key.name: list(map(_KEYS[key.name][1], found)) for key in keys}
    return Columns([row.uid for row in found], values)


def arranged(keys: Iterable[SortKey], pieces: Sequence[Columns]) -> list[int]:
    """The UIDs in the order of these keys; the pieces follow one another as the messages do."""
    first: dict[str, SortKey] = {}
    for key in keys:
        first.setdefault(key.name, key)
    uids = [uid for piece in pieces for uid in piece.uids]
    order = list(range(len(uids)))
    for key in reversed(first.values()):
        column = list(chain.from_iterable([piece.values[key.name] for piece in pieces]))
        order.sort(key=column.__getitem__, reverse=key.reverse)
    return [uids[place] for place in order]


# ---------------------------------------------------------------------------------------------- the store

_NO_SUMMARY = mime.scan(b"").summary


def read(tx: ReadTx, place: tuple[MailboxId, FolderId], wanted: Needs, uids: Sequence[int]) -> Iterator[Row]:
    """The rows of these messages of a folder, whose UIDs ascend; one that is gone is left out."""
    ranges = near(uids)
    sizes: dict[int, tuple[int, int, int, int]] = {}
    summaries: dict[int, bytes] = {}
    if Needs.SIZES in wanted:
        sizes = {row[0]: row for low, high in ranges for row in tx.sizes(*place, low, high)}
    if Needs.SUMMARIES in wanted:
        summaries = {uid: octets for low, high in ranges for uid, octets in tx.summaries(*place, low, high)}
    here = summaries if Needs.SUMMARIES in wanted else sizes
    for uid in uids:
        if uid in here:
            _, size, at, _ = sizes.get(uid, _NO_SIZES)
            octets = summaries.get(uid)
            yield Row(uid, size, at // SECOND, _SUMMARY.decode(octets) if octets is not None else _NO_SUMMARY)


_NO_SIZES = (0, 0, 0, 0)


def near(uids: Sequence[int]) -> UIDRanges:
    """Few ranges that hold these UIDs, which ascend, and not many others."""
    if not uids:
        return ()
    last = uids[0]
    lows, highs = [last], []
    for uid in uids:
        if uid - last > NEAR:
            highs.append(last)
            lows.append(uid)
        last = uid
    return tuple(zip(lows, [*highs, last], strict=True))


# ---------------------------------------------------------------------------------------------- the answer


def in_order(numbers: Iterable[int]) -> Ranges:
    """Numbers as a sequence set that keeps their order: only what ascends is a range (RFC 5267 3.2)."""
    runs: list[tuple[int, int]] = []
    low = high = -1
    for number in numbers:
        if number == high + 1:
            high = number
            runs[-1] = (low, high)
        else:
            low = high = number
            runs.append((low, high))
    return tuple(runs)
