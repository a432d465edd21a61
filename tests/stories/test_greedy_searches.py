"""A user whose searches fill the house, over real sockets: others are served, and what nobody awaits ends (T-10.2)."""

import asyncio
import imaplib
import threading

import pytest

from protocols.imap.finding.candidates import Candidate
from tests.stories.conftest import PASSWORD, House

MAIL = b"Subject: tea\r\n\r\nAt five.\r\n"


class Gate:
    """Searches stop at their first message until it is opened; of each message looked at it keeps the mailbox."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked: list[int] = []
        self.is_reached = threading.Event()
        self.is_open = threading.Event()
        holds = Candidate.holds

        def held(candidate: Candidate, needle: str, *, headers: bool) -> bool:
            self.looked.append(candidate._batch.place[0])
            self.is_reached.set()
            assert self.is_open.wait(30)
            return holds(candidate, needle, headers=headers)

        monkeypatch.setattr(Candidate, "holds", held)


def client(house: House, user: str, messages: int = 0) -> imaplib.IMAP4:
    """A client in its INBOX, to which it adds so many messages."""
    connection = imaplib.IMAP4("127.0.0.1", house.imap, timeout=30)
    connection.login(user, PASSWORD)
    for _ in range(messages):
        connection.append("INBOX", "", "", MAIL)
    connection.select()
    return connection


@pytest.mark.parametrize("workers", [1], indirect=True)  # it looks into the server
async def test_searches_keep_nobody_waiting_and_end_with_their_connections(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-10.2"""
    gate = Gate(monkeypatch)
    greedy = [await asyncio.to_thread(client, house, "u1", messages) for messages in (9, 0, 0, 0)]
    mailbox, connections = _only_mailbox(house), set(house.server.connections)
    for connection in greedy:
        await asyncio.to_thread(connection.send, b"x SEARCH BODY five\r\n")
    assert await asyncio.to_thread(gate.is_reached.wait, 30)
    other = await asyncio.to_thread(client, house, "u2", 1)
    try:
        assert (await asyncio.to_thread(other.fetch, "1", "BODY[TEXT]"))[1][0][1] == b"At five.\r\n"  # type: ignore[index]
        search = asyncio.create_task(asyncio.to_thread(other.search, None, "BODY five"))
        for connection in greedy:
            connection.shutdown()
        await asyncio.gather(*(connection.gone for connection in connections))
        gate.is_open.set()
        assert await search == ("OK", [b"1"])
        assert await asyncio.to_thread(other.search, None, "BODY six") == ("OK", [b""])
    finally:
        gate.is_open.set()
        await asyncio.to_thread(other.logout)
    assert gate.looked.count(mailbox) == 1
    assert len(gate.looked) == 3


def _only_mailbox(house: House) -> int:
    (mailbox,) = {connection.session.signed_in.mailbox_id for connection in house.server.connections}
    return mailbox
