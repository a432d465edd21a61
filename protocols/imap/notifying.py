"""What a client wants to hear of without asking (RFC 5465), and what of it has happened and is still to be told.

Only that something happened is kept, and where: what is told is looked up when the client takes it, so that whatever
comes in between is told once.  What is kept is bounded by the number of folders; a client that lets more wait than a
thousand changes of annotations is told that it missed some, and hears of nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

from core.annotations import SERVER, SHARED
from core.changes import AnnotationsChange, Change, FolderChange, MailboxRemoved, Missed, SeenChange, TreeChange
from core.following import Follower
from core.model import SEPARATOR, FolderId, MailboxId, UIDRanges, common, merged, ranges, without
from core.recipients import RecipientId
from protocols.imap import limits
from protocols.imap.commands import EventGroup, FetchItem
from protocols.imap.finding.contexts import bounded
from protocols.imap.naming.hierarchy import Listed, Placed
from protocols.imap.naming.homes import known_as

EVENTS: Final = {
    "MESSAGENEW": "MessageNew",
    "MESSAGEEXPUNGE": "MessageExpunge",
    "FLAGCHANGE": "FlagChange",
    "MAILBOXNAME": "MailboxName",
    "SUBSCRIPTIONCHANGE": "SubscriptionChange",
    "MAILBOXMETADATACHANGE": "MailboxMetadataChange",
    "SERVERMETADATACHANGE": "ServerMetadataChange",
}
MESSAGES: Final = frozenset({"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"})

Key = tuple[MailboxId, FolderId]


class Wants(Struct, frozen=True):
    """What a client wants to hear of the selected folder; as it is without NOTIFY (RFC 5465 3.1)."""

    counts: bool = True  # messages that come and go
    flags: bool = True
    at_once: bool = False  # also while no command runs
    expunges_at_once: bool = False
    items: tuple[FetchItem, ...] = ()  # of each message that comes


AS_EVER: Final = Wants()
NOTHING: Final = Wants(counts=False, flags=False)


def wants_of(groups: Collection[EventGroup]) -> Wants:
    """RFC 5465 3.1: what no group says of the selected folder is not wanted."""
    for group in groups:
        if group.is_of_selected and group.events:
            names = {event.name for event in group.events}
            items = tuple(item for event in group.events for item in event.items)
            return Wants("MESSAGENEW" in names, "FLAGCHANGE" in names, True, not group.delayed, items)
    return NOTHING


class Watched(Struct, frozen=True):
    """A folder of which a client wants to hear, its name, and which events."""

    name: str
    placed: Placed
    events: frozenset[str]


class Dirty(Struct):
    """What has happened in a folder that is not selected."""

    arrived: UIDRanges = ()
    others: frozenset[str] = frozenset()

    @property
    def events(self) -> frozenset[str]:
        return self.others | {"MESSAGENEW"} if self.arrived else self.others


class Notifier:
    """One client's NOTIFY."""

    def __init__(
        self, groups: tuple[EventGroup, ...], known: Listed, watched: Mapping[Key, Watched], follower: Follower
    ) -> None:
        self.groups = groups
        self.known = known
        self.watched = watched
        self.follower = follower
        self.dirty: dict[Key, Dirty] = {}
        self.unplaced: dict[Key, Dirty] = {}  # of folders that may turn out to be watched, while `is_stale`
        self.annotations: dict[tuple[MailboxId, FolderId], dict[str, None]] = {}  # names, in the order of change
        self.is_stale = False  # what can be listed has changed
        self.is_beginning = False  # it is not known yet which folders are watched
        self.has_overflown = False
        self.own_names: set[str] = set()  # of folders that the client has made, renamed ... itself

    @property
    def has_work(self) -> bool:
        return bool(self.dirty or self.annotations or self.is_stale or self.has_overflown)

    def hear(self, change: Change, user: RecipientId, selected: Key | None) -> None:
        """Something was committed; `selected` is the folder of which the session tells by itself."""
        match change:
            case FolderChange():
                self._hear_messages(change, selected)
            case SeenChange(user=reader) if reader == user:
                self._touch((change.mailbox_id, change.folder_id), selected, frozenset({"FLAGCHANGE"}))
            case MailboxRemoved():
                self.is_stale = True
            case TreeChange():
                self.is_stale = True
                self.follower.attend({*self.follower.mailboxes, change.mailbox_id})
            case Missed():
                self._look_again(change.mailbox_id, selected)
            case AnnotationsChange(user=owner) if owner in (SHARED, user):
                self._hear_annotations(change)

    def _look_again(self, mailbox_id: MailboxId, selected: Key | None) -> None:
        """Anything may have happened in a mailbox."""
        self.is_stale = True
        for key, watched in self.watched.items():
            if key[0] == mailbox_id:
                self._touch(key, selected, watched.events & MESSAGES)

    def _hear_messages(self, change: FolderChange, selected: Key | None) -> None:
        if (change.mailbox_id, change.folder_id) not in self.watched and not (self.is_stale or self.is_beginning):
            return
        others = {"FLAGCHANGE"} if change.changed else set()
        if change.expunged:
            others.add("MESSAGEEXPUNGE")
        arrived = ranges(entry.uid for entry in change.arrived)
        self._touch((change.mailbox_id, change.folder_id), selected, frozenset(others), arrived)

    def _touch(self, key: Key, selected: Key | None, others: frozenset[str], arrived: UIDRanges = ()) -> None:
        if key == selected or not (others or arrived):
            return
        if key in self.watched:
            dirty = self.dirty.setdefault(key, Dirty())
        elif self.is_stale or self.is_beginning:
            dirty = self.unplaced.setdefault(key, Dirty())
        else:
            return
        dirty.others |= others
        dirty.arrived = bounded(merged(dirty.arrived, arrived))

    def renew(self, known: Listed, watched: Mapping[Key, Watched]) -> None:
        """What can be listed was looked at again.

        RFC 5465 5.1: a folder that took the place of another has another UIDVALIDITY, which must be told.
        """
        names = {was.name: key for key, was in self.watched.items()}
        for key, now in watched.items():
            if "FLAGCHANGE" in now.events and names.get(now.name, key) != key:
                self.unplaced[key] = Dirty(others=frozenset({"FLAGCHANGE"}))
        self.dirty = {key: dirty for key, dirty in (self.dirty | self.unplaced).items() if key in watched}
        self.known, self.watched, self.unplaced = known, watched, {}

    def _hear_annotations(self, change: AnnotationsChange) -> None:
        key = (change.mailbox_id, change.folder_id)
        if key[1] == SERVER:
            is_wanted = any("SERVERMETADATACHANGE" in _names(group) for group in self.groups)
        else:
            is_wanted = "MAILBOXMETADATACHANGE" in (self.watched[key].events if key in self.watched else ())
        if is_wanted:
            self.annotations.setdefault(key, {}).update(dict.fromkeys(change.names))
            self.has_overflown |= sum(map(len, self.annotations.values())) > limits.NOTIFY_PENDING

    def inherit(self, key: Key) -> None:
        """The folder is not selected any more, and not all that has happened there was told."""
        if key in self.watched and (events := self.watched[key].events & MESSAGES):
            self.dirty.setdefault(key, Dirty()).others |= events

    def follow_up(self, before: Notifier) -> None:
        """Takes the place of another, of which not all has been told (RFC 5465 3.1)."""
        self.unplaced = before.unplaced | before.dirty
        self.annotations = before.annotations
        self.is_stale = self.is_stale or before.is_stale

    # ------------------------------------------------------------------------------------------ one's own doings

    def forgive_messages(self, mailbox_id: MailboxId, uidvalidity: int, uids: UIDRanges) -> None:
        """RFC 5465 5: what the client has put there itself need not be told."""
        for key, dirty in list(self.dirty.items()):
            folder = self.watched[key].placed.folder if key in self.watched else None
            if key[0] == mailbox_id and folder is not None and folder.uidvalidity == uidvalidity:
                dirty.arrived = without(dirty.arrived, common(dirty.arrived, uids))
                if not dirty.events:
                    del self.dirty[key]

    def forgive_names(self, *names: str) -> None:
        """Likewise of folders made, renamed, deleted, and subscribed to, and of those right above them."""
        for name in map(known_as, names):
            self.own_names |= {name, name.rpartition(SEPARATOR)[0]}

    def forgive_annotations(self, folder: str, names: Collection[str]) -> None:
        """Likewise; no folder is the server."""
        for key, pending in list(self.annotations.items()):
            known = "" if key[1] == SERVER else self.watched[key].name if key in self.watched else None
            if known == known_as(folder):
                self.annotations[key] = {name: None for name in pending if name not in names}
                if not self.annotations[key]:
                    del self.annotations[key]


def _names(group: EventGroup) -> set[str]:
    return {event.name for event in group.events}
