"""APPEND: messages are taken in, piece by piece, and filed all together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import folders, items
from core.commands import Append
from core.ports import ReadTx
from core.rights import INSERT
from protocols.imap import commands
from protocols.imap.handlers.receiving import Intake, Opened, may_know_uids, opened, target
from protocols.imap.saying import responses
from protocols.imap.work import Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session


def do_append(session: Session, request: commands.Append | Opened) -> Steps:
    """RFC 9051 6.3.12, RFC 3502, RFC 4469.  What can be refused is refused before the octets are sent."""
    command, start = opened(request)
    named = target(session, command.mailbox)
    home, path = named.home, named.path
    quota = session.services.quota(home)

    def check(tx: ReadTx, octets: int) -> None:
        folders.selectable(tx, home.mailbox_id, path, home.by, INSERT)
        items.check_quota(tx, home.mailbox_id, quota, octets)

    intake = Intake(session, command, home, check)
    try:
        filings = yield from intake.take(start)
        now = session.services.clock.now()
        appended = yield from intake.file(Append(home.mailbox_id, path, filings, now, quota, home.by))
    finally:
        intake.discard()
    uids = ((appended.uid, appended.uid + appended.count - 1),)
    session.put_here(home, appended.uidvalidity, uids)
    if not (yield from may_know_uids(named)):
        return "Appended"
    return "Appended", responses.append_uid(appended.uidvalidity, uids)
