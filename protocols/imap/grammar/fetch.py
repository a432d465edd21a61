"""FETCH and STORE, the commands that clients send most: whole-line patterns first, remembered item lists after."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, cast

from msgspec import Struct

from protocols.imap import limits
from protocols.imap.commands import (
    Binary,
    BinarySize,
    Fetch,
    FetchItem,
    Item,
    Page,
    Section,
    SectionText,
    Store,
    StoreMode,
)
from protocols.imap.grammar.flags import FLAG_LIST, FLAGS_BARE, flags_of
from protocols.imap.grammar.scanner import MAX_NUMBER64, BadSyntax, Scanner, over_limit
from protocols.imap.grammar.sequences import parse_set

_FETCH: Final = re.compile(rb" ([0-9*$:,]++) ")
_STORE: Final = re.compile(
    rb" ([0-9*$:,]++) (?:\(UNCHANGEDSINCE ([0-9]{1,19})\) )?([+-]?)FLAGS(\.SILENT)? ", re.IGNORECASE
)
_MODIFIER: Final = re.compile(rb" \((?:CHANGEDSINCE|VANISHED|PARTIAL)[ )]", re.IGNORECASE)
_LAZY: Final = re.compile(rb" \(LAZY\)", re.IGNORECASE)
_PAGE: Final = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})")
_MODES: Final[dict[bytes, StoreMode]] = {b"": "replace", b"+": "add", b"-": "remove"}

_ITEM: Final = re.compile(rb"[A-Z0-9.]++(\[?)", re.IGNORECASE)
_PART: Final = re.compile(rb"[1-9][0-9]{0,9}+(?:\.[1-9][0-9]{0,9}+)*+")
_SECTION_TEXT: Final = re.compile(rb"HEADER(?:\.FIELDS(?:\.NOT)?)?+|TEXT|MIME", re.IGNORECASE)
_PARTIAL: Final = re.compile(rb"<([0-9]{1,19})\.([0-9]{1,19})>")
# RFC 5322 section 2.2: printable ASCII without the colon.
_FIELD_NAME: Final = re.compile(rb"[!-9;-~]++")
_PLAIN_FIELD_NAME: Final = re.compile(rb"[A-Z0-9\-_]++")

_PLAIN: Final[dict[bytes, FetchItem]] = {
    **{item.value: item for item in Item},
    b"RFC822": Section(b"RFC822", peek=False),
    b"RFC822.HEADER": Section(b"RFC822.HEADER", peek=True, text="HEADER"),
    b"RFC822.TEXT": Section(b"RFC822.TEXT", peek=False, text="TEXT"),
}
_FAST: Final = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)
_MACROS: Final[dict[bytes, tuple[FetchItem, ...]]] = {
    b"ALL": (*_FAST, Item.ENVELOPE),
    b"FAST": _FAST,
    b"FULL": (*_FAST, Item.ENVELOPE, Item.BODY),
}


def fetch(scanner: Scanner, tag: bytes, uid: bool) -> Fetch:
    """FETCH SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")."""
    sequence = parse_set(scanner.matching(_FETCH, "a sequence set and items")[1])
    rest = scanner.text[scanner.position :]
    # A literal in the list (a header field's name) cannot be remembered: its octets are not in the key.
    if len(rest) <= limits.CACHED_KEY and not scanner.literals and not _MODIFIER.search(rest):
        return Fetch(tag, uid, sequence, _remembered(rest, uid))
    items = _items(scanner, uid)
    modifiers = _modifiers(scanner, uid) if scanner.at(b" ") else _Modifiers()
    scanner.end()
    if modifiers.changed_since is not None:
        items = tuple(dict.fromkeys((*items, Item.MODSEQ)))  # RFC 7162 3.1.4.1
    return Fetch(tag, uid, sequence, items, modifiers.changed_since, modifiers.vanished, modifiers.page)


@lru_cache(limits.CACHE_ENTRIES)
def _remembered(text: bytes, uid: bool) -> tuple[FetchItem, ...]:
    scanner = Scanner(text, 0, (), utf8=False)
    items = _items(scanner, uid)
    scanner.end()
    return items


