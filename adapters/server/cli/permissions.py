"""`penfold mailbox permission ...`: who may do what in whose mailbox."""

from typing import Annotated

import typer

from adapters.server.administration.permissions import (
    AddFullAccess,
    ListPermissions,
    PermissionChanged,
    RemoveFullAccess,
)
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import ended, print_facts, print_json
from adapters.server.cli.reach import Place, reach

app = typer.Typer(no_args_is_help=True, help="Who may do what in whose mailbox.")

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The mailbox, by its alias or one of its addresses.")]
Trustee = Annotated[
    str, typer.Argument(metavar="TRUSTEE", help='Who: an alias, an address, or a group as "group:NAME".')
]
FULL_ACCESS = typer.Option("--full-access", help="To act in the mailbox as its owner would.")


@command(app, "list")
def list_all(place: Place, alias: Alias, as_json: Json = False) -> None:
    """Show whom a mailbox is open to."""
    with reach(place) as channel:
        permissions = channel.ask(ListPermissions(alias))
    if as_json:
        print_json(permissions)
        return
    print_facts((("Alias", permissions.alias), ("Full access", ", ".join(permissions.full_access) or None)))


@command(app, "add")
def add(
    place: Place,
    alias: Alias,
    trustee: Trustee,
    full_access: Annotated[bool, FULL_ACCESS],
    as_json: Json = False,
) -> None:
    """Permit something, at once."""
    with reach(place) as channel:
        changed = channel.ask(AddFullAccess(alias, trustee))
    _say(changed, f"{trustee} has full access to {changed.alias} now", as_json)


@command(app, "rm")
def remove(
    place: Place,
    alias: Alias,
    trustee: Trustee,
    full_access: Annotated[bool, FULL_ACCESS],
    as_json: Json = False,
) -> None:
    """Take a permission back.  Ends the sessions of whoever had it."""
    with reach(place) as channel:
        changed = channel.ask(RemoveFullAccess(alias, trustee))
    _say(changed, f"{trustee} has no full access to {changed.alias} any more", as_json)


def _say(changed: PermissionChanged, text: str, as_json: bool) -> None:
    if as_json:
        print_json(changed)
    else:
        print(text + ended(changed.sessions_ended))
