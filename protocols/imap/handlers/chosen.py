"""What a command is about: the selected folder, what of it the client knows, and the messages that a set names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.model import MAX_UID, UIDRanges
from protocols.imap import commands
from protocols.imap.naming.homes import Home
from protocols.imap.reading.fetching import Snapshot
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected, bad
from protocols.imap.selected import Selected

if TYPE_CHECKING:
    from protocols.imap.session import Session

NEVER = MAX_UID + 1
EVERYTHING: UIDRanges = ((1, MAX_UID),)


def chosen(selected: Selected, sequence: commands.SequenceSet, *, uid: bool) -> UIDRanges:
    """The messages that a sequence set names, by UID.

    RFC 9051 9: a message sequence number that does not exist is an error, a UID that does not exist is not.
    """
    view = selected.view
    if sequence.saved:
        return view.clip(selected.saved)
    if uid:
        return view.clip(sequence.resolve(view.last_uid))
    numbers = sequence.resolve(len(view))
    if numbers and numbers[-1][1] > len(view):
        raise bad("There is no message of that number")
    return view.uids_of_numbers(numbers)


def here(session: Session) -> tuple[Selected, Home]:
    """The selected folder, and the mailbox that it is in."""
    assert session.selected is not None, "COMMANDS lets this run only when a folder is selected"
    selected = session.selected
    return selected, _as_of_now(session, selected.home)


def _as_of_now(session: Session, home: Home) -> Home:
    """Who has left a group, or come into one, since the folder was selected, is judged as such."""
    if home.by is None:
        return home
    return replace(home, by=replace(home.by, trustees=session.services.trustees(session.signed_in)))


def writable(selected: Selected) -> None:
    """Raises Rejected after EXAMINE (RFC 9051 6.3.3)."""
    if selected.read_only:
        raise Rejected("The folder was opened for reading only", code=responses.READ_ONLY)


def snapshot_of(session: Session, selected: Selected) -> Snapshot:
    """What work on another thread may know of the session."""
    recent_from = selected.recent_from if selected.shows_recent else NEVER
    place = (selected.home.mailbox_id, selected.folder_id)
    by = _as_of_now(session, selected.home).by
    return Snapshot(*place, selected.view, recent_from, session.takes_utf8, selected.uid_only, by)
