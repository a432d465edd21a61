"""The scanner: where parts lie, however broken the message and however it is cut."""

from collections.abc import Callable, Iterator
from itertools import cycle
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.formats.mime import Part, Scanner, scan
from core.formats.mime.limits import MAX_BOUNDARY, MAX_DEPTH, MAX_DESCRIBED, MAX_HEADER, MAX_PARTS
from tests.core.formats.messages import check_scan, crlf, pieces, scan_in_pieces


def bodies(octets: bytes) -> list[tuple[str, bytes]]:
    """Type and body of every leaf, after all that must hold has been checked."""
    scanned = scan(octets)
    check_scan(octets, scanned)

    def leaves(part: Part) -> Iterator[tuple[str, bytes]]:
        if not part.children:
            yield part.media_type, octets[part.body_start : part.body_end]
        for child in part.children:
            yield from leaves(child)

    return list(leaves(scanned.root))


MIXED = crlf("""From: a@b.example
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: text/plain

one
--outer
Content-Type: multipart/alternative; boundary=inner

--inner

two
--inner
Content-Type: text/html

three
--inner--
inner epilogue
--outer
Content-Type: message/rfc822

Subject: within
Content-Type: multipart/mixed; boundary=deep

--deep

four
--deep--

--outer--
epilogue
""")


def test_leaves_have_their_types_and_bodies_without_the_line_end_before_the_delimiter() -> None:
    assert bodies(MIXED) == [
        ("text/plain", b"one"),
        ("text/plain", b"two"),
        ("text/html", b"three"),
        ("text/plain", b"four"),
    ]


def test_bare_line_feeds_end_lines_too() -> None:
    octets = MIXED.replace(b"\r\n", b"\n")
    assert [body for _, body in bodies(octets)] == [b"one", b"two", b"three", b"four"]


def test_a_bare_carriage_return_ends_nothing() -> None:
    assert bodies(b"Subject: a\r\rb\n\nbody\r--x\r") == [("text/plain", b"body\r--x\r")]


def test_headers_and_bodies_side_by_side_are_the_whole_message() -> None:
    root = scan(MIXED).parts
    assert MIXED[: root.body_start].endswith(b'"outer"\r\n\r\n')
    first, second, third = root.children
    assert MIXED[root.body_start : first.header_start] == b"preamble\r\n--outer\r\n"
    assert MIXED[first.body_end : second.header_start] == b"\r\n--outer\r\n"
    assert MIXED[second.body_start : second.body_end].endswith(b"--inner--\r\ninner epilogue")
    assert MIXED[third.body_end :] == b"\r\n--outer--\r\nepilogue\r\n"
    assert third.is_message
    assert third.children[0].header_start == third.body_start
    assert third.children[0].body_end == third.body_end


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 16, 64, 100])
def test_the_result_does_not_depend_on_how_the_message_is_cut(size: int) -> None:
    assert scan_in_pieces(MIXED, size) == scan(MIXED)


