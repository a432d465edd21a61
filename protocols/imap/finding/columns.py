"""What SORT and THREAD compare of messages, a column for each: read from the store, and never from a body.

A UID never means another message, nor does what came with a message ever change.  So a column that was read once holds
for ever: what came since is read and put to it, and what has gone does no harm.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Any

from msgspec import Raw, Struct, defstruct, msgpack, structs

from core.formats import mime
from core.model import FolderId, MailboxId, UIDRanges
from core.ports import ReadTx
from protocols.imap.finding.comparators import DEFAULT, Comparator
from protocols.imap.finding.conversations import Mail

SECOND = 1_000_000  # microseconds
PIECE_MESSAGES = 1_000  # that are read at once: some 4 ms
NEAR = 8  # UIDs between two messages that are read along with them: a query of its own costs as much
FEW = 16  # times more messages in a column than are asked for, and they are looked up one by one
SPARE_MESSAGES = 1_000  # that have gone, beside as many as there are: then a column forgets them
MAIL = "MAIL"  # the column that THREAD compares; the others are named like the keys of SORT
OBJECT_OCTETS, POINTER_OCTETS = 56, 8  # of a Python object, beside what it is about, and of the way to it

Row = tuple[int, int, int, int | None, bytes]  # (UID, size, internal date, Date, summary)

_NUMBERS: dict[str, Callable[[Row], int]] = {
    "ARRIVAL": lambda row: row[2] // SECOND,  # what a client cannot see must not part two messages
    # RFC 5256 2.2: where the Date field is missing or cannot be read, INTERNALDATE stands for it.
    "DATE": lambda row: (row[2] if row[3] is None else row[3]) // SECOND,
    "SIZE": lambda row: row[1],
}
_TEXTS = {
    "CC": "cc_mailbox",
    "DISPLAYFROM": "from_display",
    "DISPLAYTO": "to_display",
    "FROM": "from_mailbox",
    "SUBJECT": "base_subject",
    "TO": "to_mailbox",
}
_MAIL_FIELDS = ("base_subject", "is_reply", "message_id", "references")


class Column(Struct, frozen=True):
    """One thing of some messages, whose UIDs ascend."""

    uids: "array[int]"
    values: Sequence[Any]  # folded texts, seconds, octets, or Mail
    octets: int  # that it takes of memory, more or less

    def lacking(self, uids: Sequence[int]) -> list[int]:
        """Those of the UIDs, which ascend, that are not here."""
        if FEW * len(uids) < len(self.uids):
            return [uid for uid in uids if self._place(uid) < 0]
        asked, count = array("I", uids), len(self.uids)
        if asked[:count] == self.uids:  # some have come since, if anything has changed
            return asked[count:].tolist()
        known = set(self.uids)
        return [uid for uid in uids if uid not in known]

    def of(self, uids: Sequence[int]) -> Sequence[Any]:
        """The values of messages that are all here."""
        if FEW * len(uids) < len(self.uids):
            return [self.value(uid) for uid in uids]
        if len(uids) == len(self.uids):
            return self.values
        known = dict(zip(self.uids, self.values, strict=True))
        return [known[uid] for uid in uids]

    def value(self, uid: int) -> Any:
        """The value of a message that is here."""
        return self.values[self._place(uid)]

    def _place(self, uid: int) -> int:
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1


NOTHING = Column(array("I"), (), 0)


def _column(uids: "array[int]", values: Sequence[Any]) -> Column:
    """With each text in it once."""
    octets = uids.itemsize * len(uids) + OBJECT_OCTETS
    if isinstance(values, array):
        return Column(uids, values, octets + values.itemsize * len(values))
    octets += POINTER_OCTETS * len(values)
    if values and isinstance(values[0], str):
        once: dict[str, str] = {}
        values = [once.setdefault(value, value) for value in values]
        return Column(uids, values, octets + sum(map(len, once)) + OBJECT_OCTETS * len(once))
    return Column(uids, values, octets + sum(map(_mail_octets, values)))


def _mail_octets(mail: Mail) -> int:
    # Itself, its dates, its id, and the list of the others, which are those of other messages, as is its subject.
    return 5 * OBJECT_OCTETS + len(mail.message_id) + POINTER_OCTETS * len(mail.references)


# ---------------------------------------------------------------------------------------------- the store


def read(
    tx: ReadTx,
    place: tuple[MailboxId, FolderId],
    names: Collection[str],
    uids: Sequence[int],
    comparator: Comparator = DEFAULT,
) -> dict[str, Column]:
    """These columns of messages of a folder, whose UIDs ascend; one that is gone is left out."""
    query: Callable[..., Iterable[Any]] = tx.dates if _NUMBERS.keys() >= set(names) else tx.dated_summaries
    wanted = set(uids)
    rows = [row for low, high in near(uids) for row in query(*place, low, high) if row[0] in wanted]
    return columns(names, rows, comparator)


def columns(names: Collection[str], rows: Sequence[Row], comparator: Comparator = DEFAULT) -> dict[str, Column]:
    """These columns of rows that come in the order of their UIDs; without any text a row needs no summary."""
    uids = array("I", [row[0] for row in rows])
    fields = [_TEXTS[name] for name in names if name in _TEXTS] + (list(_MAIL_FIELDS) if MAIL in names else [])
    summaries: list[Any] = []
    if fields:
        decode = _decoder(frozenset(fields)).decode
        summaries = [decode(row[4]) for row in rows]
    return {name: _column(uids, _values(name, rows, summaries, comparator.fold)) for name in names}


def _values(name: str, rows: Sequence[Row], summaries: Sequence[Any], fold: Callable[[str], str]) -> Sequence[Any]:
    if name in _NUMBERS:
        return array("q", map(_NUMBERS[name], rows))
    if name in _TEXTS:
        return list(map(fold, map(attrgetter(_TEXTS[name]), summaries)))
    sent, arrived = map(_NUMBERS["DATE"], rows), map(_NUMBERS["ARRIVAL"], rows)
    known: dict[str, str] = {}  # an id is named by all that answer it
    once = known.setdefault

    def mail(sent: int, arrived: int, s: Any) -> Mail:
        subject, name = fold(s.base_subject), s.message_id
        ids = tuple([once(above, above) for above in s.references])
        return Mail(sent, arrived, once(subject, subject), s.is_reply, once(name, name), ids)

    return list(map(mail, sent, arrived, summaries))


@lru_cache(64)
def _decoder(fields: frozenset[str]) -> msgpack.Decoder[Any]:
    """Decodes these fields of a summary and passes over the others: most of what decoding costs is making objects."""
    known = structs.fields(mime.Summary)
    last = max(place for place, field in enumerate(known) if field.name in fields)
    wanted = [(field.name, field.type if field.name in fields else Raw) for field in known[: last + 1]]
    return msgpack.Decoder(defstruct("Fields", wanted, array_like=True, frozen=True, gc=False))


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


# ---------------------------------------------------------------------------------------------- more of the same


def joined(parts: Sequence[Column], alive: Callable[[], Sequence[int]], count: int) -> Column:
    """One column of them all.

    `alive` gives the UIDs of the folder's messages, of which there are `count`; others go when they are too many.
    """
    some = [part for part in parts if part.uids]
    if not some:
        return NOTHING
    if all(before.uids[-1] < after.uids[0] for before, after in pairwise(some)):
        uids, values = _put_together([part.uids for part in some]), _put_together([part.values for part in some])
    else:
        known = {uid: value for part in some for uid, value in zip(part.uids, part.values, strict=True)}
        uids, values = _picked(known, sorted(known), some[0])
    if len(uids) > 2 * count + SPARE_MESSAGES:
        known = dict(zip(uids, values, strict=True))
        uids, values = _picked(known, [uid for uid in alive() if uid in known], some[0])
    elif 2 * len(some[0].uids) > len(uids):  # to look at all for a few would cost more than they can share
        return Column(uids, values, sum(part.octets for part in some))
    return _column(uids, values)


def _picked(known: dict[int, Any], uids: list[int], like: Column) -> tuple["array[int]", Sequence[Any]]:
    values = map(known.__getitem__, uids)
    return array("I", uids), array("q", values) if isinstance(like.values, array) else list(values)


def _put_together(parts: Sequence[Any]) -> Any:
    """One array of arrays, or one list of lists."""
    first = parts[0][:]
    for part in parts[1:]:
        first += part
    return first
