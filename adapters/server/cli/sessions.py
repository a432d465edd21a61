"""`penfold sessions ...`: who is connected to a running server."""

from typing import Annotated

import typer

from adapters.server.administration.context import SessionRow
from adapters.server.administration.sessions import KickSession, ListSessions
from adapters.server.cli.failures import Misused
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import print_json, print_table, seconds
from adapters.server.cli.reach import Place, reach

app = typer.Typer(no_args_is_help=True, help="Who is connected to a running server.")


@command(app, "list")
def list_all(place: Place, as_json: Json = False) -> None:
    """List all sessions."""
    with reach(place) as channel:
        rows = channel.ask(ListSessions())
    if as_json:
        print_json(rows)
        return
    columns = ("NUMBER", "USER", "FROM", "TLS", "CLIENT", "NOT OFFERED", "FOLDER", "SINCE", "IDLE")
    print_table(columns, (_cells(row) for row in rows), right=("NUMBER", "IDLE"))


def _cells(row: SessionRow) -> tuple[object, ...]:
    named = (row.client.get("name"), row.client.get("version"))
    client = " ".join(part for part in named if part) or None
    return (
        row.number,
        f"{row.user} (by {row.impersonated_by})" if row.impersonated_by else row.user,
        row.peer,
        row.tls,
        client,
        " ".join(row.not_offered) or None,
        row.folder,
        row.since,
        seconds(row.idle_seconds),
    )


@command(app, "kick")
def kick(
    place: Place,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", help="The session's number.")] = None,
    user: Annotated[str | None, typer.Option(help="All sessions of this mailbox.")] = None,
    as_json: Json = False,
) -> None:
    """End a session, or all of a user.  Its client may well come back: see `penfold mailbox disable`."""
    if (number is None) == (user is None):
        raise Misused("say either the NUMBER of a session or --user ALIAS")
    with reach(place) as channel:
        ended = channel.ask(KickSession(number, user))
    if as_json:
        print_json(ended)
    else:
        print(f"{ended.sessions_ended} {'session was' if ended.sessions_ended == 1 else 'sessions were'} ended")
