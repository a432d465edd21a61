"""NOTIFY: a client hears of what it wants without asking (RFC 5465)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from core import folders, rights
from core.annotations import SERVER
from core.errors import NoPermission, NoSuchFolder, Refusal
from core.model import INBOX, SEPARATOR, Folder
from core.ports import ReadTx
from core.rights import READ
from protocols.imap import commands, limits
from protocols.imap.handlers.do_folders import attributes, tell_status
from protocols.imap.handlers.do_messages import tell_messages
from protocols.imap.naming.filters import BEYOND, IsChosen, chooser
from protocols.imap.naming.hierarchy import Listed, Placed, listed
from protocols.imap.naming.homes import Home
from protocols.imap.notifying import EVENTS, MESSAGES, NOTHING, Key, Notifier, Watched, wants_of
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Asking, Pause, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

OVERFLOW = "Too much has happened; ask again if you want to hear more"
PIECE_FOLDERS = 100  # told of before the adapter may see whether the client takes it


def do_notify(session: Session, command: commands.Notify) -> Steps:
    """RFC 5465 3.1: what was asked for before is forgotten; SET also tells what has accumulated, as NOOP does."""
    if any(event.name not in EVENTS for group in command.groups for event in group.events):
        raise Rejected("Of some of these events nobody is told here", code=responses.bad_event(EVENTS.values()))
    if not command.groups:
        session.stop_notifying(NOTHING)
        return "NOTIFY completed"
    notifier, known = yield from _begin(session, command)
    if command.status:
        yield from _tell_all(session, notifier)
    for name in _closed(session, command.groups, known):
        session.send(responses.list_(("\\NoAccess",), SEPARATOR, name, utf8=session.takes_utf8))
    return "NOTIFY completed"


def _begin(session: Session, command: commands.Notify) -> Asking[tuple[Notifier, Listed]]:
    """From here on nothing is missed, also while it is looked which folders there are; raises Rejected."""
    before = session.notifier
    follower = session.services.views.following.follow(session.notice)
    notifier = Notifier(command.groups, Listed({}, set(), set()), {}, follower)
    notifier.is_beginning = True
    follower.attend({session.signed_in.mailbox_id, *(before.follower.mailboxes if before is not None else ())})
    session.notifier = notifier
    try:
        known = yield from listed(session, _reaches(command.groups))
        watched = _watched(session, command.groups, known)
        if len(watched) > limits.NOTIFY_FOLDERS:
            raise Rejected("Those are too many folders", code=responses.NOTIFICATIONOVERFLOW)
    except BaseException:
        follower.close()
        session.notifier = before
        if before is not None:
            before.is_stale = True
            before.unplaced |= notifier.unplaced
        raise
    if before is not None:
        before.follower.close()
        pending = notifier.unplaced
        notifier.follow_up(before)
        notifier.unplaced |= pending
    notifier.renew(known, watched)
    notifier.is_beginning = False
    if before is not None and before.is_stale:
        notifier.known = before.known  # what has become of it is still to be told
    _attend(session, notifier)
    session.want(wants_of(command.groups))
    return notifier, known


def _reaches(groups: Iterable[commands.EventGroup]) -> Callable[[str], bool]:
    """Whether folders that are not the user's own can be meant."""
    goes_beyond = any(group.mailboxes is not None and group.mailboxes.kind in BEYOND for group in groups)
    return lambda root: goes_beyond


def _attend(session: Session, notifier: Notifier) -> None:
    homes = {placed.home.mailbox_id for placed in notifier.known.folders.values()}
    notifier.follower.attend({session.signed_in.mailbox_id, *homes})


def _tests(session: Session, groups: Iterable[commands.EventGroup], known: Listed) -> list[tuple[IsChosen, set[str]]]:
    """What each group is about, and its events; without that of the selected folder."""
    return [
        (chooser(session, group.mailboxes, known.subscribed), {event.name for event in group.events})
        for group in groups
        if group.mailboxes is not None
    ]


def _events(tests: Iterable[tuple[IsChosen, set[str]]], name: str, placed: Placed) -> frozenset[str]:
    return frozenset(event for is_chosen, events in tests if is_chosen(name, placed) for event in events)


