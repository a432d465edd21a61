"""FETCH, STORE, SEARCH, COPY, MOVE and EXPUNGE as conversations, also among several sessions."""

import pytest

from core.commands import Expunge, StoreFlags
from protocols.imap.handlers import do_copy, do_messages
from protocols.imap.work import Read, Write
from tests.support.imap import MESSAGE, TestServer, room, second, untagged

# ---------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("command", ["FETCH 4 FLAGS", "STORE 1:4 FLAGS ()", "COPY 4 Sent", "MOVE 9 Sent", "SEARCH 4"])
def test_a_number_that_does_not_exist_is_bad(server: TestServer, command: str) -> None:
    """RFC 9051 9, seq-number."""
    room(server, 3).bad(command)


def test_in_an_empty_folder_there_is_no_last_message(server: TestServer) -> None:
    """RFC 9051 9: this includes "*" if the selected mailbox is empty."""
    client = room(server, 0)
    client.bad("FETCH 1:* FLAGS")
    client.ok("UID FETCH 1:* FLAGS")
    client.ok("SEARCH 1:*")


def test_a_uid_that_does_not_exist_is_passed_over(server: TestServer) -> None:
    """RFC 9051 6.4.9."""
    client = room(server, 2)
    assert client.fetched("UID FETCH 7:9 FLAGS") == []
    assert client.fetched("UID FETCH 1,9,2:* FLAGS") == [b"* 1 FETCH (UID 1 FLAGS ())", b"* 2 FETCH (UID 2 FLAGS ())"]
    assert client.fetched("UID FETCH 99:* FLAGS") == [b"* 2 FETCH (UID 2 FLAGS ())"]
    assert client.says("UID COPY 9 Sent") == b"a9 OK UID COPY completed\r\n"
    assert client.says("UID MOVE 9 Sent") == b"a10 OK UID MOVE completed\r\n"
    assert client.says("UID STORE 9 FLAGS ()") == b"a11 OK UID STORE completed\r\n"
    client.no("UID COPY 9 nowhere", "TRYCREATE")
    client.no("UID MOVE 9 nowhere", "TRYCREATE")


# ---------------------------------------------------------------------------------------------- FETCH


def test_reading_a_body_marks_it_as_seen_and_tells_so(server: TestServer) -> None:
    r"""RFC 9051 6.4.5: \Seen, and the FLAGS response that follows from it."""
    client, other = room(server, 2), second(server)
    assert client.ok("FETCH 1 BODY.PEEK[TEXT]").startswith(b"* 1 FETCH (BODY[TEXT] {6}")
    assert client.ok("FETCH 1 BODY[TEXT]").startswith(b"* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {6}")
    assert client.ok("FETCH 1 BODY[TEXT]").startswith(b"* 1 FETCH (BODY[TEXT] {6}")
    assert client.ok("FETCH 2 (FLAGS RFC822.TEXT)").startswith(b"* 2 FETCH (FLAGS (\\Seen) RFC822.TEXT {6}")
    assert untagged(other.ok("NOOP")) == [b"* 1 FETCH (FLAGS (\\Seen))", b"* 2 FETCH (FLAGS (\\Seen))"]


def test_uid_fetch_always_tells_the_uid(server: TestServer) -> None:
    """RFC 9051 6.4.9."""
    client = room(server, 1)
    assert client.fetched("UID FETCH 1 FLAGS") == client.fetched("UID FETCH 1 (UID FLAGS)")


def test_flags_alone_are_not_asked_of_the_store(server: TestServer) -> None:
    client = room(server, 1)
    client.session.receive(b"a FETCH 1 (UID FLAGS)\r\n")
    assert client.session.next_work() is None
    assert client.heard() == b"* 1 FETCH (UID 1 FLAGS ())\r\na OK FETCH completed\r\n"


def test_a_long_answer_comes_in_pieces(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_messages, "PIECE_MESSAGES", 2)
    monkeypatch.setattr(do_messages, "FEW_MESSAGES", 0)
    client = room(server, 5)
    for items in ("FLAGS", "RFC822.SIZE", "ENVELOPE", "BODY[TEXT]"):
        lines = [line for line in client.fetched(f"FETCH 1:* {items}") if b" FETCH (" in line]
        assert [int(line.split(b" ")[1]) for line in lines if items.encode()[:4] in line] == [1, 2, 3, 4, 5]
    assert isinstance(client.begin("FETCH 1:* FLAGS"), Read)


# ---------------------------------------------------------------------------------------------- messages that went


