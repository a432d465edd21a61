"""What a committed command changed, as the sessions that look at the same folders need to hear it.

Changes are published after the commit, in MODSEQ order for each folder.  Who knows a folder up to `since` may apply the
change and then knows it up to `modseq`; who finds a gap loads the folder again.
"""

from core.model import Entry, FolderId, MailboxId, ModSeq, SeenRange, Tagged, UIDRanges
from core.recipients import RecipientId


class SeenChange(Tagged, frozen=True):
    r"""A reader, who is not the owner, has seen messages, or marked them as unseen again; nobody else hears of it.

    These changes have an order of their own for each reader.
    """

    mailbox_id: MailboxId
    folder_id: FolderId
    user: RecipientId
    since: ModSeq  # of the reader's change before
    modseq: ModSeq
    seen: UIDRanges = ()
    unseen: UIDRanges = ()
    marks: tuple[SeenRange, ...] | None = None  # all that there are then, where several changes are told as one


class FolderChange(Tagged, frozen=True):
    """Messages came, changed their flags, or went."""

    mailbox_id: MailboxId
    folder_id: FolderId
    since: ModSeq
    modseq: ModSeq
    arrived: tuple[Entry, ...] = ()  # in UID order, each above every UID before
    changed: tuple[Entry, ...] = ()
    expunged: UIDRanges = ()
    keywords: tuple[str, ...] | None = None  # all of the folder's keywords, when this change added some
    own: SeenChange | None = None  # what the reader has seen of it, who made it
    others: tuple[SeenChange, ...] = ()  # what readers have seen, where many changes are told as one
    uidnext: int = 0  # likewise: above all that came, also what went again


class FolderRemoved(Tagged, frozen=True):
    """The folder is gone, or can no longer be selected."""

    mailbox_id: MailboxId
    folder_id: FolderId


class MailboxRemoved(Tagged, frozen=True):
    """The whole mailbox is gone."""

    mailbox_id: MailboxId


class TreeChange(Tagged, frozen=True):
    """Folders were made, renamed or deleted, or subscriptions or rights were changed: LIST may have another answer."""

    mailbox_id: MailboxId
    trustee: RecipientId | None = None  # whose rights they are, where only rights were changed


class AnnotationsChange(Tagged, frozen=True):
    """Annotations were set or taken away."""

    mailbox_id: MailboxId
    folder_id: FolderId  # core.annotations.SERVER: of none
    user: RecipientId  # whose they are; core.annotations.SHARED: all can see them
    names: tuple[str, ...]


class AccessKeyChange(Tagged, frozen=True):
    """A user has a new mailbox access key for a folder."""

    mailbox_id: MailboxId
    folder_id: FolderId
    user: RecipientId


class Missed(Tagged, frozen=True):
    """Not all was told of what was committed in a mailbox: whoever follows it must look again."""

    mailbox_id: MailboxId  # 0: in any, also those that nobody follows yet


Change = (
    FolderChange
    | SeenChange
    | FolderRemoved
    | MailboxRemoved
    | TreeChange
    | AnnotationsChange
    | AccessKeyChange
    | Missed
)
