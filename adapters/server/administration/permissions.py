"""The verbs for permissions: who acts in whose mailbox as its owner would."""

from msgspec import Struct

from adapters.server import trustees
from adapters.server.administration.context import Context, Request
from core.errors import NoSuchRecipient
from core.recipients import NoSuchTrustee, Recipient, RecipientId


class MailboxPermissions(Struct, frozen=True):
    """Whom a mailbox is open to: aliases, and groups as "group:NAME"."""

    alias: str
    full_access: list[str]


class PermissionChanged(Struct, frozen=True):
    """Whose mailbox it is, and how many sessions were ended for it."""

    alias: str
    sessions_ended: int = 0


class ListPermissions(Request[MailboxPermissions], frozen=True):
    alias: str  # here and below: or any address of the mailbox


class AddFullAccess(Request[PermissionChanged], frozen=True):
    alias: str
    trustee: str  # here and below: an alias, an address, or "group:NAME"


class RemoveFullAccess(Request[PermissionChanged], frozen=True):
    alias: str
    trustee: str


def listed(context: Context, ask: ListPermissions) -> MailboxPermissions:
    """Raises NoSuchRecipient."""
    organization = context.house.organization
    recipient = context.house.recipient(ask.alias)
    names = (trustees.identifier(organization, t) for t in organization.sharing.full_access_to(recipient.recipient_id))
    return MailboxPermissions(recipient.alias, sorted(name for name in names if name is not None))


# ---------------------------------------------------------------------------------------------- full access


def has_full_access(context: Context, ask: AddFullAccess | RemoveFullAccess) -> bool | None:
    """As it was, for the record of a change."""
    try:
        recipient, trustee = _asked(context, ask)
    except (NoSuchRecipient, NoSuchTrustee):
        return None
    return trustee in context.house.organization.sharing.full_access_to(recipient.recipient_id)


def add_full_access(context: Context, ask: AddFullAccess) -> PermissionChanged:
    """T-12.7: holds at once, also in sessions that are open.  Raises NoSuchRecipient, NoSuchTrustee, LimitExceeded."""
    recipient, trustee = _asked(context, ask)
    context.house.organization.sharing.add_full_access(recipient.recipient_id, trustee)
    return PermissionChanged(recipient.alias)


def remove_full_access(context: Context, ask: RemoveFullAccess) -> PermissionChanged:
    """Ends the trustee's sessions: what they have open would stay open.  Raises NoSuchRecipient, NoSuchTrustee."""
    recipient, trustee = _asked(context, ask)
    sharing = context.house.organization.sharing
    sharing.remove_full_access(recipient.recipient_id, trustee)
    return PermissionChanged(recipient.alias, context.sessions.end_of(*sharing.mailboxes_of(trustee)))


def _asked(context: Context, ask: AddFullAccess | RemoveFullAccess) -> tuple[Recipient, RecipientId]:
    return context.house.recipient(ask.alias), trustees.somebody(context.house.organization, ask.trustee)