def test_expunge_is_held_back_from_what_goes_by_number(server: TestServer) -> None:
    """RFC 9051 7.5.1."""
    client, other = room(server, 3), second(server)
    other.ok("STORE 2 FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    flags = b"* 2 FETCH (FLAGS (\\Deleted))"
    assert untagged(client.ok("FETCH 3 UID")) == [b"* 3 FETCH (UID 3)", flags]
    assert untagged(client.ok("SEARCH RETURN (COUNT) ALL")) == [b'* ESEARCH (TAG "a8") COUNT 3']
    assert untagged(client.ok("STORE 3 FLAGS (\\Flagged)")) == [b"* 3 FETCH (FLAGS (\\Flagged))"]
    assert untagged(client.bad("FETCH 9 FLAGS")) == []
    assert untagged(client.ok("UID FETCH 3 FLAGS")) == [b"* 3 FETCH (UID 3 FLAGS (\\Flagged))", b"* 2 EXPUNGE"]
    assert untagged(client.ok("UID FETCH 3 FLAGS")) == [b"* 2 FETCH (UID 3 FLAGS (\\Flagged))"]


@pytest.mark.parametrize(
    "command", ["NOOP", "CHECK", "UID SEARCH ALL", "UID STORE 1 FLAGS ()", "EXPUNGE", "UID FETCH 1 UID"]
)
def test_elsewhere_expunge_is_told(server: TestServer, command: str) -> None:
    client, other = room(server, 3), second(server)
    other.ok("STORE 2 FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    assert b"* 2 EXPUNGE" in untagged(client.ok(command))


def test_a_message_that_went_is_answered_from_the_view_or_not_at_all(server: TestServer) -> None:
    """RFC 2180 4.1.2; RFC 5530 EXPUNGEISSUED."""
    client, other = room(server, 3, "(\\Deleted)"), second(server)
    other.ok("UID EXPUNGE 2")
    assert untagged(client.ok("FETCH 1:3 FLAGS"))[1] == b"* 2 FETCH (FLAGS (\\Deleted))"
    for items in ("RFC822.SIZE", "ENVELOPE", "BODY.PEEK[]"):
        answer = client.no(f"FETCH 1:3 ({items})", "EXPUNGEISSUED")
        assert [line.split(b" ")[1] for line in untagged(answer)] == [b"1", b"3"]
    client.no("UID FETCH 2 BODY[]", "EXPUNGEISSUED")


def test_storing_flags_of_a_message_that_went(server: TestServer) -> None:
    """RFC 2180 4.2."""
    client, other = room(server, 3, "(\\Deleted)"), second(server)
    other.ok("UID EXPUNGE 2")
    client.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
    assert untagged(client.no("STORE 2 +FLAGS (\\Seen)", "EXPUNGEISSUED")) == []
    answer = client.no("STORE 1:3 +FLAGS (\\Seen)", "EXPUNGEISSUED")
    assert [line.split(b" ")[1] for line in untagged(answer)] == [b"1", b"3"]
    assert untagged(client.ok("UID STORE 1:3 +FLAGS (\\Seen)")) == [
        b"* 2 EXPUNGE",
        b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted))",
        b"* 2 FETCH (UID 3 FLAGS (\\Seen \\Deleted))",
    ]


def test_a_copy_by_number_is_refused_when_a_message_went(server: TestServer) -> None:
    """RFC 2180 4.4.1: and pending EXPUNGEs are told."""
    client, other = room(server, 3, "(\\Deleted)"), second(server)
    other.ok("UID EXPUNGE 2")
    assert untagged(client.no("COPY 1:3 Sent", "EXPUNGEISSUED")) == [b"* 2 EXPUNGE"]
    assert b"COPYUID 1700000002 1,3 1:2]" in client.ok("COPY 1:2 Sent")
    other.ok("UID EXPUNGE 1")
    client.ok("FETCH 1 FLAGS")
    client.no("COPY 1 Sent", "EXPUNGEISSUED")


def test_a_search_does_not_find_what_went_where_the_store_is_asked(server: TestServer) -> None:
    """RFC 2180 4.3."""
    client, other = room(server, 3, "(\\Deleted)"), second(server)
    other.ok("UID EXPUNGE 2")
    for key in ("LARGER 1", "SUBJECT x", "HEADER Subject x", "BODY body", "NOT SUBJECT y"):
        assert b"ALL 1,3\r\n" in client.ok(f"SEARCH {key}")


# ---------------------------------------------------------------------------------------------- STORE