def _watched(session: Session, groups: Iterable[commands.EventGroup], known: Listed) -> dict[Key, Watched]:
    """RFC 5465 5: all events need the rights to look a folder up and to read it."""
    tests = _tests(session, groups, known)
    found: dict[Key, Watched] = {}
    for name, placed in known.folders.items():
        folder = placed.folder
        if folder is None or not folder.selectable or not placed.rights.granted & READ:
            continue
        if events := _events(tests, name, placed):
            found[folder.mailbox_id, folder.folder_id] = Watched(name, placed, events)
    return found


def _closed(session: Session, groups: Iterable[commands.EventGroup], known: Listed) -> Iterator[str]:
    """RFC 5465 3.1: the folders that were asked for and may be known of, but not read."""
    tests = _tests(session, groups, known)
    for name, placed in known.folders.items():
        if placed.is_selectable and not placed.rights.granted & READ and _events(tests, name, placed):
            yield name


# ---------------------------------------------------------------------------------------------- what is told


def telling(session: Session) -> Steps:
    """What has happened meanwhile, as far as the client wants to hear of it."""
    try:
        if session.selected is not None and session.selected.fresh:
            yield from _tell_fresh(session)
        if session.notifier is not None:
            yield from _tell(session, session.notifier)
    except Refusal:  # it cannot be found out now
        if session.notifier is not None:
            session.notifier.has_overflown = True
    return ""


def _tell(session: Session, notifier: Notifier) -> Asking[None]:
    if notifier.has_overflown:
        session.say(OVERFLOW, responses.NOTIFICATIONOVERFLOW)
        session.stop_notifying(NOTHING)  # RFC 5465 5.8
        return
    if notifier.is_stale:
        yield from _tell_tree(session, notifier)
    _tell_annotations(session, notifier)
    for _ in range(PIECE_FOLDERS):
        if not notifier.dirty:
            break
        key = next(iter(notifier.dirty))
        dirty = notifier.dirty.pop(key)
        watched = notifier.watched.get(key)
        if watched is not None and (events := dirty.events & watched.events):
            yield from _tell_folder(session, watched, _items(session, events))


def _tell_fresh(session: Session) -> Asking[None]:
    """RFC 5465 5.2: what the client wants to know of each message that has come, behind its EXISTS."""
    selected = session.selected
    assert selected is not None, "it was just looked at"
    uids, selected.fresh = selected.fresh, ()
    if selected.wants.items:
        yield from tell_messages(session, uids, selected.wants.items)


def _items(session: Session, events: frozenset[str], *, is_first: bool = False) -> tuple[str, ...]:
    """RFC 5465 3.1, 5.1-5.3: what STATUS tells of these events; UNSEEN for clients that keep no MODSEQs."""
    items: dict[str, None] = {}
    if events & {"MESSAGENEW", "MESSAGEEXPUNGE"}:
        items |= dict.fromkeys(("UIDNEXT", "MESSAGES", *(("UIDVALIDITY",) if is_first else ())))
    if "FLAGCHANGE" in events:
        items |= dict.fromkeys(("UIDVALIDITY", "UNSEEN", *(("HIGHESTMODSEQ",) if is_first else ())))
    if "CONDSTORE" in session.enabled:
        items["HIGHESTMODSEQ"] = None
    return tuple(items)


def _tell_all(session: Session, notifier: Notifier) -> Asking[None]:
    """RFC 5465 3.1: where each folder is from which the client is told the changes."""
    own = session.selected_key
    for count, (key, watched) in enumerate(list(notifier.watched.items())):
        if count and count % PIECE_FOLDERS == 0:
            yield Pause(0.0)
        if key != own and watched.events & MESSAGES:
            yield from _tell_folder(session, watched, _items(session, watched.events, is_first=True))


def _tell_folder(session: Session, watched: Watched, items: tuple[str, ...]) -> Asking[None]:
    """STATUS, as of now; nothing of a folder that is gone or closed: that is told otherwise."""
    placed = watched.placed
    try:
        folder: Folder = yield placed.home.read(partial(_current, home=placed.home, placed=placed))
    except (NoSuchFolder, NoPermission):
        return
    yield from tell_status(session, watched.name, placed.home, folder, items)


def _current(tx: ReadTx, home: Home, placed: Placed) -> Folder:
    assert placed.folder is not None, "only folders are watched"
    return folders.existing(tx, home.mailbox_id, placed.folder.folder_id, home.by, READ)


