"""Message octets out of the stream: the same message wherever it was cut."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp.datareader import ChunkReader, DotReader

# What makes trouble, and some ordinary text between.
octets = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n..", b"a", b"bc", b"\x00\xff", b"\x0b\x0c\x1c\x85"]),
    max_size=30,
).map(b"".join)
cuts = st.lists(st.integers(0, 80), max_size=10)

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def pieces(whole: bytes, at: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(whole)) for cut in at} | {len(whole)})
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read(reader: DotReader, whole: bytes, at: list[int]) -> tuple[bytes, bytes]:
    """The body, and what came behind it."""
    body, rest = b"", b""
    for piece in pieces(whole, at):
        if reader.ended:
            rest += piece
        else:
            body += reader.feed(piece)
    return body, reader.rest + rest


def reference(whole: bytes) -> tuple[bytes, bytes] | None:
    """RFC 5321 4.5.2, line by line; lines end in CRLF and in nothing else."""
    body, rest = b"", whole
    while b"\r\n" in rest:
        line, _, rest = rest.partition(b"\r\n")
        if line == b".":
            return body, rest
        body += line.removeprefix(b".") + b"\r\n"
    return None


@given(octets, octets, cuts)
def test_the_body_is_the_same_wherever_the_stream_was_cut(body: bytes, rest: bytes, at: list[int]) -> None:
    whole = body + b"\r\n.\r\n" + rest
    expected = reference(whole)
    assert expected is not None
    reader = DotReader()
    assert read(reader, whole, at) == expected
    assert reader.ended


@given(octets, cuts)
def test_a_bare_line_end_is_seen_wherever_the_stream_was_cut(body: bytes, at: list[int]) -> None:
    whole = body + b"\r\n.\r\n"
    expected = reference(whole)
    assert expected is not None
    reader = DotReader()
    read(reader, whole, at)
    consumed = whole[: len(whole) - len(expected[1])]
    assert reader.bare == bool(BARE.search(consumed))


@given(octets, cuts)
def test_without_its_end_a_body_does_not_end(body: bytes, at: list[int]) -> None:
    reader = DotReader()
    given_out, _ = read(reader, body, at)
    assert reader.ended == (reference(body) is not None)
    assert len(given_out) <= len(body)


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"...\r\n..\r\n.\r\n", b"..\r\n.\r\n"),
        (b"a.b\r\n.\r\n", b"a.b\r\n"),
    ],
)
def test_dots_are_taken_off_at_the_beginning_of_a_line_only(sent: bytes, body: bytes) -> None:
    for step in (1, 2, 100):
        reader = DotReader()
        assert read(reader, sent, list(range(0, len(sent), step))) == (body, b"")
        assert not reader.bare


@given(octets, cuts)
def test_chunks_come_out_as_they_were(body: bytes, at: list[int]) -> None:
    reader = ChunkReader()
    given_out = b"".join(map(reader.feed, pieces(body, at)))
    reader.finish()
    assert given_out == body
    assert reader.bare == bool(BARE.search(body))


@pytest.mark.parametrize("kind", [DotReader, ChunkReader])
def test_nothing_is_held_back_but_what_may_be_an_end(kind: Callable[[], DotReader | ChunkReader]) -> None:
    reader = kind()
    given_out = b"".join(reader.feed(b"x" * 10_000) for _ in range(10))
    assert len(given_out) == 100_000