TOKENS = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"--",
            b"--a",
            b"--ab",
            b"--a--",
            b"--ab--",
            b" ",
            b"x",
            b"\r\n\r\n",
            b"\n\n",
            b"\r\n--a",
        ),
        *(b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=ab\n"),
        *(b"Content-Type: message/rfc822\r\n", b"Content-Type: text/html\n", b"Subject: \xc3\xa4\n", b"\xff", b"\0"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(TOKENS, max_size=40).map(b"".join), st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_any_mixture_of_delimiters_and_headers_scans_the_same_however_cut(octets: bytes, cuts: list[int]) -> None:
    whole = scan(octets)
    check_scan(octets, whole)
    scanner = Scanner()
    for piece in pieces(octets, cycle(cuts)):
        scanner.feed(piece)
    assert scanner.finish() == whole


def test_the_empty_message_is_an_empty_text() -> None:
    assert bodies(b"") == [("text/plain", b"")]
    assert scan(b"").size == 0


def test_a_message_without_a_header_starts_with_a_blank_line() -> None:
    assert bodies(b"\r\nSubject: no\r\n") == [("text/plain", b"Subject: no\r\n")]


def test_a_message_may_be_a_header_only() -> None:
    scanned = scan(b"Subject: all")
    assert scanned.summary.subject == "all"
    assert (scanned.root.body_start, scanned.root.body_end) == (12, 12)


def test_a_line_without_a_colon_does_not_end_the_header() -> None:
    scanned = scan(b"From user@host Mon Jan  1 00:00:00 2024\nSubject: yes\nrubbish\nContent-Type: text/html\n\nx")
    assert (scanned.summary.subject, scanned.root.media_type) == ("yes", "text/html")


def test_the_first_of_two_equal_fields_counts() -> None:
    scanned = scan(b"Subject: one\nSubject: two\nContent-Type: text/html\nContent-Type: text/plain\n\n")
    assert (scanned.summary.subject, scanned.root.media_type) == ("one", "text/html")


@pytest.mark.parametrize("line", [b"--b \t \r\n", b"--b\r\n", b"--b\n", b"--bravo\r\n"])
def test_a_line_that_begins_with_the_delimiter_is_one(line: bytes) -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + line + b"\r\ntext\r\n--b--\r\n"
    assert bodies(octets) == [("text/plain", b"text")]


@pytest.mark.parametrize(("outer", "inner"), [("b", "bb"), ("bb", "b"), ("b", "b--")])
def test_of_boundaries_that_begin_alike_the_longer_one_is_meant(outer: str, inner: str) -> None:
    octets = crlf(f"""Content-Type: multipart/mixed; boundary="{outer}"

--{outer}
Content-Type: multipart/mixed; boundary="{inner}"

--{inner}

one
--{inner}

two
--{inner}--
--{outer}

three
--{outer}--
""")
    assert [body for _, body in bodies(octets)] == [b"one", b"two", b"three"]


def test_a_boundary_used_again_inside_belongs_to_the_inner_multipart() -> None:
    octets = crlf("""Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/mixed; boundary=b

--b

one
--b--
--b

two
--b--
""")
    root = scan(octets).root
    assert [len(child.children) for child in root.children] == [1, 0]


def test_an_outer_delimiter_ends_all_that_is_open_inside() -> None:
    octets = crlf("""Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/mixed; boundary=inner

--inner
Content-Type: message/rfc822

Content-Type: multipart/mixed; boundary=deep

--deep

one
--outer

two
--outer--
""")
    assert bodies(octets) == [("text/plain", b"one"), ("text/plain", b"two")]


def test_after_the_closing_delimiter_the_same_delimiter_is_text() -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n"
    assert bodies(octets) == [("text/plain", b"one")]


def test_without_the_closing_delimiter_the_last_part_takes_the_rest() -> None:
    assert bodies(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n") == [
        ("text/plain", b"one"),
        ("text/plain", b"two\n"),
    ]


def test_a_delimiter_in_a_header_ends_it() -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n--b\r\n\r\nx\r\n--b--"
    assert bodies(octets) == [("text/html", b""), ("text/plain", b"x")]


def test_a_delimiter_right_after_the_header_is_found_without_a_preamble() -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\n\n--b--\n"
    root = scan(octets).root
    assert root.is_multipart
    assert root.children == ()


def test_a_multipart_without_a_boundary_is_plain_text() -> None:
    for field in (b"multipart/mixed", b'multipart/mixed; boundary=""', b'multipart/mixed; boundary="  "'):
        assert bodies(b"Content-Type: " + field + b"\n\n--\n\nx") == [("text/plain", b"--\n\nx")]


def test_a_boundary_may_come_in_rfc_2231_sections() -> None:
    octets = b"Content-Type: multipart/mixed; boundary*0=ab;\r\n boundary*1=cd\r\n\r\n--abcd\r\n\r\nx\r\n--abcd--\r\n"
    assert bodies(octets) == [("text/plain", b"x")]


def test_a_boundary_keeps_its_outer_blanks() -> None:
    octets = b'Content-Type: multipart/mixed; boundary="b "\n\n--b\nnot one\n--b \n\nx\n--b --\n'
    assert bodies(octets) == [("text/plain", b"x")]


def test_of_an_endless_boundary_only_the_beginning_is_compared() -> None:
    boundary = b"b" * (MAX_BOUNDARY + 500)
    octets = (
        b"Content-Type: multipart/mixed; boundary="
        + boundary
        + b"\n\n--"
        + boundary
        + b"\n\nx\n--"
        + boundary
        + b"--\n"
    )
    assert bodies(octets)[0] == ("text/plain", b"x")


def test_parts_of_a_digest_are_messages_unless_they_say_otherwise() -> None:
    octets = crlf("""Content-Type: multipart/digest; boundary=b

--b

Subject: one

first
--b
Content-Type: text/plain

second
--b--
""")
    first, second = scan(octets).root.children
    assert (first.is_message, first.media_type) == (True, "message/rfc822")
    assert first.envelope is not None
    assert b'"one"' in first.envelope
    assert second.media_type == "text/plain"


def test_message_global_holds_a_message_and_other_message_types_do_not() -> None:
    for subtype, holds in (("global", True), ("RFC822", True), ("delivery-status", False), ("partial", False)):
        root = scan(f"Content-Type: message/{subtype}\n\nSubject: x\n\ny".encode()).root
        assert root.is_message == holds, subtype
        assert len(root.children) == holds


def test_a_message_part_that_ends_at_once_still_holds_a_message() -> None:
    root = scan(b"Content-Type: message/rfc822").root
    assert root.children[0].media_type == "text/plain"
    assert root.children[0].header_start == 28


def nested(levels: int, inside: bytes = b"") -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(levels)
    ) + (inside or b"\nx")


def depth(part: Part) -> int:
    return 1 + max([depth(child) for child in part.children], default=0)


def test_below_the_depth_limit_parts_are_kept_whole() -> None:
    octets = nested(MAX_DEPTH + 10)
    root = scan(octets).root
    check_scan(octets, scan(octets))
    assert depth(root) == MAX_DEPTH + 1
    innermost = root
    while innermost.children:
        innermost = innermost.children[0]
    assert innermost.media_type == "application/octet-stream"


def test_messages_in_messages_count_as_levels() -> None:
    octets = b"Content-Type: message/rfc822\n\n" * (MAX_DEPTH + 20)
    scanned = scan(octets)
    check_scan(octets, scanned)
    assert depth(scanned.root) == MAX_DEPTH + 1


def test_past_the_part_limit_the_rest_is_an_epilogue() -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * (MAX_PARTS + 100) + b"--b--\n"
    root = scan(octets).root
    assert len(root.children) == MAX_PARTS - 1
    assert scan_in_pieces(octets, 4096).root == root


def test_past_the_limit_of_described_text_no_parts_are_split_off() -> None:
    field = b"Content-Description: " + b"d" * 10_000 + b"\n"
    octets = b"Content-Type: multipart/mixed; boundary=b\n\n" + (b"--b\n" + field + b"\nx\n") * 1_000
    assert len(scan(octets).root.children) <= MAX_DESCRIBED // 10_000 + 1
    deep = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" + field * 1_000 + b"\n"
    for inside in (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx", b"Content-Type: message/rfc822\n\n"):
        check_scan(deep + inside, scan(deep + inside))


def test_a_header_longer_than_the_limit_is_read_to_it_and_ends_where_it_ends() -> None:
    octets = b"Subject: seen\n" + b"X-Junk: junk\n" * (MAX_HEADER // 12) + b"From: unseen@x.example\n\nbody"
    scanned = scan(octets)
    assert octets[scanned.root.body_start :] == b"body"
    assert (scanned.summary.subject, scanned.summary.from_, scanned.summary.clipped) == ("seen", "", True)
    assert scan_in_pieces(octets, 5_000) == scanned


def test_the_scanner_holds_back_little_of_a_large_body() -> None:
    scanner = Scanner()
    scanner.feed(b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/pdf\n\n")
    line = b"A" * 76 + b"\r\n"
    for _ in range(2_000):
        scanner.feed(line * 100)
        assert len(scanner._octets) < 100
    scanner.feed(b"--b--")
    (part,) = scanner.finish().root.children
    assert (part.lines, part.body_end - part.body_start) == (199_999, 78 * 200_000 - 2)


def test_the_scanner_holds_back_little_of_an_endless_header_or_delimiter_line() -> None:
    for start in (b"X: ", b"Content-Type: multipart/mixed; boundary=b\n\n--b "):
        scanner = Scanner()
        scanner.feed(start)
        for _ in range(500):
            scanner.feed(b"x" * 10_000)
            assert len(scanner._octets) < 100
            assert sum(map(len, scanner._header)) <= MAX_HEADER + 10_000
        scanner.finish()


# Each of these grows with its parameter; a scan that were quadratic would take a hundred times as long for ten times
# as much, so even a generous bound tells the two apart.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "parts": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * n,
    "multiparts whose boundaries never come": lambda n: (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        + b"".join(b"--b\nContent-Type: multipart/mixed; boundary=x%d\n\nxxxxxxxx\n" % i for i in range(n // 3))
    ),
    "almost delimiters": lambda n: nested(20) + b"\n--\n--b" * n,
    "junk header": lambda n: b"junk without a colon\n" * (n * 5) + b"\nbody",
    "one long header line": lambda n: b"x" * (n * 100),
    "one folded field": lambda n: b"Subject: a\n" + b" b\n" * (n * 10),
    "addresses": lambda n: b"To: " + b"a@b.example, " * (n * 5) + b"\n\n",
    "broken addresses": lambda n: b"To: " + b"(<[\"a@" * (n * 5) + b"\n\n",
    "encoded words that never end": lambda n: b"Subject: " + b"=?a?q?" * (n * 5) + b"\n\n",
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?q?=C3?= " * n + b"\n\n",
    "blobs": lambda n: b"Subject: " + b"[x]" * (n * 5) + b"\n\n",
    "forwards": lambda n: b"Subject: " + b"[fwd:" * (n * 5) + b"]" * (n * 5) + b"\n\n",
    "replies": lambda n: b"Subject: " + b"re: " * (n * 5) + b"(fwd)" * (n * 5) + b"\n\n",
    "references": lambda n: b"References: " + b"<a@b> " * (n * 5) + b"\n\n",
    "broken references": lambda n: b'References: ' + b'<"a@' * (n * 5) + b"\n\n",
    "parameters": lambda n: b"Content-Type: text/plain" + b"; a=b" * (n * 5) + b"\n\n",
    "parameter sections": lambda n: (
        b"Content-Type: text/plain" + b"".join(b"; a*%d*=%%41" % i for i in range(n)) + b"\n\n"
    ),
    "comments": lambda n: b"Content-Type: text/plain " + b"(" * (n * 5) + b"\n\n",
    "html openings": lambda n: b"Content-Type: text/html\n\n" + b"<!--<style><a " * n,
    "blank lines": lambda n: b"\n" * (n * 50),
    "fields": lambda n: b"to:\n" * (n * 10) + b"\n",
}  # fmt: skip


def cost(octets: bytes) -> float:
    started = process_time()
    scan(octets)
    return process_time() - started


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_ten_times_as_much_hostility_costs_about_ten_times_as_much(name: str) -> None:
    small, large = HOSTILE[name](800), HOSTILE[name](8_000)
    check_scan(small, scan(small))
    least = min(cost(small) for _ in range(3)) + 0.002
    assert min(cost(large) for _ in range(2)) < 40 * least
