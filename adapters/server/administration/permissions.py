"""The verbs for permissions: full access to a mailbox, impersonation, and what somebody may do in a folder."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from adapters.server import trustees
from adapters.server.administration.context import Context, Contradiction, Request
from adapters.stores.database import Database
from core.commands import SetGrants
from core.errors import NoSuchFolder, NoSuchRecipient, Unavailable
from core.folders import selectable, tree
from core.model import MailboxId
from core.ports import ReadTx
from core.recipients import NoSuchTrustee, Recipient, RecipientId
from core.rights import LETTERS, ROLES, Grant, Role, letters, mask, role_of


class Permission(Struct, frozen=True):
    """A line of a folder's list."""

    folder: str
    trustee: str | None  # None: it is gone
    rights: str  # letters of RFC 4314
    own_only: bool  # to change and to remove only what the trustee has put there
    denied: bool  # taken away, whatever others are given
    role: str | None  # the name for just these rights, if there is one


class MailboxPermissions(Struct, frozen=True):
    """Whom a mailbox is open to: aliases, and groups as "group:NAME"."""

    alias: str
    impersonation: bool  # whether its owner may sign in as anybody else
    full_access: list[str]
    folders: list[Permission] | None  # None: the mailbox database is not mounted


class PermissionChanged(Struct, frozen=True):
    """Whose mailbox it is, and how many sessions were ended for it."""

    alias: str
    sessions_ended: int = 0


class FolderPermissionChanged(Struct, frozen=True):
    """What the trustee has in the folder now; in how many folders that is new."""

    folder: str
    trustee: str
    rights: str
    own_only: bool
    folders_changed: int


class ListPermissions(Request[MailboxPermissions], frozen=True):
    alias: str  # here and below: or any address of the mailbox
    folder: str = ""  # empty: all


class AddFullAccess(Request[PermissionChanged], frozen=True):
    alias: str
    trustee: str  # here and below: an alias, an address, or "group:NAME"


class RemoveFullAccess(Request[PermissionChanged], frozen=True):
    alias: str
    trustee: str


class SetImpersonation(Request[PermissionChanged], frozen=True):
    alias: str
    allowed: bool


class AddFolderPermission(Request[FolderPermissionChanged], frozen=True):
    """Either a role or rights, in place of all that the trustee had there."""

    folder: str
    trustee: str  # here and below: also "anyone"
    alias: str = ""  # here and below: empty: it is a public folder
    role: str = ""
    rights: str = ""
    recursive: bool = False  # here and below: in all folders below it too


class RemoveFolderPermission(Request[FolderPermissionChanged], frozen=True):
    folder: str
    trustee: str
    alias: str = ""
    recursive: bool = False


def listed(context: Context, ask: ListPermissions) -> MailboxPermissions:
    """Raises NoSuchRecipient, NoSuchFolder."""
    organization = context.house.organization
    recipient = context.house.recipient(ask.alias)
    names = (trustees.identifier(organization, t) for t in organization.sharing.full_access_to(recipient.recipient_id))
    full_access = sorted(name for name in names if name is not None)
    lines = _of_folders(context, recipient, ask.folder)
    return MailboxPermissions(recipient.alias, recipient.may_impersonate, full_access, lines)


def _of_folders(context: Context, recipient: Recipient, path: str) -> list[Permission] | None:
    if (database := context.house.databases.get(recipient.database_id)) is None:
        return None
    with database.read() as tx:
        if path:
            found = {path: _lines(tx, recipient.mailbox_id, path)}
        else:
            lists, paths = tx.all_grants(recipient.mailbox_id), tree(tx.folders(recipient.mailbox_id))
            found = {path: lists.get(folder.folder_id, []) for path, folder in paths.items()}
    return [line for path, grants in found.items() for line in shown(context, path, grants)]


def _lines(tx: ReadTx, mailbox_id: MailboxId, path: str) -> list[Grant]:
    return tx.grants(mailbox_id, selectable(tx, mailbox_id, path).folder_id)


def shown(context: Context, path: str, grants: Iterable[Grant]) -> list[Permission]:
    """The lines of a folder's list, in the order of their trustees."""
    lines = [
        Permission(
            folder=path,
            trustee=trustees.identifier(context.house.organization, grant.trustee),
            rights=letters(grant.rights),
            own_only=grant.own_only,
            denied=grant.is_denied,
            role=role_of(grant),
        )
        for grant in grants
    ]
    return sorted(lines, key=lambda line: (line.trustee or "", line.denied))


# ---------------------------------------------------------------------------------------------- full access


def has_full_access(context: Context, ask: AddFullAccess | RemoveFullAccess) -> bool | None:
    """As it was, for the record of a change."""
    try:
        recipient, trustee = _asked(context, ask)
    except (NoSuchRecipient, NoSuchTrustee):
        return None
    return trustee in context.house.organization.sharing.full_access_to(recipient.recipient_id)


