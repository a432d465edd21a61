"""REPLACE: a message is taken in, and takes the place of another in one step (RFC 8508)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import folders, items
from core.commands import Replace
from core.errors import MessageExpunged
from core.model import UID
from core.ports import ReadTx
from core.rights import INSERT
from protocols.imap import commands
from protocols.imap.handlers.chosen import chosen, here, writable
from protocols.imap.handlers.receiving import Intake, Opened, opened
from protocols.imap.naming.homes import within
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.selected import Selected
from protocols.imap.work import Answer, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session


def do_replace(session: Session, request: commands.Replace | Opened) -> Steps:
    """RFC 8508 3.4, 4.3: the new message's UID is told before the old one goes, and nothing before all is done."""
    command, start = opened(request)
    assert isinstance(command, commands.Replace), "COMMANDS brings no other here"
    selected, home = here(session)
    writable(selected)
    uid = _replaced(selected, command)
    path = within(session, home, command.mailbox)
    place = (home.mailbox_id, selected.folder_id)
    quota = session.services.quota(home)

    def check(tx: ReadTx, octets: int) -> None:
        folders.selectable(tx, home.mailbox_id, path, home.by, INSERT)
        sizes = [size for _, size, _, _ in tx.sizes(*place, uid, uid)]
        if not sizes:
            raise MessageExpunged("The message has been expunged")
        if octets > sizes[0]:
            items.check_quota(tx, home.mailbox_id, quota, octets - sizes[0])

    intake = Intake(session, command, home, check)
    try:
        filings = yield from intake.take(start)
        append = (home.mailbox_id, path, filings, session.services.clock.now(), quota, home.by)
        appended = yield from intake.file(Replace(*append, folder_id=selected.folder_id, uid=uid))
    finally:
        intake.discard()
    session.put_here(home, appended.uidvalidity, ((appended.uid, appended.uid),))
    code = responses.append_uid(appended.uidvalidity, ((appended.uid, appended.uid),))
    session.say("Replaced", code)
    session.outgoing += selected.tell(expunge=True, uid=command.uid)
    return _done(session, selected)


def _replaced(selected: Selected, command: commands.Replace) -> UID:
    """The message that is to go."""
    uids = chosen(selected, command.sequence, uid=command.uid)
    if not uids:
        raise Rejected("There is no such message", code=responses.NONEXISTENT)  # RFC 5530
    if selected.lost(uids):
        raise Rejected("The message has been expunged", code=responses.EXPUNGEISSUED)
    return UID(uids[0][0])


def _done(session: Session, selected: Selected) -> Answer:
    """RFC 8508 4.5: as if the message had been removed by UID EXPUNGE (RFC 7162 3.2.9)."""
    text = "REPLACE completed"
    if "QRESYNC" not in session.enabled:
        return text
    return text, responses.code(b"HIGHESTMODSEQ", selected.modseq)
