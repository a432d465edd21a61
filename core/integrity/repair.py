"""What makes a mailbox keep its promises again, whatever was lost of it.

Nothing that is there is thrown away.  A message that no folder has any more goes to RECOVERED; a folder whose row is
gone is made up for what is in it, under another UIDVALIDITY; a keyword without a name gets one.  Only an entry without
its message goes, as it would by EXPUNGE: there is nothing left to be shown.  What a folder says to have and has not is
named by the UIDs that are missing.
"""

from collections.abc import Collection, Iterator
from itertools import groupby

from msgspec.structs import replace

from core.accesskeys import KEY_OCTETS
from core.changes import Change, FolderChange, TreeChange
from core.commands import ForgetBodies, Lost, NewFolder, Repaired, RepairMailbox, RestoreBlob
from core.folders import Outcome, insert, make, tree
from core.integrity.audit import astray
from core.integrity.facts import Counted, Numbers
from core.items import enter
from core.limits import COPY_ROWS
from core.model import (
    INBOX,
    ROOT,
    UID,
    Folder,
    FolderId,
    MailboxId,
    ModSeq,
    SeenRange,
    UIDRanges,
    merged,
    ranges,
    without,
)
from core.ports import Counters, StoredEntry, WriteTx

RECOVERED = "Recovered"
FIRST_FOLDER = FolderId(1)  # INBOX, in a mailbox of which nobody has renamed it


def repair(tx: WriteTx, command: RepairMailbox) -> Outcome:
    """Carries it out in one go: nobody sees a half-repaired mailbox.  Raises NoSuchMailbox."""
    mailbox_id, at = command.mailbox_id, command.at
    tx.mailbox(mailbox_id)
    _raise_numbers(tx, mailbox_id)
    placed = [*_adopt(tx, command), *_rehang(tx, mailbox_id)]
    changes: list[Change] = [TreeChange(mailbox_id)] if placed else []
    _raise_modseqs(tx, mailbox_id)
    lost = list(_take_lost(tx, mailbox_id, changes))
    tx.resize_messages(mailbox_id)
    refiled = _refile(tx, mailbox_id, at, changes)
    tx.recount_references(mailbox_id)
    _bury(tx, mailbox_id)
    _name_keywords(tx, mailbox_id, changes)
    _join_marks(tx, mailbox_id)
    tx.drop_lost_access_keys(mailbox_id, KEY_OCTETS)
    _recount(tx, mailbox_id)
    paths = {folder.folder_id: path for path, folder in tree(tx.folders(mailbox_id)).items()}
    # What was lost of folders that are being deleted is nobody's.
    named = tuple(Lost(paths[folder_id], count, uids) for folder_id, count, uids in lost if folder_id in paths)
    return Repaired(named, refiled, tuple(paths[folder_id] for folder_id in placed)), tuple(changes)


def restore_blob(tx: WriteTx, command: RestoreBlob) -> Outcome:
    """Names a body again."""
    tx.put_blob(command.blob, command.at)
    return None, ()


def forget_bodies(tx: WriteTx, command: ForgetBodies) -> Outcome:
    """Counts what is live; packs that nothing names any more are forgotten, and their files go with them."""
    tx.forget_bodies(command.digests)
    tx.recount_packs()
    return None, ()


def _raise_numbers(tx: WriteTx, mailbox_id: MailboxId) -> None:
    folders = tx.folders(mailbox_id)
    highest = max([0, *(folder.folder_id for folder in folders), *tx.counted(mailbox_id)])
    uidvalidity = max([0, *(folder.uidvalidity for folder in folders)])
    tx.raise_numbers(mailbox_id, Numbers(highest + 1, tx.highest_message(mailbox_id) + 1, uidvalidity + 1))


