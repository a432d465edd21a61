"""The writer alone, over an engine that remembers what it was told, and over the real one where SQL matters."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from adapters.stores import writer as module
from adapters.stores.writer import Writer
from core.changes import Change, FolderRemoved
from core.commands import Append, Command, Deliver, Filing, Flags, Replace, SweepBlobs
from core.errors import Busy, OverQuota, Refusal, Unavailable
from core.model import UID, FolderId, MailboxId
from tests.support.store import incoming


class Broken(Exception):
    """What an engine raises when it fails."""


class Engine:
    """Rows are numbers.  A command's number says what it does; see `act`."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.rows: list[int] = []  # committed
        self.uncommitted: list[int] = []
        self.wrote = False
        self.fails: dict[str, list[Exception | None]] = {}  # by call: what the next calls raise
        self.resting = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.standing = threading.Semaphore(0)  # before the gate

    def _call(self, name: str) -> None:
        self.log.append(name)
        planned = self.fails.get(name)
        if planned and (fault := planned.pop(0)) is not None:
            raise fault

    def begin(self) -> Any:
        self._call("begin")
        if not self.gate.is_set():
            self.standing.release()
            self.gate.wait()
        self.uncommitted = []
        return self

    def commit(self) -> None:
        self._call("commit")
        self.rows += self.uncommitted
        self.uncommitted = []

    def rollback(self) -> None:
        self._call("rollback")
        self.uncommitted = []

    def has_written(self) -> bool:
        wrote, self.wrote = self.wrote, False
        return wrote

    def is_broken(self, fault: BaseException) -> bool:
        return isinstance(fault, Broken)

    def recover(self) -> None:
        self._call("recover")

    def rest(self) -> None:
        self.resting.release()
        self._call("rest")

    def put(self, row: int) -> None:
        self.uncommitted.append(row)
        self.wrote = True


REFUSED, REFUSED_AFTER_WRITING, BUG, BUG_AFTER_WRITING, BREAKS = range(1000, 1005)


def command(number: int) -> SweepBlobs:
    return SweepBlobs(before=0, limit=number)


def act(engine: Engine, given: Command) -> tuple[object, tuple[Change, ...]]:
    assert isinstance(given, SweepBlobs)
    number = given.limit
    if number == BREAKS:
        raise Broken("the disk is gone")
    if number == BUG:
        raise ZeroDivisionError
    if number == REFUSED:
        raise OverQuota("no")
    engine.put(number)
    if number == BUG_AFTER_WRITING:
        raise ZeroDivisionError
    if number == REFUSED_AFTER_WRITING:
        raise OverQuota("late")
    return f"did {number}", (FolderRemoved(MailboxId(1), FolderId(number)),)


