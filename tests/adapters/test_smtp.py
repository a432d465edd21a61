"""The SMTP server over real sockets, in uvloop, with real TLS."""

import asyncio
import contextlib
import smtplib
import ssl
import tracemalloc
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from core.errors import Busy, MessageTooLarge, OverQuota, Refusal, RelayDenied, Unavailable
from protocols.smtp.limits import ADDRESS_LINE, INPUT_HIGH, Limits
from tests.protocols.smtp.talk import (
    MAIL,
    NOBODY,
    RCPT,
    TEXT,
    Client,
    Counted,
    FakeDriver,
    Kept,
    Server,
    authority,
    on_uvloop,
    server_context,
    serving,
)

EHLO = "EHLO me.example"


async def sends_message(client: Client, body: bytes = TEXT) -> str:
    for line, start in ((MAIL, "250 2.1.0"), (RCPT, "250 2.1.5"), ("DATA", "354 ")):
        assert (await client.says(line)).startswith(start)
    client.sends(body + b".\r\n")
    return await client.reply()


# The whole way.


@on_uvloop
async def test_a_message_arrives_with_its_envelope() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        assert await client.says(f"{MAIL} SIZE=100 BODY=8BITMIME") == "250 2.1.0 Ok"
        assert await client.says(RCPT) == "250 2.1.5 Ok"
        assert await client.says("RCPT TO:<@relay.example:Bernd@Example.org>") == "250 2.1.5 Ok"
        assert (await client.says("DATA")).startswith("354 ")
        client.sends(TEXT + b"..dots\r\n.\r\n")
        assert await client.reply() == "250 2.0.0 Ok"
        assert await client.says("QUIT") == "221 2.0.0 Bye"
        assert await client.is_hung_up_on()
    (message,) = driver.messages
    assert message.body == TEXT + b".dots\r\n"
    envelope = message.envelope
    assert envelope.sender == "sender@example.net"
    assert [(to.address, to.target) for to in envelope.recipients] == [
        ("anna@example.org", "target of anna@example.org"),
        ("Bernd@Example.org", "target of Bernd@Example.org"),
    ]
    assert (envelope.client.ip, envelope.client.helo, envelope.client.tls) == ("127.0.0.1", "me.example", None)
    assert (envelope.protocol, envelope.smtputf8, envelope.body, envelope.declared_size) == (
        "ESMTP",
        False,
        "8BITMIME",
        100,
    )
    assert driver.routed[0] == ("anna@example.org", 100)
    assert driver.spools[0].discarded


@on_uvloop
async def test_ehlo_announces_what_is_there_and_nothing_else() -> None:
    async with serving(FakeDriver(), limits=Limits(message_size=12345)) as server:
        client = await server.connect()
        await client.hears("220 mail.example.org ESMTP")
        assert (await client.says(EHLO)).split("\n") == [
            "250-mail.example.org",
            "250-PIPELINING",
            "250-SIZE 12345",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-CHUNKING",
            "250 ENHANCEDSTATUSCODES",
        ]
        assert await client.says("HELO old.example") == "250 mail.example.org"
        await sends_message(client)
        assert server.log.of("smtp.message")[0]["delivered"] == 1


@on_uvloop
async def test_helo_makes_it_plain_smtp() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted("HELO old.example")
        assert await sends_message(client) == "250 2.0.0 Ok"
    assert driver.messages[0].envelope.protocol == "SMTP"


@on_uvloop
async def test_several_messages_go_over_one_connection() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        for _ in range(3):
            assert await sends_message(client) == "250 2.0.0 Ok"
    assert len(driver.messages) == 3


@on_uvloop
async def test_utf8_addresses_pass_when_smtputf8_was_asked_for() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        assert (await client.says("MAIL FROM:<jürgen@exämple.net>")).startswith("550 5.6.7")
        assert (await client.says(MAIL)).startswith("250")
        assert (await client.says("RCPT TO:<jürgen@example.org>")).startswith("553 5.6.7")
        await client.says("RSET")
        assert (await client.says("MAIL FROM:<jürgen@exämple.net> SMTPUTF8")).startswith("250")
        assert (await client.says("RCPT TO:<用户@example.org>")).startswith("250")
        await client.says("DATA")
        client.sends("Subject: Grüße\r\n\r\n.\r\n".encode())
        await client.hears("250")
    envelope = driver.messages[0].envelope
    assert envelope.sender == "jürgen@exämple.net"
    assert envelope.recipients[0].address == "用户@example.org"
    assert (envelope.protocol, envelope.smtputf8) == ("UTF8SMTP", True)


