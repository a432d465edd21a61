"""Messages in folders: append, copy, move, flags, expunge."""

from collections.abc import Sequence

from msgspec.structs import replace

from core.changes import FolderChange
from core.commands import (
    Append,
    Appended,
    ClaimRecent,
    Copied,
    Copy,
    Expunge,
    Filing,
    FlagMode,
    Flags,
    ForgetTombstones,
    Replace,
    Stored,
    StoreFlags,
)
from core.errors import LimitExceeded, MessageExpunged, OverQuota
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
    ModSeq,
    UIDRanges,
    ranges,
    without,
)
from core.ports import Counters, NewEntry, NewMessage, ReadTx, StoredEntry, WriteTx


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
    folder = selectable(tx, command.mailbox_id, command.path)
    check_quota(tx, command.mailbox_id, command.quota, _octets(command))
    appended, change = _file_all(tx, folder, command.filings, command.at)
    return appended, (change,)


def _octets(command: Append) -> int:
    return sum(filing.message.blob.size for filing in command.filings)


def replace_message(tx: WriteTx, command: Replace) -> Outcome:
    r"""RFC 8508 3.4: the message goes, \Deleted or not, and only what the mailbox gains by it counts."""
    source = existing(tx, command.mailbox_id, command.folder_id)
    target = selectable(tx, command.mailbox_id, command.path)
    rows = tx.stored_entries(command.mailbox_id, command.folder_id, command.uid, command.uid, 1)
    if not rows:
        raise MessageExpunged("The message to be replaced has been expunged")
    gained = _octets(command) - rows[0].size
    if gained > 0:
        check_quota(tx, command.mailbox_id, command.quota, gained)
    appended, arrived = _file_all(tx, target, command.filings, command.at)
    return appended, (arrived, _remove(tx, source, rows))


def _file_all(tx: WriteTx, folder: Folder, filings: Sequence[Filing], at: int) -> tuple[Appended, FolderChange]:
    """Puts messages into a folder under consecutive UIDs; keywords first, since there may be too many."""
    words = dict.fromkeys(filing.flags.keywords for filing in filings)  # in order: first spelt, first numbered
    _, learned = learn_keywords(tx, folder, [name for names in words for name in names])
    masks = {names: keyword_mask(tx, folder, names)[0] if names else 0 for names in words}
    rows = []
    for filing in filings:
        tx.put_blob(filing.message.blob, at)
        times = (filing.internal_at, filing.internal_zone)
        rows.append(_insert(tx, folder, filing.message, b"", *times, filing.flags.system, masks[filing.flags.keywords]))
    change = _enter(tx, folder, rows, at)
    return Appended(folder.uidvalidity, change.arrived[0].uid, len(rows)), replace(change, keywords=learned)


def file(
    tx: WriteTx, folder: Folder, message: Incoming, *, at: int, prefix: bytes, internal_at: int
) -> tuple[int, FolderChange]:
    """Puts a new message, whose blob is stored, into a folder."""
    change = _enter(tx, folder, [_insert(tx, folder, message, prefix, internal_at)], at)
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
) -> StoredEntry:
    """The message itself, and its entry, which has no UID yet."""
    mailbox_id, size = folder.mailbox_id, len(prefix) + message.blob.size
    message_id = tx.take_messages(mailbox_id, 1, size)
    thread_id = _join_thread(tx, mailbox_id, message_id, message.thread_keys)
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
    )
    tx.insert_messages((row,))
    return StoredEntry(UID(0), message_id, flags, keywords, size)


def _join_thread(tx: WriteTx, mailbox_id: MailboxId, message_id: MessageId, keys: Sequence[bytes]) -> MessageId:
    """RFC 8474 5.2: the conversation that the message belongs to from now on, the oldest that it could join."""
    known = tx.threads(mailbox_id, keys)
    thread_id = min(known.values(), default=message_id)
    tx.remember_thread(mailbox_id, [key for key in keys if key not in known], thread_id)
    return thread_id


