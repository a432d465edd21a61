"""Quotas as administrators see and change them."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from adapters.server.administration.context import Contradiction
from core.recipients import MailboxDatabaseInfo, Quota, Recipient, effective


class QuotaShown(Struct, frozen=True):
    """Octets from which on something happens, None for never; and whose numbers these are."""

    warn: int | None
    prohibit_send: int | None
    prohibit_all: int | None
    source: Literal["database", "mailbox"]


class QuotaChange(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is not given stays as it is; None takes a limit away."""

    warn: int | UnsetType | None = UNSET
    prohibit_send: int | UnsetType | None = UNSET
    prohibit_all: int | UnsetType | None = UNSET

    @property
    def is_empty(self) -> bool:
        return self.warn is UNSET and self.prohibit_send is UNSET and self.prohibit_all is UNSET


def of_mailbox(recipient: Recipient, database: MailboxDatabaseInfo) -> QuotaShown:
    """The quota that holds for a mailbox, and where it comes from (T-1.2, T-11.2)."""
    return _shown(effective(recipient, database), "database" if recipient.use_database_quota else "mailbox")


def of_database(database: MailboxDatabaseInfo) -> QuotaShown:
    """What mailboxes without a quota of their own have."""
    return _shown(database.quota, "database")


def _shown(quota: Quota, source: Literal["database", "mailbox"]) -> QuotaShown:
    return QuotaShown(quota.warn, quota.prohibit_send, quota.prohibit_all, source)


def changed(quota: Quota, change: QuotaChange) -> Quota:
    """Raises Contradiction for limits that are not in their order."""
    new = Quota(
        quota.warn if change.warn is UNSET else change.warn,
        quota.prohibit_send if change.prohibit_send is UNSET else change.prohibit_send,
        quota.prohibit_all if change.prohibit_all is UNSET else change.prohibit_all,
    )
    given = [limit for limit in (new.warn, new.prohibit_send, new.prohibit_all) if limit is not None]
    if given != sorted(given):
        raise Contradiction("The quota for warnings may not be above that for sending, nor that above the whole quota")
    return new
