"""Access control lists: SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core import folders, rights
from core.commands import FlagMode, SetGrant
from core.errors import NoSuchFolder
from core.ports import ReadTx
from core.recipients import RecipientId
from core.rights import ADMINISTER, Grant, Rights
from protocols.imap import commands
from protocols.imap.naming.homes import Home, Named, locate
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Asking, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

_MODES = {"add": FlagMode.ADD, "remove": FlagMode.REMOVE, "replace": FlagMode.REPLACE}
# RFC 4314 3.5: with none of these a folder is not there.
_ANY = rights.LOOKUP | rights.READ | rights.INSERT | rights.CREATE | rights.DELETE_FOLDER | rights.ADMINISTER


def do_set_acl(session: Session, command: commands.SetAcl) -> Steps:
    """RFC 4314 3.1."""
    mode, given = _MODES[command.mode], rights.mask(command.rights)
    yield from _set(session, command.mailbox, command.identifier, mode, given)
    return "SETACL completed"


def do_delete_acl(session: Session, command: commands.DeleteAcl) -> Steps:
    """RFC 4314 3.2: a line that is not there is no error."""
    yield from _set(session, command.mailbox, command.identifier, FlagMode.REPLACE, 0)
    return "DELETEACL completed"


def _set(session: Session, name: str, identifier: str, mode: FlagMode, given: int) -> Asking[None]:
    named = locate(session, name)
    home = named.home
    yield home.read(partial(_administered, named=named))  # before anything is said about the identifier
    trustee, is_denied = _trustee(session, identifier)
    if trustee == _owner(session, home):
        raise Rejected("The owner may do everything, always", code=responses.CANNOT)
    yield home.write(SetGrant(home.mailbox_id, named.path, trustee, is_denied, mode, given, home.by))


def do_get_acl(session: Session, command: commands.GetAcl) -> Steps:
    """RFC 4314 3.3.  Who is not in the directory any more is not shown, and never comes back."""
    named = locate(session, command.mailbox)
    grants: list[Grant] = yield named.home.read(partial(_administered, named=named))
    lines = [(_owner(session, named.home), False, rights.ALL)]
    lines += [(grant.trustee, grant.is_denied, grant.rights) for grant in grants]
    shown = []
    for trustee, is_denied, granted in lines:
        identifier = None if trustee is None else session.services.identifier(trustee)
        if identifier is not None:
            shown.append((f"-{identifier}" if is_denied else identifier, rights.letters(granted)))
    session.send(responses.acl(command.mailbox, shown, utf8=session.takes_utf8))
    return "GETACL completed"


def do_list_rights(session: Session, command: commands.ListRights) -> Steps:
    """RFC 4314 3.4: the owner has all of them in any case, others may be given each by itself."""
    named = locate(session, command.mailbox)
    yield named.home.read(partial(_administered, named=named))
    trustee, _ = _trustee(session, command.identifier)
    is_owner = trustee == _owner(session, named.home)
    required, optional = (rights.LETTERS, "") if is_owner else ("", rights.LETTERS)
    line = responses.list_rights(command.mailbox, command.identifier, required, optional, utf8=session.takes_utf8)
    session.send(line)
    return "LISTRIGHTS completed"


def do_my_rights(session: Session, command: commands.MyRights) -> Steps:
    """RFC 4314 3.5."""
    named = locate(session, command.mailbox)
    mine: Rights = yield named.home.read(partial(_mine, named=named))
    session.send(responses.my_rights(command.mailbox, rights.letters(mine.granted), utf8=session.takes_utf8))
    return "MYRIGHTS completed"


def _administered(tx: ReadTx, named: Named) -> list[Grant]:
    """The list of a folder that the user may administer."""
    home = named.home
    folder = folders.selectable(tx, home.mailbox_id, named.path, home.by, ADMINISTER)
    return tx.grants(folder.mailbox_id, folder.folder_id)


def _mine(tx: ReadTx, named: Named) -> Rights:
    home = named.home
    folder = folders.selectable(tx, home.mailbox_id, named.path)
    mine = rights.of(tx, folder, home.by)
    if not mine.granted & _ANY:
        raise NoSuchFolder("There is no such folder")
    return mine


def _trustee(session: Session, identifier: str) -> tuple[RecipientId, bool]:
    """Whom an identifier means, and whether it has a minus sign; raises Rejected when that is nobody."""
    is_denied = identifier.startswith("-")
    trustee = session.services.trustee(identifier.removeprefix("-"))
    if trustee is None:
        raise Rejected("There is no such user or group", code=responses.CANNOT)
    return trustee, is_denied


def _owner(session: Session, home: Home) -> RecipientId | None:
    alias = session.services.alias_of(home.mailbox_id)
    return None if alias is None else session.services.trustee(alias)
