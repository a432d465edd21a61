"""FETCH, on whatever thread: messages into octets, from a snapshot of the store and a frozen view of the folder.

What was stored ready to send is only joined here.  A list of items is made into a plan once: which rows of the store it
needs, and a small function for each item.  A piece of an answer is bounded in messages and in octets; a section that is
larger comes as a Source, from which it is read part by part (see sections).
"""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from msgspec import Struct, msgpack

from core import folders
from core.errors import MessageExpunged
from core.formats import mime
from core.model import Entry, FolderId, Item, MailboxId, UIDRanges, email_id
from core.ports import ReadTx
from core.rights import READ, Actor
from core.view import FolderView
from protocols.imap import commands
from protocols.imap.commands import FetchItem
from protocols.imap.reading import sections
from protocols.imap.reading.objectids import thread_id
from protocols.imap.reading.sections import PIECE_OCTETS, Message, Source, UnknownEncoding
from protocols.imap.saying import responses
from protocols.imap.selected import flag_octets

PIECE_MESSAGES = 500
READ_OCTETS = 4 * PIECE_OCTETS  # that a piece takes from bodies, whatever it makes of them


class Snapshot(Struct, frozen=True):
    """What a worker may know of the session."""

    mailbox_id: MailboxId
    folder_id: FolderId
    view: FolderView
    recent_from: int  # MAX_UID + 1 when \Recent is not shown
    utf8: bool
    uid_only: bool = False
    by: Actor | None = None  # whose rights are looked at before anything is read; None: nobody's need be

    def check(self, tx: ReadTx) -> None:
        """RFC 4314 5.1.1.  Raises NoPermission, NoSuchFolder when the folder may not be read any more."""
        if self.by is not None:
            folders.existing(tx, self.mailbox_id, self.folder_id, self.by, READ)

    @property
    def line(self) -> bytes:
        """How a message's line begins: its number, or its UID (RFC 9586), is to be put in."""
        return b"* %d UIDFETCH (" if self.uid_only else b"* %d FETCH ("


class Piece(Struct, frozen=True):
    """Octets to send, how far they go, and whether a message had to be left out, and why."""

    octets: list[bytes | Source]
    last_uid: int
    is_lossy: bool = False  # gone
    is_unknown: bool = False  # its transfer encoding


# ---------------------------------------------------------------------------------------------- plans


class Rows(Enum):
    """What of the store a list of items needs for each message, from little to much."""

    NONE = 0
    SIZES = 1  # (UID, size, internal date, zone)
    ITEMS = 2
    SUMMARIES = 3  # items with what SEARCH knows of them


Writer = Callable[[Snapshot, Entry, Any], bytes]  # the last is a row of the plan's kind


class Plan(Struct, frozen=True):
    """How to answer a list of items."""

    rows: Rows
    writers: tuple[Writer, ...]  # of what is no section
    sections: tuple[sections.Asked, ...]  # behind the others

    @property
    def decodes(self) -> bool:
        """Whether whole parts must be decoded, however little of them is asked for."""
        return any(not isinstance(asked, commands.Section) for asked in self.sections)


@lru_cache(256)
def plan(items: tuple[FetchItem, ...]) -> Plan:
    """The plan for these items.  Clients send the same few lists again and again."""
    plain = [item for item in items if isinstance(item, commands.Item)]
    asked = tuple([item for item in items if not isinstance(item, commands.Item)])
    rows = max((_NEEDS[item] for item in plain), key=lambda rows: rows.value, default=Rows.NONE)
    if asked and rows is not Rows.SUMMARIES:
        rows = Rows.ITEMS
    table = _OF_SIZES if rows is Rows.SIZES else _OF_ITEM
    return Plan(rows, tuple([table[item] for item in plain]), asked)


@lru_cache(4096)
def internal_date(microseconds: int, zone: int) -> bytes:
    """INTERNALDATE; lists ask for the same messages again and again."""
    return b"INTERNALDATE " + responses.internal_date(microseconds, zone)


def _flags(snapshot: Snapshot, entry: Entry, row: object) -> bytes:
    return b"FLAGS " + flag_octets(entry, snapshot.view.keywords, recent=entry.uid >= snapshot.recent_from)


def _structure(snapshot: Snapshot, item: Item, which: int) -> bytes:
    if snapshot.utf8 and item.utf8 is not None:
        richer = _UTF8_FORMS.decode(item.utf8)[which]
        if richer is not None:
            return richer
    return (item.envelope, item.structure)[which]


_UTF8_FORMS = msgpack.Decoder(tuple[bytes | None, bytes | None])

