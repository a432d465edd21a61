"""By what SEARCH, SORT and THREAD compare texts: COMPARATOR and I18NLEVEL=2 (RFC 5255 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap import commands as c
from protocols.imap import limits
from protocols.imap.commands import CollationOrder
from protocols.imap.finding import candidates
from protocols.imap.finding.comparators import COMPARATORS, Comparator, matching
from protocols.imap.grammar import BadSyntax, parse
from tests.support.imap import Client, TestServer, second, untagged

UNICODE, ASCII, OCTET = (comparator.name for comparator in COMPARATORS)
SUBJECTS = ("apple", "Apple", "Äpfel", "äpfel", "Zebra", "zebra")


@pytest.fixture
def client(server: TestServer) -> Client:
    """In a folder of messages whose subjects differ in case, and in an accent."""
    client = server.client()
    for subject in SUBJECTS:
        head = f"Subject: {subject}\r\nFrom: {subject}@x\r\nX-Fruit: {subject}\r\n"
        client.append("INBOX", f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{subject} pie\r\n".encode())
    client.ok("SELECT INBOX")
    return client


def numbers(client: Client, command: str) -> list[int]:
    (line,) = [line for line in untagged(client.ok(command.encode())) if line.startswith((b"* SEARCH", b"* SORT"))]
    return [int(number) for number in line.split()[2:]]


# ---------------------------------------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("octets", "wanted"),
    [
        (b"a COMPARATOR", ()),
        (b'a comparator "cz;*" i;basic', (CollationOrder("cz;*"), CollationOrder("i;basic"))),
        (b'a COMPARATOR -i;octet "+i;octet"', (CollationOrder("i;octet", True), CollationOrder("i;octet"))),
        (b'a COMPARATOR "*" "-*;*"', (CollationOrder("*"), CollationOrder("*;*", True))),
        (b"a COMPARATOR default", (CollationOrder("default"),)),
        (b"a COMPARATOR i;x;v=5.1", (CollationOrder("i;x;v=5.1"),)),
        (b"a COMPARATOR " + b"i" * limits.COLLATION, (CollationOrder("i" * limits.COLLATION),)),
        (b"a COMPARATOR -" + b"i" * limits.COLLATION, (CollationOrder("i" * limits.COLLATION, True),)),
    ],
)
def test_comparator_has_collation_orders(octets: bytes, wanted: tuple[CollationOrder, ...]) -> None:
    """RFC 5255 4.10, RFC 4790 3.2, 3.3."""
    assert parse(octets) == c.Comparator(b"a", wanted)


@pytest.mark.parametrize(
    "arguments",
    [
        *(b" ", b" (i;octet)", b" i;octet ) ", b' ""', b' "**"', b' "i;**"', b" --i;octet", b" ;x", b" 1;x", b' "i x"'),
        *(b' "\xc3\xa9"', b" i;octet  i;octet", b" i;o_c", b" " + b"i" * (limits.COLLATION + 1)),
        b" i;octet" * (limits.COMPARATORS + 1),
    ],
)
def test_what_is_no_collation_order_is_bad(arguments: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b"a COMPARATOR" + arguments + b" i;octet")


# ---------------------------------------------------------------------------------------------- which is in use


def test_level_2_is_announced_in_place_of_level_1(server: TestServer) -> None:
    """RFC 5255 4.3: 1 is of servers that do not support more."""
    told = server.client().ok("CAPABILITY")
    assert b" I18NLEVEL=2 " in told
    assert b"I18NLEVEL=1" not in told
    server.client(None).bad("COMPARATOR")


def test_the_default_is_unicode_casemap(server: TestServer) -> None:
    """RFC 5255 4.4."""
    client = server.client()
    assert client.fetched("COMPARATOR") == [b"* COMPARATOR i;unicode-casemap"]
    client.ok("COMPARATOR i;octet")
    assert client.fetched("COMPARATOR") == [b"* COMPARATOR i;octet"]
    assert client.fetched("COMPARATOR default") == [b"* COMPARATOR i;unicode-casemap"]
    assert server.client().fetched("COMPARATOR") == [b"* COMPARATOR i;unicode-casemap"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("I;ASCII-casemap", "i;ascii-casemap"),
        ('"cz;*" i;octet', "i;octet"),
        ("-i;octet", "-i;octet"),
        ("+i;octet", "i;octet"),
        ("-default", "-i;unicode-casemap"),
        ('"*"', f"{UNICODE} ({UNICODE} {ASCII} {OCTET})"),
        ('"-i;*casemap"', f"-{UNICODE} ({UNICODE} {ASCII})"),
        ("i;octet default", f"{OCTET} ({OCTET} {UNICODE})"),
        ('"i;o*" "*"', f"{OCTET} ({OCTET} {UNICODE} {ASCII})"),
        ("i;octet i;octet -i;octet", "i;octet"),
    ],
)
def test_the_first_argument_that_means_any_wins(server: TestServer, arguments: str, told: str) -> None:
    """RFC 5255 4.7, 4.8: all that match are told if there are several."""
    client = server.client()
    assert client.fetched(f"COMPARATOR {arguments}") == [f"* COMPARATOR {told}".encode()]
    assert client.fetched("COMPARATOR") == [f"* COMPARATOR {told.split()[0]}".encode()]


@pytest.mark.parametrize("arguments", ["i;basic", '"de;*" x', "i;ascii-numeric", '"def*"', "i.octet", "i;octe"])
def test_a_comparator_that_is_not_there_changes_nothing(server: TestServer, arguments: str) -> None:
    """RFC 5255 4.9; and 4.4: i;ascii-numeric finds no text within another."""
    client = server.client()
    client.ok("COMPARATOR i;octet")
    assert b"* COMPARATOR" not in client.no(f"COMPARATOR {arguments}", "BADCOMPARATOR")
    assert client.fetched("COMPARATOR") == [b"* COMPARATOR i;octet"]


def test_signing_out_brings_the_default_back(server: TestServer) -> None:
    """RFC 8437 3."""
    client = server.client()
    client.ok("COMPARATOR i;octet")
    client.ok("UNAUTHENTICATE")
    client.ok("LOGIN u2 pass")
    assert client.fetched("COMPARATOR") == [b"* COMPARATOR i;unicode-casemap"]


# ---------------------------------------------------------------------------------------------- collations


@pytest.mark.parametrize(
    ("name", "folded"),
    [(UNICODE, "STRASSE"), (ASCII, "STRASSE"), (OCTET, "Strasse")],
)
def test_what_collations_make_of_letters(name: str, folded: str) -> None:
    """RFC 4790 9.2, 9.3; RFC 5051."""
    (comparator,) = matching([CollationOrder(name)])
    assert comparator.fold("Strasse") == folded


def test_ascii_casemap_leaves_other_letters() -> None:
    """RFC 4790 9.2.1."""
    (comparator,) = matching([CollationOrder(ASCII)])
    assert comparator.fold("ä[\u0131]ßz{µ") == "ä[\u0131]ßZ{µ"


@given(st.sampled_from(COMPARATORS), st.text(), st.text())
def test_a_text_may_come_in_pieces(comparator: Comparator, first: str, then: str) -> None:
    fold = comparator.fold
    assert fold(first + then) == fold(first) + fold(then)


@given(st.sampled_from(COMPARATORS[1:]), st.text(), st.text())
def test_texts_sort_as_their_octets_do(comparator: Comparator, one: str, other: str) -> None:
    """RFC 4790 9.3: octet by octet, in UTF-8; surrogates are in no text that was decoded."""
    fold = comparator.fold
    one, other = (text.encode("utf-8", "ignore").decode() for text in (one, other))
    assert (fold(one) < fold(other)) == (fold(one).encode() < fold(other).encode())


# ---------------------------------------------------------------------------------------------- SEARCH


SEARCHES = ["SUBJECT {}", "FROM {}", "HEADER X-Fruit {}", "BODY {}", "TEXT {}", "TEXT {} BODY {} SUBJECT {}"]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(
    ("name", "apples", "capital", "umlauts"),
    [(UNICODE, [1, 2], [1, 2], [3, 4]), (ASCII, [1, 2], [1, 2], [4]), (OCTET, [1], [2], [4])],
)
def test_search_finds_what_the_comparator_does(
    client: Client, search: str, name: str, apples: list[int], capital: list[int], umlauts: list[int]
) -> None:
    """RFC 5255 4.2, 4.6."""
    client.ok(f"COMPARATOR {name}")
    assert numbers(client, "SEARCH " + search.replace("{}", "apple")) == apples
    assert numbers(client, "SEARCH " + search.replace("{}", "Apple")) == capital
    assert numbers(client, "SEARCH " + search.replace("{}", '"äpfel"')) == umlauts
    assert numbers(client, "SEARCH " + search.replace("{}", '""')) == [1, 2, 3, 4, 5, 6]


def test_names_of_fields_and_keywords_have_no_case(client: Client) -> None:
    """The comparator is for texts: RFC 5255 4.2 lists the keys."""
    client.ok("STORE 1 +FLAGS (Fruit)")
    client.ok("COMPARATOR i;octet")
    assert numbers(client, "SEARCH HEADER x-fruit apple") == [1]
    assert numbers(client, "SEARCH KEYWORD fruit") == [1]


def test_a_large_body_is_looked_through_by_the_comparator(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "KEPT_TEXTS", 2)
    monkeypatch.setattr(candidates, "TEXT_OCTETS", 3)
    client.ok("COMPARATOR i;octet")
    assert numbers(client, "SEARCH BODY Apple") == [2]
    client.ok("COMPARATOR i;ascii-casemap")
    assert numbers(client, "SEARCH BODY Apple") == [1, 2]


def test_a_result_that_is_kept_up_to_date_keeps_its_comparator(server: TestServer, client: Client) -> None:
    """RFC 5267 4.3: what was asked then is what is told of now."""
    other = second(server)
    client.ok("COMPARATOR i;octet")
    client.ok("UID SEARCH RETURN (UPDATE COUNT) SUBJECT Apple")
    client.ok("COMPARATOR default")
    other.append("INBOX", b"Subject: apple\r\n\r\n")
    other.append("INBOX", b"Subject: Apple\r\n\r\n")
    assert b"ADDTO (0 8)" in client.ok("NOOP")


# ---------------------------------------------------------------------------------------------- SORT and THREAD


@pytest.mark.parametrize(
    ("comparator", "order", "reverse"),
    [
        (UNICODE, [1, 2, 3, 4, 5, 6], [5, 6, 3, 4, 1, 2]),
        (ASCII, [1, 2, 5, 6, 3, 4], [4, 3, 5, 6, 1, 2]),
        (OCTET, [2, 5, 1, 6, 3, 4], [4, 3, 6, 1, 5, 2]),
        (f"-{ASCII}", [4, 3, 5, 6, 1, 2], [1, 2, 5, 6, 3, 4]),
        (f"-{OCTET}", [4, 3, 6, 1, 5, 2], [2, 5, 1, 6, 3, 4]),
    ],
)
@pytest.mark.parametrize("key", ["SUBJECT", "FROM"])
def test_sort_orders_as_the_comparator_does(
    client: Client, comparator: str, order: list[int], reverse: list[int], key: str
) -> None:
    """RFC 5255 4.2; RFC 4790 3.3: a minus turns it round, and ties stay (RFC 5256 3)."""
    # "Äpfel" is decomposed by i;unicode-casemap: it comes between "apple" and "zebra".
    client.ok(f"COMPARATOR {comparator}")
    for _ in range(2):  # the second time out of memory
        assert numbers(client, f"SORT ({key}) UTF-8 ALL") == order
        assert numbers(client, f"SORT (REVERSE {key}) UTF-8 ALL") == reverse


def test_a_minus_does_not_turn_dates_and_sizes(client: Client) -> None:
    """RFC 5255 4.2: the comparator is of CC, FROM, SUBJECT and TO; RFC 5957 7: and of DISPLAYFROM and DISPLAYTO."""
    for key in ("SIZE", "ARRIVAL", "DATE"):
        client.ok("COMPARATOR default")
        order = numbers(client, f"SORT ({key}) UTF-8 ALL")
        client.ok("COMPARATOR -default")
        assert numbers(client, f"SORT ({key}) UTF-8 ALL") == order
    client.ok("COMPARATOR -i;octet")
    assert numbers(client, "SORT (DISPLAYFROM) UTF-8 ALL") == [4, 3, 6, 1, 5, 2]


def test_what_one_comparator_has_found_out_is_told_to_no_other(server: TestServer, client: Client) -> None:
    """Columns, orders and threads are kept for all sessions in a folder."""
    exact, loose = second(server), second(server)
    exact.ok("COMPARATOR i;octet")
    for _ in range(2):
        assert numbers(loose, "SORT (SUBJECT) UTF-8 ALL") == [1, 2, 3, 4, 5, 6]
        assert numbers(exact, "SORT (SUBJECT) UTF-8 ALL") == [2, 5, 1, 6, 3, 4]
        assert b"* THREAD (1 2)(3 4)(5 6)\r\n" in loose.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")
        assert b"* THREAD (1)(2)(3)(4)(5)(6)\r\n" in exact.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")
        assert b"* THREAD (1)(2)\r\n" in exact.ok("THREAD REFERENCES UTF-8 1:2")


def test_threads_are_of_subjects_that_the_comparator_calls_equal(client: Client) -> None:
    """RFC 5255 4.2: ORDEREDSUBJECT, and the subjects of REFERENCES; the base subject is found before."""
    client.append("INBOX", "Subject: Re: äpfel\r\n\r\n".encode())
    client.ok("NOOP")
    assert b"* THREAD (1 2)(3 (4)(7))(5 6)\r\n" in client.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")
    assert b"* THREAD (3 7)\r\n" in client.ok("THREAD REFERENCES UTF-8 3,7")
    client.ok("COMPARATOR i;ascii-casemap")
    assert b"* THREAD (1 2)(3)(4 7)(5 6)\r\n" in client.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")
    assert b"* THREAD (3)(7)\r\n" in client.ok("THREAD REFERENCES UTF-8 3,7")
    assert b"* THREAD (4 7)\r\n" in client.ok("THREAD REFERENCES UTF-8 4,7")
