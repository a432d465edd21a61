"""Entering and leaving a folder: SELECT, EXAMINE, CLOSE, UNSELECT, IDLE."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from core import folders
from core.changes import Change, FolderChange
from core.commands import ClaimRecent, Expunge
from core.errors import NoSuchFolder, Refusal
from core.limits import ROWS_PER_COMMAND
from core.model import DELETED, MAX_UID, SEEN, SEPARATOR, Folder, FolderId, MailboxId
from core.ports import ReadTx
from core.view import FolderView, Watch
from protocols.imap import commands, responses
from protocols.imap.chosen import EVERYTHING, snapshot_of
from protocols.imap.fetching import PIECE_MESSAGES
from protocols.imap.objectids import mailbox_id
from protocols.imap.refusals import bad, uid_required
from protocols.imap.resync import matched_up_to, vanished
from protocols.imap.selected import Selected
from protocols.imap.work import Asking, Await, Pause, Read, Steps, Write

if TYPE_CHECKING:
    from protocols.imap.session import Session

HEAVY_FOLDER = 2_000  # messages; a smaller folder is read on the spot


def do_select(session: Session, command: commands.Select) -> Steps:
    """RFC 9051 6.3.2-3.  A SELECT that fails leaves the session without a folder."""
    account, known = session.signed_in, command.known
    if known is not None and "QRESYNC" not in session.enabled:
        raise bad("QRESYNC needs ENABLE first")  # RFC 7162 3.2.5
    if known is not None and known.numbers and "UIDONLY" in session.enabled:
        raise uid_required()
    if session.selected is not None:
        yield from leave(session)
        session.send(responses.untagged(b"OK", "The folder before is closed", responses.CLOSED))
    folder: Folder = yield Read(lambda tx: folders.selectable(tx, account.mailbox_id, command.mailbox))
    recent_from = folder.recent_from
    if not session.is_rev2 and not command.examine and recent_from < folder.uidnext:
        recent_from = yield Write(ClaimRecent(account.mailbox_id, folder.folder_id, folder.uidnext))
    watch, view = yield from _watch(session, folder)
    # Nothing is waited for from here on, so no change can fall between this view and what is heard later.
    selected = Selected(
        command.mailbox, folder.folder_id, watch, view, read_only=command.examine, enabled=session.enabled
    )
    selected.recent_from, selected.shows_recent = recent_from, not session.is_rev2
    session.select(selected)
    session.outgoing += _describe(selected, folder, rev2=session.is_rev2)
    if command.condstore:
        session.enabled.add("CONDSTORE")
    if known is not None and known.uidvalidity == folder.uidvalidity:
        try:
            yield from _catch_up(session, known)
        except BaseException:
            session.deselect()
            raise
    code = responses.READ_ONLY if command.examine else responses.READ_WRITE
    return "Examined" if command.examine else "Selected", code


def _catch_up(session: Session, known: commands.Known) -> Asking[None]:
    """RFC 7162 3.2.5: what vanished and what changed since the client was last here."""
    selected = session.selected
    assert selected is not None, "it was just selected"
    if known.modseq >= selected.view.modseq:
        return  # nothing: what came since this view is told later
    snapshot = snapshot_of(session, selected, session.signed_in)
    matched = matched_up_to(snapshot, known.numbers, known.uids_of_numbers)
    read = partial(vanished, snapshot=snapshot, asked=known.uids, since=known.modseq, matched=matched)
    session.outgoing += responses.vanished((yield Read(read, heavy=True)), earlier=True)
    asked = EVERYTHING if known.uids is None else known.uids.resolve(MAX_UID)
    changed = selected.view.changed(asked, known.modseq)
    while some := list(islice(changed, PIECE_MESSAGES)):
        session.outgoing += [selected.flags_line(number, entry, uid=True) for number, entry in some]
        yield Pause(0.0)


def _watch(session: Session, folder: Folder) -> Asking[tuple[Watch, FolderView]]:
    """The folder's view, from the one who has it already or from the store, and the watch that keeps it up to date."""
    is_gone = False

    def hear(change: Change, newest: FolderView | None) -> None:
        nonlocal is_gone
        is_gone = is_gone or not isinstance(change, FolderChange)
        session.hear(change, newest)

    watch = session.services.views.watch(folder.mailbox_id, folder.folder_id, hear, modseq=folder.modseq)
    try:
        while (view := watch.view) is None:
            is_large = folder.n_exists > HEAVY_FOLDER
            loaded = yield Read(lambda tx: load(tx, folder.mailbox_id, folder.folder_id), heavy=is_large)
            watch.load(loaded)
        if is_gone:
            raise NoSuchFolder("The folder has been deleted")
    except BaseException:
        watch.close()
        raise
    return watch, view