_OF_VIEW: dict[commands.Item, Writer] = {
    commands.Item.UID: lambda s, e, row: b"UID %d" % e.uid,
    commands.Item.FLAGS: _flags,
    commands.Item.MODSEQ: lambda s, e, row: b"MODSEQ (%d)" % e.modseq,
}
_OF_SIZES: dict[commands.Item, Writer] = {
    **_OF_VIEW,
    commands.Item.SIZE: lambda s, e, row: b"RFC822.SIZE %d" % row[1],
    commands.Item.INTERNALDATE: lambda s, e, row: internal_date(row[2], row[3]),
}
_OF_ITEM: dict[commands.Item, Writer] = {
    **_OF_VIEW,
    commands.Item.SIZE: lambda s, e, row: b"RFC822.SIZE %d" % row.size,
    commands.Item.INTERNALDATE: lambda s, e, row: internal_date(row.internal_at, row.internal_zone),
    commands.Item.ENVELOPE: lambda s, e, row: b"ENVELOPE " + _structure(s, row, 0),
    commands.Item.BODYSTRUCTURE: lambda s, e, row: b"BODYSTRUCTURE " + _structure(s, row, 1),
    commands.Item.BODY: lambda s, e, row: b"BODY " + mime.without_extensions(_structure(s, row, 1)),
    commands.Item.EMAILID: lambda s, e, row: b"EMAILID (%b)" % _email_id(s, row).encode("ascii"),
    commands.Item.THREADID: lambda s, e, row: b"THREADID (%b)" % thread_id(s.mailbox_id, row.thread_id).encode("ascii"),
    commands.Item.PREVIEW: lambda s, e, row: b"PREVIEW " + _preview(row.summary, utf8=s.utf8),
    commands.Item.SAVEDATE: lambda s, e, row: b"SAVEDATE " + responses.internal_date(row.saved_at, 0),
}


def _email_id(snapshot: Snapshot, item: Item) -> str:
    return item.email_id or email_id(snapshot.mailbox_id, item.message_id)


def _preview(summary: bytes, *, utf8: bool) -> bytes:
    return responses.string(_SUMMARY.decode(summary).preview.encode(), utf8=utf8)


_SUMMARY = msgpack.Decoder(mime.Summary)
_NEEDS = {
    item: Rows.NONE if item in _OF_VIEW else Rows.SIZES if item in _OF_SIZES else Rows.ITEMS for item in commands.Item
} | {commands.Item.PREVIEW: Rows.SUMMARIES}


# ---------------------------------------------------------------------------------------------- whole lines


def lines(snapshot: Snapshot, plan: Plan, uids: UIDRanges) -> list[bytes]:
    """The lines of messages of which only the view is asked."""
    writers, line, by_uid = plan.writers, snapshot.line + b"%b)\r\n", snapshot.uid_only
    return [
        line % (entry.uid if by_uid else number, b" ".join([write(snapshot, entry, None) for write in writers]))
        for number, entry in snapshot.view.numbered(uids)
    ]


def render(tx: ReadTx, snapshot: Snapshot, plan: Plan, uids: UIDRanges) -> Piece:
    """The next lines of an answer: some of these messages, from the first on."""
    snapshot.check(tx)
    if plan.rows is Rows.NONE:
        return Piece(list(lines(snapshot, plan, uids)), uids[-1][1])
    if not plan.sections:
        return _render_rows(tx, snapshot, plan, uids)
    return _render_sections(tx, snapshot, plan, uids)


def _render_rows(tx: ReadTx, snapshot: Snapshot, plan: Plan, uids: UIDRanges) -> Piece:
    octets: list[bytes | Source] = []
    size, is_lossy = 0, False
    writers, template, by_uid = plan.writers, snapshot.line + b"%b)\r\n", snapshot.uid_only
    for number, entry, row in _joined(tx, snapshot, plan.rows, uids):
        if row is None:
            is_lossy = True
            continue
        items = b" ".join([write(snapshot, entry, row) for write in writers])
        line = template % (entry.uid if by_uid else number, items)
        octets.append(line)
        size += len(line)
        if size > PIECE_OCTETS:
            return Piece(octets, entry.uid, is_lossy)
    return Piece(octets, uids[-1][1], is_lossy)


def _render_sections(tx: ReadTx, snapshot: Snapshot, plan: Plan, uids: UIDRanges) -> Piece:
    octets: list[bytes | Source] = []
    size = taken = 0
    is_lossy = is_unknown = False
    template, by_uid = snapshot.line + b"%b", snapshot.uid_only
    for number, entry, row in _joined(tx, snapshot, plan.rows, uids):
        if row is None:
            is_lossy = True
            continue
        message = Message(tx, row)
        items = b" ".join([write(snapshot, entry, row) for write in plan.writers])
        first = template % (entry.uid if by_uid else number, items)
        try:
            line = sections.line(message, first, plan.sections, is_first=not plan.writers)
        except MessageExpunged:
            is_lossy = True
            continue
        except UnknownEncoding:
            is_unknown = True
            if plan.writers:  # the rest is told: it may be a flag that this FETCH has set
                octets.append(first + b")\r\n")
            continue
        octets += line
        size += sum([len(piece) for piece in line if isinstance(piece, bytes)])
        taken += message.taken
        if size > PIECE_OCTETS or taken > READ_OCTETS or len(line) > 1:
            return Piece(octets, entry.uid, is_lossy, is_unknown)
    return Piece(octets, uids[-1][1], is_lossy, is_unknown)


def _joined(tx: ReadTx, snapshot: Snapshot, rows: Rows, uids: UIDRanges) -> Iterator[tuple[int, Entry, Any]]:
    """Each message of the view with its row of the store, None where it has none; never holding more than one."""
    place = (snapshot.mailbox_id, snapshot.folder_id)
    found: Iterator[tuple[int, Any]]
    if rows is Rows.SIZES:
        found = ((row[0], row) for low, high in uids for row in tx.sizes(*place, low, high))
    else:
        read = tx.summarized_items if rows is Rows.SUMMARIES else tx.items
        found = ((item.uid, item) for low, high in uids for item in read(*place, low, high))
    uid, row = next(found, _END)
    for number, entry in snapshot.view.numbered(uids):
        while uid < entry.uid:
            uid, row = next(found, _END)
        yield number, entry, row if uid == entry.uid else None


_END: tuple[int, Any] = (1 << 62, None)
