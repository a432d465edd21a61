"""What a client can say, as values: one frozen class for each command, and for what commands are made of.

The grammar makes them, the session acts on them.  Names and sets are already in their one canonical form: command
and item names in capitals, INBOX in capitals, mailbox names as text, flags as a mask and keywords.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import ClassVar, Final, Literal

from msgspec import Struct

# The mask's bits, in the order of core.model, which a grammar may not know; a test holds the two together.
SYSTEM_FLAGS: Final = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")

STAR: Final = 0  # "*" in a sequence set: the highest number in use.  Numbers begin at 1, so 0 is free.

Ranges = tuple[tuple[int, int], ...]


class SequenceSet(Struct, frozen=True, gc=False):
    """A set of message numbers or UIDs as the client wrote it: pairs in any order, STAR on either side."""

    ranges: Ranges
    saved: bool = False  # "$": the result of the last SEARCH RETURN (SAVE), RFC 5182; then there are no ranges

    def resolve(self, maximum: int) -> Ranges:
        """The set as ascending, disjoint, inclusive ranges, with "*" standing for `maximum`.

        Nothing is cut off above `maximum`: RFC 9051 wants BAD for a message number that does not exist, which
        `resolved[-1][1] > count` tells, and silence for such a UID.  In an empty mailbox (0) "*" means 1.
        """
        maximum = maximum or 1
        return merge((low or maximum, high or maximum) for low, high in self.ranges)


def merge(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Pairs in any order as ascending, disjoint, inclusive ranges; neighbours become one."""
    runs: list[tuple[int, int]] = []
    last_low = last_high = -1
    for low, high in sorted((a, b) if a <= b else (b, a) for a, b in pairs):
        if runs and low <= last_high + 1:
            last_high = max(high, last_high)
            runs[-1] = (last_low, last_high)
        else:
            last_low, last_high = low, high
            runs.append((low, high))
    return tuple(runs)


class Flags(Struct, frozen=True, gc=False):
    """A list of flags: system flags as a mask, keywords as first spelt and each once."""

    system: int = 0
    keywords: tuple[str, ...] = ()


class DateTime(Struct, frozen=True, gc=False):
    """An INTERNALDATE: microseconds since the epoch, UTC, and the zone's minutes east of Greenwich."""

    microseconds: int
    zone: int


class Command(Struct, frozen=True, gc=False):
    """What all commands have."""

    name: ClassVar[str] = ""
    tag: bytes


StoreMode = Literal["replace", "add", "remove"]


class Capability(Command, frozen=True, gc=False):
    name = "CAPABILITY"


class Noop(Command, frozen=True, gc=False):
    name = "NOOP"


class Logout(Command, frozen=True, gc=False):
    name = "LOGOUT"


class Starttls(Command, frozen=True, gc=False):
    name = "STARTTLS"


class Authenticate(Command, frozen=True, gc=False):
    name = "AUTHENTICATE"
    mechanism: str
    initial: bytes | None = None  # decoded; b"" when the client sent "=" (RFC 4959)


class Login(Command, frozen=True, gc=False):
    name = "LOGIN"
    user: str
    password: bytes


class Id(Command, frozen=True, gc=False):
    name = "ID"
    fields: tuple[tuple[str, str | None], ...]  # names in lower case


class Enable(Command, frozen=True, gc=False):
    name = "ENABLE"
    capabilities: tuple[str, ...]


class Namespace(Command, frozen=True, gc=False):
    name = "NAMESPACE"


class Idle(Command, frozen=True, gc=False):
    name = "IDLE"


class Known(Struct, frozen=True, gc=False):
    """What a client that resynchronizes knows (RFC 7162 3.2.5, the QRESYNC parameter)."""

    uidvalidity: int
    modseq: int
    uids: SequenceSet | None = None
    numbers: Ranges = ()  # message numbers, and behind them the UIDs that they had
    uids_of_numbers: Ranges = ()


class Select(Command, frozen=True, gc=False):
    """SELECT, or EXAMINE if `examine`."""

    name = "SELECT"
    mailbox: str
    examine: bool = False
    condstore: bool = False
    known: Known | None = None


class Create(Command, frozen=True, gc=False):
    name = "CREATE"
    mailbox: str
    use: tuple[str, ...] = ()  # special uses as "\\Drafts" (RFC 6154)


