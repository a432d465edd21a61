"""i;unicode-casemap (RFC 5051)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats import casemap
from core.formats.casemap import fold, loosen


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hello", "HELLO"),
        ("Grüße", "GRÜßE"),
        ("é", "e\u0301"),
        ("É", "é"),
        ("ǆ", "Ǆ"),
        ("Å", "\u212b"),
        ("\uff21\uff22\uff23", "ABC"),
        ("\u03c3", "Σ"),
        ("ς", "Σ"),
        ("я", "Я"),
        ("½", "1\u20442"),
    ],
)
def test_texts_that_are_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ß", "ss"), ("a", "b"), ("e", "é"), ("ﬁ", "FI"), ("\u0131", "i\u0307")])
def test_texts_that_are_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_the_example_of_rfc_5051() -> None:
    assert fold("\u01c4") == "\u0044\u007a\u030c"


def test_a_folded_text_is_found_in_a_longer_one() -> None:
    assert fold("münchen") in fold("Grüße aus MÜNCHEN")


@given(st.text())
def test_every_character_is_folded_by_itself(text: str) -> None:
    assert fold(text) == "".join(fold(character) for character in text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Größe", "GROSSE"), ("é", "E"), ("ﬁ", "FI"), ("ς", "Σ"), ("Å", "a"), ("\u01c4", "dz"), ("שָׁלוֹם", "שלום")],
)
def test_texts_that_are_the_same_when_they_are_loosened(one: str, other: str) -> None:
    assert loosen(one) == loosen(other)


@given(st.text())
def test_every_character_is_loosened_by_itself(text: str) -> None:
    assert loosen(text) == "".join(loosen(character) for character in text)


def test_the_cache_starts_anew_when_it_is_full() -> None:
    for codepoint in range(0x4E00, 0x4E00 + casemap._MAX_CACHED + 200):
        fold(chr(codepoint))
    assert len(casemap._FOLDING) <= casemap._MAX_CACHED
