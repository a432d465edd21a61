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
    running = asked_of_server(place, ShowSettings())
    rows = _beside(running, [SettingRow(*setting) for setting in place.settings().effective()], has_file=place.has_file)
    rows = [(row, pending) for row, pending in rows if effective or row.source == "file" or pending is not None]
    if as_json:
        names = ("name", "value", "source", "after_restart")
        print_json([dict(zip(names, (r.name, r.value, r.source, pending), strict=True)) for r, pending in rows])
    elif not rows:
        print("Every setting is at its default: --effective shows them.")
    elif any(pending is not None for _, pending in rows):
        cells = ((row.name, row.value, row.source, pending or "") for row, pending in rows)
        print_table(("SETTING", "VALUE", "FROM", "AFTER A RESTART"), cells)
    else:
        print_table(("SETTING", "VALUE", "FROM"), ((row.name, row.value, row.source) for row, _ in rows))


def _beside(
    running: list[SettingRow] | None, in_file: list[SettingRow], *, has_file: bool
) -> list[tuple[SettingRow, str | None]]:
    """Each setting as it holds, and the value that it will have once the server has read the file anew."""
    if running is None:
        return [(row, None) for row in in_file]
    if not has_file:
        return [(row, None) for row in running]
    wanted = {row.name: row.value for row in in_file}
    return [(row, wanted[row.name] if wanted[row.name] != row.value else None) for row in running]
