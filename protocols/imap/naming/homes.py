"""Whose mailbox a name leads to: the user's own, another's below "Other Users/", or what all share (RFC 2342)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from core.commands import Command
from core.errors import NoSuchFolder, ProtectedFolder
from core.folders import canonical
from core.model import SEPARATOR, MailboxId
from core.ports import ReadTx
from core.rights import Actor
from protocols.imap.work import Breathe, Read, Scan, Write

if TYPE_CHECKING:
    from protocols.imap.services import Account, Services
    from protocols.imap.session import Session

OTHER_USERS: Final = "Other Users"
PUBLIC_FOLDERS: Final = "Public Folders"


def known_as(name: str) -> str:
    """A folder's name as it is listed: INBOX in capitals in whosever mailbox (RFC 9051 5.1.1)."""
    name = canonical(name)
    first, _, rest = name.partition(SEPARATOR)
    match first:
        case "Other Users":
            alias, separator, path = rest.partition(SEPARATOR)
            return f"{first}{SEPARATOR}{alias}{separator}{canonical(path)}" if separator else name
        case "Public Folders":
            return f"{first}{SEPARATOR}{canonical(rest)}" if rest else name
        case _:
            return name


class Home(Struct, frozen=True):
    """A mailbox as somebody comes to it."""

    mailbox_id: MailboxId
    database_id: int
    by: Actor | None = None  # None: as its owner, who may do everything

    def read(self, run: Callable[[ReadTx], Any], *, heavy: bool = False) -> Read:
        """Work that reads the mailbox."""
        return Read(self.database_id, run, heavy)

    def scan(self, run: Callable[[ReadTx, Breathe], Any]) -> Scan:
        """Work that reads much of it."""
        return Scan(self.database_id, run)

    def write(self, command: Command, *, bulk: bool = False) -> Write:
        """Work that changes it."""
        return Write(self.database_id, command, bulk)


class Named(Struct, frozen=True):
    """What a folder's name means to a session."""

    home: Home
    path: str  # in that mailbox


def locate(session: Session, name: str) -> Named:
    """The mailbox that a folder of this name is in, whether or not there is one.  Raises NoSuchFolder.

    A mailbox that is not there and one in which nothing may be seen look the same: RFC 4314 6.
    """
    return reached(session.services, session.signed_in, name)


def reached(services: Services, account: Account, name: str) -> Named:
    """The same for a user who need not be the one who has signed in."""
    first, _, rest = canonical(name).partition(SEPARATOR)
    match first:
        case "Other Users":
            alias, _, path = rest.partition(SEPARATOR)
            home = services.mailbox_of(account, alias)
        case "Public Folders":
            path, home = rest, services.public_folders(account)
        case _:
            return Named(account.home, name)
    if home is None or not path:
        raise NoSuchFolder("There is no such folder")
    return Named(home, path)


def within(session: Session, home: Home, name: str) -> str:
    """The path of a folder that must be in this mailbox.  Raises ProtectedFolder, whether or not there is another."""
    with suppress(NoSuchFolder):
        named = locate(session, name)
        if named.home.mailbox_id == home.mailbox_id:
            return named.path
    raise ProtectedFolder("That must stay within one mailbox")
