"""The LMTP server over real sockets: TCP and Unix."""

import asyncio
import smtplib
from pathlib import Path

import pytest

from core.errors import MessageTooLarge, OverQuota, Refusal, Unavailable
from tests.protocols.smtp.talk import (
    MAIL,
    NOBODY,
    RCPT,
    TEXT,
    Client,
    FakeDriver,
    authority,
    on_uvloop,
    server_context,
    serving,
)


@on_uvloop
@pytest.mark.parametrize("when_full", ["bounce", "retry"])
@pytest.mark.parametrize("command", ["DATA", "BDAT"])
async def test_each_recipient_gets_the_reply_that_is_its_own(when_full: str, command: str) -> None:
    """T-7.1."""
    full = "552 5.2.2 Mailbox full" if when_full == "bounce" else "452 4.2.2 Mailbox full"
    driver = FakeDriver(
        unknown={"over@example.org": OverQuota("over")}, outcomes={"fills@example.org": OverQuota("fills up")}
    )
    async with serving(driver, lmtp=True, when_full=when_full) as server:
        client = await server.greeted()
        await client.says(MAIL)
        assert await client.says("RCPT TO:<ok@example.org>") == "250 2.1.5 Ok"
        assert await client.says("RCPT TO:<fills@example.org>") == "250 2.1.5 Ok"
        assert await client.says("RCPT TO:<over@example.org>") == full
        assert await client.says("RCPT TO:<nobody@example.org>") == "550 5.1.1 No such recipient"
        if command == "DATA":
            await client.says("DATA")
            client.sends(TEXT + b".\r\n")
        else:
            client.sends(b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
        assert await client.reply() == "250 2.1.5 Ok"
        assert await client.reply() == full
        assert await client.says("NOOP") == "250 2.0.0 Ok"
        assert [facts["recipient"] for facts in server.log.of("smtp.undelivered")] == ["fills@example.org"]
    (message,) = driver.messages
    assert [recipient.address for recipient in message.envelope.recipients] == ["ok@example.org", "fills@example.org"]
    assert message.envelope.protocol == "LMTP"


@on_uvloop
async def test_one_address_given_twice_gets_two_replies() -> None:
    """RFC 2033 4.2."""
    async with serving(FakeDriver(), lmtp=True) as server:
        client = await server.greeted()
        client.sends(f"{MAIL}\r\n{RCPT}\r\n{RCPT}\r\nDATA\r\n".encode())
        await client.hears("250", "250", "250", "354")
        client.sends(TEXT + b".\r\nNOOP\r\n")
        await client.hears("250 2.1.5", "250 2.1.5", "250 2.0.0")


@on_uvloop
async def test_lhlo_takes_the_place_of_helo_and_ehlo() -> None:
    """RFC 2033 4.1."""
    async with serving(FakeDriver(), lmtp=True) as server:
        client = await server.connect()
        assert await client.reply() == "220 mail.example.org LMTP Penfold"
        assert (await client.says("EHLO me")).startswith("500 5.5.1")
        assert (await client.says("HELO me")).startswith("500 5.5.1")
        lines = (await client.says("LHLO me")).split("\n")
        assert lines[0] == "250-mail.example.org"
        assert {"250-PIPELINING", "250-8BITMIME", "250-CHUNKING", "250 ENHANCEDSTATUSCODES"} <= set(lines)
    async with serving(FakeDriver()) as server:
        client = await server.connect()
        await client.hears("220")
        assert (await client.says("LHLO me")).startswith("500 5.5.1")


@on_uvloop
async def test_data_without_recipients_is_503_and_the_last_chunk_says_nothing() -> None:
    """RFC 2033 4.2 and 4.3."""
    driver = FakeDriver()
    async with serving(driver, lmtp=True) as server:
        client = await server.greeted()
        await client.says(MAIL)
        assert (await client.says("RCPT TO:<nobody@example.org>")).startswith("550")
        assert (await client.says("DATA")).startswith("503 5.5.1")
        client.sends(b"BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nVRFY x\r\n")
        await client.hears("503 5.5.1", "252")
    assert driver.messages == []


@on_uvloop
@pytest.mark.parametrize(
    ("outcome", "reply"),
    [(Unavailable("x"), "451 4.3.2"), (MessageTooLarge("x"), "552 5.3.4"), (Refusal("x"), "451 4.3.0")],
)
async def test_one_recipients_trouble_is_not_the_others(outcome: Refusal, reply: str) -> None:
    async with serving(FakeDriver(outcomes={"anna@example.org": outcome}), lmtp=True) as server:
        client = await server.greeted()
        client.sends(
            f"{MAIL}\r\nRCPT TO:<bernd@example.org>\r\n{RCPT}\r\nRCPT TO:<carla@x.example>\r\nDATA\r\n".encode()
        )
        await client.hears("250", "250", "250", "250", "354")
        client.sends(TEXT + b".\r\n")
        await client.hears("250 2.1.5", reply, "250 2.1.5")


@on_uvloop
async def test_a_message_that_fails_as_a_whole_is_refused_for_each() -> None:
    async def breaks() -> None:
        raise RuntimeError("secret")

    async with serving(FakeDriver(on_deliver=breaks), lmtp=True) as server:
        client = await server.greeted()
        for body, reply in ((TEXT, "451 4.3.0"), (b"bare\n\r\n", "550 5.6.11")):
            client.sends(f"{MAIL}\r\n{RCPT}\r\n{RCPT}\r\nDATA\r\n".encode())
            await client.hears("250", "250", "250", "354")
            client.sends(body + b".\r\n")
            await client.hears(reply, reply)
        assert (await client.says("NOOP")).startswith("250")


@on_uvloop
async def test_a_unix_socket_is_trusted(tmp_path: Path) -> None:
    driver = FakeDriver()
    async with serving(driver, lmtp=True, policy=NOBODY) as server:
        path = tmp_path / "lmtp"
        await server.service.listen_unix(path=str(path))
        client = Client(*await asyncio.open_unix_connection(path))
        await client.hears("220")
        client.sends(f"LHLO me\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n".encode())
        assert (await client.reply()).startswith("250-")
        await client.hears("250", "250", "354")
        client.sends(TEXT + b".\r\n")
        await client.hears("250 2.1.5")
        client.leaves()
    assert driver.messages[0].envelope.client.ip is None


@on_uvloop
async def test_the_protocol_word_tells_of_tls_and_utf8() -> None:
    driver = FakeDriver()
    async with serving(driver, lmtp=True, tls=server_context()) as server:
        client = await server.greeted()
        await client.says("STARTTLS")
        await client.starts_tls(authority())
        await client.says("LHLO me")
        for parameters in ("", " SMTPUTF8"):
            client.sends(f"{MAIL}{parameters}\r\n{RCPT}\r\nDATA\r\n".encode())
            await client.hears("250", "250", "354")
            client.sends(TEXT + b".\r\n")
            await client.hears("250")
    assert [message.envelope.protocol for message in driver.messages] == ["LMTPS", "UTF8LMTPS"]


@on_uvloop
async def test_smtplib_delivers(tmp_path: Path) -> None:
    driver = FakeDriver()
    path = str(tmp_path / "lmtp")

    def send() -> dict[str, tuple[int, bytes]]:
        with smtplib.LMTP(path, local_hostname="me") as client:
            return client.sendmail("sender@example.net", ["anna@example.org", "nobody@example.org"], TEXT)

    async with serving(driver, lmtp=True, policy=NOBODY) as server:
        await server.service.listen_unix(path=path)
        refused = await asyncio.to_thread(send)
    assert list(refused) == ["nobody@example.org"]
    assert driver.messages[0].body == TEXT
