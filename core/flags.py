r"""Flags of messages in a folder: STORE, and which flags who is not the owner may set (RFC 4314 4).

\Seen of such a reader is a mark of the reader's own (core.seen); all other flags are the folder's.
"""

from collections.abc import Sequence

from msgspec import Struct

from core import rights
from core.changes import FolderChange, SeenChange
from core.commands import FlagMode, Flags, Stored, StoreFlags
from core.errors import LimitExceeded, NoPermission
from core.folders import Outcome, existing, keyword_mask, learn_keywords
from core.limits import COPY_ROWS
from core.model import ALL_SYSTEM_FLAGS, DELETED, SEEN, Entry, Folder, ModSeq, UIDRanges, ranges, within, without
from core.ports import Counters, ReadTx, StoredEntry, WriteTx
from core.rights import Actor, Rights
from core.seen import mark, marks, runs


class Permitted(Struct, frozen=True):
    """The flags that may be changed: a mask of system flags, and of keywords all (-1) or none (0)."""

    system: int
    keywords: int

    def of(self, flags: Flags) -> Flags:
        """Those of some flags that may be."""
        return Flags(flags.system & self.system, flags.keywords if self.keywords else ())


def permitted(may: Rights) -> Permitted:
    r"""RFC 4314 4: "s" is for \Seen, "t" for \Deleted, "w" for all others."""
    system = 0
    for right, flags in _FLAGS_OF.items():
        system |= flags if may.granted & right else 0
    return Permitted(system, -1 if may.granted & rights.WRITE else 0)


_FLAGS_OF = {
    rights.KEEP_SEEN: SEEN,
    rights.DELETE_MESSAGES: DELETED,
    rights.WRITE: ALL_SYSTEM_FLAGS & ~(SEEN | DELETED),
}


def check_own(rows: Sequence[StoredEntry], may: Rights, need: int, by: Actor | None) -> None:
    """Raises NoPermission when what is needed holds for own messages only, and one of these is another's (T-2.4)."""
    if by is not None and may.own_only & need and any(row.author != by.user for row in rows):
        raise NoPermission("You may do that with your own messages only")


def rows_of(tx: ReadTx, folder: Folder, uids: Sequence[tuple[int, int]], limit: int) -> list[StoredEntry]:
    """The messages that are still there; raises LimitExceeded when there are too many to take at once."""
    rows: list[StoredEntry] = []
    for low, high in uids:
        rows += tx.stored_entries(folder.mailbox_id, folder.folder_id, low, high, limit + 1 - len(rows))
        if len(rows) > limit:
            raise LimitExceeded(f"No more than {limit} messages can be taken at once")
    return rows


def store_flags(tx: WriteTx, command: StoreFlags) -> Outcome:
    """RFC 9051 6.4.6.  What would not change is left alone and keeps its MODSEQ (RFC 7162 3.1.3)."""
    folder = existing(tx, command.mailbox_id, command.folder_id)
    may = _checked(tx, folder, command)
    flags = may.of(command.flags)
    learned = None
    if command.mode is FlagMode.REMOVE:
        keywords, _ = keyword_mask(tx, folder, flags.keywords)
    else:
        keywords, learned = learn_keywords(tx, folder, flags.keywords)
    modified = _modified(tx, folder, command, keywords)
    uids = without(command.uids, modified)
    if command.by is not None:  # \Seen is not the folder's here
        flags, may = Flags(flags.system & ~SEEN, flags.keywords), Permitted(may.system & ~SEEN, may.keywords)
    keep, add = _masks(command.mode, flags, keywords, may)
    modseq = ModSeq(folder.last_modseq + 1)
    changed = [
        pair
        for low, high in uids
        for pair in tx.change_flags(folder.mailbox_id, folder.folder_id, low, high, modseq=modseq, keep=keep, add=add)
    ]
    is_shared = bool(changed) or learned is not None
    own = _store_seen(tx, folder, command, uids, is_taken=is_shared)
    if not is_shared:
        return Stored(ModSeq(0) if own is None else own.modseq, modified), () if own is None else (own,)
    after = tx.count(folder.mailbox_id, folder.folder_id, _flag_counters(changed))
    entries = tuple(entry for entry, _ in changed)
    place = (folder.mailbox_id, folder.folder_id, after.prior_modseq, after.modseq)
    return Stored(modseq, modified), (FolderChange(*place, changed=entries, keywords=learned, own=own),)


