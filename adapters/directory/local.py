"""The directory that the organization database holds: addresses to recipients, login names and passwords to accounts.

A login name that nobody has and a password that is wrong look the same from outside: in the answer, in the time it
takes, and in what SCRAM shows before the password is known.
"""

import hashlib
import hmac
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol

from msgspec.structs import replace

from adapters.directory.passwords import PASSWORD_OCTETS, SALT_OCTETS, Passwords
from adapters.directory.verified import VerifiedPasswords
from core.errors import NoSuchRecipient, Refusal, RelayDenied
from core.ports import Clock
from core.recipients import (
    POSTMASTER,
    Account,
    Credential,
    Digest,
    Recipient,
    RecipientId,
    ScramKeys,
    candidates,
    fold_address,
    fold_name,
    is_postmaster,
    split_address,
)

_NOBODY: Final = RecipientId(0)  # no recipient has this number
_NAME_OCTETS: Final = 512  # no longer name can be in the directory; not worth folding


class Organization(Protocol):
    """What the directory reads; each a look-up of microseconds."""

    def accepts(self, domain: str) -> bool: ...
    def by_id(self, recipient_id: RecipientId) -> Recipient | None: ...
    def by_address(self, folded: str) -> Recipient | None: ...
    def by_alias(self, folded: str) -> Recipient | None: ...
    def credential(self, recipient_id: RecipientId) -> tuple[Credential, int] | None: ...
    def set_credential(self, recipient_id: RecipientId, credential: Credential, *, at: int) -> None: ...
    def renew_credential(self, recipient_id: RecipientId, credential: Credential, *, version: int) -> None: ...


