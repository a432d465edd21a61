"""Mailbox access keys: the secrets by which URLs are known that users have authorized (RFC 4467 2.2).

Each user has one of their own for each folder.  A key goes with its folder, whose number is never used again.
"""

from typing import Final

from core import folders
from core.changes import AccessKeyChange
from core.commands import DropAccessKeys, SetAccessKey
from core.folders import Outcome
from core.ports import WriteTx
from core.rights import READ

KEY_OCTETS: Final = 32  # RFC 4467 2.2 demands 128 bits


def set_key(tx: WriteTx, command: SetAccessKey) -> Outcome:
    """RFC 4467 RESETKEY, GENURLAUTH: the result is the key that holds from now on."""
    folder = folders.selectable(tx, command.mailbox_id, command.path, command.by, READ)
    place = (folder.mailbox_id, folder.folder_id, command.user)
    known = tx.access_key(*place) if command.keep else None
    if known is not None:
        return known, ()
    tx.put_access_key(*place, command.secret)
    # A key that takes the place of none is no news.
    return command.secret, () if command.keep else (AccessKeyChange(*place),)


def drop_keys(tx: WriteTx, command: DropAccessKeys) -> Outcome:
    """RFC 4467 RESETKEY without a mailbox: all at once, for there are no more than folders, and each is a short row."""
    tx.drop_access_keys(command.user)
    return None, ()
