"""What must never go back: UIDs, UIDVALIDITY, MODSEQs and the numbers of folders, from one look to the next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from core.model import MAX_UID, Entry, Folder, FolderId, MailboxId
from core.ports import ReadTx


@dataclass
class _Mailbox:
    folders: dict[FolderId, tuple[Folder, dict[int, Entry]]] = field(default_factory=dict)
    highest_folder: int = 0
    highest_validity: int = 0


class Growth:
    """`note` as often as one likes; it tells what has not grown."""

    def __init__(self, mailboxes: Mapping[str, MailboxId]) -> None:
        self._mailboxes = {mailbox: _Mailbox() for mailbox in mailboxes.values()}

    def note(self, tx: ReadTx) -> Iterator[str]:
        for mailbox, known in self._mailboxes.items():
            for folder in sorted(tx.folders(mailbox), key=lambda folder: folder.folder_id):
                yield from (f"mailbox {mailbox}, {folder.name}: {wrong}" for wrong in _note(tx, known, folder))


def _note(tx: ReadTx, known: _Mailbox, folder: Folder) -> Iterator[str]:
    before = known.folders.get(folder.folder_id)
    if before is not None and before[0] == folder:
        return
    entries = tx.entries(folder.mailbox_id, folder.folder_id, 1, MAX_UID)
    found: dict[int, Entry] = {entry.uid: entry for entry in entries}
    if before is not None:
        yield from _folder(*before, folder, found)
    else:
        if folder.folder_id <= known.highest_folder:
            yield f"the number {folder.folder_id} is given again"
        if folder.uidvalidity <= known.highest_validity:
            yield f"UIDVALIDITY {folder.uidvalidity} is no higher than {known.highest_validity}"
        known.highest_folder = folder.folder_id
        known.highest_validity = folder.uidvalidity
    known.folders[folder.folder_id] = (folder, found)


def _folder(old: Folder, had: Mapping[int, Entry], new: Folder, has: Mapping[int, Entry]) -> Iterator[str]:
    if new.uidvalidity != old.uidvalidity:
        yield f"UIDVALIDITY was {old.uidvalidity} and is {new.uidvalidity}"
    if new.uidnext < old.uidnext or new.modseq < old.modseq or new.last_modseq < old.last_modseq:
        yield f"UIDNEXT or MODSEQ has gone back: {old} and then {new}"
    for uid, entry in has.items():
        if uid not in had and uid < old.uidnext:
            yield f"UID {uid} is given again"
        if had.get(uid) != entry and entry.modseq <= old.last_modseq:
            yield f"UID {uid} has changed, and has MODSEQ {entry.modseq} where {old.last_modseq} was given"
    if (had.keys() - has.keys()) and new.modseq <= old.last_modseq:
        yield f"messages are gone, and HIGHESTMODSEQ is {new.modseq} where {old.last_modseq} was given"