def _enter(tx: WriteTx, folder: Folder, rows: Sequence[StoredEntry], at: int) -> FolderChange:
    """Entries for messages that exist, under the folder's next UIDs and one MODSEQ of its own."""
    check_uids(folder, len(rows))
    mailbox_id, folder_id = folder.mailbox_id, folder.folder_id
    gained = removed(rows)
    add = Counters(len(rows), -gained.exists, -gained.unseen, -gained.deleted, -gained.octets)
    after = tx.count(mailbox_id, folder_id, add)
    first = after.uidnext - len(rows)
    tx.insert_entries(
        [
            NewEntry(mailbox_id, folder_id, uid, row.message_id, after.modseq, row.flags, row.keywords, at)
            for uid, row in enumerate(rows, first)
        ]
    )
    arrived = tuple(Entry(UID(uid), row.flags, row.keywords, after.modseq) for uid, row in enumerate(rows, first))
    return FolderChange(mailbox_id, folder_id, ModSeq(after.modseq - 1), after.modseq, arrived=arrived)


def copy(tx: WriteTx, command: Copy) -> Outcome:
    """RFC 9051 6.4.7 and 6.4.8: all of the messages that are still there, or none."""
    source = existing(tx, command.mailbox_id, command.folder_id)
    target = selectable(tx, command.mailbox_id, command.target)
    rows = _rows(tx, source, command.uids, COPY_ROWS)
    if not rows:
        return Copied(target.uidvalidity, (), ()), ()
    octets = sum(row.size for row in rows)
    if not command.move:
        check_quota(tx, command.mailbox_id, command.quota, octets)
    carried, learned = _carry_keywords(tx, source, target, rows)
    arrived = replace(_enter(tx, target, carried, command.at), keywords=learned)
    copied = Copied(target.uidvalidity, ranges(row.uid for row in rows), ranges(entry.uid for entry in arrived.arrived))
    tx.add_references(command.mailbox_id, [row.message_id for row in rows])
    tx.add_usage(command.mailbox_id, len(rows), octets)
    if not command.move:
        return copied, (arrived,)
    return copied, (arrived, _remove(tx, source, rows))


def _rows(tx: WriteTx, folder: Folder, uids: Sequence[tuple[int, int]], limit: int) -> list[StoredEntry]:
    rows: list[StoredEntry] = []
    for low, high in uids:
        rows += tx.stored_entries(folder.mailbox_id, folder.folder_id, low, high, limit + 1 - len(rows))
        if len(rows) > limit:
            raise LimitExceeded(f"No more than {limit} messages can be taken at once")
    return rows


def _carry_keywords(
    tx: WriteTx, source: Folder, target: Folder, rows: Sequence[StoredEntry]
) -> tuple[list[StoredEntry], tuple[str, ...] | None]:
    """The rows with their keywords numbered as the target folder numbers them."""
    used = 0
    for row in rows:
        used |= row.keywords
    if not used or source.folder_id == target.folder_id:
        return list(rows), None
    names = tx.keywords(source.mailbox_id, source.folder_id)
    carried = {bit: names[bit] for bit in range(used.bit_length()) if used >> bit & 1}
    _, learned = learn_keywords(tx, target, carried.values())
    number = {bit: keyword_mask(tx, target, (name,))[0] for bit, name in carried.items()}

    def renumber(mask: int) -> int:
        return sum(new for bit, new in number.items() if mask >> bit & 1)

    masks = {mask: renumber(mask) for mask in {row.keywords for row in rows}}
    return [replace(row, keywords=masks[row.keywords]) for row in rows], learned


