"""COPY and MOVE: within a mailbox, to another mailbox of the same database, and to one of another database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core import copying, folders, items
from core.commands import Append, Appended, Copied, Copy, Expunge, Filing, Flags
from core.errors import NoSuchFolder, Unavailable
from core.limits import COPY_ROWS, ROWS_PER_COMMAND
from core.model import Entry, FolderId, Incoming, Item, UIDRanges, email_id, ranges
from core.ports import ReadTx
from core.rights import INSERT
from protocols.imap import commands, limits
from protocols.imap.handlers.chosen import chosen, here, writable
from protocols.imap.handlers.do_messages import expunged
from protocols.imap.handlers.progress import Progress
from protocols.imap.handlers.receiving import described, may_know_uids, target, try_create
from protocols.imap.naming.homes import Home, Named
from protocols.imap.reading.catenate import Part
from protocols.imap.reading.sections import Message
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.services import Spool
from protocols.imap.work import Answer, Asking, Compute, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

FAR_SLICE = 100  # messages of a MOVE to another database that are copied, and then removed, at once


def do_copy(session: Session, command: commands.Copy) -> Steps:
    """RFC 9051 6.4.7: all or nothing."""
    selected, _ = here(session)
    wanted = chosen(selected, command.sequence, uid=command.uid)
    if not command.uid and selected.lost(wanted):
        raise expunged()  # RFC 2180 4.4.1: some of what the client counted would be missing from the copy
    there = target(session, command.mailbox)
    copied = yield from _transfer(session, wanted, there, move=False)
    if not (yield from may_know_uids(there)):
        copied = Copied(0, (), ())
    return _copied(copied, f"{'UID ' if command.uid else ''}COPY completed")


def do_move(session: Session, command: commands.Move) -> Steps:
    """RFC 9051 6.4.8: COPYUID comes before the EXPUNGEs, since those renumber the messages."""
    selected, home = here(session)
    writable(selected)
    wanted = chosen(selected, command.sequence, uid=command.uid)
    there = target(session, command.mailbox)
    progress = Progress(session, command.tag, selected.view.count(wanted))
    done, is_moved = 0, False
    size = ROWS_PER_COMMAND if there.home.database_id == home.database_id else FAR_SLICE
    for uids in selected.view.slices(wanted, size):
        count = selected.view.count(uids)
        moved = yield from _transfer(session, uids, there, move=True)
        done += count
        if moved.source and (yield from may_know_uids(there)):
            code = responses.copy_uid(moved.uidvalidity, moved.source, moved.target)
            session.say("Moved", code)
        session.outgoing += selected.tell(expunge=True, uid=command.uid)
        progress.reached(done)
        is_moved = is_moved or bool(moved.source)
    if not wanted:
        yield from _transfer(session, (), there, move=True)  # the folder must exist all the same
    text = f"{'UID ' if command.uid else ''}MOVE completed"
    if is_moved and "CONDSTORE" in session.enabled:
        return text, responses.code(b"HIGHESTMODSEQ", selected.modseq)  # RFC 6851 4.4
    return text


def _copied(copied: Copied, text: str) -> Answer:
    if not copied.source:
        return text
    return text, responses.copy_uid(copied.uidvalidity, copied.source, copied.target)


def _transfer(session: Session, uids: UIDRanges, there: Named, *, move: bool) -> Asking[Copied]:
    selected, home = here(session)
    far = there.home
    if far.database_id != home.database_id:
        return (yield from _carry_over(session, uids, there, move=move))
    now, quota = session.services.clock.now(), session.services.quota(far)
    place = (home.mailbox_id, selected.folder_id)
    command = Copy(*place, uids, there.path, now, move, quota, home.by, far.mailbox_id, far.by)
    is_large = sum(high - low for low, high in uids) > COPY_ROWS // 10
    try:
        copied: Copied = yield home.write(command, bulk=is_large)
    except NoSuchFolder as no:
        raise try_create(no) from None
    session.put_here(far, copied.uidvalidity, copied.target)
    return copied


# ---------------------------------------------------------------------------------------------- to another database


def _carry_over(session: Session, uids: UIDRanges, there: Named, *, move: bool) -> Asking[Copied]:
    """Files copies of the messages there, and only then removes them here: a crash leaves a copy, and never a hole."""
    selected, home = here(session)
    if selected.view.count(uids) > limits.APPEND_MESSAGES:
        text = f"No more than {limits.APPEND_MESSAGES} messages can be copied to another database at once"
        raise Rejected(text, code=responses.LIMIT)
    yield home.read(partial(copying.check_taken, place=(home.mailbox_id, selected.folder_id), by=home.by, move=move))
    carrier = _Carrier(session, home, selected.folder_id, there)
    try:
        for _, entry in list(selected.view.numbered(uids)):
            yield from carrier.take(entry, selected.view.keywords)
        copied = yield from carrier.file()
        session.put_here(there.home, copied.uidvalidity, copied.target)
    finally:
        carrier.discard()
    if move and copied.source:
        gone = Expunge(home.mailbox_id, selected.folder_id, copied.source, home.by, marked_only=False)
        yield home.write(gone)
    return copied


class _Carrier:
    """Messages on their way from one database to another."""

    def __init__(self, session: Session, home: Home, folder_id: FolderId, there: Named) -> None:
        self._session = session
        self._home = home
        self._folder_id = folder_id
        self._there = there
        self._spool: Spool | None = None
        self._taken: list[int] = []
        self._filings: list[Filing] = []
        self._octets = 0
        self._described = 0

    def take(self, entry: Entry, keywords: tuple[str, ...]) -> Asking[None]:
        """Reads a message, unless it is gone; its flags are those that the client knows."""
        found: tuple[Item, Part] | None = yield self._home.read(partial(self._find, uid=entry.uid))
        if found is None:
            return
        item, part = found
        self._octets += part.size
        if self._octets > limits.APPEND_OCTETS:
            raise Rejected("That is too large to be copied to another database at once", code=responses.LIMIT)
        yield from self._check()
        far = self._there.home
        spool = self._spool = self._session.services.spool(far) if self._spool is None else self._spool.another()
        for read in part.reads():
            spool.write((yield read))
        message: Incoming = yield Compute(spool.finish)
        self._described += described(message)
        if self._described > limits.APPEND_DESCRIBED:
            raise Rejected("The messages have too much structure to be copied at once", code=responses.LIMIT)
        names = tuple(name for bit, name in enumerate(keywords) if entry.keywords >> bit & 1)
        name = item.email_id or email_id(self._home.mailbox_id, item.message_id)
        flags = Flags(entry.flags, names)
        self._filings.append(Filing(message, flags, item.internal_at, item.internal_zone, name))
        self._taken.append(entry.uid)

    def _find(self, tx: ReadTx, uid: int) -> tuple[Item, Part] | None:
        for item in list(tx.items(self._home.mailbox_id, self._folder_id, uid, uid)):
            return item, Part(self._home, item.prefix, Message(tx, item).blob, 0, item.size)
        return None

    def _check(self) -> Asking[None]:
        """What can be refused is refused before anything is copied."""
        home, path, quota = self._there.home, self._there.path, self._session.services.quota(self._there.home)

        def check(tx: ReadTx) -> None:
            folders.selectable(tx, home.mailbox_id, path, home.by, INSERT)
            items.check_quota(tx, home.mailbox_id, quota, self._octets)

        try:
            yield home.read(check)
        except NoSuchFolder as no:
            raise try_create(no) from None

    def file(self) -> Asking[Copied]:
        """Files all that was taken."""
        if self._spool is None:
            yield from self._check()
            return Copied(0, (), ())
        services, far = self._session.services, self._there.home
        filings, now, quota = tuple(self._filings), services.clock.now(), services.quota(far)
        try:
            append = Append(far.mailbox_id, self._there.path, filings, now, quota, far.by)
            appended: Appended = yield far.write(append, bulk=True)
        except NoSuchFolder as no:
            raise try_create(no) from None
        except (GeneratorExit, Unavailable):
            # The client is gone, but the writer goes on; or nobody knows what it has done: a row may name the bodies.
            self._spool.keep()
            raise
        self._spool.keep()
        last = appended.uid + appended.count - 1
        return Copied(appended.uidvalidity, ranges(self._taken), ((appended.uid, last),))

    def discard(self) -> None:
        """Nothing is to come of it, unless it was filed."""
        if self._spool is not None:
            self._spool.discard()
