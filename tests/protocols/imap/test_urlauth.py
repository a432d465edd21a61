"""URLAUTH (RFC 4467): messages that others may read by URLs, as long as their makers may read them."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.stores.sql import SqlReadTx
from core.errors import MessageExpunged, Unavailable
from core.model import MailboxId
from core.recipients import RecipientId
from core.rights import Grant, mask
from protocols.imap import limits
from protocols.imap.grammar.urls import Access
from protocols.imap.reading.sections import PIECE_OCTETS
from protocols.imap.reading.urlauth import UrlAccess
from protocols.imap.work import Read
from tests.protocols.imap.test_catenate import DRAFT, catenated, url
from tests.support.imap import Client, TestServer

DAY = 86_400_000_000
UIDVALIDITY = 1700000000
BASE = "imap://u1@h/INBOX/;UID=1"
WRONG = "01" + "5a" * 32


@pytest.fixture
def server(server: TestServer) -> TestServer:
    """With u3, who submits mail, u4, who streams, and a draft in u1's INBOX."""
    for number in range(server.users + 1, 5):
        server.add_user(number)
    server.url_access = UrlAccess(True, {"submit": frozenset({"u3"}), "stream": frozenset({"u4"})})
    server.deliver(DRAFT, prefix=b"Received: by us\r\n")
    return server


@pytest.fixture
def far(tmp_path: Path) -> Iterator[TestServer]:
    """With u2's mailbox in another database."""
    server = TestServer(tmp_path / "far", far=(2,))
    server.url_access = UrlAccess()
    yield server
    server.close()


def made(client: Client, rump: str) -> str:
    """A URL as GENURLAUTH authorizes it."""
    answer = client.ok(f'GENURLAUTH "{rump}" INTERNAL').decode()
    found = re.fullmatch(r'\* GENURLAUTH "([^"]+)"\r\na\d+ OK GENURLAUTH completed\r\n', answer)
    assert found is not None, answer
    return found[1]


def fetched(client: Client, address: str) -> bytes | None:
    """What URLFETCH gives for a URL."""
    answer = client.ok(f'URLFETCH "{address}"')
    head = f'* URLFETCH "{address}" '.encode()
    assert answer.startswith(head)
    value, end, _ = answer[len(head) :].rpartition(b"\r\na")
    assert end
    if value in (b"NIL", b'""'):
        return None if value == b"NIL" else b""
    size, _, octets = value.partition(b"}\r\n")
    assert size == b"{%d" % len(octets)
    return octets


# ---------------------------------------------------------------------------------------------- what there is


def test_it_is_announced_where_it_is_turned_on(server: TestServer) -> None:
    assert b" URLAUTH" in server.client().ok("CAPABILITY")
    assert b" URLAUTH" not in server.client(None).ok("CAPABILITY")
    server.url_access = None
    client = server.client()
    assert b" URLAUTH" not in client.ok("CAPABILITY")
    for command in ("RESETKEY", "RESETKEY INBOX", f"GENURLAUTH {BASE};URLAUTH=anonymous INTERNAL", "URLFETCH x"):
        client.bad(command)


def test_url_partial_is_announced(server: TestServer) -> None:
    """With CATENATE alone too."""
    server.url_access = None
    assert b" URL-PARTIAL" in server.client().ok("CAPABILITY")


def test_what_is_authorized_is_fetched(server: TestServer) -> None:
    """RFC 4467's examples, one after the other: the token is added and nothing else changed."""
    rump = "IMAP://u1;AUTH=*@Example.COM:143/inbox/;uid=1/;section=1;urlauth=submit+fred"
    address = made(server.client("u1"), rump)
    assert re.fullmatch(re.escape(rump) + ":internal:01[0-9a-f]{64}", address)
    assert fetched(server.client("u3"), address) == b"first"
    assert fetched(server.client("u3"), address.replace(":internal:", ":INTERNAL:")) == b"first"


