"""`penfold public-folder ...`: the folders that all share."""

from typing import Annotated

import typer

from adapters.server.administration.permissions import AddFolderPermission, RemoveFolderPermission
from adapters.server.administration.publicfolders import (
    CreatePublicFolder,
    ListPublicFolders,
    RemovePublicFolder,
    ShowPublicFolder,
)
from adapters.server.cli.options import Json, command
from adapters.server.cli.permissions import Recursive, Rights, Role, Trustee, print_permissions, say_folder
from adapters.server.cli.printing import print_facts, print_json, print_table, size
from adapters.server.cli.reach import Place, reach

app = typer.Typer(no_args_is_help=True, help="The folders that all share.")
permission = typer.Typer(no_args_is_help=True, help="Who may do what in a public folder.")
app.add_typer(permission, name="permission")

Path = Annotated[str, typer.Argument(metavar="PATH", help='The folder, such as "Sales/Orders".')]


@command(app, "create")
def create(
    place: Place,
    path: Path,
    database: Annotated[str, typer.Option(help="For the first: the mailbox database; if not given, the first.")] = "",
    as_json: Json = False,
) -> None:
    """Make a public folder, and those that are missing above it."""
    with reach(place) as channel:
        folder = channel.ask(CreatePublicFolder(path, database))
    if as_json:
        print_json(folder)
        return
    print(f"{folder.path} is a public folder now")
    if not folder.permissions:
        print(f"Nobody sees it yet: penfold public-folder permission add '{folder.path}' anyone --role Reviewer")


@command(app, "list")
def list_all(place: Place, as_json: Json = False) -> None:
    """List all public folders."""
    with reach(place) as channel:
        rows = channel.ask(ListPublicFolders())
    if as_json:
        print_json(rows)
    else:
        cells = ((row.path, row.messages, size(row.bytes)) for row in rows)
        print_table(("FOLDER", "MESSAGES", "SIZE"), cells, right=("MESSAGES", "SIZE"))


@command(app, "show")
def show(place: Place, path: Path, as_json: Json = False) -> None:
    """Show how full a public folder is, and who may do what there."""
    with reach(place) as channel:
        folder = channel.ask(ShowPublicFolder(path))
    if as_json:
        print_json(folder)
        return
    print_facts(
        (
            ("Folder", folder.path),
            ("Database", folder.database),
            ("Holds messages", folder.selectable),
            ("Messages", folder.messages),
            ("Size", size(folder.bytes)),
        )
    )
    print()
    print_permissions(folder.permissions)


@command(app, "rm")
def remove(
    place: Place,
    path: Path,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a public folder with all that is in it, for good; folders below it stay."""
    if not yes:
        with reach(place) as channel:
            folder = channel.ask(ShowPublicFolder(path))
        typer.confirm(f"Remove {folder.path} with {folder.messages} messages, for good?", abort=True, err=True)
    with reach(place) as channel:
        folder = channel.ask(RemovePublicFolder(path))
    if as_json:
        print_json(folder)
    else:
        print(f"{folder.path} is gone")


@command(permission, "list")
def list_permissions(place: Place, path: Path, as_json: Json = False) -> None:
    """Show who may do what in a public folder."""
    with reach(place) as channel:
        folder = channel.ask(ShowPublicFolder(path))
    if as_json:
        print_json(folder.permissions)
    else:
        print_permissions(folder.permissions)


@command(permission, "add")
def add_permission(
    place: Place,
    path: Path,
    trustee: Trustee,
    role: Role = "",
    rights: Rights = "",
    recursive: Recursive = False,
    as_json: Json = False,
) -> None:
    """Say what somebody may do in a public folder, in place of what was said of them before."""
    request = AddFolderPermission(path, trustee, role=role, rights=rights, recursive=recursive)
    with reach(place) as channel:
        say_folder(channel.ask(request), as_json)


@command(permission, "rm")
def remove_permission(
    place: Place, path: Path, trustee: Trustee, recursive: Recursive = False, as_json: Json = False
) -> None:
    """Take back what somebody may do in a public folder.  Ends the sessions that have one open."""
    with reach(place) as channel:
        say_folder(channel.ask(RemoveFolderPermission(path, trustee, recursive=recursive)), as_json)
