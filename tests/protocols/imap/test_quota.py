"""Quotas as clients ask for them and set them (RFC 9208)."""

import re
from typing import NamedTuple

import pytest

from core import folders, rights
from core.commands import CreateFolder, DeleteFolder, NewFolder
from core.limits import FOLDERS_PER_MAILBOX
from core.model import MailboxId
from core.recipients import RecipientId
from core.rights import ANYONE, Grant
from protocols.imap import limits
from protocols.imap.handlers import do_folders
from protocols.imap.handlers.do_quota import BUILT_IN
from protocols.imap.work import Read
from tests.support.imap import MESSAGE, PUBLIC, Client, TestServer, room, untagged

KIB = 1024
MESSAGES, FOLDERS = BUILT_IN["MESSAGE"], FOLDERS_PER_MAILBOX
NAMES = {"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE", "QUOTA=RES-MAILBOX", "QUOTASET"}


class Resource(NamedTuple):
    used: int
    limit: int


def read(line: bytes) -> tuple[str, dict[str, Resource]]:
    """A QUOTA line, with its root, as c-client reads it: names and numbers in threes."""
    found = re.fullmatch(rb'\* QUOTA "([^"]*)" \(([^()]*)\)', line)
    assert found is not None, line
    words = found[2].decode().split(" ")
    assert len(words) % 3 == 0, line
    named = [words[at : at + 3] for at in range(0, len(words), 3)]
    return found[1].decode(), {name: Resource(int(used), int(limit)) for name, used, limit in named}


def asked(client: Client, command: str) -> dict[str, Resource]:
    """The resources that a command tells of."""
    (line,) = [line for line in client.fetched(command) if line.startswith(b"* QUOTA ")]
    return read(line)[1]


def test_built_in_limits_are_numbers_of_rfc_2087() -> None:
    assert all(0 < limit < 1 << 32 for limit in BUILT_IN.values())


def announced(client: Client) -> set[str]:
    return NAMES & set(client.ok("CAPABILITY").split(b"\r\n")[0].decode().split(" "))


# ---------------------------------------------------------------------------------------------- what is announced


def test_each_resource_is_announced_and_setting_only_to_who_may(server: TestServer) -> None:
    """RFC 9208 3.1, 4.1.3."""
    assert announced(server.client(None)) == set()
    assert announced(server.client("u1")) == NAMES - {"QUOTASET"}
    server.quota_admins.add("u1")
    assert announced(server.client("u1")) == NAMES
    assert announced(server.client("u2")) == NAMES - {"QUOTASET"}


@pytest.mark.parametrize("command", ["GETQUOTA u1", "GETQUOTAROOT INBOX", "SETQUOTA u1 ()"])
def test_strangers_are_told_nothing(server: TestServer, command: str) -> None:
    """RFC 9208 8."""
    assert untagged(server.client(None).bad(command)) == []


# ---------------------------------------------------------------------------------------------- GETQUOTAROOT, GETQUOTA


def test_the_root_of_a_folder_is_its_mailbox(server: TestServer) -> None:
    server.quotas["u1"] = 5 * KIB
    client = room(server, 3)
    for name in ("INBOX", "Sent"):
        assert client.fetched(f"GETQUOTAROOT {name}") == [
            b'* QUOTAROOT %s "u1"' % name.encode(),
            b'* QUOTA "u1" (STORAGE 1 5 MESSAGE 3 %d MAILBOX 4 %d)' % (MESSAGES, FOLDERS),
        ]
    assert asked(client, "GETQUOTA u1") == asked(client, "GETQUOTAROOT INBOX")


@pytest.mark.parametrize(
    ("used", "limit", "shown"),
    [
        (0, 0, (0, 0)),
        (1, 1, (1, 1)),
        (KIB, KIB, (1, 1)),
        (KIB + 1, 2 * KIB, (2, 2)),
        (KIB, 2 * KIB - 1, (1, 2)),
        (2 * KIB, 2_411_520 * KIB, (2, 2_411_520)),
    ],
)
def test_storage_is_in_units_of_1024_octets_rounded_up(
    server: TestServer, used: int, limit: int, shown: tuple[int, int]
) -> None:
    client = server.client()
    if used:
        client.append("INBOX", b"x" * used)
    server.quotas["u1"] = limit
    assert asked(client, "GETQUOTA u1")["STORAGE"] == shown


