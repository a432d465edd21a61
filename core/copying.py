"""Copying and moving messages between folders, also of two mailboxes of one database."""

from collections.abc import Sequence

from msgspec import msgpack
from msgspec.structs import replace

from core import rights
from core.commands import Copied, Copy
from core.errors import NoPermission
from core.flags import check_own, permitted, rows_of
from core.folders import Outcome, existing, keyword_mask, learn_keywords, selectable
from core.formats.mime import Summary
from core.intake import thread_keys
from core.items import check_quota, enter, join_thread, remove
from core.limits import COPY_ROWS, FAR_COPY_ROWS
from core.model import Folder, FolderId, MailboxId, MessageId, email_id, ranges
from core.ports import ReadTx, StoredEntry, WriteTx
from core.rights import Actor
from core.seen import marks

_SUMMARY = msgpack.Decoder(Summary)


def copy(tx: WriteTx, command: Copy) -> Outcome:
    """RFC 9051 6.4.7 and 6.4.8: all of the messages that are still there, or none.

    RFC 4314 4: what may not be said of a message in the target folder is lost, and is no reason to refuse the copy.
    """
    taken = _TAKING if command.move else rights.READ
    source = existing(tx, command.mailbox_id, command.folder_id, command.by, taken)
    is_far = command.to is not None and command.to != command.mailbox_id
    mailbox_id, by = (command.to, command.to_by) if command.to is not None else (command.mailbox_id, command.by)
    target = selectable(tx, mailbox_id, command.target, by, rights.INSERT)
    rows = rows_of(tx, source, command.uids, FAR_COPY_ROWS if is_far else COPY_ROWS)
    if not rows:
        return Copied(target.uidvalidity, (), ()), ()
    if command.move:
        check_own(rows, rights.of(tx, source, command.by), taken, command.by)
    octets = sum(row.size for row in rows)
    if not command.move or is_far:
        check_quota(tx, mailbox_id, command.quota, octets)
    carried, learned = _carried(tx, source, target, rows, command)
    if is_far:
        carried = [replace(row, message_id=_far_message(tx, source, target, row)) for row in carried]
    else:
        tx.add_references(mailbox_id, [row.message_id for row in rows])
        tx.add_usage(mailbox_id, len(rows), octets)
    arrived = replace(enter(tx, target, carried, command.at, by), keywords=learned)
    copied = Copied(target.uidvalidity, ranges(row.uid for row in rows), ranges(entry.uid for entry in arrived.arrived))
    if not command.move:
        return copied, (arrived,)
    return copied, (arrived, remove(tx, source, rows))


def check_taken(tx: ReadTx, place: tuple[MailboxId, FolderId], by: Actor | None, *, move: bool) -> None:
    """Raises NoSuchFolder, NoPermission when messages may not be copied or moved from a folder (RFC 6851 4.2)."""
    folder = existing(tx, *place, by, _TAKING if move else rights.READ)
    if move and rights.of(tx, folder, by).own_only & _TAKING:
        raise NoPermission("Messages of this folder cannot be moved to another database")


_TAKING = rights.READ | rights.DELETE_MESSAGES | rights.EXPUNGE  # RFC 6851 4.2


def _carried(
    tx: WriteTx, source: Folder, target: Folder, rows: Sequence[StoredEntry], command: Copy
) -> tuple[list[StoredEntry], tuple[str, ...] | None]:
    """The rows with the flags that they have for who copies them, as far as they may be set in the target folder."""
    if command.by is not None:
        known = marks(tx, source, command.by.user, rows[0].uid, rows[-1].uid)
        rows = [replace(row, flags=known.flags(row.uid, row.flags)) for row in rows]
    by = command.to_by if command.to is not None else command.by
    if by is not None:
        may = permitted(rights.of(tx, target, by))
        rows = [replace(row, flags=row.flags & may.system, keywords=row.keywords & may.keywords) for row in rows]
    return _carry_keywords(tx, source, target, rows)


def _carry_keywords(
    tx: WriteTx, source: Folder, target: Folder, rows: Sequence[StoredEntry]
) -> tuple[list[StoredEntry], tuple[str, ...] | None]:
    """The rows with their keywords numbered as the target folder numbers them."""
    used = 0
    for row in rows:
        used |= row.keywords
    if not used or (source.mailbox_id, source.folder_id) == (target.mailbox_id, target.folder_id):
        return list(rows), None
    names = tx.keywords(source.mailbox_id, source.folder_id)
    carried = {bit: names[bit] for bit in range(used.bit_length()) if used >> bit & 1}
    _, learned = learn_keywords(tx, target, carried.values())
    number = {bit: keyword_mask(tx, target, (name,))[0] for bit, name in carried.items()}

    def renumber(mask: int) -> int:
        return sum(new for bit, new in number.items() if mask >> bit & 1)

    masks = {mask: renumber(mask) for mask in {row.keywords for row in rows}}
    return [replace(row, keywords=masks[row.keywords]) for row in rows], learned


def _far_message(tx: WriteTx, source: Folder, target: Folder, row: StoredEntry) -> MessageId:
    """The message as one of another mailbox, which shares its body."""
    message_id = tx.take_messages(target.mailbox_id, 1, row.size)
    summary = _SUMMARY.decode(tx.message_summary(source.mailbox_id, row.message_id))
    thread_id = join_thread(tx, target.mailbox_id, message_id, thread_keys(summary))
    name = email_id(source.mailbox_id, row.message_id)
    tx.copy_message(source.mailbox_id, row.message_id, target.mailbox_id, message_id, thread_id, name)
    return message_id
