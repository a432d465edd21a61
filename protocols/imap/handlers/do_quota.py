"""How much a mailbox may hold, and how much it does (RFC 9208): GETQUOTA, GETQUOTAROOT, SETQUOTA.

A mailbox has one quota root, which has the name of its owner and holds for all its folders.  Everybody may ask for the
roots of the mailboxes in which they act as the owner would; who may read a folder may ask for that folder's root.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from core import rights
from core.errors import NoSuchFolder
from core.folders import canonical
from core.limits import FOLDERS_PER_MAILBOX
from core.model import MAX_UID, ROOT, SEPARATOR, Folder, MailboxId
from core.ports import ReadTx
from core.rights import LOOKUP, READ
from protocols.imap import commands, limits
from protocols.imap.naming.homes import PUBLIC_FOLDERS, Home, locate
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Asking, Compute, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

UNIT: Final = 1024  # octets: what STORAGE is counted in (RFC 9208 5.1)

# RFC 9208 3.2: limits that nobody has set are told too.  MESSAGE is what one folder has UIDs for: all together have
# more, but a number of RFC 2087 has 32 bits, and clients that read no longer one would not see STORAGE either.
BUILT_IN: Final = {"MESSAGE": MAX_UID - 1, "MAILBOX": FOLDERS_PER_MAILBOX}


class Usage(Struct, frozen=True):
    """What is in a mailbox."""

    octets: int
    messages: int
    folders: int


def do_get_quota(session: Session, command: commands.GetQuota) -> Steps:
    """RFC 9208 4.1.1."""
    yield from _tell(session, command.root, _home(session, command.root))
    return "GETQUOTA completed"


def do_get_quota_root(session: Session, command: commands.GetQuotaRoot) -> Steps:
    """RFC 9208 4.1.2: also of a folder that is not there yet."""
    named = locate(session, command.mailbox)
    home, path = named.home, named.path
    if home.by is not None:
        yield home.read(partial(_check_readable, home=home, path=path))
    root = _root(session, home)
    session.send(responses.quota_root(command.mailbox, (root,), utf8=session.takes_utf8))
    yield from _tell(session, root, home)
    return "GETQUOTAROOT completed"


def do_set_quota(session: Session, command: commands.SetQuota) -> Steps:
    """RFC 9208 4.1.3: what is not named has no limit any more."""
    services, account = session.services, session.impersonator or session.signed_in  # who really asks
    if not services.may_set_quota(account):
        raise Rejected("Only administrators set quotas", code=responses.NOPERM)
    home = _home(session, command.root)
    yield Compute(partial(services.set_quota, account, home, _octets(command.limits)))
    yield from _tell(session, command.root, home)
    return "SETQUOTA completed"


def _octets(given: tuple[tuple[str, int], ...]) -> int | None:
    """The limit for STORAGE.  Built-in ones may be said again, as a client does that changes one of several."""
    storage: int | None = None
    for name, limit in given:
        if name == "STORAGE":
            storage = limit
        elif BUILT_IN.get(name) != limit:
            raise Rejected("Only the limit for STORAGE can be set", code=responses.CANNOT)
    if storage is None:
        return None
    if storage > limits.QUOTA_STORAGE:
        raise Rejected("The limit is too high", code=responses.LIMIT)
    return storage * UNIT


def _home(session: Session, root: str) -> Home:
    """The mailbox of a quota root.

    RFC 9208 8: how much others have is confidential, and so is who they are.  What may not be told is not there.
    """
    services, account = session.services, session.signed_in
    home: Home | None
    if root == account.name:
        home = account.home
    elif root == PUBLIC_FOLDERS:
        home = services.public_folders(account)
    else:
        home = services.mailbox_of(account, root)
    is_open = home is not None and (home.by is None or services.may_set_quota(account))
    if home is None or not is_open or _root(session, home) != root:  # an alias is found however it is spelt
        raise Rejected("There is no such quota root", code=responses.NONEXISTENT)
    return home


def _root(session: Session, home: Home) -> str:
    """The name of a mailbox's quota root."""
    account = session.signed_in
    if home.mailbox_id == account.mailbox_id:
        return account.name
    return session.services.alias_of(home.mailbox_id) or PUBLIC_FOLDERS


def _check_readable(tx: ReadTx, home: Home, path: str) -> None:
    """RFC 9208 6: the root tells how much there is to read.  A folder that is not there is as the one above it.

    Raises NoSuchFolder, NoPermission.
    """
    found: Folder | None = None
    parent = ROOT
    for name in canonical(path).split(SEPARATOR):
        folder = tx.child(home.mailbox_id, parent, name)
        if folder is None:
            break
        # What may not be known of looks as if it were not there (RFC 4314 6).
        if folder.selectable and rights.of(tx, folder, home.by).granted & LOOKUP:
            found = folder
        parent = folder.folder_id
    if found is None:
        raise NoSuchFolder("There is no such folder")
    rights.require(tx, found, home.by, READ)


def _tell(session: Session, root: str, home: Home) -> Asking[None]:
    """The QUOTA response; a resource without a limit is not in it (RFC 9208 4.2.1)."""
    usage: Usage = yield home.read(partial(_usage, mailbox_id=home.mailbox_id))
    quota = session.services.quota(home)
    resources = [("MESSAGE", usage.messages, BUILT_IN["MESSAGE"]), ("MAILBOX", usage.folders, BUILT_IN["MAILBOX"])]
    if quota is not None:
        # First, for clients that read no further.  Both are rounded up, so that neither passes the other by it.
        resources.insert(0, ("STORAGE", _units(usage.octets), _units(quota)))
    session.send(responses.quota(root, resources, utf8=session.takes_utf8))


def _units(octets: int) -> int:
    return -(-octets // UNIT)


def _usage(tx: ReadTx, mailbox_id: MailboxId) -> Usage:
    # Not the mailbox's own count of messages: those of a deleted folder are in it until they are purged, and RFC 9208
    # 5.2 wants an exact number.  Their octets are used until then.
    folders, messages = tx.totals(mailbox_id)
    return Usage(tx.mailbox(mailbox_id).used_bytes, messages, folders)
