"""PREVIEW (RFC 8970): the first characters that a reader of the message would see."""

from html import unescape
from re import DOTALL, IGNORECASE
from re import compile as pattern
from typing import Final, NamedTuple

from .limits import MAX_PREVIEW
from .text import decode_text
from .transfer import decode_transfer


class Sample(NamedTuple):
    """The beginning of a text part's body.  `alternatives` tells which samples are the same text in other forms."""

    is_html: bool
    charset: str
    encoding: str
    alternatives: int
    octets: bytes


_FIRST_TRY: Final = 600
_FIRST_TRY_HTML: Final = 4 * 1024
_UNSURE: Final = 40
_WORDS: Final = MAX_PREVIEW + _UNSURE  # so many words have at least so many characters

# What is not shown: comments, and elements whose content is no text.  Each alternative ends at the end of the text too,
# or a sample full of openings would be searched to its end from each of them.
_HIDDEN: Final = pattern(
    r"<!--.*?(?:-->|\Z)|<(script|style|head|title)\b.*?(?:</\1\s*>|\Z)|<[!/?a-z][^>]*+(?:>|\Z)", DOTALL | IGNORECASE
)
# Senders pad what clients show with characters that have no width.  All but one of them count as not printable.
_JOINER: Final = "\u034f"
_INVISIBLE: Final = pattern("[\x00-\x08\x0e-\x1f\x7f\u034f\u00ad\u200b-\u200f\u2060\ufeff]+")


def preview(samples: list[Sample]) -> str:
    """The text of the first sample that has any; of alternatives the plain one."""
    for sample in _in_order(samples):
        text = _text(sample)
        if text:
            return text
    return ""


def _in_order(samples: list[Sample]) -> list[Sample]:
    first_of: dict[int, int] = {}
    for index, sample in enumerate(samples):
        first_of.setdefault(sample.alternatives, index)
    return sorted(samples, key=lambda sample: (first_of[sample.alternatives], sample.is_html))


def _text(sample: Sample) -> str:
    """The sample's words, as they will be shown.  Most often its beginning is enough."""
    first_try = _FIRST_TRY_HTML if sample.is_html else _FIRST_TRY
    words = _words(sample._replace(octets=sample.octets[:first_try]))
    # The end of what was tried may be half an escape, half a character, or half an entity.
    if len(words) < MAX_PREVIEW + _UNSURE and len(sample.octets) > first_try:
        words = _words(sample)
    return words[:MAX_PREVIEW].rstrip("\ufffd ")


def _words(sample: Sample) -> str:
    text = decode_text(decode_transfer(sample.encoding, sample.octets), sample.charset)
    if sample.is_html:
        text = unescape(_HIDDEN.sub(" ", text))
    words = " ".join(text.split(None, _WORDS)[:_WORDS])
    if not words.isprintable() or _JOINER in words:
        words = " ".join(_INVISIBLE.sub("", text).split(None, _WORDS)[:_WORDS])
    return words
