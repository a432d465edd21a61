"""The other workers of the same server, as one worker knows them.

What flows between two: commands for the one who owns a database, and what came of them; what its groups changed; who is
connected; and questions that an administrator has to all.
"""

import asyncio
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from adapters.bus import messages
from adapters.bus.frames import BrokenFrame, framed
from adapters.bus.link import Link
from adapters.bus.messages import Answered, Asked, Changed, Counted, Message, Missing, SignIn, Submitted, Verified
from adapters.net.census import Census
from adapters.server.workers.place import Place
from adapters.stores.writer import QUEUE_COMMANDS, QUEUE_OCTETS, Done
from core.commands import Command
from core.errors import Busy, LimitExceeded, Refusal, Unavailable
from core.ports import EventLog

ANSWER_SECONDS = 10.0  # that an administrator's question waits for a worker
THREADS = 2  # for questions, and for looking at what was missed

T = TypeVar("T")


class Owned(Protocol):
    """A database that this worker writes to."""

    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None: ...


class Pending(Struct, frozen=True):
    """A command or a question that another worker has not answered."""

    link: Link
    done: Callable[[Answered | None], None]  # None: there will be no answer
    database_id: int = 0
    octets: int = 0
    answer: asyncio.Future[Answered | None] | None = None  # of a question


