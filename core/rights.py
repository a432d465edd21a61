"""Access control: what somebody may do in a folder that is not simply theirs (RFC 4314).

A folder's list names trustees (people, groups, anyone) and what each may do, or may not do whatever else says so.
Whoever acts as a mailbox's owner may do everything there, and no list is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from core.errors import NoPermission, NoSuchFolder
from core.recipients import RecipientId

if TYPE_CHECKING:
    from core.model import Folder
    from core.ports import ReadTx

# RFC 4314 2.1, in the order of its table; bit n of a mask is letter n.
LETTERS: Final = "lrswipkxtea"
LOOKUP: Final = 1 << 0
READ: Final = 1 << 1
KEEP_SEEN: Final = 1 << 2
WRITE: Final = 1 << 3
INSERT: Final = 1 << 4
POST: Final = 1 << 5
CREATE: Final = 1 << 6
DELETE_FOLDER: Final = 1 << 7
DELETE_MESSAGES: Final = 1 << 8
EXPUNGE: Final = 1 << 9
ADMINISTER: Final = 1 << 10
CONDITIONAL: Final = WRITE | DELETE_MESSAGES | EXPUNGE  # what may hold for own messages only
ALL: Final = (1 << len(LETTERS)) - 1

ANYONE: Final = RecipientId(0)  # the trustee that everybody is; no recipient has this number


class Rights(Struct, frozen=True):
    """What somebody may do in a folder."""

    granted: int = ALL
    own_only: int = 0  # those of WRITE, DELETE_MESSAGES and EXPUNGE that hold only for messages that the user put there


OWNER: Final = Rights()
NOTHING: Final = Rights(0)


class Role(Struct, frozen=True):
    """Rights that go together, under a name that administrators know."""

    rights: int
    own_only: bool = False


class Actor(Struct, frozen=True):
    """In whose name a command is given, where it is not the owner's."""

    user: RecipientId  # whose \\Seen it is
    trustees: frozenset[RecipientId]  # all numbers by which a list may mean the user: own, groups, ANYONE


def mask(letters: Iterable[str]) -> int:
    """The mask of some letters, each of which is in LETTERS."""
    found = 0
    for letter in letters:
        found |= 1 << LETTERS.index(letter)
    return found


def letters(rights: int) -> str:
    """The letters of a mask, in the order of LETTERS."""
    return "".join(letter for bit, letter in enumerate(LETTERS) if rights >> bit & 1)


# Exchange's roles in public folders; to edit or delete only what is one's own has no letter in IMAP.
ROLES: Final[Mapping[str, Role]] = {
    "Owner": Role(mask("lrswipkxtea")),
    "PublishingEditor": Role(mask("lrswipkte")),
    "Editor": Role(mask("lrswipte")),
    "PublishingAuthor": Role(mask("lrswipkte"), own_only=True),
    "Author": Role(mask("lrswipte"), own_only=True),
    "NonEditingAuthor": Role(mask("lrsipte"), own_only=True),
    "Reviewer": Role(mask("lrs")),
    "Contributor": Role(mask("lip")),
    "None": Role(0),
}


class Grant(Struct, frozen=True):
    """One line of a folder's list."""

    trustee: RecipientId
    rights: int
    is_denied: bool = False  # taken away, whatever others are given (RFC 4314 2: an identifier with a minus sign)
    own_only: bool = False


def role_of(grant: Grant) -> str | None:
    """The role that a line is, if it is exactly one."""
    return None if grant.is_denied else role_in(combined([grant]))


def role_in(mine: Rights) -> str | None:
    """The role that somebody has in a folder, if what he may do there is exactly one."""
    role = Role(mine.granted, bool(mine.own_only))
    return next((name for name, known in ROLES.items() if known == role), None)


def of(tx: ReadTx, folder: Folder, by: Actor | None) -> Rights:
    """What somebody may do in a folder: RFC 4314 2 leaves it to us that all that fits is added up, then subtracted."""
    if by is None:
        return OWNER
    grants = [grant for grant in tx.grants(folder.mailbox_id, folder.folder_id) if grant.trustee in by.trustees]
    return combined(grants)


def combined(grants: Iterable[Grant]) -> Rights:
    """What several lines for the same person come to."""
    granted = denied = without_condition = 0
    for grant in grants:
        if grant.is_denied:
            denied |= grant.rights
        else:
            granted |= grant.rights
            without_condition |= 0 if grant.own_only else grant.rights
    granted &= ~denied
    return Rights(granted, granted & ~without_condition & CONDITIONAL)


def require(tx: ReadTx, folder: Folder, by: Actor | None, need: int) -> Rights:
    """All that somebody may do in a folder.

    Raises NoPermission without what is needed, and NoSuchFolder where not even the folder's name may be known.
    """
    rights = of(tx, folder, by)
    if need & ~rights.granted:
        if not rights.granted & LOOKUP:
            raise NoSuchFolder("There is no such folder")
        raise NoPermission("You may not do that in this folder")
    return rights
