"""The selected folder's messages: FETCH, STORE, EXPUNGE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from core import folders
from core.commands import Expunge, FlagMode, Flags, Stored, StoreFlags
from core.errors import NoPermission, Refusal
from core.flags import check_store
from core.limits import ROWS_PER_COMMAND
from core.model import DELETED, SEEN, UIDRanges, each, ranges
from core.rights import EXPUNGE
from protocols.imap import commands
from protocols.imap.handlers.chosen import EVERYTHING, chosen, here, snapshot_of, writable
from protocols.imap.handlers.progress import Progress
from protocols.imap.naming.homes import Home
from protocols.imap.reading.fetching import PIECE_MESSAGES, Piece, Rows, lines, plan, render
from protocols.imap.reading.resync import vanished
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected, bad
from protocols.imap.selected import Selected
from protocols.imap.work import Asking, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

LOST = "Some of the messages have been expunged"
FEW_MESSAGES = 10  # are read on the spot, their bodies too: a piece is bounded, and asking a thread costs more


# ---------------------------------------------------------------------------------------------- FETCH


def do_fetch(session: Session, command: commands.Fetch) -> Steps:
    """RFC 9051 6.4.5.  The answer is made and sent piece by piece."""
    selected, home = here(session)
    if command.changed_since is not None or commands.Item.MODSEQ in command.items:
        session.enable("CONDSTORE")
    wanted = yield from _fetched(session, command)
    marks_seen = (
        not selected.read_only
        and bool(selected.may.system & SEEN)
        and any(not getattr(item, "peek", True) for item in command.items)
    )
    is_lossy = is_unknown = False
    slices = list(selected.view.slices(wanted, PIECE_MESSAGES))
    for uids in slices:
        items = _without_uid(command.items) if selected.uid_only else command.items
        if marks_seen and (yield from _mark_seen(session, uids)):
            items = (*items, *_flags_owed(session, items))
        how = plan(items)
        snapshot = snapshot_of(session, selected)
        if how.rows is Rows.NONE and len(slices) == 1:
            session.outgoing += lines(snapshot, how, uids)
            continue
        is_heavy = how.decodes or (how.rows is Rows.ITEMS and _is_long(selected, uids))
        while uids:
            piece: Piece = yield home.read(partial(render, snapshot=snapshot, plan=how, uids=uids), heavy=is_heavy)
            is_lossy, is_unknown = is_lossy or piece.is_lossy, is_unknown or piece.is_unknown
            yield from send_piece(session, home, piece)
            uids = tuple((max(low, piece.last_uid + 1), high) for low, high in uids if high > piece.last_uid)
    if is_unknown:
        raise Rejected("A part has an unknown transfer encoding", code=responses.UNKNOWN_CTE)
    if is_lossy:
        raise expunged()
    return f"{'UID ' if command.uid else ''}FETCH completed"


def _fetched(session: Session, command: commands.Fetch) -> Asking[UIDRanges]:
    """The messages that FETCH is about, by its set and its modifiers; those that vanished are told here."""
    selected, home = here(session)
    if command.vanished:
        if "QRESYNC" not in session.enabled:
            raise bad("VANISHED needs ENABLE QRESYNC first")  # RFC 7162 3.2.6
        snapshot = snapshot_of(session, selected)
        asked = commands.SequenceSet(selected.saved) if command.sequence.saved else command.sequence
        since = command.changed_since or 0
        gone: UIDRanges = yield home.read(partial(vanished, snapshot=snapshot, asked=asked, since=since), heavy=True)
        session.outgoing += responses.vanished(gone, earlier=True)
    wanted = chosen(selected, command.sequence, uid=command.uid)
    if command.page is not None:  # RFC 9394 3.4: the page first, then what has changed in it
        wanted = selected.view.part(wanted, *command.page.of(selected.view.count(wanted)))
    if command.changed_since is not None:
        wanted = selected.view.changed_since(wanted, command.changed_since)
    return wanted


def _without_uid(items: tuple[commands.FetchItem, ...]) -> tuple[commands.FetchItem, ...]:
    """RFC 9586: UIDFETCH begins with the UID, and need not repeat it."""
    return tuple(item for item in items if item is not commands.Item.UID) or items


def _flags_owed(session: Session, items: tuple[commands.FetchItem, ...]) -> Iterator[commands.FetchItem]:
    r"""What a response that also tells of \Seen holds beside what was asked for (RFC 7162 3.1, 3.2.4)."""
    owed = [commands.Item.FLAGS]
    if "CONDSTORE" in session.enabled:
        owed += [commands.Item.MODSEQ] if "UIDONLY" in session.enabled else [commands.Item.UID, commands.Item.MODSEQ]
    return (item for item in owed if item not in items)


def _is_long(selected: Selected, uids: UIDRanges) -> bool:
    low, high = uids[0][0], uids[-1][1]
    return high - low > FEW_MESSAGES and selected.view.number(high) - selected.view.number(low) > FEW_MESSAGES


def tell_messages(session: Session, uids: UIDRanges, items: tuple[commands.FetchItem, ...]) -> Asking[None]:
    """What a client has asked to be told of messages that come (RFC 5465 5.2, 7)."""
    selected, home = here(session)
    how = plan(_without_uid(items) if selected.uid_only else items)
    for some in selected.view.slices(uids, PIECE_MESSAGES):
        left: UIDRanges = some
        while left:
            run = partial(render, snapshot=snapshot_of(session, selected), plan=how, uids=left)
            piece: Piece = yield home.read(run, heavy=True)
            yield from send_piece(session, home, piece)
            left = tuple((max(low, piece.last_uid + 1), high) for low, high in left if high > piece.last_uid)


def send_piece(session: Session, home: Home, piece: Piece) -> Asking[None]:
    """Sends a piece; what is large in it, part by part."""
    for octets in piece.octets:
        if isinstance(octets, bytes):
            session.send(octets)
            continue
        left = octets.size
        try:
            with session.sending_literal():
                while left and (part := (yield home.read(octets.read, heavy=True))):
                    left -= len(part)
                    session.send(part)
        except Refusal:
            session.cut()
            raise
        if left:
            session.cut()
            raise expunged()


def expunged() -> Rejected:
    """RFC 5530: the client still sees a message that is gone."""
    return Rejected(LOST, code=responses.EXPUNGEISSUED)


def _mark_seen(session: Session, uids: UIDRanges) -> Asking[bool]:
    r"""Reading a body sets \Seen (RFC 9051 6.4.5); whether any of these messages changed by it."""
    selected, home = here(session)
    unseen = ranges(entry.uid for _, entry in selected.view.numbered(uids) if not entry.flags & SEEN)
    if not unseen:
        return False
    command = StoreFlags(home.mailbox_id, selected.folder_id, unseen, FlagMode.ADD, Flags(SEEN), by=home.by)
    try:
        stored: Stored = yield home.write(command)
    except NoPermission:  # not any more: RFC 4314 4, what was asked for is given all the same
        return False
    session.outgoing += selected.tell(expunge=False, quiet=stored.modseq)
    return stored.modseq != 0


# ---------------------------------------------------------------------------------------------- STORE

_MODES = {"add": FlagMode.ADD, "remove": FlagMode.REMOVE, "replace": FlagMode.REPLACE}


def do_store(session: Session, command: commands.Store) -> Steps:
    """RFC 9051 6.4.6: every message named is answered with its flags, unless .SILENT; RFC 7162 3.1.3."""
    selected, home = here(session)
    writable(selected)
    if command.unchanged_since is not None:
        session.enable("CONDSTORE")
    wanted = chosen(selected, command.sequence, uid=command.uid)
    flags = Flags(command.flags.system, command.flags.keywords)
    if selected.rights.own_only:  # all or nothing, though it is done in slices (T-2.4)
        whole = StoreFlags(home.mailbox_id, selected.folder_id, wanted, _MODES[command.mode], flags, None, home.by)
        yield home.read(partial(check_store, command=whole), heavy=True)
    progress = Progress(session, command.tag, len(selected.view))
    is_lossy = False
    modified: UIDRanges = ()
    for uids in selected.view.slices(wanted, ROWS_PER_COMMAND):
        place = (home.mailbox_id, selected.folder_id)
        store = StoreFlags(*place, uids, _MODES[command.mode], flags, command.unchanged_since, home.by)
        stored: Stored = yield home.write(store, bulk=uids != wanted)
        session.outgoing += selected.tell(expunge=command.uid, uid=command.uid, quiet=stored.modseq)
        modified += stored.modified
        is_lossy = _answer_store(session, command, uids, stored) or is_lossy
        progress.reached(selected.view.number(uids[-1][1]))
    code = None
    if modified:
        numbers = modified if command.uid else ranges(map(selected.view.number, each(modified)))
        code = responses.modified(numbers)
    if is_lossy:
        raise Rejected(LOST, code=code or responses.EXPUNGEISSUED)  # RFC 2180 4.2.2, 4.2.3
    text = f"{'UID ' if command.uid else ''}STORE completed"
    return text if code is None else (f"{text}, but for what had changed", code)


def _answer_store(session: Session, command: commands.Store, uids: UIDRanges, stored: Stored) -> bool:
    """The lines for a slice of a STORE; whether a message of it is gone.

    RFC 7162 3.1.3: a client that keeps MODSEQs hears of them even where it wanted silence, and is told the state of
    what it was not allowed to change.
    """
    selected, _ = here(session)
    kept = set(each(stored.modified))
    owes_modseq = "CONDSTORE" in session.enabled
    if command.silent and not kept and not owes_modseq:
        return False
    is_lossy = False
    for number, entry in selected.view.numbered(uids):
        if selected.is_ghost(entry.uid):
            is_lossy = is_lossy or not command.silent
        elif not command.silent or entry.uid in kept:
            session.send(selected.flags_line(number, entry, uid=command.uid))
        elif owes_modseq and entry.modseq == stored.modseq:
            session.send(selected.modseq_line(number, entry, uid=command.uid))
    return is_lossy


# ---------------------------------------------------------------------------------------------- EXPUNGE


def do_expunge(session: Session, command: commands.Expunge) -> Steps:
    """RFC 9051 6.4.3, 6.4.9."""
    selected, home = here(session)
    writable(selected)
    if home.by is not None:  # also where nothing is marked
        place = (home.mailbox_id, selected.folder_id, home.by, EXPUNGE)
        yield home.read(lambda tx: folders.existing(tx, *place))
    wanted = EVERYTHING if command.uids is None else chosen(selected, command.uids, uid=True)
    gone = 0
    newest = selected.newest  # all that are \Deleted go, though their flags are still to be told (RFC 9051 6.4.3)
    for uids in newest.slices(wanted, ROWS_PER_COMMAND):
        if any(entry.flags & DELETED for _, entry in newest.numbered(uids)):
            expunge = Expunge(home.mailbox_id, selected.folder_id, uids, home.by)
            gone += yield home.write(expunge, bulk=uids[-1][1] < newest.last_uid)
            session.outgoing += selected.tell(expunge=True)
    if gone and "QRESYNC" in session.enabled:
        return "EXPUNGE completed", responses.code(b"HIGHESTMODSEQ", selected.modseq)  # RFC 7162 3.2.7, 3.2.9
    return "EXPUNGE completed"
