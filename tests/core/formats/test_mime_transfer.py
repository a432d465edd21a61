"""Transfer encodings, whole and in pieces."""

from binascii import b2a_base64, b2a_qp, b2a_uu

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.mime import TransferDecoder, decode_transfer
from core.formats.mime.transfer import knows

ENCODINGS = ["base64", "quoted-printable", "x-uuencode", "7bit", "8bit", "binary", "x-other"]


@pytest.mark.parametrize(
    ("encoding", "octets", "decoded"),
    [
        ("7bit", b"as is\r\n", b"as is\r\n"),
        ("x-other", b"as is\r\n", b"as is\r\n"),
        ("base64", b"YWJj\r\nZGVm", b"abcdef"),
        (" BASE64 ", b"YWJj", b"abc"),
        ("base64", b"YW!J j*", b"abc"),
        ("base64", b"YQ", b"a"),
        ("base64", b"YWI", b"ab"),
        ("base64", b"YWJjZ", b"abc"),
        ("base64", b"YQ==YmM=ZA==", b"abcd"),
        ("base64", b"====", b""),
        ("base64", b"A===YWJj", b"abc"),
        ("quoted-printable", b"a=3D=\r\nb =\nc", b"a=b c"),
        ("quoted-printable", b"a  \r\nb\t\n", b"a\r\nb\n"),
        ("quoted-printable", b"a= \r\nb", b"ab"),
        ("quoted-printable", b"=zz =4", b"=zz =4"),
        ("quoted-printable", b"end=", b"end"),
        ("x-uuencode", b"intro\nbegin 644 cat.txt\n#0V%T\n`\nend\nmore\n", b"Cat"),
        ("uuencode", b"begin 644 cat.txt\r\n#0V%T\r\n \r\nend\r\n", b"Cat"),
        ("uue", b"begin 644 x\n#0V%T~~junk\nend\n", b"Cat"),
        ("uue", b"begin 644 x\n\xff\xff\n" + b"M" * 300 + b"\n#0V%T", b"Cat"),
        ("uue", b"begin 644 x\n =\n!=\n#0V\xffT\n", b"tC`4"),
        ("uue", b"no begin\n#0V%T\n", b""),
        ("uue", b"begin 644 a\n#0V%T\nend\nbegin 644 b\n#0V%T\nend\n", b"CatCat"),
    ],
)
def test_an_encoding_is_undone_leniently(encoding: str, octets: bytes, decoded: bytes) -> None:
    assert decode_transfer(encoding, octets) == decoded


@given(st.binary(max_size=80))
def test_any_line_of_uuencode_decodes_to_no_more_octets_than_it_announces(line: bytes) -> None:
    decoded = decode_transfer("uue", b"begin 644 x\n" + line.replace(b"\n", b""))
    assert len(decoded) <= 63


PIECES = st.lists(
    st.one_of(
        st.sampled_from([b"=", b"==", b"=3D", b"=\r\n", b" \r\n", b"\n", b"\r", b"AAAA", b"A"]),
        st.sampled_from([b"begin 644 x\n", b"end\n"]),
        st.binary(max_size=20),
        st.sampled_from([b"x" * 5_000, b"=41" * 2_000, b" " * 5_000, b"M" * 300]),
    ),
    max_size=12,
)


@given(st.sampled_from(ENCODINGS), PIECES)
def test_pieces_cut_anywhere_give_what_the_whole_gives(encoding: str, parts: list[bytes]) -> None:
    decoder = TransferDecoder(encoding)
    streamed = b"".join([decoder.feed(part) for part in parts]) + decoder.finish()
    assert streamed == decode_transfer(encoding, b"".join(parts))


@given(st.binary(max_size=500), st.integers(1, 7))
def test_what_was_encoded_comes_back(octets: bytes, size: int) -> None:
    lines = [octets[start : start + 45] for start in range(0, len(octets), 45)]
    uu = b"begin 644 x\n" + b"".join(b2a_uu(line) for line in lines) + b"`\nend\n"
    for encoding, encoded in (
        ("base64", b2a_base64(octets)),
        ("quoted-printable", b2a_qp(octets, istext=False)),
        ("x-uue", uu),
    ):
        decoder = TransferDecoder(encoding)
        pieces = [decoder.feed(encoded[at : at + size]) for at in range(0, len(encoded), size)]
        assert b"".join(pieces) + decoder.finish() == octets, encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_stream_without_line_ends_is_not_held_back(encoding: str) -> None:
    decoder = TransferDecoder(encoding)
    for _ in range(200):
        decoder.feed(b"=41=" * 1_000)
        state = vars(decoder._decoder).values()
        assert sum(len(held) for held in state if isinstance(held, bytes)) <= 10_000


def test_we_know_which_encodings_we_know() -> None:
    assert all(knows(name) for name in ("", "Base64", "8bit", "uue"))
    assert not knows("x-other")
