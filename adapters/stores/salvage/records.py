"""The cells of a b-tree page, and the values in their records (file format 1.5, 1.6, 2.1).  Any octets may be there."""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

INTERIOR_INDEX: Final = 2
INTERIOR_TABLE: Final = 5
LEAF_INDEX: Final = 10
LEAF_TABLE: Final = 13
INTERIOR: Final = frozenset({INTERIOR_INDEX, INTERIOR_TABLE})
KINDS: Final = frozenset({INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE})

_INTEGER_OCTETS: Final = (0, 1, 2, 3, 4, 6, 8)  # by serial type, 2.1
_PAGE_ONE: Final = 1
_FILE_HEADER: Final = 100

Value = int | float | str | bytes | None


class BrokenCell(ValueError):
    """There is no cell, or no record in it."""


class Cell(Struct, frozen=True):
    """What a cell says: where its octets lie, of which the others are in a chain of overflow pages."""

    child: int  # the page to its left, 0 on a leaf
    payload_octets: int  # 0: it has none
    local: bytes
    overflow: int  # the first page of the chain, 0: none


class Page(Struct, frozen=True):
    """A page of a b-tree."""

    kind: int
    cells: tuple[Cell | BrokenCell, ...]
    right: int  # the page right of all cells, 0 on a leaf


def parse(octets: bytes, number: int, usable: int) -> Page:
    """Raises BrokenCell where it is no page of a b-tree at all."""
    start = _FILE_HEADER if number == _PAGE_ONE else 0
    kind = octets[start]
    if kind not in KINDS:
        raise BrokenCell("it is no page of a table")
    count = int.from_bytes(octets[start + 3 : start + 5], "big")
    first = start + (12 if kind in INTERIOR else 8)
    if first + 2 * count > usable:
        raise BrokenCell("it says to have more cells than it can")
    right = int.from_bytes(octets[start + 8 : start + 12], "big") if kind in INTERIOR else 0
    places = struct.unpack_from(f">{count}H", octets, first)
    return Page(kind, tuple(_cell(octets, at, first + 2 * count, usable, kind) for at in places), right)


def _cell(octets: bytes, at: int, lowest: int, usable: int, kind: int) -> Cell | BrokenCell:
    try:
        if not lowest <= at < usable:
            raise BrokenCell("it lies outside of its page")
        child = 0
        if kind in INTERIOR:
            child, at = int.from_bytes(octets[at : at + 4], "big"), at + 4
        if kind == INTERIOR_TABLE:
            return Cell(child, 0, b"", 0)
        size, at = varint(octets, at)
        if kind == LEAF_TABLE:
            _, at = varint(octets, at)  # the rowid
        local = _local(size, usable, kind)
        end = at + local + (4 if local < size else 0)
        if end > usable:
            raise BrokenCell("it does not end in its page")
        overflow = int.from_bytes(octets[at + local : end], "big")
        return Cell(child, size, octets[at : at + local], overflow)
    except BrokenCell as broken:
        return broken


def _local(size: int, usable: int, kind: int) -> int:
    """How many octets of a payload are on its page (1.6)."""
    most = usable - 35 if kind == LEAF_TABLE else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    some = least + (size - least) % (usable - 4)
    return some if some <= most else least


def varint(octets: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends); without its sign.  Raises BrokenCell."""
    value = 0
    for index in range(9):
        if at + index >= len(octets):
            raise BrokenCell("a number is cut off")
        octet = octets[at + index]
        if index == 8:
            return value << 8 | octet, at + 9
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            return value, at + index + 1
    raise AssertionError("unreachable")


def values(payload: bytes) -> list[Value]:
    """The values of a record.  Raises BrokenCell."""
    size, at = varint(payload, 0)
    if not at <= size <= len(payload):
        raise BrokenCell("its header is longer than itself")
    kinds = []
    while at < size:
        kind, at = varint(payload, at)
        kinds.append(kind)
    if at != size:
        raise BrokenCell("its header does not end where it says")
    found: list[Value] = []
    for kind in kinds:
        octets = octets_of(kind)
        if at + octets > len(payload):
            raise BrokenCell("it is shorter than it says")
        found.append(_value(kind, payload[at : at + octets]))
        at += octets
    if at != len(payload):
        raise BrokenCell("it is longer than it says")
    return found


def octets_of(kind: int) -> int:
    """How many octets a value of this serial type takes.  Raises BrokenCell."""
    if kind >= 12:
        return (kind - 12) // 2
    if kind < len(_INTEGER_OCTETS):
        return _INTEGER_OCTETS[kind]
    if kind in (7, 8, 9):
        return 8 if kind == 7 else 0
    raise BrokenCell("a value is of no type")


def _value(kind: int, octets: bytes) -> Value:
    if kind == 0:
        return None
    if kind in (8, 9):
        return kind - 8
    if kind == 7:
        return float(struct.unpack(">d", octets)[0])
    if kind < 7:
        return int.from_bytes(octets, "big", signed=True)
    if kind % 2 == 0:
        return octets
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BrokenCell("a text is not UTF-8") from None


def payload(cell: Cell, page: Callable[[int], bytes], usable: int, count: int) -> bytes:
    """A cell's octets with those of its chain (1.6).  Raises BrokenCell."""
    pieces = [cell.local]
    rest, following = cell.payload_octets - len(cell.local), cell.overflow
    if rest > count * usable:
        raise BrokenCell("it is larger than the file")
    while rest > 0:
        if not 1 <= following <= count:
            raise BrokenCell("its chain of pages is broken")
        octets = page(following)
        following = int.from_bytes(octets[:4], "big")
        pieces.append(octets[4 : 4 + min(rest, usable - 4)])
        rest -= usable - 4
    if following:
        raise BrokenCell("its chain of pages does not end where it should")
    return b"".join(pieces)


def children(page: Page) -> Iterator[int]:
    """The pages below an interior one, from left to right."""
    for cell in page.cells:
        if isinstance(cell, Cell) and cell.child:
            yield cell.child
    if page.right:
        yield page.right
