"""Every write to a mailbox database, as a value.

A command says all that is needed to carry it out, so that it can wait in a queue, be grouped with others in one
transaction, be tried again after a rollback, or be sent to the process that owns the database.  `core.apply` carries
it out.  Times (`at`) are the moment in which the command was made.  `by` is in whose name it is given; None is the
mailbox's owner, who may do everything there.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from msgspec import Struct

from core.errors import Refusal
from core.model import UID, Blob, Folder, FolderId, Incoming, MailboxId, ModSeq, Tagged, UIDRanges
from core.recipients import RecipientId
from core.rights import Actor


class FlagMode(Enum):
    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class Flags(Struct, frozen=True):
    """System flags as a mask, keywords by name."""

    system: int = 0
    keywords: tuple[str, ...] = ()


class NewFolder(Struct, frozen=True):
    path: str
    special_use: str | None = None


class CreateMailbox(Tagged, frozen=True):
    mailbox_id: MailboxId
    guid: bytes
    folders: tuple[NewFolder, ...]  # made and subscribed at birth
    at: int


class DeleteMailbox(Tagged, frozen=True):
    """Takes away a slice of the mailbox; its result says whether anything is left."""

    mailbox_id: MailboxId


class CreateFolder(Tagged, frozen=True):
    mailbox_id: MailboxId
    folder: NewFolder
    at: int
    by: Actor | None = None


class DeleteFolder(Tagged, frozen=True):
    mailbox_id: MailboxId
    path: str
    at: int
    by: Actor | None = None


class PurgeFolder(Tagged, frozen=True):
    """Takes away a slice of a deleted folder's messages; the result says whether it is gone."""

    mailbox_id: MailboxId
    folder_id: FolderId


class RenameFolder(Tagged, frozen=True):
    mailbox_id: MailboxId
    source: str
    target: str
    at: int
    by: Actor | None = None


class SetGrant(Tagged, frozen=True):
    """SETACL and DELETEACL (RFC 4314 3.1, 3.2): the result is nothing.  Without rights the line goes."""

    mailbox_id: MailboxId
    path: str
    trustee: RecipientId
    is_denied: bool
    mode: FlagMode
    rights: int
    by: Actor | None = None
    own_only: bool = False


class SetAnnotations(Tagged, frozen=True):
    """SETMETADATA (RFC 5464 4.3): all of them or none; the result is nothing.  Without a value an annotation goes."""

    mailbox_id: MailboxId
    path: str | None  # None: what is said of the server, as the mailbox's owner sees it
    user: RecipientId  # whose the private ones are
    values: tuple[tuple[str, bytes | None], ...]  # by their names in lower case
    by: Actor | None = None


class SetAccessKey(Tagged, frozen=True):
    """A user's mailbox access key for a folder (RFC 4467 2.2); the result is the one that holds then."""

    mailbox_id: MailboxId
    path: str
    user: RecipientId
    secret: bytes
    keep: bool = False  # the one that there is, if there is one
    by: Actor | None = None


class DropAccessKeys(Tagged, frozen=True):
    """All of a user's mailbox access keys, in whosever mailboxes."""

    user: RecipientId


class SetGrants(Tagged, frozen=True):
    """What a trustee has in a folder, and if asked in all below it: this line in each, and no other (T-2.5).

    Without rights the trustee's lines go.  In all folders or in none; the result is in how many something changed.
    """

    mailbox_id: MailboxId
    path: str
    trustee: RecipientId
    rights: int
    own_only: bool = False
    recursive: bool = False


class Subscribe(Tagged, frozen=True):
    mailbox_id: MailboxId
    path: str
    subscribed: bool


class Filing(Struct, frozen=True):
    """A message, and what APPEND says of it."""

    message: Incoming
    flags: Flags
    internal_at: int
    internal_zone: int
    email_id: str | None = None  # of a message that comes from another database


class Append(Tagged, frozen=True):
    """RFC 9051 6.3.12, RFC 3502: all of the messages or none; the result is `Appended`."""

    mailbox_id: MailboxId
    path: str
    filings: tuple[Filing, ...]
    at: int
    quota: int | None = None  # prohibit-send-and-receive, octets
    by: Actor | None = None


class Replace(Append, frozen=True, kw_only=True):
    """An APPEND of one message that takes another away, in the same folder or another (RFC 8508)."""

    folder_id: FolderId
    uid: UID


class Copy(Tagged, frozen=True):
    """COPY, and MOVE when `move` is set (RFC 6851).  UIDs that are gone are passed over; the result is `Copied`."""

    mailbox_id: MailboxId
    folder_id: FolderId
    uids: UIDRanges
    target: str
    at: int
    move: bool = False
    quota: int | None = None
    by: Actor | None = None
    to: MailboxId | None = None  # None: the same mailbox
    to_by: Actor | None = None


