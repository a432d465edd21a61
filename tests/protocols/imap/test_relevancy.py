"""FUZZY and RELEVANCY in a session (RFC 6203)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap import limits
from protocols.imap.commands import SortKey
from protocols.imap.finding import candidates
from tests.support.imap import Client, TestServer, room, second, untagged

ESEARCH = re.compile(rb'\* ESEARCH \(TAG "[^"]+"[^)]*\) ?(.*)')


def box(server: TestServer, *messages: str, dates: tuple[str, ...] = ()) -> Client:
    """A client in an INBOX with these messages: a header, two line ends, a body."""
    client = server.client()
    for at, message in enumerate(messages):
        octets = message.encode() if "\n\n" in message else f"Subject: {message}\n\n".encode()
        client.append("INBOX", octets.replace(b"\n", b"\r\n"), f'"{dates[at]}"' if dates else "")
    client.ok("SELECT INBOX")
    return client


def numbers(answer: bytes) -> list[int]:
    (line,) = [line for line in untagged(answer) if line.startswith((b"* SEARCH", b"* SORT"))]
    return [int(number) for number in line.split()[2:]]


def found(client: Client, keys: str) -> list[int]:
    return numbers(client.ok(f"SEARCH {keys}"))


def told(client: Client, command: str) -> str:
    """What an ESEARCH says behind its tag."""
    (line,) = [said for each in untagged(client.ok(command)) if (said := ESEARCH.fullmatch(each))]
    return line[1].decode()


# ---------------------------------------------------------------------------------------------- the RFC's examples


def test_a_fuzzy_subject_finds_what_is_nearly_one(server: TestServer) -> None:
    """RFC 6203 3, A1."""
    client = box(server, "IMAP break", "lunch", "broken IMAP", "IMAP is broken", "coffee break")
    assert found(client, 'FUZZY (SUBJECT "IMAP break")') == [1, 3, 4, 5]
    assert found(client, 'SUBJECT "IMAP break"') == [1]


def test_only_what_fuzzy_is_about_is_fuzzy(server: TestServer) -> None:
    """RFC 6203 3, A2."""
    client = box(
        server,
        "Subject: wrok\nFrom: user@example.com\n\n",
        "Subject: work\nFrom: usre@example.com\n\n",
        "Subject: homework\nFrom: user@example.com\n\n",
    )
    assert found(client, "FUZZY SUBJECT work FROM user@example.com") == [1, 3]
    assert found(client, "FUZZY (SUBJECT work FROM user@example.com)") == [1, 2, 3]
    assert found(client, "SUBJECT work FROM user@example.com") == [3]


def test_helo_finds_hello_and_help_with_their_scores(server: TestServer) -> None:
    """RFC 6203 4, B1; 6, C1 and C2."""
    client = box(
        server, "Subject: x\n\nThey said hello to us", "nothing", "help", "Helo", "Subject: y\n\nhelo", "none of it"
    )
    assert told(client, 'SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT "Helo"') == "ALL 1,3:5 RELEVANCY (1 36 100 30)"
    assert numbers(client.ok('SORT (RELEVANCY) UTF-8 FUZZY TEXT "Helo"')) == [4, 3, 5, 1]
    assert numbers(client.ok('SORT (REVERSE RELEVANCY) UTF-8 FUZZY TEXT "Helo"')) == [1, 5, 3, 4]
    assert (
        told(client, 'SORT RETURN (RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY TEXT "Helo"')
        == "ALL 4,3,5,1 RELEVANCY (100 36 30 1)"
    )


def test_a_page_of_the_most_relevant(server: TestServer) -> None:
    """RFC 6203 6, C3; and with the scores of the page (RFC 9394)."""
    client = box(server, "the wrold", "word", "Worlds", "World", "moon", "wolrd")
    assert told(client, "SORT RETURN (PARTIAL 1:2) (RELEVANCY) UTF-8 FUZZY TEXT World") == "PARTIAL (1:2 4,3)"
    page = "SORT RETURN (PARTIAL 2:4 RELEVANCY) (RELEVANCY) UTF-8 FUZZY TEXT World"
    assert told(client, page) == "PARTIAL (2:4 3,1:2) RELEVANCY (41 1 1)"
    page = "SORT RETURN (PARTIAL 7:9 RELEVANCY) (RELEVANCY) UTF-8 FUZZY TEXT World"
    assert told(client, page) == "PARTIAL (7:9 NIL) RELEVANCY ()"


# ---------------------------------------------------------------------------------------------- RELEVANCY


def test_scores_are_in_the_order_of_what_is_told(server: TestServer) -> None:
    client = box(server, "helo there", "hello", "helped", "held")
    assert told(client, "SEARCH RETURN (RELEVANCY MIN MAX) FUZZY SUBJECT helo") == "MIN 1 MAX 4 RELEVANCY (100 1)"
    assert told(client, "SEARCH RETURN (RELEVANCY COUNT) FUZZY SUBJECT helo") == "COUNT 3 RELEVANCY (100 1 1)"
    assert told(client, "SEARCH RETURN (RELEVANCY) FUZZY SUBJECT helo") == "RELEVANCY (100 1 1)"
    assert told(client, "UID SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT there") == "UID ALL 1 RELEVANCY (100)"
    assert told(client, "SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT nothing") == "RELEVANCY ()"
    assert told(client, "SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT helo MODSEQ 1").startswith(
        "ALL 1:2,4 RELEVANCY (100 1 1) MODSEQ "
    )


@pytest.mark.parametrize(
    "command",
    [
        "SEARCH RETURN (RELEVANCY ALL) SUBJECT x",
        "SEARCH RETURN (RELEVANCY) NOT (OR SEEN TEXT x)",
        "UID SEARCH RETURN (ALL RELEVANCY) FILTER plain",
        "SORT (RELEVANCY) UTF-8 SUBJECT x",
        "SORT (DATE REVERSE RELEVANCY) UTF-8 ALL",
        "SORT RETURN (RELEVANCY) (DATE) UTF-8 ALL",
        "ESEARCH IN (personal) RETURN (RELEVANCY) SUBJECT x",
    ],
)
def test_relevancy_without_fuzzy_is_bad(server: TestServer, command: str) -> None:
    """RFC 6203 4, 6: MUST NOT."""
    client = box(server, "x")
    client.ok('SETMETADATA "" (/private/filters/values/plain "SUBJECT x")')
    client.ok("SEARCH RETURN (SAVE) ALL")
    assert b"RELEVANCY needs FUZZY" in client.bad(command)
    assert found(client, "$") == [1], "RFC 5182 2.1: what is BAD changes no saved result"


def test_fuzzy_may_come_from_a_filter(server: TestServer) -> None:
    """RFC 5466 3.1: as if it stood there."""
    client = box(server, "helo", "hello", "x")
    client.ok('SETMETADATA "" (/private/filters/values/greeting "FUZZY SUBJECT helo")')
    client.ok('SETMETADATA "" (/private/filters/values/exact "SUBJECT helo")')
    assert told(client, "SEARCH RETURN (ALL RELEVANCY) FILTER greeting") == "ALL 1:2 RELEVANCY (100 1)"
    assert found(client, "FUZZY FILTER exact") == [1, 2]
    assert found(client, "FILTER exact") == [1]


def test_what_is_sorted_alike_is_sorted_by_the_next_key(server: TestServer) -> None:
    """RFC 6203 6, RFC 5256 3; and what was found out for one search is not told to the next."""
    client = box(server, "hello b", "helo z", "hello a", "helo y", "x")
    assert numbers(client.ok("SORT (RELEVANCY SUBJECT) UTF-8 FUZZY SUBJECT helo")) == [4, 2, 3, 1]
    assert numbers(client.ok("SORT (RELEVANCY SUBJECT) UTF-8 FUZZY SUBJECT hello")) == [3, 1, 4, 2]
    assert numbers(client.ok("SORT (RELEVANCY REVERSE SUBJECT) UTF-8 FUZZY SUBJECT helo")) == [2, 4, 1, 3]
    assert numbers(client.ok("UID SORT (SUBJECT RELEVANCY) UTF-8 FUZZY SUBJECT helo")) == [3, 1, 4, 2]
    assert numbers(client.ok("SORT (RELEVANCY) UTF-8 FUZZY SUBJECT nowhere")) == []


def test_a_comparator_that_descends_leaves_relevancy_alone() -> None:
    """RFC 5255 4.2: it is about texts."""
    assert not SortKey("RELEVANCY").is_of_text


def test_the_comparator_does_not_matter_to_fuzzy(server: TestServer) -> None:
    """RFC 6203 3: "including ignoring the active comparator"."""
    client = box(server, "Größe")
    for comparator in ("i;octet", "i;ascii-casemap", "i;unicode-casemap"):
        client.ok(f"COMPARATOR {comparator}")
        assert found(client, "FUZZY SUBJECT grosse") == [1]
        assert found(client, "FUZZY TEXT grosse") == [1]
        assert found(client, "SUBJECT grosse") == []


def test_each_folder_has_scores_of_its_own(server: TestServer) -> None:
    """RFC 7377 2.1."""
    client = box(server, "helo", "hello")
    client.append("Sent", b"Subject: hello\r\n\r\n")
    lines = untagged(client.ok("ESEARCH IN (personal) RETURN (ALL RELEVANCY) FUZZY SUBJECT helo"))
    assert [line.split(b") ", 1)[1] for line in lines] == [
        b"UID ALL 1:2 RELEVANCY (100 1)",
        b"UID ALL 1 RELEVANCY (100)",
    ]


def test_threads_of_what_nearly_matches(server: TestServer) -> None:
    client = box(server, "helo", "x", "hello", "hello")
    assert b"* THREAD (1)(3 4)\r\n" in client.ok("THREAD ORDEREDSUBJECT UTF-8 FUZZY SUBJECT helo")


def test_a_fuzzy_result_is_kept_up_to_date(server: TestServer) -> None:
    """RFC 5267 4.3: by whether messages match."""
    client, other = room(server, 1), second(server)
    client.ok("SEARCH RETURN (UPDATE ALL) FUZZY (SUBJECT helo 1:*)")
    other.append("INBOX", b"Subject: hello\r\n\r\n")
    assert b"ADDTO" not in client.ok("NOOP"), "1:* means what it meant then"
    client.ok("UID SEARCH RETURN (UPDATE ALL) FUZZY SUBJECT helo")
    other.append("INBOX", b"Subject: help\r\n\r\n")
    other.append("INBOX", b"Subject: yellow\r\n\r\n")
    assert b" UID ADDTO (0 3)\r\n" in client.ok("NOOP")


def test_a_fuzzy_result_can_be_saved(server: TestServer) -> None:
    """RFC 5182."""
    client = box(server, "hello", "x", "helo")
    client.ok("SEARCH RETURN (SAVE) FUZZY SUBJECT helo")
    assert found(client, "$") == [1, 3]
    assert told(client, "SEARCH RETURN (SAVE RELEVANCY) FUZZY SUBJECT helo") == "RELEVANCY (1 100)"
    assert found(client, "FUZZY $") == [1, 3]


# ---------------------------------------------------------------------------------------------- what matches


def test_not_is_exact_unless_fuzzy_stands_behind_it(server: TestServer) -> None:
    """RFC 6203 3, 4: what several keys mean is the server's choice.  A misspelling must not hide more."""
    client = box(server, "hello", "helo", "x")
    assert found(client, "FUZZY NOT SUBJECT helo") == [1, 3]
    assert found(client, "NOT FUZZY SUBJECT helo") == [3]
    assert found(client, "FUZZY (NOT FUZZY SUBJECT helo)") == [3]
    assert told(client, "SEARCH RETURN (ALL RELEVANCY) NOT FUZZY SUBJECT helo") == "ALL 3 RELEVANCY (100)"


