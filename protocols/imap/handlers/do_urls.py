"""URLAUTH (RFC 4467): RESETKEY, GENURLAUTH, URLFETCH.

Who makes a URL must be able to read what it stands for, and so must still be whoever made it when it is used: the URL
says who may use it, not what may be read.  A URL that gives nothing gives NIL, and never a reason.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core import folders
from core.accesskeys import KEY_OCTETS
from core.commands import DropAccessKeys, SetAccessKey
from core.errors import NoPermission, NoSuchFolder, Refusal
from core.model import Folder
from core.ports import ReadTx
from core.recipients import RecipientId
from core.rights import READ
from protocols.imap import commands
from protocols.imap.grammar import BadSyntax
from protocols.imap.grammar.urls import Access, FullUrl, RumpUrl, full_url, rump_url
from protocols.imap.handlers.do_messages import expunged
from protocols.imap.naming.homes import Named, locate, reached
from protocols.imap.reading.catenate import Part, part_of
from protocols.imap.reading.urlauth import MECHANISM, UrlAccess, authorized, is_token
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import bad
from protocols.imap.work import Asking, Steps, Write

if TYPE_CHECKING:
    from protocols.imap.session import Session


def _settings(session: Session) -> UrlAccess:
    access = session.services.url_access
    if access is None:
        raise bad("Authorized URLs are not to be had here")
    return access


def _check_mechanism(name: str) -> None:
    if name != MECHANISM:
        raise bad("Only INTERNAL is known")


# ---------------------------------------------------------------------------------------------- RESETKEY


def do_reset_key(session: Session, command: commands.ResetKey) -> Steps:
    """RFC 4467 BASE.6.3.RESETKEY: what was authorized by the key before is so no more."""
    _settings(session)
    for mechanism in command.mechanisms:
        _check_mechanism(mechanism)
    if command.mailbox is None:
        yield from _drop_keys(session)
        return "All keys removed"
    named = locate(session, command.mailbox)
    yield named.home.write(_new_key(session, named, keep=False))
    return ("There is a new key", responses.URLMECH) if session.tells_mechanisms else "There is a new key"


def _drop_keys(session: Session) -> Asking[None]:
    """Wherever the user has been let in.  What cannot be reached now would be valid again later: that is a NO."""
    failed: Refusal | None = None
    for database_id in session.services.all_databases():
        try:
            yield Write(database_id, DropAccessKeys(session.signed_in.user))
        except Refusal as no:
            failed = no
    if failed is not None:
        raise failed


def _new_key(session: Session, named: Named, *, keep: bool) -> SetAccessKey:
    home, secret = named.home, session.services.entropy.token(KEY_OCTETS)
    return SetAccessKey(home.mailbox_id, named.path, session.signed_in.user, secret, keep, home.by)


# ---------------------------------------------------------------------------------------------- GENURLAUTH


def do_gen_url_auth(session: Session, command: commands.GenUrlAuth) -> Steps:
    """RFC 4467 BASE.6.3.GENURLAUTH: what cannot be authorized is BAD, all of it."""
    settings = _settings(session)
    made = []
    for octets, mechanism in command.urls:
        _check_mechanism(mechanism)
        try:
            url = rump_url(octets)
        except BadSyntax as fault:
            raise bad(fault.text) from None
        made.append(authorized((yield from _key(session, settings, url)), octets))
    session.send(responses.gen_url_auth(made))
    return "GENURLAUTH completed"


def _key(session: Session, settings: UrlAccess, url: RumpUrl) -> Asking[bytes]:
    """The key to authorize a URL with.

    Nobody authorizes in another's name, so that whose names there are need not be told.  Nor is it by `user+`: such a
    URL is made for a user who is not there, and gives nothing (RFC 4467 has it as an exception).
    """
    if not settings.has(url.access):
        raise bad("There is no such access identifier")
    owner = session.services.account_named(url.user)
    if owner is None or owner.user != session.signed_in.user:
        raise bad("You can authorize URLs in your own name only")
    try:
        named = locate(session, url.message.mailbox)
        key: bytes | None = yield named.home.read(partial(_known_key, named=named, user=owner.user))
        if key is None:
            key = yield named.home.write(_new_key(session, named, keep=True))
    except (NoSuchFolder, NoPermission):
        raise bad("There is no such folder, or you may not read it") from None
    return key


def _known_key(tx: ReadTx, named: Named, user: RecipientId) -> bytes | None:
    folder = _readable(tx, named)
    return tx.access_key(folder.mailbox_id, folder.folder_id, user)


def _readable(tx: ReadTx, named: Named) -> Folder:
    return folders.selectable(tx, named.home.mailbox_id, named.path, named.home.by, READ)


# ---------------------------------------------------------------------------------------------- URLFETCH


def do_url_fetch(session: Session, command: commands.UrlFetch) -> Steps:
    """RFC 4467 BASE.6.3.URLFETCH: a response for each URL, lest the failure of one break the line of others."""
    settings = _settings(session)
    for octets in command.urls:
        try:
            part = yield from _redeemed(session, settings, full_url(octets))
            yield from _send(session, octets, part)
        except (BadSyntax, Refusal) as no:
            if isinstance(no, Refusal) and no.temporary:
                raise
            session.send(responses.url_fetch(octets, None))
    return "URLFETCH completed"


def _redeemed(session: Session, settings: UrlAccess, url: FullUrl) -> Asking[Part | None]:
    """What a URL stands for, if it is valid, for this session, and its maker may read it still; else a Refusal."""
    services, rump = session.services, url.rump
    if url.mechanism != MECHANISM or (rump.expires_at is not None and services.clock.now() > rump.expires_at):
        raise NoPermission("The URL is not valid any more")
    if not _lets(session, settings, rump.access):
        raise NoPermission("The URL is not for this user")
    # RFC 4467 6: where there is no key to compare by, one that might be, so that it takes as long.
    spare = services.entropy.token(KEY_OCTETS)
    owner = services.account_named(rump.user)
    try:
        if owner is None:
            raise NoSuchFolder("There is no such user")
        named = reached(services, owner, rump.message.mailbox)
    except NoSuchFolder:
        is_token(url.token, spare, rump.octets)
        raise
    read = partial(_part, named=named, user=owner.user, url=url, spare=spare)
    found: Part | None = yield named.home.read(read, heavy=True)  # a message of many parts takes milliseconds
    return found


def _lets(session: Session, settings: UrlAccess, access: Access) -> bool:
    """RFC 4467 3: by whom the session acts as, whoever signed in."""
    account = session.signed_in
    if not settings.lets(account.name, access):
        return False
    if access.application != "user" or access.userid is None:
        return True
    meant = session.services.account_named(access.userid)
    return meant is not None and meant.user == account.user


def _part(tx: ReadTx, named: Named, user: RecipientId, url: FullUrl, spare: bytes) -> Part | None:
    """Nothing of the message is looked at before the token is known to be right."""
    try:
        folder = _readable(tx, named)
    except (NoSuchFolder, NoPermission):
        is_token(url.token, spare, url.rump.octets)
        raise
    key = tx.access_key(folder.mailbox_id, folder.folder_id, user)
    is_right = is_token(url.token, key or spare, url.rump.octets)
    if key is None or not is_right:
        raise NoPermission("The URL has not been authorized")
    return part_of(tx, named.home, folder, url.rump.message)


def _send(session: Session, url: bytes, part: Part | None) -> Asking[None]:
    """The octets; none for a part that the message does not have (RFC 4467 BASE.7.4.URLFETCH).

    Nothing is said before the first of them are here, since until then the answer may still be NIL.
    """
    if part is None or not part.size:
        session.send(responses.url_fetch(url, b""))
        return
    reads = part.reads()
    octets: bytes = yield next(reads)
    session.send(responses.url_fetch_head(url, part.size))
    session.send(octets)
    try:
        with session.sending_literal():
            for read in reads:
                octets = yield read
                session.send(octets)
    except Refusal as no:
        session.cut()
        raise expunged() from no
    session.send(b"\r\n")
