import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats import mime

CHARSETS = [
    "utf-8",
    "utf-16",
    "utf-16-le",
    "iso-8859-2",
    "koi8-r",
    "shift_jis",
    "gb18030",
    "euc-kr",
    "iso-2022-jp",
    "big5",
]
TEXT = "Grüße, Příliš, Привет, こんにちは, 你好, 안녕, 😀, end"


def in_pieces(data: bytes, charset: str, size: int) -> str:
    decoder = mime.TextDecoder(charset)
    return "".join([decoder.feed(data[at : at + size]) for at in range(0, len(data), size)]) + decoder.finish()


@pytest.mark.parametrize("charset", [*CHARSETS, "utf-7"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_pieces_of_any_size_make_the_same_text(charset: str, size: int) -> None:
    data = TEXT.encode(charset, "replace")
    assert in_pieces(data, charset, size) == mime.decode_text(data, charset)


@given(data=st.binary(max_size=60), size=st.integers(1, 7), charset=st.sampled_from(["utf-8", "iso-8859-2", "utf-16"]))
def test_wrong_octets_make_the_same_text_however_they_are_cut(data: bytes, size: int, charset: str) -> None:
    assert in_pieces(data, charset, size) == mime.decode_text(data, charset)


@given(data=st.binary(max_size=60), size=st.integers(1, 7), charset=st.sampled_from([*CHARSETS, "utf-7", "", "x-none"]))
def test_whatever_comes_is_text_that_can_be_stored(data: bytes, size: int, charset: str) -> None:
    text = in_pieces(data, charset, size)
    assert "\0" not in text
    text.encode("utf-8")


@given(data=st.binary(max_size=60))
def test_one_piece_is_guessed_as_a_whole_text_is(data: bytes) -> None:
    for charset in ("us-ascii", "", "x-none"):
        decoder = mime.TextDecoder(charset)
        assert decoder.feed(data) + decoder.finish() == mime.decode_text(data, charset)


def test_without_a_label_utf8_is_found_though_a_character_is_cut() -> None:
    assert in_pieces("Grüße".encode(), "us-ascii", 3) == "Grüße"


def test_without_a_label_what_is_no_utf8_is_latin() -> None:
    assert in_pieces("Grüße".encode("cp1252"), "us-ascii", 3) == "Grüße"


def test_half_a_surrogate_pair_waits_for_the_other() -> None:
    decoder = mime.TextDecoder("utf-7")
    data = "😀".encode("utf-7")
    assert "".join(decoder.feed(data[at : at + 1]) for at in range(len(data))) + decoder.finish() == "😀"


def test_known_transfer_encodings_are_known() -> None:
    assert mime.knows_encoding("BASE64")
    assert not mime.knows_encoding("x-yenc")
