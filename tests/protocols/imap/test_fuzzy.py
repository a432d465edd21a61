"""Words that nearly match: distances, qualities, and what they cost (RFC 6203)."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.casemap import fold, loosen
from protocols.imap import limits
from protocols.imap.finding import fuzzy
from protocols.imap.finding.fuzzy import (
    BEGINS,
    EXACT,
    MISSPELT,
    PHRASE,
    WITHIN,
    Needle,
    count_words,
    distance,
    pieces,
    scaled,
)
from protocols.imap.work import unhurried

WORDS = st.text("abäé", min_size=1, max_size=9)
TEXTS = st.text("abäßй日 -_\u0308\n", max_size=40)


def score(needle: str, text: str) -> float:
    return Needle(needle).score([pieces([loosen(text)])], unhurried)


def naive(left: str, right: str) -> int:
    """Optimal string alignment, as it is defined."""

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        steps = [of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (left[i - 1] != right[j - 1])]
        if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
            steps.append(of(i - 2, j - 2) + 1)
        return min(steps)

    return of(len(left), len(right))


@given(left=st.text("abc", max_size=9), right=st.text("abc", max_size=9), most=st.integers(0, 4))
def test_the_distance_is_the_naive_one_up_to_its_bound(left: str, right: str, most: int) -> None:
    assert distance(left, right, most) == min(naive(left, right), most + 1)


def test_a_swap_is_one_slip() -> None:
    assert distance("recieve", "receive", 2) == 1
    assert distance("hello", "helol", 2) == 1
    assert distance("hello", "olleh", 3) == 4


# ---------------------------------------------------------------------------------------------- qualities


@pytest.mark.parametrize(
    ("needle", "text", "quality"),
    [
        ("hello", "Well, hello!", PHRASE),
        ("hello world", "hello  world", EXACT),
        ("world hello", "hello world", EXACT),
        ("hel", "hello", BEGINS),
        ("ello", "hello", WITHIN),
        ("Helo", "hello", MISSPELT[0]),
        ("Helo", "help", MISSPELT[0]),
        ("Helo", "yellow", 0),
        ("hle", "hel", 0),  # of three letters nothing is a slip
        ("recieved", "received", MISSPELT[0]),
        ("meetign", "meeting", MISSPELT[0]),
        ("meetng", "meting", 0),
        ("appointmnet", "apointment", MISSPELT[1]),
        ("GROSSE", "Größe", PHRASE),
        ("muller", "Jürgen Müller", PHRASE),
        ("\ufb01le", "my file", PHRASE),
        ("日本", "これは日本語です", WITHIN),
        ("@example.org", "joe@example.org", PHRASE),
        ("example.or", "joe@example.org", (EXACT + BEGINS) / 2),
        ("?!", "what?!", PHRASE),
        ("?!", "what", 0),
        ("", "", PHRASE),
        ("x" * 70, "x" * 71, BEGINS),  # too long for slips
        ("x" * 71, "x" * 70, 0),
    ],
)
def test_how_well_a_text_matches(needle: str, text: str, quality: float) -> None:
    """RFC 6203 3, 4: "Helo" finds "hello" and "help"."""
    assert score(needle, text) == pytest.approx(quality)


@pytest.mark.parametrize("subject", ["IMAP break", "broken IMAP", "IMAP is broken"])
def test_what_the_rfc_expects_of_imap_break_is_found(subject: str) -> None:
    """RFC 6203 3."""
    assert score("IMAP break", subject) > 0


def test_half_of_the_words_must_match() -> None:
    text = "one two"
    assert score("one x y", text) == 0
    assert score("one two x", text) == pytest.approx(2 * EXACT / 3)
    assert score("one x", text) == EXACT / 2
    assert score("x y", text) == 0


def test_better_matches_score_higher() -> None:
    """RFC 6203 4."""
    texts = [
        "the yearly report",
        "report, yearly",
        "yearling reports",
        "preyearly reports",
        "yearl reprot",
        "no report",
    ]
    scores = [score("yearly report", text) for text in texts]
    assert scores[0] > scores[1] > scores[2]
    assert all(better > worse for better, worse in pairwise([PHRASE, EXACT, BEGINS, WITHIN, *MISSPELT]))
    assert scores[1] > scores[4] > 0
    assert scores[5] == EXACT / 2


@given(needle=WORDS, slip=WORDS, before=TEXTS, behind=TEXTS)
def test_the_exact_phrase_never_scores_below_anything_else(needle: str, slip: str, before: str, behind: str) -> None:
    exact = score(needle, f"{before} {needle} {behind}")
    assert exact == PHRASE >= score(needle, f"{before} {slip} {behind}")


@given(needle=st.text("abäßй日 -_\u0308", max_size=5), text=TEXTS)
def test_what_is_found_exactly_is_found_fuzzily(needle: str, text: str) -> None:
    """Whatever the comparator: i;unicode-casemap, or the octets."""
    if needle in text or fold(needle) in fold(text):
        assert score(needle, text) >= WITHIN


@given(text=TEXTS, more=TEXTS)
def test_texts_are_loosened_letter_by_letter(text: str, more: str) -> None:
    assert loosen(text + more) == loosen(text) + loosen(more)
    assert loosen(loosen(text)) == loosen(text)


@given(needle=st.text("ab ", max_size=6), text=st.text("ab ", max_size=60), cuts=st.lists(st.integers(0, 60)))
def test_it_does_not_matter_where_a_text_is_cut(needle: str, text: str, cuts: list[int]) -> None:
    ends = sorted({0, *cuts, len(text)} - set(range(len(text) + 1, 61)))
    slices = [text[low:high] for low, high in pairwise(ends)]
    cut = Needle(needle).score([pieces(slices)], unhurried)
    assert cut == score(needle, text)


@given(st.lists(st.text("ab ", max_size=6)), st.lists(st.text("ab ", max_size=20), max_size=8))
def test_what_a_needle_remembers_changes_nothing(needles: list[str], texts: list[str]) -> None:
    for needle in needles:
        one = Needle(needle)
        assert [one.score([pieces([text])], unhurried) for text in texts] == [score(needle, text) for text in texts]


def test_words_of_south_asian_scripts_stay_whole() -> None:
    """Their vowel signs are no letters to Python."""
    assert fuzzy.words_of("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]


# ---------------------------------------------------------------------------------------------- scores


@given(st.lists(st.floats(0.001, 1), min_size=2))
def test_scores_use_the_full_range_and_keep_their_order(scores: list[float]) -> None:
    """RFC 6203 4: 1 to 100."""
    told = scaled(scores)
    assert (min(told), max(told)) == ((100, 100) if isclose(min(scores), max(scores)) else (1, 100))
    for one, other in pairwise(sorted(zip(scores, told, strict=True))):
        assert one[1] <= other[1]


def test_what_matches_equally_well_has_the_same_score() -> None:
    """Whichever word it is that is misspelt."""
    texts = ["hello there wrold", "hello wrold there", "wrold hello there"]
    assert scaled([score("hello there world", text) for text in texts]) == [100, 100, 100]
    assert scaled([0.9 + 0.7 + 0.5, 0.5 + 0.7 + 0.9, 0.7 + 0.5 + 0.9]) == [100, 100, 100]


def test_there_may_be_no_scores() -> None:
    assert scaled([]) == []
    assert scaled([0.2]) == [100]


# ---------------------------------------------------------------------------------------------- what it costs


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is compared letter by letter."""
    compared: list[tuple[str, str]] = []
    real = fuzzy.distance

    def watched(left: str, right: str, most: int) -> int:
        compared.append((left, right))
        return real(left, right, most)

    monkeypatch.setattr(fuzzy, "distance", watched)
    return compared


