"""The sessions of a running server, for administrators: asked for on a thread, answered on the event loop.

Every worker answers for its own; the one that an administrator talks to asks the others.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import msgspec

from adapters.net.imap import ImapConnection
from adapters.server.administration.context import SessionRow, moment
from core.ports import Clock

T = TypeVar("T")

GOODBYE = "An administrator ended this session"


class LiveSessions:
    """Those of this worker.  Answers adapters.server.administration.context.Sessions."""

    def __init__(
        self,
        connections: Callable[[], Iterable[ImapConnection]],
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        worker: int,
    ) -> None:
        self._all = connections
        self._clock = clock
        self._loop = loop
        self._worker = worker

    def rows(self) -> list[SessionRow]:
        return self._on_loop(lambda: [self._row(connection) for connection in self._connections()])

    def end(self, number: int) -> bool:
        return self._on_loop(lambda: self._end(lambda connection: connection.number == number)) > 0

    def end_of(self, *mailbox_ids: int) -> int:
        meant = frozenset(mailbox_ids)

        def is_of_mailbox(connection: ImapConnection) -> bool:
            whose = (connection.session.account, connection.session.impersonator)
            return any(account is not None and account.mailbox_id in meant for account in whose)

        return self._on_loop(lambda: self._end(is_of_mailbox))

    def end_visits(self, mailbox_id: int) -> int:
        def is_visiting(connection: ImapConnection) -> bool:
            account, selected = connection.session.account, connection.session.selected
            is_there = selected is not None and selected.home.mailbox_id == mailbox_id
            connection.session.look_again()
            return is_there and account is not None and account.mailbox_id != mailbox_id

        return self._on_loop(lambda: self._end(is_visiting))

    def questions(self) -> Mapping[str, Callable[[Any], Any]]:
        """What other workers may ask of these sessions, by name."""
        return {
            "sessions.rows": lambda _: msgspec.to_builtins(self.rows()),
            "sessions.end": self.end,
            "sessions.end_of": lambda mailbox_ids: self.end_of(*mailbox_ids),
            "sessions.end_visits": self.end_visits,
        }

    def _connections(self) -> list[ImapConnection]:
        return sorted(self._all(), key=lambda connection: connection.number)

    def _row(self, connection: ImapConnection) -> SessionRow:
        session, now = connection.session, self._loop.time()
        lived, silent = now - connection._began, now - connection._heard
        return SessionRow(
            number=connection.number,
            protocol="imap",
            user=session.account.name if session.account else None,
            impersonated_by=session.impersonator.name if session.impersonator else None,
            peer=session.peer,
            tls=session.is_secure,
            client=dict(session.client_id),
            not_offered=sorted(session.hidden),
            folder=session.selected.path if session.selected else None,
            since=moment(self._clock.now() - int(lived * 1_000_000)),
            idle_seconds=int(silent),
            worker=self._worker,
        )

    def _end(self, is_meant: Callable[[ImapConnection], bool]) -> int:
        meant = [connection for connection in self._connections() if is_meant(connection)]
        for connection in meant:
            connection.session.bye(GOODBYE)
            connection.session.wake()
        return len(meant)

    def _on_loop(self, run: Callable[[], T]) -> T:
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(run())
            except BaseException as fault:  # noqa: BLE001 - whoever asked must hear of it
                answer.set_exception(fault)

        self._loop.call_soon_threadsafe(call)
        return answer.result()


class Others(Protocol):
    def ask_all(self, what: str, arguments: Any = None) -> list[Any]:
        """What all other workers answer."""
        ...


class AllSessions:
    """Those of all workers.  Answers adapters.server.administration.context.Sessions."""

    def __init__(self, own: LiveSessions, others: Others) -> None:
        self._own = own
        self._others = others

    def rows(self) -> list[SessionRow]:
        others = self._others.ask_all("sessions.rows")
        found = [*self._own.rows(), *(msgspec.convert(row, SessionRow) for rows in others for row in rows)]
        return sorted(found, key=lambda row: (row.since, row.number))

    def end(self, number: int) -> bool:
        return self._own.end(number) or any(self._others.ask_all("sessions.end", number))

    def end_of(self, *mailbox_ids: int) -> int:
        return self._own.end_of(*mailbox_ids) + self._sum("sessions.end_of", mailbox_ids)

    def end_visits(self, mailbox_id: int) -> int:
        return self._own.end_visits(mailbox_id) + self._sum("sessions.end_visits", mailbox_id)

    def _sum(self, what: str, arguments: Any) -> int:
        return sum(map(int, self._others.ask_all(what, arguments)))
