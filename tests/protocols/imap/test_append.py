"""APPEND: refused before the message is sent wherever that can be, and taken in pieces of any size."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Unavailable
from core.rights import Grant, mask
from protocols.imap.work import Write
from tests.support.imap import Client, TestServer, account

MESSAGE = b"Subject: hello\r\n\r\nHow are you?\r\n"


def test_append_is_answered_with_the_uid(server: TestServer) -> None:
    """RFC 9051 6.3.12; RFC 4315 3."""
    client = server.client()
    assert client.says(f"APPEND Sent (\\Seen) {{{len(MESSAGE)}}}") == b"+ OK\r\n"
    assert client.send(MESSAGE) == b""
    assert client.send(b"\r\n") == b"a2 OK [APPENDUID 1700000002 1] Appended\r\n"


def test_append_keeps_flags_and_date(server: TestServer) -> None:
    client = server.client()
    date = '"17-Jul-1996 02:44:25 -0700"'
    client.append("Sent", MESSAGE, f"(\\Seen $Forwarded) {date}")
    client.ok("SELECT Sent")
    (line,) = client.fetched("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[TEXT])")[:1]
    assert line == (
        b"* 1 FETCH (FLAGS (\\Seen \\Recent $Forwarded) INTERNALDATE " + date.encode() + b" BODY[TEXT] {14}"
    )


def test_append_to_the_selected_folder_is_told_before_it_is_answered(server: TestServer) -> None:
    client = server.client(select="INBOX")
    answer = client.append("INBOX", MESSAGE)
    assert answer.startswith(b"* 1 EXISTS\r\n* 1 RECENT\r\na3 OK")


def test_no_such_folder_is_said_before_the_message_is_sent(server: TestServer) -> None:
    """RFC 9051 6.3.12, TRYCREATE."""
    client = server.client()
    assert client.no("APPEND nowhere {100}", "TRYCREATE")
    client.ok("NOOP")


def test_a_full_mailbox_says_so_before_the_message_is_sent(server: TestServer) -> None:
    """T-1.2, T-7.9; D.8."""
    client = server.client()
    client.append("INBOX", MESSAGE)
    server.quotas["u1"] = len(MESSAGE) + 10
    client.no("APPEND INBOX {11}", "OVERQUOTA")
    assert client.says("APPEND INBOX {10}") == b"+ OK\r\n"


def test_a_message_over_the_limit_is_refused_before_it_is_sent(server: TestServer) -> None:
    """T-7.9; RFC 7889."""
    client = server.client()
    assert b" APPENDLIMIT=10000000" in client.ok("CAPABILITY")
    client.no("APPEND INBOX {10000001}", "TOOBIG")
    assert client.says("APPEND INBOX {10000000}") == b"+ OK\r\n"


@pytest.mark.parametrize("folder", ["nowhere", "INBOX"])
def test_a_message_that_was_sent_unasked_and_refused_is_passed_over(server: TestServer, folder: str) -> None:
    """RFC 7888: what follows LITERAL+ comes, whatever we say."""
    server.quotas["u1"] = 5
    client = server.client()
    body = b"x NOOP\r\n" * 100
    answer = client.send(b"a APPEND %b {%d+}\r\n%b\r\nb NOOP\r\n" % (folder.encode(), len(body), body))
    lines = answer.split(b"\r\n")
    assert [line[:4] for line in lines] == [b"a NO", b"b OK", b""]


def test_a_literal8_is_kept_as_it_came(server: TestServer) -> None:
    """RFC 3516 4.4: eight-bit octets, and only NUL is too much."""
    client = server.client(select="INBOX")
    body = b"Subject: \xe9\r\n\r\n" + bytes(range(1, 256))
    assert client.send(b"a APPEND INBOX ~{%d+}\r\n%b\r\n" % (len(body), body)).endswith(b"Appended\r\n")
    assert body in client.ok("FETCH 1 BODY.PEEK[]")


def test_a_message_with_nul_is_refused_and_the_rest_is_passed_over(server: TestServer) -> None:
    """RFC 3516 4.4."""
    client = server.client(select="INBOX")
    answer = client.send(b"a APPEND INBOX ~{5+}\r\nab\0cd\r\nb NOOP\r\n")
    assert answer == b"a NO [UNKNOWN-CTE] Messages with NUL are not taken\r\nb OK Completed\r\n"


def test_an_empty_message_gives_up_the_append(server: TestServer) -> None:
    """RFC 3502 6.3.11."""
    client = server.client(select="INBOX")
    client.no("APPEND INBOX {0}", "")
    assert client.send(b"a APPEND INBOX {0+}\r\n\r\nb NOOP\r\n").startswith(b"a NO ")


@pytest.mark.parametrize("arguments", [b"INBOX (\\Odd)", b"INBOX junk", b'"a\tb"'])
def test_an_append_that_makes_no_sense_is_refused_before_its_message(server: TestServer, arguments: bytes) -> None:
    client = server.client()
    answer = client.send(b"a APPEND %b {6}\r\n" % arguments)
    assert answer.startswith(b"a BAD ")
    assert client.send(b"b APPEND %b {6+}\r\nx NOOP\r\nc NOOP\r\n" % arguments).startswith(b"b BAD ")
    client.ok("NOOP")


def test_a_second_message_behind_a_refused_one_is_refused_too(server: TestServer) -> None:
    client = server.client()
    answer = client.send(b"a APPEND nowhere {3+}\r\nabc {3+}\r\ndef\r\nb NOOP\r\n")
    assert answer.startswith(b"a NO [TRYCREATE]")
    assert answer.endswith(b"b OK Completed\r\n")


def test_what_follows_the_message_must_be_nothing(server: TestServer) -> None:
    client = server.client(select="INBOX")
    answer = client.send(b"a APPEND INBOX {3+}\r\nabc def\r\nb NOOP\r\n")
    assert answer == b"a BAD Expected a message as a literal\r\nb OK Completed\r\n"


def test_a_line_behind_the_message_that_never_ends_is_refused(server: TestServer) -> None:
    client = server.client(select="INBOX")
    answer = client.send(b"a APPEND INBOX {3+}\r\nabc" + b" x" * 50_000 + b"\r\nb NOOP\r\n")
    assert answer == b"a BAD [TOOBIG] Line is too long\r\nb OK Completed\r\n"


def test_a_folder_that_goes_while_the_message_comes(server: TestServer) -> None:
    client, other = server.client(), server.client()
    client.ok("CREATE new")
    client.says("APPEND new {3}")
    other.ok("DELETE new")
    assert client.send(b"abc\r\n").startswith(b"a3 NO [TRYCREATE]")


def test_a_store_that_fails_amid_an_append_is_a_no_and_the_rest_is_passed_over(server: TestServer) -> None:
    spool_write = Unavailable("The disk is full")

    class Full:
        size = 0

        def write(self, chunk: bytes) -> None:
            raise spool_write

        def discard(self) -> None:
            pass

    client = server.client()
    server.spool = lambda account: Full()  # type: ignore[method-assign,assignment,return-value]
    client.says("APPEND INBOX {10}")
    assert client.send(b"abc") == b"a2 NO [UNAVAILABLE] The disk is full\r\n"
    assert client.send(b"defghij (\\Seen) {3+}\r\nabc\r\nb NOOP\r\n") == b"b OK Completed\r\n"


def test_a_read_that_fails_refuses_the_message(server: TestServer) -> None:
    client = server.client()
    client.begin("APPEND INBOX {10}")
    client.session.fail(Unavailable("Not mounted"))
    assert client.heard() == b"a2 NO [UNAVAILABLE] Not mounted\r\n"
    client.ok("NOOP")


def test_a_large_message_is_taken_in_pieces(server: TestServer) -> None:
    client = server.client()
    body = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 50_000
    client.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(body), body), cut=10_000)
    client.ok("SELECT INBOX")
    assert b"RFC822.SIZE %d)" % len(body) in client.ok("FETCH 1 RFC822.SIZE")


def test_the_connection_may_end_before_the_message_does(server: TestServer) -> None:
    client = server.client()
    client.says("APPEND INBOX {400000}")
    client.send(b"x" * 300_000)
    client.leave()


def test_a_write_that_goes_on_without_the_client_keeps_the_body(server: TestServer) -> None:
    """What the writer may be about to name must not be taken away."""
    client = server.client()
    body = b"Subject: x\r\n\r\n" + bytes(range(1, 250)) * 3000
    work = client.begin(b"APPEND INBOX {%d+}\r\n%b" % (len(body), body))
    while not isinstance(work, Write):
        client.session.finish(client._do(work))
        following = client.session.next_work()
        assert following is not None
        work = following
    client.leave()
    server.database.write(work.command)
    reader = server.client(select="INBOX")
    assert body in reader.ok("FETCH 1 BODY.PEEK[]")


def test_too_many_keywords_are_refused(server: TestServer) -> None:
    client = server.client(select="INBOX")
    client.append("INBOX", MESSAGE)
    for first in range(0, 500, 100):
        client.ok("STORE 1 +FLAGS.SILENT (" + " ".join(f"k{n}" for n in range(first, first + 100)) + ")")
    client.no(f"APPEND INBOX (one-more) {{{len(MESSAGE)}+}}\r\n{MESSAGE.decode()}", "LIMIT")
    assert b"\\*" not in client.ok("SELECT INBOX").split(b"PERMANENTFLAGS")[1].split(b"]")[0]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 20), max_size=12), body=st.binary(min_size=1, max_size=60).filter(lambda b: 0 not in b)
)
def test_wherever_the_stream_is_cut_the_message_is_the_same(server: TestServer, cuts: list[int], body: bytes) -> None:
    client = server.client(select="INBOX")
    said = b"a APPEND INBOX {%d+}\r\n%b\r\nb NOOP\r\n" % (len(body), body)
    heard = b""
    for cut in cuts:
        heard += client.send(said[:cut])
        said = said[cut:]
    heard += client.send(said)
    assert b"\r\nb OK" in heard
    assert client.ok("FETCH * BODY.PEEK[]").endswith(
        b"(BODY[] {%d}\r\n%b)\r\na3 OK FETCH completed\r\n" % (len(body), body)
    )
    client.leave()


def test_the_write_of_an_append_is_a_command(server: TestServer) -> None:
    client: Client = server.client()
    work = client.begin(b"APPEND INBOX {3+}\r\nabc")
    client.session.finish(client._do(work))
    assert isinstance(client.session.next_work(), Write)


@pytest.mark.parametrize("how", ["APPEND INBOX", "COPY"])
def test_a_write_of_which_nobody_knows_whether_it_was_done_keeps_the_body(tmp_path: Path, how: str) -> None:
    """The worker that writes may die behind its commit; what it has named is there when the client tries again."""
    server = TestServer(tmp_path / "server", far=(2,))
    server.share("INBOX", Grant(account(1).user, mask("lrswipte")), user=2)
    try:
        client = server.client(select="INBOX")
        large = b"Subject: large\r\n\r\n" + bytes(range(1, 256)) * 2_000
        command = f"APPEND INBOX {{{len(large)}+}}\r\n".encode() + large
        if how == "COPY":
            client.append("INBOX", large)
            command = b'COPY 1 "Other Users/u2/INBOX"'
        work = client.begin(command)
        while not isinstance(work, Write):
            client.session.finish(client._do(work))
            following = client.session.next_work()
            assert following is not None
            work = following
        client._do(work)
        client.session.fail(Unavailable("The worker that writes to this database has ended"))
        assert b" NO [UNAVAILABLE]" in client.turn()
        for number, packs in server.packs.items():
            server.stores[number].forget_packs()
            with server.stores[number].read() as tx:
                assert all(packs.read(blob, 0, 100) == large[:100] for blob in tx.blobs())
                assert len(list(tx.blobs())) == (how == "COPY" or number == 1)
    finally:
        server.close()
