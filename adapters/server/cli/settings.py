"""`penfold show`: the settings as they hold, and where each comes from (T-11.2)."""

from typing import Annotated

import typer

from adapters.server.administration.sessions import SettingRow, ShowSettings
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import print_json, print_table
from adapters.server.cli.reach import Place, asked_of_server


def add_to(app: typer.Typer) -> None:
    """`penfold show`."""
    command(app, "show")(show)


def show(
    place: Place,
    effective: Annotated[bool, typer.Option("--effective", help="Also those that are at their default.")] = False,
    as_json: Json = False,
) -> None:
    """Show the settings, and those that a running server does not have yet."""
    in_file = [SettingRow(*setting) for setting in place.settings().effective()]
    running = {row.name: row for row in asked_of_server(place, ShowSettings()) or in_file}
    rows = [(running[row.name], None if running[row.name].value == row.value else row.value) for row in in_file]
    rows = [(row, pending) for row, pending in rows if effective or row.source == "file" or pending is not None]
    if as_json:
        names = ("name", "value", "source", "after_restart")
        print_json([dict(zip(names, (r.name, r.value, r.source, pending), strict=True)) for r, pending in rows])
    elif any(pending is not None for _, pending in rows):
        cells = ((row.name, row.value, row.source, pending or "") for row, pending in rows)
        print_table(("SETTING", "VALUE", "FROM", "AFTER A RESTART"), cells)
    else:
        print_table(("SETTING", "VALUE", "FROM"), ((row.name, row.value, row.source) for row, _ in rows))
