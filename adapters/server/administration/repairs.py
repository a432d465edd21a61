"""The verb `repair`: what `check` finds broken is mended, and what is lost is named.

A mailbox at a time, in the writer's turn: clients go on meanwhile, and hear of what has changed.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from adapters.server.administration.checks import REPORTED, chosen, findings, stepping
from adapters.server.administration.context import Context, Request
from adapters.stores.database import Database
from core.commands import (
    CreateMailbox,
    Filing,
    Flags,
    ForgetBodies,
    Repaired,
    RepairMailbox,
    Replace,
    RestoreBlob,
)
from core.errors import NoSuchMailbox, Unavailable
from core.folders import tree
from core.integrity.audit import SLICE_OCTETS
from core.integrity.bodies import Piece, pieces, replacement
from core.integrity.facts import Filed
from core.model import Blob, MailboxId
from core.recipients import MailboxDatabaseInfo

GUID_OCTETS: Final = 16
BODIES_AT_A_TIME: Final = 10_000  # of one command


class LostMessages(Struct, frozen=True):
    """So many messages are in a folder no more, whose UIDs are among these."""

    mailbox: str
    path: str
    count: int
    uids: list[tuple[int, int]]  # from, to


class DamagedMessage(Struct, frozen=True):
    """A message that another has taken the place of, with what could be read of it."""

    mailbox: str
    path: str
    uid: int
    new_uid: int
    lost: int  # octets; 0: some are not what they were
    size: int


class MailboxRepaired(Struct, frozen=True):
    mailbox: str
    refiled: int  # messages that no folder had, which are in the folder Recovered now
    folders: list[str]  # that were made up, or have come to the top


class DatabaseRepaired(Struct, frozen=True):
    """Of each list the first thousand; `lost` has a line for each folder."""

    name: str
    mounted: bool  # False: it was left alone
    found: int = 0  # broken promises
    bodies_restored: int = 0  # that a pack had, though no row named them
    mailboxes: list[MailboxRepaired] = []
    lost: list[LostMessages] = []
    lost_count: int = 0  # messages
    damaged: list[DamagedMessage] = []
    damaged_count: int = 0
    broken: list[str] = []  # still


class AllRepaired(Struct, frozen=True):
    sound: bool  # now
    deep: bool
    databases: list[DatabaseRepaired]


class Repair(Request[AllRepaired], frozen=True):
    """As Check, but what is found is mended."""

    deep: bool = False
    databases: tuple[str, ...] = ()


def repair(context: Context, ask: Repair) -> AllRepaired:
    """Raises NoSuchDatabase, Unavailable, Interrupted: what was mended until then stays so."""
    repaired = [_database(context, info, deep=ask.deep) for info in chosen(context, ask.databases)]
    return AllRepaired(not any(database.broken for database in repaired), ask.deep, repaired)


def _database(context: Context, info: MailboxDatabaseInfo, *, deep: bool) -> DatabaseRepaired:
    database = context.house.databases.get(info.database_id)
    if database is None:
        return DatabaseRepaired(info.name, mounted=False)
    return _Mending(context, info, database).all(deep=deep)


class _Mending:
    """One database under repair."""

    def __init__(self, context: Context, info: MailboxDatabaseInfo, database: Database) -> None:
        self._context = context
        self._house = context.house
        self._info = info
        self._database = database
        self._held: set[MailboxId] = set()
        public = self._house.organization.sharing.public_folders()
        self._public = public.mailbox_id if public is not None else None
        self._aliases = {recipient.mailbox_id: recipient.alias for recipient in self._house.recipients()}

    def all(self, *, deep: bool) -> DatabaseRepaired:
        """Bodies that are still there first, or their messages would be taken for lost."""
        count, mailboxes, bodies = self._found(deep=deep)
        if not count:
            return DatabaseRepaired(self._info.name, mounted=True)
        restored = self._restore(bodies)
        mended = {number: self._mailbox(number) for number in self._each(mailboxes)}
        damaged: list[DamagedMessage] = []
        damaged_count = 0
        for message in (message for body in sorted(bodies - restored) for message in self._body(body)):
            damaged_count += 1
            if len(damaged) < REPORTED:
                damaged.append(message)
        self._forget(sorted(bodies))
        lost = [
            LostMessages(self._name(number), one.path, one.count, list(one.uids))
            for number, repaired in mended.items()
            for one in repaired.lost
        ]
        left = (finding.text for finding in findings(self._context, self._info, self._database, set(), deep=deep))
        return DatabaseRepaired(
            self._info.name,
            mounted=True,
            found=count,
            bodies_restored=len(restored),
            mailboxes=[
                MailboxRepaired(self._name(number), repaired.refiled, list(repaired.folders))
                for number, repaired in mended.items()
                if repaired.refiled or repaired.folders
            ][:REPORTED],
            lost=lost[:REPORTED],
            lost_count=sum(one.count for one in lost),
            damaged=damaged,
            damaged_count=damaged_count,
            broken=list(islice(left, REPORTED)),
        )

    def _found(self, *, deep: bool) -> tuple[int, set[MailboxId], set[bytes]]:
        """(how much is broken, in which mailboxes, which bodies)."""
        count, mailboxes, bodies = 0, set[MailboxId](), set[bytes]()
        for finding in findings(self._context, self._info, self._database, self._held, deep=deep):
            count += 1
            if finding.mailbox_id is not None:
                mailboxes.add(finding.mailbox_id)
            if finding.body is not None:
                bodies.add(finding.body)
        return count, mailboxes, bodies

    def _name(self, mailbox_id: MailboxId) -> str:
        """What administrators call a mailbox."""
        if mailbox_id == self._public:
            return "public folders"
        return self._aliases.get(mailbox_id, f"mailbox {mailbox_id}, which nobody has")

    def _each(self, mailboxes: Collection[MailboxId]) -> Iterator[MailboxId]:
        """The mailboxes that are to be mended, as progress comes to them."""
        step = stepping(self._context, f"{self._info.name}: mailboxes", len(mailboxes))
        for number in sorted(mailboxes):
            yield number
            step()

    def _mailbox(self, number: MailboxId) -> Repaired:
        now = self._house.clock.now()
        if number not in self._held:
            self._database.write(CreateMailbox(number, self._house.entropy.token(GUID_OCTETS), (), now))
        try:
            repaired = self._database.write(RepairMailbox(number, now, has_inbox=number != self._public), bulk=True)
        except NoSuchMailbox:
            return Repaired()  # it has been removed meanwhile
        assert isinstance(repaired, Repaired)
        return repaired

    def _forget(self, bodies: Sequence[bytes]) -> None:
        """In slices; the last one, which may be empty, leaves what is counted of packs as it is."""
        for start in range(0, len(bodies) + 1, BODIES_AT_A_TIME):
            self._database.write(ForgetBodies(tuple(bodies[start : start + BODIES_AT_A_TIME])), bulk=True)

    # ------------------------------------------------------------------------------------------ bodies

    def _restore(self, bodies: set[bytes]) -> set[bytes]:
        """Names bodies again that a pack still has; which ones."""
        with self._database.read() as tx:
            missing = {body for body in bodies if tx.blob(body) is None}
        restored: set[bytes] = set()
        for blob in self._house.records(self._info.database_id) if missing else ():
            if blob.hash in missing - restored and self._is_whole(blob):
                self._database.write(RestoreBlob(blob, self._house.clock.now()))
                restored.add(blob.hash)
        return restored

    def _is_whole(self, blob: Blob) -> bool:
        digest = hashlib.sha256()
        for piece in self._pieces(blob):
            if isinstance(piece, int):
                return False
            digest.update(piece)
        return digest.digest() == blob.hash

    def _pieces(self, blob: Blob) -> Iterator[Piece]:
        def read(start: int, stop: int) -> bytes:
            with self._database.read() as tx:
                return tx.read_blob(blob, start, stop)

        return pieces(read, blob.size)

    def _body(self, digest: bytes) -> Iterator[DamagedMessage]:
        """Each message that has the body is replaced by one with what is left of it."""
        with self._database.read() as tx:
            blob = tx.blob(digest)
            filed = tx.filed(digest)
        for message in filed:
            size = message.size - len(message.prefix) if blob is None else blob.size
            lost = sum(piece for piece in self._left(blob, size) if isinstance(piece, int))
            new = self._replace(message, self._left(blob, size), lost=lost, size=size)
            if new is not None:
                path, uid = new
                yield DamagedMessage(self._name(message.mailbox_id), path, message.uid, uid, lost, size)

    def _left(self, blob: Blob | None, size: int) -> Iterator[Piece]:
        return iter((size,)) if blob is None else self._pieces(blob)

    def _replace(self, message: Filed, left: Iterator[Piece], *, lost: int, size: int) -> tuple[str, int] | None:
        """The path and the UID that it has now; None: its folder is being deleted, or it has just gone."""
        mailbox_id, folder_id, uid = message.mailbox_id, message.folder_id, message.uid
        with self._database.read() as tx:
            folders = tx.folders(mailbox_id)
            entries = tx.entries(mailbox_id, folder_id, uid, uid)
            words = tx.keywords(mailbox_id, folder_id)
        path = next((path for path, folder in tree(folders).items() if folder.folder_id == folder_id), None)
        if path is None or not entries:
            return None
        keywords = tuple(word for bit, word in enumerate(words) if entries[0].keywords >> bit & 1)
        spool = self._house.spool(self._info.database_id, 2 * size + SLICE_OCTETS)
        try:
            for octets in replacement(message.prefix, message.summary, left, lost=lost, size=size):
                spool.write(octets)
            times = (message.internal_at, message.internal_zone)
            filing = Filing(spool.finish(), Flags(entries[0].flags, keywords), *times)
            command = Replace(
                mailbox_id, path, (filing,), self._house.clock.now(), folder_id=folder_id, uid=message.uid
            )
            appended = self._database.write(command, bulk=True)
        except BaseException as fault:
            if not isinstance(fault, Unavailable):  # then it may have been carried out for all that
                spool.discard()
            raise
        spool.keep()
        return path, appended.uid
