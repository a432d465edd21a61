"""Entering and leaving a folder: SELECT, EXAMINE, CLOSE, UNSELECT, IDLE."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from core import folders, rights
from core.changes import Change, FolderRemoved, MailboxRemoved
from core.commands import ClaimRecent, Expunge
from core.errors import NoPermission, NoSuchFolder, Refusal
from core.limits import ROWS_PER_COMMAND
from core.loading import load
from core.model import DELETED, INBOX, MAX_UID, ROOT, SEEN, SEPARATOR, Folder, FolderId
from core.ports import ReadTx
from core.readerview import ReaderView
from core.rights import DELETE_MESSAGES, EXPUNGE, INSERT, OWNER, READ, WRITE, Rights
from core.view import FolderView
from core.watching import Watch
from protocols.imap import commands
from protocols.imap.handlers.chosen import EVERYTHING, here, snapshot_of
from protocols.imap.naming.homes import Home, locate
from protocols.imap.reading.fetching import PIECE_MESSAGES
from protocols.imap.reading.objectids import mailbox_id
from protocols.imap.reading.resync import matched_up_to, vanished
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import bad, uid_required
from protocols.imap.selected import Selected
from protocols.imap.work import Asking, Await, Pause, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

HEAVY_FOLDER = 2_000  # messages; a smaller folder is read on the spot
BEHIND_SECONDS = 0.005  # what another worker has committed is told within one of these
BEHIND_PAUSES = 20  # after which the client has the view that there is


def do_select(session: Session, command: commands.Select) -> Steps:
    """RFC 9051 6.3.2-3.  A SELECT that fails leaves the session without a folder."""
    known = command.known
    if known is not None and "QRESYNC" not in session.enabled:
        raise bad("QRESYNC needs ENABLE first")  # RFC 7162 3.2.5
    if known is not None and known.numbers and "UIDONLY" in session.enabled:
        raise uid_required()
    if session.selected is not None:
        yield from leave(session)
        session.say("The folder before is closed", responses.CLOSED)
    named = locate(session, command.mailbox)
    home, path = named.home, named.path
    folder: Folder = yield home.read(lambda tx: folders.selectable(tx, home.mailbox_id, path, home.by, READ))
    recent_from = folder.recent_from if home.by is None else folder.uidnext
    if not session.is_rev2 and not command.examine and recent_from < folder.uidnext:
        recent_from = yield home.write(ClaimRecent(home.mailbox_id, folder.folder_id, folder.uidnext))
    watch, view = yield from _watch(session, home, folder)
    try:
        may = yield from _confirmed(session, command.mailbox, home, folder)
    except BaseException:
        watch.close()
        raise
    # Nothing is waited for from here on, so no change can fall between this view and what is heard later.
    selected = Selected(
        command.mailbox, home, folder.folder_id, watch, view, read_only=command.examine, enabled=session.enabled
    )
    selected.rights, selected.uidvalidity, selected.wants = may, folder.uidvalidity, session.wants
    selected.recent_from, selected.shows_recent = recent_from, not session.is_rev2
    session.select(selected)
    session.outgoing += _describe(selected, folder, rev2=session.is_rev2)
    if session.tells_mechanisms:
        session.send(responses.url_mechanisms(session.language))
    if command.condstore:
        session.enabled.add("CONDSTORE")
    if known is not None and known.uidvalidity == folder.uidvalidity:
        try:
            yield from _catch_up(session, known)
        except BaseException:
            session.deselect()
            raise
    can_write = not command.examine and may.granted & _WRITING
    code = responses.READ_WRITE if can_write else responses.READ_ONLY
    return "Examined" if command.examine else "Selected", code


# RFC 4314 5.2: \\Seen alone, which is each reader's own here, does not make a folder one to write to.
_WRITING = INSERT | EXPUNGE | WRITE | DELETE_MESSAGES


def _confirmed(session: Session, name: str, home: Home, folder: Folder) -> Asking[Rights]:
    """What the user may do now that the folder has been read: it may have been taken away meanwhile."""
    if home.by is not None:
        may: Rights = yield home.read(partial(_still, home=home, folder_id=folder.folder_id))
        return may
    if locate(session, name).home.by is not None:  # full access was
        raise NoSuchFolder("There is no such folder")
    return OWNER


def rechecking(session: Session) -> Steps:
    """What becomes of who has the folder open when rights are changed (RFC 4314 5.1.1)."""
    selected, home = here(session)
    selected.is_doubtful = False
    try:
        rights_now = yield home.read(partial(_still, home=home, folder_id=selected.folder_id))
    except Refusal as no:
        if no.temporary:
            session.bye("The selected folder cannot be read at the moment", responses.UNAVAILABLE)
        else:
            session.bye("The selected folder may not be read any more", responses.NOPERM)
        return ""
    flags_before = list(selected.flags_known())
    selected.rights = rights_now
    flags_now = list(selected.flags_known())
    session.outgoing += flags_now if flags_now != flags_before else []
    return ""


def _still(tx: ReadTx, home: Home, folder_id: FolderId) -> Rights:
    return rights.of(tx, folders.existing(tx, home.mailbox_id, folder_id, home.by, READ), home.by)


def _is_behind(view: FolderView, folder: Folder) -> bool:
    """Whether the folder has been seen with changes that the view does not have."""
    return (view.base if isinstance(view, ReaderView) else view).modseq < folder.modseq


def _catch_up(session: Session, known: commands.Known) -> Asking[None]:
    """RFC 7162 3.2.5: what vanished and what changed since the client was last here."""
    selected = session.selected
    assert selected is not None, "it was just selected"
    if known.modseq >= selected.view.modseq:
        return  # nothing: what came since this view is told later
    snapshot = snapshot_of(session, selected)
    matched = matched_up_to(snapshot, known.numbers, known.uids_of_numbers)
    read = partial(vanished, snapshot=snapshot, asked=known.uids, since=known.modseq, matched=matched)
    session.outgoing += responses.vanished((yield selected.home.read(read, heavy=True)), earlier=True)
    asked = EVERYTHING if known.uids is None else known.uids.resolve(MAX_UID)
    changed = selected.view.changed(asked, known.modseq)
    while some := list(islice(changed, PIECE_MESSAGES)):
        session.outgoing += [selected.flags_line(number, entry, uid=True) for number, entry in some]
        yield Pause(0.0)


def _watch(session: Session, home: Home, folder: Folder) -> Asking[tuple[Watch, FolderView]]:
    """The folder's view, from the one who has it already or from the store, and the watch that keeps it up to date."""
    is_gone = False

    def hear(change: Change, newest: FolderView | None) -> None:
        nonlocal is_gone
        is_gone = is_gone or isinstance(change, FolderRemoved | MailboxRemoved)
        session.hear(change, newest)

    place = (folder.mailbox_id, folder.folder_id)
    user = None if home.by is None else home.by.user
    is_inbox = folder.parent_id == ROOT and folder.name == INBOX
    watch = session.services.views.watch(*place, hear, modseq=folder.modseq, user=user, is_inbox=is_inbox)
    try:
        behind = 0
        while (view := watch.view) is None or (_is_behind(view, folder) and behind < BEHIND_PAUSES):
            if view is not None:
                # Committed, and read just now, but not told yet: a client must find what another has been told of.
                behind += 1
                yield Pause(BEHIND_SECONDS)
                continue
            read = partial(load, mailbox_id=place[0], folder_id=place[1], user=user, shared=watch.shared)
            watch.load((yield home.read(read, heavy=folder.n_exists > HEAVY_FOLDER)))
        if is_gone:
            raise NoSuchFolder("The folder has been deleted")
    except BaseException:
        watch.close()
        raise
    return watch, view