def test_and_multiplies_and_or_takes_the_best(server: TestServer) -> None:
    """RFC 6203 4: "how the relevancy score is calculated is server-dependent"."""
    client = box(
        server,
        "Subject: helo\nFrom: Dave\n\n",
        "Subject: hello\nFrom: Dave\n\n",
        "Subject: hello\nFrom: Davie\n\n",
        "Subject: helo\nFrom: Davie\n\n",
        "Subject: helo\nFrom: x\n\n",
    )
    relevancy = "SEARCH RETURN (ALL RELEVANCY)"
    assert told(client, f"{relevancy} FUZZY (SUBJECT helo FROM Dave)") == "ALL 1:4 RELEVANCY (100 34 1 34)"
    assert told(client, f"{relevancy} OR FUZZY SUBJECT helo FUZZY FROM Dave") == "ALL 1:5 RELEVANCY (100 100 1 100 100)"
    assert told(client, f"{relevancy} OR 3 FUZZY SUBJECT hello") == "ALL 1:5 RELEVANCY (1 100 100 1 1)"
    assert told(client, f"{relevancy} FUZZY FUZZY SUBJECT helo 2:3") == "ALL 2:3 RELEVANCY (100 100)"


def test_hundreds_of_bad_matches_are_a_match(server: TestServer) -> None:
    client = box(server, "what?", dates=("01-Jan-2009 12:00:00 +0000",))
    assert found(client, "FUZZY (" + " ".join(["ON 8-Jan-2009"] * 900) + ")") == [1]
    assert found(client, "FUZZY (" + " ".join(["ON 8-Jan-2009"] * 900) + " ON 9-Jan-2009)") == []


