"""The folder tree: paths, creation, deletion, renaming, subscriptions, keywords."""

import unicodedata
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from core import rights
from core.changes import Change, FolderRemoved, TreeChange
from core.commands import (
    CreateFolder,
    DeleteFolder,
    FlagMode,
    NewFolder,
    PurgeFolder,
    RenameFolder,
    SetGrant,
    SetGrants,
    Subscribe,
)
from core.errors import (
    FolderExists,
    InvalidName,
    InvalidUse,
    LimitExceeded,
    NoPermission,
    NoSuchFolder,
    ProtectedFolder,
    UseTaken,
)
from core.limits import (
    FOLDER_DEPTH,
    FOLDER_NAME_OCTETS,
    FOLDERS_PER_MAILBOX,
    GRANTS_PER_FOLDER,
    KEYWORDS_PER_FOLDER,
    ROWS_PER_COMMAND,
)
from core.model import (
    DELETED,
    INBOX,
    MAX_UID,
    ROOT,
    SEEN,
    SEPARATOR,
    UID,
    Folder,
    FolderId,
    MailboxId,
    ModSeq,
    ranges,
)
from core.ports import Counters, ReadTx, StoredEntry, WriteTx
from core.rights import LOOKUP, Actor, Grant

# Deleted folders wait here, out of every listing, until their messages are purged in slices.
GRAVEYARD = FolderId(-1)

# RFC 6154 2.  \All and \Flagged are views of other folders, and we have no views.
SPECIAL_USES = frozenset({"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"})

Outcome = tuple[object, tuple[Change, ...]]


def canonical(path: str) -> str:
    """The path as the store keeps it: NFC (RFC 9051 5.1), with INBOX in capitals whatever its case (5.1.1)."""
    path = unicodedata.normalize("NFC", path)
    first, separator, rest = path.partition(SEPARATOR)
    # Only ASCII letters have a case here: upper() would also make an I of the dotless one.
    return f"{INBOX}{separator}{rest}" if first.isascii() and first.upper() == INBOX else path


def levels(path: str) -> list[str]:
    """The path's levels; raises InvalidName for what no folder may be called."""
    names = canonical(path).split(SEPARATOR)
    if len(names) > FOLDER_DEPTH:
        raise InvalidName(f"Folders may not be nested deeper than {FOLDER_DEPTH}")
    for name in names:
        if not name or name != name.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
            raise InvalidName("A folder name may not be empty, begin or end with a space, or hold control characters")
        if len(name.encode()) > FOLDER_NAME_OCTETS:
            raise InvalidName(f"A folder name may not be longer than {FOLDER_NAME_OCTETS} octets")
    return names


def find(tx: ReadTx, mailbox_id: MailboxId, path: str) -> Folder | None:
    """The folder of that path, selectable or not."""
    folder: Folder | None = None
    for name in canonical(path).split(SEPARATOR):
        folder = tx.child(mailbox_id, folder.folder_id if folder else ROOT, name)
        if folder is None:
            return None
    return folder


def selectable(tx: ReadTx, mailbox_id: MailboxId, path: str, by: Actor | None = None, need: int = LOOKUP) -> Folder:
    """The folder of that path, in which `by` may do what is needed.

    Raises NoSuchFolder when there is none that can hold messages, or none that may be known of; NoPermission.
    """
    folder = find(tx, mailbox_id, path)
    if folder is None or not folder.selectable:
        raise NoSuchFolder("There is no such folder")
    if by is not None:
        rights.require(tx, folder, by, need)
    return folder


def existing(
    tx: ReadTx, mailbox_id: MailboxId, folder_id: FolderId, by: Actor | None = None, need: int = LOOKUP
) -> Folder:
    """The folder of that number; raises NoSuchFolder when it is gone, or as `selectable` does."""
    folder = tx.folder(mailbox_id, folder_id)
    if folder is None or not folder.selectable or folder.parent_id == GRAVEYARD:
        raise NoSuchFolder("The folder has been deleted")
    if by is not None:
        rights.require(tx, folder, by, need)
    return folder


def tree(folders: Iterable[Folder]) -> dict[str, Folder]:
    """Every folder by its path, parents before children, siblings in order of name and INBOX first."""
    children: dict[FolderId, list[Folder]] = {}
    for folder in folders:
        children.setdefault(folder.parent_id, []).append(folder)
    found: dict[str, Folder] = {}

    def walk(parent: FolderId, prefix: str) -> None:
        for folder in sorted(children.get(parent, ()), key=lambda f: (f.name != INBOX or parent != ROOT, f.name)):
            found[prefix + folder.name] = folder
            walk(folder.folder_id, f"{prefix}{folder.name}{SEPARATOR}")

    walk(ROOT, "")
    return found