def test_store_answers_with_the_flags_of_each_message(server: TestServer) -> None:
    """RFC 9051 6.4.6."""
    client = room(server, 2)
    assert untagged(client.ok("STORE 1:2 +FLAGS (\\Seen \\Flagged)")) == [
        b"* 1 FETCH (FLAGS (\\Seen \\Flagged))",
        b"* 2 FETCH (FLAGS (\\Seen \\Flagged))",
    ]
    assert untagged(client.ok("STORE 1 -FLAGS \\Seen")) == [b"* 1 FETCH (FLAGS (\\Flagged))"]
    assert untagged(client.ok("STORE 1 FLAGS (\\Draft)")) == [b"* 1 FETCH (FLAGS (\\Draft))"]
    assert untagged(client.ok("STORE 1 FLAGS ()")) == [b"* 1 FETCH (FLAGS ())"]
    assert untagged(client.ok("STORE 1 FLAGS ()")) == [b"* 1 FETCH (FLAGS ())"]


def test_a_silent_store_says_nothing_but_what_others_did(server: TestServer) -> None:
    """RFC 9051 6.4.6: "unless the client has changed it itself"."""
    client, other = room(server, 2), second(server)
    other.ok("STORE 2 FLAGS (\\Answered)")
    assert untagged(client.ok("STORE 1:2 +FLAGS.SILENT (\\Seen)")) == [b"* 2 FETCH (FLAGS (\\Answered))"]
    assert untagged(other.ok("NOOP")) == [b"* 1 FETCH (FLAGS (\\Seen))", b"* 2 FETCH (FLAGS (\\Seen \\Answered))"]


def test_a_new_keyword_is_announced_before_it_is_used(server: TestServer) -> None:
    """RFC 9051 7.3.5 and 2.3.2."""
    client, other = room(server, 1), second(server)
    known = [
        b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk)",
        b"* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk \\*)] Flags that stay",
        b"* 1 FETCH (FLAGS ($Junk))",
    ]
    assert untagged(client.ok("STORE 1 +FLAGS ($Junk)")) == known
    assert untagged(other.ok("NOOP")) == known
    assert untagged(other.ok("STORE 1 +FLAGS ($junk)")) == [b"* 1 FETCH (FLAGS ($Junk))"]


@pytest.mark.parametrize("name", ["gr&apya3w-e", "gr=c3=b6=c3=9fe", "&-co", "x+y", "$label1"])
def test_keywords_may_have_the_names_that_clients_make_of_any_letters(server: TestServer, name: str) -> None:
    """T-12.5, RFC 9051 9, flag-keyword: an atom, never taken for modified UTF-7; beside more than 64 others."""
    client = room(server, 2)
    keywords = [*(f"&a{number}-" for number in range(70)), name]
    client.ok(f"STORE 1 +FLAGS.SILENT ({' '.join(keywords)})")
    client.ok("UNSELECT")
    told = client.ok("SELECT INBOX")
    assert f"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft {' '.join(keywords)})\r\n".encode() in told
    assert client.fetched("FETCH 1:2 FLAGS") == [
        f"* 1 FETCH (FLAGS ({' '.join(keywords)}))".encode(), b"* 2 FETCH (FLAGS ())"
    ]  # fmt: skip
    assert b" ALL 1\r\n" in client.ok(f"SEARCH KEYWORD {name}")
    client.ok(f"STORE 1 -FLAGS.SILENT ({name})")
    assert b" ALL" not in client.ok(f"SEARCH KEYWORD {name}")


def test_unasked_fetches_within_a_uid_command_tell_the_uid(server: TestServer) -> None:
    """RFC 9051 6.4.9."""
    client, other = room(server, 2), second(server)
    other.ok("STORE 2 FLAGS (\\Answered)")
    assert untagged(client.ok("UID FETCH 1 UID")) == [b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 2 FLAGS (\\Answered))"]


def test_many_messages_are_stored_in_slices(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_messages, "ROWS_PER_COMMAND", 2)
    client = room(server, 5)
    commands = []
    client.session.receive(b"a STORE 1:5 +FLAGS (\\Deleted)\r\n")
    while isinstance(work := client.session.next_work(), Write):
        commands.append(work.command)
        client.session.finish(client._do(work))
    assert [command.uids for command in commands if isinstance(command, StoreFlags)] == [
        ((1, 2),),
        ((3, 4),),
        ((5, 5),),
    ]
    assert len(untagged(client.heard())) == 5
    assert untagged(client.ok("EXPUNGE")) == [b"* 1 EXPUNGE"] * 5


