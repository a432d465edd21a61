"""The verbs for mailboxes: add, list, show, set, disable, enable, remove."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from adapters.server.administration import quotas
from adapters.server.administration.context import Context, Contradiction, Request, moment
from adapters.server.administration.quotas import QuotaChange, QuotaShown
from core.errors import NoSuchRecipient
from core.folders import tree
from core.model import Folder
from core.recipients import AddressInUse, Quota, Recipient, check_address, fold_address

PAGE = 500  # mailboxes in one answer


class MailboxRow(Struct, frozen=True):
    """A mailbox in a list."""

    alias: str
    name: str
    address: str  # the primary one
    enabled: bool
    database: str


class MailboxPage(Struct, frozen=True):
    mailboxes: list[MailboxRow]
    more_after: str | None  # where the next page begins; None: this was the last


class FolderRow(Struct, frozen=True):
    path: str
    special_use: str | None
    selectable: bool  # False: only a place in the hierarchy
    messages: int
    unseen: int
    bytes: int


class MailboxShown(Struct, frozen=True):
    """All that is to be known of a mailbox.  What is in it is None while its database is not mounted."""

    alias: str
    name: str
    enabled: bool
    shared: bool  # nobody can sign in to it: it is open by permissions only
    addresses: list[str]  # the primary one first
    database: str
    created_at: datetime
    quota: QuotaShown
    messages: int | None
    used_bytes: int | None
    folders: list[FolderRow] | None


class MailboxChanged(Struct, frozen=True):
    """The mailbox as it is now (or last was), and how many sessions were ended for it."""

    mailbox: MailboxShown
    sessions_ended: int = 0


class AddMailbox(Request[MailboxShown], frozen=True):
    """Left empty, the name is the alias, the address the alias in the default domain, the database the first."""

    alias: str
    password: str | None  # None: a shared mailbox
    address: str = ""
    name: str = ""
    database: str = ""


class ListMailboxes(Request[MailboxPage], frozen=True):
    """A page, in the order of aliases, from behind one on."""

    after: str = ""


class ShowMailbox(Request[MailboxShown], frozen=True):
    alias: str  # here and below: or any address of the mailbox


class SetMailbox(Request[MailboxChanged], frozen=True):
    """What is not given stays as it is.  A new password ends the sessions that signed in with the old one.

    A shared mailbox is one like others once it has a password.
    """

    alias: str
    name: str | None = None
    password: str | None = None
    quota: QuotaChange = QuotaChange()
    use_database_quota: bool = False
    add_addresses: tuple[str, ...] = ()
    remove_addresses: tuple[str, ...] = ()
    primary_address: str | None = None


class DisableMailbox(Request[MailboxChanged], frozen=True):
    alias: str


class EnableMailbox(Request[MailboxChanged], frozen=True):
    alias: str


class RemoveMailbox(Request[MailboxChanged], frozen=True):
    alias: str


def add(context: Context, ask: AddMailbox) -> MailboxShown:
    """The mailbox can be signed in to if it is not shared, and gets mail, once this has returned."""
    house = context.house
    credential = None if ask.password is None else house.passwords.make(ask.password.encode())
    recipient = house.add_mailbox(ask.alias, credential, address=ask.address, name=ask.name, database=ask.database)
    return _shown(context, recipient)


def page(context: Context, ask: ListMailboxes) -> MailboxPage:
    """One page of the list; how long the list is does not matter."""
    found = context.house.organization.recipients(after=ask.after, limit=PAGE)
    rows = [_row(context, recipient) for recipient in found]
    return MailboxPage(rows, found[-1].alias if len(found) == PAGE else None)


def _row(context: Context, recipient: Recipient) -> MailboxRow:
    database = context.house.organization.database(recipient.database_id).name
    address = recipient.primary_address
    return MailboxRow(recipient.alias, recipient.display_name, address, recipient.enabled, database)


def show(context: Context, ask: ShowMailbox) -> MailboxShown:
    """By alias or address, enabled or not."""
    return _shown(context, context.house.recipient(ask.alias))


def before(context: Context, alias: str) -> MailboxShown | None:
    """The mailbox as it is, for the record of a change."""
    try:
        return _shown(context, context.house.recipient(alias))
    except NoSuchRecipient:
        return None


def _shown(context: Context, recipient: Recipient) -> MailboxShown:
    info = context.house.organization.database(recipient.database_id)
    database = context.house.databases.get(recipient.database_id)
    messages = used = folders = None
    if database is not None:
        with database.read() as tx:
            mailbox = tx.mailbox(recipient.mailbox_id)
            folders = _folders(tx.folders(recipient.mailbox_id))
        messages, used = mailbox.used_count, mailbox.used_bytes
    return MailboxShown(
        alias=recipient.alias,
        name=recipient.display_name,
        enabled=recipient.enabled,
        shared=context.house.organization.credential(recipient.recipient_id) is None,
        addresses=list(recipient.addresses),
        database=info.name,
        created_at=moment(recipient.created_at),
        quota=quotas.of_mailbox(recipient, info),
        messages=messages,
        used_bytes=used,
        folders=folders,
    )


def _folders(folders: Sequence[Folder]) -> list[FolderRow]:
    return [
        FolderRow(path, folder.special_use, folder.selectable, folder.n_exists, folder.n_unseen, folder.n_bytes)
        for path, folder in sorted(tree(folders).items())
    ]


# ---------------------------------------------------------------------------------------------- changes


def change(context: Context, ask: SetMailbox) -> MailboxChanged:
    """Holds at once, also in sessions that are open."""
    house = context.house
    old = house.recipient(ask.alias)
    # Everything is looked at before anything is written: what is refused has changed nothing.
    credential = None if ask.password is None else house.passwords.make(ask.password.encode())
    new = _with_quota(_with_addresses(old, ask), ask)
    new = replace(new, display_name=old.display_name if ask.name is None else ask.name)
    if new != old:
        house.organization.set_recipient(new)
    ended = 0
    if credential is not None:
        house.organization.set_credential(old.recipient_id, credential, at=house.clock.now())
        ended = context.sessions.end_of(old.mailbox_id)
    return MailboxChanged(_shown(context, new), ended)


def _with_quota(recipient: Recipient, ask: SetMailbox) -> Recipient:
    if ask.use_database_quota and not ask.quota.is_empty:
        raise Contradiction("A mailbox has either a quota of its own or its database's")
    if ask.use_database_quota:
        return replace(recipient, use_database_quota=True, own_quota=Quota())
    if ask.quota.is_empty:
        return recipient
    own = quotas.changed(recipient.own_quota, ask.quota)
    return replace(recipient, use_database_quota=False, own_quota=own)


def _with_addresses(recipient: Recipient, ask: SetMailbox) -> Recipient:
    addresses = {fold_address(address): address for address in recipient.addresses}
    primary = fold_address(recipient.primary_address)
    for address in ask.add_addresses:
        addresses.setdefault(check_address(address), address)
    if ask.primary_address is not None:
        primary = check_address(ask.primary_address)
        addresses[primary] = ask.primary_address
    for address in ask.remove_addresses:
        folded = fold_address(address)
        if folded == primary:
            raise AddressInUse(f"{address} is the primary address: make another one the primary address first")
        if addresses.pop(folded, None) is None:
            raise NoSuchRecipient(f"{recipient.alias} does not have the address {address}")
    first = addresses.pop(primary)
    return replace(recipient, primary_address=first, secondary_addresses=tuple(addresses.values()))


def disable(context: Context, ask: DisableMailbox) -> MailboxChanged:
    """Nobody can sign in and no mail comes in; what is in the mailbox stays."""
    return _switch(context, ask.alias, enabled=False)


def enable(context: Context, ask: EnableMailbox) -> MailboxChanged:
    """All is as it was before it was disabled."""
    return _switch(context, ask.alias, enabled=True)


def _switch(context: Context, alias: str, *, enabled: bool) -> MailboxChanged:
    recipient = context.house.recipient(alias)
    if recipient.enabled != enabled:
        recipient = context.house.organization.set_recipient(replace(recipient, enabled=enabled))
    # Also when it was disabled already: a session that had begun to sign in then may have come through.
    ended = 0 if enabled else context.sessions.end_of(recipient.mailbox_id)
    return MailboxChanged(_shown(context, recipient), ended)


def remove(context: Context, ask: RemoveMailbox) -> MailboxChanged:
    """The recipient and everything in the mailbox; sessions end by themselves when it goes."""
    last = _shown(context, context.house.recipient(ask.alias))
    signed_in = context.sessions.end_of(context.house.recipient(ask.alias).mailbox_id)
    context.house.remove_mailbox(ask.alias)
    return MailboxChanged(last, signed_in)