def _describe(selected: Selected, folder: Folder, *, rev2: bool) -> list[bytes]:
    """The untagged responses of SELECT, in the order of RFC 9051's example."""
    view = selected.view
    lines = [*selected.flags_known(), responses.exists(len(view))]
    if selected.shows_recent:
        lines.append(responses.recent(selected.recent_count()))
    if rev2:
        lines.append(_normalized(selected.path))
    elif _has_unseen(selected, folder) and not selected.uid_only:
        lines += _first_unseen(selected)
    lines.append(_said(selected, "UIDs stay", responses.code(b"UIDVALIDITY", folder.uidvalidity)))
    # The view's, not the row's, which may count messages that are told as new in a moment: a client that had been told
    # a UIDNEXT behind them would never look for them.
    lines.append(_said(selected, "Predicted", responses.code(b"UIDNEXT", view.uidnext)))
    lines.append(responses.highest_modseq(selected.modseq, selected.language))
    identifier = mailbox_id(folder.mailbox_id, folder.folder_id)
    lines.append(_said(selected, "The folder's own", responses.mailbox_id(identifier)))
    return lines


def _said(selected: Selected, text: str, code: bytes) -> bytes:
    return responses.untagged(b"OK", text, code, selected.language)


def _normalized(path: str) -> bytes:
    """RFC 9051 6.3.2: LIST, with OLDNAME if the client did not spell the name as we do."""
    known = folders.canonical(path)
    return responses.list_((), SEPARATOR, known, old_name=path if path != known else None, utf8=True)


