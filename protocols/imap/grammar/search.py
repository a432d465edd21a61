"""SEARCH: its keys as a table, its criteria as a small tree (RFC 9051 section 6.4.4)."""

import re
from collections.abc import Callable
from datetime import date
from encodings.aliases import aliases
from typing import Final, Literal

from msgspec import Struct

from protocols.imap import limits
from protocols.imap.commands import (
    And,
    CancelUpdate,
    Changed,
    Dated,
    Day,
    FetchItem,
    Filter,
    Fuzzy,
    HasFlag,
    HasKeyword,
    HasObject,
    InBody,
    InEnvelope,
    InHeader,
    InText,
    IsRecent,
    Larger,
    Not,
    Or,
    Page,
    Search,
    SearchKey,
    Sequence,
    Smaller,
    Uids,
    Within,
)
from protocols.imap.fragments import Complete, Fragmenter, NeedContinuation
from protocols.imap.grammar.fetch import item_list, page
from protocols.imap.grammar.flags import keyword, month
from protocols.imap.grammar.scanner import ATOM_CHARS, BadCharset, BadSyntax, Scanner, over_limit
from protocols.imap.grammar.sequences import sequence_set

_DATE: Final = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_SET_BEGINS: Final = re.compile(rb"[0-9*$]")
_RETURNS: Final = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE", "UPDATE", "RELEVANCY"})
_HINTS: Final = frozenset({"CONTEXT"})  # RFC 5267 4.2: the same search will come again; every search is ready for that
_LONGEST: Final = 0xFFFF_FFFF  # seconds
_OBJECT_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_DEFAULT_RETURNS: Final = frozenset({"ALL"})
# RFC 5466 4: 1*<any ATOM-CHAR except "/">.
FILTER_NAME: Final = re.compile(rb"(?:(?!/)[%s])++" % ATOM_CHARS)
_BEFORE_CRITERIA: Final = b"a SEARCH "
_WITH_FILTERS: Final = ("utf_8", "ascii")
_BADCHARSET: Final = b"BADCHARSET (US-ASCII UTF-8)"  # RFC 9051 section 6.4.4: the two that every server knows

# Not `codecs.lookup`: it remembers every name it was ever asked, and imports modules to answer.  Left out are codecs
# that are no charset, and those that read escapes or whose cost grows with the text's square.
_NO_CHARSETS: Final = frozenset(
    [
        *("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs"),
        *("idna", "punycode", "raw_unicode_escape", "unicode_escape"),
    ]
)
_WITHOUT_ALIAS: Final = ("cp720", "cp737", "cp856", "cp874", "cp1006", "koi8_t", "koi8_u")
_CHARSETS: Final[dict[str, str]] = {
    **{alias: codec for alias, codec in aliases.items() if codec not in _NO_CHARSETS},
    **{codec: codec for codec in aliases.values() if codec not in _NO_CHARSETS},
    **{codec: codec for codec in _WITHOUT_ALIAS},
}


class Program:
    """One search program being read: its text decoder, if we know its charset, and how much of it there is."""

    __slots__ = ("codec", "depth", "keys", "scanner", "texts")

    def __init__(self, scanner: Scanner, codec: str | None) -> None:
        self.scanner = scanner
        self.codec = codec
        self.depth = 0
        self.keys = 0
        self.texts = 0  # octets of them

    def whole(self) -> SearchKey:
        """The keys up to the end of the command; raises BadCharset.

        RFC 5466 3.1: beside FILTER a charset is BAD, also one that we do not know.
        """
        if self.codec is not None:
            return self.all_of(b"")
        try:
            self.all_of(b"")
        except BadSyntax as fault:
            if fault.code == _BADCHARSET:
                raise
        raise BadCharset("Unknown charset", code=_BADCHARSET)

    def all_of(self, closing: bytes) -> SearchKey:
        """One or more keys, up to a parenthesis or (b"") the end of the command."""
        keys = [self.key()]
        while not (self.scanner.at(closing) if closing else self.scanner.position == len(self.scanner.text)):
            self.scanner.space()
            keys.append(self.key())
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def key(self) -> SearchKey:
        self.keys += 1
        if self.keys > limits.SEARCH_KEYS:
            raise over_limit("Too many search keys")
        scanner = self.scanner
        if scanner.at(b"("):
            return self.within(lambda: self.all_of(b")"))
        if _SET_BEGINS.match(scanner.text, scanner.position):
            return Sequence(sequence_set(scanner))
        name = scanner.word()
        plain = _PLAIN.get(name)
        if plain is not None:
            return plain
        read = _KEYS.get(name)
        if read is None:
            raise BadSyntax("Unknown search key")
        scanner.space()
        return read(self)

    def within(self, read: Callable[[], SearchKey]) -> SearchKey:
        """What is read one level deeper."""
        self.depth += 1
        if self.depth > limits.SEARCH_DEPTH:
            raise over_limit("Search is nested too deeply")
        key = read()
        self.depth -= 1
        return key

    def text(self) -> str:
        octets = self.scanner.astring("a string to search for")
        if len(octets) > limits.SEARCH_TEXT:
            raise over_limit("Search text is too long")
        self.texts += len(octets)
        if self.texts > limits.SEARCH_TEXTS:
            raise over_limit("Too much text to search for")
        try:
            return octets.decode(self.codec or "latin_1")
        except ValueError:
            raise BadSyntax("Search text is not in its charset") from None

    def day(self) -> Day:
        found = self.scanner.matching(_DATE, "a date")
        day = int(found[4]), month(found[3]), int(found[2])
        try:
            date(*day)
        except ValueError:
            raise BadSyntax("No such day") from None
        return day