def test_long_words_are_not_compared_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6203 8: "large messages that contain very long words"."""
    compared = counted(monkeypatch)
    needle = Needle("hello " + "x" * 1000)
    assert needle.score([pieces(["hell" * 10_000, "o hellp " + "y" * 1000])], unhurried) > 0
    assert compared == [("hello", "hell\0")]
    assert not any(len(word) > limits.FUZZY_WORD for word in needle._misses | needle._hits.keys())


def test_each_distinct_word_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = counted(monkeypatch)
    needle = Needle("hello")
    for _ in range(3):
        needle.score([pieces(["hella hellp holle zzzzz hallo " * 100])], unhurried)
    assert sorted(word for _, word in compared) == ["h\0llo", "hell\0", "holle"], "strange letters are all the same"
    needle.score([pieces(["hallo \u2014 hallo"])], unhurried)
    assert len(compared) == 4, "outside ASCII each word is itself"


def test_random_words_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6203 8: "unique random strings"."""
    monkeypatch.setattr(limits, "FUZZY_KNOWN", 100)
    needle = Needle("hello")
    for start in range(0, 5_000, 50):
        text = " ".join(f"\u2014 w{n}" for n in range(start, start + 50))
        needle.score([pieces([text])], unhurried)
        assert len(needle._misses) + len(needle._hits) <= 150


def test_others_go_first_between_many_words(monkeypatch: pytest.MonkeyPatch) -> None:
    breaths: list[int] = []

    def breathe() -> bool:
        breaths.append(1)
        return False

    words = "\u2014 " + " ".join(f"w{n}" for n in range(10_000, 10_000 + 5 * fuzzy.COMPARISONS))
    Needle("hello").score([pieces([words])], breathe)
    assert len(breaths) == 9, "of each word, whether it begins so, and how far it is from the one of that length"


def test_words_are_counted_up_to_the_limit() -> None:
    def texts() -> Iterable[str]:
        yield "Größe, and two"
        yield "more " * 1000
        raise AssertionError("it has counted enough")

    assert count_words(["a b", "", "c"], 5) == 3
    assert count_words(texts(), 10) == 11
