"""Octets of mail into text, in any charset and under any false label: something readable comes out, nothing is raised.

What comes out can always be encoded as UTF-8 and holds no NUL (PostgreSQL stores none).
"""

from binascii import Error, a2b_base64, a2b_qp
from codecs import (
    BOM_UTF16_BE,
    BOM_UTF16_LE,
    BOM_UTF32_BE,
    BOM_UTF32_LE,
    IncrementalDecoder,
    getincrementaldecoder,
    lookup,
    utf_8_decode,
)
from collections.abc import Iterator
from functools import lru_cache
from re import compile as pattern
from typing import Any, Final

from .fields import unfolded
from .transfer import TransferDecoder, decode_transfer

__all__ = ["TextDecoder", "TransferDecoder", "charset_codec", "decode_header", "decode_text", "decode_transfer"]

# Labels found in mail that Python does not know, or knows as something narrower than what senders mean by them.  The
# supersets are those browsers use (WHATWG Encoding): iso-8859-1 mail with windows-1252 quotes is the rule.
_ALIASES: Final = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "ansi_x3.4-1968": "cp1252",
    "ansi_x3.110-1983": "cp1252",
    "iso646-us": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-6-e": "iso8859-6",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "x-gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "csgb2312": "gb18030",
    "hz-gb-2312": "hz",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "euc_kr": "cp949",
    "x-euc-kr": "cp949",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "shift-jis": "cp932",
    "x-euc-jp": "euc_jp",
    "iso2022_jp": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "x-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-16",
    "x-mac-roman": "mac_roman",
    "x-macroman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ce": "mac_latin2",
    "koi8-ru": "koi8_u",
}

# Only these may be reached from a message: Python's registry also holds decompressors, escapes, and quadratic codecs.
_SAFE_NAMES: Final = """
    utf-8 utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be koi8-r koi8-t koi8-u kz1048 ptcp154 tis-620
    big5 big5hkscs gb18030 gb2312 gbk hz johab euc_jp euc_jis_2004 euc_jisx0213 euc_kr shift_jis shift_jis_2004
    shift_jisx0213 iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr
    mac-arabic mac-croatian mac-cyrillic mac-farsi mac-greek mac-iceland mac-latin2 mac-roman mac-romanian
    mac-turkish hp-roman8 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10
    iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16 cp037 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850
    cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp875 cp932 cp949 cp950
    cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258
"""
_SAFE: Final = frozenset(_SAFE_NAMES.split())
_MAX_LABEL: Final = 40

# RFC 2047 2, loosely: blanks inside the text and a few "?" are what careless senders write.  The number of "?" is
# bounded so that a field made of "=?" is still read in linear time.
_ENCODED_WORD: Final = pattern(rb"=\?([^?\s*]{1,100})(?:\*[^?\s]*)?\?([BbQq])\?([^?]*+(?:\?(?!=)[^?]*+){0,8}+)\?=")
_CONTROLS: Final = {10: " ", 13: " ", 0: None}


@lru_cache(maxsize=256)
def charset_codec(charset: str) -> str | None:
    """The name of the codec for a charset label, or None if we cannot decode it."""
    label = charset.strip(" \t\r\n\"'").lower()
    label = _ALIASES.get(label, label.replace("windows-", "cp").replace("cp-", "cp"))
    if not label.isascii() or not 0 < len(label) <= _MAX_LABEL or "\0" in label:
        return None
    try:
        name = lookup(label).name
    except LookupError:
        return None
    return _ALIASES.get(name, name) if name in _SAFE or name in _ALIASES else None


def decode_text(data: bytes, charset: str = "us-ascii") -> str:
    """Text of a body or an encoded word, whose charset is what its label says, or what the octets look like."""
    codec = charset_codec(charset)
    if codec == "utf-8":
        text = data.decode("utf-8", "replace")
    elif codec == "utf-7":
        text = _whole_characters(data.decode(codec, "replace"))
    elif codec is None or codec == "cp1252":
        text = _guessed(data)
    else:
        text = data.decode(codec, "replace")
    return text.replace("\0", "") if "\0" in text else text


