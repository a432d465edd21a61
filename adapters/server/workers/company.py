"""What a worker shares with the others of its server: what is committed, who is connected, who guesses passwords.

A server of one process has the same, with nobody else in it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.blobs.packs import Packs
from adapters.bus.link import changed
from adapters.bus.messages import SignIn, Verified
from adapters.directory.throttle import Throttle
from adapters.server.installation import Installation
from adapters.server.workers.peers import Peers
from adapters.server.workers.place import ALONE, Place
from adapters.server.workers.remote import RemoteDatabase
from adapters.stores.database import Database
from core.changes import Change, FolderRemoved, MailboxRemoved, Missed
from core.errors import Refusal
from core.loading import Known, missed
from core.model import MailboxId
from core.ports import Clock, EventLog
from core.recipients import NoSuchDatabase
from core.watching import Key, Views
from protocols.imap.finding.kept import Kept
from protocols.imap.limits import KEPT_OCTETS

COMMITTED = "organization.changed"
ANY = MailboxId(0)  # no mailbox has this number


class Company:
    """Used from the event loop, but for what says otherwise."""

    def __init__(
        self, place: Place, loop: asyncio.AbstractEventLoop, clock: Clock, log: EventLog, secret: bytes = b""
    ) -> None:
        self.place = place
        self.views = Views()
        self.kept = Kept(KEPT_OCTETS // place.workers)  # what is kept of searches is divided among the workers
        self.peers = Peers(place, loop, log)
        self.throttle = SharedThrottle(Throttle(clock), self.peers)
        self._log = log
        self._secret = secret
        self._making_up = asyncio.Lock()
        self._house: Installation

    @property
    def share(self) -> "Company | None":
        """For the installation: itself, where there are others."""
        return None if self.place == ALONE else self

    def open(self, house: Installation, questions: Mapping[str, Callable[[Any], Any]]) -> None:
        """From now on others may join; `questions` are what they can ask, each answered on a thread."""
        self._house = house
        self.peers.owned = house.owned
        self.peers.on_changes = lambda told: self.views.publish(told.changes)
        self.peers.on_missing = self._make_up
        self.peers.on_sign_in = self.throttle.heard
        self.peers.on_verified = house.verified.heard
        self.peers.questions = {**questions, COMMITTED: lambda _: self._organization_changed()}

    def publish(self, changes: Sequence[Change]) -> None:
        """What a group of commands for a database of this worker has changed."""
        self.views.publish(changes)
        self.peers.tell(lambda: changed(changes))

    # ------------------------------------------------------------------------------------------ for the installation

    def remote(self, database_id: int, path: Path, packs: Packs) -> Database:
        """A database that another worker writes to."""
        return RemoteDatabase(database_id, path, packs, self.peers)

    @property
    def secret(self) -> bytes:
        """That the workers share."""
        return self._secret

    def verified(self, digest: bytes) -> None:
        """A password was verified here; from any thread."""
        self.peers.say_from_thread(Verified(digest))

    def committed(self) -> None:
        """The organization database was written to here; returns when all workers know.  From a thread."""
        if self.peers.count > len(self.peers.ask_all(COMMITTED)):
            self._log.warning("worker.behind", what="organization", reason="a worker has not answered")

    def _organization_changed(self) -> None:
        """The same at another worker."""
        self._house.organization.refresh()
        self._house.mount()

    def _looked_at_organization(self) -> None:
        try:
            self._organization_changed()
        except Refusal as refusal:  # what is in memory is forgotten all the same
            self._log.warning("worker.behind", what="organization", reason=str(refusal))

    # ------------------------------------------------------------------------------------------ what was missed

    async def _make_up(self, worker: int) -> None:
        """Brings all that sessions know of another worker's databases to what their files hold."""
        async with self._making_up:
            await self.peers.on_thread(self._looked_at_organization)

            def is_of_worker(mailbox_id: MailboxId) -> bool:
                database_id = self._database_of(mailbox_id)
                return database_id is None or self.place.owner(database_id) == worker

            doubted = self.views.doubt(is_of_worker)
            while doubted:
                doubted = await self._made_up(doubted)
            followed = filter(is_of_worker, self.views.following.mailboxes)
            self.views.publish([*map(Missed, followed), Missed(ANY)])

    async def _made_up(self, doubted: Sequence[Key]) -> list[Key]:
        """Those folders of which sessions have learned something else while they were looked at."""
        known = [some for key in doubted if (some := self.views.known(key)) is not None]
        looked_at = await self.peers.on_thread(lambda: [(some, self._missed(some)) for some in known])
        again = []
        for some, changes in looked_at:
            now = self.views.known((some.mailbox_id, some.folder_id))
            if now == some:
                self.views.publish(changes)
            elif now is not None:
                again.append((some.mailbox_id, some.folder_id))
        return again

    def _database_of(self, mailbox_id: MailboxId) -> int | None:
        """Where a mailbox is; None: it is nobody's any more."""
        if (recipient := self._house.organization.by_mailbox(mailbox_id)) is not None:
            return recipient.database_id
        public = self._house.organization.sharing.public_folders()
        return public.database_id if public is not None and public.mailbox_id == mailbox_id else None

    def _missed(self, known: Known) -> list[Change]:
        """On a thread."""
        place = known.mailbox_id, known.folder_id
        try:
            if (database_id := self._database_of(known.mailbox_id)) is None:
                return [MailboxRemoved(known.mailbox_id)]
            if (database := self._house.databases.get(database_id)) is None:
                raise NoSuchDatabase("The mailbox database is not mounted")
            with database.read() as tx:
                return list(missed(tx, known))
        except Exception:  # noqa: BLE001 - no session may go on with what is not true any more
            self._log.exception("worker.missing", mailbox=place[0], folder=place[1])
            return [FolderRemoved(*place)]


class SharedThrottle:
    """A throttle to which all workers add."""

    def __init__(self, own: Throttle, peers: Peers) -> None:
        self._own = own
        self._peers = peers

    def delay(self, source: str | None, login: str) -> float:
        """As of any throttle."""
        return self._own.delay(source, login)

    def failed(self, source: str | None, login: str) -> None:
        """As of any throttle."""
        self._own.failed(source, login)
        self._peers.say(SignIn(source, login, succeeded=False))

    def succeeded(self, source: str | None, login: str) -> None:
        """As of any throttle."""
        self._own.succeeded(source, login)
        self._peers.say(SignIn(source, login, succeeded=True))

    def heard(self, told: SignIn) -> None:
        """Somebody has signed in at another worker, or has failed to."""
        (self._own.succeeded if told.succeeded else self._own.failed)(told.source, told.login)
