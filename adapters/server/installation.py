"""An installation on disk: what is where in the data directory, and opening it as its only owner.

organization.db       the directory of recipients
databases/NAME.db     a mailbox database, and databases/NAME/ its pack files
tls/                  the self-signed certificate, until there is a better one
run/                  the control socket and the process number of a running server
administration.log    what administrators changed; administration.lock: who is changing something
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from adapters.blobs.packs import Packs
from adapters.directory.local import LocalDirectory
from adapters.directory.passwords import Passwords
from adapters.directory.verified import KEY_OCTETS, VerifiedPasswords
from adapters.server.certificates import ensure_certificate
from adapters.server.config import Settings
from adapters.server.spooling import MessageSpool
from adapters.server.workers.place import Place
from adapters.server.world import SystemClock, SystemEntropy
from adapters.stores.database import Database, MailboxDatabase
from adapters.stores.organization import OrganizationDatabase
from core.changes import Change
from core.commands import CreateMailbox, DeleteMailbox, NewFolder
from core.errors import NoSuchRecipient, Refusal, Unavailable
from core.model import Blob
from core.recipients import (
    Credential,
    MailboxDatabaseInfo,
    NewRecipient,
    NoSuchDatabase,
    PublicFolders,
    PublicFoldersElsewhere,
    Recipient,
    fold_address,
    fold_name,
)

SECRET_OCTETS = 32
FIRST_DATABASE = "first"

# What a new mailbox has (D.7).
DEFAULT_FOLDERS = (
    NewFolder("INBOX"),
    NewFolder("Drafts", "\\Drafts"),
    NewFolder("Sent", "\\Sent"),
    NewFolder("Trash", "\\Trash"),
    NewFolder("Junk", "\\Junk"),
    NewFolder("Archive", "\\Archive"),
)


class NotInstalled(Refusal):
    """The data directory holds no organization yet."""


class DatabaseMissing(Unavailable):
    """The file of a database is not there, or empty.  A new one in its place would bounce all mail for it."""


def _nothing() -> None:
    pass


def check_installed(root: Path) -> None:
    """Raises NotInstalled, DatabaseMissing."""
    path = root / "organization.db"
    if not path.exists():
        raise NotInstalled(f"{root} holds no organization yet: run `penfold init`")
    if not path.stat().st_size and any((root / "databases").glob("*.db")):
        raise DatabaseMissing(f"{path} is empty, but there are mailbox databases")


class Share(Protocol):
    """What an installation asks of the other processes that have it open."""

    @property
    def place(self) -> Place: ...
    def remote(self, database_id: int, path: Path, packs: Packs) -> Database:
        """A database that another process writes to."""
        ...

    @property
    def secret(self) -> bytes:
        """That all of these processes know, and nobody else."""
        ...

    def verified(self, digest: bytes) -> None:
        """A password was verified in this process.  From any thread."""
        ...

    def committed(self) -> None:
        """The organization database has changed; returns when all know.  From a thread."""
        ...


class Changing:
    """One administrator's change at a time, in all processes: `with` it."""

    def __init__(self, root: Path) -> None:
        self._path = root / "administration.lock"
        self._here = threading.Lock()
        self._held: int | None = None

    def __enter__(self) -> None:
        self._here.acquire()
        try:
            self._held = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX)
        except OSError as fault:
            self.__exit__()
            raise Unavailable(f"{self._path} cannot be locked: {fault.strerror}") from fault

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self._here.release()