class Delete(Command, frozen=True, gc=False):
    name = "DELETE"
    mailbox: str


class Rename(Command, frozen=True, gc=False):
    name = "RENAME"
    mailbox: str
    to: str


class Subscribe(Command, frozen=True, gc=False):
    name = "SUBSCRIBE"
    mailbox: str


class Unsubscribe(Command, frozen=True, gc=False):
    name = "UNSUBSCRIBE"
    mailbox: str


class Entries(Struct, frozen=True, gc=False):
    """Which annotations are wanted (RFC 5464 4.2)."""

    names: tuple[str, ...]  # as the client spells them; they have no case
    depth: int | None = 0  # how many levels below each are wanted too; None: all
    max_size: int | None = None  # octets: larger values are left out


class List(Command, frozen=True, gc=False):
    """LIST, plain or extended (RFC 5258).

    `extended` is set when the client used any of the extended forms: then no empty pattern asks for the separator.
    """

    name = "LIST"
    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()  # SUBSCRIBED REMOTE RECURSIVEMATCH SPECIAL-USE
    returns: frozenset[str] = frozenset()  # SUBSCRIBED CHILDREN SPECIAL-USE MYRIGHTS STATUS METADATA
    status: tuple[str, ...] = ()  # the items of RETURN (STATUS (...)), RFC 5819
    metadata: Entries | None = None  # RETURN (METADATA (...)), RFC 9590
    extended: bool = False


class Lsub(Command, frozen=True, gc=False):
    name = "LSUB"
    reference: str
    pattern: str


class Status(Command, frozen=True, gc=False):
    name = "STATUS"
    mailbox: str
    items: tuple[str, ...]


class GetMetadata(Command, frozen=True, gc=False):
    name = "GETMETADATA"
    mailbox: str  # empty: the server
    wanted: Entries


class SetMetadata(Command, frozen=True, gc=False):
    name = "SETMETADATA"
    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]  # by their names in lower case; None for those that go


class Begin(Struct, frozen=True, gc=False):
    """Another message of an APPEND begins."""

    flags: Flags = Flags()
    date: DateTime | None = None


class Octets(Struct, frozen=True, gc=False):
    """The literal that comes next is a message, or a part of one in CATENATE (...) (RFC 4469).

    In UTF8 (...) (RFC 6855 section 4) a parenthesis must follow it.
    """

    catenate: bool = False
    utf8: bool = False


class Url(Struct, frozen=True, gc=False):
    """A part of a message that is here already; None: the URL is the literal that comes next."""

    url: bytes | None


class End(Struct, frozen=True, gc=False):
    """The message is complete."""


AppendStep = Begin | Octets | Url | End


class Append(Command, frozen=True, gc=False):
    """An APPEND up to its first literal that is a message, part of one, or a URL; to its end if there is none."""

    name = "APPEND"
    mailbox: str
    steps: tuple[AppendStep, ...]


class Replace(Command, frozen=True, gc=False):
    """REPLACE, likewise (RFC 8508)."""

    name = "REPLACE"
    uid: bool
    sequence: SequenceSet  # one message
    mailbox: str
    steps: tuple[AppendStep, ...]


class SetAcl(Command, frozen=True, gc=False):
    name = "SETACL"
    mailbox: str
    identifier: str  # with its minus sign, if it has one (RFC 4314 2)
    mode: StoreMode
    rights: frozenset[str]  # letters of RFC 4314 2.1


class DeleteAcl(Command, frozen=True, gc=False):
    name = "DELETEACL"
    mailbox: str
    identifier: str


class GetAcl(Command, frozen=True, gc=False):
    name = "GETACL"
    mailbox: str


class ListRights(Command, frozen=True, gc=False):
    name = "LISTRIGHTS"
    mailbox: str
    identifier: str


class MyRights(Command, frozen=True, gc=False):
    name = "MYRIGHTS"
    mailbox: str


class ResetKey(Command, frozen=True, gc=False):
    """RESETKEY (RFC 4467); None: the keys of all folders."""

    name = "RESETKEY"
    mailbox: str | None = None
    mechanisms: tuple[str, ...] = ()  # in capitals, as below