def test_the_token_is_an_hmac_of_the_url_with_a_key_of_256_bits(server: TestServer) -> None:
    address = made(server.client("u1"), f"{BASE};URLAUTH=authuser")
    rump, _, token = address.rpartition(":internal:")
    with server.database.read() as tx:
        (folder,) = [folder for folder in tx.folders(MailboxId(1)) if folder.name == "INBOX"]
        key = tx.access_key(MailboxId(1), folder.folder_id, 1)
    assert key is not None
    assert len(key) == 32
    assert token == "01" + hmac.new(key, rump.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("section", ["", "HEADER", "1", "2.MIME", "TEXT", "HEADER.FIELDS%20(Subject)", "1.TEXT", "9"])
@pytest.mark.parametrize("partial", ["", "/;PARTIAL=3", "/;PARTIAL=2.7", "/;PARTIAL=9999.1"])
def test_a_url_gives_what_fetch_gives(server: TestServer, section: str, partial: str) -> None:
    """RFC 5092 6; RFC 4467 BASE.7.4.URLFETCH: where FETCH gives NIL, an empty string."""
    client = server.client("u1", select="INBOX")
    name = f"/;SECTION={section}" if section else ""
    address = made(client, f"imap://u1@h/INBOX;UIDVALIDITY={UIDVALIDITY}/;UID=1{name}{partial};URLAUTH=user+u2")
    found = re.search(r"\d+(\.\d+)?", partial)
    asked = f"<{found[0] if found[1] else f'{found[0]}.99999'}>" if found else ""
    answer = client.ok(f"FETCH 1 BODY.PEEK[{section.replace('%20', ' ')}]{asked}")
    announced = re.search(rb"\{(\d+)\}\r\n", answer)
    expected = b"" if announced is None else answer[announced.end() : announced.end() + int(announced[1])]
    assert fetched(server.client("u2"), address) == expected
    assert b"UNSEEN 1" in client.ok("STATUS INBOX (UNSEEN)")


def test_several_urls_are_answered_each_by_itself(server: TestServer) -> None:
    client = server.client("u1")
    rumps = [f"{BASE}/;SECTION={part};URLAUTH=authuser" for part in (1, 2)]
    answer = client.ok(" ".join(["GENURLAUTH", *(f'"{rump}" INTERNAL' for rump in rumps)])).decode()
    found = re.fullmatch(r'\* GENURLAUTH "([^"]+)" "([^"]+)"\r\na2 OK .*\r\n', answer)
    assert found is not None
    one, two = found.groups()
    heard = server.client("u2").ok(f'URLFETCH "{one}" nonsense "{two}" NIL').decode()
    assert heard == (
        f'* URLFETCH "{one}" {{5}}\r\nfirst\r\n* URLFETCH "nonsense" NIL\r\n'
        f'* URLFETCH "{two}" {{13}}\r\n<b>second</b>\r\n* URLFETCH "NIL" NIL\r\na2 OK URLFETCH completed\r\n'
    )


def test_a_long_url_comes_back_as_a_literal(server: TestServer) -> None:
    client = server.client("u1")
    name = "x" * 200
    for _ in range(4):
        name += "/" + "x" * 200
    client.ok(f"CREATE {name}")
    client.append(name, b"Subject: x\r\n\r\ny")
    rump = f"imap://u1@h/{name}/;UID=1/;SECTION=TEXT;URLAUTH=user+u1".encode()
    answer = client.ok(b"GENURLAUTH {%d+}\r\n%b INTERNAL" % (len(rump), rump))
    found = re.fullmatch(rb"\* GENURLAUTH \{(\d+)\}\r\n([^\r]+)\r\na\d+ OK .*\r\n", answer)
    assert found is not None
    heard = client.ok(b"URLFETCH {%b+}\r\n%b" % found.groups())
    assert heard.startswith(b"* URLFETCH {%b}\r\n%b {1}\r\ny\r\na" % found.groups())


# ---------------------------------------------------------------------------------------------- who may use it


@pytest.mark.parametrize(
    ("access", "users"),
    [
        ("user+u2", {"u2"}),
        ("USER+u2%40example.com", {"u2"}),
        ("user+nobody", set()),
        ("submit+fred", {"u3"}),
        ("submit+u2", {"u3"}),
        ("stream", {"u4"}),
        ("Stream+u2", {"u4"}),
        ("authuser", {"u1", "u2", "u3", "u4"}),
        ("anonymous", {"u1", "u2", "u3", "u4"}),
    ],
)
def test_whom_a_url_is_for(server: TestServer, access: str, users: set[str]) -> None:
    """RFC 4467 3, RFC 5593 3.3: whom `submit+` names is not looked at, and whom `user+` names who is not there."""
    address = made(server.client("u1"), f"{BASE}/;SECTION=1;URLAUTH={access}")
    found = {user: fetched(server.client(user), address) for user in ("u1", "u2", "u3", "u4")}
    assert found == {user: b"first" if user in users else None for user in found}


def test_who_acts_as_another_is_the_other(server: TestServer) -> None:
    """RFC 4467 3: the authorization identity."""
    server.impersonators = {"u3"}
    address = made(server.client("u1"), f"{BASE}/;SECTION=1;URLAUTH=user+u2")
    other = made(server.client("u1"), f"{BASE}/;SECTION=1;URLAUTH=submit+u2")
    client = server.client(None)
    client.ok("AUTHENTICATE PLAIN dTIAdTMAcGFzcw==")  # u2, by u3's password
    assert (fetched(client, address), fetched(client, other)) == (b"first", None)


@pytest.mark.parametrize("access", ["authuser", "anonymous", "submit+fred", "stream"])
def test_what_the_settings_do_not_allow_any_more(server: TestServer, access: str) -> None:
    address = made(server.client("u1"), f"{BASE}/;SECTION=1;URLAUTH={access}")
    server.url_access = UrlAccess(public=False)
    for user in ("u1", "u2", "u3", "u4"):
        assert fetched(server.client(user), address) is None
    server.client("u1").bad(f"GENURLAUTH {BASE};URLAUTH={access} INTERNAL")


@pytest.mark.parametrize("change", ["user+u3", "authuser", "submit+u2"])
def test_nobody_can_change_whom_it_is_for(server: TestServer, change: str) -> None:
    address = made(server.client("u1"), f"{BASE}/;SECTION=1;URLAUTH=user+u2")
    assert fetched(server.client("u3"), address.replace("user+u2", change)) is None


def test_until_when_it_is_valid(server: TestServer) -> None:
    """RFC 4467 3: the latest date and time."""
    rump = f"{BASE}/;SECTION=1;EXPIRE=2023-11-14T23:13:20.000002+01:00;URLAUTH=user+u2"
    address, client = made(server.client("u1"), rump), server.client("u2")
    server.clock.advance(2)
    assert fetched(client, address) == b"first"
    server.clock.advance(1)
    assert fetched(client, address) is None
    assert fetched(client, address.replace("2023", "2033")) is None


# ---------------------------------------------------------------------------------------------- what is not ours


def test_whatever_is_wrong_with_a_url_gives_nil(server: TestServer) -> None:
    """RFC 4467 BASE.6.3.URLFETCH, BASE.7.4.URLFETCH."""
    good = made(server.client("u1"), f"{BASE}/;SECTION=1;URLAUTH=user+u2")
    rump, _, token = good.rpartition(":internal:")
    client = server.client("u2")
    assert fetched(client, good) == b"first"
    for bad in (
        f"{rump}:internal:{WRONG}",
        f"{rump}:internal:{token[:-2]}",
        f"{rump}:internal:{token}00",
        f"{rump}:internal:02{token[2:]}",
        f"{rump}:xsample:{token}",
        f"{rump}",
        good.replace("SECTION=1", "SECTION=2"),
        good.replace("SECTION=1", "section=1"),
        good.replace("@h/", "@H/"),
        good.replace("u1@", "u2@"),
        good.replace("u1@", "u9@"),
        good.replace("u1@", "%75%31@"),
        good.replace("INBOX", "inbox"),
        good.replace("INBOX", "Sent"),
        good.replace("INBOX", "nowhere"),
        good.replace("INBOX", "Other%20Users/u1/INBOX"),
        good.replace("INBOX", "Other%20Users/u9/INBOX"),
        good.replace("INBOX", "Public%20Folders/x"),
        good.replace("UID=1", "UID=2"),
        "imap://u1@h",
        "imap://u1@h/",
        "imap://u1@h/INBOX",
        "imap://u1@h/INBOX?ALL",
        "imap://u1@h/INBOX/;UID=1",
        "/INBOX/;UID=1",
        "",
    ):
        assert fetched(client, bad) is None, bad


def test_one_s_own_messages_need_a_token_too(server: TestServer) -> None:
    assert fetched(server.client("u1"), BASE) is None


@pytest.mark.parametrize("named", ["u1@h/INBOX", "u9@h/INBOX", "u1@h/nowhere", "u2@h/Other%20Users/u9/x", "u2@h/INBOX"])
def test_a_token_is_reckoned_whatever_is_not_there(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """RFC 4467 6: lest the time that a failure takes tell which mailboxes there are."""
    reckoned: list[bytes] = []

    def digest(key: bytes, octets: bytes, name: str) -> bytes:
        assert len(key) == 32
        reckoned.append(octets)
        return bytes(32)

    monkeypatch.setattr(hmac, "digest", digest)
    rump = f"imap://{named}/;UID=1;URLAUTH=authuser"
    assert fetched(server.client("u3"), f"{rump}:internal:{WRONG}") is None
    assert reckoned == [rump.encode()]


def test_what_is_not_right_reads_no_message(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    address = made(server.client("u1"), f"{BASE};URLAUTH=authuser").rpartition(":")[0]
    monkeypatch.delattr(SqlReadTx, "items")
    assert fetched(server.client("u2"), f"{address}:{WRONG}") is None


# ---------------------------------------------------------------------------------------------- what its maker may read


def test_what_is_gone_is_given_no_more(server: TestServer) -> None:
    owner, client = server.client("u1", select="INBOX"), server.client("u2")
    address = made(owner, f"{BASE}/;SECTION=1;URLAUTH=user+u2")
    other = made(owner, f"imap://u1@h/INBOX;UIDVALIDITY={UIDVALIDITY + 1}/;UID=1;URLAUTH=user+u2")
    assert (fetched(client, address), fetched(client, other)) == (b"first", None)
    owner.ok("STORE 1 +FLAGS (\\Deleted)")
    owner.ok("EXPUNGE")
    assert fetched(client, address) is None


def test_a_folder_that_takes_the_place_of_another_is_not_meant(server: TestServer) -> None:
    owner, client = server.client("u1"), server.client("u2")
    owner.ok("CREATE a")
    owner.append("a", DRAFT)
    address = made(owner, "imap://u1@h/a/;UID=1/;SECTION=1;URLAUTH=user+u2")
    assert fetched(client, address) == b"first"
    owner.ok("DELETE a")
    assert fetched(client, address) is None
    owner.ok("CREATE a")
    owner.append("a", DRAFT)
    assert fetched(client, address) is None


def share(server: TestServer, letters: str, user: int = 2) -> None:
    server.share("INBOX", Grant(RecipientId(user), mask(letters)))


def test_a_reader_lets_others_read_while_he_may(server: TestServer) -> None:
    """RFC 4467 BASE.6.3.URLFETCH: with the access of the user in the URL, which may have changed."""
    rump = "imap://u2@h/Other%20Users/u1/INBOX/;UID=1/;SECTION=1;URLAUTH=user+u3"
    reader, client = server.client("u2"), server.client("u3")
    reader.bad(f"GENURLAUTH {rump} INTERNAL")
    share(server, "l")
    reader.bad(f"GENURLAUTH {rump} INTERNAL")
    share(server, "lr")
    address = made(reader, rump)
    assert fetched(client, address) == b"first"
    share(server, "l")
    assert fetched(client, address) is None
    share(server, "")
    assert fetched(client, address) is None
    share(server, "r")
    assert fetched(client, address) == b"first"


def test_what_he_who_uses_it_may_read_does_not_count(server: TestServer) -> None:
    share(server, "lr", user=2)
    share(server, "lr", user=3)
    address = made(server.client("u2"), "imap://u2@h/Other%20Users/u1/INBOX/;UID=1;URLAUTH=user+u3")
    share(server, "", user=2)
    assert fetched(server.client("u3"), address) is None


def test_full_access_is_asked_for_again(server: TestServer) -> None:
    server.owned_by = {"u2": ("u1",)}
    rump = "imap://u2@h/Other%20Users/u1/INBOX/;UID=1/;SECTION=1;URLAUTH=user+u3"
    address, client = made(server.client("u2"), rump), server.client("u3")
    assert fetched(client, address) == b"first"
    server.owned_by = {}
    assert fetched(client, address) is None


def test_public_folders_are_read_as_by_its_maker(server: TestServer) -> None:
    server.make_public("news", Grant(RecipientId(2), mask("lri")))
    maker = server.client("u2")
    maker.append('"Public Folders/news"', DRAFT)
    address = made(maker, "imap://u2@h/Public%20Folders/news/;UID=1/;SECTION=1;URLAUTH=user+u3")
    assert fetched(server.client("u3"), address) == b"first"


def test_a_message_in_another_database(far: TestServer) -> None:
    far.deliver(DRAFT, user=2)
    address = made(far.client("u2"), "imap://u2@h/INBOX/;UID=1/;SECTION=1;URLAUTH=user+u1")
    assert fetched(far.client("u1"), address) == b"first"


# ---------------------------------------------------------------------------------------------- what may be made


@pytest.mark.parametrize(
    "rump",
    [
        "imap://u1@h/INBOX/;uid=20/;section=1.2",  # RFC 4467 BASE.6.3.GENURLAUTH: no access identifier
        "imap://h/INBOX/;uid=20/;section=1.2;urlauth=submit+fred",  # no user
        "imap://u1@h/nowhere/;UID=1;URLAUTH=authuser",
        "imap://u1@h/Other%20Users/u9/INBOX/;UID=1;URLAUTH=authuser",
        "imap://u1@h/Other%20Users/u2/INBOX/;UID=1;URLAUTH=authuser",
        "imap://u2@h/INBOX/;UID=1;URLAUTH=authuser",  # in another's name
        "imap://u9@h/INBOX/;UID=1;URLAUTH=authuser",
        "imap://u1@h/INBOX;URLAUTH=authuser",
        f"{BASE};URLAUTH=user",
        f"{BASE};URLAUTH=submit",
        f"{BASE};URLAUTH=authuser+u2",
        f"{BASE};URLAUTH=anonymous+u2",
        f"{BASE};URLAUTH=unheard",
        f"{BASE};URLAUTH=unheard+u2",
        "nonsense",
    ],
)
def test_what_cannot_be_authorized_is_bad(server: TestServer, rump: str) -> None:
    client = server.client("u1")
    answer = client.bad(f'GENURLAUTH "{BASE};URLAUTH=authuser" INTERNAL "{rump}" INTERNAL')
    assert b"GENURLAUTH" not in answer
    with server.database.read() as tx:
        assert [user for _, user, _ in tx.access_keys(MailboxId(2))] == []


def test_a_mechanism_that_there_is_not(server: TestServer) -> None:
    client = server.client("u1")
    client.bad(f"GENURLAUTH {BASE};URLAUTH=authuser XSAMPLE")
    client.bad("RESETKEY INBOX INTERNAL XSAMPLE")
    client.ok("RESETKEY INBOX internal")


def test_names_in_a_url_may_be_addresses(server: TestServer) -> None:
    address = made(server.client("u1"), "imap://u1%40example.com@h/INBOX/;UID=1/;SECTION=1;URLAUTH=user+u2")
    assert fetched(server.client("u2"), address) == b"first"


def test_there_is_one_key_for_each_user_and_folder(server: TestServer) -> None:
    share(server, "lr")
    for user, path in (("u1", "INBOX"), ("u1", "INBOX"), ("u1", "Sent"), ("u2", "Other%20Users/u1/INBOX")):
        made(server.client(user), f"imap://{user}@h/{path}/;UID=1;URLAUTH=authuser")
    with server.database.read() as tx:
        keys = tx.access_keys(MailboxId(1))
    assert sorted(user for _, user, _ in keys) == [1, 1, 2]


# ---------------------------------------------------------------------------------------------- RESETKEY


def test_a_new_key_takes_back_what_was_authorized_by_the_old_one(server: TestServer) -> None:
    share(server, "lr")
    owner, reader, client = server.client("u1"), server.client("u2"), server.client("u3")
    owner.append("Sent", DRAFT)
    own = made(owner, f"{BASE}/;SECTION=1;URLAUTH=authuser")
    sent = made(owner, "imap://u1@h/Sent/;UID=1/;SECTION=1;URLAUTH=authuser")
    others = made(reader, "imap://u2@h/Other%20Users/u1/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser")
    assert owner.says("RESETKEY INBOX").endswith(b" OK [URLMECH INTERNAL] There is a new key\r\n")
    assert [fetched(client, each) for each in (own, sent, others)] == [None, b"first", b"first"]
    again = made(owner, f"{BASE}/;SECTION=1;URLAUTH=authuser")
    assert again != own
    assert fetched(client, again) == b"first"


def test_all_keys_are_removed_wherever_they_are(far: TestServer) -> None:
    for user in (1, 2):
        far.deliver(DRAFT, user=user)
    far.share("INBOX", Grant(RecipientId(1), mask("lr")), user=2)
    one, two = far.client("u1"), far.client("u2")
    own = made(one, "imap://u1@h/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser")
    there = made(one, "imap://u1@h/Other%20Users/u2/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser")
    others = made(two, "imap://u2@h/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser")
    assert one.says("RESETKEY").endswith(b" OK All keys removed\r\n")
    assert [fetched(two, each) for each in (own, there, others)] == [None, None, b"first"]


def test_keys_that_cannot_be_reached_are_not_called_removed(far: TestServer) -> None:
    """What is in a database that is away would be valid again when it comes back."""
    far.deliver(DRAFT, user=1)
    client = far.client("u1")
    address = made(client, f"{BASE};URLAUTH=authuser")
    far.dismounted[2] = far.stores.pop(2)
    client.no("RESETKEY", "UNAVAILABLE")
    assert fetched(client, address) is None
    far.stores[2] = far.dismounted.pop(2)
    client.ok("RESETKEY")


@pytest.mark.parametrize(("folder", "code"), [("nowhere", "NONEXISTENT"), ('"Other Users/u1/INBOX"', "NOPERM")])
def test_a_key_that_cannot_be_changed(server: TestServer, folder: str, code: str) -> None:
    share(server, "l")
    server.client("u2").no(f"RESETKEY {folder}", code)


def test_sessions_in_the_folder_hear_of_a_new_key(server: TestServer) -> None:
    """RFC 4467 BASE.6.3.RESETKEY: those that are logged in as the user."""
    share(server, "lr")
    told = b"* OK [URLMECH INTERNAL] URLs can be authorized\r\n"
    owner, idling, elsewhere = (server.client("u1", select=folder) for folder in ("INBOX", "INBOX", "Sent"))
    reader, twin = (server.client("u2", select='"Other Users/u1/INBOX"') for _ in range(2))
    assert idling.says("IDLE") == b"+ Idling\r\n"
    everyone = (owner, elsewhere, reader, twin)
    owner.ok("RESETKEY INBOX")
    assert idling.heard() == told
    assert [told in client.ok("NOOP") for client in everyone] == [False, False, False, False]
    reader.ok('RESETKEY "Other Users/u1/INBOX"')
    assert idling.heard() == b""
    assert [told in client.ok("NOOP") for client in everyone] == [False, False, False, True]


def test_a_session_that_is_not_encrypted_is_told_no_mechanism(server: TestServer) -> None:
    """RFC 4467 10; unless passwords may be sent there too."""
    assert b"[URLMECH INTERNAL]" in server.client("u1").ok("SELECT INBOX")
    assert b"[URLMECH INTERNAL]" in server.client("u1").ok("EXAMINE INBOX")
    client = server.client("u1", select="INBOX")
    secure = server.client("u1", select="INBOX", secure=True)
    server.plaintext_logins = False
    assert b"URLMECH" not in client.ok("RESETKEY INBOX")
    assert b"URLMECH" not in client.ok("SELECT INBOX")
    assert b"[URLMECH INTERNAL]" in secure.ok("NOOP")
    assert b"[URLMECH INTERNAL]" in secure.ok("SELECT INBOX")


def test_nothing_of_it_is_said_where_it_is_turned_off(server: TestServer) -> None:
    server.url_access = None
    assert b"URLMECH" not in server.client("u1").ok("SELECT INBOX")


def test_a_folder_that_is_being_opened_survives_a_new_key(server: TestServer) -> None:
    client, other = server.client("u1"), server.client("u1")
    work = client.begin("SELECT INBOX")
    while isinstance(work, Read):
        result = client._do(work)
        other.ok("RESETKEY INBOX")
        client.session.finish(result)
        following = client.session.next_work()
        if following is None:
            break
        work = following
    else:
        other.ok("RESETKEY INBOX")
        client.finish(work)
    assert client.session.selected is not None


# ---------------------------------------------------------------------------------------------- large, and broken off


BODY = bytes(range(1, 256)) * 5000


@pytest.fixture
def large(server: TestServer) -> str:
    """A URL of a body in five pieces."""
    owner = server.client("u1")
    owner.append("INBOX", b"Subject: x\r\n\r\n" + BODY)
    return made(owner, "imap://u1@h/INBOX/;UID=2/;SECTION=TEXT;URLAUTH=user+u2")


def test_a_large_body_is_sent_in_pieces(server: TestServer, large: str) -> None:
    client = server.client("u2")
    assert fetched(client, large) == BODY
    assert client.largest <= PIECE_OCTETS + limits.FULL_URL


def redeeming(client: Client, large: str, pieces: int) -> None:
    """A client whose URLFETCH is about to read the next of its octets."""
    work = client.begin(f'URLFETCH "{large}"')
    for _ in range(1 + pieces):
        assert isinstance(work, Read)
        client.session.finish(client._do(work))
        following = client.session.next_work()
        assert following is not None
        work = following
    assert isinstance(work, Read)
    assert work.heavy


def test_octets_that_are_gone_before_any_were_sent(server: TestServer, large: str) -> None:
    client = server.client("u2")
    redeeming(client, large, 0)
    client.session.fail(MessageExpunged("The message has been expunged"))
    assert client.heard() == f'* URLFETCH "{large}" NIL\r\na2 OK URLFETCH completed\r\n'.encode()


@pytest.mark.parametrize("error", [MessageExpunged("The message has been expunged"), Unavailable("Not mounted")])
def test_octets_that_are_gone_amid_others(server: TestServer, large: str, error: Exception) -> None:
    """What was announced cannot be taken back: only the end of the connection tells it."""
    client = server.client("u2")
    redeeming(client, large, 2)
    client.session.fail(error)
    heard = client.heard()
    assert len(heard) < len(BODY)
    assert not heard.endswith(b"\r\n")
    assert client.session.is_closing


def test_a_store_that_fails_is_no_fault_of_the_url(server: TestServer, large: str) -> None:
    """RFC 4467 BASE.6.3.URLFETCH: NO, and the client may try again."""
    client = server.client("u2")
    client.begin(f'URLFETCH nonsense "{large}"')
    client.session.fail(Unavailable("Not mounted"))
    assert client.heard().startswith(b'* URLFETCH "nonsense" NIL\r\na2 NO [UNAVAILABLE]')
    assert fetched(client, large) == BODY


# ---------------------------------------------------------------------------------------------- CATENATE


def test_catenate_takes_no_authorized_url(server: TestServer) -> None:
    """RFC 4469 3: URLs of other sessions are outside its scope, and answered by NO."""
    address = made(server.client("u1"), f"{BASE};URLAUTH=user+u2").encode()
    client = server.client("u2")
    assert fetched(client, address.decode()) is not None
    client.no(b"APPEND Sent" + catenated(url(address)), "BADURL")
    client.no(b"APPEND Sent" + catenated(url(address.replace(b"imap://u1@h", b""))), "BADURL")


def test_an_alias_is_one_however_it_is_spelt() -> None:
    access = UrlAccess(applications={"stream": frozenset({"u1"})})
    assert access.lets("U1", Access("stream"))
    assert not access.lets("u2", Access("stream"))
