"""Any octets over a real socket: replies or an orderly end, never a fault, and nothing left behind."""

import asyncio
import re

import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.smtp.limits import Limits
from tests.protocols.smtp.talk import FakeDriver, serving

REPLY = re.compile(rb"(?:[2345]\d\d[ -][ -~]+\r\n)*")

said = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"LHLO me\r\n",
                b"EHLO me\r\n",
                b"MAIL FROM:<a@b.example>\r\n",
                b"MAIL FROM:<> SIZE=5 BODY=8BITMIME SMTPUTF8\r\n",
                b"RCPT TO:<anna@example.org>\r\n",
                b"RCPT TO:<nobody@example.org>\r\n",
                b"DATA\r\n",
                b"a line\r\n",
                b"\r\n.\r\n",
                b".\r\n",
                b"\n.\n",
                b"BDAT 5\r\nabcde",
                b"BDAT 5 LAST\r\nabc\r\n",
                b"BDAT 0 LAST\r\n",
                b"BDAT 700\r\n",
                b"RSET\r\n",
                b"NOOP\r\n",
                b"QUIT\r\n",
                b"\r",
                b"\n",
                b"x" * 5000,
            ]
        ),
    ),
    max_size=20,
)


@given(st.booleans(), said, st.lists(st.integers(1, 400), max_size=6))
@settings(max_examples=150)
def test_any_octets_get_replies_or_an_orderly_end(lmtp: bool, octets: list[bytes], cuts: list[int]) -> None:
    uvloop.run(converse(b"LHLO me\r\n" if lmtp else b"EHLO me\r\n", b"".join(octets), cuts, lmtp=lmtp))


async def converse(hello: bytes, octets: bytes, cuts: list[int], *, lmtp: bool) -> None:
    driver = FakeDriver()
    async with asyncio.timeout(20), serving(driver, lmtp=lmtp, limits=Limits(message_size=1000)) as server:
        client = await server.connect()
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(octets) + len(hello)], strict=True):
            client.sends((hello + octets)[start:end])
            await asyncio.sleep(0)
        if not client.writer.is_closing():
            client.writer.write_eof()
        try:
            heard = await client.reader.read()
        except ConnectionError:  # the server hung up on what was still being sent
            heard = b""
        assert REPLY.fullmatch(heard), heard
        assert "smtp.fault" not in server.log.names()
        while tasks := [connection.task for connection in server.service.connections]:
            await asyncio.wait(tasks)
    assert all(spool.discarded for spool in driver.spools)
    # No message that was delivered has a line end which another server could see otherwise.
    for message in driver.messages:
        assert message.body.replace(b"\r\n", b"").count(b"\r") == 0
        assert message.body.replace(b"\r\n", b"").count(b"\n") == 0
