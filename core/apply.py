"""Carries commands out: the table from each kind of command to the function that applies it."""

from collections.abc import Callable
from typing import Any

from core import accesskeys, annotations, commands, copying, delivery, flags, folders, items, mailboxes, seen
from core.commands import Command
from core.folders import Outcome
from core.integrity import repair
from core.ports import WriteTx

APPLY: dict[type, Callable[[WriteTx, Any], Outcome]] = {
    commands.CreateMailbox: mailboxes.create,
    commands.DeleteMailbox: mailboxes.delete,
    commands.SweepBlobs: mailboxes.sweep_blobs,
    commands.SweepDeliveries: mailboxes.sweep_deliveries,
    commands.CreateFolder: folders.create,
    commands.DeleteFolder: folders.delete,
    commands.PurgeFolder: folders.purge,
    commands.RenameFolder: folders.rename,
    commands.Subscribe: folders.subscribe,
    commands.SetGrant: folders.set_grant,
    commands.SetAnnotations: annotations.set_values,
    commands.SetGrants: folders.set_grants,
    commands.SetAccessKey: accesskeys.set_key,
    commands.DropAccessKeys: accesskeys.drop_keys,
    commands.Append: items.append,
    commands.Replace: items.replace_message,
    commands.Copy: copying.copy,
    commands.StoreFlags: flags.store_flags,
    commands.Expunge: items.expunge,
    commands.ClaimRecent: items.claim_recent,
    commands.ForgetTombstones: items.forget_tombstones,
    commands.JoinSeen: seen.join,
    commands.Deliver: delivery.deliver,
    commands.RepairMailbox: repair.repair,
    commands.RestoreBlob: repair.restore_blob,
    commands.ForgetBodies: repair.forget_bodies,
}


def apply(tx: WriteTx, command: Command) -> Outcome:
    """Carries a command out in this transaction.

    Returns its result and what it changed.  Raises a Refusal, before the first write wherever that can be; whoever
    calls must undo the writes of a command that fails later.
    """
    return APPLY[type(command)](tx, command)
