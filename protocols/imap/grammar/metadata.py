"""GETMETADATA and SETMETADATA (RFC 5464), and what LIST wants of annotations (RFC 9590)."""

import re
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import Entries, GetMetadata, SetMetadata
from protocols.imap.grammar.scanner import BadSyntax, Scanner, over_limit

# RFC 5464 3.2, and no control characters at all, which it discourages.
_ENTRY: Final = re.compile(rb"/(?:private|shared)(?:/[^/*%\x00-\x1f\x7f-\xff]++)*+", re.IGNORECASE)
_OPTIONS: Final = re.compile(rb"\([A-Z]", re.IGNORECASE)  # an entry begins with a slash, or as a string
_DEPTHS: Final[dict[bytes, int | None]] = {b"0": 0, b"1": 1, b"INFINITY": None}


def get_metadata(scanner: Scanner, tag: bytes) -> GetMetadata:
    """GETMETADATA [SP options] SP mailbox SP entries; RFC 5464's own examples have the options behind the mailbox."""
    scanner.space()
    options = _options(scanner)
    if options is not None:
        scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    wanted = entries(scanner) if options is None else _entries(scanner, *options)
    scanner.end()
    return GetMetadata(tag, mailbox, wanted)


def entries(scanner: Scanner) -> Entries:
    """[options SP] (entry / "(" entry *(SP entry) ")")."""
    options = _options(scanner)
    if options is None:
        return _entries(scanner, depth=0, max_size=None)
    scanner.space()
    return _entries(scanner, *options)


def _entries(scanner: Scanner, depth: int | None, max_size: int | None) -> Entries:
    if scanner.sees(b"("):
        names = scanner.listing(lambda: _entry(scanner), limits.METADATA_ENTRIES, "entries")
        return Entries(tuple(names), depth, max_size)
    return Entries((_entry(scanner),), depth, max_size)


def _entry(scanner: Scanner) -> str:
    """A name, or the beginning of some: what is below /shared or /private alone can be asked for too."""
    name = scanner.astring("an entry name")
    if len(name) > limits.METADATA_NAME:
        raise over_limit("Entry name is too long")
    if not _ENTRY.fullmatch(name):
        raise BadSyntax("Not an entry name")
    return name.decode("ascii")


def _options(scanner: Scanner) -> tuple[int | None, int | None] | None:
    """DEPTH and MAXSIZE, if there are options here."""
    if not _OPTIONS.match(scanner.text, scanner.position):
        return None
    options = scanner.listing(lambda: _option(scanner), limits.METADATA_OPTIONS, "options")
    given = dict(options)
    if len(given) != len(options):
        raise BadSyntax("An option is given twice")
    return given.get(b"DEPTH", 0), given.get(b"MAXSIZE")


def _option(scanner: Scanner) -> tuple[bytes, int | None]:
    name = scanner.word()
    scanner.space()
    if name == b"MAXSIZE":
        return name, scanner.number()
    if name != b"DEPTH":
        raise BadSyntax("Unknown option")
    depth = scanner.word()
    if depth not in _DEPTHS:
        raise BadSyntax("DEPTH is 0, 1 or infinity")
    return name, _DEPTHS[depth]


def set_metadata(scanner: Scanner, tag: bytes) -> SetMetadata:
    """SETMETADATA SP mailbox SP "(" entry SP value *(SP entry SP value) ")"."""
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    values = scanner.listing(lambda: _entry_value(scanner), limits.METADATA_ENTRIES, "entries")
    scanner.end()
    if len(dict(values)) != len(values):
        raise BadSyntax("An entry is given twice")
    return SetMetadata(tag, mailbox, tuple(values))


def _entry_value(scanner: Scanner) -> tuple[str, bytes | None]:
    name = _entry(scanner).lower()
    parts = name.split("/")[1:]
    if len(parts) < (4 if parts[1:2] == ["vendor"] else 2):
        raise BadSyntax("The entry name has too few parts")  # RFC 5464 3.2
    scanner.space()
    binary = scanner.literal8()
    return name, scanner.nstring() if binary is None else binary
