"""Which tables a database of ours has, and in which order a record has their columns (file format 2.3, 2.4).

Our files keep the first pages of all tables together at their beginning (auto_vacuum), in the order in which they were
made.  So it is known which page that is, whatever has become of the page that says so.
"""

from collections.abc import Sequence
from typing import Final

import apsw
from msgspec import Struct
from msgspec.structs import replace

from adapters.stores.migrations import VERSION_TABLE, steps
from adapters.stores.salvage.records import Value
from adapters.stores.sqlite import PAGE_OCTETS, dialect

_TYPES: Final[dict[str, type]] = {"BIGINT": int, "TEXT": str, "BLOB": bytes}


class Column(Struct, frozen=True):
    name: str
    type: type
    may_be_null: bool


class Table(Struct, frozen=True):
    """A table, or an index, which is stored in the same way."""

    name: str
    root: int  # its first page
    is_index: bool
    has_rowid: bool
    columns: tuple[Column, ...]  # as a record has them
    least: int  # so many of them a record has that is older than the others

    def fits(self, row: Sequence[Value]) -> bool:
        """Whether it may be a row of this table."""
        return self.least <= len(row) <= len(self.columns) and all(
            column.may_be_null if value is None else type(value) is column.type
            for column, value in zip(self.columns, row, strict=False)
        )


def known(component: str, version: int) -> list[Table]:
    """What there is at that version of the schema."""
    database = apsw.Connection(":memory:")
    tables: list[Table] = []
    first: dict[str, int] = {}
    try:
        for setting in (f"page_size={PAGE_OCTETS}", "auto_vacuum=INCREMENTAL"):
            database.execute(f"PRAGMA {setting}").fetchall()
        database.execute(VERSION_TABLE)
        for number, ddl in [(0, ""), *steps(component)]:
            if number <= version:
                database.execute(dialect(ddl))
                tables = _tables(database)
                first = {table.name: len(table.columns) for table in tables} | first
        return [replace(table, least=first[table.name]) for table in tables]
    finally:
        database.close()


def _tables(database: apsw.Connection) -> list[Table]:
    rows = list(database.execute("SELECT type, name, tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0"))
    return [_table(database, *row) for row in rows]


def _table(database: apsw.Connection, kind: str, name: str, of: str, root: int) -> Table:
    declared = {
        row[1]: Column(row[1], _TYPES[row[2]], not row[3]) for row in database.execute(f"PRAGMA table_info({of})")
    }
    # The columns of a table WITHOUT ROWID as its records have them: those of the key first.
    key = database.execute("SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'", (of,)).fetchall()
    ((without,),) = database.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (of,)).fetchall()
    if kind == "table" and not without:
        return Table(name, root, False, True, tuple(declared.values()), 0)
    index = name if kind == "index" else key[0][0]
    names = [row[2] for row in database.execute(f"PRAGMA index_xinfo({index})")]
    rowid = Column("rowid", int, False)
    return Table(name, root, kind == "index", False, tuple(declared.get(column, rowid) for column in names), 0)