# ---------------------------------------------------------------------------------------------- commands


def create(tx: WriteTx, command: CreateFolder) -> Outcome:
    """RFC 9051 6.3.4: missing superior folders are created too, as folders that can hold messages."""
    names = levels(command.folder.path)
    _check_above(tx, command.mailbox_id, names, command.by)
    _check_room(tx, command.mailbox_id, names)
    check_use(tx, command.mailbox_id, command.folder.special_use)
    return make(tx, command.mailbox_id, command.folder, command.at), (TreeChange(command.mailbox_id),)


def check_use(tx: ReadTx, mailbox_id: MailboxId, use: str | None) -> None:
    """Raises InvalidUse, or UseTaken: RFC 6154 3 leaves it to us whether two folders may have the same use.

    A client that finds two Sent folders would use either.
    """
    if use is None:
        return
    if use not in SPECIAL_USES:
        raise InvalidUse("Folders cannot have this special use")
    if any(folder.special_use == use for folder in tx.folders(mailbox_id)):
        raise UseTaken("Another folder has this special use")


def _check_above(tx: ReadTx, mailbox_id: MailboxId, names: Sequence[str], by: Actor | None) -> None:
    """RFC 4314 4: a new folder needs the right "k" on the nearest folder above it that there is.

    Raises NoSuchFolder, NoPermission; the latter also in place of what would tell of a folder that may not be known of.
    """
    if by is None:
        return
    above: Folder | None = None
    for depth in range(1, len(names)):
        folder = find(tx, mailbox_id, SEPARATOR.join(names[:depth]))
        above = folder if folder is not None and folder.selectable else above
    if above is None:
        raise NoSuchFolder("There is no such folder")
    rights.require(tx, above, by, rights.CREATE)
    there = find(tx, mailbox_id, SEPARATOR.join(names))
    if there is not None and there.selectable and not rights.of(tx, there, by).granted & rights.LOOKUP:
        raise NoPermission("You may not do that in this folder")


def _check_room(tx: ReadTx, mailbox_id: MailboxId, names: Sequence[str]) -> None:
    """Raises LimitExceeded when the mailbox may not have the folders that are missing on this path as well."""
    missing = sum(find(tx, mailbox_id, SEPARATOR.join(names[:depth])) is None for depth in range(1, len(names) + 1))
    if missing and len(tx.folders(mailbox_id)) + missing > FOLDERS_PER_MAILBOX:
        raise LimitExceeded(f"A mailbox may not have more than {FOLDERS_PER_MAILBOX} folders")


def make(tx: WriteTx, mailbox_id: MailboxId, new: NewFolder, at: int) -> Folder:
    """Creates the folder with all that is missing above it; raises FolderExists, InvalidName."""
    *above, name = levels(new.path)
    parent = ROOT
    for superior in above:
        folder = tx.child(mailbox_id, parent, superior) or insert(tx, mailbox_id, parent, superior, at)
        parent = folder.folder_id
    if (place := tx.child(mailbox_id, parent, name)) is not None:
        return _revive(tx, place, new, at)
    return insert(tx, mailbox_id, parent, name, at, special_use=new.special_use)


