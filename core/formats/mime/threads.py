"""What SORT and THREAD compare: base subjects and message ids (RFC 5256)."""

from binascii import Error, a2b_base64
from re import DOTALL, IGNORECASE
from re import compile as pattern
from typing import Final

from .addresses import unquoted
from .limits import MAX_MESSAGE_ID, MAX_REFERENCES
from .parameters import without_comments

# RFC 5256 5: subj-blob, subj-refwd (its own blob included).
_BLANKS: Final = pattern(r"[ \t]{2,}|\t")
_BLOB: Final = pattern(r"\[[^\[\]]*+\][ \t]*+")
_BLOBS: Final = pattern(r"(?:\[[^\[\]]*+\][ \t]*+)*+")
_REFWD: Final = pattern(r"(?:re|fwd?)[ \t]*+(?:\[[^\[\]]*+\][ \t]*+)?:", IGNORECASE)

_INDEX_OCTETS: Final = 21  # of the 22, without what the last digit of base64 shares with the replies
_INDEX_DIGITS: Final = 28

_MESSAGE_ID: Final = pattern(
    rb'<[ \t]*+("(?:[^"\\]++|\\.)*+"|[^<>@"\s]++)[ \t]*+@[ \t]*+([^<>@\s()]++)[ \t]*+>', DOTALL
)
_ODD_MESSAGE_ID: Final = pattern(rb"<([^<>]++)>")
_BLANKS_IN_ID: Final = pattern(rb"[ \t\r\n]++")


def base_subject(subject: str) -> tuple[str, bool]:
    """The base subject of a decoded subject, and whether something said "reply" or "forward" (RFC 5256 2.1, 3)."""
    text = _BLANKS.sub(" ", subject)  # (1)
    start, end, is_reply = 0, len(text), False
    while True:
        # (2) trailers
        end, forwarded = _without_trailers(text, start, end)
        # (3), (4) and (5) leaders and blobs
        start, replied = _without_leaders(text, start, end)
        is_reply = is_reply or forwarded or replied
        # (6) [fwd: ... ]
        if not (text[start : start + 5].lower() == "[fwd:" and text.endswith("]", start, end)):
            return text[start:end], is_reply
        start, end, is_reply = start + 5, end - 1, True


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    forwarded = False
    while end > start:
        if text[end - 1] in " \t":
            end -= 1
        elif end - start >= 5 and text[end - 5 : end].lower() == "(fwd)":
            end -= 5
            forwarded = True
        else:
            break
    return end, forwarded


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    replied = False
    while start < end:
        blobs = _BLOBS.match(text, start, end)
        assert blobs is not None, "the pattern matches nothing too"
        after_blobs = blobs.end()
        refwd = _REFWD.match(text, after_blobs, end)
        if refwd is not None:
            start, replied = refwd.end(), True
        elif text[start] in " \t":
            start += 1
        elif after_blobs < end:
            # No reply mark follows these blobs, so taking them one by one (4) or together is the same.
            if after_blobs == start:
                break
            start = after_blobs
        else:
            return _last_blob(text, start, end), replied
    return start, replied


def _last_blob(text: str, start: int, end: int) -> int:
    """Only blobs are left (or nothing): the last one is the base, since (4) may not leave it empty."""
    last = start
    for blob in _BLOB.finditer(text, start, end):
        last = blob.start()
    return last


def message_ids(raw: bytes) -> tuple[str, ...]:
    """The message ids in an unfolded field, normalised: no brackets, blanks or needless quoting (RFC 5256 3)."""
    if b"<" not in raw:
        return ()
    found = []
    position = 0
    while (start := raw.find(b"<", position)) >= 0:
        name, position = _message_id(raw, start)
        if name is not None and len(name) <= MAX_MESSAGE_ID:
            found.append(name.decode("utf-8", "replace").replace("\0", ""))
    return tuple(found)


def _message_id(raw: bytes, start: int) -> tuple[bytes | None, int]:
    """The id that begins with this bracket, if it is one, and where to look for the next.

    Comments and blanks between its words are RFC 5322 4.5.4; more than one "@" is what some programs write, and those
    that answer them write it too.
    """
    if match := _MESSAGE_ID.match(raw, start):
        local = unquoted(match[1][1:-1]) if match[1].startswith(b'"') else match[1]
        return local + b"@" + match[2], match.end()
    odd = _ODD_MESSAGE_ID.match(raw, start)
    if odd is None or b'"' in odd[1]:
        return None, start + 1
    name = _BLANKS_IN_ID.sub(b"", without_comments(odd[1].replace(b"(", b" (")))
    return name if b"@" in name[1:-1] else None, odd.end()


def conversation(raw: bytes) -> str:
    """The conversation that a Thread-Index names, the same in every reply to it; empty without a valid one.

    [MS-OXOMSG] 2.2.1.3: a header of 22 octets (reserved, FILETIME, GUID), then 5 for each reply.
    """
    try:
        index = a2b_base64(raw[:_INDEX_DIGITS])
    except Error:
        return ""
    return index.hex() if len(index) == _INDEX_OCTETS else ""


def references(raw: bytes, in_reply_to: tuple[str, ...]) -> tuple[str, ...]:
    """The ancestors, oldest first: of References, or else the first id of In-Reply-To (RFC 5256 3)."""
    ids = message_ids(raw) or in_reply_to[:1]
    return ids if len(ids) <= MAX_REFERENCES else ids[:1] + ids[1 - MAX_REFERENCES :]
