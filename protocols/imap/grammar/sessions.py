"""The commands about the connection itself: who is there, what both sides can do."""

import re
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import Authenticate, CollationOrder, Comparator, Compress, Enable, Id, Language, Login
from protocols.imap.grammar.scanner import BadSyntax, Scanner, base64, over_limit

# RFC 4790 3.2, 3.3: collation-order.
_ORDER: Final = re.compile(rb"([+-]?)((?:\*|[A-Za-z]\*?)(?:[A-Za-z0-9\-;=.]\*?)*+)")
# RFC 4647 2.1: language-range.
_LANGUAGE_RANGE: Final = re.compile(rb"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*+")


def login(scanner: Scanner, tag: bytes) -> Login:
    """LOGIN SP userid SP password."""
    scanner.space()
    user = scanner.astring("a user name")
    scanner.space()
    password = scanner.astring("a password")
    scanner.end()
    if len(user) > limits.CREDENTIAL or len(password) > limits.CREDENTIAL:
        raise over_limit("User name or password is too long")
    try:
        return Login(tag, user.decode("utf-8"), password)
    except UnicodeDecodeError:
        raise BadSyntax("User name is not UTF-8") from None


def authenticate(scanner: Scanner, tag: bytes) -> Authenticate:
    """AUTHENTICATE SP auth-type [SP (base64 / "=")]."""
    scanner.space()
    mechanism = scanner.atom("a mechanism").decode("ascii").upper()
    if not scanner.at(b" "):
        scanner.end()
        return Authenticate(tag, mechanism)
    # RFC 4959 section 3: the initial response, "=" if it is empty.
    response = scanner.text[scanner.position :]
    return Authenticate(tag, mechanism, b"" if response == b"=" else base64(response))


def compress(scanner: Scanner, tag: bytes) -> Compress:
    """RFC 4978 4: COMPRESS SP algorithm."""
    scanner.space()
    mechanism = scanner.atom("an algorithm").decode("ascii").upper()
    scanner.end()
    return Compress(tag, mechanism)


def enable(scanner: Scanner, tag: bytes) -> Enable:
    """RFC 5161: capabilities we do not know are no error."""
    names: dict[str, None] = {}
    scanner.space()
    names[scanner.atom("a capability").decode("ascii").upper()] = None
    while scanner.at(b" "):
        names[scanner.atom("a capability").decode("ascii").upper()] = None
        if len(names) > limits.ENABLE_CAPABILITIES:
            raise over_limit("Too many capabilities")
    scanner.end()
    return Enable(tag, tuple(names))


def language(scanner: Scanner, tag: bytes) -> Language:
    """RFC 5255 3.5: LANGUAGE *(SP lang-range-quoted)."""
    ranges: list[str] = []
    while scanner.at(b" "):
        ranges.append(_language_range(scanner))
        if len(ranges) > limits.LANGUAGES:
            raise over_limit("Too many languages")
    scanner.end()
    return Language(tag, tuple(ranges))


def _language_range(scanner: Scanner) -> str:
    octets = scanner.astring("a language range")
    if len(octets) > limits.LANGUAGE or not _LANGUAGE_RANGE.fullmatch(octets):
        raise BadSyntax("Not a language range")
    return octets.decode("ascii").lower()


def comparator(scanner: Scanner, tag: bytes) -> Comparator:
    """RFC 5255 4.10: COMPARATOR *(SP comp-order-quoted)."""
    wanted: list[CollationOrder] = []
    while scanner.at(b" "):
        wanted.append(_collation_order(scanner))
        if len(wanted) > limits.COMPARATORS:
            raise over_limit("Too many comparators")
    scanner.end()
    return Comparator(tag, tuple(wanted))


def _collation_order(scanner: Scanner) -> CollationOrder:
    found = _ORDER.fullmatch(scanner.astring("a comparator"))
    if found is None or len(found[2]) > limits.COLLATION:
        raise BadSyntax("Not a comparator")
    return CollationOrder(found[2].decode("ascii"), found[1] == b"-")


def id_(scanner: Scanner, tag: bytes) -> Id:
    """RFC 2971 section 4: NIL, or pairs of a string and a string or NIL."""
    scanner.space()
    if scanner.nil():
        scanner.end()
        return Id(tag, ())
    fields = scanner.listing(lambda: _id_field(scanner), limits.ID_FIELDS, "ID fields", empty=True)
    scanner.end()
    names = [name for name, _ in fields]
    if len(set(names)) != len(names):
        raise BadSyntax("An ID field is given twice")  # RFC 2971 section 3.3
    return Id(tag, tuple(fields))


def _id_field(scanner: Scanner) -> tuple[str, str | None]:
    name = scanner.string("an ID field")
    if len(name) > limits.ID_FIELD:
        raise over_limit("ID field name is too long")
    scanner.space()
    value = scanner.nstring("an ID value")
    if value is not None and len(value) > limits.ID_VALUE:
        raise over_limit("ID value is too long")
    # For logs only, so what is no UTF-8 may be shown as such.
    return name.decode("utf-8", "replace").lower(), None if value is None else value.decode("utf-8", "replace")
