"""The session as such: states, limits, pipelines, faults."""

import pytest

from core.commands import DeleteMailbox
from core.errors import Refusal, Unavailable
from core.model import MailboxId
from protocols.imap import limits
from protocols.imap.commands import Command
from protocols.imap.dispatch import ANY, AUTHENTICATED, COMMANDS, NOT_AUTHENTICATED, SELECTED, SIGNED_IN
from protocols.imap.work import Read, Write
from tests.support.imap import Client, TestServer

EXAMPLES = {
    "CAPABILITY": ANY,
    "NOOP": ANY,
    'ID ("name" "x")': ANY,
    "STARTTLS": NOT_AUTHENTICATED,
    "AUTHENTICATE PLAIN =": NOT_AUTHENTICATED,
    "LOGIN nobody wrong": NOT_AUTHENTICATED,
    "ENABLE NOTHING": SIGNED_IN,
    "CREATE new": SIGNED_IN,
    "RENAME new newer": SIGNED_IN,
    "DELETE newer": SIGNED_IN,
    "SUBSCRIBE x": SIGNED_IN,
    "UNSUBSCRIBE x": SIGNED_IN,
    'LIST "" *': SIGNED_IN,
    'LSUB "" *': SIGNED_IN,
    "NAMESPACE": SIGNED_IN,
    "STATUS INBOX (MESSAGES)": SIGNED_IN,
    "CHECK": SELECTED,
    "EXPUNGE": SELECTED,
    "UID EXPUNGE 1": SELECTED,
    "SEARCH ALL": SELECTED,
    "UID FETCH 1 FLAGS": SELECTED,
    "UID STORE 1 FLAGS (foo)": SELECTED,
    "UID COPY 1 Sent": SELECTED,
    "UID MOVE 1 Sent": SELECTED,
}


@pytest.mark.parametrize("command", EXAMPLES)
@pytest.mark.parametrize("state", [NOT_AUTHENTICATED, AUTHENTICATED, SELECTED])
def test_a_command_is_bad_outside_its_states_and_only_there(server: TestServer, command: str, state: int) -> None:
    """RFC 9051 3: the states, and section 6: which commands each has."""
    client = server.client(None if state == NOT_AUTHENTICATED else "u1", select="INBOX" if state == SELECTED else None)
    if EXAMPLES[command] & state:
        # STARTTLS is BAD without a certificate, and AUTHENTICATE with an empty response fails: neither for the state.
        answer = client.says(command)
        assert b"Sign in first" not in answer
        assert b"Select a folder" not in answer
        assert b"Not once" not in answer
    else:
        assert any(text in client.bad(command) for text in (b"Sign in first", b"Select a folder first", b"Not once"))


def test_every_command_of_the_grammar_has_somebody_who_carries_it_out() -> None:
    assert set(COMMANDS) == set(Command.__subclasses__())


def test_the_greeting_tells_what_can_be_done(server: TestServer) -> None:
    """RFC 9051 7.1.1."""
    greeting = server.client(None).greeting
    assert greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")
    assert b" IDLE" in greeting
    assert b" AUTH=PLAIN" in greeting


def test_whatever_the_cut_the_conversation_is_the_same(server: TestServer) -> None:
    said = (
        b"a LOGIN u1 pass\r\nb APPEND INBOX {10+}\r\nSubject: x\r\n"
        b"c SELECT {5+}\r\nINBOX\r\nd FETCH 1 (FLAGS BODY[])\r\n"
        b"e IDLE\r\nDONE\r\nf NONSENSE\r\ng STORE 1 +FLAGS (\\Deleted)\r\nh EXPUNGE\r\ni LOGOUT\r\n"
    )
    answers = []
    for cut in (None, 1, 2, 3, 7, 50):
        client = server.client(None)
        answers.append(_without_uids(client.send(said, cut=cut)))
        client.leave()
    assert b"i OK Logged out" in answers[0]
    assert all(answer == answers[0] for answer in answers)


def _without_uids(answer: bytes) -> list[bytes]:
    growing = (b"APPENDUID", b"UIDNEXT", b"HIGHESTMODSEQ")
    return [line for line in answer.split(b"\r\n") if not any(code in line for code in growing)]


