"""What the organization database knows of sharing: groups, full access, the public folders.

A trustee is whom something may be given to: a recipient or a group, by its number.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from adapters.stores.sql import Row
from core import recipients
from core.errors import LimitExceeded, NoSuchRecipient
from core.limits import FULL_ACCESS_PER_MAILBOX, GROUPS_PER_MEMBER, MEMBERS_PER_GROUP
from core.model import MailboxId
from core.recipients import (
    Group,
    GroupExists,
    GroupLoop,
    NoSuchGroup,
    NoSuchTrustee,
    PublicFolders,
    PublicFoldersElsewhere,
    RecipientId,
)

T = TypeVar("T")
Do = Callable[..., list[Row]]  # carries a statement out, by its name and parameters

PAGE = 500  # groups that one read lists


class _Remembered(Protocol):
    """The memory of look-ups: what is found under a key, or is found now."""

    def __call__(self, key: tuple[str, object], find: Callable[[], T | None]) -> T | None: ...


class Sharing:
    """A part of OrganizationDatabase, with its reads, its writes and its memory."""

    def __init__(self, read: Do, write: Callable[[], AbstractContextManager[Do]], remembered: _Remembered) -> None:
        self._read = read
        self._write = write
        self._remembered = remembered

    def forget_trustee(self, do: Do, trustee: RecipientId) -> None:
        """Within the transaction that takes a recipient or a group away."""
        for statement in ("delete_memberships", "delete_accesses"):
            do(statement, trustee=trustee)

    # Groups

    def add_group(self, name: str, *, at: int) -> Group:
        """A new one, with nobody in it.  Raises GroupExists, InvalidAlias."""
        folded = recipients.check_group_name(name)
        with self._write() as do:
            if do("group_named", folded=folded):
                raise GroupExists(f"Another group has the name {name}")
            group_id = RecipientId(take(do, "recipient"))
            do("insert_group", group=group_id, name=name, folded=folded, at=at)
        return self.group(group_id)

    def delete_group(self, group_id: RecipientId) -> Group:
        """The group as it was; its members stay.  Raises NoSuchGroup."""
        with self._write() as do:
            if not (rows := do("group_by_id", group=group_id)):
                raise NoSuchGroup("There is no such group")
            do("delete_group", group=group_id)
            self.forget_trustee(do, group_id)
        return Group(*rows[0])

    def group(self, group_id: RecipientId) -> Group:
        """Raises NoSuchGroup."""
        if (found := self.group_by_id(group_id)) is None:
            raise NoSuchGroup("There is no such group")
        return found

    def group_by_id(self, group_id: RecipientId) -> Group | None:
        return self._remembered(("group", group_id), lambda: _group(self._read("group_by_id", group=group_id)))

    def group_named(self, folded: str) -> Group | None:
        return self._remembered(("group name", folded), lambda: _group(self._read("group_named", folded=folded)))

    def groups(self, *, after: str = "", limit: int = PAGE) -> list[Group]:
        """Groups in the order of their names, from behind a name on: the last of a page leads to the next."""
        rows = self._read("groups", after=recipients.fold_name(after), limit=limit)
        return [Group(*row) for row in rows]

    def members(self, group_id: RecipientId) -> list[RecipientId]:
        """Who is in a group directly: recipients and groups."""
        return [RecipientId(row[0]) for row in self._read("members", group=group_id)]

    def add_member(self, group_id: RecipientId, member_id: RecipientId) -> None:
        """To add one again changes nothing.  Raises NoSuchGroup, GroupLoop, LimitExceeded."""
        self.group(group_id)
        with self._write() as do:
            do("insert_member", group=group_id, member=member_id)
            if do("count_members", group=group_id)[0][0] > MEMBERS_PER_GROUP:
                raise LimitExceeded(f"A group may not have more than {MEMBERS_PER_GROUP} members")
            if any(row[0] == group_id for row in do("groups_of", member=group_id)):
                raise GroupLoop("The group would be in itself")
            if do("most_groups", member=member_id)[0][0] > GROUPS_PER_MEMBER:
                raise LimitExceeded(f"Nobody may be in more than {GROUPS_PER_MEMBER} groups, those above them included")

    def remove_member(self, group_id: RecipientId, member_id: RecipientId) -> None:
        """Raises NoSuchGroup for a group that is not there, or that does not have the member."""
        group = self.group(group_id)
        with self._write() as do:
            if not do("delete_member", group=group_id, member=member_id):
                raise NoSuchGroup(f"The group {group.name} does not have this member")

    def groups_of(self, member_id: RecipientId) -> frozenset[RecipientId]:
        """All groups that somebody is in, directly or because a group is in another."""
        found = self._remembered(("groups", member_id), lambda: self._groups_of(member_id))
        return found or frozenset()

    def _groups_of(self, member_id: RecipientId) -> frozenset[RecipientId]:
        return frozenset(RecipientId(row[0]) for row in self._read("groups_of", member=member_id))

    def mailboxes_of(self, trustee: RecipientId) -> list[MailboxId]:
        """The mailboxes of all whom a trustee means: of a recipient, or of everybody below a group."""
        return [MailboxId(row[0]) for row in self._read("mailboxes_of", trustee=trustee)]

    # Full access

    def add_full_access(self, recipient_id: RecipientId, trustee: RecipientId) -> None:
        """To give it again changes nothing.  Raises NoSuchRecipient, LimitExceeded."""
        with self._write() as do:
            if not do("by_id", recipient=recipient_id):
                raise NoSuchRecipient("There is no such recipient")
            do("insert_access", recipient=recipient_id, trustee=trustee)
            if len(do("accesses", recipient=recipient_id)) > FULL_ACCESS_PER_MAILBOX:
                raise LimitExceeded(f"Not more than {FULL_ACCESS_PER_MAILBOX} may have full access to a mailbox")

    def remove_full_access(self, recipient_id: RecipientId, trustee: RecipientId) -> None:
        """Raises NoSuchTrustee for one who does not have it."""
        with self._write() as do:
            if not do("delete_access", recipient=recipient_id, trustee=trustee):
                raise NoSuchTrustee("Full access was not given there")

    def full_access_to(self, recipient_id: RecipientId) -> list[RecipientId]:
        """The trustees who act in a recipient's mailbox as its owner would."""
        return [RecipientId(row[0]) for row in self._read("accesses", recipient=recipient_id)]

    def accessible(self, user: RecipientId) -> frozenset[RecipientId]:
        """The recipients in whose mailboxes somebody acts as their owner would, by name or by a group."""
        return self._remembered(("accessible", user), lambda: self._accessible(user)) or frozenset()

    def _accessible(self, user: RecipientId) -> frozenset[RecipientId]:
        return frozenset(RecipientId(row[0]) for row in self._read("accessible", user=user))

    # Public folders

    def public_folders(self) -> PublicFolders | None:
        """Where they are; None: there are none yet."""
        return self._remembered(("public folders", None), self._find_public_folders)

    def _find_public_folders(self) -> PublicFolders | None:
        rows = self._read("public_folders")
        return PublicFolders(*rows[0]) if rows else None

    def set_public_folders(self, public: PublicFolders) -> None:
        """For ever: an organization has one mailbox of them.  Raises PublicFoldersElsewhere."""
        with self._write() as do:
            if do("public_folders"):
                raise PublicFoldersElsewhere("There are public folders already")
            do("insert_public_folders", mailbox=public.mailbox_id, database=public.database_id)


def take(do: Do, kind: str) -> int:
    """The next number of a kind."""
    return int(do("take_number", kind=kind)[0][0])


def _group(rows: list[Row]) -> Group | None:
    return Group(*rows[0]) if rows else None
