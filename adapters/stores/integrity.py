"""The SQL of audits and repairs; see core.integrity.facts."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from adapters.stores.statements import load
from core.integrity.facts import Buried, Counted, Filed, Named, Numbers
from core.model import DELETED, SEEN, Blob, Folder, FolderId, MailboxId, MessageId
from core.recipients import RecipientId

STATEMENTS = load("integrity")


class SqlRecounting:
    """What there is, beside what is said of it."""

    _run: Callable[[str, Any], Iterator[Any]]

    def _facts(self, statement: str, **params: object) -> Iterator[Any]:
        return self._run(STATEMENTS[statement], params)

    def _only(self, statement: str, **params: object) -> Any:
        (row,) = list(self._facts(statement, **params))
        return row

    def counted(self, mailbox_id: MailboxId) -> dict[FolderId, Counted]:
        # SUM is of a wider type where there is one.
        rows = self._facts("counted", mailbox=mailbox_id, seen=SEEN, deleted=DELETED)
        return {folder: Counted(folder, *map(int, facts)) for folder, *facts in rows}

    def buried(self, mailbox_id: MailboxId) -> dict[FolderId, Buried]:
        return {row[0]: Buried(*row) for row in self._facts("buried", mailbox=mailbox_id)}

    def named(self, mailbox_id: MailboxId) -> dict[FolderId, Named]:
        wide = dict(self._facts("named_wide", mailbox=mailbox_id))
        named = {folder: Named(folder, *rest) for folder, *rest in self._facts("named", mailbox=mailbox_id)}
        return {
            folder: replace(named.get(folder, Named(folder)), highest_wide=wide.get(folder, -1))
            for folder in wide.keys() | named
        }

    def keyword_names(self, mailbox_id: MailboxId, folder_id: FolderId) -> dict[int, str]:
        return dict(self._facts("keyword_names", mailbox=mailbox_id, folder=folder_id))

    def numbers(self, mailbox_id: MailboxId) -> Numbers:
        return Numbers(*self._only("numbers", mailbox=mailbox_id))

    def highest_message(self, mailbox_id: MailboxId) -> int:
        return int(self._only("highest_message", mailbox=mailbox_id)[0])

    def lost_messages(self, mailbox_id: MailboxId) -> Iterator[tuple[FolderId, int, MessageId]]:
        return self._facts("lost_messages", mailbox=mailbox_id)

    def wrong_references(self, mailbox_id: MailboxId) -> Iterator[tuple[MessageId, int, int]]:
        return self._facts("wrong_references", mailbox=mailbox_id)

    def wrong_bodies(self, mailbox_id: MailboxId) -> Iterator[tuple[MessageId, bytes, int, int, int | None]]:
        return self._facts("wrong_bodies", mailbox=mailbox_id)

    def resurrected(self, mailbox_id: MailboxId) -> Iterator[tuple[FolderId, int, int, int]]:
        return self._facts("resurrected", mailbox=mailbox_id)

    def access_keys(self, mailbox_id: MailboxId) -> list[tuple[FolderId, RecipientId, int]]:
        """(folder, user, octets) of a mailbox's access keys."""
        return [(FolderId(f), RecipientId(u), n) for f, u, n in self._facts("access_keys", mailbox=mailbox_id)]

    def readers(self, mailbox_id: MailboxId, folder_id: FolderId) -> list[tuple[RecipientId, int]]:
        """(user, MODSEQ) of those who have marks in a folder."""
        return [(RecipientId(u), m) for u, m in self._facts("readers", mailbox=mailbox_id, folder=folder_id)]

    def blobs(self) -> Iterator[Blob]:
        """Every blob without its bytes, in the order in which they lie in the packs."""
        return (Blob(*row) for row in self._facts("blobs"))

    def count_blobs(self) -> int:
        return int(self._only("count_blobs")[0])

    def unnamed_bodies(self) -> Iterator[bytes]:
        return (digest for (digest,) in self._facts("unnamed_bodies"))

    def filed(self, digest: bytes) -> list[Filed]:
        return [Filed(*row) for row in self._facts("filed", hash=digest)]


class SqlMending(SqlRecounting):
    """What sets it right."""

    _run_many: Callable[[str, Iterable[Any]], None]

    def _mend(self, statement: str, **params: object) -> None:
        list(self._facts(statement, **params))

    def set_numbers(self, folder: Folder) -> None:
        self._mend(
            "set_numbers",
            mailbox=folder.mailbox_id,
            folder=folder.folder_id,
            uidnext=folder.uidnext,
            modseq=folder.modseq,
            last_modseq=folder.last_modseq,
            prior_modseq=folder.prior_modseq,
            exists=folder.n_exists,
            unseen=folder.n_unseen,
            deleted=folder.n_deleted,
            octets=folder.n_bytes,
        )

    def set_usage(self, mailbox_id: MailboxId, count: int, octets: int) -> None:
        self._mend("set_usage", mailbox=mailbox_id, count=count, octets=octets)

    def raise_numbers(self, mailbox_id: MailboxId, least: Numbers) -> None:
        numbers = {"folder": least.folder_id, "message": least.message_id, "uidvalidity": least.uidvalidity}
        self._mend("raise_numbers", mailbox=mailbox_id, **numbers)

    def resize_messages(self, mailbox_id: MailboxId) -> None:
        self._mend("resize_messages", mailbox=mailbox_id)

    def recount_references(self, mailbox_id: MailboxId) -> None:
        wrong = list(self.wrong_references(mailbox_id))
        rows = ({"mailbox": mailbox_id, "message": message, "entries": entries} for message, _, entries in wrong)
        self._run_many(STATEMENTS["set_references"], rows)

    def delete_tombstone(self, mailbox_id: MailboxId, folder_id: FolderId, modseq: int, low: int) -> None:
        self._mend("delete_tombstone", mailbox=mailbox_id, folder=folder_id, modseq=modseq, low=low)

    def forget_old_tombstones(self, mailbox_id: MailboxId) -> None:
        self._mend("forget_old_tombstones", mailbox=mailbox_id)

    def drop_lost_access_keys(self, mailbox_id: MailboxId, octets: int) -> None:
        self._mend("drop_lost_access_keys", mailbox=mailbox_id, octets=octets)

    def forget_bodies(self, digests: Iterable[bytes]) -> None:
        self._run_many(STATEMENTS["forget_body"], ({"hash": digest} for digest in digests))

    def recount_packs(self) -> None:
        self._mend("forget_packs")
        self._mend("recount_packs")
