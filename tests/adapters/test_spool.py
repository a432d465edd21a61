import hashlib
import os
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.blobs import frames
from adapters.blobs.frames import FRAME_OCTETS
from adapters.blobs.packs import Packs, record_header
from adapters.blobs.spool import Spool
from core.errors import Unavailable
from core.model import FRAMED, PLAIN, Blob

LIMIT = 100 * 1024 * 1024


class Recorder:
    """A scanner that keeps what it was fed."""

    def __init__(self) -> None:
        self.octets = bytearray()

    def feed(self, data: bytes) -> None:
        self.octets += data


class Deaf:
    def feed(self, data: bytes) -> None:
        pass


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[Packs]:
    packs = Packs(tmp_path / "packs")
    yield packs
    packs.close()


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "packs").iterdir())


def noise(octets: int) -> bytes:
    return random.Random(octets).randbytes(octets)


def spooled(packs: Packs, plain: bytes, cuts: list[int]) -> tuple[Blob, Recorder]:
    recorder = Recorder()
    spool = Spool(lambda: packs, recorder, LIMIT)
    for start, stop in zip([0, *cuts], [*cuts, len(plain)], strict=True):
        spool.write(plain[start:stop])
    assert spool.size == len(plain)
    blob = spool.finish()
    spool.keep()
    return blob, recorder


