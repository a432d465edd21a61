"""What FETCH makes of messages: sections, prefixes, parts without their encoding, and pieces that stay small."""

from base64 import b64encode

import pytest

from adapters.stores.sql import SqlReadTx
from core.errors import MessageExpunged
from protocols.imap.commands import Fetch
from protocols.imap.grammar import parse
from protocols.imap.handlers import do_messages
from protocols.imap.reading import fetching, sections
from protocols.imap.reading.fetching import plan
from protocols.imap.work import Read
from tests.support.imap import Client, TestServer

NESTED = b"""\
From: Ann <ann@example.org>
Subject: outer
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=out

--out
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

gr=C3=BC=C3=9Fe
--out
Content-Type: message/rfc822

From: Bob <bob@example.org>
Subject: inner
Content-Type: multipart/alternative; boundary=in

--in

one
--in
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

AAECAw==
--in--

--out
Content-Type: application/x-odd
Content-Transfer-Encoding: x-rot13

uryyb
--out--
""".replace(b"\n", b"\r\n")
HEADER = NESTED[: NESTED.index(b"\r\n\r\n") + 4]
TRACE = b"Return-Path: <carl@example.net>\r\nDelivered-To: u1@example.org\r\n"


def reader(server: TestServer, message: bytes = NESTED) -> Client:
    client = server.client()
    client.append("INBOX", message)
    client.ok("ENABLE IMAP4rev2")
    client.ok("EXAMINE INBOX")
    return client


def literal(client: Client, item: str, number: int = 1) -> bytes:
    """The octets of a literal, whose size must be right."""
    answer = client.ok(f"FETCH {number} {item}")
    head, _, rest = answer.partition(b"}\r\n")
    size = int(head.rpartition(b"{")[2])
    assert rest[size:].startswith(b")\r\n"), answer
    return rest[:size]


def test_the_sections_of_a_message_within_a_message(server: TestServer) -> None:
    """RFC 9051 6.4.5, the example of part numbers."""
    client = reader(server)
    body = NESTED[len(HEADER) :]
    assert literal(client, "BODY[]") == NESTED
    assert literal(client, "RFC822") == NESTED
    assert literal(client, "BODY[HEADER]") == literal(client, "RFC822.HEADER") == HEADER
    assert literal(client, "BODY[TEXT]") == literal(client, "RFC822.TEXT") == body
    assert literal(client, "BODY[1]") == b"gr=C3=BC=C3=9Fe"
    assert literal(client, "BODY[1.MIME]").startswith(b"Content-Type: text/plain")
    assert literal(client, "BODY[2.MIME]") == b"Content-Type: message/rfc822\r\n\r\n"
    assert literal(client, "BODY[2]").startswith(b"From: Bob")
    assert literal(client, "BODY[2.HEADER]").startswith(b"From: Bob")
    assert literal(client, "BODY[2.HEADER]").endswith(b"boundary=in\r\n\r\n")
    assert literal(client, "BODY[2.TEXT]").startswith(b"--in\r\n")
    assert literal(client, "BODY[2.1]") == b"one"
    assert literal(client, "BODY[2.2]") == b"AAECAw=="
    assert literal(client, "BODY[2.2.MIME]").startswith(b"Content-Type: application/octet-stream\r\n")
    assert literal(client, "BODY[2.HEADER.FIELDS (SUBJECT)]") == b"Subject: inner\r\n\r\n"
    assert literal(client, "BODY[HEADER.FIELDS.NOT (FROM MIME-VERSION CONTENT-TYPE)]") == b"Subject: outer\r\n\r\n"


@pytest.mark.parametrize("section", ["9", "1.HEADER", "1.TEXT", "2.9", "9.MIME", "1.1.1", "1.HEADER.FIELDS (X)"])
def test_a_section_that_does_not_exist_is_nil(server: TestServer, section: str) -> None:
    """RFC 9051 7.5.2."""
    assert reader(server).ok(f"FETCH 1 BODY[{section}]").startswith(f"* 1 FETCH (BODY[{section}] NIL)\r\n".encode())


