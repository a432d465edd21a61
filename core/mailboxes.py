"""Whole mailboxes: birth, removal in slices, and the upkeep of what all of a database's mailboxes share."""

from contextlib import suppress

from core.changes import MailboxRemoved
from core.commands import CreateMailbox, DeleteMailbox, SweepBlobs, SweepDeliveries
from core.errors import MailboxExists, NoSuchMailbox
from core.folders import Outcome, levels, make, purge_slice
from core.model import SEPARATOR, Mailbox
from core.ports import WriteTx


def create(tx: WriteTx, command: CreateMailbox) -> Outcome:
    """A new mailbox with the folders that it starts with."""
    with suppress(NoSuchMailbox):
        tx.mailbox(command.mailbox_id)
        raise MailboxExists("A mailbox of that number exists already")
    tx.insert_mailbox(Mailbox(command.mailbox_id, command.guid, 0, 0), command.at)
    for folder in command.folders:
        make(tx, command.mailbox_id, folder, command.at)
        tx.subscribe(command.mailbox_id, SEPARATOR.join(levels(folder.path)))
    return None, ()


def delete(tx: WriteTx, command: DeleteMailbox) -> Outcome:
    """Takes a folder with none below it, or a slice of one, away; the result says whether the mailbox is gone."""
    folders = tx.folders(command.mailbox_id)
    if folders:
        above = {folder.parent_id for folder in folders}
        lowest = next((folder for folder in folders if folder.folder_id not in above), folders[0])
        purge_slice(tx, command.mailbox_id, lowest.folder_id)
        return False, (MailboxRemoved(command.mailbox_id),)
    tx.delete_mailbox(command.mailbox_id)
    return True, (MailboxRemoved(command.mailbox_id),)


def sweep_blobs(tx: WriteTx, command: SweepBlobs) -> Outcome:
    """Forgets contents that no message names; the result is how many."""
    return tx.sweep_blobs(command.before, command.limit), ()


def sweep_deliveries(tx: WriteTx, command: SweepDeliveries) -> Outcome:
    """Forgets delivery tokens that have expired; the result is how many."""
    return tx.sweep_deliveries(command.now, command.limit), ()
