"""What the core asks of the world.  Adapters answer; nothing here does I/O.

All ports are synchronous: SQLite is, and a core without an event loop is tested without one.  An adapter decides on
which thread the work runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from core.integrity.facts import Mending, Recounting
from core.model import (
    MAX_UID,
    UID,
    Blob,
    Columns,
    Entry,
    Folder,
    FolderId,
    Item,
    Mailbox,
    MailboxId,
    MessageId,
    ModSeq,
    SeenRange,
    UIDRanges,
)
from core.rights import Grant


class NewMessage(Struct, frozen=True, array_like=True):
    """A row of `message`, in the order of its columns."""

    mailbox_id: MailboxId
    message_id: MessageId
    hash: bytes
    n_entries: int
    size: int
    internal_at: int
    internal_zone: int
    sent_at: int | None
    prefix: bytes
    envelope: bytes
    structure: bytes
    parts: bytes
    summary: bytes
    utf8: bytes | None
    thread_id: MessageId
    email_id: str | None = None


class NewEntry(Struct, frozen=True, array_like=True):
    """A row of `entry`, in the order of its columns; keywords beyond the mask are rows of their own."""

    mailbox_id: MailboxId
    folder_id: FolderId
    uid: int
    message_id: MessageId
    modseq: ModSeq
    flags: int
    keywords: int
    saved_at: int
    author: int = 0  # the recipient who put it there, where that is not the owner


class Counters(Struct, frozen=True):
    """What to add to a folder's row; every change of messages also takes one MODSEQ."""

    uids: int = 0
    exists: int = 0
    unseen: int = 0
    deleted: int = 0
    octets: int = 0


class StoredEntry(Struct, frozen=True, array_like=True):
    """An entry with what COPY and EXPUNGE need of it."""

    uid: UID
    message_id: MessageId
    flags: int
    keywords: int
    size: int
    author: int = 0


