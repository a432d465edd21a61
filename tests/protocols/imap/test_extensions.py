"""The smaller extensions: object ids, save dates, pages, batches, UIDs alone, progress, signing out, UTF-8."""

import re

import pytest

from protocols.imap import limits
from protocols.imap.handlers import do_copy, do_messages
from tests.support.imap import Client, TestServer, room, second, untagged

MESSAGE = b"Subject: x\r\n\r\nx\r\n"


# ---------------------------------------------------------------------------------------------- OBJECTID


def object_ids(client: Client, number: int = 1) -> tuple[bytes, bytes]:
    (line,) = client.fetched(f"FETCH {number} (EMAILID THREADID)")
    found = re.fullmatch(rb"\* \d+ FETCH \(EMAILID \(([\w-]{1,255})\) THREADID \(([\w-]{1,255})\)\)", line)
    assert found is not None, line
    return found[1], found[2]


def test_a_message_keeps_its_ids_through_copy_and_move(server: TestServer) -> None:
    """RFC 8474 5.1, 5.3."""
    client = room(server, 2)
    one, two = object_ids(client, 1), object_ids(client, 2)
    assert len({*one, *two}) == 4, "a message, its conversation and others differ"
    client.ok("COPY 1 Sent")
    client.ok("MOVE 2 Sent")
    client.ok("SELECT Sent")
    assert (object_ids(client, 1), object_ids(client, 2)) == (one, two)


def test_an_answer_is_in_the_conversation_of_what_it_answers(server: TestServer) -> None:
    """RFC 8474 5.2, its example; also across folders."""
    client = server.client(select="INBOX")
    client.append("INBOX", b"Message-ID: <a@x>\r\nSubject: Message A\r\n\r\n")
    client.append("INBOX", b"Message-ID: <b@x>\r\nReferences: <a@x>\r\nSubject: Re: Message A\r\n\r\n")
    client.append("INBOX", b"Message-ID: <c@x>\r\nReferences: <a@x>\r\nSubject: Message C\r\n\r\n")
    client.append("Sent", b"Message-ID: <d@x>\r\nIn-Reply-To: <b@x>\r\nSubject: Re: message a\r\n\r\n")
    threads = [object_ids(client, number)[1] for number in (1, 2, 3)]
    assert threads[0] == threads[1] != threads[2]
    found = client.ok(f"SEARCH THREADID {threads[0].decode()}")
    assert b"* SEARCH 1 2\r\n" in found
    client.ok("SELECT Sent")
    assert object_ids(client)[1] == threads[0]


def test_outlooks_thread_index_joins_what_has_lost_its_references(server: TestServer) -> None:
    """T-12.8, its half at delivery."""
    index = "AdBLtT8XbZ6kTyJBTgqC1iUzZ4RbNw=="
    answer = "AdBLtT8XbZ6kTyJBTgqC1iUzZ4RbNwAAABCw"
    client = server.client(select="INBOX")
    client.append("INBOX", f"Message-ID: <a@x>\r\nThread-Index: {index}\r\nSubject: Plan\r\n\r\n".encode())
    client.append("INBOX", f"Message-ID: <b@x>\r\nThread-Index: {answer}\r\nSubject: RE: Plan\r\n\r\n".encode())
    client.append("INBOX", b"Message-ID: <c@x>\r\nReferences: <b@x>\r\nSubject: Re: Plan\r\n\r\n")
    client.append("INBOX", b"Message-ID: <d@x>\r\nThread-Index: short\r\nSubject: Plan\r\n\r\n")
    threads = [object_ids(client, number)[1] for number in (1, 2, 3, 4)]
    assert threads[0] == threads[1] == threads[2] != threads[3]


def test_ids_are_searched_exactly(server: TestServer) -> None:
    """RFC 8474 6: case counts."""
    client = room(server, 2)
    email, _ = object_ids(client, 2)
    assert b" ALL 2\r\n" in client.ok(f"SEARCH EMAILID {email.decode()}")
    assert b" ALL" not in client.ok(f"SEARCH EMAILID {email.decode().lower()}")
    assert b" ALL" not in client.ok("SEARCH THREADID nosuch")
    client.bad("SEARCH EMAILID")
    client.bad('SEARCH EMAILID "a b"')


