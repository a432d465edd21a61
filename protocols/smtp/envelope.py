"""What a message comes in: its sender, its recipients, and how it reached us."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from protocols.smtp.parameters import Body

# Where a recipient's mail goes.  Only the store driver knows what is in it.
Target = TypeVar("Target")


class Spool(Protocol):
    """Where one message's bytes are kept until it is delivered."""

    def write(self, chunk: bytes) -> None:
        """Keep the next bytes: up to some 256 KiB at a time, and soon, for the event loop waits."""
        ...

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        ...

    def discard(self) -> None:
        """Let go of what is kept; safe at any time, also twice, and after a delivery, which keeps its own."""
        ...


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is protected."""

    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Client:
    """Who sent it: None as the address is the Unix socket, and the name is what the client says of itself."""

    ip: str | None
    helo: str
    tls: Tls | None


@dataclass(frozen=True, slots=True)
class Recipient(Generic[Target]):
    address: str
    target: Target


@dataclass(frozen=True, slots=True)
class Envelope(Generic[Target]):
    """One message's envelope, complete."""

    # "" is the null reverse-path (RFC 5321 4.5.5).
    sender: str
    recipients: tuple[Recipient[Target], ...]
    client: Client
    # The word for the WITH clause of Received.
    protocol: str
    smtputf8: bool
    body: Body
    declared_size: int | None


def with_protocol(name: str, *, extended: bool, tls: bool, smtputf8: bool) -> str:
    """Received's WITH word: RFC 3848 for SMTP and LMTP, RFC 6531 4.3 for UTF8SMTP and UTF8LMTP."""
    if smtputf8:
        word = f"UTF8{name}"
    elif name == "SMTP" and extended:
        word = "ESMTP"
    else:
        word = name
    return word + "S" if tls else word