@on_uvloop
async def test_the_null_sender_and_postmaster_are_taken() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        await client.says("MAIL FROM:<>")
        await client.says("RCPT TO:<Postmaster>")
        await client.says("DATA")
        client.sends(b".\r\n")
        await client.hears("250 2.0.0")
    assert driver.messages[0].envelope.sender == ""
    assert driver.messages[0].envelope.recipients[0].address == "Postmaster"
    assert driver.messages[0].body == b""


# What is refused, and how.


@on_uvloop
@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("MAIL FROM:<a@b.example", "501 5.1.7"),
        ("MAIL TO:<a@b.example>", "501 5.1.7"),
        ("MAIL", "501 5.1.7"),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", "555 5.5.4"),
        ("MAIL FROM:<a@b.example> RET=HDRS", "555 5.5.4"),
        ("MAIL FROM:<a@b.example> SIZE=many", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> SMTPUTF8=yes", "501 5.5.4"),
        ("RCPT TO:<a@b.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("DATA now", "501 5.5.4"),
        ("BDAT x", "501 5.5.4"),
        ("BDAT 0", "503 5.5.1"),
        ("RSET all", "501 5.5.4"),
        ("STARTTLS", "502 5.5.1"),
        ("AUTH PLAIN AGEAYg==", "500 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("EHLO two words", "501 5.5.4"),
        ("EHLO (comment)", "501 5.5.4"),
        ("VRFY", "501 5.5.4"),
        ("EXPN list", "502 5.5.1"),
        ("FROBNICATE", "500 5.5.1"),
        ("", "500 5.5.1"),
        ("NOOP \x00", "500 5.5.2"),
        ("NOOP \r", "250"),
        ("NOOP a\rb", "500 5.5.2"),
        ("NOOP ü", "500 5.5.2"),
        (b"MAIL FROM:<\xff\xfe@b.example>", "500 5.5.2"),
        ("NOOP " + "x" * 600, "500 5.5.2"),
        ("MAIL FROM:<" + "x" * ADDRESS_LINE + ">", "500 5.5.2"),
        ("x" * 20_000, "500 5.5.2"),
        ("VRFY anna", "252 2.0.0"),
        ("VRFY jürgen SMTPUTF8", "252 2.0.0"),
        ("HELP", "214 2.0.0"),
        ("NOOP anything", "250 2.0.0"),
        ("noop   ", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
    ],
)
async def test_every_command_has_its_reply(said: str | bytes, reply: str) -> None:
    async with serving(FakeDriver()) as server:
        client = await server.greeted()
        assert (await client.says(said)).startswith(reply)
        # And the conversation goes on.
        assert await sends_message(client) == "250 2.0.0 Ok"


@on_uvloop
async def test_mail_needs_a_hello_and_nothing_nests() -> None:
    async with serving(FakeDriver()) as server:
        client = await server.connect()
        await client.hears("220")
        assert (await client.says(MAIL)).startswith("503 5.5.1")
        await client.says(EHLO)
        await client.says(MAIL)
        assert (await client.says(MAIL)).startswith("503 5.5.1")
        assert (await client.says("RCPT TO:<>")).startswith("501 5.1.3")
        assert (await client.says(f"{RCPT} NOTIFY=NEVER")).startswith("555 5.5.4")
        assert (await client.says("DATA")).startswith("554 5.5.1")
        await client.says(RCPT)
        assert (await client.says("EHLO again")).startswith("250-")
        assert (await client.says("DATA")).startswith("503 5.5.1")


@on_uvloop
@pytest.mark.parametrize(
    ("refusal", "reply"),
    [
        (RelayDenied("x"), "550 5.7.1"),
        (OverQuota("x"), "552 5.2.2"),
        (MessageTooLarge("x"), "552 5.3.4"),
        (Unavailable("x"), "451 4.3.2"),
        (Busy("x"), "452 4.3.1"),
        (Refusal("unforeseen"), "451 4.3.0"),
        (RuntimeError("secret"), "451 4.3.0"),
    ],
)
async def test_every_refusal_of_a_recipient_has_its_code(refusal: Exception, reply: str) -> None:
    async with serving(FakeDriver(unknown={"anna@example.org": refusal})) as server:
        client = await server.greeted()
        await client.says(MAIL)
        answer = await client.says(RCPT)
        assert answer.startswith(reply)
        assert "secret" not in answer
        assert (await client.says("RCPT TO:<nobody@example.org>")).startswith("550 5.1.1")
        assert (await client.says("RCPT TO:<bernd@example.org>")).startswith("250")
        assert ("smtp.fault" in server.log.names()) == isinstance(refusal, RuntimeError)


@on_uvloop
@pytest.mark.parametrize(
    ("outcomes", "reply"),
    [
        ([None, None], "250 2.0.0"),
        ([None, OverQuota("x")], "250 2.0.0"),
        ([OverQuota("x"), OverQuota("x")], "552 5.2.2"),
        ([OverQuota("x"), RelayDenied("x")], "552 5.2.2"),
        ([None, Unavailable("x")], "451 4.3.2"),
        ([OverQuota("x"), Busy("x")], "451 4.3.1"),
        ([None], "451 4.3.0"),
    ],
)
async def test_smtp_gives_one_reply_for_all_recipients(outcomes: list[Refusal | None], reply: str) -> None:
    async with serving(FakeDriver(answer=outcomes)) as server:
        client = await server.greeted()
        await client.says(MAIL)
        await client.says(RCPT)
        await client.says("RCPT TO:<bernd@example.org>")
        await client.says("DATA")
        client.sends(TEXT + b".\r\n")
        assert (await client.reply()).startswith(reply)
        if len(outcomes) == 2:
            assert len(server.log.of("smtp.undelivered")) == sum(outcome is not None for outcome in outcomes)


@on_uvloop
async def test_a_fault_of_the_store_is_temporary_and_says_nothing() -> None:
    async def breaks() -> None:
        raise RuntimeError("secret")

    driver = FakeDriver(on_deliver=breaks)
    async with serving(driver) as server:
        client = await server.greeted()
        assert await sends_message(client) == "451 4.3.0 Something failed here, try again later"
        assert "smtp.fault" in server.log.names()
        assert driver.spools[0].discarded
        driver.on_deliver = None
        assert (await sends_message(client)).startswith("250")


@on_uvloop
@pytest.mark.parametrize(("error", "reply"), [(Busy("x"), "45"), (OSError("secret"), "451 4.3.0")])
@pytest.mark.parametrize("when", ["at once", "later"])
@pytest.mark.parametrize("command", ["DATA", "BDAT"])
async def test_a_spool_that_fails_makes_the_message_fail(error: Exception, reply: str, when: str, command: str) -> None:
    def new_spool() -> Any:
        if when == "at once":
            raise error
        return Kept(fails_at=10, error=error)

    driver = FakeDriver(new_spool=new_spool)
    async with serving(driver) as server:
        client = await server.greeted()
        await client.says(MAIL)
        await client.says(RCPT)
        if command == "BDAT":
            client.sends(b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
        elif when == "at once":
            client.sends(b"DATA\r\n")
        else:
            await client.says("DATA")
            client.sends(TEXT + b".\r\n")
        answer = await client.reply()
        assert answer.startswith(reply)
        assert "secret" not in answer
        driver.new_spool = Kept
        await client.says("RSET")
        assert (await sends_message(client)).startswith("250")


@on_uvloop
async def test_who_is_no_hub_may_not_send() -> None:
    """T-7.9's neighbour: injection is for the organisation's own hubs."""
    driver = FakeDriver()
    async with serving(driver, policy=NOBODY, tls=server_context()) as server:
        client = await server.greeted()
        assert (await client.says(MAIL)).startswith("550 5.7.1")
        assert (await client.says(RCPT)).startswith("503 5.5.1")
        assert (await client.says("STARTTLS")).startswith("220")
        await client.starts_tls(authority())
        assert (await client.says(EHLO)).startswith("250-")
        assert (await client.says(MAIL)).startswith("550 5.7.1")
        assert (await client.says("QUIT")).startswith("221")
    assert driver.routed == []


# Size.


@on_uvloop
async def test_a_declared_size_beyond_the_limit_is_refused_before_the_data() -> None:
    """T-7.9."""
    async with serving(FakeDriver(), limits=Limits(message_size=10_000_000)) as server:
        client = await server.greeted()
        assert (await client.says(f"{MAIL} SIZE=10000001")).startswith("552 5.3.4")
        assert (await client.says(f"{MAIL} SIZE=10000000")).startswith("250")


@on_uvloop
async def test_data_beyond_the_limit_is_drained_and_refused() -> None:
    """T-7.9."""
    driver = FakeDriver()
    async with serving(driver, limits=Limits(message_size=1000)) as server:
        client = await server.greeted()
        assert (await sends_message(client, b"x" * 998 + b"\r\n")).startswith("250")
        assert (await sends_message(client, b"x" * 999 + b"\r\n")).startswith("552 5.3.4")
        assert (await sends_message(client, b"." * 999 + b"\r\n")).startswith("250")
        await client.says(MAIL)
        await client.says(RCPT)
        client.sends(b"BDAT 600\r\n" + b"x" * 600 + b"BDAT 600\r\n" + b"x" * 600 + b"BDAT 2 LAST\r\n\r\n")
        await client.hears("250", "552 5.3.4", "552 5.3.4")
        assert (await sends_message(client)).startswith("250")
    assert len(driver.messages) == 3
    assert all(spool.discarded for spool in driver.spools)


@on_uvloop
async def test_far_more_data_than_the_limit_ends_the_connection() -> None:
    async with serving(FakeDriver(), limits=Limits(message_size=1000)) as server:
        for command in (b"DATA\r\n" + b"x\r\n" * 1001, b"BDAT 3001\r\n"):
            client = await server.greeted()
            await client.says(MAIL)
            await client.says(RCPT)
            client.sends(command)
            if command.startswith(b"DATA"):
                await client.hears("354")
            await client.hears("421 4.7.0")
            assert await client.is_hung_up_on()


@on_uvloop
async def test_twenty_megabytes_pass_in_flat_memory() -> None:
    driver = FakeDriver(new_spool=Counted)
    block = (b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVph\r\n" * 1725)[:65536]
    async with serving(driver) as server:
        client = await server.greeted()
        for line in (MAIL, RCPT, "DATA"):
            await client.says(line)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            for _ in range(320):
                client.sends(block[:-2] + b"\r\n")
                await client.writer.drain()
            client.sends(b"\r\n.\r\n")
            await client.hears("250")
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
    assert driver.spools[0].size == 320 * 65536 + 2
    assert driver.spools[0].largest <= INPUT_HIGH + 256 * 1024
    # A read of up to 256 KiB and its copy on the way, and what the client itself has in its buffers.
    assert peak < 2 * 1024 * 1024


# Line ends.


@on_uvloop
@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\r.\r",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\r\n",
        b"\r\n\x00.\n",
    ],
)
async def test_only_crlf_dot_crlf_ends_the_data_and_lookalikes_are_refused(end: bytes) -> None:
    """What looks like an end to another server must not make a second message here (SMTP smuggling)."""
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        for line in (MAIL, RCPT, "DATA"):
            await client.says(line)
        smuggled = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\nevil\r\n"
        client.sends(b"Subject: first" + end + smuggled + b".\r\n")
        assert await client.reply() == "550 5.6.11 Bare CR or LF in message"
        # Nothing else was heard in it.
        assert await client.says("NOOP") == "250 2.0.0 Ok"
    assert driver.messages == []
    assert driver.spools[0].discarded


@on_uvloop
@pytest.mark.parametrize("bare", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\r"])
async def test_bare_line_ends_are_refused_in_chunks_too(bare: bytes) -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        await client.says(MAIL)
        await client.says(RCPT)
        client.sends(b"BDAT %d LAST\r\n" % len(bare) + bare)
        await client.hears("550 5.6.11")
    assert driver.messages == []


@on_uvloop
async def test_a_command_must_end_in_crlf() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        client.sends(b"NOOP\n" + f"{MAIL}\n{RCPT}\r\n".encode())
        await client.hears("500 5.5.2", "500 5.5.2", "503 5.5.1")
    assert driver.routed == []


@on_uvloop
async def test_long_lines_in_a_message_are_taken() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        assert (await sends_message(client, b"x" * 100_000 + b"\r\n")).startswith("250")
    assert len(driver.messages[0].body) == 100_002


# BDAT.


@on_uvloop
async def test_chunks_make_one_message() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        client.sends(
            f"{MAIL}\r\n{RCPT}\r\n".encode() + b"BDAT 7\r\nHello\r\nBDAT 6\r\n\n.\r\n.\r" + b"bdat 1 last\r\n\n"
        )
        await client.hears("250 2.1.0", "250 2.1.5", "250", "550 5.6.11", "550 5.6.11")
        client.sends(
            f"{MAIL}\r\n{RCPT}\r\n".encode() + b"BDAT 6\r\nHello\rBDAT 6\r\n\n.\r\n.\r" + b"BDAT 1\r\n\nBDAT 0 LAST\r\n"
        )
        await client.hears("250 2.1.0", "250 2.1.5", "250", "250", "250", "250 2.0.0")
        assert (await client.says("BDAT 0 LAST")).startswith("503 5.5.1")
    assert [message.body for message in driver.messages] == [b"Hello\r\n.\r\n.\r\n"]


@on_uvloop
async def test_chunks_after_refused_recipients_are_swallowed() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        commands = f"{MAIL}\r\nRCPT TO:<nobody@example.org>\r\n".encode()
        client.sends(commands + b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        await client.hears("250", "550 5.1.1", "554 5.5.1", "554 5.5.1", "250")
        # And without any transaction, or with an argument that cannot be.
        client.sends(b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        await client.hears("503 5.5.1", "503 5.5.1", "250")
    assert driver.messages == []
    assert driver.spools == []


@on_uvloop
async def test_data_and_bdat_do_not_mix() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        await client.says(MAIL)
        await client.says(RCPT)
        client.sends(b"BDAT 3\r\na\r\n")
        await client.hears("250")
        assert (await client.says(RCPT)).startswith("503 5.5.1")
        assert (await client.says("DATA")).startswith("503 5.5.1")
        client.sends(b"BDAT 3 LAST\r\nb\r\n")
        await client.hears("503 5.5.1")
        assert (await sends_message(client)).startswith("250")
    assert [message.body for message in driver.messages] == [TEXT]


@on_uvloop
async def test_rset_drops_the_chunks() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        await client.says(MAIL)
        await client.says(RCPT)
        client.sends(b"BDAT 3\r\na\r\nRSET\r\n")
        await client.hears("250", "250 2.0.0")
        assert driver.spools[0].discarded
        assert (await client.says("BDAT 0 LAST")).startswith("503")


# TLS.


@on_uvloop
async def test_starttls_protects_the_rest_and_forgets_what_came_before() -> None:
    driver = FakeDriver()
    async with serving(driver, tls=server_context()) as server:
        client = await server.connect()
        await client.hears("220")
        assert (await client.says(EHLO)).endswith("250 STARTTLS")
        await client.says(MAIL)
        assert (await client.says("STARTTLS now")).startswith("501")
        assert (await client.says("STARTTLS")) == "220 2.0.0 Ready to start TLS"
        await client.starts_tls(authority())
        assert (await client.says(MAIL)).startswith("503 5.5.1")
        assert "STARTTLS" not in await client.says(EHLO)
        assert (await client.says("STARTTLS")).startswith("503 5.5.1")
        assert (await sends_message(client, TEXT * 5000)).startswith("250")
    envelope = driver.messages[0].envelope
    assert envelope.protocol == "ESMTPS"
    assert envelope.client.tls is not None
    assert envelope.client.tls.version == "TLSv1.3"
    assert driver.messages[0].body == TEXT * 5000


@on_uvloop
async def test_what_is_buffered_behind_starttls_is_dropped() -> None:
    """A man in the middle must not put commands into the protected conversation (RFC 3207 section 6)."""
    driver = FakeDriver()
    async with serving(driver, tls=server_context()) as server:
        client = await server.greeted()
        client.sends(f"STARTTLS\r\nEHLO evil\r\n{MAIL}\r\n{RCPT}\r\n".encode())
        await client.hears("220")
        await client.starts_tls(authority())
        assert (await client.says("NOOP")) == "250 2.0.0 Ok"
        assert (await client.says(MAIL)).startswith("503 5.5.1")
    assert driver.routed == []


@on_uvloop
@pytest.mark.parametrize("hello", [b"this is no TLS at all\r\n" * 10, b""])
async def test_a_handshake_that_fails_ends_the_connection(hello: bytes) -> None:
    async with serving(FakeDriver(), tls=server_context()) as server:
        client = await server.greeted()
        await client.says("STARTTLS")
        client.sends(hello)
        if not hello:
            client.writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            await client.reader.read()
        await all_left(server)


@on_uvloop
async def test_a_handshake_that_never_comes_ends_the_connection() -> None:
    async with serving(FakeDriver(), tls=server_context(), limits=Limits(handshake_seconds=0.05)) as server:
        client = await server.greeted()
        await client.says("STARTTLS")
        assert await client.is_hung_up_on()
        await all_left(server)


@on_uvloop
async def test_tls_from_the_first_octet_is_known_as_such() -> None:
    driver = FakeDriver()
    async with serving(driver, tls=server_context()) as server:
        listener = await server.service.listen(host="127.0.0.1", port=0, ssl=server_context())
        context = ssl.create_default_context()
        authority().configure_trust(context)
        port = listener.sockets[0].getsockname()[1]
        client = Client(
            *await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="mail.example.org")
        )
        await client.hears("220")
        assert "STARTTLS" not in await client.says(EHLO)
        await sends_message(client)
        client.leaves()
    assert driver.messages[0].envelope.protocol == "ESMTPS"


# Pipelining, and clients that do not keep up.


@on_uvloop
async def test_pipelined_commands_get_their_replies_in_one_write() -> None:
    async with serving(FakeDriver()) as server:
        client = await server.greeted()
        client.sends(f"{MAIL}\r\n{RCPT}\r\nRCPT TO:<nobody@x.example>\r\nDATA\r\n".encode())
        await client.hears("250")
        rest = await client.reader.read(1000)
        assert rest.startswith(b"250 2.1.5 Ok\r\n550 5.1.1 No such recipient\r\n354 ")


@on_uvloop
async def test_whatever_the_cuts_the_conversation_is_the_same() -> None:
    conversation = f"{MAIL}\r\n{RCPT}\r\nDATA\r\n".encode() + TEXT + b".\r\nQUIT\r\n"
    expected = [b"250 2.1.0 Ok", b"250 2.1.5 Ok", b"354 End data with <CR><LF>.<CR><LF>", b"250 2.0.0 Ok"]
    for step in (1, 2, 3, 7):
        driver = FakeDriver()
        async with serving(driver) as server:
            client = await server.greeted()
            for at in range(0, len(conversation), step):
                client.sends(conversation[at : at + step])
                await asyncio.sleep(0)
            assert (await client.reader.read()).split(b"\r\n")[:4] == expected
        assert driver.messages[0].body == TEXT


@on_uvloop
async def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """Replies nobody takes must not pile up."""
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.greeted()
        await client.says(MAIL)
        (connection,) = server.service.connections
        flood = b"RCPT TO:<nobody@example.org>\r\n" * 1000
        client.writer.transport.set_write_buffer_limits(high=0)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(2000):
            client.sends(flood)
            try:
                async with asyncio.timeout(0.3):
                    await client.writer.drain()
            except TimeoutError:
                break
        else:
            pytest.fail("the server took everything")
        assert connection._waiting() <= INPUT_HIGH + 256 * 1024
        assert connection._output_size < 64 * 1024
        assert connection._wire.get_write_buffer_size() < 256 * 1024
        # It goes on when the client does.
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await client.hears(*["550 5.1.1"] * 5000)


@on_uvloop
async def test_a_client_that_never_reads_its_last_reply_is_cut_off() -> None:
    async with serving(FakeDriver(), limits=Limits(command_seconds=0.2, closing_seconds=0.05)) as server:
        client = await server.greeted()
        await client.says(MAIL)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.transport.set_write_buffer_limits(high=1 << 30)
        client.sends(b"RCPT TO:<nobody@example.org>\r\n" * 400_000)
        await all_left(server)


@on_uvloop
async def test_a_slow_delivery_does_not_hold_up_the_others() -> None:
    going = asyncio.Event()
    driver = FakeDriver()

    async def waits() -> None:
        if len(driver.spools) == 1:
            await going.wait()

    driver.on_deliver = waits
    async with serving(driver) as server:
        slow, quick = await server.greeted(), await server.greeted()
        for line in (MAIL, RCPT, "DATA"):
            await slow.says(line)
        slow.sends(TEXT + b".\r\nNOOP\r\n")
        await until(lambda: bool(driver.spools and driver.spools[0].size))
        assert (await sends_message(quick)).startswith("250")
        going.set()
        await slow.hears("250 2.0.0", "250 2.0.0")


@on_uvloop
async def test_a_client_that_leaves_does_not_stop_its_delivery() -> None:
    going, begun = asyncio.Event(), asyncio.Event()
    driver = FakeDriver()

    async def waits() -> None:
        begun.set()
        await going.wait()

    driver.on_deliver = waits
    async with serving(driver) as server:
        client = await server.greeted()
        for line in (MAIL, RCPT, "DATA"):
            await client.says(line)
        client.sends(TEXT + b".\r\n")
        await begun.wait()
        client.writer.transport.abort()
        await asyncio.sleep(0)
        going.set()
        await all_left(server)
        assert server.log.of("smtp.message")[0]["delivered"] == 1


@on_uvloop
async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        for last in (
            b"MAIL FR",
            f"{MAIL}\r\n{RCPT}\r\nDATA\r\nhalf".encode(),
            f"{MAIL}\r\n{RCPT}\r\nBDAT 9\r\n1".encode(),
        ):
            client = await server.greeted()
            client.sends(last)
            await client.writer.drain()
            client.writer.write_eof()
            await client.reader.read()
        await all_left(server)
    assert driver.messages == []
    assert len(driver.spools) == 2
    assert all(spool.discarded for spool in driver.spools)


@on_uvloop
async def test_a_half_closed_client_still_gets_its_replies() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        client = await server.connect()
        client.sends(f"{EHLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n".encode() + TEXT + b".\r\n")
        client.writer.write_eof()
        assert (await client.reader.read()).endswith(b"\r\n250 2.0.0 Ok\r\n")
    assert len(driver.messages) == 1


# Limits.


@on_uvloop
async def test_too_many_mistakes_end_the_connection() -> None:
    async with serving(FakeDriver(), limits=Limits(errors=3)) as server:
        client = await server.greeted()
        client.sends(b"WHAT\r\n" * 10)
        await client.hears("500", "500", "500", "500", "421 4.7.0")
        assert await client.is_hung_up_on()


@on_uvloop
async def test_unknown_recipients_are_no_mistakes_of_the_client() -> None:
    async with serving(FakeDriver(), limits=Limits(errors=3)) as server:
        client = await server.greeted()
        await client.says(MAIL)
        for _ in range(10):
            assert (await client.says("RCPT TO:<nobody@example.org>")).startswith("550 5.1.1")


@on_uvloop
async def test_what_follows_from_a_refusal_is_no_mistake_and_a_message_clears_the_count() -> None:
    async with serving(FakeDriver(), limits=Limits(errors=2, message_size=1000)) as server:
        client = await server.greeted()
        for _ in range(3):
            # All of it in one piece, as a hub does that has not read the first reply yet.
            client.sends(f"{MAIL} SIZE=1001\r\n{RCPT}\r\n{RCPT}\r\nDATA\r\n".encode())
            await client.hears("552 5.3.4", "503", "503", "503")
            client.sends(f"{MAIL}\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\nRSET\r\n".encode())
            await client.hears("250", "550", "554", "250")
        for _ in range(3):
            assert (await client.says("WHAT")).startswith("500")
            assert (await sends_message(client)).startswith("250")


@on_uvloop
async def test_idle_talk_ends_the_connection_but_messages_do_not() -> None:
    async with serving(FakeDriver(), limits=Limits(idle_commands=5)) as server:
        client = await server.greeted()
        for _ in range(10):
            assert (await client.says("RSET")).startswith("250")
            assert (await sends_message(client)).startswith("250")
        client.sends(b"NOOP\r\n" * 6)
        await client.hears(*["250"] * 6, "421 4.7.0")
        assert await client.is_hung_up_on()


@on_uvloop
async def test_the_recipients_of_a_message_are_counted() -> None:
    driver = FakeDriver()
    async with serving(driver, limits=Limits(recipients=2)) as server:
        client = await server.greeted()
        await client.says(MAIL)
        client.sends(f"{RCPT}\r\n".encode() * 3 + b"DATA\r\n")
        await client.hears("250", "250", "452 4.5.3", "354")
        client.sends(b".\r\n")
        await client.hears("250")
    assert len(driver.messages[0].envelope.recipients) == 2


@on_uvloop
async def test_a_long_line_has_one_reply_however_it_comes() -> None:
    async with serving(FakeDriver()) as server:
        client = await server.greeted()
        (connection,) = server.service.connections
        client.sends(b"x" * (ADDRESS_LINE + 1))
        # It is not kept until its end comes.
        await until(lambda: connection._input[:2] == b"xx" and connection._waiting() == 0)
        client.sends(b"x" * ADDRESS_LINE + b"\r\nNOOP\r\n")
        await client.hears("500 5.5.2", "250 2.0.0")


@on_uvloop
async def test_a_line_that_never_ends_ends_the_connection() -> None:
    async with serving(FakeDriver()) as server:
        client = await server.greeted()
        client.sends(b"x" * 200_000)
        await client.hears("421 4.7.0")
        assert await client.is_hung_up_on()


@on_uvloop
async def test_connections_are_counted_and_strangers_apart() -> None:
    async with serving(FakeDriver(), limits=Limits(connections=1)) as server:
        first = await server.greeted()
        second = await server.connect()
        await second.hears("421 4.3.2")
        assert await second.is_hung_up_on()
        await first.says("QUIT")
        assert await first.is_hung_up_on()
        await all_left(server)
        await server.greeted()
    async with serving(FakeDriver(), policy=NOBODY, limits=Limits(untrusted_connections=1)) as server:
        await server.greeted()
        await (await server.connect()).hears("421 4.3.2")


@on_uvloop
@pytest.mark.parametrize(
    ("sent", "limits"),
    [
        (b"", Limits(first_command_seconds=0.05)),
        (f"{EHLO}\r\nNO".encode(), Limits(command_seconds=0.05)),
        (f"{EHLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\nxx".encode(), Limits(data_seconds=0.05)),
    ],
)
async def test_silence_ends_the_connection(sent: bytes, limits: Limits) -> None:
    async with serving(FakeDriver(), limits=limits) as server:
        client = await server.connect()
        client.sends(sent)
        assert (await client.reader.read()).endswith(b"421 4.4.2 Timed out\r\n")
        await all_left(server)


@on_uvloop
async def test_octets_that_drip_do_not_put_off_the_end() -> None:
    async with serving(FakeDriver()) as server:
        client = await server.greeted()
        (connection,) = server.service.connections
        assert connection._deadline is not None
        # The loop's clock may stand still meanwhile.
        connection._deadline = deadline = connection._deadline - 100
        for length in range(1, 5):
            client.sends(b"x")
            await until(lambda: connection._waiting() == length)  # noqa: B023 (it is over before the next)
            assert connection._deadline == deadline
        await client.says("")
        assert connection._deadline != deadline


@on_uvloop
async def test_delivery_may_take_longer_than_a_client_may_be_silent() -> None:
    driver = FakeDriver()
    other = asyncio.Event()
    driver.on_deliver = other.wait  # type: ignore[assignment]
    async with serving(driver, limits=Limits(command_seconds=0.05, first_command_seconds=0.05)) as server:
        client = await server.greeted()
        silent = await server.connect()
        for line in (MAIL, RCPT, "DATA"):
            await client.says(line)
        client.sends(TEXT + b".\r\n")
        assert (await silent.reader.read()).endswith(b"421 4.4.2 Timed out\r\n")
        other.set()
        await client.hears("250 2.0.0")


# The end.


@on_uvloop
async def test_draining_lets_transactions_finish_and_sends_the_others_away() -> None:
    driver = FakeDriver()
    async with serving(driver) as server:
        idle, busy = await server.greeted(), await server.greeted()
        await busy.says(MAIL)
        draining = asyncio.create_task(server.service.drain(20))
        await idle.hears("421 4.3.2")
        assert await idle.is_hung_up_on()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        assert (await busy.says(RCPT)).startswith("250")
        assert (await busy.says("DATA")).startswith("354")
        busy.sends(TEXT + b".\r\n")
        await busy.hears("250 2.0.0", "421 4.3.2")
        assert await busy.is_hung_up_on()
        assert await draining is True
    assert len(driver.messages) == 1


@on_uvloop
async def test_draining_does_not_wait_for_handshakes() -> None:
    async with serving(FakeDriver(), tls=server_context()) as server:
        client = await server.greeted()
        await client.says("STARTTLS")
        async with asyncio.timeout(30):  # drain itself would wait for an hour
            await server.service.drain(3600)
        await all_left(server)


@on_uvloop
async def test_who_comes_while_draining_is_sent_away() -> None:
    async with serving(FakeDriver()) as server:
        server.service.draining = True
        client = await server.connect()
        await client.hears("421 4.3.2")
        assert await client.is_hung_up_on()


@on_uvloop
async def test_draining_cuts_what_does_not_end() -> None:
    driver = FakeDriver()
    async with serving(driver, tls=server_context()) as server:
        client = await server.greeted()
        await client.says("STARTTLS")
        await client.starts_tls(authority())
        await client.says(EHLO)
        await client.says(MAIL)
        assert await server.service.drain(0) is False
        assert await client.is_hung_up_on()
        assert await server.service.drain(0) is True


# Faults of our own.


@on_uvloop
async def test_a_fault_in_a_command_is_answered_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(FakeDriver()) as server:
        client = await server.greeted()
        (connection,) = server.service.connections

        def breaks(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(connection._talk, "mail", breaks)
        assert await client.says(MAIL) == "451 4.3.0 Something failed here, try again later"
        monkeypatch.setattr(connection, "_obey", breaks)
        assert (await client.says("NOOP")).startswith("421 4.3.0")
        assert await client.is_hung_up_on()
        assert server.log.names().count("smtp.fault") == 2


# Stock clients.


@on_uvloop
async def test_smtplib_sends_a_message() -> None:
    driver = FakeDriver()
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "hello", "sender@example.net", "anna@example.org"
    message.set_content("How are you?\n.dot\n")
    context = ssl.create_default_context()
    authority().configure_trust(context)

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("localhost", port, timeout=10) as client:
            client._host = "mail.example.org"  # type: ignore[attr-defined]
            client.starttls(context=context)
            client.ehlo()
            assert client.has_extn("pipelining")
            return client.send_message(message, to_addrs=["anna@example.org", "nobody@example.org"])

    async with serving(driver, tls=server_context()) as server:
        refused = await asyncio.to_thread(send, server.port)
    assert refused["nobody@example.org"][0] == 550
    assert b"\r\n.dot\r\n" in driver.messages[0].body


async def until(it_is_so: Callable[[], bool]) -> None:
    """Let the loop go round until it has come so far; the test's own time limit ends it otherwise."""
    while not it_is_so():  # noqa: ASYNC110 (nobody would set an event)
        await asyncio.sleep(0)


async def all_left(server: Server) -> None:
    """Until the server has forgotten every connection."""
    while tasks := [connection.task for connection in server.service.connections]:
        await asyncio.wait(tasks)
