"""MULTIAPPEND (RFC 3502): several messages, all of them or none."""

import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.commands import Append
from core.errors import Unavailable
from core.model import MAX_UID, MailboxId
from protocols.imap import limits
from protocols.imap.handlers import receiving
from protocols.imap.work import Work, Write
from tests.support.imap import Client, TestServer

LARGE = 300 * 1024  # more than a frame: such a body goes to a pack


def literal(body: bytes, head: str = "", *, sync: bool = False) -> bytes:
    """One append-message with the space before it."""
    return b" %b{%d%b}\r\n%b" % (f"{head} ".encode() if head else b"", len(body), b"" if sync else b"+", body)


def files(server: TestServer) -> list[str]:
    return sorted(os.listdir(server.packs[1]._directory))


def bodies(client: Client, folder: str = "INBOX") -> list[bytes]:
    """The messages of a folder, in order."""
    client.ok(f"EXAMINE {folder}")
    answer = client.says("UID FETCH 1:* BODY.PEEK[]")
    found = []
    while announced := re.search(rb"BODY\[\] (?:\{(\d+)\}\r\n)", answer):
        size = int(announced[1])
        found.append(answer[announced.end() : announced.end() + size])
        answer = answer[announced.end() + size :]
    return found


def begun(client: Client, command: bytes) -> Work:
    """A command, up to its write."""
    work = client.begin(command)
    while not isinstance(work, Write):
        client.session.finish(client._do(work))
        following = client.session.next_work()
        assert following is not None
        work = following
    return work


def test_it_is_announced(server: TestServer) -> None:
    assert b" MULTIAPPEND" in server.client().ok("CAPABILITY")


def test_several_messages_each_with_its_own_flags_and_date(server: TestServer) -> None:
    """RFC 3502 6.3.11; RFC 4315 3: APPENDUID tells of them all, in order."""
    client = server.client()
    assert client.says(b"APPEND Sent (\\Seen) {3}") == b"+ OK\r\n"
    assert client.send(b"one") == b""
    assert client.send(b' ($b $a) "17-Jul-1996 02:44:25 -0700" {3}\r\n') == b"+ OK\r\n"
    assert client.send(b"two") == b""
    assert client.send(b" ~{5}\r\n") == b"+ OK\r\n"
    assert client.send(b"three\r\n") == b"a2 OK [APPENDUID 1700000002 1:3] Appended\r\n"
    assert bodies(client, "Sent") == [b"one", b"two", b"three"]
    flags = [line.partition(b"FLAGS ")[2] for line in client.fetched("FETCH 1:* (FLAGS)")]
    assert flags == [b"(\\Seen \\Recent))", b"(\\Recent $b $a))", b"(\\Recent))"]
    assert b'"17-Jul-1996 02:44:25 -0700"' in client.ok("FETCH 2 INTERNALDATE")


def test_each_may_be_given_in_any_form(server: TestServer) -> None:
    """RFC 6855 4, RFC 3516 4.4."""
    client = server.client()
    said = b"APPEND INBOX UTF8 (~{2+}\r\nab) {2+}\r\ncd UTF8 (~{2+}\r\nef) ~{2+}\r\ngh"
    assert b"APPENDUID 1700000000 1:4]" in client.ok(said)
    assert bodies(client) == [b"ab", b"cd", b"ef", b"gh"]


def test_the_selected_folder_hears_of_all_at_once(server: TestServer) -> None:
    client, other = server.client(select="INBOX"), server.client(select="INBOX")
    answer = client.ok(b"APPEND INBOX" + literal(b"one") + literal(b"two", "(new)"))
    assert b"* 2 EXISTS\r\n* 2 RECENT\r\na3 OK [APPENDUID" in answer
    assert answer.count(b"EXISTS") == 1
    assert b"* 2 EXISTS" in other.ok("NOOP")
    lines = client.fetched("FETCH 1:2 MODSEQ")
    assert lines[-1].removeprefix(b"* 2") == lines[-2].removeprefix(b"* 1")  # one change


