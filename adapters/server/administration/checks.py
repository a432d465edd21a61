"""The verb `check`: whether the store has kept its promises, database by database."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from adapters.server.administration.context import Context, Interrupted, Progress, Request
from adapters.stores.database import Database
from adapters.stores.sql import SqlReadTx
from core.errors import Unavailable
from core.integrity.audit import Finding, audit
from core.model import MailboxId
from core.recipients import MailboxDatabaseInfo

REPORTED: Final = 1000  # broken promises that are listed; one damaged page can break very many
SECONDS: Final = 0.1  # between two notes of progress


class DatabaseChecked(Struct, frozen=True):
    name: str
    mounted: bool  # False: it was not checked
    mailboxes: int
    broken: list[str]  # the first thousand
    broken_count: int
    unowned: list[int]  # numbers of mailboxes that no recipient has; a removal that was cut off leaves one


class Checked(Struct, frozen=True):
    sound: bool
    deep: bool
    databases: list[DatabaseChecked]


class Check(Request[Checked], frozen=True):
    """`deep` also reads every body and compares it with its hash; `databases` left empty means all."""

    deep: bool = False
    databases: tuple[str, ...] = ()


def check(context: Context, ask: Check) -> Checked:
    """Reads one snapshot of each database while clients go on."""
    checked = [_database(context, info, deep=ask.deep) for info in chosen(context, ask.databases)]
    return Checked(not any(database.broken for database in checked), ask.deep, checked)


def chosen(context: Context, names: Sequence[str]) -> list[MailboxDatabaseInfo]:
    """The databases of these names, all if there are none.  Raises NoSuchDatabase."""
    organization = context.house.organization
    return [organization.database_named(name) for name in names] or list(organization.databases())


def _database(context: Context, info: MailboxDatabaseInfo, *, deep: bool) -> DatabaseChecked:
    database = context.house.databases.get(info.database_id)
    if database is None:
        return DatabaseChecked(info.name, False, 0, [], 0, [])
    held: set[MailboxId] = set()
    broken: list[str] = []
    count = 0
    for finding in findings(context, info, database, held, deep=deep):
        count += 1
        if len(broken) < REPORTED:
            broken.append(finding.text)
    owned = {recipient.mailbox_id for recipient in context.house.recipients()}
    if (public := context.house.organization.sharing.public_folders()) is not None:
        owned.add(public.mailbox_id)
    return DatabaseChecked(info.name, True, len(held), broken, count, sorted(held - owned))


def findings(
    context: Context, info: MailboxDatabaseInfo, database: Database, held: set[MailboxId], *, deep: bool
) -> Iterator[Finding]:
    """What is broken; `held` is given the numbers of the mailboxes that are there.  Raises Interrupted."""
    # Recipients and public folders are read first: a mailbox is made before its recipient and goes after it.
    public = context.house.organization.sharing.public_folders()
    owners = [recipient for recipient in context.house.recipients() if recipient.database_id == info.database_id]
    try:
        if deep:
            rebuilt = "`penfold check --repair` rebuilds it while no server runs"
            yield from (Finding(f"the file is damaged ({fault}): {rebuilt}") for fault in database.integrity())
        with database.read() as tx:
            held.update(mailbox.mailbox_id for mailbox in tx.mailboxes())
            steps = stepping(context, info.name, _size(tx, len(held), deep=deep))
            yield from audit(tx, deep=deep, progress=steps)
    except Unavailable as unreadable:
        if isinstance(unreadable, Interrupted):
            raise
        yield Finding(f"{unreadable}: is the disk sound?")
        return
    for recipient in owners:
        is_removed = context.house.organization.by_id(recipient.recipient_id) is None
        if recipient.mailbox_id not in held and not is_removed:
            text = f"recipient {recipient.alias} has lost mailbox {recipient.mailbox_id}"
            yield Finding(text, recipient.mailbox_id)
    if public is not None and public.database_id == info.database_id and public.mailbox_id not in held:
        yield Finding(f"the public folders have lost mailbox {public.mailbox_id}", public.mailbox_id)


def _size(tx: SqlReadTx, mailboxes: int, *, deep: bool) -> int:
    return mailboxes + (tx.count_blobs() if deep else 0)


def stepping(context: Context, stage: str, total: int) -> Callable[[], None]:
    """What is called for each thing that has been looked at."""
    done, told_at = 0, time.monotonic()
    context.progress(Progress(stage, 0, total))

    def step() -> None:
        nonlocal done, told_at
        done += 1
        if done == total or time.monotonic() - told_at >= SECONDS:
            told_at = time.monotonic()
            context.progress(Progress(stage, done, total))

    return step
