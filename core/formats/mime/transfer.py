"""Undo a Content-Transfer-Encoding, piece by piece: whatever the octets are, something comes out and nothing is raised.

The pieces may be cut anywhere; the result is that of the whole.  Little is held back, also of an endless line, so a
body of any size is decoded in flat memory.
"""

from binascii import Error, a2b_base64, a2b_qp, a2b_uu
from re import compile as pattern
from typing import Final, Protocol

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_JUNK: Final = bytes(set(range(256)) - set(_ALPHABET))
_TRAILING_BLANKS: Final = pattern(rb"(?<![ \t])[ \t]++(?=\r?\n)")
_BEGIN: Final = pattern(rb"begin [0-7]{3,4}(?: |$)")
_MAX_QP_RUN: Final = 8 * 1024
_MAX_UU_LINE: Final = 256  # a length octet of 63 announces 84 characters; anything this long is not uuencoded


class _Decoder(Protocol):
    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Identity:
    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Base64:
    """RFC 2045 6.8: octets outside the alphabet are ignored.  Padding ends a run, not the data: blocks may follow."""

    def __init__(self) -> None:
        self._quantum = b""

    def feed(self, data: bytes) -> bytes:
        runs = (self._quantum + data.translate(None, _JUNK)).split(b"=")
        last = runs.pop()
        whole = len(last) & ~3
        self._quantum = last[whole:]
        return b"".join([_run(run) for run in runs if run]) + a2b_base64(last[:whole])

    def finish(self) -> bytes:
        return _run(self._quantum)


def _run(letters: bytes) -> bytes:
    """Decode letters that ended, at any length: a single one left over carries no octet and is dropped."""
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return a2b_base64(letters + b"=" * (-len(letters) % 4))


class _QuotedPrintable:
    """RFC 2045 6.7.  Decoded in runs of whole lines; a line longer than a run is cut where its own start says."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        start = 0
        runs = []
        while end := _end_of_run(data, start):
            runs.append(_qp(data[start:end]))
            start = end
        self._rest = data[start:]
        return b"".join(runs)

    def finish(self) -> bytes:
        return _qp(self._rest)


def _end_of_run(data: bytes, start: int) -> int:
    """After the last line end that a run may reach, or 0 while more octets could still bring one."""
    stop = start + _MAX_QP_RUN
    end = data.rfind(b"\n", start, stop) + 1
    if end or len(data) < stop:
        return end
    escape = data.find(b"=", stop - 2, stop)  # do not part "=" from its two digits
    return escape if escape >= 0 else stop


def _qp(lines: bytes) -> bytes:
    # RFC 2045 6.7 (3): blanks at the end of a line were added on the way and must go; a2b_qp would keep them.
    if b" \n" in lines or b" \r\n" in lines or b"\t\n" in lines or b"\t\r\n" in lines:
        lines = _TRAILING_BLANKS.sub(b"", lines)
    return a2b_qp(lines)


class _UUEncode:
    """The lines between begin and end."""

    def __init__(self) -> None:
        self._line = b""
        self._inside = False

    def feed(self, data: bytes) -> bytes:
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[: _MAX_UU_LINE + 1]
        return b"".join([self._decoded(line) for line in lines])

    def finish(self) -> bytes:
        return self._decoded(self._line)

    def _decoded(self, line: bytes) -> bytes:
        line = line.rstrip(b"\r")
        if not self._inside or line == b"end":
            self._inside = _BEGIN.match(line) is not None
            return b""
        return _uu(line) if 0 < len(line) <= _MAX_UU_LINE else b""


def _uu(line: bytes) -> bytes:
    if not 32 <= line[0] <= 96:
        return b""
    try:
        return a2b_uu(line)
    except Error:
        # Encoders pad the last group with rubbish: only the letters of the announced octets count; a wrong one is zero.
        announced = (line[0] - 32) & 63
        letters = line[1 : 1 + (announced * 4 + 2) // 3]
        return a2b_uu(line[:1] + bytes(letter if 32 <= letter <= 96 else 32 for letter in letters))


_DECODERS: Final[dict[str, type[_Base64] | type[_QuotedPrintable] | type[_UUEncode]]] = {
    "base64": _Base64,
    "quoted-printable": _QuotedPrintable,
    "uuencode": _UUEncode,
    "x-uuencode": _UUEncode,
    "x-uue": _UUEncode,
    "uue": _UUEncode,
}


def knows(encoding: str) -> bool:
    """Whether we can undo this encoding (RFC 3516 4.3: else BINARY answers UNKNOWN-CTE)."""
    encoding = encoding.lower()
    return encoding in _DECODERS or encoding in {"", "7bit", "8bit", "binary"}


class TransferDecoder:
    """Decodes a stream.  An encoding that we do not know is passed through as it is."""

    def __init__(self, encoding: str) -> None:
        self._decoder: _Decoder = _DECODERS.get(encoding.strip().lower(), _Identity)()

    def feed(self, data: bytes) -> bytes:
        return self._decoder.feed(data)

    def finish(self) -> bytes:
        return self._decoder.finish()


def decode_transfer(encoding: str, data: bytes) -> bytes:
    """Decode a whole body."""
    decoder = TransferDecoder(encoding)
    return decoder.feed(data) + decoder.finish()
