"""What clients are not offered: those with known faults, those that an administrator names, and everybody."""

import re

import pytest
from msgspec.structs import replace

from protocols.imap import limits
from protocols.imap.offering.clients import FAULTS
from protocols.imap.offering.hideable import HIDEABLE, UNHIDEABLE
from protocols.imap.offering.policy import ClientPolicy, Fault, Pattern, Rule, is_hidden
from protocols.imap.reading.urlauth import UrlAccess
from tests.support.imap import Client, TestServer

OUTLOOK = (
    'ID ("name" "Microsoft Office 365" "version" "15.20.9160.4" "vendor" "Microsoft Corporation"'
    ' "support-url" "https://support.microsoft.com/")'
)
WINO = (
    'ID ("name" "Wino Mail User" "version" "1.8.0" "os" "Windows" "vendor" "Wino"'
    ' "support-url" "https://www.winomail.app")'
)
# What each client sends, the capability that it breaks on, and what it says to break.
FAULTY = {
    "modern-email/defects/issues/49": (OUTLOOK, "UIDONLY", ("SELECT INBOX", "FETCH 1:* (UID)")),
    "bkaankose/Wino-Mail/issues/656": (WINO, "QRESYNC", ("EXAMINE INBOX (QRESYNC (1700000000 0))",)),
}


def announced(answer: bytes) -> set[str]:
    """The capabilities in a greeting or an answer."""
    found = re.search(rb"CAPABILITY ([^]\r]*)", answer)
    assert found, answer
    return set(found[1].decode().split())


def offered(client: Client) -> set[str]:
    return announced(client.ok("CAPABILITY"))


@pytest.fixture
def everything(server: TestServer) -> set[str]:
    """What is announced to a client that says nothing of itself."""
    return offered(server.client())


# ---------------------------------------------------------------------------------------------- known faults


def test_every_entry_is_tried_here() -> None:
    assert {fault.since.removeprefix("https://github.com/") for fault in FAULTS} == set(FAULTY)


@pytest.mark.parametrize("source", FAULTY)
def test_a_client_breaks_on_what_its_entry_hides(server: TestServer, source: str) -> None:
    """Otherwise the entry would be needless with this server."""
    _, capability, commands = FAULTY[source]
    client = server.client()
    client.ok(f"ENABLE {capability}")
    assert b" BAD " in [client.says(command) for command in commands][-1]


@pytest.mark.parametrize("source", FAULTY)
def test_a_faulty_client_is_not_offered_it(server: TestServer, source: str, everything: set[str]) -> None:
    """ID before LOGIN; ENABLE passes over what was not offered (RFC 5161 3.1), in case it is asked for all the same."""
    said, capability, _ = FAULTY[source]
    client = server.client(None)
    client.ok(said)
    assert announced(client.ok("LOGIN u1 pass")) == everything - {capability}
    assert offered(client) == everything - {capability}
    assert client.ok(f"ENABLE {capability} IMAP4rev2").startswith(b"* ENABLED IMAP4rev2\r\n")
    assert client.session.enabled == {"IMAP4REV2"}


@pytest.mark.parametrize("source", FAULTY)
def test_id_may_come_after_login(server: TestServer, source: str, everything: set[str]) -> None:
    """The capabilities of LOGIN's OK could not know; those that are asked for later do."""
    said, capability, _ = FAULTY[source]
    client = server.client(None)
    assert announced(client.ok("LOGIN u1 pass")) == everything
    client.ok(said)
    assert offered(client) == everything - {capability}
    assert client.ok(f"ENABLE {capability}").startswith(b"* ENABLED\r\n")


def test_what_outlook_s_cloud_does_works(server: TestServer) -> None:
    """The commands of the report, to where it got UIDREQUIRED."""
    server.deliver(b"Subject: x\r\n\r\nbody\r\n")
    client = server.client(None)
    for command in (OUTLOOK, "LOGIN u1 pass", "CAPABILITY", "ENABLE UIDONLY", "SELECT INBOX"):
        client.ok(command)
    assert b"* 1 FETCH (UID 1)" in client.ok("FETCH 1:* (UID)")


def test_a_mended_version_is_offered_all(server: TestServer, everything: set[str]) -> None:
    client = server.client()
    client.ok(WINO.replace("Wino Mail User", "Wino Mail").replace("1.8.0", "2.0.13.0"))
    assert offered(client) == everything


def test_unauthenticate_forgets_who_the_client_was(server: TestServer, everything: set[str]) -> None:
    """RFC 8437 3."""
    client = server.client()
    client.ok(OUTLOOK)
    assert "UIDONLY" not in offered(client)
    client.ok("UNAUTHENTICATE")
    assert announced(client.ok("LOGIN u1 pass")) == everything


