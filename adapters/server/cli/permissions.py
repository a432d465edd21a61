"""`penfold mailbox permission ...`: who may do what in whose mailbox, and what is said of permissions everywhere."""

from collections.abc import Iterable
from typing import Annotated

import typer

from adapters.server.administration.permissions import (
    AddFolderPermission,
    AddFullAccess,
    FolderPermissionChanged,
    ListPermissions,
    Permission,
    PermissionChanged,
    RemoveFolderPermission,
    RemoveFullAccess,
    SetImpersonation,
)
from adapters.server.cli.failures import Misused
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import ended, print_facts, print_json, print_table
from adapters.server.cli.reach import Place, reach

app = typer.Typer(no_args_is_help=True, help="Who may do what in whose mailbox.")

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The mailbox, by its alias or one of its addresses.")]
Impersonation = Annotated[
    bool, typer.Option("--impersonation", help="The mailbox's owner may sign in as anybody else.  Without TRUSTEE.")
]
Trustee = Annotated[
    str,
    typer.Argument(metavar="TRUSTEE", help='Who: an alias, an address, "group:NAME"; in a folder also "anyone".'),
]
FullAccess = Annotated[bool, typer.Option("--full-access", help="To act in the mailbox as its owner would.")]
Folder = Annotated[str, typer.Option(metavar="PATH", help="In this folder of the mailbox.")]
Role = Annotated[
    str, typer.Option(metavar="ROLE", help="Owner, PublishingEditor, Editor, ..., Reviewer, Contributor or None.")
]
Rights = Annotated[str, typer.Option(metavar="LETTERS", help="Rights of RFC 4314, such as lrs.")]
Recursive = Annotated[bool, typer.Option("--recursive", help="In all folders below it too.")]


@command(app, "list")
def list_all(place: Place, alias: Alias, folder: Folder = "", as_json: Json = False) -> None:
    """Show whom a mailbox is open to, what the lists of its folders say, and whether its owner may impersonate."""
    with reach(place) as channel:
        permissions = channel.ask(ListPermissions(alias, folder))
    if as_json:
        print_json(permissions)
        return
    print_facts(
        (
            ("Alias", permissions.alias),
            ("May impersonate", permissions.impersonation),
            ("Full access", ", ".join(permissions.full_access) or None),
        )
    )
    print()
    print_permissions(permissions.folders or ())


def print_permissions(lines: Iterable[Permission]) -> None:
    """Lines of folders' lists."""
    cells = ((line.folder, line.trustee, _rights(line), line.own_only, line.role) for line in lines)
    print_table(("FOLDER", "TRUSTEE", "RIGHTS", "OWN ONLY", "ROLE"), cells)


def _rights(line: Permission) -> str:
    return f"-{line.rights}" if line.denied else line.rights


@command(app, "add")
def add(
    place: Place,
    alias: Alias,
    trustee: Trustee = "",
    full_access: FullAccess = False,
    impersonation: Impersonation = False,
    folder: Folder = "",
    role: Role = "",
    rights: Rights = "",
    recursive: Recursive = False,
    as_json: Json = False,
) -> None:
    """Permit something, at once: full access, impersonation, or what --role or --rights say in a --folder."""
    _check(trustee, full_access, impersonation, folder, bool(role or rights or recursive))
    with reach(place) as channel:
        if folder:
            say_folder(channel.ask(AddFolderPermission(folder, trustee, alias, role, rights, recursive)), as_json)
        elif full_access:
            changed = channel.ask(AddFullAccess(alias, trustee))
            _say(changed, f"{trustee} has full access to {changed.alias} now", as_json)
        else:
            changed = channel.ask(SetImpersonation(alias, True))
            _say(changed, f"{changed.alias} may sign in as anybody now", as_json)


@command(app, "rm")
def remove(
    place: Place,
    alias: Alias,
    trustee: Trustee = "",
    full_access: FullAccess = False,
    impersonation: Impersonation = False,
    folder: Folder = "",
    recursive: Recursive = False,
    as_json: Json = False,
) -> None:
    """Take a permission back.  Ends the sessions that may have something open by it."""
    _check(trustee, full_access, impersonation, folder, recursive)
    with reach(place) as channel:
        if folder:
            say_folder(channel.ask(RemoveFolderPermission(folder, trustee, alias, recursive)), as_json)
        elif full_access:
            changed = channel.ask(RemoveFullAccess(alias, trustee))
            _say(changed, f"{trustee} has no full access to {changed.alias} any more", as_json)
        else:
            changed = channel.ask(SetImpersonation(alias, False))
            _say(changed, f"{changed.alias} may not sign in as others any more", as_json)


def _check(trustee: str, full_access: bool, impersonation: bool, folder: str, is_of_folder: bool) -> None:
    if full_access + impersonation + bool(folder) != 1:
        raise Misused("say one of --full-access, --impersonation and --folder PATH")
    if bool(trustee) == impersonation:
        raise Misused("--impersonation is without a TRUSTEE" if impersonation else "say also to which TRUSTEE")
    if is_of_folder and not folder:
        raise Misused("--role, --rights and --recursive are for a --folder")


def _say(changed: PermissionChanged, text: str, as_json: bool) -> None:
    if as_json:
        print_json(changed)
    else:
        print(text + ended(changed.sessions_ended))


def say_folder(changed: FolderPermissionChanged, as_json: bool) -> None:
    """What somebody has in a folder now."""
    if as_json:
        print_json(changed)
        return
    rights = changed.rights + (" (own messages only)" if changed.own_only else "") if changed.rights else "nothing"
    where = f"{changed.folders_changed} {'folder' if changed.folders_changed == 1 else 'folders'}"
    print(f"{changed.trustee} has {rights} in {changed.folder}; {where} changed")
