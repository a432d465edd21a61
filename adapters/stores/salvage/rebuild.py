"""A new database of all rows that can be read out of a damaged one."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from adapters.stores.migrations import migrate, steps
from adapters.stores.salvage.pages import PageFile
from adapters.stores.salvage.records import BrokenCell, Cell, Value, parse, payload, values
from adapters.stores.salvage.tables import Table, known
from adapters.stores.salvage.trees import Trees
from adapters.stores.sqlite import SqliteConnection, sync_directory

ROWS_AT_A_TIME: Final = 5_000  # of a transaction
PAGES_AT_A_TIME: Final = 500  # between two notes of progress
LISTED: Final = 1_000  # places of damage
VERSIONS: Final = "schema_version"  # this table is filled by migrations

Progress = Callable[[int, int], None]


class Rebuilt(Struct, frozen=True):
    """What became of it."""

    version: int  # of the schema that the damaged file had
    rows: Mapping[str, int]  # of each table, that are in the new one
    found: int  # of these, rows that no way led to any more
    left_out: int  # rows that were there twice
    damage: tuple[str, ...]  # the first places
    damage_count: int


def rebuild(
    component: str, damaged: Path, into: Path, *, at: int, progress: Progress = lambda done, total: None
) -> Rebuilt:
    """Makes the database `into`, at today's schema; `damaged` and its log stay as they are.

    `progress(pages done, pages there are)`.  Raises OSError and the errors of the engine; then there is no `into`.
    """
    with PageFile(damaged) as file:
        try:
            return _Rebuild(component, file, into, at, progress).rebuilt
        except BaseException:
            for left in (into, *into.parent.glob(f"{into.name}-*")):
                with suppress(FileNotFoundError):
                    left.unlink()
            raise


class _Rebuild:
    def __init__(self, component: str, file: PageFile, into: Path, at: int, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._rows: Counter[str] = Counter()
        self._found = self._left_out = self._waiting = 0
        self._notes: list[str] = list(file.damage)
        self._n_notes = len(self._notes)
        version = self._version(component)
        tables = known(component, version)
        trees = Trees(file, tables)
        for note in trees.damage:
            self._note(note)
        self._database = SqliteConnection(into, writer=True)
        try:
            migrate(self._database, component, at, up_to=version)
            self._database.begin()
            new = self._emptied(tables)
            for number, table in trees.reached():
                self._take(number, table, is_found=False)
            for number, table in trees.unreached():
                self._note(f"page {number} ({table.name}): the way to it is lost, its rows are not")
                self._take(number, table, is_found=True)
            for table, row in new:
                self._insert(table, row)
            self._database.commit()
            migrate(self._database, component, at)
            if broken := self._database.integrity():
                raise apsw.CorruptError(f"what was made anew is damaged too: {broken[0]}")
        finally:
            self._database.close()
        sync_directory(into.parent)
        progress(file.count, file.count)
        self.rebuilt = Rebuilt(
            version, dict(self._rows), self._found, self._left_out, tuple(self._notes), self._n_notes
        )

    def _note(self, what: str) -> None:
        self._n_notes += 1
        if len(self._notes) < LISTED:
            self._notes.append(what)

    def _version(self, component: str) -> int:
        """The schema that the file has; today's where it does not say."""
        today = steps(component)[-1][0]
        table = known(component, 0)[0]
        for row in self._rows_of(table.root, table, quiet=True):
            if row[0] == component and isinstance(row[1], int) and 1 <= row[1] <= today:
                return row[1]
        return today

    def _take(self, number: int, table: Table, *, is_found: bool) -> None:
        """Puts the rows of a page into the new database."""
        if number % PAGES_AT_A_TIME == 0:
            self._progress(number, self._file.count)
        if table.is_index or table.name == VERSIONS:
            return
        for row in self._rows_of(number, table):
            if not self._insert(table, row):
                self._left_out += 1
                continue
            self._rows[table.name] += 1
            self._found += is_found
            self._waiting += 1
            if self._waiting % ROWS_AT_A_TIME == 0:
                self._database.commit()
                self._database.checkpoint()
                self._database.begin()

    def _emptied(self, tables: Sequence[Table]) -> list[tuple[Table, list[Value]]]:
        """The rows that a new database has; they are only wanted where the damaged one has lost its own."""
        new: list[tuple[Table, list[Value]]] = []
        for table in tables:
            if not table.is_index and table.name != VERSIONS:
                names = ", ".join(column.name for column in table.columns)
                new += ((table, list(row)) for row in self._database.execute(f"SELECT {names} FROM {table.name}", {}))  # noqa: S608 - names of our own schema
                list(self._database.execute(f"DELETE FROM {table.name}", {}))  # noqa: S608 - see above
        return new

    def _insert(self, table: Table, row: list[Value]) -> bool:
        """Whether there was none with its key, or with what else is unique."""
        names = tuple(column.name for column in table.columns[: len(row)])
        before = self._database.changes()
        list(self._database.execute(_insert(table.name, names), dict(zip(names, row, strict=True))))
        return self._database.changes() != before

    def _rows_of(self, number: int, table: Table, *, quiet: bool = False) -> Iterator[list[Value]]:
        """The rows of a page that can be read, and may be some of this table."""
        file = self._file
        try:
            page = parse(file.page(number), number, file.usable)
        except BrokenCell:
            return  # it was noted when the way led there
        for place, cell in enumerate(page.cells):
            try:
                if not isinstance(cell, Cell):
                    raise cell
                if not cell.payload_octets:
                    continue
                row = values(payload(cell, file.page, file.usable, file.count))
                if not table.fits(row):
                    raise BrokenCell("it is no row of this table")
            except BrokenCell as broken:
                if not quiet:
                    self._note(f"page {number} ({table.name}), cell {place}: {broken}")
                continue
            yield row


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    """The names are those of our own schema."""
    marks = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table}({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
