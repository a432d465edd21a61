"""APPEND: a message is taken in, piece by piece, and filed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import folders, items
from core.commands import Append, Appended, Flags
from core.errors import NoSuchFolder
from core.ports import ReadTx
from protocols.imap import commands, responses
from protocols.imap.fragments import CommandEnd, LiteralData, LiteralStart, Refused
from protocols.imap.grammar import BadSyntax, check_append_end
from protocols.imap.refusals import Rejected, bad
from protocols.imap.services import Account, Spool
from protocols.imap.work import Asking, Await, Compute, Read, Steps, Write

if TYPE_CHECKING:
    from protocols.imap.session import Session

SMALL_MESSAGE = 64 * 1024  # octets; finishing a smaller one takes less than handing it to a thread


def do_append(session: Session, request: tuple[commands.Append, LiteralStart]) -> Steps:
    """RFC 9051 6.3.12.  What can be refused is refused before the message is sent."""
    command, start = request
    account = session.signed_in
    quota = session.services.quota(account)
    try:
        if not start.size:
            raise Rejected("An empty message gives up the APPEND")  # RFC 3502 6.3.11
        yield Read(lambda tx: _check(tx, account, command.mailbox, quota, start.size))
    except (Rejected, NoSuchFolder) as no:
        session.refuse_literal()
        raise _try_create(no) from None
    except BaseException:
        session.refuse_literal()
        raise
    session.accept_literal()
    if start.sync:
        session.send(responses.continuation())
    spool = session.services.spool(account)
    try:
        yield from _receive(session, spool, command, binary=start.binary)
        small = spool.size <= SMALL_MESSAGE
        message = spool.finish() if small else (yield Compute(spool.finish))
        now = session.services.clock.now()
        date = command.date or commands.DateTime(now, 0)
        flags = Flags(command.flags.system, command.flags.keywords)
        append = Append(account.mailbox_id, command.mailbox, message, flags, date.microseconds, date.zone, now, quota)
        appended: Appended = yield from _write(spool, append)
    except NoSuchFolder as no:
        raise _try_create(no) from None
    finally:
        spool.discard()
    code = responses.append_uid(appended.uidvalidity, ((appended.uid, appended.uid),))
    return "Appended", code


def _write(spool: Spool, append: Append) -> Asking[Appended]:
    try:
        appended: Appended = yield Write(append)
    except GeneratorExit:
        spool.keep()  # the client is gone, but the writer goes on, and may be about to name the body
        raise
    spool.keep()
    return appended


def _check(tx: ReadTx, account: Account, path: str, quota: int | None, octets: int) -> None:
    folders.selectable(tx, account.mailbox_id, path)
    items.check_quota(tx, account.mailbox_id, quota, octets)


def _try_create(no: Rejected | NoSuchFolder) -> Rejected:
    """RFC 9051 6.3.12: the client is told that it may create the folder and try again."""
    return no if isinstance(no, Rejected) else Rejected(str(no), code=responses.TRYCREATE)


def _receive(session: Session, spool: Spool, command: commands.Append, *, binary: bool) -> Asking[None]:
    """Takes the message, to the end of the command.

    RFC 3516 4.4: what came as a literal8 may hold NUL, and must be refused with this code where that is not stored.
    """
    has_nul = False
    while True:
        match (yield Await.LITERAL):
            case LiteralData(chunk):
                has_nul = has_nul or (binary and b"\0" in chunk)
                spool.write(chunk)
            case CommandEnd(text, literals):
                if has_nul:
                    raise Rejected("Messages with NUL are not taken", code=responses.UNKNOWN_CTE)
                try:
                    check_append_end(text, literals, utf8=command.utf8, tag=command.tag)
                except BadSyntax as fault:
                    raise bad(fault.text) from None
                return
            case Refused(text=text, code=code):
                raise Rejected(text.decode("ascii"), status=b"BAD", code=code)
            case LiteralStart():
                session.refuse_literal()
                raise bad("One message at a time")