def test_it_is_one_command_of_the_store(server: TestServer) -> None:
    work = begun(server.client(), b"APPEND INBOX" + literal(b"one") + literal(b"two"))
    assert isinstance(work, Write)
    assert isinstance(work.command, Append)
    assert not work.bulk


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("large", [True, False])
def test_an_empty_literal_gives_the_whole_command_up(server: TestServer, sync: bool, large: bool) -> None:
    """RFC 3502 6.3.11: "This can be used to cancel the append"."""
    client = server.client(select="INBOX")
    first = b"x" * (LARGE if large else 3)
    answer = client.send(b"a APPEND INBOX" + literal(first) + literal(b"", sync=sync) + (b"" if sync else b"\r\n"))
    assert answer.startswith(b"a NO ")
    assert files(server) == []
    assert client.ok("NOOP").count(b"\r\n") == 1
    assert bodies(client) == []


def test_the_quota_is_looked_at_before_each_message(server: TestServer) -> None:
    """T-1.2: of all of them together."""
    server.quotas["u1"] = 10
    client = server.client()
    assert client.says("APPEND INBOX {5}") == b"+ OK\r\n"
    client.send(b"12345")
    assert client.send(b" {6}\r\n") == b"a2 NO [OVERQUOTA] The mailbox is full\r\n"
    assert client.says("APPEND INBOX {5}") == b"+ OK\r\n"
    client.send(b"12345")
    assert client.send(b" {5}\r\n") == b"+ OK\r\n"
    assert b"a3 OK [APPENDUID" in client.send(b"12345\r\n")


def test_a_folder_that_goes_between_two_messages(server: TestServer) -> None:
    client, other = server.client(), server.client()
    client.ok("CREATE new")
    client.says("APPEND new {3}")
    client.send(b"abc")
    other.ok("DELETE new")
    assert client.send(b" {3}\r\n").startswith(b"a3 NO [TRYCREATE]")
    client.ok("NOOP")


def test_a_message_over_the_limit_is_refused_with_those_before_it(server: TestServer) -> None:
    """RFC 7889 4."""
    client = server.client(select="INBOX")
    answer = client.send(b"a APPEND INBOX {3+}\r\nabc {10000001}\r\n")
    assert answer == b"a NO [TOOBIG] Message is too large\r\n"
    assert bodies(client) == []


