"""The workers of one server: what the supervisor hands them, and what they do for each other."""

import asyncio
import errno
import itertools
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.blobs.packs import Packs
from adapters.bus.link import changed
from adapters.bus.messages import Changed, Counted, FarFault, Missing, SignIn
from adapters.directory.throttle import FREE_FOR_NAME
from adapters.server.config import Server, Settings
from adapters.server.installation import Installation
from adapters.server.workers import channel
from adapters.server.workers.channel import Channel, Drain, Join, Left, Lost, Message, Renew, Start, Take
from adapters.server.workers.company import Company
from adapters.server.workers.peers import Peers
from adapters.server.workers.place import ALONE, Place
from adapters.server.workers.remote import RemoteDatabase
from adapters.stores.database import MailboxDatabase
from adapters.stores.writer import Done
from core import loading
from core.changes import Change, FolderChange, FolderRemoved, MailboxRemoved, Missed, TreeChange
from core.commands import Append, Command, CreateFolder, CreateMailbox, Filing, Flags, NewFolder, SweepDeliveries
from core.errors import Busy, FolderExists, LimitExceeded, NoSuchFolder, Unavailable
from core.folders import find
from core.model import Folder, MailboxId
from core.watching import Watch
from tests.adapters.test_control import Log
from tests.support.store import MORNING, ONE, TWO, TestClock, incoming
from tests.support.views import Listener, held


class News:
    """Something has happened."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._event.clear()
            await self._event.wait()


async def turns() -> None:
    """The event loop does what it has to do."""
    for _ in range(10):
        await asyncio.sleep(0)


# ---------------------------------------------------------------------------------------------- the channel


class End:
    """One end of a channel."""

    def __init__(self, end: socket.socket) -> None:
        self.news = News()
        self.heard: list[tuple[Message, int | None]] = []
        self.lost: list[Sequence[tuple[Message, int | None]]] = []
        self.channel = Channel(end, asyncio.get_running_loop(), hear=self._hear, lost=self._lost)

    def _hear(self, message: Message, descriptor: int | None) -> None:
        self.heard.append((message, descriptor))
        self.news.tell()

    def _lost(self, unsent: Sequence[tuple[Message, int | None]]) -> None:
        self.lost.append(unsent)
        self.news.tell()

    async def hears(self, count: int) -> list[tuple[Message, int | None]]:
        await self.news.until(lambda: len(self.heard) >= count)
        return self.heard


Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


class Pipe:
    """A descriptor to hand over; `is_closed` says whether anybody has it still."""

    def __init__(self) -> None:
        self._reading, self.descriptor = os.pipe()
        os.set_blocking(self._reading, False)

    def is_closed(self) -> bool:
        try:
            return os.read(self._reading, 100) == b""
        except BlockingIOError:
            return False

    def read(self) -> bytes:
        return os.read(self._reading, 100)

    def close(self) -> None:
        os.close(self._reading)


@pytest.fixture
def pipes() -> Iterator[list[Pipe]]:
    pipes = [Pipe() for _ in range(40)]
    yield pipes
    for pipe in pipes:
        pipe.close()
        try:
            os.close(pipe.descriptor)
        except OSError:
            continue


async def test_messages_come_apart_and_in_order_with_their_descriptors(ends: Ends) -> None:
    one, other = map(End, ends)
    pipe = Pipe()
    said: list[Message] = [Start("1", 0, 2, b"x" * 50_000, b"secret"), Join(1, 7), Take("imap"), Drain(), Renew(b"y")]
    for message in said:
        one.channel.say(message, pipe.descriptor if message == Take("imap") else None)
    other.channel.say(Lost(1, 7))
    heard = await other.hears(len(said))
    assert [message for message, _ in heard] == said
    assert [message for message, descriptor in heard if descriptor is not None] == [Take("imap")]
    assert await one.hears(1) == [(Lost(1, 7), None)]
    descriptor = heard[2][1]
    assert descriptor is not None
    os.write(descriptor, b"hello")
    assert pipe.read() == b"hello"
    os.close(descriptor)
    assert pipe.is_closed(), "the end that said it has closed its own"
    pipe.close()
    one.channel.close()
    await other.news.until(lambda: bool(other.lost))
    assert one.lost == []
    assert other.lost == [()]


async def test_what_the_other_end_does_not_take_waits_for_it(ends: Ends) -> None:
    ours, theirs = ends
    end, said = End(ours), [Renew(bytes([number]) * 20_000) for number in range(40)]
    for message in said:
        end.channel.say(message)
    assert end.channel.waiting > 0
    loop = asyncio.get_running_loop()
    theirs.setblocking(False)
    octets = [await loop.sock_recv(theirs, channel.MESSAGE_OCTETS) for _ in said]
    assert [channel._DECODER.decode(each) for each in octets] == said
    assert end.channel.waiting == 0
    end.channel.close()


async def test_descriptors_that_wait_are_closed_with_the_channel(ends: Ends, pipes: list[Pipe]) -> None:
    ours, theirs = ends
    end = End(ours)
    for pipe in pipes:
        end.channel.say(Renew(b"x" * 20_000), pipe.descriptor)
    assert end.channel.waiting > 0
    end.channel.close()
    theirs.close()
    assert all(pipe.is_closed() for pipe in pipes)
    assert end.channel.waiting == 0
    end.channel.close()
    assert end.lost == []


async def test_what_was_not_sent_when_the_other_end_goes_is_given_back(ends: Ends, pipes: list[Pipe]) -> None:
    ours, theirs = ends
    end = End(ours)
    for pipe in pipes:
        end.channel.say(Renew(b"x" * 20_000), pipe.descriptor)
    waiting = end.channel.waiting
    theirs.close()
    await end.news.until(lambda: bool(end.lost))
    (unsent,) = end.lost
    assert len(unsent) == waiting > 0
    assert [descriptor for _, descriptor in unsent] == [pipe.descriptor for pipe in pipes[-waiting:]]
    assert [pipe.is_closed() for pipe in pipes] == [True] * (len(pipes) - waiting) + [False] * waiting


async def test_descriptors_that_come_are_for_no_other_program(ends: Ends, pipes: list[Pipe]) -> None:
    one, other = map(End, ends)
    one.channel.say(Take("imap"), pipes[0].descriptor)
    ((_, descriptor),) = await other.hears(1)
    assert descriptor is not None
    is_inherited = os.get_inheritable(descriptor)
    os.close(descriptor)
    one.channel.close()
    other.channel.close()
    assert not is_inherited


async def test_what_the_kernel_has_no_room_for_is_tried_again_in_a_moment(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not at once: the loop would do nothing else, though the other end could take it."""
    faults = [BlockingIOError(), *[OSError(errno.ETOOMANYREFS, "Too many references")] * 1_000]
    tries = 0

    def fails(*message: Any) -> None:
        nonlocal tries
        tries += 1
        raise faults.pop(0)

    monkeypatch.setattr(socket, "send_fds", fails)
    end = End(ends[0])
    end.channel.say(Left({"mail": 1}))
    await turns()
    end.channel.close()
    assert tries == 2