def test_subjects_and_names_count_more_than_bodies(server: TestServer) -> None:
    """RFC 6203 4: a misspelt subject "might get a higher relevancy score" than an exact body."""
    client = box(
        server,
        "Subject: x\n\nthe report of this year",
        "reprot",
        "Subject: x\nX-Kind: report\n\n",
        "Subject: x\nCc: Report Office <a@x>\n\n",
    )
    assert numbers(client.ok("SORT (RELEVANCY) UTF-8 FUZZY TEXT report")) == [4, 3, 2, 1]
    assert found(client, "FUZZY BODY reprot") == [1]
    assert found(client, "FUZZY HEADER X-Kind reprot") == [3]
    assert found(client, 'FUZZY HEADER X-Kind ""') == [3]
    assert found(client, "FUZZY CC ofice") == [4]
    assert found(client, 'FUZZY BODY ""') == [1, 2, 3, 4]
    assert numbers(client.ok('SORT (RELEVANCY) UTF-8 FUZZY TEXT "kind: report"'))[0] == 3


DATES = tuple(f"{day:02}-Jan-2009 12:00:00 +0000" for day in (5, 14, 20, 22, 24, 30, 31))


def test_days_may_be_a_week_away(server: TestServer) -> None:
    """RFC 6203 5: "the further away the message is, the lower the relevancy score"."""
    client = box(server, *[f"From: Dave\nDate: {date[:2]} Jan 2009\n\n" for date in DATES], dates=DATES)
    keys = 'FUZZY (FROM "Dave" SINCE 21-Jan-2009 BEFORE 24-Jan-2009)'
    assert told(client, f"SEARCH RETURN (ALL RELEVANCY) {keys}") == "ALL 2:6 RELEVANCY (1 86 100 86 1)"
    assert found(client, "FUZZY ON 14-Jan-2009") == [2, 3]
    assert found(client, "FUZZY SENTON 28-Jan-2009") == [4, 5, 6, 7]
    assert found(client, "FUZZY SENTBEFORE 1-Jan-2009") == [1]
    assert found(client, "SINCE 21-Jan-2009 BEFORE 24-Jan-2009") == [4]
    client.append("INBOX", b"Subject: no date\r\n\r\n")
    client.ok("NOOP")
    assert found(client, "FUZZY SENTSINCE 1-Jan-2000") == [1, 2, 3, 4, 5, 6, 7]
    assert found(client, "FUZZY SAVEDSINCE 1-Jan-2000") == [1, 2, 3, 4, 5, 6, 7, 8]