class _Modifiers(Struct):
    changed_since: int | None = None
    vanished: bool = False
    page: Page | None = None


def _modifiers(scanner: Scanner, uid: bool) -> _Modifiers:
    """fetch-modifiers (RFC 4466 2.4): CHANGEDSINCE and VANISHED of RFC 7162, PARTIAL of RFC 9394."""
    found = _Modifiers()
    names = scanner.listing(lambda: _modifier(scanner, found), limits.FETCH_MODIFIERS, "FETCH modifiers")
    if len(set(names)) != len(names):
        raise BadSyntax("A FETCH modifier is given twice")
    if found.vanished and (not uid or found.changed_since is None):
        raise BadSyntax("VANISHED goes with UID FETCH and CHANGEDSINCE")  # RFC 7162 3.2.6
    if found.page is not None and not uid:
        raise BadSyntax("PARTIAL goes with UID FETCH")  # RFC 9394 3.3
    return found


def _modifier(scanner: Scanner, found: _Modifiers) -> bytes:
    name = scanner.word()
    match name:
        case b"CHANGEDSINCE":
            scanner.space()
            found.changed_since = scanner.number("a MODSEQ")
        case b"VANISHED":
            found.vanished = True
        case b"PARTIAL":
            scanner.space()
            found.page = page(scanner)
        case _:
            raise BadSyntax("Unknown FETCH modifier")
    return name


def page(scanner: Scanner) -> Page:
    """partial-range (RFC 9394 4): two numbers of one sign."""
    found = scanner.matching(_PAGE, "a range of results")
    low, high = sorted((int(found[2]), int(found[4])))
    if found[1] != found[3] or high > 0xFFFF_FFFF:
        raise BadSyntax("Not a range of results")
    return Page(-low, -high) if found[1] else Page(low, high)


def item_list(scanner: Scanner) -> tuple[FetchItem, ...]:
    """A parenthesized list of fetch-att, each once."""
    return tuple(dict.fromkeys(scanner.listing(lambda: _item(scanner), limits.FETCH_ITEMS, "FETCH items")))


def _items(scanner: Scanner, uid: bool) -> tuple[FetchItem, ...]:
    """What stands after the sequence set, each item once."""
    if scanner.sees(b"("):
        items = item_list(scanner)
    else:
        start = scanner.position
        # The macros stand alone, never in a list.
        macro = _MACROS.get(scanner.word())
        if macro is None:
            scanner.position = start
        items = macro or (_item(scanner),)
    # RFC 9051 section 6.4.9: the response to UID FETCH holds the UID, asked for or not.
    return tuple(dict.fromkeys((Item.UID, *items) if uid else items))


def _item(scanner: Scanner) -> FetchItem:
    found = scanner.matching(_ITEM, "a FETCH item")
    name = found[0].upper()
    if found[1]:
        read = _SECTIONS.get(name)
        if read is not None:
            return read(scanner)
    elif name in _PLAIN:
        if name == b"PREVIEW" and scanner.sees(b" ("):
            scanner.matching(_LAZY, "LAZY")
        return _PLAIN[name]
    raise BadSyntax("Unknown FETCH item")


def _part(scanner: Scanner) -> tuple[int, ...]:
    """section-part, or nothing."""
    found = _PART.match(scanner.text, scanner.position)
    if found is None:
        return ()
    scanner.position = found.end()
    path = found[0].split(b".")
    if len(path) > limits.PART_DEPTH:
        raise over_limit("Part is nested too deeply")
    return tuple(map(int, path))