def insert(
    tx: WriteTx,
    mailbox_id: MailboxId,
    parent: FolderId,
    name: str,
    at: int,
    *,
    special_use: str | None = None,
    selectable: bool = True,
) -> Folder:
    """A new, empty folder, with a number and a UIDVALIDITY that the mailbox has never used."""
    folder_id, uidvalidity = tx.next_folder(mailbox_id, at // 1_000_000)
    place = (mailbox_id, folder_id, parent, name, special_use, selectable)
    folder = Folder(*place, uidvalidity, UID(1), ModSeq(1), UID(1), 0, 0, 0, 0)
    tx.insert_folder(folder, at)
    if selectable:
        _inherit(tx, folder)
    return folder


def _inherit(tx: WriteTx, folder: Folder) -> None:
    """RFC 4314 4: a new folder begins with the access control list of the nearest folder above it (T-2.5)."""
    above = tx.folder(folder.mailbox_id, folder.parent_id)
    while above is not None and not above.selectable:
        above = tx.folder(folder.mailbox_id, above.parent_id)
    for grant in tx.grants(folder.mailbox_id, above.folder_id) if above is not None else ():
        tx.put_grant(folder.mailbox_id, folder.folder_id, grant)


def _revive(tx: WriteTx, folder: Folder, new: NewFolder, at: int) -> Folder:
    """A mere place in the hierarchy becomes a folder; whoever remembers an older one sees a new UIDVALIDITY."""
    if folder.selectable:
        raise FolderExists("A folder of that name exists already")
    _, uidvalidity = tx.next_folder(folder.mailbox_id, at // 1_000_000)
    folder = replace(folder, selectable=True, special_use=new.special_use, uidvalidity=uidvalidity)
    tx.update_folder(folder)
    _inherit(tx, folder)
    return folder


def delete(tx: WriteTx, command: DeleteFolder) -> Outcome:
    """RFC 9051 6.3.5.  A folder with folders below it stays as a place in the hierarchy that cannot be selected."""
    mailbox_id = command.mailbox_id
    folder = find(tx, mailbox_id, command.path)
    if folder is None:
        raise NoSuchFolder("There is no such folder")
    rights.require(tx, folder, command.by, rights.DELETE_FOLDER)
    if is_inbox(folder):
        raise ProtectedFolder("INBOX cannot be deleted")
    children = [f for f in tx.folders(mailbox_id) if f.parent_id == folder.folder_id]
    if children and not folder.selectable:
        raise ProtectedFolder("The folder has folders below it")
    tx.update_folder(replace(folder, parent_id=GRAVEYARD, name=str(folder.folder_id), special_use=None))
    if children:
        place = insert(tx, mailbox_id, folder.parent_id, folder.name, command.at, selectable=False)
        adopt(tx, place, children)
    else:
        prune(tx, mailbox_id, folder.parent_id)
    if folder.n_exists <= ROWS_PER_COMMAND:  # the others are left to maintenance, in slices
        purge_slice(tx, mailbox_id, folder.folder_id)
    return None, (FolderRemoved(mailbox_id, folder.folder_id), TreeChange(mailbox_id))


def is_inbox(folder: Folder) -> bool:
    """Whether this is the mailbox's INBOX."""
    return folder.parent_id == ROOT and folder.name == INBOX


def adopt(tx: WriteTx, parent: Folder, children: Iterable[Folder]) -> None:
    """Moves folders, with all that is below them, under another parent."""
    for child in children:
        tx.update_folder(replace(child, parent_id=parent.folder_id))


def prune(tx: WriteTx, mailbox_id: MailboxId, folder_id: FolderId) -> None:
    """Removes places in the hierarchy that nothing is below any more, upwards."""
    parents = {f.parent_id for f in tx.folders(mailbox_id)}
    while folder_id not in (ROOT, GRAVEYARD) and folder_id not in parents:
        folder = tx.folder(mailbox_id, folder_id)
        if folder is None or folder.selectable:
            return
        tx.delete_folder(mailbox_id, folder_id)
        folder_id = folder.parent_id
        parents = {f.parent_id for f in tx.folders(mailbox_id)}


def purge(tx: WriteTx, command: PurgeFolder) -> Outcome:
    """Takes a slice of a deleted folder's messages away; the result says whether it is gone."""
    folder = tx.folder(command.mailbox_id, command.folder_id)
    if folder is None or folder.parent_id != GRAVEYARD:
        return True, ()
    return purge_slice(tx, command.mailbox_id, command.folder_id), ()


def purge_slice(tx: WriteTx, mailbox_id: MailboxId, folder_id: FolderId) -> bool:
    """Deletes up to ROWS_PER_COMMAND messages, and the folder when none is left: True then."""
    rows = tx.stored_entries(mailbox_id, folder_id, 1, MAX_UID, ROWS_PER_COMMAND)
    if rows:
        tx.delete_entries(mailbox_id, folder_id, ranges(row.uid for row in rows))
        tx.drop_references(mailbox_id, [row.message_id for row in rows])
        octets = sum(row.size for row in rows)
        tx.add_usage(mailbox_id, -len(rows), -octets)
        tx.count(mailbox_id, folder_id, removed(rows))
    if len(rows) == ROWS_PER_COMMAND:
        return False
    tx.delete_folder(mailbox_id, folder_id)
    return True


def removed(rows: Sequence[StoredEntry]) -> Counters:
    """What a folder's counters lose with these entries."""
    return Counters(
        exists=-len(rows),
        unseen=-sum(not row.flags & SEEN for row in rows),
        deleted=-sum(bool(row.flags & DELETED) for row in rows),
        octets=-sum(row.size for row in rows),
    )


def rename(tx: WriteTx, command: RenameFolder) -> Outcome:
    """RFC 9051 6.3.6: folders below move along; renaming INBOX moves its messages and leaves it empty."""
    mailbox_id = command.mailbox_id
    folder = find(tx, mailbox_id, command.source)
    if folder is None:
        raise NoSuchFolder("There is no such folder")
    rights.require(tx, folder, command.by, rights.DELETE_FOLDER)
    *above, name = names = levels(command.target)
    _check_above(tx, mailbox_id, names, command.by)
    if find(tx, mailbox_id, command.target) is not None:
        raise FolderExists("A folder of that name exists already")
    if f"{canonical(command.target)}{SEPARATOR}".startswith(f"{canonical(command.source)}{SEPARATOR}") and not is_inbox(
        folder
    ):
        raise InvalidName("A folder cannot be moved below itself")
    _check_room(tx, mailbox_id, above)
    if is_inbox(folder):
        if command.by is not None:
            raise ProtectedFolder("INBOX is renamed by its owner only")
        return _rename_inbox(tx, folder, above, name, command.at)
    if len(above) + _height(tx.folders(mailbox_id), folder.folder_id) > FOLDER_DEPTH:
        raise InvalidName(f"Folders may not be nested deeper than {FOLDER_DEPTH}")
    tx.update_folder(replace(folder, parent_id=_ensure(tx, mailbox_id, above, command.at), name=name))
    prune(tx, mailbox_id, folder.parent_id)
    return None, (TreeChange(mailbox_id),)


def _rename_inbox(tx: WriteTx, folder: Folder, above: Sequence[str], name: str, at: int) -> Outcome:
    """The folder moves away with its messages; a new INBOX has the folders below, of which it may become one."""
    mailbox_id = folder.mailbox_id
    children = [f for f in tx.folders(mailbox_id) if f.parent_id == folder.folder_id]
    tx.update_folder(replace(folder, parent_id=GRAVEYARD, name=str(folder.folder_id)))  # its name must be free first
    inbox = insert(tx, mailbox_id, ROOT, INBOX, at)
    adopt(tx, inbox, children)
    tx.copy_annotations(mailbox_id, folder.folder_id, inbox.folder_id)  # RFC 5464 4.1: INBOX keeps them too
    tx.update_folder(replace(folder, parent_id=_ensure(tx, mailbox_id, above, at), name=name))
    return None, (FolderRemoved(mailbox_id, folder.folder_id), TreeChange(mailbox_id))


def _height(folders: Sequence[Folder], folder_id: FolderId) -> int:
    """How many levels a folder and those below it take."""
    children: dict[FolderId, list[FolderId]] = {}
    for folder in folders:
        children.setdefault(folder.parent_id, []).append(folder.folder_id)
    height, level = 0, [folder_id]
    while level:
        height, level = height + 1, [child for parent in level for child in children.get(parent, ())]
    return height


def _ensure(tx: WriteTx, mailbox_id: MailboxId, names: Sequence[str], at: int) -> FolderId:
    if not names:
        return ROOT
    path = SEPARATOR.join(names)
    return (find(tx, mailbox_id, path) or make(tx, mailbox_id, NewFolder(path), at)).folder_id


def subscribe(tx: WriteTx, command: Subscribe) -> Outcome:
    """RFC 9051 6.3.7-8.  A subscription is to a name, whether or not there is such a folder."""
    path = SEPARATOR.join(levels(command.path))
    tx.mailbox(command.mailbox_id)
    if not command.subscribed:
        tx.unsubscribe(command.mailbox_id, path)
    elif path not in (known := tx.subscriptions(command.mailbox_id)):
        if len(known) >= FOLDERS_PER_MAILBOX:
            raise LimitExceeded(f"A mailbox may not have more than {FOLDERS_PER_MAILBOX} subscriptions")
        tx.subscribe(command.mailbox_id, path)
    return None, (TreeChange(command.mailbox_id),)


# ---------------------------------------------------------------------------------------------- access control


def _changed(mode: FlagMode, before: int, given: int) -> int:
    match mode:
        case FlagMode.ADD:
            return before | given
        case FlagMode.REMOVE:
            return before & ~given
        case FlagMode.REPLACE:
            return given


def set_grant(tx: WriteTx, command: SetGrant) -> Outcome:
    """RFC 4314 3.1, 3.2: a line of the folder's list is made, changed or taken away."""
    folder = selectable(tx, command.mailbox_id, command.path, command.by, rights.ADMINISTER)
    place = (folder.mailbox_id, folder.folder_id)
    known = tx.grants(*place)
    old = next((g for g in known if (g.trustee, g.is_denied) == (command.trustee, command.is_denied)), None)
    after = _changed(command.mode, old.rights if old is not None else 0, command.rights)
    if not after:
        tx.delete_grant(*place, command.trustee, is_denied=command.is_denied)
        return None, (TreeChange(command.mailbox_id, command.trustee),)
    if old is None and len(known) >= GRANTS_PER_FOLDER:
        raise LimitExceeded(f"An access control list may not have more than {GRANTS_PER_FOLDER} lines")
    own_only = command.own_only if old is None or command.mode is FlagMode.REPLACE else old.own_only
    tx.put_grant(*place, Grant(command.trustee, after, command.is_denied, own_only))
    return None, (TreeChange(command.mailbox_id, command.trustee),)


def set_grants(tx: WriteTx, command: SetGrants) -> Outcome:
    """T-2.5: what holds for a folder, for all that are below it as well; lists are read and written in one go."""
    top = selectable(tx, command.mailbox_id, command.path)
    if command.recursive:
        lists, reached = tx.all_grants(command.mailbox_id), _with_below(tx, command.mailbox_id, command.path)
    else:
        lists, reached = {top.folder_id: tx.grants(top.mailbox_id, top.folder_id)}, [top]
    new = [Grant(command.trustee, command.rights, own_only=command.own_only)] if command.rights else []
    changes = []
    for folder in reached:
        known = lists.get(folder.folder_id, [])
        old = [grant for grant in known if grant.trustee == command.trustee]
        if old != new:
            changes.append((folder, old))
        if new and not old and len(known) >= GRANTS_PER_FOLDER:
            raise LimitExceeded(f"An access control list may not have more than {GRANTS_PER_FOLDER} lines")
    for folder, old in changes:
        for grant in old:
            tx.delete_grant(folder.mailbox_id, folder.folder_id, grant.trustee, is_denied=grant.is_denied)
        for grant in new:
            tx.put_grant(folder.mailbox_id, folder.folder_id, grant)
    told = (TreeChange(command.mailbox_id, command.trustee),) if changes else ()
    return len(changes), told


def _with_below(tx: ReadTx, mailbox_id: MailboxId, path: str) -> list[Folder]:
    """The folder of that path and all below it that can hold messages."""
    prefix = f"{canonical(path)}{SEPARATOR}"
    found = tree(tx.folders(mailbox_id)).items()
    return [folder for name, folder in found if folder.selectable and f"{name}{SEPARATOR}".startswith(prefix)]


# ---------------------------------------------------------------------------------------------- keywords


def keyword_mask(tx: ReadTx, folder: Folder, names: Iterable[str]) -> tuple[int, list[str]]:
    """The keywords' mask in that folder, and those that it does not know; case does not count (RFC 9051 2.3.2)."""
    bits = {name.lower(): bit for bit, name in enumerate(tx.keywords(folder.mailbox_id, folder.folder_id))}
    mask, unknown = 0, []
    for name in names:
        if (bit := bits.get(name.lower())) is not None:
            mask |= 1 << bit
        else:
            unknown.append(name)
    return mask, unknown


def learn_keywords(tx: WriteTx, folder: Folder, names: Iterable[str]) -> tuple[int, tuple[str, ...] | None]:
    """The mask of these keywords, new ones added; and all of the folder's keywords if there were new ones."""
    names = tuple(names)
    if not names:
        return 0, None
    mask, unknown = keyword_mask(tx, folder, names)
    if not unknown:
        return mask, None
    known = tx.keywords(folder.mailbox_id, folder.folder_id)
    fresh: dict[str, str] = {}
    for name in unknown:
        fresh.setdefault(name.lower(), name)
    if len(known) + len(fresh) > KEYWORDS_PER_FOLDER:
        raise LimitExceeded(f"A folder may not have more than {KEYWORDS_PER_FOLDER} keywords")
    for bit, name in enumerate(fresh.values(), len(known)):
        tx.insert_keyword(folder.mailbox_id, folder.folder_id, bit, name)
        mask |= 1 << bit
    return mask, (*known, *fresh.values())
