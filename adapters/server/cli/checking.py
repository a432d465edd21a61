"""`penfold check`: whether the store has kept its promises."""

from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace
from rich.progress import Progress as Bar
from rich.progress import TaskID

from adapters.server.administration.checks import Check, Checked, DatabaseChecked
from adapters.server.administration.context import Progress
from adapters.server.administration.repairs import DatabaseRepaired, Repair
from adapters.server.cli.failures import REFUSED
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import print_json, progress_bar, shown
from adapters.server.cli.reach import Place, become_owner, is_served, reach
from adapters.server.installation import Installation
from adapters.server.salvaging import Salvaged, export, salvage
from adapters.server.trouble import opening
from adapters.server.world import SystemClock
from core.integrity.repair import RECOVERED

SHOWN: Final = 10  # places of damage


def add_to(app: typer.Typer) -> None:
    """`penfold check`."""
    command(app, "check")(check)


def check(
    place: Place,
    databases: Annotated[list[str] | None, typer.Argument(metavar="DATABASE", help="If not given, all.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every body and compare it with its hash, and each page.")
    ] = False,
    mend: Annotated[bool, typer.Option("--repair", help="Mend what is broken, and name what is lost.")] = False,
    as_json: Json = False,
) -> None:
    """Check the store, while the server runs or not.  Exit code 1: something is broken."""
    names = tuple(databases or ())
    with progress_bar() as bar:
        stages: dict[str, TaskID] = {}

        def advance(step: Progress) -> None:
            _advance(bar, stages, step)

        found = _repaired(place, Repair(deep, names), advance) if mend else _checked(place, Check(deep, names), advance)
    if as_json:
        print_json(found)
    elif isinstance(found, Checked):
        _print(found)
    else:
        _print_repaired(found)
    raise typer.Exit(0 if found.sound else REFUSED)


def _checked(place: Place, ask: Check, advance: Callable[[Progress], None]) -> Checked:
    with reach(place) as channel:
        return channel.ask(ask, advance)


class Outcome(Struct, frozen=True):
    sound: bool  # now
    deep: bool
    salvaged: list[Salvaged]
    databases: list[DatabaseRepaired]


def _repaired(place: Place, ask: Repair, advance: Callable[[Progress], None]) -> Outcome:
    """What is damaged so that it cannot be opened is rebuilt first, where no server runs."""
    settings = place.settings()
    salvaged: list[Salvaged] = []
    if not is_served(settings):
        become_owner(settings.server.data_dir)
        salvaged = salvage(settings.server.data_dir, SystemClock().now(), advance)
    with reach(place) as channel:
        repaired = channel.ask(replace(ask, deep=ask.deep or bool(salvaged)), advance)
    if salvaged:
        with opening(settings.server.data_dir), closing(Installation(settings)) as house:
            salvaged = list(export(house, salvaged))
    return Outcome(repaired.sound, repaired.deep, salvaged, repaired.databases)


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


def _print_repaired(repaired: Outcome) -> None:
    for file in repaired.salvaged:
        print(f"{shown(file.file)}: damaged in {file.damage_count} places; made anew of the rows that could be read:")
        print("  " + (", ".join(f"{count} {table}" for table, count in file.rows.items()) or "nothing"))
        for place in file.damage[:SHOWN]:
            print(f"  {shown(place)}")
        if file.damage_count > SHOWN:
            print(f"  and {file.damage_count - SHOWN} more")
        print(f"  the damaged file is in {shown(file.kept_in)}")
        if file.bodies:
            print(f"  {file.bodies} bodies that no message has are there too")
    for database in repaired.databases:
        print(f"{shown(database.name)}: {_outcome(database)}")
        if database.bodies_restored:
            print(f"  {database.bodies_restored} bodies were found in the packs")
        for mailbox in database.mailboxes:
            if mailbox.refiled:
                print(f"  {shown(mailbox.mailbox)}: {mailbox.refiled} messages that no folder had are in {RECOVERED}")
            for path in mailbox.folders:
                print(f"  {shown(mailbox.mailbox)}: look at the folder {shown(path)}")
        for lost in database.lost:
            uids = ",".join(str(low) if low == high else f"{low}:{high}" for low, high in lost.uids)
            print(f"  {shown(lost.mailbox)}: lost from {shown(lost.path)}: {lost.count} of UID {uids}")
        for one in database.damaged:
            what = f"{one.lost} of {one.size} octets are lost" if one.lost else "some octets differ"
            print(f"  {shown(one.mailbox)}: damaged in {shown(one.path)}: UID {one.uid}, now {one.new_uid}: {what}")
        if (more := database.damaged_count - len(database.damaged)) > 0:
            print(f"  and {more} more that are damaged")
        if (more := database.lost_count - sum(lost.count for lost in database.lost)) > 0:
            print(f"  and {more} more that are lost")
        for promise in database.broken:
            print(f"  still broken: {shown(promise)}")


def _outcome(database: DatabaseRepaired) -> str:
    if not database.mounted:
        return "not mounted, left alone"
    if not database.found:
        return "sound"
    return f"{database.found} broken {'promise' if database.found == 1 else 'promises'}, " + (
        "not all could be mended" if database.broken else "all mended"
    )
