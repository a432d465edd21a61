"""What clients are offered over real sockets, by who they say they are and whose they are, and what is seen of it."""

import asyncio
import imaplib
from pathlib import Path

from msgspec.structs import replace

from adapters.server.administration.sessions import ListSessions
from adapters.server.config import Alias, Capability, ClientRule
from adapters.server.controlclient import ControlClient
from tests.stories.conftest import PASSWORD, House, chosen, running

imaplib.Commands.update({"ID": ("NONAUTH", "AUTH", "SELECTED")})
OUTLOOK = '("name" "Microsoft Office 365" "version" "15.20.9160.4" "vendor" "Microsoft Corporation")'


class Stock(imaplib.IMAP4):
    """The standard library's client, which says who it is before or behind its sign-in if asked."""

    def __init__(self, house: House, user: str, *, before: str = "", behind: str = "") -> None:
        super().__init__("127.0.0.1", house.imap)
        if before:
            assert self._simple_command("ID", before)[0] == "OK"
        self.login(user, PASSWORD)
        if behind:
            assert self._simple_command("ID", behind)[0] == "OK"

    def offered(self) -> set[str]:
        return set(self.capability()[1][-1].decode().split())


async def test_clients_are_offered_what_they_can_bear(tmp_path: Path) -> None:
    plain = chosen(tmp_path / "penfold")
    rules = (
        ClientRule(accounts=(Alias("U2"),), hide=(Capability("QRESYNC"),)),
        ClientRule(name="Old Mail", hide=(Capability("QUOTA"), Capability("MOVE"))),
    )
    settings = replace(plain, imap=replace(plain.imap, clients=rules, hide_capabilities=(Capability("PREVIEW"),)))

    def run(house: House) -> None:
        with (
            Stock(house, "u1") as silent,
            Stock(house, "u1", before=OUTLOOK) as cloud,
            Stock(house, "u2", behind=OUTLOOK) as late,
            Stock(house, "u1", behind='("name" "old mail" "version" "0.9")') as old,
        ):
            all_that_is = silent.offered()
            assert {"UIDONLY", "QRESYNC", "MOVE", "QUOTA"} < all_that_is
            assert "PREVIEW" not in all_that_is
            assert cloud.offered() == all_that_is - {"UIDONLY"}
            assert late.offered() == all_that_is - {"UIDONLY", "QRESYNC"}
            quota = {name for name in all_that_is if name.startswith("QUOTA")}
            assert old.offered() == all_that_is - {"MOVE"} - quota

            # As the cloud goes on: what it was not offered is not turned on, and it finds its mail.
            cloud.append("INBOX", "", "", b"Subject: tea\r\n\r\nx\r\n")
            assert cloud.enable("UIDONLY") == ("OK", [b"Enabled"])
            cloud.select("INBOX")
            assert cloud.fetch("1:*", "(UID)") == ("OK", [b"1 (UID 1)"])

            control = ControlClient(settings.server.data_dir)
            try:
                rows = control.ask(ListSessions())
            finally:
                control.close()
            assert [row.not_offered for row in rows] == [
                ["PREVIEW"],
                ["PREVIEW", "UIDONLY"],
                ["PREVIEW", "QRESYNC", "UIDONLY"],
                ["MOVE", "PREVIEW", "QUOTA", "QUOTASET"],
            ]

    async with running(settings) as house:
        await asyncio.to_thread(run, house)
