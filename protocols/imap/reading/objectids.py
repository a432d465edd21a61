"""Object identifiers (RFC 8474): names for messages, conversations and folders that stay whatever moves."""

from core.model import FolderId, MailboxId


def thread_id(mailbox_id: MailboxId, first: int) -> str:
    """RFC 8474 5.2, THREADID: by the number of the conversation's first message."""
    return f"T{mailbox_id:x}-{first:x}"


def mailbox_id(mailbox: MailboxId, folder_id: FolderId) -> str:
    """RFC 8474 4, MAILBOXID: folder numbers are never used twice, and stay when a folder is renamed."""
    return f"F{mailbox:x}-{folder_id:x}"
