import hashlib
import os
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.blobs import packs as module
from adapters.blobs.frames import FRAME_OCTETS, CorruptFrame, frame, table
from adapters.blobs.packs import Packs, encode, record_header, write_all
from core.errors import Unavailable
from core.model import FRAMED, PLAIN, Blob


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[Packs]:
    packs = Packs(tmp_path / "packs")
    yield packs
    packs.close()


def blob(plain: bytes) -> Blob:
    return encode(plain, hashlib.sha256(plain).digest())


def noise(octets: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(octets)


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "packs").iterdir())


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


class TestEncode:
    @pytest.mark.parametrize("plain", [b"", b"x", bytes(2000), noise(2000), bytes(FRAME_OCTETS)])
    def test_a_body_that_fits_in_one_frame_is_kept_as_it_is(self, packs: Packs, plain: bytes) -> None:
        made = blob(plain)
        assert (made.encoding, made.size, made.stored_size, made.data) == (PLAIN, len(plain), len(plain), plain)
        assert packs.read(made, 0, len(plain)) == plain


def framed(plain: bytes) -> Blob:
    """The same as a body that was compressed."""
    length, stored = frame(plain)
    data = table([(length, zlib.crc32(stored))]) + stored
    return Blob(hashlib.sha256(plain).digest(), len(plain), len(data), FRAMED, data=data)


class TestReading:
    @pytest.mark.parametrize("make", [blob, framed])
    @pytest.mark.parametrize("placed", [False, True])
    def test_any_range_is_that_of_the_plain_bytes(
        self, packs: Packs, make: Callable[[bytes], Blob], placed: bool
    ) -> None:
        plain = b"words " * 400
        packs.append(blob(b"before"))
        where = packs.append(make(plain)) if placed else make(plain)
        packs.append(blob(b"after"))
        for start, stop in ((0, 1), (5, 1500), (0, 9999), (1999, 5000), (2400, 2500), (3000, 2000), (7, 7)):
            assert packs.read(where, start, stop) == plain[start:stop]

    def test_a_pack_that_is_gone_is_not_found(self, packs: Packs, tmp_path: Path) -> None:
        placed = packs.append(blob(b"x"))
        (tmp_path / "packs" / "1.pack").unlink()
        with pytest.raises(FileNotFoundError):
            packs.read(placed, 0, 1)

    @pytest.mark.parametrize("plain", [noise(2000), b"words " * 400], ids=["plain", "framed"])
    def test_a_pack_that_ends_too_early_is_corrupt(self, packs: Packs, tmp_path: Path, plain: bytes) -> None:
        placed = packs.append(blob(plain))
        os.truncate(tmp_path / "packs" / "1.pack", 75)
        with pytest.raises(CorruptFrame):
            packs.read(placed, 0, len(plain))

    def test_a_record_can_be_read_without_the_database(self, packs: Packs, tmp_path: Path) -> None:
        first, second = (packs.append(blob(plain)) for plain in (b"one", bytes(2000)))
        octets = (tmp_path / "packs" / "1.pack").read_bytes()
        for placed in (first, second):
            assert placed.pack_offset is not None
            header = record_header(placed)
            assert octets[placed.pack_offset - len(header) : placed.pack_offset] == header
        assert octets[:4] == b"PFB1"

    def test_reading_leaves_no_descriptor(self, packs: Packs) -> None:
        placed = packs.append(blob(b"x"))
        before = descriptors()
        for _ in range(3):
            packs.read(placed, 0, 1)
        assert descriptors() == before


