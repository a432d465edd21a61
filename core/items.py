"""Messages in folders: append, copy, move, flags, expunge."""

from collections.abc import Sequence

from msgspec.structs import replace

from core import rights
from core.changes import FolderChange
from core.commands import (
    Append,
    Appended,
    ClaimRecent,
    Expunge,
    ForgetTombstones,
    Replace,
)
from core.errors import LimitExceeded, MessageExpunged, OverQuota
from core.flags import check_own, permitted, rows_of
from core.folders import Outcome, existing, keyword_mask, learn_keywords, removed, selectable
from core.limits import COPY_ROWS, ROWS_PER_COMMAND, TOMBSTONES_PER_FOLDER
from core.model import (
    DELETED,
    MAX_UID,
    SEEN,
    UID,
    Entry,
    Folder,
    Incoming,
    MailboxId,
    MessageId,
    ranges,
)
from core.ports import Counters, NewEntry, NewMessage, ReadTx, StoredEntry, WriteTx
from core.recipients import RecipientId
from core.rights import Actor
from core.seen import mark


def check_quota(tx: ReadTx, mailbox_id: MailboxId, quota: int | None, octets: int) -> None:
    """Raises OverQuota when so many octets more would pass the limit (T-1.2, T-7.1)."""
    if quota is not None and tx.mailbox(mailbox_id).used_bytes + octets > quota:
        raise OverQuota("The mailbox is full")


def check_uids(folder: Folder, count: int) -> None:
    """Raises LimitExceeded when the folder has not so many UIDs left to give out (RFC 9051 2.3.1.1)."""
    if folder.uidnext + count > MAX_UID:
        raise LimitExceeded("The folder has given out all its UIDs: move its messages to a new one")


def append(tx: WriteTx, command: Append) -> Outcome:
    """RFC 9051 6.3.12, RFC 3502 6.3.11: if it fails, the folder is as it was; there is no partial appending."""
    folder = selectable(tx, command.mailbox_id, command.path, command.by, rights.INSERT)
    check_quota(tx, command.mailbox_id, command.quota, _octets(command))
    appended, change = _file_all(tx, folder, command)
    return appended, (change,)


def _octets(command: Append) -> int:
    return sum(filing.message.blob.size for filing in command.filings)


def replace_message(tx: WriteTx, command: Replace) -> Outcome:
    r"""RFC 8508 3.4: the message goes, \Deleted or not, and only what the mailbox gains by it counts."""
    taken = rights.DELETE_MESSAGES | rights.EXPUNGE
    source = existing(tx, command.mailbox_id, command.folder_id, command.by, taken)
    target = selectable(tx, command.mailbox_id, command.path, command.by, rights.INSERT)
    rows = tx.stored_entries(command.mailbox_id, command.folder_id, command.uid, command.uid, 1)
    if not rows:
        raise MessageExpunged("The message to be replaced has been expunged")
    check_own(rows, rights.of(tx, source, command.by), taken, command.by)
    gained = _octets(command) - rows[0].size
    if gained > 0:
        check_quota(tx, command.mailbox_id, command.quota, gained)
    appended, arrived = _file_all(tx, target, command)
    return appended, (arrived, remove(tx, source, rows))


def _file_all(tx: WriteTx, folder: Folder, command: Append) -> tuple[Appended, FolderChange]:
    """Puts messages into a folder under consecutive UIDs; keywords first, since there may be too many."""
    filings, at = command.filings, command.at
    if command.by is not None:
        may = permitted(rights.of(tx, folder, command.by))
        filings = tuple(replace(filing, flags=may.of(filing.flags)) for filing in filings)
    words = dict.fromkeys(filing.flags.keywords for filing in filings)  # in order: first spelt, first numbered
    _, learned = learn_keywords(tx, folder, [name for names in words for name in names])
    masks = {names: keyword_mask(tx, folder, names)[0] if names else 0 for names in words}
    rows = []
    for filing in filings:
        tx.put_blob(filing.message.blob, at)
        times = (filing.internal_at, filing.internal_zone)
        marks = (filing.flags.system, masks[filing.flags.keywords])
        rows.append(_insert(tx, folder, filing.message, b"", *times, *marks, filing.email_id))
    change = enter(tx, folder, rows, at, command.by)
    return Appended(folder.uidvalidity, change.arrived[0].uid, len(rows)), replace(change, keywords=learned)


def file(
    tx: WriteTx, folder: Folder, message: Incoming, *, at: int, prefix: bytes, internal_at: int
) -> tuple[int, FolderChange]:
    """Puts a new message, whose blob is stored, into a folder."""
    change = enter(tx, folder, [_insert(tx, folder, message, prefix, internal_at)], at)
    return change.arrived[0].uid, change


