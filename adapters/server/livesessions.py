"""The sessions of a running server, for administrators: asked for on a thread, answered on the event loop."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from adapters.net.imap import ImapConnection, ImapService
from adapters.server.administration.context import SessionRow, moment
from core.ports import Clock

T = TypeVar("T")

GOODBYE = "An administrator ended this session"


class LiveSessions:
    """Answers adapters.server.administration.context.Sessions."""

    def __init__(self, imap: ImapService, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._imap = imap
        self._clock = clock
        self._loop = loop

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

    def _connections(self) -> Iterator[ImapConnection]:
        return iter(sorted(self._imap.connections, key=lambda connection: connection.number))

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