def test_store_in_a_folder_that_is_gone(server: TestServer) -> None:
    client, other = server.client(), server.client()
    client.ok("CREATE a")
    client.append("a", MESSAGE)
    client.ok("SELECT a")
    other.ok("DELETE a")
    answer = client.no("STORE 1 FLAGS ()", "NONEXISTENT")
    assert answer.endswith(b"* BYE [UNAVAILABLE] The selected folder has been deleted or renamed away\r\n")


# ---------------------------------------------------------------------------------------------- COPY, MOVE, EXPUNGE


def test_copy_tells_the_new_uids_and_carries_flags(server: TestServer) -> None:
    """RFC 9051 6.4.7; RFC 4315 3."""
    client = room(server, 3, "(\\Seen foo)")
    client.append("Sent", MESSAGE)
    assert client.says("COPY 1,3 Sent") == b"a8 OK [COPYUID 1700000002 1,3 2:3] COPY completed\r\n"
    client.no("COPY 1 nowhere", "TRYCREATE")
    client.ok("SELECT Sent")
    assert untagged(client.ok("FETCH 2 FLAGS")) == [b"* 2 FETCH (FLAGS (\\Seen foo))"]


def test_a_copy_that_does_not_fit_copies_nothing(server: TestServer) -> None:
    client = room(server, 3)
    server.quotas["u1"] = len(MESSAGE) * 5
    client.no("COPY 1:3 Sent", "OVERQUOTA")
    assert b"(MESSAGES 0)" in client.ok("STATUS Sent (MESSAGES)")
    client.ok("MOVE 1:3 Sent")


def test_move_tells_the_new_uids_before_the_expunges(server: TestServer) -> None:
    """RFC 6851 3.3 and 4.3."""
    client, other = room(server, 3), second(server)
    assert client.says("UID MOVE 1,3 Sent") == (
        b"* OK [COPYUID 1700000002 1,3 1:2] Moved\r\n* 1 EXPUNGE\r\n* 2 EXPUNGE\r\na7 OK UID MOVE completed\r\n"
    )
    assert untagged(other.ok("NOOP")) == [b"* 1 EXPUNGE", b"* 2 EXPUNGE"]
    client.no("MOVE 1 nowhere", "TRYCREATE")


def test_moving_into_the_same_folder_gives_new_uids(server: TestServer) -> None:
    client = room(server, 2)
    assert untagged(client.ok("MOVE 1 INBOX")) == [
        b"* OK [COPYUID 1700000000 1 3] Moved",
        b"* 1 EXPUNGE",
        b"* 2 EXISTS",
    ]
    assert untagged(client.ok("FETCH 1:* UID")) == [b"* 1 FETCH (UID 2)", b"* 2 FETCH (UID 3)"]


def test_many_messages_are_moved_in_slices(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_copy, "ROWS_PER_COMMAND", 2)
    client = room(server, 3)
    assert untagged(client.ok("MOVE 1:3 Sent")) == [
        b"* OK [COPYUID 1700000002 1:2 1:2] Moved",
        b"* 1 EXPUNGE",
        b"* 1 EXPUNGE",
        b"* OK [COPYUID 1700000002 3 3] Moved",
        b"* 1 EXPUNGE",
    ]


def test_expunge_numbers_each_as_it_is_read(server: TestServer) -> None:
    """RFC 9051 6.4.3, the example; 7.5.1."""
    client = room(server, 11)
    client.ok("STORE 3,4,7,11 +FLAGS.SILENT (\\Deleted)")
    assert untagged(client.ok("EXPUNGE")) == [b"* 3 EXPUNGE", b"* 3 EXPUNGE", b"* 5 EXPUNGE", b"* 8 EXPUNGE"]


def test_uid_expunge_takes_only_what_is_named_and_deleted(server: TestServer) -> None:
    """RFC 4315 2.1."""
    client = room(server, 4)
    client.ok("STORE 2:4 +FLAGS.SILENT (\\Deleted)")
    assert untagged(client.ok("UID EXPUNGE 1,3")) == [b"* 3 EXPUNGE"]
    assert untagged(client.ok("UID EXPUNGE 9")) == []


def test_an_expunge_with_nothing_to_do_writes_nothing(server: TestServer) -> None:
    client = room(server, 2)
    client.session.receive(b"a EXPUNGE\r\n")
    assert client.session.next_work() is None


def test_expunge_asks_the_writer(server: TestServer) -> None:
    client = room(server, 1, "(\\Deleted)")
    work = client.begin("EXPUNGE")
    assert isinstance(work, Write)
    assert isinstance(work.command, Expunge)
    assert not work.bulk
