"""Header text as IMAP strings."""

from hypothesis import given
from hypothesis import strategies as st

from core.formats.mime import decode_header
from core.formats.mime.wire import downgraded, nstring, string
from tests.core.formats.imap_reader import Reader


@given(st.binary())
def test_any_value_is_a_string_of_either_kind(value: bytes) -> None:
    for utf8 in (False, True):
        written = string(value, utf8=utf8)
        assert nstring(value, utf8=utf8) == written
        reader = Reader(written, utf8)
        read = reader.value()
        assert reader.at == len(written)
        if utf8 or value.isascii():
            assert read == value.replace(b"\0", b"")
    assert nstring(None, utf8=False) == b"NIL"


@given(st.lists(st.sampled_from(["a", "é", "日本", " ", "  ", "=?", "?=", "=?utf-8?q?=C3=BC?=", "😀" * 30, "\t", '"'])))
def test_downgraded_text_is_ascii_and_decodes_to_the_same(words: list[str]) -> None:
    value = "".join(words).encode()
    plain = downgraded(value)
    assert plain.isascii()
    assert all(len(word) <= 75 for word in plain.split(b" ") if word.startswith(b"=?utf-8?B?"))
    if not value.isascii():
        assert decode_header(plain) == decode_header(value)


def test_only_the_foreign_words_are_encoded() -> None:
    assert downgraded("from Zürich to Köln by train".encode()) == b"from =?utf-8?B?WsO8cmljaCB0byBLw7Zsbg==?= by train"
