"""Trustees by name: an alias or an address, "group:" with a group's name, or "anyone" (RFC 4314 3)."""

from adapters.stores.organization import OrganizationDatabase
from core.recipients import (
    ADDRESS_OCTETS,
    ANYONE_NAME,
    GROUP_PREFIX,
    NoSuchTrustee,
    RecipientId,
    fold_address,
    fold_name,
)
from core.rights import ANYONE


def trustee(organization: OrganizationDatabase, identifier: str) -> RecipientId | None:
    """Whom a name means, enabled or not; None: nobody."""
    if len(identifier) > ADDRESS_OCTETS:  # nobody's is longer, and what clients make up is not worth folding
        return None
    if fold_name(identifier) == ANYONE_NAME:
        return ANYONE
    if identifier[: len(GROUP_PREFIX)].lower() == GROUP_PREFIX:
        group = organization.sharing.group_named(fold_name(identifier[len(GROUP_PREFIX) :]))
        return group.group_id if group else None
    find, fold = (organization.by_address, fold_address) if "@" in identifier else (organization.by_alias, fold_name)
    recipient = find(fold(identifier))
    return recipient.recipient_id if recipient else None


def identifier(organization: OrganizationDatabase, trustee: RecipientId) -> str | None:
    """The name of a trustee; None: it is gone."""
    if trustee == ANYONE:
        return ANYONE_NAME
    if (recipient := organization.by_id(trustee)) is not None:
        return recipient.alias
    group = organization.sharing.group_by_id(trustee)
    return f"{GROUP_PREFIX}{group.name}" if group else None


def somebody(organization: OrganizationDatabase, identifier: str) -> RecipientId:
    """A recipient or a group, but not everybody.  Raises NoSuchTrustee."""
    found = trustee(organization, identifier)
    if found is None or found == ANYONE:
        raise NoSuchTrustee(f"Neither a mailbox nor a group is called {identifier}")
    return found
