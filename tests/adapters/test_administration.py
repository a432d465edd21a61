"""The administrator's verbs, carried out on an installation as they are by the command and by the control channel."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.server import demo
from adapters.server.administration.checks import Check, Checked
from adapters.server.administration.context import (
    Caller,
    Context,
    Interrupted,
    NotRunning,
    Progress,
    Request,
    SessionRow,
)
from adapters.server.administration.databases import AddDatabase, AddDomain, ListDatabases, RemoveDomain, ShowDatabase
from adapters.server.administration.groups import AddGroup, AddMember, RemoveGroup, RemoveMember
from adapters.server.administration.mailboxes import (
    AddMailbox,
    DisableMailbox,
    ListMailboxes,
    RemoveMailbox,
    SetMailbox,
    ShowMailbox,
)
from adapters.server.administration.permissions import (
    AddFolderPermission,
    AddFullAccess,
    ListPermissions,
    RemoveFolderPermission,
    RemoveFullAccess,
)
from adapters.server.administration.publicfolders import CreatePublicFolder
from adapters.server.administration.quotas import QuotaChange
from adapters.server.administration.repairs import Repair
from adapters.server.administration.sessions import KickSession, ListSessions
from adapters.server.administration.verbs import NAMES, VERBS, carry_out
from adapters.server.config import Server, Settings
from adapters.server.installation import DEFAULT_FOLDERS, Installation
from core.commands import CreateMailbox, DeleteMailbox
from core.errors import Refusal, Unavailable
from core.model import MailboxId
from core.recipients import NoSuchDomain, Quota

ROOT = Caller(0, "root", "command")


class FakeSessions:
    """Remembers whose sessions were ended."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.visited: list[int] = []

    def rows(self) -> list[SessionRow]:
        return []

    def end(self, number: int) -> bool:
        self.ended.append(number)
        return number == 1

    def end_of(self, *mailbox_ids: int) -> int:
        self.ended += mailbox_ids
        return 2

    def end_visits(self, mailbox_id: int) -> int:
        self.visited.append(mailbox_id)
        return 3


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    house = Installation(Settings(server=Server(data_dir=tmp_path / "mail")), create=True)
    house.add_database("first")
    house.organization.add_domain("example.com")
    try:
        yield house
    finally:
        house.close()


@pytest.fixture
def do(house: Installation) -> Callable[[Request[Any]], Any]:
    context = Context(house, ROOT, sessions=FakeSessions())
    return lambda request: carry_out(context, request)


Do = Callable[[Request[Any]], Any]


def test_every_verb_has_a_name_and_takes_only_what_it_knows() -> None:
    assert len(NAMES) == len(VERBS)
    for verb in VERBS.values():
        with pytest.raises(msgspec.ValidationError, match=r"unknown field|missing required"):
            msgspec.json.decode(b'{"surprise": 1}', type=verb.request)


def test_every_request_survives_the_way_through_json() -> None:
    for request in (
        SetMailbox("ada", quota=QuotaChange(warn=None, prohibit_all=7), add_addresses=("a@example.com",)),
        SetMailbox("ada", password="secret"),
        AddMailbox("ada", "secret"),
        Check(deep=True, databases=("first",)),
        KickSession(user="ada"),
    ):
        assert msgspec.json.decode(msgspec.json.encode(request), type=type(request)) == request


def test_a_request_never_shows_its_password() -> None:
    for request in (AddMailbox("ada", "secret"), SetMailbox("ada", password="secret")):
        assert "secret" not in repr(request)
        assert "secret" not in str(request.shown())


def test_a_password_change_ends_sessions_and_another_change_does_not(house: Installation) -> None:
    sessions = FakeSessions()
    context = Context(house, ROOT, sessions=sessions)
    carry_out(context, AddMailbox("ada", "one"))
    mailbox_id = house.recipient("ada").mailbox_id
    assert carry_out(context, SetMailbox("ada", name="Ada")).sessions_ended == 0
    assert sessions.ended == []
    assert carry_out(context, SetMailbox("ada", password="two")).sessions_ended == 2
    assert carry_out(context, DisableMailbox("ada")).sessions_ended == 2
    assert sessions.ended == [mailbox_id, mailbox_id]