async def test_what_is_said_after_the_end_has_its_descriptor_closed(ends: Ends, pipes: list[Pipe]) -> None:
    """Or a client would wait for a worker that is no more."""
    end = End(ends[0])
    end.channel.close()
    end.channel.say(Take("imap"), pipes[0].descriptor)
    assert pipes[0].is_closed()


def test_a_worker_waits_for_its_first_message_and_knows_when_there_is_none(ends: Ends) -> None:
    ours, theirs = ends
    channel.tell(ours, Left({"mail": 1}))
    assert channel.received(theirs) == Left({"mail": 1})
    ours.close()
    with pytest.raises(EOFError):
        channel.received(theirs)


# ---------------------------------------------------------------------------------------------- peers


class Worker:
    """One worker of several in this process, with what it heard, in order."""

    def __init__(self, number: int, count: int) -> None:
        self.number = number
        self.news = News()
        self.heard: list[Any] = []
        self.log = Log()
        self.peers = Peers(Place(number, count), asyncio.get_running_loop(), self.log)
        self.peers.on_changes = lambda told: self.hear(told.changes)
        self.peers.on_sign_in = self.hear

    def hear(self, what: Any) -> None:
        self.heard.append(what)
        self.news.tell()

    def publish(self, changes: Sequence[Change]) -> None:
        self.peers.tell(lambda: changed(changes))

    def open(self, path: Path) -> MailboxDatabase:
        return MailboxDatabase(
            path / "mail.db",
            Packs(path / "packs"),
            at=MORNING,
            publish=self.publish,
            post=asyncio.get_running_loop().call_soon_threadsafe,
            fault=self.hear,
        )

    def done(self, result: object, error: BaseException | None) -> None:
        self.hear(result if error is None else error)

    def submit(self, command: Command, *, database_id: int = 1) -> None:
        self.peers.submit(database_id, command, self.done, bulk=False)

    async def hears(self, count: int) -> list[Any]:
        await self.news.until(lambda: len(self.heard) >= count)
        return self.heard

    def link(self, other: "Worker") -> Any:
        return self.peers._links[other.number]

    def cut(self, other: "Worker") -> Awaitable[None]:
        """The stream between the two ends; until both know."""
        self.link(other).abort("cut")
        return asyncio.wait_for(_until_parted(self, other), None)


