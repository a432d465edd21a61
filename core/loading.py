"""A folder as a snapshot of the store has it: for who opens it, and for who may have missed changes of it."""

from collections.abc import Iterator, Mapping
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from core import folders, seen
from core.changes import Change, FolderRemoved, MailboxRemoved, SeenChange, TreeChange
from core.errors import NoSuchFolder, NoSuchMailbox
from core.model import INBOX, ROOT, Folder, FolderId, MailboxId
from core.ports import ReadTx
from core.readerview import ReaderView, marks_since
from core.recipients import RecipientId
from core.seen import SeenMarks
from core.view import FolderView


class Known(Struct, frozen=True):
    """What the sessions that have a folder open know of it."""

    mailbox_id: MailboxId
    folder_id: FolderId
    view: FolderView | None  # None: nobody has it whole
    marks: Mapping[RecipientId, SeenMarks] = {}  # of each reader who is not its owner
    is_inbox: bool = False


def load(
    tx: ReadTx,
    mailbox_id: MailboxId,
    folder_id: FolderId,
    user: RecipientId | None = None,
    shared: FolderView | None = None,
) -> FolderView:
    """The view of a folder as this snapshot has it, for its owner or for a reader.  Raises NoSuchFolder.

    A reader's is made of the view that all share, unless that is older than the snapshot: then not all that the marks
    are about has been told to those who share it.
    """
    folder = folders.existing(tx, mailbox_id, folder_id)
    if user is not None and shared is not None and shared.modseq >= folder.modseq:
        return ReaderView(shared, seen.marks(tx, folder, user))
    view = _view(tx, folder)
    return view if user is None else ReaderView(view, seen.marks(tx, folder, user))


def _view(tx: ReadTx, folder: Folder) -> FolderView:
    place = folder.mailbox_id, folder.folder_id
    columns = partial(tx.entry_columns, *place)
    return FolderView.of_columns(columns, tx.wide_keywords(*place), folder.modseq, tx.keywords(*place), folder.uidnext)


def missed(tx: ReadTx, known: Known) -> Iterator[Change]:
    """The changes that lead from what sessions know to this snapshot; they hear of them as of any others."""
    try:
        tx.mailbox(known.mailbox_id)
        folder = folders.existing(tx, known.mailbox_id, known.folder_id)
    except NoSuchMailbox:
        yield MailboxRemoved(known.mailbox_id)
        return
    except NoSuchFolder:
        yield FolderRemoved(known.mailbox_id, known.folder_id)
        return
    if known.is_inbox and (folder.parent_id, folder.name) != (ROOT, INBOX):
        # Renamed away: its messages live on, but it is not what was opened (RFC 9051 6.3.6).
        yield FolderRemoved(known.mailbox_id, known.folder_id)
        return
    marks = tuple(_marks(tx, folder, known))
    if known.view is not None and known.view.modseq < folder.modseq:
        # As one: a reader's view has but one MODSEQ, at which all of it is known.
        yield replace(known.view.difference(_view(tx, folder), known.mailbox_id, known.folder_id), others=marks)
    else:
        yield from marks
    for user in known.marks:
        yield TreeChange(known.mailbox_id, user)  # the list of rights may be another


def _marks(tx: ReadTx, folder: Folder, known: Known) -> Iterator[SeenChange]:
    for user, marks in known.marks.items():
        change = marks_since(marks, seen.marks(tx, folder, user), known.mailbox_id, known.folder_id)
        if change is not None:
            yield replace(change, user=user)