def check_store(tx: ReadTx, command: StoreFlags) -> None:
    """Raises what `store_flags` would for want of rights."""
    _checked(tx, existing(tx, command.mailbox_id, command.folder_id), command)


def _checked(tx: ReadTx, folder: Folder, command: StoreFlags) -> Permitted:
    """The flags that the command may change; raises NoPermission.

    RFC 4314 4: if one of those that it names may be changed, the others are passed over.
    """
    rights_here = rights.of(tx, folder, command.by)
    may = permitted(rights_here)
    if command.by is None:
        return may
    named = may.of(command.flags)
    names_any = bool(command.flags.system or command.flags.keywords)
    if (names_any and not (named.system or named.keywords)) or not (may.system or may.keywords):
        raise NoPermission("You may not change these flags in this folder")
    is_whole = command.mode is FlagMode.REPLACE
    touched = 0
    for right, flags in _FLAGS_OF.items():
        touched |= right if is_whole or named.system & flags else 0
    touched |= rights.WRITE if named.keywords else 0
    if rights_here.own_only & touched:
        check_own(rows_of(tx, folder, command.uids, COPY_ROWS), rights_here, touched, command.by)
    return may


def _store_seen(
    tx: WriteTx, folder: Folder, command: StoreFlags, uids: UIDRanges, *, is_taken: bool
) -> SeenChange | None:
    r"""What the command says of \Seen, as the reader's own marks; `is_taken`: its MODSEQ has been given out."""
    by = command.by
    if by is None or not rights.of(tx, folder, by).granted & rights.KEEP_SEEN:
        return None
    named = bool(command.flags.system & SEEN)
    if not named and command.mode is not FlagMode.REPLACE:
        return None
    wanted = named and command.mode is not FlagMode.REMOVE
    fresh: list[tuple[int, int]] = []
    for low, high in uids:
        known = marks(tx, folder, by.user, low, high)
        entries = tx.entries(folder.mailbox_id, folder.folder_id, low, high)
        fresh += runs(entries, {entry.uid for entry in entries if known.is_seen(entry.uid) != wanted})
    if not fresh:
        return None
    place = (folder.mailbox_id, folder.folder_id)
    modseq = ModSeq(folder.last_modseq + 1) if is_taken else tx.take_modseq(*place)
    seen, unseen = (tuple(fresh), ()) if wanted else ((), tuple(fresh))
    return mark(tx, folder, by.user, modseq, seen, unseen)


def _modified(tx: ReadTx, folder: Folder, command: StoreFlags, keywords: int) -> UIDRanges:
    """RFC 7162 3.1.3: the messages that have changed since the client last looked, and so are left alone.

    Since 0 asks whether there is such a flag at all: system flags always are, a keyword where it is set.
    """
    if command.unchanged_since is None:
        return ()
    entries = [
        entry for low, high in command.uids for entry in tx.entries(folder.mailbox_id, folder.folder_id, low, high)
    ]
    if command.unchanged_since == 0 and command.mode is FlagMode.ADD and not command.flags.system:
        return ranges(entry.uid for entry in entries if entry.keywords & keywords)
    modified = ranges(entry.uid for entry in entries if entry.modseq > command.unchanged_since)
    if command.by is None:
        return modified
    marked = marks(tx, folder, command.by.user).changed_since(command.unchanged_since)
    return ranges(entry.uid for entry in entries if within(entry.uid, modified) or within(entry.uid, marked))


def _masks(mode: FlagMode, flags: Flags, keywords: int, may: Permitted) -> tuple[tuple[int, int], tuple[int, int]]:
    """(keep, add) for system flags and keywords: the new value is (old & keep) | add."""
    named = (flags.system, keywords)
    match mode:
        case FlagMode.ADD:
            return (-1, -1), named
        case FlagMode.REMOVE:
            return (~flags.system, ~keywords), (0, 0)
        case FlagMode.REPLACE:
            return (~may.system, ~may.keywords), named


def _flag_counters(changed: Sequence[tuple[Entry, int]]) -> Counters:
    return Counters(
        unseen=sum(bool(before & SEEN) - bool(entry.flags & SEEN) for entry, before in changed),
        deleted=sum(bool(entry.flags & DELETED) - bool(before & DELETED) for entry, before in changed),
    )
