"""Searches that are kept under names, and FILTER, which means them (RFC 5466)."""

import pytest

from core import model
from core.commands import SetAnnotations
from core.model import MailboxId
from core.recipients import RecipientId
from protocols.imap import commands as c
from protocols.imap import limits
from protocols.imap.grammar import BadCharset, BadSyntax, parse
from protocols.imap.grammar.search import criteria
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Compute
from tests.support.imap import Client, TestServer, room, second, untagged

SEEN, FLAGGED, DRAFT = (c.HasFlag(flag) for flag in (model.SEEN, model.FLAGGED, model.DRAFT))


def keep(client: Client, name: str, search: str) -> None:
    """A filter of the user's own."""
    octets = search.encode()
    client.ok(b'SETMETADATA "" (/private/filters/values/%b {%d+}\r\n%b)' % (name.encode(), len(octets), octets))


def found(client: Client, command: str) -> list[int]:
    (line,) = [line for line in untagged(client.ok(command)) if line.startswith(b"* SEARCH")]
    return [int(number) for number in line.split()[2:]]


def subjects(server: TestServer, *texts: str) -> Client:
    """A client in an INBOX with messages of these subjects."""
    client = server.client()
    for text in texts:
        client.append("INBOX", f"Subject: {text}\r\n\r\n".encode())
    client.ok("SELECT INBOX")
    return client


# ---------------------------------------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"a SEARCH FILTER on-the-road", "on-the-road"),
        (b"a SEARCH filter Boss", "Boss"),
        (b"a SEARCH CHARSET UTF-8 FILTER x", "x"),
        (b"a SEARCH CHARSET us-ascii FILTER x", "x"),
        (b"a SEARCH (FILTER !#$&'+,-.:;<=>?@[^_`|}~)", "!#$&'+,-.:;<=>?@[^_`|}~"),
        (b"a UID SORT (DATE) UTF-8 FILTER x", "x"),
        (b"a THREAD REFERENCES US-ASCII FILTER x", "x"),
        (b"a ESEARCH IN (personal) FILTER x", "x"),
    ],
)
def test_filter_is_a_search_key_with_a_name(octets: bytes, name: str) -> None:
    """RFC 5466 4."""
    command = parse(octets)
    assert isinstance(command, c.Search | c.Sort | c.Thread | c.Esearch)
    assert command.criteria == c.Filter(name)


@pytest.mark.parametrize(
    "name", [b"", b'"x"', b"{1+}\r\nx", b"a/b", b"/", b"a%", b"a*", b"a]", b"\xc3\xa9", b"a b", b"a)"]
)
def test_what_is_no_name_of_a_filter_is_bad(name: bytes) -> None:
    """RFC 5466 4: an atom without a slash."""
    with pytest.raises(BadSyntax):
        parse(b"a SEARCH FILTER " + name)


@pytest.mark.parametrize("charset", [b"ISO-8859-1", b"KOI8-R", b"X-UNKNOWN"])
@pytest.mark.parametrize("head", [b"SEARCH CHARSET", b"UID SEARCH CHARSET", b"SORT (DATE)", b"ESEARCH CHARSET"])
def test_filter_goes_with_utf_8_alone(head: bytes, charset: bytes) -> None:
    """RFC 5466 3.1: BAD with BADCHARSET, while an unknown charset without FILTER is NO (RFC 9051 6.4.4)."""
    with pytest.raises(BadSyntax) as refusal:
        parse(b"a %b %b TEXT x NOT FILTER y" % (head, charset))
    assert not isinstance(refusal.value, BadCharset)
    assert refusal.value.code == b"BADCHARSET (US-ASCII UTF-8)"


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b'OR SMALLER 5000 FROM "boss@example.com"', c.Or((c.Smaller(5000), c.InEnvelope("FROM", "boss@example.com")))),
        (b"SEEN FLAGGED", c.And((SEEN, FLAGGED))),
        ('SUBJECT "Grüße"'.encode(), c.InEnvelope("SUBJECT", "Grüße")),
        ("SUBJECT {7}\r\nGrüße SEEN".encode(), c.And((c.InEnvelope("SUBJECT", "Grüße"), SEEN))),
        (b"SUBJECT {2+}\r\na\n DRAFT", c.And((c.InEnvelope("SUBJECT", "a\n"), DRAFT))),
        (b"FILTER a NOT FILTER b", c.And((c.Filter("a"), c.Not(c.Filter("b"))))),
    ],
)
def test_criteria_stand_by_themselves(octets: bytes, key: c.SearchKey) -> None:
    """RFC 5466 3.2: search-criteria in UTF-8."""
    assert criteria(octets) == key