class LocalDirectory:
    """All but `verify` and `set_password` may be called on an event loop."""

    def __init__(
        self,
        organization: Organization,
        passwords: Passwords,
        verified: VerifiedPasswords,
        clock: Clock,
        *,
        decoy_secret: bytes,
        plus_addressing: bool = True,
        postmaster: str = POSTMASTER,
    ) -> None:
        """`decoy_secret` must be the organization's for ever: an unknown user whose salt changes is known as one."""
        self._organization = organization
        self._passwords = passwords
        self._verified = verified
        self._clock = clock
        self._decoy_secret = decoy_secret
        self._plus_addressing = plus_addressing
        self._postmaster = postmaster

    def resolve(self, address: str) -> Recipient:
        """The recipient of mail to an address.  Raises NoSuchRecipient, RelayDenied."""
        domain = split_address(fold_address(address))[1]
        # RFC 5321 4.1.1.3: "postmaster" alone is the one address without a domain.
        if not is_postmaster(address) or domain:
            self._check_domain(domain)
        for candidate in candidates(address, plus_addressing=self._plus_addressing):
            if recipient := _enabled(self._organization.by_address(candidate)):
                return recipient
        if is_postmaster(address) and (recipient := self.login(self._postmaster)):
            return recipient
        raise NoSuchRecipient("No recipient has this address")

    def _check_domain(self, domain: str) -> None:
        if not self._organization.accepts(domain):
            raise RelayDenied("The domain is not one of ours")

    def login(self, name: str) -> Recipient | None:
        """Who signs in with this name: an alias, or any address of the recipient's."""
        return _enabled(self.named(name))

    def proven(self, names: Iterable[str], authzid: str = "") -> Recipient | None:
        """Whose names these are, which somebody has vouched for: of several the one whom `authzid` means.

        Nobody signs in to a shared mailbox in this way either.
        """
        known = [account.recipient for name in names if (account := self.account(name)) is not None]
        wanted = self.login(authzid) if authzid else None
        return wanted if wanted in known else next(iter(known), None)

    def acted_for(self, recipient_id: RecipientId, authzid: str) -> Recipient | None:
        """Whom a recipient, who has proved who it is, acts for by a name (RFC 4422 3.4.1); None: it may not."""
        recipient, wanted = _enabled(self._organization.by_id(recipient_id)), self.login(authzid)
        if recipient is None or wanted is None:
            return None
        return wanted if wanted == recipient or recipient.may_impersonate else None

    def account(self, name: str) -> Account | None:
        """The account behind a login name that has proved who it is."""
        recipient = self.login(name)
        found = self._organization.credential(recipient.recipient_id) if recipient else None
        return Account(recipient, found[1]) if recipient and found else None

    def current(self, account: Account) -> Account | None:
        """The account as it is now, with today's quota; None: its session must end, it has been shut out since."""
        recipient = _enabled(self._organization.by_id(account.recipient.recipient_id))
        found = self._organization.credential(recipient.recipient_id) if recipient else None
        is_same = found is not None and found[1] == account.credential_version
        return Account(recipient, account.credential_version) if recipient and is_same else None

    def check_cached(self, name: str, password: bytes) -> Account | None:
        """The account, if this password was verified for it a short time ago; None: `verify` must say."""
        if len(password) > PASSWORD_OCTETS:
            return None
        account = self.account(name)
        number, version = (account.recipient.recipient_id, account.credential_version) if account else (_NOBODY, 0)
        return account if self._verified.has(number, version, password) else None

    def verify(self, name: str, password: bytes) -> Account | None:
        """The account, or None for whatever is wrong.  As slow as a password hash must be: only on a thread."""
        recipient = self.login(name)
        found = self._organization.credential(recipient.recipient_id) if recipient else None
        credential, version = found or (None, 0)
        if not self._passwords.verify(credential, password) or recipient is None or credential is None:
            return None
        if self._passwords.is_outdated(credential):
            self._renew(recipient, password, version)
        self._verified.add(recipient.recipient_id, version, password)
        return Account(recipient, version)

    def _renew(self, recipient: Recipient, password: bytes, version: int) -> None:
        """Hashes the password with today's parameters."""
        with suppress(Refusal):  # it was the right password all the same; the next sign-in tries again
            credential = self._passwords.make(password)
            self._organization.renew_credential(recipient.recipient_id, credential, version=version)

    def set_password(self, recipient_id: RecipientId, password: bytes) -> None:
        """Holds at once, also for what was verified before.  Slow.  Raises InvalidPassword, NoSuchRecipient."""
        self._organization.set_credential(recipient_id, self._passwords.make(password), at=self._clock.now())

    def keys(self, name: str, digest: Digest = "sha256") -> ScramKeys:
        """What SCRAM needs; for a name that nobody can sign in with, keys that no password fits."""
        decoy = self._decoy(name, digest)  # always, so that it takes its time for every name
        recipient = self.named(name)
        found = self._organization.credential(recipient.recipient_id) if recipient else None
        if recipient is None or found is None:
            return decoy
        scram = found[0].scram if digest == "sha256" else found[0].scram_sha1
        if recipient.enabled and scram is not None:
            return scram
        # The salt of a disabled user stays what it was: a new one would tell.
        return replace(decoy, salt=found[0].scram.salt, iterations=found[0].scram.iterations)

    def _decoy(self, name: str, digest: Digest) -> ScramKeys:
        # A user's salt is the same for alias and address, so it must be the same for those of no user.
        local, domain = split_address(fold_address(name))
        stem = local if self._organization.accepts(domain) else fold_address(name)
        salt = self._made_up("salt", fold_name(stem))[:SALT_OCTETS]
        octets = hashlib.new(digest).digest_size
        keys = (self._made_up(purpose, stem)[:octets] for purpose in ("key", "server"))
        return ScramKeys(salt, self._passwords.iterations, *keys)

    def _made_up(self, purpose: str, name: str) -> bytes:
        return hmac.digest(self._decoy_secret, f"{purpose} {name}".encode("utf-8", "surrogatepass"), "sha256")

    def named(self, name: str) -> Recipient | None:
        """Who has this alias or address; enabled or not."""
        if len(name) > _NAME_OCTETS:
            return None
        if "@" in name:
            return self._organization.by_address(fold_address(name))
        return self._organization.by_alias(fold_name(name))


def _enabled(recipient: Recipient | None) -> Recipient | None:
    return recipient if recipient is not None and recipient.enabled else None
