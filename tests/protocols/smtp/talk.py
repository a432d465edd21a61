"""Both ends of an SMTP conversation for the tests: a store that does as it is told, and a client that says anything."""

import asyncio
import functools
import inspect
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, ParamSpec

import trustme
import uvloop

from adapters.net.lmtp import LmtpService
from adapters.net.smtp_service import SmtpService
from core.errors import NoSuchRecipient, Refusal
from protocols.smtp.envelope import Envelope, Spool
from protocols.smtp.limits import Limits
from protocols.smtp.policy import Policy

P = ParamSpec("P")
LOCALHOST = Policy([ip_network("127.0.0.0/8")])
NOBODY = Policy()


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in the loop that production uses, with nothing left over at its end."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def whole() -> None:
            faults: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
            async with asyncio.timeout(30):
                await test(*args, **kwargs)
            assert faults == []

        uvloop.run(whole())

    # pytest would take the function for a coroutine, which it is not any more.
    del run.__wrapped__
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run


class Kept:
    """A spool in memory."""

    def __init__(self, *, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.chunks: list[bytes] = []
        self.discarded = False
        self._fails_at = fails_at
        self._error = error
        self._size = 0

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._error is not None and (self._fails_at or 0) < self._size:
            raise self._error
        self.chunks.append(chunk)

    @property
    def size(self) -> int:
        return self._size

    def discard(self) -> None:
        self.discarded = True


class Counted:
    """A spool that keeps nothing but the numbers."""

    def __init__(self) -> None:
        self.size = 0
        self.largest = 0

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.largest = max(self.largest, len(chunk))

    def discard(self) -> None:
        pass


@dataclass
class Delivered:
    envelope: Envelope[str]
    body: bytes


@dataclass
class FakeDriver:
    """Knows whom it is told; a Refusal among the outcomes is that recipient's."""

    unknown: dict[str, Refusal | Exception] = field(default_factory=dict)
    outcomes: dict[str, Refusal] = field(default_factory=dict)
    messages: list[Delivered] = field(default_factory=list)
    routed: list[tuple[str, int | None]] = field(default_factory=list)
    spools: list[Any] = field(default_factory=list)
    new_spool: Callable[[], Any] = Kept
    on_deliver: Callable[[], Awaitable[None]] | None = None
    answer: Sequence[Refusal | None] | None = None

    def route(self, address: str, size: int | None) -> str:
        self.routed.append((address, size))
        if address in self.unknown:
            raise self.unknown[address]
        if address.startswith("nobody"):
            raise NoSuchRecipient(address)
        return f"target of {address}"

    def spool(self) -> Spool:
        spool: Spool = self.new_spool()
        self.spools.append(spool)
        return spool

    async def deliver(self, envelope: Envelope[str], body: Spool) -> Sequence[Refusal | None]:
        if self.on_deliver is not None:
            await self.on_deliver()
        chunks = body.chunks if isinstance(body, Kept) else []
        self.messages.append(Delivered(envelope, b"".join(chunks)))
        if self.answer is not None:
            return self.answer
        return [self.outcomes.get(recipient.address) for recipient in envelope.recipients]


@dataclass
class Events:
    """A log that can be asked."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, /, **facts: Any) -> None:
        self.events.append((event, facts))

    def exception(self, event: str, /, **facts: Any) -> None:
        self.events.append((event, facts))

    def names(self) -> list[str]:
        return [event for event, _ in self.events]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [facts for event, facts in self.events if event == name]


class Client:
    """A client that says what it is told, in as many pieces as it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def sends(self, octets: bytes) -> None:
        if not self.writer.transport.is_closing():  # the server may have hung up meanwhile
            self.writer.write(octets)

    async def reply(self) -> str:
        """One whole reply, its lines joined by newlines, or "" at the end."""
        lines: list[str] = []
        while True:
            line = (await self.reader.readline()).decode("ascii")
            assert not line or line.endswith("\r\n"), line
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def says(self, line: str | bytes) -> str:
        self.sends((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.reply()

    async def hears(self, *starts: str) -> None:
        for start in starts:
            reply = await self.reply()
            assert reply.startswith(start), (reply, start)

    async def is_hung_up_on(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    async def starts_tls(self, authority: trustme.CA) -> None:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        await self.writer.start_tls(context, server_hostname="mail.example.org")

    def leaves(self) -> None:
        self.writer.close()


class Server:
    """A service on a port of its own, and its clients."""

    def __init__(self, service: SmtpService[str], port: int, log: Events) -> None:
        self.service = service
        self.port = port
        self.log = log
        self._clients: list[Client] = []

    async def connect(self, *, limit: int = 1 << 16) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=limit))
        self._clients.append(client)
        return client

    async def greeted(self, hello: str = "") -> Client:
        """A client that has said hello."""
        client = await self.connect()
        await client.hears("220 mail.example.org ")
        await client.says(hello or ("LHLO me" if isinstance(self.service, LmtpService) else "EHLO me.example"))
        return client

    async def stop(self) -> None:
        for client in self._clients:
            client.leaves()
        await self.service.drain(0)


class serving:  # noqa: N801 (it reads as a verb: async with serving(driver) as server)
    """A running service, stopped at the end."""

    def __init__(self, driver: FakeDriver, *, lmtp: bool = False, policy: Policy = LOCALHOST, **options: Any) -> None:
        self._log = Events()
        options.setdefault("limits", Limits())
        kind = LmtpService if lmtp else SmtpService
        self.service: SmtpService[str] = kind(
            driver, hostname="mail.example.org", policy=policy, log=self._log, **options
        )

    async def __aenter__(self) -> Server:
        listener = await self.service.listen(host="127.0.0.1", port=0)
        self._server = Server(self.service, listener.sockets[0].getsockname()[1], self._log)
        return self._server

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


@functools.cache
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority().issue_cert("mail.example.org").configure_cert(context)
    return context


MAIL = "MAIL FROM:<sender@example.net>"
RCPT = "RCPT TO:<anna@example.org>"
TEXT = b"Subject: hello\r\n\r\nHow are you?\r\n"