class GenUrlAuth(Command, frozen=True, gc=False):
    """GENURLAUTH (RFC 4467): URLs, each with a mechanism."""

    name = "GENURLAUTH"
    urls: tuple[tuple[bytes, str], ...]


class UrlFetch(Command, frozen=True, gc=False):
    """URLFETCH (RFC 4467)."""

    name = "URLFETCH"
    urls: tuple[bytes, ...]


class Check(Command, frozen=True, gc=False):
    name = "CHECK"


class Close(Command, frozen=True, gc=False):
    name = "CLOSE"


class Unselect(Command, frozen=True, gc=False):
    name = "UNSELECT"


class Expunge(Command, frozen=True, gc=False):
    """EXPUNGE, or UID EXPUNGE of these UIDs."""

    name = "EXPUNGE"
    uids: SequenceSet | None = None


class Copy(Command, frozen=True, gc=False):
    name = "COPY"
    uid: bool
    sequence: SequenceSet
    mailbox: str


class Move(Command, frozen=True, gc=False):
    name = "MOVE"
    uid: bool
    sequence: SequenceSet
    mailbox: str


class GetQuota(Command, frozen=True, gc=False):
    name = "GETQUOTA"
    root: str


class GetQuotaRoot(Command, frozen=True, gc=False):
    name = "GETQUOTAROOT"
    mailbox: str


class SetQuota(Command, frozen=True, gc=False):
    name = "SETQUOTA"
    root: str
    limits: tuple[tuple[str, int], ...]  # by resource, in capitals


class CollationOrder(Struct, frozen=True, gc=False):
    """Some collations, or one, and the direction in which they shall sort (RFC 4790 3.3)."""

    pattern: str  # with "*" for any characters
    is_descending: bool = False


class Language(Command, frozen=True, gc=False):
    """LANGUAGE; without arguments it asks which there are (RFC 5255 3.2)."""

    name = "LANGUAGE"
    ranges: tuple[str, ...] = ()  # language ranges (RFC 4647), in lower case


class Comparator(Command, frozen=True, gc=False):
    """COMPARATOR; without arguments it asks which is in use (RFC 5255 4.7)."""

    name = "COMPARATOR"
    wanted: tuple[CollationOrder, ...] = ()


class Page(Struct, frozen=True, gc=False):
    """PARTIAL (RFC 9394): which of the results, counted from 1 at the first, or from -1 at the last."""

    first: int  # the smaller in magnitude
    last: int

    @property
    def label(self) -> bytes:
        return b"%d:%d" % (self.first, self.last)

    def of(self, count: int) -> tuple[int, int]:
        """The results as indices, start and stop, in a list of so many."""
        if self.first > 0:
            return min(self.first - 1, count), min(self.last, count)
        return max(count + self.last, 0), max(count + self.first + 1, 0)


class Store(Command, frozen=True, gc=False):
    name = "STORE"
    uid: bool
    sequence: SequenceSet
    mode: StoreMode
    silent: bool
    flags: Flags
    unchanged_since: int | None = None  # a MODSEQ (RFC 7162 3.1.3)