def _tell_annotations(session: Session, notifier: Notifier) -> None:
    """RFC 5464 4.4.2, RFC 5465 5.6, 5.7: the names of what was changed."""
    for key, names in notifier.annotations.items():
        watched = notifier.watched.get(key)
        if key[1] == SERVER:
            session.send(responses.metadata_changed("", names, utf8=session.takes_utf8))
        elif watched is not None:
            session.send(responses.metadata_changed(watched.name, names, utf8=session.takes_utf8))
    notifier.annotations.clear()


# ---------------------------------------------------------------------------------------------- names


def _tell_tree(session: Session, notifier: Notifier) -> Asking[None]:
    """RFC 5465 5.4, 5.5, 5.9: what LIST would say otherwise now."""
    notifier.is_stale = False
    before, names = notifier.known, notifier.own_names
    known = yield from listed(session, _reaches(notifier.groups))
    notifier.own_names = set()
    watched = _watched(session, notifier.groups, known)
    if len(watched) > limits.NOTIFY_FOLDERS:
        notifier.has_overflown = True
        return
    for name, old in _affected(session, notifier, before, known).items():
        if name not in names:
            session.send(_line(session, known, name, old))
    for key, lost in notifier.watched.items():
        if key not in watched and lost.name in known.folders and known.folders[lost.name].key == key:
            session.send(responses.list_(("\\NoAccess",), SEPARATOR, lost.name, utf8=session.takes_utf8))
    notifier.renew(known, watched)
    _attend(session, notifier)


def _affected(session: Session, notifier: Notifier, before: Listed, now: Listed) -> dict[str, str | None]:
    """The names of which the client wants to hear, each with the name that its folder had if it was renamed."""
    both = Listed({**before.folders, **now.folders}, before.subscribed | now.subscribed, set())
    tests = _tests(session, notifier.groups, both)
    absent = Placed(session.signed_in.home, None, rights.NOTHING, is_own=True)

    def is_wanted(name: str, event: str) -> bool:
        return event in _events(tests, name, both.folders.get(name, absent))

    found: dict[str, str | None] = {name: old for name, old in _renamed(before, now) if is_wanted(name, "MAILBOXNAME")}
    for name in _made_or_gone(before, now):
        for affected in (name, name.rpartition(SEPARATOR)[0]):
            if affected and is_wanted(affected, "MAILBOXNAME"):
                found.setdefault(affected, None)
    for name in sorted(before.subscribed ^ now.subscribed):
        if is_wanted(name, "SUBSCRIPTIONCHANGE"):
            found.setdefault(name, None)
    return found


def _renamed(before: Listed, now: Listed) -> Iterator[tuple[str, str]]:
    """(the new name, the old one); not of folders that have only moved along with the one above them."""
    names = {key: name for name, placed in before.folders.items() if (key := placed.key) is not None}
    for name, placed in now.folders.items():
        old = names.get(placed.key, name) if placed.key is not None else name
        if old != name and not _moved_along(before, now, old, name):
            yield name, old


def _moved_along(before: Listed, now: Listed, old: str, name: str) -> bool:
    above, was_above = name.rpartition(SEPARATOR), old.rpartition(SEPARATOR)
    if above[2] != was_above[2] or above[0] == was_above[0]:
        return False
    parent, was_parent = now.folders.get(above[0]), before.folders.get(was_above[0])
    return parent is not None and was_parent is not None and parent.key is not None and parent.key == was_parent.key


def _made_or_gone(before: Listed, now: Listed) -> Iterator[str]:
    """RFC 5465 5.4: names that mean another folder, or none, or a first one; a new INBOX is none of these."""
    stay = {placed.key for placed in before.folders.values()} & {placed.key for placed in now.folders.values()}
    for name in dict.fromkeys((*now.folders, *before.folders)):
        keys = [known.folders[name].key if name in known.folders else None for known in (before, now)]
        is_there = [name in known.folders for known in (before, now)]
        if (keys[0] == keys[1] and is_there[0] == is_there[1]) or name == INBOX:
            continue
        if any(key not in stay for key in keys if key is not None) or keys == [None, None]:
            yield name


def _line(session: Session, known: Listed, name: str, old: str | None) -> bytes:
    told = attributes(known, _LIKE, name, rev2=session.is_rev2)
    return responses.list_(told, SEPARATOR, name, old_name=old, utf8=session.takes_utf8)


_LIKE = commands.List(b"", "", (), returns=frozenset({"SUBSCRIBED", "CHILDREN"}), extended=True)
