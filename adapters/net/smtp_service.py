"""The SMTP service of one worker: its listeners and connections, what they share, and its orderly end."""

import asyncio
import itertools
import ssl
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Protocol

import aiosmtpd.smtp

from adapters.net.census import Census
from adapters.net.smtp import Connection, StoreDriver, Target
from protocols.smtp import replies, session
from protocols.smtp.limits import Limits
from protocols.smtp.policy import Policy
from protocols.smtp.replies import RefusalReplies, WhenFull


class EventLog(Protocol):
    """structlog's bound loggers, as far as they are used here."""

    def info(self, event: str, /, **facts: Any) -> Any: ...
    def exception(self, event: str, /, **facts: Any) -> Any: ...


class SmtpService(Generic[Target]):
    """A protocol factory for loop.create_server() and create_unix_server(), any number of them."""

    dialect: ClassVar[session.Dialect] = session.SMTP
    connection: ClassVar[type[Connection]] = Connection

    def __init__(
        self,
        driver: StoreDriver[Target],
        *,
        hostname: str,
        policy: Policy,
        log: EventLog,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        when_full: WhenFull = "bounce",
        census: Census | None = None,
        left: Callable[[], None] = lambda: None,
    ) -> None:
        """`left` is called when a connection has ended."""
        self.driver = driver
        self.policy = policy
        self.log = log
        self.limits = limits or Limits()
        # May be replaced at any time, by one with a renewed certificate.
        self.tls = tls
        self.rules = session.Rules(self.dialect, hostname, self.limits, RefusalReplies(when_full))
        self.greeting = f"220 {hostname} {self.dialect.greeting}\r\n".encode("ascii")
        self.hello = replies.multiline(250, [hostname])
        self.draining = False
        self.connections: set[Connection] = set()
        self._census = census or Census()
        self._kinds = (self.dialect.name, f"{self.dialect.name} untrusted")  # as they are counted
        self._numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._left = left
        self._prototype: dict[str, Any] | None = None

    def __call__(self) -> Connection:
        """A protocol for one connection."""
        if self._prototype is None:
            loop = asyncio.get_running_loop()
            # The host name is given, for aiosmtpd would ask the DNS for it.
            prototype = aiosmtpd.smtp.SMTP(None, hostname=self.rules.hostname, enable_SMTPUTF8=True, loop=loop)
            self._prototype = vars(prototype)
        return self.connection(self, self._prototype)

    async def listen(self, **where: Any) -> asyncio.Server:
        """Take connections as loop.create_server() would: host and port, or sock, and its other options."""
        return self._keep(await asyncio.get_running_loop().create_server(self, **where))

    async def listen_unix(self, **where: Any) -> asyncio.Server:
        """The same with loop.create_unix_server(): path or sock.  Its file's permissions say who may connect."""
        return self._keep(await asyncio.get_running_loop().create_unix_server(self, **where))

    def _keep(self, server: asyncio.Server) -> asyncio.Server:
        self._servers.append(server)
        return server

    def announcement(self, *, tls_is_on: bool) -> bytes:
        offered = session.extensions(self.limits.message_size, starttls=self.tls is not None and not tls_is_on)
        return replies.multiline(250, [self.rules.hostname, *offered])

    # What a connection tells.

    def enter(self, connection: Connection) -> int:
        self.connections.add(connection)
        self._count(connection, 1)
        return next(self._numbers)

    def refusal(self, connection: Connection) -> bytes | None:
        """Why one who has just entered may not stay."""
        if self.draining:
            return replies.SHUTTING_DOWN
        all_, untrusted = map(self._census.total, self._kinds)
        is_full = all_ > self.limits.connections
        if is_full or (not connection.trusted and untrusted > self.limits.untrusted_connections):
            return replies.TOO_MANY_CONNECTIONS
        return None

    def leave(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._count(connection, -1)
        self._left()

    def _count(self, connection: Connection, more: int) -> None:
        for kind in self._kinds[: 1 if connection.trusted else 2]:
            self._census.add(kind, more=more)

    # The end.

    async def drain(self, grace: float) -> bool:
        """Take no more connections, let transactions come to their end for so many seconds, and cut what is left.

        True if nothing had to be cut.  A delivery is not stopped by that: its client will send the message again, and
        the store knows it then.
        """
        self.draining = True
        for server in self._servers:
            server.close()
        for connection in set(self.connections):
            if connection.is_shaking_hands:
                connection.abort()
            else:
                connection.wake()
        if await self._all_left(grace):
            return True
        for connection in set(self.connections):
            connection.abort()
        await self._all_left(self.limits.closing_seconds)
        return False

    async def _all_left(self, seconds: float) -> bool:
        tasks = [connection.task for connection in self.connections]
        return not tasks or not (await asyncio.wait(tasks, timeout=seconds))[1]
