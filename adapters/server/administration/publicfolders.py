"""The verbs for public folders: made, listed, shown, removed; their permissions are in `permissions`."""

from msgspec import Struct

from adapters.server.administration import permissions
from adapters.server.administration.context import Context, Request
from adapters.server.administration.permissions import Permission
from adapters.stores.database import Database
from core.commands import CreateFolder, DeleteFolder, NewFolder
from core.errors import InvalidName, NoSuchFolder, Unavailable
from core.folders import canonical, find, levels, tree
from core.model import INBOX, Folder
from core.recipients import PublicFolders


class PublicFolderRow(Struct, frozen=True):
    """A public folder in a list."""

    path: str
    selectable: bool  # False: only a place in the hierarchy
    messages: int
    bytes: int


class PublicFolderShown(Struct, frozen=True):
    """All that is to be known of a public folder."""

    path: str
    selectable: bool
    messages: int
    bytes: int
    database: str
    permissions: list[Permission]


class CreatePublicFolder(Request[PublicFolderShown], frozen=True):
    """The first one decides about the database of all; left empty, that is the first."""

    path: str  # here and below: what clients have behind "Public Folders/"
    database: str = ""


class ListPublicFolders(Request[list[PublicFolderRow]], frozen=True):
    pass


class ShowPublicFolder(Request[PublicFolderShown], frozen=True):
    path: str


class RemovePublicFolder(Request[PublicFolderShown], frozen=True):
    path: str


def create(context: Context, ask: CreatePublicFolder) -> PublicFolderShown:
    """Folders above it are made too.  One at the top is at first for nobody, others are for whom the one above is.

    Raises InvalidName, FolderExists, LimitExceeded, NoSuchDatabase, PublicFoldersElsewhere, Unavailable.
    """
    if levels(ask.path)[0] == INBOX:  # or it could never be removed
        raise InvalidName(f"No public folder may be called {INBOX}")
    house = context.house
    public = house.make_public_folders(ask.database)
    _database(context, public).write(CreateFolder(public.mailbox_id, NewFolder(ask.path), house.clock.now()))
    return _shown(context, ask.path)


def listed(context: Context, ask: ListPublicFolders) -> list[PublicFolderRow]:
    """All, each below the one that it is in.  Raises Unavailable."""
    if (public := context.house.organization.sharing.public_folders()) is None:
        return []
    with _database(context, public).read() as tx:
        found = tree(tx.folders(public.mailbox_id))
    return [_row(path, folder) for path, folder in found.items()]


def _row(path: str, folder: Folder) -> PublicFolderRow:
    return PublicFolderRow(path, folder.selectable, folder.n_exists, folder.n_bytes)


def show(context: Context, ask: ShowPublicFolder) -> PublicFolderShown:
    """Raises NoSuchFolder, Unavailable."""
    return _shown(context, ask.path)


def before(context: Context, path: str) -> PublicFolderShown | None:
    """The folder as it is, for the record of a change."""
    try:
        return _shown(context, path)
    except (NoSuchFolder, Unavailable):
        return None


def remove(context: Context, ask: RemovePublicFolder) -> PublicFolderShown:
    """Takes away the folder with all that is in it; what is below it stays.  The result is how it last was.

    Raises NoSuchFolder, ProtectedFolder, Unavailable.
    """
    last, public = _shown(context, ask.path), _public(context)
    _database(context, public).write(DeleteFolder(public.mailbox_id, ask.path, context.house.clock.now()))
    return last


def _public(context: Context) -> PublicFolders:
    if (public := context.house.organization.sharing.public_folders()) is None:
        raise NoSuchFolder("There are no public folders yet")
    return public


def _database(context: Context, public: PublicFolders) -> Database:
    return context.house.mounted(context.house.organization.database(public.database_id))


def _shown(context: Context, path: str) -> PublicFolderShown:
    public = _public(context)
    with _database(context, public).read() as tx:
        if (folder := find(tx, public.mailbox_id, path)) is None:
            raise NoSuchFolder(f"There is no public folder {path}")
        grants = tx.grants(public.mailbox_id, folder.folder_id)
    row = _row(canonical(path), folder)
    return PublicFolderShown(
        path=row.path,
        selectable=row.selectable,
        messages=row.messages,
        bytes=row.bytes,
        database=context.house.organization.database(public.database_id).name,
        permissions=permissions.shown(context, row.path, grants),
    )
