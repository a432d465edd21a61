"""What sessions and the store driver ask about people: who signs in, where mail goes, how much room there is."""

from collections.abc import Callable, Mapping, Sequence

from adapters.directory.local import LocalDirectory
from adapters.directory.throttle import Throttle
from adapters.directory.tokens import BearerTokens
from adapters.server.admission import Admission
from adapters.server.executor import StoreExecutor
from adapters.server.spooling import MessageSpool
from adapters.server.storedriver import Target
from adapters.stores.organization import OrganizationDatabase
from core.ports import Clock, Entropy, EventLog
from core.recipients import Digest, Recipient, effective
from core.view import Views
from protocols.imap.kept import Kept
from protocols.imap.services import Account, Keys


class Accounts:
    """Answers protocols.imap.services.Services, and routes addresses for the store driver."""

    def __init__(
        self,
        *,
        organization: OrganizationDatabase,
        directory: LocalDirectory,
        tokens: BearerTokens | None,
        throttle: Throttle,
        admission: Admission,
        executor: StoreExecutor,
        views: Views,
        clock: Clock,
        entropy: Entropy,
        spool: Callable[[int], MessageSpool],
        append_limit: int,
        plaintext_logins: bool,
        may_unauthenticate: bool,
        has_tls: bool,
        channel_bindings: Mapping[str, bytes],
        log: EventLog,
    ) -> None:
        self.views = views
        self.kept = Kept()
        self.clock = clock
        self.entropy = entropy
        self.append_limit = append_limit
        self.plaintext_logins = plaintext_logins
        self.may_unauthenticate = may_unauthenticate
        self.has_tls = has_tls
        self.channel_bindings = channel_bindings
        self._organization = organization
        self._directory = directory
        self._tokens = tokens
        self._throttle = throttle
        self._admission = admission
        self._executor = executor
        self._spool = spool
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

    def sign_in_with_token(self, token: str, authzid: str) -> Account | None:
        login = self._tokens.login(token) if self._tokens else None
        found = self._directory.proven([login], authzid) if login else None
        return _account(found) if found else None

    def sign_in_with_certificate(self, names: Sequence[str], authzid: str) -> Account | None:
        found = self._directory.proven(names, authzid)
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

    def login_succeeded(self, peer: str, login: str) -> None:
        self._throttle.succeeded(peer or None, login)
        self._log.info("signin", peer=peer, login=login)

    def admit(self, account: Account) -> bool:
        return self._admission.sign_in(account.mailbox_id)

    def release(self, account: Account) -> None:
        self._admission.sign_out(account.mailbox_id)

    # ------------------------------------------------------------------------------------------ mailboxes

    def is_mounted(self, account: Account) -> bool:
        return self._executor.is_mounted(account.database_id)

    def spool(self, account: Account) -> MessageSpool:
        return self._spool(account.database_id)

    def quota(self, account: Account) -> int | None:
        recipient = self._directory.login(account.name)
        return self._prohibit_all(recipient) if recipient else None

    def route(self, address: str) -> Target:
        """Where mail for an address goes.  Raises NoSuchRecipient, RelayDenied."""
        recipient = self._directory.resolve(address)
        return Target(address, recipient.mailbox_id, recipient.database_id, self._prohibit_all(recipient))

    def _prohibit_all(self, recipient: Recipient) -> int | None:
        return effective(recipient, self._organization.database(recipient.database_id)).prohibit_all


def _account(recipient: Recipient) -> Account:
    return Account(recipient.alias, recipient.mailbox_id, recipient.database_id)