def test_partial_fetches(server: TestServer) -> None:
    """RFC 9051 6.4.5: what lies beyond the end is left out."""
    client = reader(server)
    assert client.ok("FETCH 1 BODY[]<0.4>").startswith(b"* 1 FETCH (BODY[]<0> {4}\r\nFrom)\r\n")
    assert literal(client, "BODY[]<5.3>") == NESTED[5:8]
    assert literal(client, f"BODY[]<{len(NESTED) - 2}.100>") == NESTED[-2:]
    assert literal(client, f"BODY[]<{len(NESTED)}.1>") == b""
    assert literal(client, "BODY[]<9999999999.1>") == b""
    assert literal(client, "BODY[HEADER.FIELDS (SUBJECT)]<9.5>") == b"outer"
    assert literal(client, "BODY[HEADER.FIELDS (SUBJECT)]<99.5>") == b""


def test_our_trace_headers_stand_above_the_message(server: TestServer) -> None:
    """What a delivery put in front is part of the header, of the size, and of what is read."""
    server.deliver(NESTED, prefix=TRACE)
    client = server.client(select="INBOX")
    assert b"RFC822.SIZE %d)" % len(TRACE + NESTED) in client.ok("FETCH 1 RFC822.SIZE")
    assert literal(client, "BODY.PEEK[]") == TRACE + NESTED
    assert literal(client, "BODY.PEEK[HEADER]") == TRACE + HEADER
    assert literal(client, "BODY.PEEK[TEXT]") == NESTED[len(HEADER) :]
    assert literal(client, "BODY.PEEK[1]") == b"gr=C3=BC=C3=9Fe"
    assert literal(client, "BODY.PEEK[HEADER.FIELDS (Return-Path Subject)]") == (
        b"Return-Path: <carl@example.net>\r\nSubject: outer\r\n\r\n"
    )
    for start in (0, 5, len(TRACE) - 3, len(TRACE), len(TRACE) + 3):
        assert literal(client, f"BODY.PEEK[]<{start}.10>") == (TRACE + NESTED)[start : start + 10]
    assert literal(client, "BINARY.PEEK[]") == TRACE + NESTED


def test_a_message_without_a_header_has_an_empty_one(server: TestServer) -> None:
    client = reader(server, b"\r\nonly a body")
    assert literal(client, "BODY[TEXT]") == b"only a body"
    assert literal(client, "BODY[HEADER]") == b"\r\n"
    assert literal(client, "BODY[1]") == b"only a body"


def test_stored_forms_are_joined_in_any_order(server: TestServer) -> None:
    client = reader(server, b"From: a@b\r\nSubject: x\r\n\r\nhi")
    answer = client.ok("FETCH 1 (BODY ENVELOPE BODYSTRUCTURE UID)")
    assert answer.startswith(
        b'* 1 FETCH (BODY ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 2 0) ENVELOPE (NIL "x" '
    )
    assert answer.endswith(b"NIL NIL NIL NIL) UID 1)\r\na5 OK FETCH completed\r\n")
    assert client.ok("FETCH 1 FULL").startswith(b"* 1 FETCH (FLAGS () INTERNALDATE ")
    assert b"(FLAGS () BODY[TEXT] {2}\r\nhi BODY[]<0> {1}\r\nF)" in client.ok("FETCH 1 (BODY[TEXT] FLAGS BODY[]<0.1>)")


def test_raw_utf8_in_a_header_is_shown_to_those_who_can_read_it(server: TestServer) -> None:
    """RFC 6855 3; RFC 9051 appendix E."""
    message = "From: a@b\r\nSubject: Grüße\r\n\r\n".encode()
    assert '"Grüße"'.encode() in reader(server, message).ok("FETCH 1 ENVELOPE")
    assert b'"=?utf-8?B?R3LDvMOfZQ==?="' in server.client(select="INBOX").ok("FETCH 1 ENVELOPE")


# ---------------------------------------------------------------------------------------------- BINARY


