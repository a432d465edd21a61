"""The store's transactions over SQL: one implementation for every engine that runs these statements."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any, Protocol

from msgspec.structs import replace

from adapters.stores.integrity import SqlMending, SqlRecounting
from adapters.stores.statements import load
from core.errors import MessageExpunged, NoSuchMailbox
from core.model import (
    DELETED,
    KEYWORDS_IN_MASK,
    MAX_UID,
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
from core.ports import Counters, NewEntry, NewMessage, StoredEntry
from core.recipients import RecipientId
from core.rights import Grant

STATEMENTS = load("mailbox")
INLINE_OCTETS = 16 * 1024  # a larger body goes to a pack: one write of its bytes instead of two
_MASK = (1 << KEYWORDS_IN_MASK) - 1
_THREAD_KEYS = tuple(f"key{number}" for number in range(8))  # so many are looked up at once; few messages have more

Row = Any  # a tuple of the statement's columns
Params = Mapping[str, object]


class Connection(Protocol):
    """One connection of an engine: runs a statement with named parameters."""

    def execute(self, statement: str, params: Params) -> Iterator[Row]: ...
    def executemany(self, statement: str, params: Iterable[Params]) -> None: ...


class Blobs(Protocol):
    """Where bodies too large for a row are kept."""

    def append(self, blob: Blob) -> Blob:
        """The same blob with its place in a pack; durable only after `sync`."""
        ...

    def hold(self, pack_id: int) -> None:
        """Keeps a pack until the commit that names it is over.  Raises Unavailable where it is gone."""
        ...

    def read(self, blob: Blob, start: int, stop: int) -> bytes: ...


class SqlReadTx(SqlRecounting):
    """One snapshot; see core.ports.ReadTx."""

    def __init__(self, connection: Connection, blobs: Blobs) -> None:
        self._run = connection.execute
        self._run_many = connection.executemany
        self._blobs = blobs

    def _rows(self, statement: str, **params: object) -> Iterator[Row]:
        return self._run(STATEMENTS[statement], params)

    def _one(self, statement: str, **params: object) -> Row | None:
        # Exhausting the cursor ends the statement: a half-read one would pin the snapshot.
        rows = list(self._run(STATEMENTS[statement], params))
        return rows[0] if rows else None

    def mailbox(self, mailbox_id: MailboxId) -> Mailbox:
        if (row := self._one("mailbox", mailbox=mailbox_id)) is None:
            raise NoSuchMailbox("There is no such mailbox")
        return Mailbox(*row)

    def mailboxes(self) -> list[Mailbox]:
        return [Mailbox(*row) for row in self._rows("mailboxes")]

    def folders(self, mailbox_id: MailboxId) -> list[Folder]:
        return [_folder(row) for row in self._rows("folders", mailbox=mailbox_id)]

    def folder(self, mailbox_id: MailboxId, folder_id: FolderId) -> Folder | None:
        row = self._one("folder", mailbox=mailbox_id, folder=folder_id)
        return _folder(row) if row else None

    def child(self, mailbox_id: MailboxId, parent_id: FolderId, name: str) -> Folder | None:
        row = self._one("child", mailbox=mailbox_id, parent=parent_id, name=name)
        return _folder(row) if row else None

    def graveyard(self) -> list[tuple[MailboxId, FolderId]]:
        """Deleted folders whose messages are still to be purged."""
        return [(MailboxId(mailbox), FolderId(folder)) for mailbox, folder in self._rows("graveyard")]

    def subscriptions(self, mailbox_id: MailboxId) -> set[str]:
        return {path for (path,) in self._rows("subscriptions", mailbox=mailbox_id)}

    def keywords(self, mailbox_id: MailboxId, folder_id: FolderId) -> tuple[str, ...]:
        return tuple(name for (name,) in self._rows("keywords", mailbox=mailbox_id, folder=folder_id))

    def entries(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> list[Entry]:
        place = {"mailbox": mailbox_id, "folder": folder_id, "low": low, "high": high}
        entries = [Entry(*row) for row in self._run(STATEMENTS["entries"], place)]
        if wide := self._wide_keywords(place):
            return [Entry(e.uid, e.flags, e.keywords | wide.get(e.uid, 0), e.modseq) for e in entries]
        return entries

    def entry_columns(self, mailbox_id: MailboxId, folder_id: FolderId, rows: int) -> Iterator[Columns]:
        found = self._rows("entries", mailbox=mailbox_id, folder=folder_id, low=1, high=MAX_UID)
        while piece := list(islice(found, rows)):
            uids, flags, keywords, modseqs = zip(*piece, strict=True)
            yield uids, flags, keywords, modseqs

    def wide_keywords(self, mailbox_id: MailboxId, folder_id: FolderId) -> dict[int, int]:
        return self._wide_keywords({"mailbox": mailbox_id, "folder": folder_id, "low": 1, "high": MAX_UID})

    def _wide_keywords(self, place: Params) -> dict[int, int]:
        """The keyword bits beyond the mask, by UID."""
        wide: dict[int, int] = {}
        for uid, bit in self._run(STATEMENTS["entry_keywords"], place):
            wide[uid] = wide.get(uid, 0) | 1 << bit
        return wide

    def items(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[Item]:
        rows = self._rows("items", mailbox=mailbox_id, folder=folder_id, low=low, high=high)
        return (Item(*row) for row in rows)

    def summarized_items(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[Item]:
        rows = self._rows("summarized_items", mailbox=mailbox_id, folder=folder_id, low=low, high=high)
        return (Item(*row) for row in rows)

    def sizes(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, int]]:
        return self._rows("sizes", mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def objects(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, str | None]]:
        return self._rows("objects", mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def saved_dates(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[tuple[int, int]]:
        return self._rows("saved_dates", mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def vanished(self, mailbox_id: MailboxId, folder_id: FolderId, since: int) -> Iterator[tuple[int, int]]:
        return self._rows("vanished", mailbox=mailbox_id, folder=folder_id, since=since)

    def crowded_tombstones(self, keep: int) -> list[tuple[MailboxId, FolderId]]:
        """The folders with more tombstones than that."""
        return [(MailboxId(m), FolderId(f)) for m, f in self._rows("crowded_tombstones", keep=keep)]

    def summaries(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[tuple[int, bytes]]:
        return self._rows("summaries", mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def dates(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, int | None]]:
        return self._rows("dates", mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def dated_summaries(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int
    ) -> Iterator[tuple[int, int, int, int | None, bytes]]:
        return self._rows("dated_summaries", mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def grants(self, mailbox_id: MailboxId, folder_id: FolderId) -> list[Grant]:
        return [_grant(row) for row in self._rows("grants", mailbox=mailbox_id, folder=folder_id)]

    def all_grants(self, mailbox_id: MailboxId) -> dict[FolderId, list[Grant]]:
        found: dict[FolderId, list[Grant]] = {}
        for folder_id, *row in self._rows("all_grants", mailbox=mailbox_id):
            found.setdefault(FolderId(folder_id), []).append(_grant(row))
        return found

    def granted_to(self, trustees: Iterable[int]) -> list[MailboxId]:
        found = {row[0] for trustee in trustees for row in self._rows("granted_to", trustee=trustee)}
        return [MailboxId(mailbox) for mailbox in sorted(found)]

    def seen(
        self, mailbox_id: MailboxId, folder_id: FolderId, user: int, low: int = 1, high: int = MAX_UID
    ) -> list[SeenRange]:
        place = {"mailbox": mailbox_id, "folder": folder_id, "user": user}
        rows = self._rows("seen", **place, low=low, high=high)
        ranges = [SeenRange(first, last, bool(is_seen), ModSeq(modseq)) for first, last, is_seen, modseq in rows]
        return ranges[1:] if ranges and ranges[0].high < low else ranges

    def reader_modseq(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> ModSeq:
        row = self._one("reader", mailbox=mailbox_id, folder=folder_id, user=user)
        return ModSeq(row[0]) if row else ModSeq(0)

    def annotations(
        self, mailbox_id: MailboxId, folder_id: FolderId, user: int, first: str, until: str
    ) -> Iterator[tuple[str, bytes]]:
        rows = self._rows("annotations", **_of(mailbox_id, folder_id, user), first=_octets(first), until=_octets(until))
        return ((name.decode("ascii"), value) for name, value in rows)

    def annotation_sizes(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> dict[str, int]:
        rows = self._rows("annotation_sizes", **_of(mailbox_id, folder_id, user))
        return {name.decode("ascii"): size for name, size in rows}

    def annotation_usage(self, mailbox_id: MailboxId, user: int) -> tuple[int, int]:
        row = self._one("annotation_usage", mailbox=mailbox_id, user=user)
        assert row is not None, "a sum is always one row"
        return row[0], row[1]

    def access_key(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> bytes | None:
        row = self._one("access_key", mailbox=mailbox_id, folder=folder_id, user=user)
        return bytes(row[0]) if row else None

    def count_seen(self, mailbox_id: MailboxId, folder_id: FolderId, user: int) -> int:
        row = self._one("count_seen", mailbox=mailbox_id, folder=folder_id, user=user)
        return int(row[0]) if row else 0

    def message_summary(self, mailbox_id: MailboxId, message_id: MessageId) -> bytes:
        row = self._one("message_summary", mailbox=mailbox_id, message=message_id)
        assert row is not None, "an entry names it"
        return bytes(row[0])

    def crowded_readers(self, keep: int) -> list[tuple[MailboxId, FolderId, RecipientId]]:
        """The readers with more marks in a folder than that."""
        return [(MailboxId(m), FolderId(f), RecipientId(u)) for m, f, u in self._rows("crowded_readers", keep=keep)]

    def deleted_octets(self, mailbox_id: MailboxId, folder_id: FolderId) -> int:
        row = self._one("deleted_octets", mailbox=mailbox_id, folder=folder_id, deleted=DELETED)
        return int(row[0]) if row else 0

    def totals(self, mailbox_id: MailboxId) -> tuple[int, int]:
        row = self._one("totals", mailbox=mailbox_id)
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def stored_entries(
        self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int, limit: int
    ) -> list[StoredEntry]:
        place = {"mailbox": mailbox_id, "folder": folder_id, "low": low, "high": high}
        rows = [StoredEntry(*row) for row in self._run(STATEMENTS["stored_entries"], {**place, "limit": limit})]
        if wide := self._wide_keywords(place):
            return [replace(row, keywords=row.keywords | wide.get(row.uid, 0)) for row in rows]
        return rows

    def blob(self, digest: bytes) -> Blob | None:
        row = self._one("blob", hash=digest)
        return Blob(*row) if row else None

    def read_blob(self, blob: Blob, start: int, stop: int) -> bytes:
        try:
            return self._blobs.read(blob, start, stop)
        except FileNotFoundError as gone:
            raise MessageExpunged("The message has been expunged") from gone

    def packs(self) -> list[tuple[int, int, int]]:
        """(number, live octets, dead octets) of every pack that a row names."""
        return [(pack, live, dead) for pack, live, dead in self._rows("packs")]

    def delivery_known(self, mailbox_id: MailboxId, token: bytes, at: int) -> bool:
        return self._one("delivery_known", mailbox=mailbox_id, token=token, at=at) is not None


_OF_A_FOLDER = (
    "delete_keywords",
    "delete_tombstones",
    "delete_acl",
    "delete_annotations",
    "delete_access_keys",
    "delete_all_seen",
    "delete_readers",
    "delete_folder",
)

_OF_A_MAILBOX = (
    "delete_subscriptions",
    "delete_deliveries",
    "delete_threads",
    "delete_all_annotations",
    "delete_mailbox",
)


class SqlWriteTx(SqlMending, SqlReadTx):
    """A snapshot that may change; see core.ports.WriteTx."""

    def insert_mailbox(self, mailbox: Mailbox, at: int) -> None:
        self._do("insert_mailbox", mailbox=mailbox.mailbox_id, guid=mailbox.guid, at=at)

    def delete_mailbox(self, mailbox_id: MailboxId) -> None:
        for statement in _OF_A_MAILBOX:
            self._do(statement, mailbox=mailbox_id)

    def next_folder(self, mailbox_id: MailboxId, uidvalidity: int) -> tuple[FolderId, int]:
        folder_id, validity = self._returning("next_folder", mailbox=mailbox_id, uidvalidity=uidvalidity)
        return FolderId(folder_id), validity

    def take_messages(self, mailbox_id: MailboxId, count: int, octets: int) -> MessageId:
        (first,) = self._returning("take_messages", mailbox=mailbox_id, count=count, octets=octets)
        return MessageId(first)

    def add_usage(self, mailbox_id: MailboxId, count: int, octets: int) -> None:
        self._do("add_usage", mailbox=mailbox_id, count=count, octets=octets)

    def insert_folder(self, folder: Folder, at: int) -> None:
        new = {"uidnext": folder.uidnext, "modseq": folder.modseq, "at": at}
        self._do("insert_folder", **_place(folder), **new)

    def update_folder(self, folder: Folder) -> None:
        self._do("update_folder", **_place(folder))

    def delete_folder(self, mailbox_id: MailboxId, folder_id: FolderId) -> None:
        for statement in _OF_A_FOLDER:
            self._do(statement, mailbox=mailbox_id, folder=folder_id)

    def count(self, mailbox_id: MailboxId, folder_id: FolderId, add: Counters) -> Folder:
        row = self._returning(
            "count",
            mailbox=mailbox_id,
            folder=folder_id,
            uids=add.uids,
            exists=add.exists,
            unseen=add.unseen,
            deleted=add.deleted,
            octets=add.octets,
        )
        return _folder(row)

    def take_modseq(self, mailbox_id: MailboxId, folder_id: FolderId) -> ModSeq:
        (modseq,) = self._returning("take_modseq", mailbox=mailbox_id, folder=folder_id)
        return ModSeq(modseq)

    def put_grant(self, mailbox_id: MailboxId, folder_id: FolderId, grant: Grant) -> None:
        place = {"mailbox": mailbox_id, "folder": folder_id, "trustee": grant.trustee}
        self._do(
            "put_grant", **place, is_denied=int(grant.is_denied), rights=grant.rights, own_only=int(grant.own_only)
        )

    def delete_grant(self, mailbox_id: MailboxId, folder_id: FolderId, trustee: int, *, is_denied: bool) -> None:
        place = {"mailbox": mailbox_id, "folder": folder_id, "trustee": trustee}
        self._do("delete_grant", **place, is_denied=int(is_denied))

    def replace_seen(
        self, mailbox_id: MailboxId, folder_id: FolderId, user: int, old: Sequence[SeenRange], new: Sequence[SeenRange]
    ) -> None:
        place = {"mailbox": mailbox_id, "folder": folder_id, "user": user}
        self._run_many(STATEMENTS["delete_seen"], ({**place, "low": some.low} for some in old))
        self._run_many(
            STATEMENTS["insert_seen"],
            (
                {**place, "low": some.low, "high": some.high, "is_seen": int(some.is_seen), "modseq": some.modseq}
                for some in new
            ),
        )

    def set_reader_modseq(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, modseq: ModSeq) -> None:
        self._do("put_reader", mailbox=mailbox_id, folder=folder_id, user=user, modseq=modseq)

    def put_annotation(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, name: str, value: bytes) -> None:
        self._do("put_annotation", **_of(mailbox_id, folder_id, user), entry=_octets(name), value=value)

    def delete_annotation(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, name: str) -> None:
        self._do("delete_annotation", **_of(mailbox_id, folder_id, user), entry=_octets(name))

    def copy_annotations(self, mailbox_id: MailboxId, source: FolderId, target: FolderId) -> None:
        self._do("copy_annotations", mailbox=mailbox_id, folder=source, target=target)

    def put_access_key(self, mailbox_id: MailboxId, folder_id: FolderId, user: int, secret: bytes) -> None:
        self._do("put_access_key", mailbox=mailbox_id, folder=folder_id, user=user, secret=secret)

    def drop_access_keys(self, user: int) -> None:
        self._do("drop_access_keys", user=user)

    def subscribe(self, mailbox_id: MailboxId, path: str) -> None:
        self._do("subscribe", mailbox=mailbox_id, path=path)

    def unsubscribe(self, mailbox_id: MailboxId, path: str) -> None:
        self._do("unsubscribe", mailbox=mailbox_id, path=path)

    def insert_keyword(self, mailbox_id: MailboxId, folder_id: FolderId, bit: int, name: str) -> None:
        self._do("insert_keyword", mailbox=mailbox_id, folder=folder_id, bit=bit, name=name)

    def put_blob(self, blob: Blob, at: int) -> None:
        # Where the bytes are here already their age starts anew, or the sweeper could take them from under the message
        # that now names them.  A row does both in one statement; a pack must not get them twice.
        if blob.pack_id is not None or blob.stored_size > INLINE_OCTETS:
            if self._one("blob_known", hash=blob.hash) is not None:
                self._do("touch_blob", hash=blob.hash, at=at)
                return
            if blob.pack_id is None:
                blob = self._blobs.append(blob)
            else:
                self._blobs.hold(blob.pack_id)
            self._do("pack_gains", pack=blob.pack_id, octets=blob.stored_size)
        self._do(
            "insert_blob",
            hash=blob.hash,
            size=blob.size,
            stored_size=blob.stored_size,
            encoding=blob.encoding,
            location=0 if blob.pack_id is None else 1,
            pack=blob.pack_id,
            offset=blob.pack_offset,
            at=at,
            data=blob.data if blob.pack_id is None else None,
        )

    def insert_messages(self, messages: Sequence[NewMessage]) -> None:
        self._run_many(
            STATEMENTS["insert_message"],
            (
                {
                    "mailbox": m.mailbox_id,
                    "message": m.message_id,
                    "hash": m.hash,
                    "n_entries": m.n_entries,
                    "size": m.size,
                    "internal_at": m.internal_at,
                    "internal_zone": m.internal_zone,
                    "sent_at": m.sent_at,
                    "prefix": m.prefix,
                    "envelope": m.envelope,
                    "structure": m.structure,
                    "parts": m.parts,
                    "summary": m.summary,
                    "utf8": m.utf8,
                    "thread": m.thread_id,
                    "email_id": m.email_id,
                }
                for m in messages
            ),
        )

    def copy_message(
        self,
        mailbox_id: MailboxId,
        message_id: MessageId,
        to: MailboxId,
        new_id: MessageId,
        thread_id: MessageId,
        name: str,
    ) -> None:
        place = {"mailbox": mailbox_id, "message": message_id, "to": to}
        self._do("copy_message", **place, new=new_id, thread=thread_id, email_id=name)

    def insert_entries(self, entries: Sequence[NewEntry]) -> None:
        self._run_many(
            STATEMENTS["insert_entry"],
            (
                {
                    "mailbox": e.mailbox_id,
                    "folder": e.folder_id,
                    "uid": e.uid,
                    "message": e.message_id,
                    "modseq": e.modseq,
                    "flags": e.flags,
                    "keywords": e.keywords & _MASK,
                    "saved_at": e.saved_at,
                    "author": e.author,
                }
                for e in entries
            ),
        )
        for entry in entries:
            if entry.keywords > _MASK:
                self._add_wide(entry.mailbox_id, entry.folder_id, entry.uid, entry.keywords)

    def _add_wide(self, mailbox_id: MailboxId, folder_id: FolderId, uid: int, keywords: int) -> None:
        for bit in _wide_bits(keywords):
            self._do("insert_entry_keyword", mailbox=mailbox_id, folder=folder_id, uid=uid, bit=bit)

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
        place = {"mailbox": mailbox_id, "folder": folder_id, "low": low, "high": high}
        if add[1] > _MASK or self._wide_keywords(place):
            return self._change_wide_flags(place, modseq, keep, add)
        masks = {
            "keep_flags": keep[0],
            "add_flags": add[0],
            "keep_keywords": keep[1] & _MASK,
            "add_keywords": add[1],
        }
        before = list(self._run(STATEMENTS["flag_candidates"], {**place, **masks}))
        if before:
            self._do("change_flags", **place, **masks, modseq=modseq)
        return [
            (Entry(uid, flags & keep[0] | add[0], keywords & keep[1] & _MASK | add[1], ModSeq(modseq)), flags)
            for uid, flags, keywords in before
        ]

    def _change_wide_flags(
        self, place: dict[str, int], modseq: int, keep: tuple[int, int], add: tuple[int, int]
    ) -> list[tuple[Entry, int]]:
        """The same, row by row, where keywords beyond the mask take part."""
        changed = []
        mailbox_id, folder_id = MailboxId(place["mailbox"]), FolderId(place["folder"])
        for old in self.entries(mailbox_id, folder_id, place["low"], place["high"]):
            new = Entry(old.uid, old.flags & keep[0] | add[0], old.keywords & keep[1] | add[1], ModSeq(modseq))
            if (new.flags, new.keywords) == (old.flags, old.keywords):
                continue
            where = {"mailbox": mailbox_id, "folder": folder_id, "uid": old.uid}
            self._do("set_flags", **where, flags=new.flags, keywords=new.keywords & _MASK, modseq=modseq)
            for bit in _wide_bits(old.keywords & ~new.keywords):
                self._do("delete_entry_keyword", **where, bit=bit)
            self._add_wide(mailbox_id, folder_id, old.uid, new.keywords & ~old.keywords)
            changed.append((new, old.flags))
        return changed

    def delete_entries(self, mailbox_id: MailboxId, folder_id: FolderId, uids: UIDRanges) -> None:
        for low, high in uids:
            for statement in ("delete_entry_keywords", "delete_entries"):
                self._do(statement, mailbox=mailbox_id, folder=folder_id, low=low, high=high)

    def add_references(self, mailbox_id: MailboxId, message_ids: Iterable[int]) -> None:
        self._each_message("add_reference", mailbox_id, message_ids)

    def drop_references(self, mailbox_id: MailboxId, message_ids: Iterable[int]) -> None:
        message_ids = list(message_ids)
        self._each_message("drop_reference", mailbox_id, message_ids)
        self._each_message("delete_unreferenced", mailbox_id, message_ids)

    def _each_message(self, statement: str, mailbox_id: MailboxId, message_ids: Iterable[int]) -> None:
        self._run_many(STATEMENTS[statement], ({"mailbox": mailbox_id, "message": m} for m in message_ids))

    def insert_tombstone(self, mailbox_id: MailboxId, folder_id: FolderId, modseq: int, low: int, high: int) -> None:
        self._do("insert_tombstone", mailbox=mailbox_id, folder=folder_id, modseq=modseq, low=low, high=high)

    def threads(self, mailbox_id: MailboxId, keys: Iterable[bytes]) -> dict[bytes, MessageId]:
        wanted = list(keys)
        found: dict[bytes, MessageId] = {}
        for start in range(0, len(wanted), len(_THREAD_KEYS)):
            some = dict(zip_longest(_THREAD_KEYS, wanted[start : start + len(_THREAD_KEYS)]))
            found |= {key: MessageId(thread) for key, thread in self._rows("threads", mailbox=mailbox_id, **some)}
        return found

    def remember_thread(self, mailbox_id: MailboxId, keys: Iterable[bytes], thread_id: MessageId) -> None:
        rows = ({"mailbox": mailbox_id, "key": key, "thread": thread_id} for key in keys)
        self._run_many(STATEMENTS["insert_thread"], rows)

    def forget_tombstones(self, mailbox_id: MailboxId, folder_id: FolderId, keep: int, limit: int) -> int:
        place = {"mailbox": mailbox_id, "folder": folder_id}
        (before,) = self._returning("count_tombstones", **place)
        if before <= keep:
            return 0
        # Those of one MODSEQ go together, so that the floor is true.
        (floor,) = self._returning("tombstone_after", **place, rows=min(before - keep, limit) - 1)
        self._do("forget_tombstones", **place, floor=floor)
        self._do("raise_floor", **place, floor=floor)
        (after,) = self._returning("count_tombstones", **place)
        return int(before - after)

    def remember_delivery(self, mailbox_id: MailboxId, token: bytes, at: int, expires_at: int) -> bool:
        return self._one("remember_delivery", mailbox=mailbox_id, token=token, at=at, expires_at=expires_at) is not None

    def sweep_deliveries(self, now: int, limit: int) -> int:
        expired = list(self._rows("expired_deliveries", now=now, limit=limit))
        self._run_many(STATEMENTS["delete_delivery"], ({"mailbox": m, "token": token} for m, token in expired))
        return len(expired)

    def sweep_blobs(self, before: int, limit: int) -> int:
        unnamed = list(self._rows("unnamed_blobs", before=before, limit=limit))
        for digest, stored_size, pack_id in unnamed:
            self._do("delete_blob", hash=digest)
            if pack_id is not None:
                self._do("pack_loses", pack=pack_id, octets=stored_size)
        for (pack_id,) in list(self._rows("dead_packs")):
            self._do("delete_pack", pack=pack_id)
        return len(unnamed)

    def _do(self, statement: str, **params: object) -> None:
        for _ in self._run(STATEMENTS[statement], params):
            pass

    def _returning(self, statement: str, **params: object) -> Row:
        if (row := self._one(statement, **params)) is None:
            raise NoSuchMailbox("The row to change is gone")
        return row


def _folder(row: Row) -> Folder:
    mailbox, folder, parent, name, use, selectable, *rest = row
    return Folder(mailbox, folder, parent, name, use, bool(selectable), *rest)


def _of(mailbox_id: MailboxId, folder_id: FolderId, user: int) -> dict[str, int]:
    return {"mailbox": mailbox_id, "folder": folder_id, "user": user}


def _octets(name: str) -> bytes:
    return name.encode("ascii")


def _grant(row: Row) -> Grant:
    trustee, rights, is_denied, own_only = row
    return Grant(RecipientId(trustee), rights, bool(is_denied), bool(own_only))


def _place(folder: Folder) -> dict[str, object]:
    return {
        "mailbox": folder.mailbox_id,
        "folder": folder.folder_id,
        "parent": folder.parent_id,
        "name": folder.name,
        "special_use": folder.special_use,
        "selectable": int(folder.selectable),
        "uidvalidity": folder.uidvalidity,
        "recent_from": folder.recent_from,
    }


def _wide_bits(keywords: int) -> list[int]:
    """The numbers of the keywords that the mask has no room for."""
    return [bit for bit in range(KEYWORDS_IN_MASK, keywords.bit_length()) if keywords >> bit & 1]