def _adopt(tx: WriteTx, command: RepairMailbox) -> list[FolderId]:
    """Folders for what is in none.  Their UIDVALIDITY is another: clients must not trust what they remember."""
    mailbox_id, at = command.mailbox_id, command.at
    known = {folder.folder_id for folder in tx.folders(mailbox_id)}
    adopted = []
    for folder_id in sorted(tx.counted(mailbox_id).keys() - known):
        is_inbox = command.has_inbox and folder_id == FIRST_FOLDER and tx.child(mailbox_id, ROOT, INBOX) is None
        name = INBOX if is_inbox else _free(tx, mailbox_id, f"{RECOVERED} {folder_id}")
        _, uidvalidity = tx.next_folder(mailbox_id, at // 1_000_000)
        place = (mailbox_id, folder_id, ROOT, name, None, True)
        tx.insert_folder(Folder(*place, uidvalidity, UID(1), ModSeq(1), UID(1), 0, 0, 0, 0), at)
        adopted.append(folder_id)
    if command.has_inbox and tx.child(mailbox_id, ROOT, INBOX) is None:
        adopted.append(make(tx, mailbox_id, NewFolder(INBOX), at).folder_id)
    return adopted


def _rehang(tx: WriteTx, mailbox_id: MailboxId) -> list[FolderId]:
    """Folders that do not hang from the root of the tree do so themselves then."""
    folders = {folder.folder_id: folder for folder in tx.folders(mailbox_id)}
    fallen = astray(folders.values())
    # Of those that have lost their way together only the uppermost is moved; of a ring, the first.
    moved = [number for number in sorted(fallen) if folders[number].parent_id not in fallen] or sorted(fallen)[:1]
    for folder_id in moved:
        folder = folders[folder_id]
        tx.update_folder(replace(folder, parent_id=ROOT, name=_free(tx, mailbox_id, folder.name)))
    return moved + _rehang(tx, mailbox_id) if moved else []


def _free(tx: WriteTx, mailbox_id: MailboxId, name: str) -> str:
    """The name, or one like it that no folder at the root has."""
    names = {folder.name for folder in tx.folders(mailbox_id) if folder.parent_id == ROOT}
    tries = (f"{name} ({number})" for number in range(2, len(names) + 3))
    return name if name not in names else next(other for other in tries if other not in names)


def _raise_modseqs(tx: WriteTx, mailbox_id: MailboxId) -> None:
    """UIDs and MODSEQs that were given out are never given again."""
    counted, buried = tx.counted(mailbox_id), tx.buried(mailbox_id)
    for folder in tx.folders(mailbox_id):
        there = [facts[folder.folder_id] for facts in (counted, buried) if folder.folder_id in facts]
        highest = max([0, *(some.highest_uid for some in there)])
        newest = max([folder.modseq, *(some.newest for some in there)])
        last = max([newest, folder.last_modseq, *(modseq for _, modseq in tx.readers(mailbox_id, folder.folder_id))])
        raised = replace(
            folder, uidnext=UID(max(folder.uidnext, highest + 1)), modseq=ModSeq(newest), last_modseq=ModSeq(last)
        )
        if raised != folder:
            tx.set_numbers(replace(raised, prior_modseq=ModSeq(newest - 1)))


def _take_lost(tx: WriteTx, mailbox_id: MailboxId, changes: list[Change]) -> Iterator[tuple[FolderId, int, UIDRanges]]:
    """(folder, how many, UIDs among which they are) of what is not there: entries, and messages of entries.

    Whoever was away must be told that it vanished (RFC 7162 3.2.5.1), so there are tombstones for all of it.
    """
    counted = tx.counted(mailbox_id)
    rows = groupby(list(tx.lost_messages(mailbox_id)), lambda row: row[0])
    bare = {folder_id: ranges(uid for _, uid, _ in of_folder) for folder_id, of_folder in rows}
    for folder in tx.folders(mailbox_id):
        folder_id = folder.folder_id
        of_it = counted.get(folder_id, Counted(folder_id))
        missing = _missing(tx, folder) if folder.n_exists > of_it.n_exists else ()
        gone = merged(bare.get(folder_id, ()), missing)
        if not gone:
            continue
        after = tx.count(mailbox_id, folder_id, Counters())
        tx.delete_entries(mailbox_id, folder_id, gone)
        for low, high in gone:
            tx.insert_tombstone(mailbox_id, folder_id, after.modseq, low, high)
        changes.append(FolderChange(mailbox_id, folder_id, after.prior_modseq, after.modseq, expunged=gone))
        yield folder_id, of_it.n_lost + (folder.n_exists - of_it.n_exists if missing else 0), gone


def _missing(tx: WriteTx, folder: Folder) -> UIDRanges:
    """UIDs that were given out, are not there, and are not known to be expunged."""
    place = (folder.mailbox_id, folder.folder_id)
    present = ranges(entry.uid for entry in tx.entries(*place, 1, folder.uidnext))
    buried = merged(tuple((low, high) for low, high in tx.vanished(*place, 0)))
    return without(((1, folder.uidnext - 1),), merged(present, buried)) if folder.uidnext > 1 else ()


def _refile(tx: WriteTx, mailbox_id: MailboxId, at: int, changes: list[Change]) -> int:
    """Messages that are in no folder come into RECOVERED; how many."""
    unfiled = [message_id for message_id, _, entries in tx.wrong_references(mailbox_id) if not entries]
    if not unfiled:
        return 0
    folder = tx.child(mailbox_id, ROOT, RECOVERED)
    if folder is None or not folder.selectable:
        folder = insert(tx, mailbox_id, ROOT, _free(tx, mailbox_id, RECOVERED), at)
        changes.append(TreeChange(mailbox_id))
    for start in range(0, len(unfiled), COPY_ROWS):
        # Their sizes are counted at the end, with all others.
        rows = [StoredEntry(UID(0), message_id, 0, 0, 0) for message_id in unfiled[start : start + COPY_ROWS]]
        changes.append(enter(tx, folder, rows, at))
    return len(unfiled)


def _bury(tx: WriteTx, mailbox_id: MailboxId) -> None:
    """What is there is not expunged; the rest of such a tombstone stays."""
    for folder_id, modseq, low, high in list(tx.resurrected(mailbox_id)):
        present = ranges(entry.uid for entry in tx.entries(mailbox_id, folder_id, low, high))
        tx.delete_tombstone(mailbox_id, folder_id, modseq, low)
        for rest in without(((low, high),), present):
            tx.insert_tombstone(mailbox_id, folder_id, modseq, *rest)
    tx.forget_old_tombstones(mailbox_id)


def _name_keywords(tx: WriteTx, mailbox_id: MailboxId, changes: list[Change]) -> None:
    """Every number up to the highest has a name."""
    counted, named = tx.counted(mailbox_id), tx.named(mailbox_id)
    for folder_id in sorted(counted.keys() | named.keys()):
        of_it = named.get(folder_id)
        used = counted.get(folder_id, Counted(folder_id)).keywords.bit_length() - 1
        highest = max(used, of_it.highest_wide if of_it else -1, of_it.highest if of_it else -1)
        if highest < (of_it.count if of_it else 0):
            continue
        names = tx.keyword_names(mailbox_id, folder_id)
        for bit in sorted(set(range(highest + 1)) - names.keys()):
            names[bit] = _unlike(names.values(), f"{RECOVERED}{bit}")
            tx.insert_keyword(mailbox_id, folder_id, bit, names[bit])
        after = tx.count(mailbox_id, folder_id, Counters())
        keywords = tx.keywords(mailbox_id, folder_id)
        changes.append(FolderChange(mailbox_id, folder_id, after.prior_modseq, after.modseq, keywords=keywords))


def _unlike(names: Collection[str], name: str) -> str:
    """A name that differs from all of these in more than case."""
    taken = {name.lower() for name in names}
    while name.lower() in taken:
        name += "_"
    return name


def _join_marks(tx: WriteTx, mailbox_id: MailboxId) -> None:
    """A reader's ranges are disjoint, and of messages that were there; the first of two that overlap is believed."""
    for folder in tx.folders(mailbox_id):
        for user, modseq in tx.readers(mailbox_id, folder.folder_id):
            marks = list(tx.seen(mailbox_id, folder.folder_id, user))
            sound: list[SeenRange] = []
            for some in marks:
                low = max(some.low, sound[-1].high + 1 if sound else 1)
                high = min(some.high, folder.uidnext - 1)
                if low <= high:
                    sound.append(replace(some, low=UID(low), high=UID(high), modseq=ModSeq(min(some.modseq, modseq))))
            if sound != marks:
                tx.replace_seen(mailbox_id, folder.folder_id, user, marks, sound)


def _recount(tx: WriteTx, mailbox_id: MailboxId) -> None:
    counted = tx.counted(mailbox_id)
    for folder in tx.folders(mailbox_id):
        of_it = counted.get(folder.folder_id, Counted(folder.folder_id))
        numbers = {name: getattr(of_it, name) for name in ("n_exists", "n_unseen", "n_deleted", "n_bytes")}
        if (recounted := replace(folder, **numbers)) != folder:
            tx.set_numbers(recounted)
    octets = sum(some.n_bytes for some in counted.values())
    tx.set_usage(mailbox_id, sum(some.n_exists for some in counted.values()), octets)
