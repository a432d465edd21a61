"""Everything the server says, as octets: strings in the shortest form that is safe, and one function for each line.

Names of mailboxes come as text and are dressed for the session: modified UTF-7, or UTF-8 when `utf8` is set (after
ENABLE IMAP4rev2 or UTF8=ACCEPT).  Human text is ours; `human` makes sure that nothing in it can be a line of its own.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import SYSTEM_FLAGS, Ranges
from protocols.imap.naming import utf7
from protocols.imap.saying.languages import I_DEFAULT, Language

NIL: Final = b"NIL"
MAX_UID: Final = 0xFFFF_FFFF

# Response codes without arguments: RFC 9051 section 7.1 and those it took from RFC 5530, 4315, 4469, 5182, 6154.
ALERT: Final = b"ALERT"
ALREADYEXISTS: Final = b"ALREADYEXISTS"
AUTHENTICATIONFAILED: Final = b"AUTHENTICATIONFAILED"
AUTHORIZATIONFAILED: Final = b"AUTHORIZATIONFAILED"
BADCOMPARATOR: Final = b"BADCOMPARATOR"  # RFC 5255 4.9
CANNOT: Final = b"CANNOT"
CLIENTBUG: Final = b"CLIENTBUG"
CLOSED: Final = b"CLOSED"
CONTACTADMIN: Final = b"CONTACTADMIN"
CORRUPTION: Final = b"CORRUPTION"
EXPIRED: Final = b"EXPIRED"
EXPUNGEISSUED: Final = b"EXPUNGEISSUED"
HASCHILDREN: Final = b"HASCHILDREN"
INUSE: Final = b"INUSE"
LIMIT: Final = b"LIMIT"
NONEXISTENT: Final = b"NONEXISTENT"
NOPERM: Final = b"NOPERM"
NOTIFICATIONOVERFLOW: Final = b"NOTIFICATIONOVERFLOW"  # RFC 5465
NOTSAVED: Final = b"NOTSAVED"
OVERQUOTA: Final = b"OVERQUOTA"
PARSE: Final = b"PARSE"
PRIVACYREQUIRED: Final = b"PRIVACYREQUIRED"
READ_ONLY: Final = b"READ-ONLY"
READ_WRITE: Final = b"READ-WRITE"
SERVERBUG: Final = b"SERVERBUG"
TOOBIG: Final = b"TOOBIG"
TRYCREATE: Final = b"TRYCREATE"
UIDNOTSTICKY: Final = b"UIDNOTSTICKY"
UIDREQUIRED: Final = b"UIDREQUIRED"  # RFC 9586
TOOFEW: Final = b"TOOFEW"  # UIDBATCHES
UNAVAILABLE: Final = b"UNAVAILABLE"
UNKNOWN_CTE: Final = b"UNKNOWN-CTE"
URLMECH: Final = b"URLMECH INTERNAL"  # RFC 4467: the mechanism that there is
USEATTR: Final = b"USEATTR"

# ASTRING-CHAR, RFC 9051 section 9.
_PLAIN: Final = re.compile(rb"[!#$&'+-\[\]^-z|}~]++")
_QUOTABLE: Final = re.compile(rb"[\x20-\x7e]*+")
_QUOTABLE_UTF8: Final = re.compile(rb"[\x20-\x7e\x80-\xff]*+")
_LONGEST_QUOTED: Final = 1_000  # octets; longer strings go as literals, which no client has to search for an end
_SPECIAL: Final = re.compile(rb'(["\\])')
_NOT_TEXT: Final = re.compile(r"[^\x20-\x7e]")
_NOT_UTF8_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # RFC 5255 3.5
_NOT_IN_CODE: Final = re.compile(rb"[^\x21-\x5c\x5e-\x7e]")


def quoted(octets: bytes) -> bytes:
    """A quoted string of octets that one may hold (see `string`)."""
    return b'"%s"' % (_SPECIAL.sub(rb"\\\1", octets) if b'"' in octets or b"\\" in octets else octets)


def string(octets: bytes, *, utf8: bool = False) -> bytes:
    """A quoted string, or a literal when only that is safe."""
    if len(octets) <= _LONGEST_QUOTED and (_QUOTABLE.fullmatch(octets) or (utf8 and _is_quotable_utf8(octets))):
        return quoted(octets)
    # RFC 9051 section 9: literal is *CHAR8, and that is any octet but NUL.
    octets = octets.replace(b"\0", b"?")
    return literal_header(len(octets)) + octets


def _is_quotable_utf8(octets: bytes) -> bool:
    if not _QUOTABLE_UTF8.fullmatch(octets):
        return False
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def literal_header(size: int, *, binary: bool = False) -> bytes:
    """What precedes so many octets of a literal; `binary` ones may hold NUL (RFC 3516 section 4.4)."""
    return b"~{%d}\r\n" % size if binary else b"{%d}\r\n" % size


def nstring(octets: bytes | None, *, utf8: bool = False) -> bytes:
    """A string, or NIL for None."""
    return NIL if octets is None else string(octets, utf8=utf8)


def astring(octets: bytes, *, utf8: bool = False) -> bytes:
    """An atom if it can be one and is not taken for NIL, else a string."""
    return octets if _PLAIN.fullmatch(octets) and octets.upper() != NIL else string(octets, utf8=utf8)


@lru_cache(limits.CACHE_ENTRIES)
def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name."""
    return astring(name.encode("utf-8", "replace") if utf8 else utf7.encode(name), utf8=utf8)


