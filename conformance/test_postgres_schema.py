"""The schema and every statement on a real PostgreSQL (Debian's postgresql), beside SQLite."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from adapters.blobs.packs import Packs
from adapters.stores import integrity, sql
from adapters.stores.migrations import steps
from adapters.stores.sql import Params, Row, SqlWriteTx
from adapters.stores.sqlite import SqliteConnection
from core import items
from core.apply import apply
from core.commands import (
    Append,
    ClaimRecent,
    Command,
    Copy,
    CreateFolder,
    CreateMailbox,
    DeleteFolder,
    Deliver,
    Delivery,
    DropAccessKeys,
    Expunge,
    Filing,
    FlagMode,
    Flags,
    ForgetBodies,
    ForgetTombstones,
    NewFolder,
    PurgeFolder,
    RenameFolder,
    RepairMailbox,
    Replace,
    RestoreBlob,
    SetAccessKey,
    SetAnnotations,
    SetGrants,
    StoreFlags,
    Subscribe,
    SweepBlobs,
    SweepDeliveries,
)
from core.errors import Refusal
from core.integrity.audit import audit
from core.model import DELETED, FLAGGED, SEEN, UID, FolderId
from core.recipients import RecipientId
from core.rights import ALL as ALL_RIGHTS
from tests.support.store import ALL, DAY, MORNING, ONE, TABLES, TWO, Store, incoming

Postgres = psycopg.Connection[tuple[Any, ...]]

OCTETS = {
    *("guid", "hash", "prefix", "envelope", "structure", "parts", "summary", "utf8", "data", "token", "key"),
    *("entry", "first", "until", "value", "secret"),
    *(f"key{number}" for number in range(8)),
}
TEXTS = {"name", "special_use", "path", "email_id"}
_TYPES = {"{B}": "BYTEA", "{WR}": ""}
_PARAMETER = re.compile(r":([a-z_0-9]+)")


def bindir() -> Path:
    """Where Debian keeps initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "this test needs Debian's postgresql: apt-get install postgresql"
    return found[-1].parent


def as_postgres(*command: str | Path) -> None:
    """PostgreSQL refuses to run as root; its output goes to a file, which the server keeps open."""
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    log = Path(tempfile.gettempdir()) / f"postgres-{os.getpid()}.log"
    with log.open("ab") as output:
        done = subprocess.run(
            [str(word) for word in command],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            check=False,
        )
    text = log.read_text(errors="replace")
    log.unlink()
    assert done.returncode == 0, text


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A cluster of its own that listens on a socket in its directory only."""
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    data = directory / "data"
    try:
        as_postgres(bindir() / "initdb", "-D", data, "-A", "trust", "-U", "penfold", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
        as_postgres(bindir() / "pg_ctl", "start", "-w", "-D", data, "-l", directory / "log", "-o", options)
        try:
            yield directory
        finally:
            as_postgres(bindir() / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def postgres(cluster: Path) -> Iterator[Postgres]:
    """An empty schema."""
    with psycopg.connect(host=str(cluster), user="penfold", dbname="postgres") as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        yield connection
        connection.rollback()


def create(postgres: Postgres, component: str) -> None:
    for _, ddl in steps(component):
        for mark, word in _TYPES.items():
            ddl = ddl.replace(mark, word)
        postgres.execute(ddl.encode())


def translate(statement: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", statement).encode()


class PostgresConnection:
    """What adapters.stores.sql asks of a connection."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def execute(self, statement: str, params: Params) -> Iterator[Row]:
        cursor = self._postgres.execute(translate(statement), dict(params))
        return iter(cursor.fetchall() if cursor.description is not None else [])

    def executemany(self, statement: str, params: Iterable[Params]) -> None:
        for row in params:
            self.execute(statement, row)


def rows(connection: PostgresConnection, table: str) -> list[Row]:
    return sorted(map(tuple, connection.execute(f"SELECT * FROM {table}", {})), key=repr)