class Bench:
    """A writer whose engine waits at the gate, so that a test can fill the queue first."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.faults: list[BaseException] = []
        self.heard: list[object] = []  # publications and outcomes, in order
        self.post: Callable[[Callable[[], None]], object] = lambda action: action()
        self.writer = Writer(
            self.engine,
            publish=self.publish,
            post=lambda action: self.post(action),
            fault=self.faults.append,
            name="test",
        )

    def publish(self, changes: Sequence[Change]) -> None:
        self.heard.append([change.folder_id for change in changes if isinstance(change, FolderRemoved)])

    def submit(self, number: int, *, bulk: bool = False) -> None:
        self.writer.submit(command(number), lambda result, error: self.hear(number, result, error), bulk=bulk)

    def hear(self, number: int, result: object, error: BaseException | None) -> None:
        assert (result is None) or (error is None)
        self.heard.append((number, result if error is None else type(error)))

    def hold(self) -> None:
        """Lets the writer begin a group of one, and stop there."""
        self.engine.gate.clear()
        self.submit(0)
        self.engine.standing.acquire()  # not before: what is planned next is for the groups behind it

    def finish(self) -> None:
        self.engine.gate.set()
        self.writer.close()

    def outcomes(self) -> dict[int, object]:
        return {heard[0]: heard[1] for heard in self.heard if isinstance(heard, tuple)}

    def group(self, *numbers: int) -> dict[int, object]:
        """These commands in one group, after one of its own: what became of each."""
        self.hold()
        for number in numbers:
            self.submit(number)
        del self.engine.log[:]
        self.finish()
        return {number: outcome for number, outcome in self.outcomes().items() if number}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(module, "apply", act)
    bench = Bench()
    yield bench
    bench.finish()


def done(*numbers: int) -> dict[int, object]:
    return {number: f"did {number}" for number in numbers}


def test_what_waits_is_committed_once(bench: Bench) -> None:
    assert bench.group(1, 2, 3) == done(1, 2, 3)
    assert bench.engine.log == ["commit", "rest", "begin", "commit", "rest"]
    assert bench.engine.rows == [0, 1, 2, 3]


def test_changes_are_published_after_the_commit_and_before_anybody_is_answered(bench: Bench) -> None:
    committed: list[list[int]] = []

    def post(action: Callable[[], None]) -> None:
        committed.append(list(bench.engine.rows))
        action()

    bench.post = post
    bench.group(1, 2)
    assert bench.heard == [[0], (0, "did 0"), [1, 2], (1, "did 1"), (2, "did 2")]
    assert committed == [[0], [0, 1, 2]]


def test_a_refused_command_does_not_fail_its_group(bench: Bench) -> None:
    assert bench.group(1, REFUSED, 2) == {**done(1, 2), REFUSED: OverQuota}
    assert "rollback" not in bench.engine.log
    assert bench.heard[2] == [1, 2]


@pytest.mark.parametrize(
    ("number", "error"),
    [(REFUSED_AFTER_WRITING, OverQuota), (BUG_AFTER_WRITING, ZeroDivisionError), (BUG, ZeroDivisionError)],
)
def test_a_command_that_spoils_the_transaction_is_taken_out_of_it(
    bench: Bench, number: int, error: type[Exception]
) -> None:
    assert bench.group(1, number, 2) == {**done(1, 2), number: error}
    assert bench.engine.rows == [0, 1, 2]
    assert bench.engine.log == ["commit", "rest", "begin", "rollback", "begin", "commit", "rest"]
    assert bench.heard[2] == [1, 2]
    assert [type(fault) for fault in bench.faults] == [ZeroDivisionError] * (error is ZeroDivisionError)


def test_many_that_spoil_are_each_answered_once(bench: Bench) -> None:
    numbers = [1, REFUSED_AFTER_WRITING, REFUSED, BUG_AFTER_WRITING, 2, BUG]
    outcomes = bench.group(*numbers)
    assert outcomes == {
        **done(1, 2),
        REFUSED_AFTER_WRITING: OverQuota,
        REFUSED: OverQuota,
        BUG_AFTER_WRITING: ZeroDivisionError,
        BUG: ZeroDivisionError,
    }
    assert [heard[0] for heard in bench.heard[3:] if isinstance(heard, tuple)] == numbers
    assert bench.engine.rows == [0, 1, 2]


def test_a_group_of_nothing_but_failures_commits_nothing(bench: Bench) -> None:
    assert bench.group(REFUSED_AFTER_WRITING) == {REFUSED_AFTER_WRITING: OverQuota}
    assert bench.engine.rows == [0]
    assert bench.heard == [[0], (0, "did 0"), (REFUSED_AFTER_WRITING, OverQuota)]


@pytest.mark.parametrize("call", ["begin", "commit"])
def test_a_failing_database_is_unavailable_to_the_whole_group_and_recovers(bench: Bench, call: str) -> None:
    """T-1.5.  Also what was refused: its reason may have been a neighbour that is undone now."""
    bench.hold()
    bench.engine.fails[call] = [None, Broken("full")] if call == "commit" else [Broken("full")]
    bench.submit(1)
    bench.submit(REFUSED)
    bench.engine.gate.set()
    for _ in range(2):
        bench.engine.resting.acquire()
    assert bench.outcomes() == {0: "did 0", 1: Unavailable, REFUSED: Unavailable}
    assert "recover" in bench.engine.log
    bench.submit(2)
    bench.finish()
    assert bench.outcomes()[2] == "did 2"
    assert bench.engine.rows == [0, 2]
    assert [type(fault) for fault in bench.faults] == [Broken]


def test_an_engine_that_breaks_under_a_command_is_not_used_on(bench: Bench) -> None:
    """SQLite may have rolled back by itself: the next command would be committed row by row."""
    assert bench.group(1, BREAKS, 2) == {1: Unavailable, BREAKS: Unavailable, 2: Unavailable}
    assert bench.engine.rows == [0]
    assert bench.engine.log == ["commit", "rest", "begin", "rollback", "recover", "rest"]


def test_a_recovery_that_fails_is_tried_again_with_the_next_group(bench: Bench) -> None:
    bench.hold()
    bench.engine.fails["commit"] = [None, Broken("full")]
    bench.engine.fails["recover"] = [Broken("still full"), None]
    bench.submit(1)
    bench.engine.gate.set()
    for _ in range(2):
        bench.engine.resting.acquire()
    bench.engine.fails["begin"] = [Broken("closed")]
    bench.submit(2)
    bench.engine.resting.acquire()
    bench.submit(3)
    bench.finish()
    assert bench.outcomes() == {0: "did 0", 1: Unavailable, 2: Unavailable, 3: "did 3"}


def test_a_rest_that_fails_does_not_end_the_thread(bench: Bench) -> None:
    bench.engine.fails["rest"] = [Broken("checkpoint")]
    assert bench.group(1) == done(1)
    assert "recover" in bench.engine.log
    assert [type(fault) for fault in bench.faults] == [Broken]


def test_a_rollback_that_fails_is_a_failure_of_the_group(bench: Bench) -> None:
    bench.engine.fails["rollback"] = [Broken("rollback")]
    assert bench.group(1, REFUSED_AFTER_WRITING) == {1: Unavailable, REFUSED_AFTER_WRITING: Unavailable}


def test_a_listener_that_fails_keeps_nobody_from_being_answered(bench: Bench) -> None:
    def fail(_: Sequence[Change]) -> None:
        raise ZeroDivisionError

    bench.writer._publish = fail
    assert bench.group(1, 2) == done(1, 2)
    assert len(bench.faults) == 2


def test_a_waiter_that_fails_keeps_nobody_else_from_being_answered(bench: Bench) -> None:
    def fail(_: object, __: BaseException | None) -> None:
        raise ZeroDivisionError

    bench.hold()
    bench.writer.submit(command(1), fail)
    bench.submit(2)
    bench.finish()
    assert bench.outcomes()[2] == "did 2"


def test_an_event_loop_that_is_gone_does_not_end_the_thread(bench: Bench) -> None:
    def closed(_: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    bench.post = closed
    bench.group(1)
    assert bench.engine.rows == [0, 1]


def test_a_full_queue_refuses_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_COMMANDS", 3)
    bench.hold()
    for number in (1, 2, 3):
        bench.submit(number)
    with pytest.raises(Busy):
        bench.submit(4)
    assert Busy.temporary
    bench.submit(5, bulk=True)
    assert bench.writer.waiting() == 4
    bench.finish()
    assert bench.outcomes() == done(0, 1, 2, 3, 5)


def test_bodies_that_wait_are_bounded_in_octets(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_OCTETS", 100)
    monkeypatch.setattr(module, "GROUP_OCTETS", 70)
    monkeypatch.setattr(module, "_octets", lambda given: given.limit)
    bench.hold()
    for number in (40, 50):
        bench.submit(number)
    with pytest.raises(Busy):
        bench.submit(11)
    bench.submit(10, bulk=True)
    bench.finish()
    groups = [heard for heard in bench.heard if isinstance(heard, list)]
    assert groups == [[0], [40, 10], [50]]
    assert bench.writer._octets == 0


def test_the_octets_of_a_command_are_those_of_its_body() -> None:
    message = incoming(b"12345")
    assert module._octets(Deliver(message, (), 0, None)) == 5
    assert module._octets(command(1)) == 0
    filing = Filing(message, Flags(), 0, 0)
    assert module._octets(Append(MailboxId(1), "INBOX", (filing, filing), 0)) == 10
    append = (MailboxId(1), "INBOX", (filing,), 0)
    assert module._octets(Replace(*append, folder_id=FolderId(1), uid=UID(1))) == 5


def test_interactive_commands_go_first_and_each_group_has_room_for_a_bulk_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP_COMMANDS", 4)
    bench.hold()
    for number in range(101, 104):
        bench.submit(number, bulk=True)
    for number in range(1, 8):
        bench.submit(number)
    bench.finish()
    groups = [heard for heard in bench.heard if isinstance(heard, list)]
    assert groups == [[0], [1, 2, 3, 101], [4, 5, 6, 102], [7, 103]]


def test_bulk_commands_alone_never_fill_a_group(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interactive command that comes meanwhile waits for an eighth of a group."""
    monkeypatch.setattr(module, "GROUP_COMMANDS", 16)
    bench.hold()
    for number in range(1, 6):
        bench.submit(number, bulk=True)
    bench.finish()
    assert [heard for heard in bench.heard if isinstance(heard, list)] == [[0], [1, 2], [3, 4], [5]]


def test_closing_finishes_what_waits_and_takes_nothing_more(bench: Bench) -> None:
    assert bench.group(1, 2) == done(1, 2)
    with pytest.raises(Unavailable):
        bench.submit(3)
    bench.writer.close()
    assert issubclass(Unavailable, Refusal)
