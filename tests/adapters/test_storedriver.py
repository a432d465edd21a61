"""The store driver: each recipient's outcome, repeated deliveries, large bodies for several databases, mail loops."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.blobs.frames import FRAME_OCTETS
from adapters.blobs.packs import Packs
from adapters.server.assistants import GRACE, Maintenance
from adapters.server.executor import StoreExecutor
from adapters.server.spooling import MessageSpool
from adapters.server.storedriver import MOST_RECEIVED, StoreDriver, Target
from adapters.stores.database import MailboxDatabase
from core.commands import Append, CreateFolder, CreateMailbox, DeleteFolder, Filing, Flags, NewFolder
from core.errors import MessageLoops, NoSuchRecipient, OverQuota, Refusal, Unavailable
from core.integrity.audit import audit
from core.model import MAX_UID, FolderId, MailboxId
from protocols.smtp.envelope import Client, Envelope, Recipient
from tests.support.imap import TestEntropy
from tests.support.store import LARGEST, TestClock

MAIL = b"From: a@example.org\r\nMessage-ID: <1@example.org>\r\nSubject: hello\r\n\r\nbody\r\n"
DAY = 86_400 * 1_000_000


class House:
    """Two databases: mailboxes 1 and 2 are in the first, 3 in the second."""

    def __init__(self, directory: Path) -> None:
        loop = asyncio.get_running_loop()
        self.directory = directory
        self.clock = TestClock()
        self.faults: list[BaseException] = []
        self.packs = {number: Packs(directory / f"packs{number}") for number in (1, 2)}
        self.databases = {number: self._open(directory, number, loop) for number in (1, 2)}
        self.executor = StoreExecutor(self.databases, loop)
        self.quota: int | None = None
        self.driver = StoreDriver(
            self.executor,
            self,
            spool=lambda number: MessageSpool(number, self.packs[number], LARGEST),
            clock=self.clock,
            entropy=TestEntropy(),
            log=structlog.get_logger(),
            hostname="mail.example.com",
            duplicate_window=7 * DAY,
        )

    def _open(self, directory: Path, number: int, loop: asyncio.AbstractEventLoop) -> MailboxDatabase:
        return MailboxDatabase(
            directory / f"db{number}.db",
            self.packs[number],
            at=self.clock.now(),
            publish=lambda changes: None,
            post=loop.call_soon_threadsafe,
            fault=self.faults.append,
        )

    async def populate(self) -> None:
        for mailbox, database in ((1, 1), (2, 1), (3, 2)):
            command = CreateMailbox(MailboxId(mailbox), b"g" * 16, (NewFolder("INBOX"),), self.clock.now())
            await self.executor.written(database, command)

    def route(self, address: str) -> Target:
        name = address.partition("@")[0]
        if name not in ("u1", "u2", "u3"):
            raise NoSuchRecipient("No recipient has this address")
        return Target(address, MailboxId(int(name[1:])), 2 if name == "u3" else 1, self.quota)

    async def deliver(self, mail: bytes, *addresses: str, sender: str = "a@example.org") -> list[Refusal | None]:
        spool = self.driver.spool()
        for at in range(0, len(mail), 65536):
            spool.write(mail[at : at + 65536])
        to = tuple(Recipient(address, self.driver.route(address, None)) for address in addresses)
        client = Client("192.0.2.1", "hub.example.org", None)
        try:
            return list(await self.driver.deliver(Envelope(sender, to, client, "LMTP", False, "7BIT", None), spool))
        finally:
            spool.discard()

    def mails(self, mailbox: int) -> list[bytes]:
        with self.databases[2 if mailbox == 3 else 1].read() as tx:
            found = []
            for item in tx.items(MailboxId(mailbox), FolderId(1), 1, MAX_UID):
                blob = tx.blob(item.hash)
                assert blob is not None
                found.append(item.prefix + tx.read_blob(blob, 0, blob.size))
            return found

    def files(self) -> Iterator[str]:
        """The packs of the first database."""
        return (path.name for path in sorted(self.directory.glob("packs1/*.pack")))

    def close(self) -> None:
        self.executor.close()
        for database in self.databases.values():
            with database.read() as tx:
                assert list(audit(tx, deep=True)) == []
            database.close()
        assert self.faults == []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    found = House(tmp_path)
    await found.populate()
    yield found
    await asyncio.to_thread(found.close)


async def test_trace_headers_stand_above_the_octets_that_came(house: House) -> None:
    """T-12.11."""
    assert await house.deliver(MAIL, "u1@example.com", "u2@example.com") == [None, None]
    for number in (1, 2):
        (mail,) = house.mails(number)
        assert mail.endswith(MAIL)
        head = mail.removesuffix(MAIL).decode()
        assert head.startswith(
            f"Return-Path: <a@example.org>\r\nDelivered-To: u{number}@example.com\r\nReceived: from "
        )
        assert "from hub.example.org ([192.0.2.1])\r\n\tby mail.example.com (Penfold) with LMTP id " in head
        assert " for " not in head


async def test_one_recipient_over_quota_does_not_keep_the_others_from_their_mail(house: House) -> None:
    """T-7.1, after DATA."""
    await house.deliver(MAIL, "u1@example.com")
    house.quota = len(MAIL) + 400
    full, taken = await house.deliver(MAIL.replace(b"<1@", b"<2@"), "u1@example.com", "u2@example.com")
    assert isinstance(full, OverQuota)
    assert taken is None


async def test_a_retry_changes_nothing_and_is_answered_like_the_first_time(house: House) -> None:
    """T-7.2."""
    for _ in range(3):
        assert await house.deliver(MAIL, "u1@example.com", "u3@example.com") == [None, None]
    assert (len(house.mails(1)), len(house.mails(3))) == (1, 1)
    house.clock.advance(8 * DAY)
    for number in (1, 2):
        await Maintenance(house.executor, house.databases, house.clock).maintain(number)
    await house.deliver(MAIL, "u1@example.com")
    assert len(house.mails(1)) == 2


async def test_without_a_message_id_the_sender_counts(house: House) -> None:
    bare = b"Subject: no id\r\n\r\nx\r\n"
    await house.deliver(bare, "u1@example.com", sender="a@example.org")
    await house.deliver(bare, "u1@example.com", sender="b@example.org")
    await house.deliver(bare, "u1@example.com", sender="a@example.org")
    assert len(house.mails(1)) == 2


async def test_a_large_body_is_kept_by_every_database_that_takes_it(house: House) -> None:
    large = MAIL + b"0123456789abcdef" * (FRAME_OCTETS // 4)
    assert await house.deliver(large, "u1@example.com", "u3@example.com") == [None, None]
    assert house.mails(1)[0].endswith(large)
    assert house.mails(3)[0].endswith(large)


async def test_a_message_to_more_than_a_slice_of_recipients_reaches_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.server.storedriver.DELIVERIES_PER_COMMAND", 1)
    assert await house.deliver(MAIL, "u1@example.com", "u2@example.com", "u3@example.com") == [None] * 3
    assert [len(house.mails(number)) for number in (1, 2, 3)] == [1, 1, 1]


async def test_a_message_that_has_passed_too_many_servers_is_refused(house: House) -> None:
    """RFC 5321 6.3."""
    hops = b"Received: from x\r\n\tby y; now\r\n"
    (looped,) = await house.deliver(hops * (MOST_RECEIVED + 1) + MAIL, "u1@example.com")
    assert isinstance(looped, MessageLoops)
    (passed,) = await house.deliver(hops * MOST_RECEIVED + MAIL + hops * 10, "u1@example.com")
    assert passed is None


async def test_a_database_that_cannot_write_is_a_temporary_failure_for_its_recipients_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = MailboxDatabase.submit

    def sometimes(self: MailboxDatabase, *args: Any, **words: Any) -> None:
        if self is house.databases[2]:
            raise Unavailable("The database could not be written")
        submit(self, *args, **words)

    monkeypatch.setattr(MailboxDatabase, "submit", sometimes)
    taken, refused = await house.deliver(MAIL, "u1@example.com", "u3@example.com")
    assert taken is None
    assert isinstance(refused, Unavailable)
    monkeypatch.undo()


async def test_what_can_be_refused_is_refused_at_rcpt(house: House) -> None:
    with pytest.raises(NoSuchRecipient):
        house.driver.route("nobody@example.com", None)
    house.quota = 100
    with pytest.raises(OverQuota):
        house.driver.route("u1@example.com", 101)
    house.driver.route("u1@example.com", 50)


async def test_a_mailbox_that_is_gone_refuses_its_mail(house: House) -> None:
    target = Recipient("u1@example.com", Target("u1@example.com", MailboxId(99), 1, None))
    spool = house.driver.spool()
    spool.write(MAIL)
    envelope = Envelope("", (target,), Client(None, "hub", None), "LMTP", False, "7BIT", None)
    (refused,) = await house.driver.deliver(envelope, spool)
    spool.discard()
    assert isinstance(refused, Refusal)
    assert not refused.temporary


async def test_maintenance_forgets_what_a_deleted_folder_held(house: House) -> None:
    large = MAIL + b"y" * (FRAME_OCTETS + 1)
    await house.executor.written(1, CreateFolder(MailboxId(1), NewFolder("old"), house.clock.now()))
    spool = house.driver.spool()
    spool.write(large)
    now = house.clock.now()
    await house.executor.written(1, Append(MailboxId(1), "old", (Filing(spool.finish(), Flags(), now, 0),), now))
    spool.keep()
    await house.executor.written(1, DeleteFolder(MailboxId(1), "old", now))
    maintenance = Maintenance(house.executor, house.databases, house.clock)
    await maintenance.maintain(1)
    assert list(house.files()) == ["1.pack"]  # a body is kept for a day, in case it comes again
    house.clock.advance(GRACE + DAY)
    await maintenance.maintain(1)
    assert list(house.files()) == []
