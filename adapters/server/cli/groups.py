"""`penfold group ...`: security groups, whose members may do what the group may."""

from typing import Annotated

import msgspec
import typer

from adapters.server.administration.groups import (
    AddGroup,
    AddMember,
    GroupRow,
    ListGroups,
    MembersChanged,
    RemoveGroup,
    RemoveMember,
    ShowGroup,
)
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import ended, print_facts, print_json, print_table
from adapters.server.cli.reach import Channel, Place, reach

app = typer.Typer(no_args_is_help=True, help="Groups, whose members may do what the group may.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The group.")]
Member = Annotated[str, typer.Argument(metavar="MEMBER", help='An alias, an address, or a group as "group:NAME".')]


@command(app, "add")
def add(place: Place, name: Name, as_json: Json = False) -> None:
    """Make a group, with nobody in it."""
    with reach(place) as channel:
        group = channel.ask(AddGroup(name))
    if as_json:
        print_json(group)
    else:
        print(f"{group.name} is a group now")


@command(app, "rm")
def remove(place: Place, name: Name, as_json: Json = False) -> None:
    """Remove a group.  Its members stay, without what it let them do; their sessions end."""
    with reach(place) as channel:
        removed = channel.ask(RemoveGroup(name))
    if as_json:
        print_json({**msgspec.to_builtins(removed.group), "sessions_ended": removed.sessions_ended})
    else:
        print(f"{removed.group.name} is gone{ended(removed.sessions_ended)}")


@command(app, "list")
def list_all(place: Place, as_json: Json = False) -> None:
    """List all groups."""
    with reach(place) as channel:
        rows = _all(channel)
    if as_json:
        print_json(rows)
    else:
        cells = ((row.name, row.members, row.created_at) for row in rows)
        print_table(("NAME", "MEMBERS", "MADE AT"), cells, right=("MEMBERS",))


def _all(channel: Channel) -> list[GroupRow]:
    page = channel.ask(ListGroups())
    rows = page.groups
    while page.more_after is not None:
        page = channel.ask(ListGroups(page.more_after))
        rows += page.groups
    return rows


@command(app, "show")
def show(place: Place, name: Name, as_json: Json = False) -> None:
    """Show who is in a group, and which groups it is in."""
    with reach(place) as channel:
        group = channel.ask(ShowGroup(name))
    if as_json:
        print_json(group)
        return
    facts = (("Name", group.name), ("Made at", group.created_at), ("Is in", ", ".join(group.member_of) or None))
    print_facts(facts)
    print()
    print_table(("MEMBER",), ((member,) for member in group.members))


@command(app, "add-member")
def add_member(place: Place, name: Name, member: Member, as_json: Json = False) -> None:
    """Put somebody, or all of another group, into a group."""
    with reach(place) as channel:
        _say(channel.ask(AddMember(name, member)), as_json)


@command(app, "remove-member")
def remove_member(place: Place, name: Name, member: Member, as_json: Json = False) -> None:
    """Take a member out of a group.  Ends its sessions."""
    with reach(place) as channel:
        _say(channel.ask(RemoveMember(name, member)), as_json)


def _say(changed: MembersChanged, as_json: bool) -> None:
    if as_json:
        print_json(changed)
    else:
        what = "1 member" if changed.members == 1 else f"{changed.members} members"
        print(f"{changed.name} has {what} now{ended(changed.sessions_ended)}")
