"""Header text and charsets."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.mime import decode_header, decode_text
from core.formats.mime.text import _ALIASES, _SAFE, charset_codec


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b" plain text ", "plain text"),
        (b"folded\r\n text\n\tmore", "folded text\tmore"),
        (b"=?utf-8?q?J=C3=BCrgen?=", "Jürgen"),
        (b"=?UTF-8?Q?J=c3=bcrgen_M?=", "Jürgen M"),
        (b"=?utf-8?b?SsO8cmdlbg==?=", "Jürgen"),
        (b"=?utf-8?b?SsO8cmdlbg?=", "Jürgen"),
        (b"=?iso-8859-1?q?J=FCrgen?=", "Jürgen"),
        (b"=?iso-8859-1*de?q?J=FCrgen?=", "Jürgen"),
        (b"a =?utf-8?q?b?= c", "a b c"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n =?iso-8859-1?q?=FC?=", "aü"),
        (b"=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"),
        (b"=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        (b"a=?utf-8?q?b?=c", "abc"),
        (b"=?utf-8?q?=C3?= =?UTF-8?b?vA==?=", "ü"),
        (b"=?utf-8?q?=C3?= =?us-ascii?q?=BC?=", "\ufffd¼"),
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8?q?what??=", "what?"),
        (b"=?utf-8?q??=", ""),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"=?utf-8?q?a?= =?b", "a =?b"),
        (b"=?nonsense?q?J=C3=BCrgen?=", "Jürgen"),
        (b"=?nonsense?q?J=FCrgen?=", "Jürgen"),
        (b"=?utf-8?q?line=0D=0Aend=00?=", "line  end"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?gb2312?b?xOO6ww==?=", "你好"),
        ("Jürgen".encode(), "Jürgen"),
        (b"J\xfcrgen \x96 x", "Jürgen \u2013 x"),
        (b"J\xfcrgen =?utf-8?q?=C3=BC?=", "Jürgen ü"),
        (b"nul\0", "nul"),
        (b"=?" + b"x" * 200 + b"?q?a?=", "=?" + "x" * 200 + "?q?a?="),
    ],
)
def test_a_header_field_becomes_text(raw: bytes, text: str) -> None:
    assert decode_header(raw) == text


@pytest.mark.parametrize(
    ("label", "octets", "text"),
    [
        ("us-ascii", b"abc", "abc"),
        ("us-ascii", "ü".encode(), "ü"),
        ("us-ascii", b"\xfc", "ü"),
        ("", b"\x80", "€"),
        ("iso-8859-1", b"\x93x\x94", "“x”"),
        ("ISO-8859-15", b"\xa4", "€"),
        ("latin1", b"\xe4", "ä"),
        ("windows-1251", b"\xcf", "П"),
        ("WINDOWS-874", b"\xa1", "ก"),
        ("cp-850", b"\x81", "ü"),
        ("koi8-r", b"\xf0", "П"),
        ("gb2312", "\u20ac".encode("gb18030"), "€"),
        ("csGB2312", "你".encode("gb2312"), "你"),
        ("ks_c_5601-1987", "한".encode("cp949"), "한"),
        ("x-sjis", "日①".encode("cp932"), "日①"),
        ("big5", "中".encode("big5"), "中"),
        ("utf-7", b"+AOk-", "é"),
        ("unicode-1-1-utf-7", b"+AOk-", "é"),
        ("utf-7", b"+2AA-", "\ufffd"),
        ("utf-16", "é".encode("utf-16"), "é"),
        ('"utf-8"', "é".encode(), "é"),
        ("utf-8", b"a\xffb", "a\ufffdb"),
        ("utf-8", b"a\0b", "ab"),
        ("x-unknown", "é".encode(), "é"),
        ("x-unknown", b"\xe9", "é"),
    ],
)
def test_a_charset_label_is_read_as_senders_mean_it(label: str, octets: bytes, text: str) -> None:
    assert decode_text(octets, label) == text


@pytest.mark.parametrize(
    "label",
    ["zlib", "base64", "hex", "rot13", "idna", "punycode", "unicode_escape", "undefined", "a" * 50, "é", "\0", " "],
)
def test_no_codec_but_those_of_charsets_can_be_reached(label: str) -> None:
    assert charset_codec(label) is None


def test_every_codec_that_we_name_exists_and_decodes_anything() -> None:
    for name in _SAFE | set(_ALIASES.values()):
        assert codecs.lookup(name).name in _SAFE | {"cp1252"}, name
        decode_text(bytes(range(256)), name).encode()


@given(st.binary(), st.sampled_from(["", "x", *sorted(_SAFE | set(_ALIASES))]))
def test_any_octets_in_any_charset_become_text_that_can_be_stored(octets: bytes, label: str) -> None:
    text = decode_text(octets, label)
    text.encode()
    assert "\0" not in text


@given(st.binary())
def test_any_octets_become_one_line_of_header_text(raw: bytes) -> None:
    text = decode_header(b"=?utf-8?q?" + raw + b"?= " + raw)
    text.encode()
    assert not set("\0\r\n") & set(text)
