"""What the server says: every reply as it goes over the wire, and the tables from refusals to replies.

RFC 2034 section 4: each reply but the greeting, the answers to EHLO, HELO and LHLO, and the 3xx ones begins with an
enhanced status code.  The texts are constant: nothing that a client, the store or a fault said comes back in them.
"""

from collections.abc import Mapping
from typing import Literal

from core.errors import (
    Busy,
    MessageTooLarge,
    NoSuchMailbox,
    NoSuchRecipient,
    OverQuota,
    Refusal,
    RelayDenied,
    Unavailable,
)

OK = b"250 2.0.0 Ok\r\n"
SENDER_OK = b"250 2.1.0 Ok\r\n"
RECIPIENT_OK = b"250 2.1.5 Ok\r\n"
CHUNK_OK = b"250 2.0.0 Chunk Ok\r\n"
MESSAGE_OK = b"250 2.0.0 Ok\r\n"
DELIVERED = b"250 2.1.5 Ok\r\n"
START_DATA = b"354 End data with <CR><LF>.<CR><LF>\r\n"
START_TLS = b"220 2.0.0 Ready to start TLS\r\n"
BYE = b"221 2.0.0 Bye\r\n"
CANNOT_VERIFY = b"252 2.0.0 Cannot verify, but will take mail for it and try\r\n"

SHUTTING_DOWN = b"421 4.3.2 Shutting down\r\n"
TOO_MANY_CONNECTIONS = b"421 4.3.2 Too many connections\r\n"
BROKEN = b"421 4.3.0 Something failed here\r\n"
TIMED_OUT = b"421 4.4.2 Timed out\r\n"
TOO_MANY_ERRORS = b"421 4.7.0 Too many errors\r\n"
TOO_MANY_COMMANDS = b"421 4.7.0 Too many commands without a message\r\n"
TOO_MUCH_DATA = b"421 4.7.0 Far more data than we take\r\n"
FAULT = b"451 4.3.0 Something failed here, try again later\r\n"
TOO_MANY_RECIPIENTS = b"452 4.5.3 Too many recipients\r\n"

UNKNOWN_COMMAND = b"500 5.5.1 Unknown command\r\n"
BAD_LINE = b"500 5.5.2 Not a command line\r\n"
LINE_TOO_LONG = b"500 5.5.2 Line too long\r\n"
NOT_IMPLEMENTED = b"502 5.5.1 Not implemented\r\n"
BAD_ARGUMENTS = b"501 5.5.4 Syntax error in arguments\r\n"
BAD_SENDER = b"501 5.1.7 Syntax error in sender address\r\n"
BAD_RECIPIENT = b"501 5.1.3 Syntax error in recipient address\r\n"
SAY_HELLO = b"503 5.5.1 Say hello first\r\n"
NEED_MAIL = b"503 5.5.1 Need MAIL first\r\n"
NEED_RCPT = b"503 5.5.1 Need RCPT first\r\n"
NESTED_MAIL = b"503 5.5.1 Nested MAIL\r\n"
MIXED_DATA = b"503 5.5.1 DATA and BDAT do not mix\r\n"
LATE_RECIPIENT = b"503 5.5.1 No RCPT after BDAT\r\n"
ALREADY_TLS = b"503 5.5.1 TLS is on already\r\n"
UNTRUSTED = b"550 5.7.1 You are not a mail hub of ours\r\n"
# RFC 6531 3.5: 550 for MAIL, 553 for RCPT.
NON_ASCII_SENDER = b"550 5.6.7 Non-ASCII address without SMTPUTF8\r\n"
NON_ASCII_RECIPIENT = b"553 5.6.7 Non-ASCII address without SMTPUTF8\r\n"
# The code that Postfix and others answer bare line ends with; registered as "invalid characters".
BARE_LINE_END = b"550 5.6.11 Bare CR or LF in message\r\n"
TOO_LARGE = b"552 5.3.4 Message too large\r\n"
NO_VALID_RECIPIENTS = b"554 5.5.1 No valid recipients\r\n"
UNKNOWN_PARAMETER = b"555 5.5.4 Unsupported parameter\r\n"

