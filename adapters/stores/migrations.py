"""Numbered migrations: each database file carries the number of the last one that was applied to it."""

import re
from importlib.resources import files
from typing import Protocol

from adapters.stores.sql import Connection

VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_version"
    "(component TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, applied_at BIGINT NOT NULL)"
)


class SchemaTooNew(RuntimeError):
    """The database was written by a newer Penfold."""


class Migratable(Connection, Protocol):
    def script(self, ddl: str) -> None: ...
    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...


def steps(component: str) -> list[tuple[int, str]]:
    """(number, DDL) of every migration of a component, in order."""
    folder = files("adapters.stores").joinpath("schema", component)
    found = [(re.match(r"(\d+)_\w+\.sql", step.name), step) for step in folder.iterdir()]
    return sorted((int(match[1]), step.read_text("utf-8")) for match, step in found if match)


def version(connection: Connection, component: str) -> int:
    """The number of the last migration applied; 0 for a new database."""
    rows = list(
        connection.execute("SELECT version FROM schema_version WHERE component = :component", {"component": component})
    )
    return int(rows[0][0]) if rows else 0


def migrate(connection: Migratable, component: str, at: int, *, up_to: int | None = None) -> None:
    """Brings a database to today's schema, or to that number, each step in a transaction of its own.

    Raises SchemaTooNew.
    """
    connection.script(VERSION_TABLE)
    known = steps(component)
    current = version(connection, component)
    if current > known[-1][0]:
        raise SchemaTooNew(f"This {component} database has schema {current}; this Penfold knows up to {known[-1][0]}")
    for number, ddl in known:
        if number > current and (up_to is None or number <= up_to):
            _apply(connection, component, number, ddl, at)


def _apply(connection: Migratable, component: str, number: int, ddl: str, at: int) -> None:
    connection.begin()
    try:
        connection.script(ddl)
        done = (
            "INSERT INTO schema_version(component, version, applied_at) VALUES (:component, :version, :at) "
            "ON CONFLICT(component) DO UPDATE SET version = excluded.version, applied_at = excluded.applied_at"
        )
        list(connection.execute(done, {"component": component, "version": number, "at": at}))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
