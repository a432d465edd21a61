"""CATENATE (RFC 4469): messages put together of literals and of parts of messages that are here already."""

import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import MessageExpunged, Unavailable
from protocols.imap import limits
from protocols.imap.commands import Section
from protocols.imap.grammar import BadSyntax
from protocols.imap.grammar.urls import MessageUrl, message_url
from protocols.imap.work import Read, Work
from tests.protocols.imap.test_multiappend import LARGE, bodies, files, literal
from tests.support.imap import Client, TestServer

INBOX = 1700000000
DRAFT = (
    b"Subject: holiday\r\nContent-Type: multipart/mixed; boundary=b\r\nTo: x@y\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>second</b>\r\n--b--\r\n"
)


def text(octets: bytes) -> bytes:
    """A part as a literal."""
    return b"TEXT {%d+}\r\n%b" % (len(octets), octets)


def url(octets: bytes) -> bytes:
    return b'URL "%b"' % octets


def catenated(*parts: bytes, head: bytes = b"") -> bytes:
    """An append-message with the space before it."""
    return b" %bCATENATE (%b)" % (head, b" ".join(parts))


@pytest.fixture
def client(server: TestServer) -> Client:
    """Signed in, with the draft as message 1 of INBOX, delivered with a trace header of ours."""
    server.deliver(DRAFT, prefix=b"Received: by us\r\n")
    return server.client()


def test_it_is_announced(server: TestServer) -> None:
    assert b" CATENATE" in server.client().ok("CAPABILITY")


def test_an_attachment_is_replaced(client: Client) -> None:
    """RFC 4469 appendix A, example 1: with literals that are asked for."""
    base = b"/INBOX;UIDVALIDITY=%d/;UID=1/;section=" % INBOX
    assert client.says(b"APPEND Drafts (\\Seen $a) CATENATE (" + url(base + b"HEADER") + b" TEXT {7}") == b"+ OK\r\n"
    assert client.send(b"\r\n--b\r\n") == b""
    more = b" " + url(base + b"1.MIME") + b" " + url(base + b"1") + b" TEXT {9}\r\n"
    assert client.send(more) == b"+ OK\r\n"
    assert client.send(b"\r\n--b--\r\n)\r\n") == b"a2 OK [APPENDUID 1700000001 1] Appended\r\n"
    header = b"Received: by us\r\n" + DRAFT[: DRAFT.index(b"--b")]
    expected = header + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b--\r\n"
    assert bodies(client, "Drafts") == [expected]
    assert b"FLAGS (\\Seen \\Recent $a)" in client.ok("FETCH 1 FLAGS")
    assert b"UNSEEN 1" in client.ok("STATUS INBOX (UNSEEN)")  # RFC 4469 3: reading it so does not set \\Seen


@pytest.mark.parametrize(
    ("name", "section"),
    [
        (b"", b""),
        (b"/;SECTION=HEADER", b"HEADER"),
        (b"/;section=1", b"1"),
        (b"/;section=2.MIME", b"2.MIME"),
        (b"/;section=text", b"TEXT"),
        (b"/;section=HEADER.FIELDS%20(Subject%20To)", b"HEADER.FIELDS (Subject To)"),
        (b"/;section=header.fields.not%20%28subject%29", b"HEADER.FIELDS.NOT (SUBJECT)"),
    ],
)
@pytest.mark.parametrize(
    ("partial", "asked"), [(b"", b""), (b"/;PARTIAL=2.7", b"<2.7>"), (b"/;partial=3", b"<3.99999>")]
)
def test_a_url_gives_what_fetch_gives(
    client: Client, name: bytes, section: bytes, partial: bytes, asked: bytes
) -> None:
    """RFC 4469 3, RFC 5092 6."""
    client.ok(b"APPEND Sent" + catenated(url(b"/inbox/;uid=1" + name + partial)))
    client.ok("SELECT INBOX")
    answer = client.ok(b"FETCH 1 BODY.PEEK[" + section + b"]" + asked)
    announced = re.search(rb"\{(\d+)\}\r\n", answer)
    assert announced is not None
    assert bodies(client, "Sent") == [answer[announced.end() : announced.end() + int(announced[1])]]