def test_sizes_and_ages_may_be_wrong_by_half(server: TestServer) -> None:
    """RFC 6203 5."""
    client = box(server, *["Subject: x\n\n" + "x" * (size - 14) for size in (400, 700, 1000, 1300, 1700)])
    about = "FUZZY (LARGER 900 SMALLER 1100)"
    assert told(client, f"SEARCH RETURN (ALL RELEVANCY) {about}") == "ALL 2:4 RELEVANCY (1 100 19)"
    assert found(client, "FUZZY LARGER 0") == [1, 2, 3, 4, 5]
    assert found(client, "FUZZY SMALLER 0") == []
    client.append("INBOX", b"Subject: old\r\n\r\n", '"01-Jan-2009 12:00:00 +0000"')
    client.ok("NOOP")
    age = client.server.clock.now() // 1_000_000 - 1_230_811_200
    assert found(client, f"YOUNGER {age - 1000}") == [1, 2, 3, 4, 5]
    assert found(client, f"FUZZY YOUNGER {age - 1000}") == [1, 2, 3, 4, 5, 6]
    assert found(client, f"FUZZY OLDER {age + 1000}") == [6]
    assert found(client, f"FUZZY YOUNGER {age // 2}") == [1, 2, 3, 4, 5]


def test_flags_numbers_and_ids_mean_themselves(server: TestServer) -> None:
    """RFC 6203 5: "including deciding that fuzzy matching is meaningless for a particular key"."""
    client = box(server, "a", "b", "c", "d")
    client.ok("STORE 2 +FLAGS (\\Answered $Work)")
    for keys, expected in (
        ("ANSWERED", [2]),
        ("UNANSWERED", [1, 3, 4]),
        ("KEYWORD $Work", [2]),
        ("UNKEYWORD $Work", [1, 3, 4]),
        ("NEW", [1, 2, 3, 4]),
        ("ALL", [1, 2, 3, 4]),
        ("2:3", [2, 3]),
        ("UID 2:3", [2, 3]),
        ("MODSEQ 6", [2]),
        ("EMAILID nothing", []),
    ):
        assert numbers(client.ok(f"SEARCH {keys}").replace(b" (MODSEQ 6)", b"")) == expected
        assert numbers(client.ok(f"SEARCH FUZZY {keys}").replace(b" (MODSEQ 6)", b"")) == expected


