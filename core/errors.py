"""Refusals: the expected ways in which the store says no.

Only a protocol turns a refusal into its codes; nothing here knows an IMAP response or an SMTP reply.  Whatever else is
raised is a fault of ours: it is logged with its traceback, and the client learns nothing of its text.
"""


class Refusal(Exception):
    """An expected no.  The message is for people and may be shown to the client."""

    temporary = False


class NoSuchMailbox(Refusal):
    """No mailbox has this number in this database."""


class MailboxExists(Refusal):
    """A mailbox of this number is already in this database."""


class NoSuchRecipient(Refusal):
    """No recipient of ours has this address (T-7.1)."""


class RelayDenied(Refusal):
    """The address is in a domain that is not ours."""


class NoSuchFolder(Refusal):
    """The folder named does not exist, or cannot hold messages."""


class FolderExists(Refusal):
    """A folder of this name is already there."""


class UseTaken(Refusal):
    """Another folder of the mailbox has this special use (RFC 6154)."""


class InvalidUse(Refusal):
    """Folders, or this one, cannot have this special use (RFC 6154)."""


class ProtectedFolder(Refusal):
    """The folder may not be deleted, renamed or written to in this way."""


class NoPermission(Refusal):
    """The folder may be known of, but this may not be done there (RFC 4314)."""


class InvalidName(Refusal):
    """A name that no folder may have."""


class LimitExceeded(Refusal):
    """One of the store's named limits: folders per mailbox, depth, keywords, name length."""


class TooManyAnnotations(Refusal):
    """A folder, or a mailbox, has no room for this annotation (RFC 5464)."""


class AnnotationTooLarge(Refusal):
    """An annotation's value is longer than ANNOTATION_OCTETS."""


class ReadOnlyAnnotation(Refusal):
    """The server alone sets this annotation (RFC 5464 4.1)."""


class OverQuota(Refusal):
    """The mailbox has reached its prohibit-send-and-receive quota (T-1.2)."""


class MessageTooLarge(Refusal):
    """The message is larger than the server takes (T-7.9)."""


class MessageLoops(Refusal):
    """The message has passed more servers than any honest route has (RFC 5321 6.3)."""


class MessageExpunged(Refusal):
    """The session still sees a message whose bytes are gone (RFC 5530 EXPUNGEISSUED)."""


class Unavailable(Refusal):
    """The database is dismounted, full, or failing: nothing was done, and a later try may work (T-1.5)."""

    temporary = True


class Busy(Unavailable):
    """More work is waiting than the store accepts at once."""