NO_SUCH_RECIPIENT = b"550 5.1.1 No such recipient\r\n"
RELAY_DENIED = b"550 5.7.1 Not a domain of ours\r\n"
MAILBOX_FULL = b"552 5.2.2 Mailbox full\r\n"
MAILBOX_FULL_FOR_NOW = b"452 4.2.2 Mailbox full\r\n"
UNAVAILABLE = b"451 4.3.2 Mailbox not available now\r\n"
BUSY = b"452 4.3.1 Too busy now\r\n"

WhenFull = Literal["bounce", "retry"]
Table = Mapping[type[Refusal], bytes]

# A refusal without a row of its own is answered as the nearest class above it.  The last row is for one that nobody
# foresaw: that is our mistake, and mail must not bounce for it.
_AT_RCPT: Table = {
    NoSuchRecipient: NO_SUCH_RECIPIENT,
    NoSuchMailbox: NO_SUCH_RECIPIENT,
    RelayDenied: RELAY_DENIED,
    OverQuota: MAILBOX_FULL,
    MessageTooLarge: TOO_LARGE,
    Unavailable: UNAVAILABLE,
    Busy: BUSY,
    Refusal: FAULT,
}
# What can only come up with the message in hand would be added here.
_AFTER_DATA: Table = {**_AT_RCPT}


class RefusalReplies:
    """The replies to the store's refusals, by the administrator's choice for a full mailbox (T-7.1)."""

    def __init__(self, when_full: WhenFull = "bounce") -> None:
        full: Table = {OverQuota: MAILBOX_FULL if when_full == "bounce" else MAILBOX_FULL_FOR_NOW}
        self._at_rcpt: Table = {**_AT_RCPT, **full}
        self._after_data: Table = {**_AFTER_DATA, **full}

    def at_rcpt(self, refusal: Refusal) -> bytes:
        return _row(self._at_rcpt, refusal)

    def after_data(self, refusal: Refusal) -> bytes:
        return _row(self._after_data, refusal)


def _row(table: Table, refusal: Refusal) -> bytes:
    return next(table[kind] for kind in type(refusal).__mro__ if kind in table)


def is_temporary(reply: bytes) -> bool:
    """RFC 5321 4.2.1: the client may try again."""
    return reply.startswith(b"4")


def is_positive(reply: bytes) -> bool:
    """RFC 5321 4.2.1: it was done."""
    return reply.startswith(b"2")


def multiline(code: int, lines: list[str]) -> bytes:
    """One reply of several lines (RFC 5321 4.2.1): a hyphen after each code but the last."""
    marks = ["-"] * (len(lines) - 1) + [" "]
    return "".join(f"{code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode("ascii")


def one_for_all(answers: list[bytes]) -> bytes:
    """SMTP's one reply for all recipients.

    Any temporary failure makes it temporary: the client sends to all again, and the store drops what it has already.
    If some have the message and the rest never will, it is ours now (RFC 5321 6.1), and telling the sender too.
    BDAT can bring a message whose recipients were all refused.
    """
    if not answers:
        return NO_VALID_RECIPIENTS
    failed_for_now = next(filter(is_temporary, answers), None)
    if failed_for_now is not None:
        return b"451" + failed_for_now[3:]
    return MESSAGE_OK if any(map(is_positive, answers)) else answers[0]


class BadCommand(Exception):
    """The client broke the protocol; it gets this reply, and the mistake counts against it.

    It does not count when it only follows from a refusal that the client, which pipelines, had not read yet.
    """

    def __init__(self, reply: bytes, *, counts: bool = True) -> None:
        super().__init__(reply)
        self.reply = reply
        self.counts = counts
