"""Delivery: one message into mailboxes, each with an outcome of its own (exchange-style store driver, T-7.1, T-7.2)."""

from core.changes import Change
from core.commands import Deliver, Delivered, Delivery
from core.errors import Refusal
from core.folders import Outcome, selectable
from core.items import check_quota, check_uids, file
from core.ports import WriteTx


def deliver(tx: WriteTx, command: Deliver) -> Outcome:
    """Files the message for every recipient that takes it; the others are refused one by one (RFC 2033 4.2)."""
    outcomes: list[Delivered | Refusal] = []
    changes: list[Change] = []
    for delivery in command.deliveries:
        try:
            outcome, change = _deliver(tx, command, delivery)
        except Refusal as refusal:  # raised before anything was written for this recipient
            outcomes.append(refusal)
        else:
            outcomes.append(outcome)
            changes += change
    return outcomes, tuple(changes)


def _deliver(tx: WriteTx, command: Deliver, delivery: Delivery) -> tuple[Delivered, tuple[Change, ...]]:
    try:
        folder = selectable(tx, delivery.mailbox_id, delivery.folder)
        check_uids(folder, 1)
        check_quota(tx, delivery.mailbox_id, delivery.quota, len(delivery.prefix) + command.message.blob.size)
    except Refusal:
        # The retry of a delivery is answered like the first, even when that one has filled the mailbox.
        if command.token is not None and tx.delivery_known(delivery.mailbox_id, command.token, command.at):
            return Delivered(None), ()
        raise
    if command.token is not None and not tx.remember_delivery(
        delivery.mailbox_id, command.token, command.at, command.token_expires_at
    ):
        return Delivered(None), ()
    tx.put_blob(command.message.blob, command.at)
    uid, change = file(tx, folder, command.message, at=command.at, prefix=delivery.prefix, internal_at=command.at)
    return Delivered(uid), (change,)
