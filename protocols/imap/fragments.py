"""Octets into whole commands, first of two layers: lines and literals here, what they say in grammar.

What is literal data is decided here and never again, so literal data can never be taken for a command: a refused
command is read to its true end, literals included, before the next one begins.  Feed octets as they come, then take
events until there are none.  Nothing here keeps more than the limits allow, however the octets are cut:

- a command comes as text with each literal replaced by NUL, and the literals beside it.  NUL is safe as a mark because
  no line may hold one (RFC 9051 section 9, note 3);
- the message of an APPEND is not kept at all but handed on piece by piece.
"""

import re
from enum import Enum
from typing import Final

from msgspec import Struct

from protocols.imap import limits as limit
from protocols.imap.limits import FragmentLimits

MARK: Final = b"\0"  # stands in a command's text where a literal stood


class Complete(Struct, frozen=True, gc=False):
    """A whole command; the n-th NUL of its text stands for the n-th literal."""

    text: bytes
    literals: tuple[bytes, ...] = ()


class NeedContinuation(Struct, frozen=True, gc=False):
    """The client waits for leave to send a literal: answer "+" and call `accept`, or NO or BAD and call `refuse`."""

    tag: bytes | None
    size: int


class LiteralStart(Struct, frozen=True, gc=False):
    """The message of an APPEND is to come: call `accept` (after a "+" if `sync`) or `refuse`.

    `text` ends with the NUL of the message itself, which has no entry in `literals`.  The next literal of the same
    command (MULTIAPPEND, CATENATE) begins with the text that came after this one.  REPLACE is an APPEND here.
    """

    text: bytes
    literals: tuple[bytes, ...]
    size: int
    sync: bool
    binary: bool  # literal8: the message may contain NUL


class LiteralData(Struct, frozen=True, gc=False):
    """The next octets of the message; all chunks together are as long as `LiteralStart` said."""

    chunk: bytes


class CommandEnd(Struct, frozen=True, gc=False):
    """The APPEND is complete; `text` is what came after its last literal (see grammar.resume)."""

    text: bytes
    literals: tuple[bytes, ...] = ()


class Line(Struct, frozen=True, gc=False):
    """One line as it is, without its end: a SASL response or the DONE of IDLE."""

    text: bytes


class Refused(Struct, frozen=True, gc=False):
    """A command that breaks a limit or the framing: say so once; the rest of it is already being thrown away.

    An APPEND whose message was being received is over too.
    """

    tag: bytes | None
    text: bytes
    status: bytes = b"BAD"
    code: bytes | None = None


class TooLong(Refused, frozen=True, gc=False):
    """A line over the limit."""


class Broken(Struct, frozen=True, gc=False):
    """Where the next command begins can no longer be known, or only at great cost: say BYE and close.

    The last event.  What is fed from here on is dropped.
    """

    text: bytes
    code: bytes | None = None


Event = Complete | NeedContinuation | LiteralStart | LiteralData | CommandEnd | Line | Refused | TooLong | Broken

LONG_LINE: Final = b"Line is too long"
NUL_IN_LINE: Final = b"NUL is not allowed in a line"
LONG_COMMAND: Final = b"Command is too long"
MANY_LITERALS: Final = b"Too many literals"
LARGE_LITERAL: Final = b"Literal is too large"
LARGE_MESSAGE: Final = b"Message is too large"
SENT_UNASKED: Final = b"Literal was sent without waiting for leave"
FAR_TOO_LARGE: Final = b"Command is far too large"
TOOBIG: Final = b"TOOBIG"  # RFC 4469 section 4.2, RFC 7888 section 5
MAXSIZE: Final = b"METADATA MAXSIZE %d" % limit.METADATA_VALUE  # RFC 5464 section 4.3

# RFC 9051 section 9: tag = 1*<any ASTRING-CHAR except "+">
TAG_CHARS: Final = rb"[!#$&',-\[\]-z|}~]{1,%d}+" % limit.TAG
_TAG: Final = re.compile(rb"%s(?= |\Z)" % TAG_CHARS)
# One literal announcement at the end of a line.  "+" after "~" is RFC 4466 (LITERAL+ with BINARY).
_ANNOUNCEMENT: Final = re.compile(rb"\{([0-9]+)(\+?)\}")
# The same at the end of a line of which only the last octets were kept: its brace may be among those lost.
_LOST_ANNOUNCEMENT: Final = re.compile(rb"(\{|\A)([0-9]+)\+\}\Z")
_TAIL: Final = 32
_FAR_TOO_MANY: Final = 1 << 63  # number64 ends here; no limit reaches it
_NUMBER64_DIGITS: Final = 19
# APPEND SP mailbox SP: whatever literal follows is the message, or a mistake that the grammar will find.
_APPEND: Final = re.compile(
    rb'[!-~]++ (?:APPEND|(?:UID )?REPLACE [0-9*]++) (?:\x00|"(?:[^"\\]|\\.)*+"|[^\x00-\x20"(){%*\\]++) ', re.IGNORECASE
)