def test_a_later_id_takes_the_place_of_an_earlier_one(server: TestServer, everything: set[str]) -> None:
    client = server.client()
    client.ok(OUTLOOK)
    client.ok("ID NIL")
    assert offered(client) == everything


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.client.name)
def test_an_entry_hides_what_can_be_hidden_and_says_why(fault: Fault) -> None:
    assert fault.hides <= HIDEABLE
    assert not fault.client.is_anyone
    assert fault.since.startswith("https://")
    assert fault.why


# ---------------------------------------------------------------------------------------------- patterns

ID = (("name", "Microsoft Office 365"), ("version", "15.20"), ("vendor", "Microsoft Corporation"), ("os", None))


@pytest.mark.parametrize(
    ("pattern", "is_meant"),
    [
        (Pattern(), True),
        (Pattern(name="microsoft OFFICE"), True),
        (Pattern(name="Office 365"), False),
        (Pattern(name="Microsoft Office 365!"), False),
        (Pattern(name="Microsoft", version="15."), True),
        (Pattern(name="Microsoft", version="16."), False),
        (Pattern(vendor="Microsoft", name="Outlook"), False),
    ],
)
def test_a_pattern_is_how_all_that_is_said_begins(pattern: Pattern, is_meant: bool) -> None:
    assert pattern.matches(ID) is is_meant


def test_who_says_nothing_is_meant_by_no_name() -> None:
    for silent in ((), (("name", None),), (("os", "Microsoft"),)):
        assert not Pattern(name="M").matches(silent)
        assert Pattern().matches(silent)


def test_what_is_matched_has_bounds(server: TestServer) -> None:
    """RFC 2971 3.3: longer ones are refused before anything looks at them, and change nothing."""
    client = server.client()
    client.ok(OUTLOOK)
    many = " ".join(f'"f{number}" "x"' for number in range(limits.ID_FIELDS + 1))
    for said in (many, f'"name" "{"x" * (limits.ID_VALUE + 1)}"', f'"{"n" * (limits.ID_FIELD + 1)}" "x"'):
        client.bad(f"ID ({said})")
        assert "UIDONLY" not in offered(client)
    longest = f'"name" "{"x" * limits.ID_VALUE}"'
    client.ok(f"ID ({longest})")
    assert "UIDONLY" in offered(client)


# ---------------------------------------------------------------------------------------------- rules


