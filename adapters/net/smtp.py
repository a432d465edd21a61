"""SMTP from the organisation's mail hubs: aiosmtpd's server with a command loop and a data path of our own.

aiosmtpd gives the connection's life, the names of the commands and the room for AUTH.  What it does not do, or does a
line at a time, is here: streamed DATA and BDAT, PIPELINING, strict line ends, and TLS by the loop's own means.  What
the commands mean is in protocols.smtp, and the octets and timers are in smtp_stream.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from adapters.net.smtp_stream import PeerGone, SmtpStream
from core.errors import Refusal
from protocols.smtp import commands, limits, replies, session
from protocols.smtp.datareader import ChunkReader, DotReader
from protocols.smtp.envelope import Envelope, Spool
from protocols.smtp.intake import Intake
from protocols.smtp.replies import BadCommand

if TYPE_CHECKING:
    from adapters.net.smtp_service import SmtpService

Target = TypeVar("Target")


class StoreDriver(Protocol[Target]):
    """What the server asks of the store."""

    def route(self, address: str, size: int | None) -> Target:
        """Where mail for this address goes; raises a Refusal.  The event loop waits for the answer."""
        ...

    def spool(self) -> Spool:
        """A place for one message; raises a Refusal if there is no room."""
        ...

    async def deliver(self, envelope: Envelope[Target], body: Spool) -> Sequence[Refusal | None]:
        """Deliver to each recipient: one outcome for each, in order, and None only once the message is on disk.

        An exception is a fault, and the client is told to try all of it again.  The spool is discarded by the server
        afterwards.  A client that leaves does not stop a delivery, so how long one may take is the driver's to say.
        """
        ...


class Connection(SmtpStream):
    """One SMTP client."""

    # Verb -> method, as aiosmtpd names them.  A submission server would add AUTH.
    METHODS: ClassVar[dict[bytes, str]] = {
        b"HELO": "smtp_HELO",
        b"EHLO": "smtp_EHLO",
        b"MAIL": "smtp_MAIL",
        b"RCPT": "smtp_RCPT",
        b"DATA": "smtp_DATA",
        b"BDAT": "smtp_BDAT",
        b"RSET": "smtp_RSET",
        b"NOOP": "smtp_NOOP",
        b"VRFY": "smtp_VRFY",
        b"EXPN": "smtp_EXPN",
        b"HELP": "smtp_HELP",
        b"STARTTLS": "smtp_STARTTLS",
        b"QUIT": "smtp_QUIT",
    }
    # RFC 2920 3.2 (2) and (5): these replies may be gathered, and those to all others are sent at once.
    GATHERED: ClassVar[frozenset[bytes]] = frozenset({b"MAIL", b"RCPT", b"RSET", b"BDAT"})
    # What leads to a message, and so is no idle talk.
    PURPOSEFUL: ClassVar[frozenset[bytes]] = frozenset({b"MAIL", b"RCPT", b"DATA", b"BDAT", b"QUIT"})

    def __init__(self, service: "SmtpService[Any]", prototype: dict[str, Any]) -> None:
        super().__init__(prototype, service.limits)
        self._service = service
        self._driver: StoreDriver[Any] = service.driver
        self._errors = 0
        self._idle_commands = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.trusted = self._service.policy.trusts(self.ip)
        self._talk: session.Session[Any] = session.Session(self._service.rules, self.ip, trusted=self.trusted)
        if self.tls is not None:
            self._talk.secured(self.tls)
        assert self._handler_coroutine is not None, "aiosmtpd begins it when a connection is made"
        self.task: asyncio.Task[None] = self._handler_coroutine
        self.number = self._service.enter(self)

    # The command loop.

    async def _handle_client(self) -> None:
        try:
            await self._serve()
        except PeerGone:
            self._log("smtp.left")
        except Exception:
            self._service.log.exception("smtp.fault", connection=self.number)
            self._hang_up(replies.BROKEN)
        finally:
            self._talk.reset()
            self._close()
        await self.lost
        self._service.leave(self)

    async def _serve(self) -> None:
        refusal = self._service.refusal(self)
        if refusal is not None:
            self._refused(refusal)
            self._hang_up(refusal)
            return
        self._log("smtp.connect")
        self._say(self._service.greeting)
        while not self._leaving:
            await self._step()

    async def _step(self) -> None:
        if self._service.draining and self._talk.transaction is None:
            self._hang_up(replies.SHUTTING_DOWN)
        elif (line := self._line()) is not None:
            await self._obey(line)
        elif self._waiting() > limits.ADDRESS_LINE:
            await self._skip_line()
        else:
            await self._wait_for_input()

    async def _obey(self, line: bytes) -> None:
        verb = b""
        try:
            verb, argument = commands.parse(line)
            name = self.METHODS.get(verb)
            if name is None:
                raise BadCommand(replies.UNKNOWN_COMMAND)
            await getattr(self, name)(argument)
        except BadCommand as mistake:
            self._mistake(mistake)
        except PeerGone:
            raise
        except Exception as fault:
            self._service.log.exception("smtp.fault", connection=self.number)
            await self.push(await self.handle_exception(fault))
        self._count(verb)
        self._reset_timeout()
        if verb not in self.GATHERED:
            self._flush()
            await self._wait_for_output()
        elif self._output_size > limits.OUTPUT_HIGH:
            self._flush()
            await self._wait_for_output()
            # Some thousand commands without a pause; now it is the others' turn.
            await asyncio.sleep(0)

    async def _skip_line(self) -> None:
        # One reply for the whole of it, however many octets come before its end.
        skipped = 0
        while self._line() is None:
            skipped += len(self._take())
            if skipped > limits.RUNAWAY_LINE:
                self._refused(replies.TOO_MANY_ERRORS)
                self._hang_up(replies.TOO_MANY_ERRORS)
                return
            await self._wait_for_input()
        self._mistake(BadCommand(replies.LINE_TOO_LONG))
        self._flush()

    def _mistake(self, mistake: BadCommand) -> None:
        self._errors += mistake.counts
        self._refused(mistake.reply)
        self._say(mistake.reply)
        if self._errors > self._service.limits.errors:
            self._hang_up(replies.TOO_MANY_ERRORS)

    def _count(self, verb: bytes) -> None:
        if verb in self.PURPOSEFUL:
            return
        self._idle_commands += 1
        if self._idle_commands > self._service.limits.idle_commands and not self._leaving:
            self._refused(replies.TOO_MANY_COMMANDS)
            self._hang_up(replies.TOO_MANY_COMMANDS)

    def _timed_out(self) -> None:
        self._refused(replies.TIMED_OUT)
        self._hang_up(replies.TIMED_OUT)

    async def handle_exception(self, error: Exception) -> str:
        """What a client hears of a fault: none of its text, which aiosmtpd would send."""
        return _text(replies.FAULT)

    # The log.

    def _log(self, event: str, **facts: object) -> None:
        self._service.log.info(event, connection=self.number, ip=self.ip, **facts)

    def _refused(self, reply: bytes, **facts: object) -> None:
        self._log("smtp.refused", reply=_text(reply), **facts)

    # The commands.

    async def smtp_HELO(self, argument: str) -> None:
        self._talk.hello(argument, extended=False)
        self._say(self._service.hello)

    async def smtp_EHLO(self, argument: str) -> None:
        self._talk.hello(argument, extended=True)
        self._say(self._service.announcement(tls_is_on=self.tls is not None))

    async def smtp_MAIL(self, argument: str) -> None:
        self._say(self._talk.mail(argument))

    async def smtp_RCPT(self, argument: str) -> None:
        reply = self._talk.rcpt(argument, self._driver.route)
        if not replies.is_positive(reply):
            self._refused(reply, recipient=argument)
        self._say(reply)

    async def smtp_RSET(self, argument: str) -> None:
        self._talk.reset()
        self._say(replies.OK)

    async def smtp_NOOP(self, argument: str) -> None:
        self._say(replies.OK)

    async def smtp_VRFY(self, argument: str) -> None:
        if not argument:
            raise BadCommand(replies.BAD_ARGUMENTS)
        # RFC 5321 7.3: addresses are not for whoever asks.
        self._say(replies.CANNOT_VERIFY)

    async def smtp_EXPN(self, argument: str) -> None:
        raise BadCommand(replies.NOT_IMPLEMENTED)

    async def smtp_HELP(self, argument: str) -> None:
        self._say(b"214 2.0.0 " + b" ".join(self.METHODS) + b"\r\n")

    async def smtp_QUIT(self, argument: str) -> None:
        self._hang_up(replies.BYE)

    async def smtp_STARTTLS(self, argument: str) -> None:
        context = self._service.tls
        if context is None:
            raise BadCommand(replies.NOT_IMPLEMENTED)
        if self.tls is not None:
            raise BadCommand(replies.ALREADY_TLS)
        self._say(replies.START_TLS)
        self._flush()
        await self._wait_for_output()
        tls = await self._start_tls(context)
        self._talk.secured(tls)
        self._log("smtp.tls", version=tls.version, cipher=tls.cipher)

    async def smtp_DATA(self, argument: str) -> None:
        self._talk.data()
        intake = self._talk.new_intake(self._driver.spool)
        if intake.failure is not None:
            self._refused(intake.failure)
            self._talk.reset()
            self._say(intake.failure)
            return
        self._say(replies.START_DATA)
        self._flush()
        try:
            await self._read_data(intake)
        finally:
            intake.discard()

    async def _read_data(self, intake: Intake) -> None:
        reader = DotReader()
        while not reader.ended:
            self._keep(intake, reader.feed(await self._octets()), reader)
            if intake.overruns():
                self._refused(replies.TOO_MUCH_DATA)
                self._hang_up(replies.TOO_MUCH_DATA)
                return
        self._put_back(reader.rest)
        await self._finish(intake)

    async def smtp_BDAT(self, argument: str) -> None:
        chunk = session.parse_chunk(argument)
        try:
            intake = self._talk.bdat(self._driver.spool)
        except Exception:
            # The octets come all the same, and must not be taken for commands.
            self._talk.reset()
            await self._read_chunk(self._talk.nowhere(), chunk.size)
            raise
        await self._read_chunk(intake, chunk.size)
        if self._leaving:
            return
        if not chunk.last:
            self._say(intake.failure or replies.CHUNK_OK)
            return
        try:
            intake.end_of_chunks()
            await self._finish(intake)
        finally:
            intake.discard()

    async def _read_chunk(self, intake: Intake, size: int) -> None:
        if intake.overruns(size):
            self._refused(replies.TOO_MUCH_DATA)
            self._hang_up(replies.TOO_MUCH_DATA)
            return
        while size:
            octets = await self._octets(size)
            size -= len(octets)
            self._keep(intake, intake.chunks.feed(octets), intake.chunks)

    def _keep(self, intake: Intake, piece: bytes, reader: DotReader | ChunkReader) -> None:
        try:
            intake.take(piece, reader)
        except Refusal as refusal:
            intake.fail(self._service.rules.refusals.after_data(refusal))
        except Exception:
            self._service.log.exception("smtp.fault", connection=self.number)
            intake.fail(replies.FAULT)

    async def _finish(self, intake: Intake) -> None:
        envelope = self._talk.end()
        self._idle_commands = 0
        if intake.spool is None or intake.failure is not None:
            answers = [intake.failure or replies.FAULT] * len(envelope.recipients)
        else:
            answers = await self._deliver(envelope, intake.spool)
        self._log_message(envelope, intake.size, answers)
        self._say(self._talk.answer(answers))

    async def _deliver(self, envelope: Envelope[Any], spool: Spool) -> list[bytes]:
        # The client has a deadline of its own (RFC 5321 4.5.3.2.6), and what became of the message must be known.
        self._deadline = None
        try:
            outcomes = await self._driver.deliver(envelope, spool)
            if len(outcomes) != len(envelope.recipients):
                raise AssertionError("the driver owes one outcome for each recipient")
        except Exception:
            self._service.log.exception("smtp.fault", connection=self.number)
            return [replies.FAULT] * len(envelope.recipients)
        return self._talk.outcomes(outcomes)

    def _log_message(self, envelope: Envelope[Any], size: int, answers: list[bytes]) -> None:
        delivered = sum(map(replies.is_positive, answers))
        if delivered:
            self._errors = 0
        self._log("smtp.message", sender=envelope.sender, size=size, recipients=len(answers), delivered=delivered)
        if delivered == len(answers):
            return
        for recipient, answer in zip(envelope.recipients, answers, strict=True):
            if not replies.is_positive(answer):
                self._log("smtp.undelivered", recipient=recipient.address, reply=_text(answer))


def _text(reply: bytes) -> str:
    return reply.decode("ascii").rstrip("\r\n")
