"""The organization database: mailbox databases, accepted domains, recipients and their credentials, in one SQLite file.

Reads are made for an event loop: databases and domains are always in memory, and a recipient that is not costs one
look-up by key.  Writes sync the disk, so they belong on a thread.  Each is one small transaction: done, or not at all.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar, cast

from adapters.stores import sqlite
from adapters.stores.migrations import migrate
from adapters.stores.sharing import Do, Sharing, take
from adapters.stores.sql import Row
from adapters.stores.sqlite import ENGINE_ERRORS, SqliteConnection
from adapters.stores.statements import load
from core import recipients
from core.errors import NoSuchRecipient, Unavailable
from core.model import MailboxId
from core.recipients import (
    DEFAULT_QUOTA,
    AcceptedDomain,
    AddressInUse,
    Credential,
    DatabaseExists,
    DatabaseId,
    DomainInUse,
    InvalidAddress,
    MailboxDatabaseInfo,
    NewRecipient,
    NoSuchDatabase,
    NoSuchDomain,
    Quota,
    Recipient,
    RecipientExists,
    RecipientId,
    ScramKeys,
)

STATEMENTS = load("organization")
CACHED = 50_000  # recipients, by each of their names in use: some 1.5 KB each
MISSED = 10_000  # names of nobody: long lists of made-up ones are no use to remember
PAGE = 500  # recipients that one read lists

T = TypeVar("T")
_Key = tuple[str, object]


class OrganizationDatabase:
    """The open database; only one server can have it.

    The caches hold what is committed: a write empties them after its commit, and then `committed` is called.  When
    other processes of the same server write too, `refresh` must be called for each of their commits.
    """

    def __init__(
        self, path: Path, *, at: int, shared: bool = False, committed: Callable[[], None] = lambda: None
    ) -> None:
        """Raises DatabaseLocked, DatabaseDamaged, SqliteTooOld, SchemaTooNew.

        `shared`: the supervisor holds the lock for us.
        """
        sqlite.check_version()
        self._lock = None if shared else sqlite.lock(path)
        self._committed = committed
        self._path = path
        self._writing = threading.Lock()
        self._local = threading.local()
        self._readers: list[SqliteConnection] = []
        self._cache = _Cache()
        self.sharing = Sharing(self._read, self._write, self._cache.get)
        try:
            with sqlite.naming_damage(path):
                self._writer = SqliteConnection(path, writer=True)
                migrate(self._writer, "organization", at)
                self.forget()
        except BaseException:
            self._unlock()
            raise

    def close(self) -> None:
        """No reader may be at work."""
        for connection in [*self._readers, self._writer]:
            connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def refresh(self) -> None:
        """Another process has written."""
        with self._writing:  # or what is read now could replace what a write of ours is about to leave
            self.forget()

    def forget(self) -> None:
        """What is in memory is out of date."""
        self._cache.clear()
        self._databases = {row[0]: _database(row) for row in self._read("databases")}
        self._domains: dict[str, bool] = {domain: bool(is_default) for domain, is_default in self._read("domains")}

    # Mailbox databases

    def add_database(self, name: str, *, at: int, quota: Quota = DEFAULT_QUOTA) -> MailboxDatabaseInfo:
        """A new one, mounted.  Raises DatabaseExists, InvalidAlias."""
        folded = recipients.check_database_name(name)
        with self._write() as do:
            if any(recipients.fold_name(row[1]) == folded for row in do("databases")):
                raise DatabaseExists("A mailbox database of this name is already there")
            database_id = take(do, "database")
            do("insert_database", database=database_id, name=name, folded=folded, at=at, **_quota(quota))
        return self.database(DatabaseId(database_id))

    def databases(self) -> tuple[MailboxDatabaseInfo, ...]:
        """All, the oldest first."""
        return tuple(self._databases.values())

    def database(self, database_id: DatabaseId) -> MailboxDatabaseInfo:
        """Raises NoSuchDatabase."""
        try:
            return self._databases[database_id]
        except KeyError:
            raise NoSuchDatabase("There is no such mailbox database") from None

    def database_named(self, name: str) -> MailboxDatabaseInfo:
        """Raises NoSuchDatabase."""
        folded = recipients.fold_name(name)
        for database in self._databases.values():
            if recipients.fold_name(database.name) == folded:
                return database
        raise NoSuchDatabase("There is no mailbox database of this name")

    def set_mounted(self, database_id: DatabaseId, *, mounted: bool) -> MailboxDatabaseInfo:
        """Raises NoSuchDatabase."""
        self.database(database_id)
        with self._write() as do:
            do("set_mounted", database=database_id, mounted=int(mounted))
        return self.database(database_id)

    def set_database_quota(self, database_id: DatabaseId, quota: Quota) -> MailboxDatabaseInfo:
        """Raises NoSuchDatabase."""
        self.database(database_id)
        with self._write() as do:
            do("set_database_quota", database=database_id, **_quota(quota))
        return self.database(database_id)

    # Accepted domains

    def add_domain(self, domain: str, *, default: bool = False) -> None:
        """From now on mail for the domain is ours.  The first one becomes the default.  Raises InvalidAddress."""
        folded = recipients.check_domain(domain)
        with self._write() as do:
            do("insert_domain", domain=folded)
            if default or not any(is_default for _, is_default in do("domains")):
                do("set_default_domain", domain=folded)

    def remove_domain(self, domain: str) -> None:
        """Raises NoSuchDomain, DomainInUse."""
        folded = recipients.fold_domain(domain)
        with self._write() as do:
            known: dict[str, int] = dict(do("domains"))
            if folded not in known:
                raise NoSuchDomain("The domain is not one of ours")
            if do("domain_in_use", domain=folded):
                raise DomainInUse("Recipients have addresses in the domain")
            if known[folded] and len(known) > 1:
                raise DomainInUse("The domain is the default one: make another the default first")
            do("delete_domain", domain=folded)

    def domains(self) -> tuple[AcceptedDomain, ...]:
        return tuple(AcceptedDomain(domain, is_default) for domain, is_default in self._domains.items())

    def default_domain(self) -> str:
        """The domain of new addresses.  Raises NoSuchDomain."""
        for domain, is_default in self._domains.items():
            if is_default:
                return domain
        raise NoSuchDomain("There is no accepted domain yet")

    def accepts(self, domain: str) -> bool:
        """Whether mail for a domain, folded, is ours."""
        return domain in self._domains

    # Recipients

    def new_mailbox_id(self) -> MailboxId:
        """A number that no mailbox ever had.

        Make the mailbox first and its recipient then: between the two nobody can find it, while mail for a recipient
        without a mailbox would bounce.
        """
        with self._write() as do:
            return MailboxId(take(do, "mailbox"))

    def check_new(self, recipient: NewRecipient) -> None:
        """Raises what `add_recipient` would."""
        self.database(recipient.database_id)
        recipients.check_display_name(recipient.display_name)
        _check_names(self._read, None, recipient)

    def add_recipient(self, recipient: NewRecipient, credential: Credential | None, *, at: int) -> Recipient:
        """Raises RecipientExists, AddressInUse, NoSuchDomain, NoSuchDatabase, InvalidAddress, InvalidAlias."""
        self.database(recipient.database_id)
        recipients.check_display_name(recipient.display_name)
        with self._write() as do:
            _check_names(do, None, recipient)
            recipient_id = RecipientId(take(do, "recipient"))
            do("insert_recipient", **_columns(recipient_id, recipient), at=at)
            _insert_addresses(do, recipient_id, recipient)
            if credential is not None:
                do("put_credential", **_credential(recipient_id, credential), at=at)
        return self.recipient(recipient_id)

    def set_recipient(self, recipient: Recipient) -> Recipient:
        """Writes all that is in the value, but `created_at`.  Raises NoSuchRecipient and what `add_recipient` does."""
        self.database(recipient.database_id)
        recipients.check_display_name(recipient.display_name)
        with self._write() as do:
            if not do("by_id", recipient=recipient.recipient_id):
                raise NoSuchRecipient("There is no such recipient")
            _check_names(do, recipient.recipient_id, recipient)
            changed = _columns(recipient.recipient_id, recipient)
            do("update_recipient", **changed, may_impersonate=int(recipient.may_impersonate))
            do("delete_addresses", recipient=recipient.recipient_id)
            _insert_addresses(do, recipient.recipient_id, recipient)
        return self.recipient(recipient.recipient_id)

    def delete_recipient(self, recipient_id: RecipientId) -> Recipient:
        """The recipient as it was; its mailbox stays where it is.  Raises NoSuchRecipient."""
        with self._write() as do:
            if not (rows := do("by_id", recipient=recipient_id)):
                raise NoSuchRecipient("There is no such recipient")
            for statement in ("delete_addresses", "delete_credential", "delete_recipient"):
                do(statement, recipient=recipient_id)
            self.sharing.forget_trustee(do, recipient_id)
        return _recipient(rows)

    def recipient(self, recipient_id: RecipientId) -> Recipient:
        """Raises NoSuchRecipient."""
        if (found := self.by_id(recipient_id)) is None:
            raise NoSuchRecipient("There is no such recipient")
        return found

    def by_id(self, recipient_id: RecipientId) -> Recipient | None:
        """Enabled or not."""
        return self._cache.get(("id", recipient_id), lambda: self._find("by_id", recipient=recipient_id))

    def by_address(self, folded: str) -> Recipient | None:
        """Who has a folded address; enabled or not."""
        return self._cache.get(("address", folded), lambda: self._find("by_address", folded=folded))

    def by_alias(self, folded: str) -> Recipient | None:
        """Who has a folded alias; enabled or not."""
        return self._cache.get(("alias", folded), lambda: self._find("by_alias", folded=folded))

    def by_mailbox(self, mailbox_id: MailboxId) -> Recipient | None:
        """Whose mailbox has this number; enabled or not."""
        return self._cache.get(("mailbox", mailbox_id), lambda: self._find("by_mailbox", mailbox=mailbox_id))

    def recipients(self, *, after: str = "", limit: int = PAGE) -> list[Recipient]:
        """Recipients in the order of their aliases, from behind an alias on: the last of a page leads to the next."""
        rows = self._read("page", after=recipients.fold_name(after), limit=limit)
        return [_recipient(list(own)) for _, own in groupby(rows, key=lambda row: int(row[0]))]

    # Credentials and secrets

    def credential(self, recipient_id: RecipientId) -> tuple[Credential, int] | None:
        """The credential and its version, a number that grows with every change; None: the recipient has none."""
        return self._cache.get(("credential", recipient_id), lambda: self._find_credential(recipient_id))

    def set_credential(self, recipient_id: RecipientId, credential: Credential, *, at: int) -> None:
        """A new password: the version grows.  Raises NoSuchRecipient."""
        with self._write() as do:
            if not do("by_id", recipient=recipient_id):
                raise NoSuchRecipient("There is no such recipient")
            do("put_credential", **_credential(recipient_id, credential), at=at)

    def renew_credential(self, recipient_id: RecipientId, credential: Credential, *, version: int) -> None:
        """The same password in another form: only if the version is still this one, which stays."""
        with self._write() as do:
            do("renew_credential", **_credential(recipient_id, credential), version=version)

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The organization's secret of this name; `make` makes it when it is asked for the first time."""
        if rows := self._read("secret", name=name):
            return bytes(rows[0][0])
        with self._write() as do:
            do("insert_secret", name=name, value=make())
            return bytes(do("secret", name=name)[0][0])

    # Below: how

    def _find(self, statement: str, **params: object) -> Recipient | None:
        rows = self._read(statement, **params)
        return _recipient(rows) if rows else None

    def _find_credential(self, recipient_id: RecipientId) -> tuple[Credential, int] | None:
        for version, password_hash, salt, iterations, *keys in self._read("credential", recipient=recipient_id):
            sha1 = None if keys[2] is None else ScramKeys(salt, iterations, *keys[2:])
            return Credential(password_hash, ScramKeys(salt, iterations, *keys[:2]), sha1), version
        return None

    def _read(self, statement: str, **params: object) -> list[Row]:
        """One statement, so one snapshot, on this thread's own connection.  Raises Unavailable."""
        try:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = SqliteConnection(self._path, writer=False)
                self._readers.append(connection)
            return list(connection.execute(STATEMENTS[statement], params))
        except ENGINE_ERRORS as fault:
            raise Unavailable("The organization database cannot be read") from fault

    @contextmanager
    def _write(self) -> Iterator[Do]:
        """A transaction: committed if the block ends, undone if it raises.  Raises Unavailable."""
        with self._writing:
            try:
                self._writer.begin()
                yield self._run
                self._writer.commit()
            except BaseException as fault:
                self._undo()
                if isinstance(fault, ENGINE_ERRORS):
                    raise Unavailable("The organization database cannot be written") from fault
                raise
            # Before the lock goes, or an older state could replace a newer one in memory.
            self.forget()
            self._writer.checkpoint()
        self._committed()

    def _run(self, statement: str, /, **params: object) -> list[Row]:
        return list(self._writer.execute(STATEMENTS[statement], params))

    def _undo(self) -> None:
        try:
            self._writer.rollback()
        except ENGINE_ERRORS:  # nothing is known of this connection any more
            self._writer.close()
            self._writer = SqliteConnection(self._path, writer=True)