def human(text: str, language: Language = I_DEFAULT) -> bytes:
    """Text for people, in their language, made harmless: printable, and nothing that begins like a response code.

    RFC 5255 3.5: it is ASCII as long as the client has not asked for another language than English.
    """
    no_text = _NOT_TEXT if language.is_english else _NOT_UTF8_TEXT
    octets = no_text.sub("?", language.says(text)).encode()
    return b"(" + octets[1:] if octets.startswith(b"[") else octets or b"."


# --- status responses ---


def tagged(
    tag: bytes | None, condition: bytes, text: str, code: bytes | None = None, language: Language = I_DEFAULT
) -> bytes:
    """OK, NO or BAD; untagged when the command had no tag that could be read."""
    if code is None:
        return b"%s %s %s\r\n" % (tag or b"*", condition, human(text, language))
    return b"%s %s [%s] %s\r\n" % (tag or b"*", condition, code, human(text, language))


def ok(tag: bytes, text: str, code: bytes | None = None, language: Language = I_DEFAULT) -> bytes:
    """The tagged OK."""
    return tagged(tag, b"OK", text, code, language)


def no(tag: bytes, text: str, code: bytes | None = None) -> bytes:
    """The tagged NO."""
    return tagged(tag, b"NO", text, code)


def bad(tag: bytes | None, text: str, code: bytes | None = None) -> bytes:
    """The tagged BAD."""
    return tagged(tag, b"BAD", text, code)


def untagged(condition: bytes, text: str, code: bytes | None = None, language: Language = I_DEFAULT) -> bytes:
    """An untagged OK, NO, BAD, PREAUTH or BYE."""
    return tagged(None, condition, text, code, language)


def bye(text: str, code: bytes | None = None, language: Language = I_DEFAULT) -> bytes:
    """The last line."""
    return tagged(None, b"BYE", text, code, language)


def continuation(text: str = "OK", language: Language = I_DEFAULT) -> bytes:
    """Leave to go on."""
    return b"+ %s\r\n" % human(text, language)


def challenge(base64: bytes) -> bytes:
    """A SASL challenge, already in base64; may be empty."""
    return b"+ %s\r\n" % base64


# --- response codes with arguments ---


def code(name: bytes, *numbers: int) -> bytes:
    """UIDNEXT, UIDVALIDITY, UNSEEN, APPENDUID: a name and numbers."""
    return b" ".join((name, *(b"%d" % number for number in numbers)))