def test_there_may_not_be_too_many(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APPEND_MESSAGES", 3)
    client = server.client()
    client.ok(b"APPEND INBOX" + literal(b"x") * 3)
    client.no(b"APPEND INBOX" + literal(b"x") * 4, "LIMIT")
    monkeypatch.setattr(limits, "APPEND_OCTETS", 5)
    client.ok(b"APPEND INBOX" + literal(b"xx") + literal(b"xxx"))
    client.no(b"APPEND INBOX" + literal(b"xxx") * 2, "TOOBIG")
    assert len(bodies(client)) == 5


def test_what_is_found_of_them_is_bounded(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message may be all structure; one alone is always taken."""
    monkeypatch.setattr(limits, "APPEND_DESCRIBED", 100)
    client = server.client()
    client.ok(b"APPEND INBOX" + literal(b"Subject: x\r\n\r\n"))
    client.no(b"APPEND INBOX" + literal(b"Subject: x\r\n\r\n") * 2, "LIMIT")
    assert len(bodies(client)) == 1


def test_many_are_bulk(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "MANY_MESSAGES", 2)
    work = begun(server.client(), b"APPEND INBOX" + literal(b"x") * 3)
    assert isinstance(work, Write)
    assert work.bulk


@pytest.mark.parametrize(
    "behind",
    [
        b" (\\Odd) {3+}\r\nabc\r\n",
        b" x {3+}\r\nabc {3+}\r\nabc\r\n",
        b" (\\Seen)\r\n",
        b" ~{3+}\r\na\0c\r\n",
        b" ~{3+}\r\na\0c {3+}\r\nabc\r\n",
        b" \0{3+}\r\nabc\r\n",
        b" {3}",
        b" \r\n",
    ],
)
@pytest.mark.parametrize("first", [b"abc", b"x" * LARGE])
def test_what_is_wrong_with_one_is_said_once_and_nothing_is_filed(
    server: TestServer, behind: bytes, first: bytes
) -> None:
    client = server.client(select="INBOX")
    answer = client.send(b"a APPEND INBOX" + literal(first) + behind)
    if behind == b" {3}":
        answer = client.send(b"x\r\n")  # not the end of a line, so no literal
    assert re.fullmatch(rb"a (NO|BAD) .*\r\n", answer), answer
    assert client.ok("NOOP").count(b"\r\n") == 1
    assert bodies(client) == []
    assert files(server) == []


def test_large_and_small_ones_share_a_pack(server: TestServer) -> None:
    client = server.client()
    messages = [b"%d" % n * size for n, size in enumerate((LARGE, 10, LARGE, 200 * 1024, 200 * 1024, 1))]
    client.ok(b"APPEND INBOX" + b"".join(map(literal, messages)))
    assert bodies(client) == messages
    assert len(files(server)) == 2  # theirs, and the writer's


def test_a_store_that_fails_amid_them_leaves_nothing(server: TestServer) -> None:
    client = server.client(select="INBOX")
    work = begun(client, b"APPEND INBOX" + literal(b"x" * LARGE) + literal(b"y" * LARGE))
    assert isinstance(work, Write)
    client.session.fail(Unavailable("The disk is full"))
    assert client.heard() == b"a3 NO [UNAVAILABLE] The disk is full\r\n"


@pytest.mark.parametrize("sent", [b"", b" {5", b" {500000}\r\n", b" {500000+}\r\n" + b"x" * LARGE])
def test_a_connection_that_ends_between_them_leaves_nothing(server: TestServer, sent: bytes) -> None:
    client = server.client()
    client.send(b"a APPEND INBOX" + literal(b"x" * LARGE) + sent)
    assert files(server) != []
    client.leave()
    assert files(server) == []
    assert bodies(server.client()) == []


def test_a_write_that_goes_on_without_the_client_keeps_the_bodies(server: TestServer) -> None:
    client = server.client()
    messages = [b"1" * LARGE, b"2" * 200_000, b"3" * 200_000]
    work = begun(client, b"APPEND INBOX" + b"".join(map(literal, messages)))
    client.leave()
    assert isinstance(work, Write)
    server.database.write(work.command)
    assert bodies(server.client()) == messages


def test_messages_of_one_command_are_of_one_conversation(server: TestServer) -> None:
    client = server.client(select="INBOX")
    one = b"Message-ID: <1@x>\r\nSubject: x\r\n\r\n"
    two = b"Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: x\r\n\r\n"
    client.ok(b"APPEND INBOX" + literal(one) + literal(two))
    first, second = client.fetched("FETCH 1:2 THREADID")[-2:]
    assert first.removeprefix(b"* 1") == second.removeprefix(b"* 2")


MESSAGES = st.lists(
    st.tuples(
        st.binary(min_size=1, max_size=30).map(lambda octets: octets.replace(b"\0", b"0")),
        st.sampled_from(
            ["", "(\\Seen)", "($a $b)", '"17-Jul-1996 02:44:25 -0700"', '(\\Draft) "17-Jul-1996 02:44:25 -0700"']
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 30), max_size=12))
def test_wherever_the_stream_is_cut_the_messages_are_the_same(
    server: TestServer, messages: list[tuple[bytes, str]], cuts: list[int]
) -> None:
    client = server.client()
    before = _count(server)
    said = b"a APPEND INBOX" + b"".join(literal(*message) for message in messages) + b"\r\nb NOOP\r\n"
    heard = b""
    for cut in cuts:
        heard += client.send(said[:cut])
        said = said[cut:]
    heard += client.send(said)
    assert re.fullmatch(rb"a OK \[APPENDUID \d+ [\d:]+\] Appended\r\nb OK Completed\r\n", heard)
    assert bodies(client)[before:] == [body for body, _ in messages]
    client.leave()


def _count(server: TestServer) -> int:
    with server.database.read() as tx:
        (inbox,) = [folder for folder in tx.folders(MailboxId(1)) if folder.name == "INBOX"]
        return len(tx.entries(MailboxId(1), inbox.folder_id, 1, MAX_UID))