def test_a_folder_keeps_its_id_when_it_is_renamed(server: TestServer) -> None:
    """RFC 8474 4."""
    client = server.client()
    made = re.search(rb"OK \[MAILBOXID \(([\w-]+)\)\]", client.ok("CREATE a/b"))
    assert made is not None
    client.ok("RENAME a/b c")
    assert b'* STATUS "c" (MAILBOXID (%b))\r\n' % made[1] in client.ok("STATUS c (MAILBOXID)")
    assert b"[MAILBOXID (%b)]" % made[1] in client.ok("SELECT c")
    listed = client.ok('LIST "" % RETURN (STATUS (MAILBOXID))')
    ids = re.findall(rb"MAILBOXID \(([\w-]+)\)", listed)
    assert made[1] in ids
    assert len(set(ids)) == len(ids)
    client.ok("UNSELECT")
    client.ok("DELETE c")
    again = client.ok("CREATE c")
    assert made[1] not in again


# ---------------------------------------------------------------------------------------------- SAVEDATE


def test_the_save_date_is_that_of_the_copy(server: TestServer) -> None:
    """RFC 8514 4.2, 4.3."""
    client = server.client(select="INBOX")
    client.append("INBOX", MESSAGE, '" 7-Feb-1994 22:43:04 -0800"')
    server.clock.advance(3 * 86_400_000_000)
    client.ok("COPY 1 Sent")
    (saved,) = client.fetched("FETCH 1 (SAVEDATE)")[:1]
    assert saved == b'* 1 FETCH (SAVEDATE "14-Nov-2023 22:13:20 +0000")', saved
    client.ok("SELECT Sent")
    assert b'SAVEDATE "17-Nov-2023 22:13:20 +0000"' in client.ok("FETCH 1 (SAVEDATE)")
    for keys, is_found in (
        ("SAVEDON 17-Nov-2023", True),
        ("SAVEDBEFORE 17-Nov-2023", False),
        ("SAVEDBEFORE 18-Nov-2023", True),
        ("SAVEDSINCE 17-Nov-2023", True),
        ("SAVEDSINCE 18-Nov-2023", False),
        ("SAVEDATESUPPORTED", True),
    ):
        assert (b"* SEARCH 1\r\n" in client.ok(f"SEARCH {keys}")) is is_found, keys


# ---------------------------------------------------------------------------------------------- WITHIN


def test_older_and_younger_to_the_second(server: TestServer) -> None:
    """RFC 5032 2: both include the moment itself."""
    client = server.client(select="INBOX")
    client.append("INBOX", MESSAGE, '"14-Nov-2023 22:13:10 +0000"')  # ten seconds ago
    for keys, is_found in (
        ("OLDER 10", True),
        ("OLDER 11", False),
        ("YOUNGER 10", True),
        ("YOUNGER 9", False),
        ("NOT YOUNGER 9", True),
    ):
        assert (b"* SEARCH 1\r\n" in client.ok(f"SEARCH {keys}")) is is_found, keys
    for broken in ("OLDER", "OLDER 0", "YOUNGER x", "YOUNGER 4294967296"):
        client.bad(f"SEARCH {broken}")


# ---------------------------------------------------------------------------------------------- PREVIEW


def test_a_preview_is_text_whatever_the_message(server: TestServer) -> None:
    """RFC 8970 3, 4: at once, so LAZY changes nothing."""
    client = server.client(select="INBOX")
    html = "<html><body><p>Hello &amp; <b>welcome</b></p></body></html>"
    client.append("INBOX", f"Content-Type: text/html\r\n\r\n{html}\r\n".encode())
    client.append("INBOX", "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode())
    client.append("INBOX", b"Content-Type: image/png\r\n\r\n\x89PNG")
    assert client.fetched("FETCH 1 (PREVIEW)")[0] == b'* 1 FETCH (PREVIEW "Hello & welcome")'
    assert "PREVIEW {7}\r\nGrüße)".encode() in client.ok("FETCH 2 (PREVIEW (LAZY) UID)").replace(b" UID 2", b"")
    assert b'PREVIEW "")' in client.ok("FETCH 3 PREVIEW (LAZY)")
    assert b"BODY[TEXT] {4}" in client.ok("FETCH 3 (PREVIEW BODY.PEEK[TEXT])")
    client.ok("ENABLE UTF8=ACCEPT")
    assert 'PREVIEW "Grüße")'.encode() in client.ok("FETCH 2 PREVIEW")
    client.bad("FETCH 1 (PREVIEW (BUSY))")
    client.bad("FETCH 1 PREVIEW LAZY")


# ---------------------------------------------------------------------------------------------- PARTIAL


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("1:2", "(1:2 1:2)"),
        ("3:2", "(2:3 2,4)"),
        ("-1:-2", "(-1:-2 4:5)"),
        ("-2:-1", "(-1:-2 4:5)"),
        ("3:99", "(3:99 4:5)"),
        ("-4:-99", "(-4:-99 1)"),
        ("5:9", "(5:9 NIL)"),
        ("-5:-9", "(-5:-9 NIL)"),
    ],
)
def test_a_page_of_what_was_found(server: TestServer, wanted: str, told: str) -> None:
    """RFC 9394 3.1."""
    client = room(server, 5)
    client.ok("STORE 3 +FLAGS (\\Seen)")
    answer = client.ok(f"UID SEARCH RETURN (PARTIAL {wanted}) UNSEEN")
    assert b" UID PARTIAL %b\r\n" % told.encode() in answer


