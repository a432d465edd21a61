"""What every verb is given beside its request: the installation, who asks, and what only a running server has."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

from core.errors import Refusal, Unavailable

if TYPE_CHECKING:
    from adapters.server.installation import Installation

T = TypeVar("T")

SECRETS: Final = frozenset({"password"})  # fields of requests that nobody may see again


class NotRunning(Unavailable):
    """Only a running server can answer this, and there is none."""


class Interrupted(Unavailable):
    """The server is stopping, or whoever asked has gone."""


class NoSuchSession(Refusal):
    """No session has this number, or it has just ended."""


class Contradiction(Refusal):
    """The parts of a request do not fit together."""


class Request(Struct, Generic[T], frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an administrator asks for; the answer is a T.  It never shows a password."""

    def shown(self) -> dict[str, object]:
        """For records: what was asked, without secrets."""
        asked: dict[str, object] = msgspec.to_builtins(self)
        return {name: value for name, value in asked.items() if name not in SECRETS and value != {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown()})"


class Caller(Struct, frozen=True):
    """Who asks: an account of this machine, directly or through the control channel, or a user who has signed in."""

    uid: int | None  # None: a user
    name: str
    via: Literal["command", "control", "imap"]


class Progress(Struct, frozen=True):
    """How far a long verb has come."""

    stage: str
    done: int
    total: int


class SessionRow(Struct, frozen=True):
    """A client that is connected."""

    number: int
    protocol: Literal["imap"]
    user: str | None  # None: not signed in
    impersonated_by: str | None  # who really signed in, if it was not the user
    peer: str
    tls: bool
    client: dict[str, str | None]  # what it says of itself (RFC 2971)
    not_offered: list[str]  # the capabilities that are kept from it
    folder: str | None  # that is selected
    since: datetime
    idle_seconds: int  # since the client last said anything
    worker: int = 0  # the process that serves it


class Sessions(Protocol):
    """The clients of a running server.  Called on a thread."""

    def rows(self) -> list[SessionRow]:
        """Raises NotRunning."""
        ...

    def end(self, number: int) -> bool:
        """Whether there was such a session."""
        ...

    def end_of(self, *mailbox_ids: int) -> int:
        """Ends all that are signed in to these mailboxes, or with their owners' passwords; how many there were."""
        ...

    def end_visits(self, mailbox_id: int) -> int:
        """Ends all that have a folder of this mailbox open but are signed in to another; how many there were."""
        ...


class NoSessions:
    """There is no server, so there are no clients."""

    def rows(self) -> list[SessionRow]:
        raise NotRunning("No server is running here, so there are no sessions")

    def end(self, number: int) -> bool:
        return False

    def end_of(self, *mailbox_ids: int) -> int:
        return 0

    def end_visits(self, mailbox_id: int) -> int:
        return 0


class Context:
    """One request's surroundings."""

    def __init__(
        self,
        house: "Installation",
        caller: Caller,
        *,
        sessions: Sessions | None = None,
        progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """`progress` may raise Interrupted to break a long verb off."""
        self.house = house
        self.caller = caller
        self.sessions: Sessions = sessions or NoSessions()
        self.progress = progress


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> datetime:
    """A time of the store as people write it."""
    return _EPOCH + timedelta(microseconds=microseconds)
