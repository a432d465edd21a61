"""Modified UTF-7: what RFC 3501 shows, what must be refused, and that every name comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap.naming import utf7

NAMES = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"", ""),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # RFC 3501 section 5.1.3
        (b"&-", "&"),
        (b"Jack &- Jill", "Jack & Jill"),
        (b"&AOk-t&AOk-", "été"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"&2D3eAA-", "\U0001f600"),
        (b"a+b-c", "a+b-c"),
    ],
)
def test_a_name_has_one_canonical_form(wire: bytes, name: str) -> None:
    assert utf7.decode(wire) == name
    assert utf7.encode(name) == wire


@pytest.mark.parametrize(
    ("clumsy", "canonical"),
    [
        (b"&AEE-", b"A"),
        (b"&AC8-", b"/"),
        (b"&AOk-&AOk-", b"&AOkA6Q-"),
        (b"&AOl-", b"&AOk-"),  # bits set behind the last character
    ],
)
def test_a_clumsy_form_is_read_as_the_name_it_means(clumsy: bytes, canonical: bytes) -> None:
    assert utf7.encode(utf7.decode(clumsy)) == canonical


@pytest.mark.parametrize(
    "wire",
    [
        b"&",
        b"a&AOk",  # no end
        b"&Jjo!-",  # no base64 (RFC 3501's own example of "&Jjo!" is this one)
        b"&AO k-",
        b"&A-",
        b"&AA-",
        b"&AOkA-",  # one octet and a half
        b"&2D0-",  # half of a surrogate pair
        b"&3gDYPQ-",  # the halves the wrong way round
        b"&AGE=-",
        b"&U/BTFw-",  # "/" is not of this base64
        b"caf\xc3\xa9",
        b"a\tb",
        b"a\x7fb",
        b"a\r\nb",
    ],
)
def test_a_broken_form_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        utf7.decode(wire)


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        utf7.encode("\ud800")


@given(NAMES)
def test_every_name_comes_back(name: str) -> None:
    wire = utf7.encode(name)
    assert all(0x20 <= octet <= 0x7E for octet in wire)
    assert utf7.decode(wire) == name


@given(st.binary(max_size=40) | st.from_regex(rb"\A([a-z]|&[A-Za-z0-9+,]{0,8}-){0,5}\Z"))
def test_any_octets_are_a_name_or_a_value_error(wire: bytes) -> None:
    try:
        name = utf7.decode(wire)
    except ValueError:
        return
    assert utf7.decode(utf7.encode(name)) == name
