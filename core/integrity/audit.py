"""The store's promises, checked against its rows: counters, UIDs, MODSEQs, references, usage, bodies."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from core.accesskeys import KEY_OCTETS
from core.errors import MessageExpunged
from core.folders import GRAVEYARD
from core.integrity.facts import Buried, Counted, Named, Numbers, Recounting
from core.model import ROOT, Blob, Folder, FolderId, Mailbox, MailboxId
from core.ports import ReadTx

SLICE_OCTETS = 1 << 20


class AuditTx(ReadTx, Recounting, Protocol):
    """What the audit reads."""


class Finding(Struct, frozen=True):
    """A promise that is broken, and what has to be repaired: a mailbox, a body, or what is counted of packs."""

    text: str
    mailbox_id: MailboxId | None = None
    body: bytes | None = None  # its hash

    def __str__(self) -> str:
        return self.text


def audit(tx: AuditTx, *, deep: bool = False, progress: Callable[[], None] = lambda: None) -> Iterator[Finding]:
    """Every broken promise of a mailbox database; `deep` also reads and hashes every body."""
    for mailbox in tx.mailboxes():
        yield from audit_mailbox(tx, mailbox)
        progress()
    if deep:
        live: dict[int, int] = {}
        for blob in tx.blobs():
            if blob.pack_id is not None:
                live[blob.pack_id] = live.get(blob.pack_id, 0) + blob.stored_size
            yield from _body(tx, blob)
            progress()
        yield from map(Finding, _packs(tx, live))


def audit_mailbox(tx: AuditTx, mailbox: Mailbox) -> Iterator[Finding]:
    """What is broken of one mailbox."""
    mailbox_id = mailbox.mailbox_id
    counted, buried, named = tx.counted(mailbox_id), tx.buried(mailbox_id), tx.named(mailbox_id)
    folders = {folder.folder_id: folder for folder in tx.folders(mailbox_id)}
    for folder_id, folder in folders.items():
        of_it = counted.get(folder_id, Counted(folder_id))
        for broken in (
            *_counters(folder, of_it),
            *_numbers(folder, of_it, buried.get(folder_id, Buried(folder_id))),
            *_keywords(of_it, named.get(folder_id, Named(folder_id))),
            *_marks(tx, folder),
        ):
            yield Finding(f"mailbox {mailbox_id} folder {folder_id}: {broken}", mailbox_id)
    for broken in (
        *_usage(mailbox, counted.values()),
        *_tree(folders, counted),
        *_next(tx.numbers(mailbox_id), folders.values(), tx.highest_message(mailbox_id)),
        *_keys(tx, mailbox, folders.keys()),
    ):
        yield Finding(f"mailbox {mailbox_id}: {broken}", mailbox_id)
    yield from _rows(tx, mailbox_id, counted)


def _counters(folder: Folder, counted: Counted) -> Iterator[str]:
    for name in ("n_exists", "n_unseen", "n_deleted", "n_bytes"):
        said, number = getattr(folder, name), getattr(counted, name)
        if said != number:
            yield f"{name} is {said}, counted {number}"


def _numbers(folder: Folder, counted: Counted, buried: Buried) -> Iterator[str]:
    """UIDs and MODSEQs grow."""
    highest = max(counted.highest_uid, buried.highest_uid)
    newest = max(counted.newest, buried.newest)
    if counted.n_lost:
        yield f"{counted.n_lost} entries have lost their message"
    if highest >= folder.uidnext:
        yield f"UIDNEXT is {folder.uidnext}, but UID {highest} was given out"
    if newest > folder.modseq:
        yield f"HIGHESTMODSEQ is {folder.modseq}, but {newest} was given out"
    if buried.oldest and buried.oldest <= folder.tombstone_floor:
        yield f"a tombstone is older than {folder.tombstone_floor}, up to which they were forgotten"
    if max(folder.modseq, newest) > folder.last_modseq:
        yield f"MODSEQ {max(folder.modseq, newest)} was given out beyond {folder.last_modseq}"


def _keywords(counted: Counted, named: Named) -> Iterator[str]:
    """Keywords are known by their numbers, which begin at 0 and leave out none."""
    used = max(counted.keywords.bit_length() - 1, named.highest_wide)
    if used >= named.count:
        yield "a message has a keyword that the folder does not name"
    if named.highest >= named.count:
        yield f"keyword {named.highest} has a name, but not all before it have"


def _usage(mailbox: Mailbox, counted: Collection[Counted]) -> Iterator[str]:
    count, octets = sum(some.n_exists for some in counted), sum(some.n_bytes for some in counted)
    if (count, octets) != (mailbox.used_count, mailbox.used_bytes):
        yield f"usage is {mailbox.used_count}/{mailbox.used_bytes}, counted {count}/{octets}"


def _tree(folders: Mapping[FolderId, Folder], counted: Collection[FolderId]) -> Iterator[str]:
    for folder_id in sorted(set(counted) - folders.keys()):
        yield f"there are messages in folder {folder_id}, which is gone"
    for folder_id in sorted(astray(folders.values())):
        yield f"folder {folder_id} does not hang from the root"


def astray(folders: Collection[Folder]) -> set[FolderId]:
    """Folders that no way leads to from the root of the tree: one above them is gone, or they are above themselves."""
    below: dict[FolderId, list[FolderId]] = {}
    for folder in folders:
        below.setdefault(folder.parent_id, []).append(folder.folder_id)
    lost = {folder.folder_id for folder in folders}
    reached = [*below.get(ROOT, ()), *below.get(GRAVEYARD, ())]
    while reached:
        folder_id = reached.pop()
        lost.discard(folder_id)
        reached += below.get(folder_id, ())
    return lost


def _next(numbers: Numbers, folders: Collection[Folder], highest_message: int) -> Iterator[str]:
    """What is given out next was never given out."""
    folder = max((folder.folder_id for folder in folders), default=0)
    uidvalidity = max((folder.uidvalidity for folder in folders), default=0)
    for name, number, given in (
        ("folder", numbers.folder_id, folder),
        ("message", numbers.message_id, highest_message),
        ("UIDVALIDITY", numbers.uidvalidity, uidvalidity),
    ):
        if number <= given:
            yield f"the next {name} is {number}, but {given} was given out"


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


def _keys(tx: AuditTx, mailbox: Mailbox, folders: Collection[FolderId]) -> Iterator[str]:
    """Access keys are secrets of a length that cannot be guessed, and gone with their folders."""
    for folder_id, user, octets in tx.access_keys(mailbox.mailbox_id):
        if folder_id not in folders:
            yield f"user {user} has an access key for folder {folder_id}, which is gone"
        if octets < KEY_OCTETS:
            yield f"user {user} has an access key of {octets} octets for folder {folder_id}"


def _rows(tx: AuditTx, mailbox_id: MailboxId, counted: dict[FolderId, Counted]) -> Iterator[Finding]:
    """Every entry has its message, every message its blob and its true count of entries; what is gone is gone."""
    if any(some.n_lost for some in counted.values()):
        for folder_id, uid, message_id in tx.lost_messages(mailbox_id):
            where = f"mailbox {mailbox_id} folder {folder_id}"
            yield Finding(f"{where}: UID {uid} has lost its message {message_id}", mailbox_id)
    where = f"mailbox {mailbox_id}"
    for folder_id, _, low, high in tx.resurrected(mailbox_id):
        yield Finding(f"{where} folder {folder_id}: a UID in {low}:{high} is both present and expunged", mailbox_id)
    for message_id, said, entries in tx.wrong_references(mailbox_id):
        text = f"message {message_id} has a wrong count of entries ({said}), counted {entries}"
        yield Finding(f"{where}: {text}", mailbox_id)
    for message_id, digest, size, prefix_octets, body_octets in tx.wrong_bodies(mailbox_id):
        if body_octets is None:
            yield Finding(f"{where}: message {message_id} has lost its body {digest.hex()}", body=digest)
        else:
            parts = f"its parts {prefix_octets} and {body_octets}"
            yield Finding(f"{where}: message {message_id} has size {size}, {parts}", mailbox_id)


def _packs(tx: AuditTx, counted: dict[int, int]) -> Iterator[str]:
    recorded = {pack_id: live for pack_id, live, _ in tx.packs()}
    for pack_id in sorted(recorded.keys() | counted.keys()):
        if recorded.get(pack_id) != counted.get(pack_id, 0):
            yield f"pack {pack_id} has {recorded.get(pack_id)} live octets, counted {counted.get(pack_id, 0)}"


def _body(tx: AuditTx, named: Blob) -> Iterator[Finding]:
    blob = tx.blob(named.hash)
    assert blob is not None, "the snapshot has named it"
    what = f"body {blob.hash.hex()}"
    digest = hashlib.sha256()
    try:
        for start in range(0, blob.size, SLICE_OCTETS):
            digest.update(tx.read_blob(blob, start, min(start + SLICE_OCTETS, blob.size)))
    except MessageExpunged:
        yield Finding(f"{what} cannot be read: there is no file {blob.pack_id}.pack", body=blob.hash)
    except Exception as broken:  # noqa: BLE001 - whatever is wrong with this one, the others are still checked
        yield Finding(f"{what} cannot be read: {broken}", body=blob.hash)
    else:
        if digest.digest() != blob.hash:
            yield Finding(f"{what} has other bytes than it had", body=blob.hash)