class StoreFlags(Tagged, frozen=True):
    """The result is `Stored`."""

    mailbox_id: MailboxId
    folder_id: FolderId
    uids: UIDRanges
    mode: FlagMode
    flags: Flags
    unchanged_since: int | None = None  # a MODSEQ: messages that changed later are left alone (RFC 7162 3.1.3)
    by: Actor | None = None


class Expunge(Tagged, frozen=True):
    r"""Removes those of the messages that are marked \Deleted."""

    mailbox_id: MailboxId
    folder_id: FolderId
    uids: UIDRanges
    by: Actor | None = None
    marked_only: bool = True  # False: all of them, since there are copies elsewhere


class ClaimRecent(Tagged, frozen=True):
    r"""The caller has been shown every message up to `below` as \Recent; the result is the first UID it may claim."""

    mailbox_id: MailboxId
    folder_id: FolderId
    below: int


class Delivery(Struct, frozen=True):
    """One mailbox's share of an incoming message."""

    mailbox_id: MailboxId
    prefix: bytes  # its own trace headers
    quota: int | None = None
    folder: str = "INBOX"


class Deliver(Tagged, frozen=True):
    """One message to mailboxes of one database.  The result is one `Delivered` or refusal for each, in order."""

    message: Incoming
    deliveries: tuple[Delivery, ...]
    at: int
    token: bytes | None  # the same for every delivery of the same message (T-7.2); None: do not look for duplicates
    token_expires_at: int = 0


class ForgetTombstones(Tagged, frozen=True):
    """Takes away a slice of a folder's tombstones beyond TOMBSTONES_PER_FOLDER; the result is how many."""

    mailbox_id: MailboxId
    folder_id: FolderId


class JoinSeen(Tagged, frozen=True):
    """Makes few ranges of a reader's many, in slices; the result is the UID to go on from, 0 at the end."""

    mailbox_id: MailboxId
    folder_id: FolderId
    user: RecipientId
    start: int = 1


class SweepBlobs(Tagged, frozen=True):
    """Forgets up to `limit` contents that no message names and that are older than `before`."""

    before: int
    limit: int


class SweepDeliveries(Tagged, frozen=True):
    """Forgets up to `limit` delivery tokens that have expired."""

    now: int
    limit: int


class RepairMailbox(Tagged, frozen=True):
    """Makes a mailbox keep what the store promises of it; the result is `Repaired`."""

    mailbox_id: MailboxId
    at: int
    has_inbox: bool = True  # it is a user's


class RestoreBlob(Tagged, frozen=True):
    """The row of a body that was found in a pack."""

    blob: Blob
    at: int


class ForgetBodies(Tagged, frozen=True):
    """Damaged bodies that no message names any more go; and what is in each pack is counted anew."""

    digests: tuple[bytes, ...] = ()


Command = (
    CreateMailbox
    | DeleteMailbox
    | CreateFolder
    | DeleteFolder
    | PurgeFolder
    | RenameFolder
    | Subscribe
    | SetGrant
    | SetAnnotations
    | SetGrants
    | SetAccessKey
    | DropAccessKeys
    | Append
    | Replace
    | Copy
    | StoreFlags
    | Expunge
    | ClaimRecent
    | Deliver
    | ForgetTombstones
    | JoinSeen
    | SweepBlobs
    | SweepDeliveries
    | RepairMailbox
    | RestoreBlob
    | ForgetBodies
)


class Appended(Struct, frozen=True):
    """The messages have consecutive UIDs, from this one on."""

    uidvalidity: int
    uid: int
    count: int = 1


class Stored(Struct, frozen=True):
    """The MODSEQ of the change, 0 when nothing changed, and the messages that `unchanged_since` kept from it."""

    modseq: ModSeq
    modified: UIDRanges = ()


class Copied(Struct, frozen=True):
    """The UIDs that were copied and those that the copies have, in the same order."""

    uidvalidity: int
    source: UIDRanges
    target: UIDRanges


class Delivered(Struct, frozen=True):
    uid: int | None  # None: the message was here already (DUPLICATEDELIVER)


class Lost(Struct, frozen=True):
    """Messages that are in a folder no more: so many, whose UIDs are among these."""

    path: str
    count: int
    uids: UIDRanges


class Repaired(Struct, frozen=True):
    """What could not be kept, and what had lost its place and was given another."""

    lost: tuple[Lost, ...] = ()
    refiled: int = 0  # messages that are in RECOVERED now
    folders: tuple[str, ...] = ()  # paths that were made up, or where folders are now


# What the result of each kind of command is, where it has one.
RESULTS: Final[Mapping[type, Any]] = {
    DeleteMailbox: bool,
    CreateFolder: Folder,
    PurgeFolder: bool,
    SetGrants: int,
    SetAccessKey: bytes,
    Append: Appended,
    Replace: Appended,
    Copy: Copied,
    StoreFlags: Stored,
    Expunge: int,
    ClaimRecent: int,
    Deliver: list[Delivered | Refusal],
    ForgetTombstones: int,
    JoinSeen: int,
    SweepBlobs: int,
    SweepDeliveries: int,
    RepairMailbox: Repaired,
}