METADATA_TOOMANY: Final = b"METADATA TOOMANY"  # RFC 5464 4.3


def metadata_max_size(octets: int) -> bytes:
    """RFC 5464 4.3: a value is too large; such a one would not be."""
    return code(b"METADATA MAXSIZE", octets)


def metadata_long_entries(octets: int) -> bytes:
    """RFC 5464 4.2.1: values were left out, of which the largest has so many octets."""
    return code(b"METADATA LONGENTRIES", octets)


def language(tags: Sequence[str]) -> bytes:
    """LANGUAGE (RFC 5255 3.3): the one that is spoken from now on, or all that there are."""
    return b"* LANGUAGE (%s)\r\n" % " ".join(tags).encode("ascii")


def comparator(active: str, matching: Sequence[str]) -> bytes:
    """COMPARATOR (RFC 5255 4.8): the one in use, and all that were meant if there are several."""
    others = b" (%s)" % " ".join(matching).encode("ascii") if len(matching) > 1 else b""
    return b"* COMPARATOR %s%s\r\n" % (active.encode("ascii"), others)


def undefined_filter(name: str) -> bytes:
    """RFC 5466 3.1: there is no filter of this name."""
    return b"UNDEFINED-FILTER " + name.encode("ascii")


def bad_event(events: Iterable[str]) -> bytes:
    """RFC 5465 8, BADEVENT: the events that there are."""
    return b"BADEVENT (%s)" % " ".join(events).encode("ascii")


def append_uid(uid_validity: int, uids: Ranges) -> bytes:
    """RFC 4315 section 3, APPENDUID."""
    return b"APPENDUID %d %s" % (uid_validity, sequence_set(uids))


def copy_uid(uid_validity: int, source: Ranges, target: Ranges) -> bytes:
    """RFC 4315 section 3, COPYUID; both sets in the order of copying, which is ascending."""
    return b"COPYUID %d %s %s" % (uid_validity, sequence_set(source), sequence_set(target))


def bad_url(url: bytes) -> bytes:
    """RFC 4469 4.1, BADURL; what may not stand in a response code is percent-encoded."""
    return b"BADURL " + _NOT_IN_CODE.sub(lambda octet: b"%%%02X" % ord(octet[0]), url)


def url_mechanisms(language: Language = I_DEFAULT) -> bytes:
    """RFC 4467 BASE.7.1.URLMECH, as a line of its own."""
    return untagged(b"OK", "URLs can be authorized", URLMECH, language)


def highest_modseq(modseq: int, language: Language = I_DEFAULT) -> bytes:
    """RFC 7162 3.1.2.1, as a line of its own."""
    return untagged(b"OK", "Up to here", code(b"HIGHESTMODSEQ", modseq), language)


def mailbox_id(identifier: str) -> bytes:
    """RFC 8474 4, MAILBOXID."""
    return b"MAILBOXID (%s)" % identifier.encode("ascii")


def modified(numbers: Ranges) -> bytes:
    """RFC 7162 3.1.3, MODIFIED: message numbers, or UIDs for UID STORE."""
    return b"MODIFIED " + sequence_set(numbers)


def in_progress(tag: bytes, done: int, goal: int, language: Language = I_DEFAULT) -> bytes:
    """RFC 9585, INPROGRESS: how far a command has come, as a line."""
    code = b"INPROGRESS (%s %d %d)" % (string(tag), done, goal)
    return untagged(b"OK", "Still at it", code, language)


def permanent_flags(keywords: Sequence[str], *, system: int, more: bool) -> bytes:
    r"""PERMANENTFLAGS; `more` (\*) says that new keywords may be made."""
    return b"PERMANENTFLAGS " + flag_list(system, (*keywords, "\\*") if more else keywords)