@pytest.mark.parametrize(
    ("returns", "saved"),
    [
        ("SAVE PARTIAL 2:3", b"2:3"),
        ("SAVE PARTIAL 2:3 MIN", b"1:3"),
        ("SAVE PARTIAL 2:3 MAX", b"2:3,5"),
        ("SAVE PARTIAL 2:3 MIN MAX", b"1:3,5"),
        ("SAVE PARTIAL 2:3 COUNT", b"1:5"),
    ],
)
def test_what_of_a_page_is_saved(server: TestServer, returns: str, saved: bytes) -> None:
    """RFC 9394 3.2, table 1."""
    client = room(server, 5)
    client.ok(f"UID SEARCH RETURN ({returns}) ALL")
    assert b" ALL %b\r\n" % saved in client.ok("UID SEARCH RETURN (ALL) UID $")


def test_a_page_of_a_fetch(server: TestServer) -> None:
    """RFC 9394 3.3, 3.4: the page first, then what has changed in it."""
    client = room(server, 8)
    client.ok("STORE 5 +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")

    def uids(command: str) -> list[int]:
        return [int(uid) for uid in re.findall(rb"UID (\d+)", b"".join(client.fetched(command)))]

    assert uids("UID FETCH 2:7 (FLAGS) (PARTIAL -1:-3)") == [4, 6, 7]
    assert uids("UID FETCH 2:7 (FLAGS) (PARTIAL 1:4)") == [2, 3, 4, 6]
    assert uids("UID FETCH 1:3,6:* (FLAGS) (PARTIAL 3:4)") == [3, 6]
    assert uids("UID FETCH 1:* (FLAGS) (PARTIAL 8:9)") == []
    client.ok("STORE 1,7 +FLAGS.SILENT (\\Seen)")
    assert uids("UID FETCH 1:* (UID) (PARTIAL -1:-3 CHANGEDSINCE 11)") == [8]
    for broken in (
        "PARTIAL",
        "PARTIAL 1",
        "PARTIAL 0:1",
        "PARTIAL -1:2",
        "PARTIAL 1:4294967296",
        "PARTIAL 1:2 PARTIAL 1:2",
    ):
        client.bad(f"UID FETCH 1:* FLAGS ({broken})")
    client.bad("FETCH 1:* FLAGS (PARTIAL 1:2)")
    client.bad("SEARCH RETURN (ALL PARTIAL 1:2) ALL")
    client.bad("SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL")


# ---------------------------------------------------------------------------------------------- UIDBATCHES