@pytest.mark.parametrize("component", ["mailbox", "organization"])
def test_the_schema_is_created(postgres: Postgres, component: str) -> None:
    create(postgres, component)
    made = {name for (name,) in postgres.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    named = {name for _, ddl in steps(component) for name in re.findall(r"^CREATE TABLE (\w+)", ddl, re.MULTILINE)}
    assert made == named
    if component == "mailbox":
        assert made >= set(TABLES)


STATEMENTS = sql.STATEMENTS | integrity.STATEMENTS


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_each_statement_is_understood(postgres: Postgres, name: str) -> None:
    create(postgres, "mailbox")
    names = set(_PARAMETER.findall(STATEMENTS[name]))
    params = {key: b"\0\xff" if key in OCTETS else "text" if key in TEXTS else (1 << 62) for key in names}
    postgres.execute(translate(STATEMENTS[name]), params, prepare=True)


def append(path: str, body: bytes, system: int = 0, *words: str, quota: int | None = None) -> Append:
    return Append(ONE, path, (Filing(incoming(body), Flags(system, words), MORNING, 60),), MORNING, quota)


def commands() -> Iterator[Command]:
    """Every command but the removal of a mailbox, each in a way that changes something."""
    words = tuple(f"k{n}" for n in range(66))
    inbox, a = FolderId(1), FolderId(2)
    for mailbox in (ONE, TWO):
        yield CreateMailbox(mailbox, b"\0\xff" * 8, (NewFolder("INBOX"), NewFolder("a", "\\Sent")), MORNING)
    yield CreateFolder(ONE, NewFolder("Café/b/c"), MORNING)
    yield CreateFolder(ONE, NewFolder("Café"), MORNING)
    yield SetGrants(ONE, "Café", RecipientId(7), ALL_RIGHTS, own_only=True, recursive=True)
    yield SetGrants(ONE, "Café/b", RecipientId(7), 0)
    yield append("INBOX", b"\0binary\xff", SEEN | DELETED, "one", "two")
    yield append("INBOX", bytes(range(256)) * 200, FLAGGED)
    yield append("INBOX", b"wide", 0, *words)
    yield append("INBOX", b"no room", quota=5)
    for mode in FlagMode:
        yield StoreFlags(ONE, inbox, ((1, 2),), mode, Flags(FLAGGED, ("two", "three")))
        yield StoreFlags(ONE, inbox, ((3, 3),), mode, Flags(SEEN, ("k65", "k64", "new")))
    yield StoreFlags(ONE, inbox, ((1, 1),), FlagMode.ADD, Flags(DELETED, words[:63]))
    yield StoreFlags(ONE, inbox, ALL, FlagMode.REMOVE, Flags(0, words[:60]))
    yield StoreFlags(ONE, inbox, ALL, FlagMode.ADD, Flags(FLAGGED), unchanged_since=3)
    for keys in ((b"\0one", b"two"), (b"three", b"two")):
        filing = Filing(replace(incoming(b"threaded"), thread_keys=keys), Flags(), MORNING, 60)
        yield Append(ONE, "a", (filing,), MORNING)
    filings = [Filing(incoming(b"%d" % n), Flags(n, (f"k{n}", "all")), MORNING, n) for n in range(3)]
    yield Append(ONE, "a", tuple(filings), MORNING)
    yield Append(ONE, "a", tuple(filings), MORNING, 5)
    for uid, path in ((3, "a"), (4, "INBOX"), (9, "a")):
        arguments = (ONE, path, (Filing(incoming(b"instead"), Flags(SEEN, ("new",)), MORNING, 0),), MORNING)
        yield Replace(*arguments, folder_id=a, uid=UID(uid))
    yield CreateFolder(ONE, NewFolder("archive", "\\Archive"), MORNING)
    yield CreateFolder(ONE, NewFolder("archive 2", "\\Archive"), MORNING)
    yield Copy(ONE, inbox, ALL, "a", MORNING)
    yield Copy(ONE, a, ((2, 3),), "Café/b", MORNING, True)
    yield Copy(ONE, inbox, ((2, 2),), "INBOX", MORNING, True)
    yield Expunge(ONE, inbox, ALL)
    yield ForgetTombstones(ONE, inbox)
    yield ClaimRecent(ONE, inbox, 4)
    yield RenameFolder(ONE, "Café", "d/e", MORNING)
    yield DeleteFolder(ONE, "d/e/b", MORNING)
    yield PurgeFolder(ONE, FolderId(4))
    yield Subscribe(ONE, "Café", True)
    yield Subscribe(ONE, "Café", True)
    yield Subscribe(ONE, "a", False)
    recipients = (Delivery(ONE, b"prefix"), Delivery(TWO, b"", 3), Delivery(TWO, b""))
    yield Deliver(incoming(b"delivered"), recipients, MORNING, b"\0token", MORNING + DAY)
    yield Deliver(incoming(b"delivered"), recipients, MORNING, b"\0token", MORNING + DAY)
    yield SweepDeliveries(MORNING + DAY + 1, 1)
    yield SweepBlobs(MORNING + 1, 10)
    values = (("/private/a", b"\0\xff"), ("/private/a/b", b"x"), ("/shared/a", b""), ("/private/specialuse", b"\\Junk"))
    yield SetAnnotations(ONE, "INBOX", RecipientId(7), values)
    yield SetAnnotations(ONE, "INBOX", RecipientId(7), (("/private/a", None), ("/shared/a", b"new")))
    yield SetAnnotations(ONE, "a", RecipientId(7), (("/private/a", b"x"), ("/private/specialuse", b"\\Junk")))
    yield SetAnnotations(ONE, None, RecipientId(8), values[:2])
    for user, path in ((7, "INBOX"), (7, "a"), (8, "a"), (8, "nowhere")):
        yield SetAccessKey(ONE, path, RecipientId(user), b"\0\xff" * 16)
    yield SetAccessKey(ONE, "a", RecipientId(8), b"n" * 32, keep=True)
    yield SetAccessKey(ONE, "a", RecipientId(8), b"n" * 32)
    yield RenameFolder(ONE, "INBOX", "INBOX/old", MORNING)
    yield DropAccessKeys(RecipientId(7))
    yield DeleteFolder(ONE, "a", MORNING)


DAMAGE = (
    "UPDATE folder SET n_exists = 77, uidnext = 2, modseq = 1",
    "UPDATE mailbox SET used_bytes = 1, next_message_id = 1",
    "DELETE FROM keyword WHERE bit = 1",
    "DELETE FROM message WHERE mailbox_id = 1 AND message_id = 3",
    "DELETE FROM entry WHERE mailbox_id = 2",
    "DELETE FROM folder WHERE mailbox_id = 1 AND folder_id = 2",
    "UPDATE message SET size = 1, n_entries = 5",
    "UPDATE pack SET live_bytes = 7",
)


def repairs() -> Iterator[Command]:
    """What mends it."""
    for mailbox in (ONE, TWO):
        yield RepairMailbox(mailbox, MORNING)
    yield RestoreBlob(incoming(b"binary").blob, MORNING)
    yield ForgetBodies((incoming(b"binary").blob.hash,))


def outcome(result: Any) -> Any:
    if isinstance(result, list):
        return [type(one) if isinstance(one, Refusal) else one for one in result]
    return result


def test_every_command_does_the_same_as_on_sqlite(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "TOMBSTONES_PER_FOLDER", 1)
    create(postgres, "mailbox")
    connection = PostgresConnection(postgres)
    packs = Packs(tmp_path / "postgres")
    tx = SqlWriteTx(connection, packs)
    sqlite = Store(tmp_path)
    try:
        for command in commands():
            here: Any
            there: Any
            published = len(sqlite.published)
            try:
                there = outcome(sqlite.do(command)), sqlite.published[published:]
            except Refusal as refusal:
                there = type(refusal)
            postgres.execute("SAVEPOINT command")
            try:
                result, changes = apply(tx, command)
                here = outcome(result), list(changes)
            except Refusal as refusal:
                postgres.execute("ROLLBACK TO SAVEPOINT command")
                here = type(refusal)
            assert here == there, command
            packs.sync()
            assert {table: rows(connection, table) for table in TABLES} == sqlite.dump(), command
        assert list(audit(tx, deep=True)) == []
        sqlite.check()
        file = SqliteConnection(tmp_path / "mail.db", writer=True)
        for statement in DAMAGE:
            connection.execute(statement, {})
            file.script(statement)
        file.close()
        assert sorted(map(str, audit(tx, deep=True))) == sorted(sqlite.broken()) != []
        for command in repairs():
            result, changes = apply(tx, command)
            published = len(sqlite.published)
            assert (result, list(changes)) == (sqlite.do(command), sqlite.published[published:])
            assert {table: rows(connection, table) for table in TABLES} == sqlite.dump(), command
        assert list(audit(tx, deep=True)) == []
        sqlite.check()
    finally:
        sqlite.close()
        packs.close()
