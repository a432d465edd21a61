"""A mailbox database in a directory of its own, and all that a test says to it and asks of it."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.blobs.packs import Packs, encode
from adapters.blobs.spool import Spool
from adapters.stores.database import MailboxDatabase
from adapters.stores.sql import SqlReadTx
from adapters.stores.sqlite import SqliteConnection
from core.changes import Change, FolderChange
from core.commands import (
    Append,
    Appended,
    Command,
    Copied,
    Copy,
    CreateFolder,
    CreateMailbox,
    DeleteFolder,
    Deliver,
    Delivered,
    Delivery,
    Expunge,
    Filing,
    FlagMode,
    Flags,
    NewFolder,
    RenameFolder,
    SetGrant,
    StoreFlags,
    Subscribe,
    SweepDeliveries,
)
from core.errors import Refusal
from core.folders import find, tree
from core.integrity.audit import audit
from core.model import MAX_UID, Blob, Entry, Folder, FolderId, Incoming, MailboxId, UIDRanges
from core.rights import Grant
from core.view import FolderView

SECOND = 1_000_000
DAY = 86_400 * SECOND
MORNING = 1_700_000_000 * SECOND
ONE = MailboxId(1)
TWO = MailboxId(2)
ALL: UIDRanges = ((1, MAX_UID),)
LARGEST = 100 * 1024 * 1024
TABLES = (
    "mailbox",
    "folder",
    "keyword",
    "message",
    "entry",
    "entry_keyword",
    "expunged",
    "thread_key",
    "subscription",
    "annotation",
    "access_key",
    "delivery_seen",
    "acl",
    "seen",
    "reader",
)


class TestClock:
    """Stands still until it is told to move; see core.ports.Clock."""

    __test__ = False

    def __init__(self, now: int = MORNING) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._now / SECOND

    def advance(self, microseconds: int) -> None:
        self._now += microseconds


def incoming_blob(blob: Blob) -> Incoming:
    """A message of that body, with stand-ins for what a scanner would have found in it."""
    name = blob.hash.hex()[:8].encode()
    return Incoming(blob, 7, b"E" + name, b"S" + name, b"P" + name, b"Y" + name, None)


def incoming(body: bytes) -> Incoming:
    """A message of a body that fits in one frame."""
    return incoming_blob(encode(body, hashlib.sha256(body).digest()))


class NoScanner:
    """Looks at nothing."""

    def feed(self, data: bytes) -> None:
        pass


class Store:
    """An open mailbox database whose changes are published at once, in its writer's thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = TestClock()
        self.published: list[Change] = []
        self.faults: list[BaseException] = []  # a test that expects some takes them out
        self.subscribers: list[Callable[[Sequence[Change]], None]] = [self.published.extend]
        self.open()

    def open(self) -> None:
        self.packs = Packs(self.root / "packs")
        self.database = MailboxDatabase(
            self.root / "mail.db",
            self.packs,
            at=self.clock.now(),
            publish=self._publish,
            post=lambda action: action(),
            fault=self.faults.append,
        )

    def _publish(self, changes: Sequence[Change]) -> None:
        for subscriber in self.subscribers:
            subscriber(changes)

    def close(self) -> None:
        self.database.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    def check(self) -> None:
        """Every promise of the store holds, and nothing has failed behind the test's back."""
        assert self.broken() == []
        assert self.faults == []

    def broken(self, *, deep: bool = True) -> list[str]:
        with self.read() as tx:
            return list(map(str, audit(tx, deep=deep)))

    # ------------------------------------------------------------------------------------------ writing

    def do(self, command: Command) -> Any:
        return self.database.write(command)

    def group(self, *commands: Command) -> list[Any]:
        """Carries commands out in one transaction; results, or the types of errors, in order."""
        outcomes: list[Any] = []
        finished = threading.Semaphore(0)

        def done(result: object, error: BaseException | None) -> None:
            outcomes.append(result if error is None else type(error))
            finished.release()

        with self._held():
            for command in commands:
                self.database.submit(command, done)
        for _ in commands:
            finished.acquire()
        return outcomes

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The writer stops at the beginning of a group of nothing; what is submitted meanwhile makes the next one."""
        engine, at_gate, gate = self.database._engine, threading.Event(), threading.Event()
        begin = engine.begin

        def wait() -> Any:
            engine.begin = begin  # type: ignore[method-assign]
            at_gate.set()
            gate.wait()
            return begin()

        engine.begin = wait  # type: ignore[method-assign]
        self.database.submit(SweepDeliveries(0, 0), lambda _, __: None)
        at_gate.wait()
        try:
            yield
        finally:
            gate.set()

    def changes(self, command: Command) -> list[Change]:
        """Carries a command out: what it published."""
        before = len(self.published)
        self.do(command)
        return self.published[before:]

    def refuses(self, command: Command, refusal: type[Refusal], match: str | None = None) -> None:
        """The command is refused, nothing is changed, and nothing is published."""
        rows, published = self.dump(), len(self.published)
        with pytest.raises(refusal, match=match) as raised:
            self.do(command)
        assert raised.type is refusal
        assert self.dump() == rows
        assert len(self.published) == published

    def create_mailbox(self, mailbox: MailboxId = ONE, *paths: str) -> None:
        folders = tuple(NewFolder(path) for path in ("INBOX", *paths))
        self.do(CreateMailbox(mailbox, bytes([mailbox % 256]) * 16, folders, self.clock.now()))

    def create(self, path: str, special_use: str | None = None, mailbox: MailboxId = ONE) -> Folder:
        folder = self.do(CreateFolder(mailbox, NewFolder(path, special_use), self.clock.now()))
        assert isinstance(folder, Folder)
        return folder

    def delete(self, path: str, mailbox: MailboxId = ONE) -> None:
        self.do(DeleteFolder(mailbox, path, self.clock.now()))

    def rename(self, source: str, target: str, mailbox: MailboxId = ONE) -> None:
        self.do(RenameFolder(mailbox, source, target, self.clock.now()))

    def exhaust_uids(self, path: str) -> None:
        """Makes a folder that has given out every UID, as no test could otherwise."""
        folder = self.folder(path)
        self.close()
        connection = SqliteConnection(self.root / "mail.db", writer=True)
        connection.script(f"UPDATE folder SET uidnext = {MAX_UID} WHERE folder_id = {folder.folder_id}")
        connection.close()
        self.open()

    def subscribe(self, path: str, *, subscribed: bool = True) -> None:
        self.do(Subscribe(ONE, path, subscribed))

    def share(self, path: str, *grants: Grant, mailbox: MailboxId = ONE) -> None:
        """Puts lines into a folder's access control list."""
        for grant in grants:
            give = (grant.trustee, grant.is_denied, FlagMode.REPLACE, grant.rights, None, grant.own_only)
            self.do(SetGrant(mailbox, path, *give))

    def append(self, path: str, body: bytes, system: int = 0, *keywords: str, mailbox: MailboxId = ONE) -> int:
        appended = self.do(self.appending(path, body, system, *keywords, mailbox=mailbox))
        assert isinstance(appended, Appended)
        return appended.uid

    def appending(
        self,
        path: str,
        body: bytes,
        system: int = 0,
        *keywords: str,
        mailbox: MailboxId = ONE,
        quota: int | None = None,
    ) -> Append:
        now = self.clock.now()
        filing = Filing(incoming(body), Flags(system, keywords), now, 60)
        return Append(mailbox, path, (filing,), now, quota)

    def copying(
        self, path: str, target: str, uids: UIDRanges = ALL, *, move: bool = False, quota: int | None = None
    ) -> Copy:
        return Copy(ONE, self.folder(path).folder_id, uids, target, self.clock.now(), move, quota)

    def copy(self, path: str, target: str, uids: UIDRanges = ALL) -> Copied:
        copied = self.do(self.copying(path, target, uids))
        assert isinstance(copied, Copied)
        return copied

    def move(self, path: str, target: str, uids: UIDRanges = ALL) -> Copied:
        copied = self.do(self.copying(path, target, uids, move=True))
        assert isinstance(copied, Copied)
        return copied

    def storing(self, path: str, mode: FlagMode, system: int = 0, *keywords: str, uids: UIDRanges = ALL) -> StoreFlags:
        return StoreFlags(ONE, self.folder(path).folder_id, uids, mode, Flags(system, keywords))

    def mark(self, path: str, system: int = 0, *keywords: str, uids: UIDRanges = ALL) -> None:
        self.do(self.storing(path, FlagMode.ADD, system, *keywords, uids=uids))

    def expunge(self, path: str, uids: UIDRanges = ALL) -> int:
        gone = self.do(Expunge(ONE, self.folder(path).folder_id, uids))
        assert isinstance(gone, int)
        return gone

    def deliver(
        self, message: Incoming, *deliveries: Delivery, token: bytes | None = None
    ) -> list[Delivered | Refusal]:
        outcomes = self.do(self.delivering(message, *deliveries, token=token))
        assert isinstance(outcomes, list)
        return outcomes

    def delivering(self, message: Incoming, *deliveries: Delivery, token: bytes | None = None) -> Deliver:
        return Deliver(message, deliveries, self.clock.now(), token, self.clock.now() + 7 * DAY)

    def spool(self, body: bytes, piece: int = 1 << 16) -> Spool:
        """A spool that has taken the whole body."""
        spool = Spool(lambda: self.packs, NoScanner(), LARGEST)
        for start in range(0, len(body), piece):
            spool.write(body[start : start + piece])
        return spool

    # ------------------------------------------------------------------------------------------ reading

    @contextmanager
    def read(self) -> Iterator[SqlReadTx]:
        with self.database.read() as tx:
            yield tx

    def folder(self, path: str, mailbox: MailboxId = ONE) -> Folder:
        with self.read() as tx:
            folder = find(tx, mailbox, path)
        assert folder is not None, path
        return folder

    def paths(self, mailbox: MailboxId = ONE) -> dict[str, bool]:
        """Every path, and whether it can be selected."""
        with self.read() as tx:
            return {path: folder.selectable for path, folder in tree(tx.folders(mailbox)).items()}

    def entries(self, path: str, mailbox: MailboxId = ONE) -> list[Entry]:
        folder = self.folder(path, mailbox)
        with self.read() as tx:
            return tx.entries(mailbox, folder.folder_id, 1, MAX_UID)

    def uids(self, path: str, mailbox: MailboxId = ONE) -> list[int]:
        return [entry.uid for entry in self.entries(path, mailbox)]

    def flags(self, path: str) -> dict[int, tuple[int, AbstractSet[str]]]:
        """Each UID's system flags and keywords."""
        names = self.keywords(path)
        return {
            entry.uid: (
                entry.flags,
                frozenset(name for bit, name in enumerate(names) if entry.keywords >> bit & 1),
            )
            for entry in self.entries(path)
        }

    def keywords(self, path: str, mailbox: MailboxId = ONE) -> tuple[str, ...]:
        folder = self.folder(path, mailbox)
        with self.read() as tx:
            return tx.keywords(mailbox, folder.folder_id)

    def used(self, mailbox: MailboxId = ONE) -> tuple[int, int]:
        """(messages, octets)."""
        with self.read() as tx:
            found = tx.mailbox(mailbox)
        return found.used_count, found.used_bytes

    def body(self, path: str, uid: int, mailbox: MailboxId = ONE) -> bytes:
        """Prefix and blob of a message."""
        folder = self.folder(path, mailbox)
        with self.read() as tx:
            (item,) = tx.items(mailbox, folder.folder_id, uid, uid)
            blob = tx.blob(item.hash)
            assert blob is not None
            return item.prefix + tx.read_blob(blob, 0, blob.size)

    def view(self, folder_id: FolderId, mailbox: MailboxId = ONE) -> FolderView:
        """A view of a folder from a snapshot."""
        with self.read() as tx:
            folder = tx.folder(mailbox, folder_id)
            assert folder is not None
            entries = tx.entries(mailbox, folder_id, 1, MAX_UID)
            return FolderView.of(entries, folder.modseq, tx.keywords(mailbox, folder_id), folder.uidnext)

    def rows(self, statement: str, params: Mapping[str, object] | None = None) -> list[Any]:
        """The rows of any statement that reads."""
        with self.read() as tx:
            return list(tx._run(statement, params or {}))

    def dump(self) -> dict[str, list[Any]]:
        """Every row of every table but of those that say where bodies lie."""
        return {table: sorted(self.rows(f"SELECT * FROM {table}"), key=repr) for table in TABLES}

    def pack_files(self) -> list[int]:
        return sorted(int(path.stem) for path in (self.root / "packs").glob("*.pack"))


def folder_change(changes: Sequence[Change]) -> FolderChange:
    """The one change of a folder's messages among these."""
    (change,) = [change for change in changes if isinstance(change, FolderChange)]
    return change