# RFC 5464 section 4.3 has a code of its own for values that are too large.
_SETMETADATA: Final = re.compile(rb"[!-~]++ SETMETADATA ", re.IGNORECASE)


class _Mode(Enum):
    LINE = 1  # the next octets are text of a command
    ASKED = 2  # a literal is announced, and the session has not said yet whether it may come
    LITERAL = 3  # the next octets are a literal that is kept
    MESSAGE = 4  # ... that is handed on
    SKIP_LINE = 5  # the next octets are text of a command that was refused
    SKIP_LITERAL = 6  # ... a literal of it
    BREAKING = 7  # Broken is still to be told
    ENDED = 8


class Fragmenter:
    """Cuts what one client sends into commands.  `limits` may be replaced at any time (after login)."""

    def __init__(self, limits: FragmentLimits) -> None:
        self.limits = limits
        # What was fed and not yet understood: the octets themselves if they came at once, a bytearray if in pieces.
        self._unread: bytes | bytearray = b""
        self._position = 0
        self._scanned = 0  # no line ends between _position and here
        self._mode = _Mode.LINE
        self._start_command()
        self._left = 0  # octets of the current literal still to come
        self._sync = False  # whether the client waits for our leave
        self._appending = False  # whether the announced literal is a message
        self._tail = b""  # the end of the line that is being skipped
        self._discarded = 0  # octets of the command that is being skipped
        self._broken = Broken(b"")

    def _start_command(self) -> None:
        self._texts: list[bytes] = []
        self._literals: list[bytes] = []
        self._chunks: list[bytes] = []
        self._held = 0  # octets of this command that are kept
        self._in_append = False  # a message of this command was or is being handed on

    @property
    def unread(self) -> int:
        """Octets fed and not yet taken as events.  The adapter stops reading while there are many."""
        return len(self._unread) - self._position

    def feed(self, data: bytes) -> None:
        """Take octets as they arrived."""
        if self._mode is _Mode.ENDED:
            return
        if self._position == len(self._unread):
            self._unread = bytes(data)  # no copy: the usual case, a packet of whole commands
            self._position = self._scanned = 0
            return
        if isinstance(self._unread, bytes):
            self._unread = bytearray(self._unread)
        # Cheap: a bytearray moves its start, and copies only when it has shrunk by half.
        del self._unread[: self._position]
        self._scanned -= self._position
        self._position = 0
        self._unread += data

    def clear(self) -> None:
        """Forget everything fed and half understood.

        RFC 9051 section 6.2.1: what follows STARTTLS in the clear may have been put there by a stranger.
        """
        self._unread = b""
        self._position = self._scanned = 0
        if self._mode not in (_Mode.BREAKING, _Mode.ENDED):  # the end is the end
            self._finish_discarding()

    def next(self) -> Event | None:
        """The next event, or None until more is fed, or until `accept` or `refuse` has answered a literal."""
        while True:
            mode = self._mode
            if mode is _Mode.LINE:
                event = self._line()
                if event is not None or self._mode is not _Mode.LITERAL:
                    return event
            elif mode is _Mode.LITERAL:
                if not self._keep_literal():
                    return None
            elif mode is _Mode.MESSAGE:
                chunk = self._take(self._left)
                if chunk:
                    return LiteralData(chunk)
                if self._left:
                    return None
                self._mode = _Mode.LINE
            elif not self._skip():
                return self._last_word()

    def next_line(self, longest: int | None = None) -> Line | TooLong | Broken | None:
        """The next line as it is: for SASL responses and the DONE of IDLE, where there are no literals."""
        if not self._skip():
            return self._last_word()
        line = self._take_line(self.limits.line if longest is None else longest)
        return Line(line) if isinstance(line, bytes) else line and TooLong(None, LONG_LINE, code=TOOBIG)

    def accept(self) -> None:
        """Let the announced literal come."""
        assert self._mode is _Mode.ASKED, "accept answers NeedContinuation or LiteralStart"
        self._mode = _Mode.MESSAGE if self._appending else _Mode.LITERAL

    def refuse(self) -> None:
        """Give up the command whose literal was announced; the caller has answered it with NO or BAD."""
        assert self._mode is _Mode.ASKED, "refuse answers NeedContinuation or LiteralStart"
        if self._sync and self.unread:
            # The client did not wait, so nobody can say whether this is the literal or the next command.
            self._break(SENT_UNASKED)
        else:
            self._discard_command(self._left, sync=self._sync)

    def abandon(self) -> None:
        """Give up the command whose literals are being received, if there is one; the caller has answered it."""
        if self._mode is _Mode.ASKED:
            self.refuse()
        elif self._in_append:
            self._discard_command(self._left, sync=False)

    def _take(self, most: int) -> bytes:
        """Up to so many octets of the current literal."""
        end = min(self._position + most, len(self._unread))
        chunk = bytes(self._unread[self._position : end])
        self._position = self._scanned = end
        self._left -= len(chunk)
        return chunk

    def _take_line(self, longest: int) -> bytes | TooLong | None:
        """The next line without its end (CRLF, or LF alone as old clients send), or None if it is not all here."""
        start = self._position
        end = self._unread.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(self._unread)
            # One octet more: the last may be a CR.
            return self._too_long(longest) if self._scanned - start > longest + 1 else None
        stop = end - 1 if end > start and self._unread[end - 1] == 0x0D else end
        if stop - start > longest:
            return self._too_long(longest)
        self._position = self._scanned = end + 1
        return bytes(self._unread[start:stop])

    def _too_long(self, longest: int) -> TooLong:
        """Refuse the line that begins here, and leave it to be skipped."""
        first, space, _ = bytes(self._unread[self._position : self._position + min(longest, limit.TAG) + 1]).partition(
            b" "
        )
        tag = self._tag(first if space else b"")
        self._discard_command(0, sync=False)
        return TooLong(tag, LONG_LINE, code=TOOBIG)

    def _line(self) -> Event | None:
        """The next line of a command: its end, or one more literal."""
        line = self._take_line(self.limits.line)
        if not isinstance(line, bytes):
            return line
        if MARK in line:
            return self._refuse_line(line, Refused(self._tag(line), NUL_IN_LINE))
        if line.endswith(b"}"):
            start = max(line.rfind(b"{"), 0)
            announced = _ANNOUNCEMENT.fullmatch(line, start)
            if announced is not None:
                return self._literal_announced(line[:start], _number(announced[1]), sync=not announced[2])
        if not self._texts and not self._in_append:
            return Complete(line)
        if self._held + len(line) > self.limits.command:
            return self._refuse_line(line, Refused(self._tag(line), LONG_COMMAND, code=TOOBIG))
        text, literals = b"".join((*self._texts, line)), tuple(self._literals)
        event = CommandEnd(text, literals) if self._in_append else Complete(text, literals)
        self._start_command()
        return event

    def _literal_announced(self, line: bytes, size: int, *, sync: bool) -> Event | None:
        self._texts += (line, MARK)
        self._held += len(line) + 1
        self._appending = self._in_append or self._is_append()
        refused = self._literal_refused(size)
        if refused is not None:
            self._discard_command(size, sync=sync)
            return refused
        self._left, self._sync, self._mode = size, sync, _Mode.ASKED
        if self._appending:
            event = LiteralStart(b"".join(self._texts), tuple(self._literals), size, sync, line.endswith(b"~"))
            self._start_command()
            self._in_append = True
            return event
        if sync:
            return NeedContinuation(self._tag(line), size)
        self._mode = _Mode.LITERAL
        return None

    def _is_append(self) -> bool:
        # The mailbox may itself be a literal, so the second literal is the last that can be the first message.
        return len(self._literals) < 2 and _APPEND.match(b"".join(self._texts)) is not None

    def _literal_refused(self, size: int) -> Refused | None:
        """Why this literal may not come, if so."""
        tag = self._tag(b"")
        if self._appending:
            # RFC 7889 section 4: a message over the limit is answered with TOOBIG.
            return Refused(tag, LARGE_MESSAGE, b"NO", TOOBIG) if size > self.limits.append else None
        if size > self.limits.literal:
            if _SETMETADATA.match(self._texts[0]):
                return Refused(tag, LARGE_LITERAL, b"NO", MAXSIZE)
            return Refused(tag, LARGE_LITERAL, code=TOOBIG)
        if len(self._literals) >= self.limits.literals:
            return Refused(tag, MANY_LITERALS, code=TOOBIG)
        if self._held + size > self.limits.command:
            return Refused(tag, LONG_COMMAND, code=TOOBIG)
        return None

    def _refuse_line(self, line: bytes, refused: Refused) -> Refused:
        """Refuse a command at the end of a line that may announce one more literal."""
        announced = _ANNOUNCEMENT.fullmatch(line, max(line.rfind(b"{"), 0))
        if announced is None:
            self._finish_discarding()
        else:
            self._discard_command(_number(announced[1]), sync=not announced[2])
        return refused

    def _tag(self, line: bytes) -> bytes | None:
        """The tag of the current command, of which `line` is the newest line."""
        if self._in_append:
            return None  # it went out with LiteralStart
        return tag_of(self._texts[0] if self._texts else line)

    def _keep_literal(self) -> bool:
        """Take what is here of a literal; whether it is complete."""
        chunk = self._take(self._left)
        self._held += len(chunk)
        self._chunks.append(chunk)
        if self._left:
            return False
        self._literals.append(b"".join(self._chunks))
        self._chunks.clear()
        self._mode = _Mode.LINE
        return True

    def _discard_command(self, size: int, *, sync: bool) -> None:
        """Throw away the rest of this command, which begins with a literal of this size or amid a line (0)."""
        if sync:
            # RFC 9051 section 4.3: refused a synchronizing literal, the client sends neither it nor the rest.
            self._finish_discarding()
            return
        self._start_command()
        self._left, self._tail = size, b" "
        self._scanned = self._position
        self._discarded += size
        self._mode = _Mode.SKIP_LITERAL
        if self._discarded > self.limits.discard:
            self._break(FAR_TOO_LARGE)

    def _finish_discarding(self) -> None:
        self._start_command()
        self._discarded = 0
        self._mode = _Mode.LINE

    def _skip(self) -> bool:
        """Throw away what is here of a refused command; whether another may begin."""
        while self._mode is not _Mode.LINE:
            if self._mode is _Mode.SKIP_LITERAL:
                passed = self._skip_literal()
            elif self._mode is _Mode.SKIP_LINE:
                passed = self._skip_line()
            else:
                return False
            if not passed:
                return False
        return True

    def _skip_literal(self) -> bool:
        skipped = min(self._left, self.unread)
        self._position += skipped
        self._scanned = self._position
        self._left -= skipped
        if self._left:
            return False
        self._mode = _Mode.SKIP_LINE
        return True

    def _skip_line(self) -> bool:
        """Throw away to the end of the line, keeping just enough of it to see whether it announces a literal."""
        end = self._unread.find(b"\n", self._position)
        stop = len(self._unread) if end < 0 else end
        self._tail = (self._tail + bytes(self._unread[max(self._position, stop - _TAIL) : stop]))[-_TAIL:]
        self._discarded += stop - self._position
        self._position = self._scanned = stop if end < 0 else end + 1
        if self._discarded > self.limits.discard:
            self._break(FAR_TOO_LARGE)
        elif end >= 0:
            announced = _LOST_ANNOUNCEMENT.search(self._tail.removesuffix(b"\r"))
            if announced is None:
                self._finish_discarding()
            else:
                self._discard_command(_number(announced[2]) if announced[1] else _FAR_TOO_MANY, sync=False)
        return end >= 0

    def _break(self, text: bytes) -> None:
        self.clear()
        self._broken = Broken(text, TOOBIG if text is FAR_TOO_LARGE else None)
        self._mode = _Mode.BREAKING

    def _last_word(self) -> Broken | None:
        """None while there is nothing to tell, Broken when there is nothing more to tell."""
        if self._mode is not _Mode.BREAKING:
            return None
        self._mode = _Mode.ENDED
        return self._broken


def tag_of(text: bytes) -> bytes | None:
    """The tag that a command begins with, if it has a proper one."""
    tag = _TAG.match(text)
    return None if tag is None else tag[0]


def _number(digits: bytes) -> int:
    """A literal's size.  Digits beyond number64 are not even converted: that would cost their number squared."""
    digits = digits.lstrip(b"0") or b"0"
    return int(digits) if len(digits) <= _NUMBER64_DIGITS else _FAR_TOO_MANY