class _Cache:
    """What look-ups found, and for which names they found nothing; the oldest goes when there are too many.

    The two are apart, so that strangers who make names up cannot drive out those that are in use.
    """

    def __init__(self) -> None:
        self._found: dict[_Key, Any] = {}
        self._missed: dict[_Key, None] = {}
        self._generation = 0
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._generation += 1
            self._found.clear()
            self._missed.clear()

    def get(self, key: _Key, find: Callable[[], T | None]) -> T | None:
        if (found := self._found.get(key)) is not None or key in self._missed:
            return cast("T | None", found)
        generation = self._generation
        found = find()
        with self._lock:
            # Read before a commit and kept after it, this would stay wrong for ever.
            if generation == self._generation:
                _keep(self._missed if found is None else self._found, key, found, MISSED if found is None else CACHED)
        return found


def _keep(table: dict[_Key, Any], key: _Key, value: object, limit: int) -> None:
    if len(table) >= limit:
        del table[next(iter(table))]
    table[key] = value


def _check_names(do: Do, owner: RecipientId | None, recipient: NewRecipient | Recipient) -> None:
    """Whether nobody else has the alias or one of the addresses, and every domain is ours."""
    if (taken := do("alias_owner", folded=recipients.check_alias(recipient.alias))) and taken[0][0] != owner:
        raise RecipientExists(f"Another recipient has the alias {recipient.alias}")
    domains = {domain for domain, _ in do("domains")}
    folded = [recipients.check_address(address) for address in _addresses(recipient)]
    if len(folded) > recipients.ADDRESSES_PER_RECIPIENT or len(set(folded)) < len(folded):
        raise InvalidAddress("Too many addresses, or one of them twice")
    for address in folded:
        if (domain := recipients.split_address(address)[1]) not in domains:
            raise NoSuchDomain(f"{domain} is not one of our domains")
        if (taken := do("address_owner", folded=address)) and taken[0][0] != owner:
            raise AddressInUse(f"Another recipient has the address {address}")