def _guessed(data: bytes) -> str:
    """8-bit text without a label, or with one that claims ASCII or Latin: UTF-8 is never so by chance."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = _cut_utf8(data)
    # Text that was cut may end inside a character; but with none before it, half of one is Latin ("café").
    return data.decode("cp1252", "replace") if text.isascii() else text + "\ufffd"


def _cut_utf8(data: bytes) -> str:
    """The whole characters of UTF-8 that ends inside one; nothing if it is no UTF-8."""
    try:
        return utf_8_decode(data, "strict", False)[0]
    except UnicodeDecodeError:
        return ""


def _whole_characters(text: str) -> str:
    """UTF-7 can write half of a surrogate pair; such text could not be stored."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Unmarked(IncrementalDecoder):
    """UTF-16 and UTF-32, whose own incremental decoders raise when there is no byte order mark."""

    def __init__(self, codec: str) -> None:
        super().__init__("replace")
        self._codec = codec
        self._head = b""
        self._decoder: IncrementalDecoder | None = None

    def decode(self, data: Any, final: bool = False) -> str:
        octets = bytes(data)
        if self._decoder is None:
            octets = self._head = self._head + octets
            width = 2 if self._codec == "utf-16" else 4
            if len(octets) < width and not final:
                return ""
            marks = _BYTE_ORDERS[self._codec]
            order, mark = next(((o, m) for m, o in marks.items() if octets.startswith(m)), ("le", b""))
            self._decoder = getincrementaldecoder(f"{self._codec}-{order}")("replace")
            octets = octets[len(mark) :]
        return self._decoder.decode(octets, final)


_BYTE_ORDERS: Final = {
    "utf-16": {BOM_UTF16_LE: "le", BOM_UTF16_BE: "be"},
    "utf-32": {BOM_UTF32_LE: "le", BOM_UTF32_BE: "be"},
}


class TextDecoder:
    """`decode_text` for text that comes in pieces; characters may be parted between them.

    What must be guessed is guessed as far as it has come: text that was UTF-8 up to a wrong octet has been UTF-8.
    """

    def __init__(self, charset: str = "us-ascii") -> None:
        codec = charset_codec(charset)
        self._guesses = codec is None or codec == "cp1252"
        self._is_utf7 = codec == "utf-7"
        self._was_utf8 = False  # a whole character outside ASCII has come
        self._rest = ""  # half of a surrogate pair
        self._decoder: IncrementalDecoder
        if codec is None or self._guesses:
            self._decoder = getincrementaldecoder("utf-8")("strict")
        elif codec in _BYTE_ORDERS:
            self._decoder = _Unmarked(codec)
        else:
            self._decoder = getincrementaldecoder(codec)("replace")

    def feed(self, data: bytes) -> str:
        return self._text(data, final=False)

    def finish(self) -> str:
        return self._text(b"", final=True)

    def _text(self, data: bytes, *, final: bool) -> str:
        text = self._guess(data, final=final) if self._guesses else self._decoder.decode(data, final)
        if self._is_utf7:
            text = self._paired(text, final=final)
        return text.replace("\0", "") if "\0" in text else text

    def _guess(self, data: bytes, *, final: bool) -> str:
        held = self._decoder.getstate()[0]  # the octets of a character that is not complete
        try:
            text = self._decoder.decode(data, final)
            self._was_utf8 = self._was_utf8 or not text.isascii()
            return text
        except UnicodeDecodeError:
            if final and self._was_utf8:
                return "\ufffd"  # as in _guessed
            self._guesses = False
            self._decoder = getincrementaldecoder("cp1252")("replace")
            return self._decoder.decode(held + data, final)

    def _paired(self, text: str, *, final: bool) -> str:
        text = self._rest + text
        ends_in_half = bool(text) and "\ud800" <= text[-1] < "\udc00" and not final
        self._rest = text[-1] if ends_in_half else ""
        return _whole_characters(text[:-1] if ends_in_half else text)


def decode_header(raw: bytes) -> str:
    """The text of a header field: unfolded, encoded words decoded (RFC 2047), raw UTF-8 or Latin kept (RFC 6532)."""
    return decode_unfolded(unfolded(raw))


def decode_unfolded(raw: bytes) -> str:
    """The same for a value that has been unfolded."""
    text = "".join(_pieces(raw)) if b"=?" in raw else _guessed(raw)
    # An encoded word may hold a line end; no reader of a header field expects one.  NUL cannot be stored.
    return text if text.isprintable() else text.translate(_CONTROLS)


def _pieces(raw: bytes) -> Iterator[str]:
    """Plain stretches and runs of encoded words, decoded, in order."""
    run = b""
    charset = ""
    end = 0
    for word in _ENCODED_WORD.finditer(raw):
        between = raw[end : word.start()]
        # RFC 2047 6.2: blanks between adjacent encoded words are not shown.
        adjacent = end > 0 and not between.strip(b" \t")
        label = word[1].decode("latin-1").lower()
        # Characters may be parted between words of one charset (RFC 2047 5 (3) forbids it, senders do it): join first.
        if run and not (adjacent and label == charset):
            yield decode_text(run, charset)
            run = b""
        if between and not adjacent:
            yield _guessed(between)
        run += _word_octets(word[2], word[3])
        charset = label
        end = word.end()
    if run:
        yield decode_text(run, charset)
    if end < len(raw):
        yield _guessed(raw[end:])


def _word_octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return a2b_qp(text, header=True)
    try:
        return a2b_base64(text)
    except Error:
        return decode_transfer("base64", text)  # the lenient way is the slow one