def hides(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_what_is_kept_from_everybody_is_not_in_the_greeting_either(server: TestServer, everything: set[str]) -> None:
    server.client_policy = ClientPolicy(hides("IDLE", "MOVE"))
    client = server.client(None)
    assert "IDLE" not in announced(client.greeting)
    client.ok("LOGIN u1 pass")
    assert offered(client) == everything - {"IDLE", "MOVE"}


def test_who_uses_it_nevertheless_may(server: TestServer) -> None:
    """Nothing is refused: only the offer is taken back."""
    server.client_policy = ClientPolicy(hides("MOVE", "SORT", "CONDSTORE", "METADATA"))
    server.deliver(b"Subject: x\r\n\r\nbody\r\n")
    client = server.client(select="INBOX (CONDSTORE)")
    assert b"* SORT 1\r\n" in client.ok("SORT (DATE) UTF-8 ALL")
    client.ok('GETMETADATA INBOX "/private/comment"')
    client.ok("MOVE 1 Trash")


def test_a_rule_may_mean_accounts(server: TestServer, everything: set[str]) -> None:
    """All clients of a user, whatever they say; the case of an alias does not count."""
    server.client_policy = ClientPolicy(rules=(Rule(Pattern(), hides("QRESYNC"), hides("u2")),), faults=FAULTS)
    assert offered(server.client("u1")) == everything
    client = server.client("u2")
    assert offered(client) == everything - {"QRESYNC"}
    client.ok(OUTLOOK)
    assert offered(client) == everything - {"QRESYNC", "UIDONLY"}, "known faults are still known"
    policy = server.client_policy
    assert policy.hidden("U2", ()) == {"QRESYNC"}
    assert policy.hidden(None, ()) == set(), "nobody has signed in"


def test_a_rule_for_a_client_takes_the_place_of_its_known_faults(server: TestServer, everything: set[str]) -> None:
    rule = Rule(Pattern(name="microsoft office"), hides("BINARY"), hides("u1"))
    server.client_policy = ClientPolicy(rules=(rule, Rule(Pattern(vendor="micro"), hides("MOVE"))), faults=FAULTS)
    one, two = server.client("u1"), server.client("u2")
    for client in (one, two):
        client.ok(OUTLOOK)
    assert offered(one) == everything - {"BINARY", "MOVE"}
    assert offered(two) == everything - {"MOVE"}
    server.client_policy = ClientPolicy(rules=(replace(rule, hides=hides()),), faults=FAULTS)
    assert offered(one) == everything
    assert offered(two) == everything - {"UIDONLY"}


def test_without_the_table_and_rules_id_changes_nothing(server: TestServer, everything: set[str]) -> None:
    """RFC 2971 3."""
    server.client_policy = ClientPolicy()
    client = server.client()
    for said in (OUTLOOK, WINO):
        client.ok(said)
        assert offered(client) == everything


def test_enable_of_what_is_hidden_leaves_no_trace(server: TestServer) -> None:
    """RFC 9051 is not spoken then: \\Recent goes on being told."""
    server.client_policy = ClientPolicy(hides("IMAP4REV2", "UTF8"))
    client = server.client(select="INBOX")
    assert client.ok("ENABLE IMAP4rev2 UTF8=ACCEPT CONDSTORE").startswith(b"* ENABLED CONDSTORE\r\n")
    assert b"* 0 RECENT\r\n" in client.ok("SELECT INBOX")


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("QUOTA", {"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE", "QUOTA=RES-MAILBOX", "QUOTASET"}),
        ("QUOTA=RES-MAILBOX", {"QUOTA=RES-MAILBOX"}),
        ("APPENDLIMIT", {"APPENDLIMIT=10000000"}),
        ("COMPRESS", {"COMPRESS=DEFLATE"}),
        ("CONDSTORE", {"CONDSTORE", "QRESYNC"}),
        ("ESEARCH", {"ESEARCH", "SEARCHRES", "PARTIAL", "ESORT", "CONTEXT=SEARCH", "CONTEXT=SORT", "MULTISEARCH"}),
        ("SEARCH", {"SEARCH=FUZZY"}),
        ("SORT", {"SORT", "SORT=DISPLAY", "ESORT", "CONTEXT=SORT"}),
        ("LIST-EXTENDED", {"LIST-EXTENDED", "LIST-STATUS", "LIST-MYRIGHTS", "LIST-METADATA"}),
        ("ACL", {"ACL", "RIGHTS=kxte", "LIST-MYRIGHTS"}),
        ("METADATA", {"METADATA", "LIST-METADATA", "FILTERS"}),
    ],
)
def test_what_needs_it_is_hidden_with_it(server: TestServer, name: str, gone: set[str]) -> None:
    server.quota_admins = {"u1"}
    before = offered(server.client())
    server.client_policy = ClientPolicy(hides(name))
    assert before - offered(server.client()) == gone


# ---------------------------------------------------------------------------------------------- what can wait


@pytest.mark.parametrize(
    ("name", "event", "is_put_off"),
    [
        ("com.apple.email.maild", '"back-fill"', True),
        ("com.apple.email.maild", '"periodic,back-fill"', True),
        ("com.apple.email.maild", '"indexer"', True),
        ("com.apple.email.maild", '"periodic,push"', False),
        ("com.apple.email.maild", '"back-filled"', False),
        ("com.apple.email.maild", "NIL", False),
        ("iPhone Mail", '"back-fill"', False),
        ("NotApple", '"indexer"', False),
    ],
)
def test_what_apple_s_mail_fetches_in_the_background_is_put_off_when_busy(
    server: TestServer, name: str, event: str, is_put_off: bool
) -> None:
    """Apple TN3189; and never otherwise."""
    said = f'ID ("name" "{name}" "version" "1" "event" {event})'
    client = server.client()
    client.ok(said)
    server.is_busy = True
    answer = client.no(said, "UNAVAILABLE") if is_put_off else client.ok(said)
    assert (b"* ID " in answer) is not is_put_off
    client.ok("NOOP")
    server.client_policy = ClientPolicy()
    client.ok(said)


# ---------------------------------------------------------------------------------------------- what can be hidden


def test_every_capability_can_be_hidden_or_there_is_a_reason(server: TestServer) -> None:
    server.quota_admins, server.url_access = {"u1"}, UrlAccess()
    server.has_tls, server.takes_tokens = True, True
    server.plaintext_logins = False
    stranger, client = server.client(None), server.client(None, secure=True)
    client.ok("LOGIN u1 pass")
    for name in announced(stranger.greeting) | offered(client):
        kind = name.partition("=")[0].upper()
        is_hideable = is_hidden(name, HIDEABLE)
        assert is_hideable != (kind in UNHIDEABLE), name


def test_nothing_else_can_be_hidden(server: TestServer) -> None:
    server.quota_admins, server.url_access = {"u1"}, UrlAccess()
    client = server.client()
    before = offered(client)
    for name in HIDEABLE:
        server.client_policy = ClientPolicy(hides(name))
        assert offered(client) < before, name