def test_parts_without_their_encoding(server: TestServer) -> None:
    """RFC 3516 4.2, 4.3."""
    client = reader(server)
    assert client.ok("FETCH 1 BINARY[1]").startswith(
        "* 1 FETCH (BINARY[1] {8}\r\ngrüße)".encode().replace(b"{8}", b"{7}")
    )
    assert client.ok("FETCH 1 BINARY[2.2]").startswith(b"* 1 FETCH (BINARY[2.2] ~{4}\r\n\0\1\2\3)")
    assert client.ok("FETCH 1 BINARY[2.2]<1.2>").startswith(b"* 1 FETCH (BINARY[2.2]<1> {2}\r\n\1\2)")
    assert client.ok("FETCH 1 BINARY[2.2]<9.2>").startswith(b"* 1 FETCH (BINARY[2.2]<9> {0}\r\n)")
    assert client.ok("FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[2.2] BINARY.SIZE[2.1])").startswith(
        b"* 1 FETCH (BINARY.SIZE[1] 7 BINARY.SIZE[2.2] 4 BINARY.SIZE[2.1] 3)"
    )
    assert client.ok("FETCH 1 BINARY[9]").startswith(b"* 1 FETCH (BINARY[9] NIL)")
    assert client.ok("FETCH 1 BINARY.SIZE[9]").startswith(b"* 1 FETCH (BINARY.SIZE[9] 0)")
    assert literal(client, "BINARY[]") == NESTED


def test_an_unknown_encoding_fails_the_command_but_not_the_other_messages(server: TestServer) -> None:
    """RFC 3516 4.3, UNKNOWN-CTE."""
    client = reader(server)
    server.deliver(b"Subject: plain\r\n\r\nhi")
    client.ok("NOOP")
    client.no("FETCH 1 BINARY[3]", "UNKNOWN-CTE")
    client.no("FETCH 1 BINARY.SIZE[3]", "UNKNOWN-CTE")
    assert b"* 2 FETCH (BINARY[3] NIL)" in client.no("FETCH 1:2 BINARY[3]", "UNKNOWN-CTE")