def test_what_is_clipped_in_the_summary_is_looked_for_in_the_header(server: TestServer) -> None:
    many = ", ".join(f"Name{n} <n{n}@example.org>" for n in range(20_000))
    client = box(server)
    server.deliver(f"To: {many}, Zachary <z@example.org>\r\nSubject: x\r\n\r\n".encode())
    client.ok("NOOP")
    assert found(client, "FUZZY TO Zachery") == [1]
    assert found(client, "FUZZY TEXT Zachery") == [1]


@pytest.mark.parametrize("most", [999, 1024 * 1024])
def test_a_large_text_is_looked_through_in_pieces(
    server: TestServer, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "TEXT_OCTETS", 700)
    monkeypatch.setattr(candidates, "FOLDED_CHARACTERS", 300)
    monkeypatch.setattr(candidates, "KEPT_TEXTS", most)
    lines = "\n".join(f"line number {n}, elephants{n}" for n in range(200))
    client = box(
        server, f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{lines}\nthe appointment is in Köln\n"
    )
    for n in range(0, 200, 20):
        assert found(client, f'FUZZY BODY "NUMBER {n}, elephants{n}"') == [1]
        assert found(client, f"FUZZY BODY elephans{n}") == [1]
    assert found(client, "FUZZY OR BODY apointmnet BODY kolns") == [1]
    assert found(client, "FUZZY (TEXT apointmnet TEXT koln BODY number)") == [1]
    assert found(client, "FUZZY BODY rhinoceros") == []


def test_an_expunged_message_does_not_match(server: TestServer) -> None:
    client, other = box(server, "Subject: x\n\nhello", "Subject: x\n\nhello"), second(server)
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert told(client, "SEARCH RETURN (ALL RELEVANCY) FUZZY BODY helo") == "ALL 2 RELEVANCY (100)"


def test_a_search_has_so_many_fuzzy_words(server: TestServer) -> None:
    """RFC 6203 8: "very long search keys"; what is exact has no such limit.  RFC 5182 2.1: NO saves nothing."""
    client = box(server, "a")
    words = " ".join(["a"] * (limits.FUZZY_WORDS // 2))
    assert found(client, f'FUZZY SUBJECT "{words}" FUZZY (HEADER Subject "{words}")') == [1]
    client.ok("SEARCH RETURN (SAVE) ALL")
    client.no(f'SEARCH RETURN (SAVE) FUZZY OR SUBJECT "{words}" TEXT "{words}, b"', "LIMIT")
    assert found(client, "$") == []
    assert found(client, f'FUZZY (SUBJECT "{words}" NOT BODY "{words} {words} b")') == [1]
    client.ok(f'SETMETADATA "" (/private/filters/values/many "BODY \\"{words}\\"")')
    client.no("SORT (DATE) UTF-8 FUZZY OR FILTER many (FILTER many SUBJECT b)", "LIMIT")


def test_it_is_announced_to_who_has_signed_in(server: TestServer) -> None:
    """RFC 6203 9."""
    assert b" SEARCH=FUZZY " in server.client().ok("CAPABILITY")


# ---------------------------------------------------------------------------------------------- beside exact searches

SUBJECTS = ("Müller", "hello world", "Hello", "wrld", "a-b", "")
KEYS = st.recursive(
    st.sampled_from(["SEEN", "2:4", "SUBJECT hello", 'TEXT "o w"', "HEADER Subject a-b", "LARGER 20", 'SUBJECT ""']),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"OR {pair[0]} {pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} {pair[1]})"),
        inner.map(lambda key: f"NOT {key}"),
    ),
    max_leaves=5,
)


def test_what_matches_exactly_matches_fuzzily_with_scores_from_1_to_100(server: TestServer) -> None:
    """RFC 6203 4; whatever the keys, however they are joined."""
    client = box(server, *SUBJECTS)
    client.ok("STORE 1:3 +FLAGS (\\Seen)")

    @settings(max_examples=60, deadline=None)
    @given(KEYS)
    def check(keys: str) -> None:
        exact = found(client, keys)
        fuzzy = found(client, f"FUZZY {keys}")
        assert set(exact) <= set(fuzzy)
        assert numbers(client.ok(f"SORT (ARRIVAL) UTF-8 FUZZY {keys}")) == fuzzy
        scores = told(client, f"SEARCH RETURN (RELEVANCY) FUZZY {keys}").removeprefix("RELEVANCY (")[:-1].split()
        assert len(scores) == len(fuzzy)
        assert all(1 <= int(score) <= 100 for score in scores)

    check()