def search(scanner: Scanner, tag: bytes, uid: bool) -> Search:
    """SEARCH [search-return-opts] SP ["CHARSET" SP charset SP] search-key *(SP search-key)."""
    scanner.space()
    returns = Returns()
    if at_word(scanner, b"RETURN"):
        returns = return_options(scanner)
        scanner.space()
    charset = None
    codec: str | None = "utf_8"  # holds US-ASCII, the default, and what many clients send without saying so
    if at_word(scanner, b"CHARSET"):
        charset, codec = charset_of(scanner)
        scanner.space()
    return Search(tag, uid, Program(scanner, codec).whole(), returns.options, charset, returns.page, returns.told)


def criteria(octets: bytes) -> SearchKey:
    """search-criteria that stand by themselves, in UTF-8 (RFC 5466 3.2); literals may be among them."""
    fragments = Fragmenter(limits.AFTER_LOGIN)
    fragments.feed(_BEFORE_CRITERIA + octets + b"\r\n")
    while isinstance(event := fragments.next(), NeedContinuation):
        fragments.accept()
    if not isinstance(event, Complete) or fragments.unread:
        raise BadSyntax("Expected search criteria and nothing else")
    scanner = Scanner(event.text, len(_BEFORE_CRITERIA), event.literals, utf8=True)
    return Program(scanner, "utf_8").whole()


class Returns(Struct):
    """What RETURN asks for: options, the page of PARTIAL (RFC 9394 3.1), the items of UPDATE (RFC 5465 7)."""

    options: frozenset[str] | None = None
    page: Page | None = None
    told: tuple[FetchItem, ...] = ()


def return_options(scanner: Scanner) -> Returns:
    """search-return-opts without RETURN."""
    pages: list[Page] = []
    told: tuple[FetchItem, ...] = ()

    def option() -> str:
        nonlocal told
        name = scanner.word().decode("ascii")
        if name == "UPDATE" and scanner.sees(b" ("):
            scanner.space()
            told = item_list(scanner)
        elif name == "PARTIAL":
            scanner.space()
            pages.append(page(scanner))
        elif name not in _RETURNS and name not in _HINTS:
            raise BadSyntax("Unknown search return option")
        return name

    given = scanner.listing(option, limits.SEARCH_RETURNS, "return options", empty=True)
    options = frozenset(given) - _HINTS
    if len(pages) > 1 or (pages and "ALL" in options):
        raise BadSyntax("PARTIAL stands alone, and once")  # RFC 9394 3.1
    # RFC 4731 section 3.1: "()" is the same as "(ALL)".
    return Returns(options if given else _DEFAULT_RETURNS, pages[0] if pages else None, told)


def cancel_update(scanner: Scanner, tag: bytes) -> CancelUpdate:
    """CANCELUPDATE 1*(SP quoted) (RFC 5267 section 5)."""
    tags: list[bytes] = []
    while not tags or scanner.sees(b" "):
        scanner.space()
        tags.append(scanner.string("a tag"))
        if len(tags) > limits.CONTEXTS:
            raise BadSyntax("Too many tags")
    scanner.end()
    return CancelUpdate(tag, tuple(tags))


def at_word(scanner: Scanner, word: bytes) -> bool:
    """Whether this word and a space stand here, in capitals or not; if so, they have been read."""
    end = scanner.position + len(word)
    if scanner.text[scanner.position : end + 1].upper() != word + b" ":
        return False
    scanner.position = end + 1
    return True


def charset_of(scanner: Scanner) -> tuple[str, str | None]:
    """A charset as the client names it, and its codec if we know it."""
    name = scanner.astring("a charset").decode("ascii", "replace")
    return name, _CHARSETS.get(name.lower().replace("-", "_"))


def _or(program: Program) -> SearchKey:
    """OR a OR b c is a chain, and clients make long ones: one level, one value."""
    keys = [program.within(program.key)]
    program.scanner.space()
    while at_word(program.scanner, b"OR"):
        keys.append(program.within(program.key))
        program.scanner.space()
    keys.append(program.within(program.key))
    return Or(tuple(keys))