def load(tx: ReadTx, mailbox_id: MailboxId, folder_id: FolderId) -> FolderView:
    """The view of a folder as this snapshot has it."""
    folder = folders.existing(tx, mailbox_id, folder_id)
    entries = tx.entries(mailbox_id, folder_id, 1, MAX_UID)
    return FolderView.of(entries, folder.modseq, tx.keywords(mailbox_id, folder_id), folder.uidnext)


def _describe(selected: Selected, folder: Folder, *, rev2: bool) -> list[bytes]:
    """The untagged responses of SELECT, in the order of RFC 9051's example."""
    view = selected.view
    lines = [*selected.flags_known(), responses.exists(len(view))]
    if selected.shows_recent:
        lines.append(responses.recent(selected.recent_count()))
    if rev2:
        lines.append(_normalized(selected.path))
    elif folder.n_unseen and not selected.uid_only:
        lines += _first_unseen(view)
    lines.append(responses.untagged(b"OK", "UIDs stay", responses.code(b"UIDVALIDITY", folder.uidvalidity)))
    # The view's, not the row's, which may count messages that are told as new in a moment: a client that had been told
    # a UIDNEXT behind them would never look for them.
    lines.append(responses.untagged(b"OK", "Predicted", responses.code(b"UIDNEXT", view.uidnext)))
    lines.append(responses.highest_modseq(selected.modseq))
    identifier = mailbox_id(folder.mailbox_id, folder.folder_id)
    lines.append(responses.untagged(b"OK", "The folder's own", responses.mailbox_id(identifier)))
    return lines


def _normalized(path: str) -> bytes:
    """RFC 9051 6.3.2: LIST, with OLDNAME if the client did not spell the name as we do."""
    known = folders.canonical(path)
    return responses.list_((), SEPARATOR, known, old_name=path if path != known else None, utf8=True)


def _first_unseen(view: FolderView) -> list[bytes]:
    for number, entry in view.numbered(EVERYTHING):
        if not entry.flags & SEEN:
            return [responses.untagged(b"OK", "First unseen", responses.code(b"UNSEEN", number))]
    return []


def leave(session: Session) -> Asking[None]:
    r"""Leaves the selected folder, if any: what came meanwhile, and was told, is no longer \Recent to others."""
    selected, account = session.selected, session.account
    if selected is None or account is None:
        return
    session.deselect()
    last = selected.view.last_uid
    if selected.shows_recent and not selected.read_only and not selected.is_gone and selected.is_recent(last):
        with suppress(Refusal):  # the folder is gone, or the store is: whatever comes next need not fail for that
            yield Write(ClaimRecent(account.mailbox_id, selected.folder_id, last + 1))


def do_close(session: Session, command: commands.Close) -> Steps:
    r"""RFC 9051 6.4.1: what is \Deleted goes, and nobody is told here, not even by a MODSEQ (RFC 7162 3.2.8)."""
    selected, account = session.selected, session.signed_in
    assert selected is not None, "COMMANDS lets CLOSE run only when selected"
    if not selected.read_only:
        newest = selected.newest
        for uids in newest.slices(EVERYTHING, ROWS_PER_COMMAND):
            if any(entry.flags & DELETED for _, entry in newest.numbered(uids)):
                yield Write(Expunge(account.mailbox_id, selected.folder_id, uids), bulk=True)
    yield from leave(session)
    return "Closed"


def do_unselect(session: Session, command: commands.Unselect) -> Steps:
    """RFC 9051 6.4.2."""
    yield from leave(session)
    return "Unselected"


def do_idle(session: Session, command: commands.Idle) -> Steps:
    """RFC 2177: everything is told as it happens, until the client says DONE."""
    session.send(responses.continuation("Idling"))
    session.is_idling = True
    try:
        if session.selected is not None:
            session.tell_idle()
        line = yield Await.LINE
    finally:
        session.is_idling = False
    if getattr(line, "text", b"").upper() != b"DONE":
        raise bad("Expected DONE")
    return "Idle no more"