class Peers:
    """Used from the event loop, except where a method says so."""

    def __init__(self, place: Place, loop: asyncio.AbstractEventLoop, log: EventLog) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "peers")
        self.place = place
        self.census = Census(self._count)
        self.owned: Mapping[int, Owned] = {}
        # What this worker does with what it hears; they are set before anybody joins.
        self.on_changes: Callable[[Changed], None] = lambda changed: None
        self.on_missing: Callable[[int], Awaitable[None]] = _nothing
        self.on_lost: Callable[[int, int], None] = lambda worker, link: None  # with the number of the link
        self.on_sign_in: Callable[[SignIn], None] = lambda told: None
        self.on_verified: Callable[[bytes], None] = lambda digest: None
        self.questions: Mapping[str, Callable[[Any], Any]] = {}  # answered on threads
        self._loop = loop
        self._log = log
        self._thread = threading.get_ident()
        self._links: dict[int, Link] = {}
        self._pending: dict[int, Pending] = {}
        self._octets = 0  # of commands that are pending
        self._numbers = itertools.count(1)
        self._is_ending = False
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------------------------------ links

    async def join(self, worker: int, number: int, stream: socket.socket) -> None:
        """From now on another worker is at the other end of this stream; what was missed is made up for first."""
        link = Link(worker, hear=self._heard, lost=partial(self._lost, number))
        link.hold()
        await self._loop.connect_accepted_socket(lambda: link, stream)
        before, self._links[worker] = self._links.get(worker), link
        if before is not None:
            before.abort("There is a new one")
        self.census.forget(worker)
        for kind, key, count in self.census.here():
            link.say(Counted(kind, key, count))
        self._catch_up(link)

    def _catch_up(self, link: Link) -> None:
        link.hold()
        task = self._loop.create_task(self._caught_up(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _caught_up(self, link: Link) -> None:
        try:
            await self.on_missing(link.peer)
        except Exception:  # noqa: BLE001 - what follows must be heard all the same
            self._log.exception("worker.missing", worker=link.peer)
        link.release()

    def _lost(self, number: int, link: Link, reason: str) -> None:
        if not self._is_ending:
            self._log.warning("worker.lost", lost=link.peer, reason=reason)
        if self._links.get(link.peer) is link:
            del self._links[link.peer]
            self.census.forget(link.peer)
            self.on_lost(link.peer, number)
        for number, pending in tuple(self._pending.items()):
            if pending.link is link:
                self._settle(number, None)

    def end(self) -> None:
        """The others will end soon too: that is no fault."""
        self._is_ending = True

    def close(self) -> None:
        """Ends all links."""
        for link in tuple(self._links.values()):
            link.abort("")
        self._threads.shutdown(wait=False)

    async def on_thread(self, run: Callable[[], T]) -> T:
        """Has something done that takes its time."""
        return await self._loop.run_in_executor(self._threads, run)

    # ------------------------------------------------------------------------------------------ saying

    def tell(self, frame: Callable[[], bytes]) -> None:
        """What a group of commands has changed; the frame is made if there is anybody to tell."""
        if not self._links:
            return
        try:
            octets = frame()
        except BrokenFrame:  # there is more than goes into one
            for link in self._links.values():
                link.leave_out()
            return
        for link in self._links.values():
            link.tell(octets)

    @property
    def count(self) -> int:
        """How many others there are."""
        return len(self._links)

    def say_from_thread(self, message: Message) -> None:
        """To all, from any thread."""
        if self._links:
            self._loop.call_soon_threadsafe(self.say, message)

    def say(self, message: Message) -> None:
        """To all."""
        for link in self._links.values():
            link.say(message)

    def _count(self, kind: str, key: str | int, more: int) -> None:
        self.say(Counted(kind, key, more))

    # ------------------------------------------------------------------------------------------ commands for others

    def submit(self, database_id: int, command: Command, done: Done, *, bulk: bool) -> None:
        """Has the owner of a database carry a command out.  Raises Busy, Unavailable, LimitExceeded."""
        if (link := self._links.get(self.place.owner(database_id))) is None:
            raise Unavailable("The mailbox database is being opened")
        number = next(self._numbers)
        try:
            frame = framed(messages.encoded(Submitted(number, database_id, bulk, command)))
        except BrokenFrame as too_long:
            raise LimitExceeded("The command is too large") from too_long
        if len(self._pending) >= QUEUE_COMMANDS or self._octets + len(frame) > QUEUE_OCTETS:
            raise Busy("The database has too much work waiting")
        self._octets += len(frame)
        self._pending[number] = Pending(link, partial(_finish, type(command), done), database_id, len(frame))
        link.send(frame)

    def submit_from_thread(self, database_id: int, command: Command, done: Done, *, bulk: bool) -> None:
        """The same from any other thread; what cannot be taken is told to `done`."""

        def submit() -> None:
            try:
                self.submit(database_id, command, done, bulk=bulk)
            except Exception as fault:  # noqa: BLE001 - whoever waits must hear of it
                done(None, fault)

        self._loop.call_soon_threadsafe(submit)

    def waiting(self, database_id: int) -> int:
        """Commands for a database of another worker that have not been answered; from any thread."""
        return sum(pending.database_id == database_id for pending in tuple(self._pending.values()))

    def _settle(self, number: int, answered: Answered | None) -> None:
        if (pending := self._pending.pop(number, None)) is None:
            return
        self._octets -= pending.octets
        try:
            pending.done(answered)
        except Exception:  # noqa: BLE001 - whoever waited has a fault; the others must hear theirs
            self._log.exception("worker.answer")

    # ------------------------------------------------------------------------------------------ hearing

    def _heard(self, link: Link, message: Message) -> None:
        try:
            self._hear(link, message)
        except Exception:  # noqa: BLE001 - a fault at one message; the others must be heard
            self._log.exception("worker.hear", kind=type(message).__name__)
            self._catch_up(link)

    def _hear(self, link: Link, message: Message) -> None:
        match message:
            case Submitted():
                self._carry_out(link, message)
            case Changed():
                self.on_changes(message)
            case Answered():
                self._settle(message.number, message)
            case Counted(kind=kind, key=key, more=more):
                self.census.heard(link.peer, kind, key, more)
            case Asked():
                self._threads.submit(self._reply, link, message)
            case SignIn():
                self.on_sign_in(message)
            case Verified(digest=digest):
                self.on_verified(digest)
            case Missing():
                self._catch_up(link)

    def _carry_out(self, link: Link, submitted: Submitted) -> None:
        def done(result: object, error: BaseException | None) -> None:
            try:
                link.say(messages.answer(submitted.number, result, error))
            except BrokenFrame as too_long:
                link.say(messages.answer(submitted.number, None, too_long))

        database = self.owned.get(submitted.database_id)
        if database is None:
            done(None, Unavailable("The mailbox database is not mounted"))
            return
        try:
            database.submit(submitted.command, done, bulk=submitted.bulk)
        except Refusal as refusal:
            done(None, refusal)

    def _reply(self, link: Link, asked: Asked) -> None:
        """On a thread."""
        try:
            answered = messages.answer(
                asked.number, self.questions[asked.what](msgspec.msgpack.decode(asked.arguments)), None
            )
        except Refusal as refusal:
            self._log.warning("worker.refused", what=asked.what, reason=str(refusal))
            answered = messages.answer(asked.number, None, refusal)
        except Exception as fault:  # noqa: BLE001 - whoever asked must hear of it
            self._log.exception("worker.question", what=asked.what)
            answered = messages.answer(asked.number, None, fault)
        self._loop.call_soon_threadsafe(link.say, answered)

    # ------------------------------------------------------------------------------------------ questions to all

    def ask_all(self, what: str, arguments: Any = None) -> list[Any]:
        """The answers of all other workers that give one, as plain values.  From a thread."""
        if not self._links:
            return []
        assert threading.get_ident() != self._thread, "the event loop must not wait for others"
        asking = self._ask_all(what, Raw(msgspec.msgpack.encode(arguments)))
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()

    async def _ask_all(self, what: str, arguments: Raw) -> list[Any]:
        answers = [self._ask(link, what, arguments) for link in tuple(self._links.values())]
        if not answers:
            return []
        done, late = await asyncio.wait(answers, timeout=ANSWER_SECONDS)
        if late:
            self._log.warning("worker.late", what=what, count=len(late))
            self._pending = {number: some for number, some in self._pending.items() if some.answer not in late}
        heard = [future.result() for future in answers if future in done]
        return [msgspec.msgpack.decode(answer.result) for answer in heard if answer is not None and not answer.refused]

    def _ask(self, link: Link, what: str, arguments: Raw) -> asyncio.Future[Answered | None]:
        answer: asyncio.Future[Answered | None] = self._loop.create_future()
        number = next(self._numbers)
        self._pending[number] = Pending(link, partial(_put, answer), answer=answer)
        link.say(Asked(number, what, arguments))
        return answer


async def _nothing(worker: int) -> None:
    pass


def _put(answer: asyncio.Future[Answered | None], answered: Answered | None) -> None:
    if not answer.done():
        answer.set_result(answered)


def _finish(kind: type, done: Done, answered: Answered | None) -> None:
    """Tells whoever waits for a command what became of it."""
    if answered is None:
        done(None, Unavailable("The worker that writes to this database has ended"))
        return
    if answered.refused is not None:
        done(None, messages.refusal(answered.refused))
        return
    try:
        result = messages.result(kind, answered.result)
    except msgspec.MsgspecError as wrong:
        done(None, wrong)
    else:
        done(result, None)
