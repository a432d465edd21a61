"""What can be counted of a mailbox database beside what it says of itself, and the ways to set that right.

Counting is for SQL: a million messages are looked at where they are, and only what is wrong comes to the core.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from core.model import UID, Blob, Folder, FolderId, Mailbox, MailboxId, MessageId
from core.recipients import RecipientId


class Counted(Struct, frozen=True, array_like=True):
    """What there is of a folder's entries, whether the folder itself is there or not."""

    folder_id: FolderId
    n_exists: int = 0
    n_unseen: int = 0
    n_deleted: int = 0
    n_bytes: int = 0
    highest_uid: int = 0
    newest: int = 0  # MODSEQ
    keywords: int = 0  # the greatest mask of them, so that its highest bit is the highest of all
    n_lost: int = 0  # entries without their message


class Buried(Struct, frozen=True, array_like=True):
    """What there is of a folder's tombstones."""

    folder_id: FolderId
    highest_uid: int = 0
    newest: int = 0
    oldest: int = 0  # MODSEQ; 0: there are none


class Named(Struct, frozen=True, array_like=True):
    """What there is of a folder's keywords."""

    folder_id: FolderId
    count: int = 0
    highest: int = -1  # number of one that has a name
    highest_wide: int = -1  # of one that is on a message, of those that the mask has no room for


class Numbers(Struct, frozen=True, array_like=True):
    """The next numbers that a mailbox gives out."""

    folder_id: int
    message_id: int
    uidvalidity: int


class Filed(Struct, frozen=True, array_like=True):
    """A message in a folder, with what is known of it beside its body."""

    mailbox_id: MailboxId
    folder_id: FolderId
    uid: UID
    size: int
    internal_at: int
    internal_zone: int
    prefix: bytes
    summary: bytes


class Recounting(Protocol):
    """What an audit reads beyond a ReadTx."""

    def mailboxes(self) -> list[Mailbox]: ...
    def counted(self, mailbox_id: MailboxId) -> dict[FolderId, Counted]: ...
    def buried(self, mailbox_id: MailboxId) -> dict[FolderId, Buried]: ...
    def named(self, mailbox_id: MailboxId) -> dict[FolderId, Named]: ...
    def keyword_names(self, mailbox_id: MailboxId, folder_id: FolderId) -> dict[int, str]:
        """By their numbers."""
        ...

    def numbers(self, mailbox_id: MailboxId) -> Numbers: ...
    def highest_message(self, mailbox_id: MailboxId) -> int: ...
    def lost_messages(self, mailbox_id: MailboxId) -> Iterator[tuple[FolderId, int, MessageId]]:
        """(folder, UID, message) of the entries whose message is gone."""
        ...

    def wrong_references(self, mailbox_id: MailboxId) -> Iterator[tuple[MessageId, int, int]]:
        """(message, n_entries, entries counted) where these differ, or there are none."""
        ...

    def wrong_bodies(self, mailbox_id: MailboxId) -> Iterator[tuple[MessageId, bytes, int, int, int | None]]:
        """(message, hash, size, octets of the prefix, of the body) where it is gone (None), or the sum is wrong."""
        ...

    def resurrected(self, mailbox_id: MailboxId) -> Iterator[tuple[FolderId, int, int, int]]:
        """(folder, MODSEQ, low UID, high UID) of the tombstones over what is present."""
        ...

    def readers(self, mailbox_id: MailboxId, folder_id: FolderId) -> list[tuple[RecipientId, int]]:
        """(user, MODSEQ) of those who have marked messages as seen."""
        ...

    def access_keys(self, mailbox_id: MailboxId) -> list[tuple[FolderId, RecipientId, int]]:
        """(folder, user, octets) of the mailbox access keys."""
        ...

    def count_blobs(self) -> int: ...
    def blobs(self) -> Iterator[Blob]:
        """Each without its bytes, in the order in which they lie in the packs."""
        ...

    def packs(self) -> list[tuple[int, int, int]]:
        """(pack, live octets, dead octets)."""
        ...

    def unnamed_bodies(self) -> Iterator[bytes]:
        """Hashes of those that no message has."""
        ...

    def filed(self, digest: bytes) -> list[Filed]:
        """Where a body is, in all mailboxes."""
        ...


class Mending(Protocol):
    """What a repair writes beyond what other commands do."""

    def set_numbers(self, folder: Folder) -> None:
        """Counters, UIDNEXT and MODSEQs, as they are given."""
        ...

    def set_usage(self, mailbox_id: MailboxId, count: int, octets: int) -> None: ...
    def raise_numbers(self, mailbox_id: MailboxId, least: Numbers) -> None:
        """The next numbers are these at least."""
        ...

    def resize_messages(self, mailbox_id: MailboxId) -> None:
        """Each message's size is that of its prefix and its body."""
        ...

    def recount_references(self, mailbox_id: MailboxId) -> None: ...
    def delete_tombstone(self, mailbox_id: MailboxId, folder_id: FolderId, modseq: int, low: int) -> None: ...
    def forget_old_tombstones(self, mailbox_id: MailboxId) -> None:
        """Those that the floor says to be forgotten."""
        ...

    def drop_lost_access_keys(self, mailbox_id: MailboxId, octets: int) -> None:
        """Those of folders that are gone, and those shorter than that."""
        ...

    def forget_bodies(self, digests: Iterable[bytes]) -> None:
        """Those of them that no message names."""
        ...

    def recount_packs(self) -> None: ...
