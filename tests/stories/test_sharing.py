"""Mailboxes and folders that are open to others, over real sockets, changed by administrators meanwhile (T-12.7)."""

import asyncio
import imaplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import scramp  # type: ignore[import-untyped]

from adapters.server.administration.context import Request, SessionRow
from adapters.server.administration.groups import AddGroup, AddMember, RemoveMember
from adapters.server.administration.mailboxes import AddMailbox, DisableMailbox, SetMailbox
from adapters.server.administration.permissions import (
    AddFolderPermission,
    AddFullAccess,
    RemoveFolderPermission,
    RemoveFullAccess,
    SetImpersonation,
)
from adapters.server.administration.publicfolders import CreatePublicFolder
from adapters.server.administration.sessions import ListSessions
from adapters.server.controlclient import ControlClient
from tests.stories.conftest import PASSWORD, House

MAIL = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: minutes\r\n\r\nof the meeting\r\n"


def administer(house: House, *requests: Request[Any]) -> list[Any]:
    """What the running server answers its administrator."""
    client = ControlClient(house.root)
    try:
        return [client.ask(request) for request in requests]
    finally:
        client.close()


@contextmanager
def client(house: House, user: str | None = None) -> Iterator[imaplib.IMAP4]:
    connection = imaplib.IMAP4("127.0.0.1", house.imap)
    try:
        if user is not None:
            connection.login(user, PASSWORD)
        yield connection
    finally:
        with suppress(imaplib.IMAP4.abort, OSError):  # the server may have ended the session
            connection.logout()
        with suppress(OSError):
            connection.shutdown()


def keep(house: House, user: str, folder: str = "INBOX") -> None:
    """A message in somebody's folder."""
    with client(house, user) as connection:
        assert connection.append(folder, "", "", MAIL)[0] == "OK"


def seen(connection: imaplib.IMAP4, pattern: str = "*") -> list[str]:
    """The names of folders that are not the user's own."""
    _, lines = connection.list('""', f'"{pattern}"')
    names = [line.decode().split(' "/" ')[1].strip('"') for line in lines if isinstance(line, bytes)]
    return [name for name in names if name.startswith(("Other Users", "Public Folders"))]


def said(connection: imaplib.IMAP4, folder: str) -> str:
    """How an EXAMINE is answered, less the tag."""
    status, lines = connection.select(f'"{folder}"', readonly=True)  # else imaplib takes READ-ONLY for a failure
    return f"{status} {lines[0].decode() if status == 'NO' and lines[0] is not None else ''}".strip()


def read(connection: imaplib.IMAP4, folder: str) -> list[bytes]:
    """The messages in a folder."""
    assert said(connection, folder) == "OK"
    _, answer = connection.fetch("1:*", "(BODY.PEEK[])")
    return [part[1] for part in answer if isinstance(part, tuple)]


async def test_an_assistant_with_full_access_reads_the_boss_mail(house: House) -> None:
    """The boss is u1, the assistant u2; whoever has no permission sees nothing, and is not told that there is more."""

    def run() -> None:
        keep(house, "u1")
        administer(house, AddFullAccess("u1", "u2@example.com"))
        with client(house, "u2") as assistant, client(house, "u3") as other:
            assert "Other Users/u1/INBOX" in seen(assistant)
            assert "Other Users/u1/Sent" in seen(assistant, "Other Users/%/%")
            assert read(assistant, "Other Users/u1/INBOX") == [MAIL]
            assert assistant.append('"Other Users/u1/Drafts"', "", "", MAIL)[0] == "OK"
            assert seen(other) == []
            nothing = "NO [NONEXISTENT] There is no such folder"
            for folder in ("Other Users/u1/INBOX", "Other Users/nobody/INBOX", "Other Users/u3/INBOX"):
                assert said(other, folder) == nothing
            (changed,) = administer(house, RemoveFullAccess("u1", "u2"))
            assert changed.sessions_ended == 1
            with pytest.raises(imaplib.IMAP4.abort):
                assistant.noop()
        with client(house, "u2") as assistant:
            assert seen(assistant) == []
            assert said(assistant, "Other Users/u1/INBOX") == nothing
        with client(house, "u1") as boss:
            assert read(boss, "Drafts") == [MAIL]

    await asyncio.to_thread(run)


async def test_who_is_in_the_list_of_one_folder_sees_that_folder_only(house: House) -> None:
    """T-12.7."""

    def run() -> None:
        keep(house, "u1", "Sent")
        administer(house, AddFolderPermission("Sent", "u2", "u1", role="Reviewer"))
        with client(house, "u2") as friend, client(house, "u3") as other:
            assert [name for name in seen(friend) if name.startswith("Other Users/u1/")] == ["Other Users/u1/Sent"]
            assert read(friend, "Other Users/u1/Sent") == [MAIL]
            assert said(friend, "Other Users/u1/INBOX").startswith("NO [NONEXISTENT]")
            assert said(other, "Other Users/u1/Sent").startswith("NO [NONEXISTENT]")
            assert said(friend, "Other Users/u1/Sent") == "OK"
            administer(house, RemoveFolderPermission("Sent", "u2", "u1"))
            with pytest.raises(imaplib.IMAP4.abort):
                friend.noop()
            assert other.noop()[0] == "OK"

    await asyncio.to_thread(run)


