"""The answers of SEARCH, and its result as `$` (RFC 4731, RFC 5182)."""

import pytest

from tests.support.imap import MESSAGE, TestServer, room, second, untagged


def test_the_answer_of_search_in_each_dress(server: TestServer) -> None:
    """RFC 3501 6.4.4, RFC 4731, RFC 9051 6.4.4."""
    client = server.client()
    for _ in range(3):
        client.append("INBOX", MESSAGE)
    client.ok("SELECT INBOX")
    assert untagged(client.ok("SEARCH ALL")) == [b"* SEARCH 1 2 3"]
    assert untagged(client.ok("SEARCH ANSWERED")) == [b"* SEARCH"]
    assert untagged(client.ok("SEARCH RETURN () ALL")) == [b'* ESEARCH (TAG "a8") ALL 1:3']
    assert untagged(client.ok("SEARCH RETURN (MIN MAX COUNT) ANSWERED")) == [b'* ESEARCH (TAG "a9") COUNT 0']
    assert untagged(client.ok("UID SEARCH RETURN (MIN MAX) ALL")) == [b'* ESEARCH (TAG "a10") UID MIN 1 MAX 3']
    client.ok("ENABLE IMAP4rev2")
    assert untagged(client.ok("SEARCH ALL")) == [b'* ESEARCH (TAG "a12") ALL 1:3']


def test_an_unknown_charset_is_refused_with_those_that_are_known(server: TestServer) -> None:
    """RFC 9051 6.4.4."""
    client = room(server, 1)
    client.no("SEARCH CHARSET x-klingon TEXT x", "BADCHARSET (US-ASCII UTF-8)")


def test_a_saved_result_is_used_by_any_command(server: TestServer) -> None:
    """RFC 5182 2.2."""
    client = room(server, 4)
    client.ok("STORE 2,4 +FLAGS.SILENT (\\Flagged)")
    assert untagged(client.ok("SEARCH RETURN (SAVE) FLAGGED")) == []
    assert untagged(client.ok("FETCH $ UID")) == [b"* 2 FETCH (UID 2)", b"* 4 FETCH (UID 4)"]
    assert untagged(client.ok("UID FETCH $ UID")) == [b"* 2 FETCH (UID 2)", b"* 4 FETCH (UID 4)"]
    assert b"ALL 2,4" in client.ok("SEARCH $")
    assert b"ALL 1,3" in client.ok("UID SEARCH NOT UID $")
    assert b"COPYUID 1700000002 2,4 1:2]" in client.ok("COPY $ Sent")
    assert untagged(client.ok("MOVE $ Sent"))[1:] == [b"* 2 EXPUNGE", b"* 3 EXPUNGE"]
    assert untagged(client.ok("FETCH $ UID")) == []


def test_a_message_that_is_expunged_leaves_the_saved_result(server: TestServer) -> None:
    """RFC 5182 2.1."""
    client, other = room(server, 3), second(server)
    client.ok("UID SEARCH RETURN (SAVE) 1:3")
    other.ok("STORE 2 FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    client.ok("NOOP")
    assert untagged(client.ok("FETCH $ UID")) == [b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 3)"]


@pytest.mark.parametrize(
    ("options", "saved"),
    [
        ("MIN SAVE", [2]),
        ("MAX SAVE", [4]),
        ("MIN MAX SAVE", [2, 4]),
        ("MIN COUNT SAVE", [2, 3, 4]),
        ("ALL SAVE", [2, 3, 4]),
    ],
)
def test_what_is_saved_follows_what_is_returned(server: TestServer, options: str, saved: list[int]) -> None:
    """RFC 5182 2.4."""
    client = room(server, 4)
    client.ok(f"SEARCH RETURN ({options}) 2:4")
    assert [int(line.split(b" ")[1]) for line in untagged(client.ok("FETCH $ UID"))] == saved
    client.ok(f"SEARCH RETURN ({options}) ANSWERED")
    assert untagged(client.ok("FETCH $ UID")) == []


def test_which_searches_change_the_saved_result(server: TestServer) -> None:
    """RFC 5182 2.1."""
    client = room(server, 2)
    client.ok("SEARCH RETURN (SAVE) 2")
    client.ok("SEARCH 1")
    client.bad("SEARCH RETURN (SAVE) 9")
    client.bad("SEARCH RETURN (SAVE) NONSENSE")
    client.no("SEARCH CHARSET x-klingon TEXT x")
    assert len(untagged(client.ok("FETCH $ UID"))) == 1
    client.no("SEARCH RETURN (SAVE COUNT) CHARSET x-klingon TEXT x")
    assert untagged(client.ok("FETCH $ UID")) == []
    client.ok("SEARCH RETURN (SAVE) 2")
    client.begin("SEARCH RETURN (SAVE) TEXT x")
    with pytest.raises(OSError, match="disk"):
        client.session.fail(OSError("disk"))
    assert client.session.selected is not None
    assert client.session.selected.saved == ()


def test_a_select_forgets_the_saved_result(server: TestServer) -> None:
    """RFC 5182 2.1."""
    client = room(server, 2)
    client.ok("SEARCH RETURN (SAVE) ALL")
    client.ok("SELECT INBOX")
    assert untagged(client.ok("FETCH $ UID")) == []