def large(size: int) -> tuple[bytes, bytes]:
    """A base64 message and what it holds."""
    data = bytes(range(256)) * (size // 256)
    text = b64encode(data)
    lines = b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    return b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines, data


def test_a_large_part_is_decoded_while_it_is_sent(server: TestServer) -> None:
    message, data = large(1_500_000)
    client = reader(server, message)
    client.largest = 0
    assert literal(client, "BINARY[1]") == data
    assert literal(client, "BINARY[1]<100000.700000>") == data[100_000:800_000]
    assert client.largest < 3 * sections.PIECE_OCTETS
    assert client.ok("FETCH 1 BINARY.SIZE[1]").startswith(b"* 1 FETCH (BINARY.SIZE[1] %d)" % len(data))


# ---------------------------------------------------------------------------------------------- pieces


def test_a_large_message_is_never_held(server: TestServer) -> None:
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 400_000
    client = reader(server, message)
    client.largest = 0
    assert literal(client, "BODY[]") == message
    assert client.largest < 3 * sections.PIECE_OCTETS


def test_many_sections_of_one_message_are_never_held_together(server: TestServer) -> None:
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 10_000
    client = reader(server, message)
    client.largest = 0
    items = " ".join(f"BODY[]<{n}.150000>" for n in range(30))
    answer = client.ok(f"FETCH 1 ({items})")
    assert client.largest < 3 * sections.PIECE_OCTETS
    assert all(b"BODY[]<%d> {150000}\r\n%b" % (n, message[n : n + 150_000]) in answer for n in range(30))


def test_many_messages_are_never_held_together(server: TestServer) -> None:
    message = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * 4_000
    client = server.client()
    for _ in range(30):
        client.append("INBOX", message)
    client.ok("EXAMINE INBOX")
    client.largest = 0
    assert client.ok("FETCH 1:* BODY[]").count(message) == 30
    assert client.largest < 3 * sections.PIECE_OCTETS


def test_a_large_header_is_sent_in_parts(server: TestServer) -> None:
    header = b"".join(b"X-%d: %b\r\n" % (n, b"y" * 900) for n in range(1_000))
    client = reader(server, b"Subject: x\r\n" + header + b"\r\n")
    client.largest = 0
    assert literal(client, "BODY[HEADER.FIELDS.NOT (SUBJECT)]") == header + b"\r\n"
    assert client.largest < 3 * sections.PIECE_OCTETS


def test_a_piece_ends_when_much_was_read_for_it(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "READ_OCTETS", 100)
    client = server.client()
    for _ in range(3):
        client.append("INBOX", large(512)[0])
    client.ok("EXAMINE INBOX")
    client.session.receive(b"a FETCH 1:3 BINARY.SIZE[1]\r\n")
    works = 0
    while (work := client.session.next_work()) is not None:
        works += 1
        client.session.finish(client._do(work))
    assert works == 3
    assert client.heard().count(b"BINARY.SIZE[1] 512)") == 3


def test_many_envelopes_end_a_piece(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PIECE_OCTETS", 10)
    client = server.client()
    for _ in range(3):
        client.append("INBOX", b"Subject: x\r\n\r\n")
    client.ok("EXAMINE INBOX")
    assert client.ok("FETCH 1:3 (UID ENVELOPE)").count(b"ENVELOPE") == 3


# ---------------------------------------------------------------------------------------------- what is lost


def test_a_body_that_goes_amid_its_literal_ends_the_connection(server: TestServer) -> None:
    """Whatever is said then would be read as a part of the message."""
    client = reader(server, b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 40_000)
    work = client.begin("FETCH 1 BODY[]")
    client.session.finish(client._do(work))
    assert isinstance(client.session.next_work(), Read)
    assert client.heard().endswith(b"{640018}\r\n")
    client.session.fail(MessageExpunged("gone"))
    assert client.session.is_closing
    assert client.heard() == b""


def test_a_body_that_turns_out_short_ends_the_connection(server: TestServer) -> None:
    client = reader(server, b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 40_000)
    work = client.begin("FETCH 1 BODY[]")
    client.session.finish(client._do(work))
    assert isinstance(client.session.next_work(), Read)
    client.session.finish(b"")
    assert client.session.is_closing
    assert b"a5" not in client.heard()


def test_a_body_that_cannot_be_found_is_left_out(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = reader(server)
    server.deliver(b"Subject: x\r\n\r\nhere")
    client.ok("NOOP")
    blob, asked = SqlReadTx.blob, []

    def lose_first(tx: SqlReadTx, digest: bytes) -> object:
        asked.append(digest)
        return None if len(asked) == 1 else blob(tx, digest)

    monkeypatch.setattr(SqlReadTx, "blob", lose_first)
    answer = client.no("FETCH 1:2 BODY.PEEK[TEXT]", "EXPUNGEISSUED")
    assert answer.startswith(b"* 2 FETCH (BODY[TEXT] {4}\r\nhere)")


# ---------------------------------------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("items", "rows"),
    [
        ("(UID FLAGS)", fetching.Rows.NONE),
        ("FAST", fetching.Rows.SIZES),
        ("ALL", fetching.Rows.ITEMS),
        ("BODY.PEEK[]", fetching.Rows.ITEMS),
    ],
)
def test_no_more_is_read_than_a_plan_needs(items: str, rows: fetching.Rows) -> None:
    command = parse(f"a FETCH 1 {items}".encode())
    assert isinstance(command, Fetch)
    assert plan(command.items).rows is rows


def test_large_lists_are_read_elsewhere_and_small_ones_on_the_spot(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = server.client()
    for _ in range(3):
        client.append("INBOX", b"Subject: x\r\n\r\n")
    client.ok("EXAMINE INBOX")
    monkeypatch.setattr(do_messages, "FEW_MESSAGES", 1)
    few, many = ("1:2 ENVELOPE", "1:3 FAST", "1 BODY[]"), ("1:3 ENVELOPE", "1:3 BODY[]", "1 BINARY[1]")
    for command, heavy in [*((command, False) for command in few), *((command, True) for command in many)]:
        work = client.begin(f"FETCH {command}")
        assert isinstance(work, Read)
        assert work.heavy is heavy, command
        client.finish(work)
