"""Which page belongs to which table (file format 1.5, 1.7, 1.8).

From the first page of each table the way leads down to all others.  Where a page on the way is damaged, those below it
are found by the pointer map, which knows of every page the one above it; where that is damaged too, by the shape of
their rows, if only one table has such rows.  Pages that are free are left alone: what was deleted must not come back.
So where neither the map nor the list of free pages can be read, only that is taken to which a way leads.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from adapters.stores.salvage.pages import PageFile
from adapters.stores.salvage.records import (
    INTERIOR,
    INTERIOR_TABLE,
    LEAF_TABLE,
    BrokenCell,
    Cell,
    Page,
    Value,
    children,
    parse,
    payload,
    values,
)
from adapters.stores.salvage.tables import Table

# What the pointer map says of a page (1.8).
ROOT: Final = 1
FREE: Final = 2
BELOW: Final = 5

FREE_PAGE: Final = 0xFFFF
DEEPEST: Final = 20  # levels of a tree; 8 are enough for any file
FIRST_MAP: Final = 2
LOCK_BYTE: Final = 1 << 30  # the page with this octet is never used
_SAMPLE: Final = 5  # rows of a page that are looked at for its shape


class Trees:
    """Each page's table, by its number in `tables` and whether a way led to it."""

    def __init__(self, file: PageFile, tables: Sequence[Table]) -> None:
        self.damage: list[str] = []
        self._file = file
        self._tables = tables
        self._kept = (0, b"")  # a page of the pointer map
        self._roots = {table.root: index for index, table in enumerate(tables)}
        self._owners = array("H", bytes(2 * (file.count + 1)))  # 0: nobody's, else a table's number and 1
        self._has_map = self._pointer(3)[0] == ROOT  # the first table's page
        self._mark_free()
        for index in range(len(tables)):
            self._walk(index)

    def reached(self) -> Iterator[tuple[int, Table]]:
        """(page, table) of all that ways led to, in the order of the file."""
        for number in range(1, self._file.count + 1):
            if self._owners[number] not in (0, FREE_PAGE):
                yield number, self._tables[self._owners[number] - 1]

    def unreached(self) -> Iterator[tuple[int, Table]]:
        """The same of pages that no way leads to any more."""
        if not self._has_map and not self._file.has_header:
            return
        for number in range(FIRST_MAP, self._file.count + 1):
            if not self._owners[number] and not self._is_map(number):
                page = self._parsed(number)
                if page is not None and (table := self._table_of(number, page)) is not None:
                    yield number, table

    def _parsed(self, number: int) -> Page | None:
        try:
            return parse(self._file.page(number), number, self._file.usable)
        except BrokenCell:
            return None

    # ------------------------------------------------------------------------------------------ ways

    def _walk(self, index: int) -> None:
        table = self._tables[index]
        below = [(table.root, 0)]
        while below:
            number, above = below.pop()
            if not 1 <= number <= self._file.count or self._owners[number]:
                self._note(number, table, "it is named twice, or is none")
                continue
            kind, parent = self._pointer(number)
            if self._has_map and 0 < kind <= BELOW and (kind, parent) not in ((ROOT, 0), (BELOW, above)):
                self._note(number, table, "the page above names it, but it belongs elsewhere")
                continue
            try:
                page = parse(self._file.page(number), number, self._file.usable)
            except BrokenCell as broken:
                self._note(number, table, str(broken))
                continue
            if (page.kind in (LEAF_TABLE, INTERIOR_TABLE)) != table.has_rowid:
                self._note(number, table, "it is of another kind than the table")
                continue
            self._owners[number] = index + 1
            if page.kind in INTERIOR:
                below += ((child, number) for child in children(page))

    def _note(self, number: int, table: Table, what: str) -> None:
        self.damage.append(f"page {number} ({table.name}): {what}")

    # ------------------------------------------------------------------------------------------ free pages

    def _mark_free(self) -> None:
        """1.5: the first page names a list of pages that name pages."""
        trunk = int.from_bytes(self._file.page(1)[32:36], "big")
        while 1 < trunk <= self._file.count and not self._owners[trunk]:
            octets = self._file.page(trunk)
            count = int.from_bytes(octets[4:8], "big")
            if self._may_be_used(trunk) or count > self._file.usable // 4 - 2:
                self.damage.append(f"page {trunk}: the list of free pages is damaged")
                return
            self._owners[trunk] = FREE_PAGE
            for at in range(8, 8 + 4 * count, 4):
                leaf = int.from_bytes(octets[at : at + 4], "big")
                if 1 < leaf <= self._file.count and not self._may_be_used(leaf):
                    self._owners[leaf] = FREE_PAGE
            trunk = int.from_bytes(octets[:4], "big")

    def _may_be_used(self, number: int) -> bool:
        """Whether the pointer map says so of a page that is said to be free."""
        return number in self._roots or (self._has_map and self._pointer(number)[0] not in (0, FREE))

    # ------------------------------------------------------------------------------------------ lost ways

    def _table_of(self, number: int, page: Page) -> Table | None:
        """Whose page it is that nothing leads to; None: nobody's, or that cannot be told."""
        kind, _ = self._pointer(number)
        if self._has_map and kind == FREE:
            return None
        table = self._above(number)
        has_rowid = page.kind in (LEAF_TABLE, INTERIOR_TABLE)
        if table is None or table.has_rowid != has_rowid or not all(map(table.fits, self._sample(page))):
            return self._like(page)
        return None if table.is_index else table

    def _above(self, number: int) -> Table | None:
        """The table whose first page the pointer map leads up to."""
        for _ in range(DEEPEST):
            if not self._has_map or not 1 <= number <= self._file.count:
                return None
            kind, parent = self._pointer(number)
            if kind == ROOT:
                return self._tables[self._roots[number]] if number in self._roots else None
            if kind != BELOW:
                return None
            number = parent
        return None

    def _like(self, page: Page) -> Table | None:
        """The one table that has rows like these."""
        rows = self._sample(page)
        has_rowid = page.kind in (LEAF_TABLE, INTERIOR_TABLE)
        like = [table for table in self._tables if table.has_rowid == has_rowid and all(map(table.fits, rows))]
        return like[0] if rows and len(like) == 1 and not like[0].is_index else None

    def _sample(self, page: Page) -> list[list[Value]]:
        """Some of a page's rows, as far as they can be read."""
        rows: list[list[Value]] = []
        for cell in page.cells:
            if isinstance(cell, Cell) and cell.payload_octets and len(rows) < _SAMPLE:
                try:
                    rows.append(values(payload(cell, self._file.page, self._file.usable, self._file.count)))
                except BrokenCell:
                    continue
        return rows

    # ------------------------------------------------------------------------------------------ the pointer map

    def _map_of(self, number: int) -> int:
        """The page of the pointer map that says where a page belongs."""
        span = self._file.usable // 5 + 1
        page = FIRST_MAP + (number - FIRST_MAP) // span * span
        return page + 1 if page == LOCK_BYTE // self._file.page_octets + 1 else page

    def _is_map(self, number: int) -> bool:
        return self._has_map and self._map_of(number) == number

    def _pointer(self, number: int) -> tuple[int, int]:
        """(what a page is, the page that names it)."""
        if number <= FIRST_MAP:
            return 0, 0
        page = self._map_of(number)
        octets = self._map_page(page)
        at = 5 * (number - page - 1)
        return (octets[at], int.from_bytes(octets[at + 1 : at + 5], "big")) if at >= 0 else (0, 0)

    def _map_page(self, number: int) -> bytes:
        """The last one is kept: neighbours are asked for one after the other."""
        if self._kept[0] != number:
            self._kept = (number, self._file.page(number))
        return self._kept[1]