def _filter(program: Program) -> SearchKey:
    """RFC 5466 3.1: what a filter says is UTF-8, and so is all else then."""
    if program.codec not in _WITH_FILTERS:
        raise BadSyntax("Beside FILTER all texts are UTF-8", code=_BADCHARSET)
    return Filter(program.scanner.matching(FILTER_NAME, "the name of a filter")[0].decode("ascii"))


def _header(program: Program) -> SearchKey:
    field = program.scanner.astring("a header field").decode("ascii", "replace")
    program.scanner.space()
    return InHeader(field, program.text())


def _changed(program: Program) -> SearchKey:
    """MODSEQ [entry-name SP entry-type-req SP] mod-sequence-valzer.

    RFC 7162 3.1.5: who keeps one MODSEQ for each message ignores of which flag the client asks.
    """
    scanner = program.scanner
    if scanner.sees(b'"'):
        if not scanner.string().lower().startswith(b"/flags/"):
            raise BadSyntax("Unknown metadata item")
        scanner.space()
        if scanner.word() not in (b"PRIV", b"SHARED", b"ALL"):
            raise BadSyntax("Expected priv, shared or all")
        scanner.space()
    return Changed(scanner.number("a MODSEQ"))


def _within(relation: Literal["older", "younger"]) -> "_Reader":
    def read(program: Program) -> SearchKey:
        seconds = program.scanner.number("a number of seconds")
        if not 0 < seconds <= _LONGEST:
            raise BadSyntax("Not a number of seconds")  # RFC 5032 3: nz-number
        return Within(relation, seconds)

    return read


def _has_object(kind: Literal["EMAILID", "THREADID"]) -> "_Reader":
    return lambda program: HasObject(kind, program.scanner.matching(_OBJECT_ID, "an object id")[0].decode("ascii"))


def _dated(by: Literal["internal", "sent", "saved"], relation: Literal["before", "on", "since"]) -> "_Reader":
    return lambda program: Dated(by, relation, program.day())


def _in_envelope(field: Literal["BCC", "CC", "FROM", "SUBJECT", "TO"]) -> "_Reader":
    return lambda program: InEnvelope(field, program.text())


_Reader = Callable[[Program], SearchKey]

_SEEN, _ANSWERED, _FLAGGED, _DELETED, _DRAFT = (HasFlag(1 << bit) for bit in range(5))
_PLAIN: Final[dict[bytes, SearchKey]] = {
    b"ALL": And(()),
    b"ANSWERED": _ANSWERED,
    b"DELETED": _DELETED,
    b"DRAFT": _DRAFT,
    b"FLAGGED": _FLAGGED,
    b"NEW": And((IsRecent(), Not(_SEEN))),
    b"OLD": Not(IsRecent()),
    b"RECENT": IsRecent(),
    b"SAVEDATESUPPORTED": And(()),  # RFC 8514 4.3: every message, for we keep the date of each
    b"SEEN": _SEEN,
    b"UNANSWERED": Not(_ANSWERED),
    b"UNDELETED": Not(_DELETED),
    b"UNDRAFT": Not(_DRAFT),
    b"UNFLAGGED": Not(_FLAGGED),
    b"UNSEEN": Not(_SEEN),
}
_KEYS: Final[dict[bytes, _Reader]] = {
    b"BCC": _in_envelope("BCC"),
    b"BEFORE": _dated("internal", "before"),
    b"BODY": lambda program: InBody(program.text()),
    b"CC": _in_envelope("CC"),
    b"EMAILID": _has_object("EMAILID"),
    b"FILTER": _filter,
    b"FROM": _in_envelope("FROM"),
    b"FUZZY": lambda program: Fuzzy(program.within(program.key)),
    b"HEADER": _header,
    b"KEYWORD": lambda program: HasKeyword(keyword(program.scanner.atom("a keyword"))),
    b"LARGER": lambda program: Larger(program.scanner.number()),
    b"MODSEQ": _changed,
    b"NOT": lambda program: Not(program.within(program.key)),
    b"OLDER": _within("older"),
    b"ON": _dated("internal", "on"),
    b"OR": _or,
    b"SAVEDBEFORE": _dated("saved", "before"),
    b"SAVEDON": _dated("saved", "on"),
    b"SAVEDSINCE": _dated("saved", "since"),
    b"SENTBEFORE": _dated("sent", "before"),
    b"SENTON": _dated("sent", "on"),
    b"SENTSINCE": _dated("sent", "since"),
    b"SINCE": _dated("internal", "since"),
    b"SMALLER": lambda program: Smaller(program.scanner.number()),
    b"SUBJECT": _in_envelope("SUBJECT"),
    b"TEXT": lambda program: InText(program.text()),
    b"THREADID": _has_object("THREADID"),
    b"TO": _in_envelope("TO"),
    b"YOUNGER": _within("younger"),
    b"UID": lambda program: Uids(sequence_set(program.scanner)),
    b"UNKEYWORD": lambda program: Not(HasKeyword(keyword(program.scanner.atom("a keyword")))),
}