def test_commands_sent_together_are_answered_in_their_order(server: TestServer) -> None:
    """RFC 9051 5.5."""
    client = server.client()
    answer = client.send(b"x1 SELECT INBOX\r\nx2 NOOP\r\nx3 STATUS Sent (MESSAGES)\r\nx4 UNSELECT\r\n")
    tags = [line.split(b" ")[0] for line in answer.split(b"\r\n") if line.startswith(b"x")]
    assert tags == [b"x1", b"x2", b"x3", b"x4"]


def test_what_comes_while_a_command_runs_waits(server: TestServer) -> None:
    client = server.client()
    work = client.begin("SELECT INBOX")
    client.session.receive(b"n NOOP\r\n")
    assert client.session.next_work() is None
    assert client.heard() == b""
    answer = client.finish(work)
    assert answer.index(b"a2 OK") < answer.index(b"n OK")


def test_an_unknown_command_is_bad(server: TestServer) -> None:
    client = server.client()
    assert client.says("XYZZY") == b"a2 BAD Unknown command\r\n"
    assert client.says("FETCH") == b"a3 BAD Expected a sequence set and items\r\n"


def test_a_line_without_a_tag_is_bad_without_one(server: TestServer) -> None:
    client = server.client()
    assert client.send(b"\r\n") == b"* BAD Expected a tag\r\n"


def test_a_client_of_another_protocol_is_soon_turned_away(server: TestServer) -> None:
    """A browser made to speak to us sends lines that are no commands."""
    client = server.client(None)
    answer = client.send(b"POST / HTTP/1.1\r\n" * 50)
    assert b"* BYE Too many commands before signing in\r\n" in answer
    assert answer.count(b"BAD") < 12
    assert client.session.is_closing


def test_a_stranger_has_only_so_many_commands(server: TestServer) -> None:
    client = server.client(None)
    answer = client.send(b"a NOOP\r\n" * (limits.UNAUTHENTICATED_COMMANDS + 5))
    assert answer.count(b"a OK") == limits.UNAUTHENTICATED_COMMANDS
    assert answer.endswith(b"* BYE Too many commands before signing in\r\n")


@pytest.mark.parametrize("cut", [None, 1000])
def test_a_stranger_may_send_only_so_much(server: TestServer, cut: int | None) -> None:
    client = server.client(None)
    said = b"a LOGIN {60000+}\r\n" + b"x" * 60_000 + b" y\r\n"
    answer = client.send(said * 6, cut=cut)
    assert answer.endswith(b"* BYE Too much before signing in\r\n")
    assert answer.count(b"a BAD") == 5


def test_what_follows_a_login_does_not_count_as_a_strangers(server: TestServer) -> None:
    client = server.client(None)
    size = limits.UNAUTHENTICATED_OCTETS
    answer = client.send(b"a LOGIN u1 pass\r\nb APPEND INBOX {%d+}\r\n" % size + b"x" * size + b"\r\n")
    assert b"b OK [APPENDUID" in answer


def test_a_strangers_literal_is_small(server: TestServer) -> None:
    client = server.client(None)
    assert client.send(b"a LOGIN {5000}\r\n") == b"a BAD [TOOBIG] Literal is too large\r\n"
    assert client.send(b"b APPEND INBOX {4000}\r\n") == b"b BAD Sign in first\r\n"
    assert client.send(b"c NOOP\r\n") == b"c OK Completed\r\n"


def test_a_literal_is_asked_for(server: TestServer) -> None:
    """RFC 9051 4.3."""
    client = server.client(None)
    assert client.send(b"a LOGIN {2}\r\n") == b"+ OK\r\n"
    assert client.send(b"u1 {4}\r\n") == b"+ OK\r\n"
    assert client.send(b"pass\r\n").startswith(b"a OK")


def test_a_line_that_is_too_long_is_refused_and_passed_over(server: TestServer) -> None:
    client = server.client()
    answer = client.send(b"a NOOP " + b"x" * 100_000 + b"\r\nb NOOP\r\n")
    assert answer == b"a BAD [TOOBIG] Line is too long\r\nb OK Completed\r\n"


def test_a_client_that_sends_a_literal_unasked_loses_its_place(server: TestServer) -> None:
    client = server.client()
    answer = client.send(b"a APPEND nowhere {5}\r\nhello\r\n")
    assert answer.startswith(b"a NO [TRYCREATE]")
    assert b"* BYE" in answer
    assert client.session.is_closing


