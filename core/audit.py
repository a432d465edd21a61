"""The store's promises, checked against its rows: counters, UIDs, MODSEQs, references, usage, bodies."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

from core.accesskeys import KEY_OCTETS
from core.model import DELETED, MAX_UID, SEEN, Blob, Folder, FolderId, Mailbox, MailboxId
from core.ports import ReadTx, StoredEntry
from core.recipients import RecipientId

SLICE_OCTETS = 1 << 20


class AuditTx(ReadTx, Protocol):
    """What the audit reads beyond a ReadTx."""

    def mailboxes(self) -> list[Mailbox]: ...
    def tombstones(self, mailbox_id: MailboxId, folder_id: FolderId) -> list[tuple[int, int, int]]:
        """(MODSEQ, low UID, high UID)."""
        ...

    def message_references(self, mailbox_id: MailboxId) -> Iterator[tuple[int, int, int, bytes, int]]:
        """(message, n_entries, size, hash, octets of the prefix)."""
        ...

    def readers(self, mailbox_id: MailboxId, folder_id: FolderId) -> list[tuple[RecipientId, int]]:
        """(user, MODSEQ) of those who have marked messages as seen."""
        ...

    def access_keys(self, mailbox_id: MailboxId) -> list[tuple[FolderId, RecipientId, int]]:
        """(folder, user, octets) of the mailbox access keys."""
        ...

    def blobs(self) -> Iterator[Blob]: ...
    def packs(self) -> list[tuple[int, int, int]]:
        """(pack, live octets, dead octets)."""
        ...


def audit(tx: AuditTx, *, deep: bool = False, progress: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Every broken promise of a mailbox database, one line each; `deep` also reads and hashes every body."""
    for mailbox in tx.mailboxes():
        yield from _mailbox(tx, mailbox)
        progress()
    if deep:
        live: dict[int, int] = {}
        for blob in tx.blobs():
            if blob.pack_id is not None:
                live[blob.pack_id] = live.get(blob.pack_id, 0) + blob.stored_size
            yield from _body(tx, blob)
            progress()
        yield from _packs(tx, live)


def _packs(tx: AuditTx, counted: dict[int, int]) -> Iterator[str]:
    recorded = {pack_id: live for pack_id, live, _ in tx.packs()}
    for pack_id in sorted(recorded.keys() | counted.keys()):
        if recorded.get(pack_id) != counted.get(pack_id, 0):
            yield f"pack {pack_id} has {recorded.get(pack_id)} live octets, counted {counted.get(pack_id, 0)}"


def _mailbox(tx: AuditTx, mailbox: Mailbox) -> Iterator[str]:
    named: dict[int, int] = {}  # message -> entries
    count = octets = 0
    folders = tx.folders(mailbox.mailbox_id)
    for folder in folders:
        where = f"mailbox {mailbox.mailbox_id} folder {folder.folder_id}"
        rows = tx.stored_entries(mailbox.mailbox_id, folder.folder_id, 0, MAX_UID, MAX_UID)
        for row in rows:
            named[row.message_id] = named.get(row.message_id, 0) + 1
        count, octets = count + len(rows), octets + sum(row.size for row in rows)
        for broken in (*_counters(folder, rows), *_numbers(tx, folder, len(rows))):
            yield f"{where}: {broken}"
    where = f"mailbox {mailbox.mailbox_id}"
    if (count, octets) != (mailbox.used_count, mailbox.used_bytes):
        yield f"{where}: usage is {mailbox.used_count}/{mailbox.used_bytes}, counted {count}/{octets}"
    yield from (f"{where}: {broken}" for broken in _references(tx, mailbox, named))
    yield from (f"{where}: {broken}" for broken in _keys(tx, mailbox, {folder.folder_id for folder in folders}))


def _counters(folder: Folder, rows: list[StoredEntry]) -> Iterator[str]:
    counted = {
        "n_exists": len(rows),
        "n_unseen": sum(not row.flags & SEEN for row in rows),
        "n_deleted": sum(bool(row.flags & DELETED) for row in rows),
        "n_bytes": sum(row.size for row in rows),
    }
    for name, number in counted.items():
        if getattr(folder, name) != number:
            yield f"{name} is {getattr(folder, name)}, counted {number}"


