import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.blobs import frames
from adapters.blobs.frames import FRAME_OCTETS, CorruptFrame

SMALL = 64  # frames of that size make many of a short body


def framed(plain: bytes, octets: int = FRAME_OCTETS) -> bytes:
    """The stored form of a body of any size."""
    entries, stored = [], b""
    for start in range(0, len(plain), octets):
        length, piece = frames.frame(plain[start : start + octets])
        entries.append((length, zlib.crc32(piece)))
        stored += piece
    return frames.table(entries) + stored


def noise(octets: int) -> bytes:
    return random.Random(octets).randbytes(octets)


def encoded(plain: bytes) -> bytes:
    """The stored form of a body of one frame."""
    length, stored = frames.frame(plain)
    return frames.table([(length, zlib.crc32(stored))]) + stored


class Stored:
    """A stored form, and which of its octets were fetched."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.fetched: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> bytes:
        self.fetched.append((start, stop))
        return self.octets[start:stop]


@given(st.integers(0, 400), st.integers(0, 450), st.integers(0, 450), st.booleans())
def test_any_range_is_that_of_the_plain_bytes(size: int, start: int, stop: int, random_bytes: bool) -> None:
    plain = noise(size) if random_bytes else (b"the same words again " * 30)[:size]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "FRAME_OCTETS", SMALL)
        assert frames.read(Stored(framed(plain, SMALL)), size, start, stop) == plain[start:stop]


@pytest.mark.parametrize("size", [0, 1, FRAME_OCTETS - 1, FRAME_OCTETS])
def test_a_body_of_up_to_one_frame_comes_back(size: int) -> None:
    for plain in (bytes(size), noise(size)):
        assert frames.read(Stored(encoded(plain)), size, 0, size) == plain


def test_a_range_touches_only_its_frames() -> None:
    plain = noise(3 * FRAME_OCTETS)
    stored = Stored(framed(plain))
    middle = FRAME_OCTETS + 10
    assert frames.read(stored, len(plain), middle, middle + 5) == plain[middle : middle + 5]
    first = frames.table_octets(3) + FRAME_OCTETS
    assert stored.fetched == [(0, frames.table_octets(3)), (first, first + FRAME_OCTETS)]


def test_what_does_not_shrink_is_stored_as_it_is() -> None:
    plain = noise(5000)
    length, stored = frames.frame(plain)
    assert stored is plain
    assert length == len(plain) | 1 << 31
    assert frames.compress(plain) is None


def test_what_shrinks_is_stored_small() -> None:
    length, stored = frames.frame(bytes(FRAME_OCTETS))
    assert length == len(stored) < 1000


@pytest.mark.parametrize("plain", [bytes(3000), noise(3000)], ids=["compressed", "as it is"])
def test_any_octet_that_changed_is_noticed(plain: bytes) -> None:
    stored = encoded(plain)
    for at in {*range(min(30, len(stored))), *range(0, len(stored), max(1, len(stored) // 97))}:
        broken = bytearray(stored)
        for bit in range(8):
            broken[at] = stored[at] ^ 1 << bit
            with pytest.raises(CorruptFrame):
                frames.read(Stored(bytes(broken)), len(plain), 0, len(plain))


@pytest.mark.parametrize("left", [0, 3, 4, 11, 12, 20])
def test_stored_bytes_that_end_too_early_are_noticed(left: int) -> None:
    plain = noise(3000)
    with pytest.raises(CorruptFrame):
        frames.read(Stored(encoded(plain)[:left]), len(plain), 0, len(plain))


def test_frames_of_another_body_are_noticed() -> None:
    with pytest.raises(CorruptFrame):
        frames.read(Stored(framed(noise(2 * FRAME_OCTETS))), 3 * FRAME_OCTETS, 0, 1)
