"""The folder tree: LIST, LSUB, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from core import folders
from core.commands import CreateFolder, DeleteFolder, NewFolder, RenameFolder
from core.commands import Subscribe as StoreSubscription
from core.model import MAX_UID, SEPARATOR, Folder, MailboxId
from core.ports import ReadTx
from protocols.imap import commands, responses
from protocols.imap.objectids import mailbox_id
from protocols.imap.patterns import matcher
from protocols.imap.refusals import Rejected
from protocols.imap.work import Asking, Compute, Pause, Read, Steps, Write

if TYPE_CHECKING:
    from protocols.imap.session import Session

MANY_FOLDERS = 500  # more are looked through off the event loop
PIECE_NAMES = 1_000  # sent before the adapter may see whether the client takes them
MANY_RECENT = 2_000  # likewise messages that are counted


class Listed(Struct, frozen=True):
    """A mailbox's folder tree, as LIST needs it."""

    folders: dict[str, Folder]
    subscribed: set[str]
    parents: set[str]  # the paths that have something below them

    def exists(self, path: str) -> bool:
        folder = self.folders.get(path)
        return folder is not None and folder.selectable


def _read(tx: ReadTx, mailbox_id: MailboxId) -> Listed:
    found = folders.tree(tx.folders(mailbox_id))
    parents = {path.rpartition(SEPARATOR)[0] for path in found}
    return Listed(found, tx.subscriptions(mailbox_id), parents)


class Found(Struct, frozen=True):
    """A name to list."""

    path: str
    folder: Folder | None
    attributes: list[str]
    child_info: tuple[str, ...]


def do_list(session: Session, command: commands.List) -> Steps:
    """RFC 9051 6.3.9, with the options of RFC 5258, 5819 and 6154."""
    account, utf8 = session.signed_in, session.takes_utf8
    if not command.extended and command.patterns == ("",):
        # An empty pattern asks for the separator and the root of the reference.
        session.send(responses.list_(("\\Noselect",), SEPARATOR, "", utf8=utf8))
        return "LIST completed"
    if "HIGHESTMODSEQ" in command.status:
        session.enable("CONDSTORE")
    listed: Listed = yield Read(lambda tx: _read(tx, account.mailbox_id))
    look = partial(_found, listed, command, rev2=session.is_rev2)
    names: list[Found] = look() if len(listed.folders) <= MANY_FOLDERS else (yield Compute(look))
    for count, found in enumerate(names):
        if count and count % PIECE_NAMES == 0:
            yield Pause(0.0)
        line = responses.list_(found.attributes, SEPARATOR, found.path, child_info=found.child_info, utf8=utf8)
        session.send(line)
        folder = found.folder
        if command.status and folder is not None and folder.selectable:
            recent = (yield from _recent(folder)) if "RECENT" in command.status else 0
            session.send(_status_line(session, found.path, folder, command.status, recent))
    return "LIST completed"


def _found(listed: Listed, command: commands.List, *, rev2: bool) -> list[Found]:
    """Every name to list (RFC 5258 3.3), in the order of the tree; behind it those that are only subscribed."""
    matches = matcher(command.reference, command.patterns)
    by_subscription = "SUBSCRIBED" in command.select
    # A subscribed name need not exist (RFC 5258 3).
    others = sorted(listed.subscribed - listed.folders.keys()) if by_subscription else []
    selected = {path for path in (*listed.folders, *others) if _is_selected(listed, command, path)}
    shown = {path for path in selected if matches(path)}
    above: set[str] = set()
    if "RECURSIVEMATCH" in command.select:
        above = {superior for path in selected for superior in superiors(path)}
        # What lies above is told only for the sake of names that are not told themselves.
        hidden = {superior for path in selected - shown for superior in superiors(path)}
        shown |= {path for path in hidden if matches(path)}
    names = (*(path for path in listed.folders if path in shown), *sorted(shown - listed.folders.keys()))
    return [
        Found(
            path,
            listed.folders.get(path),
            _attributes(listed, command, path, rev2=rev2),
            ("SUBSCRIBED",) if path in above else (),
        )
        for path in names
    ]


def _is_selected(listed: Listed, command: commands.List, path: str) -> bool:
    if "SUBSCRIBED" in command.select and path not in listed.subscribed:
        return False
    if "SPECIAL-USE" in command.select:
        folder = listed.folders.get(path)
        return folder is not None and folder.special_use is not None
    return True


def _attributes(listed: Listed, command: commands.List, path: str, *, rev2: bool) -> list[str]:
    folder = listed.folders.get(path)
    attributes = []
    if folder is None:
        attributes.append("\\NonExistent")
    elif not folder.selectable:
        # RFC 9051 knows \NonExistent, RFC 3501's clients only \Noselect.
        attributes += ["\\Noselect", "\\NonExistent"] if command.extended or rev2 else ["\\Noselect"]
    if path in listed.subscribed and ("SUBSCRIBED" in command.select or "SUBSCRIBED" in command.returns):
        attributes.append("\\Subscribed")
    attributes.append("\\HasChildren" if path in listed.parents else "\\HasNoChildren")
    if folder is not None and folder.special_use is not None:
        attributes.append(folder.special_use)
    return attributes


