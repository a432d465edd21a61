"""A running server, or one worker of several: what it consists of, and the order in which all begins and ends."""

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from structlog.typing import FilteringBoundLogger

from adapters.net.imap import ImapConnection
from adapters.server import listeners, metrics
from adapters.server.assistants import Maintenance
from adapters.server.config import Settings
from adapters.server.control import ControlService
from adapters.server.executor import StoreExecutor
from adapters.server.installation import Installation
from adapters.server.listeners import Acceptor
from adapters.server.livesessions import AllSessions, LiveSessions
from adapters.server.pidfile import PidFile
from adapters.server.services import Services
from adapters.server.workers.company import Company
from adapters.server.workers.place import ALONE, Place
from adapters.server.world import SystemClock

GRACE_SECONDS = 10.0  # how long what runs may take to end


class Server:
    """One worker process, or the only one, which opens its doors itself."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        log: FilteringBoundLogger,
        *,
        place: Place = ALONE,
        secret: bytes = b"",
        left: Callable[[str], None] = lambda counted: None,
    ) -> None:
        """`left` is called whenever a connection has ended, see Services; `secret` is what the workers share."""
        self.log = log
        self.is_ready = False
        self.company = Company(place, loop, SystemClock(), log, secret)
        self._settings = settings
        self._loop = loop
        self._left = left
        self._numbers = itertools.count(1 + place.worker, place.workers)  # of connections
        self._generations: list[Services] = []  # the newest takes new connections
        self._acceptor: Acceptor | None = None  # where nobody else opens the doors
        self._taking: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------------------------------------ the beginning

    async def start(self) -> Callable[[], Any]:
        """Alone: opens everything and listens; what ends it again.  Raises what Installation does, CannotListen."""
        await self.open()
        try:
            self._acceptor = Acceptor(listeners.opened(self._settings), self._loop, self._take_soon)
        except BaseException:  # also when it is stopped before it has begun
            await self.stop()
            raise
        self._pid_file.write()
        self.is_ready = True
        self._acceptor.open()
        self.log.info("server.ready", pid=os.getpid(), workers=1)
        return self.stop

    async def open(self) -> None:
        """Opens everything but the doors.  Raises what Installation does, OSError, ssl.SSLError."""
        self.installation = self._installation()
        try:
            self._begin()
        except BaseException:
            self.installation.close()
            raise

    def _installation(self) -> Installation:
        return Installation(
            self._settings,
            publish=self.company.publish,
            post=self._loop.call_soon_threadsafe,
            fault=lambda fault: self.log.error("store.fault", exc_info=fault),
            share=self.company.share,
        )

    def _begin(self) -> None:
        house, worker = self.installation, self.company.place.worker
        if house.ensure_certificate():
            self.log.info("tls.self-signed", certificate=str(house.certificate[0]))
        self.executor = StoreExecutor(house.databases, self._loop)
        self._generations.append(self._services())
        sessions = LiveSessions(lambda: self.connections, house.clock, self._loop, worker)
        self.control = ControlService(house, AllSessions(sessions, self.company.peers), log=self.log)
        self.metrics = metrics.WorkerMetrics(worker, self._gauges())
        self.company.open(house, {**sessions.questions(), metrics.QUESTION: lambda _: self.metrics.samples()})
        maintenance = Maintenance(self.executor, house.owned, house.clock)
        self._tasks.append(self._loop.create_task(maintenance.run()))

    def _services(self) -> Services:
        return Services(
            self.installation,
            executor=self.executor,
            company=self.company,
            numbers=self._numbers,
            left=self._left,
            log=self.log,
        )

    # ------------------------------------------------------------------------------------------ connections

    @property
    def share(self) -> float:
        """Of all databases, how many this worker writes to."""
        return len(self.installation.owned) / max(len(self.installation.databases), 1)

    @property
    def services(self) -> Services:
        """Those that take new connections."""
        return self._generations[-1]

    @property
    def connections(self) -> Iterable[ImapConnection]:
        """Of all who are connected with IMAP."""
        return [connection for services in self._generations for connection in services.imap.connections]

    def _protocol(self, door: str) -> asyncio.BaseProtocol:
        """What speaks with a new connection."""
        return self.control() if door == "control" else self.services.protocol(door)

    def _take_soon(self, door: str, connection: socket.socket) -> None:
        task = self._loop.create_task(self._taken(door, connection))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _taken(self, door: str, connection: socket.socket) -> None:
        with suppress(OSError):  # it has gone, or has not come through its handshake
            await self.take(door, connection)

    async def take(self, door: str, connection: socket.socket) -> None:
        """A connection that has come in; it is ours from now on.  Raises OSError where it is gone already."""
        if door == "metrics":
            _reactor().adoptStreamConnection(connection.fileno(), connection.family, self._site())
            connection.close()
            return
        tls = self.services.tls if door == "imaps" else None
        await self._loop.connect_accepted_socket(lambda: self._protocol(door), connection, ssl=tls)

    def _site(self) -> Any:
        return metrics.site(self.metrics, self.company.peers, lambda: self.is_ready)

    def _gauges(self) -> Sequence[metrics.Gauge]:
        return (
            ("penfold_imap_connections", "IMAP connections", lambda: len(list(self.connections))),
            ("penfold_commands_waiting", "Commands waiting for a writer", self._waiting),
        )

    def _waiting(self) -> int:
        # A copy: an administrator may be adding a database on another thread.
        return sum(database.waiting() for database in tuple(self.installation.owned.values()))

    # ------------------------------------------------------------------------------------------ the end

    async def stop(self) -> None:
        """Takes no more, lets what runs come to its end, and closes all."""
        self.log.info("server.stopping")
        await self.drain()
        await self.close()
        self._pid_file.remove()
        self.log.info("server.stopped")

    def renew(self, settings: Settings) -> str | None:
        """Other settings hold for those who come from now on; or why they cannot, and all stays as it is."""
        before = self.installation.settings
        self.installation.renew(settings)
        try:
            services = self._services()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the server must go on
            self.installation.renew(before)
            self.log.error("settings.refused", reason=str(fault))
            return str(fault) or type(fault).__name__
        # The last also where nobody is connected: somebody may be shaking hands.
        *older, last = self._generations
        self._generations = [*(some for some in older if some.are_used), last, services]
        self.log.info("settings.renewed")
        return None

    async def drain(self) -> None:
        """Takes no more, and ends all sessions behind the command that runs."""
        self.is_ready = False
        self.company.peers.end()
        if self._acceptor is not None:
            self._acceptor.close()
        for task in self._tasks:
            task.cancel()
        generations = (services.drain(GRACE_SECONDS) for services in self._generations)
        await asyncio.gather(*generations, self.control.drain(GRACE_SECONDS))

    async def close(self) -> None:
        """Carries out what is queued, and closes the installation."""
        await self._loop.run_in_executor(None, self.executor.close)  # what runs there may need the loop to end
        await self._loop.run_in_executor(None, self.installation.close)
        self.company.peers.close()

    @property
    def _pid_file(self) -> PidFile:
        return PidFile(self.installation.root)


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor
