"""Which folders a mailbox filter means: those of ESEARCH (RFC 7377 2.2) and of NOTIFY (RFC 5465 6)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from core import folders
from core.model import SEPARATOR, Folder
from core.rights import READ
from protocols.imap.commands import MailboxFilter
from protocols.imap.naming.hierarchy import Placed, listed, superiors
from protocols.imap.naming.homes import known_as
from protocols.imap.work import Asking

if TYPE_CHECKING:
    from protocols.imap.session import Session

BEYOND = frozenset({"subscribed", "mailboxes", "subtree", "subtree-one"})  # may mean what is not the user's own

IsChosen = Callable[[str, Placed], bool]


def chosen_folders(session: Session, wanted: Sequence[MailboxFilter]) -> Asking[list[tuple[str, Placed]]]:
    """The folders that some filters choose, each once, in the order of the tree; what cannot be read is not there."""
    goes_beyond = any(some.kind in BEYOND for some in wanted)
    known = yield from listed(session, lambda root: goes_beyond)
    tests = [chooser(session, some, known.subscribed) for some in wanted]
    chosen = [
        (name, placed)
        for name, placed in known.folders.items()
        if placed.is_selectable and placed.rights.granted & READ and any(is_chosen(name, placed) for is_chosen in tests)
    ]
    if MailboxFilter("selected") in wanted and not any(is_selected(session, placed) for _, placed in chosen):
        chosen += yield from _selected(session)
    return chosen


def _selected(session: Session) -> Asking[list[tuple[str, Placed]]]:
    """The selected folder, which may be one that cannot be listed."""
    selected = session.selected
    if selected is None:
        return []
    home, place = selected.home, (selected.home.mailbox_id, selected.folder_id)
    folder: Folder = yield home.read(lambda tx: folders.existing(tx, *place))
    return [(selected.path, Placed(home, folder, selected.rights))]


def chooser(session: Session, some: MailboxFilter, subscribed: Collection[str]) -> IsChosen:
    """Whether a folder, given its name, is one of these."""
    names = frozenset(map(known_as, some.mailboxes))
    match some.kind:
        case "selected":
            return lambda name, placed: is_selected(session, placed)
        case "inboxes":  # where deliveries go
            return lambda name, placed: _is_inbox(placed)
        case "personal":
            return lambda name, placed: placed.is_own
        case "subscribed":
            return lambda name, placed: name in subscribed
        case "mailboxes":
            return lambda name, placed: name in names
        case "subtree-one":
            return lambda name, placed: name in names or name.rpartition(SEPARATOR)[0] in names
        case "subtree":
            return lambda name, placed: any(part in names for part in (name, *superiors(name)))


def _is_inbox(placed: Placed) -> bool:
    return placed.is_own and placed.folder is not None and folders.is_inbox(placed.folder)


def is_selected(session: Session, placed: Placed) -> bool:
    """Whether this is the folder that the session has selected."""
    selected, folder = session.selected, placed.folder
    if selected is None or folder is None:
        return False
    return (selected.home.mailbox_id, selected.folder_id) == (folder.mailbox_id, folder.folder_id)
