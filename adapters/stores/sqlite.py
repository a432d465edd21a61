"""SQLite through apsw: opening a database file as its only owner, and its checkpoints.

No other library and no other descriptor may open these files in this process: closing any descriptor of a file drops
the POSIX locks that SQLite holds on it.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import apsw

from adapters.stores.sql import Params, Row
from core.errors import Unavailable

# Older ones can corrupt a WAL database that has more than one connection (the WAL-reset bug), and ours always has.
OLDEST_SQLITE = (3, 51, 3)
APPLICATION_ID = 0x50656E66  # "Penf"
PAGE_OCTETS = 8192
CHECKPOINT_PAGES = 2000  # a checkpoint stalls the writer some 6 ms per 1000 pages: the bound is this number
RESTART_PAGES = 8000  # past this the WAL is made to start anew, waiting for readers
CHECKPOINT_MILLISECONDS = 20  # how long for: no more than a command may take
BUSY_MILLISECONDS = 5000  # for a lock that another connection holds; ours hold none for long

_TYPES = {"{B}": "BLOB", "{WR}": "WITHOUT ROWID"}


class SqliteTooOld(RuntimeError):
    """The SQLite that apsw carries has a known corruption bug."""


class DatabaseLocked(Unavailable):
    """Another process has this database open."""


class DatabaseDamaged(Unavailable):
    """The file is not the database that it was."""


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """While a database is opened.  Raises DatabaseDamaged."""
    try:
        yield
    except DAMAGE as fault:
        remedy = "stop the server and run `penfold check --repair`, or restore it from the backup"
        raise DatabaseDamaged(f"{path} is damaged ({fault}): {remedy}") from fault


def damage(path: Path) -> list[str]:
    """What SQLite finds wrong with a file and its log, both of which it leaves as they are.  Slow."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            return _integrity(connection)
        finally:
            connection.close()
    except ENGINE_ERRORS as fault:
        return [str(fault)]


def _integrity(connection: apsw.Connection) -> list[str]:
    rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    return [] if rows == ["ok"] else rows


def check_version() -> None:
    """Raises SqliteTooOld where it would be unsafe to write."""
    version = apsw.sqlite_lib_version()
    if tuple(int(n) for n in version.split(".")) < OLDEST_SQLITE:
        raise SqliteTooOld(
            f"SQLite {version} is too old: {'.'.join(map(str, OLDEST_SQLITE))} is the oldest that is safe"
        )


def dialect(ddl: str) -> str:
    """Portable DDL in SQLite's spelling."""
    for mark, word in _TYPES.items():
        ddl = ddl.replace(mark, word)
    return ddl


def lock(path: Path) -> IO[bytes]:
    """Takes the database's lock file; the lock is held until the file is closed.  Raises DatabaseLocked."""
    handle = path.with_suffix(".lock").open("a+b")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        handle.close()
        raise DatabaseLocked(f"{path.name} is in use by another process") from held
    return handle


class SqliteConnection:
    """One connection; used by one thread at a time."""

    def __init__(self, path: Path, *, writer: bool) -> None:
        self._path = path
        self._is_writer = writer
        self._open()

    def _open(self) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if self._is_writer else 0)
        is_new = not self._path.exists()
        self._db = apsw.Connection(str(self._path), flags=flags)
        self._db.set_busy_timeout(BUSY_MILLISECONDS)
        # Else a statement whose plan might depend on a value is parsed and planned anew whenever one is bound.
        self._db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        if self._is_writer:
            self._open_writer()
        else:
            self._pragma("query_only=ON")
        self._pragma(f"cache_size=-{65536 if self._is_writer else 16384}")
        self._pragma("temp_store=MEMORY")
        self._pragma("mmap_size=0")  # an I/O error under mmap is a signal, not an error
        if is_new:
            sync_directory(self._path.parent)

    def _open_writer(self) -> None:
        for setting in (f"page_size={PAGE_OCTETS}", "auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL"):
            self._pragma(setting)
        self._pragma("secure_delete=OFF")
        self._pragma("journal_size_limit=67108864")
        self._pragma(f"application_id={APPLICATION_ID}")
        self._wal_pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self._db.set_wal_hook(self._note_wal)  # also switches SQLite's own checkpointing off

    def _pragma(self, setting: str) -> None:
        self._db.execute(f"PRAGMA {setting}").fetchall()

    def _note_wal(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._wal_pages:  # the WAL has started anew
            self._checkpoint_at = CHECKPOINT_PAGES
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def execute(self, statement: str, params: Params) -> Iterator[Row]:
        return self._db.execute(statement, params)

    def executemany(self, statement: str, params: Iterable[Params]) -> None:
        self._db.executemany(statement, params)

    def script(self, ddl: str) -> None:
        self._db.execute(dialect(ddl))

    def begin(self) -> None:
        # IMMEDIATE: a deferred transaction that turns into a writer may fail at once (SQLITE_BUSY_SNAPSHOT).
        self._db.execute("BEGIN IMMEDIATE")

    def begin_read(self) -> None:
        self._db.execute("BEGIN")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def end_read(self) -> None:
        """Gives the snapshot back, also when somebody still holds a half-read cursor on it."""
        self.rollback()
        # A cursor that has rows left keeps its snapshot beyond ROLLBACK, and the next BEGIN would read from that one.
        if self._db.txn_state("main") != apsw.SQLITE_TXN_NONE:
            self._db.close()
            self._open()

    def changes(self) -> int:
        """How many rows this connection has changed in its life."""
        return int(self._db.total_changes())

    def checkpoint(self) -> None:
        """Moves committed pages into the database file when enough have gathered; only the writer does this."""
        if self._wal_pages < self._checkpoint_at:
            return
        # A reader that holds an old snapshot keeps the WAL from starting anew: not every group should try and wait.
        self._checkpoint_at = self._wal_pages + CHECKPOINT_PAGES
        mode = apsw.SQLITE_CHECKPOINT_RESTART if self._wal_pages > RESTART_PAGES else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._db.set_busy_timeout(CHECKPOINT_MILLISECONDS)
        try:
            self._db.wal_checkpoint(mode=mode)
        except apsw.BusyError:
            return
        finally:
            self._db.set_busy_timeout(BUSY_MILLISECONDS)

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file."""
        return _integrity(self._db)

    def close(self) -> None:
        self._db.close()


def sync_directory(path: Path) -> None:
    """Makes new names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


ENGINE_ERRORS: tuple[type[Any], ...] = (apsw.Error, OSError)
DAMAGE: tuple[type[Any], ...] = (apsw.CorruptError, apsw.NotADBError)

# The disk or the file fails, not a command: SQLite may have rolled the transaction back by itself by now, and whatever
# ran next would be committed statement by statement.
BROKEN: tuple[type[Any], ...] = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
    OSError,
)
