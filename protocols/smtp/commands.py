"""One line into a verb and its argument, strictly: a server that guesses at line ends can be talked into anything."""

from typing import NamedTuple

from protocols.smtp import limits, replies
from protocols.smtp.replies import BadCommand

# The two that carry addresses; every other command is short.
_LONG = frozenset({b"MAIL", b"RCPT"})
# Those that stand alone (RFC 5321 4.1.1.4, .5 and .10, RFC 3207 section 4).
_ALONE = frozenset({b"DATA", b"RSET", b"QUIT", b"STARTTLS"})


class Command(NamedTuple):
    verb: bytes
    argument: str


def parse(line: bytes) -> Command:
    """A line with its end."""
    # RFC 5321 2.3.8: nothing else ends a line.  After an LF alone we would no longer agree with the sender on what
    # is a command.
    if line[-2:] != b"\r\n":
        raise BadCommand(replies.BAD_LINE)
    # RFC 5321 4.1.1: white space before the end should be tolerated.
    line = line.rstrip(b" \t\r\n")
    verb, _, argument = line.partition(b" ")
    verb = verb.upper()
    if len(line) > (limits.ADDRESS_LINE if verb in _LONG else limits.COMMAND_LINE):
        raise BadCommand(replies.LINE_TOO_LONG)
    if argument and verb in _ALONE:
        raise BadCommand(replies.BAD_ARGUMENTS)
    return Command(verb, _text(argument, utf8=verb in _LONG or verb == b"VRFY"))


def _text(argument: bytes, *, utf8: bool) -> str:
    # RFC 6531 3.2: UTF-8 may stand where an address can; MAIL and RCPT see to it that SMTPUTF8 was asked for.
    try:
        text = argument.decode("utf-8" if utf8 else "ascii")
    except UnicodeDecodeError:
        raise BadCommand(replies.BAD_LINE) from None
    if not text.isprintable() and not _only_unassigned(text):
        raise BadCommand(replies.BAD_LINE)
    return text


def _only_unassigned(text: str) -> bool:
    # Letters newer than our Unicode tables count as not printable, and still are no control characters.
    return all(character >= "\xa0" or " " <= character <= "~" for character in text)
