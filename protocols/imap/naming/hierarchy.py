"""All folders that a session can name: the user's own, and those of others and of all that the user may know of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from core import folders, rights
from core.errors import Refusal
from core.model import SEPARATOR, Folder, FolderId, MailboxId
from core.ports import ReadTx
from core.rights import LOOKUP, NOTHING, Rights
from protocols.imap.naming.homes import OTHER_USERS, PUBLIC_FOLDERS, Home
from protocols.imap.work import Asking, Read

if TYPE_CHECKING:
    from protocols.imap.session import Session

NAMESPACES: Final = (OTHER_USERS, PUBLIC_FOLDERS)
MANY_MAILBOXES: Final = 10  # more are looked into off the event loop


class Placed(Struct, frozen=True):
    """A folder, whose mailbox it is in, and what the user may do there; no folder: a place that others lie below."""

    home: Home
    folder: Folder | None
    rights: Rights = rights.OWNER
    is_own: bool = False

    @property
    def key(self) -> tuple[MailboxId, FolderId] | None:
        """By what a folder is known whatever its name is; None: it is none that can be selected."""
        folder = self.folder
        return None if folder is None or not folder.selectable else (folder.mailbox_id, folder.folder_id)

    @property
    def is_selectable(self) -> bool:
        return self.folder is not None and self.folder.selectable


Tree = Mapping[str, Placed]  # by name; superiors before what is below them


class Listed(Struct, frozen=True):
    """The folders by name, as LIST needs them."""

    folders: Tree
    subscribed: set[str]
    parents: set[str]  # the names that have something below them

    def exists(self, name: str) -> bool:
        placed = self.folders.get(name)
        return placed is not None and placed.is_selectable


def listed(session: Session, is_wanted: Callable[[str], bool]) -> Asking[Listed]:
    """The user's own folders, and those below each of NAMESPACES that is wanted.

    What is in a database that cannot be read now is left out, unless it is the user's own.
    """
    home = session.signed_in.home

    def read(tx: ReadTx) -> tuple[dict[str, Placed], set[str]]:
        own = folders.tree(tx.folders(home.mailbox_id)).items()
        subscribed = tx.subscriptions(home.mailbox_id)
        return {path: Placed(home, folder, is_own=True) for path, folder in own}, subscribed

    found, subscribed = yield home.read(read)
    homes: dict[str, Home] = {}
    if is_wanted(OTHER_USERS):
        homes |= yield from _others(session)
    if is_wanted(PUBLIC_FOLDERS) and (public := session.services.public_folders(session.signed_in)) is not None:
        homes[PUBLIC_FOLDERS] = public
    trees = yield from _trees(homes)
    for root in homes:
        _add(found, root, homes[root], trees.get(root, {}))
    return Listed(found, subscribed, {name.rpartition(SEPARATOR)[0] for name in found})


def _others(session: Session) -> Asking[dict[str, Home]]:
    """The mailboxes of others in which the user may be able to see something, in the order of their names."""
    services, account = session.services, session.signed_in
    homes = dict(services.full_access(account))
    trustees = services.trustees(account)
    for database_id in services.databases():
        with _as_far_as_it_goes():
            mailboxes: list[MailboxId] = yield Read(database_id, partial(_granted, trustees=trustees))
            for mailbox_id in mailboxes:
                alias = services.alias_of(mailbox_id)
                if alias is not None and mailbox_id != account.mailbox_id and alias not in homes:
                    homes[alias] = Home(mailbox_id, database_id, rights.Actor(account.user, trustees))
    return {f"{OTHER_USERS}{SEPARATOR}{alias}": home for alias, home in sorted(homes.items())}


def _granted(tx: ReadTx, trustees: frozenset[int]) -> list[MailboxId]:
    return tx.granted_to(trustees)


@contextmanager
def _as_far_as_it_goes() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        if not refusal.temporary:
            raise


def _trees(homes: Mapping[str, Home]) -> Asking[dict[str, dict[str, Placed]]]:
    """What is to be seen in these mailboxes, by name; those of one database are read at once."""
    by_database: dict[int, dict[str, Home]] = {}
    for root, home in homes.items():
        by_database.setdefault(home.database_id, {})[root] = home
    found: dict[str, dict[str, Placed]] = {}
    for database_id, some in by_database.items():
        with _as_far_as_it_goes():
            found |= yield Read(database_id, partial(_visible_in, homes=some), heavy=len(some) > MANY_MAILBOXES)
    return found


def _visible_in(tx: ReadTx, homes: Mapping[str, Home]) -> dict[str, dict[str, Placed]]:
    return {root: visible(tx, home) for root, home in homes.items()}


def _add(found: dict[str, Placed], root: str, home: Home, tree: Mapping[str, Placed]) -> None:
    """Puts a mailbox's folders below its name, and the places that are above them."""
    for path, placed in tree.items():
        name = f"{root}{SEPARATOR}{path}"
        for above in reversed([*superiors(name)]):
            found.setdefault(above, Placed(home, None, NOTHING))
        found[name] = placed


def visible(tx: ReadTx, home: Home) -> dict[str, Placed]:
    """The folders of a mailbox that the user may know of, by their paths in it."""
    tree = folders.tree(tx.folders(home.mailbox_id))
    if home.by is None:
        return {path: Placed(home, folder) for path, folder in tree.items()}
    lists, trustees = tx.all_grants(home.mailbox_id), home.by.trustees
    found = {}
    for path, folder in tree.items():
        mine = rights.combined(grant for grant in lists.get(folder.folder_id, ()) if grant.trustee in trustees)
        if folder.selectable and mine.granted & LOOKUP:
            found[path] = Placed(home, folder, mine)
    return found


def superiors(name: str) -> Iterator[str]:
    """The names above a name, from the nearest on."""
    while SEPARATOR in name:
        name = name.rpartition(SEPARATOR)[0]
        yield name