class Installation:
    """Everything on disk, open.  Without arguments for `publish` and `post` nothing is told to anybody."""

    def __init__(
        self,
        settings: Settings,
        *,
        create: bool = False,
        publish: Callable[[Sequence[Change]], None] = lambda changes: None,
        post: Callable[[Callable[[], None]], Any] = lambda run: run(),
        fault: Callable[[BaseException], None] = lambda fault: None,
        share: Share | None = None,
    ) -> None:
        """Raises NotInstalled, DatabaseMissing, OtherOrganization, DatabaseLocked, SqliteTooOld, SchemaTooNew.

        `share`: this process is one of several that have the installation open together.
        """
        self.settings = settings
        self.root = settings.server.data_dir
        self.clock, self.entropy = SystemClock(), SystemEntropy()
        self._hooks = (publish, post, fault)
        self._share = share
        self._mounting = threading.Lock()
        if not create:
            check_installed(self.root)
        self.root.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.changing = Changing(self.root)
        self.organization = OrganizationDatabase(
            self.root / "organization.db",
            at=self.clock.now(),
            shared=share is not None,
            committed=_nothing if share is None else share.committed,
        )
        self.databases: dict[int, Database] = {}
        self.owned: dict[int, MailboxDatabase] = {}  # those of them that this process writes to
        self._packs: dict[int, Packs] = {}
        try:
            for info in self.organization.databases():
                if info.mounted:
                    self._check_there(info)
            self.mount()
        except BaseException:
            self.close()
            raise
        # For ever the same: an unknown user whose salt changes is known as one.
        self._decoy_secret = self.organization.secret("scram decoys", lambda: self.entropy.token(SECRET_OCTETS))
        self.verified = (
            VerifiedPasswords(self.clock, self.entropy.token(KEY_OCTETS))
            if share is None
            else VerifiedPasswords(self.clock, share.secret, tell=share.verified)
        )
        self.renew(settings)

    def renew(self, settings: Settings) -> None:
        """Other settings hold from now on, for what is asked from now on; `data_dir` must be the same."""
        self.settings = settings
        self.verified.seconds = float(settings.auth.password_cache)
        self.passwords = Passwords(self.entropy, iterations=settings.auth.scram_iterations)
        self.directory = LocalDirectory(
            self.organization,
            self.passwords,
            self.verified,
            self.clock,
            decoy_secret=self._decoy_secret,
            plus_addressing=settings.delivery.plus_addressing,
            postmaster=settings.delivery.postmaster,
        )

    def _check_there(self, info: MailboxDatabaseInfo) -> None:
        path = self._database_file(info)
        if path.exists() and path.stat().st_size:
            return
        public = self.organization.sharing.public_folders()
        used = [public.database_id] if public else []
        used += (recipient.database_id for recipient in self.recipients())
        if info.database_id in used:
            what = "empty" if path.exists() else "missing"
            raise DatabaseMissing(f"{path} is {what}, with all the mail that was in it")

    def _database_file(self, info: MailboxDatabaseInfo) -> Path:
        return self.root / "databases" / f"{info.name}.db"

    def mount(self) -> None:
        """Opens what is to be mounted and is not open yet: at the start, and when there are new databases."""
        with self._mounting:
            for info in self.organization.databases():
                if info.mounted and info.database_id not in self.databases:
                    self._mount(info)

    def _mount(self, info: MailboxDatabaseInfo) -> None:
        path = self._database_file(info)
        path.parent.mkdir(exist_ok=True, mode=0o750)
        packs = self._packs[info.database_id] = Packs(path.parent / info.name, self.clock.now)
        if self._share is not None and not self._share.place.owns(info.database_id):
            self.databases[info.database_id] = self._share.remote(info.database_id, path, packs)
            return
        publish, post, fault = self._hooks
        database = MailboxDatabase(
            path,
            packs,
            at=self.clock.now(),
            publish=publish,
            post=post,
            fault=fault,
            organization=self.organization.secret("guid", lambda: self.entropy.token(16)),
        )
        self.databases[info.database_id] = self.owned[info.database_id] = database

    def close(self) -> None:
        """Finishes what is queued; everything is closed then."""
        for database in self.databases.values():
            database.close()
        self.databases.clear()
        self.owned.clear()
        self.organization.close()

    @property
    def hostname(self) -> str:
        return str(self.settings.server.hostname) or os.uname().nodename

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The files of the certificate and its key."""
        tls, own = self.settings.tls, self.root / "tls"
        return tls.certificate or own / "certificate.pem", tls.key or own / "key.pem"

    def ensure_certificate(self) -> bool:
        """Makes a self-signed one if the settings name none; whether one was made."""
        certificate, key = self.certificate
        return self.settings.tls.certificate is None and ensure_certificate(certificate, key, self.hostname)

    def spool(self, database_id: int, limit: int) -> MessageSpool:
        """Room for a message on its way into a database."""
        return MessageSpool(database_id, self._packs[database_id], limit)

    def records(self, database_id: int) -> Iterator[Blob]:
        """All bodies that the packs of a database hold, named by a row or not."""
        return self._packs[database_id].records()

    # ------------------------------------------------------------------------------------------ administration

    def add_database(self, name: str) -> MailboxDatabaseInfo:
        """A new mailbox database, mounted."""
        info = self.organization.add_database(name, at=self.clock.now())
        self.mount()
        return info

    def add_mailbox(
        self, alias: str, credential: Credential | None, *, address: str = "", name: str = "", database: str = ""
    ) -> Recipient:
        """A recipient with a mailbox of its own.  Raises the refusals of OrganizationDatabase, Unavailable.

        Without a credential nobody can sign in to it.  Left empty, the address is the alias in the default domain, the
        database the first.
        """
        info = self._database_for(database)
        mounted = self.mounted(info)
        address = address or f"{alias}@{self.organization.default_domain()}"
        mailbox_id = self.organization.new_mailbox_id()
        new = NewRecipient(alias, name or alias, info.database_id, mailbox_id, address)
        self.organization.check_new(new)
        # The mailbox first: a crash in between leaves one that nobody has, never a recipient without one.
        guid, now = self.entropy.token(16), self.clock.now()
        mounted.write(CreateMailbox(mailbox_id, guid, DEFAULT_FOLDERS, now))
        return self.organization.add_recipient(new, credential, at=now)

    def remove_mailbox(self, alias: str) -> Recipient:
        """The recipient, and all that is in the mailbox, in slices."""
        recipient = self.recipient(alias)
        database = self.mounted(self.organization.database(recipient.database_id))
        self.organization.delete_recipient(recipient.recipient_id)
        while not database.write(DeleteMailbox(recipient.mailbox_id)):
            pass
        return recipient

    def make_public_folders(self, database: str = "") -> PublicFolders:
        """The organization's one mailbox of public folders, made if it is not there.

        Raises PublicFoldersElsewhere for another database than it is in, NoSuchDatabase, Unavailable.
        """
        if (public := self.organization.sharing.public_folders()) is None:
            info = self._database_for(database)
            public = PublicFolders(self.organization.new_mailbox_id(), info.database_id)
            # As in `add_mailbox`: the mailbox first.
            create = CreateMailbox(public.mailbox_id, self.entropy.token(16), (), self.clock.now())
            self.mounted(info).write(create)
            self.organization.sharing.set_public_folders(public)
        elif database and self.organization.database_named(database).database_id != public.database_id:
            name = self.organization.database(public.database_id).name
            raise PublicFoldersElsewhere(f"The public folders are in the mailbox database {name}")
        return public

    def _database_for(self, name: str) -> MailboxDatabaseInfo:
        if name:
            return self.organization.database_named(name)
        if not (known := self.organization.databases()):
            raise NoSuchDatabase("There is no mailbox database yet")
        return known[0]

    def mounted(self, info: MailboxDatabaseInfo) -> Database:
        """Raises Unavailable."""
        if (database := self.databases.get(info.database_id)) is None:
            raise Unavailable(f"The mailbox database {info.name} is not mounted")
        return database

    def recipients(self) -> Iterator[Recipient]:
        """All of them, in the order of their aliases."""
        after = ""
        while page := self.organization.recipients(after=after):
            yield from page
            after = page[-1].alias

    def recipient(self, alias: str) -> Recipient:
        """By alias or address, enabled or not.  Raises NoSuchRecipient."""
        organization = self.organization
        found = organization.by_alias(fold_name(alias)) or organization.by_address(fold_address(alias))
        if found is None:
            raise NoSuchRecipient(f"No mailbox has the alias or address {alias}")
        return found