def _remove(tx: WriteTx, folder: Folder, rows: Sequence[StoredEntry]) -> FolderChange:
    """Takes entries away and leaves tombstones."""
    mailbox_id, folder_id = folder.mailbox_id, folder.folder_id
    gone = ranges(row.uid for row in rows)
    after = tx.count(mailbox_id, folder_id, removed(rows))
    tx.delete_entries(mailbox_id, folder_id, gone)
    tx.drop_references(mailbox_id, [row.message_id for row in rows])
    tx.add_usage(mailbox_id, -len(rows), -sum(row.size for row in rows))
    for low, high in gone:
        tx.insert_tombstone(mailbox_id, folder_id, after.modseq, low, high)
    return FolderChange(mailbox_id, folder_id, ModSeq(after.modseq - 1), after.modseq, expunged=gone)


def expunge(tx: WriteTx, command: Expunge) -> Outcome:
    r"""RFC 9051 6.4.3, 6.4.9: what is marked \Deleted among these UIDs goes; the result is how many."""
    folder = existing(tx, command.mailbox_id, command.folder_id)
    rows = [row for row in _rows(tx, folder, command.uids, COPY_ROWS) if row.flags & DELETED]
    if not rows:
        return 0, ()
    return len(rows), (_remove(tx, folder, rows),)


def store_flags(tx: WriteTx, command: StoreFlags) -> Outcome:
    """RFC 9051 6.4.6.  What would not change is left alone and keeps its MODSEQ (RFC 7162 3.1.3)."""
    folder = existing(tx, command.mailbox_id, command.folder_id)
    learned = None
    if command.mode is FlagMode.REMOVE:
        keywords, _ = keyword_mask(tx, folder, command.flags.keywords)
    else:
        keywords, learned = learn_keywords(tx, folder, command.flags.keywords)
    keep, add = _masks(command.mode, command.flags, keywords)
    modseq = ModSeq(folder.modseq + 1)
    modified = _modified(tx, folder, command, add)
    changed = [
        pair
        for low, high in without(command.uids, modified)
        for pair in tx.change_flags(folder.mailbox_id, folder.folder_id, low, high, modseq=modseq, keep=keep, add=add)
    ]
    if not changed and learned is None:
        return Stored(ModSeq(0), modified), ()
    tx.count(folder.mailbox_id, folder.folder_id, _flag_counters(changed))
    entries = tuple(entry for entry, _ in changed)
    return Stored(modseq, modified), (
        FolderChange(folder.mailbox_id, folder.folder_id, folder.modseq, modseq, changed=entries, keywords=learned),
    )


def _modified(tx: WriteTx, folder: Folder, command: StoreFlags, add: tuple[int, int]) -> UIDRanges:
    """RFC 7162 3.1.3: the messages that have changed since the client last looked, and so are left alone.

    Since 0 asks whether there is such a flag at all: system flags always are, a keyword where it is set.
    """
    if command.unchanged_since is None:
        return ()
    entries = [
        entry for low, high in command.uids for entry in tx.entries(folder.mailbox_id, folder.folder_id, low, high)
    ]
    if command.unchanged_since == 0 and command.mode is FlagMode.ADD and not command.flags.system:
        return ranges(entry.uid for entry in entries if entry.keywords & add[1])
    return ranges(entry.uid for entry in entries if entry.modseq > command.unchanged_since)


def _masks(mode: FlagMode, flags: Flags, keywords: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(keep, add) for system flags and keywords: the new value is (old & keep) | add."""
    named = (flags.system, keywords)
    match mode:
        case FlagMode.ADD:
            return (-1, -1), named
        case FlagMode.REMOVE:
            return (~flags.system, ~keywords), (0, 0)
        case FlagMode.REPLACE:
            return (0, 0), named


def _flag_counters(changed: Sequence[tuple[Entry, int]]) -> Counters:
    return Counters(
        unseen=sum(bool(before & SEEN) - bool(entry.flags & SEEN) for entry, before in changed),
        deleted=sum(bool(entry.flags & DELETED) - bool(before & DELETED) for entry, before in changed),
    )


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