def test_a_refused_literal_that_is_far_too_large_ends_the_session(server: TestServer) -> None:
    client = server.client(None)
    answer = client.send(b"a LOGIN {99999999+}\r\n")
    assert b"* BYE [TOOBIG]" in answer


def test_a_refusal_of_the_store_is_a_no_with_its_code(server: TestServer) -> None:
    """RFC 5530; T-1.5: a database that is not there now may be back later."""
    client = server.client()
    client.begin("STATUS INBOX (MESSAGES)")
    client.session.fail(Unavailable("The database is not mounted"))
    assert client.heard() == b"a2 NO [UNAVAILABLE] The database is not mounted\r\n"
    client.begin("CREATE x")
    client.session.fail(Refusal("No"))
    assert client.heard() == b"a3 NO No\r\n"


def test_a_fault_is_raised_to_the_adapter_and_says_nothing(server: TestServer) -> None:
    client = server.client()
    client.begin("STATUS INBOX (MESSAGES)")
    with pytest.raises(ZeroDivisionError):
        client.session.fail(ZeroDivisionError("secret"))
    assert client.heard() == b""
    client.session.bye("A fault of ours", b"SERVERBUG")
    client.session.finish(None)
    assert client.session.next_work() is None
    assert client.send(b"b NOOP\r\n") == b"* BYE [SERVERBUG] A fault of ours\r\n"


def test_a_session_that_ends_amid_a_command_lets_go_of_everything(server: TestServer) -> None:
    client = server.client(select="INBOX")
    client.begin("SELECT Sent")
    assert client.heard() == b"* OK [CLOSED] The folder before is closed\r\n"
    client.leave()
    assert server.connections == 0
    assert server.views.watched == 0
    client.session.finish(None)
    assert client.heard() == b""


def test_work_tells_reads_from_writes(server: TestServer) -> None:
    client = server.client()
    work = client.begin("STATUS INBOX (MESSAGES)")
    assert isinstance(work, Read)
    client.finish(work)
    assert isinstance(client.begin("CREATE x"), Write)
    assert not client.session.is_waiting_for_client
    assert not client.session.is_resting


def test_a_session_waits_for_its_client_between_commands_and_in_idle(server: TestServer) -> None:
    client = server.client()
    assert client.session.is_waiting_for_client
    client.says("IDLE")
    assert client.session.is_waiting_for_client
    assert client.session.is_resting


def test_a_flood_tells_the_adapter_to_stop_reading(server: TestServer) -> None:
    client = server.client()
    work = client.begin("STATUS INBOX (MESSAGES)")
    client.session.receive(b"n NOOP\r\n" * (limits.UNREAD // 8 + 1))
    assert client.session.is_full
    client.finish(work)
    assert not client.session.is_full


def test_a_mailbox_that_is_removed_ends_its_sessions(server: TestServer) -> None:
    client = server.client(select="INBOX")
    server.database.write(DeleteMailbox(MailboxId(1)))
    assert client.heard().startswith(b"* BYE [UNAVAILABLE]")
    assert client.session.is_closing
    client.session.receive(b"x NOOP\r\n")
    assert client.send(b"") == b""


def test_a_second_bye_is_not_said(server: TestServer) -> None:
    client = server.client()
    client.session.bye("one")
    client.session.bye("two")
    assert client.heard() == b"* BYE one\r\n"


def test_the_adapter_is_woken_when_there_is_news_for_who_idles(server: TestServer) -> None:
    client = server.client(select="INBOX")
    woken: list[bool] = []
    client.session.wake = lambda: woken.append(True)
    server.deliver(b"Subject: x\r\n\r\n")
    assert woken == []
    client.says("IDLE")
    assert woken == [True], "for the first"
    client.session.tell_idle()
    assert client.heard() == b"* 1 EXISTS\r\n* 1 RECENT\r\n"
    server.deliver(b"Subject: x\r\n\r\n")
    assert woken == [True, True]
    client.session.tell_idle()
    assert client.heard() == b"* 2 EXISTS\r\n* 2 RECENT\r\n"


def test_logout_says_bye_before_ok(server: TestServer) -> None:
    """RFC 9051 6.1.3."""
    client: Client = server.client(select="INBOX")
    assert client.says("LOGOUT") == b"* BYE Until next time\r\na3 OK Logged out\r\n"
    assert client.session.is_closing
