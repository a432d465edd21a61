"""The folder tree: LIST, LSUB, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from core import folders, seen
from core.commands import CreateFolder, DeleteFolder, NewFolder, RenameFolder
from core.commands import Subscribe as StoreSubscription
from core.errors import ProtectedFolder
from core.model import MAX_UID, SEPARATOR, Folder
from core.rights import READ, letters
from protocols.imap import commands
from protocols.imap.handlers.do_metadata import completed, tell_annotations
from protocols.imap.naming.hierarchy import Listed, Placed, listed, superiors
from protocols.imap.naming.homes import Home, locate, within
from protocols.imap.naming.patterns import matcher, reaches
from protocols.imap.reading.objectids import mailbox_id
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Asking, Compute, Pause, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

MANY_FOLDERS = 500  # more are looked through off the event loop
PIECE_NAMES = 1_000  # sent before the adapter may see whether the client takes them
MANY_COUNTED = 2_000  # likewise messages that are counted


class Found(Struct, frozen=True):
    """A name to list."""

    path: str
    placed: Placed | None
    attributes: list[str]
    child_info: tuple[str, ...]


def do_list(session: Session, command: commands.List) -> Steps:
    """RFC 9051 6.3.9, with the options of RFC 5258, 5819, 6154 and 9590."""
    utf8 = session.takes_utf8
    if not command.extended and command.patterns == ("",):
        # An empty pattern asks for the separator and the root of the reference.
        session.send(responses.list_(("\\Noselect",), SEPARATOR, "", utf8=utf8))
        return "LIST completed"
    if "HIGHESTMODSEQ" in command.status:
        session.enable("CONDSTORE")
    known = yield from listed(session, partial(reaches, command.reference, command.patterns))
    look = partial(_found, known, command, rev2=session.is_rev2)
    names: list[Found] = look() if len(known.folders) <= MANY_FOLDERS else (yield Compute(look))
    longest = 0  # octets of an annotation that was left out
    for count, found in enumerate(names):
        if count and count % PIECE_NAMES == 0:
            yield Pause(0.0)
        line = responses.list_(found.attributes, SEPARATOR, found.path, child_info=found.child_info, utf8=utf8)
        session.send(line)
        if (placed := found.placed) is None:
            continue
        yield from _list_more(session, found.path, placed, command)
        if command.metadata is not None:
            longest = max(longest, (yield from tell_annotations(session, found.path, placed, command.metadata)))
    return completed("LIST completed", longest)


def _list_more(session: Session, name: str, placed: Placed, command: commands.List) -> Asking[None]:
    """What was asked for behind a folder's line (RFC 5819 2, RFC 8440 3): nothing for what is only a place."""
    if placed.folder is None or not placed.is_selectable:
        return
    if "MYRIGHTS" in command.returns:
        session.send(responses.my_rights(name, letters(placed.rights.granted), utf8=session.takes_utf8))
    if command.status and placed.rights.granted & READ:
        yield from tell_status(session, name, placed.home, placed.folder, command.status)


def _found(known: Listed, command: commands.List, *, rev2: bool) -> list[Found]:
    """Every name to list (RFC 5258 3.3), in the order of the tree; behind it those that are only subscribed."""
    matches = matcher(command.reference, command.patterns)
    by_subscription = "SUBSCRIBED" in command.select
    # A subscribed name need not exist (RFC 5258 3).
    others = sorted(known.subscribed - known.folders.keys()) if by_subscription else []
    selected = {path for path in (*known.folders, *others) if _is_selected(known, command, path)}
    shown = {path for path in selected if matches(path)}
    above: set[str] = set()
    if "RECURSIVEMATCH" in command.select:
        above = {superior for path in selected for superior in superiors(path)}
        # What lies above is told only for the sake of names that are not told themselves.
        hidden = {superior for path in selected - shown for superior in superiors(path)}
        shown |= {path for path in hidden if matches(path)}
    names = (*(path for path in known.folders if path in shown), *sorted(shown - known.folders.keys()))
    return [
        Found(
            path,
            # RFC 5819 2: no more is told of what is there only for the sake of what lies below it.
            known.folders.get(path) if path in selected else None,
            attributes(known, command, path, rev2=rev2),
            ("SUBSCRIBED",) if path in above else (),
        )
        for path in names
    ]