def _insert_addresses(do: Do, recipient_id: RecipientId, recipient: NewRecipient | Recipient) -> None:
    for position, spelling in enumerate(_addresses(recipient)):
        folded = recipients.fold_address(spelling)
        domain = recipients.split_address(folded)[1]
        row = {"folded": folded, "domain": domain, "spelling": spelling, "recipient": recipient_id}
        do("insert_address", **row, position=position)


def _addresses(recipient: NewRecipient | Recipient) -> tuple[str, ...]:
    return (recipient.primary_address, *recipient.secondary_addresses)


def _columns(recipient_id: RecipientId, recipient: NewRecipient | Recipient) -> dict[str, object]:
    return {
        "recipient": recipient_id,
        "alias": recipient.alias,
        "folded": recipients.fold_name(recipient.alias),
        "display_name": recipient.display_name,
        "enabled": int(recipient.enabled),
        "database": recipient.database_id,
        "mailbox": recipient.mailbox_id,
        "use_database_quota": int(recipient.use_database_quota),
        **_quota(recipient.own_quota),
    }


def _quota(quota: Quota) -> dict[str, object]:
    return {"warn": quota.warn, "prohibit_send": quota.prohibit_send, "prohibit_all": quota.prohibit_all}


def _credential(recipient_id: RecipientId, credential: Credential) -> dict[str, object]:
    scram, sha1 = credential.scram, credential.scram_sha1
    return {
        "recipient": recipient_id,
        "password_hash": credential.password_hash,
        "salt": scram.salt,
        "iterations": scram.iterations,
        "stored_key": scram.stored_key,
        "server_key": scram.server_key,
        "sha1_stored_key": sha1.stored_key if sha1 else None,
        "sha1_server_key": sha1.server_key if sha1 else None,
    }


def _database(row: Row) -> MailboxDatabaseInfo:
    database_id, name, mounted, *quota, created_at = row
    return MailboxDatabaseInfo(database_id, name, bool(mounted), Quota(*quota), created_at)


def _recipient(rows: Sequence[Row]) -> Recipient:
    """One recipient from its rows, one for each of its addresses."""
    number, alias, name, enabled, database, mailbox, inherits, *quota, created_at, impersonates, primary = rows[0]
    return Recipient(
        recipient_id=number,
        alias=alias,
        display_name=name,
        enabled=bool(enabled),
        database_id=database,
        mailbox_id=mailbox,
        use_database_quota=bool(inherits),
        own_quota=Quota(*quota),
        primary_address=primary,
        secondary_addresses=tuple(row[-1] for row in rows[1:]),
        created_at=created_at,
        may_impersonate=bool(impersonates),
    )