def _numbers(tx: AuditTx, folder: Folder, with_message: int) -> Iterator[str]:
    """UIDs and MODSEQs grow, and what is gone is gone."""
    entries = tx.entries(folder.mailbox_id, folder.folder_id, 0, MAX_UID)
    if len(entries) != with_message:
        yield f"{len(entries) - with_message} entries have lost their message"
    tombstones = tx.tombstones(folder.mailbox_id, folder.folder_id)
    uids = {entry.uid for entry in entries}
    highest = max([*uids, *(high for _, _, high in tombstones)], default=0)
    newest = max([*(entry.modseq for entry in entries), *(modseq for modseq, _, _ in tombstones)], default=0)
    if highest >= folder.uidnext:
        yield f"UIDNEXT is {folder.uidnext}, but UID {highest} was given out"
    if newest > folder.modseq:
        yield f"HIGHESTMODSEQ is {folder.modseq}, but {newest} was given out"
    if any(modseq <= folder.tombstone_floor for modseq, _, _ in tombstones):
        yield f"a tombstone is older than {folder.tombstone_floor}, up to which they were forgotten"
    if folder.modseq > folder.last_modseq or newest > folder.last_modseq:
        yield f"MODSEQ {max(folder.modseq, newest)} was given out beyond {folder.last_modseq}"
    yield from _marks(tx, folder)
    if any(uid in uids for _, low, high in tombstones for uid in range(low, high + 1)):
        yield "a UID is both present and expunged"
    known = len(tx.keywords(folder.mailbox_id, folder.folder_id))
    if any(entry.keywords >> known for entry in entries):
        yield "a message has a keyword that the folder does not name"


def _marks(tx: AuditTx, folder: Folder) -> Iterator[str]:
    r"""What readers have seen: ranges that do not overlap, of UIDs and under MODSEQs that were given out."""
    place = (folder.mailbox_id, folder.folder_id)
    for user, modseq in tx.readers(*place):
        last = 0
        for some in tx.seen(*place, user):
            if not last < some.low <= some.high < folder.uidnext:
                yield f"what reader {user} has seen of {some.low}:{some.high} overlaps, or is not there yet"
            if some.modseq > modseq or modseq > folder.last_modseq:
                yield f"reader {user} has a mark of MODSEQ {some.modseq}, and was last at {modseq}"
            last = some.high


def _keys(tx: AuditTx, mailbox: Mailbox, folders: set[FolderId]) -> Iterator[str]:
    """Access keys are secrets of a length that cannot be guessed, and gone with their folders."""
    for folder_id, user, octets in tx.access_keys(mailbox.mailbox_id):
        if folder_id not in folders:
            yield f"user {user} has an access key for folder {folder_id}, which is gone"
        if octets < KEY_OCTETS:
            yield f"user {user} has an access key of {octets} octets for folder {folder_id}"


def _references(tx: AuditTx, mailbox: Mailbox, named: dict[int, int]) -> Iterator[str]:
    """Every entry has its message, every message its blob and its true count of entries."""
    for message_id, n_entries, size, digest, prefix_octets in tx.message_references(mailbox.mailbox_id):
        if named.pop(message_id, 0) != n_entries or n_entries == 0:
            yield f"message {message_id} has a wrong count of entries ({n_entries})"
        blob = tx.blob(digest)
        if blob is None:
            yield f"message {message_id} has lost its body"
        elif blob.size + prefix_octets != size:
            yield f"message {message_id} has size {size}, its parts {prefix_octets} and {blob.size}"


def _body(tx: AuditTx, blob: Blob) -> Iterator[str]:
    digest = hashlib.sha256()
    try:
        for start in range(0, blob.size, SLICE_OCTETS):
            digest.update(tx.read_blob(blob, start, min(start + SLICE_OCTETS, blob.size)))
    except Exception as broken:  # noqa: BLE001 - whatever is wrong with this one, the others are still checked
        yield f"body {blob.hash.hex()} cannot be read: {broken}"
        return
    if digest.digest() != blob.hash:
        yield f"body {blob.hash.hex()} has other bytes than it had"