def add_full_access(context: Context, ask: AddFullAccess) -> PermissionChanged:
    """T-12.7: holds at once, also in sessions that are open.  Raises NoSuchRecipient, NoSuchTrustee, LimitExceeded."""
    recipient, trustee = _asked(context, ask)
    context.house.organization.sharing.add_full_access(recipient.recipient_id, trustee)
    return PermissionChanged(recipient.alias)


def remove_full_access(context: Context, ask: RemoveFullAccess) -> PermissionChanged:
    """Ends the sessions of others in the mailbox: what they have open would stay so.

    Raises NoSuchRecipient, NoSuchTrustee.
    """
    recipient, trustee = _asked(context, ask)
    context.house.organization.sharing.remove_full_access(recipient.recipient_id, trustee)
    return PermissionChanged(recipient.alias, context.sessions.end_visits(recipient.mailbox_id))


def _asked(context: Context, ask: AddFullAccess | RemoveFullAccess) -> tuple[Recipient, RecipientId]:
    return context.house.recipient(ask.alias), trustees.somebody(context.house.organization, ask.trustee)


# ---------------------------------------------------------------------------------------------- impersonation


def may_impersonate(context: Context, ask: SetImpersonation) -> bool | None:
    """As it was, for the record of a change."""
    try:
        return context.house.recipient(ask.alias).may_impersonate
    except NoSuchRecipient:
        return None


def set_impersonation(context: Context, ask: SetImpersonation) -> PermissionChanged:
    """T-12.7: whether somebody may sign in as anybody else.  To take it away ends all sessions of that somebody.

    Raises NoSuchRecipient.
    """
    recipient = context.house.recipient(ask.alias)
    if recipient.may_impersonate != ask.allowed:
        context.house.organization.set_recipient(replace(recipient, may_impersonate=ask.allowed))
    return PermissionChanged(recipient.alias, 0 if ask.allowed else context.sessions.end_of(recipient.mailbox_id))


# ---------------------------------------------------------------------------------------------- folders


def folder_before(context: Context, ask: AddFolderPermission | RemoveFolderPermission) -> Sequence[Permission] | None:
    """What the trustee had in the folder itself, for the record of a change."""
    try:
        mailbox_id, database = _place(context, ask.alias)
        trustee = _trustee(context, ask.trustee)
        with database.read() as tx:
            grants = [grant for grant in _lines(tx, mailbox_id, ask.folder) if grant.trustee == trustee]
    except (NoSuchRecipient, NoSuchTrustee, NoSuchFolder, Unavailable):
        return None
    return shown(context, ask.folder, grants)


def add_folder_permission(context: Context, ask: AddFolderPermission) -> FolderPermissionChanged:
    """T-2.5.  Raises NoSuchRecipient, NoSuchTrustee, NoSuchFolder, Contradiction, LimitExceeded, Unavailable."""
    return _set(context, ask, _role(ask))


def remove_folder_permission(context: Context, ask: RemoveFolderPermission) -> FolderPermissionChanged:
    """Raises NoSuchRecipient, NoSuchTrustee, NoSuchFolder, Unavailable."""
    return _set(context, ask, ROLES["None"])


def _set(context: Context, ask: AddFolderPermission | RemoveFolderPermission, role: Role) -> FolderPermissionChanged:
    trustee = _trustee(context, ask.trustee)
    mailbox_id, database = _place(context, ask.alias)
    line = SetGrants(mailbox_id, ask.folder, trustee, role.rights, role.own_only, ask.recursive)
    changed: int = database.write(line, bulk=ask.recursive)
    return FolderPermissionChanged(
        folder=ask.folder,
        trustee=trustees.identifier(context.house.organization, trustee) or ask.trustee,
        rights=letters(role.rights),
        own_only=role.own_only,
        folders_changed=changed,
    )


def _role(ask: AddFolderPermission) -> Role:
    if bool(ask.role) == bool(ask.rights):
        raise Contradiction("Say either a role or rights")
    if ask.role:
        known = {name.lower(): role for name, role in ROLES.items()}
        if (role := known.get(ask.role.lower())) is None:
            raise Contradiction(f"The roles are {', '.join(ROLES)}, not {ask.role}")
        return role
    if set(ask.rights) - set(LETTERS):
        raise Contradiction(f"Rights are some of the letters {LETTERS}, not {ask.rights}")
    return Role(mask(ask.rights))


def _trustee(context: Context, identifier: str) -> RecipientId:
    if (found := trustees.trustee(context.house.organization, identifier)) is None:
        raise NoSuchTrustee(f"Neither a mailbox nor a group is called {identifier}")
    return found


def _place(context: Context, alias: str) -> tuple[MailboxId, Database]:
    organization = context.house.organization
    if alias:
        recipient = context.house.recipient(alias)
        return recipient.mailbox_id, context.house.mounted(organization.database(recipient.database_id))
    if (public := organization.sharing.public_folders()) is None:
        raise NoSuchFolder("There are no public folders yet")
    return public.mailbox_id, context.house.mounted(organization.database(public.database_id))