class Item(Enum):
    """The FETCH items that are no part of the message's octets."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    MODSEQ = b"MODSEQ"  # RFC 7162 3.1.4.2
    EMAILID = b"EMAILID"  # RFC 8474 5.3
    THREADID = b"THREADID"
    SAVEDATE = b"SAVEDATE"  # RFC 8514 4.2
    PREVIEW = b"PREVIEW"  # RFC 8970 3; it is always there, so that LAZY changes nothing


SectionText = Literal["", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"]


class Section(Struct, frozen=True, gc=False):
    """Octets of a message: BODY[...], BODY.PEEK[...], and RFC822, RFC822.HEADER, RFC822.TEXT under their labels."""

    label: bytes  # what the response calls it, with the origin of a partial: b"BODY[1.TEXT]<0>"
    peek: bool
    path: tuple[int, ...] = ()
    text: SectionText = ""
    fields: tuple[bytes, ...] = ()  # header field names in capitals
    partial: tuple[int, int] | None = None  # origin and length


class Binary(Struct, frozen=True, gc=False):
    """A part without its transfer encoding (RFC 3516)."""

    label: bytes
    peek: bool
    path: tuple[int, ...]
    partial: tuple[int, int] | None = None


class BinarySize(Struct, frozen=True, gc=False):
    label: bytes
    path: tuple[int, ...]


FetchItem = Item | Section | Binary | BinarySize


class Fetch(Command, frozen=True, gc=False):
    """FETCH; the items of UID FETCH always begin with UID.  Equal lists are mostly one object: good cache keys."""

    name = "FETCH"
    uid: bool
    sequence: SequenceSet
    items: tuple[FetchItem, ...]
    changed_since: int | None = None  # a MODSEQ (RFC 7162 3.1.4.1)
    vanished: bool = False  # RFC 7162 3.2.6
    page: Page | None = None  # RFC 9394 3.3


Day = tuple[int, int, int]  # year, month, day


class And(Struct, frozen=True, gc=False):
    """All of these; none at all means ALL."""

    keys: "tuple[SearchKey, ...]"


class Or(Struct, frozen=True, gc=False):
    keys: "tuple[SearchKey, ...]"  # two or more: a chain of ORs is one


class Not(Struct, frozen=True, gc=False):
    key: "SearchKey"


class Fuzzy(Struct, frozen=True, gc=False):
    """FUZZY: what nearly matches does too (RFC 6203 3)."""

    key: "SearchKey"


class HasFlag(Struct, frozen=True, gc=False):
    flag: int  # one bit of SYSTEM_FLAGS


class HasKeyword(Struct, frozen=True, gc=False):
    keyword: str


class IsRecent(Struct, frozen=True, gc=False):
    """RECENT; NEW and OLD are made of it."""


class Sequence(Struct, frozen=True, gc=False):
    numbers: SequenceSet


class Uids(Struct, frozen=True, gc=False):
    uids: SequenceSet


class Dated(Struct, frozen=True, gc=False):
    """BEFORE, ON, SINCE by INTERNALDATE, by the Date header (SENTBEFORE ...), or by SAVEDATE (RFC 8514)."""

    by: Literal["internal", "sent", "saved"]
    relation: Literal["before", "on", "since"]
    day: Day


class Larger(Struct, frozen=True, gc=False):
    size: int


class Smaller(Struct, frozen=True, gc=False):
    size: int


class InEnvelope(Struct, frozen=True, gc=False):
    """BCC, CC, FROM, SUBJECT, TO."""

    field: Literal["BCC", "CC", "FROM", "SUBJECT", "TO"]
    text: str


class InHeader(Struct, frozen=True, gc=False):
    field: str
    text: str  # empty: any message that has the field


class InBody(Struct, frozen=True, gc=False):
    text: str


class InText(Struct, frozen=True, gc=False):
    """TEXT: header or body."""

    text: str


class Changed(Struct, frozen=True, gc=False):
    """MODSEQ: changed at this MODSEQ or later (RFC 7162 3.1.5)."""

    modseq: int


class Within(Struct, frozen=True, gc=False):
    """OLDER, YOUNGER (RFC 5032): came at least, or at most, so many seconds ago."""

    relation: Literal["older", "younger"]
    seconds: int


class HasObject(Struct, frozen=True, gc=False):
    """EMAILID, THREADID (RFC 8474 6)."""

    kind: Literal["EMAILID", "THREADID"]
    id: str


class Filter(Struct, frozen=True, gc=False):
    """FILTER: what is kept under this name (RFC 5466 3.1); a search is carried out when it stands there instead."""

    name: str  # as the client spells it; it has no case


SearchKey = (
    And
    | Or
    | Not
    | Fuzzy
    | HasFlag
    | HasKeyword
    | IsRecent
    | Sequence
    | Uids
    | Dated
    | Larger
    | Smaller
    | InEnvelope
    | InHeader
    | InBody
    | InText
    | Changed
    | HasObject
    | Within
    | Filter
)


def leaves(key: SearchKey) -> Iterator[SearchKey]:
    """The keys that AND, OR, NOT and FUZZY are about."""
    match key:
        case And(keys=keys) | Or(keys=keys):
            for inner in keys:
                yield from leaves(inner)
        case Not(key=inner) | Fuzzy(key=inner):
            yield from leaves(inner)
        case _:
            yield key


def is_fuzzy(key: SearchKey) -> bool:
    """Whether FUZZY is among the keys."""
    match key:
        case And(keys=keys) | Or(keys=keys):
            return any(map(is_fuzzy, keys))
        case Not(key=inner):
            return is_fuzzy(inner)
        case _:
            return isinstance(key, Fuzzy)


class Search(Command, frozen=True, gc=False):
    """SEARCH; `returns` is None without RETURN, else what ESEARCH has to tell (RETURN () means ALL)."""

    name = "SEARCH"
    uid: bool
    criteria: SearchKey
    returns: frozenset[str] | None = None  # MIN MAX ALL COUNT SAVE PARTIAL UPDATE RELEVANCY
    charset: str | None = None  # as the client named it; texts are decoded already
    page: Page | None = None  # of PARTIAL
    told: tuple[FetchItem, ...] = ()  # of UPDATE (...): what is told of messages that come (RFC 5465 7)


FilterKind = Literal["selected", "inboxes", "personal", "subscribed", "mailboxes", "subtree", "subtree-one"]


class MailboxFilter(Struct, frozen=True, gc=False):
    """Some folders, by kind or by name (RFC 5465 6, RFC 7377 2.2)."""

    kind: FilterKind
    mailboxes: tuple[str, ...] = ()


class Esearch(Command, frozen=True, gc=False):
    """ESEARCH: the same search in several folders (RFC 7377); all that it tells is by UID."""

    name = "ESEARCH"
    uid: ClassVar[bool] = True
    sources: tuple[MailboxFilter, ...]
    criteria: SearchKey
    returns: frozenset[str]
    charset: str | None = None
    page: Page | None = None
    told: tuple[FetchItem, ...] = ()


class Event(Struct, frozen=True, gc=False):
    """Something that may happen (RFC 5465 5), in capitals; to MESSAGENEW belongs what is told of the message."""

    name: str
    items: tuple[FetchItem, ...] = ()


class EventGroup(Struct, frozen=True, gc=False):
    """Events in some folders; no filter: in the one that is selected, whichever it is."""

    mailboxes: MailboxFilter | None
    events: tuple[Event, ...]
    delayed: bool = False  # SELECTED-DELAYED (RFC 5465 6.1.2)

    @property
    def is_of_selected(self) -> bool:
        return self.mailboxes is None


class Notify(Command, frozen=True, gc=False):
    """NOTIFY SET; without groups it is NOTIFY NONE (RFC 5465 3.1)."""

    name = "NOTIFY"
    groups: tuple[EventGroup, ...]
    status: bool = False


SortKeyName = Literal["ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "RELEVANCY", "SIZE", "SUBJECT", "TO"]
Algorithm = Literal["ORDEREDSUBJECT", "REFERENCES", "REFS"]


class SortKey(Struct, frozen=True, gc=False):
    name: SortKeyName
    reverse: bool = False

    @property
    def is_of_text(self) -> bool:
        """Whether the active comparator decides (RFC 5255 4.2, RFC 5957 7)."""
        return self.name not in ("ARRIVAL", "DATE", "RELEVANCY", "SIZE")


class Sort(Command, frozen=True, gc=False):
    """SORT; `returns` is None without RETURN, as in Search."""

    name = "SORT"
    uid: bool
    keys: tuple[SortKey, ...]
    criteria: SearchKey
    returns: frozenset[str] | None = None  # MIN MAX ALL COUNT SAVE PARTIAL UPDATE RELEVANCY
    charset: str = "UTF-8"  # as the client named it; texts are decoded already
    page: Page | None = None  # of PARTIAL


class Thread(Command, frozen=True, gc=False):
    name = "THREAD"
    uid: bool
    algorithm: Algorithm
    criteria: SearchKey
    charset: str = "UTF-8"


class CancelUpdate(Command, frozen=True, gc=False):
    """CANCELUPDATE: the results of these searches need not be kept up to date any more (RFC 5267 4.3.5)."""

    name = "CANCELUPDATE"
    tags: tuple[bytes, ...]


class UidBatches(Command, frozen=True, gc=False):
    """UIDBATCHES: where the folder, from its last message on, falls into batches of so many."""

    name = "UIDBATCHES"
    size: int
    first: int = 1  # the batches that are wanted
    last: int | None = None


class Compress(Command, frozen=True, gc=False):
    name = "COMPRESS"
    mechanism: str


class Unauthenticate(Command, frozen=True, gc=False):
    name = "UNAUTHENTICATE"