def test_the_limit_is_as_it_is_now(server: TestServer) -> None:
    """T-1.2: in a session that is open already; and a resource without a limit is not named (RFC 9208 4.2.1)."""
    client = server.client()
    assert asked(client, "GETQUOTAROOT INBOX").keys() == {"MESSAGE", "MAILBOX"}
    for limit in (KIB, 7 * KIB):
        server.quotas["u1"] = limit
        assert asked(client, "GETQUOTA u1")["STORAGE"].limit == limit // KIB
    del server.quotas["u1"]
    assert asked(client, "GETQUOTA u1").keys() == {"MESSAGE", "MAILBOX"}


def test_the_folder_need_not_be_there(server: TestServer) -> None:
    """RFC 9208 4.1.2."""
    client = server.client()
    client.ok("ENABLE IMAP4rev2")
    first, _ = client.fetched('GETQUOTAROOT "café/new"')
    assert first == '* QUOTAROOT "café/new" "u1"'.encode()


def test_counts_are_exact(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9208 5.2, 5.3: also while a deleted folder is still being purged; its octets are in use until then."""
    client = room(server, 2)
    client.ok("COPY 1 Sent")
    for name in ("a/b", "x"):
        client.ok(f"CREATE {name}")
    assert asked(client, "GETQUOTA u1") == {"MESSAGE": (3, MESSAGES), "MAILBOX": (7, FOLDERS)}
    client.ok("DELETE a")  # "a" stays as a mere place in the hierarchy
    assert asked(client, "GETQUOTA u1") == {"MESSAGE": (3, MESSAGES), "MAILBOX": (6, FOLDERS)}
    client.append("x", b"y" * 5_000)
    monkeypatch.setattr(folders, "ROWS_PER_COMMAND", 0)
    server.database.write(DeleteFolder(MailboxId(1), "x", server.clock.now()))
    server.quotas["u1"] = 10_000 * KIB
    assert asked(client, "GETQUOTA u1") == {
        "STORAGE": (5, 10_000),
        "MESSAGE": (3, MESSAGES),
        "MAILBOX": (5, FOLDERS),
    }


def test_a_root_that_may_not_be_known_of_is_as_one_that_is_not_there(server: TestServer) -> None:
    client = server.client("u1")
    server.share("INBOX", Grant(RecipientId(1), rights.ALL), user=2)
    server.make_public("Shared", Grant(ANYONE, rights.ALL))
    answers = {
        client.no(f"GETQUOTA {root}", "NONEXISTENT").partition(b" ")[2]
        for root in ("u2", "u3", '""', "U1", "INBOX", '"Public Folders"', '"User quota"', '"Other Users/u2"')
    }
    assert len(answers) == 1


def test_who_acts_as_the_owner_may_ask_for_the_root(server: TestServer) -> None:
    server.owned_by["u1"] = ("u2",)
    server.quotas["u2"] = 3 * KIB
    client = server.client("u1")
    server.deliver(MESSAGE, user=2)
    assert asked(client, "GETQUOTA u2")["STORAGE"] == (1, 3)
    assert client.fetched('GETQUOTAROOT "Other Users/u2/new"')[0] == b'* QUOTAROOT "Other Users/u2/new" "u2"'


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Read", None),
        ("Read/new", None),
        ("Read/new/er", None),
        ("Read/Hidden", None),
        ("Read/Hidden/Open", None),
        ("Read/Known", "NOPERM"),
        ("Read/Known/new", "NOPERM"),
        ("INBOX", "NONEXISTENT"),
        ("new", "NONEXISTENT"),
        ("INBOX/new", "NONEXISTENT"),
    ],
)
def test_others_need_the_right_to_read(server: TestServer, name: str, code: str | None) -> None:
    """RFC 9208 6.  Whether a folder that may not be known of is there cannot be told from the answer (RFC 4314 6)."""
    for path, letters in (("Read", "lr"), ("Read/Hidden", ""), ("Read/Hidden/Open", "lr"), ("Read/Known", "l")):
        server.database.write(CreateFolder(MailboxId(2), NewFolder(path), server.clock.now()))
        server.share(path, Grant(RecipientId(1), rights.mask(letters)), user=2)
    client = server.client("u1")
    command = f'GETQUOTAROOT "Other Users/u2/{name}"'
    if code is not None:
        assert untagged(client.no(command, code)) == []
    else:
        root, quota = client.fetched(command)
        assert root == b'* QUOTAROOT "Other Users/u2/%s" "u2"' % name.encode()
        assert read(quota) == ("u2", {"MESSAGE": (0, MESSAGES), "MAILBOX": (8, FOLDERS)})


@pytest.mark.parametrize("name", ["Other Users", "Other Users/nobody/INBOX", "Public Folders", "Public Folders/x"])
def test_a_name_that_leads_to_no_mailbox_has_no_root(server: TestServer, name: str) -> None:
    server.client().no(f'GETQUOTAROOT "{name}"', "NONEXISTENT")


def test_the_public_folders_have_a_root_of_their_own(server: TestServer) -> None:
    server.make_public("Read", Grant(ANYONE, rights.mask("lr")))
    server.make_public("Known", Grant(ANYONE, rights.mask("l")))
    server.quotas[f"u{PUBLIC}"] = KIB
    client = server.client()
    root, quota = client.fetched('GETQUOTAROOT "Public Folders/Read"')
    assert root == b'* QUOTAROOT "Public Folders/Read" "Public Folders"'
    assert read(quota)[0] == "Public Folders"
    assert read(quota)[1]["STORAGE"] == (0, 1)
    client.no('GETQUOTAROOT "Public Folders/Known"', "NOPERM")
    server.quota_admins.add("u1")
    assert asked(client, 'GETQUOTA "Public Folders"') == read(quota)[1]


# ---------------------------------------------------------------------------------------------- SETQUOTA


@pytest.fixture
def admin(server: TestServer) -> Client:
    server.quota_admins.add("u1")
    return server.client("u1")


@pytest.mark.parametrize("root", ["u1", "u2", "u3", '""'])
def test_only_administrators_set_quotas(server: TestServer, root: str) -> None:
    """RFC 9208 6; the answer is the same for any root."""
    server.owned_by["u1"] = ("u2",)
    client = server.client("u1")
    assert client.no(f"SETQUOTA {root} (STORAGE 1)", "NOPERM") == (b"a2 NO [NOPERM] Only administrators set quotas\r\n")
    assert server.quotas == {}


@pytest.mark.parametrize("root", ["u1", "u2"])
def test_an_administrator_sets_the_storage_limit(server: TestServer, admin: Client, root: str) -> None:
    assert asked(admin, f"SETQUOTA {root} (storage 512)")["STORAGE"] == (0, 512)
    assert server.quotas == {root: 512 * KIB}
    assert asked(admin, f"SETQUOTA {root} (STORAGE 0)")["STORAGE"] == (0, 0)
    assert server.quotas == {root: 0}
    assert asked(admin, f"GETQUOTA {root}")["STORAGE"] == (0, 0)


def test_a_limit_that_is_not_named_is_taken_away(server: TestServer, admin: Client) -> None:
    """RFC 9208 4.1.3; the built-in ones stay."""
    for command in ("SETQUOTA u2 ()", f"SETQUOTA u2 (MAILBOX {FOLDERS})"):
        server.quotas["u2"] = KIB
        assert asked(admin, command).keys() == {"MESSAGE", "MAILBOX"}
        assert server.quotas == {}


def test_what_was_told_can_be_said_again(server: TestServer, admin: Client) -> None:
    """A client that changes one of several limits must name them all."""
    server.quotas["u2"] = KIB
    resources = asked(admin, "GETQUOTA u2") | {"STORAGE": Resource(0, 77)}
    said = " ".join(f"{name} {resource.limit}" for name, resource in resources.items())
    assert asked(admin, f"SETQUOTA u2 ({said})") == resources


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("SETQUOTA u3 (STORAGE 1)", "NONEXISTENT"),
        ("SETQUOTA U2 (STORAGE 1)", "NONEXISTENT"),
        ("SETQUOTA u2 (MESSAGE 1000)", "CANNOT"),
        ("SETQUOTA u2 (STORAGE 1 MAILBOX 5)", "CANNOT"),
        ("SETQUOTA u2 (ANNOTATION-STORAGE 5)", "CANNOT"),
        ("SETQUOTA u2 (STORAGE 1 X-MINE 5)", "CANNOT"),
        (f"SETQUOTA u2 (STORAGE {limits.QUOTA_STORAGE + 1})", "LIMIT"),
    ],
)
def test_a_limit_that_cannot_be_set_changes_nothing(server: TestServer, admin: Client, command: str, code: str) -> None:
    server.quotas["u2"] = 9
    admin.no(command, code)
    assert server.quotas == {"u2": 9}


def test_the_largest_limit_is_what_the_store_can_hold(server: TestServer, admin: Client) -> None:
    admin.ok(f"SETQUOTA u2 (STORAGE {limits.QUOTA_STORAGE})")
    assert server.quotas["u2"] == (1 << 63) - KIB


# ---------------------------------------------------------------------------------------------- STATUS


def test_status_tells_what_an_expunge_would_free(server: TestServer) -> None:
    """T-10.4; RFC 9208 4.1.4: octets, as much as the usage goes down by it."""
    client = server.client()
    for size in (100, 2_000, 30_000):
        client.append("INBOX", b"x" * size)
    ask = "STATUS INBOX (DELETED DELETED-STORAGE)"
    assert client.fetched(ask) == [b'* STATUS "INBOX" (DELETED 0 DELETED-STORAGE 0)']
    client.ok("SELECT INBOX")
    client.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted \\Seen)")
    client.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
    assert client.fetched(ask) == [b'* STATUS "INBOX" (DELETED 2 DELETED-STORAGE 30100)']
    server.quotas["u1"] = 1 << 30
    before = asked(client, "GETQUOTA u1")["STORAGE"].used
    client.ok("EXPUNGE")
    assert (before, asked(client, "GETQUOTA u1")["STORAGE"].used) == (32, 2)
    assert client.fetched(ask) == [b'* STATUS "INBOX" (DELETED 0 DELETED-STORAGE 0)']


def test_list_tells_it_too(server: TestServer) -> None:
    client = room(server, 2, "(\\Deleted)")
    lines = client.fetched('LIST "" (INBOX Sent) RETURN (STATUS (DELETED-STORAGE MESSAGES))')
    assert [line for line in lines if b"STATUS" in line] == [
        b'* STATUS "INBOX" (DELETED-STORAGE %d MESSAGES 2)' % (2 * len(MESSAGE)),
        b'* STATUS "Sent" (DELETED-STORAGE 0 MESSAGES 0)',
    ]


@pytest.mark.parametrize(("many", "is_heavy"), [(3, False), (2, True)])
def test_a_large_folder_is_added_up_off_the_loop(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, many: int, is_heavy: bool
) -> None:
    monkeypatch.setattr(do_folders, "MANY_COUNTED", many)
    client = room(server, 3)
    client.ok("STORE 2 +FLAGS (\\Deleted)")
    folder = client.begin("STATUS INBOX (DELETED-STORAGE)")
    client.session.finish(client._do(folder))
    work = client.session.next_work()
    assert isinstance(work, Read)
    assert work.heavy == is_heavy
    assert b"(DELETED-STORAGE %d)" % len(MESSAGE) in client.finish(work)


# ---------------------------------------------------------------------------------------------- voice mail


def test_a_telephone_exchange_asks_before_it_records(server: TestServer) -> None:
    """T-9.1 (its quota), T-9.2: as Asterisk's voice mail does, which reads STORAGE and records while used < limit."""
    server.quotas["u1"] = 2048 * KIB
    client = server.client(None)
    client.ok("CAPABILITY")
    client.ok("LOGIN u1 pass")
    client.ok('LIST "" *')
    client.ok("SELECT INBOX")

    def may_record() -> bool:
        root, quota = client.fetched("GETQUOTAROOT INBOX")
        assert root == b'* QUOTAROOT INBOX "u1"'
        storage = read(quota)[1]["STORAGE"]
        return storage.used < storage.limit

    criteria = "UNSEEN UNDELETED UNFLAGGED HEADER X-Asterisk-VM-Extension 4324 HEADER X-Asterisk-VM-Context imapvm"
    message = b"X-Asterisk-VM-Extension: 4324\r\nX-Asterisk-VM-Context: imapvm\r\n\r\n" + b"a" * 1_000_000
    assert may_record()
    client.append("INBOX", message)
    assert b"* SEARCH 1\r\n" in client.ok(f"SEARCH {criteria}")
    assert may_record()
    server.quotas["u1"] = len(message)
    assert not may_record()
    client.no(f"APPEND INBOX {{{len(message)}}}", "OVERQUOTA")
    client.ok("STORE 1 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    assert may_record()