def _is_selected(known: Listed, command: commands.List, path: str) -> bool:
    if "SUBSCRIBED" in command.select and path not in known.subscribed:
        return False
    if "SPECIAL-USE" in command.select:
        return _use_of(known.folders.get(path)) is not None
    return True


def _use_of(placed: Placed | None) -> str | None:
    """RFC 6154 2 is about the user's own folders: two for sent mail would be one too many for a client."""
    if placed is None or placed.folder is None or not placed.is_own:
        return None
    return placed.folder.special_use


def attributes(known: Listed, command: commands.List, path: str, *, rev2: bool) -> list[str]:
    """What LIST says of a name, whether or not there is such a folder."""
    placed = known.folders.get(path)
    told = []
    if placed is None:
        told.append("\\NonExistent")
    elif not placed.is_selectable:
        # RFC 9051 knows \NonExistent, RFC 3501's clients only \Noselect.
        told += ["\\Noselect", "\\NonExistent"] if command.extended or rev2 else ["\\Noselect"]
    if path in known.subscribed and ("SUBSCRIBED" in command.select or "SUBSCRIBED" in command.returns):
        told.append("\\Subscribed")
    told.append("\\HasChildren" if path in known.parents else "\\HasNoChildren")
    if (use := _use_of(placed)) is not None:
        told.append(use)
    return told


def do_lsub(session: Session, command: commands.Lsub) -> Steps:
    r"""RFC 3501 6.3.9: subscribed names; for "%", what lies above a subscribed name is told as \Noselect."""
    matches = matcher(command.reference, (command.pattern,))
    known = yield from listed(session, partial(reaches, command.reference, (command.pattern,)))
    lines: dict[str, tuple[str, ...]] = {}
    for path in known.subscribed:
        if matches(path):
            lines[path] = () if known.exists(path) else ("\\Noselect",)
        elif command.pattern.endswith("%"):
            for above in superiors(path):
                if above not in known.subscribed and matches(above):
                    lines[above] = ("\\Noselect",)
    for path, attributes in sorted(lines.items()):
        session.send(responses.lsub(attributes, SEPARATOR, path, utf8=session.takes_utf8))
    return "LSUB completed"


# ---------------------------------------------------------------------------------------------- STATUS

_ITEMS: dict[str, Callable[[Folder], int | str]] = {
    "MESSAGES": lambda f: f.n_exists,
    "UIDNEXT": lambda f: f.uidnext,
    "UIDVALIDITY": lambda f: f.uidvalidity,
    "UNSEEN": lambda f: f.n_unseen,
    "DELETED": lambda f: f.n_deleted,
    "SIZE": lambda f: f.n_bytes,
    "HIGHESTMODSEQ": lambda f: f.modseq,
    "MAILBOXID": lambda f: mailbox_id(f.mailbox_id, f.folder_id),
}


def do_status(session: Session, command: commands.Status) -> Steps:
    """RFC 9051 6.3.11.

    With SIZE (RFC 8438), APPENDLIMIT (RFC 7889), HIGHESTMODSEQ (RFC 7162), MAILBOXID (RFC 8474), and DELETED and
    DELETED-STORAGE (RFC 9208 4.1.4).
    """
    if "HIGHESTMODSEQ" in command.items:
        session.enable("CONDSTORE")
    named = locate(session, command.mailbox)
    home, path = named.home, named.path
    folder: Folder = yield home.read(lambda tx: folders.selectable(tx, home.mailbox_id, path, home.by, READ))
    yield from tell_status(session, command.mailbox, home, folder, command.items)
    return "STATUS completed"


def tell_status(session: Session, name: str, home: Home, folder: Folder, items: tuple[str, ...]) -> Asking[None]:
    """STATUS, as of this row of the folder."""
    counted: dict[str, int] = {"APPENDLIMIT": session.services.append_limit}
    for item, count in (_COUNTED if home.by is None else _COUNTED_FOR_READERS).items():
        if item in items:
            counted[item] = yield from count(home, folder)
    values = {item: counted[item] if item in counted else _ITEMS[item](folder) for item in items}
    session.send(responses.status(name, values, utf8=session.takes_utf8))


def _recent(home: Home, folder: Folder) -> Asking[int]:
    r"""How many messages no session has been shown as \Recent: of one's own, for only their owner claims them."""
    count = folder.uidnext - folder.recent_from
    if count <= 0 or not folder.n_exists or home.by is not None:
        return 0
    place = (folder.mailbox_id, folder.folder_id, folder.recent_from, MAX_UID)
    recent: int = yield home.read(lambda tx: len(tx.entries(*place)), heavy=count > MANY_COUNTED)
    return recent


def _deleted_storage(home: Home, folder: Folder) -> Asking[int]:
    """What an EXPUNGE would take from the mailbox's usage."""
    if not folder.n_deleted:
        return 0
    place = (folder.mailbox_id, folder.folder_id)
    octets: int = yield home.read(lambda tx: tx.deleted_octets(*place), heavy=folder.n_exists > MANY_COUNTED)
    return octets


def _unseen(home: Home, folder: Folder) -> Asking[int]:
    assert home.by is not None, "the owner's are counted"
    user = home.by.user
    count: int = yield home.read(lambda tx: seen.unseen(tx, folder, user), heavy=folder.n_exists > MANY_COUNTED)
    return count


def _highest(home: Home, folder: Folder) -> Asking[int]:
    assert home.by is not None, "the owner sees what all see"
    place = (folder.mailbox_id, folder.folder_id, home.by.user)
    own: int = yield home.read(lambda tx: tx.reader_modseq(*place))
    return max(folder.modseq, own)


Count = Callable[[Home, Folder], Asking[int]]
# What the folder's counters do not tell anybody, and what they do not tell who is not the owner.
_COUNTED: dict[str, Count] = {"RECENT": _recent, "DELETED-STORAGE": _deleted_storage}
_COUNTED_FOR_READERS: dict[str, Count] = {**_COUNTED, "UNSEEN": _unseen, "HIGHESTMODSEQ": _highest}


# ---------------------------------------------------------------------------------------------- changes


def do_create(session: Session, command: commands.Create) -> Steps:
    """RFC 9051 6.3.4: a separator at the end says that folders will come below, and is not part of the name."""
    name = command.mailbox.removesuffix(SEPARATOR)
    named = locate(session, name)
    home = named.home
    new = NewFolder(named.path, _use(command.use, home))
    made: Folder = yield home.write(CreateFolder(home.mailbox_id, new, session.services.clock.now(), home.by))
    known = folders.canonical(name)
    if known != name and session.is_rev2:
        session.send(responses.list_((), SEPARATOR, known, old_name=name, utf8=True))
    return "CREATE completed", responses.mailbox_id(mailbox_id(made.mailbox_id, made.folder_id))


def _use(asked: tuple[str, ...], home: Home) -> str | None:
    """RFC 6154 3: a new folder's special use."""
    if not asked:
        return None
    if len(asked) > 1:
        raise Rejected("A folder has one special use", code=responses.USEATTR)
    if home.by is not None:
        raise Rejected("Folders of this use cannot be created", code=responses.USEATTR)
    return asked[0]


def do_delete(session: Session, command: commands.Delete) -> Steps:
    """RFC 9051 6.3.5."""
    named = locate(session, command.mailbox)
    home = named.home
    yield home.write(DeleteFolder(home.mailbox_id, named.path, session.services.clock.now(), home.by))
    return "DELETE completed"


def do_rename(session: Session, command: commands.Rename) -> Steps:
    """RFC 9051 6.3.6."""
    source = locate(session, command.mailbox)
    home = source.home
    try:
        target = within(session, home, command.to.removesuffix(SEPARATOR))
    except ProtectedFolder:  # unless there is no such folder, which is all that may be said then
        yield home.read(lambda tx: folders.selectable(tx, home.mailbox_id, source.path, home.by))
        raise
    now = session.services.clock.now()
    yield home.write(RenameFolder(home.mailbox_id, source.path, target, now, home.by))
    return "RENAME completed"


def do_subscribe(session: Session, command: commands.Subscribe) -> Steps:
    """RFC 9051 6.3.7."""
    home = session.signed_in.home
    yield home.write(StoreSubscription(home.mailbox_id, command.mailbox, True))
    return "SUBSCRIBE completed"


def do_unsubscribe(session: Session, command: commands.Unsubscribe) -> Steps:
    """RFC 9051 6.3.8."""
    home = session.signed_in.home
    yield home.write(StoreSubscription(home.mailbox_id, command.mailbox, False))
    return "UNSUBSCRIBE completed"
