"""The verbs for mailbox databases and accepted domains."""

from datetime import datetime
from pathlib import Path

from msgspec import Struct

from adapters.server.administration import quotas
from adapters.server.administration.context import Context, Request, moment
from adapters.server.administration.quotas import QuotaChange, QuotaShown
from core.recipients import MailboxDatabaseInfo, NoSuchDatabase, fold_domain


class DatabaseShown(Struct, frozen=True):
    """A mailbox database.  What is in it is None while it is not mounted."""

    name: str
    mounted: bool
    created_at: datetime
    quota: QuotaShown  # of mailboxes that have none of their own
    mailboxes: int | None
    messages: int | None
    used_bytes: int | None  # as quotas count: each message in each mailbox
    disk_bytes: int  # of the files: each body once
    dead_bytes: int | None  # in pack files, of bodies that are gone


class DomainRow(Struct, frozen=True):
    domain: str
    default: bool


class ListDatabases(Request[list[DatabaseShown]], frozen=True):
    pass


class ShowDatabase(Request[DatabaseShown], frozen=True):
    name: str


class AddDatabase(Request[DatabaseShown], frozen=True):
    name: str


class SetDatabase(Request[DatabaseShown], frozen=True):
    name: str
    quota: QuotaChange = QuotaChange()


class ListDomains(Request[list[DomainRow]], frozen=True):
    pass


class AddDomain(Request[list[DomainRow]], frozen=True):
    domain: str
    default: bool = False


class RemoveDomain(Request[list[DomainRow]], frozen=True):
    domain: str


def listed(context: Context, ask: ListDatabases) -> list[DatabaseShown]:
    """All, the oldest first."""
    return [_shown(context, info) for info in context.house.organization.databases()]


def show(context: Context, ask: ShowDatabase) -> DatabaseShown:
    """Raises NoSuchDatabase."""
    return _shown(context, context.house.organization.database_named(ask.name))


def add(context: Context, ask: AddDatabase) -> DatabaseShown:
    """Mounted at once; a running server can put mailboxes into it."""
    return _shown(context, context.house.add_database(ask.name))


def change(context: Context, ask: SetDatabase) -> DatabaseShown:
    """T-1.2: mailboxes without a quota of their own have the new one at once."""
    organization = context.house.organization
    info = organization.database_named(ask.name)
    quota = quotas.changed(info.quota, ask.quota)
    return _shown(context, organization.set_database_quota(info.database_id, quota))


def before(context: Context, name: str) -> DatabaseShown | None:
    """The database as it is, for the record of a change."""
    try:
        return _shown(context, context.house.organization.database_named(name))
    except NoSuchDatabase:
        return None


def _shown(context: Context, info: MailboxDatabaseInfo) -> DatabaseShown:
    database = context.house.databases.get(info.database_id)
    mailboxes = messages = used = dead = None
    if database is not None:
        with database.read() as tx:
            held = tx.mailboxes()
            dead = sum(octets for _, _, octets in tx.packs())
        mailboxes, messages = len(held), sum(mailbox.used_count for mailbox in held)
        used = sum(mailbox.used_bytes for mailbox in held)
    return DatabaseShown(
        name=info.name,
        mounted=info.database_id in context.house.databases,
        created_at=moment(info.created_at),
        quota=quotas.of_database(info),
        mailboxes=mailboxes,
        messages=messages,
        used_bytes=used,
        disk_bytes=_on_disk(context.house.root / "databases", info.name),
        dead_bytes=dead,
    )


def _on_disk(folder: Path, name: str) -> int:
    # Only looked at from outside: to open a file that SQLite has open would drop its locks.
    files = [folder / f"{name}.db", folder / f"{name}.db-wal"]
    if (folder / name).is_dir():
        files += (folder / name).iterdir()
    return sum(_size(path) for path in files)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since
        return 0


# ---------------------------------------------------------------------------------------------- domains


def domains(context: Context, ask: ListDomains | None = None) -> list[DomainRow]:
    """Whose mail is ours."""
    return [DomainRow(known.domain, known.is_default) for known in context.house.organization.domains()]


def add_domain(context: Context, ask: AddDomain) -> list[DomainRow]:
    """All domains as they are then; to add one again changes nothing."""
    context.house.organization.add_domain(ask.domain, default=ask.default)
    return domains(context)


def remove_domain(context: Context, ask: RemoveDomain) -> list[DomainRow]:
    """Raises NoSuchDomain, DomainInUse."""
    context.house.organization.remove_domain(fold_domain(ask.domain))
    return domains(context)
