"""IMAP URLs (RFC 5092) that name a message or a part of one: the account's own, or one that is open by URLAUTH.

And the commands about the latter (RFC 4467).
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from protocols.imap import limits
from protocols.imap.commands import GenUrlAuth, ResetKey, Section, UrlFetch
from protocols.imap.grammar.fetch import fetch
from protocols.imap.grammar.scanner import BadSyntax, Scanner, over_limit

# RFC 5092 11.  bchar has neither ";" nor "?", so that each part ends where the next begins; achar none of ":@/" either.
_ACHAR: Final = rb"(?:[A-Za-z0-9\-._~!$'()*+,&=]|%[0-9A-Fa-f]{2})"
_BCHAR: Final = rb"(?:[A-Za-z0-9\-._~!$'()*+,&=:@/]|%[0-9A-Fa-f]{2})"
_NZ_NUMBER: Final = rb"[1-9][0-9]{0,9}"
_PATH: Final = (
    rb"/(?!/)(?P<mailbox>%(bchar)b+)(?:;UIDVALIDITY=(?P<validity>%(nz)b))?/;UID=(?P<uid>%(nz)b)"
    rb"(?:/;SECTION=(?P<section>%(bchar)b+))?(?:/;PARTIAL=(?P<start>[0-9]{1,10})(?:\.(?P<length>%(nz)b))?)?"
    % {b"bchar": _BCHAR, b"nz": _NZ_NUMBER}
)
_PART_OF_MESSAGE: Final = re.compile(_PATH, re.IGNORECASE)
# RFC 4467 9, RFC 5593 4; date-time is RFC 3339's.  Which host it is is not looked at: we do not know all our names.
_RUMP: Final = re.compile(
    rb"imap://(?P<user>%(achar)b+)(?:;AUTH=%(achar)b+)?@(?:\[[0-9A-Fa-f:.]+\]|%(achar)b+)(?::[0-9]{0,5})?%(path)b"
    rb"(?:;EXPIRE=(?P<expire>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,30})?"
    rb"(?:Z|[+-][0-9]{2}:[0-9]{2})))?"
    rb";URLAUTH=(?P<application>[A-Za-z0-9]+)(?:\+(?P<userid>%(achar)b+))?" % {b"achar": _ACHAR, b"path": _PATH},
    re.IGNORECASE,
)
_MECHANISM: Final = re.compile(rb"[A-Za-z0-9.\-]++")
_FULL: Final = re.compile(rb"(?P<rump>.*):(?P<mechanism>[A-Za-z0-9.\-]+):(?P<token>(?:[0-9A-Fa-f]{2}){16,})")
_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_TO_THE_END: Final = 1 << 62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MessageUrl(Struct, frozen=True, gc=False):
    """The octets of a section of a message, as FETCH would give them."""

    mailbox: str
    uidvalidity: int | None
    uid: int
    section: Section


class Access(Struct, frozen=True, gc=False):
    """Who may use a URL (RFC 4467 3, RFC 5593 3): `user+ada` is ("user", "ada")."""

    application: str  # in lower case
    userid: str | None = None


class RumpUrl(Struct, frozen=True, gc=False):
    """A URL that is to be authorized, or what is left of one that is, without its token (RFC 4467 6)."""

    octets: bytes  # as the client wrote them
    user: str  # with whose access it is used
    message: MessageUrl
    access: Access
    expires_at: int | None = None  # microseconds since the epoch: the last moment at which it is valid


class FullUrl(Struct, frozen=True, gc=False):
    """A URL that somebody has authorized, or says so."""

    rump: RumpUrl
    mechanism: str  # in capitals
    token: bytes


def message_url(url: bytes) -> MessageUrl:
    """iabsolute-path with an imessagepart (RFC 5092 11); raises BadSyntax.

    RFC 4469 3 leaves all URLs with a server out, and RFC 5092 7.2 those that are relative to a mailbox.
    """
    found = _PART_OF_MESSAGE.fullmatch(url)
    if found is None:
        raise BadSyntax("Not the URL of a message here")
    return _message(found)


def rump_url(url: bytes) -> RumpUrl:
    """Authimapurlrump (RFC 4467 9): what is to be authorized; raises BadSyntax."""
    found = _RUMP.fullmatch(url)
    if found is None:
        raise BadSyntax("Expected the URL of a message, with a user and an access identifier")
    userid = None if found["userid"] is None else _text(found["userid"])
    access = Access(found["application"].decode("ascii").lower(), userid)
    expires_at = None if found["expire"] is None else _moment(found["expire"].decode("ascii"))
    return RumpUrl(url, _text(found["user"]), _message(found), access, expires_at)


def full_url(url: bytes) -> FullUrl:
    """Authimapurlfull (RFC 4467 6): cut at the colon before the mechanism, and nothing else done to it."""
    found = _FULL.fullmatch(url)
    if found is None:
        raise BadSyntax("Not an authorized URL")
    token = bytes.fromhex(found["token"].decode("ascii"))
    return FullUrl(rump_url(found["rump"]), _mechanism_name(found["mechanism"]), token)


def _message(found: re.Match[bytes]) -> MessageUrl:
    validity = None if found["validity"] is None else int(found["validity"])
    section = _section(_decoded(found["section"] or b""))
    if found["start"] is not None:
        length = _TO_THE_END if found["length"] is None else int(found["length"])
        section = msgspec.structs.replace(section, partial=(int(found["start"]), length))
    return MessageUrl(_mailbox(found["mailbox"]), validity, int(found["uid"]), section)


def _decoded(octets: bytes) -> bytes:
    return _ENCODED.sub(lambda code: bytes([int(code[1], 16)]), octets)


def _mailbox(octets: bytes) -> str:
    """RFC 5092 8: a mailbox name in UTF-8; 7: without segments that a URL's reader would have resolved."""
    if any(segment in (b".", b"..") for segment in octets.split(b"/")):
        raise BadSyntax("The URL has dot segments")
    return _text(octets)


