"""LMTP (RFC 2033) for the mail hub next door, over TCP or a Unix socket: SMTP with a reply for each recipient.

RFC 2033 section 5: never on port 25, and not over a wide area network.
"""

from typing import ClassVar

from adapters.net.smtp import Connection, Target
from adapters.net.smtp_service import SmtpService
from protocols.smtp import session


class LmtpConnection(Connection):
    """One LMTP client."""

    # RFC 2033 4.1: LHLO instead of both, so that whoever meets the wrong protocol notices.
    METHODS: ClassVar[dict[bytes, str]] = {b"LHLO": "smtp_EHLO"} | {
        verb: name for verb, name in Connection.METHODS.items() if verb not in {b"HELO", b"EHLO"}
    }


class LmtpService(SmtpService[Target]):
    """The same for LMTP."""

    dialect: ClassVar[session.Dialect] = session.LMTP
    connection: ClassVar[type[Connection]] = LmtpConnection
