"""What is in mailboxes, by folder and body: as the store tells it, and compared with what it should be."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from core.model import ANSWERED, DELETED, DRAFT, FLAGGED, MAX_UID, ROOT, SEEN, SEPARATOR, Folder, FolderId, MailboxId
from core.ports import ReadTx

FLAGS = {SEEN: "\\Seen", ANSWERED: "\\Answered", FLAGGED: "\\Flagged", DELETED: "\\Deleted", DRAFT: "\\Draft"}


class Mail(NamedTuple):
    """A message in a folder; what it says is known by its hash."""

    uid: int | None  # None: nobody was told
    flags: frozenset[str]


Folders = Mapping[str, Mapping[bytes, Mail]]  # USER/FOLDER -> hash of the body -> message


class ThereTwice(AssertionError):
    """A body is in a folder more than once, although nobody has put it there twice."""


def folders(tx: ReadTx, mailboxes: Mapping[str, MailboxId]) -> Folders:
    """Everything in these mailboxes.  Raises ThereTwice."""
    return {path: mail for user, mailbox in mailboxes.items() for path, mail in _of_one(tx, user, mailbox)}


def _of_one(tx: ReadTx, user: str, mailbox: MailboxId) -> Iterator[tuple[str, dict[bytes, Mail]]]:
    known = {folder.folder_id: folder for folder in tx.folders(mailbox)}
    for folder in known.values():
        if (path := _path(known, folder)) is not None:
            yield f"{user}/{path}", _mail(tx, folder, f"{user}/{path}")


def _path(known: Mapping[FolderId, Folder], folder: Folder) -> str | None:
    """None for one that is deleted and not purged yet."""
    if folder.parent_id == ROOT:
        return folder.name
    above = known.get(folder.parent_id)
    path = None if above is None else _path(known, above)
    return None if path is None else f"{path}{SEPARATOR}{folder.name}"


def _mail(tx: ReadTx, folder: Folder, path: str) -> dict[bytes, Mail]:
    if not folder.n_exists:
        return {}
    place = (folder.mailbox_id, folder.folder_id, 1, MAX_UID)
    keywords = tx.keywords(folder.mailbox_id, folder.folder_id)
    hashes = {item.uid: item.hash for item in tx.items(*place)}
    found: dict[bytes, Mail] = {}
    for entry in tx.entries(*place):
        digest = hashes[entry.uid]
        if digest in found:
            raise ThereTwice(f"{path} has {digest.hex()[:12]} as UIDs {found[digest].uid} and {entry.uid}")
        flags = {name for bit, name in FLAGS.items() if entry.flags & bit}
        flags.update(name for bit, name in enumerate(keywords) if entry.keywords >> bit & 1)
        found[digest] = Mail(entry.uid, frozenset(flags))
    return found


def differences(expected: Folders, seen: Folders) -> list[str]:
    """What is wrong with what is seen; UIDs and folders are compared, too, where they are known."""
    wrong = [f"{path} is missing" for path in expected.keys() - seen.keys()]
    wrong += [f"{path} should not be there" for path in seen.keys() - expected.keys()]
    for path in expected.keys() & seen.keys():
        wrong += _of_folder(path, expected[path], seen[path])
    return sorted(wrong)


def _of_folder(path: str, expected: Mapping[bytes, Mail], seen: Mapping[bytes, Mail]) -> Iterator[str]:
    if expected == seen:
        return
    for digest in expected.keys() - seen.keys():
        yield f"{path} has lost {digest.hex()[:12]}, UID {expected[digest].uid}"
    for digest in seen.keys() - expected.keys():
        yield f"{path} has {digest.hex()[:12]} as UID {seen[digest].uid}, which is not to be there"
    for digest in expected.keys() & seen.keys():
        wanted, got = expected[digest], seen[digest]
        if wanted.uid not in (None, got.uid) or wanted.flags != got.flags:
            yield f"{path} has {digest.hex()[:12]} as {got}, not as {wanted}"