class ReadTx(Protocol):
    """One consistent snapshot of a mailbox database."""

    def mailbox(self, mailbox_id: MailboxId) -> Mailbox:
        """Raises NoSuchMailbox."""
        ...

    def folders(self, mailbox_id: MailboxId) -> list[Folder]: ...
    def folder(self, mailbox_id: MailboxId, folder_id: FolderId) -> Folder | None: ...
    def child(self, mailbox_id: MailboxId, parent_id: FolderId, name: str) -> Folder | None: ...
    def subscriptions(self, mailbox_id: MailboxId) -> set[str]: ...
    def keywords(self, mailbox_id: MailboxId, folder_id: FolderId) -> tuple[str, ...]: ...
    def entries(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> list[Entry]: ...
    def entry_columns(self, mailbox_id: MailboxId, folder_id: FolderId, rows: int) -> Iterator[Columns]:
        """All entries in UID order, in pieces of so many rows, the last of which may be smaller."""
        ...

    def wide_keywords(self, mailbox_id: MailboxId, folder_id: FolderId) -> dict[int, int]:
        """By UID: the keywords that the mask of an entry has no room for."""
        ...

    def items(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[Item]:
        """The messages of a range of UIDs with all their columns, lazily: stop early by closing the iterator."""
        ...

    def summarized_items(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[Item]:
        """The same with their summaries."""
        ...

    def stored_entries(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int, limit: int
    ) -> list[StoredEntry]: ...

    def sizes(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, int]]:
        """(UID, size, internal_at, internal_zone) of a range of UIDs."""
        ...

    def objects(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, str | None]]:
        """(UID, message, thread, the message's own name if it has one) of a range of UIDs."""
        ...

    def saved_dates(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[tuple[int, int]]:
        """(UID, saved_at) of a range of UIDs."""
        ...

    def vanished(self, mailbox_id: MailboxId, folder_id: FolderId, since: int) -> Iterator[tuple[int, int]]:
        """The ranges of UIDs that went away after a MODSEQ, as far as their tombstones are kept."""
        ...

    def message_summary(self, mailbox_id: MailboxId, message_id: MessageId) -> bytes:
        """The encoded summary of one message, which is there."""
        ...

    def summaries(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[tuple[int, bytes]]:
        """(UID, encoded summary) of a range of UIDs."""
        ...

    def dates(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, int | None]]:
        """(UID, size, internal_at, sent_at) of a range of UIDs."""
        ...

    def dated_summaries(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, int | None, bytes]]:
        """The same with their encoded summaries."""
        ...

    def grants(self, mailbox_id: MailboxId, folder_id: FolderId) -> list[Grant]:
        """The folder's access control list."""
        ...

    def all_grants(self, mailbox_id: MailboxId) -> dict[FolderId, list[Grant]]:
        """The lists of all folders that have one."""
        ...

    def granted_to(self, trustees: Iterable[int]) -> list[MailboxId]:
        """The mailboxes of this database in which a list names one of these."""
        ...

    def seen(
        self, mailbox_id: MailboxId, folder_id: FolderId, user: int, low: int = 1, high: int = MAX_UID
    ) -> list[SeenRange]:
        """What a reader has seen or marked as unseen again: the ranges that touch these UIDs."""
        ...

    def reader_modseq(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> ModSeq:
        r"""The MODSEQ of a reader's last change of \Seen; 0: there was none."""
        ...

    def annotations(
        self, mailbox_id: MailboxId, folder_id: FolderId, user: int, first: str, until: str
    ) -> Iterator[tuple[str, bytes]]:
        """The annotations of a folder (ROOT: of the server) from one name on and before another, in their order."""
        ...

    def annotation_sizes(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> dict[str, int]:
        """The octets of each value."""
        ...

    def annotation_usage(self, mailbox_id: MailboxId, user: int) -> tuple[int, int]:
        """How many annotations a mailbox has, and the octets of all their names and values."""
        ...

    def access_key(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> bytes | None:
        """A user's mailbox access key for a folder, if there is one."""
        ...

    def count_seen(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> int:
        """How many of the messages a reader has seen."""
        ...

    def deleted_octets(self, mailbox_id: MailboxId, folder_id: FolderId) -> int:
        r"""The sizes of the messages that are marked as \Deleted, together."""
        ...

    def totals(self, mailbox_id: MailboxId) -> tuple[int, int]:
        """How many folders that can be selected a mailbox has, and how many messages are in them."""
        ...

    def blob(self, digest: bytes) -> Blob | None: ...
    def read_blob(self, blob: Blob, start: int, stop: int) -> bytes:
        """Plain bytes of a blob; raises MessageExpunged when they are gone."""
        ...


class WriteTx(ReadTx, Recounting, Mending, Protocol):
    """A snapshot that may change.  Rows become durable, and visible to others, all at once or not at all."""

    def insert_mailbox(self, mailbox: Mailbox, at: int) -> None: ...
    def delete_mailbox(self, mailbox_id: MailboxId) -> None: ...
    def next_folder(self, mailbox_id: MailboxId, uidvalidity: int) -> tuple[FolderId, int]:
        """A folder number and a UIDVALIDITY (at least the one given) that this mailbox never used before."""
        ...

    def take_messages(self, mailbox_id: MailboxId, count: int, octets: int) -> MessageId:
        """Adds to the mailbox's usage and returns the first of `count` fresh message numbers."""
        ...

    def add_usage(self, mailbox_id: MailboxId, count: int, octets: int) -> None: ...
    def insert_folder(self, folder: Folder, at: int) -> None: ...
    def update_folder(self, folder: Folder) -> None:
        """Writes the folder's place in the tree, special use, selectability and recent_from; not its counters."""
        ...

    def delete_folder(self, mailbox_id: MailboxId, folder_id: FolderId) -> None:
        """Deletes the folder's row and all that belongs to it; its entries must be gone."""
        ...

    def count(self, mailbox_id: MailboxId, folder_id: FolderId, add: Counters) -> Folder:
        """Adds to the counters and takes a MODSEQ; returns the row as it is now."""
        ...

    def take_modseq(self, mailbox_id: MailboxId, folder_id: FolderId) -> ModSeq:
        """A MODSEQ for a change that not everybody sees."""
        ...

    def put_grant(self, mailbox_id: MailboxId, folder_id: FolderId, grant: Grant) -> None:
        """In place of the line of the same trustee and kind, if there is one."""
        ...

    def delete_grant(self, mailbox_id: MailboxId, folder_id: FolderId, trustee: int, *, is_denied: bool) -> None: ...
    def replace_seen(
        self, mailbox_id: MailboxId, folder_id: FolderId, user: int, old: Sequence[SeenRange], new: Sequence[SeenRange]
    ) -> None:
        """Puts ranges in the place of others."""
        ...

    def set_reader_modseq(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, modseq: ModSeq) -> None: ...
    def put_annotation(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, name: str, value: bytes) -> None:
        """In place of the one of that name, if there is one."""
        ...

    def delete_annotation(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, name: str) -> None: ...
    def copy_annotations(self, mailbox_id: MailboxId, source: FolderId, target: FolderId) -> None:
        """Gives a folder that has none those of another, of all users."""
        ...

    def put_access_key(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, secret: bytes) -> None:
        """In place of the one before, if there is one."""
        ...

    def drop_access_keys(self, user: int) -> None:
        """A user's keys in all mailboxes of the database."""
        ...

    def subscribe(self, mailbox_id: MailboxId, path: str) -> None: ...
    def unsubscribe(self, mailbox_id: MailboxId, path: str) -> None: ...
    def insert_keyword(self, mailbox_id: MailboxId, folder_id: FolderId, bit: int, name: str) -> None: ...
    def put_blob(self, blob: Blob, at: int) -> None:
        """Keeps the bytes unless they are here already; an old copy's age starts anew."""
        ...

    def insert_messages(self, messages: Sequence[NewMessage]) -> None: ...
    def copy_message(
        self,
        mailbox_id: MailboxId,
        message_id: MessageId,
        to: MailboxId,
        new_id: MessageId,
        thread_id: MessageId,
        name: str,
    ) -> None:
        """The message as one of another mailbox, with one entry; its name there, if it has none yet."""
        ...

    def insert_entries(self, entries: Sequence[NewEntry]) -> None:
        """Keywords may be wider than the mask; what is beyond it goes to rows of its own."""
        ...

    def change_flags(
        self,
        mailbox_id: MailboxId,
        folder_id: FolderId,
        low: int,
        high: int,
        *,
        modseq: int,
        keep: tuple[int, int],
        add: tuple[int, int],
    ) -> list[tuple[Entry, int]]:
        """Sets flags to (flags & keep) | add where that changes them, likewise keywords: (entry now, flags before)."""
        ...

    def delete_entries(self, mailbox_id: MailboxId, folder_id: FolderId, uids: UIDRanges) -> None: ...
    def add_references(self, mailbox_id: MailboxId, message_ids: Iterable[int]) -> None: ...
    def drop_references(self, mailbox_id: MailboxId, message_ids: Iterable[int]) -> None:
        """One entry less for each; a message without entries is deleted."""
        ...

    def insert_tombstone(
        self, mailbox_id: MailboxId, folder_id: FolderId, modseq: int, low: int, high: int
    ) -> None: ...
    def threads(self, mailbox_id: MailboxId, keys: Iterable[bytes]) -> dict[bytes, MessageId]:
        """The conversations that are known by these keys."""
        ...

    def remember_thread(self, mailbox_id: MailboxId, keys: Iterable[bytes], thread_id: MessageId) -> None:
        """From now on these keys lead to this conversation; those that lead to another go on doing so."""
        ...

    def forget_tombstones(self, mailbox_id: MailboxId, folder_id: FolderId, keep: int, limit: int) -> int:
        """Deletes the oldest tombstones beyond so many, about `limit` at once, and raises the floor; how many went."""
        ...

    def delivery_known(self, mailbox_id: MailboxId, token: bytes, at: int) -> bool:
        """Whether the token was remembered and had not expired by then."""
        ...

    def remember_delivery(self, mailbox_id: MailboxId, token: bytes, at: int, expires_at: int) -> bool:
        """Whether the token is new, or had expired; one that is known at that time goes on as it was."""
        ...

    def sweep_deliveries(self, now: int, limit: int) -> int: ...
    def sweep_blobs(self, before: int, limit: int) -> int:
        """Deletes unnamed blobs and forgets packs with nothing live in them; how many blobs went."""
        ...


class Clock(Protocol):
    def now(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...


class Entropy(Protocol):
    def token(self, octets: int) -> bytes:
        """So many unpredictable octets."""
        ...


class EventLog(Protocol):
    """Where events are told, each by a name and facts about it; never passwords or message text."""

    def info(self, event: str, **facts: Any) -> Any: ...
    def warning(self, event: str, **facts: Any) -> Any: ...
    def exception(self, event: str, **facts: Any) -> Any: ...
