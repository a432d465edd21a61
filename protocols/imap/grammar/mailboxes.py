"""The commands about mailboxes as such: SELECT to STATUS, and LIST in its plain and extended forms."""

from collections.abc import Callable
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import (
    STAR,
    Copy,
    Create,
    Delete,
    Entries,
    Expunge,
    Known,
    List,
    Lsub,
    Move,
    Ranges,
    Rename,
    Select,
    SequenceSet,
    Status,
    Subscribe,
    UidBatches,
    Unsubscribe,
)
from protocols.imap.grammar.fetch import page
from protocols.imap.grammar.metadata import entries
from protocols.imap.grammar.scanner import QUIRKS, BadSyntax, Scanner
from protocols.imap.grammar.sequences import sequence_set

_SELECT_OPTIONS: Final = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_RETURN_OPTIONS: Final = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "MYRIGHTS", "STATUS", "METADATA"})
_STATUS_ITEMS: Final = frozenset(
    [
        *("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "APPENDLIMIT"),
        *("HIGHESTMODSEQ", "MAILBOXID", "DELETED-STORAGE"),  # RFC 7162 3.1.7, RFC 8474 4.3, RFC 9208 4.1.4
    ]
)
MAX_UID: Final = 0xFFFF_FFFF


def _mailbox(scanner: Scanner) -> str:
    scanner.space()
    name = scanner.mailbox()
    scanner.end()
    return name


def select(scanner: Scanner, tag: bytes, *, examine: bool = False) -> Select:
    """SELECT SP mailbox [SP "(" select-param *(SP select-param) ")"] (RFC 4466 2.4, RFC 7162 7)."""
    scanner.space()
    name = scanner.mailbox()
    condstore, known = False, None
    if scanner.at(b" "):
        params = scanner.listing(lambda: _select_param(scanner), limits.SELECT_PARAMS, "parameters")
        condstore = None in params
        known = next((param for param in params if param is not None), None)
        if len(params) != condstore + (known is not None):
            raise BadSyntax("A SELECT parameter is given twice")
    scanner.end()
    return Select(tag, name, examine, condstore, known)


def examine(scanner: Scanner, tag: bytes) -> Select:
    """The same with EXAMINE."""
    return select(scanner, tag, examine=True)


def _select_param(scanner: Scanner) -> Known | None:
    """CONDSTORE, which is None here, or QRESYNC SP "(" uidvalidity SP modseq [SP known-uids] [SP match-data] ")"."""
    name = scanner.word()
    if name == b"CONDSTORE":
        return None
    if name != b"QRESYNC":
        raise BadSyntax("Unknown SELECT parameter")
    scanner.expect(b" (", "the QRESYNC arguments")
    uidvalidity = scanner.number("a UIDVALIDITY")
    scanner.space()
    modseq = scanner.number("a MODSEQ")
    if not modseq or not 0 < uidvalidity <= MAX_UID:
        raise BadSyntax("UIDVALIDITY and MODSEQ are not 0")
    uids: SequenceSet | None = None
    numbers: Ranges = ()
    uids_of_numbers: Ranges = ()
    while scanner.at(b" "):
        if scanner.at(b"("):
            numbers = _static_set(scanner)
            scanner.space()
            uids_of_numbers = _static_set(scanner)
            scanner.expect(b")", "the end of the match data")
            break
        if uids is not None:
            raise BadSyntax("The known UIDs are given twice")
        uids = SequenceSet(_static_set(scanner))
    scanner.expect(b")", "the end of the QRESYNC arguments")
    return Known(uidvalidity, modseq, uids, numbers, uids_of_numbers)


def _static_set(scanner: Scanner) -> Ranges:
    """RFC 7162 7: a set without "*", and as written, for the order of the match data is that of the messages."""
    found = sequence_set(scanner)
    if found.saved or any(STAR in pair for pair in found.ranges):
        raise BadSyntax("Expected a set of numbers")
    return found.ranges


def delete(scanner: Scanner, tag: bytes) -> Delete:
    """DELETE SP mailbox."""
    return Delete(tag, _mailbox(scanner))


def subscribe(scanner: Scanner, tag: bytes) -> Subscribe:
    """SUBSCRIBE SP mailbox."""
    return Subscribe(tag, _mailbox(scanner))


def unsubscribe(scanner: Scanner, tag: bytes) -> Unsubscribe:
    """UNSUBSCRIBE SP mailbox."""
    return Unsubscribe(tag, _mailbox(scanner))


def create(scanner: Scanner, tag: bytes) -> Create:
    """CREATE SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]."""
    scanner.space()
    name = scanner.mailbox()
    use: tuple[str, ...] = ()
    if scanner.at(b" ("):
        # RFC 6154 section 6.  Any attribute will do here: one we do not support is the session's NO [USEATTR].
        if scanner.word() != b"USE":
            raise BadSyntax("Unknown CREATE parameter")
        scanner.space()
        attributes = scanner.listing(lambda: _use_attribute(scanner), limits.USE_ATTRIBUTES, "attributes", empty=True)
        use = tuple(dict.fromkeys(attributes))
        scanner.expect(b")", "the end of the CREATE parameters")
    scanner.end()
    return Create(tag, name, use)


def _use_attribute(scanner: Scanner) -> str:
    scanner.expect(b"\\", "a special-use attribute")
    return "\\" + scanner.atom("a special-use attribute").decode("ascii").capitalize()


def rename(scanner: Scanner, tag: bytes) -> Rename:
    """RENAME SP mailbox SP mailbox."""
    scanner.space()
    name = scanner.mailbox()
    return Rename(tag, name, _mailbox(scanner))


def status(scanner: Scanner, tag: bytes) -> Status:
    """STATUS SP mailbox SP "(" status-att *(SP status-att) ")"."""
    scanner.space()
    name = scanner.mailbox()
    scanner.space()
    if QUIRKS.loose_status:
        scanner.at(b" ")
    items = _status_items(scanner)
    scanner.end()
    return Status(tag, name, items)


def _status_items(scanner: Scanner) -> tuple[str, ...]:
    def item() -> str:
        name = _option(scanner, _STATUS_ITEMS, "STATUS item")
        if QUIRKS.loose_status and scanner.sees(b" )"):
            scanner.space()
        return name

    return tuple(dict.fromkeys(scanner.listing(item, limits.STATUS_ITEMS, "STATUS items")))


def _option(scanner: Scanner, known: frozenset[str], what: str) -> str:
    """RFC 5258 section 3: an option that we do not know makes the whole command BAD."""
    name = scanner.word().decode("ascii")
    if name not in known:
        raise BadSyntax(f"Unknown {what}")
    return name


def list_(scanner: Scanner, tag: bytes) -> List:
    """LIST [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]."""
    scanner.space()
    selections: frozenset[str] = frozenset()
    extended = scanner.sees(b"(")
    if extended:
        selections = _select_options(scanner)
        scanner.space()
    reference = scanner.mailbox()
    scanner.space()
    if scanner.sees(b"("):
        extended = True
        patterns = tuple(scanner.listing(scanner.list_mailbox, limits.LIST_PATTERNS, "patterns"))
    else:
        patterns = (scanner.list_mailbox(),)
    returns: frozenset[str] = frozenset()
    items: tuple[str, ...] = ()
    wanted: Entries | None = None
    if scanner.at(b" "):
        extended = True
        returns, items, wanted = _return_options(scanner)
    scanner.end()
    return List(tag, reference, patterns, selections, returns, items, wanted, extended)


def _select_options(scanner: Scanner) -> frozenset[str]:
    def option() -> str:
        return _option(scanner, _SELECT_OPTIONS, "LIST selection option")

    options = frozenset(scanner.listing(option, limits.LIST_OPTIONS, "selection options", empty=True))
    if "RECURSIVEMATCH" in options and "SUBSCRIBED" not in options:
        # RFC 5258 section 3.1: "the server MUST return a tagged BAD response".
        raise BadSyntax("RECURSIVEMATCH needs SUBSCRIBED")
    return options


def _return_options(scanner: Scanner) -> tuple[frozenset[str], tuple[str, ...], Entries | None]:
    items: tuple[str, ...] = ()
    wanted: Entries | None = None

    def option() -> str:
        nonlocal items, wanted
        name = _option(scanner, _RETURN_OPTIONS, "LIST return option")
        if name == "STATUS":
            scanner.space()
            items = _status_items(scanner)
        elif name == "METADATA":
            scanner.space()
            wanted = entries(scanner)
        return name

    if scanner.word() != b"RETURN":
        raise BadSyntax("Too many arguments")
    scanner.space()
    options = frozenset(scanner.listing(option, limits.LIST_OPTIONS, "return options", empty=True))
    return options, items, wanted


def lsub(scanner: Scanner, tag: bytes) -> Lsub:
    """LSUB SP mailbox SP list-mailbox."""
    scanner.space()
    reference = scanner.mailbox()
    scanner.space()
    pattern = scanner.list_mailbox()
    scanner.end()
    return Lsub(tag, reference, pattern)


def uid_expunge(scanner: Scanner, tag: bytes, uid: bool) -> Expunge:
    """EXPUNGE SP sequence-set."""
    scanner.space()
    uids = sequence_set(scanner)
    scanner.end()
    return Expunge(tag, uids)


def uid_batches(scanner: Scanner, tag: bytes) -> UidBatches:
    """UIDBATCHES SP size [SP first ":" last], batches counted from 1 at the folder's end."""
    scanner.space()
    size = scanner.number("a batch size")
    if not scanner.at(b" "):
        scanner.end()
        return UidBatches(tag, size)
    wanted = page(scanner)
    if wanted.first < 0:
        raise BadSyntax("Batches are counted from 1")
    scanner.end()
    return UidBatches(tag, size, wanted.first, wanted.last)


def _to_mailbox(command: Callable[..., Copy | Move]) -> Callable[[Scanner, bytes, bool], Copy | Move]:
    def read(scanner: Scanner, tag: bytes, uid: bool) -> Copy | Move:
        scanner.space()
        sequence = sequence_set(scanner)
        return command(tag, uid, sequence, _mailbox(scanner))

    return read


copy: Final = _to_mailbox(Copy)
move: Final = _to_mailbox(Move)