class TestWriting:
    def test_a_full_pack_is_followed_by_another(
        self, packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PACK_OCTETS", 3000)
        bodies = [noise(1000, seed) for seed in range(8)]
        placed = [packs.append(blob(body)) for body in bodies]
        packs.sync()
        assert [where.pack_id for where in placed] == [1, 1, 1, 2, 2, 2, 3, 3]
        assert [packs.read(where, 0, 1000) for where in placed] == bodies
        assert files(tmp_path) == ["1.pack", "2.pack", "3.pack"]

    def test_a_start_never_continues_an_old_pack(self, tmp_path: Path) -> None:
        """It may end in bytes that a crash has left."""
        for number in (1, 2, 3):
            packs = Packs(tmp_path / "packs")
            assert packs.append(blob(b"x")).pack_id == number
            packs.close()

    def test_a_short_write_is_continued(self, packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda fd, octets, at: whole(fd, bytes(octets[:7]), at))
        body = noise(500)
        placed = [packs.append(blob(body)), packs.append(blob(b"next"))]
        assert [packs.read(where, 0, 500) for where in placed] == [body, b"next"]

    def test_a_write_that_fails_halfway_is_written_over(self, packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = packs.append(blob(b"kept"))
        whole = os.pwrite

        def full(fd: int, octets: bytes, at: int) -> int:
            whole(fd, bytes(octets[:9]), at)
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(OSError, match="No space"):
                packs.append(blob(noise(500)))
        placed = packs.append(blob(b"next"))
        assert packs.read(placed, 0, 4) == b"next"
        assert packs.read(kept, 0, 4) == b"kept"

    def test_an_abandoned_pack_gains_nothing_more(self, packs: Packs) -> None:
        first = packs.append(blob(b"one"))
        packs.abandon()
        packs.abandon()
        packs.sync()
        assert packs.append(blob(b"two")).pack_id == 2
        assert packs.read(first, 0, 3) == b"one"

    def test_a_pack_that_cannot_be_opened_leaves_no_descriptor_to_be_closed_twice(
        self, packs: Packs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Closed twice, the number could belong to somebody else's file by then."""
        monkeypatch.setattr(module, "PACK_OCTETS", 1)
        packs.append(blob(b"one"))
        closed: list[int] = []
        close = os.close

        def count(descriptor: int) -> None:
            closed.append(descriptor)
            close(descriptor)

        def refuse(*_: object) -> int:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(os, "close", count)
            patch.setattr(os, "open", refuse)
            with pytest.raises(OSError, match="Too many"):
                packs.append(blob(b"two"))
            packs.abandon()
            packs.settle()
        assert len(closed) == 1
        assert packs.read(packs.append(blob(b"two")), 0, 3) == b"two"

    def test_only_what_was_written_is_synced(self, packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fdatasync", synced.append)
        packs.sync()
        packs.append(blob(b"x"))
        packs.append(blob(b"y"))
        packs.sync()
        packs.sync()
        assert len(synced) == 1

    def test_rolling_over_syncs_the_full_pack_first(self, packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PACK_OCTETS", 1)
        synced: list[int] = []
        monkeypatch.setattr(os, "fdatasync", synced.append)
        packs.append(blob(b"x"))
        packs.append(blob(b"y"))
        assert len(synced) == 1
        packs.sync()
        assert len(synced) == 2

    def test_writing_at_a_place_writes_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"0123456789")
        descriptor = os.open(path, os.O_RDWR)
        write_all(descriptor, b"ab", 4)
        write_all(descriptor, b"", 2)
        os.close(descriptor)
        assert path.read_bytes() == b"0123ab6789"


class TestRemoval:
    def test_only_unnamed_packs_go(self, packs: Packs, tmp_path: Path) -> None:
        for _ in range(4):
            packs.append(blob(b"x"))
            packs.abandon()
        packs.remove_unnamed(lambda: {2})
        assert files(tmp_path) == ["2.pack"]

    def test_the_pack_being_appended_to_stays(self, packs: Packs, tmp_path: Path) -> None:
        packs.append(blob(b"x"))
        packs.settle()
        packs.remove_unnamed(set)
        assert files(tmp_path) == ["1.pack"]
        packs.abandon()
        packs.remove_unnamed(set)
        assert files(tmp_path) == []

    def test_a_pack_filled_by_a_transaction_stays_until_that_one_is_settled(
        self, packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its rows are not committed when it rolls over: a sweep in between sees a full pack that no row names."""
        monkeypatch.setattr(module, "PACK_OCTETS", 1)
        for _ in range(3):
            packs.append(blob(b"x"))
        packs.remove_unnamed(set)
        assert files(tmp_path) == ["1.pack", "2.pack", "3.pack"]
        packs.settle()
        packs.remove_unnamed(set)
        assert files(tmp_path) == ["3.pack"]

    @pytest.mark.parametrize("keep", [False, True])
    def test_a_spool_in_progress_stays(self, packs: Packs, tmp_path: Path, keep: bool) -> None:
        pack_id, descriptor = packs.begin_spool()
        packs.remove_unnamed(set)
        assert files(tmp_path) == ["1.pack"]
        packs.end_spool(pack_id, descriptor, keep=keep)
        assert files(tmp_path) == (["1.pack"] if keep else [])

    def test_what_was_committed_behind_the_first_look_stays(self, packs: Packs, tmp_path: Path) -> None:
        """Its spool has ended, so that it is not held, but the rows that were read first do not name it yet."""
        pack_id, descriptor = packs.begin_spool()
        looks: list[set[int]] = []

        def named() -> set[int]:
            if not looks:
                packs.end_spool(pack_id, descriptor, keep=True)
            looks.append({pack_id} if looks else set())
            return looks[-1]

        packs.remove_unnamed(named)
        assert looks == [set(), {1}]
        assert files(tmp_path) == ["1.pack"]

    @pytest.mark.parametrize("start", ["spool", "append"])
    def test_a_pack_that_is_removed_before_it_is_held_is_made_again(
        self, packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
    ) -> None:
        """Somebody may sweep between the file's creation and its lock."""
        create = os.open

        def open_and_be_swept(path: str | Path, flags: int, *mode: int) -> int:
            descriptor = create(path, flags, *mode)
            if flags & os.O_CREAT and Path(path).stem == "1":
                sweeper = threading.Thread(target=packs.remove_unnamed, args=(set,))
                sweeper.start()
                sweeper.join()
            return descriptor

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", open_and_be_swept)
            if start == "append":
                packs.append(blob(b"x"))
            else:
                packs.end_spool(*packs.begin_spool(), keep=True)
        assert files(tmp_path) == ["2.pack"]

    def test_a_number_does_not_come_back(self, tmp_path: Path) -> None:
        """A row that was read before its pack went would be shown what another has put into its place."""
        moments = iter((50, 60, 55))
        packs = Packs(tmp_path / "packs", lambda: next(moments))
        numbers = []
        for _ in range(2):
            numbers.append(packs.begin_spool())
            packs.end_spool(*numbers[-1], keep=False)
        again = Packs(tmp_path / "packs", lambda: 70)
        numbers.append(again.begin_spool())
        again.end_spool(*numbers[-1], keep=False)
        numbers.append(packs.begin_spool())
        packs.end_spool(*numbers[-1], keep=False)
        assert [number for number, _ in numbers] == [50, 60, 70, 61]

    @pytest.mark.parametrize("body", [b"x" * 100, b"y" * 200])
    def test_another_body_in_its_place_is_never_shown(self, packs: Packs, tmp_path: Path, body: bytes) -> None:
        mine = packs.append(blob(b"m" * 100))
        packs.abandon()
        other = Packs(tmp_path / "other")
        other.append(blob(body))
        other.close()
        (tmp_path / "other" / "1.pack").replace(tmp_path / "packs" / "1.pack")
        with pytest.raises(CorruptFrame, match="no such record"):
            packs.read(mine, 0, 100)

    @pytest.mark.parametrize("is_gone", [False, True])
    def test_what_came_with_a_command_is_held_until_its_commit_is_over(
        self, packs: Packs, tmp_path: Path, is_gone: bool
    ) -> None:
        """Whoever spooled it may have died since."""
        others = Packs(tmp_path / "packs")
        pack_id, descriptor = others.begin_spool()
        others.end_spool(pack_id, descriptor, keep=not is_gone)
        if is_gone:
            with pytest.raises(Unavailable):
                packs.hold(pack_id)
            return
        packs.hold(pack_id)
        others.remove_unnamed(set)
        assert files(tmp_path) == ["1.pack"]
        packs.settle()
        others.remove_unnamed(set)
        assert files(tmp_path) == []

    def test_two_processes_never_take_one_number(self, packs: Packs, tmp_path: Path) -> None:
        others = Packs(tmp_path / "packs")
        places = [some.begin_spool() for some in (packs, others, packs, others)]
        assert sorted(number for number, _ in places) == [1, 2, 3, 4]
        others.remove_unnamed(set)
        assert files(tmp_path) == ["1.pack", "2.pack", "3.pack", "4.pack"]
        for place in places:
            packs.end_spool(*place, keep=False)

    def test_many_are_removed_in_rounds(self, packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "REMOVED_AT_A_TIME", 2)
        for number in range(1, 4):
            (tmp_path / "packs" / f"{number}.pack").touch()
        packs.remove_unnamed(set)
        assert len(files(tmp_path)) == 1


def test_spooling_from_many_threads_gives_every_body_a_pack_of_its_own(packs: Packs) -> None:
    numbers: list[int] = []

    def spool() -> None:
        for _ in range(20):
            pack_id, descriptor = packs.begin_spool()
            numbers.append(pack_id)
            packs.end_spool(pack_id, descriptor, keep=False)

    threads = [threading.Thread(target=spool) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 81))


class TestRecords:
    """What a database could be rebuilt from."""

    @pytest.fixture
    def kept(self, packs: Packs) -> list[Blob]:
        kept = [packs.append(blob(noise(octets, octets))) for octets in (100, 20_000, 0, 300)]
        kept.append(packs.append(framed(noise(FRAME_OCTETS + 1))))
        packs.sync()
        return kept

    def test_every_record_is_found(self, packs: Packs, kept: list[Blob]) -> None:
        assert list(packs.records()) == kept

    def test_records_behind_damage_are_found(self, packs: Packs, kept: list[Blob], tmp_path: Path) -> None:
        (path,) = (tmp_path / "packs").iterdir()
        octets = bytearray(path.read_bytes())
        for damaged in (0, 2):
            start = kept[damaged].pack_offset
            assert start is not None
            octets[start - 40] ^= 0xFF  # in the record's header
        path.write_bytes(octets)
        assert [found for found in packs.records() if found in kept] == [kept[1], *kept[3:]]

    @pytest.mark.parametrize("window", [1, 4, 53, 1 << 20])
    def test_the_gap_before_a_spooled_body_is_passed_over(
        self, packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
    ) -> None:
        monkeypatch.setattr(module, "SEARCHED_OCTETS", window)
        body = blob(b"body" * 10)
        assert body.data is not None
        (tmp_path / "packs" / "9.pack").write_bytes(bytes(3000) + record_header(body) + body.data + b"PFB1")
        (found,) = packs.records()
        assert packs.read(found, 0, found.size) == body.data

    @pytest.mark.parametrize("seed", range(20))
    def test_any_octets_may_be_in_a_pack(self, packs: Packs, tmp_path: Path, seed: int) -> None:
        chance = random.Random(seed)
        pieces = [
            chance.choice([b"PFB1", noise(chance.randrange(60), n), bytes(8)]) for n in range(chance.randrange(200))
        ]
        (tmp_path / "packs" / "9.pack").write_bytes(b"".join(pieces))
        for found in packs.records():
            assert found.pack_offset is not None
            assert found.pack_offset + found.stored_size <= len(b"".join(pieces))
