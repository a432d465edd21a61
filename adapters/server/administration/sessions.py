"""The verbs for what a running server alone has: its sessions, and the settings that it was started with."""

from typing import Literal

from msgspec import Struct

from adapters.server.administration.context import Context, Contradiction, NoSuchSession, Request, SessionRow


class Ended(Struct, frozen=True):
    sessions_ended: int


class SettingRow(Struct, frozen=True):
    name: str
    value: str  # as the settings file would have it
    source: Literal["default", "file"]


class ListSessions(Request[list[SessionRow]], frozen=True):
    pass


class KickSession(Request[Ended], frozen=True):
    """One session by its number, or all of a user."""

    number: int | None = None
    user: str | None = None


class ShowSettings(Request[list[SettingRow]], frozen=True):
    pass


def listed(context: Context, ask: ListSessions) -> list[SessionRow]:
    """In the order in which they came.  Raises NotRunning."""
    return context.sessions.rows()


def kick(context: Context, ask: KickSession) -> Ended:
    """Says BYE; a client may well come back.  Raises NotRunning, NoSuchSession, NoSuchRecipient."""
    context.sessions.rows()
    if (ask.number is None) == (ask.user is None):
        raise Contradiction("Say either the number of a session or a user")
    if ask.user is not None:
        return Ended(context.sessions.end_of(context.house.recipient(ask.user).mailbox_id))
    if ask.number is None or not context.sessions.end(ask.number):
        raise NoSuchSession(f"There is no session {ask.number}")
    return Ended(1)


def settings(context: Context, ask: ShowSettings) -> list[SettingRow]:
    """T-11.2: every setting as it holds, and where it comes from."""
    return [SettingRow(*setting) for setting in context.house.settings.effective()]
