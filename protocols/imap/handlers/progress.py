"""Signs of life from a command that takes long (RFC 9585)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.imap.saying import responses

if TYPE_CHECKING:
    from protocols.imap.session import Session

SECONDS: Final = 10.0  # of silence; RFC 9585 suggests as many, and clients that know nothing of it wait for 30 or more


class Progress:
    """How far a command has come through its messages; told when the client has waited for long."""

    def __init__(self, session: Session, tag: bytes, goal: int) -> None:
        self._session = session
        self._tag = tag
        self._goal = goal
        self._told = session.services.clock.monotonic()

    def reached(self, done: int) -> None:
        """The command is through with so many of them."""
        now = self._session.services.clock.monotonic()
        if now - self._told < SECONDS:
            return
        self._told = now
        if 0 < done < self._goal:
            self._session.send(responses.in_progress(self._tag, done, self._goal, self._session.language))