@pytest.mark.parametrize("compressible", [True, False])
@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        1023,
        1024,
        FRAME_OCTETS - 1,
        FRAME_OCTETS,
        FRAME_OCTETS + 1,
        2 * FRAME_OCTETS - 1,
        2 * FRAME_OCTETS,
        2 * FRAME_OCTETS + 1,
        5 * FRAME_OCTETS,
    ],
)
def test_a_body_of_any_size_comes_back(packs: Packs, tmp_path: Path, size: int, compressible: bool) -> None:
    plain = b"all work and no play " * (size // 21) + b"x" * (size % 21) if compressible else noise(size)
    blob, recorder = spooled(packs, plain, [size // 3])
    assert bytes(recorder.octets) == plain
    assert (blob.hash, blob.size) == (hashlib.sha256(plain).digest(), size)
    assert packs.read(blob, 0, size) == plain
    is_large = size > FRAME_OCTETS
    assert (blob.pack_id is not None) is is_large
    assert (blob.data is None) is is_large
    assert files(tmp_path) == (["1.pack"] if is_large else [])
    if is_large:
        edge = FRAME_OCTETS
        assert packs.read(blob, edge - 5, edge + 1) == plain[edge - 5 : edge + 1]
        assert blob.encoding == FRAMED
    if not compressible and not is_large:
        assert blob.encoding == PLAIN


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 700), cuts=st.lists(st.integers(0, 700), max_size=12), zeros=st.booleans())
def test_the_pieces_do_not_matter(packs: Packs, size: int, cuts: list[int], zeros: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "FRAME_OCTETS", 100)
        plain = bytes(size) if zeros else noise(size)
        whole, _ = spooled(packs, plain, [])
        pieces, recorder = spooled(packs, plain, sorted(min(cut, size) for cut in cuts))
        assert bytes(recorder.octets) == plain
        assert (pieces.hash, pieces.size, pieces.stored_size, pieces.data) == (
            whole.hash,
            whole.size,
            whole.stored_size,
            whole.data,
        )
        assert packs.read(pieces, 0, size) == plain


def test_a_record_stands_right_before_the_body(packs: Packs, tmp_path: Path) -> None:
    """So that the database could be rebuilt from its packs."""
    blob, _ = spooled(packs, noise(FRAME_OCTETS + 5), [])
    header = record_header(blob)
    assert blob.pack_offset is not None
    octets = (tmp_path / "packs" / "1.pack").read_bytes()
    assert octets[blob.pack_offset - len(header) : blob.pack_offset] == header
    assert blob.pack_offset + blob.stored_size == len(octets)
    assert octets[: blob.pack_offset - len(header)].strip(b"\0") == b""


def test_a_body_as_large_as_the_limit_has_room_for_its_table(packs: Packs) -> None:
    for size in (3 * FRAME_OCTETS - 1, 3 * FRAME_OCTETS, 3 * FRAME_OCTETS + 1):
        spool = Spool(lambda: packs, Deaf(), size)
        plain = noise(size)
        spool.write(plain)
        blob = spool.finish()
        spool.keep()
        assert packs.read(blob, 0, size) == plain


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("size", [10, 3 * FRAME_OCTETS])
def test_a_discarded_body_leaves_no_file_and_no_descriptor(
    packs: Packs, tmp_path: Path, size: int, finished: bool
) -> None:
    before = os.listdir("/proc/self/fd")
    spool = Spool(lambda: packs, Deaf(), LIMIT)
    spool.write(bytes(size))
    if finished:
        spool.finish()
    spool.discard()
    spool.discard()
    assert files(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_after_keep_a_discard_is_harmless(packs: Packs, tmp_path: Path) -> None:
    spool = Spool(lambda: packs, Deaf(), LIMIT)
    spool.write(bytes(2 * FRAME_OCTETS))
    blob = spool.finish()
    spool.keep()
    spool.discard()
    spool.keep()
    assert files(tmp_path) == ["1.pack"]
    assert packs.read(blob, 0, 10) == bytes(10)


def test_a_disk_that_is_full_leaves_a_spool_that_can_be_discarded(
    packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(lambda: packs, Deaf(), LIMIT)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(Unavailable):
            spool.write(bytes(2 * FRAME_OCTETS))
    spool.discard()
    assert files(tmp_path) == []


def test_the_body_is_on_disk_before_anybody_may_name_it(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes, then their name, then the row."""
    spool = Spool(lambda: packs, Deaf(), LIMIT)
    spool.write(bytes(2 * FRAME_OCTETS))
    done: list[str] = []

    def noted(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def note(*args: object) -> object:
            done.append(name)
            return call(*args)

        return note

    with monkeypatch.context() as patch:
        for name in ("pwrite", "fdatasync", "fsync"):
            patch.setattr(os, name, noted(name, getattr(os, name)))
        spool.finish()
    spool.keep()
    assert done[-2:] == ["fdatasync", "fsync"]
    assert set(done[:-2]) == {"pwrite"}


def test_memory_stays_flat_for_64_mb(packs: Packs) -> None:
    piece = noise(64 * 1024)
    digest = hashlib.sha256()
    spool = Spool(lambda: packs, Deaf(), LIMIT)
    tracemalloc.start()
    try:
        for _ in range(1024):
            spool.write(piece)
            digest.update(piece)
        blob = spool.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    spool.keep()
    assert peak < 8 * FRAME_OCTETS
    assert (blob.hash, blob.size) == (digest.digest(), 64 * 1024 * 1024)
    assert packs.read(blob, 40_000_000, 40_000_010) == (piece * 2)[40_000_000 % 65536 :][:10]


# ---------------------------------------------------------------------------------------------- one command's bodies


def several(packs: Packs, bodies: list[bytes]) -> tuple[list[Blob], Spool]:
    """One behind the other, as MULTIAPPEND brings them; the blobs, and the last spool."""
    blobs: list[Blob] = []
    spool: Spool | None = None
    for body in bodies:
        spool = Spool(lambda: packs, Deaf(), LIMIT, beside=spool)
        for start in range(0, len(body), 100_000):
            spool.write(body[start : start + 100_000])
        blobs.append(spool.finish())
    assert spool is not None
    return blobs, spool


def test_bodies_of_one_command_share_a_pack(packs: Packs, tmp_path: Path) -> None:
    bodies = [noise(octets) for octets in (3 * FRAME_OCTETS, 1, FRAME_OCTETS - 1, 10, 5 * FRAME_OCTETS + 7, 0, 99_999)]
    before = len(os.listdir("/proc/self/fd"))
    blobs, last = several(packs, bodies)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    last.keep()
    last.discard()
    assert files(tmp_path) == ["1.pack"]
    assert len(os.listdir("/proc/self/fd")) == before
    assert [packs.read(blob, 0, blob.size) for blob in blobs] == bodies
    assert [blob.data is not None for blob in blobs] == [False, True, True, False, False, True, False]
    octets = (tmp_path / "packs" / "1.pack").read_bytes()
    for blob in blobs:
        if blob.pack_offset is not None:
            header = record_header(blob)
            assert octets[blob.pack_offset - len(header) : blob.pack_offset] == header


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 3 * FRAME_OCTETS), min_size=1, max_size=6))
def test_all_of_them_come_back_whatever_their_sizes(packs: Packs, sizes: list[int]) -> None:
    bodies = [noise(octets) for octets in sizes]
    blobs, last = several(packs, bodies)
    last.keep()
    assert [packs.read(blob, 0, blob.size) for blob in blobs] == bodies
    assert sum(len(blob.data or b"") for blob in blobs) <= FRAME_OCTETS


def test_a_discarded_command_leaves_no_file(packs: Packs, tmp_path: Path) -> None:
    _, last = several(packs, [noise(2 * FRAME_OCTETS), noise(200_000), noise(200_000)])
    last.discard()
    assert files(tmp_path) == []


def test_memory_stays_flat_for_many_bodies(packs: Packs) -> None:
    piece = noise(200 * 1024)
    spool: Spool | None = None
    blobs = []
    tracemalloc.start()
    try:
        for _ in range(100):
            spool = Spool(lambda: packs, Deaf(), LIMIT, beside=spool)
            spool.write(piece)
            blobs.append(spool.finish())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert spool is not None
    spool.keep()
    assert peak < 5 * FRAME_OCTETS
    assert len({blob.pack_offset for blob in blobs}) == 100


def test_a_body_that_is_being_finished_is_not_pulled_away(packs: Packs, tmp_path: Path) -> None:
    """A client that goes while a thread writes: the descriptor stays open until that is done."""
    spool = Spool(lambda: packs, Deaf(), LIMIT)
    spool.write(noise(2 * FRAME_OCTETS))
    at_work, go_on = threading.Event(), threading.Event()
    sync = packs.sync_directory

    def wait() -> None:
        at_work.set()
        go_on.wait()
        sync()

    packs.sync_directory = wait  # type: ignore[method-assign]
    finishing = threading.Thread(target=spool.finish)
    finishing.start()
    at_work.wait()
    leaving = threading.Thread(target=spool.discard)
    leaving.start()
    leaving.join(0.05)
    assert leaving.is_alive()
    assert files(tmp_path) == ["1.pack"]
    go_on.set()
    finishing.join()
    leaving.join()
    assert files(tmp_path) == []


def test_a_body_that_was_given_up_is_not_written_any_more(packs: Packs, tmp_path: Path) -> None:
    """The thread that is to finish it may only now have its turn."""
    spool = Spool(lambda: packs, Deaf(), LIMIT)
    spool.write(noise(2 * FRAME_OCTETS))
    spool.discard()
    with pytest.raises(ValueError, match="given up"):
        spool.finish()
    assert files(tmp_path) == []
