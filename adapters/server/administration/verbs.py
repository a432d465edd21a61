"""The table of verbs, and the one way in which each is carried out and recorded."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from adapters.server.administration import (
    checks,
    databases,
    groups,
    mailboxes,
    permissions,
    publicfolders,
    repairs,
    sessions,
    trail,
)
from adapters.server.administration.context import Context, Request, SessionRow
from core.errors import Refusal

T = TypeVar("T")


def _nothing(context: Context, ask: Any) -> None:
    """There is no state before it that anybody would want to know."""


class Verb(NamedTuple):
    request: type[Request[Any]]
    result: Any
    run: Callable[[Context, Any], Any]
    # Of a verb that changes something: the state before it, for the record.  None: it changes nothing.
    before: Callable[[Context, Any], Any] | None = None


def _mailbox(context: Context, ask: Any) -> Any:
    return mailboxes.before(context, ask.alias)


def _group(context: Context, ask: Any) -> Any:
    return groups.before(context, ask.name)


def _public_folder(context: Context, ask: Any) -> Any:
    return publicfolders.before(context, ask.path)


def _database(context: Context, ask: Any) -> Any:
    return databases.before(context, ask.name)


def _domains(context: Context, ask: Any) -> Any:
    return databases.domains(context)


_Changed = mailboxes.MailboxChanged
_Group = groups.GroupShown
_Permission = permissions.PermissionChanged
_FolderPermission = permissions.FolderPermissionChanged
_PublicFolder = publicfolders.PublicFolderShown
_Members = groups.MembersChanged
_Domains = list[databases.DomainRow]
_Database = databases.DatabaseShown

VERBS: Final[Mapping[str, Verb]] = {
    "mailbox.add": Verb(mailboxes.AddMailbox, mailboxes.MailboxShown, mailboxes.add, _nothing),
    "mailbox.list": Verb(mailboxes.ListMailboxes, mailboxes.MailboxPage, mailboxes.page),
    "mailbox.show": Verb(mailboxes.ShowMailbox, mailboxes.MailboxShown, mailboxes.show),
    "mailbox.set": Verb(mailboxes.SetMailbox, _Changed, mailboxes.change, _mailbox),
    "mailbox.disable": Verb(mailboxes.DisableMailbox, _Changed, mailboxes.disable, _mailbox),
    "mailbox.enable": Verb(mailboxes.EnableMailbox, _Changed, mailboxes.enable, _mailbox),
    "mailbox.rm": Verb(mailboxes.RemoveMailbox, _Changed, mailboxes.remove, _mailbox),
    "permission.list": Verb(permissions.ListPermissions, permissions.MailboxPermissions, permissions.listed),
    "full-access.add": Verb(
        permissions.AddFullAccess, _Permission, permissions.add_full_access, permissions.has_full_access
    ),
    "full-access.rm": Verb(
        permissions.RemoveFullAccess, _Permission, permissions.remove_full_access, permissions.has_full_access
    ),
    "impersonation.set": Verb(
        permissions.SetImpersonation, _Permission, permissions.set_impersonation, permissions.may_impersonate
    ),
    "folder-permission.add": Verb(
        permissions.AddFolderPermission,
        _FolderPermission,
        permissions.add_folder_permission,
        permissions.folder_before,
    ),
    "folder-permission.rm": Verb(
        permissions.RemoveFolderPermission,
        _FolderPermission,
        permissions.remove_folder_permission,
        permissions.folder_before,
    ),
    "public-folder.create": Verb(publicfolders.CreatePublicFolder, _PublicFolder, publicfolders.create, _nothing),
    "public-folder.list": Verb(
        publicfolders.ListPublicFolders, list[publicfolders.PublicFolderRow], publicfolders.listed
    ),
    "public-folder.show": Verb(publicfolders.ShowPublicFolder, _PublicFolder, publicfolders.show),
    "public-folder.rm": Verb(publicfolders.RemovePublicFolder, _PublicFolder, publicfolders.remove, _public_folder),
    "group.add": Verb(groups.AddGroup, _Group, groups.add, _nothing),
    "group.list": Verb(groups.ListGroups, groups.GroupPage, groups.page),
    "group.show": Verb(groups.ShowGroup, _Group, groups.show),
    "group.rm": Verb(groups.RemoveGroup, groups.GroupRemoved, groups.remove, _group),
    "group.add-member": Verb(groups.AddMember, _Members, groups.add_member, _nothing),
    "group.remove-member": Verb(groups.RemoveMember, _Members, groups.remove_member, _nothing),
    "database.list": Verb(databases.ListDatabases, list[_Database], databases.listed),
    "database.show": Verb(databases.ShowDatabase, _Database, databases.show),
    "database.add": Verb(databases.AddDatabase, _Database, databases.add, _nothing),
    "database.set": Verb(databases.SetDatabase, _Database, databases.change, _database),
    "domain.list": Verb(databases.ListDomains, _Domains, databases.domains),
    "domain.add": Verb(databases.AddDomain, _Domains, databases.add_domain, _domains),
    "domain.rm": Verb(databases.RemoveDomain, _Domains, databases.remove_domain, _domains),
    "sessions.list": Verb(sessions.ListSessions, list[SessionRow], sessions.listed),
    "sessions.kick": Verb(sessions.KickSession, sessions.Ended, sessions.kick, _nothing),
    "check": Verb(checks.Check, checks.Checked, checks.check),
    "repair": Verb(repairs.Repair, repairs.AllRepaired, repairs.repair, _nothing),
    "settings.show": Verb(sessions.ShowSettings, list[sessions.SettingRow], sessions.settings),
}

NAMES: Final[Mapping[type[Request[Any]], str]] = {verb.request: name for name, verb in VERBS.items()}


def carry_out(context: Context, ask: Request[T]) -> T:
    """Raises the refusals of the verb.  Slow: for a thread, never for an event loop."""
    name = NAMES[type(ask)]
    verb = VERBS[name]
    if verb.before is None:
        return verb.run(context, ask)  # type: ignore[no-any-return]
    # One change at a time: two that read, think and write would undo each other.
    with context.house.changing, trail.open_for(context) as note:
        was = verb.before(context, ask)
        try:
            now = verb.run(context, ask)
        except Refusal as refusal:
            note(name, ask, before=was, refused=str(refusal))
            raise
        note(name, ask, before=was, after=now)
        return now  # type: ignore[no-any-return]