def _text(octets: bytes) -> str:
    """RFC 5092 8: names are UTF-8, percent-encoded."""
    try:
        return _decoded(octets).decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("A name in the URL is not UTF-8") from None


def _section(specification: bytes) -> Section:
    """RFC 5092 6: the object returned by UID FETCH ... BODY.PEEK[<section>]."""
    scanner = Scanner(b" 1 BODY.PEEK[%b]" % specification, 0, (), utf8=False)
    (item,) = fetch(scanner, b"", False).items
    assert isinstance(item, Section), "what begins with BODY and ends with a bracket is nothing else"
    return item


def _moment(date_time: str) -> int:
    """An RFC 3339 date-time in microseconds since the epoch; a leap second (5.7) is as good as the one before it."""
    text = date_time.upper()
    if text[17:19] == "60":
        text = f"{text[:17]}59{text[19:]}"
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        raise BadSyntax("There is no such time") from None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


# ---------------------------------------------------------------------------------------------- commands


def reset_key(scanner: Scanner, tag: bytes) -> ResetKey:
    """RESETKEY [SP mailbox *(SP mechanism)]."""
    mailbox: str | None = None
    mechanisms: list[str] = []
    if scanner.at(b" "):
        mailbox = scanner.mailbox()
        while scanner.at(b" "):
            mechanisms.append(_mechanism(scanner))
            if len(mechanisms) > limits.URL_MECHANISMS:
                raise over_limit("Too many mechanisms")
    scanner.end()
    return ResetKey(tag, mailbox, tuple(mechanisms))


def gen_url_auth(scanner: Scanner, tag: bytes) -> GenUrlAuth:
    """GENURLAUTH 1*(SP url-rump SP mechanism)."""
    scanner.space()
    pairs = [_pair(scanner)]
    while scanner.at(b" "):
        pairs.append(_pair(scanner))
        _check_number(len(pairs))
    scanner.end()
    return GenUrlAuth(tag, tuple(pairs))


def url_fetch(scanner: Scanner, tag: bytes) -> UrlFetch:
    """URLFETCH 1*(SP url-full).  Other strings are taken too: RFC 4467 wants them answered, by NIL."""
    scanner.space()
    urls = [_url(scanner, limits.FULL_URL)]
    while scanner.at(b" "):
        urls.append(_url(scanner, limits.FULL_URL))
        _check_number(len(urls))
    scanner.end()
    return UrlFetch(tag, tuple(urls))


def _pair(scanner: Scanner) -> tuple[bytes, str]:
    url = _url(scanner, limits.URL)
    scanner.space()
    return url, _mechanism(scanner)


def _url(scanner: Scanner, most: int) -> bytes:
    url = scanner.astring("a URL")
    if len(url) > most:
        raise over_limit("The URL is too long")
    return url


def _check_number(urls: int) -> None:
    if urls > limits.URLS:
        raise over_limit("Too many URLs")


def _mechanism(scanner: Scanner) -> str:
    return _mechanism_name(scanner.matching(_MECHANISM, "a mechanism")[0])


def _mechanism_name(octets: bytes) -> str:
    return octets.decode("ascii").upper()
