"""The verbs for security groups: whose members may do what the group may."""

from datetime import datetime

from msgspec import Struct

from adapters.server import trustees
from adapters.server.administration.context import Context, Request, moment
from core.recipients import GROUP_PREFIX, Group, NoSuchGroup, RecipientId, fold_name

PAGE = 500  # groups in one answer


class GroupRow(Struct, frozen=True):
    """A group in a list."""

    name: str
    members: int  # direct ones
    created_at: datetime


class GroupPage(Struct, frozen=True):
    groups: list[GroupRow]
    more_after: str | None  # where the next page begins; None: this was the last


class GroupShown(Struct, frozen=True):
    """A group, who is in it directly, and which groups it is in; groups among them are called "group:NAME"."""

    name: str
    created_at: datetime
    members: list[str]
    member_of: list[str]  # also by nesting


class GroupRemoved(Struct, frozen=True):
    """The group as it last was, and how many sessions were ended for it."""

    group: GroupShown
    sessions_ended: int


class MembersChanged(Struct, frozen=True):
    """Not all members: in the record of changes they would be written with each of them."""

    name: str
    members: int
    sessions_ended: int = 0


class AddGroup(Request[GroupShown], frozen=True):
    name: str


class ListGroups(Request[GroupPage], frozen=True):
    """A page, in the order of names, from behind one on."""

    after: str = ""


class ShowGroup(Request[GroupShown], frozen=True):
    name: str


class RemoveGroup(Request[GroupRemoved], frozen=True):
    name: str


class AddMember(Request[MembersChanged], frozen=True):
    name: str
    member: str  # here and below: an alias, an address, or "group:NAME"


class RemoveMember(Request[MembersChanged], frozen=True):
    name: str
    member: str


def add(context: Context, ask: AddGroup) -> GroupShown:
    """Raises GroupExists, InvalidAlias."""
    house = context.house
    return _shown(context, house.organization.sharing.add_group(ask.name, at=house.clock.now()))


def page(context: Context, ask: ListGroups) -> GroupPage:
    """One page of the list."""
    sharing = context.house.organization.sharing
    found = sharing.groups(after=ask.after, limit=PAGE)
    rows = [GroupRow(group.name, len(sharing.members(group.group_id)), moment(group.created_at)) for group in found]
    return GroupPage(rows, found[-1].name if len(found) == PAGE else None)


def show(context: Context, ask: ShowGroup) -> GroupShown:
    """Raises NoSuchGroup."""
    return _shown(context, _named(context, ask.name))


def before(context: Context, name: str) -> GroupShown | None:
    """The group as it is, for the record of a change."""
    try:
        return _shown(context, _named(context, name))
    except NoSuchGroup:
        return None


def remove(context: Context, ask: RemoveGroup) -> GroupRemoved:
    """What the group may, its members may no more: their sessions end, or what they have open would stay open."""
    group = _named(context, ask.name)
    last, sharing = _shown(context, group), context.house.organization.sharing
    concerned = sharing.mailboxes_of(group.group_id)
    sharing.delete_group(group.group_id)
    return GroupRemoved(last, context.sessions.end_of(*concerned))


def add_member(context: Context, ask: AddMember) -> MembersChanged:
    """Holds at once, also in sessions that are open.  Raises NoSuchGroup, NoSuchTrustee, GroupLoop, LimitExceeded."""
    group, member = _asked(context, ask)
    sharing = context.house.organization.sharing
    sharing.add_member(group.group_id, member)
    return MembersChanged(group.name, len(sharing.members(group.group_id)))


def remove_member(context: Context, ask: RemoveMember) -> MembersChanged:
    """Ends the member's sessions.  Raises NoSuchGroup, NoSuchTrustee."""
    group, member = _asked(context, ask)
    sharing = context.house.organization.sharing
    sharing.remove_member(group.group_id, member)
    ended = context.sessions.end_of(*sharing.mailboxes_of(member))
    return MembersChanged(group.name, len(sharing.members(group.group_id)), ended)


def _asked(context: Context, ask: AddMember | RemoveMember) -> tuple[Group, RecipientId]:
    return _named(context, ask.name), trustees.somebody(context.house.organization, ask.member)


def _named(context: Context, name: str) -> Group:
    # A group is called "group:NAME" elsewhere, so it may be here.
    bare = name[len(GROUP_PREFIX) :] if name.lower().startswith(GROUP_PREFIX) else name
    if (group := context.house.organization.sharing.group_named(fold_name(bare))) is None:
        raise NoSuchGroup(f"No group has the name {name}")
    return group


def _shown(context: Context, group: Group) -> GroupShown:
    sharing = context.house.organization.sharing
    return GroupShown(
        name=group.name,
        created_at=moment(group.created_at),
        members=_names(context, sharing.members(group.group_id)),
        member_of=_names(context, sorted(sharing.groups_of(group.group_id))),
    )


def _names(context: Context, numbers: list[RecipientId]) -> list[str]:
    names = (trustees.identifier(context.house.organization, number) for number in numbers)
    return sorted(name for name in names if name is not None)
