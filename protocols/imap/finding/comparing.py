"""The steps of SORT and THREAD: what memory lacks is read, and what is found out is kept there."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from core.ports import ReadTx
from protocols.imap.commands import Algorithm, SortKey
from protocols.imap.finding import columns, conversations, sorting
from protocols.imap.finding.columns import MAIL, NOTHING, Column
from protocols.imap.finding.comparators import Comparator
from protocols.imap.finding.kept import Key
from protocols.imap.handlers.progress import Progress
from protocols.imap.naming.homes import Home
from protocols.imap.reading.fetching import Snapshot
from protocols.imap.work import Asking, Breathe, Compute, Pause

if TYPE_CHECKING:
    from protocols.imap.session import Session

T = TypeVar("T")
FEW_FOUND = 500  # messages about which something is found out on the spot
FEW_READ = 100  # that are read on the spot, wherever they lie
RELEVANCY = "RELEVANCY"  # the key of SORT that is about the search, so that nothing of it is kept
NO_SCORES: Mapping[int, int] = {}
LARGE_PART = 4  # of how many messages one is found, or more: an order of them all is looked through for them


class Threaded(Struct, frozen=True):
    """An answer to THREAD, and what it was said of: these messages, under these numbers."""

    uids: array[int]
    labels: array[int]
    pieces: tuple[bytes, ...]

    @property
    def octets(self) -> int:
        return 8 * len(self.uids) + sum(map(len, self.pieces))

    def answers(self, uids: Sequence[int], labels: Sequence[int]) -> bool:
        """Whether it says the same of these messages."""
        return len(uids) == len(self.uids) and array("I", uids) == self.uids and array("I", labels) == self.labels


def _key(snapshot: Snapshot, comparator: Comparator, what: Any) -> Key:
    """RFC 5255 4.2: what was found out by one comparator says nothing of another."""
    return snapshot.mailbox_id, snapshot.folder_id, (comparator.name, what)


def computed(run: Callable[[], T], count: int) -> Asking[T]:
    """What comes of a step that goes through so many messages."""
    if count <= FEW_FOUND:
        return run()
    result: T = yield Compute(run, bulk=True)
    return result


def ordered(
    session: Session,
    home: Home,
    snapshot: Snapshot,
    keys: Sequence[SortKey],
    uids: Sequence[int],
    comparator: Comparator,
    reached: Callable[[int], None] = lambda count: None,
    scores: Mapping[int, int] = NO_SCORES,
) -> Asking[array[int]]:
    """Messages, whose UIDs ascend, in the order of these keys; those that are gone may be left out.

    `reached` is told how many messages have been gone through, beside all those of the folder.  `scores` are what
    RELEVANCY compares, by UID.
    """
    kept, keys = session.services.kept, comparator.directed(sorting.distinct(keys))
    if any(key.name == RELEVANCY for key in keys):
        return (yield from _ranked(session, home, snapshot, keys, uids, comparator, reached, scores))
    name = _key(snapshot, comparator, keys)
    known: array[int] = kept.get(name) or array("I")
    found, late = array("I"), list(uids)
    if LARGE_PART * len(uids) >= len(known) > 0:
        found, late = yield from computed(partial(sorting.split, known, uids), len(known))
    if not late:
        return found
    of = yield from _columns(session, home, snapshot, [key.name for key in keys], uids, comparator, reached)
    arrange = partial(_arranged, keys, uids, found, late, of)
    order = yield from computed(arrange, len(uids))
    if LARGE_PART * len(uids) >= len(snapshot.view):
        kept.put(name, order, order.itemsize * len(order))
    return order


def _ranked(
    session: Session,
    home: Home,
    snapshot: Snapshot,
    keys: Sequence[SortKey],
    uids: Sequence[int],
    comparator: Comparator,
    reached: Callable[[int], None],
    scores: Mapping[int, int],
) -> Asking[array[int]]:
    """RFC 6203 6: the highest score comes first."""
    others = [key.name for key in keys if key.name != RELEVANCY]
    of = yield from _columns(session, home, snapshot, others, uids, comparator, reached)

    def arrange() -> array[int]:
        ranks = Column(array("I", uids), array("q", [-scores[uid] for uid in uids]), 0)
        return _arranged(keys, uids, array("I"), uids, {**of, RELEVANCY: ranks})

    return (yield from computed(arrange, len(uids)))


def _arranged(
    keys: Sequence[SortKey], uids: Sequence[int], found: array[int], late: Sequence[int], of: sorting.Columns
) -> array[int]:
    gone = set().union(*(column.lacking(uids) for column in of.values()))
    if gone:
        uids, late = ([uid for uid in some if uid not in gone] for some in (uids, late))
        found = array("I", [uid for uid in found if uid not in gone])
    few = found and len(late) <= sorting.FEW_LATE
    return sorting.inserted(keys, found, late, of) if few else sorting.arranged(keys, uids, of)


def threaded(
    session: Session,
    home: Home,
    snapshot: Snapshot,
    algorithm: Algorithm,
    uids: Sequence[int],
    label: Callable[[Sequence[int]], Sequence[int]],
    progress: Progress,
) -> Asking[None]:
    """Sends the threads of messages, whose UIDs ascend, under the numbers that `label` gives them."""
    kept, comparator = session.services.kept, session.comparator
    name = _key(snapshot, comparator, algorithm)
    known: Threaded | None = kept.get(name)
    labels = yield from computed(partial(label, uids), len(uids))
    if known is not None and (yield from computed(partial(known.answers, uids, labels), len(uids))):
        for piece in known.pieces:
            session.send(piece)
            if piece is not known.pieces[-1]:
                yield Pause(0.0)  # until the client has taken it
        return
    of = (yield from _columns(session, home, snapshot, (MAIL,), uids, comparator, progress.reached))[MAIL]
    link = partial(_linked, algorithm, uids, labels, of)
    trees, numbers = yield from computed(link, len(uids))
    answer, pieces = conversations.response(trees, numbers), []
    while piece := (yield from computed(partial(next, answer, b""), len(uids))):
        session.send(piece)
        pieces.append(piece)
    threaded = Threaded(array("I", uids), array("I", labels), tuple(pieces))
    kept.put(name, threaded, threaded.octets)


def _linked(
    algorithm: Algorithm, uids: Sequence[int], labels: Sequence[int], of: Column
) -> tuple[conversations.Threads, Sequence[int]]:
    """The threads of the messages that are still there, and their numbers."""
    gone = set(of.lacking(uids))
    if gone:
        alive = [place for place, uid in enumerate(uids) if uid not in gone]
        uids, labels = [uids[place] for place in alive], [labels[place] for place in alive]
    return conversations.threads(algorithm, of.of(uids)), labels


def _columns(
    session: Session,
    home: Home,
    snapshot: Snapshot,
    names: Sequence[str],
    uids: Sequence[int],
    comparator: Comparator,
    reached: Callable[[int], None],
) -> Asking[dict[str, Column]]:
    """What is to be compared of messages; of those that are gone it may be missing."""
    kept, place, view = session.services.kept, (snapshot.mailbox_id, snapshot.folder_id), snapshot.view
    of: dict[str, Column] = {name: kept.get(_key(snapshot, comparator, name)) or NOTHING for name in names}
    many = max([len(uids), *(len(column.uids) for column in of.values())])
    late: list[int] = yield from computed(partial(_lacking, list(of.values()), uids), many)
    parts: list[dict[str, Column]] = [of]
    for at in range(0, len(late), columns.PIECE_MESSAGES):
        some = late[at : at + columns.PIECE_MESSAGES]
        read = partial(columns.read, place=place, names=names, uids=some, comparator=comparator)
        parts.append((yield home.scan(partial(_at_once, read)) if len(some) > FEW_READ else home.read(read)))
        reached(len(view) + at + len(some))
    if any(part.uids for found in parts[1:] for part in found.values()):
        of = yield from computed(partial(_joined, parts, snapshot), many)
        for name, column in of.items():
            kept.put(_key(snapshot, comparator, name), column, column.octets)
    return of


def _at_once(read: Callable[[ReadTx], T], tx: ReadTx, breathe: Breathe) -> T:
    """A scan of so little that it need not breathe."""
    return read(tx)


def _lacking(of: Sequence[Column], uids: Sequence[int]) -> list[int]:
    """The messages of which any column lacks something."""
    missing = [column.lacking(uids) for column in of]
    return missing[0] if len(missing) == 1 else sorted(set().union(*missing))


def _joined(parts: Sequence[dict[str, Column]], snapshot: Snapshot) -> dict[str, Column]:
    """The columns of all parts."""
    view = snapshot.view
    return {name: columns.joined([part[name] for part in parts], view.all_uids, len(view)) for name in parts[0]}
