"""Quotas over real sockets: what administrators set, and what clients are told and may do."""

import asyncio
import imaplib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.server.administration.context import Request
from adapters.server.administration.databases import SetDatabase
from adapters.server.administration.mailboxes import SetMailbox, ShowMailbox
from adapters.server.administration.quotas import QuotaChange
from adapters.server.config import Alias, Settings
from adapters.server.controlclient import ControlClient
from core.recipients import DEFAULT_QUOTA
from tests.stories.conftest import PASSWORD, House, chosen, running

KIB = 1024
MAIL = b"Subject: tea\r\n\r\n" + b"x" * 5_000


class Stock(imaplib.IMAP4):
    """The standard library's client, signed in, which keeps to RFC 2087."""

    def __init__(self, house: House, user: str) -> None:
        super().__init__("127.0.0.1", house.imap)
        self.login(user, PASSWORD)

    def limit(self, root: str) -> int | None:
        """The STORAGE limit by GETQUOTA, in units of 1024 octets."""
        return storage(self.getquota(root)[1][0])[1]


def storage(quota: Any) -> tuple[int, int | None]:
    """Usage and limit in what follows QUOTA; without a limit the usage is not told either."""
    words = quota.decode().partition("(")[2].rstrip(")").split()
    at = words.index("STORAGE") if "STORAGE" in words else None
    return (0, None) if at is None else (int(words[at + 1]), int(words[at + 2]))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With an administrator of quotas; the case of an alias does not count."""
    plain = chosen(tmp_path / "penfold")
    return replace(plain, imap=replace(plain.imap, quota_admins=(Alias("U1"),)))


def administer(settings: Settings, *requests: Request[Any]) -> None:
    """Through the control channel, as the command does."""
    client = ControlClient(settings.server.data_dir)
    try:
        for request in requests:
            client.ask(request)
    finally:
        client.close()


def trail(settings: Settings) -> list[dict[str, Any]]:
    text = (settings.server.data_dir / "administration.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


async def on(settings: Settings, *stories: Callable[[House], None]) -> None:
    """Each story on a server that was started for it, on the same data."""
    for story in stories:
        async with running(settings) as house:
            await asyncio.to_thread(story, house)


async def test_a_change_shows_in_a_session_that_is_open(settings: Settings) -> None:
    """T-1.2: the database's value is inherited, one of the mailbox's own comes before it."""
    default = QuotaChange(*(getattr(DEFAULT_QUOTA, name) for name in QuotaChange.__struct_fields__))
    own = QuotaChange(warn=None, prohibit_send=None, prohibit_all=7 * KIB)

    def run(house: House) -> None:
        with Stock(house, "u2") as client:
            seen = [client.limit("u2")]
            for change in (
                SetDatabase("first", quota=default),
                SetMailbox("u2", quota=own),
                SetMailbox("u2", quota=QuotaChange(prohibit_all=None)),
                SetMailbox("u2", use_database_quota=True),
            ):
                administer(settings, change)
                seen.append(client.limit("u2"))
            (root,), (quota,) = client.getquotaroot("INBOX")[1]
            assert root == b'INBOX "u2"'
            assert storage(quota) == (0, 2_411_520)
        assert seen == [None, 2_411_520, 7, None, 2_411_520]

    await on(settings, run)


async def test_a_full_mailbox_tells_so_before_it_refuses(settings: Settings) -> None:
    """T-9.2, and OVERQUOTA (RFC 9208 4.3.1) for APPEND and COPY; what makes room is never refused."""

    def run(house: House) -> None:
        with Stock(house, "u2") as client:
            client.append("INBOX", "", "", MAIL)
            client.select("INBOX")
            size = len(MAIL)
            administer(settings, SetMailbox("u2", quota=QuotaChange(prohibit_all=size)))
            assert storage(client.getquotaroot("INBOX")[1][1][0]) == (5, 5)
            for refused in (client.append("INBOX", "", "", MAIL), client.copy("1", "Sent")):
                assert refused[0] == "NO"
                assert refused[1][0].startswith(b"[OVERQUOTA]")
            client.store("1", "+FLAGS", "(\\Deleted)")
            assert client.status("INBOX", "(DELETED-STORAGE)")[1] == [b'"INBOX" (DELETED-STORAGE %d)' % size]
            client.expunge()
            assert client.limit("u2") == 5
            assert client.append("INBOX", "", "", MAIL)[0] == "OK"

    await on(settings, run)


async def test_an_administrator_sets_a_quota_by_imap(settings: Settings) -> None:
    """RFC 9208 4.1.3: recorded like other changes of administrators, at once in force, and kept."""

    def change(house: House) -> None:
        with Stock(house, "u1") as admin, Stock(house, "u2") as user:
            assert "QUOTASET" in admin.capability()[1][0].decode().split()
            assert "QUOTASET" not in user.capability()[1][0].decode().split()
            status, (quota,) = admin.setquota("u2", "(STORAGE 4)")
            assert (status, storage(quota)) == ("OK", (0, 4))
            assert user.limit("u2") == 4
            assert user.append("INBOX", "", "", MAIL)[1][0].startswith(b"[OVERQUOTA]")
            for client, root, code in ((user, "u2", b"[NOPERM]"), (admin, "u9", b"[NONEXISTENT]")):
                status, (text,) = client.setquota(root, "(STORAGE 9)")
                assert (status, text.partition(b" ")[0]) == ("NO", code)
            assert user.limit("u2") == 4
            assert admin.limit("u2") == 4
            assert user.getquota("u1")[0] == "NO"
        (record,) = trail(settings)
        assert (record["do"], record["who"], record["uid"], record["via"]) == ("mailbox.set", "u1", None, "imap")
        assert record["with"] == {"alias": "u2", "quota": {"prohibit_all": 4 * KIB}}
        assert record["before"]["quota"]["source"] == "database"
        assert record["after"]["mailbox"]["quota"]["prohibit_all"] == 4 * KIB

    def take_away(house: House) -> None:
        with Stock(house, "u1") as admin:
            assert admin.limit("u2") == 4
            administer(settings, SetMailbox("u2", quota=QuotaChange(warn=KIB)))
            assert admin.setquota("u2", "(STORAGE 0)")[0] == "NO"  # below the limit at which warnings begin
            assert admin.limit("u2") == 4
            status, (quota,) = admin.setquota("u2", "()")
            assert (status, storage(quota)) == ("OK", (0, None))
            assert house.ask(ShowMailbox("u2")).quota.warn == KIB

    await on(settings, change, take_away)


async def test_many_administrators_at_a_time_undo_nothing(settings: Settings) -> None:
    """By IMAP and by the control channel."""

    def by_imap(house: House, root: str) -> None:
        with Stock(house, "u1") as admin:
            for limit in range(10):
                assert admin.setquota(root, f"(STORAGE {limit})")[0] == "OK"

    def by_command(house: House) -> None:
        for number in range(10):
            administer(settings, SetMailbox("u2", name=f"Name {number}"))

    async with running(settings) as house:
        runs = (partial(by_imap, house, "u2"), partial(by_imap, house, "u3"), partial(by_command, house))
        await asyncio.gather(*map(asyncio.to_thread, runs))
        for alias in ("u2", "u3"):
            shown = await asyncio.to_thread(house.ask, ShowMailbox(alias))
            assert shown.quota.prohibit_all == 9 * KIB
        assert (await asyncio.to_thread(house.ask, ShowMailbox("u2"))).name == "Name 9"
    assert len(trail(settings)) == 30
