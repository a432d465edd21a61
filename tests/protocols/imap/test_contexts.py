"""Search results that are kept up to date (RFC 5267 4)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Unavailable
from protocols.imap import limits
from protocols.imap.reading.fetching import Snapshot
from protocols.imap.saying import responses
from protocols.imap.work import Read, Scan
from tests.support.imap import MESSAGE, Client, TestServer, room, second, untagged

UPDATE = re.compile(rb'\* ESEARCH \(TAG "([^"]+)"[^)]*\)( UID)? (ADDTO|REMOVEFROM) \(0 ([0-9:,]+)\)')


def updates(answer: bytes) -> list[bytes]:
    """ADDTO and REMOVEFROM lines without their correlators."""
    return [line.split(b") ", 1)[1] for line in untagged(answer) if b"ADDTO" in line or b"REMOVEFROM" in line]


@pytest.fixture
def pair(server: TestServer) -> tuple[Client, Client]:
    """One who asks for updates, and another who makes changes, in an INBOX with three messages."""
    return room(server, 3), second(server)


def test_what_comes_changes_and_goes_is_told(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3: by arrival, by flags, by EXPUNGE; only what the result gains or loses."""
    client, other = pair
    assert untagged(client.ok("UID SEARCH RETURN (UPDATE COUNT) UNSEEN"))[0].endswith(b" UID COUNT 3")
    other.append("INBOX", MESSAGE)
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 4)"]
    other.append("INBOX", MESSAGE, "(\\Seen)")
    other.ok("UID STORE 1:2 +FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID REMOVEFROM (0 1:2)"]
    other.ok("UID STORE 3 +FLAGS (\\Flagged)")
    assert updates(client.ok("NOOP")) == []
    other.ok("UID STORE 1,3 -FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 1)"]
    other.ok("UID STORE 2:3 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert updates(client.ok("NOOP")) == [b"UID REMOVEFROM (0 3)"], "2 was not in the result"


def test_the_updates_are_this_sessions_own_too(pair: tuple[Client, Client]) -> None:
    client, _ = pair
    client.ok("UID SEARCH RETURN (UPDATE) UNFLAGGED")
    assert updates(client.ok("UID STORE 2 +FLAGS.SILENT (\\Flagged)")) == [b"UID REMOVEFROM (0 2)"]


def test_numbers_are_those_of_the_moment(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3.3 and 4.3.4: ADDTO behind EXISTS, REMOVEFROM before EXPUNGE."""
    client, other = pair
    client.ok("SEARCH RETURN (UPDATE ALL) UNSEEN")
    other.append("INBOX", MESSAGE)
    answer = client.ok("NOOP")
    assert answer.index(b"* 4 EXISTS") < answer.index(b"ADDTO (0 4)")
    other.ok("UID STORE 1:2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.ok("UID STORE 3 +FLAGS (\\Seen)")
    answer = client.ok("NOOP")
    assert answer.index(b"REMOVEFROM (0 1:2)") < answer.index(b"* 1 EXPUNGE")
    assert answer.index(b"* 1 EXPUNGE") < answer.index(b"REMOVEFROM (0 1)\r\n"), "what was 3 is 1 now"


def test_a_message_that_goes_leaves_the_result_though_its_expunge_must_wait(pair: tuple[Client, Client]) -> None:
    """RFC 5267 A.3."""
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) ALL")
    other.ok("UID STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.ok("FETCH 1 FLAGS")
    assert updates(answer) == [b"UID REMOVEFROM (0 2)"]
    assert b"EXPUNGE" not in answer
    assert updates(client.ok("NOOP")) == []


def test_texts_are_looked_for_in_what_comes(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) OR SUBJECT needle BODY needle UNDELETED")
    other.append("INBOX", b"Subject: hay\r\n\r\nhay\r\n")
    other.append("INBOX", b"Subject: a needle\r\n\r\n")
    other.append("INBOX", b"Subject: hay\r\n\r\na needle\r\n")
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 5:6)"]
    other.ok("UID STORE 5 +FLAGS (\\Deleted)")
    assert updates(client.ok("NOOP")) == [b"UID REMOVEFROM (0 5)"]


def test_during_idle_updates_come_at_once(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) SUBJECT needle")
    client.says("IDLE")
    other.append("INBOX", b"Subject: a needle\r\n\r\n")
    assert updates(client.turn()) == [b"UID ADDTO (0 4)"]
    other.ok("UID STORE 4 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.turn()
    assert answer.index(b"REMOVEFROM") < answer.index(b"EXPUNGE")
    assert b"OK Idle no more" in client.send(b"DONE\r\n")


def test_the_client_may_say_done_while_its_results_are_looked_at(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) SUBJECT needle")
    client.says("IDLE")
    other.append("INBOX", b"Subject: a needle\r\n\r\n")
    client.session.tell_idle()
    work = client.session.next_work()
    assert isinstance(work, Scan)
    client.session.receive(b"DONE\r\n")
    assert client.session.next_work() is None, "one thing at a time"
    other.ok("UID STORE 4 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.finish(work)
    assert updates(answer) == [], "it has gone before it was told to have come"
    assert b"OK Idle no more" in answer


def test_what_changes_while_it_is_looked_at_is_looked_at_again(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) SUBJECT needle UNSEEN")
    client.says("IDLE")
    other.append("INBOX", b"Subject: a needle\r\n\r\n")
    client.session.tell_idle()
    work = client.session.next_work()
    assert isinstance(work, Scan)
    other.ok("UID STORE 4 +FLAGS (\\Seen)")
    client.session.tell_idle()
    assert updates(client.finish(work)) == [b"UID ADDTO (0 4)", b"UID REMOVEFROM (0 4)"]


@pytest.mark.parametrize("uid", ["UID ", ""])
def test_what_goes_between_a_look_and_its_answer_goes_once_it_has_come(pair: tuple[Client, Client], uid: str) -> None:
    """RFC 5267 4.3.2-4: each update by the numbers that hold then; nothing is told while messages are looked at."""
    client, other = pair
    client.ok(f"{uid}SEARCH RETURN (UPDATE) SUBJECT needle")
    client.says("IDLE")
    for _ in range(3):
        other.append("INBOX", b"Subject: a needle\r\n\r\n")
    client.session.tell_idle()
    work = client.session.next_work()
    assert isinstance(work, Scan)
    looked = client._do(work)
    client.heard()
    other.ok("UID STORE 5 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    client.session.tell_idle()
    assert client.heard() == b""
    client.session.finish(looked)
    told = client.turn()
    assert updates(told) == [uid.encode() + b"ADDTO (0 4:6)", uid.encode() + b"REMOVEFROM (0 5)"]
    assert b"* 5 EXPUNGE" in told.split(b"REMOVEFROM")[-1]  # behind it: numbers mean what they meant


def test_message_numbers_and_saved_results_mean_what_they_meant(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3: sequence numbers are evaluated when the command is received."""
    client, other = pair
    client.ok("UID SEARCH RETURN (SAVE) UID 1")
    client.ok("UID SEARCH RETURN (UPDATE) NOT (OR $ 3) UNSEEN")
    client.ok("UID SEARCH RETURN (SAVE) UID 2")
    other.ok("UID STORE 1:3 +FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID REMOVEFROM (0 2)"]
    other.ok("UID STORE 1:3 -FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 2)"]
    client.ok("UID SEARCH RETURN (UPDATE) OR UID $ 1:2 DELETED")
    other.ok("UID STORE 1:3 +FLAGS (\\Deleted)")
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 1:2)"]


def test_a_star_is_the_last_message_of_the_moment(server: TestServer) -> None:
    """Only message numbers keep their meaning (RFC 5267 4.3): the last UID is another one when messages come and go."""
    client, other = room(server, 3), second(server)
    tags = {tag: f"UID SEARCH RETURN (UPDATE ALL) UID {uids}" for tag, uids in (("x", "5:*"), ("y", "*"), ("z", "2:*"))}
    known = {}
    for tag, command in tags.items():
        found = re.search(rb" ALL ([0-9:,]+)", client.send(f"{tag} {command}\r\n".encode()))
        known[tag.encode()] = set(numbers(found[1])) if found else set()
    assert known == {b"x": {3}, b"y": {3}, b"z": {2, 3}}
    for change in ("APPEND", "APPEND", "UID STORE 5 +FLAGS (\\Deleted)", "EXPUNGE", "APPEND"):
        if change == "APPEND":
            other.append("INBOX", MESSAGE)
        else:
            other.ok(change)
        for match in UPDATE.finditer(client.ok("NOOP")):
            known[match[1]] ^= set(numbers(match[4]))
        for tag, command in tags.items():
            found = re.search(rb" ALL ([0-9:,]+)", client.ok(command.replace("UPDATE ", "")))
            assert known[tag.encode()] == set(numbers(found[1]) if found else ()), (change, tag)


def test_updates_end_when_they_are_cancelled(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3.5."""
    client, other = pair
    for tag in ("x", "y", "z"):
        client.send(f"{tag} UID SEARCH RETURN (UPDATE) UNSEEN\r\n".encode())
    client.ok('CANCELUPDATE "x" "z" "x"')
    other.ok("UID STORE 1 +FLAGS (\\Seen)")
    assert [match[1] for match in UPDATE.finditer(client.ok("NOOP"))] == [b"y"]
    client.no('CANCELUPDATE "x"')
    client.no('CANCELUPDATE "y" "nobody"')
    for broken in ("", " x", " ()", " " + " ".join(['"y"'] * (limits.CONTEXTS + 1))):
        client.bad(f"CANCELUPDATE{broken}")
    client.ok('CANCELUPDATE "y"')


def test_a_tag_that_is_in_use_is_refused(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3."""
    client, _ = pair
    client.send(b"x SEARCH RETURN (UPDATE) UNSEEN\r\n")
    for command in (
        b"SEARCH RETURN (UPDATE) ALL",
        b"SORT RETURN (UPDATE) (DATE) UTF-8 ALL",
        b"ESEARCH RETURN (UPDATE) ALL",
    ):
        assert b"x BAD" in client.send(b"x " + command + b"\r\n")
    assert b"x OK" in client.send(b"x SEARCH RETURN (COUNT) ALL\r\n")
    assert b"x OK" in client.send(b'x CANCELUPDATE "x"\r\n')
    assert b"x OK" in client.send(b"x SEARCH RETURN (UPDATE) ALL\r\n")


def test_there_is_a_limit_and_the_search_is_answered_all_the_same(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3.1."""
    client, _ = pair
    for _ in range(limits.CONTEXTS):
        assert b"NOUPDATE" not in client.ok("UID SEARCH RETURN (UPDATE COUNT) ALL")
    answer = client.ok("UID SEARCH RETURN (UPDATE COUNT) ALL")
    assert re.search(rb'\* NO \[NOUPDATE "a\d+"\]', answer)
    assert b"COUNT 3" in answer
    answer = client.ok("UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 ALL")
    assert b"NOUPDATE" in answer
    assert b"COUNT 3" in answer


def test_a_result_that_becomes_too_scattered_is_given_up(
    pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = pair
    monkeypatch.setattr(limits, "CONTEXT_RANGES", 1)
    client.send(b"x UID SEARCH RETURN (UPDATE) UNSEEN\r\n")
    other.ok("UID STORE 2 +FLAGS (\\Seen)")
    assert b'* NO [NOUPDATE "x"]' in client.ok("NOOP")
    client.no('CANCELUPDATE "x"')
    assert b'* NO [NOUPDATE "y"]' in client.send(b"y UID SEARCH RETURN (UPDATE) UNSEEN\r\n")


def test_a_result_that_falls_apart_is_given_up(pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    client, other = pair
    monkeypatch.setattr(limits, "CONTEXT_RANGES", 1)
    client.send(b"x UID SEARCH RETURN (UPDATE) ALL\r\n")
    other.ok("UID STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.ok("NOOP")
    assert updates(answer) == [b"UID REMOVEFROM (0 2)"]
    assert b'* NO [NOUPDATE "x"]' in answer


def test_a_saved_result_that_is_too_scattered_is_not_kept_in_a_key(
    pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = pair
    client.ok("UID SEARCH RETURN (SAVE) UID 1,3")
    monkeypatch.setattr(limits, "CONTEXT_RANGES", 1)
    assert b"NOUPDATE" in client.ok("UID SEARCH RETURN (UPDATE) $ SEEN")


def test_much_to_look_at_is_held_as_little(pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    client, other = pair
    monkeypatch.setattr(limits, "CONTEXT_RANGES", 1)
    client.ok("UID SEARCH RETURN (UPDATE) SEEN")
    other.ok("UID STORE 1,3 +FLAGS (\\Flagged)")
    assert updates(client.ok("NOOP")) == []
    other.ok("UID STORE 1:3 +FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 1:3)"]


def test_flags_are_no_reason_to_read_texts_again(pair: tuple[Client, Client]) -> None:
    """RFC 5267 B."""
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) BODY needle")
    other.ok("UID STORE 1:3 +FLAGS (\\Seen)")
    client.session.receive(b"x NOOP\r\n")
    assert client.session.next_work() is None


def test_the_server_may_stop_while_results_are_looked_at(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) SUBJECT needle")
    other.append("INBOX", MESSAGE)
    client.session.receive(b"x NOOP\r\n")
    work = client.session.next_work()
    assert isinstance(work, Scan)
    assert client.session.is_resting, "no command is broken off by that"
    client.session.bye("stopping")
    assert b"ADDTO" not in client.finish(work)


def test_what_is_long_to_tell_comes_in_lines_that_a_client_can_hold(
    pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = pair
    monkeypatch.setattr(responses, "RANGES_IN_LINE", 1)
    client.ok("UID SEARCH RETURN (UPDATE) SEEN")
    other.ok("UID STORE 1,3 +FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID ADDTO (0 1)", b"UID ADDTO (0 3)"]


def test_a_store_that_cannot_be_read_ends_the_updates(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.send(b"x UID SEARCH RETURN (UPDATE) SUBJECT needle\r\n")
    other.append("INBOX", MESSAGE)
    client.session.receive(b"y NOOP\r\n")
    assert isinstance(client.session.next_work(), Scan)
    client.session.fail(Unavailable("the disk is gone"))
    assert client.heard().endswith(b'* NO [NOUPDATE "x"] The search result cannot be kept up to date at the moment\r\n')
    assert updates(client.ok("NOOP")) == []


def test_selecting_anew_ends_them(pair: tuple[Client, Client]) -> None:
    client, other = pair
    client.ok("UID SEARCH RETURN (UPDATE) UNSEEN")
    client.ok("SELECT INBOX")
    other.ok("UID STORE 2 +FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == []


def test_context_is_a_hint(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.2; beside it the options mean what they always mean."""
    client, _ = pair
    assert untagged(client.ok("UID SEARCH RETURN (CONTEXT COUNT) UNSEEN"))[0].endswith(b") UID COUNT 3")
    assert untagged(client.ok("UID SEARCH RETURN (CONTEXT) UNSEEN"))[0].endswith(b") UID")
    assert b"CONTEXT=SEARCH" in client.ok("CAPABILITY")


def test_esearch_keeps_the_selected_folder_up_to_date(pair: tuple[Client, Client]) -> None:
    """RFC 7377 2.2: and no other; its answers name the folder."""
    client, other = pair
    client.ok("CREATE a")
    client.ok("ESEARCH IN (personal) RETURN (UPDATE COUNT) UNSEEN")
    other.append("a", MESSAGE)
    other.append("INBOX", MESSAGE)
    (line,) = [line for line in untagged(client.ok("NOOP")) if b"ADDTO" in line]
    assert re.fullmatch(rb'\* ESEARCH \(TAG "a\d+" MAILBOX "?INBOX"? UIDVALIDITY \d+\) UID ADDTO \(0 4\)', line), line
    assert b"NOUPDATE" in client.ok("ESEARCH IN (mailboxes a) RETURN (UPDATE) UNSEEN")
    client.ok("UNSELECT")
    client.bad("ESEARCH IN (personal) RETURN (UPDATE) UNSEEN")


def test_an_esearch_that_fails_keeps_nothing_up_to_date(pair: tuple[Client, Client]) -> None:
    client, _ = pair
    client.ok("CREATE z")
    client.append("z", MESSAGE)
    client.session.receive(b"x ESEARCH IN (personal) RETURN (UPDATE) SUBJECT needle\r\n")
    while isinstance(work := client.session.next_work(), Read | Scan):
        result = client._do(work)
        if isinstance(result, Snapshot) and result.view:  # z, behind INBOX, which is selected
            break
        client.session.finish(result)
    client.session.fail(Unavailable("gone"))
    assert b"x NO" in client.heard()
    assert b"x OK" in client.send(b"x SEARCH RETURN (UPDATE) ALL\r\n")


def test_a_folder_is_named_as_the_client_reads_names_by_then(server: TestServer) -> None:
    """RFC 6855 3."""
    client, other = server.client(), server.client()
    client.ok("CREATE caf&AOk-")
    client.ok("SELECT caf&AOk-")
    client.ok("ESEARCH IN (selected) RETURN (UPDATE) UNSEEN")
    other.append("caf&AOk-", MESSAGE)
    assert b"caf&AOk-" in client.ok("NOOP")
    client.ok("ENABLE UTF8=ACCEPT")
    other.append("caf&AOk-", MESSAGE)
    assert "café".encode() in client.ok("NOOP")


def test_numbers_are_told_no_more_after_uidonly(pair: tuple[Client, Client]) -> None:
    """RFC 9586 3."""
    client, other = pair
    client.ok("SEARCH RETURN (UPDATE) UNSEEN")
    client.ok("UID SEARCH RETURN (UPDATE) UNSEEN")
    assert len(re.findall(rb"NOUPDATE", client.ok("ENABLE UIDONLY"))) == 1
    other.ok("UID STORE 2 +FLAGS (\\Seen)")
    assert updates(client.ok("NOOP")) == [b"UID REMOVEFROM (0 2)"]


def numbers(octets: bytes) -> Iterator[int]:
    for piece in octets.split(b","):
        low, _, high = piece.partition(b":")
        yield from range(int(low), int(high or low) + 1)


def room_of(*subjects: str) -> tuple[bytes, ...]:
    return tuple(f"Subject: {subject}\r\n\r\n".encode() for subject in subjects)


# ---------------------------------------------------------------------------------------------- CONTEXT=SORT


def test_a_sorted_result_is_kept_in_its_order(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3.3, 4.3.4: each message with the position at which it comes to stand, or stood."""
    client, other = pair
    for mail in room_of("d", "b", "f"):
        other.append("INBOX", mail)
    client.ok("NOOP")
    answer = client.send(b's UID SORT RETURN (UPDATE ALL COUNT) (SUBJECT) UTF-8 UNSEEN SUBJECT ""\r\n')
    assert b'* ESEARCH (TAG "s") UID ALL 5,4,6,1:3 COUNT 6\r\n' in answer
    for mail in room_of("c", "e", "a", "cc"):
        other.append("INBOX", mail)
    assert untagged(client.ok("NOOP"))[-1] == b'* ESEARCH (TAG "s") UID ADDTO (1 9 3 7,10 6 8)'
    other.ok("UID STORE 2,7,8,10 +FLAGS (\\Seen)")
    assert untagged(client.ok("NOOP"))[-1] == b'* ESEARCH (TAG "s") UID REMOVEFROM (9 2 6 8 3 7,10)'


def test_a_sorted_result_of_numbers_follows_what_they_become(pair: tuple[Client, Client]) -> None:
    """RFC 5267 4.3.4: before EXPUNGE, with the number that the message still has."""
    client, other = pair
    client.send(b"s SORT RETURN (UPDATE ALL) (REVERSE ARRIVAL) UTF-8 ALL\r\n")
    other.ok("UID STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    told = [line for line in untagged(client.ok("NOOP")) if b"FETCH" not in line]
    assert told == [b'* ESEARCH (TAG "s") REMOVEFROM (2 2)', b"* 2 EXPUNGE"]


def test_a_sorted_result_of_very_many_messages_is_given_up(
    pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SORTED_CONTEXT", 3)
    client, other = pair
    assert b"NOUPDATE" not in client.send(b"s SORT RETURN (UPDATE) (SUBJECT) UTF-8 ALL\r\n")
    other.append("INBOX", MESSAGE)
    assert b'* NO [NOUPDATE "s"]' in client.ok("NOOP")
    assert b'* NO [NOUPDATE "t"]' in client.send(b"t SORT RETURN (UPDATE) (SUBJECT) UTF-8 ALL\r\n")


def test_what_is_sorted_by_relevancy_is_not_kept(pair: tuple[Client, Client]) -> None:
    """RFC 6203 4: scores are of a whole result, and change with it."""
    client, _ = pair
    answer = client.send(b"s SORT RETURN (UPDATE ALL) (RELEVANCY) UTF-8 FUZZY SUBJECT x\r\n")
    assert b'* NO [NOUPDATE "s"]' in answer
    assert b" ALL 1:3\r\n" in answer


def test_a_sorted_result_keeps_its_comparator(pair: tuple[Client, Client]) -> None:
    """RFC 5255 4.2: what the client asks for later is another matter."""
    client, other = pair
    client.ok("COMPARATOR i;octet")
    client.send(b"s UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 SUBJECT a\r\n")
    client.ok("COMPARATOR i;unicode-casemap")
    for mail in room_of("ab", "Ba", "a"):
        other.append("INBOX", mail)
    assert untagged(client.ok("NOOP"))[-1] == b'* ESEARCH (TAG "s") UID ADDTO (1 5:6,4)'


# ---------------------------------------------------------------------------------------------- any order of changes

PROGRAMS = {
    b"u": "UID SEARCH RETURN (UPDATE ALL) UNSEEN",
    b"n": "SEARCH RETURN (UPDATE ALL) UNSEEN",
    b"t": "UID SEARCH RETURN (UPDATE ALL) SUBJECT x UNSEEN",
    b"U": "UID SORT RETURN (UPDATE ALL) (REVERSE SUBJECT) UTF-8 UNSEEN",
    b"N": "SORT RETURN (UPDATE ALL) (SUBJECT REVERSE ARRIVAL) UTF-8 UNSEEN",
    b"T": "UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 TEXT Subject",
}
NUMBERED = (b"n", b"N")
ANY_UPDATE = re.compile(rb'\* ESEARCH \(TAG "(.)"\)(?: UID)? (ADDTO|REMOVEFROM) \((.*)\)')

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abx"), st.sampled_from(["", "(\\Seen)", "(\\Flagged)"])),
        st.tuples(st.just("store"), st.integers(1, 12), st.sampled_from(["+FLAGS (\\Seen)", "-FLAGS (\\Seen)"])),
        st.tuples(st.just("own"), st.integers(1, 12), st.sampled_from(["+FLAGS.SILENT (\\Seen)", "FLAGS ()"])),
        st.tuples(st.just("expunge"), st.integers(1, 12), st.integers(1, 12)),
        st.tuples(st.sampled_from(["noop", "fetch", "idle"])),
        st.tuples(st.just("amid"), st.integers(1, 12), st.integers(1, 12)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_a_client_that_follows_the_updates_knows_what_would_be_found(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    """RFC 5267 4.3: in the order asked for, by UID and, as EXPUNGE moves them, by number; whatever comes when."""
    server = TestServer(Path(tmp_path_factory.mktemp("contexts")))
    client, other = room(server, 3), second(server)

    def found(tag: bytes, program: str) -> list[int]:
        match = re.search(rb" ALL ([0-9:,]+)\r\n", client.send(tag + b" " + program.encode() + b"\r\n"))
        return list(numbers(match[1])) if match else []

    def fold(answer: bytes) -> None:
        for line in untagged(answer):
            if match := ANY_UPDATE.fullmatch(line):
                words = match[3].split()
                for position, told in zip(words[::2], words[1::2], strict=True):
                    change(known[match[1]], int(position), list(numbers(told)), adds=match[2] == b"ADDTO")
            elif expunged := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
                gone = int(expunged[1])
                for tag in NUMBERED:
                    assert gone not in known[tag]
                    known[tag] = [number - (number > gone) for number in known[tag]]

    known = {tag: found(tag, program) for tag, program in PROGRAMS.items()}
    for step in steps:
        match step:
            case "append", subject, flags:
                other.append("INBOX", room_of(str(subject))[0], str(flags))
            case "store", uid, flags:
                other.ok(f"UID STORE {uid} {flags}")
            case "own", uid, flags:
                fold(client.ok(f"UID STORE {uid} {flags}"))
            case "expunge", uid, until:
                other.ok(f"UID STORE {uid}:{until} +FLAGS (\\Deleted)")
                other.ok("EXPUNGE")
            case "amid", uid, until:  # what is looked at changes before it is told
                fold(client.says("IDLE"))
                other.append("INBOX", room_of("x")[0])
                client.session.tell_idle()
                while isinstance(work := client.session.next_work(), Read | Scan):
                    looked = client._do(work)
                    other.ok(f"UID STORE {uid} +FLAGS (\\Seen)")
                    other.ok(f"UID STORE {until} +FLAGS (\\Deleted)")
                    other.ok("EXPUNGE")
                    client.session.tell_idle()
                    client.session.finish(looked)
                    uid = until = 1  # once: or it never ends
                fold(client.turn() + client.send(b"DONE\r\n"))
            case ("noop",):
                fold(client.ok("NOOP"))
            case ("fetch",):
                fold(client.says("FETCH 1:* FLAGS"))  # BAD in an empty folder
            case ("idle",):
                fold(client.says("IDLE"))
                other.append("INBOX", room_of("x")[0])
                fold(client.turn() + client.send(b"DONE\r\n"))
    fold(client.ok("NOOP"))
    for tag, program in PROGRAMS.items():
        assert known[tag] == found(b"again", program.replace("UPDATE ", "")), tag
    server.close()


def change(result: list[int], position: int, told: list[int], *, adds: bool) -> None:
    """RFC 5267 4.3.3, 4.3.4.  Position 0: the client keeps its results in the folder's order."""
    if position == 0:
        assert set(told).isdisjoint(result) == adds
        result[:] = sorted({*result} ^ {*told})
        return
    assert 1 <= position <= len(result) + adds
    place = slice(position - 1, position - 1 + (0 if adds else len(told)))
    assert result[place] == ([] if adds else told)
    result[place] = told if adds else []