async def test_a_member_gets_in_through_the_group_at_once(house: House) -> None:
    """T-12.7, T-2.1: also to public folders, in a session that is open; and out again."""

    def run() -> None:
        keep(house, "u1")
        administer(
            house,
            AddGroup("Staff"),
            AddGroup("Firm"),
            AddMember("Firm", "group:Staff"),
            AddFullAccess("u1", "group:Firm"),
            CreatePublicFolder("Sales"),
            AddFolderPermission("Sales", "group:Staff", role="PublishingEditor"),
            CreatePublicFolder("Sales/Orders"),
        )
        with client(house, "u2") as member:
            assert seen(member) == []
            administer(house, AddMember("Staff", "u2"))
            assert {"Other Users/u1/INBOX", "Public Folders/Sales/Orders"} <= set(seen(member))
            assert read(member, "Other Users/u1/INBOX") == [MAIL]
            assert member.append('"Public Folders/Sales/Orders"', "", "", MAIL)[0] == "OK"
            assert read(member, "Public Folders/Sales/Orders") == [MAIL]
            (changed,) = administer(house, RemoveMember("Staff", "u2"))
            assert changed.sessions_ended == 1
        with client(house, "u2") as member:
            assert seen(member) == []
            for folder in ("Public Folders/Sales", "Public Folders/Nothing"):
                assert said(member, folder) == "NO [NONEXISTENT] There is no such folder"

    await asyncio.to_thread(run)


def plain(connection: imaplib.IMAP4, user: str, authzid: str) -> str:
    message = f"{authzid}\0{user}\0{PASSWORD}".encode()
    return connection.authenticate("PLAIN", lambda _: message)[0]


class ActingFor:
    """RFC 5802 7, gs2-header: scramp itself only acts for whoever signs in."""

    def __init__(self, authzid: str) -> None:
        self._header = f"n,a={authzid},"

    def __str__(self) -> str:
        return self._header

    def make_cbind_input(self, binding: None) -> bytes:
        return self._header.encode()


def scram(connection: imaplib.IMAP4, user: str, authzid: str) -> str:
    """Another's SCRAM-SHA-256, which also checks that the server knows the password."""
    one = scramp.ScramClient(["SCRAM-SHA-256"], user, PASSWORD)
    one.gs2_header = ActingFor(authzid)
    says = iter((one.get_client_first, one.get_client_final, lambda: ""))
    hears = iter((lambda _: None, one.set_server_first, one.set_server_final))

    def respond(challenge: bytes) -> bytes:
        next(hears)(challenge.decode())
        return next(says)().encode()

    return connection.authenticate("SCRAM-SHA-256", respond)[0]


SIGN_IN = {"PLAIN": plain, "SCRAM-SHA-256": scram}


@pytest.mark.parametrize("mechanism", SIGN_IN)
async def test_a_master_user_signs_in_as_another(house: House, mechanism: str) -> None:
    """T-12.7: by SASL's authorization identity, with the right to impersonate and not without; u3 is the master."""
    sign_in = SIGN_IN[mechanism]

    def refused(authzid: str) -> bool:
        with client(house) as connection, pytest.raises(imaplib.IMAP4.error, match="AUTHORIZATIONFAILED"):
            sign_in(connection, "u3", authzid)
        return True

    def sessions() -> list[SessionRow]:
        (rows,) = administer(house, ListSessions())
        return list(rows)

    def run() -> None:
        keep(house, "u1")
        assert refused("u1")
        administer(house, SetImpersonation("u3", True), AddMailbox("info", None), DisableMailbox("u2"))
        for nobody in ("nobody", "u2"):
            assert refused(nobody)
        with client(house) as master:
            assert sign_in(master, "u3", "u1@example.com") == "OK"
            assert read(master, "INBOX") == [MAIL]
            (row,) = sessions()
            assert (row.user, row.impersonated_by) == ("u1", "u3")
        with client(house) as master, client(house) as another:
            assert sign_in(master, "u3", "info") == "OK", "a shared mailbox can be acted for"
            assert sign_in(another, "u3", "u3") == "OK"
            assert {(row.user, row.impersonated_by) for row in sessions()} >= {("info", "u3"), ("u3", None)}
            (changed,) = administer(house, SetMailbox("u3", password=PASSWORD))
            assert changed.sessions_ended == 2, "a new password ends what the old one opened"
        administer(house, SetImpersonation("u3", False))
        assert refused("u1")

    await asyncio.to_thread(run)
