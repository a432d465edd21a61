"""The values that everything else speaks of: mailboxes, folders, entries, messages.

Times are whole microseconds since the Unix epoch, UTC.  Sizes are octets.  Flags are two integers: the five system
flags as a small mask, and a folder's keywords as a mask whose bit n is the folder's keyword number n.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NewType

from msgspec import Struct

MailboxId = NewType("MailboxId", int)
FolderId = NewType("FolderId", int)
MessageId = NewType("MessageId", int)  # the store's own number of a message in its mailbox, not its Message-ID header
UID = NewType("UID", int)
ModSeq = NewType("ModSeq", int)

SEEN: Final = 1
ANSWERED: Final = 2
FLAGGED: Final = 4
DELETED: Final = 8
DRAFT: Final = 16
ALL_SYSTEM_FLAGS: Final = 31

ROOT: Final = FolderId(0)  # the parent of top-level folders; not a folder itself
SEPARATOR: Final = "/"
INBOX: Final = "INBOX"

MAX_UID: Final = 4_294_967_295  # RFC 9051: a UID is a 32-bit number

# 63 keywords live in the entry's mask (a BIGINT is signed); the others of a folder in rows of their own.
KEYWORDS_IN_MASK: Final = 63


class Tagged(Struct, frozen=True, tag=True, array_like=True):
    """A value of one of several kinds, which says of which when it is sent to another process."""


UIDRanges = tuple[tuple[int, int], ...]  # inclusive, ascending, disjoint


def ranges(uids: Iterable[int]) -> UIDRanges:
    """The shortest inclusive ranges that hold exactly these UIDs, which come in ascending order."""
    runs: list[tuple[int, int]] = []
    first = last = None
    for uid in uids:
        if last is not None and uid == last + 1:
            last = uid
            continue
        if first is not None and last is not None:
            runs.append((first, last))
        first = last = uid
    if first is not None and last is not None:
        runs.append((first, last))
    return tuple(runs)


def merged(*several: UIDRanges) -> UIDRanges:
    """Ranges that hold each UID of any of these, once."""
    runs: list[tuple[int, int]] = []
    for low, high in sorted(run for some in several for run in some):
        if runs and low <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(runs[-1][1], high))
        else:
            runs.append((low, high))
    return tuple(runs)


def without(uid_ranges: UIDRanges, gone: UIDRanges) -> UIDRanges:
    """The ranges less those UIDs; both ascending and disjoint."""
    if not gone:
        return uid_ranges
    kept = []
    at = 0
    for low, high in uid_ranges:
        while at < len(gone) and gone[at][1] < low:
            at += 1
        following = at
        while following < len(gone) and gone[following][0] <= high:
            if gone[following][0] > low:
                kept.append((low, gone[following][0] - 1))
            low = gone[following][1] + 1
            following += 1
        if low <= high:
            kept.append((low, high))
    return tuple(kept)


def within(uid: int, uid_ranges: UIDRanges) -> bool:
    """Whether a UID lies in one of the ranges, which are ascending and disjoint."""
    at = bisect_right(uid_ranges, (uid, MAX_UID)) - 1
    return at >= 0 and uid <= uid_ranges[at][1]


def common(one: UIDRanges, other: UIDRanges) -> UIDRanges:
    """The UIDs that are in both; both ascending and disjoint."""
    return without(one, without(one, other))


def each(uid_ranges: UIDRanges) -> Iterator[int]:
    """Every UID of the ranges, in order."""
    for low, high in uid_ranges:
        yield from range(low, high + 1)


class Mailbox(Struct, frozen=True):
    mailbox_id: MailboxId
    guid: bytes
    used_bytes: int
    used_count: int


class Folder(Struct, frozen=True):
    """A folder's row: its place in the tree, its counters, and what it promises to IMAP clients."""

    mailbox_id: MailboxId
    folder_id: FolderId
    parent_id: FolderId
    name: str  # one level, without separators
    special_use: str | None  # an attribute of RFC 6154, as "\\Sent"
    selectable: bool  # False: only a place in the hierarchy (\NonExistent)
    uidvalidity: int
    uidnext: UID
    modseq: ModSeq  # of the folder's last change: HIGHESTMODSEQ
    recent_from: UID  # the first UID that no session has yet been shown as \Recent
    n_exists: int
    n_unseen: int
    n_deleted: int
    n_bytes: int
    tombstone_floor: ModSeq = ModSeq(0)  # tombstones of this and lower MODSEQs may have been forgotten
    last_modseq: ModSeq = ModSeq(1)  # the highest given out, also for what only one reader sees
    prior_modseq: ModSeq = ModSeq(0)  # of the change before the last that all see


class Entry(Struct, frozen=True, array_like=True):
    """A message in a folder, as far as a selected session needs it in memory."""

    uid: UID
    flags: int
    keywords: int
    modseq: ModSeq


# Entries by columns: UIDs, flags, masks of keywords, MODSEQs.
Columns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]


class SeenRange(Struct, frozen=True, array_like=True):
    r"""UIDs whose messages a reader, who is not the owner, has last marked as \Seen or as unseen at one MODSEQ."""

    low: int
    high: int
    is_seen: bool
    modseq: ModSeq


class Blob(Struct, frozen=True):
    """Where the bytes of a message are, and how they are written there."""

    hash: bytes  # SHA-256 of the plain bytes
    size: int  # of the plain bytes
    stored_size: int
    encoding: int  # PLAIN or FRAMED
    data: bytes | None = None  # the stored bytes, when they are in the row (or not yet anywhere)
    pack_id: int | None = None
    pack_offset: int | None = None


PLAIN: Final = 0  # the bytes as they are
FRAMED: Final = 1  # independent zstd frames behind a table of them


class Incoming(Struct, frozen=True):
    """A message on its way in: its body, stored or ready to be, and all that was computed from it once."""

    blob: Blob
    sent_at: int | None
    envelope: bytes
    structure: bytes
    parts: bytes
    summary: bytes
    utf8: bytes | None
    thread_keys: tuple[bytes, ...] = ()  # by which the messages of one conversation find each other


def email_id(mailbox_id: MailboxId, message_id: int) -> str:
    """RFC 8474 5.1, EMAILID: what a message is called, also in mailboxes that it is copied to."""
    return f"M{mailbox_id:x}-{message_id:x}"


class Item(Struct, frozen=True):
    """A message in a folder with its stored columns, as FETCH and SEARCH read them."""

    uid: UID
    message_id: MessageId
    size: int  # RFC822.SIZE: prefix and blob
    internal_at: int
    internal_zone: int  # minutes east of UTC
    saved_at: int
    sent_at: int | None
    prefix: bytes
    envelope: bytes
    structure: bytes
    parts: bytes
    utf8: bytes | None
    hash: bytes
    thread_id: MessageId  # the number of the conversation's first message
    email_id: str | None = None  # what it is called wherever it is, if not by its number here (RFC 8474 5.1)
    summary: bytes = b""  # only where it was asked for