def _body(scanner: Scanner, *, peek: bool) -> Section:
    start = scanner.position
    path = _part(scanner)
    text: SectionText = ""
    fields: tuple[bytes, ...] = ()
    if scanner.at(b".") if path else not scanner.sees(b"]"):
        name = scanner.matching(_SECTION_TEXT, "a section")[0].upper()
        if name == b"MIME" and not path:
            raise BadSyntax("MIME needs a part")
        text = cast("SectionText", name.decode("ascii"))
    label = scanner.text[start : scanner.position].upper()
    if text.startswith("HEADER.FIELDS"):
        scanner.space()
        fields = _header_list(scanner)
        label = b"%s (%s)" % (label, b" ".join(map(_field_label, fields)))
    scanner.expect(b"]", "the end of a section")
    partial = _partial(scanner)
    return Section(_label(b"BODY", label, partial), peek, path, text, fields, partial)


def _header_list(scanner: Scanner) -> tuple[bytes, ...]:
    return tuple(scanner.listing(lambda: _field_name(scanner), limits.HEADER_FIELDS, "header fields"))


def _field_name(scanner: Scanner) -> bytes:
    name = scanner.astring("a header field")
    if len(name) > limits.HEADER_FIELD_NAME:
        raise over_limit("Header field name is too long")
    if not _FIELD_NAME.fullmatch(name):
        raise BadSyntax("Not a header field name")
    return name.upper()


def _field_label(name: bytes) -> bytes:
    """A header field's name as the response repeats it: quoted unless it is as plain as such names are."""
    if _PLAIN_FIELD_NAME.fullmatch(name):
        return name
    return b'"%s"' % name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _partial(scanner: Scanner) -> tuple[int, int] | None:
    if not scanner.sees(b"<"):
        return None
    found = scanner.matching(_PARTIAL, "a range of octets")
    origin, length = int(found[1]), int(found[2])
    if length == 0:
        raise BadSyntax("A range of octets cannot be empty")
    return origin, length


def _label(name: bytes, section: bytes, partial: tuple[int, int] | None) -> bytes:
    # RFC 9051 section 7.5.2: the response names the origin of a partial, not its length.
    origin = b"" if partial is None else b"<%d>" % partial[0]
    return b"%s[%s]%s" % (name, section, origin)


def _binary(scanner: Scanner, *, peek: bool) -> Binary:
    path = _part(scanner)
    scanner.expect(b"]", "the end of a part")
    partial = _partial(scanner)
    return Binary(_label(b"BINARY", _dotted(path), partial), peek, path, partial)


def _binary_size(scanner: Scanner) -> BinarySize:
    path = _part(scanner)
    scanner.expect(b"]", "the end of a part")
    return BinarySize(_label(b"BINARY.SIZE", _dotted(path), None), path)


def _dotted(path: tuple[int, ...]) -> bytes:
    return ".".join(map(str, path)).encode("ascii")


_SECTIONS: Final[dict[bytes, Callable[[Scanner], FetchItem]]] = {
    b"BODY[": lambda scanner: _body(scanner, peek=False),
    b"BODY.PEEK[": lambda scanner: _body(scanner, peek=True),
    b"BINARY[": lambda scanner: _binary(scanner, peek=False),
    b"BINARY.PEEK[": lambda scanner: _binary(scanner, peek=True),
    b"BINARY.SIZE[": _binary_size,
}


def store(scanner: Scanner, tag: bytes, uid: bool) -> Store:
    """STORE SP sequence-set [SP "(UNCHANGEDSINCE" SP modseq ")"] SP (["+" / "-"] "FLAGS" [".SILENT"]) SP flags."""
    found = scanner.matching(_STORE, "a sequence set and flags")
    sequence = parse_set(found[1])
    flags = scanner.matching(FLAG_LIST if scanner.sees(b"(") else FLAGS_BARE, "flags")[0]
    scanner.end()
    since = None if found[2] is None else modseq(found[2])
    mode, is_silent = _MODES[found[3]], found[4] is not None
    return Store(tag, uid, sequence, mode, is_silent, flags_of(flags.strip(b"()")), since)


def modseq(digits: bytes) -> int:
    """mod-sequence-valzer (RFC 7162 7): 63 bits."""
    number = int(digits)
    if number > MAX_NUMBER64:
        raise BadSyntax("Number is too large")
    return number
