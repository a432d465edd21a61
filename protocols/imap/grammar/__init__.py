"""Whole commands into values, second of two layers: a table of names, each with the reader of its arguments.

Strict, as the RFCs are, but for the faults named in scanner.QUIRKS.  Whatever the octets: a command or BadSyntax.
"""

import re
from collections.abc import Callable
from typing import Final

from protocols.imap import commands
from protocols.imap.commands import Command
from protocols.imap.fragments import TAG_CHARS, tag_of
from protocols.imap.grammar import (
    append,
    fetch,
    filters,
    mailboxes,
    metadata,
    notify,
    quota,
    rights,
    search,
    sessions,
    sorting,
    urls,
)
from protocols.imap.grammar.append import resume
from protocols.imap.grammar.scanner import QUIRKS, BadCharset, BadSyntax, Scanner, UnknownCommand, base64

__all__ = ["BadCharset", "BadSyntax", "UnknownCommand", "base64", "parse", "resume"]

_HEAD: Final = re.compile(rb"(%s) (UID )?([A-Z]++)(?= |\Z)" % TAG_CHARS, re.IGNORECASE)

_Reader = Callable[[Scanner, bytes], Command]
_UidReader = Callable[[Scanner, bytes, bool], Command]


def _plain(command: Callable[[bytes], Command]) -> _Reader:
    """A command without arguments."""

    def read(scanner: Scanner, tag: bytes) -> Command:
        scanner.end()
        return command(tag)

    return read


_COMMANDS: Final[dict[bytes, _Reader]] = {
    b"APPEND": append.append,
    b"AUTHENTICATE": sessions.authenticate,
    b"CANCELUPDATE": search.cancel_update,
    b"CAPABILITY": _plain(commands.Capability),
    b"CHECK": _plain(commands.Check),
    b"CLOSE": _plain(commands.Close),
    b"COMPARATOR": sessions.comparator,
    b"COMPRESS": sessions.compress,
    b"CREATE": mailboxes.create,
    b"DELETE": mailboxes.delete,
    b"DELETEACL": rights.delete_acl,
    b"ENABLE": sessions.enable,
    b"ESEARCH": filters.esearch,
    b"EXAMINE": mailboxes.examine,
    b"EXPUNGE": _plain(commands.Expunge),
    b"GENURLAUTH": urls.gen_url_auth,
    b"GETACL": rights.get_acl,
    b"GETMETADATA": metadata.get_metadata,
    b"GETQUOTA": quota.get_quota,
    b"GETQUOTAROOT": quota.get_quota_root,
    b"ID": sessions.id_,
    b"IDLE": _plain(commands.Idle),
    b"LANGUAGE": sessions.language,
    b"LIST": mailboxes.list_,
    b"LISTRIGHTS": rights.list_rights,
    b"LOGIN": sessions.login,
    b"LOGOUT": _plain(commands.Logout),
    b"LSUB": mailboxes.lsub,
    b"MYRIGHTS": rights.my_rights,
    b"NAMESPACE": _plain(commands.Namespace),
    b"NOOP": _plain(commands.Noop),
    b"NOTIFY": notify.notify,
    b"RENAME": mailboxes.rename,
    b"RESETKEY": urls.reset_key,
    b"SELECT": mailboxes.select,
    b"SETACL": rights.set_acl,
    b"SETMETADATA": metadata.set_metadata,
    b"SETQUOTA": quota.set_quota,
    b"STARTTLS": _plain(commands.Starttls),
    b"STATUS": mailboxes.status,
    b"SUBSCRIBE": mailboxes.subscribe,
    b"UIDBATCHES": mailboxes.uid_batches,
    b"UNAUTHENTICATE": _plain(commands.Unauthenticate),
    b"UNSELECT": _plain(commands.Unselect),
    b"UNSUBSCRIBE": mailboxes.unsubscribe,
    b"URLFETCH": urls.url_fetch,
}
# These come plain, about message numbers, and after UID, about UIDs ...
_MESSAGE_COMMANDS: Final[dict[bytes, _UidReader]] = {
    b"COPY": mailboxes.copy,
    b"FETCH": fetch.fetch,
    b"MOVE": mailboxes.move,
    b"REPLACE": append.replace,
    b"SEARCH": search.search,
    b"SORT": sorting.sort,
    b"STORE": fetch.store,
    b"THREAD": sorting.thread,
}
# ... and this after UID only in this form.
_UID_COMMANDS: Final[dict[bytes, _UidReader]] = {**_MESSAGE_COMMANDS, b"EXPUNGE": mailboxes.uid_expunge}


def parse(text: bytes, literals: tuple[bytes, ...] = (), *, utf8: bool = False) -> Command:
    """The command that fragments.Complete or fragments.LiteralStart holds, or an exception that is a BadSyntax.

    With `utf8` (after ENABLE IMAP4rev2 or UTF8=ACCEPT) mailbox names are UTF-8, without it modified UTF-7.
    """
    if QUIRKS.spaces_before_line_end and text.endswith(b" "):
        text = text.rstrip(b" ")
    head = _HEAD.match(text)
    if head is None:
        raise _headless(text)
    tag, uid, name = head.groups()
    scanner = Scanner(text, head.end(), literals, utf8=utf8)
    try:
        return _read(scanner, tag, uid is not None, name.upper())
    except BadSyntax as fault:
        fault.tag = tag
        raise


def _read(scanner: Scanner, tag: bytes, uid: bool, name: bytes) -> Command:
    with_uid = (_UID_COMMANDS if uid else _MESSAGE_COMMANDS).get(name)
    if with_uid is not None:
        return with_uid(scanner, tag, uid)
    plain = None if uid else _COMMANDS.get(name)
    if plain is None:
        raise UnknownCommand("Unknown command")
    return plain(scanner, tag)


def _headless(text: bytes) -> BadSyntax:
    tag = tag_of(text)
    if tag is None:
        return BadSyntax("Expected a tag")
    if len(text) == len(tag):
        return BadSyntax("Expected a command", tag=tag)
    return UnknownCommand("Unknown command", tag=tag)