NO_CRITERIA = [
    *(b"", b" ", b" SEEN", b"OR SMALLER", b"OR SMALLER 5000", b"SEEN)", b"(SEEN", b"NONSENSE", b"FILTER a/b"),
    *(
        b"CHARSET UTF-8 SEEN",
        b"RETURN (COUNT) SEEN",
        b"SEEN\r\n",
        b"SEEN\r\na2 LOGOUT",
        b"SUBJECT {9}\r\nx",
        b"SUBJECT \0",
    ),
    *(b'SUBJECT "\xff"', b"TEXT {70000}\r\nx", b"SEEN " * limits.SEARCH_KEYS + b"SEEN", b"SUBJECT {1+}\r\nx\r\n"),
    b"NOT " * limits.SEARCH_DEPTH + b"NOT SEEN",
]


@pytest.mark.parametrize("octets", NO_CRITERIA)
def test_what_is_not_full_and_correct_is_no_criteria(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        criteria(octets)


# ---------------------------------------------------------------------------------------------- keeping filters


def test_filters_are_announced_after_signing_in(server: TestServer) -> None:
    client = server.client(None)
    assert b"FILTERS" not in client.greeting
    client.ok("LOGIN u1 pass")
    assert b" FILTERS" in client.ok("CAPABILITY")


def test_a_filter_is_an_annotation_of_the_server(server: TestServer) -> None:
    """RFC 5466 3.2."""
    client = server.client()
    client.ok('SETMETADATA "" (/private/filters/values/On-The-Road "OR SMALLER 5000 FROM \\"boss@example.com\\"")')
    client.ok('SETMETADATA "" (/private/filters/descriptions/on-the-road "short, or from the boss")')
    told = client.ok('GETMETADATA "" (DEPTH infinity) /private/filters')
    assert b'/private/filters/descriptions/on-the-road "short, or from the boss"' in told
    assert b'/private/filters/values/on-the-road "OR SMALLER 5000 FROM \\"boss@example.com\\""' in told
    client.ok('SETMETADATA "" (/private/filters/values/on-the-road NIL)')
    client.ok("SELECT INBOX")
    client.no("SEARCH FILTER on-the-road", "UNDEFINED-FILTER on-the-road")


@pytest.mark.parametrize("octets", [octets for octets in NO_CRITERIA if len(octets) < 1000])
def test_what_is_no_criteria_is_not_kept(server: TestServer, octets: bytes) -> None:
    """RFC 5466 3.2: verified, and nothing of the command is kept."""
    client = server.client()
    command = b'SETMETADATA "" (/private/a "1" /private/filters/values/x ~{%d+}\r\n%b)' % (len(octets), octets)
    client.no(command, "CANNOT")
    assert b"/private/a NIL /private/filters/values/x NIL" in client.ok(
        'GETMETADATA "" (/private/a /private/filters/values/x)'
    )


def test_large_filters_are_looked_at_off_the_event_loop(server: TestServer) -> None:
    client = server.client()
    octets = b"SEEN " * 990 + b"OR SMALLER"
    work = client.begin(b'SETMETADATA "" (/private/filters/values/x {%d+}\r\n%b)' % (len(octets), octets))
    assert isinstance(work, Compute)
    with pytest.raises(Rejected) as no:
        work.run()
    client.session.fail(no.value)
    assert b"NO [CANNOT]" in client.heard()


@pytest.mark.parametrize("kind", ["values", "descriptions"])
@pytest.mark.parametrize("name", ["a/b", '"a b"', '"a(b"', "a]"])
def test_a_name_that_no_filter_can_have_is_not_kept(server: TestServer, kind: str, name: str) -> None:
    """RFC 5466 4."""
    entry = f'"/private/filters/{kind}/{name[1:]}' if name.startswith('"') else f"/private/filters/{kind}/{name}"
    server.client().no(f'SETMETADATA "" ({entry} "SEEN")', "CANNOT")


def test_folders_and_other_names_may_say_what_they_like(server: TestServer) -> None:
    """RFC 5466 3.2 reserves names of the server only."""
    client = server.client()
    client.ok('SETMETADATA INBOX (/private/filters/values/a/b "nonsense")')
    client.ok('SETMETADATA "" (/private/filters/values "nonsense" /private/filters/other/x "nonsense")')


def test_shared_filters_are_the_administrators(server: TestServer) -> None:
    """RFC 5464 3.3: as all that users share of the server."""
    server.client().no('SETMETADATA "" (/shared/filters/values/x "SEEN")', "CANNOT")


# ---------------------------------------------------------------------------------------------- using filters


def test_a_filter_means_what_it_says(server: TestServer) -> None:
    """RFC 5466 3.1: as if it stood there."""
    client = subjects(server, "one", "two", "three", "Grüße")
    keep(client, "t", "SUBJECT t")
    keep(client, "Greetings", 'SUBJECT "grüße"')
    assert found(client, "SEARCH FILTER T") == [2, 3]
    assert found(client, "SEARCH FILTER t NOT SUBJECT two") == [3]
    assert found(client, "SEARCH OR FILTER greetings SUBJECT one") == [1, 4]
    assert found(client, "UID SEARCH CHARSET UTF-8 NOT FILTER t") == [1, 4]
    assert b"* SORT 3 2\r\n" in client.ok("SORT (SUBJECT) UTF-8 FILTER t")
    assert b"* THREAD (2)(3)\r\n" in client.ok("THREAD REFS UTF-8 FILTER t")
    assert b" UID ALL 2:3\r\n" in client.ok("ESEARCH IN (personal) RETURN (ALL) FILTER t")
    keep(client, "t", "SUBJECT e")
    assert found(client, "SEARCH FILTER t") == [1, 3, 4]


def test_a_filter_is_one_search_key(server: TestServer) -> None:
    """RFC 5466 4: NOT and OR are about all that it says."""
    client = subjects(server, "one two", "one", "two", "three")
    keep(client, "both", "SUBJECT one SUBJECT two")
    assert found(client, "SEARCH NOT FILTER both") == [2, 3, 4]
    assert found(client, "SEARCH OR FILTER both SUBJECT three") == [1, 4]


def test_ones_own_filter_hides_the_shared_one(server: TestServer) -> None:
    """RFC 5466 3.2."""
    server.annotations = {"/shared/filters/values/x": b"SUBJECT one"}
    client = subjects(server, "one", "two")
    assert found(client, "SEARCH FILTER X") == [1]
    keep(client, "x", "SUBJECT two")
    assert found(client, "SEARCH FILTER X") == [2]
    client.ok('SETMETADATA "" (/private/filters/values/x NIL)')
    assert found(client, "SEARCH FILTER X") == [1]
    assert b'/shared/filters/values/x "SUBJECT one"' in client.ok('GETMETADATA "" /shared/filters/values/x')


def test_filters_of_other_users_are_not_there(server: TestServer) -> None:
    keep(server.client("u2"), "x", "ALL")
    server.client(select="INBOX").no("SEARCH FILTER x", "UNDEFINED-FILTER x")


def test_filters_may_name_filters(server: TestServer) -> None:
    """RFC 5466 3.1: three passes at least."""
    client = subjects(server, "one", "two")
    keep(client, "f0", "SUBJECT one")
    for number in range(1, limits.FILTER_PASSES + 1):
        keep(client, f"f{number}", f"FILTER f{number - 1}")
    assert found(client, "SEARCH FILTER f3") == [1]
    assert found(client, f"SEARCH FILTER f{limits.FILTER_PASSES - 1}") == [1]
    client.no(f"SEARCH FILTER f{limits.FILTER_PASSES}", "UNDEFINED-FILTER f0")
    keep(client, "twice", "OR FILTER f3 FILTER f3")
    assert found(client, "SEARCH FILTER twice FILTER F3") == [1]


def test_filters_that_go_in_a_circle_are_not_there(server: TestServer) -> None:
    """RFC 5466 3.1: as if the filter did not exist."""
    client = server.client(select="INBOX")
    keep(client, "a", "SEEN FILTER b")
    keep(client, "b", "OR SEEN NOT FILTER A")
    keep(client, "self", "FILTER self")
    client.no("SEARCH FILTER a", "UNDEFINED-FILTER A")
    client.no("SEARCH FILTER self", "UNDEFINED-FILTER self")
    client.no("SEARCH FILTER self", "UNDEFINED-FILTER self")


def test_a_filter_that_names_one_that_is_not_there_says_which(server: TestServer) -> None:
    client = server.client(select="INBOX")
    keep(client, "a", "(FILTER Gone)")
    client.no("UID SEARCH NOT FILTER a", "UNDEFINED-FILTER Gone")


def test_filters_cannot_make_a_search_larger_than_a_client_can_write(server: TestServer) -> None:
    client = server.client(select="INBOX")
    keep(client, "f0", "SEEN")
    for number in range(1, limits.FILTER_PASSES):
        keep(client, f"f{number}", " ".join([f"FILTER f{number - 1}"] * 10))
    client.no("SEARCH FILTER f9", "LIMIT")
    deep = "NOT " * limits.SEARCH_DEPTH
    keep(client, "deep", deep + "SEEN")
    client.no("SEARCH NOT FILTER deep", "LIMIT")
    keep(client, "long", "UID " + ",".join(map(str, range(1, 6_000, 2))))
    assert b"* SEARCH" in client.ok("SEARCH FILTER long FILTER long FILTER long")
    client.no("SEARCH " + " ".join(["FILTER long"] * 6), "LIMIT")


def test_what_was_kept_before_it_was_looked_at_is_not_there(server: TestServer) -> None:
    """RFC 5466 3.1: the search must fail."""
    values = (("/private/filters/values/x", b"OR SMALLER"),)
    server.database.write(SetAnnotations(MailboxId(1), None, RecipientId(1), values))
    server.client(select="INBOX").no("SEARCH FILTER x", "UNDEFINED-FILTER x")


# ---------------------------------------------------------------------------------------------- with other extensions


def test_a_search_whose_filter_is_not_there_leaves_nothing_saved(server: TestServer) -> None:
    """RFC 5182 2.1: NO does, BAD does not."""
    client = room(server, 3)
    keep(client, "ninth", "9")
    client.ok("SEARCH RETURN (SAVE) 2")
    client.bad("SEARCH RETURN (SAVE) FILTER ninth")
    client.bad("SEARCH RETURN (SAVE) CHARSET ISO-8859-1 FILTER ninth")
    client.no("SEARCH FILTER gone", "UNDEFINED-FILTER gone")
    assert b" ALL 2\r\n" in client.ok("SEARCH $")
    client.no("SEARCH RETURN (SAVE) FILTER gone", "UNDEFINED-FILTER gone")
    assert b" ALL " not in client.ok("SEARCH $")


def test_a_filter_may_name_what_was_saved(server: TestServer) -> None:
    """RFC 5182 2: "$" is what it is when the filter is used."""
    client = room(server, 3)
    keep(client, "saved", "NOT $")
    client.ok("SEARCH RETURN (SAVE) 2")
    assert b" ALL 1,3\r\n" in client.ok("SEARCH FILTER saved")


def test_message_numbers_in_a_filter_are_numbers_of_the_search(server: TestServer) -> None:
    """RFC 7162 3.2.10.2, RFC 9586 3: none may change meanwhile, and after UIDONLY there are none."""
    client, other = room(server, 3), second(server)
    keep(client, "two", "2")
    other.ok("UID STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert b"EXPUNGE" not in client.ok("UID SEARCH FILTER two")
    assert b"* 1 EXPUNGE" in client.ok("UID SEARCH UID 2")
    client.ok("ENABLE UIDONLY")
    assert b"[UIDREQUIRED]" in client.bad("UID SEARCH FILTER two")


def test_a_filter_that_asks_for_modseqs_turns_them_on(server: TestServer) -> None:
    """RFC 7162 3.1.5."""
    client = room(server, 2)
    keep(client, "changed", "MODSEQ 1")
    assert b" MODSEQ " in client.ok("SEARCH RETURN (COUNT) FILTER changed")


def test_a_result_that_is_kept_up_to_date_keeps_what_its_filter_said(server: TestServer) -> None:
    """RFC 5267 4.3: it follows the messages, not the filter."""
    client, other = room(server, 2), second(server)
    keep(client, "new", "UNSEEN")
    client.ok("UID SEARCH RETURN (UPDATE COUNT) FILTER new")
    keep(client, "new", "SEEN")
    other.ok("UID STORE 1 +FLAGS (\\Seen)")
    assert b"REMOVEFROM (0 1)" in client.ok("NOOP")


def test_filters_go_with_the_user_into_others_folders(server: TestServer) -> None:
    """They are annotations of the server, and one's own."""
    server.owned_by["u1"] = ("u2",)
    server.deliver(b"Subject: one\r\n\r\n", user=2)
    client = server.client()
    keep(client, "x", "SUBJECT one")
    keep(server.client("u2"), "x", "SUBJECT two")
    client.ok('SELECT "Other Users/u2/INBOX"')
    assert found(client, "SEARCH FILTER x") == [1]