def test_batches_from_the_newest_message_on(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALLEST_BATCH", 2)
    client = room(server, 7)
    client.ok("STORE 4 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    assert b'* UIDBATCHES (TAG "a13") 7:6,5:3,2:1\r\n' in client.ok("UIDBATCHES 2")
    assert b'* UIDBATCHES (TAG "a14") 7:3,2:1\r\n' in client.ok("UIDBATCHES 4")
    assert b'* UIDBATCHES (TAG "a15") 5:3,2:1\r\n' in client.ok("UIDBATCHES 2 2:9")
    assert b'* UIDBATCHES (TAG "a16")\r\n' in client.ok("UIDBATCHES 2 4:9")
    client.no("UIDBATCHES 1", "TOOFEW")
    for broken in ("", " x", " 2 x", " 2 1", " 2 -1:-2", " 2 1:2 3"):
        client.bad(f"UIDBATCHES{broken}")
    client.ok("SELECT Sent")
    assert b'")\r\n' in client.ok("UIDBATCHES 2")


# ---------------------------------------------------------------------------------------------- UIDONLY


def test_after_uidonly_there_are_no_message_numbers(server: TestServer) -> None:
    """RFC 9586 3."""
    client, other = room(server, 4), second(server)
    assert b"* ENABLED UIDONLY\r\n" in client.ok("ENABLE UIDONLY")
    assert client.fetched("UID FETCH 2 (FLAGS RFC822.SIZE)") == [b"* 2 UIDFETCH (FLAGS () RFC822.SIZE 20)"]
    assert client.fetched("UID FETCH 2 (BODY.PEEK[TEXT])")[0] == b"* 2 UIDFETCH (BODY[TEXT] {6}"
    assert client.fetched("UID FETCH 3:4 UID") == [b"* 3 UIDFETCH (UID 3)", b"* 4 UIDFETCH (UID 4)"]
    assert client.fetched("UID STORE 2 +FLAGS (\\Seen)") == [b"* 2 UIDFETCH (FLAGS (\\Seen))"]
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert untagged(client.ok("NOOP")) == [b"* 1 UIDFETCH (FLAGS (\\Deleted))", b"* VANISHED 1"]
    assert b" UID ALL 2:4\r\n" in client.ok("UID SEARCH ALL")
    for command in ("FETCH 1 FLAGS", "STORE 1 +FLAGS (\\Seen)", "SEARCH ALL", "COPY 1 Sent", "MOVE 1 Sent",
                    "UID SEARCH 1:2", "UID SEARCH OR SEEN NOT (1)"):  # fmt: skip
        assert b" BAD [UIDREQUIRED] " in client.bad(command), command
    client.ok("UID MOVE 2 Sent")
    client.ok("UID SEARCH RETURN (SAVE) ALL")
    assert b" UID ALL 3:4\r\n" in client.ok("UID SEARCH RETURN (ALL) $")


def test_uidonly_with_qresync(server: TestServer) -> None:
    client = server.client()
    client.append("INBOX", MESSAGE)
    client.ok("ENABLE UIDONLY QRESYNC")
    answer = client.ok("SELECT INBOX")
    assert b"UNSEEN" not in answer
    assert client.fetched("UID STORE 1 +FLAGS (\\Seen)") == [b"* 1 UIDFETCH (FLAGS (\\Seen \\Recent) MODSEQ (3))"]
    assert b" BAD [UIDREQUIRED]" in client.bad("SELECT INBOX (QRESYNC (1700000000 1 1 (1 1)))")
    assert b"* 1 UIDFETCH (FLAGS (\\Seen) MODSEQ (3))\r\n" in client.ok("SELECT INBOX (QRESYNC (1700000000 1))")


# ---------------------------------------------------------------------------------------------- INPROGRESS


def test_a_command_that_takes_long_tells_how_far_it_is(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9585: seldom, and only while there is something left to do."""
    monkeypatch.setattr(do_messages, "ROWS_PER_COMMAND", 2)
    client = room(server, 10)
    write = server.database.write

    def slow(command: object) -> object:
        server.clock.advance(6_000_000)
        return write(command)  # type: ignore[arg-type]

    monkeypatch.setattr(server.database, "write", slow)
    told = [line for line in client.fetched("UID STORE 1:* +FLAGS (\\Seen)") if b"INPROGRESS" in line]
    assert told == [
        b'* OK [INPROGRESS ("a14" 4 10)] Still at it',
        b'* OK [INPROGRESS ("a14" 8 10)] Still at it',
    ]


# ---------------------------------------------------------------------------------------------- UNAUTHENTICATE


def test_signing_out_leaves_nothing_behind(server: TestServer) -> None:
    """RFC 8437 3."""
    client = server.client()
    client.append("INBOX", MESSAGE)
    client.ok("ENABLE QRESYNC UTF8=ACCEPT")
    client.ok("SELECT INBOX")
    assert server.connections == 1
    client.ok("UNAUTHENTICATE")
    assert server.connections == 0
    client.bad("SELECT INBOX")
    client.bad("UNAUTHENTICATE")
    assert b"CONDSTORE" not in client.ok("CAPABILITY")
    client.ok("LOGIN u2 pass")
    answer = client.ok("SELECT INBOX")
    assert b"* 0 EXISTS" in answer
    client.bad("SELECT INBOX (QRESYNC (1 1))")
    client.bad('SELECT "\xc3\xa9"'.encode("latin-1"))


def test_a_stranger_again_has_little_room(server: TestServer) -> None:
    client = server.client()
    client.ok("UNAUTHENTICATE")
    assert b"BAD" in client.send(b"a LOGIN {%d+}\r\n" % (limits.BEFORE_LOGIN.literal + 1))


# ---------------------------------------------------------------------------------------------- UTF8=ACCEPT


def test_utf8_is_sent_and_taken_after_enable(server: TestServer) -> None:
    """RFC 6855 3, 4."""
    client = server.client()
    assert b"* ENABLED UTF8=ACCEPT\r\n" in client.ok("ENABLE UTF8=ACCEPT")
    client.ok('CREATE "Größe"'.encode())
    assert '"Größe"'.encode() in client.ok('LIST "" "Gr*"')
    message = "From: Jörg <jörg@example.com>\r\nSubject: Grüße\r\n\r\nä\r\n".encode()
    client.ok(b'APPEND "Gr\xc3\xb6\xc3\x9fe" UTF8 (~{%d+}\r\n%b)' % (len(message), message))
    client.ok('SELECT "Größe"'.encode())
    assert '"Grüße"'.encode() in client.ok("FETCH 1 ENVELOPE")
    client.bad("SEARCH CHARSET UTF-8 SUBJECT x")
    assert b"* SEARCH 1\r\n" in client.ok('SEARCH SUBJECT "GRÜßE"'.encode())
    plain = server.client(select="&AEc-r&APYA3w-e")
    assert "Grüße".encode() not in plain.ok("FETCH 1 ENVELOPE")


@pytest.mark.parametrize(
    "capability",
    ["CONDSTORE", "QRESYNC", "OBJECTID", "SAVEDATE", "PARTIAL", "UIDONLY", "UIDBATCHES", "INPROGRESS", "UNAUTHENTICATE",
     "UTF8=ACCEPT", "I18NLEVEL=2", "COMPRESS=DEFLATE", "WITHIN", "PREVIEW"],
)  # fmt: skip
def test_what_is_there_is_announced(server: TestServer, capability: str) -> None:
    client = server.client()
    assert f" {capability} ".encode() in client.ok("CAPABILITY").replace(b"\r\n", b" ")
    assert f" {capability} ".encode() not in client.greeting.replace(b"]", b" ]")


def test_progress_of_move_does_not_stand_still(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9585: what was moved is gone from the view, so that the number of the next slice's last message stays low."""
    monkeypatch.setattr(do_copy, "ROWS_PER_COMMAND", 2)
    client = room(server, 10)
    write = server.database.write

    def slow(command: object) -> object:
        server.clock.advance(11_000_000)
        return write(command)  # type: ignore[arg-type]

    monkeypatch.setattr(server.database, "write", slow)
    told = re.findall(rb'INPROGRESS \("\w+" (\d+) 10\)', client.ok("MOVE 1:10 Sent"))
    assert len(told) > 2
    assert sorted(set(map(int, told))) == list(map(int, told))


def test_compress_twice_is_bad(server: TestServer) -> None:
    """RFC 4978 3: "BAD  ... or COMPRESS already active"; NO is for another layer."""
    client = server.client()
    client.ok("COMPRESS DEFLATE")
    client.bad("COMPRESS DEFLATE")


def test_signing_out_ends_compression(server: TestServer) -> None:
    """RFC 8437 4.1: the compression layer ends behind the OK, and COMPRESS may be given anew."""
    client = server.client()
    client.ok("COMPRESS DEFLATE")
    client.ok("UNAUTHENTICATE")
    assert not client.session.is_compressed


def test_signing_out_can_be_turned_off(server: TestServer) -> None:
    """RFC 8437 8."""
    server.may_unauthenticate = False
    client = server.client()
    assert b"UNAUTHENTICATE" not in client.ok("CAPABILITY")
    client.bad("UNAUTHENTICATE")
    assert client.session.account is not None