def test_a_message_of_urls_alone_needs_no_literal(client: Client) -> None:
    client.ok(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1/;SECTION=1"), url(b"/INBOX/;UID=1/;SECTION=2")))
    assert bodies(client, "Sent") == [b"first<b>second</b>"]


def test_a_url_may_be_an_atom_or_a_literal(client: Client) -> None:
    """RFC 4469 5: astring."""
    name = b"/INBOX/;UID=1/;SECTION=1"
    assert client.says(b"APPEND Sent CATENATE (URL " + name + b" URL {%d}" % len(name)) == b"+ OK\r\n"
    client.send(name)
    assert client.send(b" URL {%d}\r\n" % len(name)) == b"+ OK\r\n"
    assert b"a2 OK" in client.send(name + b")\r\n")
    assert bodies(client, "Sent") == [b"first" * 3]


def test_parts_in_utf8(client: Client) -> None:
    """RFC 6855 4."""
    body = "Subject: gr\u00fc\u00dfe\r\n".encode()
    client.ok(b"APPEND Sent CATENATE (UTF8 (~{%d+}\r\n%b) %b UTF8 (~{1+}\r\n!))" % (len(body), body, text(b"\r\nx")))
    assert bodies(client, "Sent") == [body + b"\r\nx!"]


def test_several_messages_some_of_them_catenated(client: Client) -> None:
    """RFC 4469 3: with MULTIAPPEND, in any mixture."""
    one = url(b"/INBOX/;UID=1/;SECTION=1")
    said = (
        literal(b"a") + catenated(one, text(b"b"), head=b"(\\Seen) ") + literal(b"c") + catenated(one) + catenated(one)
    )
    assert b"APPENDUID 1700000002 1:5]" in client.ok(b"APPEND Sent" + said)
    assert bodies(client, "Sent") == [b"a", b"firstb", b"c", b"first", b"first"]


def test_a_mailbox_is_named_in_utf8(client: Client, server: TestServer) -> None:
    """RFC 5092 8."""
    client.ok("CREATE gr&APw-n/&ZeVnLA-")
    client.append("gr&APw-n/&ZeVnLA-", b"here")
    client.ok(b"APPEND Sent" + catenated(url(b"/gr%C3%BCn/%E6%97%A5%E6%9C%AC/;UID=1")))
    assert bodies(client, "Sent") == [b"here"]


BAD_URLS = [
    b"/INBOX/;UID=2",
    b"/INBOX/;UID=4294967296",
    b"/nowhere/;UID=1",
    b"/INBOX;UIDVALIDITY=1/;UID=1",
    b"/INBOX/;UID=1/;SECTION=3",
    b"/INBOX/;UID=1/;SECTION=1.HEADER",
    b"/INBOX/;UID=1/;SECTION=nonsense",
    b"/INBOX/;UID=1/;SECTION=]%20BODY[",
    b"/INBOX/;UID=1/;SECTION=1]<0.1",
    b"/INBOX/;UID=1/;SECTION=%00",
    b"/INBOX/;UID=0",
    b"/INBOX/;UID=1/;PARTIAL=1.0",
    b"/INBOX",
    b"/INBOX?ALL",
    b"/%ff/;UID=1",
    b"/../INBOX/;UID=1",
    b"/INBOX/./;UID=1",
    b"/INBOX/;UID=1/..",
    b"/INBOX/;UID=1;URLAUTH=anonymous",
    b";UID=1",
    b"INBOX/;UID=1",
    b"//host/INBOX/;UID=1",
    b"imap://u1@host/INBOX/;UID=1",
    b"http://host/",
    b"",
]


@pytest.mark.parametrize("name", BAD_URLS)
@pytest.mark.parametrize("before", [b"", text(b"x") + b" ", text(b"x" * LARGE) + b" "])
def test_what_a_url_does_not_find_is_told(client: Client, server: TestServer, name: bytes, before: bytes) -> None:
    """RFC 4469 4.1: BADURL, with the first URL that fails."""
    answer = client.send(b"a APPEND Sent CATENATE (" + before + url(name) + b" " + url(b"/also bad") + b" TEXT {9}\r\n")
    told = name.replace(b"]", b"%5D").replace(b" ", b"%20")
    assert answer == b"a NO [BADURL " + told + b"] There is no such message, or no such part of it\r\n"
    client.ok("NOOP")
    assert bodies(client, "Sent") == []
    assert files(server) == []


def test_nothing_that_a_client_says_can_break_the_answer(client: Client) -> None:
    for octets in (b"x\r\n* BYE\r\n", b"]", bytes(range(1, 256))):
        answer = client.send(b"a APPEND Sent CATENATE (URL {%d+}\r\n%b)\r\n" % (len(octets), octets))
        assert re.fullmatch(rb"a NO \[BADURL [!-\\^-~]+\] [ -~]+\r\n", answer)


def test_another_users_messages_are_out_of_reach(server: TestServer) -> None:
    server.deliver(DRAFT, user=2)
    client = server.client("u1")
    client.no(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1")), "BADURL")
    server.client("u2").ok(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1")))


def test_a_url_that_is_too_long(client: Client) -> None:
    name = b"/INBOX/" + b"x" * limits.URL
    client.bad(b"APPEND Sent" + catenated(url(name)))
    client.bad(b"APPEND Sent CATENATE (URL {%d+}\r\n%b)" % (len(name), name))
    client.bad(b"APPEND Sent CATENATE (URL {%d}" % len(name))


def test_what_is_put_together_may_not_be_too_large(client: Client, server: TestServer) -> None:
    """RFC 4469 4.2; RFC 7889 4."""
    server.append_limit = 200
    client.ok(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1"), text(b"x" * 5)))
    client.no(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1"), url(b"/INBOX/;UID=1")), "TOOBIG")
    assert client.says(b"APPEND Sent CATENATE (" + url(b"/INBOX/;UID=1") + b" TEXT {90}").startswith(b"a4 NO [TOOBIG]")


def test_the_quota_and_the_folder_are_looked_at(client: Client, server: TestServer) -> None:
    client.no(b"APPEND nowhere" + catenated(url(b"/INBOX/;UID=1")), "TRYCREATE")
    client.no(b"APPEND nowhere CATENATE (TEXT {5}", "TRYCREATE")
    server.quotas["u1"] = 300
    client.no(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1")), "OVERQUOTA")
    client.no(b"APPEND Sent CATENATE (TEXT {200}", "OVERQUOTA")


@pytest.mark.parametrize("part", [b"TEXT {0+}\r\n", url(b"/INBOX/;UID=1/;PARTIAL=9999.1")])
def test_parts_may_be_empty_but_no_message(client: Client, part: bytes) -> None:
    """RFC 3502 6.3.11."""
    client.ok(b"APPEND Sent" + catenated(part, text(b"x"), part))
    assert client.says(b"APPEND Sent" + catenated(part)).startswith(b"a3 NO An empty message")
    assert bodies(client, "Sent") == [b"x"]


def test_a_part_with_nul_is_refused(client: Client) -> None:
    answer = client.says(b"APPEND Sent CATENATE (UTF8 (~{3+}\r\na\0c) TEXT {1+}\r\nx)")
    assert answer.startswith(b"a2 NO [UNKNOWN-CTE]")
    client.ok("NOOP")


def test_there_may_not_be_too_many_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CATENATE_PARTS", 3)
    part = url(b"/INBOX/;UID=1")
    client.ok(b"APPEND Sent" + catenated(part, part, text(b"x")) + catenated(part, text(b"x"), part))
    client.no(b"APPEND Sent" + catenated(part, part, part, part), "LIMIT")
    client.no(b"APPEND Sent" + catenated(*[text(b"x")] * 4), "LIMIT")


def test_large_parts_are_copied_in_pieces(server: TestServer) -> None:
    client = server.client(select="INBOX")
    body = bytes(range(1, 256)) * 5000
    client.append("INBOX", b"Subject: x\r\n\r\n" + body)
    work: Work | None = client.begin(b"APPEND Sent" + catenated(url(b"/INBOX/;UID=1/;SECTION=TEXT"), text(b"end")))
    largest = reads = 0
    while work is not None:
        result = client._do(work)
        if isinstance(work, Read) and isinstance(result, bytes):
            assert work.heavy
            largest, reads = max(largest, len(result)), reads + 1
        client.session.finish(result)
        work = client.session.next_work()
    assert (largest, reads) == (256 * 1024, 5)
    assert bodies(client, "Sent") == [body + b"end"]


def copying(client: Client) -> None:
    """A client whose CATENATE is about to read octets."""
    work: Work | None = client.begin(
        b"APPEND Sent CATENATE (" + text(b"x" * LARGE) + b" " + url(b"/INBOX/;UID=1") + b" TEXT {9}"
    )
    while isinstance(work, Read) and not work.heavy:
        client.session.finish(client._do(work))
        work = client.session.next_work()
    assert isinstance(work, Read)


def test_octets_that_are_gone_when_they_are_read(client: Client, server: TestServer) -> None:
    copying(client)
    client.session.fail(MessageExpunged("The message has been expunged"))
    assert client.heard().startswith(b"a2 NO [BADURL /INBOX/;UID=1]")
    assert files(server) == []


def test_a_store_that_fails_is_no_fault_of_the_url(client: Client, server: TestServer) -> None:
    copying(client)
    client.session.fail(Unavailable("Not mounted"))
    assert client.heard().startswith(b"a2 NO [UNAVAILABLE]")
    assert files(server) == []
    client.ok("NOOP")


def test_a_connection_that_ends_leaves_nothing(client: Client, server: TestServer) -> None:
    copying(client)
    client.leave()
    assert files(server) == []
    assert bodies(server.client(), "Sent") == []


@pytest.mark.parametrize(
    "behind", [b"", b" )", b") x", b" TEXT 3)", b" (\\Seen) {1+}\r\nx", b" URL x y)", b" TEXT ~{1+}\r\nx)", b"))"]
)
def test_what_makes_no_sense_behind_a_part(client: Client, behind: bytes) -> None:
    client.bad(b"APPEND Sent CATENATE (" + text(b"x") + behind)
    client.ok("NOOP")
    assert bodies(client, "Sent") == []


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"/a/;UID=7", MessageUrl("a", None, 7, Section(b"BODY[]", peek=True))),
        (
            b"/a%2Fb;uidvalidity=9/;uid=7/;section=1.2/;partial=5.6",
            MessageUrl("a/b", 9, 7, Section(b"BODY[1.2]", peek=True, path=(1, 2), partial=(5, 6))),
        ),
    ],
)
def test_urls_are_read(octets: bytes, expected: MessageUrl) -> None:
    assert message_url(octets) == expected


@given(st.one_of(st.binary(max_size=60), st.text("/;UID=1%2Aa.?SECTIONPARTIAL[]() ", max_size=60).map(str.encode)))
def test_any_octets_are_a_url_or_bad(octets: bytes) -> None:
    with suppress(BadSyntax):
        message_url(octets)


def test_a_long_url_is_read_in_no_time() -> None:
    for octets in (b"/" * limits.URL, b"/a/;UID=1/;SECTION=" + b"/" * limits.URL, b"/" + b"%41" * 1300):
        with pytest.raises(BadSyntax):
            message_url(octets)


PARTS = st.lists(
    st.sampled_from([text(b"abc"), text(b"x)\r\n"), url(b"/INBOX/;UID=1/;SECTION=1")]), min_size=1, max_size=4
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(st.one_of(PARTS, st.none()), min_size=1, max_size=3),
    cuts=st.lists(st.integers(1, 40), max_size=12),
)
def test_wherever_the_stream_is_cut_the_answer_is_the_same(
    server: TestServer, messages: list[list[bytes] | None], cuts: list[int]
) -> None:
    server.deliver(DRAFT)
    client = server.client()
    before = len(bodies(client, "Sent"))
    said = b"".join(literal(b"y") if parts is None else catenated(*parts) for parts in messages)
    said = b"a APPEND Sent" + said + b"\r\nb NOOP\r\n"
    heard = b""
    for cut in cuts:
        heard += client.send(said[:cut])
        said = said[cut:]
    heard += client.send(said)
    assert re.fullmatch(rb"(\* \d+ (EXISTS|RECENT)\r\n)*a OK \[APPENDUID [\d: ]+\] Appended\r\nb OK .*\r\n", heard)
    meant = {text(b"abc"): b"abc", text(b"x)\r\n"): b"x)\r\n", url(b"/INBOX/;UID=1/;SECTION=1"): b"first"}
    wanted = [b"y" if parts is None else b"".join(meant[part] for part in parts) for parts in messages]
    assert bodies(client, "Sent")[before:] == wanted
    client.leave()
