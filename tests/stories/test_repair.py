"""A store is damaged; `penfold check --repair` mends it under connected clients, and names what is lost."""

import asyncio
import imaplib
import smtplib
from pathlib import Path

import apsw

from adapters.server.administration.checks import Check
from adapters.server.administration.repairs import AllRepaired, DamagedMessage, LostMessages, Repair
from tests.stories.conftest import PASSWORD, House

TEXTS = [
    f"Subject: number {number}\r\nFrom: ada@example.org\r\n\r\n{'line' * number}\r\n".encode() for number in range(5)
]
LARGE = b"Subject: large\r\nFrom: ada@example.org\r\n\r\n" + b"0123456789abcdef\r\n" * 5_000
LAST = len(TEXTS) + 1


def client(house: House, user: str = "u1") -> imaplib.IMAP4:
    connection = imaplib.IMAP4("127.0.0.1", house.imap)
    connection.login(user, PASSWORD)
    connection.select()
    return connection


def deliver(house: House, *texts: bytes) -> None:
    with smtplib.LMTP("127.0.0.1", house.lmtp) as lmtp:
        for text in texts:
            lmtp.sendmail("s@example.org", ["u1@example.com"], text)


def damage(house: House, statement: str) -> None:
    """As a disk would, behind the server's back."""
    connection = apsw.Connection(str(house.root / "databases" / "first.db"))
    connection.set_busy_timeout(5_000)
    connection.execute(statement)
    connection.close()


def uids(connection: imaplib.IMAP4) -> list[int]:
    connection.noop()
    return [int(uid) for uid in connection.uid("SEARCH", "ALL")[1][0].split()]


def body(connection: imaplib.IMAP4, uid: int) -> bytes:
    part = connection.uid("FETCH", str(uid), "(BODY.PEEK[])")[1][0]
    assert isinstance(part, tuple)
    return bytes(part[1])


def pack(house: House) -> Path:
    (path,) = (path for path in (house.root / "databases" / "first").glob("*.pack") if path.stat().st_size > 50_000)
    return path


def repaired(house: House) -> AllRepaired:
    answer = house.ask(Repair(deep=True))
    assert answer.sound, answer
    assert house.ask(Check(deep=True)).sound
    return answer


async def test_a_body_whose_pack_is_gone_leaves_its_header_under_another_uid(house: House) -> None:
    def story() -> None:
        deliver(house, *TEXTS, LARGE)
        with client(house) as before:
            pack(house).unlink()
            (database,) = repaired(house).databases
            (gone,) = database.damaged
            assert (gone.mailbox, gone.path, gone.uid, gone.new_uid) == ("u1", "INBOX", LAST, LAST + 1)
            assert gone.lost == gone.size == len(LARGE)
            assert uids(before) == [1, 2, 3, 4, 5, LAST + 1]
            text = body(before, LAST + 1)
            assert b"\r\nSubject: large\r\n" in text
            assert f"[{len(LARGE)} octets are lost]".encode() in text
            assert body(before, 1).endswith(TEXTS[0])

    await asyncio.to_thread(story)


async def test_changed_octets_are_told_and_shown_under_another_uid(house: House) -> None:
    def story() -> None:
        deliver(house, LARGE)
        with client(house) as before:
            path = pack(house)
            octets = bytearray(path.read_bytes())
            octets[octets.index(b"abcdef")] ^= 1
            path.write_bytes(octets)
            (database,) = repaired(house).databases
            assert database.damaged == [DamagedMessage("u1", "INBOX", 1, 2, 0, len(LARGE))]
            assert uids(before) == [2]
            text = body(before, 2)
            assert b"X-Penfold-Damaged: some octets differ\r\n" in text
            assert text.endswith(LARGE.replace(b"abcdef", b"`bcdef", 1))

    await asyncio.to_thread(story)


async def test_a_message_whose_rows_are_gone_is_named_and_its_uid_vanishes(house: House) -> None:
    def story() -> None:
        deliver(house, *TEXTS)
        with client(house) as before:
            damage(house, "DELETE FROM message WHERE message_id IN (2, 3)")
            (database,) = repaired(house).databases
            assert database.lost == [LostMessages("u1", "INBOX", 2, [(2, 3)])]
            assert uids(before) == [1, 4, 5]
            deliver(house, LARGE)
            assert uids(before) == [1, 4, 5, 6]

    await asyncio.to_thread(story)


async def test_a_row_that_named_a_body_is_made_again_from_the_pack(house: House) -> None:
    def story() -> None:
        deliver(house, LARGE)
        damage(house, "DELETE FROM blob")
        (database,) = repaired(house).databases
        assert (database.bodies_restored, database.damaged, database.lost) == (1, [], [])
        with client(house) as after:
            assert body(after, 1).endswith(LARGE)

    await asyncio.to_thread(story)


async def test_a_mailbox_whose_row_is_gone_is_made_again_for_what_is_in_it(house: House) -> None:
    def story() -> None:
        deliver(house, *TEXTS)
        damage(house, "DELETE FROM mailbox WHERE mailbox_id = 1")
        repaired(house)
        with client(house) as one, client(house, "u2") as other:
            assert uids(one) == [1, 2, 3, 4, 5]
            assert uids(other) == []

    await asyncio.to_thread(story)


async def test_counters_are_mended_while_clients_are_told_nothing_new(house: House) -> None:
    def story() -> None:
        deliver(house, *TEXTS)
        with client(house) as before:
            damage(house, "UPDATE folder SET n_exists = 77, n_unseen = 0; UPDATE mailbox SET used_bytes = 1")
            assert not house.ask(Check()).sound
            (database,) = repaired(house).databases
            assert (database.lost, database.damaged, database.mailboxes) == ([], [], [])
            assert uids(before) == [1, 2, 3, 4, 5]
            assert before.status("INBOX", "(MESSAGES UNSEEN)")[1] == [b'"INBOX" (MESSAGES 5 UNSEEN 5)']

    await asyncio.to_thread(story)
