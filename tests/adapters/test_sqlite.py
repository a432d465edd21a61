import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from adapters.stores import sqlite
from adapters.stores.sqlite import DatabaseLocked, SqliteConnection, SqliteTooOld, check_version, dialect, lock
from core.errors import Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
def writer(path: Path) -> Iterator[SqliteConnection]:
    writer = SqliteConnection(path, writer=True)
    writer.script("CREATE TABLE t(x BIGINT)")
    yield writer
    writer.close()


@pytest.fixture
def reader(path: Path, writer: SqliteConnection) -> Iterator[SqliteConnection]:
    reader = SqliteConnection(path, writer=False)
    yield reader
    reader.close()


def put(writer: SqliteConnection, *numbers: int) -> None:
    writer.begin()
    writer.executemany("INSERT INTO t(x) VALUES (:x)", ({"x": number} for number in numbers))
    writer.commit()


def rows(connection: SqliteConnection) -> list[int]:
    return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY x", {})]


def pragma(connection: SqliteConnection, name: str) -> Any:
    return next(iter(connection.execute(f"PRAGMA {name}", {})))[0]


class TestOwnership:
    def test_a_second_owner_is_refused_until_the_first_lets_go(self, path: Path) -> None:
        first = lock(path)
        with pytest.raises(DatabaseLocked, match=r"mail\.db is in use"):
            lock(path)
        first.close()
        lock(path).close()
        assert issubclass(DatabaseLocked, Unavailable)

    def test_a_second_process_is_refused(self, path: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from adapters.stores.sqlite import DatabaseLocked, lock\n"
            "try: lock(Path(sys.argv[1]))\nexcept DatabaseLocked: print('locked')\nelse: print('taken')"
        )

        def other() -> str:
            run = [sys.executable, "-c", program, str(path)]
            return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()

        held = lock(path)
        assert other() == "locked"
        held.close()
        assert other() == "taken"

    @pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.9.0"])
    def test_a_sqlite_with_the_corruption_bug_is_refused(self, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
        with pytest.raises(SqliteTooOld, match=version):
            check_version()

    @pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "4.0.0"])
    def test_a_safe_sqlite_is_taken(self, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
        check_version()

    def test_the_sqlite_here_is_safe(self) -> None:
        check_version()


class TestSettings:
    def test_a_writer_syncs_every_commit_and_checkpoints_by_itself(self, writer: SqliteConnection) -> None:
        assert pragma(writer, "journal_mode") == "wal"
        assert pragma(writer, "synchronous") == 2, "FULL: an acknowledged message is on disk"
        assert pragma(writer, "page_size") == sqlite.PAGE_OCTETS
        assert pragma(writer, "auto_vacuum") == 2
        assert pragma(writer, "application_id") == sqlite.APPLICATION_ID
        assert pragma(writer, "mmap_size") == 0

    def test_a_reader_cannot_write(self, reader: SqliteConnection) -> None:
        with pytest.raises(apsw.ReadOnlyError):
            list(reader.execute("INSERT INTO t(x) VALUES (1)", {}))

    def test_a_reader_makes_no_database(self, tmp_path: Path) -> None:
        with pytest.raises(apsw.CantOpenError):
            SqliteConnection(tmp_path / "absent.db", writer=False)
        assert list(tmp_path.iterdir()) == []

    def test_a_parameter_that_is_missing_is_an_error(self, writer: SqliteConnection) -> None:
        with pytest.raises(KeyError):
            list(writer.execute("SELECT :x", {}))

    def test_the_portable_types_are_spelled_out(self) -> None:
        assert dialect("CREATE TABLE t(x {B}) {WR}") == "CREATE TABLE t(x BLOB) WITHOUT ROWID"


class TestSnapshots:
    def test_a_reader_sees_one_moment(self, writer: SqliteConnection, reader: SqliteConnection) -> None:
        put(writer, 1)
        reader.begin_read()
        assert rows(reader) == [1]
        put(writer, 2)
        assert rows(reader) == [1]
        reader.end_read()
        reader.begin_read()
        assert rows(reader) == [1, 2]
        reader.end_read()

    def test_a_reader_sees_nothing_that_is_not_committed(
        self, writer: SqliteConnection, reader: SqliteConnection
    ) -> None:
        writer.begin()
        list(writer.execute("INSERT INTO t(x) VALUES (1)", {}))
        assert rows(reader) == []
        writer.rollback()
        assert rows(reader) == []

    def test_a_half_read_cursor_does_not_pin_its_snapshot(
        self, writer: SqliteConnection, reader: SqliteConnection
    ) -> None:
        """SQLite keeps the snapshot of a running SELECT beyond ROLLBACK, and the next BEGIN would read from it."""
        put(writer, 1, 2, 3)
        reader.begin_read()
        half_read = reader.execute("SELECT x FROM t", {})
        next(half_read)
        reader.end_read()
        put(writer, 4)
        reader.begin_read()
        assert rows(reader) == [1, 2, 3, 4]
        reader.end_read()
        with pytest.raises(apsw.CursorClosedError):
            next(half_read)
        with pytest.raises(apsw.ReadOnlyError):
            list(reader.execute("INSERT INTO t(x) VALUES (1)", {}))

    def test_a_rollback_without_a_transaction_is_harmless(self, writer: SqliteConnection) -> None:
        writer.rollback()
        put(writer, 1)
        assert rows(writer) == [1]

    def test_changes_count_rows_also_of_what_is_rolled_back(self, writer: SqliteConnection) -> None:
        before = writer.changes()
        writer.begin()
        list(writer.execute("INSERT INTO t(x) VALUES (1) RETURNING x", {}))
        assert writer.changes() == before + 1
        list(writer.execute("DELETE FROM t", {}))
        assert writer.changes() == before + 2
        list(writer.execute("UPDATE t SET x = 1 WHERE x = 99", {}))
        assert writer.changes() == before + 2
        writer.rollback()


class TestCheckpoints:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 10)
        monkeypatch.setattr(sqlite, "RESTART_PAGES", 40)
        monkeypatch.setattr(sqlite, "CHECKPOINT_MILLISECONDS", 0)

    def test_the_wal_starts_anew_when_nobody_reads(self, path: Path) -> None:
        writer = SqliteConnection(path, writer=True)
        writer.script("CREATE TABLE t(x BIGINT)")
        for number in range(200):
            put(writer, number)
            writer.checkpoint()
        assert (path.with_name("mail.db-wal")).stat().st_size < 30 * (sqlite.PAGE_OCTETS + 24)
        writer.close()

    def test_a_reader_with_an_old_snapshot_is_not_waited_for_by_every_group(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = SqliteConnection(path, writer=True)
        writer.script("CREATE TABLE t(x BIGINT)")
        reader = SqliteConnection(path, writer=False)
        reader.begin_read()
        assert rows(reader) == []
        tries = self._watch(writer)
        for number in range(200):
            put(writer, number)
            writer.checkpoint()
        assert tries.count(apsw.SQLITE_CHECKPOINT_RESTART) > 1, "it is tried again"
        assert len(tries) <= 200 * 2 / 10 + 1
        assert rows(reader) == []
        reader.end_read()
        for number in range(30):
            put(writer, number)
            writer.checkpoint()
        put(writer, 1)
        assert writer._wal_pages < 40, "once the reader is gone the WAL starts anew"
        assert len(rows(reader)) == 231
        reader.close()
        writer.close()

    def _watch(self, writer: SqliteConnection) -> list[int]:
        tries: list[int] = []
        real = writer._db

        class Watched:
            def wal_checkpoint(self, *, mode: int) -> object:
                tries.append(mode)
                return real.wal_checkpoint(mode=mode)

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        writer._db = Watched()  # type: ignore[assignment]
        return tries


def test_a_sound_file_is_called_sound_and_a_damaged_one_is_not(path: Path) -> None:
    writer = SqliteConnection(path, writer=True)
    writer.script("CREATE TABLE t(x BIGINT PRIMARY KEY, y TEXT); CREATE INDEX i ON t(y)")
    assert writer.integrity() == []
    writer.script("INSERT INTO t VALUES (1, 'a')")
    writer.script("PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(x)' WHERE name = 'i'")
    writer.close()
    again = SqliteConnection(path, writer=True)
    assert again.integrity() != []
    again.close()


@pytest.mark.parametrize("is_writer", [True, False])
def test_a_statement_is_not_planned_anew_for_each_value(path: Path, writer: SqliteConnection, is_writer: bool) -> None:
    """The query planner stability guarantee: else each binding to, say, a range of UIDs costs a parse and a plan."""
    connection = SqliteConnection(path, writer=is_writer)
    try:
        assert connection._db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1)
    finally:
        connection.close()
