"""`penfold check`: whether the store has kept its promises."""

from typing import Annotated

import typer
from rich.progress import Progress as Bar
from rich.progress import TaskID

from adapters.server.administration.checks import Check, Checked, DatabaseChecked
from adapters.server.administration.context import Progress
from adapters.server.cli.failures import REFUSED
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import print_json, progress_bar, shown
from adapters.server.cli.reach import Place, reach


def add_to(app: typer.Typer) -> None:
    """`penfold check`."""
    command(app, "check")(check)


def check(
    place: Place,
    databases: Annotated[list[str] | None, typer.Argument(metavar="DATABASE", help="If not given, all.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every body and compare it with its hash.")] = False,
    as_json: Json = False,
) -> None:
    """Check the store, while the server runs or not.  Exit code 1: something is broken."""
    with reach(place) as channel, progress_bar() as bar:
        stages: dict[str, TaskID] = {}
        checked = channel.ask(Check(deep, tuple(databases or ())), lambda step: _advance(bar, stages, step))
    if as_json:
        print_json(checked)
    else:
        _print(checked)
    raise typer.Exit(0 if checked.sound else REFUSED)


def _advance(bar: Bar, stages: dict[str, TaskID], step: Progress) -> None:
    if step.stage not in stages:
        stages[step.stage] = bar.add_task(shown(step.stage), total=step.total)
    bar.update(stages[step.stage], completed=step.done, total=step.total)


def _print(checked: Checked) -> None:
    for database in checked.databases:
        print(f"{shown(database.name)}: {_verdict(database)}")
        for promise in database.broken:
            print(f"  {shown(promise)}")
        if (more := database.broken_count - len(database.broken)) > 0:
            print(f"  and {more} more")
        if database.unowned:
            numbers = ", ".join(map(str, database.unowned))
            print(f"  mailboxes that nobody has, left by removals that were cut off: {numbers}")


def _verdict(database: DatabaseChecked) -> str:
    if not database.mounted:
        return "not mounted, not checked"
    if database.broken_count:
        return f"{database.broken_count} broken {'promise' if database.broken_count == 1 else 'promises'}"
    return f"sound ({database.mailboxes} {'mailbox' if database.mailboxes == 1 else 'mailboxes'})"
