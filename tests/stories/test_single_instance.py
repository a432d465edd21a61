"""T-1.9: one large message to a hundred mailboxes is kept once, as long as one of them has it."""

import asyncio
import imaplib
import random
import smtplib
from base64 import encodebytes

import pytest

from adapters.server.administration.mailboxes import AddMailbox, RemoveMailbox
from tests.stories.conftest import PASSWORD, House

OCTETS = 10_000_000
DAY = 86_400 * 1_000_000
HEAD = b"From: a@example.org\r\nTo: all@example.com\r\nSubject: minutes\r\nContent-Transfer-Encoding: base64\r\n\r\n"
MESSAGE = HEAD + encodebytes(random.Random(1).randbytes(OCTETS * 57 // 78)).replace(b"\n", b"\r\n")
OTHERS = [f"m{number}" for number in range(98)]
ALL = ["u1", "u2", *OTHERS]


def deliver(house: House) -> None:
    for alias in OTHERS:
        house.ask(AddMailbox(alias, None))
    with smtplib.LMTP("127.0.0.1", house.lmtp) as lmtp:
        lmtp.ehlo()
        lmtp.mail("a@example.org")
        for alias in ALL:
            assert lmtp.rcpt(f"{alias}@example.com")[0] == 250
        replies = [lmtp.data(MESSAGE), *(lmtp.getreply() for _ in ALL[1:])]  # RFC 2033 4.2: one for each
        assert {code for code, _ in replies} == {250}


def read(house: House, user: str) -> bytes:
    with imaplib.IMAP4("127.0.0.1", house.imap) as client:
        client.login(user, PASSWORD)
        client.select()
        _, parts = client.fetch("1", "(BODY.PEEK[])")
        assert isinstance(parts[0], tuple)
        return bytes(parts[0][1])


def delete(house: House, user: str) -> None:
    with imaplib.IMAP4("127.0.0.1", house.imap) as client:
        client.login(user, PASSWORD)
        client.select()
        client.store("1", "+FLAGS", "\\Deleted")
        assert client.expunge()[1] == [b"1"]


def octets_of_bodies(house: House) -> int:
    return sum(pack.stat().st_size for pack in (house.root / "databases" / "first").glob("*.pack"))


def sweep(house: House) -> None:
    """As maintenance does, two days later."""
    database = house.server.installation.owned[1]
    database.sweep(house.server.installation.clock.now() + 2 * DAY, 1000)


@pytest.mark.parametrize("workers", [1], indirect=True)  # it looks into the server
async def test_a_large_message_to_a_hundred_mailboxes_is_kept_once(house: House) -> None:
    await asyncio.to_thread(deliver, house)
    assert OCTETS / 2 < octets_of_bodies(house) < 11_000_000
    for alias in OTHERS:
        await asyncio.to_thread(house.ask, RemoveMailbox(alias))
    await asyncio.to_thread(delete, house, "u2")
    await asyncio.to_thread(sweep, house)
    assert (await asyncio.to_thread(read, house, "u1")).endswith(MESSAGE)
    await asyncio.to_thread(delete, house, "u1")
    await asyncio.to_thread(sweep, house)
    assert octets_of_bodies(house) == 0