async def _until_parted(one: Worker, other: Worker) -> None:
    while other.number in one.peers._links or one.number in other.peers._links:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)


STREAMS = itertools.count(1)


async def meet(one: Worker, other: Worker) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    number = next(STREAMS)
    await asyncio.gather(one.peers.join(other.number, number, ours), other.peers.join(one.number, number, theirs))


async def settled(*workers: Worker) -> None:
    """All that was missed is made up for."""
    for worker in workers:
        await asyncio.gather(*worker.peers._tasks)


@pytest.fixture
async def two() -> AsyncIterator[tuple[Worker, Worker]]:
    """The first owns database 1, the second database 2."""
    one, other = Worker(0, 2), Worker(1, 2)
    await meet(one, other)
    yield one, other
    for worker in (one, other):
        worker.peers.end()
        worker.peers.close()
    await _until_parted(one, other)


Two = tuple[Worker, Worker]


class Slow:
    """A database whose commands are done when the test says so."""

    def __init__(self) -> None:
        self.news = News()
        self.taken: list[tuple[Command, Done, bool]] = []
        self.refusal: Exception | None = None

    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.taken.append((command, done, bulk))
        self.news.tell()

    async def takes(self, count: int) -> None:
        await self.news.until(lambda: len(self.taken) >= count)


SWEEP = SweepDeliveries(0, 1)


def making(path: str) -> CreateFolder:
    return CreateFolder(ONE, NewFolder(path), MORNING)


MAKING_ONE = CreateMailbox(ONE, b"g" * 16, (NewFolder("INBOX"),), MORNING)


async def test_a_command_is_carried_out_by_who_owns_the_database_and_heard_of_before_its_answer(
    two: Two, tmp_path: Path
) -> None:
    """So that a client reads its own writes."""
    owner, other = two
    database = owner.open(tmp_path)
    owner.peers.owned = {1: database}
    other.submit(MAKING_ONE)
    other.submit(making("a"))
    other.submit(making("a"))
    other.submit(making("b"))
    await other.news.until(lambda: len([what for what in other.heard if not isinstance(what, tuple)]) == 4)
    told = [change for what in other.heard if isinstance(what, tuple) for change in what]
    answers = [what for what in other.heard if not isinstance(what, tuple)]
    assert told == [TreeChange(ONE)] * 2
    assert [type(answer) for answer in answers] == [type(None), Folder, FolderExists, Folder]
    assert [answer.name for answer in answers if isinstance(answer, Folder)] == ["a", "b"]
    for n_made, folder in enumerate((answers[1], answers[3]), 1):
        before = other.heard[: other.heard.index(folder)]
        assert sum(len(what) for what in before if isinstance(what, tuple)) >= n_made
    assert other.peers.waiting(1) == 0
    assert owner.heard == []
    database.close()


async def test_a_database_of_another_is_read_here_and_written_to_there(two: Two, tmp_path: Path) -> None:
    owner, other = two
    database = owner.open(tmp_path)
    owner.peers.owned = {1: database}
    remote = RemoteDatabase(1, tmp_path / "mail.db", Packs(tmp_path / "packs"), other.peers)
    await asyncio.to_thread(remote.write, MAKING_ONE)
    folder = await asyncio.to_thread(remote.write, making("a"))
    with pytest.raises(FolderExists, match="already"):
        await asyncio.to_thread(remote.write, making("a"))
    with remote.read() as tx:
        assert find(tx, ONE, "a") == folder
    assert remote.waiting() == 0
    remote.submit(making("b"), other.done)
    assert remote.waiting() == 1
    await other.news.until(lambda: any(isinstance(what, Folder) for what in other.heard))
    await other.cut(owner)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(remote.write, making("c"))
    remote.close()
    database.close()


async def test_how_urgent_a_command_is_is_told_too(two: Two) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}
    for bulk in (True, False):
        other.peers.submit(1, SWEEP, other.done, bulk=bulk)
    await database.takes(2)
    assert [(command, bulk) for command, _, bulk in database.taken] == [(SWEEP, True), (SWEEP, False)]
    assert other.peers.waiting(1) == 2
    assert other.peers.waiting(3) == 0
    for _, done, _ in reversed(database.taken):
        done(len(other.heard), None)
        await other.hears(len(other.heard) + 1)
    assert other.heard == [0, 1], "each answer is that of its own command"