def _insert(
    tx: WriteTx,
    folder: Folder,
    message: Incoming,
    prefix: bytes,
    internal_at: int,
    internal_zone: int = 0,
    flags: int = 0,
    keywords: int = 0,
    email_id: str | None = None,
) -> StoredEntry:
    """The message itself, and its entry, which has no UID yet."""
    mailbox_id, size = folder.mailbox_id, len(prefix) + message.blob.size
    message_id = tx.take_messages(mailbox_id, 1, size)
    thread_id = join_thread(tx, mailbox_id, message_id, message.thread_keys)
    row = NewMessage(
        mailbox_id,
        message_id,
        message.blob.hash,
        1,
        size,
        internal_at,
        internal_zone,
        message.sent_at,
        prefix,
        message.envelope,
        message.structure,
        message.parts,
        message.summary,
        message.utf8,
        thread_id,
        email_id,
    )
    tx.insert_messages((row,))
    return StoredEntry(UID(0), message_id, flags, keywords, size)


def join_thread(tx: WriteTx, mailbox_id: MailboxId, message_id: MessageId, keys: Sequence[bytes]) -> MessageId:
    """RFC 8474 5.2: the conversation that the message belongs to from now on, the oldest that it could join."""
    known = tx.threads(mailbox_id, keys)
    thread_id = min(known.values(), default=message_id)
    tx.remember_thread(mailbox_id, [key for key in keys if key not in known], thread_id)
    return thread_id


def enter(tx: WriteTx, folder: Folder, rows: Sequence[StoredEntry], at: int, by: Actor | None = None) -> FolderChange:
    r"""Entries for messages that exist, under the folder's next UIDs and one MODSEQ of its own.

    Who is not the owner is remembered as their author, and has \Seen for himself.
    """
    check_uids(folder, len(rows))
    seen_by_actor = [place for place, row in enumerate(rows) if row.flags & SEEN] if by is not None else ()
    author = RecipientId(0) if by is None else by.user
    if by is not None:
        rows = [replace(row, flags=row.flags & ~SEEN) for row in rows]
    mailbox_id, folder_id = folder.mailbox_id, folder.folder_id
    gained = removed(rows)
    add = Counters(len(rows), -gained.exists, -gained.unseen, -gained.deleted, -gained.octets)
    after = tx.count(mailbox_id, folder_id, add)
    first = after.uidnext - len(rows)
    tx.insert_entries(
        [
            NewEntry(mailbox_id, folder_id, uid, row.message_id, after.modseq, row.flags, row.keywords, at, author)
            for uid, row in enumerate(rows, first)
        ]
    )
    arrived = tuple(Entry(UID(uid), row.flags, row.keywords, after.modseq) for uid, row in enumerate(rows, first))
    own = None
    if by is not None and seen_by_actor:
        own = mark(tx, folder, by.user, after.modseq, ranges(first + place for place in seen_by_actor))
    return FolderChange(mailbox_id, folder_id, after.prior_modseq, after.modseq, arrived=arrived, own=own)


def remove(tx: WriteTx, folder: Folder, rows: Sequence[StoredEntry]) -> FolderChange:
    """Takes entries away and leaves tombstones."""
    mailbox_id, folder_id = folder.mailbox_id, folder.folder_id
    gone = ranges(row.uid for row in rows)
    after = tx.count(mailbox_id, folder_id, removed(rows))
    tx.delete_entries(mailbox_id, folder_id, gone)
    tx.drop_references(mailbox_id, [row.message_id for row in rows])
    tx.add_usage(mailbox_id, -len(rows), -sum(row.size for row in rows))
    for low, high in gone:
        tx.insert_tombstone(mailbox_id, folder_id, after.modseq, low, high)
    return FolderChange(mailbox_id, folder_id, after.prior_modseq, after.modseq, expunged=gone)


def expunge(tx: WriteTx, command: Expunge) -> Outcome:
    r"""RFC 9051 6.4.3, 6.4.9: what is marked \Deleted among these UIDs goes; the result is how many."""
    need = rights.EXPUNGE if command.marked_only else rights.EXPUNGE | rights.DELETE_MESSAGES
    folder = existing(tx, command.mailbox_id, command.folder_id, command.by, need)
    may = rights.of(tx, folder, command.by)
    rows = rows_of(tx, folder, command.uids, COPY_ROWS)
    if command.marked_only:
        rows = [row for row in rows if row.flags & DELETED]
    if command.by is not None and may.own_only & rights.EXPUNGE:
        rows = [row for row in rows if row.author == command.by.user]
    if not rows:
        return 0, ()
    return len(rows), (remove(tx, folder, rows),)


def forget_tombstones(tx: WriteTx, command: ForgetTombstones) -> Outcome:
    """RFC 7162 5.3: a client that was away for longer is told of all that is missing; the result is how many went."""
    existing(tx, command.mailbox_id, command.folder_id)
    return tx.forget_tombstones(command.mailbox_id, command.folder_id, TOMBSTONES_PER_FOLDER, ROWS_PER_COMMAND), ()


def claim_recent(tx: WriteTx, command: ClaimRecent) -> Outcome:
    r"""RFC 3501 2.3.2: the first session to be told of a message sees it as \Recent, and no later one does."""
    folder = existing(tx, command.mailbox_id, command.folder_id)
    if folder.recent_from < command.below:
        tx.update_folder(replace(folder, recent_from=UID(command.below)))
    return folder.recent_from, ()
