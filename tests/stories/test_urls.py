"""Messages that others read by URLs (RFC 4467), over real sockets, with a submission server among them (RFC 4468)."""

import asyncio
import imaplib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.server.administration.context import Request
from adapters.server.administration.mailboxes import DisableMailbox
from adapters.server.config import Alias, Application, Settings, UrlApplication
from adapters.server.controlclient import ControlClient
from tests.stories.conftest import PASSWORD, House, chosen, running

imaplib.Commands.update(dict.fromkeys(("GENURLAUTH", "URLFETCH", "RESETKEY"), ("AUTH", "SELECTED")))
BODY = b"".join(b"%08d: the minutes of a long meeting\r\n" % line for line in range(30_000))  # several pieces
RUMPS = (
    "imap://u1@mail.example/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=submit+u1",
    "imap://u1@mail.example/Drafts/;UID=1/;SECTION=TEXT;URLAUTH=submit+u1",
    "imap://u1@mail.example/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=10.7;URLAUTH=user+u2",
)
MAIL = b"From: a@example.org\r\nSubject: minutes\r\n\r\n" + BODY


class Stock(imaplib.IMAP4):
    """The standard library's client, signed in."""

    def __init__(self, house: House, user: str) -> None:
        super().__init__("127.0.0.1", house.imap)
        self.login(user, PASSWORD)

    def made(self, rump: str) -> str:
        """The URL that GENURLAUTH makes of this."""
        status, lines = self._untagged_response(
            *self._simple_command("GENURLAUTH", f'"{rump}"', "INTERNAL"), "GENURLAUTH"
        )
        assert (status, len(lines)) == ("OK", 1)
        return str(lines[0].decode().strip('"'))

    def redeemed(self, url: str) -> bytes | None:
        """What URLFETCH gives for it."""
        status, lines = self._untagged_response(*self._simple_command("URLFETCH", f'"{url}"'), "URLFETCH")
        assert status == "OK"
        if isinstance(lines[0], bytes):
            assert lines == [f'"{url}" NIL'.encode()]
            return None
        head, octets = lines[0]
        assert head == f'"{url}" {{{len(octets)}}}'.encode()
        return bytes(octets)


def settings(directory: Path) -> Settings:
    plain = chosen(directory)
    submission = UrlApplication(Application("submit"), (Alias("U3"),))
    return replace(plain, imap=replace(plain.imap, urlauth=True, urlauth_applications=(submission,)))


def administer(house: House, request: Request[Any]) -> None:
    client = ControlClient(house.root)
    try:
        client.ask(request)
    finally:
        client.close()


async def test_a_message_is_forwarded_without_being_fetched(tmp_path: Path) -> None:
    """RFC 4467 1: its owner hands a URL to a submission server, which reads it; until the owner takes it back."""
    given = settings(tmp_path / "penfold")
    urls: list[str] = []

    def make(house: House) -> None:
        with Stock(house, "u1") as owner, Stock(house, "u3") as submission, Stock(house, "u2") as other:
            assert "URLAUTH" in owner.capability()[1][0].decode().split()
            owner.append("INBOX", "", "", MAIL)
            owner.append("Drafts", "", "", MAIL)
            assert owner.select("INBOX")[0] == "OK"
            assert owner.response("URLMECH")[1] == [b"INTERNAL"]
            urls.extend(map(owner.made, RUMPS))
            for url in urls[:2]:
                assert submission.redeemed(url) == BODY
                assert other.redeemed(url) is None
                assert owner.redeemed(url) is None
            assert other.redeemed(urls[2]) == BODY[10:17]
            assert owner.status("INBOX", "(UNSEEN)")[1] == [b'"INBOX" (UNSEEN 1)']

    def take_back(house: House) -> None:
        with Stock(house, "u1") as owner, Stock(house, "u3") as submission, Stock(house, "u2") as other:
            assert [submission.redeemed(url) for url in urls[:2]] == [BODY, BODY], "keys outlive the server"
            status, (text,) = owner._simple_command("RESETKEY", "INBOX")
            assert (status, text) == ("OK", b"[URLMECH INTERNAL] There is a new key")
            assert [submission.redeemed(url) for url in urls[:2]] == [None, BODY]
            assert other.redeemed(urls[2]) is None
            assert owner._simple_command("RESETKEY")[0] == "OK"
            assert [submission.redeemed(url) for url in urls[:2]] == [None, None]

    def shut_out(house: House) -> None:
        with Stock(house, "u1") as owner, Stock(house, "u3") as submission:
            url = owner.made(RUMPS[0])
            assert submission.redeemed(url) == BODY
            administer(house, DisableMailbox("u1"))
            assert submission.redeemed(url) is None

    for story in (make, take_back, shut_out):
        async with running(given) as house:
            await asyncio.to_thread(story, house)


async def test_it_is_off_unless_it_is_turned_on(house: House) -> None:
    def run() -> None:
        with Stock(house, "u1") as client:
            assert "URLAUTH" not in client.capability()[1][0].decode().split()
            for command in ("RESETKEY", "URLFETCH"):
                with pytest.raises(imaplib.IMAP4.error, match="BAD"):
                    client._simple_command(command, "x")

    await asyncio.to_thread(run)