@pytest.mark.parametrize("refusal", [Busy("Too much"), Unavailable("Closing")])
async def test_what_the_owner_does_not_take_is_refused(two: Two, refusal: Exception) -> None:
    owner, other = two
    database = Slow()
    database.refusal = refusal
    owner.peers.owned = {1: database}
    other.submit(SWEEP)
    (heard,) = await other.hears(1)
    assert (type(heard), str(heard)) == (type(refusal), str(refusal))


async def test_a_fault_at_the_owner_is_a_fault_without_its_text(two: Two) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}
    other.submit(SWEEP)
    await database.takes(1)
    database.taken[0][1](None, LookupError("secret"))
    (heard,) = await other.hears(1)
    assert isinstance(heard, FarFault)
    assert "secret" not in str(heard)


async def test_a_database_that_the_owner_does_not_have_is_unavailable(two: Two) -> None:
    two[1].submit(SWEEP, database_id=3)
    (heard,) = await two[1].hears(1)
    assert type(heard) is Unavailable


async def test_too_much_that_waits_is_refused_until_some_is_answered(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}
    monkeypatch.setattr("adapters.server.workers.peers.QUEUE_COMMANDS", 2)
    other.submit(SWEEP)
    other.submit(SWEEP)
    with pytest.raises(Busy):
        other.submit(SWEEP)
    await database.takes(2)
    database.taken[0][1](7, None)
    await other.hears(1)
    other.submit(SWEEP)
    await database.takes(3)


async def test_too_many_octets_that_wait_are_refused_until_some_are_answered(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}
    monkeypatch.setattr("adapters.server.workers.peers.QUEUE_OCTETS", 3_000)
    large = Append(ONE, "INBOX", (Filing(incoming(os.urandom(2_000)), Flags(), 0, 0),), 0)
    other.submit(large)
    with pytest.raises(Busy):
        other.submit(large)
    other.submit(SWEEP)
    await database.takes(2)
    database.taken[0][1](None, NoSuchFolder("gone"))
    await other.hears(1)
    other.submit(large)
    assert other.peers.waiting(1) == 2
    await other.cut(owner)
    assert other.peers._octets == 0


async def test_a_command_that_fits_in_no_frame_is_refused(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.bus.frames.FRAME_OCTETS", 1_000)
    with pytest.raises(LimitExceeded):
        two[1].submit(making("a" * 1_000))
    assert two[1].peers.waiting(1) == 0


async def test_what_is_pending_when_a_stream_ends_fails_and_all_else_until_there_is_another(two: Two) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}
    other.submit(SWEEP)
    other.submit(SWEEP)
    await database.takes(2)
    await other.cut(owner)
    assert [type(heard) for heard in other.heard] == [Unavailable, Unavailable]
    assert other.peers.waiting(1) == 0
    with pytest.raises(Unavailable):
        other.submit(SWEEP)
    other.peers.submit_from_thread(1, SWEEP, other.done, bulk=False)
    await other.hears(3)
    assert type(other.heard[2]) is Unavailable
    assert "worker.lost" in [event for event, _ in other.log.events]
    database.taken[0][1](7, None)  # too late, and for nobody
    await meet(owner, other)
    other.submit(SWEEP)
    await database.takes(3)
    database.taken[2][1](8, None)
    assert (await other.hears(4))[3:] == [8]


async def test_a_new_stream_takes_the_place_of_the_one_before(two: Two) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}
    other.submit(SWEEP)
    await database.takes(1)
    before = other.link(owner)
    await meet(owner, other)
    assert type((await other.hears(1))[0]) is Unavailable
    assert not before.is_open
    other.submit(SWEEP)
    await database.takes(2)
    database.taken[1][1](8, None)
    assert (await other.hears(2))[1:] == [8]


async def test_a_stream_that_has_ended_before_it_is_joined_leaves_nobody_waiting() -> None:
    worker = Worker(1, 2)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.close()
    await worker.peers.join(0, 7, ours)
    try:
        worker.submit(SWEEP)
    except Unavailable as refusal:
        worker.hear(refusal)
    (heard,) = await worker.hears(1)
    assert type(heard) is Unavailable


async def test_who_fails_over_an_answer_keeps_others_from_none(two: Two) -> None:
    owner, other = two
    database = Slow()
    owner.peers.owned = {1: database}

    def fails(result: object, error: BaseException | None) -> None:
        raise LookupError

    for done in (fails, other.done, fails):
        other.peers.submit(1, SWEEP, done, bulk=False)
    await database.takes(3)
    database.taken[0][1](1, None)
    database.taken[1][1](2, None)
    assert await other.hears(1) == [2]
    other.submit(SWEEP)
    await other.cut(owner)
    assert [type(heard) for heard in other.heard] == [int, Unavailable]
    assert [event for event, _ in other.log.events].count("worker.answer") == 2