def _has_unseen(selected: Selected, folder: Folder) -> bool:
    """Whether to look for the first unseen message: for readers only where that is soon done, for it is not counted."""
    return bool(folder.n_unseen) if selected.home.by is None else folder.n_exists <= HEAVY_FOLDER


def _first_unseen(selected: Selected) -> list[bytes]:
    for number, entry in selected.view.numbered(EVERYTHING):
        if not entry.flags & SEEN:
            return [_said(selected, "First unseen", responses.code(b"UNSEEN", number))]
    return []


def leave(session: Session) -> Asking[None]:
    r"""Leaves the selected folder, if any: what came meanwhile, and was told, is no longer \Recent to others."""
    selected = session.selected
    if selected is None:
        return
    session.deselect()
    last = selected.view.last_uid
    claims = selected.home.by is None and selected.shows_recent and not selected.read_only
    if claims and not selected.is_gone and selected.is_recent(last):
        with suppress(Refusal):  # the folder is gone, or the store is: whatever comes next need not fail for that
            yield selected.home.write(ClaimRecent(selected.home.mailbox_id, selected.folder_id, last + 1))


def do_close(session: Session, command: commands.Close) -> Steps:
    r"""RFC 9051 6.4.1: what is \Deleted goes, and nobody is told here, not even by a MODSEQ (RFC 7162 3.2.8)."""
    selected, home = here(session)
    if not selected.read_only:
        newest = selected.newest
        for uids in newest.slices(EVERYTHING, ROWS_PER_COMMAND):
            if any(entry.flags & DELETED for _, entry in newest.numbered(uids)):
                with suppress(NoPermission, NoSuchFolder):  # RFC 4314 4: CLOSE closes all the same
                    yield home.write(Expunge(home.mailbox_id, selected.folder_id, uids, home.by), bulk=True)
    yield from leave(session)
    return "Closed"


def do_unselect(session: Session, command: commands.Unselect) -> Steps:
    """RFC 9051 6.4.2."""
    yield from leave(session)
    return "Unselected"


def do_idle(session: Session, command: commands.Idle) -> Steps:
    """RFC 2177: everything is told as it happens, until the client says DONE."""
    session.send(responses.continuation("Idling", session.language))
    session.is_idling = True
    try:
        if session.selected is not None and session.selected.has_news:
            # In a packet of its own: what comes in one with the continuation Thunderbird looks at when more comes.
            session.wake()
        line = yield Await.LINE
    finally:
        session.is_idling = False
    if getattr(line, "text", b"").upper() != b"DONE":
        raise bad("Expected DONE")
    return "Idle no more"
