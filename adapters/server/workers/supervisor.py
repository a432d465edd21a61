"""The supervisor: starts the workers, gives each connection to one of them, and starts anew what has died.

It holds the lock of the installation and the doors, and opens no database: what can go wrong, goes wrong in a worker.
"""

import asyncio
import os
import pickle
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from adapters.directory.verified import KEY_OCTETS
from adapters.server import listeners
from adapters.server.config import Settings
from adapters.server.listeners import SESSIONS, Acceptor
from adapters.server.pidfile import PidFile
from adapters.server.trouble import OutOfReach
from adapters.server.workers.channel import (
    MESSAGE_OCTETS,
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
from adapters.server.workers.place import FIRST
from adapters.server.world import SystemEntropy
from adapters.stores import sqlite

DRAIN_SECONDS: Final = 15.0  # until the sessions of all workers have ended: longer than each of them takes
CLOSE_SECONDS: Final = 30.0  # until what is queued is written
HANDED_AT_A_TIME: Final = 1000  # connections that wait for a worker to take them
STEADY_SECONDS: Final = 60.0  # a worker that lived that long has not died of how it was started
LONGEST_PAUSE: Final = 10.0  # before a worker that keeps dying is started once more
PAIR_SECONDS: Final = 0.5  # until two workers whose stream broke get another, if neither has died
SETTINGS_OCTETS: Final = MESSAGE_OCTETS - 1024
TOO_LARGE: Final = f"The settings are too large for several workers: at most {SETTINGS_OCTETS // 1024} KB"


class Hand:
    """A worker process, as the supervisor knows it."""

    def __init__(self, worker: int, process: asyncio.subprocess.Process, born: float) -> None:
        self.worker = worker
        self.process = process
        self.born = born
        self.channel: Channel
        self.counts: Counter[str] = Counter()  # of connections
        self.share = 0.0  # of the databases, that it writes to
        self.is_introduced = False
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.why_not = ""  # it could not start
        self.end = asyncio.ensure_future(process.wait())


class Supervisor:
    """Used from its event loop, which does nothing else."""

    def __init__(
        self, settings: Settings, workers: int, loop: asyncio.AbstractEventLoop, log: FilteringBoundLogger
    ) -> None:
        self.settings = settings
        self._workers = workers
        self._loop = loop
        self._log = log
        self._hands: dict[int, Hand] = {}
        self._links: dict[frozenset[int], int] = {}  # the number of the stream between two workers
        self._deaths: dict[int, int] = {}  # of each worker, one shortly after the other
        self._secret = SystemEntropy().token(KEY_OCTETS)
        self._proposed: Settings | None = None  # which a worker is trying
        self._is_stopping = False
        self._acceptor: Acceptor | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------------------------------ the beginning

    async def start(self) -> Callable[[], Awaitable[None]]:
        """Starts the workers and opens the doors; what ends all.  Raises DatabaseLocked, OutOfReach, CannotListen."""
        root = self.settings.server.data_dir
        if len(pickle.dumps(self.settings)) > SETTINGS_OCTETS:
            raise OutOfReach(TOO_LARGE)
        self._lock = sqlite.lock(root / "organization.db")
        try:
            hands = [await self._spawn(worker) for worker in range(self._workers)]
            # The first alone, with all that is done once: migrations, the certificate.
            await self._begin(hands[FIRST])
            await asyncio.gather(*map(self._begin, hands[FIRST + 1 :]))
            self._acceptor = Acceptor(listeners.opened(self.settings), self._loop, self._take)
        except BaseException:
            await self._end()
            raise
        PidFile(root).write()
        self._acceptor.open()
        self._log.info("server.ready", pid=os.getpid(), workers=self._workers)
        return self.stop

    async def _begin(self, hand: Hand) -> None:
        """Raises OutOfReach when the worker cannot start."""
        self._introduce(hand)
        await _either(hand.is_ready, hand.end)
        if not hand.is_ready.done():
            raise OutOfReach(hand.why_not or f"a worker ended as soon as it was started: {hand.process.returncode}")

    async def _spawn(self, worker: int) -> Hand:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "adapters.server.workers", str(theirs.fileno()), str(worker)),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
        hand = Hand(worker, process, self._loop.time())
        hand.channel = Channel(
            ours,
            self._loop,
            hear=lambda message, _: self._hear(hand, message),
            lost=lambda unsent: self._lost(hand, unsent),
        )
        self._hands[worker] = hand
        task = self._loop.create_task(self._watch(hand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return hand

    def _introduce(self, hand: Hand) -> None:
        """Tells a worker what it is, and who the others are."""
        settings = pickle.dumps(self.settings)
        hand.channel.say(Start(version("penfold"), hand.worker, self._workers, settings, self._secret))
        for other in self._hands.values():
            if other.is_introduced:
                self._pair(hand, other)
        hand.is_introduced = True

    def _pair(self, one: Hand, other: Hand) -> None:
        """A stream between two workers, in place of the one before."""
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        pair = frozenset((one.worker, other.worker))
        link = self._links[pair] = self._links.get(pair, 0) + 1
        one.channel.say(Join(other.worker, link), ends[0].detach())
        other.channel.say(Join(one.worker, link), ends[1].detach())

    def _pair_again(self, hand: Hand, lost: Lost) -> None:
        """Their stream is broken; if both are there nevertheless, they get another."""
        other = self._hands.get(lost.worker)
        is_newest = self._links.get(frozenset((hand.worker, lost.worker))) == lost.link
        if self._hands.get(hand.worker) is hand and other is not None and other.is_introduced and is_newest:
            self._pair(hand, other)

    # ------------------------------------------------------------------------------------------ workers

    def _hear(self, hand: Hand, message: Message) -> None:
        match message:
            case Ready(share=share):
                hand.share = share
                hand.is_ready.set_result(None)
                if self._acceptor is not None and not self._is_stopping:
                    self._acceptor.open()
            case Lost():
                self._loop.call_later(PAIR_SECONDS, self._pair_again, hand, message)
            case Renewed(refused=refused):
                self._renewed(hand, refused)
            case Failed(text=text):
                hand.why_not = text
            case Left(counts=counts):
                hand.counts.subtract(counts)
            case Drained():
                hand.is_drained.set_result(None)

    def _lost(self, hand: Hand, unsent: Sequence[tuple[Message, int | None]]) -> None:
        """A worker has gone: others take the connections that it was to take."""
        if self._hands.get(hand.worker) is hand:
            del self._hands[hand.worker]
        for message, descriptor in unsent:
            if descriptor is None:
                continue
            connection = socket.socket(fileno=descriptor)
            if isinstance(message, Take):
                self._take(message.door, connection)
            else:
                connection.close()

    async def _watch(self, hand: Hand) -> None:
        """Until a worker has ended; then another takes its place, unless all are to end."""
        code = await hand.end
        hand.channel.close()
        self._lost(hand, ())
        if self._is_stopping or not (hand.is_ready.done() or self._acceptor):
            return  # it could not begin: whoever waits for that is told
        self._log.error("worker.died", died=hand.worker, pid=hand.process.pid, code=code, reason=hand.why_not)
        if not self._ready() and self._acceptor is not None:
            self._acceptor.shut()
        await asyncio.sleep(self._pause(hand))
        while not self._is_stopping:
            try:
                self._introduce(await self._spawn(hand.worker))
            except OSError as fault:  # there is no room for a process or a descriptor
                self._log.error("worker.not-started", wanted=hand.worker, reason=str(fault))
                await asyncio.sleep(LONGEST_PAUSE)
            else:
                return

    def _pause(self, hand: Hand) -> float:
        """How long to wait before a worker is started anew: longer and longer if it keeps dying."""
        is_steady = self._loop.time() - hand.born >= STEADY_SECONDS
        deaths = self._deaths[hand.worker] = 0 if is_steady else self._deaths.get(hand.worker, -1) + 1
        return min(2.0**deaths / 10, LONGEST_PAUSE) if deaths else 0.0

    def renew(self, settings: Settings) -> None:
        """Other settings for those who come from now on, if one worker can use them: then all can."""
        if len(pickle.dumps(settings)) > SETTINGS_OCTETS:
            self._log.error("settings.refused", reason=TOO_LARGE)
        elif ready := self._ready():
            self._proposed = settings
            ready[0].channel.say(Renew(pickle.dumps(settings)))

    def _renewed(self, hand: Hand, refused: str | None) -> None:
        settings, self._proposed = self._proposed, None
        if settings is None or refused is not None:
            return
        self.settings = settings
        for other in self._hands.values():
            if other is not hand and other.is_introduced:
                other.channel.say(Renew(pickle.dumps(settings)))

    # ------------------------------------------------------------------------------------------ connections

    def _ready(self) -> list[Hand]:
        hands = (hand for hand in self._hands.values() if hand.is_ready.done())
        return [hand for hand in hands if hand.channel.waiting < HANDED_AT_A_TIME]

    def _take(self, door: str, connection: socket.socket) -> None:
        if not (ready := self._ready()):
            connection.close()
            return
        counted = SESSIONS.get(door, "")
        hand = chosen(ready, counted)
        if counted:
            hand.counts[counted] += 1
        hand.channel.say(Take(door), connection.detach())

    # ------------------------------------------------------------------------------------------ the end

    async def stop(self) -> None:
        """Takes no more, lets what runs come to its end in all workers, and ends them."""
        self._log.info("server.stopping")
        await self._end()
        self._log.info("server.stopped")

    async def _end(self) -> None:
        self._is_stopping = True
        if self._acceptor is not None:
            self._acceptor.close()
        hands = list(self._hands.values())
        for hand in hands:
            if hand.is_ready.done():
                hand.channel.say(Drain())
            else:
                hand.process.kill()  # nobody has been told anything by it
        # What ends in one worker may have to be written by another.
        await _all((hand.is_drained for hand in hands), hands, DRAIN_SECONDS)
        for hand in hands:
            hand.channel.say(Close())
        await _all((hand.end for hand in hands), hands, CLOSE_SECONDS)
        for hand in hands:
            if not hand.end.done():
                self._log.error("worker.killed", killed=hand.worker, pid=hand.process.pid)
                hand.process.kill()
                await hand.end
        if self._acceptor is not None:
            PidFile(self.settings.server.data_dir).remove()
        self._lock.close()


class Loaded(Protocol):
    """A worker, as far as it matters for who is given a connection."""

    worker: int
    counts: Counter[str]
    share: float


H = TypeVar("H", bound=Loaded)


def chosen(ready: Sequence[H], counted: str) -> H:
    """Who has fewest of what is counted; of several the first, so that who comes next finds what is in memory there.

    Mail ends in a database: who writes to all of them has about as much to do with what others have taken in as with
    its own, so its own counts twice.
    """

    def load(hand: H) -> float:
        return (hand.counts[counted] + 1) * (1 + hand.share * (counted == "mail"))

    return min(ready, key=lambda hand: (load(hand) if counted else 0, hand.worker))


async def _all(awaited: Iterable[asyncio.Future[Any]], hands: Sequence[Hand], seconds: float) -> None:
    """Waits until something has come of each worker, or it has ended."""
    each = [asyncio.ensure_future(_either(future, hand.end)) for future, hand in zip(awaited, hands, strict=True)]
    if each:
        await asyncio.wait(each, timeout=seconds)


async def _either(one: asyncio.Future[Any], other: asyncio.Future[Any]) -> None:
    await asyncio.wait([one, other], return_when=asyncio.FIRST_COMPLETED)
