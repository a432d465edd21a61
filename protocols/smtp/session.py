"""One client's conversation: what it has said so far, what it may say now, and what it is told.

Mistakes in the protocol are raised as BadCommand; everything else is a reply.  The octets of a message are not here:
they go from a reader through an Intake into the spool.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

from core.errors import Refusal
from protocols.smtp import parameters, paths, replies
from protocols.smtp.envelope import Client, Envelope, Recipient, Spool, Target, Tls, with_protocol
from protocols.smtp.intake import Intake
from protocols.smtp.limits import Limits
from protocols.smtp.parameters import MailParameters
from protocols.smtp.replies import BadCommand, RefusalReplies

_CHUNK = re.compile(r"(?P<size>[0-9]{1,20})(?P<last> ++LAST)?", re.IGNORECASE)


class Dialect(NamedTuple):
    """Where LMTP is not SMTP (RFC 2033 section 4)."""

    name: str
    greeting: str
    # RFC 2033 4.2: one reply after the data for each recipient that was accepted.
    reply_for_each: bool


SMTP = Dialect("SMTP", "ESMTP Penfold", reply_for_each=False)
LMTP = Dialect("LMTP", "LMTP Penfold", reply_for_each=True)


class Chunk(NamedTuple):
    """What BDAT announces."""

    size: int
    last: bool


@dataclass(slots=True)
class Transaction(Generic[Target]):
    """From MAIL to the end of the data."""

    sender: str
    parameters: MailParameters
    recipients: list[Recipient[Target]] = field(default_factory=list)
    # Somebody was named, though perhaps refused.
    named: bool = False
    # The message so far, once BDAT has begun.
    intake: Intake | None = None


class Rules(NamedTuple):
    """What holds for every client of a listener."""

    dialect: Dialect
    hostname: str
    limits: Limits
    refusals: RefusalReplies


class Session(Generic[Target]):
    """The state of one connection."""

    def __init__(self, rules: Rules, ip: str | None, *, trusted: bool) -> None:
        self._rules = rules
        self._ip = ip
        self._trusted = trusted
        self._tls: Tls | None = None
        self._helo = ""
        self._extended = False
        # The last MAIL of a hub was refused, so the RCPTs and DATA behind it are no mistakes.
        self._mail_refused = False
        self.transaction: Transaction[Target] | None = None

    def secured(self, tls: Tls) -> None:
        """TLS is on.  RFC 3207 4.2: all that was said before is forgotten, for anybody may have said it."""
        self.reset()
        self._tls = tls
        self._helo = ""

    def hello(self, name: str, *, extended: bool) -> None:
        """HELO, EHLO or LHLO: a name is taken as it is (RFC 5321 4.1.4), and what was begun is dropped."""
        if not paths.HELLO_NAME.fullmatch(name):
            raise BadCommand(replies.BAD_ARGUMENTS)
        self.reset()
        self._helo = name
        self._extended = extended

    def reset(self) -> None:
        """RSET, and all that includes it."""
        if self.transaction is not None and self.transaction.intake is not None:
            self.transaction.intake.discard()
        self.transaction = None
        self._mail_refused = False

    def mail(self, argument: str) -> bytes:
        if not self._helo:
            raise BadCommand(replies.SAY_HELLO)
        if not self._trusted:
            raise BadCommand(replies.UNTRUSTED)
        if self.transaction is not None:
            raise BadCommand(replies.NESTED_MAIL)
        self._mail_refused = True
        try:
            path = paths.reverse_path(argument)
        except paths.BadPath:
            raise BadCommand(replies.BAD_SENDER) from None
        given = parameters.mail_parameters(path.parameters)
        if not given.smtputf8 and not path.address.isascii():
            raise BadCommand(replies.NON_ASCII_SENDER)
        # RFC 1870 6.1: said now, it saves the client the sending (T-7.9).
        if given.size is not None and given.size > self._rules.limits.message_size:
            return replies.TOO_LARGE
        self._mail_refused = False
        self.transaction = Transaction(path.address, given)
        return replies.SENDER_OK

    def rcpt(self, argument: str, route: Callable[[str, int | None], Target]) -> bytes:
        """Ask the store; its refusals are no mistakes of the client's."""
        transaction = self._begun()
        if transaction.intake is not None:
            raise BadCommand(replies.LATE_RECIPIENT)
        transaction.named = True
        try:
            path = paths.forward_path(argument)
        except paths.BadPath:
            raise BadCommand(replies.BAD_RECIPIENT) from None
        parameters.no_parameters(path.parameters)
        if not transaction.parameters.smtputf8 and not path.address.isascii():
            raise BadCommand(replies.NON_ASCII_RECIPIENT)
        if len(transaction.recipients) >= self._rules.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        try:
            target = route(path.address, transaction.parameters.size)
        except Refusal as refusal:
            return self._rules.refusals.at_rcpt(refusal)
        transaction.recipients.append(Recipient(path.address, target))
        return replies.RECIPIENT_OK

    def data(self) -> None:
        """DATA: whether it may begin."""
        transaction = self._begun()
        if transaction.intake is not None:
            transaction.intake.fail(replies.MIXED_DATA)
            raise BadCommand(replies.MIXED_DATA)
        self._somebody(transaction)

    def bdat(self, new_spool: Callable[[], Spool]) -> Intake:
        """BDAT: where its octets go.  They follow whatever we think of it (RFC 3030 section 2).

        Once a chunk was refused so is the rest, up to LAST or RSET: a message must not be filed with a hole in it.
        """
        transaction = self._begun()
        if transaction.intake is None:
            try:
                self._somebody(transaction)
                transaction.intake = self.new_intake(new_spool)
            except BadCommand as refused:
                transaction.intake = self.nowhere(refused.reply)
        return transaction.intake

    def nowhere(self, reply: bytes = replies.NEED_MAIL) -> Intake:
        """For octets that come although nobody wants them."""
        return Intake(None, self._rules.limits.message_size, reply)

    def new_intake(self, new_spool: Callable[[], Spool]) -> Intake:
        """A place for a message; without one the message has failed before it began."""
        try:
            return Intake(new_spool(), self._rules.limits.message_size)
        except Refusal as refusal:
            return self.nowhere(self._rules.refusals.after_data(refusal))

    def end(self) -> Envelope[Target]:
        """The message is complete, and with it the transaction."""
        transaction = self._begun()
        self.transaction = None
        given = transaction.parameters
        return Envelope(
            sender=transaction.sender,
            recipients=tuple(transaction.recipients),
            client=Client(self._ip, self._helo, self._tls),
            protocol=with_protocol(
                self._rules.dialect.name,
                extended=self._extended,
                tls=self._tls is not None,
                smtputf8=given.smtputf8,
            ),
            smtputf8=given.smtputf8,
            body=given.body,
            declared_size=given.size,
        )

    def outcomes(self, outcomes: Sequence[Refusal | None]) -> list[bytes]:
        """What became of the message, as replies for each recipient."""
        after_data = self._rules.refusals.after_data
        return [replies.DELIVERED if outcome is None else after_data(outcome) for outcome in outcomes]

    def answer(self, answers: list[bytes]) -> bytes:
        """What the client hears of that.

        RFC 2033 4.3: in LMTP a message without recipients, which only BDAT can bring, gets no reply at all.
        """
        return b"".join(answers) if self._rules.dialect.reply_for_each else replies.one_for_all(answers)

    def _begun(self) -> Transaction[Target]:
        if self.transaction is None:
            raise BadCommand(replies.NEED_MAIL, counts=not self._mail_refused)
        return self.transaction

    def _somebody(self, transaction: Transaction[Target]) -> None:
        if transaction.recipients:
            return
        # RFC 2033 4.2 wants 503 whenever there is nobody; RFC 5321 4.1.4 and RFC 2920 3.1 know a better word for
        # somebody who was refused.
        refused = transaction.named and not self._rules.dialect.reply_for_each
        raise BadCommand(replies.NO_VALID_RECIPIENTS if refused else replies.NEED_RCPT, counts=not transaction.named)


def parse_chunk(argument: str) -> Chunk:
    """What follows BDAT."""
    match = _CHUNK.fullmatch(argument)
    if match is None:
        raise BadCommand(replies.BAD_ARGUMENTS)
    return Chunk(int(match["size"]), last=match["last"] is not None)


def extensions(message_size: int, *, starttls: bool) -> list[str]:
    """What we can do beyond RFC 5321: RFC 2920, 1870, 6152, 6531, 3030, 2034 and 3207.

    Not DSN (RFC 3461): a hub that is told so sends the notifications that were asked for itself.
    """
    known = ["PIPELINING", f"SIZE {message_size}", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"]
    return [*known, "STARTTLS"] if starttls else known
