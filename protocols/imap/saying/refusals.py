"""How IMAP says no: response codes for the core's refusals, and the refusals of the protocol itself."""

from core import errors
from core.limits import ANNOTATION_OCTETS
from protocols.imap.saying import responses

# RFC 5530, RFC 9051 7.1, RFC 5464 4.3.  The order matters: a subclass stands before what it is a kind of.
CODES: tuple[tuple[type[errors.Refusal], bytes], ...] = (
    (errors.NoSuchFolder, responses.NONEXISTENT),
    (errors.FolderExists, responses.ALREADYEXISTS),
    (errors.UseTaken, responses.USEATTR),
    (errors.InvalidUse, responses.USEATTR),
    (errors.NoPermission, responses.NOPERM),
    (errors.ProtectedFolder, responses.CANNOT),
    (errors.InvalidName, responses.CANNOT),
    (errors.ReadOnlyAnnotation, responses.CANNOT),
    (errors.TooManyAnnotations, responses.METADATA_TOOMANY),
    (errors.AnnotationTooLarge, responses.metadata_max_size(ANNOTATION_OCTETS)),
    (errors.LimitExceeded, responses.LIMIT),
    (errors.OverQuota, responses.OVERQUOTA),
    (errors.MessageTooLarge, responses.TOOBIG),
    (errors.MessageExpunged, responses.EXPUNGEISSUED),
    (errors.Unavailable, responses.UNAVAILABLE),
    (errors.NoSuchMailbox, responses.UNAVAILABLE),
)


class Rejected(Exception):
    """A tagged NO or BAD."""

    def __init__(self, text: str, *, status: bytes = b"NO", code: bytes | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.code = code


def rejected(refusal: errors.Refusal) -> Rejected:
    """The NO that tells of a refusal."""
    code = next((code for kind, code in CODES if isinstance(refusal, kind)), None)
    return Rejected(str(refusal), code=code)


def uid_required() -> Rejected:
    """RFC 9586 3: after ENABLE UIDONLY there are no message numbers."""
    return Rejected("Message numbers are not in use any more", status=b"BAD", code=responses.UIDREQUIRED)


def bad(text: str) -> Rejected:
    """The command makes no sense here."""
    return Rejected(text, status=b"BAD")
