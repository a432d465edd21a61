"""Mail comes in by SMTP and LMTP, and stock clients read it by IMAP."""

import asyncio
import imaplib
import smtplib
import socket
from pathlib import Path

import pytest

from tests.stories.conftest import PASSWORD, House

MAIL = (
    b"From: Ada <ada@example.org>\r\nTo: u1@example.com\r\nSubject: tea\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n.dots\r\n..more\r\nend\r\n"
)


def read_all(house: House, user: str, folder: str = "INBOX") -> list[bytes]:
    """Every message of a folder, as a client with TLS sees it."""
    with imaplib.IMAP4_SSL("localhost", house.imaps, ssl_context=house.tls()) as client:
        client.login(user, PASSWORD)
        client.select(folder)
        _, answer = client.fetch("1:*", "(BODY.PEEK[])")
        return [part[1] for part in answer if isinstance(part, tuple)]


class Hub:
    """An LMTP client of few words: smtplib's reads one reply for all recipients."""

    def __init__(self, house: House) -> None:
        self._socket = socket.create_connection(("127.0.0.1", house.lmtp))
        self._lines = self._socket.makefile("rwb")
        self._reply()
        self.says("LHLO hub")

    def _reply(self) -> str:
        while (line := self._lines.readline())[3:4] == b"-":
            pass
        return line.decode().strip()

    def says(self, line: str) -> str:
        """A command's reply."""
        self._lines.write(line.encode() + b"\r\n")
        self._lines.flush()
        return self._reply()

    def sends(self, mail: bytes, replies: int) -> list[str]:
        """The replies to a message, one for each recipient that was taken."""
        assert self.says("DATA").startswith("354")
        self._lines.write(mail.replace(b"\r\n.", b"\r\n..").removesuffix(b"\r\n") + b"\r\n.\r\n")
        self._lines.flush()
        return [self._reply() for _ in range(replies)]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def send(house: House, mail: bytes, *recipients: str) -> list[str]:
    """Injects a message by LMTP; what became of it for each recipient."""
    hub = Hub(house)
    hub.says("MAIL FROM:<ada@example.org>")
    answers = [hub.says(f"RCPT TO:<{recipient}>") for recipient in recipients]
    taken = [at for at, answer in enumerate(answers) if answer.startswith("250")]
    if taken:
        for at, answer in zip(taken, hub.sends(mail, len(taken)), strict=True):
            answers[at] = answer
    hub.close()
    return answers


async def test_mail_sent_by_smtp_with_tls_is_read_byte_for_byte(house: House) -> None:
    """T-12.11."""

    def run() -> list[bytes]:
        with smtplib.SMTP("localhost", house.smtp) as hub:
            hub.starttls(context=house.tls())
            hub.sendmail("ada@example.org", ["U1+tag@Example.COM"], MAIL)
        return read_all(house, "u1")

    (message,) = await asyncio.to_thread(run)
    head, _, rest = message.partition(b"From: Ada")
    assert b"From: Ada" + rest == MAIL
    assert head.startswith(b"Return-Path: <ada@example.org>\r\nDelivered-To: U1+tag@Example.COM\r\nReceived: from ")
    assert head.count(b"Received:") == 1
    assert b"with ESMTPS id" in head


async def test_lmtp_takes_mail_over_a_unix_socket(house: House) -> None:
    def run() -> list[bytes]:
        with smtplib.LMTP(str(house.unix)) as hub:
            hub.sendmail("", ["u2@example.com"], MAIL)
        return read_all(house, "u2")

    (message,) = await asyncio.to_thread(run)
    assert message.endswith(MAIL)
    assert message.startswith(b"Return-Path: <>\r\n")


async def test_each_lmtp_recipient_has_an_answer_of_its_own(house: House) -> None:
    """T-7.1: unknown and foreign at RCPT, full at RCPT, and one that fills up between RCPT and the end of DATA."""
    await asyncio.to_thread(send, house, MAIL, "u1@example.com")
    await house.set_quota(1000)
    wanted = ["u1@example.com", "u2@example.com", "nobody@example.com", "u1@elsewhere.org"]
    large = b"Subject: big\r\n\r\n" + b"x" * 600 + b"\r\n"
    full, delivered, unknown, foreign = await asyncio.to_thread(send, house, large, *wanted)
    assert full.startswith("552 5.2.2")  # u1 has some mail already, and took the address all the same
    assert delivered.startswith("250 2")
    assert unknown.startswith("550 5.1.1")
    assert foreign.startswith("550 5.7.1")
    await house.set_quota(100)
    (refused,) = await asyncio.to_thread(send, house, MAIL, "u1@example.com")
    assert refused.startswith("552 5.2.2")


