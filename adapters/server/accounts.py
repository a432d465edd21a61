"""What sessions and the store driver ask about people: who signs in, where mail goes, how much room there is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from adapters.directory.local import LocalDirectory
from adapters.directory.tokens import BearerTokens
from adapters.server import trustees
from adapters.server.administration.context import Request
from adapters.server.administration.mailboxes import SetMailbox
from adapters.server.administration.quotas import QuotaChange
from adapters.server.admission import Admission
from adapters.server.executor import StoreExecutor
from adapters.server.spooling import MessageSpool
from adapters.server.storedriver import Target
from adapters.stores.organization import OrganizationDatabase
from core.errors import NoSuchRecipient
from core.model import MailboxId
from core.ports import Clock, Entropy, EventLog
from core.recipients import ALIAS_OCTETS, DatabaseId, Digest, Recipient, RecipientId, effective, fold_name
from core.rights import ANYONE, Actor
from core.watching import Views
from protocols.imap.finding.kept import Kept
from protocols.imap.naming.homes import Home
from protocols.imap.offering.policy import ClientPolicy
from protocols.imap.reading.urlauth import UrlAccess
from protocols.imap.services import Account, Keys


class SignInThrottle(Protocol):
    """Who must wait before a password is looked at; see adapters.directory.throttle."""

    def delay(self, source: str | None, login: str) -> float: ...
    def failed(self, source: str | None, login: str) -> None: ...
    def succeeded(self, source: str | None, login: str) -> None: ...


class Accounts:
    """Answers protocols.imap.services.Services, and routes addresses for the store driver."""

    def __init__(
        self,
        *,
        organization: OrganizationDatabase,
        directory: LocalDirectory,
        tokens: BearerTokens | None,
        throttle: SignInThrottle,
        admission: Admission,
        executor: StoreExecutor,
        views: Views,
        kept: Kept,
        clock: Clock,
        entropy: Entropy,
        spool: Callable[[int], MessageSpool],
        quota_admins: frozenset[str],
        administer: Callable[[str, Request[Any]], Any],
        append_limit: int,
        plaintext_logins: bool,
        may_unauthenticate: bool,
        client_policy: ClientPolicy,
        url_access: UrlAccess | None,
        annotations: Mapping[str, bytes],
        has_tls: bool,
        channel_bindings: Mapping[str, bytes],
        log: EventLog,
    ) -> None:
        """`quota_admins`: folded aliases.  `administer` carries out what the user of a name asks for."""
        self.views = views
        self.kept = kept
        self.clock = clock
        self.entropy = entropy
        self.append_limit = append_limit
        self.plaintext_logins = plaintext_logins
        self.may_unauthenticate = may_unauthenticate
        self.client_policy = client_policy
        self.url_access = url_access
        self.annotations = annotations
        self.has_tls = has_tls
        self.channel_bindings = channel_bindings
        self._organization = organization
        self._directory = directory
        self._tokens = tokens
        self._throttle = throttle
        self._admission = admission
        self._executor = executor
        self._spool = spool
        self._quota_admins = quota_admins
        self._administer = administer
        self._log = log

    # ------------------------------------------------------------------------------------------ signing in

    def sign_in_again(self, login: str, password: bytes) -> Account | None:
        found = self._directory.check_cached(login, password)
        return _account(found.recipient) if found else None

    def sign_in(self, login: str, password: bytes) -> Account | None:
        found = self._directory.verify(login, password)
        return _account(found.recipient) if found else None

    @property
    def takes_tokens(self) -> bool:
        return self._tokens is not None

    def sign_in_with_token(self, token: str) -> Account | None:
        login = self._tokens.login(token) if self._tokens else None
        found = self._directory.proven([login]) if login else None
        return _account(found) if found else None

    def sign_in_with_certificate(self, names: Sequence[str], authzid: str) -> Account | None:
        found = self._directory.proven(names, authzid)
        return _account(found) if found else None

    def act_for(self, account: Account, authzid: str) -> Account | None:
        found = self._directory.acted_for(account.user, authzid)
        return _account(found) if found else None

    def account_named(self, name: str) -> Account | None:
        found = self._directory.login(name)
        return _account(found) if found else None

    def keys(self, login: str, digest: Digest) -> Keys:
        scram, recipient = self._directory.keys(login, digest), self._directory.login(login)
        account = _account(recipient) if recipient else None
        return Keys(account, scram.salt, scram.iterations, scram.stored_key, scram.server_key)

    def login_delay(self, peer: str, login: str) -> float:
        return self._throttle.delay(peer or None, login)

    def login_failed(self, peer: str, login: str) -> None:
        self._throttle.failed(peer or None, login)
        self._log.warning("signin.refused", peer=peer, login=login)

    def login_succeeded(self, peer: str, login: str, acting_for: Account | None = None) -> None:
        self._throttle.succeeded(peer or None, login)
        if acting_for is None:
            self._log.info("signin", peer=peer, login=login)
        else:
            self._log.info("signin.impersonated", peer=peer, login=login, user=acting_for.name)

    def admit(self, account: Account) -> bool:
        return self._admission.sign_in(account.mailbox_id)

    def release(self, account: Account) -> None:
        self._admission.sign_out(account.mailbox_id)

    # ------------------------------------------------------------------------------------------ mailboxes

    def is_mounted(self, account: Account) -> bool:
        return self._executor.is_mounted(account.database_id)

    @property
    def is_busy(self) -> bool:
        return self._executor.is_busy

    def spool(self, home: Home) -> MessageSpool:
        return self._spool(home.database_id)

    def quota(self, home: Home) -> int | None:
        recipient = self._organization.by_mailbox(home.mailbox_id)
        if recipient is None:  # the public folders are nobody's
            return self._organization.database(DatabaseId(home.database_id)).quota.prohibit_all
        return self._prohibit_all(recipient)

    def may_set_quota(self, account: Account) -> bool:
        return fold_name(account.name) in self._quota_admins

    def set_quota(self, account: Account, home: Home, octets: int | None) -> None:
        alias = self.alias_of(home.mailbox_id)
        if alias is None:
            raise NoSuchRecipient("The mailbox is nobody's")
        self._administer(account.name, SetMailbox(alias, quota=QuotaChange(prohibit_all=octets)))
        self._log.info("quota.set", who=account.name, mailbox=alias, octets=octets)

    def databases(self) -> Sequence[int]:
        return self._executor.mounted()

    def all_databases(self) -> Sequence[int]:
        return [database.database_id for database in self._organization.databases()]

    def trustees(self, account: Account) -> frozenset[RecipientId]:
        return self._organization.sharing.groups_of(account.user) | {account.user, ANYONE}

    def full_access(self, account: Account) -> Sequence[tuple[str, Home]]:
        found = map(self._organization.by_id, self._organization.sharing.accessible(account.user))
        return [
            (recipient.alias, Home(recipient.mailbox_id, recipient.database_id))
            for recipient in found
            if recipient is not None
            and recipient.mailbox_id != account.mailbox_id
            and self._executor.is_mounted(recipient.database_id)
        ]

    def alias_of(self, mailbox_id: MailboxId) -> str | None:
        recipient = self._organization.by_mailbox(mailbox_id)
        return recipient.alias if recipient else None

    def mailbox_of(self, account: Account, alias: str) -> Home | None:
        recipient = self._organization.by_alias(fold_name(alias)) if len(alias) <= ALIAS_OCTETS else None
        if recipient is None or recipient.mailbox_id == account.mailbox_id:
            return None
        is_owner = recipient.recipient_id in self._organization.sharing.accessible(account.user)
        by = None if is_owner else Actor(account.user, self.trustees(account))
        return Home(recipient.mailbox_id, recipient.database_id, by)

    def public_folders(self, account: Account) -> Home | None:
        public = self._organization.sharing.public_folders()
        if public is None or not self._executor.is_mounted(public.database_id):
            return None
        return Home(public.mailbox_id, public.database_id, Actor(account.user, self.trustees(account)))

    def trustee(self, identifier: str) -> RecipientId | None:
        return trustees.trustee(self._organization, identifier)

    def identifier(self, trustee: RecipientId) -> str | None:
        return trustees.identifier(self._organization, trustee)

    def route(self, address: str) -> Target:
        """Where mail for an address goes.  Raises NoSuchRecipient, RelayDenied."""
        recipient = self._directory.resolve(address)
        return Target(address, recipient.mailbox_id, recipient.database_id, self._prohibit_all(recipient))

    def _prohibit_all(self, recipient: Recipient) -> int | None:
        return effective(recipient, self._organization.database(recipient.database_id)).prohibit_all


def _account(recipient: Recipient) -> Account:
    return Account(recipient.alias, recipient.mailbox_id, recipient.database_id, recipient.recipient_id)