def test_what_is_taken_away_ends_the_sessions_that_may_have_it_open(house: Installation) -> None:
    """A folder that is open was opened by the rights that were there then."""
    sessions = FakeSessions()
    context = Context(house, ROOT, sessions=sessions)
    for alias in ("ada", "bob"):
        carry_out(context, AddMailbox(alias, "one"))
    ada, bob = house.recipient("ada").mailbox_id, house.recipient("bob").mailbox_id
    carry_out(context, AddGroup("team"))
    carry_out(context, AddMember("team", "ada"))
    carry_out(context, AddFullAccess("bob", "group:team"))
    carry_out(context, AddFolderPermission("INBOX", "ada", "bob", rights="lrs"))
    carry_out(context, CreatePublicFolder("Sales"))
    carry_out(context, AddFolderPermission("Sales", "anyone", rights="lr"))
    carry_out(context, AddFolderPermission("INBOX", "ada", "bob", role="Contributor"))
    carry_out(context, RemoveFolderPermission("Sales", "anyone"))
    assert (sessions.ended, sessions.visited) == ([], []), "they look at their rights themselves"
    assert carry_out(context, RemoveFullAccess("bob", "group:team")).sessions_ended == 3
    assert sessions.visited == [bob]
    assert carry_out(context, RemoveMember("team", "ada")).sessions_ended == 2
    carry_out(context, AddMember("team", "ada"))
    assert carry_out(context, RemoveGroup("team")).sessions_ended == 2
    assert sessions.ended == [ada, ada]


def test_a_refused_change_has_changed_nothing(house: Installation, do: Do) -> None:
    do(AddMailbox("ada", "one"))
    before, credential = house.recipient("ada"), house.organization.credential(house.recipient("ada").recipient_id)
    with pytest.raises(NoSuchDomain):
        do(SetMailbox("ada", password="two", name="Ada", add_addresses=("ada@example.org",)))
    with pytest.raises(Refusal):
        do(SetMailbox("ada", password="", name="Ada"))
    assert house.recipient("ada") == before
    assert house.organization.credential(before.recipient_id) == credential


def test_a_quota_of_its_own_begins_without_limits(house: Installation, do: Do) -> None:
    """T-1.2: the database's limits do not mix with a mailbox's own."""
    do(AddMailbox("ada", "one"))
    do(SetMailbox("ada", quota=QuotaChange(prohibit_send=5)))
    assert house.recipient("ada").own_quota == Quota(None, 5, None)
    do(SetMailbox("ada", use_database_quota=True))
    assert house.recipient("ada").use_database_quota


def test_what_is_in_a_dismounted_database_is_not_known(house: Installation, do: Do) -> None:
    do(AddMailbox("ada", "one"))
    database = house.databases.pop(house.recipient("ada").database_id)
    try:
        shown = do(ShowMailbox("ada"))
        assert (shown.messages, shown.folders) == (None, None)
        assert do(ListPermissions("ada")).folders is None
        assert not do(ShowDatabase("first")).mounted
        assert not do(Check()).databases[0].mounted
        for request in (AddMailbox("bob", "one"), RemoveMailbox("ada")):
            with pytest.raises(Unavailable, match="first is not mounted"):
                do(request)
        assert [row.alias for row in do(ListMailboxes()).mailboxes] == ["ada"]
    finally:
        database.close()


def test_a_database_shows_how_much_is_in_it(tmp_path: Path) -> None:
    settings = demo.settings(tmp_path / "demo", 10000)
    demo.prepare(settings, users=2, password="pass", sample=True)
    house = Installation(settings)
    try:
        (shown,) = carry_out(Context(house, ROOT), ListDatabases())
        ada = carry_out(Context(house, ROOT), ShowMailbox("u1"))
    finally:
        house.close()
    assert (shown.mailboxes, shown.messages, shown.dead_bytes) == (2, 6, 0)
    assert shown.used_bytes == 2 * (ada.used_bytes or 0) > 1000
    assert shown.disk_bytes > 50_000
    (inbox,) = [folder for folder in ada.folders or () if folder.path == "INBOX"]
    assert (inbox.messages, inbox.unseen, inbox.bytes) == (3, 2, ada.used_bytes)


def test_domains_come_and_go(do: Do) -> None:
    assert [row.domain for row in do(AddDomain("Example.org"))] == ["example.com", "example.org"]
    assert do(AddDomain("example.org")) == do(AddDomain("example.org"))
    assert [row.domain for row in do(RemoveDomain("EXAMPLE.org"))] == ["example.com"]
    do(AddDomain("example.net"))
    with pytest.raises(Refusal, match="default"):
        do(RemoveDomain("example.com"))


def test_without_a_server_there_are_no_sessions_to_ask_for(house: Installation) -> None:
    requests: tuple[Any, ...] = (ListSessions(), KickSession(1), KickSession(user="ada"))
    for request in requests:
        with pytest.raises(NotRunning):
            carry_out(Context(house, ROOT), request)


def test_a_session_is_ended_by_its_number(do: Do) -> None:
    assert do(KickSession(1)).sessions_ended == 1
    with pytest.raises(Refusal, match="no session 2"):
        do(KickSession(2))
    for request in (KickSession(), KickSession(1, "ada")):
        with pytest.raises(Refusal, match="either"):
            do(request)


