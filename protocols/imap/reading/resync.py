"""What a client that comes back has missed (RFC 7162 3.2): which of the messages that it knows have vanished."""

from core import folders
from core.model import UIDRanges, common, merged
from core.ports import ReadTx
from protocols.imap.commands import Ranges, SequenceSet
from protocols.imap.reading.fetching import Snapshot


def vanished(tx: ReadTx, snapshot: Snapshot, asked: SequenceSet | None, since: int, matched: int = 0) -> UIDRanges:
    """The UIDs among those asked for that went away after MODSEQ `since`; None asks for all that there ever were.

    If not every tombstone since then is kept, it is all that are not there now (RFC 7162 3.2.6), but for those up to
    `matched`, of which the client has shown that it knows (3.2.5.2).  What this view still has is told later.
    """
    folder = folders.existing(tx, snapshot.mailbox_id, snapshot.folder_id)
    view = snapshot.view
    last = view.uidnext - 1
    known: UIDRanges = ((1, last),) if asked is None else asked.resolve(last)
    if since < folder.tombstone_floor:
        return view.missing(common(known, ((matched + 1, last),)))
    gone = merged(tuple(tx.vanished(snapshot.mailbox_id, snapshot.folder_id, since)))
    return view.missing(common(known, gone))


def matched_up_to(snapshot: Snapshot, numbers: Ranges, uids: Ranges) -> int:
    """The highest UID of the client's sample that still has the message number it had, before the first that has not.

    RFC 7162 3.2.5.2: up to it, the client has missed nothing.
    """
    view, best = snapshot.view, 0
    for number, uid in zip(_each(numbers), _each(uids), strict=False):
        if number > len(view) or view.uid(number) != uid:
            break
        best = uid
    return best


def _each(sets: Ranges) -> list[int]:
    numbers: list[int] = []
    for low, high in sets:
        numbers += range(low, min(high, low + SAMPLE - len(numbers) - 1) + 1)
        if len(numbers) >= SAMPLE:
            break
    return numbers


SAMPLE = 10_000  # messages of the match data that are looked at; clients send some dozens
