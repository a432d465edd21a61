"""`penfold database ...`: mailbox databases."""

from typing import Annotated

import typer

from adapters.server.administration.databases import (
    AddDatabase,
    DatabaseShown,
    ListDatabases,
    SetDatabase,
    ShowDatabase,
)
from adapters.server.cli.failures import Misused
from adapters.server.cli.mailboxes import QuotaOption, QuotaSendOption, QuotaWarnOption, quota_change, quota_facts
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import print_facts, print_json, print_table, size
from adapters.server.cli.reach import Place, reach

app = typer.Typer(no_args_is_help=True, help="Mailbox databases.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The database's name.")]


@command(app, "list")
def list_all(place: Place, as_json: Json = False) -> None:
    """List all mailbox databases."""
    with reach(place) as channel:
        databases = channel.ask(ListDatabases())
    if as_json:
        print_json(databases)
        return
    columns = ("NAME", "MOUNTED", "MAILBOXES", "MESSAGES", "MAIL", "ON DISK")
    rows = ((d.name, d.mounted, d.mailboxes, d.messages, size(d.used_bytes), size(d.disk_bytes)) for d in databases)
    print_table(columns, rows, right=columns[2:])


@command(app, "show")
def show(place: Place, name: Name, as_json: Json = False) -> None:
    """Show all of a mailbox database."""
    with reach(place) as channel:
        _print(channel.ask(ShowDatabase(name)), as_json)


@command(app, "add")
def add(place: Place, name: Name, as_json: Json = False) -> None:
    """Make a mailbox database; each has files, and a writer, of its own."""
    with reach(place) as channel:
        _print(channel.ask(AddDatabase(name)), as_json)


@command(app, "set")
def change(
    place: Place,
    name: Name,
    quota: QuotaOption = None,
    quota_send: QuotaSendOption = None,
    quota_warn: QuotaWarnOption = None,
    as_json: Json = False,
) -> None:
    """Change the quota of all its mailboxes that have none of their own, at once."""
    wanted = quota_change(quota, quota_send, quota_warn)
    if wanted.is_empty:
        raise Misused("nothing to change: see `penfold database set --help`")
    with reach(place) as channel:
        _print(channel.ask(SetDatabase(name, wanted)), as_json)


def _print(database: DatabaseShown, as_json: bool) -> None:
    if as_json:
        print_json(database)
        return
    print_facts(
        (
            ("Name", database.name),
            ("Mounted", database.mounted),
            ("Made at", database.created_at),
            *quota_facts(database.quota),
            ("Mailboxes", database.mailboxes),
            ("Messages", database.messages),
            ("Mail, as quotas count", size(database.used_bytes)),
            ("On disk", size(database.disk_bytes)),
            ("  of that, unused", size(database.dead_bytes)),
        )
    )
