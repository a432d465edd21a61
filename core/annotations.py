"""Annotations: values by name that people and programs attach to a folder, or to the server (RFC 5464).

Private ones are each user's own, shared ones are for all who may use the folder.  Names have no case; here they are in
lower case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from core import folders, rights
from core.changes import AnnotationsChange, Change, TreeChange
from core.commands import SetAnnotations
from core.errors import (
    AnnotationTooLarge,
    InvalidName,
    InvalidUse,
    NoPermission,
    NoSuchFolder,
    ReadOnlyAnnotation,
    TooManyAnnotations,
)
from core.folders import Outcome
from core.limits import (
    ANNOTATION_NAME_OCTETS,
    ANNOTATION_OCTETS,
    ANNOTATION_OCTETS_PER_MAILBOX,
    ANNOTATION_OVERHEAD,
    ANNOTATIONS_PER_FOLDER,
)
from core.model import ROOT, Folder, FolderId, MailboxId
from core.ports import ReadTx, WriteTx
from core.recipients import RecipientId
from core.rights import Actor, Rights

SERVER: Final = ROOT  # in place of a folder's number
SHARED: Final = RecipientId(0)  # in place of a user's number; no recipient has it
SPECIAL_USE: Final = "/private/specialuse"  # RFC 6154 4: it is the folder's special use itself
RESERVED: Final = "/shared/vendor/penfold/"  # what is below it we set
ROLE: Final = f"{RESERVED}role"  # what Exchange calls what the user may do: it tells of own messages only (T-2.4)

_CONTENT: Final = rights.READ | rights.KEEP_SEEN | rights.WRITE | rights.INSERT | rights.POST


def is_private(name: str) -> bool:
    """Whether each user has a value of their own."""
    return name.split("/", 2)[1] == "private"


def covers(asked: str, name: str, depth: int | None) -> bool:
    """Whether a name is the one that was asked for, or below it by so many levels at most; None: by any number."""
    if name == asked:
        return True
    return name.startswith(f"{asked}/") and (depth is None or name.count("/") - asked.count("/") <= depth)


def may_be_used(mine: Rights) -> bool:
    """RFC 5464 3.3: whether with these rights in a folder its annotations may be read, and private ones set."""
    return bool(mine.granted & rights.LOOKUP and mine.granted & _CONTENT)


def annotated(tx: ReadTx, mailbox_id: MailboxId, path: str, by: Actor | None) -> tuple[Folder, Rights]:
    """The folder of that path, which may be a mere place in the hierarchy (RFC 5464 4.1), and what `by` may do there.

    Raises NoSuchFolder, NoPermission.
    """
    folder = folders.find(tx, mailbox_id, path)
    if folder is None:
        raise NoSuchFolder("There is no such folder")
    mine = rights.require(tx, folder, by, rights.LOOKUP)
    if not may_be_used(mine):
        raise NoPermission("You may not do that in this folder")
    return folder, mine


def read_values(
    tx: ReadTx, mailbox_id: MailboxId, folder_id: FolderId, user: RecipientId, names: Iterable[str], *, below: bool
) -> dict[str, bytes]:
    """The values of these names, and of all below them if that is asked, as a user sees them."""
    found: dict[str, bytes] = {}
    for name in names:
        place = (mailbox_id, folder_id, user if is_private(name) else SHARED)
        found.update(tx.annotations(*place, name, name + "\0"))
        if below:
            found.update(tx.annotations(*place, f"{name}/", f"{name}0"))  # in ASCII a 0 comes after the slash
    return found


def set_values(tx: WriteTx, command: SetAnnotations) -> Outcome:
    """RFC 5464 4.3: all are set, or none."""
    values = dict(command.values)
    folder_id = SERVER
    if command.path is None:
        _check_server(values)
    else:
        folder, mine = annotated(tx, command.mailbox_id, command.path, command.by)
        folder_id = folder.folder_id
        _check_folder(values, mine)
        if SPECIAL_USE in values:
            _set_use(tx, folder, values.pop(SPECIAL_USE), command.by)
    changes: list[Change] = [] if len(values) == len(command.values) else [TreeChange(command.mailbox_id)]
    for private, user in ((True, command.user), (False, SHARED)):
        some = {name: value for name, value in values.items() if is_private(name) is private}
        _store(tx, command.mailbox_id, folder_id, user, some)
        if some:
            changes.append(AnnotationsChange(command.mailbox_id, folder_id, user, tuple(some)))
    return None, tuple(changes)


def _check_server(values: Iterable[str]) -> None:
    """RFC 5464 3.3: what all users see of the server is not for users to change."""
    if not all(map(is_private, values)):
        raise ReadOnlyAnnotation("Only the server's administrator sets that")


def _check_folder(values: Iterable[str], mine: Rights) -> None:
    """What all see is changed by those who may change messages: RFC 5464 3.2 leaves it to us who that is."""
    if any(name.startswith(RESERVED) for name in values):
        raise ReadOnlyAnnotation("Only the server sets that")
    if not all(map(is_private, values)) and not mine.granted & ~mine.own_only & rights.WRITE:
        raise NoPermission("You may not change what others see of this folder")


def _set_use(tx: WriteTx, folder: Folder, value: bytes | None, by: Actor | None) -> None:
    """RFC 6154 4: checked as in CREATE."""
    use = None if value is None else f"\\{value[1:].decode('ascii', 'replace').capitalize()}"
    if by is not None or not folder.selectable or (value is not None and not value.startswith(b"\\")):
        raise InvalidUse("This folder cannot have that special use")
    if use != folder.special_use:
        folders.check_use(tx, folder.mailbox_id, use)
        tx.update_folder(replace(folder, special_use=use))


def _store(
    tx: WriteTx, mailbox_id: MailboxId, folder_id: FolderId, user: RecipientId, values: Mapping[str, bytes | None]
) -> None:
    if not values:
        return
    _check_room(tx, mailbox_id, folder_id, user, values)
    for name, value in values.items():
        if value is None:
            tx.delete_annotation(mailbox_id, folder_id, user, name)
        else:
            tx.put_annotation(mailbox_id, folder_id, user, name, value)


def _check_room(
    tx: ReadTx, mailbox_id: MailboxId, folder_id: FolderId, user: RecipientId, values: Mapping[str, bytes | None]
) -> None:
    """Raises InvalidName, AnnotationTooLarge, TooManyAnnotations; the last only when there are more than before."""
    if any(len(name) > ANNOTATION_NAME_OCTETS for name in values):
        raise InvalidName(f"The name of an annotation may not be longer than {ANNOTATION_NAME_OCTETS} octets")
    if any(value is not None and len(value) > ANNOTATION_OCTETS for value in values.values()):
        raise AnnotationTooLarge(f"An annotation may not be larger than {ANNOTATION_OCTETS} octets")
    before = tx.annotation_sizes(mailbox_id, folder_id, user)
    after = {name: size for name, size in before.items() if name not in values}
    after |= {name: len(value) for name, value in values.items() if value is not None}
    if len(after) > max(len(before), ANNOTATIONS_PER_FOLDER):
        raise TooManyAnnotations(f"A folder may not have more than {ANNOTATIONS_PER_FOLDER} annotations")
    growth = _octets(after) - _octets(before)
    if growth > 0:
        count, octets = tx.annotation_usage(mailbox_id, user)
        if octets + count * ANNOTATION_OVERHEAD + growth > ANNOTATION_OCTETS_PER_MAILBOX:
            raise TooManyAnnotations("The annotations of a mailbox have no more room")


def _octets(sizes: Mapping[str, int]) -> int:
    """What annotations count for."""
    return sum(len(name) + size + ANNOTATION_OVERHEAD for name, size in sizes.items())
