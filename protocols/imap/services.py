"""What an IMAP session asks of the server around it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from core.model import Incoming, MailboxId
from core.ports import Clock, Entropy
from core.recipients import Digest, RecipientId
from core.watching import Views
from protocols.imap.finding.kept import Kept
from protocols.imap.naming.homes import Home
from protocols.imap.offering.policy import ClientPolicy
from protocols.imap.reading.urlauth import UrlAccess


class Account(Struct, frozen=True):
    """Who signed in, and where the mailbox is."""

    name: str
    mailbox_id: MailboxId
    database_id: int
    user: RecipientId

    @property
    def home(self) -> Home:
        """The user's own mailbox."""
        return Home(self.mailbox_id, self.database_id)


class Keys(Struct, frozen=True):
    """What SCRAM needs to know of a login name; for an unknown one, keys that nothing matches."""

    account: Account | None
    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


class Spool(Protocol):
    """A message on its way in, with flat memory."""

    @property
    def size(self) -> int: ...
    def write(self, chunk: bytes) -> None: ...
    def finish(self) -> Incoming:
        """All that is known of the message; may take some milliseconds.  Large bodies are on disk after it."""
        ...

    def another(self) -> "Spool":
        """For the next message of the same command: what is held in memory is bounded for all of them together."""
        ...

    def keep(self) -> None:
        """The bodies of this message and of those before it are named now."""
        ...

    def discard(self) -> None: ...


class Services(Protocol):
    @property
    def clock(self) -> Clock: ...
    @property
    def entropy(self) -> Entropy: ...
    @property
    def views(self) -> Views: ...
    @property
    def kept(self) -> Kept: ...
    @property
    def append_limit(self) -> int:
        """The largest message, in octets (RFC 7889)."""
        ...

    @property
    def plaintext_logins(self) -> bool:
        """Whether passwords are taken without TLS."""
        ...

    @property
    def may_unauthenticate(self) -> bool:
        """Whether a client may sign out and stay connected (RFC 8437 8: not where a proxy checks who signs in)."""
        ...

    @property
    def client_policy(self) -> ClientPolicy:
        """Which capabilities which clients are not offered."""
        ...

    @property
    def annotations(self) -> Mapping[str, bytes]:
        """The shared annotations of the server (RFC 5464 3.2.1.1)."""
        ...

    @property
    def url_access(self) -> UrlAccess | None:
        """Who may use which authorized URLs (RFC 4467); None: nobody, and none are made."""
        ...

    def account_named(self, name: str) -> Account | None:
        """Whose session it would be who signs in by that name."""
        ...

    @property
    def has_tls(self) -> bool: ...
    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        """What a connection with TLS can bind a sign-in to, by the name of the binding (RFC 5929)."""
        ...

    def sign_in_again(self, login: str, password: bytes) -> Account | None:
        """The account, when this password was verified a moment ago: microseconds."""
        ...

    def sign_in(self, login: str, password: bytes) -> Account | None:
        """The account, or None for whatever is wrong; as slow as a password hash must be."""
        ...

    @property
    def takes_tokens(self) -> bool:
        """Whether there is an issuer whose tokens are taken (RFC 7628)."""
        ...

    def sign_in_with_token(self, token: str) -> Account | None:
        """The account that the token names.  For a thread."""
        ...

    def sign_in_with_certificate(self, names: Sequence[str], authzid: str) -> Account | None:
        """The account that a name in a certificate that we trust means: of several the one that `authzid` means."""
        ...

    def act_for(self, account: Account, authzid: str) -> Account | None:
        """The account that a name means, if it is this one or this one may act for it; None for whatever is wrong."""
        ...

    def keys(self, login: str, digest: Digest) -> Keys: ...
    def login_delay(self, peer: str, login: str) -> float:
        """Seconds to wait before this attempt is answered."""
        ...

    def login_failed(self, peer: str, login: str) -> None: ...
    def login_succeeded(self, peer: str, login: str, acting_for: Account | None = None) -> None:
        """`acting_for` is whose session it will be, if not that of whoever signed in."""
        ...

    def admit(self, account: Account) -> bool:
        """Whether the account may have one more connection; `release` must follow if so."""
        ...

    def release(self, account: Account) -> None: ...
    @property
    def is_busy(self) -> bool:
        """Whether so much waits to be done that who can wait should."""
        ...

    def is_mounted(self, account: Account) -> bool: ...
    def spool(self, home: Home) -> Spool: ...
    def quota(self, home: Home) -> int | None:
        """Octets at which the mailbox takes no more; None: no limit."""
        ...

    def may_set_quota(self, account: Account) -> bool:
        """Whether the user is one of those who set quotas (RFC 9208 4.1.3), and may see everybody's."""
        ...

    def set_quota(self, account: Account, home: Home, octets: int | None) -> None:
        """From now on the mailbox has a limit of its own, or none.  Recorded, and on disk after it: for a thread."""
        ...

    # --- other mailboxes than the user's own (RFC 2342, RFC 4314)

    def databases(self) -> Sequence[int]:
        """The mailbox databases that are mounted."""
        ...

    def all_databases(self) -> Sequence[int]:
        """The mailbox databases, mounted or not."""
        ...

    def trustees(self, account: Account) -> frozenset[RecipientId]:
        """All numbers by which an access control list may mean the user, ANYONE among them."""
        ...

    def full_access(self, account: Account) -> Sequence[tuple[str, Home]]:
        """The mailboxes, by alias, in which the user acts as their owner would (T-12.7)."""
        ...

    def alias_of(self, mailbox_id: MailboxId) -> str | None:
        """Whose mailbox it is; None: nobody's."""
        ...

    def mailbox_of(self, account: Account, alias: str) -> Home | None:
        """Another user's mailbox as this one comes to it: as its owner would with full access, or as a trustee."""
        ...

    def public_folders(self, account: Account) -> Home | None:
        """The mailbox of the folders that all share; None where there are none."""
        ...

    def trustee(self, identifier: str) -> RecipientId | None:
        """Whom an identifier without a minus sign means (RFC 4314 3); None: nobody."""
        ...

    def identifier(self, trustee: RecipientId) -> str | None:
        """What a trustee is called in an access control list; None: it is gone, and nobody is called so."""
        ...
