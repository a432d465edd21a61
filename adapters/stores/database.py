"""A mailbox database: its file, its packs, its writer, and its readers."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from adapters.stores import sqlite
from adapters.stores.migrations import migrate
from adapters.stores.sql import STATEMENTS, Blobs, SqlReadTx, SqlWriteTx
from adapters.stores.sqlite import BROKEN, DAMAGE, ENGINE_ERRORS, SqliteConnection
from adapters.stores.writer import Done, Writer
from core.changes import Change
from core.commands import Command, SweepBlobs
from core.errors import Unavailable

T = TypeVar("T")


class PackFiles(Blobs, Protocol):
    def sync(self) -> None: ...
    def settle(self) -> None: ...
    def abandon(self) -> None: ...
    def remove_unnamed(self, named: Callable[[], Iterable[int]]) -> None: ...
    def close(self) -> None: ...


class OtherOrganization(Unavailable):
    """The file is a mailbox database, but not of this organization: its mailboxes would be shown to others."""


class _Engine:
    """The writer's connection: bodies reach the disk before the rows that name them."""

    def __init__(self, path: Path, packs: PackFiles) -> None:
        self._path = path
        self._packs = packs
        self._connection = SqliteConnection(path, writer=True)
        self._changes = 0

    def migrate(self, at: int) -> None:
        migrate(self._connection, "mailbox", at)

    def claim(self, organization: bytes) -> None:
        """Makes sure whose database it is; whoever opens it first has it.  Raises OtherOrganization."""
        known = [bytes(row[0]) for row in self._connection.execute(STATEMENTS["organization"], {})]
        if not known:
            self._connection.begin()
            list(self._connection.execute(STATEMENTS["set_organization"], {"guid": organization}))
            self._connection.commit()
        elif known != [organization]:
            raise OtherOrganization(f"{self._path} belongs to another organization: put this one's file in its place")

    def begin(self) -> SqlWriteTx:
        self._packs.settle()
        self._connection.begin()
        self._changes = self._connection.changes()
        return SqlWriteTx(self._connection, self._packs)

    def commit(self) -> None:
        self._packs.sync()
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def has_written(self) -> bool:
        before, self._changes = self._changes, self._connection.changes()
        return self._changes != before

    def is_broken(self, fault: BaseException) -> bool:
        return isinstance(fault, BROKEN)

    def recover(self) -> None:
        self._packs.abandon()
        self._connection.close()
        self._connection = SqliteConnection(self._path, writer=True)

    def rest(self) -> None:
        self._connection.checkpoint()

    def close(self) -> None:
        self._connection.close()


class Database(ABC):
    """A mailbox database as every process of a server has it: to read from, and to have commands carried out."""

    def __init__(self, path: Path, packs: Blobs) -> None:
        self._path = path
        self._packs = packs
        self._local = threading.local()
        self._readers: list[SqliteConnection] = []

    @abstractmethod
    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None:
        """Queues a write; `done(result, error)` is called once.  Raises Busy, Unavailable when it cannot be taken."""

    @abstractmethod
    def waiting(self) -> int:
        """Commands that have not been carried out yet."""

    @abstractmethod
    def close(self) -> None:
        """Closes everything; no reader may be at work."""

    def write(self, command: Command, *, bulk: bool = False) -> Any:
        """Carries a command out and waits for it; never on an event loop.  Raises what the command raises."""
        finished = threading.Event()
        outcome: list[tuple[object, BaseException | None]] = []

        def done(result: object, error: BaseException | None) -> None:
            outcome.append((result, error))
            finished.set()

        self._submit_from_thread(command, done, bulk=bulk)
        finished.wait()
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def _submit_from_thread(self, command: Command, done: Done, *, bulk: bool) -> None:
        self.submit(command, done, bulk=bulk)

    @contextmanager
    def read(self) -> Iterator[SqlReadTx]:
        """A snapshot on this thread's own connection.  Raises Unavailable when the engine fails."""
        try:
            connection = self._reader()
            connection.begin_read()
            try:
                yield SqlReadTx(connection, self._packs)
            finally:
                connection.end_read()
        except BROKEN as fault:
            raise Unavailable("The database cannot be read") from fault

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file itself.  Slow.  Raises Unavailable."""
        try:
            return self._reader().integrity()
        except DAMAGE as fault:
            return [str(fault)]
        except BROKEN as fault:
            raise Unavailable("The database cannot be read") from fault

    def _reader(self) -> SqliteConnection:
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = SqliteConnection(self._path, writer=False)
            self._readers.append(connection)
        return connection

    def _close_readers(self) -> None:
        for connection in self._readers:
            connection.close()


class MailboxDatabase(Database):
    """A mailbox database with its writer; only one process can have that."""

    def __init__(
        self,
        path: Path,
        packs: PackFiles,
        *,
        at: int,
        publish: Callable[[Sequence[Change]], None],
        post: Callable[[Callable[[], None]], Any],
        fault: Callable[[BaseException], None],
        organization: bytes = b"",
    ) -> None:
        """Raises DatabaseLocked, DatabaseDamaged, SqliteTooOld, SchemaTooNew, OtherOrganization.

        `organization` is a name that no other organization has.
        """
        sqlite.check_version()
        super().__init__(path, packs)
        self._lock = sqlite.lock(path)
        self._files = packs
        try:
            with sqlite.naming_damage(path):
                self._engine = _Engine(path, packs)
                try:
                    self._engine.migrate(at)
                    self._engine.claim(organization)
                    self.forget_packs()
                except BaseException:
                    self._close_connections()
                    raise
        except BaseException:
            self._lock.close()
            raise
        self._writer = Writer(self._engine, publish=publish, post=post, fault=fault, name=path.stem)

    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None:
        """As of any database; see Writer.submit."""
        self._writer.submit(command, done, bulk=bulk)

    def sweep(self, before: int, limit: int) -> int:
        """Forgets unnamed blobs and removes the packs that hold nothing any more; how many blobs went."""
        swept = int(self.write(SweepBlobs(before, limit)))
        self.forget_packs()
        return swept

    def forget_packs(self) -> None:
        """Removes packs that no row names: what a crash left behind, or what was swept."""
        self._files.remove_unnamed(self._named_packs)

    def _named_packs(self) -> set[int]:
        with self.read() as tx:
            return {pack_id for pack_id, _, _ in tx.packs()}

    def waiting(self) -> int:
        """Commands in the queue."""
        return self._writer.waiting()

    def close(self) -> None:
        """Finishes what is queued and closes everything; no reader may be at work."""
        self._writer.close()
        self._close_connections()
        self._files.close()
        self._lock.close()

    def _close_connections(self) -> None:
        self._close_readers()
        self._engine.close()


def unavailable(fault: BaseException) -> BaseException:
    """An engine's failure as the refusal that clients may retry; anything else as it is."""
    return Unavailable("The database cannot be read") if isinstance(fault, ENGINE_ERRORS) else fault
