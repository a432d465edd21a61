"""A worker process: a server that opens no door itself, and does what the supervisor tells it."""

import asyncio
import errno
import pickle
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

from structlog.typing import FilteringBoundLogger

from adapters.server import logs, reactor
from adapters.server.config import Settings
from adapters.server.listeners import SESSIONS
from adapters.server.server import Server
from adapters.server.trouble import OutOfReach, serving
from adapters.server.workers import channel
from adapters.server.workers.channel import (
    Channel,
    Close,
    Drain,
    Drained,
    Failed,
    Join,
    Left,
    Lost,
    Message,
    Ready,
    Renew,
    Renewed,
    Start,
    Take,
)
from adapters.server.workers.place import Place
from core.errors import Refusal

COORDINATED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the supervisor is told too, and tells us in its order


class Worker:
    """What the supervisor says, done."""

    def __init__(
        self,
        start: Start,
        settings: Settings,
        end: socket.socket,
        loop: asyncio.AbstractEventLoop,
        log: FilteringBoundLogger,
    ) -> None:
        place = Place(start.worker, start.workers)
        self._server = Server(settings, loop, log, place=place, secret=start.secret, left=self._left)
        self._loop = loop
        self._log = log
        self._channel = Channel(end, loop, hear=self.hear, lost=self._lost)
        self._n_left: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_open: asyncio.Future[None] = loop.create_future()

    async def start(self) -> Callable[[], Awaitable[None]]:
        """Opens everything; what closes it again.  Raises what Installation does, OSError, ssl.SSLError."""
        await self._server.open()
        self._server.is_ready = True
        self._server.company.peers.on_lost = self._peer_lost
        self._is_open.set_result(None)
        self._channel.say(Ready(self._server.share))
        return self._server.close

    def hear(self, message: Message, descriptor: int | None) -> None:
        """Called for each message in turn; what takes time goes on by itself."""
        match message:
            case Join():
                self._begin(self._join(message, descriptor))
            case Take(door=door):
                self._begin(self._take(door, descriptor))
            case Renew(settings=settings):
                self._begin(self._renew(settings))
            case Drain():
                self._begin(self._drain())
            case Close():
                reactor.stop()

    def _begin(self, doing: Any) -> None:
        task = self._loop.create_task(self._guarded(doing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, doing: Awaitable[None]) -> None:
        try:
            await doing
        except Exception:  # noqa: BLE001 - one connection's fault; the worker must live
            self._log.exception("worker.fault")

    async def _join(self, join: Join, descriptor: int | None) -> None:
        await self._is_open
        if descriptor is None:
            self._peer_lost(join.worker, join.link)
        else:
            await self._server.company.peers.join(join.worker, join.link, _socket(descriptor))

    def _peer_lost(self, worker: int, link: int) -> None:
        self._channel.say(Lost(worker, link))

    async def _take(self, door: str, descriptor: int | None) -> None:
        """A descriptor that did not come had no room here: the client finds its connection closed."""
        try:
            if descriptor is None:
                raise OSError(errno.EMFILE, "No descriptor is free")
            await self._server.take(door, _socket(descriptor))
        except OSError:  # it has gone, or has not come through its handshake
            if (counted := SESSIONS.get(door)) is not None:
                self._left(counted)

    async def _renew(self, settings: bytes) -> None:
        await self._is_open
        refused = self._server.renew(pickle.loads(settings))  # noqa: S301 - from the process that started us
        self._channel.say(Renewed(refused))

    async def _drain(self) -> None:
        await self._is_open
        await self._server.drain()
        self._channel.say(Drained())

    def _lost(self, unsent: Sequence[tuple[Message, int | None]]) -> None:
        """The supervisor is gone, and nobody else will say that it is time to end."""
        self._begin(self._end())

    async def _end(self) -> None:
        try:
            await self._drain()
        finally:
            reactor.stop()

    def _left(self, counted: str) -> None:
        """A connection has ended; those of one turn of the loop are told together."""
        if not self._n_left:
            self._loop.call_soon(self._tell_left)
        self._n_left[counted] += 1

    def _tell_left(self) -> None:
        self._channel.say(Left(dict(self._n_left)))
        self._n_left.clear()


def _socket(descriptor: int) -> socket.socket:
    taken = socket.socket(fileno=descriptor)
    taken.setblocking(False)
    return taken


def main(descriptor: int, loop: asyncio.AbstractEventLoop) -> int:
    """Runs a worker on its end of the channel; the exit code."""
    for number in COORDINATED:
        signal.signal(number, signal.SIG_IGN)
    end = socket.socket(fileno=descriptor)
    try:
        start = channel.received(end)
    except EOFError:
        return 0  # the supervisor is gone already
    if not isinstance(start, Start):
        channel.tell(end, Failed("The supervisor did not begin with the beginning"))
        return 1
    if start.version != version("penfold"):
        here, there = version("penfold"), start.version
        channel.tell(end, Failed(f"Penfold {here} is installed, and the server that runs is {there}: restart it"))
        return 1
    return _run(start, end, loop)


def _run(start: Start, end: socket.socket, loop: asyncio.AbstractEventLoop) -> int:
    settings: Settings = pickle.loads(start.settings)  # noqa: S301 - from the process that started us
    log = logs.configure(settings.log.format, settings.log.level).bind(worker=start.worker)

    async def begin() -> Callable[[], Awaitable[None]]:
        return await Worker(start, settings, end, loop, log).start()

    try:
        with serving(settings.server.data_dir):
            return reactor.run(loop, begin, signals=())
    except (OutOfReach, Refusal) as no:
        channel.tell(end, Failed(str(no)))
        return 1