def do_lsub(session: Session, command: commands.Lsub) -> Steps:
    r"""RFC 3501 6.3.9: subscribed names; for "%", what lies above a subscribed name is told as \Noselect."""
    account = session.signed_in
    matches = matcher(command.reference, (command.pattern,))
    listed: Listed = yield Read(lambda tx: _read(tx, account.mailbox_id))
    lines: dict[str, tuple[str, ...]] = {}
    for path in listed.subscribed:
        if matches(path):
            lines[path] = () if listed.exists(path) else ("\\Noselect",)
        elif command.pattern.endswith("%"):
            for above in superiors(path):
                if above not in listed.subscribed and matches(above):
                    lines[above] = ("\\Noselect",)
    for path, attributes in sorted(lines.items()):
        session.send(responses.lsub(attributes, SEPARATOR, path, utf8=session.takes_utf8))
    return "LSUB completed"


def superiors(path: str) -> Iterator[str]:
    """The paths above a path, from the nearest on."""
    while SEPARATOR in path:
        path = path.rpartition(SEPARATOR)[0]
        yield path


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
    """RFC 9051 6.3.11, with SIZE (RFC 8438), APPENDLIMIT (RFC 7889), HIGHESTMODSEQ (RFC 7162), MAILBOXID (RFC 8474)."""
    account = session.signed_in
    if "HIGHESTMODSEQ" in command.items:
        session.enable("CONDSTORE")
    folder: Folder = yield Read(lambda tx: folders.selectable(tx, account.mailbox_id, command.mailbox))
    recent = (yield from _recent(folder)) if "RECENT" in command.items else 0
    session.send(_status_line(session, command.mailbox, folder, command.items, recent))
    return "STATUS completed"


def _recent(folder: Folder) -> Asking[int]:
    r"""How many messages no session has been shown as \Recent."""
    count = folder.uidnext - folder.recent_from
    if count <= 0 or not folder.n_exists:
        return 0
    place = (folder.mailbox_id, folder.folder_id, folder.recent_from, MAX_UID)
    recent: int = yield Read(lambda tx: len(tx.entries(*place)), heavy=count > MANY_RECENT)
    return recent


def _status_line(session: Session, path: str, folder: Folder, items: tuple[str, ...], recent: int) -> bytes:
    limit = session.services.append_limit
    others = {"RECENT": recent, "APPENDLIMIT": limit}
    values: dict[str, int | str] = {item: _ITEMS[item](folder) if item in _ITEMS else others[item] for item in items}
    return responses.status(path, values, utf8=session.takes_utf8)


# ---------------------------------------------------------------------------------------------- changes


def do_create(session: Session, command: commands.Create) -> Steps:
    """RFC 9051 6.3.4: a separator at the end says that folders will come below, and is not part of the name."""
    account = session.signed_in
    path = command.mailbox.removesuffix(SEPARATOR)
    new = NewFolder(path, _use(command.use))
    made: Folder = yield Write(CreateFolder(account.mailbox_id, new, session.services.clock.now()))
    known = folders.canonical(path)
    if known != path and session.is_rev2:
        session.send(responses.list_((), SEPARATOR, known, old_name=path, utf8=True))
    return "CREATE completed", responses.mailbox_id(mailbox_id(made.mailbox_id, made.folder_id))


def _use(asked: tuple[str, ...]) -> str | None:
    r"""RFC 6154 3: a new folder's special use.  \All and \Flagged are views of other folders, and we have no views."""
    if not asked:
        return None
    if len(asked) > 1:
        raise Rejected("A folder has one special use", code=responses.USEATTR)
    if asked[0] not in _USES:
        raise Rejected("Folders of this use cannot be created", code=responses.USEATTR)
    return asked[0]


_USES = frozenset({"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"})


def do_delete(session: Session, command: commands.Delete) -> Steps:
    """RFC 9051 6.3.5."""
    account = session.signed_in
    yield Write(DeleteFolder(account.mailbox_id, command.mailbox, session.services.clock.now()))
    return "DELETE completed"


def do_rename(session: Session, command: commands.Rename) -> Steps:
    """RFC 9051 6.3.6."""
    account = session.signed_in
    target = command.to.removesuffix(SEPARATOR)
    yield Write(RenameFolder(account.mailbox_id, command.mailbox, target, session.services.clock.now()))
    return "RENAME completed"


def do_subscribe(session: Session, command: commands.Subscribe) -> Steps:
    """RFC 9051 6.3.7."""
    account = session.signed_in
    yield Write(StoreSubscription(account.mailbox_id, command.mailbox, True))
    return "SUBSCRIBE completed"


def do_unsubscribe(session: Session, command: commands.Unsubscribe) -> Steps:
    """RFC 9051 6.3.8."""
    account = session.signed_in
    yield Write(StoreSubscription(account.mailbox_id, command.mailbox, False))
    return "UNSUBSCRIBE completed"