async def test_who_fails_over_what_he_hears_hears_the_rest_and_looks_at_what_he_has_missed(two: Two) -> None:
    """Of a database of one's own only those changes would be lost."""
    owner, other = two

    def fails(told: Changed) -> None:
        other.hear(told.changes)
        if told.changes == (MailboxRemoved(ONE),):
            raise LookupError

    async def make_up(worker: int) -> None:
        other.hear(worker)

    other.peers.on_changes, other.peers.on_missing = fails, make_up
    owner.publish([MailboxRemoved(ONE)])
    owner.publish([MailboxRemoved(TWO)])
    assert await other.hears(3) == [(MailboxRemoved(ONE),), 0, (MailboxRemoved(TWO),)]
    assert [event for event, _ in other.log.events] == ["worker.hear"]


async def test_who_has_lost_a_stream_says_so_unless_there_is_another(two: Two) -> None:
    """So that the supervisor makes one."""
    owner, other = two
    lost: list[tuple[int, int]] = []
    other.peers.on_lost = lambda *stream: lost.append(stream)
    await meet(owner, other)
    await turns()
    assert lost == []
    number = next(STREAMS) - 1
    await other.cut(owner)
    assert lost == [(owner.number, number)]


async def test_changes_that_fit_in_no_frame_are_told_of_as_missing(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = two

    async def make_up(worker: int) -> None:
        other.hear(worker)

    other.peers.on_missing = make_up
    monkeypatch.setattr("adapters.bus.frames.FRAME_OCTETS", 1_000)
    owner.publish([MailboxRemoved(ONE)] * 1_000)
    await turns()
    assert other.heard == [0]


# ---------------------------------------------------------------------------------------------- making up, counting


async def test_what_was_missed_is_made_up_for_before_anything_is_heard() -> None:
    """At joining, and whenever the other one owns up to have left something out."""
    owner, other = Worker(0, 2), Worker(1, 2)
    may_end = asyncio.Event()

    async def make_up(worker: int) -> None:
        other.hear("begin")
        await may_end.wait()
        may_end.clear()
        other.hear(worker)

    other.peers.on_missing = make_up
    await meet(owner, other)
    owner.publish([MailboxRemoved(ONE)])
    await turns()
    assert await other.hears(1) == ["begin"]
    may_end.set()
    assert await other.hears(3) == ["begin", 0, (MailboxRemoved(ONE),)]
    owner.peers.say(Missing())
    owner.publish([MailboxRemoved(ONE)])
    await other.hears(4)
    await turns()
    assert other.heard[3:] == ["begin"]
    may_end.set()
    assert (await other.hears(6))[3:] == ["begin", 0, (MailboxRemoved(ONE),)]
    await other.cut(owner)


async def test_who_cannot_make_up_hears_what_follows_all_the_same() -> None:
    owner, other = Worker(0, 2), Worker(1, 2)

    async def fails(worker: int) -> None:
        raise LookupError

    other.peers.on_missing = fails
    await meet(owner, other)
    owner.publish([MailboxRemoved(ONE)])
    assert await other.hears(1) == [(MailboxRemoved(ONE),)]
    assert other.log.events == [("worker.missing", {"worker": 0})]
    await other.cut(owner)


async def test_who_is_connected_is_told_at_joining_and_from_then_on(two: Two) -> None:
    one, other = two
    one.peers.census.add("address", "a", 2)
    third = Worker(2, 3)
    await meet(one, third)
    one.peers.census.add("address", "a")
    third.peers.census.add("address", "a", 4)
    one.peers.say(SignIn("a", "ada", succeeded=True))
    third.peers.say(SignIn("a", "ada", succeeded=False))
    await other.hears(1)
    await third.hears(1)
    await one.hears(1)
    assert [worker.peers.census.total("address", "a") for worker in (one, other, third)] == [7, 3, 7]
    await one.cut(third)
    assert [worker.peers.census.total("address", "a") for worker in (one, other, third)] == [3, 3, 4]
    await meet(one, third)
    one.peers.say(SignIn("a", "bob", succeeded=True))
    third.peers.say(SignIn("a", "bob", succeeded=True))
    await third.hears(2)
    await one.hears(2)
    assert [worker.peers.census.total("address", "a") for worker in (one, third)] == [7, 7]
    assert one.heard == [SignIn("a", "ada", succeeded=False), SignIn("a", "bob", succeeded=True)]
    await one.cut(third)
    assert Counted not in {type(heard) for heard in one.heard}


# ---------------------------------------------------------------------------------------------- questions


async def test_a_question_is_answered_by_all_who_have_an_answer() -> None:
    """Who refuses or fails is left out; what is asked and answered are plain values."""
    workers = [Worker(number, 4) for number in range(4)]
    asker, *others = workers

    def refuses(arguments: Any) -> Any:
        raise Unavailable("Not now")

    def fails(arguments: Any) -> Any:
        raise LookupError

    for worker, reply in zip(others, (lambda arguments: [*arguments, None], refuses, fails), strict=True):
        worker.peers.questions = {"what": reply}
        await meet(asker, worker)
    assert await asyncio.to_thread(asker.peers.ask_all, "what", [1, "x"]) == [[1, "x", None]]
    assert await asyncio.to_thread(asker.peers.ask_all, "nothing that anybody knows") == []
    assert [event for event, _ in others[0].log.events] == ["worker.question"]
    assert [event for event, _ in others[1].log.events] == ["worker.refused", "worker.question"]
    assert [event for event, _ in others[2].log.events] == ["worker.question"] * 2
    for worker in others:
        await asker.cut(worker)


async def test_who_dies_over_a_question_is_not_waited_for(two: Two) -> None:
    asker, other = two
    third, has_begun, may_end = Worker(2, 3), threading.Event(), threading.Event()
    await meet(asker, third)

    def waits(arguments: Any) -> Any:
        has_begun.set()
        assert may_end.wait(30)

    other.peers.questions = {"what": waits}
    third.peers.questions = {"what": lambda arguments: 7}
    asking = asyncio.create_task(asyncio.to_thread(asker.peers.ask_all, "what"))
    assert await asyncio.to_thread(has_begun.wait, 30)
    await asker.cut(other)
    assert await asking == [7]
    may_end.set()
    await asker.cut(third)


async def test_who_is_alone_asks_nobody() -> None:
    worker = Worker(0, 1)
    assert worker.peers.ask_all("what") == []
    worker.peers.tell(lambda: pytest.fail("nobody would read it"))


async def test_the_event_loop_does_not_wait_for_answers(two: Two) -> None:
    with pytest.raises(AssertionError, match="event loop"):
        two[0].peers.ask_all("what")


# ---------------------------------------------------------------------------------------------- company


class Office:
    """A worker with the whole installation open, as the others have it."""

    def __init__(self, number: int, root: Path) -> None:
        self.log = Log()
        self.clock = TestClock()
        loop = asyncio.get_running_loop()
        self.company = Company(Place(number, 2), loop, self.clock, self.log)
        self.house = Installation(
            Settings(server=Server(data_dir=root)),
            publish=self.company.publish,
            post=loop.call_soon_threadsafe,
            share=self.company.share,
        )
        self.company.open(self.house, {})
        self.news = News()
        self.worker = Worker(number, 2)  # the same, for what is done with workers
        self.worker.peers = self.company.peers

    async def do(self, command: Command, *, database_id: int = 1) -> Any:
        return await asyncio.to_thread(self.house.databases[database_id].write, command)

    async def file(self, mailbox_id: MailboxId, body: bytes, *, database_id: int = 1) -> None:
        filing = Filing(incoming(body), Flags(), MORNING, 0)
        await self.do(Append(mailbox_id, "INBOX", (filing,), MORNING), database_id=database_id)

    def watch(self, mailbox_id: MailboxId, *, database_id: int = 1) -> tuple[Watch, Listener]:
        """Somebody who has an INBOX open here."""
        listener = Listener()

        def hear(change: Change, newest: Any) -> None:
            listener(change, newest)
            self.news.tell()

        with self.house.databases[database_id].read() as tx:
            folder = find(tx, mailbox_id, "INBOX")
            assert folder is not None
            watch = self.company.views.watch(mailbox_id, folder.folder_id, hear)
            watch.load(loading.load(tx, mailbox_id, folder.folder_id))
        return watch, listener

    async def sees(self, watch: Watch, *uids: int) -> None:
        await self.news.until(lambda: held(watch) == list(uids))

    def hold(self, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
        """Making up begins with what is known of the organization: whether it has begun, and when it may go on."""
        has_begun, may_end = threading.Event(), threading.Event()
        mount = self.house.mount

        def waits() -> None:
            has_begun.set()
            assert may_end.wait(30)
            mount()

        monkeypatch.setattr(self.house, "mount", waits)
        return has_begun, may_end

    async def close(self) -> None:
        self.company.peers.end()
        self.company.peers.close()
        await asyncio.to_thread(self.house.close)


@pytest.fixture
async def offices(tmp_path: Path) -> AsyncIterator[tuple[Office, Office]]:
    """The first writes to the databases 1 and 3, the second to 2; ada and bea are in 1, cleo in 2, dora in 3."""
    house = Installation(Settings(server=Server(data_dir=tmp_path)), create=True)
    house.organization.add_domain("example.com")
    for name in ("one", "two", "three"):
        house.add_database(name)
    for alias, name in (("ada", "one"), ("bea", "one"), ("cleo", "two"), ("dora", "three")):
        house.add_mailbox(alias, None, database=name)
    house.close()
    one, other = Office(0, tmp_path), Office(1, tmp_path)
    await meet(one.worker, other.worker)
    await settled(one.worker, other.worker)
    yield one, other
    await other.close()
    await one.close()


Offices = tuple[Office, Office]
ADA, BEA, CLEO, DORA = map(MailboxId, range(1, 5))


def test_who_is_alone_shares_nothing(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    try:
        assert Company(ALONE, loop, TestClock(), Log()).share is None
        assert Company(Place(0, 2), loop, TestClock(), Log()).share is not None
    finally:
        loop.close()


async def test_what_is_committed_at_one_worker_is_heard_at_the_other(offices: Offices) -> None:
    """Whoever wrote it: the one who owns the database, or another by him."""
    owner, other = offices
    there, listener = other.watch(ADA)
    here, _ = owner.watch(ADA)
    await owner.file(ADA, b"1")
    await other.file(ADA, b"2")
    await other.sees(there, 1, 2)
    await owner.sees(here, 1, 2)
    assert [type(change) for change, _ in listener.heard] == [FolderChange, FolderChange]


async def test_what_was_missed_while_a_stream_was_down_is_made_up_for(offices: Offices) -> None:
    owner, other = offices
    watch, listener = other.watch(ADA)
    followed: list[Change] = []
    other.company.views.following.follow(followed.append).attend({ADA, CLEO, MailboxId(99)})
    await other.worker.cut(owner.worker)
    for body in (b"1", b"2"):
        await owner.file(ADA, body)
    await turns()
    assert held(watch) == []
    await meet(owner.worker, other.worker)
    await other.sees(watch, 1, 2)
    assert len(listener.heard) == 1, "as one change"
    await owner.file(ADA, b"3")
    await other.sees(watch, 1, 2, 3)
    assert Missed(ADA) in followed
    assert Missed(MailboxId(99)) in followed, "whosever it was, it is gone"
    assert Missed(CLEO) not in followed
    assert [event for event, _ in other.log.events] == ["worker.lost"]


async def test_what_was_missed_is_heard_before_what_is_said_later(
    offices: Offices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an answer behind both; what the snapshot has already is not told again."""
    owner, other = offices
    watch, listener = other.watch(ADA)
    here, _ = owner.watch(ADA)
    await other.worker.cut(owner.worker)
    await owner.file(ADA, b"1")
    has_begun, may_end = other.hold(monkeypatch)
    await meet(owner.worker, other.worker)
    assert await asyncio.to_thread(has_begun.wait, 30)
    await owner.file(ADA, b"2")
    answered = asyncio.create_task(other.file(ADA, b"3"))
    await owner.sees(here, 1, 2, 3)
    await turns()
    assert listener.heard == []
    assert not answered.done()
    may_end.set()
    await answered
    assert held(watch) == [1, 2, 3]
    told = [change for change, _ in listener.heard if isinstance(change, FolderChange)]
    assert told[0].since < told[0].modseq
    assert [entry.uid for entry in told[0].arrived] == [1, 2, 3]


async def test_databases_of_others_are_not_looked_at(offices: Offices, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = offices
    watch, _ = other.watch(CLEO, database_id=2)
    monkeypatch.setattr(other.house.databases[2], "read", lambda: pytest.fail("nothing of it was missed"))
    await other.worker.cut(owner.worker)
    await meet(owner.worker, other.worker)
    await owner.file(CLEO, b"1", database_id=2)
    await other.sees(watch, 1)
    assert "worker.missing" not in [event for event, _ in other.log.events]


async def test_a_mailbox_that_was_removed_meanwhile_is_told_as_that(offices: Offices) -> None:
    owner, other = offices
    _, listener = other.watch(BEA)
    await other.worker.cut(owner.worker)
    await asyncio.to_thread(owner.house.remove_mailbox, "bea")
    await meet(owner.worker, other.worker)
    await other.news.until(lambda: bool(listener.heard))
    assert [change for change, _ in listener.heard] == [MailboxRemoved(BEA)]


async def test_what_cannot_be_read_of_one_database_keeps_nobody_from_what_was_missed_in_others(
    offices: Offices, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = offices
    _, listener = other.watch(ADA)
    watch, _ = other.watch(DORA, database_id=3)
    await other.worker.cut(owner.worker)
    await owner.file(DORA, b"1", database_id=3)

    def fails() -> Any:
        raise Unavailable("The database cannot be read")

    monkeypatch.setattr(other.house.databases[1], "read", fails)
    await meet(owner.worker, other.worker)
    await settled(other.worker)
    assert held(watch) == [1]
    ((change, _),) = listener.heard
    assert isinstance(change, FolderRemoved), "no session may go on with what is not true any more"
    assert "worker.missing" in [event for event, _ in other.log.events]


async def test_what_was_missed_is_told_once_though_the_stream_broke_again_meanwhile(
    offices: Offices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that folds both would count what came first twice: it only knows a gap from what it has."""
    owner, other = offices
    watch, listener = other.watch(ADA)
    await other.worker.cut(owner.worker)
    await owner.file(ADA, b"1")
    is_read, may_be_told, missed = threading.Event(), threading.Event(), other.company._missed

    def slow(*known: Any) -> list[Change]:
        found = missed(*known)
        is_read.set()
        assert may_be_told.wait(30)
        return found

    monkeypatch.setattr(other.company, "_missed", slow)
    for body in (b"2", b"3"):
        await meet(owner.worker, other.worker)
        assert await asyncio.to_thread(is_read.wait, 30)
        await owner.file(ADA, body)
    may_be_told.set()
    await settled(other.worker)
    await other.sees(watch, 1, 2, 3)
    modseq = 1
    for change, _ in listener.heard:
        assert isinstance(change, FolderChange)
        assert change.modseq <= modseq or change.since == modseq
        modseq = max(modseq, change.modseq)


async def test_who_comes_while_it_is_looked_at_what_was_missed_is_told_all_too(
    offices: Offices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What sessions know is another thing then than what was compared."""
    owner, other = offices
    await other.worker.cut(owner.worker)
    await owner.file(ADA, b"1")
    early, _ = other.watch(BEA)
    is_read, may_be_told, missed = threading.Event(), threading.Event(), other.company._missed

    def slow(*known: Any) -> list[Change]:
        found = missed(*known)
        is_read.set()
        assert may_be_told.wait(30)
        return found

    monkeypatch.setattr(other.company, "_missed", slow)
    await meet(owner.worker, other.worker)
    assert await asyncio.to_thread(is_read.wait, 30)
    late, _ = other.watch(ADA)
    early.close()
    await owner.file(ADA, b"2")
    await owner.file(BEA, b"3")
    may_be_told.set()
    await settled(other.worker)
    await other.sees(late, 1, 2)
    assert held(other.watch(BEA)[0]) == [1]


async def test_who_is_new_and_what_is_new_are_known_everywhere_when_it_is_done(offices: Offices) -> None:
    """Whichever worker an administrator speaks to; a new database is opened by who will write to it."""
    owner, other = offices
    assert other.house.organization.by_alias("eve") is None
    await asyncio.to_thread(owner.house.add_mailbox, "eve", None)
    assert other.house.organization.by_alias("eve") is not None
    await asyncio.to_thread(other.house.add_database, "four")
    assert owner.house.databases.keys() == other.house.databases.keys() == {1, 2, 3, 4}
    assert owner.house.owned.keys() == {1, 3}
    assert other.house.owned.keys() == {2, 4}
    await asyncio.to_thread(owner.house.add_mailbox, "fay", None, database="four")


async def test_whoever_guesses_passwords_waits_at_every_worker(offices: Offices) -> None:
    one, other = offices
    for _ in range(FREE_FOR_NAME + 1):
        one.company.throttle.failed("192.0.2.1", "ada")
    await one.file(CLEO, b"x", database_id=2)  # its answer comes behind
    assert other.company.throttle.delay("192.0.2.1", "ada") == one.company.throttle.delay("192.0.2.1", "ada") > 0
    one.company.throttle.succeeded("192.0.2.1", "ada")
    await one.file(CLEO, b"x", database_id=2)
    assert other.company.throttle.delay("192.0.2.1", "ada") == one.company.throttle.delay("192.0.2.1", "ada") == 0