# ---------------------------------------------------------------------------------------------- check


def checked(house: Installation, *, deep: bool = True) -> Checked:
    return carry_out(Context(house, ROOT), Check(deep=deep))


def test_a_check_tells_how_far_it_is(house: Installation, do: Do) -> None:
    steps: list[Progress] = []
    for alias in ("ada", "bob"):
        do(AddMailbox(alias, "one"))
    carry_out(Context(house, ROOT, progress=steps.append), Check())
    assert steps[0] == Progress("first", 0, 2)
    assert steps[-1] == Progress("first", 2, 2)


def test_a_check_can_be_broken_off(house: Installation) -> None:
    def stop(progress: Progress) -> None:
        raise Interrupted("enough")

    with pytest.raises(Interrupted):
        carry_out(Context(house, ROOT, progress=stop), Check())
    assert checked(house).sound


def test_a_check_finds_a_damaged_body(tmp_path: Path) -> None:
    settings = demo.settings(tmp_path / "demo", 10000)
    demo.prepare(settings, users=1, password="pass", sample=True)
    damage(tmp_path / "demo" / "databases" / "first.db", "UPDATE blob SET data = zeroblob(length(data))")
    house = Installation(settings)
    try:
        assert checked(house, deep=False).sound
        found = checked(house)
    finally:
        house.close()
    assert not found.sound
    assert found.databases[0].broken_count == 3
    assert "has other bytes than it had" in found.databases[0].broken[0]


def damage(database: Path, statement: str) -> None:
    import apsw

    connection = apsw.Connection(str(database))
    connection.execute(statement)
    connection.close()


def test_a_check_finds_mailboxes_without_recipients_and_recipients_without_mailboxes(
    house: Installation, do: Do
) -> None:
    do(AddMailbox("ada", "one"))
    lost = house.recipient("ada").mailbox_id
    database = house.databases[house.recipient("ada").database_id]
    database.write(CreateMailbox(MailboxId(4711), b"g" * 16, DEFAULT_FOLDERS, 0))
    assert (checked(house).sound, checked(house).databases[0].unowned) == (True, [4711])
    house.remove_mailbox("ada")
    do(AddMailbox("bob", "one"))
    bob = house.recipient("bob")
    house.organization.set_recipient(msgspec.structs.replace(bob, mailbox_id=lost))
    found = checked(house).databases[0]
    assert found.broken == [f"recipient bob has lost mailbox {lost}"]
    assert set(found.unowned) == {4711, bob.mailbox_id}
    do(CreatePublicFolder("Sales"))
    public = house.organization.sharing.public_folders()
    assert public is not None
    assert public.mailbox_id not in checked(house).databases[0].unowned
    while not database.write(DeleteMailbox(public.mailbox_id)):
        pass
    assert f"the public folders have lost mailbox {public.mailbox_id}" in checked(house).databases[0].broken


def test_a_repair_tells_how_far_it_is_and_can_be_broken_off(house: Installation, do: Do) -> None:
    for alias in ("ada", "bob"):
        do(AddMailbox(alias, "one"))
    database = house.root / "databases" / "first.db"
    damage(database, "UPDATE mailbox SET used_bytes = 7")
    steps: list[Progress] = []

    def stop(progress: Progress) -> None:
        steps.append(progress)
        if progress == Progress("first: mailboxes", 2, 2):
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        carry_out(Context(house, ROOT, progress=stop), Repair())
    assert steps[0] == Progress("first", 0, 2)
    assert checked(house).sound, "what was mended until then stays so"


def test_a_repair_leaves_alone_what_is_not_mounted(house: Installation, do: Do) -> None:
    database = house.databases.pop(1)
    try:
        (left,) = do(Repair()).databases
    finally:
        house.databases[1] = database
    assert (left.mounted, left.found) == (False, 0)


# ---------------------------------------------------------------------------------------------- changes at once


def test_changes_at_the_same_time_do_not_undo_each_other(house: Installation, do: Do) -> None:
    """Each reads the recipient, thinks, and writes it."""
    do(AddMailbox("ada", "one"))
    together = threading.Barrier(8)

    def add(number: int) -> None:
        together.wait()
        do(SetMailbox("ada", add_addresses=(f"ada{number}@example.com",)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert len(house.recipient("ada").addresses) == 9


def test_nothing_is_changed_where_it_cannot_be_recorded(house: Installation, do: Do) -> None:
    """T-11.3."""
    (house.root / "administration.log").unlink(missing_ok=True)
    (house.root / "administration.log").mkdir()
    with pytest.raises(Unavailable, match="where changes are recorded"):
        do(AddMailbox("ada", "one"))
    with pytest.raises(Unavailable):
        do(AddDatabase("second"))
    assert do(ListMailboxes()).mailboxes == []
