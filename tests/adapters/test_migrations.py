from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from adapters.stores import migrations
from adapters.stores.migrations import SchemaTooNew, migrate, steps, version
from adapters.stores.sqlite import SqliteConnection

FIRST = (1, "CREATE TABLE a(x BIGINT NOT NULL PRIMARY KEY, y {B}) {WR};")
SECOND = (2, "CREATE TABLE b(x BIGINT); INSERT INTO b(x) VALUES (1);")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[SqliteConnection]:
    connection = SqliteConnection(tmp_path / "mail.db", writer=True)
    yield connection
    connection.close()


def know(monkeypatch: pytest.MonkeyPatch, *known: tuple[int, str]) -> None:
    monkeypatch.setattr(migrations, "steps", lambda _component: list(known))


def tables(connection: SqliteConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'", {})}


@pytest.mark.parametrize("component", ["mailbox", "organization"])
def test_the_steps_of_a_component_are_numbered_from_1_without_gaps(component: str) -> None:
    numbers = [number for number, _ in steps(component)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


@pytest.mark.parametrize(("component", "table"), [("mailbox", "entry"), ("organization", "recipient")])
def test_a_new_database_gets_every_step(connection: SqliteConnection, component: str, table: str) -> None:
    migrate(connection, component, 77)
    assert table in tables(connection)
    assert version(connection, component) == steps(component)[-1][0]
    migrate(connection, component, 78)
    applied = list(connection.execute("SELECT applied_at FROM schema_version", {}))
    assert applied == [(77,)], "a second run has nothing to do"


def test_only_missing_steps_are_applied(connection: SqliteConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, FIRST)
    migrate(connection, "mailbox", 1)
    know(monkeypatch, FIRST, SECOND)
    migrate(connection, "mailbox", 2)
    assert list(connection.execute("SELECT component, version, applied_at FROM schema_version", {})) == [
        ("mailbox", 2, 2)
    ]
    assert list(connection.execute("SELECT x FROM b", {})) == [(1,)]


def test_each_component_has_a_version_of_its_own(connection: SqliteConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, FIRST)
    migrate(connection, "one", 1)
    know(monkeypatch, SECOND)
    migrate(connection, "two", 1)
    assert (version(connection, "one"), version(connection, "two"), version(connection, "three")) == (1, 2, 0)


def test_a_newer_database_is_refused_and_left_alone(
    connection: SqliteConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, FIRST, SECOND)
    migrate(connection, "mailbox", 1)
    know(monkeypatch, FIRST)
    with pytest.raises(SchemaTooNew, match="has schema 2; this Penfold knows up to 1"):
        migrate(connection, "mailbox", 2)
    assert version(connection, "mailbox") == 2


@pytest.mark.parametrize(
    "broken", ["CREATE TABLE c(x BIGINT); CREATE TABLE a(x BIGINT);", "INSERT INTO a(x) VALUES (1); nonsense"]
)
def test_a_step_that_fails_leaves_the_step_before(
    connection: SqliteConnection, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    know(monkeypatch, FIRST, (2, broken))
    with pytest.raises(apsw.Error):
        migrate(connection, "mailbox", 1)
    assert version(connection, "mailbox") == 1
    assert "c" not in tables(connection)
    assert list(connection.execute("SELECT x FROM a", {})) == []
    know(monkeypatch, FIRST, SECOND)
    migrate(connection, "mailbox", 2)
    assert version(connection, "mailbox") == 2
