"""ESEARCH in several folders (RFC 7377)."""

import pytest

from tests.support.imap import Client, TestServer, untagged


@pytest.fixture
def client(server: TestServer) -> Client:
    client = server.client()
    for folder in ("a", "a/b", "a/b/c", "ab"):
        client.ok(f"CREATE {folder}")
    client.ok("SUBSCRIBE ab")
    for folder, subject in (
        ("INBOX", "one"),
        ("a", "two"),
        ("a/b", "one"),
        ("a/b/c", "one"),
        ("ab", "one"),
        ("ab", "one"),
    ):
        client.append(folder, f"Subject: {subject}\r\n\r\n".encode())
    return client


def where(client: Client, sources: str, program: str = "SUBJECT one") -> list[str]:
    """The folders in which something was found."""
    lines = client.ok(f"ESEARCH IN ({sources}) {program}").split(b"\r\n")
    return [line.split(b'MAILBOX "')[1].split(b'"')[0].decode() for line in lines if b"MAILBOX" in line]


def test_each_folder_has_an_answer_if_there_is_something(client: Client) -> None:
    """RFC 7377 2.1: with TAG, MAILBOX and UIDVALIDITY, by UID, and ALL by itself."""
    lines = untagged(client.ok("ESEARCH IN (mailboxes (ab a a/b)) SUBJECT one"))
    assert [line.split(b" UIDVALIDITY ")[0] for line in lines] == [
        b'* ESEARCH (TAG "a13" MAILBOX "a/b"',
        b'* ESEARCH (TAG "a13" MAILBOX "ab"',
    ]
    assert [line.split(b") ", 1)[1] for line in lines] == [b"UID ALL 1", b"UID ALL 1:2"]
    validity = client.ok("STATUS ab (UIDVALIDITY)").split(b"UIDVALIDITY ")[1].split(b")")[0]
    assert b"UIDVALIDITY %b)" % validity in lines[1]


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ("inboxes", ["INBOX"]),
        ("personal", ["INBOX", "a/b", "a/b/c", "ab"]),
        ("subtree a", ["a/b", "a/b/c"]),
        ("subtree-one a", ["a/b"]),
        ("subtree (a/b ab)", ["a/b", "a/b/c", "ab"]),
        ("mailboxes (a ab nosuch)", ["ab"]),
        ("mailboxes inbox", ["INBOX"]),
        ("subscribed", ["INBOX", "ab"]),
        ("inboxes mailboxes INBOX subtree a/b/c", ["INBOX", "a/b/c"]),
    ],
)
def test_which_folders_are_looked_through(client: Client, sources: str, found: list[str]) -> None:
    """RFC 7377 2.2, RFC 5465 6; each once."""
    assert where(client, sources) == found


def test_the_selected_folder_is_as_the_client_knows_it(server: TestServer, client: Client) -> None:
    other = server.client()
    client.bad("ESEARCH SUBJECT one")
    client.bad("ESEARCH IN (selected) SUBJECT one")
    client.ok("SELECT ab")
    other.ok("SELECT ab")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.ok("ESEARCH RETURN (COUNT) 1:9")
    assert b" UID COUNT 2\r\n" in answer, "numbers beyond the end are no error (RFC 7377 2)"
    assert b"EXPUNGE" not in answer
    client.ok("NOOP")
    assert b" UID ALL 2\r\n" in client.ok("ESEARCH SUBJECT one")
    assert where(client, "personal", "ALL") == ["INBOX", "a", "a/b", "a/b/c", "ab"]


def test_return_options_for_each_folder(client: Client) -> None:
    client.ok("SELECT ab")
    assert b" UID MIN 1 MAX 2 COUNT 2\r\n" in client.ok("ESEARCH RETURN (MIN MAX COUNT) ALL")
    assert b" UID PARTIAL (2:3 2)\r\n" in client.ok("ESEARCH IN (personal) RETURN (PARTIAL 2:3) ALL")
    client.ok("ESEARCH RETURN (SAVE) SUBJECT one")
    assert b"* SEARCH 1 2\r\n" in client.ok("SEARCH $")
    client.ok("ESEARCH RETURN (SAVE) SUBJECT nothing")
    assert b"* SEARCH\r\n" in client.ok("SEARCH $")
    assert b" MODSEQ " in client.ok("ESEARCH IN (inboxes) MODSEQ 1")


@pytest.mark.parametrize(
    "arguments",
    ["", " IN", " IN () ALL", " IN (nosuch) ALL", " IN (mailboxes) ALL", " IN (selected-delayed) ALL", " IN (personal)",
     " IN (personal) RETURN (SAVE) ALL", " IN (subtree ()) ALL", " IN (personal) CHARSET NOSUCH"],
)  # fmt: skip
def test_what_is_not_to_the_grammar(client: Client, arguments: str) -> None:
    client.ok("SELECT ab")
    assert b" OK " not in client.says(f"ESEARCH{arguments}")


def test_names_are_dressed_for_the_session(server: TestServer) -> None:
    client = server.client()
    client.ok("CREATE &AOQ-")
    client.append("&AOQ-", b"Subject: x\r\n\r\n")
    assert b'MAILBOX "&AOQ-"' in client.ok("ESEARCH IN (personal) ALL")
    client.ok("ENABLE IMAP4rev2")
    assert 'MAILBOX "ä"'.encode() in client.ok("ESEARCH IN (personal) ALL")