async def test_the_same_message_twice_is_one_copy(house: House) -> None:
    """T-7.2: same Message-ID, Date and body; another body or Date is another message."""
    other_body, other_date = MAIL + b"P.S.\r\n", MAIL.replace(b"10:00:00", b"10:00:01")
    for mail in (MAIL, MAIL, other_body, other_date, MAIL):
        (answer,) = await asyncio.to_thread(send, house, mail, "u1@example.com")
        assert answer.startswith("250")
    assert len(await asyncio.to_thread(read_all, house, "u1")) == 3


async def test_a_recipient_named_twice_gets_one_copy(house: House) -> None:
    await asyncio.to_thread(send, house, MAIL, "u1@example.com", "u1+work@example.com", "u2@example.com")
    assert len(await asyncio.to_thread(read_all, house, "u1")) == 1
    assert len(await asyncio.to_thread(read_all, house, "u2")) == 1


async def test_a_waiting_client_hears_of_mail_as_it_is_delivered(house: House) -> None:
    """T-12.9."""

    def idle() -> tuple[socket.socket, bytes]:
        client = socket.create_connection(("127.0.0.1", house.imap))
        client.sendall(b"a LOGIN u1 pass\r\nb SELECT INBOX\r\nc IDLE\r\n")
        heard = b""
        while b"+ " not in heard:
            heard += client.recv(4096)
        return client, heard

    def hear(client: socket.socket) -> bytes:
        heard = b""
        while b"EXISTS" not in heard:
            heard += client.recv(4096)
        client.sendall(b"DONE\r\nd LOGOUT\r\n")
        while b"d OK" not in heard:
            heard += client.recv(4096)
        client.close()
        return heard

    client, _ = await asyncio.to_thread(idle)
    await asyncio.to_thread(send, house, MAIL, "u1@example.com")
    heard = await asyncio.to_thread(hear, client)
    assert b"* 1 EXISTS\r\n" in heard
    assert b"c OK" in heard


async def test_a_changed_quota_holds_for_the_next_message(house: House) -> None:
    """T-1.2, the reading part: the database's value is inherited, and a change needs no restart."""
    await house.set_quota(10)
    (refused,) = await asyncio.to_thread(send, house, MAIL, "u1@example.com")
    await house.set_quota(None)
    (taken,) = await asyncio.to_thread(send, house, MAIL, "u1@example.com")
    assert (refused[:3], taken[:3]) == ("552", "250")


async def test_a_message_of_several_megabytes_goes_both_ways(house: House, tmp_path: Path) -> None:
    large = MAIL + b"".join(b"%08d %s\r\n" % (n, b"x" * 60) for n in range(50_000))

    def run() -> None:
        send(house, large, "u1@example.com")
        with imaplib.IMAP4("127.0.0.1", house.imap) as client:
            client.login("u1", PASSWORD)
            client.append("Sent", "(\\Seen)", "", large)

    await asyncio.to_thread(run)
    (received,) = await asyncio.to_thread(read_all, house, "u1")
    (sent,) = await asyncio.to_thread(read_all, house, "u1", "Sent")
    assert received.endswith(large)
    assert sent == large


async def test_a_user_has_no_more_connections_than_allowed(house: House) -> None:
    def run() -> str:
        clients = []
        try:
            for _ in range(6):
                client = imaplib.IMAP4("127.0.0.1", house.imap)
                clients.append(client)
                client.login("u1", PASSWORD)
        except imaplib.IMAP4.error as refused:
            return str(refused)
        finally:
            for client in clients:
                client.shutdown()
        return ""

    assert "[LIMIT]" in await asyncio.to_thread(run)


@pytest.mark.parametrize("word", ["LOGIN u1 wrong", "LOGIN nobody wrong"])
async def test_a_wrong_name_and_a_wrong_password_sound_the_same(house: House, word: str) -> None:
    def run() -> bytes:
        with socket.create_connection(("127.0.0.1", house.imap)) as client:
            client.sendall(f"a {word}\r\n".encode())
            heard = b""
            while b"a NO" not in heard:
                heard += client.recv(4096)
            return heard[heard.index(b"a NO") :]

    assert await asyncio.to_thread(run) == b"a NO [AUTHENTICATIONFAILED] Name or password is wrong\r\n"
