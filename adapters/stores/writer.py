"""The one thread that writes to a database: whatever waits is carried out in one transaction and committed once.

No delay is added to form groups: they form by themselves while the commit before is being synced.  A command that is
refused after it has written, or that fails, must not fail its neighbours: the transaction is rolled back and the
others, being values, are carried out again without it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from core.apply import apply
from core.changes import Change
from core.commands import Append, Command, Deliver
from core.errors import Busy, Refusal, Unavailable
from core.ports import WriteTx

GROUP_COMMANDS = 256  # more would make the first of a group wait long for the last
GROUP_OCTETS = 8 << 20  # of bodies; likewise
QUEUE_COMMANDS = 2048  # what may wait in a lane before new commands are refused as Busy
QUEUE_OCTETS = 64 << 20  # of bodies that wait in memory; what is larger than a frame waits in a pack of its own

Done = Callable[[object, BaseException | None], None]


class Engine(Protocol):
    """What the writer needs of a database."""

    def begin(self) -> WriteTx: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def has_written(self) -> bool:
        """Whether anything was written since the last call."""
        ...

    def is_broken(self, fault: BaseException) -> bool:
        """Whether the database itself fails, so that its transaction can no longer be trusted."""
        ...

    def recover(self) -> None:
        """After a failed commit or write: opens anew, so that nothing of an unknown state is kept."""
        ...

    def rest(self) -> None:
        """Called between groups: the time for checkpoints."""
        ...


class Pending:
    """A command in the queue, what became of it, and whom to tell."""

    __slots__ = ("changes", "command", "done", "error", "octets", "result")

    def __init__(self, command: Command, done: Done) -> None:
        self.command = command
        self.done = done
        self.octets = _octets(command)
        self.result: object = None
        self.error: BaseException | None = None
        self.changes: tuple[Change, ...] = ()


class Writer:
    """Runs commands in groups.  `publish` hears of a group's changes after its commit, then each `done` is called.

    Both are called by `post`, in one go for the whole group: a server hands that to its event loop.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        publish: Callable[[Sequence[Change]], None],
        post: Callable[[Callable[[], None]], Any],
        fault: Callable[[BaseException], None],
        name: str,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._post = post
        self._fault = fault
        self._lanes: tuple[deque[Pending], deque[Pending]] = (deque(), deque())  # interactive, bulk
        self._octets = 0  # of bodies that wait
        self._wake = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=f"writer-{name}", daemon=True)
        self._thread.start()

    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None:
        """Queues a command; `done(result, error)` is called once.  Raises Busy, Unavailable when it cannot be taken."""
        with self._wake:
            if self._is_closing:
                raise Unavailable("The database is being closed")
            lane = self._lanes[bulk]
            pending = Pending(command, done)
            if len(lane) >= QUEUE_COMMANDS or self._octets + pending.octets > QUEUE_OCTETS:
                raise Busy("The database has too much work waiting")
            lane.append(pending)
            self._octets += pending.octets
            self._wake.notify()

    def close(self) -> None:
        """Finishes what waits, then ends the thread."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()

    def waiting(self) -> int:
        return sum(map(len, self._lanes))

    def _run(self) -> None:
        while group := self._next_group():
            try:
                self._carry_out(group)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the waiting must hear, and the thread must live
                self._fault(fault)
                self._fail(group, fault)
                self._guarded(self._engine.recover)
            self._guarded(self._post, partial(self._announce, group))
            if not self._guarded(self._engine.rest):
                self._guarded(self._engine.recover)

    def _guarded(self, action: Callable[..., object], *args: object) -> bool:
        """Whether it worked.  Its failure is reported and harms nobody else: the thread must live."""
        try:
            action(*args)
        except Exception as fault:  # noqa: BLE001 - see above
            self._fault(fault)
            return False
        return True

    def _next_group(self) -> list[Pending]:
        """Waits for work; interactive commands first, bulk ones fill what is left, but never less than one."""
        interactive, bulk = self._lanes
        with self._wake:
            while not interactive and not bulk:
                if self._is_closing:
                    return []
                self._wake.wait()
            group = _taken(interactive, GROUP_COMMANDS - 1)
            group += _taken(bulk, max(1, (GROUP_COMMANDS - len(group)) // 8))
            self._octets -= sum(pending.octets for pending in group)
        return group

    def _carry_out(self, group: list[Pending]) -> None:
        """One transaction for all that can succeed."""
        live = group
        while live:
            tx = self._engine.begin()
            try:
                spoiled = self._apply_all(tx, live)
                if spoiled is None:
                    self._engine.commit()
                    return
            except BaseException:
                self._engine.rollback()
                raise
            self._engine.rollback()
            live = [pending for pending in live if pending is not spoiled and pending.error is None]

    def _apply_all(self, tx: WriteTx, live: Sequence[Pending]) -> Pending | None:
        """Applies each command; returns the one that wrote and then failed, if any: the transaction is spoiled then."""
        for pending in live:
            self._engine.has_written()
            try:
                pending.result, pending.changes = apply(tx, pending.command)
            except Refusal as refusal:
                pending.error = refusal
            except Exception as fault:  # a bug in one command is that command's failure
                if self._engine.is_broken(fault):
                    raise
                pending.error = fault
                self._fault(fault)
            if pending.error is not None:
                pending.result, pending.changes = None, ()
                if self._engine.has_written() or not isinstance(pending.error, Refusal):
                    return pending
        return None

    def _fail(self, group: Sequence[Pending], fault: BaseException) -> None:
        """Nothing of the group is durable, and what was refused may have been for a neighbour that is undone now."""
        for pending in group:
            pending.result, pending.changes = None, ()
            pending.error = Unavailable("The database could not be written")
            pending.error.__cause__ = fault

    def _announce(self, group: Sequence[Pending]) -> None:
        changes = [change for pending in group for change in pending.changes]
        if changes:
            self._guarded(self._publish, changes)
        for pending in group:
            self._guarded(pending.done, pending.result, pending.error)


def _taken(lane: deque[Pending], most: int) -> list[Pending]:
    """The next commands of a lane: at least one if there is any, then as many as a group has room for."""
    taken: list[Pending] = []
    room = GROUP_OCTETS
    while lane and len(taken) < most and (not taken or lane[0].octets <= room):
        taken.append(lane.popleft())
        room -= taken[-1].octets
    return taken


def _octets(command: Command) -> int:
    """How much of its bodies waits in memory with the command."""
    match command:
        case Append(filings=filings):
            return sum(len(filing.message.blob.data or b"") for filing in filings)
        case Deliver(message=message):
            return len(message.blob.data or b"")
        case _:
            return 0