def capability_code(capabilities: Iterable[str]) -> bytes:
    """CAPABILITY as a response code, in the greeting and after login."""
    return b"CAPABILITY " + " ".join(capabilities).encode("ascii")


# --- sets of numbers ---


def sequence_set(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Ranges as `1:3,5`; empty for none, which no place in the grammar allows."""
    return ",".join([f"{low}:{high}" if low != high else str(low) for low, high in ranges]).encode("ascii")


# --- data about mailboxes ---


@lru_cache(limits.CACHE_ENTRIES)
def _flag_list(system: int, keywords: tuple[str, ...], recent: bool) -> bytes:
    flags = [name for bit, name in enumerate(SYSTEM_FLAGS) if system >> bit & 1]
    if recent:
        flags.append("\\Recent")
    return f"({' '.join((*flags, *keywords))})".encode("ascii")


def flag_list(system: int, keywords: Sequence[str] = (), *, recent: bool = False) -> bytes:
    r"""A list of flags, `(\Seen $Forwarded)`."""
    return _flag_list(system, tuple(keywords), recent)


def flags(keywords: Sequence[str]) -> bytes:
    """The FLAGS line of SELECT: every system flag, and the folder's keywords."""
    return b"* FLAGS %s\r\n" % flag_list((1 << len(SYSTEM_FLAGS)) - 1, keywords)


def exists(count: int) -> bytes:
    """How many messages there are."""
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    """How many of them are recent, to IMAP4rev1 only."""
    return b"* %d RECENT\r\n" % count


def expunge(number: int) -> bytes:
    """A message is gone, and all after it have moved up."""
    return b"* %d EXPUNGE\r\n" % number


RANGES_IN_LINE: Final = 1_000  # in one line: some 20 KiB at the most, for clients with line buffers of their own


def vanished(uids: Ranges, *, earlier: bool = False) -> Iterator[bytes]:
    """VANISHED (RFC 7162 3.2.10), in lines that a client can hold."""
    head = b"* VANISHED (EARLIER) " if earlier else b"* VANISHED "
    for at in range(0, len(uids), RANGES_IN_LINE):
        yield head + sequence_set(uids[at : at + RANGES_IN_LINE]) + b"\r\n"


def list_(
    attributes: Iterable[str],
    separator: str | None,
    name: str,
    *,
    child_info: Iterable[str] = (),
    old_name: str | None = None,
    utf8: bool = False,
) -> bytes:
    """LIST; CHILDINFO names the selection options that children match (RFC 5258), OLDNAME is RFC 9051 6.3.9.7."""
    line = _mailbox_list(b"LIST", attributes, separator, name, utf8=utf8)
    extended = []
    options = b" ".join(b'"%s"' % option.encode("ascii") for option in child_info)
    if options:
        extended.append(b'"CHILDINFO" (%s)' % options)
    if old_name is not None:
        extended.append(b'"OLDNAME" (%s)' % mailbox(old_name, utf8=utf8))
    return b"%s (%s)\r\n" % (line, b" ".join(extended)) if extended else line + b"\r\n"


def lsub(attributes: Iterable[str], separator: str | None, name: str, *, utf8: bool = False) -> bytes:
    """LSUB, to IMAP4rev1."""
    return _mailbox_list(b"LSUB", attributes, separator, name, utf8=utf8) + b"\r\n"


def _mailbox_list(line: bytes, attributes: Iterable[str], separator: str | None, name: str, *, utf8: bool) -> bytes:
    return b"* %s (%s) %s %s" % (
        line,
        " ".join(attributes).encode("ascii"),
        NIL if separator is None else quoted(separator.encode("ascii")),
        # Always as a string: some clients do not read atoms here.
        mailbox_string(name, utf8=utf8),
    )


@lru_cache(limits.CACHE_ENTRIES)
def mailbox_string(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name, never as an atom."""
    return string(name.encode("utf-8", "replace") if utf8 else utf7.encode(name), utf8=utf8)


def metadata(name: str, values: Iterable[tuple[str, bytes | None]], *, utf8: bool = False) -> bytes:
    """METADATA with values (RFC 5464 4.4.1); no name is the server's."""
    pairs = b" ".join(b"%s %s" % (astring(entry.encode("ascii")), _value(value, utf8=utf8)) for entry, value in values)
    return b"* METADATA %s (%s)\r\n" % (mailbox_string(name, utf8=utf8), pairs)


def _value(octets: bytes | None, *, utf8: bool) -> bytes:
    """RFC 5464 5: nstring / literal8."""
    if octets is not None and b"\0" in octets:
        return literal_header(len(octets), binary=True) + octets
    return nstring(octets, utf8=utf8)


def metadata_changed(name: str, entries: Iterable[str], *, utf8: bool = False) -> bytes:
    """METADATA with the names of what has changed (RFC 5464 4.4.2)."""
    names = b" ".join([astring(entry.encode("ascii")) for entry in entries])
    return b"* METADATA %s %s\r\n" % (mailbox_string(name, utf8=utf8), names)


def status(name: str, items: Mapping[str, int | str], *, utf8: bool = False) -> bytes:
    """STATUS; a text is an object id (RFC 8474 4.3)."""
    values = " ".join([f"{item} {value if isinstance(value, int) else f'({value})'}" for item, value in items.items()])
    return b"* STATUS %s (%s)\r\n" % (mailbox_string(name, utf8=utf8), values.encode("ascii"))


def acl(name: str, grants: Iterable[tuple[str, str]], *, utf8: bool = False) -> bytes:
    """ACL (RFC 4314 3.6): identifiers, and the letters of their rights."""
    pairs = [b" %s %s" % (astring(who.encode(), utf8=utf8), _rights(letters)) for who, letters in grants]
    return b"* ACL %s%s\r\n" % (mailbox_string(name, utf8=utf8), b"".join(pairs))


def list_rights(name: str, identifier: str, required: str, optional: str, *, utf8: bool = False) -> bytes:
    """LISTRIGHTS (RFC 4314 3.7): each of the optional rights may be given by itself."""
    each = b"".join(b" %s" % letter.encode("ascii") for letter in _with_virtual(optional))
    who = astring(identifier.encode(), utf8=utf8)
    return b"* LISTRIGHTS %s %s %s%s\r\n" % (mailbox_string(name, utf8=utf8), who, _rights(required), each)


def my_rights(name: str, letters: str, *, utf8: bool = False) -> bytes:
    """MYRIGHTS (RFC 4314 3.8)."""
    return b"* MYRIGHTS %s %s\r\n" % (mailbox_string(name, utf8=utf8), _rights(letters))


def _rights(letters: str) -> bytes:
    return astring(_with_virtual(letters).encode("ascii"))


def _with_virtual(letters: str) -> str:
    """RFC 4314 2.1.1: for clients of RFC 2086, "c" with any of k and x, "d" with any of t and e."""
    return letters + "".join(old for old, new in _VIRTUAL.items() if set(new) & set(letters))


_VIRTUAL: Final = {"c": "kx", "d": "te"}


def quota_root(name: str, roots: Iterable[str], *, utf8: bool = False) -> bytes:
    """QUOTAROOT (RFC 9208 4.2.2)."""
    names = [_root(root, utf8=utf8) for root in roots]
    return b"* QUOTAROOT %s\r\n" % b" ".join([mailbox(name, utf8=utf8), *names])


def quota(root: str, resources: Iterable[tuple[str, int, int]], *, utf8: bool = False) -> bytes:
    """QUOTA (RFC 9208 4.2.1): name, usage and limit of each resource."""
    told = " ".join([f"{name} {used} {limit}" for name, used, limit in resources])
    return b"* QUOTA %s (%s)\r\n" % (_root(root, utf8=utf8), told.encode("ascii"))


def _root(root: str, *, utf8: bool) -> bytes:
    # A string though an atom might do: so are those of the RFC's examples, and some clients read nothing else.
    return string(root.encode("utf-8"), utf8=utf8)


NamespaceList = Sequence[tuple[str, str | None]]  # prefix and separator


def namespace(personal: NamespaceList, others: NamespaceList, shared: NamespaceList, *, utf8: bool = False) -> bytes:
    """NAMESPACE (RFC 2342)."""
    return b"* NAMESPACE %s\r\n" % b" ".join(_namespaces(group, utf8=utf8) for group in (personal, others, shared))


def _namespaces(group: NamespaceList, *, utf8: bool) -> bytes:
    if not group:
        return NIL
    return b"(%s)" % b"".join(
        b"(%s %s)"
        % (mailbox_string(prefix, utf8=utf8), NIL if separator is None else quoted(separator.encode("ascii")))
        for prefix, separator in group
    )


# --- URLs: strings, as in the RFC's examples, though most could be atoms ---


def gen_url_auth(urls: Iterable[bytes]) -> bytes:
    """GENURLAUTH (RFC 4467 BASE.7.4.GENURLAUTH)."""
    return b"* GENURLAUTH %s\r\n" % b" ".join(map(string, urls))


def url_fetch(url: bytes, octets: bytes | None) -> bytes:
    """URLFETCH (RFC 4467 BASE.7.4.URLFETCH) of one URL: octets, or NIL."""
    return b"* URLFETCH %s %s\r\n" % (string(url), nstring(octets))


def url_fetch_head(url: bytes, size: int) -> bytes:
    """The same up to so many octets, behind which the line must end."""
    return b"* URLFETCH %s %s" % (string(url), literal_header(size))


# --- what was searched ---


def search(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """SEARCH, to IMAP4rev1 and commands without RETURN; with the highest MODSEQ of what was found if it was asked."""
    tail = b"\r\n" if modseq is None else b" (MODSEQ %d)\r\n" % modseq
    return b"".join((b"* SEARCH", _listed(numbers), tail))


def sort(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """SORT, to commands without RETURN (RFC 5256 4, RFC 7162 3.1.9)."""
    tail = b"\r\n" if modseq is None else b" (MODSEQ %d)\r\n" % modseq
    return b"".join((b"* SORT", _listed(numbers), tail))


def _listed(numbers: Iterable[int]) -> bytes:
    """A space before each."""
    return "".join([f" {number}" for number in numbers]).encode("ascii")


def esearch(
    tag: bytes,
    *,
    uid: bool,
    lowest: int | None = None,
    highest: int | None = None,
    every: Ranges | None = None,
    count: int | None = None,
    page: tuple[bytes, Ranges] | None = None,
    relevancy: Iterable[int] | None = None,
    modseq: int | None = None,
    folder: tuple[str, int] | None = None,
    utf8: bool = False,
) -> bytes:
    """ESEARCH (RFC 4731); what is None or empty was not asked for or does not exist, and is left out.

    `page` is PARTIAL's range and the results in it (RFC 9394 3.1); none of them is NIL.  `relevancy` are scores, in the
    order in which the messages are told (RFC 6203 4); there may be none.  `folder` is the name and
    UIDVALIDITY of the folder that is told of, where it may be another than the selected one (RFC 7377 2.1).
    """
    parts = [b"* ESEARCH " + correlator(tag, folder, utf8=utf8)]
    if uid:
        parts.append(b"UID")
    if lowest is not None:
        parts.append(b"MIN %d" % lowest)
    if highest is not None:
        parts.append(b"MAX %d" % highest)
    if every:
        parts.append(b"ALL " + sequence_set(every))
    if count is not None:
        parts.append(b"COUNT %d" % count)
    if page is not None:
        parts.append(b"PARTIAL (%s %s)" % (page[0], sequence_set(page[1]) or NIL))
    if relevancy is not None:
        parts.append(b"RELEVANCY (%s)" % " ".join(map(str, relevancy)).encode("ascii"))
    if modseq is not None:
        parts.append(b"MODSEQ %d" % modseq)
    return b" ".join(parts) + b"\r\n"


def in_utf8(enabled: Collection[str]) -> bool:
    """Whether a client that has enabled this reads and writes UTF-8 in quoted strings (RFC 6855 3, RFC 9051)."""
    return "IMAP4REV2" in enabled or "UTF8=ACCEPT" in enabled


def correlator(tag: bytes, folder: tuple[str, int] | None = None, *, utf8: bool = False) -> bytes:
    """search-correlator: which command an ESEARCH response belongs to, and which folder (RFC 7377 2.1)."""
    if folder is None:
        return b"(TAG %s)" % string(tag)
    return b"(TAG %s MAILBOX %s UIDVALIDITY %d)" % (string(tag), mailbox_string(folder[0], utf8=utf8), folder[1])


def search_update(correlator: bytes, *, uid: bool, item: bytes, pairs: Iterable[tuple[int, Ranges]]) -> Iterator[bytes]:
    """ADDTO or REMOVEFROM (RFC 5267 4.3.2), each position with its numbers, in lines that a client can hold.

    Position 0: the client keeps its results in the folder's order.
    """
    head = b"* ESEARCH %b%b %b (" % (correlator, b" UID" if uid else b"", item)
    line: list[bytes] = []
    room = RANGES_IN_LINE
    for position, numbers in pairs:
        if line and len(numbers) > room:
            yield head + b" ".join(line) + b")\r\n"
            line, room = [], RANGES_IN_LINE
        line.append(b"%d %b" % (position, sequence_set(numbers)))
        room -= len(numbers)
    if line:
        yield head + b" ".join(line) + b")\r\n"


def no_update(tag: bytes, text: str, language: Language = I_DEFAULT) -> bytes:
    """RFC 5267 4.3.1: a search result is not, or not any more, kept up to date."""
    return untagged(b"NO", text, b"NOUPDATE " + string(tag), language)


def uid_batches(tag: bytes, pairs: Sequence[tuple[int, int]]) -> bytes:
    """UIDBATCHES: the first and last UID of each batch, from the highest UID down."""
    found = ",".join([f"{high}:{low}" if high != low else str(high) for high, low in pairs]).encode("ascii")
    return b"* UIDBATCHES (TAG %s)%s\r\n" % (string(tag), b" " + found if found else b"")


# --- data about messages ---


def internal_date(microseconds: int, zone: int) -> bytes:
    """A date-time in its quotes, from microseconds UTC and minutes east of Greenwich."""
    # Not strftime, whose month names are the locale's.
    local = _EPOCH + timedelta(microseconds=microseconds, minutes=zone)
    sign = "-" if zone < 0 else "+"
    return (
        f'"{local.day:2}-{_MONTHS[local.month - 1]}-{local.year:04} {local.hour:02}:{local.minute:02}:'
        f'{local.second:02} {sign}{abs(zone) // 60:02}{abs(zone) % 60:02}"'
    ).encode("ascii")


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# --- who we are ---


def capability(capabilities: Iterable[str]) -> bytes:
    """CAPABILITY as a line."""
    return b"* %s\r\n" % capability_code(capabilities)


def enabled(capabilities: Iterable[str]) -> bytes:
    """ENABLED (RFC 5161): what this ENABLE has newly turned on."""
    return b" ".join((b"* ENABLED", *(name.encode("ascii") for name in capabilities))) + b"\r\n"


def id_(fields: Mapping[str, str | None]) -> bytes:
    """ID (RFC 2971)."""
    if not fields:
        return b"* ID NIL\r\n"
    pairs = [
        b"%s %s" % (string(name.encode("utf-8")), nstring(None if value is None else value.encode("utf-8")))
        for name, value in fields.items()
    ]
    return b"* ID (%s)\r\n" % b" ".join(pairs)
